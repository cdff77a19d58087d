/** What numbers of the host become: which dtype, which shape, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "./cpu/backend.ts";
import {
  ArgumentError,
  add,
  arange,
  bitwiseAnd,
  clamp,
  Device,
  DeviceError,
  type DType,
  eq,
  full,
  fullLike,
  ge,
  gt,
  le,
  linspace,
  lt,
  maskedFill,
  ne,
  pad,
  ReleasedError,
  randint,
  ShapeError,
  scalar,
  setDevice,
  type Tensor,
  type TensorData,
  tensor,
  where,
  zeros,
} from "./index.ts";
import { createWebGPUBackend } from "./webgpu/backend.ts";

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(new Device(name === "cpu" ? new CpuBackend() : await createWebGPUBackend({})));
  });
  afterAll(() => device.destroy());

  const dtypeAndData = async (x: Tensor): Promise<unknown> => [x.dtype, x.shape, Array.from(await x.data())];

  test("typed arrays of integers are numbers", async () => {
    const cases: [TensorData, DType, number[]][] = [
      [Uint8Array.of(0, 1, 128, 255), "int32", [0, 1, 128, 255]],
      [Uint8ClampedArray.of(0, 300), "int32", [0, 255]],
      [Int8Array.of(-128, 127), "int32", [-128, 127]],
      [Int16Array.of(-32768, 7), "int32", [-32768, 7]],
      [Uint16Array.of(65535, 0), "int32", [65535, 0]],
      [Int32Array.of(LEAST, MOST), "int32", [LEAST, MOST]],
      [Uint32Array.of(0, 2 ** 32 - 1), "uint32", [0, 2 ** 32 - 1]],
      [BigInt64Array.of(BigInt(LEAST), 5n), "int32", [LEAST, 5]],
      [BigUint64Array.of(BigInt(MOST)), "int32", [MOST]],
      [Float32Array.of(0.5, Number.NaN), "float32", [0.5, Number.NaN]],
      [Buffer.from([1, 200]), "int32", [1, 200]],
      [new Uint8Array(new SharedArrayBuffer(2)), "int32", [0, 0]],
      [Uint8Array.of(9, 1, 2, 9).subarray(1, 3), "int32", [1, 2]],
      [new Int16Array(0), "int32", []],
    ];
    for (const [data, dtype, elements] of cases) {
      expect(await dtypeAndData(tensor(data))).toEqual([dtype, [elements.length], elements]);
    }
    const pixels = tensor(Uint8Array.of(0, 51, 255, 102), { shape: [2, 2] }).div(255);
    expect(await pixels.toArray()).toEqual([
      [0, Math.fround(0.2)],
      [1, Math.fround(0.4)],
    ]);
  });

  test("integers take another dtype if it holds them", async () => {
    expect(await dtypeAndData(tensor(Uint8Array.of(7), { dtype: "float32" }))).toEqual(["float32", [1], [7]]);
    expect(await dtypeAndData(tensor(BigUint64Array.of(4294967295n), { dtype: "uint32" }))).toEqual([
      ...["uint32", [1], [4294967295]],
    ]);
    expect(await dtypeAndData(tensor(BigInt64Array.of(2n ** 40n), { dtype: "float32" }))).toEqual([
      ...["float32", [1], [2 ** 40]],
    ]);
    expect(await dtypeAndData(tensor(Uint8Array.of(0, 7), { dtype: "bool" }))).toEqual(["bool", [2], [0, 1]]);
    expect(await dtypeAndData(tensor(BigInt64Array.of(0n, -3n), { dtype: "bool" }))).toEqual(["bool", [2], [0, 1]]);
    expect(() => tensor(Uint32Array.of(1, 2 ** 31), { dtype: "int32" })).toThrow("tensor: data[1] is 2147483648");
    expect(() => tensor(BigInt64Array.of(1n, 2n ** 40n))).toThrow("tensor: data[1] is 1099511627776: int32 holds");
    expect(() => tensor(BigUint64Array.of(2n ** 32n), { dtype: "uint32" })).toThrow(ArgumentError);
    expect(() => tensor(Int8Array.of(-1), { dtype: "uint32" })).toThrow("tensor: data[0] is -1: uint32 holds integers");
  });

  test("a bool tensor's elements make it again", async () => {
    const mask = tensor([true, false, true]);
    const data = await mask.data();
    expect(data).toBeInstanceOf(Uint8Array);
    expect(await tensor(data, { dtype: "bool" }).toArray()).toEqual([true, false, true]);
    expect(await tensor([300, -1, 0, Number.NaN, 0.5], { dtype: "bool" }).toArray()).toEqual([
      ...[true, true, false, true, true],
    ]);
  });

  test("booleans are bool alone, numbers among numbers", async () => {
    expect(await dtypeAndData(tensor([true, 2]))).toEqual(["float32", [2], [1, 2]]);
    expect(await dtypeAndData(tensor([2, true, false]))).toEqual(["float32", [3], [2, 1, 0]]);
    expect(await dtypeAndData(tensor([[true], [3]]))).toEqual(["float32", [2, 1], [1, 3]]);
    expect(await dtypeAndData(tensor([true, true]))).toEqual(["bool", [2], [1, 1]]);
    expect(await dtypeAndData(tensor([true, 2], { dtype: "int32" }))).toEqual(["int32", [2], [1, 2]]);
    expect(await dtypeAndData(tensor([1n, 2n]))).toEqual(["int32", [2], [1, 2]]);
    expect(await dtypeAndData(tensor([1n, 2.5]))).toEqual(["float32", [2], [1, 2.5]]);
    expect(await dtypeAndData(tensor([]))).toEqual(["float32", [0], []]);
  });

  test("rows may be typed arrays, of different kinds, beside plain ones", async () => {
    expect(await dtypeAndData(tensor([Float32Array.of(1, 2), Float32Array.of(3, 4)]))).toEqual([
      ...["float32", [2, 2], [1, 2, 3, 4]],
    ]);
    expect(await dtypeAndData(tensor([Uint8Array.of(1), Uint8Array.of(200)]))).toEqual(["int32", [2, 1], [1, 200]]);
    expect(await dtypeAndData(tensor([Uint8Array.of(1, 2), [0.5, 3]]))).toEqual([
      ...["float32", [2, 2], [1, 2, 0.5, 3]],
    ]);
    expect(await dtypeAndData(tensor([[[1, 2]], [Int32Array.of(3, 4)]]))).toEqual([
      ...["float32", [2, 1, 2], [1, 2, 3, 4]],
    ]);
    expect(await dtypeAndData(tensor([Uint32Array.of(1), Int32Array.of(-1)]))).toEqual(["int32", [2, 1], [1, -1]]);
    expect(await dtypeAndData(tensor([new Float32Array(0), new Float32Array(0)]))).toEqual(["float32", [2, 0], []]);
    expect(() => tensor([Float32Array.of(1, 2), Float32Array.of(3)])).toThrow(
      new ShapeError("tensor: data[1] has length 1, wanted 2 as in the first row"),
    );
    expect(() => tensor([1, Float32Array.of(3)])).toThrow("tensor: data[1] is a Float32Array, wanted a number");
    expect(() => tensor([[[1]], [Float32Array.of(3)], Float32Array.of(3)])).toThrow(
      "tensor: data[2] is a Float32Array, wanted an array of length 1",
    );
    expect(() => tensor([Uint32Array.of(2 ** 31), Int32Array.of(-1)])).toThrow("tensor: data[0][0] is 2147483648");
  });

  test("tensors are stacked, among numbers too", async () => {
    const [a, b] = [tensor(3), tensor(4)];
    expect(await dtypeAndData(tensor([a, b]))).toEqual(["float32", [2], [3, 4]]);
    expect(await dtypeAndData(tensor([a, 2.5, true]))).toEqual(["float32", [3], [3, 2.5, 1]]);
    const rows = [tensor([1, 2]), tensor([3, 4])];
    expect(await dtypeAndData(tensor([rows, rows.toReversed()]))).toEqual([
      ...["float32", [2, 2, 2], [1, 2, 3, 4, 3, 4, 1, 2]],
    ]);
    expect(await dtypeAndData(tensor([rows[0], [5, 6], Int8Array.of(7, 8)]))).toEqual([
      ...["float32", [3, 2], [1, 2, 5, 6, 7, 8]],
    ]);
    const integer = tensor(2, { dtype: "int32" });
    expect(await dtypeAndData(tensor([integer, 3]))).toEqual(["int32", [2], [2, 3]]);
    expect(await dtypeAndData(tensor([integer, 2.5]))).toEqual(["float32", [2], [2, 2.5]]);
    expect(await dtypeAndData(tensor([integer, tensor(true)]))).toEqual(["int32", [2], [2, 1]]);
    expect(await dtypeAndData(tensor([a, b], { dtype: "int32", shape: [2, 1] }))).toEqual(["int32", [2, 1], [3, 4]]);
    const same = tensor(a);
    a.dispose();
    expect(await dtypeAndData(same)).toEqual(["float32", [], [3]]);
    expect(() => tensor([a, 1])).toThrow(ReleasedError);
    expect(() => tensor([b, tensor([1])])).toThrow(ShapeError);
    expect(() => tensor([b, "x" as never])).toThrow('tensor: data is the string "x"');
    const there = new Device(new CpuBackend());
    expect(() => tensor([b, tensor(1, { device: there })])).toThrow(DeviceError);
    expect(tensor([tensor(1, { device: there })]).device).toBe(there);
    expect(() => tensor([b], { device: there })).toThrow("tensor: data are on");
  });

  test("what is no data is refused, by what it is and where", () => {
    const holes: number[] = [1, 2];
    holes.length = 3;
    const endless: unknown[] = [];
    endless.push(endless);
    const cases: [unknown, string][] = [
      ["3", 'tensor: data is the string "3": wanted numbers'],
      [["1", "2"], 'tensor: data[0] is the string "1"'],
      [null, "tensor: data is null"],
      [undefined, "tensor: data is undefined"],
      [[1, null], "tensor: data[1] is null"],
      [holes, "tensor: data[2] is undefined"],
      [[[1], [{}]], "tensor: data[1][0] is an object"],
      [{ length: 2, 0: 1, 1: 2 }, "tensor: data is an object"],
      [new DataView(new ArrayBuffer(8)), "tensor: data is a DataView: wanted numbers; a typed array says"],
      [new ArrayBuffer(8), "tensor: data is an ArrayBuffer: wanted numbers; a typed array says"],
      [[new SharedArrayBuffer(8)], "tensor: data[0] is a SharedArrayBuffer"],
      [new Set([1, 2]), "tensor: data is a Set: wanted numbers, an array or a typed array; [...data] makes one"],
      [[1, 2].values(), "[...data] makes one"],
      [() => 1, "tensor: data is a function"],
      [Symbol("x"), "tensor: data is a symbol"],
      [new Date(0), "tensor: data is a Date"],
    ];
    for (const [data, message] of cases) {
      expect(() => tensor(data as TensorData)).toThrow(ArgumentError);
      expect(() => tensor(data as TensorData)).toThrow(message);
    }
    expect(() => tensor(endless as TensorData)).toThrow("nested more than 64 deep");
  });

  test("an integer dtype takes the integers of its range and nothing else", async () => {
    const refused: [number, DType][] = [
      ...[2 ** 31, LEAST - 1, 2 ** 53, 1.5, -0.5, Number.NaN, Infinity].map((x): [number, DType] => [x, "int32"]),
      ...[-1, 2 ** 32, 0.5, Number.NaN, -Infinity].map((x): [number, DType] => [x, "uint32"]),
    ];
    for (const [value, dtype] of refused) {
      const says = `is ${value}: ${dtype} holds integers from`;
      const x = zeros([2], { dtype });
      for (const make of [
        () => tensor(value, { dtype }),
        () => tensor([0, value], { dtype }),
        () => tensor(Float64Array.of(value), { dtype }),
        () => full([2], value, { dtype }),
        () => fullLike(x, value),
        () => scalar(device, dtype, value),
        () => maskedFill(x, tensor([true, false]), value),
        () => x.scatter(0, tensor([0], { dtype: "int32" }), value),
        () => pad(x, [1, 1], { value }),
      ]) {
        expect(make).toThrow(ArgumentError);
        expect(make).toThrow(says);
      }
    }
    expect(await tensor([LEAST, MOST, -0], { dtype: "int32" }).data()).toEqual(Int32Array.of(LEAST, MOST, 0));
    expect(await full([1], 2 ** 32 - 1, { dtype: "uint32" }).data()).toEqual(Uint32Array.of(2 ** 32 - 1));
    expect(await full([2], 300, { dtype: "bool" }).toArray()).toEqual([true, true]);
    expect(() => tensor(1.5, { dtype: "int32" })).toThrow("round it first, or use a float dtype");
  });

  test("a float dtype rounds, to infinity if need be", async () => {
    const data = await tensor([1e39, -1e39, 0.1, 2 ** 24 + 1]).data();
    expect(Array.from(data)).toEqual([Infinity, -Infinity, Math.fround(0.1), 2 ** 24]);
    expect(await full([1], 1e39).data()).toEqual(Float32Array.of(Infinity));
  });

  test("numbers must be numbers", () => {
    const x = tensor([1]);
    for (const value of ["3", null, undefined, [1], {}, 3n]) {
      expect(() => full([2], value as never)).toThrow(ArgumentError);
      expect(() => add(x, value as never)).toThrow("add: an operand is");
      expect(() => maskedFill(x, tensor([true]), value as never)).toThrow(ArgumentError);
      expect(() => where(tensor([true]), value as never, 1)).toThrow(ArgumentError);
    }
    expect(() => add(x, [1, 2] as never)).toThrow("tensor(data) makes one");
  });

  test("integers compare with any number exactly", async () => {
    const values = { int32: [LEAST, -1, 0, 1, 2 ** 24 + 1, MOST], uint32: [0, 1, 2 ** 24 + 1, 2 ** 32 - 1] };
    const bounds = [Infinity, 2 ** 53, 2 ** 32, 2 ** 32 - 1, 2 ** 31, MOST, 2 ** 24 + 1.5, 2 ** 24 + 1, 2 ** 24 + 0.5];
    const numbers = [...bounds, ...bounds.map((x) => -x), LEAST, LEAST - 0.5, 0.5, 0, 1, -1, -0.5, Number.NaN];
    const relations: [string, (x: Tensor, y: number) => Tensor, (x: number, y: number) => boolean][] = [
      ["eq", eq, (x, y) => x === y],
      ["ne", ne, (x, y) => x !== y],
      ["lt", lt, (x, y) => x < y],
      ["le", le, (x, y) => x <= y],
      ["gt", gt, (x, y) => x > y],
      ["ge", ge, (x, y) => x >= y],
      ["eq mirrored", (x, y) => eq(y, x), (x, y) => y === x],
      ["ne mirrored", (x, y) => ne(y, x), (x, y) => y !== x],
      ["lt mirrored", (x, y) => lt(y, x), (x, y) => y < x],
      ["le mirrored", (x, y) => le(y, x), (x, y) => y <= x],
      ["gt mirrored", (x, y) => gt(y, x), (x, y) => y > x],
      ["ge mirrored", (x, y) => ge(y, x), (x, y) => y >= x],
      ["method", (x, y) => x.lt(y), (x, y) => x < y],
    ];
    const reads: Promise<unknown>[] = [];
    const wanted: unknown[] = [];
    for (const [dtype, elements] of Object.entries(values) as [DType, number[]][]) {
      const x = tensor(elements, { dtype });
      for (const y of numbers) {
        for (const [relation, on, host] of relations) {
          reads.push(on(x, y).toArray());
          wanted.push(elements.map((element) => host(element, y)));
          expect([relation, y, on(x, y).shape, on(x, y).dtype]).toEqual([relation, y, x.shape, "bool"]);
        }
      }
    }
    expect(await Promise.all(reads)).toEqual(wanted);
    const mask = tensor([true, false]);
    expect(await mask.gt(0.5).toArray()).toEqual([true, false]);
    expect(await mask.lt(2 ** 40).toArray()).toEqual([true, true]);
    expect(await mask.eq(true).toArray()).toEqual([true, false]);
  });

  test("integers meet numbers that they do not hold as floats, or in words", async () => {
    const x = tensor([1, 5], { dtype: "int32" });
    expect(await dtypeAndData(add(x, 1.5))).toEqual(["float32", [2], [2.5, 6.5]]);
    expect(await dtypeAndData(clamp(x, 1.5, 4))).toEqual(["float32", [2], [1.5, 4]]);
    expect(await dtypeAndData(clamp(x, LEAST - 1, 2 ** 31))).toEqual(["int32", [2], [1, 5]]);
    expect(await dtypeAndData(clamp(x, -(2 ** 40), 3))).toEqual(["int32", [2], [1, 3]]);
    expect(await dtypeAndData(where(tensor([true, false]), x, 0.5))).toEqual(["float32", [2], [1, 0.5]]);
    expect(await dtypeAndData(bitwiseAnd(x, 4))).toEqual(["int32", [2], [0, 4]]);
    expect(() => clamp(x, 2 ** 31)).toThrow("clamp: an operand is 2147483648: int32 holds integers");
    expect(() => add(x, 2 ** 31)).toThrow("add: an operand is 2147483648: int32 holds integers");
    expect(() => x.mul(-(2 ** 32))).toThrow(ArgumentError);
    expect(() => x.to("uint32").sub(-1)).toThrow(ArgumentError);
    expect(() => where(tensor([true, false]), x, 2 ** 40)).toThrow(ArgumentError);
  });

  test("ranges end where their dtype does", async () => {
    expect(await dtypeAndData(arange(MOST - 1, 2 ** 31))).toEqual(["int32", [2], [MOST - 1, MOST]]);
    expect(() => arange(MOST, 2 ** 31 + 1)).toThrow("arange: a number is 2147483648: int32 holds");
    expect(() => arange(2 ** 31, 2 ** 31 + 2)).toThrow(ArgumentError);
    expect(await dtypeAndData(arange(5, 0, -2, { dtype: "uint32" }))).toEqual(["uint32", [3], [5, 3, 1]]);
    expect(() => arange(5, -2, -2, { dtype: "uint32" })).toThrow("arange: a number is -1");
    expect(() => arange(0, 1, 0.5, { dtype: "int32" })).toThrow("arange: a number is 0.5");
    expect(await dtypeAndData(arange(2 ** 31, 2 ** 31 + 2, 1, { dtype: "uint32" }))).toEqual([
      ...["uint32", [2], [2 ** 31, 2 ** 31 + 1]],
    ]);
    expect(await dtypeAndData(linspace(0, 10, 4, { dtype: "int32" }))).toEqual(["int32", [4], [0, 3, 6, 10]]);
    expect(() => linspace(0, 2 ** 31, 2, { dtype: "int32" })).toThrow(ArgumentError);
    expect(await dtypeAndData(randint(MOST, MOST + 1, [2]))).toEqual(["int32", [2], [MOST, MOST]]);
    expect(() => randint(MOST, MOST + 2, [2])).toThrow("randint: a bound is 2147483648");
    expect(await dtypeAndData(randint(2 ** 32 - 1, 2 ** 32, [1], { dtype: "uint32" }))).toEqual([
      ...["uint32", [1], [2 ** 32 - 1]],
    ]);
  });

  test("a given array stays the program's own", async () => {
    for (const data of [Float32Array.of(1, 2), Int32Array.of(1, 2), Uint8Array.of(1, 2)]) {
      const x = tensor(data);
      const y = tensor([data, data]);
      data[0] = 9;
      expect(Array.from(await x.data())).toEqual([1, 2]);
      data[1] = 9;
      expect(Array.from(await x.add(0).data())).toEqual([1, 2]);
      expect(await y.toArray()).toEqual([
        [1, 2],
        [1, 2],
      ]);
      const read = await x.data();
      read[0] = 7;
      expect(Array.from(await x.data())).toEqual([1, 2]);
    }
  });

  test("an array of halves is float16 where the device has it", () => {
    class Float16Array extends Float32Array {
      override get [Symbol.toStringTag](): "Float32Array" {
        return "Float16Array" as "Float32Array";
      }
    }
    const halves = new Float16Array([0.5, 2]);
    let has16 = true;
    try {
      zeros([1], { dtype: "float16" });
    } catch {
      has16 = false;
    }
    expect(tensor(halves).dtype).toBe(has16 ? "float16" : "float32");
    expect(tensor(halves, { dtype: "float32" }).dtype).toBe("float32");
  });
});
