import { describe, expect, test } from "@jest/globals";
import { DTYPES, type DType, type HostArray, hostArray } from "../dtype.ts";
import type { Attrs, Primitive } from "../primitives.ts";
import * as p from "../primitives.ts";
import type { Shape } from "../shape.ts";
import { interpret } from "./interpreter.ts";
import { filled, Sketch, seeded } from "./sketch.ts";

interface Given {
  readonly data: readonly number[] | HostArray;
  readonly shape: Shape;
  readonly dtype?: DType;
}

const vector = (data: readonly number[], dtype: DType = "float64"): Given => ({ data, shape: [data.length], dtype });

/** The elements of one primitive's result. */
function apply(primitive: Primitive, inputs: readonly Given[], attrs: Attrs = []): number[] {
  const s = new Sketch();
  const leaves = inputs.map(({ data, dtype = "float64" }) => {
    const array = hostArray(dtype, data.length);
    array.set(data);
    return array;
  });
  const nodes = inputs.map(({ shape, dtype = "float64" }) => s.leaf(shape, dtype));
  return Array.from(interpret(s.graph(s.apply(primitive, nodes, attrs)), leaves, [])[0]);
}

const dtypeCode = (dtype: DType) => DTYPES.indexOf(dtype);
const nan = Number.NaN;

describe("unary", () => {
  const x = [-2.5, -0.75, -0, 0.5, 0.9];
  const positive = [0.25, 1, 3];
  const closedForms: [Primitive, (x: number) => number, number[]][] = [
    [p.aliasP, (x) => x, x],
    [p.negP, (x) => 0 - x, x],
    [p.absP, (x) => Math.sqrt(x * x), x],
    [p.signP, (x) => (x > 0 ? 1 : x < 0 ? -1 : 0), x],
    [p.floorP, (x) => x - (((x % 1) + 1) % 1), x],
    [p.unaryP.ceil, (x) => -Math.floor(-x), x],
    [p.unaryP.trunc, (x) => x - (x % 1), x],
    [p.sqrtP, (x) => x ** 0.5, positive],
    [p.expP, (x) => Math.E ** x, x],
    [p.expm1P, (x) => 2 * Math.exp(x / 2) * Math.sinh(x / 2), x],
    [p.logP, (x) => Math.log2(x) * Math.LN2, positive],
    [p.log1pP, (x) => Math.log(1 + x), positive],
    [p.sinP, (x) => Math.cos(x - Math.PI / 2), x],
    [p.cosP, (x) => 1 - 2 * Math.sin(x / 2) ** 2, x],
    [p.unaryP.tan, (x) => Math.sin(x) / Math.cos(x), x],
    [p.unaryP.asin, (x) => Math.atan2(x, Math.sqrt(1 - x * x)), [-1, -0.3, 0.7]],
    [p.unaryP.acos, (x) => Math.atan2(Math.sqrt(1 - x * x), x), [-1, -0.3, 0.7]],
    [p.unaryP.atan, (x) => Math.atan2(x, 1), x],
    [p.unaryP.sinh, (x) => (Math.exp(x) - Math.exp(-x)) / 2, x],
    [p.unaryP.cosh, (x) => (Math.exp(x) + Math.exp(-x)) / 2, x],
    [p.tanhP, (x) => (Math.exp(2 * x) - 1) / (Math.exp(2 * x) + 1), x],
    [p.unaryP.asinh, (x) => Math.sign(x) * Math.log(Math.abs(x) + Math.hypot(x, 1)), x],
    [p.unaryP.acosh, (x) => Math.log(x + Math.sqrt(x * x - 1)), [1, 1.5, 4]],
    [p.unaryP.atanh, (x) => Math.log((1 + x) / (1 - x)) / 2, [-0.5, 0, 0.9]],
    [p.sigmoidP, (x) => 1 / (1 + Math.exp(-x)), x],
    [p.softplusP, (x) => Math.log(1 + Math.exp(x)), x],
    [p.unaryP.erf, (x) => integral(x), x],
    [p.erfcP, (x) => 1 - integral(x), x],
  ];
  /** erf by Simpson's rule. */
  function integral(x: number): number {
    const steps = 2000;
    let sum = 0;
    for (let i = 0; i <= steps; i++) {
      const weight = i === 0 || i === steps ? 1 : i % 2 === 0 ? 2 : 4;
      sum += weight * Math.exp(-(((x * i) / steps) ** 2));
    }
    return (2 / Math.sqrt(Math.PI)) * (sum * (x / steps / 3));
  }

  test.each(closedForms.map(([primitive, f, at]) => ({ name: primitive.name, primitive, f, at })))(
    "$name",
    ({ primitive, f, at }) => {
      apply(primitive, [vector(at)]).forEach((y, i) => {
        expect(y).toBeCloseTo(f(at[i]), 12);
      });
      const single = Array.from(new Float32Array(at));
      apply(primitive, [vector(at, "float32")]).forEach((y, i) => {
        expect(Math.abs(y - f(single[i]))).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(y)));
      });
    },
  );

  test("round takes halves to even", () => {
    expect(apply(p.roundP, [vector([-1.5, 0.5, 1.5, 2.5, 2.51])])).toEqual([-2, 0, 2, 2, 3]);
  });

  test("NaN and infinities", () => {
    const odd = vector([nan, Infinity, -Infinity, 0]);
    expect(apply(p.isnanP, [odd])).toEqual([1, 0, 0, 0]);
    expect(apply(p.isinfP, [odd])).toEqual([0, 1, 1, 0]);
    expect(apply(p.signP, [odd])).toEqual([nan, 1, -1, 0]);
    expect(apply(p.sigmoidP, [odd])).toEqual([nan, 1, 0, 0.5]);
    expect(apply(p.softplusP, [odd]).slice(0, 3)).toEqual([nan, Infinity, 0]);
    expect(apply(p.logP, [vector([-1, 0])])).toEqual([nan, -Infinity]);
  });

  test("of integers and bools", () => {
    const least = -(2 ** 31);
    expect(apply(p.negP, [vector([5, least], "int32")])).toEqual([-5, least]);
    expect(apply(p.absP, [vector([-5, least], "int32")])).toEqual([5, least]);
    expect(apply(p.signP, [vector([-5, 0, 3], "int32")])).toEqual([-1, 0, 1]);
    expect(apply(p.negP, [vector([1], "uint32")])).toEqual([2 ** 32 - 1]);
    expect(apply(p.notP, [vector([0, 1], "bool")])).toEqual([1, 0]);
  });
});

