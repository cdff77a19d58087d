/** grad and backward: what they return, where they put it, and what they refuse. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  ArgumentError,
  add,
  type Device,
  exp,
  GradError,
  init,
  matmul,
  mul,
  ReleasedError,
  scope,
  sin,
  sum,
  type Tensor,
  tanh,
  tensor,
} from "@loopgrad/tensor";
import { grad, noGrad } from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

describe("grad", () => {
  test("of a product by both factors", async () => {
    const [a, b] = [leaf(2, 3), leaf(5, 7)];
    const [ga, gb] = grad(sum(mul(a, b)), [a, b]);
    expect(await read(ga)).toEqual([5, 7]);
    expect(await read(gb)).toEqual([2, 3]);
  });

  test("adds up over all ways from input to output", async () => {
    const x = leaf(3);
    const y = add(mul(x, x), x);
    expect(await read(grad(y.sum(), x)[0])).toEqual([7]);
  });

  test("gives a vector-Jacobian product for a given vector", async () => {
    const x = tensor([[1, 2]], { requiresGrad: true });
    const w = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const [g] = grad(matmul(x, w), [x], { gradOutputs: tensor([[1, 0, -1]]) });
    expect(await (g as Tensor).toArray()).toEqual([[-2, -2]]);
  });

  test("of several outputs is that of their weighted sum", async () => {
    const x = leaf(2);
    const [square, double] = [mul(x, x), add(x, x)];
    const [g] = grad([square, double], [x], { gradOutputs: [tensor([10]), null] });
    expect(await read(g)).toEqual([42]);
    const again = grad([mul(x, x), add(x, x)], x);
    expect(await read(again[0])).toEqual([6]);
  });

  test("by a result in the middle of the graph", async () => {
    const x = leaf(2);
    const h = mul(x, x);
    const [gh, gx] = grad(mul(h, h).sum(), [h, x]);
    expect(await read(gh)).toEqual([8]);
    expect(await read(gx)).toEqual([32]);
  });

  test("by the output itself is what it was started with", async () => {
    const x = leaf(2);
    const y = mul(x, x);
    const v = tensor([3]);
    const [g] = grad(y, [y], { gradOutputs: v });
    expect(g).not.toBe(v);
    expect(await read(g)).toEqual([3]);
    const [one] = grad(x, [x]);
    expect(await read(one)).toEqual([1]);
  });

  test("by the same input twice gives two handles", async () => {
    const x = leaf(2);
    const [a, b] = grad(mul(x, x), [x, x]);
    expect(a).not.toBe(b);
    (a as Tensor).dispose();
    expect(await read(b)).toEqual([4]);
  });

  test("of any order: sin", async () => {
    const x = leaf(0.3, 1.2);
    let y = sin(x);
    for (const f of [Math.cos, (v: number) => -Math.sin(v), (v: number) => -Math.cos(v), Math.sin, Math.cos]) {
      [y] = grad(sum(y), [x], { createGraph: true }) as [Tensor];
      const expected = [f(0.3), f(1.2)];
      for (const [i, value] of (await read(y)).entries()) expect(value).toBeCloseTo(expected[i], 12);
    }
  });

  test("is off the tape, unless createGraph is set", () => {
    const x = leaf(2);
    const [off] = grad(exp(x), [x]);
    expect((off as Tensor).requiresGrad).toBe(false);
    const [on] = grad(exp(x), [x], { createGraph: true });
    expect((on as Tensor).requiresGrad).toBe(true);
    const v = leaf(1);
    const [passed] = grad(add(x, x), [x], { gradOutputs: v });
    expect((passed as Tensor).requiresGrad).toBe(false);
  });

  test("with createGraph differentiates through gradOutputs", async () => {
    const [x, v] = [leaf(2), leaf(5)];
    const [g] = grad(mul(x, x), [x], { gradOutputs: v, createGraph: true });
    expect(await read(grad(g as Tensor, [v])[0])).toEqual([4]);
  });

  test("with createGraph works within noGrad", async () => {
    const x = leaf(2);
    const y = mul(mul(x, x), x);
    const [g] = noGrad(() => grad(y, [x], { createGraph: true }));
    expect(await read(grad(g as Tensor, [x])[0])).toEqual([12]);
  });

  test("of an unused input is null where that is allowed", async () => {
    const [x, unused] = [leaf(2), leaf(3)];
    const [g, none] = grad(mul(x, x), [x, unused], { allowUnused: true });
    expect(await read(g)).toEqual([4]);
    expect(none).toBeNull();
  });

  test("retains the graph by default if it is itself on the tape", async () => {
    const x = leaf(2);
    const y = exp(x);
    grad(y, [x], { createGraph: true });
    expect((await read(grad(y, [x], { retainGraph: true })[0]))[0]).toBeCloseTo(Math.exp(2), 12);
    expect((await read(grad(y, [x])[0]))[0]).toBeCloseTo(Math.exp(2), 12);
    expect(() => grad(y, [x])).toThrow(/freed.*retainGraph: true/);
  });

  test("frees only what it walked", async () => {
    const x = leaf(2);
    const h = exp(x);
    const y = exp(h);
    const z = exp(h);
    grad(y, [h]);
    expect((await read(grad(z, [x])[0]))[0]).toBeCloseTo(Math.exp(2) * Math.exp(Math.exp(2)), 8);
  });
});

describe("what grad refuses", () => {
  test("an output that is not on the tape", () => {
    const x = leaf(2);
    expect(() => grad(tensor([1]), [x])).toThrow(/output 0, float64 \[1\], is not on the tape/);
    expect(() =>
      grad(
        noGrad(() => exp(x)),
        [x],
      ),
    ).toThrow(GradError);
  });

  test("several elements without gradOutputs, or gradOutputs of another shape", () => {
    const x = leaf(2, 3);
    expect(() => grad(exp(x), [x])).toThrow(/output 0 has shape \[2\].*pass \{ gradOutputs \}/);
    expect(() => grad(exp(x), [x], { gradOutputs: tensor([1]) })).toThrow(/its gradOutputs float64 \[1\]/);
    expect(() => grad(exp(x), [x], { gradOutputs: [null, null] })).toThrow(/1 outputs and 2 gradOutputs/);
  });

  test("an input that requires no gradient, or isn't used", () => {
    const [x, other] = [leaf(2), leaf(3)];
    expect(() => grad(exp(x), [tensor([1])])).toThrow(/input 0, float64 \[1\], does not require a gradient/);
    expect(() => grad(exp(x), [x, other])).toThrow(/input 1, float64 \[1\], was not used.*allowUnused: true/);
  });

  test("integers", () => {
    const x = leaf(2);
    expect(() => tensor([1], { dtype: "int32" }).requiresGrad_()).toThrow(/int32: only float tensors/);
    expect(() => grad(x.gt(1), [x])).toThrow(/output 0 is bool: only float tensors have gradients/);
    expect(() => grad(exp(x), [tensor([1], { dtype: "int32" })])).toThrow(/input 0 is int32/);
  });

  test("what is no tensor, in every place", () => {
    const x = leaf(2);
    const y = (): Tensor => mul(x, x);
    for (const wrong of [3, "x", undefined, {}, [x], () => x] as never[]) {
      const CALLS: [RegExp, () => unknown][] = [
        [/^grad: output 1 is /, () => grad([y(), wrong], [x])],
        [/^grad: input 1 is /, () => grad(y(), [x, wrong])],
        [/^grad: output 1's gradOutputs is /, () => grad([y(), y()], [x], { gradOutputs: [null, wrong ?? 3] })],
        [/^backward: input 1 is /, () => y().backward({ inputs: [x, wrong] })],
      ];
      for (const [begins, call] of CALLS) {
        expect(call).toThrow(ArgumentError);
        expect(call).toThrow(begins);
      }
    }
    for (const inputs of [[], [tensor([1])], [tensor([1], { dtype: "int32" })]]) {
      const call = (): void => y().backward({ inputs });
      if (inputs.length === 0) expect(call).not.toThrow();
      else expect(call).toThrow(/^backward: input 0/);
    }
    expect(x.grad).toBeNull();
  });

  test("an option that it does not know", () => {
    const x = leaf(2);
    expect(() => grad(exp(x), [x], { create_graph: true } as object)).toThrow(/unknown option create_graph/);
    expect(() => exp(x).backward({ retain: true } as object)).toThrow(/unknown option retain/);
  });
});

describe("backward", () => {
  test("adds to grad of every leaf, and keeps the handle", async () => {
    const [x, w] = [leaf(2, 3), leaf(5, 7)];
    mul(x, w).sum().backward();
    const first = w.grad;
    mul(x, w).sum().backward();
    expect(w.grad).toBe(first);
    expect(await read(w.grad)).toEqual([4, 6]);
    expect(await read(x.grad)).toEqual([10, 14]);
    expect((w.grad as Tensor).requiresGrad).toBe(false);
  });

  test("leaves intermediate results without a grad", () => {
    const x = leaf(2);
    const h = exp(x);
    exp(h).backward();
    expect(h.grad).toBeNull();
  });

  test("takes a vector", async () => {
    const x = leaf(2, 3);
    mul(x, x).backward({ gradient: tensor([1, 10]) });
    expect(await read(x.grad)).toEqual([4, 60]);
    expect(() => mul(x, x).backward()).toThrow(/the tensor has shape \[2\].*pass \{ gradient \}/);
  });

  test("by chosen inputs touches no others", async () => {
    const [x, w] = [leaf(2), leaf(3)];
    const h = mul(x, w);
    mul(h, h).backward({ inputs: [w, h] });
    expect(x.grad).toBeNull();
    expect(await read(w.grad)).toEqual([24]);
    expect(await read(h.grad)).toEqual([12]);
  });

  test("with createGraph leaves a grad that can be differentiated, and adds to it", async () => {
    const x = leaf(2);
    mul(mul(x, x), x).backward({ createGraph: true });
    expect(await read(grad(x.grad as Tensor, [x], { retainGraph: true })[0])).toEqual([12]);
    mul(x, x).backward({ createGraph: true });
    expect(await read(x.grad)).toEqual([16]);
    expect(await read(grad(x.grad as Tensor, [x])[0])).toEqual([14]);
  });

  test.each([
    ["every leaf", undefined],
    ["chosen inputs", (x: Tensor) => x],
    ["a list of inputs", (x: Tensor) => [x]],
  ])(
    "leaves one handle of a gradient, and none of the sums before, unless these are on the tape: %s",
    async (_, choose) => {
      for (const createGraph of [false, true]) {
        const x = leaf(2, 3);
        const values = [];
        for (let i = 1; i < 4; i++) {
          mul(x, x)
            .sum()
            .backward({ createGraph, inputs: choose?.(x) });
          values.push((x.grad as Tensor)._value);
          expect(await read(x.grad)).toEqual([4 * i, 6 * i]);
          const before = values.slice(1).map(() => (createGraph ? 1 : 0));
          expect(values.map(({ handles }) => handles)).toEqual([...before, 1]);
        }
      }
    },
  );

  test("adds what is on the tape to what is not, and the other way round", async () => {
    for (const [first, second] of [
      [false, true],
      [true, false],
      [true, true],
      [false, false],
    ]) {
      const x = leaf(2);
      mul(mul(x, x), x).backward({ createGraph: first });
      const before = x.grad as Tensor;
      mul(x, x).backward({ createGraph: second });
      const now = x.grad as Tensor;
      expect(await read(now)).toEqual([16]);
      // The sum is recorded as the second backward is.
      expect([before.requiresGrad, now.requiresGrad, now === before]).toEqual([first, second, !first && !second]);
      if (second) expect(await read(grad(now, [x])[0])).toEqual([first ? 14 : 2]);
    }
  });

  test("a second time is an error that says what to do", () => {
    const y = exp(leaf(2));
    y.backward();
    expect(() => y.backward()).toThrow(/second walk through exp.*retainGraph: true/);
    const z = exp(leaf(2));
    z.backward({ retainGraph: true });
    z.backward();
  });

  test("in a scope: grad lives on, all else is released", async () => {
    const x = leaf(2);
    let y: Tensor | undefined;
    {
      using _ = scope();
      y = tanh(x);
      y.backward();
    }
    expect((await read(x.grad))[0]).toBeCloseTo(1 - Math.tanh(2) ** 2, 12);
    expect(() => exp(y as Tensor)).toThrow(ReleasedError);
  });

  test("within a scope that ends before: what the tape saved lives on", async () => {
    const x = leaf(2);
    const y = scope(() => exp(exp(x)));
    device.flush();
    y.backward();
    expect((await read(x.grad))[0]).toBeCloseTo(Math.exp(2) * Math.exp(Math.exp(2)), 8);
  });
});
