/**
 * Files that are not valid: one class of error, which says what is wrong and where; no memory beyond the file's size.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, tensor } from "@loopgrad/tensor";
import { loadSafetensors, openSafetensors, SafetensorsError, safetensorsBytes } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu" });
});

/** A file with a header, as text or bytes, and so many bytes of data. */
function file(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const entry = (dtype: string, shape: string, offsets: string): string =>
  `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
const x = (dtype: string, shape: string, offsets: string): string => `{"x":${entry(dtype, shape, offsets)}}`;
const F32 = entry('"F32"', "[1]", "[0,4]");

async function refused(bytes: Uint8Array<ArrayBuffer>, message: RegExp): Promise<void> {
  for (const source of [bytes, new Blob([bytes])]) {
    const error: unknown = await loadSafetensors(source).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(SafetensorsError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message.length).toBeLessThan(400);
  }
}

describe("the length of the header", () => {
  test.each([
    ["no bytes", new Uint8Array(), /^bytes: 0 bytes: too short|^blob: 0 bytes: too short/],
    ["seven bytes", new Uint8Array(7), /7 bytes: too short/],
    ["nothing after it", new Uint8Array(8), /at character 0: wanted "\{"/],
    ["beyond the file", file("{}", 0, 3n), /is said to have 3 bytes, and the whole file has 10/],
    ["all ones", file("{}", 0, 2n ** 64n - 1n), /18446744073709551615 bytes, and may have 100000000/],
    ["just too long", file("{}", 0, 100_000_001n), /100000001 bytes, and may have 100000000/],
    ["long, in a short file", file("{}", 0, 100_000_000n), /100000000 bytes, and the whole file has 10/],
    ["too short", file("{}", 0, 1n), /at character 1: wanted "\\"", got the end/],
  ])("%s", (_name, bytes, message) => refused(bytes, message));
});

describe("text that is no header", () => {
  const cases: [string, string | Uint8Array, RegExp][] = [
    ["no UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), /no valid UTF-8/],
    ["a byte order mark", "\ufeff{}", /at character 0: wanted "\{"/],
    ["white space first", " {}", /with which a header begins/],
    ["an array", "[]", /at character 0/],
    ["null", "null", /at character 0/],
    ["cut short", '{"x":', /at character 5: wanted "\{", got the end/],
    ["cut inside a string", '{"x', /wanted "\\"", got the end/],
    ["cut inside an escape", '{"x\\', /wanted "\\"", got the end/],
    ["an unknown escape", '{"\\x41":1}', /at character 1: this string is not valid/],
    ["a line break in a string", '{"\n":1}', /this string is not valid/],
    ["half a surrogate pair", `{"\\ud800":${F32}}`, /this string is not valid/],
    ["a comma too many", `{"x":${F32},}`, /wanted "\\""/],
    ["no comma", `{"x":${F32} "y":${F32}}`, /wanted "}", got "\\""/],
    ["no colon", '{"x" 1}', /wanted ":", got "1"/],
    ["single quotes", "{'x':1}", /at character 1/],
    ["a comment", "{/**/}", /at character 1/],
    ["something after it", "{} {}", /something follows the header/],
    ["a NUL after it", "{}\0", /something follows the header/],
    ["a tensor that is a number", '{"x":1}', /wanted "\{", got "1"/],
    ["nested a million deep", `{"x":${"[".repeat(1e6)}`, /wanted "\{", got "\["/],
    ["objects nested a million deep", '{"x":'.repeat(1e6), /unknown key "x"/],
    ["a name of a megabyte", `{"${"n".repeat(1e6)}":1}`, /wanted "\{"/],
    ["an unknown dtype of a megabyte", x(`"${"n".repeat(1e6)}"`, "[1]", "[0,4]"), /unknown dtype "n+…"/],
  ];
  test.each(cases)("%s", (_name, header, message) => refused(file(header, 4), message));
});

describe("entries that make no sense", () => {
  const cases: [string, string, RegExp][] = [
    ["no dtype", '{"x":{"shape":[1],"data_offsets":[0,4]}}', /"x": dtype, shape and data_offsets are needed/],
    ["nothing", '{"x":{}}', /are needed, not all are given/],
    ["another key", `{"x":{"dtype":"F32","strides":[1]}}`, /"x": unknown key "strides"/],
    ["an unknown dtype", x('"F33"', "[1]", "[0,4]"), /"x": unknown dtype "F33": wanted one of U64, I64/],
    ["a dtype that every object has", x('"constructor"', "[1]", "[0,4]"), /unknown dtype "constructor"/],
    ["a dtype that is a number", x("3", "[1]", "[0,4]"), /wanted "\\"", got "3"/],
    ["a shape that is a number", x('"F32"', "1", "[0,4]"), /wanted "\[", got "1"/],
    ["a negative size", x('"F32"', "[-1]", "[0,4]"), /wanted an integer in \[0, 2\^53\), got "-1"/],
    ["a fraction", x('"F32"', "[1.5]", "[0,4]"), /got "1.5"/],
    ["an exponent", x('"F32"', "[1e0]", "[0,4]"), /got "1e0"/],
    ["a leading zero", x('"F32"', "[01]", "[0,4]"), /got "01"/],
    ["minus zero", x('"F32"', "[-0]", "[0,0]"), /got "-0"/],
    ["NaN", x('"F32"', "[NaN]", "[0,4]"), /got "NaN"/],
    ["a string for a size", x('"F32"', '["1"]', "[0,4]"), /got "\\""/],
    ["2^53", x('"F32"', "[9007199254740992]", "[0,4]"), /got "9007199254740992"/],
    ["a number of a megabyte", x('"F32"', `[${"1".repeat(1e6)}]`, "[0,4]"), /got "1{24}"/],
    ["a product beyond 2^53", x('"F32"', "[4294967296,4294967296]", "[0,4]"), /takes no whole number of bytes/],
    ["a product that wraps to 4", x('"U8"', "[4294967297,4294967292]", "[0,4]"), /takes no whole number of bytes/],
    ["65 dimensions", x('"F32"', `[${Array(65).fill(1)}]`, "[0,4]"), /wanted at most 64 numbers/],
    ["half a byte", x('"F4"', "[7]", "[0,4]"), /F4 of shape \[7\] takes no whole number of bytes/],
    ["one offset", x('"F32"', "[1]", "[4]"), /data_offsets has 1 numbers, wanted 2/],
    ["three offsets", x('"F32"', "[1]", "[0,4,4]"), /wanted at most 2 numbers/],
    ["offsets backwards", x('"F32"', "[1]", "[4,0]"), /data_offsets go from 4 back to 0/],
    ["too few bytes", x('"F32"', "[2]", "[0,4]"), /F32 of shape \[2\] takes 8 bytes, its data_offsets span 4/],
    ["too many bytes", x('"F16"', "[1]", "[0,4]"), /F16 of shape \[1\] takes 2 bytes, its data_offsets span 4/],
    ["bytes for an empty tensor", x('"F32"', "[0,9]", "[0,4]"), /takes 0 bytes/],
    ["a name twice", `{"x":${F32},"x":${F32}}`, /tensor "x" stands here a second time/],
    ["a name twice, once escaped", `{"x":${F32},"\\u0078":${F32}}`, /tensor "x" stands here a second time/],
    ["a key twice", '{"x":{"dtype":"F32","dtype":"F32"}}', /"x": "dtype" stands here a second time/],
    ["a special name", `{"__proto__":${F32}}`, /the name __proto__ is not taken/],
    ["a special key", `{"x":{"__proto__":1}}`, /the name __proto__ is not taken/],
    ["a key that every object has", `{"x":{"constructor":1}}`, /unknown key "constructor"/],
  ];
  test.each(cases)("%s", (_name, header, message) => refused(file(header, 4), message));
});

describe("metadata", () => {
  test.each([
    ["a number in it", '{"__metadata__":{"a":1}}', /wanted "\\"", got "1"/],
    ["null", '{"__metadata__":null}', /wanted "\{", got "n"/],
    ["twice", '{"__metadata__":{},"__metadata__":{}}', /__metadata__ stands here a second time/],
    ["a key twice", '{"__metadata__":{"a":"b","a":"b"}}', /__metadata__: "a" stands here a second time/],
    ["a special key", '{"__metadata__":{"__proto__":"b"}}', /the name __proto__ is not taken/],
  ])("%s", (_name, header, message) => refused(file(header), message));
});

describe("ranges that do not cover the data", () => {
  const two = (a: string, b: string): string => `{"a":${entry('"F32"', "[1]", a)},"b":${entry('"F32"', "[1]", b)}}`;
  test.each([
    ["no tensors, but data", file("{}", 3), /the last 3 bytes of the data belong to no tensor/],
    ["bytes at the end", file(two("[0,4]", "[4,8]"), 9), /the last 1 bytes of the data/],
    ["a hole", file(two("[0,4]", "[5,9]"), 9), /bytes 4 to 5 of the data, before "b", belong to no tensor/],
    ["a hole at the beginning", file(two("[8,12]", "[4,8]"), 12), /bytes 0 to 4 of the data, before "b"/],
    ["the same bytes twice", file(two("[0,4]", "[0,4]"), 8), /"b": its data overlap those of "a" at byte 0/],
    ["an overlap", file(two("[0,4]", "[2,6]"), 6), /"b": its data overlap those of "a" at byte 2/],
    [
      "beyond the file",
      file(two("[0,4]", "[4,8]"), 7),
      /"b": its data end at byte 8, and there are 7: is the file cut/,
    ],
    [
      "petabytes",
      file(x('"U8"', "[1000000000000000]", "[0,1000000000000000]"), 8),
      /end at byte 1000000000000000, and there are 8/,
    ],
  ])("%s", (_name, bytes, message) => refused(bytes, message));
});

test("every beginning of a file is refused", async () => {
  const whole = await safetensorsBytes({ x: tensor([1, 2]), y: tensor([true]) }, { metadata: { a: "b" } });
  for (let length = 0; length < whole.length; length++) {
    await expect(loadSafetensors(whole.slice(0, length))).rejects.toThrow(SafetensorsError);
  }
});

test("the order of entries and of their keys does not matter, nor does white space between them", async () => {
  const header = '{ "b" : {"data_offsets":[ 0 , 4 ],\n"shape":[ ],"dtype":"I32"}\t, "__metadata__":{} , "e":'.concat(
    `${entry('"F64"', "[0,9007199254740991]", "[0,0]")},"a":${entry('"I32"', "[1]", "[4,8]")} }\r\n  `,
  );
  await using opened = await openSafetensors(file(header, 8));
  expect([...opened.entries.keys()]).toEqual(["e", "b", "a"]);
  expect((await opened.tensor("b")).shape).toEqual([]);
});

test("nothing is read beyond what the file has, whatever the header says", async () => {
  let asked = 0;
  class Counting extends Blob {
    override slice(start = 0, end = this.size): Blob {
      asked += end - start;
      return super.slice(start, end);
    }
  }
  const hundred = entry('"U8"', "[100]", "[0,100]");
  const huge = [
    file("{}", 0, 99_999_999n),
    file("{}", 0, 2n ** 63n),
    file(x('"F32"', "[1000000000]", "[0,4000000000]"), 100),
    file(`{"a":${hundred},"b":${hundred}}`, 100),
  ];
  for (const bytes of huge) {
    asked = 0;
    await expect(loadSafetensors(new Counting([bytes]))).rejects.toThrow(SafetensorsError);
    expect(asked).toBeLessThanOrEqual(bytes.length);
  }
});
