import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { init, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const close = (expected: number[]) => expected.map((v) => expect.closeTo(v, 12));

describe("operands", () => {
  test("broadcast, and either may be a number", async () => {
    const x = tensor([[1], [2]]);
    expect(await lg.add(x, tensor([10, 20])).toArray()).toEqual([
      [11, 21],
      [12, 22],
    ]);
    expect(await read(lg.sub(1, tensor([1, 2])))).toEqual([0, -1]);
    expect(await read(lg.add(tensor([1, 2]), tensor([4, 6]), { alpha: 0.5 }))).toEqual([3, 5]);
    expect(await read(tensor([1, 2]).sub(3, { alpha: 2 }))).toEqual([-5, -4]);
  });

  test("promote as in torch", () => {
    const of = (dtype: lg.DType, shape: number[] = [2]) => lg.zeros(shape, { dtype });
    expect(lg.add(of("int32"), of("float32")).dtype).toBe("float32");
    expect(lg.add(of("float32"), of("float64")).dtype).toBe("float64");
    // A 0-d tensor does not raise a tensor with dims within its category, but does across categories.
    expect(lg.add(of("float32"), of("float64", [])).dtype).toBe("float32");
    expect(lg.add(of("int32"), of("float64", [])).dtype).toBe("float64");
    expect(lg.add(of("int32"), 1).dtype).toBe("int32");
    expect(lg.add(of("int32"), 1.5).dtype).toBe("float64");
    expect(lg.add(of("bool"), 1).dtype).toBe("int32");
    expect(lg.div(of("int32"), of("int32")).dtype).toBe("float64");
    expect(of("float32").add(1.5).dtype).toBe("float32");
  });

  test("that do not fit are errors", () => {
    expect(() => lg.add(tensor([1, 2]), tensor([1, 2, 3]))).toThrow(
      new ShapeError("add: shapes [2] and [3] do not broadcast: 2 and 3 at axis -1"),
    );
    expect(() => lg.add(1, 2)).toThrow(ArgumentError);
    expect(() => lg.mul(tensor([1]), null as never)).toThrow("mul: an operand is null: wanted a tensor or a number");
    expect(() => lg.sub(tensor([true]), tensor([false]))).toThrow(DTypeError);
  });
});

test("division by rounding mode, and remainders by sign", async () => {
  const [a, b] = [tensor([7, -7, 7, -7]), tensor([2, 2, -2, -2])];
  expect(await read(a.div(b, { roundingMode: "floor" }))).toEqual([3, -4, -4, 3]);
  expect(await read(a.div(b, { roundingMode: "trunc" }))).toEqual([3, -3, -3, 3]);
  expect(await read(a.remainder(b))).toEqual([1, 1, -1, -1]);
  expect(await read(a.fmod(b))).toEqual([1, -1, 1, -1]);
  const [i, j] = [a.to("int32"), b.to("int32")];
  expect(await read(i.floorDivide(j))).toEqual([3, -4, -4, 3]);
  expect(await read(i.remainder(j))).toEqual([1, 1, -1, -1]);
  expect(() => a.div(b, { roundingMode: "up" as never })).toThrow('div: roundingMode is "up"');
});

test("powers: special exponents, tensors, integers", async () => {
  const x = tensor([-2, 0, 3]);
  expect(await read(x.pow(0))).toEqual([1, 1, 1]);
  expect(await read(x.pow(1))).toEqual([-2, 0, 3]);
  expect(await read(x.pow(2))).toEqual([4, 0, 9]);
  expect(await read(x.pow(3))).toEqual([-8, 0, 27]);
  expect(await read(x.pow(-1))).toEqual([-0.5, Infinity, 1 / 3]);
  expect(await read(x.pow(0.5))).toEqual([NaN, 0, Math.sqrt(3)]);
  expect(await read(x.pow(tensor([4, 2, 0.5])))).toEqual(close([16, 0, Math.sqrt(3)]));
  expect(await read(lg.pow(2, x))).toEqual(close([0.25, 1, 8]));
  const n = x.to("int32").pow(5);
  expect([n.dtype, await read(n)]).toEqual(["int32", [-32, 0, 243]]);
});

test("maximum and minimum carry NaN; atan2 knows the quadrant", async () => {
  expect(await read(lg.maximum(tensor([1, NaN]), tensor([2, 0])))).toEqual([2, NaN]);
  expect(await read(lg.minimum(tensor([1, 5]), 2))).toEqual([1, 2]);
  expect(await read(lg.atan2(tensor([1, -1]), tensor([-1, -1])))).toEqual(
    close([(3 * Math.PI) / 4, (-3 * Math.PI) / 4]),
  );
});

test("hypot and logaddexp neither overflow nor lose infinities", async () => {
  expect(await read(lg.hypot(tensor([3e200, 0, Infinity]), tensor([4e200, 0, 1])).div(1e200))).toEqual(
    close([5, 0, Infinity]),
  );
  const y = await read(lg.logaddexp(tensor([1000, -Infinity, Infinity, 0]), tensor([1000, -Infinity, 0, 1])));
  expect(y).toEqual([
    expect.closeTo(1000 + Math.LN2, 10),
    -Infinity,
    Infinity,
    expect.closeTo(Math.log(1 + Math.E), 12),
  ]);
});

test("xlogy is 0 at x = 0, whatever the logarithm", async () => {
  expect(await read(lg.xlogy(tensor([0, 0, 0, 2]), tensor([0, Infinity, -1, Math.E])))).toEqual([0, 0, 0, 2]);
  expect(await read(lg.xlogy(tensor([0, 1]), tensor([NaN, 0])))).toEqual([NaN, -Infinity]);
});

test("lerp, addcmul and addcdiv", async () => {
  const [a, b] = [tensor([1, 2]), tensor([3, 6])];
  expect(await read(a.lerp(b, 0.25))).toEqual([1.5, 3]);
  expect(await read(a.lerp(b, tensor([0, 1])))).toEqual([1, 6]);
  expect(await read(a.addcmul(a, b, { value: 2 }))).toEqual([7, 26]);
  expect(await read(a.addcdiv(b, a))).toEqual([4, 5]);
});

test("bitwise operations", async () => {
  const [a, b] = [tensor([12, -1], { dtype: "int32" }), tensor([10, 7], { dtype: "int32" })];
  expect(await read(a.bitwiseAnd(b))).toEqual([8, 7]);
  expect(await read(a.bitwiseOr(b))).toEqual([14, -1]);
  expect(await read(a.bitwiseXor(b))).toEqual([6, -8]);
  expect(await read(a.bitwiseNot())).toEqual([-13, 0]);
  expect(() => lg.bitwiseAnd(tensor([1]), tensor([1]))).toThrow(DTypeError);
});
