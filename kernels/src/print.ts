/**
 * Printing bodies: index expressions and scalar code as WGSL text.
 *
 * Sizes and strides are not written into the text but read from the kernel's *parameter block* (binding 0, a
 * uniform array `p`), so that kernels of one structure share one pipeline. Only structure is written: which
 * strides are 0 or 1, which dimensions are padded, how many there are. Literals are read from there as well, all but −1,
 * 0 and 1: the divisor of a mean is a size. Each use of one has a word of its own, and constants have no part in
 * the names of values, so that the text is the same whether or not two sizes happen to be equal.
 */
import type { Body, Instruction, Operand, Parameter, ScalarType } from "./description.ts";
import { literal, type MathFunction, wgslOf, zero } from "./scalar/wgsl.ts";
import { type Chain, coalesce, contiguous, type View } from "./view.ts";

/** WGSL type of a buffer's elements. */
export const storageType = (type: Operand["type"]): string =>
  type === "bool" ? "u32" : type === "flag" ? "atomic<u32>" : type;

/** The parameter block of a kernel being printed. */
export class Parameters {
  readonly list: Parameter[] = [];
  readonly #slots = new Map<number, string>();
  /** Position up to which words are being used a second time; −1: none are. */
  #cursor = -1;

  /** Text of a parameter (i32) that holds a number. */
  number(value: number): string {
    if (this.#cursor >= 0) {
      // Scalars are printed by their slots.
      while ("slot" in this.list[this.#cursor]) this.#cursor++;
      return this.#word(this.#cursor++);
    }
    this.list.push({ value });
    return this.#word(this.list.length - 1);
  }

  /** Runs `print`, whose numbers are those printed since the list had `length` words, in the same order. */
  repeat<T>(length: number, print: () => T): T {
    this.#cursor = length;
    const result = print();
    this.#cursor = -1;
    return result;
  }

  /** Text of a literal: the number itself where it is structure, a parameter where it may be a size. */
  literal(value: number, type: ScalarType): string {
    if (type === "bool" || Math.abs(value) <= 1) return literal(value, type);
    const text = this.number(type === "f32" ? bitsOf(value) : value | 0);
    return type === "i32" ? text : `bitcast<${type}>(${text})`;
  }

  /** Text of a scalar given at replay. */
  scalar(slot: number, type: ScalarType): string {
    let text = this.#slots.get(slot);
    if (text === undefined) {
      this.list.push({ slot, type });
      text = this.#word(this.list.length - 1);
      this.#slots.set(slot, text);
    }
    if (type === "bool") return `(${text} != 0)`;
    return type === "i32" ? text : `bitcast<${type}>(${text})`;
  }

  /** Declaration of the block. */
  declaration(): string {
    const count = Math.max(1, Math.ceil(this.list.length / 4));
    return `@group(0) @binding(0) var<uniform> p: array<vec4<i32>, ${count}>;`;
  }

  #word(i: number): string {
    return `p[${i >> 2}].${"xyzw"[i & 3]}`;
  }
}

/** Dimensions walked as one, with the text of the coordinate that walks them. */
export interface Axis {
  readonly dims: readonly number[];
  readonly coordinate: string;
}

const chainOf = (instruction: Instruction): Chain | null =>
  "chain" in instruction
    ? instruction.chain
    : instruction.kind === "position"
      ? (instruction.flag?.chain ?? null)
      : null;

/** The outermost views of all loads of a body: what limits which dimensions can be walked as one. */
export function outerViews(body: Body): View[] {
  const views: View[] = [];
  for (const instruction of body.code) {
    const chain = chainOf(instruction);
    if (chain !== null) views.push(chain[chain.length - 1]);
  }
  return views;
}

/** Statements that take a linear index apart into one coordinate a group of dimensions. */
export function takeApart(
  linear: string,
  space: readonly number[],
  groups: readonly (readonly number[])[],
  name: string,
  params: Parameters,
): { lines: string[]; axes: Axis[] } {
  if (groups.length === 1) return { lines: [], axes: [{ dims: groups[0], coordinate: linear }] };
  const lines: string[] = [];
  const axes: Axis[] = [];
  let rest = linear;
  for (let g = groups.length - 1; g >= 0; g--) {
    const coordinate = `${name}${g}`;
    if (g === 0) lines.push(`let ${coordinate} = ${rest};`);
    else {
      const size = params.number(sizeOf(space, groups[g]));
      lines.push(`let ${coordinate} = ${rest} % ${size};`);
      lines.push(`let ${name}_${g} = ${rest} / ${size};`);
      rest = `${name}_${g}`;
    }
    axes.unshift({ dims: groups[g], coordinate });
  }
  return { lines, axes };
}

export const sizeOf = (space: readonly number[], dims: readonly number[]): number =>
  dims.reduce((n, d) => n * space[d], 1);

/** Σ coordinate · stride of a view over the axes, with its offset. */
export function address(view: View, axes: readonly Axis[], params: Parameters, withOffset = true): string {
  const terms: string[] = [];
  for (const { dims, coordinate } of axes) {
    const stride = view.strides[dims[dims.length - 1]];
    const size = sizeOf(view.shape, dims);
    if (stride === 0 || size === 1) continue;
    terms.push(stride === 1 ? coordinate : `${coordinate} * ${params.number(stride)}`);
  }
  if (withOffset && view.offset !== 0) terms.push(params.number(view.offset));
  return terms.length === 0 ? "0" : terms.join(" + ");
}

/**
 * That all of some conditions hold. With `&`, not `&&`: nothing is gained by leaving one out, and `&&` is a branch. Where
 * many come together, some shader compilers take minutes over the branches.
 */
export const allOf = (conditions: readonly string[]): string =>
  conditions.length === 1 ? conditions[0] : conditions.map((condition) => `(${condition})`).join(" & ");

/** The condition under which a view is inside its valid range; null where it always is. */
function validity(view: View, axes: readonly Axis[], params: Parameters): string | null {
  if (view.valid === null) return null;
  const { lo, hi } = view.valid;
  const terms: string[] = [];
  view.shape.forEach((size, d) => {
    const axis = axes.find(({ dims }) => dims[dims.length - 1] === d || dims.includes(d));
    const coordinate = axis === undefined || size === 1 ? "0" : axis.coordinate;
    if (lo[d] > 0) terms.push(`${coordinate} >= ${params.number(lo[d])}`);
    if (hi[d] < size) terms.push(`${coordinate} < ${params.number(hi[d])}`);
  });
  return terms.length === 0 ? null : allOf(terms);
}

/** Prints the code of one body. Values get names `${prefix}0`, `${prefix}1`, …; statements go to `lines`. */
export class BodyPrinter {
  readonly lines: string[] = [];
  /** The functions of math.wgsl that the code calls. */
  readonly functions = new Set<MathFunction>();
  #names = 0;
  #loads = 0;
  #temporaries = 0;

