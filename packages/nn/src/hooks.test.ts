/** Forward hooks: what they see and replace, wherever a forward is entered. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { checkpoint, grad } from "@loopgrad/autograd";
import { ArgumentError, init, manualSeed, type Tensor, tensor } from "@loopgrad/tensor";
import { functionalCall, Linear, Module, Parameter, Sequential, substitute, Tanh } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(3);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

/** x · scale, with a #private field, and an override that calls the one above it. */
class Scale extends Module {
  readonly #scale = this.register("scale", new Parameter(tensor([2])));

  override forward(x: Tensor): Tensor {
    return x.mul(this.#scale);
  }
}

class ScaleAndShift extends Scale {
  override forward(x: Tensor): Tensor {
    return super.forward(x).add(1);
  }
}

describe("hooks", () => {
  test("see the arguments and the output, in the order in which they were registered", async () => {
    const module = new ScaleAndShift();
    const calls: string[] = [];
    module.registerForwardHook((m, [x], y) => {
      calls.push(`first ${m === module} ${x.shape} ${y.shape}`);
    });
    module.registerForwardHook(() => void calls.push("second"));
    module.registerForwardHook(() => void calls.push("prepended"), { prepend: true });
    module.registerForwardPreHook((_m, [x]) => void calls.push(`before ${x.shape}`));
    expect(await read(module.forward(tensor([1, 2])))).toEqual([3, 5]);
    expect(calls).toEqual(["before 2", "prepended", "first true 2 2", "second"]);
  });

  test("a pre-hook replaces one argument or all, a hook the output", async () => {
    const module = new ScaleAndShift();
    module.registerForwardPreHook((_m, [x]) => x.add(10));
    module.registerForwardPreHook((_m, [x]) => [x.mul(-1)]);
    module.registerForwardHook((_m, _args, y) => y.square());
    // (−(1 + 10) · 2 + 1)²
    expect(await read(module.forward(tensor([1])))).toEqual([441]);
  });

  test("run in a parent, in a functional call, in a substitution and when a checkpoint computes again", async () => {
    const module = new ScaleAndShift();
    const model = new Sequential(module, new Tanh());
    let calls = 0;
    module.registerForwardHook((_m, _args, y) => {
      calls++;
      return y.sub(1);
    });
    const x = tensor([0.25], { requiresGrad: true });
    const wanted = Math.tanh(0.5);
    const params = { "0.scale": tensor([4]) };
    expect((await read(model.forward(x)))[0]).toBeCloseTo(wanted, 12);
    expect((await read(functionalCall(model, { params }, x)))[0]).toBeCloseTo(Math.tanh(1), 12);
    const { output } = substitute(model, { params }, (m) => m.at(0).forward(x));
    expect(await read(output)).toEqual([1]);
    expect(calls).toBe(3);
    const [g] = grad(checkpoint((input: Tensor) => model.forward(input))(x).sum(), [x]);
    expect((await read(g))[0]).toBeCloseTo(2 * (1 - wanted ** 2), 12);
    expect(calls).toBe(5);
  });

  test("what a hook computes is on the tape, to second order", async () => {
    const module = new Scale();
    const strength = tensor([3], { requiresGrad: true });
    module.registerForwardHook((_m, _args, y) => y.mul(strength).square());
    const x = tensor([1], { requiresGrad: true });
    // y = (2 x s)²: dy/dx = 8 x s², d²y/dx ds = 16 x s
    const [dx] = grad(module.forward(x).sum(), [x], { createGraph: true });
    expect(await read(dx)).toEqual([72]);
    const [ds] = grad((dx as Tensor).sum(), [strength]);
    expect(await read(ds)).toEqual([48]);
  });
});

describe("a handle", () => {
  test("takes its hook off, once; the last one leaves the module as it was", async () => {
    const module = new ScaleAndShift();
    const double = (_m: Module, _args: unknown, y: Tensor): Tensor => y.mul(2);
    const first = module.registerForwardHook(double);
    const second = module.registerForwardHook(double);
    first.remove();
    first.remove();
    expect(await read(module.forward(tensor([1])))).toEqual([6]);
    second.remove();
    expect(await read(module.forward(tensor([1])))).toEqual([3]);
    expect(Object.hasOwn(module, "forward")).toBe(false);
  });

  test("is disposed of by `using`, and may be removed from within its hook", async () => {
    const module = new Scale();
    {
      using _ = module.registerForwardPreHook((_m, [x]) => x.add(1));
      expect(await read(module.forward(tensor([1])))).toEqual([4]);
    }
    expect(await read(module.forward(tensor([1])))).toEqual([2]);
    let calls = 0;
    const handle = module.registerForwardHook(() => {
      calls++;
      handle.remove();
    });
    module.forward(module.forward(tensor([1])));
    expect(calls).toBe(1);
  });

  test("gives back a forward that is a field", async () => {
    class Field extends Module {
      override forward = (x: Tensor): Tensor => x.mul(5);
    }
    const module = new Field();
    const { forward } = module;
    const handle = module.registerForwardHook((_m, _args, y) => y.add(1));
    expect(await read(module.forward(tensor([1])))).toEqual([6]);
    handle.remove();
    expect(module.forward).toBe(forward);
  });
});

test("a hooked module has the same members, and shows no field more", () => {
  const layer = new Linear(1, 1);
  const fields = Object.keys(layer);
  layer.registerForwardHook(() => {});
  expect(Object.keys(layer)).toEqual(fields);
  expect(layer.namedParameters().map(([name]) => name)).toEqual(["weight", "bias"]);
});

test("what is no function, and unknown options, are refused", () => {
  const layer = new Linear(1, 1);
  expect(() => layer.registerForwardHook(null as unknown as () => undefined)).toThrow(ArgumentError);
  expect(() => layer.registerForwardPreHook(() => {}, { once: true } as object)).toThrow(/unknown option once/);
});

describe("hooks that change the list while it is run", () => {
  type Handles = Record<string, { remove(): void }>;
  type Act = (name: string, handles: Handles, add: (name: string) => void) => void;
  const remove = (handles: Handles, ...names: string[]): void => {
    for (const name of names) handles[name].remove();
  };

  /** Hooks a, b, c, and pre-hooks A, B, C; what they do when called; who is called in the first forward, and in the second. */
  const ACTIONS: Record<string, [act: Act, first: string, second: string]> = {
    "the first removes itself": [(name, h) => name === "a" && remove(h, "a"), "ABCabc", "ABCbc"],
    "the last pre-hook removes itself": [(name, h) => name === "C" && remove(h, "C"), "ABCabc", "ABabc"],
    "all remove themselves": [(name, h) => remove(h, name), "ABCabc", ""],
    "one removes the next": [(name, h) => name === "A" && remove(h, "B"), "ABCabc", "ACabc"],
    "one removes the one before": [(name, h) => name === "b" && remove(h, "a"), "ABCabc", "ABCbc"],
    "a pre-hook removes hooks": [(name, h) => name === "B" && remove(h, "a", "c"), "ABCb", "ABCb"],
    "a pre-hook removes all": [(name, h) => name === "A" && remove(h, ..."ABCabc"), "ABC", ""],
    "a hook removes all": [(name, h) => name === "a" && remove(h, ..."ABCabc"), "ABCabc", ""],
    "a hook adds one of each": [
      (name, _, add) => {
        if (name === "b") for (const one of "dD") add(one);
      },
      "ABCabc",
      "ABCDabcd",
    ],
    "a pre-hook adds one of each": [
      (name, _, add) => {
        if (name === "B") for (const one of "dD") add(one);
      },
      "ABCabcd",
      "ABCDabcd",
    ],
    "a pre-hook removes all, and adds one of each": [
      (name, h, add) => {
        if (name !== "A") return;
        remove(h, ..."ABCabc");
        for (const one of "dD") add(one);
      },
      "ABCd",
      "Dd",
    ],
  };

  test.each(Object.keys(ACTIONS))("%s", async (what) => {
    const [act, first, second] = ACTIONS[what];
    const module = new Scale();
    const handles: Handles = {};
    let called = "";
    let acts = true;
    const register = (name: string): void => {
      const look = (): undefined => {
        called += name;
        if (acts) act(name, handles, register);
      };
      handles[name] =
        name < "a"
          ? module.registerForwardPreHook((_m, [x]) => look() ?? x.add(1))
          : module.registerForwardHook((_m, _args, y) => look() ?? y.add(1));
    };
    for (const name of "abcABC") register(name);
    const value = (calls: string): number =>
      2 * (3 + [...calls].filter((c) => c < "a").length) + calls.replace(/[A-Z]/g, "").length;
    const forward = async (): Promise<unknown> => {
      called = "";
      return [await read(module.forward(tensor([3]))), called];
    };
    expect(await forward()).toEqual([[value(first)], first]);
    acts = false;
    expect(await forward()).toEqual([[value(second)], second]);
    for (const handle of Object.values(handles)) handle.remove();
    expect(await forward()).toEqual([[6], ""]);
    expect(Object.hasOwn(module, "forward")).toBe(false);
  });
});
