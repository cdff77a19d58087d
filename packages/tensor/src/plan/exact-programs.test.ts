/**
 * Small programs of integers, at the places where planners go wrong: views that step, turn, pad and meet; what reads one
 * value in two ways; lengths that nothing divides. Every device gives the bits that the interpreter gives, which computes
 * what was recorded node by node.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bind, bindConstant } from "../bind.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import type { DType, HostArray } from "../dtype.ts";
import * as p from "../primitives.ts";
import { scope } from "../scope.ts";
import { numel, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

type Program = (device: Device) => Tensor[];
type Unary = (x: Tensor) => Tensor;

/** Integers from −3 to 3, none of them 0 next to another. */
function leaf(device: Device, shape: Shape, seed = 1): Tensor {
  const data = Float32Array.from({ length: numel(shape) }, (_, i) => {
    const x = ((i * 5 + seed * 3) % 6) - 3;
    return x >= 0 ? x + 1 : x;
  });
  return new Tensor(device.fromHost(data, shape, "float32"));
}

const literal = (device: Device, x: number, dtype: DType = "float32"): Tensor =>
  bindConstant(device, p.literalP, [p.dtypeAttr(dtype), x]);
/** A number that the planner does not know. */
const scalar = (device: Device, x: number): Tensor => bindConstant(device, p.scalarP, [0], x);
const add = (x: Tensor, y: Tensor): Tensor => bind(p.addP, [x, y]);
const sub = (x: Tensor, y: Tensor): Tensor => bind(p.subP, [x, y]);
const mul = (x: Tensor, y: Tensor): Tensor => bind(p.mulP, [x, y]);
const twice: Unary = (x) => mul(x, scalar(x.device, 2));
const reshape = (x: Tensor, ...shape: number[]): Tensor => bind(p.reshapeP, [x], shape);
const to = (x: Tensor, dtype: DType): Tensor => bind(p.castP, [x], [p.dtypeAttr(dtype)]);
const sum = (x: Tensor, ...axes: number[]): Tensor => bind(p.sumP, [x], axes);

/** x[start : … : step] of so many elements, along every dim. */
function slice(x: Tensor, starts: number[], sizes: number[], steps: number[]): Tensor {
  return bind(p.sliceP, [x], [...starts, ...sizes, ...steps]);
}

/** Every element that lies in the tensor, from a start on, in steps. */
const stepped = (starts: number[], steps: number[]) => (x: Tensor) => {
  const sizes = x.shape.map((d, i) => Math.max(Math.ceil((d - starts[i]) / steps[i]), 0));
  return slice(x, starts, sizes, steps);
};

const padded = (before: number[], after: number[]) => (x: Tensor) => bind(p.padP, [x], [...before, ...after]);
const flipped =
  (...axes: number[]): Unary =>
  (x) =>
    bind(p.flipP, [x], axes);
const transposed: Unary = (x) => bind(p.permuteP, [x], [1, 0]);

/** From rank 2 to rank 2. */
const MOVES: Record<string, Unary> = {
  "in steps of 2": stepped([0, 1], [1, 2]),
  "in steps of 3, from 1": stepped([1, 1], [1, 3]),
  flipped: flipped(0, 1),
  "one row flipped": flipped(1),
  transposed: transposed,
  "padded before": padded([0, 2], [0, 0]),
  "padded all around": padded([1, 2], [2, 1]),
  "in another shape": (x) => reshape(x, x.size / 2, 2),
  "a row repeated": (x) => bind(p.expandP, [slice(x, [1, 0], [1, x.shape[1]], [1, 1])], [x.shape[0], x.shape[1]]),
};

/** Two moves after a mask: the mask is moved along. */
const AFTER_MASK: Record<string, Unary> = {
  ...MOVES,
  "in steps of 5, beyond the data": stepped([0, 0], [1, 5]),
  "what is padding only": (x) => slice(x, [0, 0], [1, 2], [1, 1]),
};

/** What reads a view, element by element and otherwise. */
const READERS: Record<string, Unary> = {
  elementwise: twice,
  itself: (x) => x,
  "a sum of rows": (x) => sum(x, 1),
  "a product": (x) => bind(p.matmulP, [x, transposed(x)]),
  "a running sum": (x) => bind(p.cumsumP, [x], [1]),
  "a sort": (x) => bind(p.argsortP, [x], [1, 0]),
  "a pack": (x) => bind(p.packP, [x, twice(x)]),
  "a flip and itself": (x) => add(twice(flipped(1)(x)), x),
};

