import { describe, expect, test } from "@jest/globals";
import { expandP, flipP, permuteP, reshapeP, sliceP } from "../primitives.ts";
import { broadcast, contiguous, inStrideOrder, type Layout, lengthenRows, moved, planWalk, walk } from "./layout.ts";

/** Where the elements lie, row-major, from the definition of strides. */
function offsets({ shape, strides, offset }: Layout): number[] {
  let out = [offset];
  shape.forEach((size, axis) => {
    out = out.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * strides[axis]));
  });
  return out;
}

const view = (layout: Layout | null): number[] => offsets(layout as Layout);

describe("movements as layouts", () => {
  const x = contiguous([2, 3]); // 0 1 2 / 3 4 5
  const t = moved(x, permuteP, [1, 0]) as Layout;

  test("permute", () => {
    expect(t.shape).toEqual([3, 2]);
    expect(view(t)).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test("slice with a step", () => {
    expect(view(moved(x, sliceP, [0, 0, 2, 2, 1, 2]))).toEqual([0, 2, 3, 5]);
    expect(view(moved(x, sliceP, [1, 2, 1, 1, 1, 1]))).toEqual([5]);
    expect(view(moved(x, sliceP, [2, 0, 0, 3, 1, 1]))).toEqual([]);
  });

  test("flip", () => {
    expect(view(moved(x, flipP, [1]))).toEqual([2, 1, 0, 5, 4, 3]);
    expect(view(moved(x, flipP, [0, 1]))).toEqual([5, 4, 3, 2, 1, 0]);
  });

  test("expand and broadcast", () => {
    expect(view(moved(contiguous([2, 1]), expandP, [2, 3]))).toEqual([0, 0, 0, 1, 1, 1]);
    expect(view(broadcast(contiguous([2]), [3, 2]))).toEqual([0, 1, 0, 1, 0, 1]);
    expect(view(broadcast(contiguous([]), [2, 2]))).toEqual([0, 0, 0, 0]);
  });

  test("reshape is a view where strides can say it", () => {
    expect(view(moved(x, reshapeP, [3, 2]))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(view(moved(t, reshapeP, [3, 1, 2, 1]))).toEqual(offsets(t));
    const middle = moved(contiguous([2, 3, 4]), permuteP, [1, 0, 2]) as Layout;
    expect(view(moved(middle, reshapeP, [3, 2, 2, 2]))).toEqual(offsets(middle));
    const tail = moved(contiguous([2, 6, 4]), sliceP, [0, 2, 0, 2, 3, 4, 1, 1, 1]) as Layout;
    expect(view(moved(tail, reshapeP, [2, 12]))).toEqual(offsets(tail));
    const repeated = moved(contiguous([1, 3]), expandP, [4, 3]) as Layout;
    expect(view(moved(repeated, reshapeP, [2, 2, 3]))).toEqual(offsets(repeated));
    expect(view(moved(moved(x, sliceP, [0, 0, 2, 0, 1, 1]) as Layout, reshapeP, [0, 5]))).toEqual([]);
  });

  test("reshape across a broken run is not a view", () => {
    expect(moved(t, reshapeP, [6])).toBeNull();
    expect(moved(t, reshapeP, [2, 3])).toBeNull();
    expect(moved(moved(contiguous([4, 4]), sliceP, [0, 0, 4, 2, 1, 1]) as Layout, reshapeP, [8])).toBeNull();
    expect(moved(moved(contiguous([1, 3]), expandP, [4, 3]) as Layout, reshapeP, [12])).toBeNull();
  });
});

describe("walks", () => {
  const shape = [2, 3, 4];
  const layouts = [
    contiguous(shape),
    broadcast(contiguous([3, 1]), shape),
    moved(contiguous([4, 3, 2]), permuteP, [2, 1, 0]) as Layout,
  ];
  const visited = (plan: ReturnType<typeof planWalk>): number[][] => {
    const list: number[][] = [];
    walk(plan, (at) => {
      for (let k = 0; k < plan.length; k++) list.push(at.map((offset, i) => offset + k * plan.steps[i]));
    });
    return list;
  };
  const wanted = offsets(layouts[0]).map((_, i) => layouts.map((layout) => offsets(layout)[i]));

  test("visit all layouts side by side, row-major", () => {
    expect(visited(planWalk(shape, layouts))).toEqual(wanted);
  });

  test("in another order visit the same", () => {
    const sorted = (list: number[][]) => list.sort((a, b) => a[0] - b[0]);
    expect(sorted(visited(inStrideOrder(shape, layouts, 2)))).toEqual(wanted);
    const thin = [contiguous([40, 2]), broadcast(contiguous([40, 1]), [40, 2])];
    const plan = lengthenRows(planWalk([40, 2], thin));
    expect(plan.length).toBe(40);
    expect(sorted(visited(plan))).toEqual(offsets(thin[0]).map((at, i) => [at, offsets(thin[1])[i]]));
  });

  test("merge axes into long rows", () => {
    expect(planWalk(shape, [layouts[0], layouts[0]])).toMatchObject({ length: 24, sizes: [] });
    expect(planWalk([2, 1, 4], [contiguous([2, 1, 4]), contiguous([2, 1, 4])])).toMatchObject({ length: 8, sizes: [] });
  });

  test("of nothing visit nothing, of a number one element", () => {
    expect(visited(planWalk([0, 3], [contiguous([0, 3])]))).toEqual([]);
    expect(visited(planWalk([], [contiguous([])]))).toEqual([[0]]);
  });
});
