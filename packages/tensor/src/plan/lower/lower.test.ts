/**
 * What lowering makes of primitives, at the limits of its rules.
 *
 * Work is written with what it does and its sizes: `sum 25 of [4, 25]`, `contract 2 × [3] × [4] over [5]`, `map add [4]`.
 */
import { describe, expect, test } from "@jest/globals";
import { dtypeCode } from "../../dtype.ts";
import * as ops from "../../index.ts";
import { numel, show } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { captureGraph } from "../capture-graph.ts";
import { wrongValues } from "../host-plan.ts";
import { simplify } from "../simplify.ts";
import { lower } from "./lower.ts";
import { pieceOf } from "./reduction.ts";
import type { Ref, Work } from "./work.ts";

const { bind } = ops;

/** Small enough to be executed on the host, one element after another. */
const isSmall = (shapes: number[][]): boolean => shapes.every((shape) => numel(shape) <= 20_000);

/** Work without leaves, with what is read of stored values behind a slash: the moves on the way. */
function works(shapes: number[][], program: (...inputs: Tensor[]) => Tensor | Tensor[]): string[] {
  const graph = captureGraph(shapes, program);
  if (isSmall(shapes)) expect(wrongValues(graph)).toBeNull();
  const { work } = lower(simplify(graph));
  const seen = (ref: Ref): Work["shape"] => ref.moves.at(-1)?.shape ?? work[ref.node].shape;
  return work.flatMap((w): string[] => {
    switch (w.kind) {
      case "leaf":
      case "scalar":
      case "literal":
      case "iota":
        return [];
      case "reduce":
        return [`${w.op} ${show(seen(w.arg))} over ${w.axes}`];
      case "contract":
        return [`contract ${show(w.batch)} × ${show(w.m)} × ${show(w.n)} over ${show(w.k)}`];
      case "map":
        return [`${w.store ? "store" : "map"} ${w.op} ${show(w.shape)}`];
      case "pack":
        return [
          w.pieces.map(({ ref, from, size, start }) => `${work[ref.node].kind} ${from}+${size} at ${start}`).join(", "),
        ];
      case "position":
        return [
          `position ${show(w.shape)} of ${w.size}, flag ${w.flag?.node ?? "none"}, site ${w.site}, ignores ${w.ignored}${w.fromEnd ? "" : ", none from the end"}`,
        ];
      default:
        return [`${w.kind} ${show(w.shape)}`];
    }
  });
}

type Case = readonly [string, number[][], (...inputs: Tensor[]) => Tensor | Tensor[], string[]];

const flip = (x: Tensor): Tensor => ops.flip(x, [0]);
const sum = (x: Tensor, axes: number[]): Tensor => bind(ops.sumP, [x], axes);
const product = (x: Tensor, y: Tensor): Tensor => bind(ops.mulP, [x, y]);
const cast = (x: Tensor, dtype: ops.DType): Tensor => bind(ops.castP, [x], [dtypeCode(dtype)]);
const window = (x: Tensor, start: number, size: number): Tensor => bind(ops.sliceP, [x], [start, size, 1]);
function times(count: number, x: Tensor, step: (x: Tensor) => Tensor): Tensor {
  for (let i = 0; i < count; i++) x = step(x);
  return x;
}
/** The position that an index names, noted at a site where it is outside. */
const position = (at: Tensor, n: number, site: number, ignored: number | null = null): Tensor =>
  bind(ops.positionP, [cast(at, "int32")], [n, 1, site, ignored === null ? 0 : 1, ignored ?? 0]);
const geometry = { n: 2, groups: 1, stride: [1, 1], padding: [0, 0], dilation: [1, 1] };

/** 0, 1, 2, …, which no kernel stores. */
const counted = (x: Tensor, n: number, dtype: ops.DType = "float32"): Tensor =>
  ops.bindConstant(x.device, ops.iotaP, [dtypeCode(dtype), n]);

