/** View chains agree with moving elements about one by one. */
import { describe, expect, test } from "@jest/globals";
import { applyMove, applyMoves, type Chain, coalesce, contiguous, isIdentity, type Move, type View } from "./view.ts";

const numel = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);

/** Every index of a shape in row-major order. */
function indices(shape: readonly number[]): number[][] {
  return Array.from({ length: numel(shape) }, (_, i) => {
    const index: number[] = [];
    for (let d = shape.length - 1; d >= 0; d--) {
      index.unshift(i % shape[d]);
      i = Math.floor(i / shape[d]);
    }
    return index;
  });
}

/** What a chain reads, element by element: −1 where it is padded. */
function elements(chain: Chain): number[] {
  const read = (level: number, index: readonly number[]): number => {
    const view = chain[level];
    const { valid } = view;
    if (valid !== null && index.some((x, d) => x < valid.lo[d] || x >= valid.hi[d])) return -1;
    const element = index.reduce((sum, x, d) => sum + x * view.strides[d], view.offset);
    return level === 0 ? element : read(level - 1, indices(chain[level - 1].shape)[element]);
  };
  return indices(chain[chain.length - 1].shape).map((index) => read(chain.length - 1, index));
}

const move = (name: string, attrs: number[], shape: number[]): Move => ({ name, attrs, shape });

describe("chains of views", () => {
  test("a permutation reads with permuted strides", () => {
    const chain = applyMove([contiguous([2, 3])], move("permute", [1, 0], [3, 2]));
    expect(chain).toHaveLength(1);
    expect(elements(chain)).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test("a reshape across a permuted dimension adds a view", () => {
    const chain = applyMoves([contiguous([2, 3])], [move("permute", [1, 0], [3, 2]), move("reshape", [6], [6])]);
    expect(chain).toHaveLength(2);
    expect(elements(chain)).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test("a reshape that only splits and joins contiguous dimensions stays one view", () => {
    const chain = applyMoves([contiguous([2, 12])], [move("reshape", [], [4, 6]), move("reshape", [], [4, 2, 3])]);
    expect(chain).toHaveLength(1);
    expect(isIdentity(chain)).toBe(true);
  });

  test("padding reads nothing outside, and a slice of it moves the valid range along", () => {
    const padded = applyMove([contiguous([3])], move("pad", [2, 1], [6]));
    expect(elements(padded)).toEqual([-1, -1, 0, 1, 2, -1]);
    const sliced = applyMove(padded, move("slice", [1, 3, 2], [3]));
    expect(elements(sliced)).toEqual([-1, 1, -1]);
    expect(elements(applyMove(sliced, move("flip", [0], [3])))).toEqual([-1, 1, -1]);
    expect(elements(applyMove(padded, move("flip", [0], [6])))).toEqual([-1, 2, 1, 0, -1, -1]);
  });

  test("an expanded padded dimension is valid everywhere or nowhere", () => {
    const inside = applyMove([contiguous([1])], move("pad", [1, 1], [3]));
    const middle = applyMove(inside, move("slice", [1, 1, 1], [1]));
    expect(elements(applyMove(middle, move("expand", [], [3])))).toEqual([0, 0, 0]);
    const edge = applyMove(inside, move("slice", [0, 1, 1], [1]));
    expect(elements(applyMove(edge, move("expand", [], [3])))).toEqual([-1, -1, -1]);
  });

  test("windows overlap", () => {
    const chain = applyMove([contiguous([1, 1, 5])], move("window", [2, 1], [1, 1, 2, 3]));
    expect(elements(chain)).toEqual([0, 1, 2, 2, 3, 4]);
    const padded = applyMove([contiguous([1, 1, 3])], move("pad", [0, 0, 1, 0, 0, 1], [1, 1, 5]));
    expect(elements(applyMove(padded, move("window", [1, 1], [1, 1, 3, 3])))).toEqual([-1, 0, 1, 0, 1, 2, 1, 2, -1]);
  });

  test("stretches of dimensions that every view walks alike become one", () => {
    const row: View = contiguous([2, 3, 4]);
    const column: View = { shape: [2, 3, 4], strides: [0, 4, 1], offset: 0, valid: null };
    expect(coalesce([2, 3, 4], [row])).toEqual([[0, 1, 2]]);
    expect(coalesce([2, 3, 4], [row, column])).toEqual([[0], [1, 2]]);
    expect(coalesce([2, 3, 4], [row], [2])).toEqual([[0, 1], [2]]);
    expect(coalesce([1, 1], [])).toEqual([]);
  });
});
