/** The tape's methods on Tensor: leaves, detaching, hooks, images. And the switch. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { add, exp, GradError, init, mul, scope, type Tensor, tensor } from "@loopgrad/tensor";
import { enableGrad, grad, image, isGradEnabled, noGrad } from "./index.ts";
import type { GradMode } from "./mode.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

describe("requiresGrad", () => {
  test("flows from inputs to results", () => {
    const [x, c] = [leaf(1), tensor([1])];
    expect([x.requiresGrad, x.isLeaf]).toEqual([true, true]);
    expect([c.requiresGrad, c.isLeaf]).toEqual([false, true]);
    const y = add(x, c);
    expect([y.requiresGrad, y.isLeaf]).toEqual([true, false]);
    expect(add(c, c).requiresGrad).toBe(false);
    expect(x.gt(c).requiresGrad).toBe(false);
  });

  test("can be turned off for a leaf only", () => {
    const x = leaf(1).requiresGrad_(false);
    expect(exp(x).requiresGrad).toBe(false);
    expect(() => exp(leaf(1)).requiresGrad_(false)).toThrow(/computed on the tape; detach\(\)/);
    const y = exp(leaf(1));
    expect(y.requiresGrad_()).toBe(y);
    expect(y.isLeaf).toBe(false);
  });
});

test("detach has the value and no gradient", async () => {
  const x = leaf(3);
  const [g] = grad(mul(x, mul(x, x).detach()), [x]);
  expect(await read(g)).toEqual([9]);
});

test("what is detached is stored by the next flush, although something consumed it", async () => {
  const { device } = leaf(1);
  for (const detached of [true, false]) {
    const y = mul(leaf(1, 2), 3);
    const used = detached ? y.detach() : y;
    const sum = noGrad(() => used.sum());
    device.flush();
    const { plansMade, plansReplayed } = device.stats();
    await used.data();
    const after = device.stats();
    expect(after.plansMade + after.plansReplayed > plansMade + plansReplayed).toBe(!detached);
    expect(await read(sum)).toEqual([9]);
  }
});

describe("the switch", () => {
  test("is off within noGrad and on again within enableGrad, as function and as block", () => {
    const x = leaf(1);
    expect(noGrad(() => exp(x).requiresGrad)).toBe(false);
    expect(noGrad(() => enableGrad(() => exp(x).requiresGrad))).toBe(true);
    {
      using _ = noGrad();
      expect(isGradEnabled()).toBe(false);
      {
        using _ = enableGrad();
        expect(isGradEnabled()).toBe(true);
      }
      expect(isGradEnabled()).toBe(false);
    }
    expect(isGradEnabled()).toBe(true);
  });

  test("is turned back after an error", () => {
    expect(() =>
      noGrad(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(isGradEnabled()).toBe(true);
  });

  test("is turned for all of an async function, and for nothing else", async () => {
    const seen: boolean[] = [];
    const running = noGrad(async () => {
      seen.push(isGradEnabled());
      await null;
      seen.push(isGradEnabled());
    });
    expect(isGradEnabled()).toBe(true);
    await running;
    expect(isGradEnabled()).toBe(true);
    expect(seen).toEqual([false, false]);
  });
});

describe("while the code of a block waits for a read, an operation for which the switch makes a difference", () => {
  /** Opens blocks one in another, and waits in the innermost. */
  async function waiting(x: Tensor, ...modes: (() => GradMode)[]): Promise<boolean> {
    if (modes.length === 0) {
      await x.add(1).data();
      return exp(x).requiresGrad;
    }
    using _ = modes[0]();
    return await waiting(x, ...modes.slice(1));
  }
  const BLOCKS: [string, (() => GradMode)[], refused: boolean, wanted: boolean][] = [
    ["noGrad", [noGrad], true, false],
    ["enableGrad", [enableGrad], false, true],
    ["enableGrad in noGrad", [noGrad, enableGrad], true, true],
    ["noGrad in enableGrad", [enableGrad, noGrad], true, false],
    ["noGrad in noGrad", [noGrad, noGrad], true, false],
    ["enableGrad in enableGrad", [enableGrad, enableGrad], false, true],
  ];
  test.each(BLOCKS)("is refused where it cannot be told whose it is: %s", async (_, modes, refused, wanted) => {
    const x = leaf(1, 2);
    const running = waiting(x, ...modes);
    const call = (): boolean => exp(x).requiresGrad;
    if (refused) {
      expect(call).toThrow(GradError);
      expect(call).toThrow(/exp: is a gradient wanted\? A block with \w+\(\) waits for a read/);
    } else expect(call()).toBe(true);
    // What the caller says himself is clear; and what has no gradient in any case.
    expect([noGrad(call), enableGrad(call), exp(tensor([1])).requiresGrad]).toEqual([false, true, false]);
    expect(await running).toBe(wanted);
    expect(call()).toBe(true);
  });

  test("is not, where all around it is turned alike", async () => {
    const x = leaf(1, 2);
    const [inside, block] = noGrad(() => {
      const running = waiting(x, noGrad);
      return [exp(x).requiresGrad, running];
    });
    expect([inside, await block]).toEqual([false, false]);
    const other = noGrad(() => {
      const running = waiting(x, enableGrad);
      expect(() => exp(x)).toThrow(/A block with enableGrad\(\) waits/);
      return running;
    });
    expect(await other).toBe(true);
  });
});

