/** The ends of what operations take: NaN as a bound, divisions by 0, nothing, tensors without dims. On both devices. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { ArgumentError, type Device, init, ShapeError, scope, type Tensor, tensor } from "../index.ts";

describe.each([
  ["cpu", "float64"],
  ["cpu", "float32"],
  ["webgpu", "float32"],
] as const)("%s, %s", (name, dtype) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name, dtype });
  });
  afterAll(() => device.destroy());

  const int = (data: number | number[]): Tensor => tensor(data, { dtype: "int32" });
  /** Elements that the host does not know. */
  const far = (x: Tensor): Tensor => x.add(lg.zerosLike(x));

  test("a bound that is NaN gives NaN, and NaN stays, in all that compares", async () => {
    using _ = scope();
    const x = tensor([1, NaN, -3]);
    const bounds = tensor([NaN, 0, -1]);
    const none = [NaN, NaN, NaN];
    expect(await lg.clamp(x, null, NaN).toArray()).toEqual(none);
    expect(await lg.clamp(x, NaN).toArray()).toEqual(none);
    expect(await lg.clamp(x, NaN, 1).toArray()).toEqual(none);
    expect(await lg.clamp(x, -2, NaN).toArray()).toEqual(none);
    expect(await lg.clamp(x, far(bounds)).toArray()).toEqual([NaN, NaN, -1]);
    expect(await lg.clamp(x, null, far(bounds)).toArray()).toEqual([NaN, NaN, -3]);
    expect(await lg.clamp(int([1, 5]), int([2, 2]), 4).toArray()).toEqual([2, 4]);
    expect(await lg.hardtanh(x, { minVal: NaN }).toArray()).toEqual(none);
    expect(await lg.maximum(x, bounds).toArray()).toEqual([NaN, NaN, -1]);
    expect(await lg.minimum(x, NaN).toArray()).toEqual(none);
    const keep: [string, (x: Tensor) => Tensor, number, number][] = [
      ["relu", lg.relu, 1, 0],
      ["relu6", lg.relu6, 1, 0],
      ["hardtanh", lg.hardtanh, 1, -1],
      ["threshold", (t) => lg.threshold(t, 0, 7), 1, 7],
      ["hardshrink", lg.hardshrink, 1, -3],
      ["softshrink", lg.softshrink, 0.5, -2.5],
      ["hardsigmoid", lg.hardsigmoid, 4 / 6, 0],
      ["hardswish", lg.hardswish, 4 / 6, 0],
      ["leakyRelu", (t) => lg.leakyRelu(t, { negativeSlope: 0.5 }), 1, -1.5],
      ["elu", lg.elu, 1, Math.expm1(-3)],
      ["clamp", (t) => lg.clamp(t, -2, 2), 1, -2],
      ["sign", lg.sign, 1, -1],
      ["maximum", (t) => lg.maximum(t, -2), 1, -2],
      ["safeSqrt", (t) => lg.safeSqrt(t.abs()), 1, Math.sqrt(3)],
    ];
    for (const [op, fn, first, last] of keep) {
      const got = await fn(x).toArray();
      expect([op, got]).toEqual([op, [expect.closeTo(first, 5), NaN, expect.closeTo(last, 5)]]);
    }
  });

  test("integers divided by 0: an error where the host sees it, else 0", async () => {
    using _ = scope();
    const divisions: ((a: Tensor, b: lg.Operand) => Tensor)[] = [
      lg.floorDivide,
      lg.remainder,
      lg.fmod,
      (a, b) => lg.div(a, b, { roundingMode: "floor" }),
      (a, b) => lg.div(a, b, { roundingMode: "trunc" }),
    ];
    for (const divide of divisions) {
      for (const zero of [0, int(0), int([1, 0])]) expect(() => divide(int([4, -7]), zero)).toThrow(ArgumentError);
      expect(await divide(int([4, -7]), far(int([0, 0]))).toArray()).toEqual([0, 0]);
    }
    expect(await lg.div(int([1, -1, 0]), 0).toArray()).toEqual([Infinity, -Infinity, NaN]);
    const least = -(2 ** 31);
    expect(await lg.floorDivide(int([least, 7, -7]), int([-1, 2, 2])).toArray()).toEqual([least, 3, -4]);
    expect(
      await lg
        .remainder(int([least, 7, -7]), int([-1, 2, 2]))
        .add(0)
        .toArray(),
    ).toEqual([0, 1, 1]);
  });

  test("the floor of a quotient is that of the exact one", async () => {
    using _ = scope();
    const a = tensor([1, -1, 1, -7, 7, 5, 0, Infinity, 6]);
    const b = tensor([0.1, Infinity, -Infinity, 2, -2, 0, 0, 1, 0.1]);
    // As Python's: 0.1 is a little more than a tenth (in float32 too).
    expect(await lg.floorDivide(a, b).toArray()).toEqual([9, -1, -1, -4, -4, Infinity, NaN, NaN, 59]);
    expect(await lg.div(a, b, { roundingMode: "trunc" }).add(0).toArray()).toEqual([
      10,
      0,
      0,
      -3,
      -3,
      Infinity,
      NaN,
      Infinity,
      60,
    ]);
  });

  test("constants meet as other numbers do", async () => {
    using _ = scope();
    const [zero, one] = [lg.zeros([2]), lg.ones([2])];
    const [nan, infinite] = [[NaN, NaN], [Infinity, Infinity]]; // biome-ignore format: pairs
    expect(await zero.div(zero).toArray()).toEqual(nan);
    expect(await one.div(zero).toArray()).toEqual(infinite);
    expect(await one.neg().div(zero).neg().toArray()).toEqual(infinite);
    expect(await one.neg().sqrt().toArray()).toEqual(nan);
    expect(await zero.log().neg().toArray()).toEqual(infinite);
    expect(await lg.maximum(zero.div(zero), one).toArray()).toEqual(nan);
    expect(await zero.pow(zero.sub(one)).toArray()).toEqual(infinite);
    expect(await lg.zeros([0]).mean().item()).toBeNaN();
    expect(await lg.zeros([2, 0]).var(1).toArray()).toEqual(nan);
    const most = lg.full([2], 2 ** 31 - 1, { dtype: "int32" });
    expect(await most.add(lg.ones([2], { dtype: "int32" })).toArray()).toEqual([-(2 ** 31), -(2 ** 31)]);
    const whole = lg.ones([2], { dtype: "int32" });
    expect(await lg.div(whole, lg.zeros([2], { dtype: "int32" }), { roundingMode: "trunc" }).toArray()).toEqual([0, 0]);
  });

  test("linspace between tensors, and in one step", async () => {
    using _ = scope();
    const [a, b] = [far(tensor(-2)), far(tensor(3))];
    expect(await lg.linspace(a, b, 1).toArray()).toEqual([-2]);
    expect(await lg.linspace(-2, 3, 1).toArray()).toEqual([-2]);
    expect(await lg.linspace(a, 3, 6).toArray()).toEqual([-2, -1, 0, 1, 2, 3]);
    expect(await lg.linspace(-2, b, 3, { dtype: "int32" }).toArray()).toEqual([-2, 0, 3]);
    expect(await lg.linspace(a, b, 0).toArray()).toEqual([]);
    expect(() => lg.linspace(tensor([1]), b, 2)).toThrow(ShapeError);
    expect(() => lg.linspace("1" as unknown as number, 2, 2)).toThrow(ArgumentError);
  });

  test("tensors without dims roll and take additions; squeeze of no dims drops none", async () => {
    using _ = scope();
    expect(await lg.roll(tensor(1), 1, 0).toArray()).toBe(1);
    expect(await lg.roll(tensor(1), -3).toArray()).toBe(1);
    expect(await lg.indexAdd(tensor(1), 0, int(0), tensor(2)).toArray()).toBe(3);
    expect(await lg.indexAdd(tensor(1), 0, int([0]), tensor(2), { alpha: 3 }).toArray()).toBe(7);
    expect(() => lg.indexAdd(tensor(1), 0, int([0, 0]), tensor([2, 3]))).toThrow(ShapeError);
    expect(lg.squeeze(lg.zeros([1, 2, 1]), []).shape).toEqual([1, 2, 1]);
    expect(lg.squeeze(lg.zeros([1, 2, 1])).shape).toEqual([2]);
  });

  test("what a shape's reader does to it does nothing to the tensor", async () => {
    using _ = scope();
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const shape = x.shape as number[];
    expect(() => {
      shape[0] = 7;
    }).toThrow(TypeError);
    expect(() => shape.push(1)).toThrow(TypeError);
    expect(() => shape.reverse()).toThrow(TypeError);
    expect(() => {
      (x as { shape: readonly number[] }).shape = [6];
    }).toThrow(TypeError);
    expect(x.shape).toEqual([2, 3]);
    const sizes = [2, 3];
    const [y, z] = [lg.zeros(sizes), x.reshape(sizes)];
    sizes[0] = 9;
    expect([y.shape, z.shape, await x.sum(0).toArray()]).toEqual([[2, 3], [2, 3], [5, 7, 9]]); // biome-ignore format: shapes
  });
});
