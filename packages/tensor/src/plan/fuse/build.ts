/**
 * Building: drafts become kernel descriptions, from the last to the first.
 */
import type { Body, KernelDescription } from "@loopgrad/kernels";
import { numel, type Shape, sameShape } from "../../shape.ts";
import type { Ref, Work } from "../lower/work.ts";
import { BodyWriter, Operands, scalarType } from "./body.ts";

/** A kernel and the values behind its operands, in order: numbers of work. */
export interface FusedKernel {
  readonly description: KernelDescription;
  readonly operands: readonly number[];
}

/** A kernel while it grows. */
export interface Draft {
  /** The reduction, contraction, scan, sort or scatter; −1 for elementwise kernels. */
  readonly root: number;
  /** All its work belongs to. */
  readonly section: number;
  /** The space of its output body. */
  readonly space: Shape;
  /** Elementwise work that is computed once, here. */
  readonly owned: number[];
  /** Stored values that it may load. */
  readonly loads: Set<number>;
}

export class Builder {
  /** Packs that are wanted. */
  readonly packs: number[] = [];

  constructor(
    readonly work: Work[],
    readonly drafts: readonly Draft[],
    /** What must be stored. What a kernel loads is added, before the kernel that makes it is built. */
    readonly wanted: Set<number>,
  ) {}

  /** Descriptions of kernel k: one, or several passes for a sort; none if nothing of it is stored. */
  build(k: number): FusedKernel[] {
    const { root, owned } = this.drafts[k];
    const stores = [root, ...owned].filter((i) => i >= 0 && this.wanted.has(i));
    if (stores.length === 0) return [];
    const work = root < 0 ? null : this.work[root];
    if (work !== null && work.kind === "pack") {
      // No kernel: those of the pieces write where they belong.
      this.packs.push(root);
      for (const { ref } of work.pieces) if (this.work[ref.node].kind !== "leaf") this.wanted.add(ref.node);
      return [];
    }
    if (work !== null && work.kind === "sort") return this.#buildSort(root, work);
    const operands = new Operands(this.work, this.wanted);
    let description: KernelDescription;
    if (work === null || work.kind === "reduce" || work.kind === "contract") {
      const space = this.drafts[k].space;
      if (work === null) {
        const output = this.#outputBody(k, space, stores, operands);
        description = { role: "map", operands: operands.list, output };
      } else if (work.kind === "reduce") {
        const { arg, op, axes } = work;
        const input = this.#inputBody(k, arg, operands);
        const output = this.#outputBody(k, space, stores, operands);
        const type = scalarType(this.work[arg.node].dtype);
        description = { role: "reduce", op, type, axes, ...input, operands: operands.list, output };
      } else {
        const a = this.#inputBody(k, work.a, operands);
        const b = this.#inputBody(k, work.b, operands);
        const output = this.#outputBody(k, space, stores, operands);
        const { batch, m, n, k: depth, strides, dtype } = work;
        description = {
          role: "contract",
          type: scalarType(dtype),
          batch,
          m,
          n,
          k: depth,
          strides,
          a: a.input,
          aValue: a.value,
          b: b.input,
          bValue: b.value,
          operands: operands.list,
          output,
        };
      }
    } else if (work.kind === "scan") {
      operands.read(work.x.node);
      operands.write(root);
      const type = scalarType(work.dtype);
      description = { role: "scan", type, dims: threeDims(work.shape, work.axis), operands: operands.list };
    } else if (work.kind === "scatter") {
      for (const ref of [work.x, work.index, work.source]) operands.bind(ref.node);
      operands.write(root);
      description = {
        role: "scatter",
        type: scalarType(work.dtype),
        shape: work.shape,
        indexShape: work.index.moves.at(-1)?.shape ?? this.work[work.index.node].shape,
        axis: work.axis,
        operands: operands.list,
      };
    } else throw new Error(`internal: ${work.kind} is no root`);
    return [{ description, operands: operands.values }];
  }

  #buildSort(root: number, work: Work & { kind: "sort" }): FusedKernel[] {
    const dims = threeDims(work.shape, work.axis);
    const passes: FusedKernel[] = [];
    let before = -1;
    for (let run = 1; run === 1 || run < dims[1]; run *= 2) {
      const isLast = run * 2 >= dims[1];
      const operands = new Operands(this.work, this.wanted);
      operands.read(work.x.node);
      if (before >= 0) operands.read(before);
      let out = root;
      if (!isLast) {
        this.work.push({ ...work });
        out = this.work.length - 1;
      }
      operands.write(out);
      const type = scalarType(this.work[work.x.node].dtype);
      const { descending } = work;
      passes.push({
        description: { role: "sort", type, dims, run, descending, first: before < 0, operands: operands.list },
        operands: operands.values,
      });
      before = out;
    }
    // Kernels are collected from the last to the first.
    return passes.reverse();
  }

  #inputBody(k: number, ref: Ref, operands: Operands): { input: Body; value: number } {
    const writer = new BodyWriter(this.work, this.drafts[k].loads, -1, operands);
    const value = writer.value(ref.node, ref.moves);
    return { input: { space: ref.moves.at(-1)?.shape ?? this.work[ref.node].shape, code: writer.code }, value };
  }

  #outputBody(k: number, space: Shape, stores: readonly number[], operands: Operands) {
    const writer = new BodyWriter(this.work, this.drafts[k].loads, this.drafts[k].root, operands);
    const values = stores.map((i) => {
      const { shape } = this.work[i];
      return writer.value(i, sameShape(shape, space) ? [] : [{ name: "reshape", attrs: space, shape: space }]);
    });
    const written = stores.map((i, s) => ({ operand: operands.write(i), value: values[s] }));
    return { space, code: writer.code, stores: written };
  }
}

/** [outer, length, inner] around an axis. */
function threeDims(shape: Shape, axis: number): [number, number, number] {
  return [numel(shape.slice(0, axis)), shape[axis] ?? 1, numel(shape.slice(axis + 1))];
}
