/**
 * Checkpoints: all that a run needs to go on as if it had not stopped. One JSON file, tensors as base64.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Adam,
  type DType,
  getRngState,
  type HostArray,
  type Module,
  type OptimizerStateDict,
  type RngState,
  scope,
  setRngState,
  Tensor,
  tensor,
} from "loopgrad";
import type { Episodes } from "./episodes.ts";

/** What a checkpoint is taken from, and put back into. */
export interface Run {
  readonly model: Module;
  readonly outer: Adam;
  readonly episodes: Episodes;
  /** Settings that must be the same when the run resumes. */
  readonly settings: Readonly<Record<string, unknown>>;
}

interface Saved {
  format: 1;
  iteration: number;
  settings: Record<string, unknown>;
  rng: RngState;
  episodes: readonly number[];
  model: unknown;
  outer: unknown;
}

/** A checkpoint that cannot be resumed. */
export class CheckpointError extends Error {
  override name = "CheckpointError";
}

const FILE = "checkpoint.json";

/** Writes a checkpoint into a folder, in place of the one there. */
export async function save(
  folder: string,
  iteration: number,
  { model, outer, episodes, settings }: Run,
): Promise<void> {
  using _ = scope();
  const saved: Saved = {
    format: 1,
    iteration,
    settings,
    rng: getRngState(),
    episodes: episodes.state,
    model: await pack(model.stateDict()),
    outer: await pack(outer.stateDict()),
  };
  await mkdir(folder, { recursive: true });
  const file = join(folder, FILE);
  // Renamed into place, so that a run that dies here leaves the older checkpoint whole.
  await writeFile(`${file}.partial`, JSON.stringify(saved));
  await rename(`${file}.partial`, file);
}

/**
 * Puts a checkpoint back.
 *
 * @returns the number of iterations that are done
 * @throws  CheckpointError if there is none, or it was made with other settings
 */
export async function resume(folder: string, { model, outer, episodes, settings }: Run): Promise<number> {
  const file = join(folder, FILE);
  const text = await readFile(file, "utf8").catch(() => {
    throw new CheckpointError(`${file}: no checkpoint to resume from; leave --resume out to start anew`);
  });
  const saved = JSON.parse(text) as Saved;
  for (const [name, value] of Object.entries(settings)) {
    if (saved.settings[name] !== value) {
      throw new CheckpointError(`${file} was made with ${name} ${saved.settings[name]}, not ${value}`);
    }
  }
  using _ = scope();
  model.loadStateDict(unpack(saved.model) as Record<string, Tensor>);
  outer.loadStateDict(unpack(saved.outer) as OptimizerStateDict);
  episodes.state = saved.episodes;
  setRngState(saved.rng);
  return saved.iteration;
}

/** Nested values with every tensor read and written as { dtype, shape, base64 }. */
async function pack(value: unknown): Promise<unknown> {
  if (value instanceof Tensor) {
    const data = await value.data();
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return { dtype: value.dtype, shape: value.shape, base64: bytes.toString("base64") };
  }
  if (Array.isArray(value)) return Promise.all(value.map(pack));
  if (typeof value !== "object" || value === null) return value;
  const entries = await Promise.all(Object.entries(value).map(async ([key, item]) => [key, await pack(item)]));
  return Object.fromEntries(entries);
}

function unpack(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== "object" || value === null) return value;
  if ("base64" in value) {
    const { dtype, shape, base64 } = value as { dtype: DType; shape: number[]; base64: string };
    const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
    return tensor(new ARRAYS[dtype](bytes.buffer) as HostArray, { dtype, shape });
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
}

const ARRAYS: Record<DType, new (buffer: ArrayBuffer) => HostArray> = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
  float16: Float32Array,
};
