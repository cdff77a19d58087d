/**
 * Every element format, against PyTorch's own widening.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { DTypeError, init, tensor } from "@loopgrad/tensor";
import { loadSafetensors, openSafetensors, SafetensorsError, safetensorsBytes } from "./index.ts";

const FILE = new URL("./fixtures/formats.safetensors", import.meta.url);

beforeAll(async () => {
  await init({ device: "cpu" });
});

describe("widened as torch does", () => {
  const names = ["F8_E5M2", "F8_E4M3", "F8_E5M2FNUZ", "F8_E4M3FNUZ", "F8_E8M0", "F16", "BF16"].concat(
    ["F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL"], //
  );
  for (const name of names) {
    test(name, async () => {
      await using file = await openSafetensors(FILE);
      expect(file.entries.get(name)?.format).toBe(name);
      const [got, wanted] = [await file.tensor(name), await file.tensor(`${name} widened`)];
      expect(got.dtype).toBe(wanted.dtype);
      // Object.is: −0 is not 0, and NaN is NaN.
      expect(await got.data()).toEqual(await wanted.data());
    });
  }
});

test("64-bit integers beyond 32 bits are refused, with the tensor and the element", async () => {
  await using file = await openSafetensors(FILE);
  await expect(file.tensor("I64 too wide")).rejects.toThrow(
    /formats\.safetensors: tensor "I64 too wide": element 1 is 2147483648, which int32/,
  );
  await expect(file.tensor("I64 too low")).rejects.toThrow(/element 0 is -2147483649/);
  await expect(file.tensor("U64 too wide")).rejects.toThrow(/element 0 is 4294967296, which uint32/);
});

test("a format without a dtype is refused when its tensor is asked for, not before", async () => {
  await using file = await openSafetensors(FILE);
  await expect(file.tensor("C64")).rejects.toThrow(DTypeError);
  await expect(file.tensor("C64")).rejects.toThrow(/"C64" is C64, for which there is no dtype/);
  await expect(file.tensor("nowhere")).rejects.toThrow(SafetensorsError);
});

test("the option dtype converts floats and leaves integers alone", async () => {
  await using file = await openSafetensors(FILE);
  const rounded = await file.tensor("F64", { dtype: "float32" });
  expect([rounded.dtype, await rounded.toArray()]).toEqual(["float32", [Math.fround(0.1), -Infinity, 0, Infinity]]);
  expect((await file.tensor("F8_E5M2", { dtype: "float64" })).dtype).toBe("float64");
  expect((await file.tensor("I64", { dtype: "float64" })).dtype).toBe("int32");
  await expect(file.tensor("F64", { dtyp: "float32" } as object)).rejects.toThrow(/unknown option dtyp/);
});

test("float64 is not rounded for a GPU unasked", async () => {
  const device = await init({ device: "webgpu" });
  await using file = await openSafetensors(FILE);
  await expect(file.tensor("F64", { device })).rejects.toThrow(
    /"F64" is F64, and float64 exists on the cpu device only/,
  );
  expect(await (await file.tensor("F64", { device, dtype: "float32" })).data()).toEqual(
    Float32Array.of(0.1, -Infinity, 0, Infinity),
  );
  expect(await (await file.tensor("BOOL", { device })).toArray()).toEqual([true, false, true]);
  device.destroy();
  await init({ device: "cpu" });
});

test("rounding to half precision is to the nearest, ties to even, as typed arrays round to float32", async () => {
  // Halfway between neighbours of the bfloat16 1, which are 2^-7 apart; NaN whose upper half alone would be infinite.
  const x = new Float32Array(new Uint32Array([0x3f808000, 0x3f818000, 0x3f808001, 0x7f800001, 0x7f7fffff]).buffer);
  const bytes = await safetensorsBytes({ x: tensor(x) }, { format: "BF16" });
  const { x: back } = await loadSafetensors(bytes);
  expect(await back.toArray()).toEqual([1, 1 + 2 ** -6, 1 + 2 ** -7, Number.NaN, Infinity]);
});
