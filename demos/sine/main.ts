/**
 * The page: controls, the loop that trains while it plays, and what is shown when something goes wrong.
 *
 * `?seed=1` trains on the same waves, and shows the same ones, on every opening and after every reset.
 * `?device=cpu` and `?device=webgpu` insist on a device. Otherwise the page takes a GPU; where there is none it takes the cpu
 * device, which is faster than a software adapter.
 *
 * A *start* is a device with a new network on it. After a failure, a lost GPU say, the page offers another start.
 */
import { type Device, DeviceError, type InitOptions, init, manualSeed } from "loopgrad";
import { drawLoss, drawWave } from "./drawing.ts";
import { type Curves, newView, seeded, Training, type View } from "./training.ts";

/** Meta-steps between two looks at the network: reading results waits for the GPU. */
const STEPS_PER_LOOK = 5;
/** Readings that the chart of errors holds. */
const MAX_READINGS = 600;

const element = <T extends Element = HTMLElement>(id: string): T => document.getElementById(id) as unknown as T;
const controls = ["play", "step", "reset", "wave-new"].map((id) => element<HTMLButtonElement>(id));
const [play, step, reset, another] = controls;
const [again, againOnCpu] = ["again", "again-cpu"].map((id) => element<HTMLButtonElement>(id));
const steps = element<HTMLSelectElement>("steps");
const [waveChart, lossChart] = ["wave", "loss"].map((id) => element<SVGElement>(id));

const query = new URLSearchParams(location.search);
let device: Device | null = null;
let training: Training | null = null;
let random = Math.random;
let view = newView(random);
let shown: { curves: Curves; view: View } | null = null;
let done = 0;
let playing = false;
/** A round of play is in the queue: a second chain of rounds would share it. */
let inRounds = false;
const chart = { steps: [] as number[], losses: [] as number[] };

/** Work waits for the work before it: two clicks never train at once. After a failure all is dropped until the next start. */
let queue: Promise<void> = Promise.resolve();
let broken = false;
const enqueue = (work: () => Promise<void>): void => {
  queue = queue.then(() => (broken ? undefined : work())).catch(fail);
};

enqueue(() => start(query.get("device")));

play.addEventListener("click", () => setPlaying(!playing));
step.addEventListener("click", () => {
  setPlaying(false);
  enqueue(() => train(1));
});
reset.addEventListener("click", () => {
  setPlaying(false);
  enqueue(begin);
});
another.addEventListener("click", () =>
  enqueue(() => {
    view = newView(random);
    return look();
  }),
);
steps.addEventListener("change", () => enqueue(look));
again.addEventListener("click", () => startAgain(query.get("device")));
againOnCpu.addEventListener("click", () => startAgain("cpu"));

document.addEventListener("keydown", (event) => {
  const { key, target, repeat } = event;
  if (key !== " " || event.ctrlKey || event.altKey || event.metaKey || play.disabled) return;
  // There the space bar has a meaning already.
  if (target instanceof Element && target.closest("button, select, input, textarea, a, summary") !== null) return;
  event.preventDefault();
  if (!repeat) setPlaying(!playing);
});

const sizes = new ResizeObserver(draw);
for (const { ownerSVGElement } of [waveChart, lossChart]) sizes.observe(ownerSVGElement as SVGSVGElement);

/** Opens a device and puts a new network on it. */
async function start(wanted: string | null): Promise<void> {
  element("device").textContent = "looking for a GPU…";
  element("note").hidden = true;
  training?.dispose();
  training = null;
  device?.destroy();
  device = null;
  device = await openDevice(wanted);
  element("device").textContent = `${device.name === "webgpu" ? "WebGPU" : "CPU"} · ${device.description}`;
  await begin();
  for (const button of controls) button.disabled = false;
}

function startAgain(wanted: string | null): void {
  element("error").hidden = true;
  broken = false;
  enqueue(async () => {
    await start(wanted);
    play.focus();
  });
}

