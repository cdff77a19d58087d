/**
 * Files that are written: as the reference library writes them, to every kind of target, and back.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, init, ones, scope, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import { build } from "esbuild";
import { Parameter } from "../index.ts";
import { loadSafetensors, openSafetensors, safetensorsBlob, safetensorsBytes, saveSafetensors } from "./index.ts";

const fixture = (name: string): Buffer => readFileSync(new URL(`./fixtures/${name}.safetensors`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));

beforeAll(async () => {
  await init({ device: "cpu" });
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What `fixtures/make.py` calls floats and others. */
function content(): { floats: Record<string, Tensor>; others: Record<string, Tensor> } {
  const int32 = (data: number[], shape = [data.length]): Tensor => tensor(data, { dtype: "int32", shape });
  const floats = {
    weight: tensor(
      Float32Array.from({ length: 12 }, (_, i) => (i - 6) / 7),
      { shape: [3, 4] },
    ),
    scalar: tensor(0.1),
    empty: zeros([2, 0]),
    10: tensor([1, 65519, 1e-7, 3e-8]),
    9: tensor([2 ** -14, -0, 1 / 3]),
  };
  const others = {
    é: int32([1, -2]),
    "\uffff": int32([3]),
    "😀": int32([4]),
    'a "quoted" \\ name\n\x7f\x01': int32([5], [1, 1]),
    "": tensor(7, { dtype: "uint32" }),
    mask: tensor([true, false, true]),
    precise: tensor([0.1, 1e300], { dtype: "float64" }),
  };
  return { floats, others };
}

const METADATA = { note: 'written by "safetensors" \t/ 日本' };

describe("byte for byte what the Python library writes", () => {
  test("dtypes, scalars, empty tensors, names in several scripts, metadata", async () => {
    const { floats, others } = content();
    const bytes = await safetensorsBytes({ ...floats, ...others }, { metadata: METADATA });
    expect(Buffer.from(bytes).toString("latin1")).toBe(fixture("golden").toString("latin1"));
  });

  test.each([
    ["halves", "F16"],
    ["brains", "BF16"],
  ] as const)("%s", async (file, format) => {
    const bytes = await safetensorsBytes(content().floats, { format });
    expect(Buffer.from(bytes).toString("latin1")).toBe(fixture(file).toString("latin1"));
  });
});

test("float16 tensors are stored as they are, and come back as float32 or float16", async () => {
  // An adapter that computes nothing has shader-f16, and elements that come from the host can be read again.
  const { floats } = content();
  const device = await init({ device: "webgpu", adapter: "null" });
  const numbers = { weight: await floats.weight.data(), 10: await floats[10].data(), 9: await floats[9].data() };
  const half = (name: keyof typeof numbers, shape?: number[]): Tensor =>
    tensor(numbers[name], { dtype: "float16", device, shape });
  const bytes = await safetensorsBytes({ weight: half("weight", [3, 4]), 10: half(10), 9: half(9) });
  const wanted = await loadSafetensors(fixture("halves"), { device });
  const [wide, narrow] = [await loadSafetensors(bytes, { device }), await loadSafetensors(bytes, { dtype: "float16" })];
  for (const name of Object.keys(numbers)) {
    expect([wide[name].dtype, narrow[name].dtype]).toEqual(["float32", "float16"]);
    expect(await wide[name].data()).toEqual(await wanted[name].data());
    expect(await narrow[name].data()).toEqual(await wanted[name].data());
  }
  device.destroy();
  await init({ device: "cpu" });
});

test("what the Python library wrote is read back as it was", async () => {
  const { floats, others } = content();
  const wanted = { ...floats, ...others };
  const got = await loadSafetensors(fixture("golden"));
  expect(Object.keys(got).sort()).toEqual(Object.keys(wanted).sort());
  for (const [name, x] of Object.entries(got)) {
    expect([name, x.dtype, x.shape]).toEqual([name, wanted[name].dtype, wanted[name].shape]);
    expect(await x.data()).toEqual(await wanted[name].data());
  }
  await using file = await openSafetensors(fixture("golden"));
  expect(file.metadata).toEqual(METADATA);
});

describe("every kind of source", () => {
  const bytes = new Uint8Array(fixture("golden"));
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const sources = {
    "an ArrayBuffer": bytes.buffer,
    "a Uint8Array inside a larger buffer": shifted.subarray(3),
    "a Node Buffer": Buffer.from(bytes),
    "a Blob": new Blob([bytes]),
    "a path": new URL("./fixtures/golden.safetensors", import.meta.url).pathname,
    "a file URL": new URL("./fixtures/golden.safetensors", import.meta.url),
  };
  for (const [name, source] of Object.entries(sources)) {
    test(name, async () => {
      const state = await loadSafetensors(source);
      expect(await state.precise.toArray()).toEqual([0.1, 1e300]);
      expect(Object.keys(state)).toHaveLength(12);
    });
  }

  test("anything else is refused", async () => {
    await expect(loadSafetensors(7 as never)).rejects.toThrow(/got number: wanted a path, a Blob/);
    await expect(loadSafetensors(null as never)).rejects.toThrow(ArgumentError);
    await expect(loadSafetensors(join(folder, "nowhere"))).rejects.toThrow(/ENOENT/);
  });
});