describe("binary", () => {
  const pairs = (primitive: Primitive, x: number[], y: number[], dtype: DType = "float64") =>
    apply(primitive, [vector(x, dtype), vector(y, dtype)]);

  test("on floats", () => {
    expect(pairs(p.addP, [1, 2], [0.5, -2])).toEqual([1.5, 0]);
    expect(pairs(p.subP, [1, 2], [0.5, -2])).toEqual([0.5, 4]);
    expect(pairs(p.mulP, [1, 2], [0.5, -2])).toEqual([0.5, -4]);
    expect(pairs(p.divP, [1, 2, 1], [0.5, -2, 0])).toEqual([2, -1, Infinity]);
    expect(pairs(p.powP, [2, 1, -2, 4], [3, nan, 2, -0.5])).toEqual([8, 1, 4, 0.5]);
    expect(pairs(p.fmodP, [5.5, -5.5, 5.5], [2, 2, -2])).toEqual([1.5, -1.5, 1.5]);
    expect(pairs(p.atan2P, [1, -1, 0], [0, 0, -1])).toEqual([Math.PI / 2, -Math.PI / 2, Math.PI]);
    expect(pairs(p.maximumP, [1, nan, 3, 2], [2, 1, nan, 1])).toEqual([2, nan, nan, 2]);
    expect(pairs(p.minimumP, [1, nan, 3, 2], [2, 1, nan, 1])).toEqual([1, nan, nan, 1]);
  });

  test("float32 rounds each result", () => {
    expect(pairs(p.addP, [1], [2 ** -30], "float32")).toEqual([1]);
    expect(pairs(p.divP, [1], [3], "float32")).toEqual([Math.fround(1 / 3)]);
  });

  test("on integers wrap", () => {
    const [most, least] = [2 ** 31 - 1, -(2 ** 31)];
    expect(pairs(p.addP, [most], [1], "int32")).toEqual([least]);
    expect(pairs(p.subP, [0], [1], "uint32")).toEqual([2 ** 32 - 1]);
    expect(pairs(p.mulP, [65537, most], [65537, most], "int32")).toEqual([131073, 1]);
    expect(pairs(p.mulP, [2 ** 32 - 1], [2 ** 32 - 1], "uint32")).toEqual([1]);
    expect(pairs(p.divP, [7, -7, 7, least], [2, 2, 0, -1], "int32")).toEqual([3, -3, 0, least]);
    expect(pairs(p.fmodP, [7, -7, 7], [4, 4, 0], "int32").map((x) => x + 0)).toEqual([3, -3, 0]);
    expect(pairs(p.maximumP, [-1, 2], [1, 1], "int32")).toEqual([1, 2]);
  });

  test("on bits", () => {
    expect(pairs(p.andP, [12, -1], [10, 7], "int32")).toEqual([8, 7]);
    expect(pairs(p.orP, [2 ** 31], [1], "uint32")).toEqual([2 ** 31 + 1]);
    expect(pairs(p.xorP, [12], [10], "int32")).toEqual([6]);
    expect(pairs(p.binaryP.shl, [1, 3], [31, 1], "uint32")).toEqual([2 ** 31, 6]);
    expect(pairs(p.shrP, [-8], [1], "int32")).toEqual([-4]);
    expect(pairs(p.shrP, [2 ** 31], [31], "uint32")).toEqual([1]);
    const truth: [Primitive, number[]][] = [
      [p.andP, [0, 0, 0, 1]],
      [p.orP, [0, 1, 1, 1]],
      [p.xorP, [0, 1, 1, 0]],
    ];
    for (const [primitive, wanted] of truth)
      expect(pairs(primitive, [0, 0, 1, 1], [0, 1, 0, 1], "bool")).toEqual(wanted);
  });

  test("comparisons; NaN equals nothing", () => {
    const [x, y] = [
      [1, 2, 2, nan],
      [2, 2, 1, nan],
    ];
    expect(pairs(p.eqP, x, y)).toEqual([0, 1, 0, 0]);
    expect(pairs(p.neP, x, y)).toEqual([1, 0, 1, 1]);
    expect(pairs(p.ltP, x, y)).toEqual([1, 0, 0, 0]);
    expect(pairs(p.leP, x, y)).toEqual([1, 1, 0, 0]);
    expect(pairs(p.ltP, [1], [2 ** 32 - 1], "uint32")).toEqual([1]);
  });

  test("broadcast by NumPy's rule", () => {
    const column = { data: [10, 20], shape: [2, 1] };
    expect(apply(p.addP, [column, vector([1, 2, 3])])).toEqual([11, 12, 13, 21, 22, 23]);
    expect(apply(p.mulP, [{ data: [2], shape: [] }, column])).toEqual([20, 40]);
  });

  test("where takes no notice of the branch not taken", () => {
    const condition = { data: [1, 0], shape: [2, 1], dtype: "bool" as const };
    expect(apply(p.whereP, [condition, vector([1, 2]), { data: [nan], shape: [] }])).toEqual([1, 2, nan, nan]);
  });
});

