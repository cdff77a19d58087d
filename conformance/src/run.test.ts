/**
 * The tolerances, and what holds to them: in every field of every suite a value a little inside of its limit passes, and one a little
 * outside fails. So none of them can become twice as wide, or half, without a word.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { type Device, init, zeros } from "loopgrad";
import { compareNumbers, type Tolerance } from "./compare.ts";
import { goldenFile } from "./coverage.ts";
import { type Float32Error, type GoldenCase, type GoldenTensor, readGoldenFile } from "./format.ts";
import { runCase, tolerance } from "./run.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
});

const FLOATS = ["float64", "float32"] as const;
type Float = (typeof FLOATS)[number];

/** What the limits are, by a field: this file's own copy. */
function limit(field: string, float: Float, isNumber: boolean, own: number): Tolerance {
  if (isNumber) return { rtol: 1e-9, atol: 1e-12 };
  if (float === "float32") return { rtol: Math.max(1e-4, 10 * own), atol: 1e-6 };
  return field === "hyper_grads" ? { rtol: 1e-6, atol: 1e-9 } : { rtol: 1e-9, atol: 1e-12 };
}

/** What a float32 run may be off by in a field whose name, or whose name and key, have an error of PyTorch's own. */
const ERRORS: Float32Error = {
  outputs: 1e-3,
  grads: 9e-6,
  params_after: 1.1e-5,
  hyper_grads: { lr: 2e-3, betas: 1e-7 },
};

describe.each(FLOATS)("%s", (float) => {
  test.each<[field: string, key: string | undefined, own: number]>([
    ["outputs", undefined, 1e-3],
    ["grads", undefined, 9e-6],
    ["params_after", undefined, 1.1e-5],
    ["grads2", undefined, 0],
    ["hyper_grads", "lr", 2e-3],
    ["hyper_grads", "betas", 1e-7],
    ["hyper_grads", "momentum", 0],
    ["hyper_grads", undefined, 0],
  ])("%s %s", (field, key, own) => {
    const place = { device, float };
    for (const [got, isNumber] of [
      [zeros([1]), false],
      [null, false],
      [1, true],
    ] as const) {
      const found = tolerance({ what: field, field, key, got, wanted: 1 }, ERRORS, place);
      const { rtol, atol } = limit(field, float, isNumber, own);
      expect([found.rtol / rtol, found.atol / atol].map((ratio) => ratio.toFixed(6))).toEqual(["1.000000", "1.000000"]);
    }
  });
});

/** Where a suite's cases have what is wanted, and the small cases that are tried. */
const CASES: readonly [file: string, name: string, wanted: readonly string[]][] = [
  ["ops", "exp/basic", ["outputs", "grads", "grads2"]],
  ["third", "", ["outputs", "grads", "grads2", "grads3"]],
  ["nn", "BatchNorm1d", ["outputs", "input_grads", "param_grads", "input_grads2", "param_grads2", "state_after"]],
  ["optim", "ASGD/t0", ["steps", "state_after"]],
  ["optim", "Adam/groups", ["steps", "state_after"]],
  ["optim", "OneCycleLR/basic", ["lrs", "momentums"]],
  ["higher", "sgd/tanh1/one-step", ["expect"]],
];

type Path = readonly (string | number)[];

/** A number or a tensor that is wanted. */
interface Leaf {
  readonly path: Path;
  readonly wanted: GoldenTensor | number;
}

const isTensor = (x: object): x is GoldenTensor => "shape" in x && "data" in x;

/** All that is wanted below a place in a case; gradients that are given, errors and what is null are not. */
function* leaves(x: unknown, path: Path): Generator<Leaf> {
  if (typeof x === "number" || (typeof x === "object" && x !== null && isTensor(x))) yield { path, wanted: x };
  else if (typeof x === "object" && x !== null) {
    for (const [name, part] of Object.entries(x)) {
      const isGiven = path[0] === "steps" && name === "grads";
      if (!isGiven && name !== "f32_error") yield* leaves(part, [...path, name]);
    }
  }
}

/** The case with another number in a place; `at` is the element of a tensor. */
function changed(golden: GoldenCase, path: Path, at: number, value: number): GoldenCase {
  const copy = structuredClone(golden) as unknown as Record<string | number, unknown>;
  let part = copy;
  for (const name of path.slice(0, -1)) part = part[name] as typeof part;
  const last = path[path.length - 1];
  if (typeof part[last] === "number") part[last] = value;
  else (part[last] as { data: number[] }).data[at] = value;
  return copy as unknown as GoldenCase;
}

/** Fields of `expect` and of steps go by their own names. */
const fieldOf = (path: Path): string =>
  String(path[0] === "expect" ? path[1] : path[0] === "steps" ? path[2] : path[0]);

/** Wanted numbers that the host computes: rates, and counts in an optimizer's state. */
const isHost = (path: Path, wanted: GoldenTensor | number): boolean =>
  typeof wanted === "number" && path[0] !== "expect";

/** The same case with another float32 error for all its fields. */
function withErrors(golden: GoldenCase, own: number): GoldenCase {
  const fields = [...Object.keys(golden), ...Object.keys("expect" in golden ? golden.expect : {}), "params_after"];
  const errors = Object.fromEntries(fields.map((field) => [field, own]));
  if (golden.suite === "higher") return { ...golden, expect: { ...golden.expect, f32_error: errors } };
  return { ...golden, f32_error: errors } as GoldenCase;
}

