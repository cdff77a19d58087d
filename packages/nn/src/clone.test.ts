import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, init, manualSeed, ones, type Tensor } from "@loopgrad/tensor";
import * as nn from "./index.ts";

beforeAll(() => init({ device: "cpu" }));

/** Layers with private parts of every kind. */
const LAYERS: [string, () => nn.Module, number[]][] = [
  ["Sequential", () => new nn.Sequential(new nn.Linear(2, 3), new nn.Tanh(), new nn.Linear(3, 2)), [1, 2]],
  ["Conv2d", () => new nn.Conv2d(1, 2, 3, { padding: 1 }), [1, 1, 4, 4]],
  ["ConvTranspose1d", () => new nn.ConvTranspose1d(1, 2, 3), [1, 1, 4]],
  ["BatchNorm1d", () => new nn.BatchNorm1d(2), [3, 2]],
  ["LSTM", () => new nn.LSTM(2, 3, { bidirectional: true }), [4, 1, 2]],
  ["GRUCell", () => new nn.GRUCell(2, 3), [1, 2]],
  ["TransformerEncoderLayer", () => new nn.TransformerEncoderLayer(2, 1, { dimFeedforward: 4, dropout: 0 }), [3, 1, 2]],
  ["Dropout", () => new nn.Dropout(0.5).eval(), [2, 2]],
];

test.each(LAYERS)("a copy of %s computes the same, with parameters of its own", async (_, make, shape) => {
  manualSeed(1);
  const layer = make();
  const copy = layer.clone();
  const run = async (m: nn.Module): Promise<unknown> => {
    const out = (m.forward as (x: Tensor) => Tensor | Tensor[])(ones(shape));
    return (Array.isArray(out) ? out[0] : out).toArray();
  };
  expect(copy.constructor).toBe(layer.constructor);
  expect(String(copy)).toBe(String(layer));
  expect(await run(copy)).toEqual(await run(layer));
  const before = await run(layer);
  for (const p of copy.parameters()) p.assign(p.mul(3).add(1));
  if (copy.parameters().length > 0) expect(await run(copy)).not.toEqual(before);
  expect([copy.training, Object.keys(copy.stateDict())]).toEqual([layer.training, Object.keys(layer.stateDict())]);
});

test("what is shared is shared in the copy, frozen stays frozen, hooks come along", async () => {
  class Twice extends nn.Module {
    readonly first = new nn.Linear(2, 2);
    readonly again = this.first;
    readonly list = [new nn.Tanh(), this.first];
    override forward(x: Tensor): Tensor {
      return this.again.forward(this.first.forward(x));
    }
  }
  const model = new Twice();
  model.first.bias?.requiresGrad_(false);
  const seen: nn.Module[] = [];
  model.registerForwardHook((m) => void seen.push(m));
  const copy = model.clone();
  expect(copy.first).toBe(copy.again);
  expect(copy.list[1]).toBe(copy.first);
  expect(copy.first).not.toBe(model.first);
  expect(copy.first.bias?.requiresGrad).toBe(false);
  expect(copy.first.weight.requiresGrad).toBe(true);
  copy.forward(ones([1, 2]));
  expect(seen).toEqual([copy]);
});

test("a parametrized module says what to do first", () => {
  const layer = new nn.Linear(2, 2);
  nn.weightNorm(layer);
  expect(() => layer.clone()).toThrow(ArgumentError);
});

test("a class with #private fields is refused, unless it copies itself", async () => {
  class Secret extends nn.Module {
    readonly #layer = new nn.Linear(1, 1);
    override forward(x: Tensor): Tensor {
      return this.#layer.forward(x);
    }
  }
  class Own extends nn.Module {
    readonly #scale: number;
    constructor(scale: number) {
      super();
      this.#scale = scale;
    }
    override forward(x: Tensor): Tensor {
      return x.mul(this.#scale);
    }
    override clone(): this {
      return new Own(this.#scale) as this;
    }
  }
  expect(() => new Secret().clone()).toThrow("clone: Secret has #private fields, which no other code can copy");
  const both = new nn.Sequential(new Own(3), new nn.ReLU()).clone();
  expect(await both.forward(ones([1])).toArray()).toEqual([3]);
  expect(() => new nn.Sequential(new Secret()).clone()).toThrow(ArgumentError);
});

test("members registered by name are copied once", async () => {
  const model = new nn.Module();
  const weight = model.register("weight", new nn.Parameter(ones([2])));
  const copy = model.clone();
  const [own] = copy.parameters();
  expect(own).not.toBe(weight);
  expect(copy.namedParameters().map(([name]) => name)).toEqual(["weight"]);
  weight.assign(weight.mul(2));
  expect(await own.toArray()).toEqual([1, 1]);
});

test("a copy has no gradients, and trains by itself", async () => {
  const model = new nn.Linear(2, 1);
  model
    .forward(ones([1, 2]))
    .sum()
    .backward();
  const copy = model.clone();
  expect(copy.weight.grad).toBeNull();
  copy
    .forward(ones([1, 2]))
    .sum()
    .backward();
  expect(await copy.weight.grad?.toArray()).toEqual([[1, 1]]);
  expect(await model.weight.grad?.toArray()).toEqual([[1, 1]]);
});