describe("cast", () => {
  const cast = (data: number[], from: DType, to: DType) => apply(p.castP, [vector(data, from)], [dtypeCode(to)]);

  test("of floats cuts, and stays in range", () => {
    expect(cast([1.9, -1.9, 1e20, -1e20, nan], "float64", "int32")).toEqual([1, -1, 2 ** 31 - 1, -(2 ** 31), 0]);
    expect(cast([1.9, -1.9, 1e20], "float32", "uint32").map((x) => x + 0)).toEqual([1, 0, 2 ** 32 - 1]);
    expect(cast([0, 0.25, nan], "float32", "bool")).toEqual([0, 1, 1]);
    expect(cast([0.1], "float64", "float32")).toEqual([Math.fround(0.1)]);
  });

  test("of integers wraps; bools are 0 and 1", () => {
    expect(cast([-1], "int32", "uint32")).toEqual([2 ** 32 - 1]);
    expect(cast([2 ** 32 - 1], "uint32", "int32")).toEqual([-1]);
    expect(cast([-7, 0], "int32", "bool")).toEqual([1, 0]);
    expect(cast([0, 1], "bool", "float32")).toEqual([0, 1]);
  });
});

describe("constants", () => {
  test("scalars, literals and iota", () => {
    const s = new Sketch();
    const nodes = [
      s.scalar("float32"),
      s.scalar("bool"),
      s.apply(p.literalP, [], [dtypeCode("int32"), -3]),
      s.apply(p.iotaP, [], [dtypeCode("float64"), 4]),
    ];
    const out = interpret(s.graph(...nodes), [], [0.1, 5]);
    expect(out.map((data) => Array.from(data))).toEqual([[Math.fround(0.1)], [1], [-3], [0, 1, 2, 3]]);
  });
});

