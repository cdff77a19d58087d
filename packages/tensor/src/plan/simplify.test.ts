/** Rewrites, one by one: what is left of a small program, and that it computes what was recorded. */
import { describe, expect, test } from "@jest/globals";
import { interpret } from "../cpu/interpreter.ts";
import { type DType, dtypeCode } from "../dtype.ts";
import * as ops from "../index.ts";
import type { Graph } from "../record/backend.ts";
import { numel } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { captureGraph } from "./capture-graph.ts";
import { simplify } from "./simplify.ts";

const { addP, divP, expandP, flipP, maxP, mulP, packP, padP, permuteP, prodP, reshapeP, sliceP, subP, sumP, whereP } =
  ops;
const { bind, matmulP, castP, ltP, expP } = ops;

/** A number that the planner knows, of a shape. */
function known(x: Tensor, value: number, shape: number[] = [], dtype: DType = "float32"): Tensor {
  const number = ops.bindConstant(x.device, ops.literalP, [dtypeCode(dtype), value]);
  return shape.length === 0 ? number : number.reshape(shape.map(() => 1)).expand(shape);
}

/** A node as an expression of the leaves x, y and z: `neg(expand{2 3}(x))`. */
function formula({ nodes }: Graph, i: number): string {
  const { primitive, inputs, attrs, slot, dtype } = nodes[i];
  if (primitive === null) return "xyz"[slot];
  if (primitive === ops.literalP) return `${attrs[1]}${dtype === "float32" ? "" : dtype}`;
  if (primitive === ops.scalarP) return `s${slot}`;
  const settings = attrs.length === 0 ? "" : `{${attrs.join(" ")}}`;
  return `${primitive.name}${settings}(${inputs.map((input) => formula({ nodes } as Graph, input)).join(", ")})`;
}

/** What is left of a program. Its values are checked, on whole numbers of both signs. */
function simplified(shapes: number[][], fn: (...inputs: Tensor[]) => Tensor): string {
  const graph = captureGraph(shapes, (...inputs) => {
    // Used first, in their order: so they are x, y and z in what is left, too.
    for (const input of inputs) bind(expP, [input]);
    return fn(...inputs);
  });
  const simple = simplify(graph);
  const leaves = shapes.map((shape, k) =>
    Float32Array.from({ length: numel(shape) }, (_, i) => ((7 * i + 3 * k) % 11) - 4),
  );
  const scalars = Array.from({ length: graph.scalarCount }, (_, i) => i + 2);
  // The symbols don't tell −0 from 0.
  const valuesOf = (of: Graph) => interpret(of, leaves, scalars).map((values) => Array.from(values, (v) => v + 0));
  expect(valuesOf(simple)).toEqual(valuesOf(graph));
  const typesOf = (of: Graph) => of.outputs.map((i) => [of.nodes[i].shape, of.nodes[i].dtype]);
  expect(typesOf(simple)).toEqual(typesOf(graph));
  return formula(simple, simple.outputs[simple.outputs.length - 1]);
}

/** Name, shapes of x, y and z, program, what is left. */
type Case = readonly [string, number[][], (x: Tensor, y: Tensor, z: Tensor) => Tensor, string];

const V = [3];
const M = [2, 3];

const range = (x: Tensor, start: number, size: number): Tensor => bind(sliceP, [x], [start, size, 1]);

/** Elementwise work of so many steps. */
function steps(x: Tensor, count: number): Tensor {
  for (let i = 0; i < count; i++) x = bind(i % 2 === 0 ? ops.absP : ops.signP, [x]);
  return x;
}