/** Of a leaf, or of what is computed: the mask is then in the work and not in the load. */
const SOURCES: Record<string, Unary> = {
  stored: (x) => x,
  computed: twice,
  "summed up": (x) => {
    const [m, n] = x.shape;
    return reshape(sum(mul(reshape(x, m, n, 1), leaf(x.device, [m, n, 2], 4)), 2), m, n);
  },
};

function views(): Record<string, Program> {
  const programs: Record<string, Program> = {};
  for (const [source, make] of Object.entries(SOURCES)) {
    for (const [reader, read] of Object.entries(READERS)) {
      programs[`${source}, moved, and moved again, then ${reader}`] = (device) => {
        const x = make(leaf(device, [3, 4]));
        const masked = [MOVES["padded before"], MOVES["padded all around"]].map((pad) => pad(x));
        const plain = Object.values(MOVES).map((move) => move(x));
        const again = masked.flatMap((y) => Object.values(AFTER_MASK).map((move) => move(y)));
        return [...plain, ...again].map(read);
      };
    }
  }
  return programs;
}

/** Indices that only the device knows: 0 … n − 1 in an order of its own, less one, so that −1 is among them. */
const computedIndices = (x: Tensor, axis: number): Tensor =>
  sub(bind(p.argsortP, [x], [axis, 0]), literal(x.device, 1, "int32"));

const LENGTHS = [4099, 5003, 4097, 8191];
const REDUCTIONS: Record<string, Unary> = {
  max: (x) => bind(p.maxP, [mul(x, x)], [x.rank - 1]),
  "max of negative numbers": (x) => bind(p.maxP, [bind(p.negP, [mul(x, x)])], [x.rank - 1]),
  sum: (x) => sum(x, x.rank - 1),
  prod: (x) => bind(p.prodP, [bind(p.signP, [x])], [x.rank - 1]),
  argmax: (x) => bind(p.argmaxP, [x], [x.rank - 1]),
};

const geometry = (n: number, change: Partial<p.ConvGeometry> = {}): p.ConvGeometry => {
  const all = (x: number): number[] => new Array<number>(n).fill(x);
  return { n, groups: 1, stride: all(1), padding: all(1), dilation: all(1), extra: [], ...change };
};

const convolutions: Program = (device) => {
  const results: Tensor[] = [];
  for (const [n, kernel, change] of [
    [3, [2, 3, 2], {}],
    [3, [2, 2, 2], { padding: [2, 0, 1], stride: [1, 2, 1] }],
    [3, [1, 2, 3], { padding: [0, 1, 2], dilation: [1, 2, 1] }],
    [3, [2, 2, 1], { padding: [1, 1, 0], groups: 2 }],
    [2, [3, 2], { padding: [2, 1], stride: [2, 1] }],
    [1, [3], { padding: [2], dilation: [2] }],
  ] as const) {
    const g = geometry(n, change as Partial<p.ConvGeometry>);
    const spatial = [4, 5, 3].slice(0, n);
    const x = leaf(device, [2, 2, ...spatial]);
    const w = leaf(device, [4, 2 / g.groups, ...kernel], 2);
    const y = bind(p.convP, [x, w], p.convAttrs(g));
    const dy = leaf(device, y.shape, 3);
    results.push(y, bind(p.convInputP, [dy, w], p.convAttrs({ ...g, extra: spatial })));
    results.push(bind(p.convWeightP, [x, dy], p.convAttrs({ ...g, extra: kernel })));
  }
  return results;
};

/** Pieces of a vector, packed again in an order of pieces. */
const repacked =
  (sizes: number[], order: number[], work: Unary): Program =>
  (device) => {
    const pieces = sizes.map((n, i) => leaf(device, [n], i));
    const vector = work(bind(p.packP, pieces));
    const { starts } = p.packLayout(sizes, "float32");
    const parts = order.map((k) => slice(vector, [starts[k]], [sizes[k]], [1]));
    // Between the pieces lies what nobody asks for: only they are read.
    const again = bind(p.packP, parts);
    const layout = p.packLayout(
      order.map((k) => sizes[k]),
      "float32",
    );
    return order.map((k, i) => slice(again, [layout.starts[i]], [sizes[k]], [1]));
  };

const ORDERS = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 0, 0], [2, 0], [1]];

