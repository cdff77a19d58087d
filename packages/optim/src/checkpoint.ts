/**
 * Checkpoints: all that a training run needs to go on as if it had not stopped, in one safetensors file.
 *
 * A run has *parts*, each with a name of your choice: models, optimizers, schedules, and any object of yours that has
 * `stateDict()` and `loadStateDict(state)`. Beside the parts' state a checkpoint holds the place in the stream of random
 * numbers, and *extra*: whatever else you give it. A run that is continued on the same device computes the same bits.
 *
 * Tensors go by the part's name and their own, such as `model.fc.weight`, so that other programs can read them. What is
 * no tensor stands as JSON in the file's metadata, under `checkpoint`.
 */

import {
  checkFits,
  Module,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsSource,
  Slot,
  safetensorsBlob,
  saveSafetensors,
} from "@loopgrad/nn";
import {
  ArgumentError,
  admit,
  type Device,
  getDevice,
  getRngState,
  keep,
  LoopgradError,
  type RngState,
  type Shape,
  sameShape,
  scope,
  setRngState,
  show,
  Tensor,
  visitTensors,
} from "@loopgrad/tensor";
import { type Packed, pack, references, type Saveable, unpack } from "./checkpoint-values.ts";
import { Optimizer } from "./optimizer.ts";
import { withDefaults } from "./schedules.ts";

export type { Saveable } from "./checkpoint-values.ts";

/** What can be a part of a run. State is plain values, with tensors among them. */
export interface Stateful {
  stateDict(): object;
  loadStateDict(state: never): unknown;
}

/** The parts of a run, by name. */
export type CheckpointParts = Readonly<Record<string, Stateful>>;

/** A checkpoint that does not fit the run, or a file that is none. Nothing of the run has been changed. */
export class CheckpointError extends LoopgradError {
  override name = "CheckpointError";
}

/** Options of {@link saveCheckpoint}. */
export interface SaveCheckpointOptions {
  /** Plain values and tensors to be saved beside the parts, such as the number of steps done. */
  extra?: Saveable;
}

/** Options of {@link loadCheckpoint}. */
export interface LoadCheckpointOptions<Extra = Saveable> {
  /** Where tensors are made. Default: where the models and optimizers are. */
  device?: Device;
  /** The file has the parts that are given, and no others. Default true; without, others may be left out. */
  strict?: boolean;
  /** Also go on in the stream of random numbers. Default true. */
  rng?: boolean;
  /** Looks at the extra before anything else is looked at; throws if the checkpoint shall not be loaded. */
  check?: (extra: Extra) => void;
}

/** What stands in the metadata. */
interface Manifest {
  version: 1;
  rng: RngState;
  parts: Record<string, Packed>;
  /** Of each optimizer, what its parameters are. */
  parameters: Record<string, Described[]>;
  extra: Packed;
}

/** A parameter of an optimizer: its name, if it belongs to a model among the parts, and its shape. */
interface Described {
  name: string | null;
  shape: Shape;
}

/**
 * Saves a run to a file, in Node. The file appears whole or not at all; one that was there stays until then.
 *
 * The state is that of the moment of the call: training may go on while it is written.
 *
 * @param path   a path or `file:` URL
 * @param parts  models, optimizers, schedules and other objects with state, by name
 * @throws       ArgumentError for state or extra that cannot be saved
 * @see          {@link loadCheckpoint}
 * @example      await saveCheckpoint("run.safetensors", { model, optimizer, schedule }, { extra: { epoch } });
 */
export async function saveCheckpoint(
  path: string | URL,
  parts: CheckpointParts,
  options: SaveCheckpointOptions = {},
): Promise<void> {
  admit(arguments, "saveCheckpoint(path: any, parts: object, options?: { extra: any })");
  await withState(parts, options, (tensors, metadata) => saveSafetensors(path, tensors, { metadata }));
}

/**
 * The checkpoint as a Blob, for a browser to download or keep.
 *
 * @param parts, options  as for {@link saveCheckpoint}
 */
export async function checkpointBlob(parts: CheckpointParts, options: SaveCheckpointOptions = {}): Promise<Blob> {
  admit(arguments, "checkpointBlob(parts: object, options?: { extra: any })");
  return withState(parts, options, (tensors, metadata) => safetensorsBlob(tensors, { metadata }));
}

/** Calls a writer with the state. It takes hold of the tensors before it returns, so the scope may end then. */
async function withState<T>(
  parts: CheckpointParts,
  options: SaveCheckpointOptions,
  write: (tensors: Record<string, Tensor>, metadata: Record<string, string>) => Promise<T>,
): Promise<T> {
  const { extra } = withDefaults<SaveCheckpointOptions>("saveCheckpoint", { extra: undefined }, options);
  checkParts("saveCheckpoint", parts);
  using _ = scope();
  const tensors: Record<string, Tensor> = {};
  const packed = Object.entries(parts).map(([name, part]) => [name, pack(part.stateDict(), name, tensors)]);
  const manifest: Manifest = {
    version: 1,
    rng: getRngState(),
    parts: Object.fromEntries(packed),
    parameters: describeOptimizers(parts),
    extra: pack(extra, "extra", tensors),
  };
  return write(tensors, { checkpoint: JSON.stringify(manifest) });
}