test("tensors do not share memory with the bytes they came from", async () => {
  const bytes = await safetensorsBytes({ x: tensor([1, 2]) });
  const { x } = await loadSafetensors(bytes);
  bytes.fill(255);
  expect(await x.toArray()).toEqual([1, 2]);
});

test("a tensor may stand at an odd address", async () => {
  const header =
    '{"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}';
  const bytes = new Uint8Array(8 + header.length + 5);
  bytes[0] = header.length;
  bytes.set(new TextEncoder().encode(header), 8);
  bytes.set(new Uint8Array(Float32Array.of(1.5).buffer), 8 + header.length + 1);
  expect(await (await loadSafetensors(bytes)).x.item()).toBe(1.5);
});

test("a Blob goes there and back", async () => {
  const blob = await safetensorsBlob(content().floats);
  expect(blob.size).toBe((await safetensorsBytes(content().floats)).length);
  expect(await (await loadSafetensors(blob)).scalar.item()).toBe(Math.fround(0.1));
});

test("a file appears whole, under a path or a URL, and replaces the one before", async () => {
  const path = join(folder, "a b.safetensors");
  await saveSafetensors(path, { x: tensor([1]) });
  await saveSafetensors(pathToFileURL(path), { x: tensor([2]) });
  expect(await (await loadSafetensors(path)).x.toArray()).toEqual([2]);
  expect(readdirSync(folder)).toEqual(["a b.safetensors"]);
});

test("a save that fails leaves the file before it as it was, and nothing else", async () => {
  const path = join(folder, "kept.safetensors");
  await saveSafetensors(path, { x: tensor([1]) });
  const device = await init({ device: "cpu" });
  const saving = saveSafetensors(path, { x: tensor([1]).add(1) });
  device.destroy();
  await expect(saving).rejects.toThrow(/destroyed/);
  await init({ device: "cpu" });
  expect(await (await loadSafetensors(path)).x.toArray()).toEqual([1]);
  expect(readdirSync(folder).filter((name) => name.startsWith("kept"))).toEqual(["kept.safetensors"]);
});

test("the values are those of the moment of the call", async () => {
  const p = new Parameter(tensor([1, 2]));
  let saving: Promise<Uint8Array<ArrayBuffer>>;
  {
    using _ = scope();
    saving = safetensorsBytes({ p, sum: p.add(1) });
  }
  p.assign(ones([2]));
  const state = await loadSafetensors(await saving);
  expect([await state.p.toArray(), await state.sum.toArray()]).toEqual([
    [1, 2],
    [2, 3],
  ]);
});

test("more tensors than are read at once", async () => {
  // Three of 40 MB: two batches.
  const x = zeros([10_000_000]);
  const blob = await safetensorsBlob({ a: x, b: x, c: tensor([3]) });
  expect(blob.size).toBeGreaterThan(80_000_000);
  await using file = await openSafetensors(blob);
  expect(await (await file.tensor("c")).toArray()).toEqual([3]);
});

describe("what the format does not take", () => {
  const refuse = (name: string, tensors: unknown, options: unknown, message: RegExp): void => {
    test(name, async () => {
      await expect(safetensorsBytes(tensors as never, options as never)).rejects.toThrow(message);
      await expect(saveSafetensors(join(folder, "no"), tensors as never, options as never)).rejects.toThrow(
        ArgumentError,
      );
    });
  };
  const x = (): Tensor => zeros([1]);
  refuse(
    "a name of its own",
    {
      get __metadata__() {
        return x();
      },
    },
    {},
    /cannot have the name __metadata__/,
  );
  refuse("a name that is special in JavaScript", Object.fromEntries([["__proto__", 1]]), {}, /__proto__/);
  refuse("half a surrogate pair", { "a\ud800": 1 }, {}, /half of a surrogate pair/);
  refuse("no tensor", { a: 1 }, {}, /"a" is no tensor/);
  refuse("metadata that are not strings", {}, { metadata: { epochs: 3 } }, /"epochs" is number: wanted a string/);
  refuse("metadata that are no object", {}, { metadata: "epochs" }, /wanted an object of strings/);
  refuse("an unknown format", {}, { format: "F8" }, /format F8: wanted one of F64, F32, F16, BF16/);
  refuse("an unknown option", {}, { meta: {} }, /unknown option meta/);
});

test("a bundle for browsers has it without Node's modules", async () => {
  const entry = new URL("./index.ts", import.meta.url).pathname;
  const { outputFiles, metafile, warnings } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    conditions: ["@loopgrad/source"],
    loader: { ".wgsl": "text" },
    logLevel: "silent",
  });
  expect(warnings).toEqual([]);
  expect(outputFiles).toHaveLength(1);
  expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
});
