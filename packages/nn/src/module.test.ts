/** Modules: what is found where, under which names; modes, state dicts, text. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, LoopgradError, manualSeed, ShapeError, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import { BatchNorm1d, Buffer, Dropout, Linear, Module, ModuleList, Parameter, ReLU, Sequential } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

class Everything extends Module {
  readonly scale = new Parameter(zeros([1]));
  readonly list = [new Linear(1, 1), new Linear(1, 1, { bias: false })];
  readonly byName = new Map<string, Module>([["a", new BatchNorm1d(1)]]);
  readonly settings = { gain: new Parameter(zeros([])), verbose: true };
  readonly late = new Buffer(zeros([1]));
  readonly #hidden = this.register("hidden", new Parameter(zeros([2])));
  last: Tensor | null = null;

  override forward(x: Tensor): Tensor {
    return x.mul(this.scale).add(this.#hidden.sum());
  }
}

describe("members", () => {
  test("are found in fields, arrays, maps and objects; own ones first, then the children's", () => {
    const module = new Everything();
    expect(module.namedParameters().map(([name]) => name)).toEqual([
      "scale",
      "settings.gain",
      "hidden",
      "list.0.weight",
      "list.0.bias",
      "list.1.weight",
      "byName.a.weight",
      "byName.a.bias",
    ]);
    expect(module.namedBuffers().map(([name]) => name)).toEqual([
      "late",
      "byName.a.running_mean",
      "byName.a.running_var",
      "byName.a.num_batches_tracked",
    ]);
    expect(module.namedModules().map(([name]) => name)).toEqual(["", "list.0", "list.1", "byName.a"]);
  });

  test("shared ones come once, under their first name", () => {
    const layer = new Linear(2, 2);
    const model = new Sequential(layer, new ReLU(), layer);
    expect(model.namedParameters().map(([name]) => name)).toEqual(["0.weight", "0.bias"]);
    expect(model.modules()).toHaveLength(3);
    expect(Object.keys(model.stateDict())).toEqual(["0.weight", "0.bias", "2.weight", "2.bias"]);
  });

  test("a module that holds its parent is walked once", () => {
    class Child extends Module {
      parent: Module | null = null;
      readonly w = new Parameter(zeros([1]));
    }
    class Parent extends Module {
      readonly child = new Child();
    }
    const parent = new Parent();
    parent.child.parent = parent;
    expect(parent.namedParameters().map(([name]) => name)).toEqual(["child.w"]);
    expect(Object.keys(parent.stateDict())).toEqual(["child.w"]);
  });

  test("register refuses a name that is taken", () => {
    const module = new Everything();
    expect(() => module.register("scale", new Parameter(zeros([1])))).toThrow(LoopgradError);
  });

  test("lists and sequences name their items by index", () => {
    const list = new ModuleList([new Linear(1, 2), new Linear(2, 3)]);
    expect(list.namedParameters().map(([name]) => name)).toEqual(["0.weight", "0.bias", "1.weight", "1.bias"]);
    expect(list.at(-1).outFeatures).toBe(3);
    expect(() => list.at(2)).toThrow(/there are 2 modules/);
    expect([...new Sequential(new ReLU())]).toHaveLength(1);
  });
});

describe("modes", () => {
  test("train and eval reach every module", () => {
    const model = new Sequential(new Dropout(), new Sequential(new BatchNorm1d(2)));
    expect(
      model
        .eval()
        .modules()
        .map((m) => m.training),
    ).toEqual([false, false, false, false]);
    expect(
      model
        .train()
        .modules()
        .map((m) => m.training),
    ).toEqual([true, true, true, true]);
  });

  test("requiresGrad_ freezes all, zeroGrad drops all gradients", () => {
    const layer = new Linear(2, 1);
    layer
      .forward(tensor([[1, 2]]))
      .sum()
      .backward();
    expect(layer.weight.grad).not.toBeNull();
    layer.zeroGrad();
    expect(layer.weight.grad).toBeNull();
    layer.requiresGrad_(false);
    expect(layer.forward(tensor([[1, 2]])).requiresGrad).toBe(false);
  });
});

describe("state dicts", () => {
  test("are snapshots, and load back", async () => {
    const model = new Sequential(new Linear(2, 3), new BatchNorm1d(3));
    const before = model.stateDict();
    const weight = await read(before["0.weight"]);
    for (const parameter of model.parameters()) parameter.assign(zeros(parameter.shape));
    expect(await read(before["0.weight"])).toEqual(weight);
    expect(model.loadStateDict(before)).toEqual({ missing: [], unexpected: [] });
    expect(await read(model.parameters()[0])).toEqual(weight);
  });

  test("refuse missing, unknown and misshapen entries", () => {
    const layer = new Linear(2, 1);
    const weight = zeros([1, 2]);
    expect(() => layer.loadStateDict({ weight })).toThrow(/missing: bias; unexpected: none/);
    expect(() => layer.loadStateDict({ weight, bias: zeros([1]), extra: weight })).toThrow(/unexpected: extra/);
    expect(layer.loadStateDict({ weight, extra: weight }, { strict: false })).toEqual({
      missing: ["bias"],
      unexpected: ["extra"],
    });
    expect(() => layer.loadStateDict({ weight: zeros([2, 1]), bias: zeros([1]) })).toThrow(ShapeError);
  });

  test("take a shared parameter under any of its names", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const model = new Sequential(layer, layer);
    model.loadStateDict({ "1.weight": tensor([[7]]) });
    expect(await read(layer.weight)).toEqual([7]);
  });
});

test("toString shows the tree", () => {
  const model = new Sequential(new Linear(2, 3), new Sequential(new ReLU(), new Dropout({ p: 0.1 })));
  expect(String(model)).toBe(`Sequential(
  (0): Linear(inFeatures=2, outFeatures=3, bias=true)
  (1): Sequential(
    (0): ReLU()
    (1): Dropout(p=0.1)
  )
)`);
});

test("an unknown option of a layer is an error", () => {
  expect(() => new Linear(1, 1, { biases: false } as object)).toThrow(/unknown option biases: wanted one of bias/);
});