const PROGRAMS: Record<string, Program> = {
  ...views(),

  "indices of −1 next to data": (device) => {
    const x = leaf(device, [3, 4]);
    return [0, 1].flatMap((axis) => {
      const index = computedIndices(x, axis);
      const taken = bind(p.gatherP, [x, index], [axis]);
      const beyond = add(index, literal(device, 2, "int32"));
      return [
        taken,
        twice(taken),
        bind(p.gatherP, [twice(x), index], [axis]),
        bind(p.gatherP, [x, beyond], [axis]),
        bind(p.gatherP, [x, flipped(1)(index)], [axis]),
        padded([1, 1], [1, 1])(taken),
        bind(p.scatterAddP, [x, index, x], [axis]),
        bind(p.scatterAddP, [twice(x), beyond, flipped(0)(x)], [axis]),
      ];
    });
  },

  "where of where, of one condition and of others": (device) => {
    const [x, y, z] = [1, 2, 3].map((seed) => leaf(device, [2, 3], seed));
    const zero = literal(device, 0);
    const c = bind(p.ltP, [x, zero]);
    const d = bind(p.ltP, [y, zero]);
    const where = (a: Tensor, b: Tensor, e: Tensor): Tensor => bind(p.whereP, [a, b, e]);
    return [c, d].flatMap((inner) => [
      where(c, x, where(inner, y, z)),
      where(c, where(inner, x, y), z),
      where(c, where(inner, x, y), where(inner, y, z)),
      where(c, where(inner, x, where(c, y, z)), x),
      where(c, twice(where(inner, x, y)), z),
      where(c, reshape(where(reshape(inner, 6), reshape(y, 6), reshape(z, 6)), 2, 3), x),
    ]);
  },

  "numbers of the library's own, in every dtype": (device) => {
    const dtypes = ["float32", "int32", "uint32", "bool"] as const;
    return [-1, 0, 1, 2, -3].flatMap((value) =>
      dtypes.flatMap((from) => {
        if (from === "bool" || (from === "uint32" && value < 0)) return [];
        return dtypes.map((dtype) => {
          const cast = to(literal(device, value, from), dtype);
          if (dtype === "bool") return bind(p.orP, [cast, to(leaf(device, [3]), "bool")]);
          return add(cast, to(bind(p.absP, [leaf(device, [3])]), dtype));
        });
      }),
    );
  },

  "a kernel's own value, read straight and in other ways by one operation": (device) => {
    const x = leaf(device, [4, 4]);
    const roots = [sum(reshape(leaf(device, [4, 4, 3]), 4, 4, 3), 2), bind(p.matmulP, [x, leaf(device, [4, 4], 2)])];
    return roots.flatMap((root) => {
      const y = reshape(root, 4, 4);
      const views = [flipped(0), flipped(1), transposed, padded([0, 1], [0, 0]), stepped([0, 0], [1, 2])];
      return views.flatMap((view) => {
        const seen = view(y);
        const fit = (z: Tensor): Tensor =>
          slice(
            z,
            [0, 0],
            [...seen.shape].map((d) => Math.min(d, 4)),
            [1, 1],
          );
        const [a, b] = [fit(seen), slice(y, [0, 0], fit(seen).shape as number[], [1, 1])];
        return [sub(a, b), sub(b, a), sub(mul(a, a), b), add(sub(b, a), b)];
      });
    });
  },

  "sums of padded terms, side by side, overlapping, and inside each other": (device) => {
    const term = (from: number, length: number, seed: number): Tensor => {
      return padded([from, 0], [20 - from - length, 0])(leaf(device, [length, 2], seed));
    };
    const ranges: [number, number][][] = [
      Array.from({ length: 10 }, (_, i) => [2 * i, 2]),
      Array.from({ length: 10 }, (_, i) => [2 * i, i === 9 ? 2 : 3]),
      [[0, 20], ...Array.from({ length: 9 }, (_, i): [number, number] => [2 * i + 1, 1])],
      [...Array.from({ length: 9 }, (_, i): [number, number] => [2 * i + 1, 1]), [3, 9]],
      Array.from({ length: 9 }, (_, i) => [i, 20 - 2 * i]),
      Array.from({ length: 9 }, () => [4, 3]),
      [[5, 3], ...Array.from({ length: 8 }, (_, i): [number, number] => [2 * i, 2])],
    ];
    return ranges.map((list) => list.map(([from, length], i) => term(from, length, i)).reduce(add));
  },

  "long reductions of lengths that nothing divides": (device) =>
    LENGTHS.flatMap((n, k) => {
      const rows = k === 0 ? 2 : 1;
      return Object.values(REDUCTIONS).map((reduce) => reduce(leaf(device, [rows, n], k)));
    }),

  "long reductions over several dims": (device) =>
    Object.values(REDUCTIONS).map((reduce) => {
      const x = bind(p.permuteP, [leaf(device, [71, 3, 67])], [1, 0, 2]);
      return reduce(reshape(x, 3, 71 * 67));
    }),

  "products in batches, larger than a tile": (device) => {
    const results: Tensor[] = [];
    for (const [batch, m, k, n] of [
      [2, 70, 20, 66],
      [3, 130, 5, 33],
      [2, 65, 33, 130],
    ]) {
      const a = leaf(device, [batch, m, k]);
      const b = leaf(device, [batch, k, n], 2);
      const flat = bind(p.permuteP, [leaf(device, [batch, n, k], 3)], [0, 2, 1]);
      results.push(bind(p.matmulP, [a, b]), twice(bind(p.matmulP, [a, flat])));
      results.push(bind(p.matmulP, [bind(p.expandP, [leaf(device, [1, m, k], 4)], [batch, m, k]), b]));
    }
    return results;
  },

  "padded convolutions of one, two and three dims, and their gradients": convolutions,
};

