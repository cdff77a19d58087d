/**
 * Checking plans: does every kernel find what it reads where it reads it?
 *
 * A plan is followed step by step, without computing anything: for every buffer it is known which value lies in which
 * bytes. A *region* is a range of bytes of a buffer. Tests check every plan that they make (see debug/watch.ts); what is
 * found is an error of the planner, whatever the numbers that come out.
 */
import type { Body, Chain, KernelDescription } from "@loopgrad/kernels";
import { numel, type Shape } from "../shape.ts";
import type { Place } from "./allocate.ts";
import type { FusedKernel } from "./fuse/build.ts";
import type { Piece } from "./lower/work.ts";

/** A plan for WebGPU, as far as memory is concerned. */
export interface GpuPlan {
  /** In the order in which they run. */
  readonly kernels: readonly FusedKernel[];
  readonly places: ReadonlyMap<number, Place>;
  readonly packs: readonly PackPlan[];
  readonly outputs: readonly { readonly value: number; readonly offset: number; readonly bytes: number }[];
  /** Values that are stored although they are no outputs, for outputs that are parts of them. */
  readonly hidden: readonly number[];
  readonly shapeOf: (value: number) => Shape;
  /** Bytes of a value, or of so many elements of it. */
  readonly bytesOf: (value: number, elements?: number) => number;
  readonly limits: PlanLimits;
}

/** A pack, its pieces, and what is copied there before the first kernel runs. In bytes. */
export interface PackPlan {
  readonly value: number;
  readonly pieces: readonly Piece[];
  /** Filled with zeros before anything is copied. */
  readonly cleared: boolean;
  readonly copies: readonly { leaf: number; from: number; to: number; bytes: number }[];
}

export interface PlanLimits {
  /** Storage buffers a kernel may bind. */
  readonly maxBuffers: number;
  /** Bytes at whose multiples a part of a buffer may be bound. */
  readonly alignment: number;
}

/** Bytes of a buffer that a value has. */
interface Region {
  readonly buffer: string;
  readonly begin: number;
  readonly end: number;
}

/** What lies in some bytes of a buffer. */
interface Content {
  readonly begin: number;
  readonly end: number;
  readonly what: string;
}

/** Copies between buffers begin at multiples of this, and are that long. */
const COPY_BYTES = 4;

/**
 * Checks that a plan can be right, whatever its kernels compute: nothing is read that is not there any more or not there
 * yet, no kernel writes what it reads or a leaf, outputs are there at the end, bindings are aligned and within the
 * limits, and no index that is not masked lies outside its buffer.
 *
 * @throws  Error that lists all that is wrong
 */
export function checkPlan(plan: GpuPlan): void {
  const check = new Check(plan);
  const wrong = check.run();
  if (wrong.length > 0) throw new Error(`internal: a plan cannot be right:\n  ${wrong.join("\n  ")}`);
}

class Check {
  readonly #plan: GpuPlan;
  readonly #contents = new Map<string, Content[]>();
  readonly #packs: ReadonlyMap<number, PackPlan>;
  readonly #regions = new Map<number, Region>();
  readonly #written = new Set<number>();
  readonly #wrong: string[] = [];

  constructor(plan: GpuPlan) {
    this.#plan = plan;
    this.#packs = new Map(plan.packs.map((pack) => [pack.value, pack]));
  }

  run(): readonly string[] {
    const { kernels, places, packs, outputs, limits } = this.#plan;
    for (const [value, place] of places) {
      if (place.kind === "leaf") this.#write(this.#region(value), nameOf(value));
    }
    for (const pack of packs) this.#preparePack(pack);
    kernels.forEach((kernel, k) => {
      this.#kernel(kernel, `kernel ${k} (${kernel.description.role})`);
    });
    for (const [j, { value, offset, bytes }] of outputs.entries()) {
      const whole = this.#region(value);
      if (offset + bytes > whole.end - whole.begin) this.#wrong.push(`output ${j} is more than value ${value} has`);
      if (offset % limits.alignment !== 0) this.#wrong.push(`output ${j} begins at byte ${offset}, which is not bound`);
      const { kind } = places.get(value) as Place;
      if (kind !== "output" && kind !== "leaf") this.#wrong.push(`output ${j}, value ${value}, lies in ${kind}`);
      this.#expect(value, whole, `output ${j}`);
    }
    return this.#wrong;
  }

