/**
 * The key of a plan: two programs that differ in anything but a scalar's number have different keys, and get different plans.
 *
 * A *family* is a list of programs that differ from each other in one thing only. They run one after the other on one
 * device, twice: the first time each makes a plan, the second time each finds its own, and the results are always what the
 * interpreter computes.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bind, bindConstant } from "../bind.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { DTYPES, type DType, hostArray } from "../dtype.ts";
import * as p from "../primitives.ts";
import { scope } from "../scope.ts";
import { numel, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";
import { Segment } from "./segment.ts";
import { Value } from "./value.ts";

// ---- the words of a segment ----------------------------------------------------------------------------------------

/** A leaf, or an operation on earlier items. */
type Item =
  | { readonly dtype: DType; readonly shape: Shape }
  | { readonly primitive: p.Primitive; readonly inputs: readonly number[]; readonly attrs: p.Attrs; seam?: boolean };

interface Recorded {
  readonly items: readonly Item[];
  readonly outputs: readonly number[];
}

const recorder = new Device(new CpuBackend());

function segmentOf(items: readonly Item[], scalar = 0): Segment {
  const segment = new Segment();
  const values: Value[] = [];
  for (const item of items) {
    if ("shape" in item) {
      const value = new Value(recorder, item.shape, item.dtype);
      value.host = hostArray(item.dtype, 0);
      segment.indexOf(value);
      values.push(value);
      continue;
    }
    const value = new Value(recorder, [], "float32");
    value.primitive = item.primitive;
    value.inputs = item.inputs.map((input) => values[input]);
    value.attrs = item.attrs;
    value.scalar = scalar;
    if (item.seam) segment.seam();
    segment.append(value);
    values.push(value);
  }
  return segment;
}

function keyOf({ items, outputs }: Recorded, scalar?: number): string {
  const segment = segmentOf(items, scalar);
  return segment.key(outputs, segment.structure()).words.join(" ");
}

/** A program in words. */
const shown = ({ items, outputs }: Recorded): string =>
  `${items
    .map((item) =>
      "shape" in item
        ? `${item.dtype}[${item.shape}]`
        : `${item.seam ? "| " : ""}${item.primitive.name}(${item.inputs}){${item.attrs}}`,
    )
    .join(" ")} -> ${outputs}`;

/** Leaves, every kind of operation, long lists of attributes and of inputs, and two sections. */
const ITEMS: readonly Item[] = [
  { dtype: "float32", shape: [2, 3] },
  { dtype: "int32", shape: [5, 4, 3, 2, 3, 2] },
  { dtype: "float32", shape: [] },
  { primitive: p.scalarP, inputs: [], attrs: [0] },
  { primitive: p.literalP, inputs: [], attrs: [0, 3] },
  { primitive: p.addP, inputs: [0, 2], attrs: [] },
  { primitive: p.whereP, inputs: [5, 0, 3], attrs: [] },
  { primitive: p.sliceP, inputs: [1], attrs: [0, 1, 0, 0, 1, 0, 2, 2, 3, 1, 1, 2, 2, 1, 1, 1, 1, 1] },
  { primitive: p.convWeightP, inputs: [6, 7], attrs: [3, 1, 1, 2, 1, 0, 1, 2, 1, 1, 2, 3, 3, 2], seam: true },
  { primitive: p.positionP, inputs: [1], attrs: [7, 1, 2, 1, -100] },
  { primitive: p.packP, inputs: [0, 5, 6, 8, 0, 5, 6, 8, 0, 5, 6, 8, 0, 5, 6, 8, 0, 5, 6, 3], attrs: [] },
  { primitive: p.reshapeP, inputs: [10], attrs: Array.from({ length: 40 }, (_, i) => i + 1) },
  { primitive: p.negP, inputs: [5], attrs: [] },
];

const NUMBERS = [0, -1, 1, 17, 255, 256, 257, 65536, 2 ** 24, 2 ** 31 - 1, -(2 ** 31)];

function withItem(at: number, item: Item): Recorded {
  return { items: ITEMS.with(at, item), outputs: [8, 12] };
}

