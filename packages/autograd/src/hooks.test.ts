/** Hooks on gradients that change the list of hooks while it is run: those that were there when it began are called. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, scope, type Tensor, tensor, type Value } from "@loopgrad/tensor";
import { checkpoint, customFunction, grad } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const values = async (x: Tensor | null | undefined): Promise<number[]> => Array.from(await (x as Tensor).data());
const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });

/** Places on the tape: y = 3 · place(x), and the place's own tensor, whose gradient is 3. */
const PLACES: Record<string, (x: Tensor) => Tensor> = {
  "a leaf": (x) => x,
  "a result": (x) => x.mul(2),
  "the result of a checkpoint": checkpoint((x: Tensor) => x.mul(2)),
  "the result of a function of one's own": (x) =>
    customFunction({ forward: (_: unknown, a: Tensor) => a.mul(2), backward: (_: unknown, g: Tensor) => g.mul(2) })(x),
  "what is saved by its reader": (x) => x.exp(),
};

interface Handle {
  remove(): void;
}

const removeAll = (handles: Record<string, Handle>): void => {
  for (const handle of Object.values(handles)) handle.remove();
};

/** What hooks do when they are called; and who is called by the first walk, and who by the second. */
const ACTIONS: Record<
  string,
  [act: (name: string, handles: Record<string, Handle>, add: () => void) => void, string, string]
> = {
  "the first removes itself": [(name, handles) => name === "a" && handles.a.remove(), "abc", "bc"],
  "one in the middle removes itself": [(name, handles) => name === "b" && handles.b.remove(), "abc", "ac"],
  "the last removes itself": [(name, handles) => name === "c" && handles.c.remove(), "abc", "ab"],
  "all remove themselves": [(name, handles) => handles[name].remove(), "abc", ""],
  "one removes the next": [(name, handles) => name === "a" && handles.b.remove(), "abc", "ac"],
  "one removes the one before": [(name, handles) => name === "b" && handles.a.remove(), "abc", "bc"],
  "one removes all": [(name, handles) => name === "b" && removeAll(handles), "abc", ""],
  "one removes itself twice": [
    (name, handles) => {
      for (const _ of "12") if (name === "a") handles.a.remove();
    },
    "abc",
    "bc",
  ],
  "one adds another": [(name, _, add) => name === "b" && add(), "abc", "abcd"],
  "one removes itself and adds another": [
    (name, handles, add) => {
      if (name !== "a") return;
      handles.a.remove();
      add();
    },
    "abc",
    "bcd",
  ],
};

describe.each(Object.keys(PLACES))("on %s", (where) => {
  test.each(Object.keys(ACTIONS))("%s", async (what) => {
    const [act, first, second] = ACTIONS[what];
    const x = leaf(0.5, -1);
    const place = PLACES[where](x);
    const handles: Record<string, Handle> = {};
    let called = "";
    let acts = true;
    const register = (name: string): void => {
      handles[name] = place.registerHook((g) => {
        called += name;
        if (acts) act(name, handles, () => register("d"));
        return g.add(1);
      });
    };
    for (const name of "abc") register(name);
    const walk = (): Promise<number[]> => {
      called = "";
      return values(grad(place.mul(3).sum(), [place], { retainGraph: true })[0]);
    };
    // Each call adds 1 to a gradient of 3.
    expect([await walk(), called]).toEqual([[3 + first.length, 3 + first.length], first]);
    acts = false;
    expect([await walk(), called]).toEqual([[3 + second.length, 3 + second.length], second]);
  });

  test("a function that is registered several times is taken off once, in its own place", async () => {
    const place = PLACES[where](leaf(0.5, -1));
    const called: string[] = [];
    const twice = (): undefined => {
      called.push("twice");
    };
    const handle = place.registerHook(twice);
    place.registerHook(() => {
      called.push("once");
    });
    const last = place.registerHook(twice);
    const walk = (): string[] => {
      called.length = 0;
      grad(place.sum(), [place], { retainGraph: true });
      return [...called];
    };
    expect(walk()).toEqual(["twice", "once", "twice"]);
    last.remove();
    last.remove();
    expect(walk()).toEqual(["twice", "once"]);
    handle.remove();
    expect(walk()).toEqual(["once"]);
  });
});

test("of the gradients that hooks saw and replaced nothing is held after the walk", () => {
  const seen: Value[] = [];
  scope(() => {
    const x = leaf(0.5, -1);
    const y = x.exp();
    for (const place of [x, y]) {
      for (let i = 0; i < 3; i++) {
        place.registerHook((g) => {
          seen.push(g._value);
          return i === 1 ? undefined : g.mul(2);
        });
      }
    }
    grad(y.sum(), [x]);
    expect(() => {
      x.registerHook(() => tensor([1]));
      grad(x.exp().sum(), [x]);
    }).toThrow(/shape and dtype must stay/);
  });
  expect(seen).toHaveLength(9);
  expect(seen.map(({ pins, handles }) => [pins, handles])).toEqual(seen.map(() => [0, 0]));
});
