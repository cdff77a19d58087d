/**
 * Layouts: where the elements of a tensor lie in an array.
 *
 * A *layout* is a shape, a *stride* for each axis (how far apart neighbours along it lie, in elements) and an
 * *offset* (where element [0, …, 0] lies). Movement primitives mostly change only the layout: a permutation
 * reorders strides, an expansion has stride 0, a flip has a negative one. A *view* is an array and a layout.
 *
 * A *walk* visits several layouts of one shape side by side, in row-major order: the last axes that all of
 * them can step through with one stride are merged into a *row*, and the walk gives the offsets of every row.
 */
import { type DType, type HostArray, hostArray } from "../dtype.ts";
import { type Attrs, expandP, flipP, type Primitive, padP, permuteP, reshapeP, sliceP } from "../primitives.ts";
import { contiguousStrides, numel, type Shape } from "../shape.ts";

export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** An array and where in it the elements lie. The array may be longer than the layout needs. */
export interface HostView extends Layout {
  readonly dtype: DType;
  readonly data: HostArray;
}

/** Row-major, without gaps. */
export const contiguous = (shape: Shape): Layout => ({ shape, strides: contiguousStrides(shape), offset: 0 });

/** True where the elements lie row-major without gaps from the array's start. */
export const isContiguous = (layout: Layout): boolean => rangeStart(layout) === 0;

/** Where the elements lie row-major without gaps: the offset of the first. Else −1. */
export function rangeStart({ shape, strides, offset }: Layout): number {
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 0) return offset;
    if (shape[i] !== 1 && strides[i] !== stride) return -1;
    stride *= shape[i];
  }
  return offset;
}

/** The layout broadcast to a shape, by NumPy's rule: repeated axes have stride 0. */
export function broadcast(layout: Layout, shape: Shape): Layout {
  const lead = shape.length - layout.shape.length;
  const strides = shape.map((_, i) => (i < lead || layout.shape[i - lead] === 1 ? 0 : layout.strides[i - lead]));
  return { shape, strides, offset: layout.offset };
}

/** The layout after a movement primitive; null where only a copy can have it (`pad`, some reshapes). */
export function moved(layout: Layout, primitive: Primitive, attrs: Attrs): Layout | null {
  const { shape, strides, offset } = layout;
  const rank = shape.length;
  switch (primitive) {
    case reshapeP:
      return reshaped(layout, attrs);
    case permuteP:
      return { shape: attrs.map((axis) => shape[axis]), strides: attrs.map((axis) => strides[axis]), offset };
    case expandP:
      return broadcast(layout, attrs);
    case sliceP: {
      const size = attrs.slice(rank, 2 * rank);
      let start = offset;
      if (numel(size) > 0) for (let i = 0; i < rank; i++) start += attrs[i] * strides[i];
      return { shape: size, strides: strides.map((stride, i) => stride * attrs[2 * rank + i]), offset: start };
    }
    case flipP: {
      const out = [...strides];
      let start = offset;
      for (const axis of attrs) {
        if (shape[axis] > 0) start += (shape[axis] - 1) * strides[axis];
        out[axis] = -strides[axis];
      }
      return { shape, strides: out, offset: start };
    }
    case padP:
      return null;
    default:
      throw new Error(`internal: ${primitive.name} is not a movement`);
  }
}

/**
 * The layout with another shape of as many elements; null if no strides can say it.
 * Old axes that one stride walks through form a run; each run is split into new axes, from the last.
 */
function reshaped(layout: Layout, shape: Shape): Layout | null {
  if (numel(shape) <= 1 || isContiguous(layout)) return { ...contiguous(shape), offset: layout.offset };
  const axes = layout.shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  const strides = new Array<number>(shape.length).fill(0);
  let axis = shape.length - 1;
  for (let i = axes.length - 1; i >= 0; i--) {
    let stride = layout.strides[axes[i]];
    let run = layout.shape[axes[i]];
    while (i > 0 && layout.strides[axes[i - 1]] === layout.strides[axes[i]] * layout.shape[axes[i]]) {
      run *= layout.shape[axes[--i]];
    }
    for (; axis >= 0 && (run > 1 || shape[axis] === 1); axis--) {
      if (run % shape[axis] !== 0) return null;
      strides[axis] = stride;
      stride *= shape[axis];
      run /= shape[axis];
    }
  }
  return { shape, strides, offset: layout.offset };
}