describe("reductions", () => {
  const x = { data: [1, 2, 3, 4, 5, -6], shape: [2, 3] };

  test("along each axis, and all", () => {
    expect(apply(p.sumP, [x], [0])).toEqual([5, 7, -3]);
    expect(apply(p.sumP, [x], [1])).toEqual([6, 3]);
    expect(apply(p.sumP, [x], [0, 1])).toEqual([9]);
    expect(apply(p.maxP, [x], [1])).toEqual([3, 5]);
    expect(apply(p.prodP, [x], [0])).toEqual([4, 10, -18]);
    expect(apply(p.argmaxP, [x], [0])).toEqual([1, 1, 0]);
    expect(apply(p.argmaxP, [x], [1])).toEqual([2, 1]);
  });

  test("max and argmax meet NaN, and the first of equals", () => {
    expect(apply(p.maxP, [vector([1, nan, 3])], [0])).toEqual([nan]);
    expect(apply(p.argmaxP, [vector([1, nan, 3, nan])], [0])).toEqual([1]);
    expect(apply(p.argmaxP, [vector([1, 3, 3])], [0])).toEqual([1]);
  });

  test("of nothing", () => {
    const empty = (dtype: DType) => ({ data: [], shape: [0, 2], dtype });
    expect(apply(p.sumP, [empty("float32")], [0])).toEqual([0, 0]);
    expect(apply(p.prodP, [empty("float32")], [0])).toEqual([1, 1]);
    expect(apply(p.maxP, [empty("float32")], [0])).toEqual([-Infinity, -Infinity]);
    expect(apply(p.maxP, [empty("int32")], [0])).toEqual([-(2 ** 31), -(2 ** 31)]);
  });

  test("integers wrap", () => {
    expect(apply(p.sumP, [vector([2 ** 31 - 1, 2 ** 31 - 1], "int32")], [0])).toEqual([-2]);
    expect(apply(p.prodP, [vector([65537, 65537], "int32")], [0])).toEqual([131073]);
  });

  test("a long float32 sum has the error of one rounding", () => {
    const n = 100_000;
    const tenth = Math.fround(0.1);
    expect(apply(p.sumP, [vector(new Array<number>(n).fill(0.1), "float32")], [0])).toEqual([Math.fround(n * tenth)]);
  });
});

