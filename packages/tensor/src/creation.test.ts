import { beforeAll, describe, expect, test } from "@jest/globals";
import type { Device } from "./device.ts";
import { GradError, ShapeError } from "./errors.ts";
import { arange, eye, full, fullLike, init, linspace, ones, onesLike, tensor, to, zeros, zerosLike } from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu" });
});

describe("tensor", () => {
  test("takes numbers, nested arrays and booleans", async () => {
    expect(await tensor(2.5).toArray()).toBe(2.5);
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([x.shape, x.dtype]).toEqual([[2, 3], "float32"]);
    expect(await x.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const b = tensor([true, false]);
    expect(b.dtype).toBe("bool");
    expect(await b.toArray()).toEqual([true, false]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
  });

  test("keeps the kind of a typed array, copies it, and takes a shape", async () => {
    const data = new Int32Array([1, 2, 3, 4]);
    const x = tensor(data, { shape: [2, 2] });
    data[0] = 9;
    expect(x.dtype).toBe("int32");
    expect(await x.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(tensor(new Uint32Array(1)).dtype).toBe("uint32");
    expect(tensor(new Float64Array(1)).dtype).toBe("float64");
    expect(tensor(new Float64Array(1), { dtype: "float32" }).dtype).toBe("float32");
  });

  test("names the place of a ragged row", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(
      new ShapeError("tensor: data[1] has length 1, wanted 2 as in the first row"),
    );
    expect(() => tensor([[1, 2], 3])).toThrow("tensor: data[1] is a number, wanted an array of length 2");
    expect(() => tensor([[1], [[2]]])).toThrow(
      "tensor: data[1][0] is an array, wanted a number as at the first position",
    );
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(
      "tensor: 3 numbers do not fill shape [2, 2], which holds 4",
    );
  });

  test("requiresGrad without a tape is an error that says what to import", () => {
    expect(() => tensor(1, { requiresGrad: true })).toThrow(GradError);
    expect(() => zeros([2], { requiresGrad: true })).toThrow("@loopgrad/autograd");
  });
});

test("zeros, ones and full, and their likes", async () => {
  expect(await zeros([2]).toArray()).toEqual([0, 0]);
  expect(await ones([1, 2], { dtype: "int32" }).toArray()).toEqual([[1, 1]]);
  expect(await ones([1], { dtype: "bool" }).toArray()).toEqual([true]);
  expect(await full([2], 0.5).toArray()).toEqual([0.5, 0.5]);
  expect(full([2], true).dtype).toBe("bool");
  const x = tensor([[1, 2]], { dtype: "int32" });
  expect([zerosLike(x).dtype, onesLike(x).shape, fullLike(x, 3, { dtype: "float32" }).dtype]).toEqual([
    "int32",
    [1, 2],
    "float32",
  ]);
  expect(() => zeros([-1])).toThrow(ShapeError);
});

test("another number in full makes no new plan", async () => {
  device.flush();
  await full([3], 1.5).add(1).data();
  const { plansMade } = device.stats();
  expect(await full([3], 2.5).add(2).toArray()).toEqual([4.5, 4.5, 4.5]);
  expect(device.stats().plansMade).toBe(plansMade);
});

test("the shape a tensor was made with is its own", () => {
  const shape = [2, 3];
  const x = zeros(shape);
  shape[0] = 7;
  expect(x.shape).toEqual([2, 3]);
});

test("arange counts from, to and by, and is int32 for integers", async () => {
  expect(await arange(3).toArray()).toEqual([0, 1, 2]);
  expect(arange(3).dtype).toBe("int32");
  expect(await arange(5, 1, -2).toArray()).toEqual([5, 3]);
  expect(await arange(1, 2, 0.25).toArray()).toEqual([1, 1.25, 1.5, 1.75]);
  expect(arange(3, { dtype: "float32" }).dtype).toBe("float32");
  expect(() => arange(0, 3, -1)).toThrow("arange: steps of -1 do not lead from 0 to 3");
});

test("linspace hits both ends exactly; eye is rectangular where asked", async () => {
  const line = await linspace(0.1, 0.7, 7, { dtype: "float64" }).data();
  expect([line[0], line[6]]).toEqual([0.1, 0.7]);
  expect(line[3]).toBeCloseTo(0.4, 15);
  expect(await linspace(2, 3, 1).toArray()).toEqual([2]);
  expect(await eye(2, 3).toArray()).toEqual([
    [1, 0, 0],
    [0, 1, 0],
  ]);
});

test("to changes the dtype, or moves to another device", async () => {
  const x = tensor([1.7, -1.7, 0]);
  expect(await to(x, "int32").toArray()).toEqual([1, -1, 0]);
  expect(await x.to("bool").toArray()).toEqual([true, true, false]);
  const other = await init({ device: "cpu" });
  const moved = await x.to(other);
  expect(moved.device).toBe(other);
  expect(await moved.data()).toEqual(await x.data());
});
