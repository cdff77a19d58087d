/** Sums of pieces: what comes out, and how many elements are added on the way. */
import { describe, expect, test } from "@jest/globals";
import { interpret } from "../cpu/interpreter.ts";
import { addP, bind, padP } from "../index.ts";
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
});
