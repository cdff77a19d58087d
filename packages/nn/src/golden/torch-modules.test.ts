/**
 * Modules beside torch's: text, names, state, outputs, first and second derivatives, buffers after a forward.
 *
 * The cases were computed by torch_modules.py, which says what they hold.
 */
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { type DType, init, Tensor, tensor } from "@loopgrad/tensor";
import * as nn from "../index.ts";

interface GoldenTensor {
  shape: number[];
  dtype: DType;
  data: number[];
}

interface Case {
  module: string;
  args: unknown[];
  options: Record<string, unknown>;
  wrap: "weightNorm" | "spectralNorm" | null;
  wrapOptions: Record<string, unknown>;
  training: boolean;
  text: string;
  parameters: string[];
  state: Record<string, GoldenTensor>;
  inputs: (GoldenTensor & { requiresGrad: boolean })[];
  call: Record<string, unknown>;
  outputs: GoldenTensor[];
  grads: (GoldenTensor | null)[];
  grads2: (GoldenTensor | null)[] | string;
  buffersAfter: Record<string, GoldenTensor>;
}

const file = new URL("./torch-modules.json", import.meta.url);
const exported: Record<string, unknown> = { ...nn };
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const made = ({ shape, dtype, data }: GoldenTensor, requiresGrad = false): Tensor =>
  tensor(data, { shape, dtype, requiresGrad });

const isGolden = (x: unknown): x is GoldenTensor => typeof x === "object" && x !== null && "dtype" in x;

const constant = (x: unknown): unknown => (isGolden(x) ? made(x) : x);

/** Keywords as options. */
const optionsOf = (keywords: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(keywords).map(([name, value]) => [
      name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      constant(value),
    ]),
  );

/** A call without options is made without an options object: not every forward takes one. */
const given = (keywords: Record<string, unknown>): unknown[] =>
  Object.keys(keywords).length === 0 ? [] : [optionsOf(keywords)];

function build({ module, args, options, wrap, wrapOptions, training }: Case): nn.Module {
  const Class = exported[module] as new (...args: unknown[]) => nn.Module;
  const layer = new Class(...args.map(constant), ...given(options)).train(training);
  if (wrap === "weightNorm") nn.weightNorm(layer, optionsOf(wrapOptions));
  if (wrap === "spectralNorm") nn.spectralNorm(layer, optionsOf(wrapOptions));
  return layer;
}

const flat = (output: unknown): Tensor[] =>
  output instanceof Tensor ? [output] : (output as unknown[]).filter((x) => x !== null).flatMap(flat);

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

const name = ({ module, args, options, wrap, training }: Case): string =>
  [wrap ?? "", module, JSON.stringify([...args, options]), training ? "" : "eval"]
    .filter((part) => part !== "")
    .join(" ");

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
  // An LSTM's state is a pair.
  const args = golden.module === "LSTM" && inputs.length === 3 ? [inputs[0], inputs.slice(1)] : inputs;
  const outputs = flat(layer.forward(...([...args, ...callOf(golden, inputs)] as never[])));
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

/** The options of the call; the state that a recurrent layer starts with is among the inputs. */
function callOf({ call }: Case, inputs: readonly Tensor[]): unknown[] {
  return inputs.length === 0 ? [] : given(call);
}