/** All programs that are `ITEMS` but for one thing. */
function* variants(): Generator<Recorded> {
  const items = ITEMS;
  yield { items, outputs: [8, 12] };
  for (const [at, item] of items.entries()) {
    if ("shape" in item) {
      for (const dtype of DTYPES) yield withItem(at, { ...item, dtype });
      for (const i of item.shape.keys()) {
        for (const d of [0, 1, 7, 255, 256, 65536]) yield withItem(at, { ...item, shape: item.shape.with(i, d) });
      }
      for (let i = 0; i <= item.shape.length; i++)
        yield withItem(at, { ...item, shape: item.shape.toSpliced(i, 0, 1) });
      for (const i of item.shape.keys()) yield withItem(at, { ...item, shape: item.shape.toSpliced(i, 1) });
      yield withItem(at, { ...item, shape: item.shape.toReversed() });
      yield withItem(at, { primitive: p.iotaP, inputs: [], attrs: [0, 6] });
      continue;
    }
    const { inputs, attrs } = item;
    for (const primitive of p.PRIMITIVES) yield withItem(at, { ...item, primitive });
    for (const i of inputs.keys()) {
      for (let other = 0; other < at; other++) yield withItem(at, { ...item, inputs: inputs.with(i, other) });
      yield withItem(at, { ...item, inputs: inputs.toSpliced(i, 1) });
    }
    for (let other = 0; other < at; other++) yield withItem(at, { ...item, inputs: [...inputs, other] });
    yield withItem(at, { ...item, inputs: inputs.toReversed() });
    for (const i of attrs.keys()) {
      for (const x of [...NUMBERS, attrs[i] + 1, attrs[i] - 1])
        yield withItem(at, { ...item, attrs: attrs.with(i, x) });
      yield withItem(at, { ...item, attrs: attrs.toSpliced(i, 1) });
    }
    for (const x of NUMBERS) yield withItem(at, { ...item, attrs: [...attrs, x] });
    yield withItem(at, { ...item, attrs: attrs.toReversed() });
    // A number that is an input in one program and an attribute in the other.
    yield withItem(at, { ...item, inputs: inputs.slice(0, -1), attrs: [...inputs.slice(-1), ...attrs] });
    yield withItem(at, { ...item, seam: !item.seam });
  }
  // Two leaves that were first used in another order, an operation less, and one more.
  yield { items: ITEMS.with(0, ITEMS[1]).with(1, ITEMS[0]), outputs: [8, 12] };
  yield { items: ITEMS.slice(0, -1), outputs: [8, 11] };
  for (const item of ITEMS) yield { items: [...ITEMS, item], outputs: [8, 12] };
  for (let set = 0; set < 2 ** ITEMS.length; set++) {
    const outputs = [...ITEMS.keys()].filter((i) => (set >> i) & 1);
    yield { items, outputs };
    if (outputs.length === 2) yield { items, outputs: outputs.toReversed() };
  }
}

describe("the words of a segment", () => {
  test("two programs that differ in one thing have different words", () => {
    const known = new Map<string, string>();
    const shared: string[][] = [];
    for (const variant of variants()) {
      const key = keyOf(variant);
      const before = known.get(key);
      if (before === undefined) known.set(key, shown(variant));
      else if (before !== shown(variant)) shared.push([before, shown(variant)]);
    }
    expect(shared.slice(0, 3)).toEqual([]);
    expect(known.size).toBeGreaterThan(9000);
  });

  test("the same program has the same words, whatever its scalars are", () => {
    const recorded = { items: ITEMS, outputs: [8, 12] };
    expect(keyOf(recorded, 3.5)).toBe(keyOf(recorded, -1e9));
  });

  test("what was recorded and taken back leaves no trace, of every kind of record", () => {
    for (const item of ITEMS) {
      const segment = segmentOf([...ITEMS, item]);
      segment.pop();
      expect(segment.key([8], segment.structure()).words.join(" ")).toBe(keyOf({ items: ITEMS, outputs: [8] }));
    }
    // A section that begins with what is taken back begins with what comes instead.
    const last = ITEMS[ITEMS.length - 1];
    const segment = segmentOf([...ITEMS, { ...last, seam: true } as Item]);
    segment.pop();
    const again = new Value(recorder, [], "float32");
    again.primitive = p.expP;
    again.inputs = [segment.values[0]];
    segment.append(again);
    const instead: Item = { primitive: p.expP, inputs: [0], attrs: [], seam: true };
    expect(segment.key([8], segment.structure()).words.join(" ")).toBe(
      keyOf({ items: [...ITEMS, instead], outputs: [8] }),
    );
  });
});