/** A new network that has learned nothing. With a seed, all that is random begins anew. */
async function begin(): Promise<void> {
  training?.dispose();
  training = null;
  const seed = query.get("seed");
  if (seed !== null) {
    if (!/^\d{1,15}$/.test(seed)) throw new Error(`?seed=${seed}: wanted a whole number, such as ?seed=1`);
    manualSeed(Number(seed));
    random = seeded(Number(seed));
    view = newView(random);
  }
  training = new Training();
  done = 0;
  chart.steps = [];
  chart.losses = [];
  await look();
}

function setPlaying(on: boolean): void {
  if (on === playing) return;
  playing = on;
  play.textContent = on ? "Pause" : "Play";
  if (!on || inRounds) return;
  inRounds = true;
  enqueue(playOn);
}

/** Trains until paused. Each round ends with a frame, so that the page stays alive. */
async function playOn(): Promise<void> {
  if (!playing) {
    inRounds = false;
    return;
  }
  await train(STEPS_PER_LOOK);
  await new Promise(requestAnimationFrame);
  enqueue(playOn);
}

/** Some meta-steps, then a look. */
async function train(count: number): Promise<void> {
  if (training === null) return;
  const started = performance.now();
  const error = await training.metaSteps(count);
  const ms = (performance.now() - started) / count;
  done += count;
  chart.steps.push(done);
  chart.losses.push(error);
  if (chart.steps.length > MAX_READINGS) thinOut();
  element("lossText").textContent = `Meta-step ${done}: error ${error.toFixed(3)}, ${ms.toFixed(1)} ms per meta-step`;
  await look();
}

/** Makes one reading of each two, so that the chart stays light however long the page plays. */
function thinOut(): void {
  const { steps, losses } = chart;
  chart.steps = steps.filter((_, i) => i % 2 === 1);
  chart.losses = chart.steps.map((_, i) => (losses[2 * i] + losses[2 * i + 1]) / 2);
}

/** Adapts to the wave on view and draws both charts. */
async function look(): Promise<void> {
  if (training === null) return;
  // What is asked for now: while the GPU computes, another number may be chosen, whose look follows.
  const [of, count] = [view, steps.value];
  const curves = await training.look(of, Number(count));
  shown = { curves, view: of };
  draw();
  element("stepsShown").textContent = count;
  element("waveText").textContent =
    `Error before: ${curves.errorBefore.toFixed(2)}, after ${count} steps: ${curves.errorAfter.toFixed(2)}`;
  if (chart.steps.length === 0) element("lossText").textContent = "No training steps yet.";
}

function draw(): void {
  if (shown === null) return;
  drawWave(waveChart, shown.curves, shown.view);
  drawLoss(lossChart, chart.steps, chart.losses);
}

/** The device that is insisted on; else a GPU; else cpu, with a note that says what would help. */
async function openDevice(wanted: string | null): Promise<Device> {
  if (wanted !== null && wanted !== "auto") return init({ device: wanted as InitOptions["device"] });
  try {
    return await init({ device: "webgpu", adapter: "hardware" });
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    console.info(error.message);
    const note = element("note");
    note.hidden = false;
    note.textContent =
      "This browser offers the page no GPU, so the page computes on the CPU. If the machine has a GPU: Chrome or Edge 113, " +
      "Safari 26, Firefox 141 or later can use it, with hardware acceleration switched on in the browser's settings.";
    return init({ device: "cpu" });
  }
}

/** Says what happened, and offers to start again. */
function fail(error: unknown): void {
  console.error(error);
  setPlaying(false);
  broken = true;
  inRounds = false;
  const hadFocus = controls.some((button) => button === document.activeElement);
  for (const button of controls) button.disabled = true;
  const message = error instanceof Error ? error.message : String(error);
  const isLost = error instanceof DeviceError && message.includes("the GPU device was lost");
  element("errorText").textContent = isLost
    ? "The page has lost the GPU, and with it what the network had learned: the graphics driver may have restarted."
    : `Something went wrong. ${message}`;
  if (device === null) element("device").textContent = "no device";
  againOnCpu.hidden = device?.name === "cpu";
  const box = element("error");
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
  if (hadFocus) again.focus();
}