for (const [name, work] of Object.entries({ packed: (x: Tensor) => x, computed: twice })) {
  for (const sizes of [
    [64, 64, 64],
    [3, 70, 5],
    [64, 128, 64],
  ]) {
    for (const order of ORDERS) {
      PROGRAMS[`pieces of ${sizes}, ${name}, in the order ${order}`] = repacked(sizes, order, work);
    }
  }
}

const KINDS: Record<string, () => Promise<Device>> = {
  cpu: async () => new Device(new CpuBackend()),
  webgpu: async () => new Device(await createWebGPUBackend({})),
  "webgpu, tuned for a GPU": async () =>
    new Device(await createWebGPUBackend({ tuning: { workgroupMemory: true, maxBuffers: 8 } })),
};

/** What a program computes, all in one flush. A zero has no sign: WGSL lets it get lost. */
async function results(device: Device, program: Program): Promise<number[][]> {
  using _ = scope();
  const data: HostArray[] = await Promise.all(program(device).map((x) => x.data()));
  return data.map((values) => Array.from(values, (x) => (x === 0 ? 0 : x)));
}

const wanted = new Map<string, Promise<number[][]>>();
const interpreter = new Device(new InterpreterBackend());

describe.each(Object.keys(KINDS))("on %s", (kind) => {
  let device: Device;
  beforeAll(async () => {
    device = await KINDS[kind]();
  });
  afterAll(() => device.destroy());

  test.each(Object.keys(PROGRAMS))("%s", async (name) => {
    let expected = wanted.get(name);
    if (expected === undefined) wanted.set(name, (expected = results(interpreter, PROGRAMS[name])));
    const got = await results(device, PROGRAMS[name]);
    for (const [i, values] of (await expected).entries()) expect([i, got[i]]).toEqual([i, values]);
  });

  test.each([
    ["stored before", true, false],
    ["stored as well", false, true],
    ["made for their sake", false, false],
  ])("ranges of a value that are kept, at any element, and read again: a value %s", async (_, isBefore, isWhole) => {
    using _scope = scope();
    const vector = twice(leaf(device, [200]));
    if (isBefore) device.flush();
    const [values] = await results(interpreter, (on) => [twice(leaf(on, [200]))]);
    // At a byte that can be bound, and at others.
    const starts = [3, 64, 65, 128, 1];
    const parts = starts.map((start) => slice(vector, [start], [60], [1]));
    const kept = isWhole ? [...parts, vector] : parts;
    for (const { _value } of kept) _value.pins++;
    device.flush();
    const again = parts.map(twice);
    device.flush();
    for (const [i, start] of starts.entries()) {
      const own = values.slice(start, start + 60);
      expect(Array.from(await parts[i].data())).toEqual(own);
      expect(Array.from(await again[i].data())).toEqual(own.map((x) => 2 * x));
    }
    for (const { _value } of kept) device.unpinned(_value);
  });

  test("two packs that are made late, beside other values of their size", async () => {
    const program: Program = (on) => {
      let h = leaf(on, [16, 16]);
      const w = mul(leaf(on, [16, 16], 2), scalar(on, 1));
      const small: Unary = (x) => bind(p.fmodP, [x, literal(on, 7)]);
      for (let i = 0; i < 3; i++) h = small(bind(p.matmulP, [h, w]));
      const first = bind(p.packP, [sum(h, 0), leaf(on, [40]), bind(p.matmulP, [h, h])]);
      const middle = small(
        bind(
          p.matmulP,
          [slice(first, [128], [256], [1]), first].map((x) => reshape(slice(x, [0], [256], [1]), 16, 16)),
        ),
      );
      const second = bind(p.packP, [small(bind(p.matmulP, [middle, w])), sum(middle, 1)]);
      return [sum(twice(first), 0), sum(twice(second), 0), add(slice(first, [0], [320], [1]), second), middle];
    };
    const got = await results(device, program);
    expect(got).toEqual(await results(interpreter, program));
  });
});
