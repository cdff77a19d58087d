/** The kernel in WebAssembly does what the one in JavaScript does, to the bit. */
import { afterEach, describe, expect, test } from "@jest/globals";
import { conv2d, matmul, randn, type Tensor, tensor } from "../../index.ts";
import { init } from "../../init.ts";
import { multiplyPanels, tiled, useTiles } from "../steps/panels.ts";
import { Code, I32, moduleOf, signed, unsigned } from "./assembler.ts";
import { tilesModule, wasmTiles } from "./tiles.ts";

const before = useTiles(null);
afterEach(() => void useTiles(before));

describe("the assembler", () => {
  test.each([
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])("unsigned %i", (value, bytes) => expect(unsigned(value)).toEqual(bytes));

  test.each([
    [0, [0]],
    [63, [63]],
    [64, [0xc0, 0]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [-123456, [0xc0, 0xbb, 0x78]],
    [2 ** 31 - 1, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [-(2 ** 31), [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])("signed %i", (value, bytes) => expect(signed(value)).toEqual(bytes));

  test("modules are valid, a function without code too", () => {
    expect(WebAssembly.validate(tilesModule())).toBe(true);
    expect(WebAssembly.validate(moduleOf([{ code: new Code([I32]), exported: "nothing" }]))).toBe(true);
  });

  test("a module that leaves something on the stack is not", () => {
    expect(WebAssembly.validate(moduleOf([{ code: new Code([]).constant(1) }]))).toBe(false);
  });
});

/** Numbers of many magnitudes, and those that are none. */
function doubles(count: number, seed: number, special: boolean): Float64Array {
  let state = seed;
  const next = (): number => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 5e-324, 1e308];
  return Float64Array.from({ length: count }, () => {
    const x = next();
    if (special && x < 0.02) return odd[Math.floor(next() * odd.length)];
    return (next() - 0.5) * 10 ** (6 * next() - 3);
  });
}

test.each([
  [4, 4, 1],
  [4, 8, 256],
  [7, 5, 200],
  [64, 64, 64],
  [33, 130, 17],
  [128, 128, 1024],
])("panels of %i × %i, %i deep: the same bits as in JavaScript", (rows, columns, depth) => {
  for (const special of [false, true]) {
    const a = { data: doubles(3 + tiled(rows) * depth, rows, special), at: 3 };
    const b = { data: doubles(5 + tiled(columns) * depth, columns, special), at: 5 };
    const start = doubles(1 + tiled(rows) * tiled(columns), depth, special);
    const run = (): Float64Array => {
      const sum = { data: start.slice(), at: 1 };
      multiplyPanels(a, b, depth, rows, columns, sum);
      return sum.data;
    };
    useTiles(null);
    const wanted = run();
    // Small ones stay in JavaScript unless they are asked for.
    useTiles(wasmTiles());
    expect(run()).toEqual(wanted);
    const sum = start.slice();
    wasmTiles()?.(a.data.subarray(3), b.data.subarray(5), depth, tiled(rows), tiled(columns), sum.subarray(1));
    expect(sum).toEqual(wanted);
  }
});

test("a memory that grows keeps nothing from before", () => {
  const kernel = wasmTiles();
  for (const n of [4, 64, 256, 8]) {
    const [a, b] = [doubles(n * n, n, false), doubles(n * n, n + 1, false)];
    const [got, wanted] = [new Float64Array(n * n), new Float64Array(n * n)];
    kernel?.(a, b, n, n, n, got);
    multiplyPanels({ data: a, at: 0 }, { data: b, at: 0 }, n, n, n, { data: wanted, at: 0 });
    expect(got).toEqual(wanted);
  }
});

test("panels that the memory cannot hold are multiplied in JavaScript", () => {
  const n = 64;
  const [a, b] = [doubles(n * n, 1, false), doubles(n * n, 2, false)];
  const run = (): Float64Array => {
    const sum = { data: new Float64Array(n * n), at: 0 };
    multiplyPanels({ data: a, at: 0 }, { data: b, at: 0 }, n, n, n, sum);
    return sum.data;
  };
  const wanted = run();
  const small = wasmTiles(1);
  expect(small?.(a, b, n, n, n, new Float64Array(n * n))).toBe(false);
  useTiles(small);
  expect(run()).toEqual(wanted);
});

test("the cpu device multiplies in WebAssembly, and says so; products and convolutions have the bits of JavaScript", async () => {
  useTiles(before);
  const compute = async (): Promise<unknown[]> => {
    const x = tensor(doubles(2 * 3 * 9 * 9, 1, false), { shape: [2, 3, 9, 9], requiresGrad: false });
    const w = tensor(doubles(8 * 3 * 3 * 3, 2, false), { shape: [8, 3, 3, 3] });
    const a = tensor(doubles(50 * 70, 3, false), { shape: [50, 70] });
    const results: Tensor[] = [matmul(a, a.t()), conv2d(x, w, null, { padding: 1 })];
    return Promise.all(results.map((y) => y.data()));
  };
  const device = await init({ device: "cpu" });
  expect(device.description).toBe("JavaScript, and WebAssembly SIMD for products, on one core");
  const fast = await compute();
  useTiles(null);
  await init({ device: "cpu" });
  expect(await compute()).toEqual(fast);
  expect(randn([1]).device.description).toMatch(/JavaScript/);
});