  constructor(
    readonly prefix: string,
    readonly params: Parameters,
    readonly operands: readonly Operand[],
    /** Text of the value of `result` instructions. */
    readonly result: string | null = null,
    /** Text of the element number of the i-th load, where the role works it out itself. */
    readonly index: ((i: number) => string) | null = null,
  ) {}

  /** Prints all instructions; returns what gives the text of a value, at every use anew. */
  print(code: readonly Instruction[], axes: readonly Axis[]): (value: number) => string {
    const names: string[] = [];
    const use = (i: number): string => {
      const instruction = code[i];
      return instruction.kind === "literal" ? this.params.literal(instruction.value, instruction.type) : names[i];
    };
    code.forEach((instruction, i) => {
      if (instruction.kind === "literal") return;
      if (instruction.kind === "scalar" || instruction.kind === "result") {
        names[i] = this.#instruction(instruction, "", code, axes, use);
        return;
      }
      const name = `${this.prefix}${this.#names++}`;
      const text = this.#instruction(instruction, name, code, axes, use);
      this.lines.push(`let ${name} = ${text};`);
      names[i] = name;
    });
    return use;
  }

  /**
   * The arguments of an operation. If all are literals, the first gets a name: WGSL works out at compile time what it can,
   * and 0.0 / 0.0 is an error there.
   */
  #atRuntime(
    args: readonly number[],
    name: string,
    code: readonly Instruction[],
    use: (value: number) => string,
  ): string[] {
    const texts = args.map(use);
    if (args.some((arg) => code[arg].kind !== "literal")) return texts;
    this.lines.push(`let ${name}_literal = ${texts[0]};`);
    return [`${name}_literal`, ...texts.slice(1)];
  }