  /** Where a value lies. */
  #region(value: number): Region {
    let region = this.#regions.get(value);
    if (region === undefined) this.#regions.set(value, (region = this.#located(value)));
    return region;
  }

  #located(value: number): Region {
    let place = this.#plan.places.get(value);
    const bytes = this.#plan.bytesOf(value);
    let begin = 0;
    let room = Number.POSITIVE_INFINITY;
    while (place?.kind === "part") {
      begin += place.offset;
      room = Math.min(room, place.bytes);
      place = place.of;
    }
    if (place === undefined) {
      this.#wrong.push(`value ${value} has no place`);
      return { buffer: `nowhere ${value}`, begin: 0, end: bytes };
    }
    const buffer = place.kind === "scratch" ? `scratch ${place.bytes}.${place.index}` : bufferOf(place);
    if (place.kind === "scratch") room = Math.min(room, place.bytes - begin);
    if (bytes > room) this.#wrong.push(`value ${value} has ${bytes} bytes, and its place in ${buffer} ${room}`);
    return { buffer, begin, end: begin + bytes };
  }

  #write({ buffer, begin, end }: Region, what: string): void {
    if (begin === end) return;
    let contents = this.#contents.get(buffer);
    if (contents === undefined) this.#contents.set(buffer, (contents = []));
    const first = firstBehind(contents, begin);
    let last = first;
    const parts: Content[] = [{ begin, end, what }];
    for (; last < contents.length && contents[last].begin < end; last++) {
      const content = contents[last];
      if (content.begin < begin) parts.unshift({ ...content, end: begin });
      if (content.end > end) parts.push({ ...content, begin: end });
    }
    contents.splice(first, last - first, ...parts);
  }

  /** Notes an error if a value is not where it should be. */
  #expect(value: number, region: Region, reader: string): void {
    const pack = this.#packs.get(value);
    if (pack === undefined) {
      this.#expectWhole(region, nameOf(value), `value ${value}`, reader);
      return;
    }
    const { bytesOf, places } = this.#plan;
    for (const [i, { ref, start, size }] of pack.pieces.entries()) {
      const begin = region.begin + bytesOf(value, start);
      const piece = { ...region, begin, end: begin + bytesOf(value, size) };
      const isCopied = places.get(ref.node)?.kind === "leaf";
      const what = isCopied ? pieceName(value, i) : nameOf(ref.node);
      this.#expectWhole(piece, what, `piece ${i} of pack ${value}`, reader);
    }
    const filled = pack.pieces.reduce((sum, { size }) => sum + size, 0);
    if (!pack.cleared && filled < numel(this.#plan.shapeOf(value))) {
      this.#wrong.push(`pack ${value} has gaps and is not cleared`);
    }
  }

  #expectWhole({ buffer, begin, end }: Region, what: string, named: string, reader: string): void {
    if (begin === end) return;
    const contents = this.#contents.get(buffer) ?? [];
    const first = firstBehind(contents, begin);
    const content = contents[first];
    if (content?.what === what && content.begin <= begin && content.end >= end) return;
    const found: Content[] = [];
    for (let i = first; i < contents.length && contents[i].begin < end; i++) found.push(contents[i]);
    const there = found.map((content) => content.what).join(", ") || "nothing";
    this.#wrong.push(`${reader} wants ${named} in ${buffer}, bytes ${begin} to ${end}: there is ${there}`);
  }

  #preparePack({ value, pieces, cleared, copies }: PackPlan): void {
    const { bytesOf, places } = this.#plan;
    const region = this.#region(value);
    if (cleared) this.#write(region, "zeros");
    const wanted = pieces.flatMap(({ ref, from, start, size }, i) => {
      const place = places.get(ref.node);
      if (place?.kind !== "leaf") return [];
      const bytes = bytesOf(ref.node, size);
      return [
        { i, node: ref.node, leaf: place.index, from: bytesOf(ref.node, from), to: bytesOf(value, start), bytes },
      ];
    });
    if (copies.length !== wanted.length) this.#wrong.push(`pack ${value} has ${copies.length} copies`);
    for (const [c, { leaf, from, to, bytes }] of copies.entries()) {
      const copy = wanted[c];
      if (copy === undefined || copy.leaf !== leaf || copy.from !== from || copy.to !== to || copy.bytes !== bytes) {
        this.#wrong.push(`copy ${c} of pack ${value} is not that of a piece`);
        continue;
      }
      if ([from, to, bytes].some((x) => x % COPY_BYTES !== 0))
        this.#wrong.push(`copy ${c} of pack ${value} is not aligned`);
      if (from + bytes > bytesOf(copy.node)) this.#wrong.push(`copy ${c} of pack ${value} ends behind its leaf`);
      if (region.buffer === `leaf ${leaf}`) this.#wrong.push(`copy ${c} of pack ${value} is to where it comes from`);
      const begin = region.begin + to;
      this.#write({ ...region, begin, end: begin + bytes }, pieceName(value, copy.i));
    }
  }

  #kernel({ description, operands }: FusedKernel, name: string): void {
    const { limits } = this.#plan;
    if (operands.length !== description.operands.length) this.#wrong.push(`${name} has operands without values`);
    if (operands.length > limits.maxBuffers) this.#wrong.push(`${name} binds ${operands.length} buffers`);
    const regions = operands.map((value) => this.#region(value));
    const writes: { value: number; region: Region }[] = [];
    for (const [i, value] of operands.entries()) {
      const { access, type } = description.operands[i];
      const region = regions[i];
      const isFlag = region.buffer === "flag";
      if (isFlag !== (type === "flag")) this.#wrong.push(`${name} binds ${region.buffer} as ${type}`);
      if (region.begin % limits.alignment !== 0)
        this.#wrong.push(`${name} binds byte ${region.begin} of value ${value}`);
      if (isFlag) continue;
      if (access === "read") this.#expect(value, region, name);
      else {
        writes.push({ value, region });
        if (region.buffer.startsWith("leaf")) this.#wrong.push(`${name} writes ${region.buffer}`);
        if (this.#written.has(value)) this.#wrong.push(`${name} writes value ${value}, which was written before`);
        this.#written.add(value);
      }
    }
    for (const [w, { value, region }] of writes.entries()) {
      for (const [i, other] of regions.entries()) {
        const { access } = description.operands[i];
        // WebGPU looks at whole buffers where one is read and written, and at bindings where both are written.
        const clashes = other.buffer === region.buffer && access === "read" && other.end > other.begin;
        if (clashes)
          this.#wrong.push(`${name} reads value ${operands[i]} in ${region.buffer}, where it writes ${value}`);
      }
      for (const { value: second, region: other } of writes.slice(w + 1)) {
        const overlap = other.buffer === region.buffer && other.begin < region.end && region.begin < other.end;
        if (overlap)
          this.#wrong.push(`${name} writes values ${value} and ${second} in the same bytes of ${region.buffer}`);
      }
    }
    for (const { value, region } of writes) this.#write(region, nameOf(value));
    for (const body of bodiesOf(description)) this.#indices(body, operands, name);
  }

  /** Notes errors where an index that counts lies outside what it is an index of. */
  #indices({ code }: Body, operands: readonly number[], name: string): void {
    const size = (operand: number): number => numel(this.#plan.shapeOf(operands[operand]));
    for (const instruction of code) {
      let problem: string | null = null;
      if (instruction.kind === "load") problem = outside(instruction.chain, size(instruction.operand));
      else if (instruction.kind === "gather" && instruction.size > 0) {
        const reach = Math.max(instruction.size - 1, 0) * instruction.stride;
        problem = outside(instruction.chain, size(instruction.operand) - reach);
      } else if (instruction.kind === "mask") problem = outside(instruction.chain, Number.POSITIVE_INFINITY);
      if (problem !== null) this.#wrong.push(`${name}, ${instruction.kind}: ${problem}`);
    }
  }
}

