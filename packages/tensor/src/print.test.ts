/** Tensors printed: notation, layout, summaries, and that a program computes the same whether it prints or not. */
import { inspect } from "node:util";
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  arange,
  conv2d,
  type Device,
  init,
  keep,
  manualSeed,
  ones,
  pad,
  rand,
  randn,
  type Shape,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "./index.ts";
import { printed } from "./print.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu" });
});

/** An index that is not known before it is computed. */
const computed = (index: number): Tensor => tensor([index]).sqrt().square().round().to("int32");

type Nested = number | Nested[];
const text = (values: Nested, shape: Shape, dtype: Parameters<typeof printed>[2] = "float32"): string =>
  printed([values].flat(9) as number[], shape, dtype);

describe("elements as text", () => {
  test.each<[string, Nested, string]>([
    ["whole numbers", [1, 2, -3], "[ 1,  2, -3]"],
    ["fractions, to four digits", [0.123456, -12.5], "[  0.1235, -12.5000]"],
    ["far apart", [1, 0.0001234567], "[1.0000e+0, 1.2346e-4]"],
    ["tiny", [0, 2.5e-7], "[0.0000e+0, 2.5000e-7]"],
    ["large", [123456789, 1], "[1.2346e+8, 1.0000e+0]"],
    ["whole numbers below a hundred million", [12345678, 1], "[12345678,        1]"],
    [
      "NaN and infinities, which have no say",
      [Number.NaN, Number.NEGATIVE_INFINITY, 0.5],
      "[      NaN, -Infinity,    0.5000]",
    ],
    ["NaN alone", [Number.NaN], "[NaN]"],
    ["minus zero", [-0, 1], "[0, 1]"],
  ])("%s", (_, values, wanted) => {
    expect(text(values, [(values as number[]).length])).toBe(wanted);
  });

  test("integers and booleans", () => {
    expect(text([1, 200, -3], [3], "int32")).toBe("[  1, 200,  -3]");
    expect(text([123456789, 1], [2], "uint32")).toBe("[123456789,         1]");
    expect(text([1, 0], [2], "bool")).toBe("[ true, false]");
  });

  test("no dimensions, and no elements", () => {
    expect(text(0.5, [])).toBe("0.5000");
    expect(text([], [0])).toBe("[]");
    expect(text([], [2, 0])).toBe("[[],\n []]");
    expect(text([], [0, 3])).toBe("[]");
  });

  test("rows stand below each other, and matrices apart", () => {
    expect(text([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2])).toBe("[[[1, 2],\n  [3, 4]],\n\n [[5, 6],\n  [7, 8]]]");
  });

  test("a long row is wrapped at 80 characters", () => {
    const lines = text(
      Array.from({ length: 60 }, (_, i) => i),
      [60],
    ).split("\n");
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines.map((line) => line.replace(/[[\] ]/g, "")).join("")).toBe(
      Array.from({ length: 60 }, (_, i) => i).join(","),
    );
  });

  test("more than a thousand elements: the first and the last three", () => {
    const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
    expect(text(range(1000), [1000])).toContain("500");
    expect(text(range(1001), [1001])).toBe("[   0,    1,    2, …,  998,  999, 1000]");
    expect(text(range(2000), [2, 1000])).toBe(
      "[[   0,    1,    2, …,  997,  998,  999],\n [1000, 1001, 1002, …, 1997, 1998, 1999]]",
    );
    const tall = text(range(4000), [1000, 4]).split("\n");
    expect(tall).toHaveLength(7);
    expect(tall[3]).toBe(" …,");
    // Many dimensions.
    expect(text(range(4 ** 8), new Array(8).fill(4)).length).toBeLessThan(20_000);
  });
});

