/**
 * Traces: whether a function that is computed twice did the same.
 *
 * Every value of a run has a *signature*, a number: of an operation's result it comes from the primitive, its attributes,
 * the signatures of its inputs and whether gradients flow through them. So the signature of a result stands for
 * all that it was computed from, and operations that no result depends on do not count. Where a run begins stand
 *
 * - *places*: arguments, and tensors from the variables around it. In the first run each value has a signature of its
 *   own, in the second the tensor that stands in the place has that of the first;
 * - numbers and random bits, by what they are;
 * - tensors that the function made of data, by their elements.
 *
 * A trace keeps little: the signatures of the results, and, to say what differed, names of operations, numbers, and what
 * was read. Runs that follow one another are mostly alike, and share these.
 */
import { type Attrs, type HostArray, type Primitive, scalarP, type Tensor, type Value } from "@loopgrad/tensor";

/** What is kept of a run. */
export interface Trace {
  /** Signatures of the results. */
  readonly results: readonly number[];
  readonly steps: Steps;
}

/** What a run did, in order. */
interface Steps {
  readonly names: readonly string[];
  readonly numbers: readonly number[];
  /** Signatures of the tensors that were read from outside. */
  readonly reads: readonly number[];
}

/** An operation, or a value that was computed where no listener hears. */
interface Entry {
  readonly output: Value;
  readonly primitive: Primitive;
  readonly attrs: Attrs;
  readonly inputs: readonly Value[];
  /** A bit for each input on the tape. */
  readonly linked: number;
}

/** Records of values that no listener heard of are followed this far. */
const DEEPEST = 4;

/** Elements of host data that are looked at. */
const MOST_ELEMENTS = 2 ** 20;

/** Notes what a run does. */
export class TraceRecorder {
  readonly #entries: Entry[] = [];
  readonly #known = new Set<Value>();
  readonly #made = new Set<Value>();
  /** Values from outside: signatures, or elements on the host. */
  readonly #outside = new Map<Value, number | HostArray>();
  readonly #names: string[] = [];
  readonly #numbers: number[] = [];

  /** Notes one operation. */
  see(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs, output: Tensor): void {
    let linked = 0;
    const values = inputs.map((input, i) => {
      if (input._link !== null) linked |= 1 << (i & 31);
      const value = input._value;
      if (value.primitive === scalarP) this.#numbers.push(value.scalar);
      if (!this.#known.has(value)) this.#meet(value, 0);
      return value;
    });
    this.#names.push(primitive.name);
    this.#known.add(output._value);
    this.#made.add(output._value);
    this.#entries.push({ output: output._value, primitive, attrs, inputs: values, linked });
  }

  /** A value that no operation of this run gave: what it is must be noted now, since it may be gone at the end. */
  #meet(value: Value, depth: number): void {
    this.#known.add(value);
    const { primitive, inputs, attrs, host } = value;
    if (primitive !== null && inputs.length > 0 && depth < DEEPEST) {
      for (const input of inputs) if (!this.#known.has(input)) this.#meet(input, depth + 1);
      this.#entries.push({ output: value, primitive, attrs, inputs, linked: 0 });
      return;
    }
    if (primitive !== null && inputs.length === 0) {
      this.#outside.set(value, mix(primitive.code, ...attrs, primitive === scalarP ? bitsOf(value.scalar) : 0));
    } else this.#outside.set(value, host ?? ofShape(value));
  }

  /** Whether an operation of this run gave the value. */
  made(value: Value): boolean {
    return this.#made.has(value);
  }

  /**
   * Ends a run.
   *
   * @param places  signatures of the values in places
   * @returns       the trace, and the signature of any value of the run
   */
  end(results: readonly Value[], places: ReadonlyMap<Value, number>): { trace: Trace; of: (value: Value) => number } {
    const signatures = new Map<Value, number>();
    const reads: number[] = [];
    const read = new Set<Value>();
    const of = (value: Value): number => {
      const known = signatures.get(value) ?? places.get(value) ?? this.#outside.get(value);
      if (typeof known === "number") return known;
      const signature = known === undefined ? ofShape(value) : ofElements(value, known);
      this.#outside.set(value, signature);
      return signature;
    };
    const meet = (value: Value): number => {
      if (!signatures.has(value) && !read.has(value) && value.primitive !== scalarP) {
        read.add(value);
        reads.push(of(value));
      }
      return of(value);
    };
    for (const { output, primitive, attrs, inputs, linked } of this.#entries) {
      const placed = places.get(output);
      let signature = placed ?? mix(primitive.code, linked, ...attrs);
      if (placed === undefined) for (const input of inputs) signature = mix(signature, meet(input));
      signatures.set(output, signature);
    }
    const steps = shared({ names: this.#names, numbers: this.#numbers, reads });
    return { trace: { results: results.map(of), steps }, of };
  }
}

/** What differs between two runs, for people; null if nothing does that results depend on. */
export function difference(first: Trace, again: Trace): string | null {
  if (same(first.results, again.results)) return null;
  const [a, b] = [first.steps, again.steps];
  const step = firstDifference(a.names, b.names);
  if (step >= 0) {
    const [before, now] = [a.names[step], b.names[step]];
    if (before === undefined || now === undefined) {
      return `it did ${b.names.length} operations, and ${a.names.length} the first time`;
    }
    return `its operation ${step} was ${now}, and ${before} the first time`;
  }
  const number = firstDifference(a.numbers, b.numbers);
  if (number >= 0) return `it used the number ${b.numbers[number]}, and ${a.numbers[number]} the first time`;
  if (!same(a.reads, b.reads)) return "it read another tensor or other data than the first time";
  return "an operation had another shape, other options or other operands than the first time";
}

/** The signature of a value in a place: no other value has it. */
export function signatureOf(value: Value): number {
  let signature = own.get(value);
  if (signature === undefined) {
    signature = mix(0x5eed, ++last);
    own.set(value, signature);
  }
  return signature;
}

const own = new WeakMap<Value, number>();
let last = 0;

const ofShape = ({ shape }: Value): number => mix(shape.length, ...shape);

function ofElements(value: Value, host: HostArray): number {
  let signature = ofShape(value);
  const stride = Math.ceil(host.length / MOST_ELEMENTS);
  for (let i = 0; i < host.length; i += stride) signature = mix(signature, bitsOf(host[i]));
  return signature;
}

/** The steps of the last few traces. */
const latest: Steps[] = [];
const LATEST = 4;

/** Steps as they are kept: one object for equal ones. */
function shared(steps: Steps): Steps {
  let { names, numbers, reads } = steps;
  for (const other of latest) {
    if (same(other.names, names)) names = other.names;
    if (same(other.numbers, numbers)) numbers = other.numbers;
    if (same(other.reads, reads)) reads = other.reads;
    if (names === other.names && numbers === other.numbers && reads === other.reads) return other;
  }
  const kept = { names, numbers, reads };
  latest.unshift(kept);
  if (latest.length > LATEST) latest.pop();
  return kept;
}

function firstDifference(a: readonly unknown[], b: readonly unknown[]): number {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}

const same = (a: readonly unknown[], b: readonly unknown[]): boolean => a === b || firstDifference(a, b) < 0;

/** 32 bits that depend on all the words. */
function mix(...words: number[]): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) {
    hash = Math.imul(hash ^ words[i], 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hash ^= hash >>> 13;
  }
  return hash;
}

const float = new Float64Array(1);
const words = new Int32Array(float.buffer);

/** A number as 32 bits. */
function bitsOf(x: number): number {
  float[0] = x;
  return words[0] ^ Math.imul(words[1], 0x27d4eb2f);
}
