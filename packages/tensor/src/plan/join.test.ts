/** Sums of pieces: what comes out, and how many elements are added on the way. */
import { describe, expect, test } from "@jest/globals";
import { interpret } from "../cpu/interpreter.ts";
import { addP, bind, padP, sliceP } from "../index.ts";
import { numel } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { captureGraph } from "./capture-graph.ts";
import { joinPieces } from "./join.ts";
import { simplify } from "./simplify.ts";

const LENGTH = 50;
const WIDTH = 3;

/** A piece at a place of a sequence, in a tensor of the sequence's length. */
const padded = (piece: Tensor, start: number): Tensor =>
  bind(padP, [piece], [start, 0, LENGTH - start - piece.shape[0], 0]);

/** The sum in the order given, from left to right: as a walk makes it. */
const total = (terms: readonly Tensor[]): Tensor => terms.reduce((sum, term) => bind(addP, [sum, term]));

const captured = (count: number, fn: (pieces: Tensor[]) => Tensor | Tensor[]) =>
  captureGraph(
    Array.from({ length: count }, () => [1, WIDTH]),
    (...pieces) => fn(pieces),
  );

/** Terms that are as long as the sequence. */
const several = (x: Tensor, count: number): Tensor[] =>
  Array.from({ length: count }, (_, i) => padded(x, 5 * i).mul(i + 2));

/** Elements of all sums in a graph. */
const added = ({ nodes }: ReturnType<typeof captureGraph>): number =>
  nodes.filter(({ primitive }) => primitive === addP).reduce((sum, { shape }) => sum + numel(shape), 0);

const leaves = (count: number): Float32Array[] =>
  Array.from({ length: count }, (_, i) => Float32Array.from({ length: WIDTH }, (_, j) => 10 * i + j + 1));