/** A constant of one number, repeated. */
const constant = (x: Tensor, primitive: ops.Primitive): Tensor =>
  bind(
    ops.expandP,
    [ops.bindConstant(x.device, primitive, [dtypeCode("float32"), 3], 3).reshape([1, 1, 1])],
    [5, 1, 4],
  );

const CASES: Record<string, readonly Case[]> = {
  reductions: [
    ["4,096 terms are added at once", [[2, 4096]], (x) => sum(x, [1]), ["sum [2, 4096] over 1"]],
    [
      "more are cut: in a divisor near the root",
      [[2, 4100]],
      (x) => sum(x, [1]),
      ["sum [2, 50, 82] over 1", "sum [2, 50] over 1"],
    ],
    [
      "with zeros behind them where there is none",
      [[2, 4099]],
      (x) => sum(x, [1]),
      ["sum [2, 64, 65] over 1", "sum [2, 64] over 1"],
    ],
    [
      "at most 1,024 at a time",
      [[4_200_013]],
      (x) => sum(x, [0]),
      ["sum [4102, 1024] over 1", "sum [14, 293] over 1", "sum [14] over 1"],
    ],
    ["none of nothing", [[0, 3]], (x) => sum(x, [0]), ["sum [3, 0] over 1"]],
    ["of a product of negative numbers", [[3, 4]], (x) => bind(ops.prodP, [x], [0]), ["prod [4, 3] over 1"]],
    ["a maximum too", [[2, 4100]], (x) => bind(ops.maxP, [x], [1]), ["max [2, 50, 82] over 1", "max [2, 50] over 1"]],
    ["but not with zeros behind it", [[2, 4099]], (x) => bind(ops.maxP, [x], [1]), ["max [2, 4099] over 1"]],
    ["nor a product", [[2, 4099]], (x) => bind(ops.prodP, [x], [1]), ["prod [2, 4099] over 1"]],
    [
      "over several dimensions, leading ones are left to the second step",
      [[3, 5, 100, 40]],
      (x) => sum(x, [0, 2, 3]),
      ["sum [5, 3, 100, 40] over 2", "sum [5, 3] over 1"],
    ],
    [
      "more of them, if need be",
      [[3, 5, 70, 60]],
      (x) => sum(x, [1, 2, 3]),
      ["sum [3, 5, 70, 60] over 1", "sum [3, 5, 70] over 2"],
    ],
    [
      "until the last is cut",
      [[3, 2, 5000]],
      (x) => sum(x, [1, 2]),
      ["sum [3, 2, 50, 100] over 1", "sum [3, 2, 50] over 2"],
    ],
    [
      "in three steps",
      [[300, 20, 4100]],
      (x) => sum(x, [0, 1, 2]),
      ["sum [300, 20, 50, 82] over 1", "sum [300, 20, 50] over 2", "sum [300] over 1"],
    ],
    ["the largest's position is never cut", [[5000]], (x) => bind(ops.argmaxP, [x], [0]), ["argmax [5000] over 1"]],
  ],
  contractions: [
    [
      "2,048 terms are added at once",
      [
        [3, 2048],
        [2048, 4],
      ],
      (x, y) => x.matmul(y),
      ["contract [] × [3] × [4] over [2048]"],
    ],
    [
      "more are cut",
      [
        [3, 2050],
        [2050, 4],
      ],
      (x, y) => x.matmul(y),
      ["contract [41] × [3] × [4] over [50]", "sum [3, 4, 41] over 1"],
    ],
    [
      "where they can be",
      [
        [3, 2053],
        [2053, 4],
      ],
      (x, y) => x.matmul(y),
      ["contract [] × [3] × [4] over [2053]"],
    ],
    [
      "in three steps",
      [
        [3, 4_198_400],
        [4_198_400, 4],
      ],
      (x, y) => x.matmul(y),
      ["contract [41, 2048] × [3] × [4] over [50]", "sum [2048, 3, 4, 41] over 1", "sum [3, 4, 2048] over 1"],
    ],
    [
      "with batches that repeat",
      [
        [5, 1, 2, 3],
        [4, 3, 2],
      ],
      (x, y) => x.matmul(y),
      ["contract [5, 4] × [2] × [2] over [3]"],
    ],
    [
      "cut, with a batch",
      [
        [2, 2, 3000],
        [2, 3000, 3],
      ],
      (x, y) => x.matmul(y),
      ["contract [50, 2] × [2] × [3] over [60]", "sum [2, 2, 3, 50] over 1"],
    ],
    [
      "one term is a multiplication",
      [
        [3, 1],
        [1, 4],
      ],
      (x, y) => x.matmul(y),
      ["map mul [3, 4]"],
    ],
    [
      "a padded operand is stored",
      [
        [3, 4],
        [5, 4],
      ],
      (x, y) => bind(ops.padP, [x], [0, 0, 0, 1]).matmul(y),
      ["store alias [3, 5]", "contract [] × [3] × [4] over [5]"],
    ],
    [
      "a flipped one is read as it is",
      [
        [3, 4],
        [4, 4],
      ],
      (x, y) => flip(x).matmul(y),
      ["contract [] × [3] × [4] over [4]"],
    ],
    [
      "a constant one is stored",
      [[3, 4]],
      (x) => x.matmul(ops.full([4, 2], 3, { device: x.device })),
      ["store alias [2, 4]", "contract [] × [3] × [2] over [4]"],
    ],
  ],
  "sums of products": [
    [
      "of two that repeat along each other's dimensions",
      [
        [5, 3, 1],
        [5, 1, 4],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [5, 3, 4]", "contract [] × [3] × [4] over [5]"],
    ],
    [
      "with a batch",
      [
        [2, 5, 3, 1],
        [2, 5, 1, 4],
      ],
      (x, y) => sum(product(x, y), [1]),
      ["map mul [2, 5, 3, 4]", "contract [2] × [3] × [4] over [5]"],
    ],
    [
      "over two dimensions",
      [
        [5, 3, 1, 6],
        [5, 1, 4, 6],
      ],
      (x, y) => sum(product(x, y), [0, 3]),
      ["map mul [5, 3, 4, 6]", "contract [] × [3] × [4] over [5, 6]"],
    ],
    [
      "not where one does not repeat",
      [
        [5, 3, 4],
        [5, 1, 4],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "not where the other does not repeat",
      [
        [5, 1, 4],
        [5, 3, 4],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "not with a number of the user's",
      [[5, 3, 1]],
      (x) => sum(product(x, constant(x, ops.scalarP)), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "nor one that the planner knows",
      [[5, 3, 1]],
      (x) => sum(product(x, constant(x, ops.literalP)), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "nor a range",
      [[5, 3, 1]],
      (x) => {
        const range = ops.bindConstant(x.device, ops.iotaP, [dtypeCode("float32"), 20]);
        return sum(product(x, bind(ops.reshapeP, [range], [5, 1, 4])), [0]);
      },
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "cut within the second of two dimensions",
      [
        [2, 3, 1, 3000],
        [2, 1, 2, 3000],
      ],
      (x, y) => sum(product(x, y), [0, 3]),
      ["map mul [2, 3, 2, 3000]", "contract [2, 50] × [3] × [2] over [60]", "sum [1, 3, 2, 1, 2, 50] over 2"],
    ],
    [
      "not where neither repeats",
      [
        [5, 3],
        [5, 3],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [5, 3]", "sum [3, 5] over 1"],
    ],
    [
      "not where one repeats along what is summed",
      [
        [5, 3, 1],
        [1, 1, 4],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "nor where the other does",
      [
        [1, 3, 1],
        [5, 1, 4],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "over a dimension of size 1 as well",
      [
        [1, 5, 3, 1],
        [1, 5, 1, 4],
      ],
      (x, y) => sum(product(x, y), [0, 1]),
      ["map mul [1, 5, 3, 4]", "contract [] × [3] × [4] over [1, 5]"],
    ],
    [
      "no sums",
      [
        [5, 3, 1],
        [5, 1, 4],
      ],
      (x, y) => sum(bind(ops.addP, [x, y]), [0]),
      ["map add [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "no maxima",
      [
        [5, 3, 1],
        [5, 1, 4],
      ],
      (x, y) => bind(ops.maxP, [product(x, y)], [0]),
      ["map mul [5, 3, 4]", "max [3, 4, 5] over 1"],
    ],
    [
      "not of whole numbers",
      [
        [5, 3, 1],
        [5, 1, 4],
      ],
      (x, y) => sum(product(cast(x, "int32"), cast(y, "int32")), [0]),
      ["map cast [5, 3, 1]", "map cast [5, 1, 4]", "map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "not with a padded one",
      [
        [4, 3, 1],
        [5, 1, 4],
      ],
      (x, y) => sum(product(bind(ops.padP, [x], [1, 0, 0, 0, 0, 0]), y), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "not with a constant",
      [[5, 3, 1]],
      (x) => sum(product(x, bind(ops.expandP, [ops.full([1, 1, 1], 2, { device: x.device })], [5, 1, 4])), [0]),
      ["map mul [5, 3, 4]", "sum [3, 4, 5] over 1"],
    ],
    [
      "cut where they are deep",
      [
        [3000, 3, 1],
        [3000, 1, 4],
      ],
      (x, y) => sum(product(x, y), [0]),
      ["map mul [3000, 3, 4]", "contract [50] × [3] × [4] over [60]", "sum [1, 3, 4, 50] over 1"],
    ],
    [
      "cut between dimensions",
      [
        [5, 3, 1, 1000],
        [5, 1, 4, 1000],
      ],
      (x, y) => sum(product(x, y), [0, 3]),
      ["map mul [5, 3, 4, 1000]", "contract [5] × [3] × [4] over [1000]", "sum [1, 3, 4, 1, 5] over 1"],
    ],
  ],
  convolutions: [
    [
      "of a plane",
      [
        [2, 3, 8, 8],
        [4, 3, 3, 3],
      ],
      (x, w) => bind(ops.convP, [x, w], ops.convAttrs({ ...geometry, extra: [] })),
      ["contract [2, 1] × [4] × [6, 6] over [3, 3, 3]"],
    ],
    [
      "in groups, padded, with steps and gaps",
      [
        [2, 4, 9, 8],
        [6, 2, 3, 2],
      ],
      (x, w) =>
        bind(
          ops.convP,
          [x, w],
          ops.convAttrs({ n: 2, groups: 2, stride: [2, 1], padding: [1, 0], dilation: [2, 1], extra: [] }),
        ),
      ["store alias [2, 4, 11, 8]", "contract [2, 2] × [3] × [4, 7] over [2, 3, 2]"],
    ],
    [
      "the input's gradient",
      [
        [2, 4, 6, 6],
        [4, 3, 3, 3],
      ],
      (g, w) => bind(ops.convInputP, [g, w], ops.convAttrs({ ...geometry, extra: [8, 8] })),
      ["store alias [2, 4, 10, 10]", "contract [2, 1] × [3] × [8, 8] over [4, 3, 3]"],
    ],
    [
      "the input's gradient, with steps",
      [
        [2, 4, 3, 3],
        [4, 3, 3, 3],
      ],
      (g, w) => bind(ops.convInputP, [g, w], ops.convAttrs({ ...geometry, stride: [2, 2], extra: [8, 8] })),
      ["store alias [2, 4, 10, 10]", "contract [2, 1] × [3] × [8, 8] over [4, 3, 3]"],
    ],
    [
      "the weight's gradient",
      [
        [2, 3, 8, 8],
        [2, 4, 6, 6],
      ],
      (x, g) => bind(ops.convWeightP, [x, g], ops.convAttrs({ ...geometry, extra: [3, 3] })),
      ["contract [1] × [4] × [3, 3, 3] over [2, 6, 6]"],
    ],
  ],
  "more convolutions": [
    [
      "of a line, with steps and gaps",
      [
        [2, 2, 11],
        [3, 2, 3],
      ],
      (x, w) =>
        bind(
          ops.convP,
          [x, w],
          ops.convAttrs({ n: 1, groups: 1, stride: [2], padding: [2], dilation: [2], extra: [] }),
        ),
      ["store alias [2, 2, 15]", "contract [2, 1] × [3] × [6] over [2, 3]"],
    ],
    [
      "of a space, in groups",
      [
        [1, 4, 3, 4, 3],
        [2, 2, 2, 2, 2],
      ],
      (x, w) =>
        bind(
          ops.convP,
          [x, w],
          ops.convAttrs({ n: 3, groups: 2, stride: [1, 2, 1], padding: [0, 1, 1], dilation: [1, 1, 1], extra: [] }),
        ),
      ["store alias [1, 4, 3, 6, 5]", "contract [1, 2] × [1] × [2, 3, 4] over [2, 2, 2, 2]"],
    ],
    [
      "the input's gradient, in groups, with all options",
      [
        [2, 4, 3, 4],
        [4, 3, 2, 3],
      ],
      (g, w) =>
        bind(
          ops.convInputP,
          [g, w],
          ops.convAttrs({ n: 2, groups: 2, stride: [2, 1], padding: [1, 2], dilation: [1, 2], extra: [5, 4] }),
        ),
      ["store alias [2, 4, 6, 8]", "contract [2, 2] × [3] × [5, 4] over [2, 2, 3]"],
    ],
    [
      "the input's gradient where padding is cut off",
      [
        [1, 2, 4],
        [2, 2, 2],
      ],
      (g, w) =>
        bind(
          ops.convInputP,
          [g, w],
          ops.convAttrs({ n: 1, groups: 1, stride: [1], padding: [2], dilation: [1], extra: [1] }),
        ),
      ["contract [1, 1] × [2] × [1] over [2, 2]"],
    ],
    [
      "the weight's gradient, in groups, with all options",
      [
        [2, 6, 5, 4],
        [2, 4, 3, 4],
      ],
      (x, g) =>
        bind(
          ops.convWeightP,
          [x, g],
          ops.convAttrs({ n: 2, groups: 2, stride: [2, 1], padding: [1, 2], dilation: [1, 2], extra: [2, 3] }),
        ),
      ["store alias [2, 6, 7, 8]", "contract [2] × [2] × [3, 2, 3] over [2, 3, 4]"],
    ],
  ],
  movements: [
    ["64 of them lead to a value", [[3, 4]], (x) => times(64, x, flip).neg(), ["map neg [3, 4]"]],
    ["of 65 the first are stored", [[3, 4]], (x) => times(65, x, flip).neg(), ["store alias [3, 4]", "map neg [3, 4]"]],
    ["are nothing by themselves", [[3, 4]], (x) => flip(x).t().reshape([12]).exp(), ["map exp [12]"]],
    [
      "a third view in a chain is stored",
      [[4, 4]],
      (x) => x.t().reshape([2, 8]).t().reshape([4, 4]).t().reshape([16]).exp(),
      ["store alias [8, 2]", "map exp [16]"],
    ],
    [
      "a table of values is stored row by row",
      [
        [3, 4],
        [3, 4],
      ],
      (x, i) => bind(ops.gatherP, [x.t().reshape([3, 4]), cast(i, "int32")], [0]),
      ["map cast [3, 4]", "store alias [3, 4]", "gather [3, 4]"],
    ],
    [
      "one that is stored already is read as it is",
      [
        [3, 4],
        [3, 4],
      ],
      (x, i) => bind(ops.gatherP, [x, cast(i, "int32")], [0]),
      ["map cast [3, 4]", "gather [3, 4]"],
    ],
    [
      "a table that is constant is stored",
      [[3, 4]],
      (i) => bind(ops.gatherP, [ops.full([5, 4], 2, { device: i.device }), cast(i, "int32")], [0]),
      ["map cast [3, 4]", "store alias [5, 4]", "gather [3, 4]"],
    ],
    [
      "the same copy serves twice",
      [[3, 4]],
      (x) => [x.t().cumsum(0), x.t().cumsum(1)],
      ["store alias [4, 3]", "scan [4, 3]", "scan [4, 3]"],
    ],
    [
      "another copy another",
      [[3, 4]],
      (x) => [x.t().cumsum(0), flip(x.t()).cumsum(1)],
      ["store alias [4, 3]", "scan [4, 3]", "store alias [4, 3]", "scan [4, 3]"],
    ],
  ],
  "what is read at all places": [
    [
      "counted numbers are stored to be summed up",
      [[1]],
      (x) => bind(ops.cumsumP, [counted(x, 5)], [0]),
      ["store alias [5]", "scan [5]"],
    ],
    ["and to be sorted", [[1]], (x) => bind(ops.argsortP, [counted(x, 5)], [0, 1]), ["store alias [5]", "sort [5]"]],
    [
      "and to be gathered from",
      [[3]],
      (x) => bind(ops.gatherP, [counted(x, 5), cast(x, "int32")], [0]),
      ["map cast [3]", "store alias [5]", "gather [3]"],
    ],
    ["what is stored is read as it is", [[5]], (x) => bind(ops.cumsumP, [x.exp()], [0]), ["map exp [5]", "scan [5]"]],
  ],
  positions: [
    [
      "of what does not count from the end",
      [[2, 3]],
      (x) => bind(ops.positionP, [cast(x, "int32")], [5, 0, 3, 0, 0]),
      ["map cast [2, 3]", "position [2, 3] of 5, flag 2, site 3, ignores null, none from the end"],
    ],
    [
      "are noted at their site",
      [[2, 3]],
      (x) => position(x, 5, 3),
      ["map cast [2, 3]", "position [2, 3] of 5, flag 2, site 3, ignores null"],
    ],
    [
      "at no site nowhere",
      [[2, 3]],
      (x) => position(x, 5, 0),
      ["map cast [2, 3]", "position [2, 3] of 5, flag none, site 0, ignores null"],
    ],
    [
      "with an index that is ignored",
      [[2, 3]],
      (x) => position(x, 5, 3, -4),
      ["map cast [2, 3]", "position [2, 3] of 5, flag 2, site 3, ignores -4"],
    ],
    [
      "of two checks one flag",
      [[3], [3]],
      (x, y) => bind(ops.addP, [position(x, 5, 3), position(y, 7, 4)]),
      [
        "map cast [3]",
        "position [3] of 5, flag 2, site 3, ignores null",
        "map cast [3]",
        "position [3] of 7, flag 2, site 4, ignores null",
        "map add [3]",
      ],
    ],
    [
      "look up along an axis",
      [
        [3, 4],
        [2, 4],
      ],
      (x, i) => bind(ops.gatherP, [x, position(i, 3, 2)], [0]),
      ["map cast [2, 4]", "position [2, 4] of 3, flag 2, site 2, ignores null", "gather [2, 4]"],
    ],
    [
      "and along another",
      [
        [3, 4],
        [3, 2],
      ],
      (x, i) => bind(ops.gatherP, [x, position(i, 4, 2)], [1]),
      ["map cast [3, 2]", "position [3, 2] of 4, flag 2, site 2, ignores null", "gather [3, 2]"],
    ],
    [
      "behind movements",
      [
        [4, 3],
        [3, 2],
      ],
      (x, i) => bind(ops.padP, [flip(bind(ops.gatherP, [x.t(), position(i, 4, 2)], [1]))], [1, 0, 0, 2]),
      ["map cast [3, 2]", "position [3, 2] of 4, flag 3, site 2, ignores null", "store alias [3, 4]", "gather [3, 2]"],
    ],
  ],
  packs: [
    [
      "stored tensors are copied, views of them from where they begin",
      [[100], [70]],
      (x, y) => bind(ops.packP, [x, window(y, 3, 60), bind(ops.reshapeP, [x], [10, 10])]),
      ["leaf 0+100 at 0, leaf 3+60 at 128, leaf 0+100 at 192"],
    ],
    [
      "what is computed or no range is written",
      [[100], [70]],
      (x, y) => bind(ops.packP, [x.exp(), flip(y), bind(ops.sliceP, [x], [0, 50, 2])]),
      [
        "map exp [100]",
        "store alias [100]",
        "store alias [70]",
        "store alias [50]",
        "map 0+100 at 0, map 0+70 at 128, map 0+50 at 256",
      ],
    ],
    ["empty pieces are none", [[100], [0]], (x, y) => bind(ops.packP, [y, x]), ["leaf 0+100 at 0"]],
    [
      "a running sum that nothing else reads is a piece itself",
      [[10, 10]],
      (x) => bind(ops.packP, [x.cumsum(0)]),
      ["scan [10, 10]", "scan 0+100 at 0"],
    ],
    [
      "reshaped too",
      [[10, 10]],
      (x) => bind(ops.packP, [x.cumsum(0).reshape([4, 25])]),
      ["scan [10, 10]", "scan 0+100 at 0"],
    ],
    [
      "one that something else reads is not",
      [[10, 10]],
      (x) => {
        const y = x.cumsum(0);
        return [bind(ops.packP, [y]), y.exp()];
      },
      ["scan [10, 10]", "store alias [10, 10]", "map 0+100 at 0", "map exp [10, 10]"],
    ],
    [
      "nor one whose reshape something else reads",
      [[10, 10]],
      (x) => {
        const y = x.cumsum(0).reshape([100]);
        return [bind(ops.packP, [y]), y.exp()];
      },
      ["scan [10, 10]", "store alias [100]", "map 0+100 at 0", "map exp [100]"],
    ],
    [
      "additions at indices are as well",
      [[10], [10]],
      (x, i) => bind(ops.packP, [bind(ops.scatterAddP, [x, cast(i, "int32"), x], [0])]),
      ["map cast [10]", "scatter [10]", "scatter 0+10 at 0"],
    ],
    [
      "a sort is written from its copy",
      [[10]],
      (x) => bind(ops.packP, [bind(ops.argsortP, [x], [0, 0])]),
      ["sort [10]", "store alias [10]", "map 0+10 at 0"],
    ],
  ],
};

describe.each(Object.keys(CASES))("%s", (group) => {
  test.each(CASES[group])("%s", (_, inputs, program, wanted) => {
    expect(works(inputs, program)).toEqual(wanted);
  });
});

describe("pieces of a long line", () => {
  test.each([
    [4100, 82],
    [100, 10],
    [101, 0],
    [202, 101],
    [12, 4],
    [9, 3],
    [4, 2],
    [3, 0],
    [10_007, 0],
    [3 * 10_007, 0],
    [64 * 10_007, 0],
    [150 * 10_007, 0],
    [157 * 10_007, 10_007],
  ])("of %i elements are this long where nothing is added: %i", (length, piece) => {
    expect(pieceOf(length, 0)).toBe(piece);
  });

  test("where there is no divisor near the root, the root is rounded up, and limited", () => {
    expect(pieceOf(4099, 1024)).toBe(65);
    expect(pieceOf(4_200_013, 1024)).toBe(1024);
    expect(pieceOf(4100, 1024)).toBe(82);
  });
});