const CASES: Record<string, readonly Case[]> = {
  "sums and differences": [
    ["x + 0", [V], (x) => bind(addP, [x, known(x, 0, V)]), "x"],
    ["0 + x, where x is repeated", [V], (x) => bind(addP, [known(x, 0, M), x]), "expand{2 3}(reshape{1 3}(x))"],
    ["x + 0, where x is repeated", [V], (x) => bind(addP, [x, known(x, 0, M)]), "expand{2 3}(reshape{1 3}(x))"],
    ["x + 1", [V], (x) => bind(addP, [x, known(x, 1)]), "add(x, 1)"],
    ["x + a number of the user's", [V], (x) => x.add(0), "add(x, s0)"],
    ["x - 0", [V], (x) => bind(subP, [x, known(x, 0, M)]), "expand{2 3}(reshape{1 3}(x))"],
    ["0 - x", [V], (x) => bind(subP, [known(x, 0, M), x]), "neg(expand{2 3}(reshape{1 3}(x)))"],
    ["x - 1", [V], (x) => bind(subP, [x, known(x, 1)]), "sub(x, 1)"],
    ["x + (-y)", [V, V], (x, y) => bind(addP, [x, y.neg()]), "sub(x, y)"],
    ["(-x) + y", [V, V], (x, y) => bind(addP, [x.neg(), y]), "sub(y, x)"],
    ["(-x) + (-y)", [V, V], (x, y) => bind(addP, [x.neg(), y.neg()]), "sub(neg(x), y)"],
    ["x - (-y)", [V, V], (x, y) => bind(subP, [x, y.neg()]), "add(x, y)"],
    ["(-x) - y", [V, V], (x, y) => bind(subP, [x.neg(), y]), "sub(neg(x), y)"],
    ["an image", [V], (x) => bind(ops.aliasP, [x.exp()]), "exp(x)"],
  ],
  "products and quotients": [
    ["x * 1", [V], (x) => bind(mulP, [x, known(x, 1, M)]), "expand{2 3}(reshape{1 3}(x))"],
    ["1 * x", [V], (x) => bind(mulP, [known(x, 1, M), x]), "expand{2 3}(reshape{1 3}(x))"],
    ["x * 0", [V], (x) => bind(mulP, [x, known(x, 0, M)]), "expand{2 3}(reshape{1 1}(0))"],
    ["0 * x", [V], (x) => bind(mulP, [known(x, 0), x]), "expand{3}(reshape{1}(0))"],
    ["x * -1", [V], (x) => bind(mulP, [x, known(x, -1, M)]), "neg(expand{2 3}(reshape{1 3}(x)))"],
    ["-1 * x", [V], (x) => bind(mulP, [known(x, -1, M), x]), "neg(expand{2 3}(reshape{1 3}(x)))"],
    ["x * 2", [V], (x) => bind(mulP, [x, known(x, 2)]), "mul(x, 2)"],
    ["3 * -4", [V], (x) => bind(mulP, [known(x, 3, M), known(x, -4)]), "expand{2 3}(reshape{1 1}(-12))"],
    ["1023 * 1025, below 2^20", [V], (x) => bind(mulP, [known(x, 1023), known(x, 1025)]), "1048575"],
    ["1024 * 1024", [V], (x) => bind(mulP, [known(x, 1024), known(x, 1024)]), "mul(1024, 1024)"],
    ["-1024 * 1024", [V], (x) => bind(mulP, [known(x, -1024), known(x, 1024)]), "mul(-1024, 1024)"],
    ["x / 1", [V], (x) => bind(divP, [x, known(x, 1, M)]), "expand{2 3}(reshape{1 3}(x))"],
    ["x / 2", [V], (x) => bind(divP, [x, known(x, 2)]), "div(x, 2)"],
    ["1 / x", [V], (x) => bind(divP, [known(x, 1), x.exp()]), "div(1, exp(x))"],
    ["0 / x", [V], (x) => bind(divP, [known(x, 0), x.exp()]), "div(0, exp(x))"],
    ["(-x) * (-y)", [V, V], (x, y) => bind(mulP, [x.neg(), y.neg()]), "mul(x, y)"],
    ["(-x) * y", [V, V], (x, y) => bind(mulP, [x.neg(), y]), "mul(neg(x), y)"],
    ["x * (-y)", [V, V], (x, y) => bind(mulP, [x, y.neg()]), "mul(x, neg(y))"],
  ],
  signs: [
    ["-(-x)", [V], (x) => x.neg().neg(), "x"],
    ["-(-(-x))", [V], (x) => x.neg().neg().neg(), "neg(x)"],
    ["of a known number", [V], (x) => known(x, 3, M).neg(), "expand{2 3}(reshape{1 1}(-3))"],
    ["of an unsigned one", [V], (x) => known(x, 3, V, "uint32").neg(), "neg(expand{3}(reshape{1}(3uint32)))"],
    ["in a sum", [M], (x) => bind(sumP, [x.neg()], [1]), "neg(sum{1}(x))"],
    ["of the left matrix", [M, [3, 2]], (x, y) => bind(matmulP, [x.neg(), y]), "neg(matmul(x, y))"],
    ["of the right matrix", [M, [3, 2]], (x, y) => bind(matmulP, [x, y.neg()]), "neg(matmul(x, y))"],
    ["of both", [M, [3, 2]], (x, y) => bind(matmulP, [x.neg(), y.neg()]), "matmul(x, y)"],
  ],
  "zero matrices": [
    ["on the left", [M], (x) => bind(matmulP, [known(x, 0, [4, 2]), x]), "expand{4 3}(reshape{1 1}(0))"],
    ["on the right", [M], (x) => bind(matmulP, [x, known(x, 0, [3, 4])]), "expand{2 4}(reshape{1 1}(0))"],
    ["ones are none", [M], (x) => bind(matmulP, [x, known(x, 1, [3, 4])]), "matmul(x, expand{3 4}(reshape{1 1}(1)))"],
  ],
  casts: [
    ["to the same dtype", [V], (x) => bind(castP, [x], [dtypeCode("float32")]), "x"],
    ["to another", [V], (x) => bind(castP, [x], [dtypeCode("int32")]), "cast{2}(x)"],
    [
      "of a known number",
      [V],
      (x) => bind(castP, [known(x, 3, V)], [dtypeCode("int32")]),
      "expand{3}(reshape{1}(3int32))",
    ],
    [
      "of a negative one",
      [V],
      (x) => bind(castP, [known(x, -3, V)], [dtypeCode("int32")]),
      "expand{3}(reshape{1}(-3int32))",
    ],
    [
      "of 0 to unsigned",
      [V],
      (x) => bind(castP, [known(x, 0, V)], [dtypeCode("uint32")]),
      "expand{3}(reshape{1}(0uint32))",
    ],
    [
      "of a negative one to unsigned",
      [V],
      (x) => bind(castP, [known(x, -3, V, "int32")], [dtypeCode("uint32")]),
      "cast{3}(expand{3}(reshape{1}(-3int32)))",
    ],
    [
      "of a known number to bool",
      [V],
      (x) => bind(castP, [known(x, 3, V)], [dtypeCode("bool")]),
      "cast{4}(expand{3}(reshape{1}(3)))",
    ],
  ],
  choices: [
    ["where(c, x, x)", [V, V], (x, y) => bind(whereP, [bind(ltP, [x, y]), x, x]), "x"],
    [
      "where(c, x, x), repeated by c",
      [M, V],
      (x, y) => bind(whereP, [bind(ltP, [x, y]), y, y]),
      "where(lt(x, y), y, y)",
    ],
    [
      "where(true, x, y)",
      [V, V],
      (x, y) => bind(whereP, [known(x, 1, M, "bool"), x, y]),
      "expand{2 3}(reshape{1 3}(x))",
    ],
    [
      "where(false, x, y)",
      [V, V],
      (x, y) => bind(whereP, [known(x, 0, M, "bool"), x, y]),
      "expand{2 3}(reshape{1 3}(y))",
    ],
    [
      "where(c, where(c, x, y), z)",
      [V, V, V],
      (x, y, z) => {
        const c = bind(ltP, [x, y]);
        return bind(whereP, [c, bind(whereP, [c, x, y]), z]);
      },
      "where(lt(x, y), x, z)",
    ],
    [
      "where(c, x, where(c, y, z))",
      [V, V, V],
      (x, y, z) => {
        const c = bind(ltP, [x, y]);
        return bind(whereP, [c, x, bind(whereP, [c, y, z])]);
      },
      "where(lt(x, y), x, z)",
    ],
    [
      "where(c, where(c, x, y), where(c, y, z))",
      [V, V, V],
      (x, y, z) => {
        const c = bind(ltP, [x, y]);
        return bind(whereP, [c, bind(whereP, [c, x, y]), bind(whereP, [c, y, z])]);
      },
      "where(lt(x, y), x, z)",
    ],
    [
      "where(c, where(d, x, y), z)",
      [V, V, V],
      (x, y, z) => bind(whereP, [bind(ltP, [x, y]), bind(whereP, [bind(ltP, [y, x]), x, y]), z]),
      "where(lt(x, y), where(lt(y, x), x, y), z)",
    ],
    [
      "where(c, where(c, x, y), z), the inner one smaller",
      [V, V, M],
      (x, y, z) => {
        const c = bind(ltP, [x, y]);
        return bind(whereP, [c, bind(whereP, [c, x, y]), z]);
      },
      "where(lt(x, y), where(lt(x, y), x, y), z)",
    ],
    [
      "where(c, where(c, x, y), z), the outer one of what repeats",
      [V, V, [1, 3]],
      (x, y, z) => {
        const c = bind(ltP, [z, known(z, 0)]);
        return bind(whereP, [c, bind(whereP, [c, x, y]), z]);
      },
      "where(lt(z, 0), x, z)",
    ],
  ],
  shapes: [
    ["a reshape to the same shape", [M], (x) => bind(reshapeP, [x.exp()], M), "exp(x)"],
    ["a reshape of a reshape", [[2, 6]], (x) => bind(reshapeP, [bind(reshapeP, [x], [3, 4])], [12]), "reshape{12}(x)"],
    ["a reshape back", [[2, 6]], (x) => bind(reshapeP, [bind(reshapeP, [x], [3, 4])], [2, 6]), "x"],
    ["a reshape of a known number", [V], (x) => bind(reshapeP, [known(x, 2, M)], [6]), "expand{6}(reshape{1}(2))"],
    [
      "a reshape of an expansion",
      [[1, 3]],
      (x) => bind(reshapeP, [bind(expandP, [x], M)], [6]),
      "reshape{6}(expand{2 3}(x))",
    ],
    ["an expansion to the same shape", [M], (x) => bind(expandP, [x.exp()], M), "exp(x)"],
    ["an expansion of an expansion", [[1, 1]], (x) => bind(expandP, [bind(expandP, [x], [1, 3])], M), "expand{2 3}(x)"],
    ["a permutation that changes nothing", [M], (x) => bind(permuteP, [x.exp()], [0, 1]), "exp(x)"],
    [
      "a permutation of a permutation",
      [[2, 3, 4]],
      (x) => bind(permuteP, [bind(permuteP, [x], [1, 2, 0])], [1, 0, 2]),
      "permute{2 1 0}(x)",
    ],
    [
      "a permutation and its inverse",
      [[2, 3, 4]],
      (x) => bind(permuteP, [bind(permuteP, [x], [1, 2, 0])], [2, 0, 1]),
      "x",
    ],
    [
      "a permutation of dimensions of size 1",
      [[1, 3, 1, 2]],
      (x) => bind(permuteP, [x], [1, 0, 3, 2]),
      "reshape{3 1 2 1}(x)",
    ],
    [
      "a permutation that turns long dimensions",
      [[1, 3, 2]],
      (x) => bind(permuteP, [x], [2, 0, 1]),
      "permute{2 0 1}(x)",
    ],
    ["a permutation of three long dimensions", [[2, 3, 4]], (x) => bind(permuteP, [x], [0, 2, 1]), "permute{0 2 1}(x)"],
    [
      "a permutation of a known number",
      [V],
      (x) => bind(permuteP, [known(x, 2, M)], [1, 0]),
      "expand{3 2}(reshape{1 1}(2))",
    ],
    ["a flip of dimensions of size 1", [[1, 3, 1]], (x) => bind(flipP, [x.exp()], [0, 2]), "exp(x)"],
    ["a flip of one that is longer", [[1, 3, 1]], (x) => bind(flipP, [x], [0, 1]), "flip{0 1}(x)"],
    ["a flip of a known number", [V], (x) => bind(flipP, [known(x, 2, V)], [0]), "expand{3}(reshape{1}(2))"],
  ],
  "slices and padding": [
    ["a slice of everything", [M], (x) => bind(sliceP, [x.exp()], [0, 0, 2, 3, 1, 1]), "exp(x)"],
    ["a slice of a part", [M], (x) => bind(sliceP, [x], [0, 1, 2, 2, 1, 1]), "slice{0 1 2 2 1 1}(x)"],
    [
      "a slice of a known number",
      [V],
      (x) => bind(sliceP, [known(x, 2, M)], [0, 1, 2, 2, 1, 1]),
      "expand{2 2}(reshape{1 1}(2))",
    ],
    ["padding by nothing", [M], (x) => bind(padP, [x.exp()], [0, 0, 0, 0]), "exp(x)"],
    ["padding", [V], (x) => bind(padP, [x], [1, 2]), "pad{1 2}(x)"],
    ["padding of zeros", [V], (x) => bind(padP, [known(x, 0, V)], [1, 2]), "expand{6}(reshape{1}(0))"],
    ["padding of ones", [V], (x) => bind(padP, [known(x, 1, V)], [1, 2]), "pad{1 2}(expand{3}(reshape{1}(1)))"],
  ],
  reductions: [
    ["a sum over dimensions of size 1", [[1, 3, 1]], (x) => bind(sumP, [x.exp()], [0, 2]), "exp(x)"],
    ["a maximum over dimensions of size 1", [[1, 3, 1]], (x) => bind(maxP, [x.exp()], [0, 2]), "exp(x)"],
    ["a product over dimensions of size 1", [[1, 3, 1]], (x) => bind(prodP, [x.exp()], [0, 2]), "exp(x)"],
    ["a product over one that is longer", [[1, 3, 1]], (x) => bind(prodP, [x], [0, 1]), "prod{0 1}(x)"],
    ["a sum of a sum", [[2, 3, 4]], (x) => bind(sumP, [bind(sumP, [x], [2])], [0]), "sum{0 2}(x)"],
    [
      "a sum of a sum over one axis twice",
      [[2, 3, 4]],
      (x) => bind(sumP, [bind(sumP, [x], [1, 2])], [0, 1]),
      "sum{0 1 2}(x)",
    ],
    ["a sum of a maximum", [[2, 3]], (x) => bind(sumP, [bind(maxP, [x], [1])], [0]), "sum{0}(max{1}(x))"],
    ["a sum along what is repeated", [[2, 1]], (x) => bind(sumP, [bind(expandP, [x], [2, 5])], [1]), "mul(x, 5)"],
    [
      "a sum along what is repeated, twice",
      [[1, 2, 1]],
      (x) => bind(sumP, [bind(expandP, [x], [3, 2, 5])], [0, 2]),
      "mul(x, 15)",
    ],
    [
      "a sum along one that is repeated, and one that is not",
      [[2, 1]],
      (x) => bind(sumP, [bind(expandP, [x], [2, 5])], [0, 1]),
      "mul(sum{0}(x), 5)",
    ],
    [
      "a sum along one of two that are repeated",
      [[1, 2, 1]],
      (x) => bind(sumP, [bind(expandP, [x], [3, 2, 5])], [0]),
      "mul(expand{1 2 5}(x), 3)",
    ],
    [
      "a sum along one that is not repeated",
      [[2, 1]],
      (x) => bind(sumP, [bind(expandP, [x], [2, 5])], [0]),
      "sum{0}(expand{2 5}(x))",
    ],
    ["a sum of a known number", [V], (x) => bind(sumP, [known(x, 2, M)], [0, 1]), "reshape{1 1}(12)"],
    [
      "a sum of whole numbers that repeat",
      [[2, 1]],
      (x) => bind(sumP, [bind(expandP, [bind(castP, [x], [dtypeCode("int32")])], [2, 5])], [1]),
      "sum{1}(expand{2 5}(cast{2}(x)))",
    ],
  ],
  packs: [
    ["of a vector's own pieces", [[128]], (x) => bind(packP, [range(x, 0, 64), range(x, 64, 64)]), "x"],
    [
      "of a vector's own pieces, reshaped",
      [[128]],
      (x) => bind(packP, [bind(reshapeP, [range(x, 0, 64)], [8, 8]), range(x, 64, 64)]),
      "x",
    ],
    [
      "of pieces in another order",
      [[128]],
      (x) => bind(packP, [range(x, 64, 64), range(x, 0, 64)]),
      "pack(slice{64 64 1}(x), slice{0 64 1}(x))",
    ],
    [
      "of pieces at other places",
      [[128]],
      (x) => bind(packP, [range(x, 1, 64), range(x, 64, 64)]),
      "pack(slice{1 64 1}(x), slice{64 64 1}(x))",
    ],
    [
      "of every second element",
      [[128]],
      (x) => bind(packP, [bind(sliceP, [x], [0, 64, 2]), range(x, 64, 64)]),
      "pack(slice{0 64 2}(x), slice{64 64 1}(x))",
    ],
    [
      "of pieces of two vectors",
      [[128], [128]],
      (x, y) => bind(packP, [range(x, 0, 64), range(y, 64, 64)]),
      "pack(slice{0 64 1}(x), slice{64 64 1}(y))",
    ],
    [
      "of pieces that are not all of it",
      [[192]],
      (x) => bind(packP, [range(x, 0, 64), range(x, 64, 64)]),
      "pack(slice{0 64 1}(x), slice{64 64 1}(x))",
    ],
    [
      "of a part of a pack",
      [[64], [64], [64]],
      (x, y, z) => {
        const all = bind(packP, [x, y, z]);
        return bind(packP, [range(all, 128, 64), range(all, 64, 64)]);
      },
      "pack(z, y)",
    ],
    [
      "of a part of a piece",
      [[64], [64]],
      (x, y) => {
        const all = bind(packP, [x, y]);
        return bind(packP, [range(all, 64, 32), range(all, 0, 64)]);
      },
      "pack(slice{64 32 1}(pack(x, y)), slice{0 64 1}(pack(x, y)))",
    ],
    [
      "of what is between pieces",
      [[64], [64]],
      (x, y) => {
        const all = bind(packP, [x, y]);
        return bind(packP, [range(all, 64, 64), range(all, 32, 64)]);
      },
      "pack(slice{64 64 1}(pack(x, y)), slice{32 64 1}(pack(x, y)))",
    ],
    [
      "of pieces of another vector too",
      [[64], [64], [64]],
      (x, y, z) => {
        const all = bind(packP, [x, y]);
        return bind(packP, [range(all, 64, 64), z]);
      },
      "pack(slice{64 64 1}(pack(x, y)), z)",
    ],
    [
      "of pieces of elementwise work on a pack",
      [[64], [64], [64]],
      (x, y, z) => {
        const all = bind(packP, [x, y, z]);
        const work = bind(mulP, [all, known(x, 2)]).exp();
        return bind(packP, [range(work, 128, 64), range(work, 0, 64)]);
      },
      "exp(mul(pack(z, x), 2))",
    ],
    [
      "of pieces of work on two packs",
      [[64], [64], [64]],
      (x, y, z) => {
        const work = bind(mulP, [bind(packP, [x, y]), bind(packP, [y, z])]);
        return bind(packP, [range(work, 64, 64), range(work, 0, 64)]);
      },
      "pack(slice{64 64 1}(mul(pack(x, y), pack(y, z))), slice{0 64 1}(mul(pack(x, y), pack(y, z))))",
    ],
    [
      "of pieces of work that meets elements of another vector",
      [[64], [64], [128]],
      (x, y, z) => {
        const work = bind(mulP, [bind(packP, [x, y]), z]);
        return bind(packP, [range(work, 64, 64), range(work, 0, 64)]);
      },
      "pack(slice{64 64 1}(mul(pack(x, y), z)), slice{0 64 1}(mul(pack(x, y), z)))",
    ],
    [
      "of pieces of what is no elementwise work",
      [[64], [64]],
      (x, y) => {
        const work = bind(flipP, [bind(packP, [x, y])], [0]);
        return bind(packP, [range(work, 64, 64), range(work, 0, 64)]);
      },
      "pack(slice{64 64 1}(flip{0}(pack(x, y))), slice{0 64 1}(flip{0}(pack(x, y))))",
    ],
    [
      "of pieces of sixteen steps of work",
      [[64], [64]],
      (x, y) => {
        const work = steps(bind(packP, [x, y]), 16);
        return bind(packP, [range(work, 64, 64), range(work, 0, 64)]);
      },
      "sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(pack(y, x)))))))))))))))))",
    ],
    [
      "of pieces of seventeen steps of work",
      [[64], [64]],
      (x, y) => {
        const work = steps(bind(packP, [x, y]), 17);
        return bind(packP, [range(work, 64, 64), range(work, 0, 64)]);
      },
      "pack(slice{64 64 1}(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(pack(x, y))))))))))))))))))), slice{0 64 1}(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(sign(abs(pack(x, y))))))))))))))))))))",
    ],
    [
      "of pieces of a pack of another dtype",
      [[64], [64]],
      (x, y) => {
        const less = bind(ltP, [bind(packP, [x, y]), known(x, 0)]);
        return bind(packP, [range(less, 64, 64), range(less, 0, 64)]);
      },
      "pack(slice{64 64 1}(lt(pack(x, y), 0)), slice{0 64 1}(lt(pack(x, y), 0)))",
    ],
  ],
};

test("a pack of a vector's pieces that don't fill their places is that vector, with what lies between", () => {
  const graph = simplify(captureGraph([[128]], (x) => bind(packP, [range(x, 0, 63), range(x, 64, 64)])));
  expect(formula(graph, graph.outputs[0])).toBe("x");
});

test("a sum along a repetition is a multiplication while the count is a float32", () => {
  const sum = (count: number): string => {
    const graph = simplify(captureGraph([[1, 2]], (x) => bind(sumP, [bind(expandP, [x], [count, 2])], [0])));
    return formula(graph, graph.outputs[0]);
  };
  expect(sum(2 ** 24 - 1)).toBe("mul(x, 16777215)");
  expect(sum(2 ** 24)).toBe("sum{0}(expand{16777216 2}(x))");
});

describe.each(Object.keys(CASES))("%s", (group) => {
  test.each(CASES[group])("%s", (_, shapes, program, wanted) => {
    expect(simplified(shapes, program as (...inputs: Tensor[]) => Tensor)).toBe(wanted);
  });
});