  #instruction(
    instruction: Exclude<Instruction, { kind: "literal" }>,
    name: string,
    code: readonly Instruction[],
    axes: readonly Axis[],
    use: (value: number) => string,
  ): string {
    switch (instruction.kind) {
      case "load": {
        if (this.index !== null) return loaded(this.operands, instruction.operand, this.index(this.#loads++));
        const { index, valid } = this.#locate(instruction.chain, axes);
        const element = loaded(this.operands, instruction.operand, index);
        return valid === null ? element : `select(${zero(instruction.type)}, ${element}, ${valid})`;
      }
      case "scalar":
        return this.params.scalar(instruction.slot, instruction.type);
      case "iota": {
        const { index, valid } = this.#locate(instruction.chain, axes);
        const number = `${instruction.type}(${index})`;
        return valid === null ? number : `select(${zero(instruction.type)}, ${number}, ${valid})`;
      }
      case "result":
        if (this.result === null) throw new Error("a result outside an output body");
        return this.result;
      case "op":
        return this.#operation(instruction, this.#atRuntime(instruction.args, name, code, use));
      case "mask": {
        const { valid } = this.#locate(instruction.chain, axes);
        const value = use(instruction.arg);
        return valid === null ? value : `select(${zero(instruction.type)}, ${value}, ${valid})`;
      }
      case "gather": {
        const { index, valid } = this.#locate(instruction.chain, axes);
        const position = use(instruction.arg);
        const conditions = [`${position} >= 0`, `${position} < ${this.params.number(instruction.size)}`];
        if (valid !== null) conditions.push(`(${valid})`);
        const at = `${index} + ${position} * ${this.params.number(instruction.stride)}`;
        const element = loaded(this.operands, instruction.operand, at);
        return `select(${zero(instruction.type)}, ${element}, ${allOf(conditions)})`;
      }
      case "position":
        return this.#position(instruction, name, use(instruction.arg), axes);
      case "random": {
        this.functions.add("threefry");
        const { index, valid } = this.#locate(instruction.chain, axes);
        const key = `data${instruction.operand}`;
        const counters = instruction.counters?.map(use) ?? [`u32(${index})`, "0u"];
        const bits = `threefry(${key}[0], ${key}[1], ${counters.join(", ")})`;
        return valid === null ? bits : `select(0u, ${bits}, ${valid})`;
      }
      default:
        instruction satisfies never;
        throw new Error("unknown instruction");
    }
  }

  /** An index as a position: its text. What is outside goes to the flag. */
  #position(
    { size, fromEnd, ignored, flag }: Instruction & { kind: "position" },
    name: string,
    index: string,
    axes: readonly Axis[],
  ): string {
    const { lines, params } = this;
    const length = params.number(size);
    const at = fromEnd ? `${name}_at` : index;
    if (fromEnd) lines.push(`let ${at} = select(${index}, ${index} + ${length}, ${index} < 0);`);
    lines.push(`let ${name}_in = ${at} >= 0 && ${at} < ${length};`);
    if (flag !== null) {
      const { valid } = flag.chain === null ? { valid: null } : this.#locate(flag.chain, axes);
      const conditions = [`!${name}_in`];
      if (ignored !== null) conditions.push(`${index} != ${params.number(ignored)}`);
      if (valid !== null) conditions.push(valid);
      lines.push(`if (${allOf(conditions)}) { note_outside(${params.number(flag.site)}, ${index}); }`);
    }
    return `select(-1, ${at}, ${name}_in)`;
  }

  /** Element number that a chain yields, and the condition under which it is valid. */
  #locate(chain: readonly View[], axes: readonly Axis[]): { index: string; valid: string | null } {
    const outer = chain[chain.length - 1];
    let index = address(outer, axes, this.params);
    const conditions: string[] = [];
    const condition = validity(outer, axes, this.params);
    if (condition !== null) conditions.push(condition);
    for (let level = chain.length - 2; level >= 0; level--) {
      const view = chain[level];
      const name = `t${this.prefix}${this.#temporaries++}`;
      this.lines.push(`let ${name} = ${index};`);
      const groups = coalesce(view.shape, [view, contiguous(view.shape)]);
      const apart = takeApart(name, view.shape, groups, `${name}_`, this.params);
      this.lines.push(...apart.lines);
      index = address(view, apart.axes, this.params);
      const inner = validity(view, apart.axes, this.params);
      if (inner !== null) conditions.push(inner);
    }
    return { index, valid: conditions.length === 0 ? null : allOf(conditions) };
  }

  #operation({ op, type, from }: Instruction & { kind: "op" }, args: readonly string[]): string {
    const { text, calls } = wgslOf(op, from, type);
    for (const name of calls) this.functions.add(name);
    return text(...args);
  }
}

/** The bits of a number as f32. */
const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0];

/** An element of an operand, as the type it is computed with. */
export function loaded(operands: readonly Operand[], operand: number, index: string): string {
  const element = `data${operand}[${index}]`;
  const { type } = operands[operand];
  return type === "bool" ? `(${element} != 0u)` : type === "f16" ? `f32(${element})` : element;
}

/** The statement that stores an element. */
export function stored(operands: readonly Operand[], operand: number, index: string, value: string): string {
  const { type } = operands[operand];
  const element = type === "bool" ? `select(0u, 1u, ${value})` : type === "f16" ? `f16(${value})` : value;
  return `data${operand}[${index}] = ${element};`;
}
