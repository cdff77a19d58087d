/**
 * The format of golden files: reference values computed with PyTorch in float64.
 *
 * A *golden file* holds *cases* of one or more *suites*. A case says what to compute and what comes out. Its
 * *cotangents* turn outputs into a scalar, L = Σ ⟨cotangent, output⟩, whose gradients are compared; *cotangents2*
 * turn those gradients into a second scalar, and so on. `golden/README.md` has the whole format.
 */
import { readFile } from "node:fs/promises";

/** A tensor: elements in row-major order; NaN and infinities as strings, booleans as 0 and 1. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32" | "bool";
  readonly data: readonly (number | "nan" | "inf" | "-inf")[];
}

/** Absent as an input, "nothing to compare" as an expected value. */
export type Maybe<T> = T | null;

/** Torch's keyword arguments. */
export type Keywords = Readonly<Record<string, unknown>>;

/** Gradients of one order for an operation's inputs; a list where the input is a list. */
export type PerInput = readonly (Maybe<GoldenTensor> | readonly Maybe<GoldenTensor>[])[];

/** PyTorch's own float32 error relative to the largest magnitude, by the field it belongs to. */
export type Float32Error = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

export interface OpCase {
  readonly name: string;
  readonly suite: "ops" | "linalg";
  readonly op: string;
  readonly inputs: readonly (Maybe<GoldenTensor> | readonly GoldenTensor[])[];
  readonly attrs: Keywords;
  readonly nodiff?: readonly number[];
  readonly outputs: readonly GoldenTensor[];
  readonly cotangents: readonly Maybe<GoldenTensor>[];
  readonly grads: PerInput;
  readonly cotangents2: PerInput;
  readonly grads2: PerInput;
  readonly f32_error?: Float32Error;
}

export interface ProgramStep {
  readonly op: string;
  /** Names of earlier values; null is an absent input, "c0.5" a number, "zeros:2,2" zeros of a shape. */
  readonly in: readonly Maybe<string>[];
  readonly attrs: Keywords;
  readonly out: string;
}

export interface ProgramCase {
  readonly name: string;
  readonly suite: "third";
  readonly inputs: readonly GoldenTensor[];
  readonly program: readonly ProgramStep[];
  readonly outputs_of: readonly string[];
  readonly outputs: readonly GoldenTensor[];
  readonly cotangents: readonly Maybe<GoldenTensor>[];
  readonly grads: PerInput;
  readonly cotangents2: PerInput;
  readonly grads2: PerInput;
  readonly cotangents3: PerInput;
  readonly grads3: PerInput;
  readonly f32_error?: Float32Error;
}

export interface ModuleCase {
  readonly name: string;
  readonly suite: "nn";
  readonly module: string;
  readonly args: Keywords;
  readonly training: boolean;
  readonly state: Readonly<Record<string, GoldenTensor>>;
  readonly inputs: readonly GoldenTensor[];
  readonly forward_args: Keywords;
  readonly outputs: readonly GoldenTensor[];
  readonly cotangents: readonly Maybe<GoldenTensor>[];
  readonly input_grads: readonly Maybe<GoldenTensor>[];
  readonly param_grads: Readonly<Record<string, Maybe<GoldenTensor>>>;
  readonly cotangents2_params: Readonly<Record<string, Maybe<GoldenTensor>>>;
  readonly cotangents2_inputs: readonly Maybe<GoldenTensor>[];
  readonly input_grads2: readonly Maybe<GoldenTensor>[];
  readonly param_grads2: Readonly<Record<string, Maybe<GoldenTensor>>>;
  readonly state_after: Readonly<Record<string, GoldenTensor>>;
  readonly f32_error?: Float32Error;
}

export interface OptimizerCase {
  readonly name: string;
  readonly suite: "optim";
  readonly optimizer: string;
  readonly options: Keywords;
  readonly groups: readonly { readonly params: readonly number[]; readonly options: Keywords }[];
  readonly params: readonly GoldenTensor[];
  readonly steps: readonly {
    readonly grads: readonly Maybe<GoldenTensor>[];
    readonly params_after: readonly GoldenTensor[];
  }[];
  /** By parameter; scalars are numbers. */
  readonly state_after?: readonly Readonly<Record<string, GoldenTensor | number>>[];
  readonly f32_error?: Float32Error;
}

export interface SchedulerCase {
  readonly name: string;
  readonly suite: "scheduler";
  readonly scheduler: string;
  readonly options: Keywords;
  readonly base_lr: number;
  readonly steps: number;
  readonly lrs: readonly number[];
  readonly momentums?: readonly number[];
  readonly metrics?: readonly number[];
}

