import { describe, expect, test } from "@jest/globals";
import { checkAgainstInterpreter } from "../debug/check.ts";
import { DTYPES, type DType, type HostArray } from "../dtype.ts";
import type { Primitive } from "../primitives.ts";
import * as p from "../primitives.ts";
import type { Graph } from "../record/backend.ts";
import type { Shape } from "../shape.ts";
import { arithmetic } from "./arithmetic.ts";
import { CpuBackend } from "./backend.ts";
import { filled, runOn, Sketch, seeded } from "./sketch.ts";

/** Runs a graph on the device with seeded leaves, and compares with the interpreter. */
async function agrees(graph: Graph, seed = 1, scalars: readonly number[] = []): Promise<void> {
  const random = seeded(seed);
  const leaves = graph.nodes.flatMap((node) =>
    node.primitive === null ? [filled(node.dtype, node.shape, random)] : [],
  );
  const outputs = await runOn(new CpuBackend(), graph, leaves, scalars);
  checkAgainstInterpreter(graph, leaves, scalars, outputs, arithmetic);
}

const floats = ["float32", "float64"] as const;

/** Primitives and the dtypes they take. */
const UNARY: [Primitive, readonly DType[]][] = [
  ...[p.negP, p.absP, p.signP].map((q): [Primitive, readonly DType[]] => [q, [...floats, "int32", "uint32"]]),
  ...p.PRIMITIVES.filter(
    ({ kind, name }) => kind === "unary" && !["neg", "abs", "sign", "not", "alias"].includes(name),
  ).map((q): [Primitive, readonly DType[]] => [q, floats]),
  [p.notP, ["bool"]],
  [p.aliasP, DTYPES],
];

function takes(primitive: Primitive, dtype: DType): boolean {
  try {
    primitive.infer(
      [
        { shape: [], dtype },
        { shape: [], dtype },
      ],
      [],
    );
    return true;
  } catch {
    return false;
  }
}

