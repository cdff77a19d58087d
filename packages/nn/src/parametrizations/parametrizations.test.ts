/** Parametrizations: what is computed from what, in plain training, functional calls and derivatives of both orders. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, gradcheck, gradgradcheck, noGrad } from "@loopgrad/autograd";
import { ArgumentError, init, manualSeed, randn, ShapeError, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import {
  Conv2d,
  functionalCall,
  isParametrized,
  LayerNorm,
  Linear,
  LSTM,
  Module,
  Parameter,
  type Parametrization,
  registerParametrization,
  removeParametrizations,
  Sequential,
  spectralNorm,
  substitute,
  weightNorm,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(11);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const near = async (got: Tensor | null, wanted: Tensor | number[], digits = 10): Promise<void> => {
  const [a, b] = [await read(got), Array.isArray(wanted) ? wanted : await read(wanted)];
  expect(a).toHaveLength(b.length);
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i], digits);
};

/** The upper triangle, mirrored. */
class Symmetric extends Module implements Parametrization {
  override forward(x: Tensor): Tensor {
    return x.triu().add(x.triu(1).t());
  }
}

class Negated extends Module implements Parametrization {
  override forward(x: Tensor): Tensor {
    return x.neg();
  }

  rightInverse(value: Tensor): Tensor {
    return value.neg();
  }
}

describe("registerParametrization", () => {
  test("computes the value whenever it is read; the original stays the optimizer's parameter", async () => {
    const layer = new Linear(2, 2, { bias: false });
    const { weight } = layer;
    weight.assign(tensor([[1, 2], [3, 4]])); // biome-ignore format: a matrix
    registerParametrization(layer, "weight", new Symmetric());
    expect(isParametrized(layer)).toBe(true);
    expect(isParametrized(layer, "weight")).toBe(true);
    expect(isParametrized(layer, "bias")).toBe(false);
    expect(layer.namedParameters()).toEqual([["parametrizations.weight.original", weight]]);
    await near(layer.weight, [1, 2, 2, 4]);
    weight.assign(tensor([[1, 5], [3, 4]])); // biome-ignore format: a matrix
    await near(layer.forward(tensor([[1, 1]])), [6, 9]);
    layer
      .forward(tensor([[1, 1]]))
      .sum()
      .backward();
    await near(weight.grad, [1, 2, 0, 1]);
  });

  test("chains, and right inverses set the originals", async () => {
    const layer = new Linear(1, 1, { bias: false });
    layer.weight.assign(tensor([[3]]));
    registerParametrization(layer, "weight", new Negated());
    await near(layer.weight, [3]);
    await near(layer.parameters()[0], [-3]);
    registerParametrization(layer, "weight", new Negated());
    await near(layer.weight, [-3]);
    (layer as { weight: Tensor }).weight = tensor([[7]]);
    await near(layer.weight, [7]);
    await near(layer.parameters()[0], [7]);
    expect(layer.toString()).toContain("(1): Negated()");
  });

  test("refuses fields that hold no slot, and values of another shape", () => {
    class Row extends Module implements Parametrization {
      override forward(x: Tensor): Tensor {
        return x.select(0, 0);
      }
    }
    const layer = new Linear(2, 2, { bias: false });
    expect(() => registerParametrization(layer, "bias", new Negated())).toThrow(/no field bias.*wanted one of weight/);
    expect(() => registerParametrization(layer, "weight", new Row())).toThrow(ShapeError);
    expect(isParametrized(layer)).toBe(false);
    expect(layer.weight).toBeInstanceOf(Parameter);
  });
});

describe("removeParametrizations", () => {
  test("leaves the value, in the parameter that has its shape", async () => {
    const layer = weightNorm(new Linear(3, 2));
    const [, , v] = layer.parameters();
    layer.loadStateDict({ ...layer.stateDict(), "parametrizations.weight.original0": tensor([[2], [3]]) });
    const value = await read(layer.weight);
    expect(removeParametrizations(layer, "weight")).toBe(layer);
    expect(layer.weight).toBe(v);
    expect(Object.keys(layer.stateDict())).toEqual(["weight", "bias"]);
    expect(isParametrized(layer)).toBe(false);
    await near(layer.weight, value);
    expect(String(layer)).toBe("Linear(in_features=3, out_features=2, bias=True)");
  });

  test("or the original, if there is one", async () => {
    const layer = new Linear(1, 1);
    layer.weight.assign(tensor([[3]]));
    registerParametrization(layer, "weight", new Negated());
    registerParametrization(layer, "bias", new Negated());
    removeParametrizations(layer, "weight", { leaveParametrized: false });
    await near(layer.weight, [-3]);
    expect(isParametrized(layer, "bias")).toBe(true);
    expect(() => removeParametrizations(layer, "weight")).toThrow(/is not parametrized/);
    const two = weightNorm(new Linear(1, 1));
    expect(() => removeParametrizations(two, "weight", { leaveParametrized: false })).toThrow(ArgumentError);
  });
});