function checkParts(who: string, parts: CheckpointParts): void {
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part?.stateDict !== "function" || typeof part.loadStateDict !== "function") {
      throw new ArgumentError(
        `${who}: the part ${name} has no stateDict() and loadStateDict(); plain values are extra`,
      );
    }
    if (name === "extra" || name === "__proto__")
      throw new ArgumentError(`${who}: a part cannot have the name ${name}`);
  }
}

function describeOptimizers(parts: CheckpointParts): Record<string, Described[]> {
  const names = new Map<Tensor, string>();
  for (const [prefix, part] of Object.entries(parts)) {
    if (!(part instanceof Module)) continue;
    for (const [name, parameter] of part.namedParameters()) names.set(parameter, `${prefix}.${name}`);
  }
  const described: Record<string, Described[]> = {};
  for (const [name, part] of Object.entries(parts)) {
    if (!(part instanceof Optimizer)) continue;
    const params = part.paramGroups.flatMap((group) => group.params);
    described[name] = params.map((param) => ({ name: names.get(param) ?? null, shape: param.shape }));
  }
  return described;
}

/**
 * Continues a run from a checkpoint: parts, made as they were for the run that was saved, take over its state.
 *
 * All or nothing: if anything does not fit, no part is changed.
 *
 * @param source  a path or `file:` URL in Node; a Blob or File; an ArrayBuffer or Uint8Array
 * @param parts   the parts, under the names that they were saved by
 * @returns       the extra, which is taken to be of the type that is asked for: `check` can make sure
 * @throws        CheckpointError if the checkpoint does not fit the parts, SafetensorsError for a file that is not valid
 * @example
 * const { epoch } = await loadCheckpoint<{ epoch: number }>("run.safetensors", { model, optimizer, schedule });
 * @example  await loadCheckpoint("run.safetensors", { model }, { strict: false, rng: false }); // the model alone
 */
export async function loadCheckpoint<Extra = Saveable>(
  source: SafetensorsSource,
  parts: CheckpointParts,
  options: LoadCheckpointOptions<Extra> = {},
): Promise<Extra> {
  admit(
    arguments,
    "loadCheckpoint(source: any, parts: object, options?: { device: device, strict: boolean, rng: boolean, check: function })",
  );
  const { device, strict, rng, check } = withDefaults<LoadCheckpointOptions<Extra>>(
    "loadCheckpoint",
    { device: undefined, strict: true, rng: true, check: undefined },
    options,
  );
  checkParts("loadCheckpoint", parts);
  await using file = await openSafetensors(source);
  const manifest = readManifest(file);
  const place = device ?? deviceOf(parts);
  const extra = unpack(manifest.extra, await readTensors(file, [manifest.extra], place)) as Extra;
  check?.(extra);
  checkPartNames(file, manifest, parts, strict ?? true);
  checkParameters(file, manifest, parts);
  const wanted = Object.keys(parts).map((name) => manifest.parts[name]);
  const tensors = await readTensors(file, wanted, place);
  // From here on nothing waits, so no one sees a run that is half loaded.
  const loads = Object.entries(parts).map(([name, part]): Load => {
    return { name, part, state: unpack(manifest.parts[name], tensors) };
  });
  loadAll(file, loads);
  if (rng ?? true) setRngState(manifest.rng);
  release(loads);
  return extra;
}

/** @throws CheckpointError for a file that is valid, but no checkpoint */
function readManifest(file: SafetensorsFile): Manifest {
  const text = file.metadata.checkpoint;
  if (text === undefined) {
    throw new CheckpointError(`${file.name} holds tensors, but no checkpoint; loadSafetensors() reads it`);
  }
  try {
    const manifest: Manifest = JSON.parse(text);
    const { version, rng, parts, parameters } = manifest;
    if (version !== 1) throw new TypeError(`version ${String(version)}, wanted 1`);
    if (!isCount(rng.seed) || !isCount(rng.calls)) throw new TypeError("no place in the stream of random numbers");
    if (typeof parts !== "object" || parts === null) throw new TypeError("no parts");
    for (const { name, shape } of Object.values(parameters).flat()) {
      if (name !== null && typeof name !== "string") throw new TypeError("a parameter's name is no string");
      if (!Array.isArray(shape) || !shape.every(isCount)) throw new TypeError("a parameter's shape is none");
    }
    return manifest;
  } catch (cause) {
    throw new CheckpointError(`${file.name}: what it says of the checkpoint cannot be read: ${message(cause)}`, {
      cause,
    });
  }
}