/** How to visit layouts of one shape side by side. Operands are numbered as given to {@link planWalk}. */
export interface Walk {
  /** Elements of a row; 0 if there is nothing to visit. */
  readonly length: number;
  /** Each operand's stride along a row. */
  readonly steps: readonly number[];
  /** Sizes of the axes outside the row. */
  readonly sizes: readonly number[];
  /** For each axis outside the row, each operand's stride. */
  readonly strides: readonly (readonly number[])[];
  /** Each operand's first offset. */
  readonly starts: readonly number[];
}

/** Merges what can be merged; axes of size 1 vanish. */
export function planWalk(shape: Shape, layouts: readonly Layout[]): Walk {
  const starts = layouts.map((layout) => layout.offset);
  const sizes: number[] = [];
  const strides: number[][] = [];
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis];
    if (size === 1) continue;
    const own = layouts.map((layout) => layout.strides[axis]);
    const outer = strides.at(-1);
    if (outer?.every((stride, i) => stride === own[i] * size)) {
      sizes[sizes.length - 1] *= size;
      strides[strides.length - 1] = own;
    } else {
      sizes.push(size);
      strides.push(own);
    }
  }
  if (numel(shape) === 0) return { length: 0, steps: layouts.map(() => 0), sizes: [], strides: [], starts };
  const length = sizes.pop() ?? 1;
  const steps = strides.pop() ?? layouts.map(() => 0);
  return { length, steps, sizes, strides, starts };
}

/** A walk that need not be row-major: axes are visited in the order in which they lie in one of the layouts. */
export function inStrideOrder(shape: Shape, layouts: readonly Layout[], key: number): Walk {
  const stride = (axis: number) => Math.abs(layouts[key].strides[axis]);
  const axes = shape.map((_, axis) => axis).sort((p, q) => stride(q) - stride(p));
  const permuted = layouts.map(({ strides, offset }) => ({
    shape: [],
    strides: axes.map((axis) => strides[axis]),
    offset,
  }));
  return planWalk(
    axes.map((axis) => shape[axis]),
    permuted,
  );
}

/** The same walk with the longest axis as its row, if its own rows are too short to be worth a call each. */
export function lengthenRows(plan: Walk): Walk {
  const axis = plan.sizes.indexOf(Math.max(...plan.sizes));
  if (axis < 0 || plan.length === 0 || plan.length >= 16 || plan.sizes[axis] < 4 * plan.length) return plan;
  return {
    ...plan,
    length: plan.sizes[axis],
    steps: plan.strides[axis],
    sizes: plan.sizes.with(axis, plan.length),
    strides: plan.strides.with(axis, plan.steps),
  };
}

/** Calls `row` with the offsets at which each operand's next row begins. The array is reused from row to row. */
export function walk({ length, sizes, strides, starts }: Walk, row: (at: number[]) => void): void {
  if (length === 0) return;
  const at = [...starts];
  const last = sizes.length - 1;
  const count = new Array<number>(sizes.length).fill(0);
  for (;;) {
    row(at);
    let axis = last;
    for (; axis >= 0; axis--) {
      const stride = strides[axis];
      if (++count[axis] < sizes[axis]) {
        for (let i = 0; i < at.length; i++) at[i] += stride[i];
        break;
      }
      count[axis] = 0;
      for (let i = 0; i < at.length; i++) at[i] -= stride[i] * (sizes[axis] - 1);
    }
    if (axis < 0) return;
  }
}

/** Copies a view's elements to where a layout of the same shape places them in `out`. */
export function copyInto(out: HostArray, to: Layout, from: HostView): void {
  const plan = planWalk(from.shape, [to, from]);
  const { data } = from;
  const { length } = plan;
  const [stepTo, stepFrom] = plan.steps;
  walk(plan, ([o, i]) => {
    if (stepTo === 1 && stepFrom === 1) out.set(data.subarray(i, i + length), o);
    else for (let k = 0; k < length; k++) out[o + k * stepTo] = data[i + k * stepFrom];
  });
}

/** The elements row-major from position 0: the view's own array if they lie so, else a copy. */
export function materialized(view: HostView): HostArray {
  if (isContiguous(view)) return view.data;
  const out = hostArray(view.dtype, numel(view.shape));
  copyInto(out, contiguous(view.shape), view);
  return out;
}