describe("hooks", () => {
  test("see the whole gradient once, and may replace it", async () => {
    const x = leaf(3);
    const h = mul(x, x);
    const seen: Tensor[] = [];
    h.registerHook((g) => {
      seen.push(g);
      return undefined;
    });
    h.registerHook((g) => mul(g, 10));
    h.registerHook((g) => {
      seen.push(g);
      return null;
    });
    add(h, mul(h, 2)).backward();
    expect(await Promise.all(seen.map(read))).toEqual([[3], [30]]);
    expect(await read(x.grad)).toEqual([180]);
  });

  test("of a leaf run before its grad is added to, and can be removed", async () => {
    const x = leaf(3);
    const { remove } = x.registerHook((g) => mul(g, 0));
    mul(x, x).backward();
    remove();
    remove();
    expect(await read(x.grad)).toEqual([0]);
    mul(x, x).backward();
    expect(await read(x.grad)).toEqual([6]);
  });

  test("work at higher orders", async () => {
    const x = leaf(3);
    const h = mul(x, x);
    const { remove } = h.registerHook((g) => mul(g, g));
    const [g] = grad(mul(h, h), [x], { createGraph: true });
    // (2x²)² · 2x = 8x⁵. The next walk passes h again, so the hook goes first.
    remove();
    expect(await read(g)).toEqual([8 * 3 ** 5]);
    expect(await read(grad(g as Tensor, [x])[0])).toEqual([40 * 3 ** 4]);
  });

  test("may ask for gradients themselves", async () => {
    const x = leaf(3);
    const y = mul(x, x);
    y.registerHook((g) => {
      const [inner] = grad(
        enableGrad(() => exp(mul(x, 0))),
        [x],
      );
      return add(g, inner as Tensor);
    });
    expect(await read(grad(y, [x])[0])).toEqual([6]);
  });

  test("refuse another shape, and a tensor without gradient", () => {
    const x = leaf(3, 4);
    x.registerHook((g) => g.sum());
    expect(() => exp(x).sum().backward()).toThrow(/hook returned .*\[\].*for the gradient of leaf \[2\]/);
    expect(() => tensor([1]).registerHook(() => null)).toThrow(/does not require/);
    // Of another dtype, or no tensor at all; in a chain after one that is right.
    for (const wrong of [(g: Tensor) => g.to("float32"), () => 1, () => "g", () => [x], () => false]) {
      const y = leaf(3, 4);
      const seen: Tensor[] = [];
      y.registerHook((g) => mul(g, 2));
      const { remove } = y.registerHook(wrong as never);
      y.registerHook((g) => void seen.push(g));
      expect(() => exp(y).sum().backward()).toThrow(
        /a hook returned .* for the gradient of leaf \[2\]: shape and dtype/,
      );
      expect([y.grad, seen]).toEqual([null, []]);
      remove();
      mul(y, 3).sum().backward();
      expect(seen).toHaveLength(1);
    }
  });

  test("retainGrad keeps the gradient of an intermediate result", async () => {
    const x = leaf(3);
    const h = mul(x, x).retainGrad();
    mul(h, h).backward();
    expect(await read(h.grad)).toEqual([18]);
    expect(() => tensor([1]).retainGrad()).toThrow(/does not require/);
  });
});

describe("image", () => {
  test("is a place of its own that gradients flow through", async () => {
    const x = leaf(3);
    const y = image(x);
    const loss = mul(y, y);
    expect(await read(grad(loss, [y], { retainGraph: true })[0])).toEqual([6]);
    expect(await read(grad(loss, [x])[0])).toEqual([6]);
    expect(() => grad(mul(x, x), [y])).toThrow(/not used/);
    expect(image(tensor([1])).requiresGrad).toBe(false);
  });
});

test("released tensors let go of their gradient", () => {
  const x = scope(() => leaf(2));
  exp(x).backward();
  const { grad: g } = x;
  x.dispose();
  expect(g?.isReleased).toBe(true);
});
