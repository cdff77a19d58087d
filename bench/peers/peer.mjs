/**
 * A peer's side of the conversation: a request on a line of stdin, an answer on a line of stdout, both JSON.
 *
 *   { op: "make", id, settings, repeat }   makes a workload's task → { description }
 *   { op: "call", results }                one call, up to its results on the host → { ms, results }
 *   { op: "measure", id, settings }        a workload that measures itself → its numbers
 *
 * An answer { error } says in words what went wrong. `src/peers.ts` asks.
 */
import { createInterface } from "node:readline";

/** Sources of numbers in [0, 1), as in `src/data.ts`. */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const product = (shape) => shape.reduce((n, d) => n * d, 1);

export function uniform(seed, shape, bound = 1) {
  const random = seeded(seed);
  return Float32Array.from({ length: product(shape) }, () => bound * (2 * random() - 1));
}

export function classes(seed, length, n) {
  const random = seeded(seed);
  return Int32Array.from({ length }, () => Math.floor(n * random()));
}

/** The i-th parameter's start: matrices uniform within 1/√fan-in, biases 0. Shapes are torch's. */
export const weights = (shapes) =>
  shapes.map((shape, i) =>
    shape.length > 1
      ? uniform(1000 + i, shape, Math.sqrt(shape[0] / product(shape)))
      : new Float32Array(product(shape)),
  );

/** The tasks of w0 and w1, in the order in which they are drawn: [tasks, 10, 1] each. */
export function waves(tasks) {
  const random = seeded(1);
  return () => {
    const drawn = { xs: [], ys: [], xq: [], yq: [] };
    for (let i = 0; i < tasks; i++) {
      const [amplitude, phase] = [0.1 + 4.9 * random(), Math.PI * random()];
      for (const set of ["s", "q"]) {
        const x = Float32Array.from({ length: 10 }, () => random() * 10 - 5);
        drawn[`x${set}`].push(...x);
        drawn[`y${set}`].push(...x.map((one) => amplitude * Math.sin(one - phase)));
      }
    }
    return Object.fromEntries(Object.entries(drawn).map(([name, values]) => [name, Float32Array.from(values)]));
  };
}

export const WAVE_SHAPES = [[40, 1], [40], [40, 40], [40], [1, 40], [1]];

/** How the operands of single operations lie; as in `src/catalog/kernels.ts`. */
export function matmulSizes({ size: n, shape }) {
  if (shape === "tall") return { lead: [], m: 8 * n, k: n, n: Math.ceil(n / 8) };
  if (shape === "batched") return { lead: [8], m: n / 2, k: n / 2, n: n / 2 };
  return { lead: [], m: n, k: n, n };
}
export function convSizes({ size: n, shape }) {
  if (shape === "tall") return [8, 64, 4 * n, Math.ceil(n / 4)];
  return [shape === "batched" ? 32 : 8, 64, n, n];
}
export function streamSizes({ size: n, shape }) {
  if (shape === "tall") return { shape: [16 * n, Math.ceil(n / 16)], axis: 1 };
  if (shape === "batched") return { shape: [8, n, Math.ceil(n / 8)], axis: 1 };
  return { shape: [n, n], axis: shape === "transposed" ? 0 : 1 };
}

function sample(result) {
  const length = Math.min(64, result.length);
  return Array.from({ length }, (_, i) => Number(result[Math.floor((i * result.length) / length)]));
}

/**
 * Answers requests until stdin ends.
 *
 * @param make  (id, settings, repeat) → a task: () → its results, arrays on the host; or undefined where it has no such workload
 */
export async function serve(description, make, measure) {
  let task = null;
  const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    try {
      if (request.op === "make") {
        task?.dispose?.();
        task = await make(request.id, request.settings, request.repeat);
        answer(task === undefined ? { error: `has no ${request.id}` } : { description });
      } else if (request.op === "measure") {
        answer({ description, ...(await measure(request.id, request.settings)) });
      } else {
        const started = performance.now();
        const results = await task();
        const ms = performance.now() - started;
        answer({ ms, results: request.results ? (task.arranged?.(results) ?? results).map(sample) : null });
      }
    } catch (error) {
      answer({
        error: String(error?.stack ?? error)
          .split("\n")
          .slice(0, 4)
          .join(" | "),
      });
    }
  }
  process.exit(0);
}

/** WebGPU through the Dawn that loopgrad uses, for libraries that look for `navigator.gpu`. */
export async function installWebGPU() {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu: create([]), userAgent: "Node", language: "en", hardwareConcurrency: 1 },
    configurable: true,
    writable: true,
  });
}