describe.each(FLOATS)("cases in %s", (float) => {
  test.each(CASES)("%s %s: inside of every limit it passes, outside it fails", async (file, name, fields) => {
    const place = { device, float };
    const all = await readGoldenFile(goldenFile(file));
    const original = all.find((golden) => golden.name.startsWith(name)) as GoldenCase;
    for (const own of float === "float64" ? [0] : [0, 1e-4]) {
      const golden = withErrors(original, own);
      expect(await runCase(golden, place)).toMatchObject({ passed: true, error: null });
      const found = fields.flatMap((field) => [
        ...leaves((golden as unknown as Record<string, unknown>)[field], [field]),
      ]);
      // The last of each field: a second result, the last step, the second group. A tensor of zeros may be "no gradient", and
      // integers have no limit.
      const some = found.filter(
        ({ wanted }) => typeof wanted === "number" || (wanted.dtype === "f32" && wanted.data.some((x) => x !== 0)),
      );
      const tried = new Map(some.map((leaf) => [`${fieldOf(leaf.path)} ${isHost(leaf.path, leaf.wanted)}`, leaf]));
      expect(tried.size).toBeGreaterThan(0);
      for (const { path, wanted } of tried.values()) {
        const data = (typeof wanted === "number" ? [wanted] : wanted.data) as number[];
        const scale = Math.max(...data.map(Math.abs));
        const at = data.findIndex((x) => Math.abs(x) === scale);
        const { rtol, atol } = limit(fieldOf(path), float, isHost(path, wanted), own);
        const outcome = async (share: number): Promise<unknown> => {
          const away = changed(golden, path, at, data[at] - Math.sign(data[at] || 1) * share * (atol + rtol * scale));
          const { passed, mismatches, error } = await runCase(away, place);
          return [fieldOf(path), share, passed, mismatches.length, error];
        };
        expect(await outcome(0.8)).toEqual([fieldOf(path), 0.8, true, 0, null]);
        expect(await outcome(1.25)).toEqual([fieldOf(path), 1.25, false, 1, null]);
      }
    }
  });
});

test("zeros are held to the absolute limit", async () => {
  const zero: GoldenTensor = { shape: [1], dtype: "f32", data: [0] };
  const one = { ...zero, data: [1] };
  const difference = (wanted: number): GoldenCase => ({
    name: "one less one",
    suite: "third",
    inputs: [one],
    program: [{ op: "sub", in: ["x0", "x0"], attrs: {}, out: "y" }],
    outputs_of: ["y"],
    outputs: [{ ...zero, data: [wanted] }],
    cotangents: [one],
    grads: [{ ...zero, data: [wanted] }],
    cotangents2: [one],
    grads2: [{ ...zero, data: [wanted] }],
    cotangents3: [one],
    grads3: [zero],
  });
  for (const [float, atol] of [
    ["float64", 1e-12],
    ["float32", 1e-6],
  ] as const) {
    const place = { device, float };
    expect((await runCase(difference(0.8 * atol), place)).mismatches.map(({ what }) => what)).toEqual(
      // A gradient that does not come out is the same as zeros, and as nothing else.
      ["grads2[0]"],
    );
    expect((await runCase(difference(1.25 * atol), place)).mismatches.map(({ what }) => what).sort()).toEqual([
      "grads2[0]",
      "grads[0]",
      "outputs[0]",
    ]);
  }
});

test("a state that lacks a name fails, and what cannot run says why", async () => {
  const place = { device, float: "float64" } as const;
  const all = await readGoldenFile(goldenFile("optim"));
  const sgd = all.find((golden) => golden.name === "SGD/lr");
  const more = {
    ...sgd,
    state_after: [{}, { momentum_buffer: { shape: [3], dtype: "f32", data: [1, 0, 0] }, step: 0 }],
  };
  const { mismatches } = await runCase(more as unknown as GoldenCase, place);
  expect(mismatches.map(({ what }) => what)).toEqual(["state_after[1] momentum_buffer", "state_after[1] step"]);
  const unknown = await runCase({ ...sgd, optimizer: "Adagard" } as unknown as GoldenCase, place);
  expect([unknown.passed, unknown.mismatches, unknown.error?.includes("Adagard")]).toEqual([false, [], true]);
});

test("of several mismatches the largest comes first", async () => {
  const place = { device, float: "float64" } as const;
  const [golden] = await readGoldenFile(goldenFile("ops"));
  const first = changed(changed(golden, ["outputs", 0], 0, 9), ["grads2", 0], 0, 900);
  const second = changed(changed(golden, ["outputs", 0], 0, 9000), ["grads2", 0], 0, 9);
  const names = async (one: GoldenCase): Promise<string[]> =>
    (await runCase(one, place)).mismatches.map(({ error, what }) => `${what} ${error > 0.5}`);
  expect((await names(first))[0]).toContain("grads2");
  expect((await names(second))[0]).toContain("outputs");
});

test("a limit holds the largest difference of the tensor, whichever element it is", () => {
  const within = { rtol: 1e-3, atol: 1e-6 };
  for (const at of [0, 1, 2]) {
    const off = (by: number): number[] => [10, -20, 5].map((x, i) => (i === at ? x + by : x));
    expect(compareNumbers("y", off(0.019), [10, -20, 5], within)).toBeNull();
    expect(compareNumbers("y", off(-0.019), [10, -20, 5], within)).toBeNull();
    expect(compareNumbers("y", off(0.021), [10, -20, 5], within)?.error).toBeCloseTo(0.021 / 20, 9);
    expect(compareNumbers("y", off(-0.021), [10, -20, 5], within)?.reason).toContain(`at [${at}]`);
  }
});