const isCount = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function checkPartNames(file: SafetensorsFile, manifest: Manifest, parts: CheckpointParts, strict: boolean): void {
  const [saved, given] = [Object.keys(manifest.parts), Object.keys(parts)];
  const missing = given.filter((name) => !saved.includes(name));
  const left = strict ? saved.filter((name) => !given.includes(name)) : [];
  if (missing.length + left.length === 0) return;
  throw new CheckpointError(
    `${file.name} has the parts ${saved.join(", ") || "(none)"}, given were ${given.join(", ") || "(none)"}` +
      (missing.length > 0 ? "" : "; { strict: false } leaves parts out"),
  );
}

/** An optimizer's state goes by position: the parameters there must be the ones that were saved. */
function checkParameters(file: SafetensorsFile, manifest: Manifest, parts: CheckpointParts): void {
  for (const [part, here] of Object.entries(describeOptimizers(parts))) {
    const saved = Object.hasOwn(manifest.parameters, part) ? manifest.parameters[part] : [];
    if (saved.length !== here.length) {
      throw new CheckpointError(
        `${file.name}: ${part} was saved with ${saved.length} parameters, and has ${here.length}`,
      );
    }
    here.forEach(({ name, shape }, i) => {
      const before = saved[i];
      const sameName = name === null || before.name === null || name === before.name;
      if (sameName && sameShape(shape, before.shape)) return;
      const text = ({ name, shape }: Described): string => `${name ?? "a tensor"} ${show(shape)}`;
      throw new CheckpointError(
        `${file.name}: parameter ${i} of ${part} was ${text(before)}, and is ${text({ name, shape })}`,
      );
    });
  }
}

/** The device of the first model or optimizer. */
function deviceOf(parts: CheckpointParts): Device {
  for (const part of Object.values(parts)) {
    if (part instanceof Module) for (const slot of [...part.parameters(), ...part.buffers()]) return slot.device;
    if (part instanceof Optimizer) return part.paramGroups[0].params[0].device;
  }
  return getDevice();
}

/** All tensors that values refer to. They belong to no scope. */
async function readTensors(
  file: SafetensorsFile,
  values: readonly Packed[],
  device: Device,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  try {
    for (const name of values.flatMap((value) => [...references(value)])) {
      // Only a float16 tensor was saved as F16: here it is one again.
      const dtype = file.entries.get(name)?.format === "F16" ? "float16" : undefined;
      tensors.set(name, keep(await file.tensor(name, { device, dtype })));
    }
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  }
  return tensors;
}

interface Load {
  readonly name: string;
  readonly part: Stateful;
  readonly state: Saveable;
}

/** Loads every part; if one refuses, those before it get back what they had. */
function loadAll(file: SafetensorsFile, loads: readonly Load[]): void {
  using _ = scope();
  // Optimizers come last: a schedule that is loaded writes its rates, and those that the optimizer had shall stand.
  const inOrder = [...loads].sort((a, b) => Number(a.part instanceof Optimizer) - Number(b.part instanceof Optimizer));
  const before: [Stateful, object][] = [];
  const learned: [Slot, Tensor][] = [];
  for (const { name, part, state } of inOrder) {
    before.unshift([part, part.stateDict()]);
    try {
      if (part instanceof Optimizer) loadOptimizer(part, state, learned);
      else part.loadStateDict(state as never);
    } catch (cause) {
      for (const [changed, had] of before) changed.loadStateDict(had as never);
      throw new CheckpointError(`${file.name}: ${name}: ${message(cause)}`, { cause });
    }
  }
  for (const [slot, value] of learned) slot.assign(value);
}

/** A hyperparameter that is learned stays the slot it is, and takes the saved value when all parts are loaded. */
function loadOptimizer(optimizer: Optimizer, state: Saveable, learned: [Slot, Tensor][]): void {
  const before = optimizer.paramGroups.map((group) => ({ ...group }));
  optimizer.loadStateDict(state as never);
  for (const [i, group] of optimizer.paramGroups.entries()) {
    const reconnect = (had: unknown, has: unknown, name: string): unknown => {
      if (Array.isArray(had) && Array.isArray(has)) return has.map((item, j) => reconnect(had[j], item, name));
      if (!(had instanceof Slot && has instanceof Tensor)) return has;
      checkFits(name, had, has);
      learned.push([had, has]);
      return had;
    };
    const hyper: Record<string, unknown> = group;
    for (const [name, had] of Object.entries(before[i])) {
      if (name !== "params") hyper[name] = reconnect(had, hyper[name], name);
    }
  }
}

/** Models and optimizers hold their own handles of the state: those made for it can go. */
function release(loads: readonly Load[]): void {
  for (const { part, state } of loads) {
    const copied =
      part instanceof Module ? state : part instanceof Optimizer ? (state as { state: Saveable }).state : null;
    visitTensors(copied, (tensor) => tensor.dispose());
  }
}