export interface HigherCase {
  readonly name: string;
  readonly suite: "higher";
  readonly model: readonly ({ readonly module: string; readonly args: Keywords } | { readonly use: number })[];
  readonly tie?: readonly (readonly [string, string])[];
  readonly frozen?: readonly string[];
  readonly params: readonly string[];
  readonly state: Readonly<Record<string, GoldenTensor>>;
  readonly optimizer: string;
  readonly options: Keywords;
  readonly groups?: readonly { readonly params: readonly string[]; readonly options: Keywords }[];
  readonly param_lr?: readonly GoldenTensor[];
  readonly step_lr?: readonly number[];
  readonly warm_steps?: readonly (readonly Maybe<GoldenTensor>[])[];
  readonly grad_transform?:
    | { readonly kind: "scale"; readonly factor: number }
    | { readonly kind: "clip_value"; readonly clip_value: number }
    | { readonly kind: "clip_norm"; readonly max_norm: number };
  readonly detach_after?: readonly number[];
  readonly inner: readonly Batch[];
  readonly loss: "mse_loss" | "cross_entropy" | "bce_with_logits";
  readonly query: Batch;
  readonly mode: "second" | "first_order";
  readonly track_higher_grads: boolean;
  readonly learn: readonly string[];
  readonly times: readonly number[];
  readonly expect: HigherExpectation;
}

export interface Batch {
  readonly x: GoldenTensor;
  readonly y: GoldenTensor;
}

export interface HigherExpectation {
  readonly fast_params: readonly (readonly GoldenTensor[])[];
  readonly inner_losses: readonly number[];
  readonly query_loss: number;
  readonly meta_grads: readonly Maybe<GoldenTensor>[];
  readonly grads_wrt_time: Readonly<Record<string, readonly Maybe<GoldenTensor>[]>>;
  readonly hyper_grads: Maybe<readonly Readonly<Record<string, number | readonly number[]>>[]>;
  readonly param_lr_grads?: readonly Maybe<GoldenTensor>[];
  readonly step_lr_grads?: readonly number[];
  readonly buffers_after_inner?: Readonly<Record<string, GoldenTensor>>;
  readonly buffers_after_query?: Readonly<Record<string, GoldenTensor>>;
  readonly f32_error?: Float32Error;
}

export type GoldenCase = OpCase | ProgramCase | ModuleCase | OptimizerCase | SchedulerCase | HigherCase;

/** Suites that the runner knows, and the fields without which a case of each cannot be run. */
const SUITES: Readonly<Record<GoldenCase["suite"], readonly string[]>> = {
  ops: ["op", "inputs", "attrs", "outputs", "cotangents", "grads", "cotangents2", "grads2"],
  linalg: ["op", "inputs", "attrs", "outputs", "cotangents", "grads", "cotangents2", "grads2"],
  third: ["inputs", "program", "outputs_of", "outputs", "cotangents", "grads", "grads2", "grads3"],
  nn: ["module", "args", "training", "state", "inputs", "outputs", "cotangents", "input_grads", "param_grads"],
  optim: ["optimizer", "options", "groups", "params", "steps"],
  scheduler: ["scheduler", "options", "base_lr", "steps", "lrs"],
  higher: ["model", "params", "state", "optimizer", "options", "inner", "loss", "query", "mode", "times", "expect"],
};

/** A file that is not a golden file. */
export class GoldenFileError extends Error {
  override name = "GoldenFileError";
}

/**
 * Reads a golden file and checks that every case can be run.
 *
 * @param file  path of a JSON file in the format of `golden/README.md`
 * @throws      GoldenFileError that says what is wrong, and in which case
 */
export async function readGoldenFile(file: string): Promise<GoldenCase[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" ? "no such file" : error.message;
    throw new GoldenFileError(`${file}: ${reason}`);
  });
  return parseGolden(text, file);
}

/** The cases in the text of a golden file. `file` names it in errors. */
export function parseGolden(text: string, file: string): GoldenCase[] {
  const content = parseJson(text, file);
  if (!isRecord(content)) throw new GoldenFileError(`${file}: wanted an object { format, suite, cases }`);
  if (content.format !== 1) throw new GoldenFileError(`${file}: format is ${show(content.format)}, wanted 1`);
  if (!Array.isArray(content.cases))
    throw new GoldenFileError(`${file}: cases is ${show(content.cases)}, wanted a list`);
  const names = new Set<string>();
  return content.cases.map((entry: unknown, position) => {
    const place = `${file}: case ${position}`;
    if (!isRecord(entry)) throw new GoldenFileError(`${place} is ${show(entry)}, wanted an object`);
    const { name } = entry;
    if (typeof name !== "string") throw new GoldenFileError(`${place} has no name`);
    if (names.has(name)) throw new GoldenFileError(`${place}: the name "${name}" occurs twice`);
    names.add(name);
    const suite = entry.suite ?? content.suite;
    if (!isSuite(suite)) {
      const known = Object.keys(SUITES).join(", ");
      throw new GoldenFileError(`${place} (${name}): suite is ${show(suite)}, wanted one of ${known}`);
    }
    const missing = SUITES[suite].filter((field) => !(field in entry));
    if (missing.length > 0) throw new GoldenFileError(`${place} (${name}): ${missing.join(", ")} missing`);
    return { ...entry, suite } as unknown as GoldenCase;
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GoldenFileError(`${file}: not JSON: ${(error as Error).message}`);
  }
}

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);

const isSuite = (x: unknown): x is GoldenCase["suite"] => typeof x === "string" && Object.hasOwn(SUITES, x);

const show = (x: unknown): string => JSON.stringify(x)?.slice(0, 60) ?? "absent";