describe("the device agrees with the interpreter", () => {
  test.each(UNARY.map(([primitive, dtypes]) => ({ name: primitive.name, primitive, dtypes })))(
    "$name",
    async ({ primitive, dtypes }) => {
      for (const dtype of dtypes) {
        const s = new Sketch();
        const x = s.leaf([5, 7], dtype);
        const outputs = [s.apply(primitive, [x]), s.apply(primitive, [s.apply(p.permuteP, [x], [1, 0])])];
        await agrees(s.graph(...outputs));
      }
    },
  );

  const binary = p.PRIMITIVES.filter(({ kind }) => kind === "binary" || kind === "compare");
  test.each(binary.map((primitive) => ({ name: primitive.name, primitive })))("$name", async ({ primitive }) => {
    for (const dtype of DTYPES.filter((dtype) => takes(primitive, dtype))) {
      const s = new Sketch();
      const x = s.leaf([4, 6], dtype);
      const others = [s.leaf([4, 6], dtype), s.leaf([6], dtype), s.leaf([4, 1], dtype), s.leaf([], dtype)];
      const swapped = s.apply(p.permuteP, [s.leaf([6, 4], dtype)], [1, 0]);
      const outputs = [...others, swapped].flatMap((y) => [s.apply(primitive, [x, y]), s.apply(primitive, [y, x])]);
      await agrees(s.graph(...outputs));
    }
  });

  test.each(DTYPES)("where and cast of %s", async (dtype) => {
    const s = new Sketch();
    const condition = s.leaf([3, 1], "bool");
    const [x, y] = [s.leaf([3, 40], dtype), s.leaf([40], dtype)];
    const casts = DTYPES.map((_, code) => s.apply(p.castP, [x], [code]));
    await agrees(s.graph(s.apply(p.whereP, [condition, x, y]), s.apply(p.whereP, [condition, y, x]), ...casts));
  });

  const shape = [3, 4, 5, 6];
  const axes = [[0], [3], [1, 2], [0, 3], [0, 2], [1, 3], [0, 1, 2, 3], []];
  test.each(["float32", "float64", "int32", "uint32"] as const)("sum, max and prod of %s", async (dtype) => {
    for (const primitive of [p.sumP, p.maxP, p.prodP]) {
      const s = new Sketch();
      const x = s.leaf(shape, dtype);
      const turned = s.apply(p.permuteP, [x], [2, 0, 3, 1]);
      const repeated = s.apply(p.expandP, [s.leaf([3, 1, 5, 1], dtype)], shape);
      await agrees(s.graph(...axes.flatMap((list) => [x, turned, repeated].map((y) => s.apply(primitive, [y], list)))));
    }
  });

  test("reductions of elementwise results, and of nothing", async () => {
    const s = new Sketch();
    const [x, y, empty] = [s.leaf(shape), s.leaf([5, 1]), s.leaf([0, 3])];
    const product = s.apply(p.mulP, [x, y]);
    const outputs = axes.map((list) => s.apply(p.sumP, [s.apply(p.expP, [s.apply(p.addP, [product, y])])], list));
    outputs.push(s.apply(p.sumP, [empty], [0]), s.apply(p.maxP, [empty], [0]), s.apply(p.addP, [empty, empty]));
    outputs.push(s.apply(p.argmaxP, [x], [2]), s.apply(p.cumsumP, [product], [1]), s.apply(p.argsortP, [x], [3, 1]));
    await agrees(s.graph(...outputs));
  });

  test("movements and their chains", async () => {
    const s = new Sketch();
    const x = s.leaf([4, 6]);
    const turned = s.apply(p.permuteP, [x], [1, 0]);
    const part = s.apply(p.sliceP, [turned], [1, 0, 2, 4, 2, 1]);
    const outputs = [
      turned,
      part,
      s.apply(p.reshapeP, [turned], [3, 8]),
      s.apply(p.flipP, [part], [0, 1]),
      s.apply(p.padP, [part], [1, 2, 3, 0]),
      s.apply(p.padP, [s.apply(p.expandP, [s.leaf([1, 3])], [2, 3])], [0, 0, 0, 1]),
      s.apply(p.sliceP, [x], [0, 0, 1, 6, 1, 1]),
      s.apply(p.reshapeP, [x], [24]),
      x,
    ];
    await agrees(s.graph(...outputs));
  });

  const sizes = [1, 2, 3, 4, 5, 8, 13];
  test.each(floats)("matmul of %s in all small sizes, and transposed", async (dtype) => {
    const s = new Sketch();
    const outputs: number[] = [];
    for (const m of sizes) {
      for (const [n, k] of [
        [1, 7],
        [4, 1],
        [6, 9],
      ]) {
        const [a, b] = [s.leaf([m, k], dtype), s.leaf([k, n], dtype)];
        const [at, bt] = [s.leaf([k, m], dtype), s.leaf([n, k], dtype)].map((x) => s.apply(p.permuteP, [x], [1, 0]));
        outputs.push(...[a, at].flatMap((x) => [b, bt].map((y) => s.apply(p.matmulP, [x, y]))));
      }
    }
    await agrees(s.graph(...outputs));
  });

  test("matmul across blocks, over batches, and of slices", async () => {
    const s = new Sketch();
    const deep = s.apply(p.matmulP, [s.leaf([5, 2100]), s.leaf([2100, 6])]);
    const wide = s.apply(p.matmulP, [s.leaf([150, 9]), s.leaf([9, 270])]);
    const both = s.apply(p.matmulP, [s.leaf([130, 1030]), s.leaf([1030, 131])]);
    const batch = s.apply(p.matmulP, [s.leaf([2, 1, 3, 4]), s.leaf([1, 5, 4, 6])]);
    const part = s.apply(p.sliceP, [s.leaf([9, 9])], [1, 2, 4, 3, 2, 2]);
    const repeated = s.apply(p.expandP, [s.leaf([3, 1])], [3, 7]);
    await agrees(
      s.graph(
        deep,
        wide,
        both,
        batch,
        s.apply(p.matmulP, [part, repeated]),
        s.apply(p.matmulP, [s.leaf([2, 0]), s.leaf([0, 3])]),
      ),
    );
  });

  test("integer matmul", async () => {
    const s = new Sketch();
    await agrees(s.graph(s.apply(p.matmulP, [s.leaf([5, 6], "int32"), s.leaf([6, 7], "int32")])));
  });

  interface Conv {
    readonly x: Shape;
    readonly w: Shape;
    readonly groups?: number;
    readonly stride?: number[];
    readonly padding?: number[];
    readonly dilation?: number[];
  }
  const convolutions: Conv[] = [
    { x: [2, 3, 8, 8], w: [5, 3, 3, 3], padding: [1, 1] },
    { x: [3, 4, 9, 7], w: [6, 2, 3, 2], groups: 2, stride: [2, 3], padding: [2, 0], dilation: [2, 1] },
    { x: [2, 6, 5, 5], w: [6, 1, 3, 3], groups: 6, padding: [1, 1] },
    { x: [9, 2, 3, 3], w: [3, 2, 3, 3] },
    { x: [70, 1, 2, 2], w: [2, 1, 1, 1], stride: [2, 2] },
    { x: [2, 15, 6, 6], w: [4, 15, 3, 3] },
    { x: [1, 2, 40, 40], w: [3, 2, 5, 5], padding: [2, 2] },
    { x: [2, 3, 30], w: [4, 3, 5], stride: [3], padding: [4], dilation: [2] },
    { x: [2, 2, 5, 6, 4], w: [3, 2, 2, 3, 2], stride: [1, 2, 1], padding: [1, 0, 1], dilation: [1, 2, 1] },
  ];
  test.each(convolutions)("convolution %j and its gradients", async ({ x, w, groups = 1, ...rest }) => {
    const n = x.length - 2;
    const fill = (value: number) => new Array<number>(n).fill(value);
    const g = { n, groups, stride: fill(1), padding: fill(0), dilation: fill(1), ...rest, extra: [] };
    for (const dtype of floats) {
      const s = new Sketch();
      const [input, weight] = [s.leaf(x, dtype), s.leaf(w, dtype)];
      const y = s.apply(p.convP, [input, weight], p.convAttrs(g));
      const v = s.apply(p.tanhP, [y]);
      const dx = s.apply(p.convInputP, [v, weight], p.convAttrs({ ...g, extra: x.slice(2) }));
      const dw = s.apply(p.convWeightP, [input, v], p.convAttrs({ ...g, extra: w.slice(2) }));
      const reversed = s.apply(p.convP, [s.apply(p.flipP, [input], [2]), weight], p.convAttrs(g));
      await agrees(s.graph(y, dx, dw, reversed));
    }
  });

  test("gather, scatterAdd, random bits, constants", async () => {
    const s = new Sketch();
    const x = s.leaf([10, 4]);
    const index = s.leaf([7, 4], "int32");
    const bits = s.apply(p.randomBitsP, [s.leaf([2], "uint32")], [5]);
    const iota = s.apply(p.iotaP, [], [2, 6]);
    const rate = s.scalar();
    const two = s.apply(p.literalP, [], [0, 2]);
    const outputs = [
      s.apply(p.gatherP, [x, index], [0]),
      s.apply(p.scatterAddP, [x, index, s.leaf([7, 4])], [0]),
      bits,
      iota,
      s.apply(p.mulP, [x, s.apply(p.divP, [rate, two])]),
      rate,
      two,
      s.apply(p.expandP, [s.apply(p.reshapeP, [rate], [1, 1])], [3, 2]),
    ];
    await agrees(s.graph(...outputs), 4, [0.3]);
  });

  /** Elementwise chains of every kind: several readers, several shapes, more members than one cluster takes. */
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("random graph %d", async (seed) => {
    const random = seeded(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
    const s = new Sketch();
    const square = [s.leaf([40, 40]), s.leaf([40, 40])];
    const thin = [s.leaf([40, 1]), s.leaf([1, 40]), s.scalar()];
    for (let i = 0; i < 120; i++) {
      const x = pick(square.slice(-6));
      const y = pick([...square.slice(-6), ...thin]);
      const kind = random();
      if (kind < 0.5) square.push(s.apply(pick([p.addP, p.subP, p.mulP, p.maximumP]), [x, y]));
      else if (kind < 0.7) square.push(s.apply(pick([p.tanhP, p.sinP, p.sigmoidP]), [x]));
      else if (kind < 0.8) square.push(s.apply(p.whereP, [s.apply(p.ltP, [x, y]), x, pick(square)]));
      else if (kind < 0.85) square.push(s.apply(p.permuteP, [x], [1, 0]));
      else if (kind < 0.9) thin.push(s.apply(p.sumP, [x], [pick([0, 1])]));
      else if (kind < 0.95) square.push(s.apply(p.tanhP, [s.apply(p.matmulP, [x, pick(square)])]));
      else square.push(s.apply(p.aliasP, [s.apply(p.castP, [x], [0])]));
    }
    const outputs = new Set([square.at(-1) as number, pick(square), pick(square), ...thin.slice(3)]);
    await agrees(s.graph(...outputs), seed, [0.7]);
  });
});

test("leaves and numbers that simplify away do no harm", async () => {
  const s = new Sketch();
  const [unused, x, number] = [s.leaf([3]), s.leaf([3]), s.scalar()];
  const zero = s.apply(p.mulP, [s.apply(p.mulP, [unused, number]), s.apply(p.literalP, [], [0, 0])]);
  await agrees(s.graph(s.apply(p.addP, [s.apply(p.mulP, [x, s.scalar()]), zero])), 1, [0.3, 0.7]);
});

describe("memory", () => {
  /** A training-like step: leaves in, new leaves out, replayed. */
  function step(): Graph {
    const s = new Sketch();
    const [w, x] = [s.leaf([20, 20]), s.leaf([30, 20])];
    const y = s.apply(p.tanhP, [s.apply(p.matmulP, [x, w])]);
    const gradient = s.apply(p.matmulP, [s.apply(p.permuteP, [x], [1, 0]), s.apply(p.subP, [y, x])]);
    const loss = s.apply(p.sumP, [s.apply(p.mulP, [y, y])], [0, 1]);
    return s.graph(s.apply(p.subP, [w, s.apply(p.mulP, [gradient, s.scalar()])]), loss);
  }

  test("replays allocate nothing once they have run", () => {
    const backend = new CpuBackend();
    const program = backend.compile(step());
    const x = backend.upload(new Float32Array(600).fill(0.1), "float32");
    let w = backend.upload(new Float32Array(400).fill(0.2), "float32");
    const seen: unknown[] = [];
    for (let i = 0; i < 6; i++) {
      const { outputs } = backend.execute(program, [w, x], [0.01], []);
      backend.release(w);
      backend.release(outputs[1]);
      w = outputs[0];
      const { buffers, bytes, usedBytes, buffersCreated } = backend.stats();
      seen.push({ buffers, bytes, usedBytes, buffersCreated });
    }
    for (const stats of seen.slice(3)) expect(stats).toEqual(seen[2]);
    backend.release(w);
    backend.release(x);
    expect(backend.stats().usedBytes).toBe(0);
    expect(backend.stats().submits).toBe(6);
    expect(backend.stats().dispatches).toBe(6 * 6);
  });

  test("outputs that are the same elements share a block, and outlive each other", async () => {
    const backend = new CpuBackend();
    const s = new Sketch();
    const x = s.leaf([2, 3]);
    const graph = s.graph(s.apply(p.reshapeP, [x], [6]), s.apply(p.aliasP, [x]));
    const leaf = backend.upload(new Float32Array([1, 2, 3, 4, 5, 6]), "float32");
    const { outputs } = backend.execute(backend.compile(graph), [leaf], [], []);
    expect(backend.stats().buffers).toBe(1);
    backend.release(leaf);
    backend.release(outputs[0]);
    const { data } = backend.execute(null, [], [], [{ storage: outputs[1], dtype: "float32", size: 6 }]);
    expect(Array.from((await (data as Promise<HostArray[]>))[0])).toEqual([1, 2, 3, 4, 5, 6]);
    backend.release(outputs[1]);
    expect(backend.stats()).toMatchObject({ buffers: 0, bytes: 0, usedBytes: 0 });
  });

  test("what is read is a copy", async () => {
    const backend = new CpuBackend();
    const leaf = backend.upload(new Float32Array([1, 2]), "float32");
    const read = () => backend.execute(null, [], [], [{ storage: leaf, dtype: "float32", size: 2 }]).data;
    (await (read() as Promise<HostArray[]>))[0][0] = 9;
    expect(Array.from((await (read() as Promise<HostArray[]>))[0])).toEqual([1, 2]);
  });

  test("a chain works in place: its peak is two blocks, however long", () => {
    const backend = new CpuBackend();
    const s = new Sketch();
    let x = s.leaf([1000]);
    for (let i = 0; i < 30; i++) x = s.apply(p.sinP, [s.apply(p.flipP, [s.apply(p.cumsumP, [x], [0])], [0])]);
    const leaf = backend.upload(new Float32Array(1000), "float32");
    const { outputs } = backend.execute(backend.compile(s.graph(x)), [leaf], [], []);
    expect(outputs.length).toBe(1);
    expect(backend.stats().buffersCreated).toBeLessThanOrEqual(3);
  });
});

test("a loop of awaited results lets timers run", async () => {
  const cpu = new CpuBackend();
  const storage = cpu.upload(Float32Array.of(1), "float32");
  let fired = false;
  const timer = setTimeout(() => {
    fired = true;
  });
  let reads = 0;
  while (!fired && reads < 10_000_000) {
    await cpu.execute(null, [], [], [{ storage, dtype: "float32", size: 1 }]).data;
    reads++;
  }
  clearTimeout(timer);
  expect(fired).toBe(true);
});