describe("movements", () => {
  const x = { data: [1, 2, 3, 4, 5, 6], shape: [2, 3] };

  test("reshape, permute, expand, slice, flip", () => {
    expect(apply(p.reshapeP, [x], [3, 2])).toEqual(x.data);
    expect(apply(p.permuteP, [x], [1, 0])).toEqual([1, 4, 2, 5, 3, 6]);
    expect(apply(p.expandP, [{ data: [1, 2], shape: [2, 1] }], [2, 2])).toEqual([1, 1, 2, 2]);
    expect(apply(p.sliceP, [x], [0, 1, 2, 1, 1, 1])).toEqual([2, 5]);
    expect(apply(p.flipP, [x], [0])).toEqual([4, 5, 6, 1, 2, 3]);
  });

  test("pad", () => {
    expect(apply(p.padP, [x], [1, 0, 0, 2])).toEqual([0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 0]);
  });

  test("a view of a view, then a reshape that must copy", () => {
    const s = new Sketch();
    const flipped = s.apply(p.flipP, [s.apply(p.permuteP, [s.leaf([2, 3])], [1, 0])], [0]);
    const graph = s.graph(s.apply(p.reshapeP, [flipped], [6]), s.apply(p.sumP, [flipped], [0]));
    const out = interpret(graph, [new Float32Array(x.data)], []);
    expect(out.map((data) => Array.from(data))).toEqual([
      [3, 6, 2, 5, 1, 4],
      [6, 15],
    ]);
  });
});

describe("contractions", () => {
  test.each(["float32", "float64", "int32"] as const)("matmul of %s with broadcast batches", (dtype) => {
    const random = seeded(1);
    const [a, b] = [filled(dtype, [2, 1, 3, 4], random), filled(dtype, [3, 4, 5], random)];
    const s = new Sketch();
    const right = s.leaf([1, 3, 4, 5], dtype);
    const product = s.apply(p.matmulP, [s.leaf([2, 1, 3, 4], dtype), right]);
    const [out] = interpret(s.graph(product), [b, a], []);
    let at = 0;
    for (let n = 0; n < 2; n++) {
      for (let g = 0; g < 3; g++) {
        for (let i = 0; i < 3; i++) {
          for (let j = 0; j < 5; j++) {
            let sum = 0;
            for (let k = 0; k < 4; k++) sum += a[n * 12 + i * 4 + k] * b[g * 20 + k * 5 + j];
            expect(out[at++]).toBeCloseTo(sum, dtype === "float32" ? 5 : 12);
          }
        }
      }
    }
  });

  test("an integer product wraps", () => {
    const row = { data: [65537, 1], shape: [1, 2], dtype: "int32" as const };
    expect(apply(p.matmulP, [row, { ...row, shape: [2, 1] }])).toEqual([131074]);
  });

  test("a product over nothing is zero", () => {
    expect(
      apply(p.matmulP, [
        { data: [], shape: [2, 0] },
        { data: [], shape: [0, 2] },
      ]),
    ).toEqual([0, 0, 0, 0]);
  });

  /** One dimension, from the definition: y[n, o, i] = Σ x[n, c, i s − p + k d] w[o, c, k]. */
  test("conv1d with stride, padding, dilation and groups", () => {
    const random = seeded(2);
    const [batch, inner, outer, groups, size, kernel] = [2, 4, 6, 2, 9, 3];
    const [stride, padding, dilation] = [2, 3, 2];
    const [x, w] = [
      filled("float64", [batch, inner, size], random),
      filled("float64", [outer, inner / groups, kernel], random),
    ];
    const attrs = p.convAttrs({ n: 1, groups, stride: [stride], padding: [padding], dilation: [dilation], extra: [] });
    const s = new Sketch();
    const y = s.apply(
      p.convP,
      [s.leaf([batch, inner, size], "float64"), s.leaf([outer, inner / groups, kernel], "float64")],
      attrs,
    );
    const [out] = interpret(s.graph(y), [x, w], []);
    const length = p.convOutput(size, kernel, stride, padding, dilation);
    for (let n = 0; n < batch; n++) {
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < length; i++) {
          let sum = 0;
          for (let c = 0; c < inner / groups; c++) {
            const channel = Math.floor(o / (outer / groups)) * (inner / groups) + c;
            for (let k = 0; k < kernel; k++) {
              const at = i * stride - padding + k * dilation;
              if (at >= 0 && at < size)
                sum += x[(n * inner + channel) * size + at] * w[(o * (inner / groups) + c) * kernel + k];
            }
          }
          expect(out[(n * outer + o) * length + i]).toBeCloseTo(sum, 12);
        }
      }
    }
  });

  test("conv2d by hand: a 2 × 2 window of ones", () => {
    const x = { data: [1, 2, 3, 4, 5, 6, 7, 8, 9], shape: [1, 1, 3, 3] };
    const ones = { data: [1, 1, 1, 1], shape: [1, 1, 2, 2] };
    expect(apply(p.convP, [x, ones], [2, 1, 1, 1, 0, 0, 1, 1])).toEqual([12, 16, 24, 28]);
  });

  test.each([1, 2, 3])("gradients of conv%dd are its adjoints", (n) => {
    const random = seeded(3 + n);
    const fill = (value: number) => new Array<number>(n).fill(value);
    const g = { n, groups: 2, stride: fill(2), padding: fill(1), dilation: fill(1) };
    const s = new Sketch();
    const shapes = [
      [2, 2, ...fill(6)],
      [4, 1, ...fill(3)],
    ];
    const x = s.leaf(shapes[0], "float64");
    const w = s.leaf(shapes[1], "float64");
    const y = s.apply(p.convP, [x, w], p.convAttrs({ ...g, extra: [] }));
    const v = s.leaf([2, 4, ...fill(3)], "float64");
    const dx = s.apply(p.convInputP, [v, w], p.convAttrs({ ...g, extra: fill(6) }));
    const dw = s.apply(p.convWeightP, [x, v], p.convAttrs({ ...g, extra: fill(3) }));
    const leaves = [...shapes, [2, 4, ...fill(3)]].map((shape) => filled("float64", shape, random));
    const [yData, dxData, dwData] = interpret(s.graph(y, dx, dw), leaves, []);
    const dot = (a: HostArray, b: HostArray) => Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
    expect(dot(dxData, leaves[0])).toBeCloseTo(dot(yData, leaves[2]), 10);
    expect(dot(dwData, leaves[1])).toBeCloseTo(dot(yData, leaves[2]), 10);
  });
});

