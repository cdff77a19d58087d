/**
 * The page: controls, the loop that trains while it plays, and what is shown when something goes wrong.
 *
 * `?device=cpu` leaves the GPU alone; `?seed=1` trains on the same waves every time.
 */
import { type Device, init, manualSeed } from "loopgrad";
import { drawLoss, drawWave } from "./drawing.ts";
import { newView, Training } from "./training.ts";

/** Meta-steps between two looks at the network: reading results waits for the GPU. */
const STEPS_PER_LOOK = 5;
/** Readings that the chart of errors holds. */
const MAX_READINGS = 600;

const element = <T extends Element = HTMLElement>(id: string): T => document.getElementById(id) as unknown as T;
const [play, step, reset, another] = ["play", "step", "reset", "wave-new"].map((id) => element<HTMLButtonElement>(id));
const steps = element<HTMLSelectElement>("steps");

const query = new URLSearchParams(location.search);
let training: Training;
let view = newView(Math.random);
let done = 0;
let playing = false;
const chart = { steps: [] as number[], losses: [] as number[] };

/** Work waits for the work before it: two clicks never train at once. */
let queue: Promise<void> = Promise.resolve();
const enqueue = (work: () => Promise<void>): void => {
  queue = queue.then(work).catch(fail);
};

enqueue(async () => {
  const device = await openDevice();
  element("device").textContent = `${device.name === "webgpu" ? "WebGPU" : "CPU"} · ${device.description}`;
  if (query.has("seed")) manualSeed(Number(query.get("seed")));
  training = new Training();
  await look();
  for (const button of [play, step, reset, another]) button.disabled = false;
});

play.addEventListener("click", () => setPlaying(!playing));
step.addEventListener("click", () => {
  setPlaying(false);
  enqueue(() => train(1));
});
reset.addEventListener("click", () => {
  setPlaying(false);
  enqueue(async () => {
    training.dispose();
    training = new Training();
    done = 0;
    chart.steps = [];
    chart.losses = [];
    await look();
  });
});
another.addEventListener("click", () => {
  view = newView(Math.random);
  enqueue(look);
});
steps.addEventListener("change", () => enqueue(look));

function setPlaying(on: boolean): void {
  if (on === playing) return;
  playing = on;
  play.textContent = on ? "Pause" : "Play";
  if (on) enqueue(playOn);
}

/** Trains until paused. Each round ends with a frame, so that the page stays alive. */
async function playOn(): Promise<void> {
  if (!playing) return;
  await train(STEPS_PER_LOOK);
  await new Promise(requestAnimationFrame);
  enqueue(playOn);
}

/** Some meta-steps, then a look. */
async function train(count: number): Promise<void> {
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
  const shown = view;
  const curves = await training.look(shown, Number(steps.value));
  drawWave(element<SVGElement>("wave"), curves, shown);
  drawLoss(element<SVGElement>("loss"), chart.steps, chart.losses);
  element("stepsShown").textContent = steps.value;
  element("waveText").textContent =
    `Error before: ${curves.errorBefore.toFixed(2)}, after ${steps.value} steps: ${curves.errorAfter.toFixed(2)}`;
  if (chart.steps.length === 0) element("lossText").textContent = "No training steps yet.";
}

/** WebGPU, else cpu with a note that says why. */
async function openDevice(): Promise<Device> {
  if (query.get("device") === "cpu") return init({ device: "cpu" });
  try {
    return await init({ device: "webgpu" });
  } catch (error) {
    const note = element("note");
    note.hidden = false;
    note.textContent = `No WebGPU here, so the page computes on the CPU, more slowly. (${(error as Error).message})`;
    return init({ device: "cpu" });
  }
}

function fail(error: Error): void {
  setPlaying(false);
  for (const button of [play, step, reset, another]) button.disabled = true;
  const box = element("error");
  box.hidden = false;
  box.textContent = `Something went wrong: ${error.message}. Reload the page to start again.`;
  console.error(error);
}
