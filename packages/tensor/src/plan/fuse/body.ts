/**
 * Writing bodies: fused work as the scalar code of a kernel, with its operands.
 */
import {
  applyMoves,
  type Chain,
  chainKey,
  contiguous,
  type Instruction,
  isIdentity,
  isMasked,
  type Move,
  type Operand,
  type ScalarType,
  type View,
} from "@loopgrad/kernels";
import type { DType } from "../../dtype.ts";
import { contiguousStrides } from "../../shape.ts";
import type { Work } from "../lower/work.ts";

/** The buffers of a kernel: each value once, and what is read is thereby wanted of the kernel that makes it. */
export class Operands {
  readonly list: Operand[] = [];
  readonly values: number[] = [];

  constructor(
    readonly work: readonly Work[],
    readonly wanted: Set<number>,
  ) {}

  read(value: number): number {
    const known = this.values.indexOf(value);
    return known >= 0 ? known : this.bind(value);
  }

  /** Like read, but always at a position of its own. */
  bind(value: number): number {
    if (this.work[value].kind !== "leaf") this.wanted.add(value);
    return this.#add(value, "read");
  }

  /** The flag: bound once, for writing, by all that check indices. */
  flag(value: number): number {
    const known = this.values.indexOf(value);
    if (known >= 0) return known;
    this.list.push({ type: "flag", access: "write" });
    return this.values.push(value) - 1;
  }

  write(value: number): number {
    return this.#add(value, "write");
  }

  #add(value: number, access: "read" | "write"): number {
    const { dtype } = this.work[value];
    this.list.push({ type: dtype === "float16" ? "f16" : scalarType(dtype), access });
    this.values.push(value);
    return this.list.length - 1;
  }
}

/**
 * Writes the code of one body of a kernel. What was stored when the kernel was drafted is loaded; all else is computed,
 * even if some kernel came to own it afterwards: the draft has room for these loads and no others.
 */
export class BodyWriter {
  readonly code: Instruction[] = [];
  readonly #known = new Map<string, number>();

  constructor(
    readonly work: readonly Work[],
    readonly loads: ReadonlySet<number>,
    readonly root: number,
    readonly operands: Operands,
  ) {}

  /** Position of the instruction that yields a node's value at the index that the moves lead to. */
  value(node: number, moves: readonly Move[]): number {
    const work = this.work[node];
    const chain = applyMoves([contiguous(work.shape)], moves);
    const key = `${node}@${chainKey(chain)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const position = this.#write(node, work, moves, chain);
    this.#known.set(key, position);
    return position;
  }

  #add(instruction: Instruction): number {
    return this.code.push(instruction) - 1;
  }

  #write(node: number, work: Work, moves: readonly Move[], chain: Chain): number {
    const type = scalarType(work.dtype);
    if (this.loads.has(node)) return this.#add({ kind: "load", type, operand: this.operands.read(node), chain });
    if (node === this.root) {
      if (!isIdentity(chain)) throw new Error("internal: a kernel reads its own result at another element");
      return this.#add({ kind: "result", type });
    }
    const computed = this.#compute(work, type, moves, chain);
    const padded = work.kind !== "iota" && isMasked(chain);
    return padded ? this.#add({ kind: "mask", type, arg: computed, chain }) : computed;
  }

  #compute(work: Work, type: ScalarType, moves: readonly Move[], chain: Chain): number {
    switch (work.kind) {
      case "scalar":
        return this.#add({ kind: "scalar", type, slot: work.slot });
      case "literal":
        return this.#add({ kind: "literal", type, value: work.value });
      case "iota":
        return this.#add({ kind: "iota", type, chain });
      case "map": {
        const args = work.args.map((ref) => this.value(ref.node, [...ref.moves, ...moves]));
        if (work.op === "alias") return args[0];
        const from = scalarType(this.work[work.args[work.args.length - 1].node].dtype);
        // A cast to float16 rounds, even where nothing is stored.
        const op = work.op === "cast" && work.dtype === "float16" ? "round16" : work.op;
        return this.#add({ kind: "op", type, op, from, args });
      }
      case "gather": {
        const arg = this.value(work.index.node, [...work.index.moves, ...moves]);
        const shape = work.x.moves.at(-1)?.shape ?? this.work[work.x.node].shape;
        const strides = contiguousStrides(shape);
        const start: View = {
          shape: work.shape,
          strides: strides.map((s, i) => (i === work.axis ? 0 : s)),
          offset: 0,
          valid: null,
        };
        return this.#add({
          kind: "gather",
          type,
          operand: this.operands.read(work.x.node),
          chain: applyMoves([start], moves),
          arg,
          stride: strides[work.axis],
          size: shape[work.axis],
        });
      }
      case "position": {
        const { size, fromEnd, ignored, flag, site } = work;
        const arg = this.value(work.index.node, [...work.index.moves, ...moves]);
        return this.#add({
          kind: "position",
          type: "i32",
          arg,
          size,
          fromEnd,
          ignored,
          flag: flag && { operand: this.operands.flag(flag.node), site, chain: isMasked(chain) ? chain : null },
        });
      }
      case "random": {
        const counters = work.counters.map((ref) => this.value(ref.node, [...ref.moves, ...moves]));
        const operand = this.operands.read(work.key.node);
        return this.#add({
          kind: "random",
          type: "u32",
          operand,
          chain,
          counters: counters.length > 0 ? counters : null,
        });
      }
      default:
        throw new Error(`internal: ${work.kind} is computed by a kernel of its own`);
    }
  }
}

/** The type of a dtype's elements inside kernels. */
export function scalarType(dtype: DType): ScalarType {
  switch (dtype) {
    case "float32":
    case "float16":
      return "f32";
    case "int32":
      return "i32";
    case "uint32":
      return "u32";
    case "bool":
      return "bool";
    case "float64":
      throw new Error("internal: float64 in a kernel");
    default:
      dtype satisfies never;
      throw new Error("unknown dtype");
  }
}
