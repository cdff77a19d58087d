/**
 * Which work shares a kernel, at the limits of every rule.
 *
 * A kernel is written as `reduce 2>1 3+1`: its role, the buffers that it reads and writes, the instructions of its bodies.
 */
import { describe, expect, test } from "@jest/globals";
import { dtypeCode } from "../../dtype.ts";
import * as ops from "../../index.ts";
import { numel } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { captureGraph } from "../capture-graph.ts";
import { runPlan, wrongValues } from "../host-plan.ts";
import { lower } from "../lower/lower.ts";
import { simplify } from "../simplify.ts";
import { type FusedKernel, fuse } from "./fuse.ts";

const { bind } = ops;

function shown({ description, operands }: FusedKernel): string {
  const reads = description.operands.filter(({ access }) => access === "read").length;
  const bodies =
    description.role === "reduce"
      ? [description.input, description.output]
      : description.role === "contract"
        ? [description.a, description.b, description.output]
        : description.role === "map"
          ? [description.output]
          : [];
  const code = bodies.length === 0 ? "" : ` ${bodies.map((body) => body.code.length).join("+")}`;
  return `${description.role} ${reads}>${operands.length - reads}${code}`;
}

type Program = (...inputs: Tensor[]) => Tensor | Tensor[];

/** The kernels of a program. Its values are checked, if it is small enough to be executed on the host. */
function plan(shapes: number[][], program: Program): string {
  const graph = captureGraph(shapes, program);
  if (shapes.every((shape) => numel(shape) <= 1000)) expect(wrongValues(graph)).toBeNull();
  return fuse(lower(simplify(graph)), 8)
    .kernels.map(shown)
    .join(", ");
}

const seam = (x: Tensor): void => x.device.seam();
const flip = (x: Tensor): Tensor => ops.flip(x, [0]);
const index = (x: Tensor): Tensor => bind(ops.castP, [x], [dtypeCode("int32")]);
const gather = (x: Tensor, at: Tensor): Tensor => bind(ops.gatherP, [x, index(at)], [0]);
const sum = (xs: readonly Tensor[]): Tensor => xs.reduce((a, b) => bind(ops.addP, [a, b]));
const shapes = (count: number, shape: number[] = [4]): number[][] => Array.from({ length: count }, () => shape);
const several = (count: number, fn: (i: number) => Tensor): Tensor[] => Array.from({ length: count }, (_, i) => fn(i));

/** A step several times: exp costs 12, an addition 1. */
function times(count: number, x: Tensor, step: (x: Tensor) => Tensor): Tensor {
  for (let i = 0; i < count; i++) x = step(x);
  return x;
}
const exps = (count: number, x: Tensor): Tensor => times(count, x, (y) => y.exp());

const choose = (no: Tensor, condition: Tensor, yes: Tensor): Tensor => bind(ops.whereP, [condition, yes, no]);

/** Two sums that read what a value is computed from, backwards. */
const twice = (x: Tensor): Tensor[] => [x.sum(0, { keepdim: true }), x.amax(0, { keepdim: true })];

/** What happens, shapes of the inputs, program, its kernels. */
type Case = readonly [string, number[][], (...inputs: Tensor[]) => Tensor | Tensor[], string];

