/** View chains agree with moving elements about one by one. */
import { describe, expect, test } from "@jest/globals";
import {
  applyMove,
  applyMoves,
  type Chain,
  coalesce,
  contiguous,
  isIdentity,
  isMasked,
  type Move,
  rangeStart,
  type View,
} from "./view.ts";

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

/** A tensor of element numbers, −1 for padding, and how moves change it: one index at a time. */
interface Numbered {
  readonly shape: readonly number[];
  readonly numbers: readonly number[];
}

function movedOneByOne({ shape, numbers }: Numbered, { name, attrs, shape: to }: Move): Numbered {
  const rank = shape.length;
  const at = (index: readonly number[]): number => {
    if (index.some((x, d) => x < 0 || x >= shape[d])) return -1;
    return numbers[index.reduce((sum, x, d) => sum * shape[d] + x, 0)];
  };
  const from = (index: readonly number[]): number => {
    switch (name) {
      case "permute":
        return at(shape.map((_, axis) => index[attrs.indexOf(axis)]));
      case "expand":
        return at(index.map((x, d) => (shape[d] === 1 ? 0 : x)));
      case "slice":
        return at(index.map((x, d) => attrs[d] + x * attrs[2 * rank + d]));
      case "flip":
        return at(index.map((x, d) => (attrs.includes(d) ? shape[d] - 1 - x : x)));
      case "pad":
        return at(index.map((x, d) => x - attrs[d]));
      default:
        throw new Error(name);
    }
  };
  return { shape: to, numbers: name === "reshape" ? numbers : indices(to).map(from) };
}

describe("random moves", () => {
  let state = 20260;
  const below = (bound: number): number => {
    state = (state * 48271) % 2147483647;
    return state % bound;
  };

  function randomMove(shape: readonly number[]): Move {
    const rank = shape.length;
    switch (below(7)) {
      case 0: {
        const perm = shape.map((_, i) => i);
        for (let i = rank - 1; i > 0; i--) {
          const j = below(i + 1);
          [perm[i], perm[j]] = [perm[j], perm[i]];
        }
        return move(
          "permute",
          perm,
          perm.map((axis) => shape[axis]),
        );
      }
      case 1:
        return move(
          "expand",
          [],
          shape.map((d) => (d === 1 ? 1 + below(3) : d)),
        );
      case 2:
      case 3: {
        const starts = shape.map((d) => below(Math.max(d, 1)));
        const steps = shape.map(() => 1 + below(4));
        const most = shape.map((d, i) => Math.max(Math.ceil((d - starts[i]) / steps[i]), 0));
        const sizes = most.map((n) => (below(4) === 0 ? below(n + 1) : n));
        return move("slice", [...starts, ...sizes, ...steps], sizes);
      }
      case 4:
        return move(
          "flip",
          shape.map((_, i) => i).filter(() => below(2) === 0),
          [...shape],
        );
      case 5: {
        const counts = Array.from({ length: 2 * rank }, () => (below(2) === 0 ? 0 : below(4)));
        return move(
          "pad",
          counts,
          shape.map((d, i) => counts[i] + d + counts[rank + i]),
        );
      }
      default: {
        const size = numel(shape);
        const ways = [[size], [size, 1], [1, size], [...shape, 1]];
        for (const d of [2, 3, 4, 5]) if (size > 0 && size % d === 0) ways.push([d, size / d], [size / d, d]);
        return move("reshape", [], ways[below(ways.length)]);
      }
    }
  }

  test("a chain reads what moving elements about one by one does, and never beside its buffer", () => {
    let masked = 0;
    for (let count = 0; count < 4000; count++) {
      const shape = Array.from({ length: 1 + below(3) }, () => 1 + below(5));
      let wanted: Numbered = { shape, numbers: indices(shape).map((_, i) => i) };
      let chain: Chain = [contiguous(shape)];
      const moves: Move[] = [];
      for (let length = 2 + below(5); moves.length < length; ) {
        const next = randomMove(wanted.shape);
        if (numel(next.shape) > 300 || next.shape.length > 5) continue;
        moves.push(next);
        wanted = movedOneByOne(wanted, next);
        chain = applyMove(chain, next);
      }
      const told = JSON.stringify({ shape, moves });
      expect([told, elements(chain)]).toEqual([told, wanted.numbers]);
      const start = rangeStart(chain);
      if (start >= 0) expect([told, wanted.numbers]).toEqual([told, wanted.numbers.map((_, i) => start + i)]);
      if (isMasked(chain)) masked++;
    }
    expect(masked).toBeGreaterThan(1000);
  });
});