/** Of contents in the order of their bytes, the first that ends behind a byte. */
function firstBehind(contents: readonly Content[], byte: number): number {
  let [low, high] = [0, contents.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (contents[middle].end > byte) high = middle;
    else low = middle + 1;
  }
  return low;
}

const nameOf = (value: number): string => `value ${value}`;
const pieceName = (pack: number, piece: number): string => `copied piece ${piece} of pack ${pack}`;
const bufferOf = (place: Place): string => ("index" in place ? `${place.kind} ${place.index}` : place.kind);

function bodiesOf(description: KernelDescription): Body[] {
  switch (description.role) {
    case "map":
      return [description.output];
    case "reduce":
      return [description.input, description.output];
    case "contract":
      return [description.a, description.b, description.output];
    default:
      return [];
  }
}

/** Says at which element a chain reads that does not exist, though no mask says so; null if it reads none such. */
export function outside(chain: Chain, elements: number): string | null {
  for (const [level, { shape, strides, offset, valid }] of chain.entries()) {
    let low = offset;
    let high = offset;
    let isEmpty = false;
    for (const [i, d] of shape.entries()) {
      const first = Math.max(valid?.lo[i] ?? 0, 0);
      const last = Math.min(valid?.hi[i] ?? d, d) - 1;
      if (last < first) isEmpty = true;
      low += Math.min(first * strides[i], last * strides[i]);
      high += Math.max(first * strides[i], last * strides[i]);
    }
    if (isEmpty) continue;
    const count = level === 0 ? elements : numel(chain[level - 1].shape);
    if (low < 0 || high >= count) return `a view reaches elements ${low} to ${high} of ${count}`;
  }
  return null;
}
