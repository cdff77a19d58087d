/**
 * Programs: plans compiled to pipelines, and their replay.
 *
 * A *step* is one dispatch: a pipeline, a parameter block and operands. Blocks of all steps lie in one uniform
 * buffer. Their only words that change are scalars: a replay writes those that changed, in one upload. Bind groups
 * whose buffers are all scratch are made once; others are remembered by the buffers they bind, since
 * parameters alternate between two buffers from step to step.
 */
import { type KernelDescription, type Parameter, printKernel } from "@loopgrad/kernels";
import { debugging, printSegment } from "../debug/plan.ts";
import { watching } from "../debug/watch.ts";
import { DeviceError } from "../errors.ts";
import { elementBytes } from "../half.ts";
import { allocate, isFixed, type Place, type ScratchPlace } from "../plan/allocate.ts";
import { fuse } from "../plan/fuse/fuse.ts";
import { lower } from "../plan/lower/lower.ts";
import { FLAG, type Piece, type Work } from "../plan/lower/work.ts";
import { simplify } from "../plan/simplify.ts";
import type { Graph, Program } from "../record/backend.ts";
import { numel, show } from "../shape.ts";
import type { Tuning } from "./adapter.ts";
import type { GpuKernelLog } from "./kernel-log.ts";
import { kernelName } from "./kernel-name.ts";
import { Outputs } from "./outputs.ts";
import type { BufferPool, GpuStorage, PoolBuffer } from "./pool.ts";

/** Parameter blocks start at multiples of this. */
const ALIGNMENT = 256;
/** Bind groups a step remembers. */
const REMEMBERED = 16;

interface BoundGroup {
  readonly ids: readonly number[];
  readonly group: GPUBindGroup;
}

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What happens to a pack before the first kernel runs. */
interface Pack {
  readonly place: Place;
  readonly bytes: number;
  /** Something lies between the pieces: it is filled with zeros. */
  readonly hasGaps: boolean;
  /** Pieces that come from leaves. In bytes. */
  readonly copies: readonly {
    readonly leaf: number;
    readonly from: number;
    readonly to: number;
    readonly bytes: number;
  }[];
}

interface Step extends Pipeline {
  /** For profiles: its name, and the bytes of its operands. */
  readonly kernel: string;
  readonly bytes: number;
  readonly places: readonly Place[];
  /** Positions in `places` of leaves and outputs, or parts of them, whose buffers change from replay to replay. */
  readonly changing: readonly number[];
  readonly block: { readonly offset: number; readonly size: number };
  readonly workgroups: readonly [number, number];
  readonly groups: BoundGroup[];
  next: number;
}

/** A word of the uniform buffer that holds a scalar. */
interface ScalarWord {
  readonly word: number;
  readonly slot: number;
  readonly type: "f32" | "i32" | "u32" | "bool";
}

/** Pipelines by their source: kernels of one structure share one, whatever their sizes. */
export class Pipelines {
  readonly #made = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

  constructor(
    readonly device: GPUDevice,
    readonly fail: (error: DeviceError) => void,
  ) {}

  /** Pipelines whose compilation has not been reported on yet. */
  readonly checking = new Set<Promise<void>>();

  get count(): number {
    return this.#made.size;
  }

  #bytes = 0;