// ---- plans on devices ----------------------------------------------------------------------------------------------

type Run = (device: Device) => Tensor | Tensor[];

/** Leaves that programs of one flush share; null where each makes its own. */
let shared: Map<string, Tensor> | null = null;

function leaf(device: Device, shape: Shape, dtype: DType = "float32", first = 1): Tensor {
  const name = `${shape} ${dtype} ${first}`;
  const known = shared?.get(name);
  if (known !== undefined) return known;
  const data = hostArray(dtype, numel(shape));
  for (let i = 0; i < data.length; i++) {
    const x = ((i * 5 + first * 3) % 11) - (dtype === "uint32" ? 0 : 4);
    data[i] = dtype === "bool" ? x & 1 : dtype === "float32" || dtype === "float64" ? x + 0.25 : x;
  }
  const made = new Tensor(device.fromHost(data, shape, dtype));
  shared?.set(name, made);
  return made;
}

const code = p.dtypeAttr;
const asFloat = (x: Tensor): Tensor => (x.dtype === "float32" ? x : bind(p.castP, [x], [code("float32")]));

/** An operation on leaves of given shapes, its attributes changed at every place in turn to the number that is given there. */
function attributes(
  primitive: p.Primitive,
  shapes: readonly Shape[],
  attrs: readonly number[],
  others: readonly (number | null)[],
  dtypes: readonly DType[] = [],
): Run[] {
  const lists = [[...attrs], ...others.flatMap((x, i) => (x === null ? [] : [attrs.with(i, x)]))];
  return lists.map((list) => (device) => {
    const inputs = shapes.map((shape, i) => leaf(device, shape, dtypes[i] ?? "float32", i + 1));
    return bind(primitive, inputs, list);
  });
}

const SIX = [3, 4, 3, 4, 3, 4];
/** Lists of rank 6 that differ from the first in one number. */
const each = (list: readonly number[], change: (x: number, i: number) => number): number[][] => [
  [...list],
  ...list.map((x, i) => list.with(i, change(x, i))),
];

const INDICES = [2, 0, 1, 1, 0, 2];
const indices = (device: Device, shape: Shape): Tensor =>
  new Tensor(
    device.fromHost(
      Int32Array.from({ length: numel(shape) }, (_, i) => INDICES[i % 6]),
      shape,
      "int32",
    ),
  );

const UNARY = p.PRIMITIVES.filter(({ kind, name }) => kind === "unary" && name !== "not" && name !== "alias");
const BINARY = [p.addP, p.subP, p.mulP, p.divP, p.maximumP, p.minimumP, p.fmodP, p.atan2P];
const COMPARE = [p.eqP, p.neP, p.ltP, p.leP];
const INTEGER = [p.andP, p.orP, p.xorP, p.binaryP.shl, p.shrP];

const conv = (change: object = {}): number[] =>
  p.convAttrs({ n: 2, groups: 1, stride: [1, 1], padding: [1, 1], dilation: [1, 1], extra: [], ...change });

/** Chains of four results, of which some are kept: by the bits of a number. */
const keptOf =
  (kept: number): Run =>
  (device) => {
    const x = leaf(device, [2, 3]);
    const chain = [bind(p.negP, [x])];
    for (const primitive of [p.absP, p.floorP, p.signP]) chain.push(bind(primitive, [chain[chain.length - 1]]));
    const wanted = chain.filter((_, i) => (kept >> i) & 1);
    return wanted;
  };

