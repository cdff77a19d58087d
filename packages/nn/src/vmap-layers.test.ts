/**
 * Every layer inside vmap beside a loop over the tasks, each with parameters, buffers and inputs of its own: outputs,
 * buffers after a forward, first and second derivatives, in float64.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { type HostArray, init, isFloat, scope, stack, type Tensor, tensor, vmap } from "@loopgrad/tensor";
import { argumentsOf, build, type Case, cases, flat, made, name } from "./golden/cases.ts";
import { substitute } from "./index.ts";

const TASKS = 2;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** A tensor of each task: floats differ a little. */
const ofTasks = (x: Tensor): Tensor =>
  stack(Array.from({ length: TASKS }, (_, t) => (isFloat(x.dtype) ? x.mul(1 - 0.03 * t) : x)));

/** A number that depends on every element in another way. */
function score(ys: readonly Tensor[]): Tensor {
  const terms = ys.flatMap((y, j) => {
    if (!isFloat(y.dtype)) return [];
    const weights = Float64Array.from({ length: y.size }, (_, i) => Math.sin(1 + 2.3 * i + j));
    return [y.mul(tensor(weights, { shape: y.shape })).sum()];
  });
  return terms.reduce((a, b) => a.add(b), tensor(0));
}

const gradients = (y: Tensor, xs: readonly Tensor[], createGraph: boolean): Tensor[] => {
  const found = y.requiresGrad && xs.length > 0 ? grad(y, xs, { createGraph, allowUnused: true }) : xs.map(() => null);
  return xs.map((x, i) => found[i] ?? x.mul(0).detach());
};

function compared(golden: Case): [string, Promise<HostArray>, Promise<HostArray>][] {
  const layer = build(golden);
  layer.loadStateDict(Object.fromEntries(Object.entries(golden.state).map(([key, value]) => [key, made(value)])));
  return scope(() => {
    const own = (slots: readonly [string, Tensor][]): Record<string, Tensor> =>
      Object.fromEntries(slots.map(([key, slot]) => [key, ofTasks(slot.detach())]));
    const params = own(layer.namedParameters());
    const buffers = own(layer.namedBuffers());
    const inputs = golden.inputs.map((x) => ofTasks(made(x)));
    const leaves = [...Object.values(params), ...inputs.filter((_, i) => golden.inputs[i].requiresGrad)];
    for (const leaf of leaves) leaf.requiresGrad_();
    type Own = { params: Record<string, Tensor>; buffers: Record<string, Tensor>; inputs: Tensor[] };
    const run = ({ params, buffers: own, inputs }: Own): Tensor[] => {
      const { output, buffers } = substitute(layer, { params, buffers: own }, (m) =>
        flat(m.forward(...(argumentsOf(golden, inputs) as never[]))),
      );
      return [...output, ...Object.values(buffers), score(output)];
    };
    const derived = (values: readonly Tensor[]): [string, Tensor][] => {
      const first = gradients((values.at(-1) as Tensor).sum(), leaves, true);
      const second = gradients(score(first.map((g) => g.square())), leaves, false);
      return [
        ...values.map((y, i): [string, Tensor] => [`value ${i}`, y]),
        ...first.map((g, i): [string, Tensor] => [`derivative ${i}`, g]),
        ...second.map((g, i): [string, Tensor] => [`second derivative ${i}`, g]),
      ];
    };
    const together = derived(vmap(run)({ params, buffers, inputs }));
    const at = (record: Record<string, Tensor>, t: number): Record<string, Tensor> =>
      Object.fromEntries(Object.entries(record).map(([key, x]) => [key, x.select(0, t)]));
    const results = Array.from({ length: TASKS }, (_, t) =>
      run({ params: at(params, t), buffers: at(buffers, t), inputs: inputs.map((x) => x.select(0, t)) }),
    );
    const looped = derived(results[0].map((_, i) => stack(results.map((ys) => ys[i]))));
    return together.map(([what, y], i) => {
      expect([what, y.shape]).toEqual([what, looped[i][1].shape]);
      return [what, y.data(), looped[i][1].data()];
    });
  });
}

test.each(cases.map((golden) => [name(golden), golden] as const))("%s", async (_, golden) => {
  for (const [what, together, looped] of compared(golden)) {
    const [a, b] = [await together, await looped];
    a.forEach((x: number, i: number) => {
      if (!(Math.abs(x - b[i]) <= 1e-9 * Math.max(1, Math.abs(b[i])) || Object.is(x, b[i]))) {
        throw new Error(`${what}[${i}]: ${x} inside vmap, ${b[i]} in a loop`);
      }
    });
  }
});