  /** Of all sources. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param blockSize  of the parameter block, in bytes */
  get(source: string, kernel: KernelDescription, blockSize: number): Pipeline {
    const known = this.#made.get(source);
    if (known !== undefined) return known;
    const { device } = this;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code: source, label: kernel.role });
    const layout = this.#layout(kernel, blockSize);
    const pipeline = device.createComputePipeline({
      label: kernel.role,
      layout: layout.pipeline,
      compute: { module, entryPoint: "main" },
    });
    const checked = device.popErrorScope().then(
      (error) => {
        if (error === null) return;
        const numbered = source.split("\n").map((line, i) => `${String(i + 1).padStart(4)}  ${line}`);
        this.fail(
          new DeviceError(`a ${kernel.role} kernel failed to compile: ${error.message}\n${numbered.join("\n")}`),
        );
      },
      () => {},
    );
    this.checking.add(checked);
    checked.finally(() => this.checking.delete(checked));
    const made = { pipeline, layout: layout.group };
    this.#made.set(source, made);
    this.#bytes += source.length;
    return made;
  }

  /**
   * Saying how large the block is lets it be checked when a group is made, and not at every dispatch, where wgpu (Deno,
   * Firefox) takes it for that of another pipeline with the same layout.
   */
  #layout(kernel: KernelDescription, blockSize: number) {
    const key = `${blockSize}${kernel.operands.map(({ access }) => access[0]).join("")}`;
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      const { device } = this;
      const visibility = GPUShaderStage.COMPUTE;
      const group = device.createBindGroupLayout({
        entries: [
          { binding: 0, visibility, buffer: { type: "uniform", minBindingSize: blockSize } },
          ...kernel.operands.map(({ access }, i): GPUBindGroupLayoutEntry => {
            return {
              binding: i + 1,
              visibility,
              buffer: { type: access === "read" ? "read-only-storage" : "storage" },
            };
          }),
        ],
      });
      layout = { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

/** Counts that replays add to. */
export interface Counts {
  dispatches: number;
  copies: number;
  bindGroupsCreated: number;
}

export class GpuProgram implements Program {
  readonly outputs: number;
  /** Whether its kernels note indices that are outside. */
  readonly checksIndices: boolean;
  readonly #steps: Step[] = [];
  readonly #outputs: Outputs;
  readonly #packs: Pack[] = [];
  readonly #scratch: readonly ScratchPlace[];
  /** The pool's, when it was last told which scratch is used. */
  #epoch = -1;
  #uniform: PoolBuffer | null = null;
  /** The buffer that has the words, but for scalars that changed since. */
  #written: GPUBuffer | null = null;
  /** The pool's, when the bind groups were made. */
  #generation = 0;
  readonly #words: ArrayBuffer;
  readonly #scalars: ScalarWord[] = [];

  constructor(
    graph: Graph,
    readonly device: GPUDevice,
    readonly pool: BufferPool,
    pipelines: Pipelines,
    tuning: Tuning,
  ) {
    const simple = simplify(graph);
    if (debugging("plan")) printSegment("simplified", simple);
    const { kernels, packs, work, outputs, hidden } = fuse(lower(simple), tuning.maxBuffers);
    const places = new Map<number, Place>();
    work.forEach((w, i) => {
      if (w.kind === "leaf") places.set(i, w.slot === FLAG ? { kind: "flag" } : { kind: "leaf", index: w.slot });
    });
    this.outputs = outputs.length;
    const parts = outputs.map(({ value, start }, j) => {
      const { shape } = simple.nodes[simple.outputs[j]];
      return { value, offset: bytesOf(value, start), bytes: bytesOf(value, numel(shape)) };
    });
    this.#outputs = new Outputs(pool, places, parts, hidden, bytesOf);
    const pieces = new Map(packs.map((i) => [i, (work[i] as Work & { kind: "pack" }).pieces]));
    allocate(kernels, pieces, places, bytesOf);
    for (const [i, its] of pieces)
      this.#packs.push(packOf(its, places, places.get(i) as Place, (elements) => bytesOf(i, elements)));
    watching()?.gpuPlan({
      kernels,
      places,
      packs: [...pieces].map(([value, its], i) => ({
        value,
        pieces: its,
        cleared: this.#packs[i].hasGaps,
        copies: this.#packs[i].copies,
      })),
      outputs: parts,
      hidden,
      shapeOf: (value) => work[value].shape,
      bytesOf,
      limits: {
        maxBuffers: tuning.maxBuffers,
        alignment: device.limits.minStorageBufferOffsetAlignment,
      },
    });
    /** Bytes of a value, or of so many elements of it. */
    function bytesOf(value: number, elements?: number): number {
      const { shape, dtype } = work[value];
      return (elements ?? numel(shape)) * elementBytes(dtype);
    }

    this.checksIndices = kernels.some(({ description }) => description.operands.some(({ type }) => type === "flag"));
    let offset = 0;
    const blocks: { offset: number; parameters: readonly Parameter[] }[] = [];
    for (const { description, operands } of kernels) {
      const printed = printKernel(description, tuning);
      if (debugging("plan")) printKernelSource(description, operands, printed.source, printed.workgroups);
      if (printed.workgroups === 0) continue;
      const size = Math.max(16, Math.ceil(printed.parameters.length / 4) * 16);
      const located = operands.map((value) => places.get(value) as Place);
      this.#steps.push({
        ...pipelines.get(printed.source, description, size),
        kernel: kernelName(description),
        bytes: operands.reduce((bytes, value, i) => bytes + (located[i].kind === "flag" ? 0 : bytesOf(value)), 0),
        places: located,
        changing: located.flatMap((place, i) => (isFixed(place) ? [] : [i])),
        block: { offset, size },
        workgroups: folded(printed.workgroups, device.limits.maxComputeWorkgroupsPerDimension),
        groups: [],
        next: 0,
      });
      blocks.push({ offset, parameters: printed.parameters });
      offset += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    }
    this.#scratch = scratchOf(this.#steps, this.#packs);
    this.#words = new ArrayBuffer(offset);
    const words = new Int32Array(this.#words);
    for (const block of blocks) {
      block.parameters.forEach((parameter, i) => {
        const word = block.offset / 4 + i;
        if ("value" in parameter) words[word] = parameter.value;
        else this.#scalars.push({ word, slot: parameter.slot, type: parameter.type });
      });
    }
  }

  /** Before a replay: what it uses is not given up now, or soon after. */
  begin(): void {
    this.pool.begin();
    if (this.#epoch === this.pool.epoch) return;
    this.#epoch = this.pool.epoch;
    this.pool.useScratch(this.#scratch);
  }

  /** Storages for the outputs of a replay. */
  outputStorages(leaves: readonly GpuStorage[]): GpuStorage[] {
    return this.#outputs.storages(leaves);
  }

  /** Writes the parameter blocks, or of those that were written before the scalars that changed. */
  upload(values: readonly number[]): void {
    const buffer = this.#uniformBuffer();
    const written = buffer === this.#written;
    if (buffer === null || (written && this.#scalars.length === 0)) return;
    const ints = new Int32Array(this.#words);
    const floats = new Float32Array(this.#words);
    let low = -1;
    let high = -1;
    for (const { word, slot, type } of this.#scalars) {
      const before = ints[word];
      if (type === "f32") floats[word] = values[slot];
      else ints[word] = type === "bool" ? Number(values[slot] !== 0) : values[slot];
      if (ints[word] === before) continue;
      if (low < 0 || word < low) low = word;
      if (word > high) high = word;
    }
    if (!written) this.device.queue.writeBuffer(buffer, 0, this.#words);
    else if (low >= 0) this.device.queue.writeBuffer(buffer, low * 4, this.#words, low * 4, (high - low + 1) * 4);
    this.#written = buffer;
  }

  /** The buffer of the parameter blocks, made at the first replay, or when there was no memory for it before. */
  #uniformBuffer(): GPUBuffer | null {
    const bytes = this.#words.byteLength;
    if (bytes === 0) return null;
    if (this.#uniform === null || this.#uniform.state === "failed") {
      if (this.#uniform !== null) this.pool.destroyUniform(this.#uniform);
      this.#uniform = this.pool.uniform(bytes);
    }
    return this.#uniform.buffer;
  }

  /** What comes before the first kernel: zeros and copies into packs. */
  prepare(
    encoder: GPUCommandEncoder,
    leaves: readonly GpuStorage[],
    outputs: readonly GpuStorage[],
    counts: Counts,
  ): void {
    for (const { place, bytes, hasGaps, copies } of this.#packs) {
      const { buffer, offset } = this.#storage(place, leaves, outputs);
      if (hasGaps) encoder.clearBuffer(buffer, offset, bytes);
      for (const copy of copies) {
        const leaf = leaves[copy.leaf];
        encoder.copyBufferToBuffer(leaf.buffer, leaf.offset + copy.from, buffer, offset + copy.to, copy.bytes);
      }
      counts.copies += copies.length + Number(hasGaps);
    }
  }

  replay(
    pass: GPUComputePassEncoder,
    leaves: readonly GpuStorage[],
    outputs: readonly GpuStorage[],
    counts: Counts,
  ): void {
    this.#heedGeneration();
    let pipeline: GPUComputePipeline | null = null;
    for (const step of this.#steps) {
      if (step.pipeline !== pipeline) {
        pipeline = step.pipeline;
        pass.setPipeline(pipeline);
      }
      pass.setBindGroup(0, this.#group(step, leaves, outputs, counts));
      pass.dispatchWorkgroups(step.workgroups[0], step.workgroups[1]);
    }
    counts.dispatches += this.#steps.length;
  }

  /** The same, each kernel in a pass of its own, which a log times. */
  replayApart(
    log: GpuKernelLog,
    encoder: GPUCommandEncoder,
    leaves: readonly GpuStorage[],
    outputs: readonly GpuStorage[],
    counts: Counts,
  ): void {
    this.#heedGeneration();
    log.run(encoder, this.#steps, (pass, step) => {
      pass.setPipeline(step.pipeline);
      pass.setBindGroup(0, this.#group(step, leaves, outputs, counts));
      pass.dispatchWorkgroups(step.workgroups[0], step.workgroups[1]);
    });
    counts.dispatches += this.#steps.length;
  }

  /** Bind groups of buffers that are gone go too. */
  #heedGeneration(): void {
    if (this.#generation === this.pool.generation) return;
    for (const step of this.#steps) step.groups.length = 0;
    this.#generation = this.pool.generation;
  }

  /** Gives the uniform buffer back. */
  dispose(): void {
    if (this.#uniform !== null) this.pool.destroyUniform(this.#uniform);
    this.#uniform = null;
    for (const step of this.#steps) step.groups.length = 0;
  }

  #group(step: Step, leaves: readonly GpuStorage[], outputs: readonly GpuStorage[], counts: Counts): GPUBindGroup {
    const { groups, changing, places } = step;
    search: for (let g = 0; g < groups.length; g++) {
      const { ids } = groups[g];
      for (let i = 0; i < changing.length; i++) {
        if (this.#storage(places[changing[i]], leaves, outputs).id !== ids[i]) continue search;
      }
      return groups[g].group;
    }
    const storages = places.map((place) => this.#storage(place, leaves, outputs));
    const { offset, size } = step.block;
    const group = this.device.createBindGroup({
      layout: step.layout,
      entries: [
        { binding: 0, resource: { buffer: this.#uniformBuffer() as GPUBuffer, offset, size } },
        ...storages.map((storage, i) => ({ binding: i + 1, resource: bindingOf(storage) })),
      ],
    });
    counts.bindGroupsCreated++;
    const bound: BoundGroup = { ids: changing.map((i) => storages[i].id), group };
    if (groups.length < REMEMBERED) groups.push(bound);
    else {
      groups[step.next] = bound;
      step.next = (step.next + 1) % REMEMBERED;
    }
    return group;
  }

  #storage(place: Place, leaves: readonly GpuStorage[], outputs: readonly GpuStorage[]): GpuStorage {
    if (place.kind === "leaf") return leaves[place.index];
    if (place.kind === "output") return outputs[place.index];
    if (place.kind === "flag") return this.pool.flag();
    if (place.kind === "part")
      return this.pool.part(this.#storage(place.of, leaves, outputs), place.offset, place.bytes);
    return this.pool.scratch(place.bytes, place.index);
  }
}

/** All of a buffer, or the part that a storage is; bindings are multiples of 4 bytes long. */
const bindingOf = ({ buffer, offset, bytes, whole }: GpuStorage): GPUBufferBinding =>
  whole === null ? { buffer } : { buffer, offset, size: Math.ceil(bytes / 4) * 4 };

/** The scratch slots of a program. */
function scratchOf(steps: readonly Step[], packs: readonly Pack[]): ScratchPlace[] {
  const slots = new Map<string, ScratchPlace>();
  for (let place of [...steps.flatMap((step) => step.places), ...packs.map((pack) => pack.place)]) {
    while (place.kind === "part") place = place.of;
    if (place.kind === "scratch") slots.set(`${place.bytes}:${place.index}`, place);
  }
  return [...slots.values()];
}

/** A pack's copies, and whether its pieces leave gaps. */
function packOf(
  pieces: readonly Piece[],
  places: ReadonlyMap<number, Place>,
  place: Place,
  bytesOf: (elements?: number) => number,
): Pack {
  const copies = pieces.flatMap(({ ref, from, start, size }) => {
    const source = places.get(ref.node) as Place;
    if (source.kind !== "leaf") return [];
    return [{ leaf: source.index, from: bytesOf(from), to: bytesOf(start), bytes: bytesOf(size) }];
  });
  const filled = pieces.reduce((bytes, { size }) => bytes + bytesOf(size), 0);
  const bytes = bytesOf();
  return { place, bytes, hasGaps: filled < bytes, copies };
}

/** Workgroups as a grid within the limit of a dimension. */
function folded(workgroups: number, limit: number): [number, number] {
  if (workgroups <= limit) return [workgroups, 1];
  const rows = Math.ceil(workgroups / limit);
  if (rows > limit)
    throw new DeviceError(`${workgroups} workgroups are more than this adapter dispatches: use smaller tensors`);
  return [Math.ceil(workgroups / rows), rows];
}

function printKernelSource(
  description: KernelDescription,
  operands: readonly number[],
  source: string,
  workgroups: number,
): void {
  const names = operands.map((value, i) => `${description.operands[i].access} %${value}`).join(", ");
  const space = "output" in description ? ` over ${show(description.output.space)}` : "";
  console.log(`kernel ${description.role}${space}, ${workgroups} workgroups: ${names}\n${source}`);
}