const FAMILIES: Record<string, Run[]> = {
  "dtypes of a leaf": (["float32", "int32", "uint32", "bool"] as const).flatMap((dtype) => [
    (device) => bind(p.addP, [asFloat(leaf(device, [5], dtype)), leaf(device, [5])]),
    (device) => bind(p.flipP, [leaf(device, [5], dtype)], [0]),
  ]),
  "the dtype of one leaf of three": (["float32", "int32", "uint32"] as const).flatMap((dtype) =>
    [0, 1, 2].map(
      (at): Run =>
        (device) => {
          const leaves = [0, 1, 2].map((i) => asFloat(leaf(device, [4], i === at ? dtype : "bool", i)));
          return bind(p.subP, [bind(p.addP, [leaves[0], leaves[1]]), bind(p.mulP, [leaves[2], leaves[2]])]);
        },
    ),
  ),
  "dtypes of equal operations": (["float32", "int32", "uint32"] as const).map((dtype) => (device) => {
    const x = leaf(device, [6], dtype);
    return bind(p.divP, [x, bind(p.addP, [x, leaf(device, [6], dtype, 2)])]);
  }),
  "shapes of a leaf": [
    [12],
    [1, 12],
    [12, 1],
    [3, 4],
    [4, 3],
    [2, 6],
    [6, 2],
    [2, 3, 2],
    [2, 2, 3],
    [3, 2, 2],
    [13],
  ].map((shape) => (device) => bind(p.cumsumP, [leaf(device, shape)], [shape.length - 1])),
  "every size of a leaf of rank 6": each([2, 1, 2, 1, 2, 1], (d) => d + 1).map(
    (shape) => (device) => bind(p.sumP, [leaf(device, shape)], [0, 2, 4]),
  ),
  "the shape of the second leaf": [[3], [1], [1, 3], [2, 3], [2, 1]].map(
    (shape) => (device) => bind(p.subP, [leaf(device, [2, 3]), leaf(device, shape, "float32", 2)]),
  ),
  "which inputs, and in which order": [
    [0, 1],
    [1, 0],
    [0, 2],
    [2, 0],
    [1, 2],
    [2, 1],
    [0, 0],
    [1, 1],
    [2, 2],
  ].map(([i, j]) => (device) => {
    const leaves = [leaf(device, [4]), leaf(device, [4], "float32", 2), leaf(device, [4], "float32", 3)];
    const [a, b, c] = leaves;
    return [bind(p.addP, [bind(p.addP, [a, b]), c]), bind(p.subP, [leaves[i], leaves[j]])];
  }),
  "the last inputs of many": [0, 1, 2].flatMap((last) =>
    [18, 19, 20].map((count) => (device) => {
      const leaves = [leaf(device, [2]), leaf(device, [2], "float32", 2), leaf(device, [2], "float32", 3)];
      const pieces = Array.from({ length: count }, (_, i) => leaves[i % 3]);
      return bind(p.packP, [...pieces, leaves[last]]);
    }),
  ),
  "unary operations": UNARY.map(
    (primitive) => (device) => bind(primitive, [bind(p.mulP, [leaf(device, [6]), leaf(device, [6])])]),
  ),
  "binary operations": BINARY.map(
    (primitive) => (device) => bind(primitive, [leaf(device, [6]), leaf(device, [6], "float32", 2)]),
  ),
  comparisons: COMPARE.map(
    (primitive) => (device) => bind(primitive, [leaf(device, [6]), leaf(device, [6], "float32", 2)]),
  ),
  "operations on bits": INTEGER.map(
    (primitive) => (device) => bind(primitive, [leaf(device, [6], "uint32"), leaf(device, [6], "uint32", 2)]),
  ),
  reductions: [p.sumP, p.maxP, p.prodP].map((primitive) => (device) => bind(primitive, [leaf(device, [2, 3])], [1])),
  "axes of a sum": Array.from({ length: 15 }, (_, set) => [0, 1, 2, 3].filter((i) => ((set + 1) >> i) & 1)).map(
    (axes) => (device) => bind(p.sumP, [leaf(device, [2, 3, 2, 3])], axes),
  ),
  "the axis of argmax": attributes(p.argmaxP, [[3, 3]], [0], [1]),
  "starts, sizes and steps of a slice of rank 6": attributes(
    p.sliceP,
    [SIX],
    [...SIX.map(() => 0), ...SIX.map(() => 2), ...SIX.map(() => 1)],
    [...SIX.map(() => 1), ...SIX.map(() => 1), ...SIX.map(() => 2)],
  ),
  "counts of a pad of rank 6": attributes(p.padP, [[1, 2, 1, 2, 1, 2]], new Array(12).fill(0), new Array(12).fill(1)),
  "sizes of an expansion of rank 6": attributes(
    p.expandP,
    [[1, 1, 1, 1, 1, 1]],
    new Array(6).fill(1),
    new Array(6).fill(2),
  ).map((run) => (device) => bind(p.addP, [run(device) as Tensor, leaf(device, [1])])),
  "orders of a permutation": [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ].map((perm) => (device) => bind(p.permuteP, [leaf(device, [2, 3, 4])], perm)),
  "axes of a flip": Array.from({ length: 7 }, (_, set) => [0, 1, 2].filter((i) => ((set + 1) >> i) & 1)).map(
    (axes) => (device) => bind(p.flipP, [leaf(device, [2, 3, 2])], axes),
  ),
  "shapes of a reshape": [
    [6, 2],
    [2, 6],
    [3, 4],
    [4, 3],
    [12, 1],
    [1, 12],
    [3, 2, 2],
  ].map((shape) => (device) => bind(p.sumP, [bind(p.reshapeP, [leaf(device, [12])], shape)], [0])),
  "dtypes of a cast": (["int32", "uint32", "bool"] as const).map(
    (dtype) => (device) => bind(p.castP, [bind(p.absP, [leaf(device, [5])])], [code(dtype)]),
  ),
  "numbers of a literal": [-1, 0, 1, 2, 3, 255, 256, 65536, 2 ** 24].map(
    (x) => (device) => bind(p.maximumP, [leaf(device, [3]), bindConstant(device, p.literalP, [code("float32"), x])]),
  ),
  "the count and the dtype of an iota": [
    ["float32", 5],
    ["float32", 6],
    ["int32", 5],
  ].map(([dtype, n]) => (device) => {
    const ramp = bindConstant(device, p.iotaP, [code(dtype as DType), n as number]);
    return bind(p.mulP, [asFloat(ramp), bindConstant(device, p.scalarP, [0], 2)]);
  }),
  "attributes of a convolution": [
    conv(),
    conv({ stride: [2, 1] }),
    conv({ stride: [1, 2] }),
    conv({ padding: [0, 1] }),
    conv({ padding: [1, 0] }),
    conv({ dilation: [2, 1] }),
    conv({ dilation: [1, 2] }),
  ].map(
    (attrs) => (device) => bind(p.convP, [leaf(device, [1, 2, 5, 5]), leaf(device, [2, 2, 2, 2], "float32", 2)], attrs),
  ),
  "groups of a convolution": [1, 2].map(
    (groups) => (device) =>
      bind(p.convP, [leaf(device, [1, 2, 4, 4]), leaf(device, [2, 2 / groups, 2, 2], "float32", 2)], conv({ groups })),
  ),
  "the input's size in a convolution's gradient": [
    [5, 5],
    [6, 5],
    [5, 6],
    [6, 6],
  ].map((extra) => (device) => {
    const attrs = conv({ stride: [2, 2], padding: [0, 0], extra });
    return bind(p.convInputP, [leaf(device, [1, 1, 2, 2]), leaf(device, [1, 1, 3, 3], "float32", 2)], attrs);
  }),
  "the kernel's size in a convolution's gradient": [
    [2, 2],
    [3, 2],
    [2, 3],
    [3, 3],
  ].map((extra) => (device) => {
    const attrs = conv({ stride: [2, 2], padding: [0, 0], extra });
    return bind(p.convWeightP, [leaf(device, [1, 1, 5, 5]), leaf(device, [1, 1, 2, 2], "float32", 2)], attrs);
  }),
  "the axis of a gather": [0, 1].map(
    (axis) => (device) => bind(p.gatherP, [leaf(device, [3, 3]), indices(device, [3, 3])], [axis]),
  ),
  "the axis of a sum at indices": [0, 1].map(
    (axis) => (device) =>
      bind(p.scatterAddP, [leaf(device, [3, 3]), indices(device, [3, 3]), leaf(device, [3, 3], "float32", 2)], [axis]),
  ),
  "the axis of a running sum": attributes(p.cumsumP, [[3, 3]], [0], [1]),
  "the axis and the order of a sort": attributes(p.argsortP, [[3, 3]], [0, 0], [1, 1]),
  "what a position is counted from": attributes(
    p.positionP,
    [[5]],
    [9, 1, 0, 0, 0],
    [8, 0, null, null, null],
    ["int32"],
  ),
  "the shape of random bits": [[4], [5], [2, 2], [4, 1]].map(
    (shape) => (device) => bind(p.randomBitsP, [leaf(device, [2], "uint32")], shape),
  ),
  "which results are kept": Array.from({ length: 15 }, (_, i) => keptOf(i + 1)),
  "an operation more": [1, 2, 3, 4].map((count) => (device) => {
    let x = leaf(device, [3]);
    for (let i = 0; i < count; i++) x = bind(p.addP, [x, x]);
    return x;
  }),
};

