/**
 * The page: controls, the loop that trains while it plays, and what is shown when something goes wrong.
 *
 * `?device=cpu` leaves the GPU alone.
 */
import { type Device, init } from "loopgrad";
import { drawLoss, drawWave } from "./drawing.ts";
import { newView, Training } from "./training.ts";

/** Meta-steps between two looks at the network: reading results waits for the GPU. */
const STEPS_PER_LOOK = 5;

const element = <T extends Element = HTMLElement>(id: string): T => document.getElementById(id) as unknown as T;
const [play, step, reset, another] = ["play", "step", "reset", "wave-new"].map((id) => element<HTMLButtonElement>(id));
const steps = element<HTMLSelectElement>("steps");

let training: Training;
let view = newView();
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
  view = newView();
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

/** Some meta-steps, then a look. Only the last one's error is read. */
async function train(count: number): Promise<void> {
  const started = performance.now();
  for (let i = 1; i < count; i++) training.metaStep().dispose();
  using loss = training.metaStep();
  const error = await loss.item();
  const ms = (performance.now() - started) / count;
  done += count;
  chart.steps.push(done);
  chart.losses.push(error);
  element("lossText").textContent = `Meta-step ${done}: error ${error.toFixed(3)}, ${ms.toFixed(1)} ms per meta-step`;
  await look();
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
  if (new URLSearchParams(location.search).get("device") === "cpu") return init({ device: "cpu" });
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
