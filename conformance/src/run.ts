/**
 * Running golden files on a device.
 *
 * A case *passes* if all its values agree with those wanted; it *fails* if one differs, if running it throws, or
 * if it needs something that loopgrad does not have. Nothing is skipped.
 */
import { type Device, init, scope, type Tensor } from "loopgrad";
import type { Finding, Place } from "./cases/case.ts";
import { runHigher } from "./cases/higher.ts";
import { runModule } from "./cases/module.ts";
import { runOp, runProgram } from "./cases/operation.ts";
import { runOptimizer, runScheduler } from "./cases/optimizer.ts";
import { compare, compareNumbers, type Mismatch, type Tolerance } from "./compare.ts";
import { type Float32Error, type GoldenCase, readGoldenFile } from "./format.ts";
import { NotBuilt } from "./names.ts";

/** Devices that cases can run on: cpu in float64, webgpu in float32. */
export const DEVICES = ["cpu", "webgpu"] as const;

export type DeviceName = (typeof DEVICES)[number];

export interface Result {
  readonly name: string;
  readonly suite: GoldenCase["suite"];
  /** What the case is about: an operation, a module, an optimizer, a program or an inner loop. */
  readonly subject: string;
  readonly passed: boolean;
  /** All that differs, the largest error first. Empty if the case passed, or could not run. */
  readonly mismatches: readonly Mismatch[];
  /** Why the case could not run; null if it did. */
  readonly error: string | null;
}

export interface RunOptions {
  readonly device?: DeviceName;
  readonly filter?: string;
  readonly every?: number;
  readonly secondOrderEvery?: number;
  readonly onResult?: (result: Result) => void;
  readonly around?: Around;
}

/**
 * Runs the cases of a golden file.
 *
 * @param file            a path
 * @param options.device  default "cpu"
 * @param options.filter  only cases whose name contains it, upper and lower case alike
 * @param options.onResult  told of each result as it comes
 * @param options.every   one case of so many is run; default 1
 * @param options.secondOrderEvery  of operations, one of so many is run to second derivatives, the others to first; default 1
 * @param options.around    runs what a case computes: under an interpreter of operations, say
 * @throws                GoldenFileError for a file that is not a golden file
 * @example const failed = (await runFile("golden/ops.json", { filter: "conv" })).filter(({ passed }) => !passed);
 */
export async function runFile(file: string, options: RunOptions = {}): Promise<Result[]> {
  const { filter = "", every = 1, secondOrderEvery = 1, onResult, around } = options;
  const all = await readGoldenFile(file);
  const named = all.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  const cases = named.filter((_, i) => i % every === 0);
  const name = options.device ?? "cpu";
  let place = await placeFor(name);
  try {
    const results: Result[] = [];
    for (const [i, golden] of cases.entries()) {
      const orders = i % secondOrderEvery === 0 ? undefined : 1;
      const result = await runCase(golden, { ...place, orders }, around);
      results.push(result);
      onResult?.(result);
      if (result.error?.startsWith("DeviceError")) {
        // A device that failed may fail in all that follows: the next case gets another.
        place.device.destroy();
        place = await placeFor(name);
      }
    }
    return results;
  } finally {
    place.device.destroy();
  }
}

async function placeFor(name: DeviceName): Promise<Place> {
  const float = name === "cpu" ? "float64" : "float32";
  const device: Device = await init({ device: name, dtype: float });
  return { device, float };
}

/** Runs a synchronous function. */
export type Around = <T>(compute: () => T) => T;

/** Runs one case and compares what came out. */
export async function runCase(golden: GoldenCase, place: Place, around: Around = (fn) => fn()): Promise<Result> {
  const about = { name: golden.name, suite: golden.suite, subject: subjectOf(golden) };
  using _ = scope();
  try {
    const found = around(() => findingsOf(golden, place));
    const data = await Promise.all(found.map(({ got }) => (isTensor(got) ? got.data() : null)));
    const errors = golden.suite === "higher" ? golden.expect.f32_error : "f32_error" in golden ? golden.f32_error : {};
    const mismatches = found.flatMap((finding, i): Mismatch[] => {
      const mismatch = difference(finding, data[i], tolerance(finding, errors ?? {}, place));
      return mismatch === null ? [] : [mismatch];
    });
    mismatches.sort((a, b) => b.error - a.error);
    return { ...about, passed: mismatches.length === 0, mismatches, error: null };
  } catch (error) {
    const reason = error instanceof NotBuilt ? error.message : `${(error as Error).name}: ${(error as Error).message}`;
    return { ...about, passed: false, mismatches: [], error: reason };
  }
}

/** What a case is about, for lists of what is covered. */
export function subjectOf(golden: GoldenCase): string {
  switch (golden.suite) {
    case "ops":
    case "linalg":
      return golden.op;
    case "nn":
      return golden.module;
    case "optim":
      return golden.optimizer;
    case "scheduler":
      return golden.scheduler;
    case "third":
    case "higher":
      return golden.name;
    default:
      golden satisfies never;
      throw new Error("unknown suite");
  }
}

function findingsOf(golden: GoldenCase, place: Place): Finding[] {
  switch (golden.suite) {
    case "ops":
    case "linalg":
      return runOp(golden, place);
    case "third":
      return runProgram(golden, place);
    case "nn":
      return runModule(golden, place);
    case "optim":
      return runOptimizer(golden, place);
    case "scheduler":
      return runScheduler(golden, place);
    case "higher":
      return runHigher(golden, place);
    default:
      golden satisfies never;
      throw new Error("unknown suite");
  }
}

/**
 * float64: rtol 1e-9, atol 1e-12; derivatives by hyper-parameters, which the reference holds less exactly, 1e-6 and
 * 1e-9. float32: ten times PyTorch's own float32 error, at least 1e-4, and atol 1e-6. Numbers that the host computes are
 * float64 everywhere.
 */
export function tolerance({ field, key, got }: Finding, errors: Float32Error, { float }: Place): Tolerance {
  if (typeof got === "number") return { rtol: 1e-9, atol: 1e-12 };
  if (float === "float64") return field === "hyper_grads" ? { rtol: 1e-6, atol: 1e-9 } : { rtol: 1e-9, atol: 1e-12 };
  const error = errors[field] ?? 0;
  const own = typeof error === "number" ? error : (error[key ?? ""] ?? 0);
  return { rtol: Math.max(1e-4, 10 * own), atol: 1e-6 };
}

function difference(
  { what, got, wanted }: Finding,
  data: Awaited<ReturnType<Tensor["data"]>> | null,
  limit: Tolerance,
) {
  if (typeof wanted === "number") {
    const value = data !== null ? data[0] : typeof got === "number" ? got : 0;
    return compareNumbers(what, [value], [wanted], limit, []);
  }
  const computed = isTensor(got) && data !== null ? { shape: got.shape, dtype: got.dtype, data } : null;
  return compare(what, computed, wanted, limit);
}

const isTensor = (x: Tensor | number | null): x is Tensor => typeof x === "object" && x !== null;
