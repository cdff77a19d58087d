/**
 * Functions beside torch's, with the options and overloads that they have: values, first and second derivatives, on both devices.
 *
 * The cases were computed by torch_options.py, which says what they hold.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import * as tensors from "@loopgrad/tensor";
import { type Device, type DType, init, scope, Tensor, tensor } from "@loopgrad/tensor";
import { functional } from "../index.ts";

interface GoldenTensor {
  shape: number[];
  dtype: DType;
  data: (number | string)[];
  requiresGrad?: boolean;
}

interface Case {
  name: string;
  args: unknown[];
  outputs: GoldenTensor[];
  first?: (GoldenTensor | null)[];
  second?: (GoldenTensor | null)[];
}

const file = new URL("./torch-options.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };
const exported: Record<string, unknown> = { ...tensors, ...functional };

const isGolden = (x: unknown): x is GoldenTensor =>
  typeof x === "object" && x !== null && "dtype" in x && "data" in x && "shape" in x;

const numbers = ({ data }: GoldenTensor): number[] => data.map((x) => (typeof x === "string" ? parse(x) : x));
const parse = (x: string): number => (x === "nan" ? Number.NaN : x === "inf" ? Infinity : -Infinity);

/** float64 is what the cpu device computes in; a GPU has float32. */
const held = (dtype: DType, device: Device): DType => (dtype === "float64" ? device.defaultDType : dtype);

function given(arg: unknown, device: Device, leaves: Tensor[]): unknown {
  if (isGolden(arg)) {
    const { shape, dtype, requiresGrad = false } = arg;
    const x = tensor(numbers(arg), { shape, dtype: held(dtype, device), device, requiresGrad });
    if (requiresGrad) leaves.push(x);
    return x;
  }
  if (arg === "float64") return device.defaultDType;
  if (Array.isArray(arg)) return arg.map((item) => given(item, device, leaves));
  if (typeof arg !== "object" || arg === null) return arg;
  return Object.fromEntries(Object.entries(arg).map(([key, value]) => [key, given(value, device, leaves)]));
}

/** Σ c · x, with the numbers c that the cases were made with; null if nothing is differentiated. */
function weighted(results: readonly (Tensor | null)[]): Tensor | null {
  const terms = results.flatMap((x) => {
    if (!x?.requiresGrad) return [];
    const c = Float64Array.from({ length: x.size }, (_, i) => (((37 * i) % 11) - 5) / 5);
    return [x.mul(tensor(c, { shape: x.shape, dtype: x.dtype, device: x.device })).sum()];
  });
  return terms.length === 0 ? null : terms.reduce((a, b) => a.add(b));
}

/** An absent derivative is 0. */
async function same(what: string, got: Tensor | null, wanted: GoldenTensor | null, tolerance: number): Promise<void> {
  const data = got === null ? null : Array.from(await got.data());
  if (got !== null && wanted !== null) expect([what, got.shape]).toEqual([what, wanted.shape]);
  const right = wanted === null ? [] : numbers(wanted);
  const largest = Math.max(...right.filter(Number.isFinite).map(Math.abs), 1);
  for (let i = 0; i < Math.max(data?.length ?? 0, right.length); i++) {
    const [a, b] = [data?.[i] ?? 0, right[i] ?? 0];
    if (Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * largest) continue;
    throw new Error(`${what}[${i}]: got ${a}, torch has ${b}`);
  }
}

async function check({ name, args, outputs, first, second }: Case, device: Device): Promise<void> {
  const tolerance = device.defaultDType === "float64" ? 1e-8 : 2e-4;
  const leaves: Tensor[] = [];
  const results = (() => {
    const call = exported[name] as (...args: unknown[]) => Tensor | Tensor[];
    const result = call(...args.map((arg) => given(arg, device, leaves)));
    const list = result instanceof Tensor ? [result] : [...result];
    const total = first === undefined ? null : weighted(list);
    const gradients =
      total === null ? leaves.map(() => null) : grad(total, leaves, { createGraph: true, allowUnused: true });
    const next = second === undefined ? null : weighted(gradients);
    const again = next === null ? leaves.map(() => null) : grad(next, leaves, { allowUnused: true });
    return { list, gradients, again };
  })();
  expect(results.list).toHaveLength(outputs.length);
  for (const [i, output] of results.list.entries()) {
    expect(output.dtype).toBe(held(outputs[i].dtype, device));
    await same(`output ${i}`, output, outputs[i], outputs[i].dtype === "float32" ? 1e-6 : tolerance);
  }
  const rough = outputs.some(({ dtype }) => dtype === "float32") ? 1e-6 : tolerance;
  for (const [i, g] of (first ?? []).entries()) await same(`derivative ${i}`, results.gradients[i], g, rough);
  for (const [i, g] of (second ?? []).entries()) await same(`second derivative ${i}`, results.again[i], g, rough);
}

/** The arguments in short: tensors by their shapes. */
const short = (arg: unknown): unknown => {
  if (isGolden(arg)) return `${arg.dtype}[${arg.shape}]`;
  if (Array.isArray(arg)) return arg.map(short);
  if (typeof arg !== "object" || arg === null) return arg;
  return Object.fromEntries(Object.entries(arg).map(([key, value]) => [key, short(value)]));
};

const named = cases.map(
  (golden, i) => [`${golden.name} ${JSON.stringify(golden.args.map(short))}`, golden, i] as const,
);

describe("on the cpu, in float64", () => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: "cpu", dtype: "float64" });
  });
  test.each(named)("%s", async (_, golden) => scope(() => check(golden, device)));
});

/**
 * Programs that take a software adapter seconds to compile: the cpu device checks their derivatives. Of the others every
 * second is checked to first order here and every eighth to second; all of them in a full run.
 */
function shallow(golden: Case, i: number): Case {
  const { name, args } = golden;
  if (process.env.LOOPGRAD_FULL === undefined) {
    if (i % 8 !== 0) golden = { ...golden, second: undefined };
    if (i % 2 !== 0) golden = { ...golden, first: undefined };
  }
  if (JSON.stringify(args).includes('"nuc"')) return { ...golden, first: undefined, second: undefined };
  const isLong = /^(cholesky|solve|adaptiveMaxPool.d|.*MarginLoss)$/.test(name) || args.includes("prod");
  return isLong ? { ...golden, second: undefined } : golden;
}

describe("on WebGPU, in float32", () => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: "webgpu" });
  });
  test.each(named)("%s", async (_, golden, i) => scope(() => check(shallow(golden, i), device)));
});