const names = Object.keys(FAMILIES);

const KINDS: Record<string, () => Promise<Device>> = {
  cpu: async () => new Device(new CpuBackend()),
  webgpu: async () => new Device(await createWebGPUBackend({})),
  "webgpu, tuned for a GPU": async () =>
    new Device(await createWebGPUBackend({ tuning: { workgroupMemory: true, maxBuffers: 8 } })),
};

async function results(device: Device, run: Run): Promise<{ data: number[]; shape: Shape; dtype: DType }[]> {
  using _ = scope();
  const tensors = [run(device)].flat();
  return Promise.all(
    tensors.map(async (x) => ({ data: Array.from(await x.data()), shape: [...x.shape], dtype: x.dtype })),
  );
}

/** To five digits, and zeros without a sign: WGSL's functions are not the host's. */
const rounded = (values: Awaited<ReturnType<typeof results>>) =>
  values.map(({ data, ...rest }) => ({ ...rest, data: data.map((x) => Number(x.toPrecision(5)) || 0) }));

describe.each(Object.keys(KINDS))("on %s", (kind) => {
  let device: Device;
  let interpreter: Device;
  beforeAll(async () => {
    device = await KINDS[kind]();
    interpreter = new Device(new InterpreterBackend());
  });
  afterAll(() => device.destroy());

  // The tunings share all that is before printing: the second one looks at a few.
  const some = kind === "webgpu, tuned for a GPU" ? names.filter((_, i) => i % 5 === 0) : names;
  test.each(some)("each has a plan of its own: %s", async (name) => {
    for (const time of ["first", "second"]) {
      for (const run of FAMILIES[name]) {
        const before = device.stats();
        const got = await results(device, run);
        const after = device.stats();
        expect(rounded(got)).toEqual(rounded(await results(interpreter, run)));
        expect(after.plansMade - before.plansMade).toBe(time === "first" ? 1 : 0);
        expect(after.plansReplayed - before.plansReplayed).toBe(time === "first" ? 0 : 1);
      }
    }
  });

  test("operations on the same tensors that differ in one thing are two", async () => {
    // All of a family in one flush: what is told apart between programs must be told apart within one.
    const together = (runs: readonly Run[]): Run => {
      return (on) => {
        shared = new Map();
        try {
          return runs.flatMap((run) => run(on));
        } finally {
          shared = null;
        }
      };
    };
    for (const name of some) {
      const program = together(FAMILIES[name]);
      const got = await results(device, program);
      expect([name, rounded(got)]).toEqual([name, rounded(await results(interpreter, program))]);
    }
  });
});
