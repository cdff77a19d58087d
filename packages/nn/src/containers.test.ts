/** Containers: names, order, access and text. */
import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, init, ones, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import {
  type Layer,
  Linear,
  Module,
  ModuleDict,
  ModuleList,
  type Named,
  Parameter,
  ParameterDict,
  ParameterList,
  ReLU,
  Sequential,
  Tanh,
} from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const names = (module: Module): string[] => module.namedParameters().map(([name]) => name);

test("Sequential runs its modules in order, named by place or by key", async () => {
  const double = new Linear(1, 1, { bias: false });
  double.weight.assign(tensor([[2]]));
  const plain = new Sequential(double, new ReLU()).push(double);
  expect(plain).toHaveLength(3);
  expect(names(plain)).toEqual(["0.weight"]);
  expect(await plain.forward(tensor([[3]])).toArray()).toEqual([[12]]);
  for (const layers of [
    { body: double, act: new Tanh() },
    new Map([
      ["body", double],
      ["act", new Tanh()],
    ]),
  ]) {
    // biome-ignore format: short
    const model = new Sequential(layers as Named<Layer>);
    expect(names(model)).toEqual(["body.weight"]);
    expect(model.get("body")).toBe(double);
    expect(model.at(-1)).toBeInstanceOf(Tanh);
  }
  expect([...plain]).toHaveLength(3);
  expect(() => plain.at(3)).toThrow(/there are 3 modules/);
  expect(() => new Sequential({ "a.b": double })).toThrow(ArgumentError);
  expect(String(new Sequential())).toBe("Sequential()");
});

test("ModuleList names its items by index, and prints equal neighbours once", () => {
  const list = new ModuleList<Module>([new Linear(1, 2), new Linear(1, 2)]).push(new ReLU());
  expect(names(list)).toEqual(["0.weight", "0.bias", "1.weight", "1.bias"]);
  expect(list.at(-1)).toBeInstanceOf(ReLU);
  expect(() => list.at(3)).toThrow(/there are 3 modules/);
  expect([...list]).toHaveLength(3);
  expect(String(list)).toBe(
    "ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=2, bias=True)\n  (2): ReLU()\n)",
  );
});

test("ModuleDict names its items by key, in order of insertion", () => {
  const dict = new ModuleDict<Module>({ policy: new Linear(1, 2, { bias: false }) });
  dict.set("value", new Linear(1, 1));
  expect(names(dict)).toEqual(["policy.weight", "value.weight", "value.bias"]);
  expect([...dict.keys()]).toEqual(["policy", "value"]);
  expect([...dict].map(([name]) => name)).toEqual(["policy", "value"]);
  expect(dict.has("value") && dict.delete("value")).toBe(true);
  expect(dict).toHaveLength(1);
  expect(() => dict.get("value")).toThrow(/no value: there are policy/);
  expect(() => dict.set("", new ReLU())).toThrow(/not empty/);
});

test("ParameterList and ParameterDict make parameters of tensors, and keep parameters", async () => {
  class Model extends Module {
    readonly shared = new Parameter(ones([2]));
    readonly list = new ParameterList([this.shared, zeros([3])]);
    readonly dict = new ParameterDict({ a: zeros([1]) }).set("b", this.shared);

    override forward(): Tensor {
      return this.list.at(0).add(this.dict.get("a"));
    }
  }
  const model = new Model();
  expect(names(model)).toEqual(["shared", "list.1", "dict.a"]);
  expect(Object.keys(model.stateDict())).toEqual(["shared", "list.0", "list.1", "dict.a", "dict.b"]);
  model.forward().sum().backward();
  expect(await model.dict.get("a").grad?.toArray()).toEqual([2]);
  expect([...model.list]).toHaveLength(2);
  expect(String(model.list)).toContain("(1): Parameter containing: [float64 of size 3]");
  expect(() => model.dict.get("c")).toThrow(/no c: there are a, b/);
});