describe("indexing, scan, sort", () => {
  const x = { data: [1, 2, 3, 4, 5, 6], shape: [2, 3] };
  const index = (data: number[], shape: Shape) => ({ data, shape, dtype: "int32" as const });

  test("gather along each axis; outside is 0", () => {
    expect(apply(p.gatherP, [x, index([2, 0, 1, 1], [2, 2])], [1])).toEqual([3, 1, 5, 5]);
    expect(apply(p.gatherP, [x, index([1, 0, 1], [1, 3])], [0])).toEqual([4, 2, 6]);
    expect(apply(p.gatherP, [x, index([-1, 3], [1, 2])], [1])).toEqual([0, 0]);
  });

  test("scatterAdd adds up repeated indices and leaves out those outside", () => {
    const zeros = { data: [0, 0, 0, 0, 0, 0], shape: [2, 3] };
    const at = index([0, 0, 2, 1, 3, 1], [2, 3]);
    expect(apply(p.scatterAddP, [zeros, at, x], [1])).toEqual([3, 0, 3, 0, 10, 0]);
    expect(apply(p.scatterAddP, [x, index([1, 0], [1, 2]), { data: [10, 20], shape: [1, 2] }], [0])).toEqual([
      1, 22, 3, 14, 5, 6,
    ]);
  });

  test("cumsum along each axis", () => {
    expect(apply(p.cumsumP, [x], [1])).toEqual([1, 3, 6, 4, 9, 15]);
    expect(apply(p.cumsumP, [x], [0])).toEqual([1, 2, 3, 5, 7, 9]);
  });

  test("argsort is stable, with NaN last", () => {
    const data = vector([2, nan, 1, 2, -Infinity]);
    expect(apply(p.argsortP, [data], [0, 0])).toEqual([4, 2, 0, 3, 1]);
    expect(apply(p.argsortP, [data], [0, 1])).toEqual([0, 3, 2, 4, 1]);
    expect(apply(p.argsortP, [{ data: [3, 1, 2, 1, 5, 0], shape: [2, 3] }], [0, 0])).toEqual([1, 0, 1, 0, 1, 0]);
  });
});