describe("a sum of pieces", () => {
  test.each([
    ["last to first", (pieces: Tensor[]) => total(pieces.map((piece, i) => padded(piece, i)).reverse())],
    ["with gaps", (pieces: Tensor[]) => total(pieces.slice(0, 25).map((piece, i) => padded(piece, 2 * i)))],
    [
      "with other terms among them",
      (pieces: Tensor[]) => {
        const whole = padded(pieces[0], 3).mul(2);
        return total([whole, ...pieces.map((piece, i) => padded(piece, i)), whole]);
      },
    ],
  ])("is joined in a tree: %s", (_, fn) => {
    const graph = captured(LENGTH, fn);
    const joined = simplify(graph); // joins, and drops what is not needed then
    const data = leaves(LENGTH);
    expect(interpret(joined, data, [2])).toEqual(interpret(graph, data, [2]));
    // Three levels of joining and the terms that are whole, in place of one addition for each piece.
    expect(added(graph)).toBeGreaterThan(20 * LENGTH * WIDTH);
    expect(added(joined)).toBeLessThan(15 * LENGTH * WIDTH);
  });

  test.each([
    ["pieces that overlap", (pieces: Tensor[]) => total(pieces.map((piece, i) => padded(piece, i >> 1)))],
    ["few pieces", (pieces: Tensor[]) => total(pieces.slice(0, 7).map((piece, i) => padded(piece, i)))],
    [
      "a sum whose parts are wanted themselves",
      (pieces: Tensor[]) => {
        const sums: Tensor[] = [];
        pieces.forEach((piece, i) => {
          sums.push(i === 0 ? padded(piece, i) : bind(addP, [sums[i - 1], padded(piece, i)]));
        });
        return sums;
      },
    ],
  ])("is left alone: %s", (_, fn) => {
    const graph = captured(LENGTH, fn);
    expect(joinPieces(graph)).toBe(graph);
  });

  test("is joined in groups of seven, in tensors no longer than what they hold", () => {
    const joined = simplify(captured(LENGTH, (pieces) => total(pieces.map((piece, i) => padded(piece, i)))));
    // Seven groups of seven rows, those seven and the last row, and that beside the 49 rows.
    expect(added(joined)).toBe((7 * 6 * 7 + 6 * 49 + 50) * WIDTH);
    const longest = joined.nodes.filter(({ shape }) => shape[0] === LENGTH);
    expect(longest.map(({ primitive }) => primitive?.name)).toEqual(["pad", "pad", "add"]);
  });

  test("is joined from eight pieces on, where they are as long as they are", () => {
    const eight = (pieces: Tensor[]) => total(pieces.map((piece, i) => padded(piece, 6 * i)));
    const graph = captureGraph(
      Array.from({ length: 8 }, (_, i) => [i < 7 ? 6 : 2, WIDTH]),
      (...pieces) => eight(pieces),
    );
    const joined = simplify(graph);
    expect(added(joined)).toBe((6 * 42 + LENGTH) * WIDTH);
    const data = Array.from({ length: 8 }, (_, i) => new Float32Array((i < 7 ? 6 : 2) * WIDTH).fill(i + 1));
    expect(interpret(joined, data, [])).toEqual(interpret(graph, data, []));
  });

  test("along another axis, beside pieces of the first", () => {
    const program = (pieces: Tensor[]) => {
      const [first, ...others] = pieces;
      const columns = others.map((piece, i) => bind(padP, [piece.t()], [0, 2 * i, 0, 18 - 2 * i - 1]));
      return total([bind(padP, [first], [1, 0, 1, 18 - WIDTH]), ...columns.reverse()]);
    };
    const graph = captured(10, program);
    const joined = simplify(graph);
    const data = leaves(10);
    expect(interpret(joined, data, [])).toEqual(interpret(graph, data, []));
    // The first piece is padded along both axes: it is added as it is.
    expect(added(joined)).toBe((6 * 13 + 3 + 18 + 18) * 3);
  });

  test.each<[string, (pieces: Tensor[]) => Tensor]>([
    [
      "pieces that overlap by one row",
      (pieces) => total(pieces.slice(0, 20).map((p, i) => padded(p, i === 9 ? 8 : i))),
    ],
    ["seven pieces and other terms", (pieces) => total([...pieces.slice(0, 7).map(padded), ...several(pieces[0], 5)])],
    ["terms of which none is a piece", (pieces) => total(pieces)],
    [
      "pieces that are added to a smaller tensor",
      (pieces) => bind(addP, [total(pieces.slice(0, 7).map(padded)), pieces[9]]),
    ],
  ])("is left alone: %s", (_, fn) => {
    const graph = captured(LENGTH, fn);
    expect(joinPieces(graph)).toBe(graph);
  });

  test("of narrow pieces ends where wider ones are added", () => {
    const narrow = (x: Tensor, i: number) =>
      bind(padP, [bind(sliceP, [x], [0, 0, 1, 1, 1, 1])], [i, 0, LENGTH - 1 - i, 0]);
    const graph = captured(20, (pieces) => {
      const sum = total(pieces.slice(0, 10).map(narrow));
      return bind(addP, [bind(addP, [sum, padded(pieces[10], 3)]), padded(pieces[11], 8)]);
    });
    const data = leaves(20);
    expect(interpret(simplify(graph), data, [])).toEqual(interpret(graph, data, []));
  });

  test("says the shapes of what it makes, before anything infers them again", () => {
    const graph = captured(LENGTH, (pieces) =>
      total([...pieces.map((piece, i) => padded(piece, i)), padded(pieces[0], 3).mul(2)]),
    );
    const { nodes } = joinPieces(graph);
    for (const { primitive, inputs, attrs, shape } of nodes) {
      const [x, y] = inputs.map((input) => nodes[input].shape);
      if (primitive === padP) expect(shape).toEqual(x.map((d, axis) => d + attrs[axis] + attrs[x.length + axis]));
      if (primitive === addP) expect([x, y]).toEqual([shape, shape]);
    }
    expect(nodes.filter(({ primitive }) => primitive === padP).length).toBeGreaterThan(LENGTH);
  });

  test("has terms that are repeated over it", () => {
    const wide = (x: Tensor): Tensor => bind(sliceP, [x], [0, 0, 1, 1, 1, 1]);
    for (const at of [1, 5, 19]) {
      for (const term of [(x: Tensor) => x, wide]) {
        const graph = captured(20, (pieces) => {
          const terms = pieces.map((piece, i) => padded(piece, i));
          terms[at] = term(pieces[at]);
          return total(terms);
        });
        const data = leaves(20);
        expect(interpret(simplify(graph), data, [])).toEqual(interpret(graph, data, []));
      }
    }
  });

  test("that is read twice is one sum, and a term of what reads it", () => {
    const graph = captured(LENGTH, (pieces) => {
      const inner = total(pieces.slice(0, 10).map(padded));
      return [bind(addP, [inner, padded(pieces[20], 20)]), inner.neg()];
    });
    const joined = simplify(graph);
    const data = leaves(LENGTH);
    expect(interpret(joined, data, [])).toEqual(interpret(graph, data, []));
    expect(added(joined)).toBe((6 * 7 + 2 * 3 + LENGTH + LENGTH) * WIDTH);
  });
});
