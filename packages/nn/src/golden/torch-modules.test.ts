/**
 * Modules beside torch's: text, names, state, outputs, first and second derivatives, buffers after a forward.
 *
 * The cases were computed by torch_modules.py, which says what they hold.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { init, type Tensor, tensor } from "@loopgrad/tensor";
import { argumentsOf, build, cases, flat, type GoldenTensor, made, name } from "./cases.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** Σ c · x, with the numbers c that the cases were made with. */
function weighted(tensors: readonly (Tensor | null)[]): Tensor {
  const terms = tensors.flatMap((x) => {
    if (x === null || !x.requiresGrad) return [];
    const c = Float64Array.from({ length: x.size }, (_, i) => (((37 * i) % 11) - 5) / 5);
    return [x.mul(tensor(c, { shape: x.shape })).sum()];
  });
  return terms.reduce((a, b) => a.add(b));
}

/** An absent derivative is 0. */
async function same(what: string, got: Tensor | null, wanted: GoldenTensor | null): Promise<void> {
  const data = got === null ? null : Array.from(await got.data());
  if (got !== null && wanted !== null) expect([what, got.shape]).toEqual([what, wanted.shape]);
  const size = data?.length ?? wanted?.data.length ?? 0;
  const largest = Math.max(...(wanted?.data ?? []).map(Math.abs), 1);
  for (let i = 0; i < size; i++) {
    const [a, b] = [data?.[i] ?? 0, wanted?.data[i] ?? 0];
    if (!(Math.abs(a - b) <= 1e-8 * largest)) throw new Error(`${what}[${i}]: got ${a}, torch has ${b}`);
  }
}

test.each(cases.map((golden) => [name(golden), golden] as const))("%s", async (_, golden) => {
  const layer = build(golden);
  expect(String(layer)).toBe(golden.text);
  expect(
    layer
      .namedParameters()
      .map(([key]) => key)
      .sort(),
  ).toEqual([...golden.parameters].sort());
  const state = Object.fromEntries(Object.entries(golden.state).map(([key, value]) => [key, made(value)]));
  expect(layer.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });

  const inputs = golden.inputs.map((x) => made(x, x.requiresGrad));
  const outputs = flat(layer.forward(...(argumentsOf(golden, inputs) as never[])));
  const parameters = new Map(layer.namedParameters());
  const leaves = [
    ...inputs.filter((x) => x.requiresGrad),
    ...golden.parameters.map((key) => parameters.get(key) as Tensor),
  ];
  for (const [i, output] of outputs.entries()) await same(`output ${i}`, output, golden.outputs[i]);
  expect(outputs).toHaveLength(golden.outputs.length);

  const first = grad(weighted(outputs), leaves, { createGraph: true, allowUnused: true });
  for (const [i, g] of first.entries()) await same(`derivative ${i}`, g, golden.grads[i]);
  if (typeof golden.grads2 !== "string") {
    // Where nothing is left to differentiate, torch may have zeros.
    const again = first.some((g) => g?.requiresGrad);
    const second = again ? grad(weighted(first), leaves, { allowUnused: true }) : leaves.map(() => null);
    for (const [i, g] of second.entries()) await same(`second derivative ${i}`, g, golden.grads2[i]);
  }
  const buffers = new Map(layer.namedBuffers());
  for (const [key, value] of Object.entries(golden.buffersAfter)) await same(key, buffers.get(key) ?? null, value);
});