describe("console.log on the cpu device", () => {
  const wanted = "Tensor([2, 2], float32, cpu)\n[[1.0000, 0.5000],\n [2.0000, 4.0000]]";
  const given = () =>
    tensor([
      [1, 0.5],
      [2, 4],
    ]);

  test("a tensor given by the host, one that is recorded, and one that is stored", async () => {
    expect(inspect(given())).toBe(wanted);
    const recorded = given().mul(2).add(1).sub(1).div(2);
    expect(device.pending).toBeGreaterThan(0);
    expect(inspect(recorded)).toBe(wanted);
    device.flush();
    expect(inspect(recorded)).toBe(wanted);
    await recorded.data();
    expect(inspect(recorded)).toBe(wanted);
  });

  test("one line where that suffices, also within other things", () => {
    expect(inspect({ x: tensor([1, 2]) })).toBe("{ x: Tensor([2], float32, cpu) [1, 2] }");
    expect(inspect([tensor(0.25), tensor([true])])).toBe(
      "[ Tensor([], float32, cpu) 0.2500, Tensor([1], bool, cpu) [true] ]",
    );
    expect(inspect({ a: { b: { c: { x: ones([2]) } } } }, { depth: 2 })).toContain("[Object]");
    expect(inspect([ones([2])], { depth: 0 })).not.toContain("[1, 1]");
  });

  test("a movement, a reduction, a product, a convolution and random numbers that are recorded", async () => {
    manualSeed(1);
    const x = randn([4, 6]);
    const all = [
      x.transpose(0, 1).narrow(0, 1, 2),
      x.sum(1),
      x.matmul(x.transpose(0, 1)),
      conv2d(x.reshape([1, 1, 4, 6]), rand([2, 1, 2, 3]), null, { padding: 1 }),
      pad(x, [1, 1]),
      x.gt(0),
      x.argmax(1),
    ];
    const before = all.map((t) => inspect(t));
    for (const [i, t] of all.entries()) {
      const read = printed(await t.data(), t.shape, t.dtype);
      expect(before[i]).toContain(read);
    }
  });

  test("a value that moved to the bank, and one whose storage went", async () => {
    const small = Array.from({ length: 100 }, (_, i) => tensor(i + 0.5).mul(2));
    const large = rand([2000]).mul(2);
    const first = await large.data();
    for (let i = 0; i < 40; i++) {
      ones([3]).add(i);
      device.flush();
    }
    expect(inspect(small[7])).toBe("Tensor([], float32, cpu) 15");
    expect(inspect(large)).toContain(first[0].toFixed(4));
  });

  test("released, and what would take long", async () => {
    const x = ones([2]);
    x.dispose();
    expect(inspect(x)).toBe("Tensor(released)");
    const slow = ones([300, 300]).matmul(ones([300, 300]));
    expect(inspect(slow)).toBe("Tensor([300, 300], float32, cpu: not computed yet; await t.data())");
    await slow.data();
    expect(inspect(slow)).toContain("300, 300, 300, …");
  });

  test("an index outside its axis: no elements, and the read still rejects", async () => {
    const x = tensor([1, 2, 3]);
    const y = x.indexSelect(0, computed(5));
    expect(inspect(y)).toMatch(/^Tensor\(\[1\], float32, cpu: an index was outside its axis/);
    await expect(y.data()).rejects.toThrow("5");
  });

  test("a device that is gone", async () => {
    const own = await init({ device: "cpu" });
    const x = ones([2]);
    own.destroy();
    expect(inspect(x)).toBe("Tensor([2], float32, cpu: its device is gone)");
    device = await init({ device: "cpu" });
  });

  test("text for messages stays short", () => {
    expect(`${given()} ${String(given())}`).toBe("Tensor([2, 2], float32, cpu) Tensor([2, 2], float32, cpu)");
  });
});

test("a program computes the same whether it prints or not", async () => {
  const run = async (print: (...tensors: Tensor[]) => void): Promise<unknown[]> => {
    const own = await init({ device: "cpu" });
    manualSeed(3);
    let state = zeros([8, 8]);
    const read: unknown[] = [];
    for (let i = 0; i < 12; i++) {
      using _ = scope();
      const noise = rand([8, 8]);
      const weight = randn([8, 8]);
      print(noise, weight, state);
      const hidden = state.matmul(weight).add(noise).tanh();
      const loss = hidden.square().mean();
      print(hidden, loss);
      if (i % 3 === 0) read.push(await loss.item());
      else if (i % 3 === 1) own.flush();
      print(hidden, loss, noise);
      state.dispose();
      state = keep(hidden.add(arange(8)).sigmoid());
      print(state);
    }
    read.push(await state.toArray(), own.stats(), own.pending);
    own.destroy();
    return read;
  };
  const silent = await run(() => {});
  const said: string[] = [];
  const talking = await run((...tensors) => said.push(...tensors.map((t) => inspect(t))));
  expect(talking).toEqual(silent);
  expect(said).toHaveLength(12 * 9);
  for (const one of said) expect(one).toMatch(/^Tensor\(\[[8, ]*\], float32, cpu\)\s\S/);
  device = await init({ device: "cpu" });
});

test("a GPU's elements need a read", async () => {
  await init({ device: "webgpu" });
  const x = tensor([1, 2]);
  expect(inspect(x)).toBe("Tensor([2], float32, webgpu)");
  device = await init({ device: "cpu" });
});

describe("in a notebook", () => {
  type Shown = Record<string, string>;
  const display = (t: Tensor): Promise<Shown> =>
    (t as unknown as Record<symbol, () => Promise<Shown>>)[Symbol.for("Jupyter.display")]();

  test.each(["cpu", "webgpu"] as const)("%s: text, and a table", async (name) => {
    await init({ device: name });
    const shown = await display(
      tensor([
        [1, 2],
        [3, 4.5],
      ]).mul(1),
    );
    expect(Object.keys(shown).sort()).toEqual(["text/html", "text/plain"]);
    expect(shown["text/plain"]).toBe(`Tensor([2, 2], float32, ${name})\n[[1.0000, 2.0000],\n [3.0000, 4.5000]]`);
    expect(shown["text/html"]).toMatch(new RegExp(`^<div>Tensor\\(\\[2, 2\\], float32, ${name}\\)</div><table>`));
    expect(shown["text/html"].match(/<tr>/g)).toHaveLength(2);
    expect(Array.from(shown["text/html"].matchAll(/<td[^>]*>([^<]*)</g), ([, cell]) => cell)).toEqual([
      "1.0000",
      "2.0000",
      "3.0000",
      "4.5000",
    ]);
    device = await init({ device: "cpu" });
  });

  test("other ranks, large ones, and a released one", async () => {
    expect((await display(tensor(0.5)))["text/html"]).toContain("<pre>0.5000</pre>");
    expect((await display(ones([2, 2, 2])))["text/html"]).toContain("<pre>[[[1, 1],");
    expect((await display(arange(5)))["text/html"].match(/<td/g)).toHaveLength(5);
    expect((await display(zeros([100, 100])))["text/html"].match(/<td/g)).toHaveLength(49);
    const x = ones([2]);
    x.dispose();
    expect(await display(x)).toEqual({ "text/plain": "Tensor(released)" });
  });

  test("what cannot be computed says why", async () => {
    const y = ones([3]).indexSelect(0, computed(5));
    expect((await display(y))["text/plain"]).toMatch(/^Tensor\(\[1\], float32, cpu\): .*5/);
  });
});