const CASES: Record<string, readonly Case[]> = {
  "buffers of a kernel, eight at most": [
    ["a map reads six", shapes(6), (...xs) => sum(xs), "map 6>1 11"],
    ["of seven, six are added first", shapes(7), (...xs) => sum(xs), "map 6>1 11, map 2>1 3"],
    ["of nine, six are added first", shapes(9), (...xs) => sum(xs), "map 6>1 11, map 4>1 7"],
    [
      "six in two halves are read by one",
      shapes(6),
      (a, b, c, d, e, f) => a.add(b).add(c).add(d.add(e).add(f)),
      "map 6>1 11",
    ],
    [
      "of seven in two halves, one half is stored first",
      shapes(7),
      (a, b, c, d, e, f, g) => a.add(b).add(c).add(d.add(e).add(f).add(g)),
      "map 3>1 5, map 5>1 9",
    ],
    [
      "of eight as well",
      shapes(8),
      (a, b, c, d, e, f, g, h) => a.add(b).add(c).add(d).add(e.add(f).add(g).add(h)),
      "map 4>1 7, map 5>1 9",
    ],
    [
      "of a choice between halves, the condition is not",
      shapes(8),
      (a, b, c, d, e, f, g, h) => choose(a.add(b).add(c), bind(ops.ltP, [h, h.neg()]), d.add(e).add(f).add(g)),
      "map 4>1 7, map 5>1 10",
    ],
    [
      "what is stored already is not stored again",
      shapes(7),
      (a, b, c, d, e, f, g) => {
        const half = a.add(b).add(c);
        return [half.cumsum(0), half.add(d.add(e).add(f).add(g))];
      },
      "map 3>1 5, scan 1>1, map 5>1 9",
    ],
    ["a reduction reads four on the way", shapes(4), (...xs) => sum(xs).sum(), "reduce 4>1 7+1"],
    ["five are stored before it", shapes(5), (...xs) => sum(xs).sum(), "map 5>1 9, reduce 1>1 1+1"],
    [
      "and what was stored since it was placed counts: five",
      [[4]],
      (x) => {
        const xs = several(5, (i) => x.mul(i + 2));
        const all = sum(xs);
        return [...xs.map((y) => y.cumsum(0)), all.sum()];
      },
      "map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, reduce 5>1 9+1",
    ],
    [
      "and six",
      [[4]],
      (x) => {
        const xs = several(6, (i) => x.mul(i + 2));
        const all = sum(xs);
        return [...xs.map((y) => y.cumsum(0)), all.sum()];
      },
      "map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 6>1 11, reduce 1>1 1+1",
    ],
    [
      "so many that the map in front of it is cut as well",
      [[4]],
      (x) => {
        const xs = several(9, (i) => x.mul(i + 2));
        const all = sum(xs);
        return [...xs.map((y) => y.cumsum(0)), all.sum()];
      },
      "map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 7>1 13, map 2>1 3, map 2>1 3, reduce 1>1 1+1",
    ],
    [
      "of what it is cut into, cheap work on one value stays with it",
      shapes(2),
      (x, z) => {
        const xs = several(9, (i) => x.mul(i + 2));
        const all = sum(xs).mul(z.sin());
        return [...xs.map((y) => y.cumsum(0)), all.sum()];
      },
      "map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 7>1 13, map 2>1 3, map 2>1 3, map 2>1 4, reduce 1>1 1+1",
    ],
    [
      "seven that are read leave no room for a result more",
      [[4]],
      (x) => {
        const xs = several(7, (i) => x.mul(i + 2));
        const part = bind(ops.addP, [xs[0], xs[1]]);
        const all = sum([part, ...xs.slice(2)]);
        return [...xs.map((y) => y.cumsum(0)), all.cumsum(0), part];
      },
      "map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 1>1 3, scan 1>1, map 3>2 6, scan 1>1, map 7>1 13, scan 1>1",
    ],
    [
      "a contraction reads five on the way",
      shapes(5, [4, 4]),
      (a, b, c, d, e) => a.add(b).matmul(c.add(d).add(e)),
      "contract 5>1 3+5+1",
    ],
    [
      "six are stored before it",
      shapes(6, [4, 4]),
      (a, b, c, d, e, f) => a.add(b).add(f).matmul(c.add(d).add(e)),
      "map 3>1 5, map 3>1 5, contract 2>1 1+1+1",
    ],
    [
      "a map writes six beside two that it reads",
      shapes(2),
      (x, y) => several(6, (i) => x.mul(y).add(i + 1)),
      "map 2>6 13, map 1>1 3",
    ],
    ["and seven beside one", [[4]], (x) => several(7, (i) => x.add(i + 1)), "map 1>7 15"],
    ["and no eighth", [[4]], (x) => several(8, (i) => x.add(i + 1)), "map 1>7 15, map 1>1 3"],
  ],
  "work that is done again where it is read": [
    ["read once, costs 120", [[4]], (x) => exps(10, x).sum(), "reduce 1>1 11+1"],
    ["read once, costs more", [[4]], (x) => exps(11, x).sum(), "map 1>1 12, reduce 1>1 1+1"],
    [
      "read twice, costs 40",
      [[4]],
      (x) => {
        const y = times(4, exps(3, x), (z) => z.add(1));
        return [y.sum(0, { keepdim: true }), y.amax(0, { keepdim: true })];
      },
      "reduce 1>1 12+1, reduce 1>1 12+1",
    ],
    [
      "read twice, costs 41",
      [[4]],
      (x) => {
        const y = times(5, exps(3, x), (z) => z.add(1));
        return [y.sum(0, { keepdim: true }), y.amax(0, { keepdim: true })];
      },
      "map 1>1 14, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "read twice, 200,000 operations",
      [[200_000]],
      (x) => {
        const y = x.add(1);
        return [flip(y).cumsum(0), y.mul(2).cumsum(0)];
      },
      "map 1>1 3, scan 1>1, map 1>1 5, scan 1>1",
    ],
    [
      "read twice, one more",
      [[200_001]],
      (x) => {
        const y = x.add(1);
        return [flip(y).cumsum(0), y.mul(2).cumsum(0)];
      },
      "map 1>2 5, map 1>1 1, scan 1>1, scan 1>1",
    ],
    [
      "repeated by a reduction, 200,000 operations",
      [[1]],
      (x) => x.add(1).expand([200_001]).amax(),
      "reduce 1>1 3+1, reduce 1>1 1+1",
    ],
    ["repeated by a reduction, one more", [[1]], (x) => x.add(1).expand([200_002]).amax(), "map 1>1 3, reduce 1>1 1+1"],
    [
      "repeated by a map, 200,000 operations",
      [[1], [200_001]],
      (x, y) => x.add(1).expand([200_001]).mul(y),
      "map 2>1 5",
    ],
    [
      "repeated by a map, one more",
      [[1], [200_002]],
      (x, y) => x.add(1).expand([200_002]).mul(y),
      "map 1>1 3, map 2>1 3",
    ],
    [
      "repeated by a contraction's columns, in fours: 200,000 operations",
      [
        [40, 100],
        [100, 200],
      ],
      (x, w) => x.add(1).matmul(w),
      "contract 2>1 3+1+1",
    ],
    [
      "repeated by a contraction's columns, more",
      [
        [40, 100],
        [100, 201],
      ],
      (x, w) => x.add(1).matmul(w),
      "map 1>1 3, contract 2>1 1+1+1",
    ],
    [
      "repeated by a contraction's rows, in fours: 200,000 operations",
      [
        [200, 100],
        [100, 40],
      ],
      (x, w) => x.matmul(w.add(1)),
      "contract 2>1 1+3+1",
    ],
    [
      "repeated by a contraction's rows, more",
      [
        [201, 100],
        [100, 40],
      ],
      (x, w) => x.matmul(w.add(1)),
      "map 1>1 3, contract 2>1 1+1+1",
    ],
    [
      "four loads, read twice",
      shapes(4),
      (...xs) => {
        const y = sum(xs);
        return [y.exp().sum(), y.sin().sum()];
      },
      "reduce 4>1 8+1, reduce 4>1 8+1",
    ],
    [
      "five loads, read twice",
      shapes(5),
      (...xs) => {
        const y = sum(xs);
        return [y.exp().sum(), y.sin().sum()];
      },
      "map 5>2 11, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
  ],
  "what a contraction reads": [
    ["with strides, backwards too", shapes(2, [4, 4]), (x, w) => flip(x.add(1)).matmul(w), "contract 2>1 3+1+1"],
    [
      "work on what the first kernel made",
      shapes(2, [4, 4]),
      (x, w) => x.cumsum(0).mul(2).matmul(w),
      "scan 1>1, contract 2>1 3+1+1",
    ],
    [
      "not behind a mask",
      [
        [3, 4],
        [4, 4],
      ],
      (x, w) => bind(ops.padP, [x.add(1)], [0, 0, 1, 0]).matmul(w),
      "map 1>1 5, contract 2>1 1+1+1",
    ],
    ["not at computed positions", shapes(2, [4, 4]), (x, w) => gather(x, w).matmul(w), "map 2>1 3, contract 2>1 1+1+1"],
    [
      "not random numbers",
      [[2]],
      (x) => {
        const bits = bind(
          ops.castP,
          [bind(ops.randomBitsP, [bind(ops.castP, [x], [dtypeCode("uint32")])], [4, 4])],
          [0],
        );
        return bits.matmul(bits.add(1));
      },
      "map 1>1 2, map 1>2 4, contract 2>1 1+1+1",
    ],
  ],
  "work behind a kernel's own value": [
    ["64 operations are the kernel's", [[4, 4]], (x) => times(64, x.sum(1), (y) => y.add(1)), "reduce 1>1 1+129"],
    ["the 65th is not", [[4, 4]], (x) => times(65, x.sum(1), (y) => y.add(1)), "reduce 1>1 1+129, map 1>1 3"],
    ["none after a running sum", [[4]], (x) => x.cumsum(0).add(1), "scan 1>1, map 1>1 3"],
    ["none after a sort", [[4]], (x) => bind(ops.argsortP, [x], [0, 0]).add(1), "sort 1>1, sort 2>1, map 1>1 3"],
    [
      "none after additions at indices",
      [[4]],
      (x) => bind(ops.scatterAddP, [x, index(x), x], [0]).add(1),
      "map 1>1 2, scatter 3>1, map 1>1 3",
    ],
    ["none that reads it backwards", [[4, 4]], (x) => flip(x.sum(1)).add(1), "reduce 1>1 1+1, map 1>1 3"],
    [
      "none that reads it backwards as well",
      [[4, 4]],
      (x) => {
        const y = x.sum(1);
        return flip(y).add(y);
      },
      "reduce 1>1 1+1, map 1>1 3",
    ],
    ["none of another size", [[4, 4]], (x) => x.sum(1).reshape([4, 1]).add(x), "reduce 1>1 1+1, map 2>1 3"],
    ["in another shape of its size", [[4, 4]], (x) => x.sum(1).reshape([2, 2]).add(1), "reduce 1>1 1+3"],
    [
      "what has other readers still",
      [[4, 4]],
      (x) => {
        const y = x.sum(1);
        return [y.add(1), flip(y).exp().cumsum(0)];
      },
      "reduce 1>2 1+4, map 1>1 2, scan 1>1",
    ],
  ],
  "results that share a kernel": [
    ["of one size", [[4]], (x) => [x.exp(), x.sin()], "map 1>2 3"],
    ["of one size in two shapes", [[4], [2, 2]], (x, y) => [x.add(1), y.add(1)], "map 2>2 6"],
    ["of two sizes", [[4], [5]], (x, y) => [x.add(1), y.add(1)], "map 1>1 3, map 1>1 3"],
    [
      "one computed from the other",
      [[4]],
      (x) => {
        const y = x.exp();
        return [y, y.sin()];
      },
      "map 1>2 3",
    ],
    [
      "none before what it reads",
      [[4, 4], [4]],
      (x, y) => [y.exp(), x.sum(1).exp().add(y.exp())],
      "reduce 2>1 1+5, map 1>1 2",
    ],
    [
      "what is read again is computed along with what a running sum reads",
      [[4]],
      (x) => {
        const y = x.exp();
        return [y.add(1).cumsum(0), flip(y.sin()).cumsum(0)];
      },
      "map 1>2 5, scan 1>1, map 1>1 1, scan 1>1",
    ],
    [
      "not where it is read backwards",
      [[4]],
      (x) => {
        const y = x.exp();
        return [flip(y).add(1).cumsum(0), y.sin()];
      },
      "map 1>2 7, scan 1>1",
    ],
    [
      "nor in another size",
      [[4]],
      (x) => {
        const y = x.exp();
        return [
          y
            .reshape([1, 4])
            .add(ops.zeros([3, 4], { device: x.device }))
            .cumsum(0),
          y.sin(),
        ];
      },
      "map 1>1 4, scan 1>1, map 1>1 3",
    ],
    [
      "six results are computed along, and no seventh",
      [[4]],
      (x) => {
        const ys = several(7, (i) => x.add(i + 1));
        return [...ys, sum(ys).cumsum(0)];
      },
      "map 1>7 21, scan 1>1, map 1>1 3",
    ],
    [
      "results before what is only read twice",
      [[4]],
      (x) => {
        const twice = several(3, (i) => x.add(i + 10));
        const ys = several(6, (i) => x.mul(i + 2));
        return [...ys, sum([...twice, ...ys]).cumsum(0), sum(twice).cumsum(0)];
      },
      "map 1>7 27, scan 1>1, map 1>1 9, scan 1>1",
    ],
    [
      "what two of them need is computed along",
      [[4]],
      (x) => {
        const y = exps(3, x);
        return [y.add(1), y.mul(2), flip(y)];
      },
      "map 1>3 12",
    ],
  ],
  "positions that are computed": [
    ["what they are looked up in is stored", shapes(2), (x, y) => gather(x.exp(), y).add(1), "map 1>1 2, map 2>1 5"],
    ["cheap ones are computed where they are used", [[5], [1]], (x, y) => gather(x, y.exp().expand([3])), "map 2>1 4"],
    [
      "a random key is stored",
      [[2]],
      (x) => bind(ops.randomBitsP, [bind(ops.castP, [x], [dtypeCode("uint32")])], [4]),
      "map 1>1 2, map 1>1 1",
    ],
  ],
  "costs: 40 is little, more is dear where it is read twice": [
    [
      "4 of additions: little",
      [[4], [4]],
      (x, y) => twice(times(4, exps(3, x), (z) => bind(ops.addP, [z, y]))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "5 of additions: dear",
      [[4], [4]],
      (x, y) => twice(times(5, exps(3, x), (z) => bind(ops.addP, [z, y]))),
      "map 2>1 10, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "4 of differences: little",
      [[4], [4]],
      (x, y) => twice(times(4, exps(3, x), (z) => bind(ops.subP, [z, y]))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "5 of differences: dear",
      [[4], [4]],
      (x, y) => twice(times(5, exps(3, x), (z) => bind(ops.subP, [z, y]))),
      "map 2>1 10, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "4 of products: little",
      [[4], [4]],
      (x, y) => twice(times(4, exps(3, x), (z) => bind(ops.mulP, [z, y]))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "5 of products: dear",
      [[4], [4]],
      (x, y) => twice(times(5, exps(3, x), (z) => bind(ops.mulP, [z, y]))),
      "map 2>1 10, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "4 of maxima: little",
      [[4], [4]],
      (x, y) => twice(times(4, exps(3, x), (z) => bind(ops.maximumP, [z, y]))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "5 of maxima: dear",
      [[4], [4]],
      (x, y) => twice(times(5, exps(3, x), (z) => bind(ops.maximumP, [z, y]))),
      "map 2>1 10, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "4 of minima: little",
      [[4], [4]],
      (x, y) => twice(times(4, exps(3, x), (z) => bind(ops.minimumP, [z, y]))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "5 of minima: dear",
      [[4], [4]],
      (x, y) => twice(times(5, exps(3, x), (z) => bind(ops.minimumP, [z, y]))),
      "map 2>1 10, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "4 of absolute values: little",
      [[4]],
      (x) => twice(times(4, exps(3, x), (z) => bind(ops.absP, [z]))),
      "reduce 1>1 8+1, reduce 1>1 8+1",
    ],
    [
      "5 of absolute values: dear",
      [[4]],
      (x) => twice(times(5, exps(3, x), (z) => bind(ops.absP, [z]))),
      "map 1>1 9, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "5 of quotients: little",
      [[4], [4]],
      (x, y) => twice(times(5, exps(2, x), (z) => bind(ops.divP, [z, y]))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "6 of quotients: dear",
      [[4], [4]],
      (x, y) => twice(times(6, exps(2, x), (z) => bind(ops.divP, [z, y]))),
      "map 2>1 10, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "5 of roots: little",
      [[4]],
      (x) => twice(times(5, exps(2, x), (z) => bind(ops.sqrtP, [z]))),
      "reduce 1>1 8+1, reduce 1>1 8+1",
    ],
    [
      "6 of roots: dear",
      [[4]],
      (x) => twice(times(6, exps(2, x), (z) => bind(ops.sqrtP, [z]))),
      "map 1>1 9, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "two comparisons and two choices: little",
      [[4], [4]],
      (x, y) => twice(choose(y, bind(ops.leP, [x, y]), choose(x, bind(ops.ltP, [x, y]), exps(3, x)))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "two others: little",
      [[4], [4]],
      (x, y) => twice(choose(y, bind(ops.neP, [x, y]), choose(x, bind(ops.eqP, [x, y]), exps(3, x)))),
      "reduce 2>1 9+1, reduce 2>1 9+1",
    ],
    [
      "and an addition: dear",
      [[4], [4]],
      (x, y) => twice(choose(y, bind(ops.neP, [x, y]), choose(x, bind(ops.eqP, [x, y]), exps(3, x))).add(1)),
      "map 2>1 11, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "a sign and a cast: little",
      [[4]],
      (x) => twice(index(times(3, exps(3, x), (z) => z.add(1)).neg())),
      "reduce 1>1 12+1, reduce 1>1 12+1",
    ],
    [
      "a sign and two casts: dear",
      [[4]],
      (x) => twice(bind(ops.castP, [index(times(3, exps(3, x), (z) => z.add(1)).neg())], [dtypeCode("uint32")])),
      "map 1>1 13, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "a view of a view of what is given costs 30",
      [[4, 3]],
      (x) => twice(times(9, x.t().reshape([2, 6]), (z) => z.add(1)).reshape([12])),
      "reduce 1>1 19+1, reduce 1>1 19+1",
    ],
    [
      "and one operation more is dear",
      [[4, 3]],
      (x) => twice(times(11, x.t().reshape([2, 6]), (z) => z.add(1)).reshape([12])),
      "map 1>1 23, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "of what is computed as well, for each load",
      [[4, 3]],
      (x) => twice(x.add(1).t().reshape([2, 6]).neg().reshape([12])),
      "map 1>1 4, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "random numbers cost 80",
      [[2]],
      (x) => {
        const bits = bind(ops.randomBitsP, [bind(ops.castP, [x], [dtypeCode("uint32")])], [4]);
        return [bits.add(bits).sum(), bits.amax()];
      },
      "map 1>1 2, map 1>2 2, reduce 1>1 1+1, reduce 1>1 1+1",
    ],
    [
      "positions that are looked up cost 4",
      [[9], [4]],
      (x, y) => twice(gather(x, exps(2, y)).add(1)),
      "reduce 2>1 7+1, reduce 2>1 7+1",
    ],
    ["a sort of one element is a pass", [[1]], (x) => bind(ops.argsortP, [x], [0, 0]), "sort 1>1"],
    [
      "a sort of five elements has three",
      [[5]],
      (x) => bind(ops.argsortP, [x], [0, 1]),
      "sort 1>1, sort 2>1, sort 2>1",
    ],
  ],
  sections: [
    [
      "cheap work on what was given is done again",
      shapes(2),
      (x, y) => {
        const a = x.mul(2).add(1);
        seam(x);
        return a.mul(y);
      },
      "map 2>1 7",
    ],
    [
      "also if an earlier section was given it",
      shapes(2),
      (x, y) => {
        const a = x.exp();
        seam(x);
        const b = x.add(3);
        seam(x);
        return [a, b.mul(y)];
      },
      "map 1>1 2, map 2>1 5",
    ],
    [
      "costs 40",
      shapes(2),
      (x, y) => {
        const a = times(4, exps(3, x), (z) => z.add(1));
        seam(x);
        return a.mul(y);
      },
      "map 2>1 14",
    ],
    [
      "costs 41: it is stored",
      shapes(2),
      (x, y) => {
        const a = times(5, exps(3, x), (z) => z.add(1));
        seam(x);
        return a.mul(y);
      },
      "map 1>1 14, map 2>1 3",
    ],
    [
      "a kernel's own work ends at its section",
      [[4, 4]],
      (x) => {
        const a = x.sum(1);
        seam(x);
        return a.add(1);
      },
      "reduce 1>1 1+1, map 1>1 3",
    ],
    [
      "work on an earlier section's value is stored",
      [[4, 4], [4]],
      (x, y) => {
        const a = x.sum(1);
        seam(x);
        const b = a.add(1);
        seam(x);
        return b.mul(y);
      },
      "reduce 1>1 1+1, map 1>1 3, map 2>1 3",
    ],
    [
      "and so again",
      [[4, 4], [4]],
      (x, y) => {
        const a = x.sum(1);
        seam(x);
        const b = a.add(1);
        seam(x);
        const c = b.mul(y);
        seam(x);
        return c.add(y);
      },
      "reduce 1>1 1+1, map 1>1 3, map 2>1 3, map 2>1 3",
    ],
    [
      "work on its own section's value is the kernel's",
      [[4, 4], [4]],
      (x, y) => {
        const a = x.sum(1).add(1);
        seam(x);
        return a.mul(y);
      },
      "reduce 1>1 1+3, map 2>1 3",
    ],
    [
      "cheap work on its own section's value is done again, too",
      [[4], [4]],
      (x, y) => {
        const a = x.cumsum(0).add(1);
        seam(x);
        return a.mul(y);
      },
      "scan 1>1, map 2>1 5",
    ],
    [
      "results of two have two kernels",
      [[4]],
      (x) => {
        const a = x.exp();
        seam(x);
        return [a, x.sin()];
      },
      "map 1>1 2, map 1>1 2",
    ],
    [
      "a result that is read later, too",
      [[4]],
      (x) => {
        const a = x.exp();
        seam(x);
        return [a, a.sin()];
      },
      "map 1>1 2, map 1>1 2",
    ],
    [
      "a seam before everything is none",
      [[4]],
      (x) => {
        seam(x);
        return x.add(1);
      },
      "map 1>1 3",
    ],
  ],
  outputs: [
    ["a view is copied", [[4]], (x) => flip(x), "map 1>1 1"],
    ["a range of what was given is copied", [[128]], (x) => x.slice(0, 64, 128), "map 1>1 1"],
    ["zeros are written", [[4]], (x) => [ops.zeros([3], { device: x.device }), x.add(1)], "map 0>1 1, map 1>1 3"],
    ["the beginning of what was given is no copy", [[128]], (x) => [x.slice(0, 0, 64), x.exp()], "map 1>1 2"],
    ["a constant is written", [[4]], (x) => [ops.full([3], 2, { device: x.device }), x.add(1)], "map 0>1 1, map 1>1 3"],
    [
      "ranges of a value that is asked for are parts of it",
      [[128]],
      (x) => {
        const y = x.sin();
        return [y, y.slice(0, 64, 128)];
      },
      "map 1>1 2",
    ],
    [
      "but not from a byte that cannot be bound on",
      [[128]],
      (x) => {
        const y = x.sin();
        return [y, y.slice(0, 32, 128)];
      },
      "map 1>1 2, map 1>1 2",
    ],
    [
      "an empty range is none",
      [[128]],
      (x) => {
        const y = x.sin();
        return [y, y.slice(0, 64, 64)];
      },
      "map 1>1 2, map 1>1 2",
    ],
    [
      "of half of a value, the whole is stored",
      [[128]],
      (x) => {
        const y = x.cumsum(0);
        return [y.slice(0, 64, 128)];
      },
      "scan 1>1",
    ],
    [
      "of less, the part",
      [[192]],
      (x) => {
        const y = x.cumsum(0);
        return [y.slice(0, 64, 128)];
      },
      "scan 1>1, map 1>1 1",
    ],
    [
      "small pieces count with the room that they have in a pack",
      [[128]],
      (x) => {
        const y = x.sin();
        return [y.slice(0, 64, 70), y.exp().sum()];
      },
      "reduce 1>1 3+1, map 1>1 2",
    ],
    [
      "a range that is stored anyway is no copy",
      [[128]],
      (x) => {
        const y = x.cumsum(0);
        return [y.slice(0, 0, 64), y.slice(0, 64, 128)];
      },
      "scan 1>1",
    ],
  ],
};

describe.each(Object.keys(CASES))("%s", (group) => {
  test.each(CASES[group])("%s", (_, inputs, program, wanted) => {
    expect(plan(inputs, program)).toBe(wanted);
  });
});

test("a value that is asked for as a whole is not hidden, whatever else is asked of it", () => {
  const fused = fuse(
    lower(
      simplify(
        captureGraph([[128]], (x) => {
          const y = x.sin();
          return [y, y.slice(0, 64, 128)];
        }),
      ),
    ),
    8,
  );
  const [whole, part] = fused.outputs;
  expect([fused.hidden, part]).toEqual([[], { value: whole.value, start: 64 }]);
});

test("checks in one kernel note what they find in one flag, which it binds for writing", () => {
  const position = (at: Tensor, n: number, site: number): Tensor => bind(ops.positionP, [at], [n, 1, site, 0, 0]);
  const graph = captureGraph(shapes(2), (x, y) => bind(ops.addP, [position(index(x), 5, 3), position(index(y), 7, 4)]));
  const { kernels, work } = fuse(lower(simplify(graph)), 8);
  expect(kernels.map(shown)).toEqual(["map 2>2 7"]);
  const [{ description, operands }] = kernels;
  const flags = operands.filter(
    (value) => work[value].kind === "leaf" && description.operands[operands.indexOf(value)].type === "flag",
  );
  expect(flags).toHaveLength(1);
  const run = runPlan(graph, [Float32Array.of(0, 4, -5, 3), Float32Array.of(6, -7, 7, 9)], []);
  expect([...run.outputs[0]]).toEqual([6, 4, -1, 2]);
  expect(run.outside).toEqual({ site: 4, index: 7 });
});