describe.each([
  ["weightNorm", weightNorm],
  ["spectralNorm", spectralNorm],
] as const)("%s", (_, normalized) => {
  test("reads the given weights in a functional call, and its gradient goes to them", async () => {
    const layer = normalized(new Linear(3, 2)).eval();
    const x = randn([4, 3]);
    const names = layer.namedParameters().map(([name]) => name);
    const params = Object.fromEntries(
      layer.namedParameters().map(([name, p]) => [name, randn(p.shape, { requiresGrad: true })]),
    );
    const twin = normalized(new Linear(3, 2)).eval();
    twin.loadStateDict({ ...layer.stateDict(), ...params });
    const y = functionalCall(layer, { params }, x);
    await near(y, twin.forward(x));
    const given = grad(y.square().sum(), names.map((name) => params[name])); // biome-ignore format: a line
    const own = grad(twin.forward(x).square().sum(), twin.parameters());
    for (const [i, g] of given.entries()) await near(g, own[i] as Tensor);
  });

  test("is differentiable twice", async () => {
    const layer = normalized(new Conv2d(2, 3, 2)).eval();
    const names = layer.namedParameters().map(([name]) => name);
    const leaves = layer.parameters().map((p) => p.detach().requiresGrad_(true));
    const x = randn([1, 2, 3, 3]);
    const run = (...given: Tensor[]): Tensor =>
      functionalCall(layer, { params: Object.fromEntries(given.map((p, i) => [names[i], p])) }, x);
    await gradcheck(run, leaves);
    await gradgradcheck(run, leaves);
  });

  test("works on a recurrent layer's weight, and inside a model", async () => {
    const model = new Sequential(new Linear(2, 3));
    const lstm = normalized(new LSTM(3, 4), { name: "weight_hh_l0" });
    lstm
      .forward(model.forward(randn([2, 5, 2])))[0]
      .sum()
      .backward();
    expect(lstm.parameters().every((p) => p.grad !== null)).toBe(true);
  });
});

describe("weightNorm", () => {
  test("starts with the weight the layer had, and separates length from direction", async () => {
    const layer = new Linear(3, 2);
    const value = await read(layer.weight);
    weightNorm(layer);
    await near(layer.weight, value);
    layer.loadStateDict({ ...layer.stateDict(), "parametrizations.weight.original0": tensor([[1], [5]]) });
    await near(layer.weight.square().sum(1), [1, 25]);
  });

  test("checks its options", () => {
    expect(() => weightNorm(new Linear(2, 2), { dim: 2 })).toThrow(/dim 2: weight has rank 2/);
    expect(() => weightNorm(new Linear(2, 2), { axis: 0 } as object)).toThrow(/unknown option axis/);
    expect(() => weightNorm(new LSTM(2, 3), { name: "weight" })).toThrow(/wanted one of weight_ih_l0/);
  });
});

describe("spectralNorm", () => {
  /** The largest singular value of the layer's effective weight, by iterating on the host. */
  async function largest(weight: Tensor): Promise<number> {
    const matrix = weight.detach().flatten(1);
    let v = randn([matrix.shape[1]]);
    for (let i = 0; i < 200; i++) {
      const next = matrix.t().mv(matrix.mv(v));
      v = next.div(next.square().sum().sqrt());
    }
    return (await read(matrix.mv(v).square().sum().sqrt()))[0];
  }

  test("brings the largest singular value to 1", async () => {
    const layer = spectralNorm(new Conv2d(2, 3, 2), { nPowerIterations: 5 });
    for (let i = 0; i < 20; i++) layer.forward(zeros([1, 2, 2, 2]));
    expect(await largest(layer.weight)).toBeCloseTo(1, 6);
  });

  test("moves u and v at reads in training only, and not in functional calls", async () => {
    const layer = spectralNorm(new Linear(4, 3));
    const u = layer.buffers()[0];
    const before = await read(u);
    layer.eval().forward(randn([1, 4]));
    expect(await read(u)).toEqual(before);
    layer.train();
    const { buffers } = substitute(layer, {}, (m) => m.forward(randn([1, 4])));
    expect(await read(u)).toEqual(before);
    expect(await read(buffers["parametrizations.weight.0._u"])).not.toEqual(before);
    layer.forward(randn([1, 4]));
    await near(u, buffers["parametrizations.weight.0._u"]);
  });

  test("of one dimension is a vector of length 1", async () => {
    const layer = spectralNorm(new LayerNorm(4), { name: "weight" });
    await near(layer.weight, [0.5, 0.5, 0.5, 0.5]);
    expect(layer.buffers()).toHaveLength(0);
  });

  test("leaves no graph behind in its buffers", () => {
    const layer = spectralNorm(new Linear(4, 3));
    layer.forward(randn([1, 4]));
    expect(layer.buffers().some((b) => b.requiresGrad)).toBe(false);
    expect(noGrad(() => layer.weight).requiresGrad).toBe(false);
  });
});
