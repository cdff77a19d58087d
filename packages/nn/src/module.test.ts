/** Modules: what is found where, under which names; modes, state dicts, text. */
import { inspect } from "node:util";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, LoopgradError, manualSeed, ShapeError, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import { BatchNorm1d, Buffer, Dropout, Linear, Module, Parameter, ReLU, Sequential, substitute } from "./index.ts";

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

  test("refuse missing and unknown names, unless told not to be strict", () => {
    const layer = new Linear(2, 1);
    const weight = zeros([1, 2]);
    expect(() => layer.loadStateDict({ weight })).toThrow(/missing: bias; unexpected: none/);
    expect(() => layer.loadStateDict({ weight, bias: zeros([1]), extra: weight })).toThrow(/unexpected: extra/);
    expect(layer.loadStateDict({ weight, extra: weight }, { strict: false })).toEqual({
      missing: ["bias"],
      unexpected: ["extra"],
    });
    expect(() => layer.loadStateDict({}, { assign: true } as object)).toThrow(/unknown option assign/);
  });

  test("list all that is wrong in one error, and load nothing then", async () => {
    const model = new Sequential(new Linear(2, 1), new BatchNorm1d(1));
    const before = await Promise.all(Object.values(model.stateDict()).map(read));
    const state = {
      ...model.stateDict(),
      "0.weight": zeros([2, 1]),
      "1.num_batches_tracked": zeros([]),
      "1.weight": zeros([1]),
      extra: zeros([1]),
    };
    delete (state as Record<string, Tensor>)["0.bias"];
    const load = (strict: boolean) => () => model.loadStateDict(state, { strict });
    for (const strict of [true, false]) {
      expect(load(strict)).toThrow(ShapeError);
      expect(load(strict)).toThrow(
        /missing: 0.bias; unexpected: extra; misfits: 0.weight: .* shape \[1, 2\], the tensor \[2, 1\]; 1.num_batches_tracked: the slot is int32, the tensor float64\. Nothing was loaded/,
      );
    }
    expect(await Promise.all(Object.values(model.stateDict()).map(read))).toEqual(before);
  });

  test("convert floats of another precision", async () => {
    const layer = new Linear(1, 1, { bias: false });
    layer.loadStateDict({ weight: tensor([[0.5]], { dtype: "float32" }) });
    expect(layer.weight.dtype).toBe("float64");
    expect(await read(layer.weight)).toEqual([0.5]);
  });

  test("are not loaded while a functional call stands for a parameter", () => {
    const layer = new Linear(1, 1);
    const load = () => substitute(layer, { params: layer.parameters() }, (m) => m.loadStateDict(m.stateDict()));
    expect(load).toThrow(/a functional call is running/);
  });

  test("take a shared parameter under any of its names", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const model = new Sequential(layer, layer);
    model.loadStateDict({ "1.weight": tensor([[7]]) });
    expect(await read(layer.weight)).toEqual([7]);
  });
});

describe("text", () => {
  test("is the tree as torch prints it", () => {
    const model = new Sequential(new Linear(2, 3), new Sequential(new ReLU(), new Dropout({ p: 0.1 })));
    expect(String(model)).toBe(`Sequential(
  (0): Linear(in_features=2, out_features=3, bias=True)
  (1): Sequential(
    (0): ReLU()
    (1): Dropout(p=0.1, inplace=False)
  )
)`);
  });

  test("has a module's own settings before its children, and a shared child under each name", () => {
    class Two extends Module {
      readonly a = new ReLU();
      readonly b = this.a;
      override extraRepr(): string {
        return "x=1\ny=2";
      }
    }
    expect(String(new Two())).toBe("Two(\n  x=1\n  y=2\n  (a): ReLU()\n  (b): ReLU()\n)");
  });

  test("ends where a module holds its parent", () => {
    class Child extends Module {
      parent: Module | null = null;
    }
    class Parent extends Module {
      readonly child = new Child();
    }
    const parent = new Parent();
    parent.child.parent = parent;
    expect(String(parent)).toBe("Parent(\n  (child): Child(\n    (parent): Parent(…)\n  )\n)");
  });
});

test("parameters are counted once each, all or those that are not frozen", () => {
  const layer = new Linear(3, 2);
  const model = new Sequential(layer, layer, new Linear(2, 2));
  layer.bias?.requiresGrad_(false);
  expect(model.parameterCount()).toBe(8 + 6);
  expect(model.parameterCount({ trainable: true })).toBe(6 + 6);
});

test("apply visits children before their parents", () => {
  const seen: string[] = [];
  new Sequential(new Linear(1, 1), new Sequential(new ReLU())).apply((m) => void seen.push(m.constructor.name));
  expect(seen).toEqual(["ReLU", "Sequential", "Linear", "Sequential"]);
});

test("an unknown option of a layer is an error", () => {
  expect(() => new Linear(1, 1, { biases: false } as object)).toThrow(/unknown option biases: wanted one of bias/);
});

test("console.log shows a module as its text", () => {
  const layer = new Linear(1, 2);
  expect(inspect(layer)).toBe(String(layer));
});
