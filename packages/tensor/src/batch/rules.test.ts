/**
 * Batching rules beside a loop: every primitive, whichever of its operands the tasks have of their own, in one vmap and in
 * two, one inside the other.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { bind } from "../bind.ts";
import { init, PRIMITIVES, stack, type Tensor, tensor, vmap } from "../index.ts";
import * as p from "../primitives.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** Operands by shape: "f" floats, "u" floats in (0, 1), "i" int32, "n" uint32, "b" bool, "k" indices below 2. */
type Operand = readonly [kind: "f" | "u" | "i" | "n" | "b" | "k", ...shape: number[]];
type Call = readonly [attrs: readonly number[], ...operands: Operand[]];

const geometry = (n: number, groups: number, extra: number[] = []): number[] =>
  p.convAttrs({
    n,
    groups,
    stride: new Array<number>(n).fill(2),
    padding: new Array<number>(n).fill(1),
    dilation: new Array<number>(n).fill(1),
    extra,
  });

const UNARY: Call[] = [[[], ["u", 2, 3]]];
const FLOATS: Call[] = [
  [[], ["f", 2, 3], ["f", 2, 3]],
  [[], ["f", 3], ["f", 2, 3]],
  [[], ["f", 2, 1], ["f"]],
];
const INTEGERS: Call[] = [[[], ["n", 2, 3], ["n", 3]]];

const CALLS: Readonly<Record<string, Call[]>> = {
  not: [[[], ["b", 2, 3]]],
  and: INTEGERS,
  or: INTEGERS,
  xor: INTEGERS,
  shl: INTEGERS,
  shr: INTEGERS,
  where: [
    [[], ["b", 2, 3], ["f", 3], ["f", 2, 1]],
    [[], ["b", 3], ["f"], ["f", 2, 3]],
  ],
  cast: [[[p.dtypeAttr("int32")], ["f", 2, 3]]],
  position: [
    [
      [2, 1, 0, 0, 0],
      ["k", 2, 3],
    ],
  ],
  sum: [
    [[1], ["f", 2, 3]],
    [
      [0, 2],
      ["f", 2, 3, 2],
    ],
  ],
  max: [[[0], ["f", 2, 3]]],
  prod: [
    [
      [0, 1],
      ["f", 2, 3],
    ],
  ],
  argmax: [[[1], ["f", 2, 3]]],
  reshape: [
    [
      [3, 2],
      ["f", 2, 3],
    ],
  ],
  permute: [
    [
      [2, 0, 1],
      ["f", 2, 3, 1],
    ],
  ],
  expand: [
    [
      [2, 3],
      ["f", 1, 3],
    ],
  ],
  slice: [
    [
      [0, 1, 2, 1, 1, 2],
      ["f", 2, 3],
    ],
  ],
  pad: [
    [
      [1, 0, 0, 2],
      ["f", 2, 3],
    ],
  ],
  flip: [[[1], ["f", 2, 3]]],
  matmul: [
    [[], ["f", 2, 3], ["f", 3, 4]],
    [[], ["f", 2, 1, 3], ["f", 1, 3, 2]],
  ],
  conv: [
    [geometry(1, 1), ["f", 2, 3, 5], ["f", 2, 3, 3]],
    [geometry(2, 2), ["f", 2, 4, 4, 3], ["f", 6, 2, 3, 2]],
  ],
  convInput: [
    [geometry(1, 1, [5]), ["f", 2, 2, 3], ["f", 2, 3, 3]],
    [geometry(2, 2, [4, 3]), ["f", 2, 6, 2, 2], ["f", 6, 2, 3, 3]],
  ],
  convWeight: [
    [geometry(1, 1, [3]), ["f", 2, 3, 5], ["f", 2, 2, 3]],
    [geometry(2, 2, [3, 3]), ["f", 2, 4, 4, 3], ["f", 2, 6, 2, 2]],
  ],
  gather: [
    [[0], ["f", 2, 3], ["k", 4, 3]],
    [[1], ["f", 3, 2], ["k", 2, 5]],
    [[1], ["f", 2, 2, 3], ["k", 2, 4, 1]],
  ],
  scatterAdd: [[[1], ["f", 2, 3], ["k", 2, 2], ["f", 2, 2]]],
  pack: [
    [[], ["f", 2, 3], ["f"], ["f", 5]],
    [[], ["b", 2], ["b", 3]],
  ],
  cumsum: [[[1], ["f", 2, 3]]],
  argsort: [
    [
      [1, 0],
      ["f", 2, 3],
    ],
    [
      [0, 1],
      ["f", 3, 2],
    ],
  ],
};

/** Why a primitive has no case. */
const NONE: Readonly<Record<string, string>> = {
  scalar: "no operand",
  literal: "no operand",
  iota: "no operand",
  randomBits: "its operands are keys and counters: see random.test.ts",
};

const callsOf = ({ name, kind }: p.Primitive): Call[] =>
  CALLS[name] ?? (kind === "unary" ? UNARY : kind === "binary" || kind === "compare" ? FLOATS : []);

let seed = 1;
function operand([kind, ...shape]: Operand, tasks: readonly number[]): Tensor {
  const whole = [...tasks, ...shape];
  const size = whole.reduce((n, d) => n * d, 1);
  const u = Array.from({ length: size }, () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  });
  const of = (data: number[], dtype: p.Spec["dtype"]): Tensor => tensor(data, { shape: whole, dtype });
  switch (kind) {
    case "f":
      return of(
        u.map((x) => 4 * x - 2),
        "float64",
      );
    case "u":
      return of(u, "float64");
    case "b":
      return of(
        u.map((x) => Math.round(x)),
        "bool",
      );
    case "k":
      return of(
        u.map((x) => Math.floor(2 * x)),
        "int32",
      );
    default:
      return of(
        u.map((x) => Math.floor(9 * x)),
        kind === "i" ? "int32" : "uint32",
      );
  }
}

/** Every way in which operands can be a task's own at some of two levels: none, the outer, the inner, both. */
function* ways(count: number): Generator<readonly number[]> {
  for (let way = 0; way < 4 ** count; way++) {
    const each = Array.from({ length: count }, (_, i) => Math.floor(way / 4 ** i) % 4);
    if (each.some((one) => (one & 1) !== 0)) yield each;
  }
}

const [OUTER, INNER] = [2, 3];

async function compare(primitive: p.Primitive, [attrs, ...operands]: Call, way: readonly number[]): Promise<void> {
  const has = (i: number, level: 1 | 2): boolean => (way[i] & level) !== 0;
  const xs = operands.map((one, i) => operand(one, [...(has(i, 1) ? [OUTER] : []), ...(has(i, 2) ? [INNER] : [])]));
  const isNested = way.some((one) => (one & 2) !== 0);
  const call = (...args: Tensor[]): Tensor => bind(primitive, args, attrs);
  const inner = isNested ? vmap(call, { inAxes: way.map((_, i) => (has(i, 2) ? 0 : null)) }) : call;
  const together = vmap(inner, { inAxes: way.map((_, i) => (has(i, 1) ? 0 : null)) })(...xs);
  const outer = Array.from({ length: OUTER }, (_, t) => {
    const own = xs.map((x, i) => (has(i, 1) ? x.select(0, t) : x));
    if (!isNested) return call(...own);
    return stack(Array.from({ length: INNER }, (_, s) => call(...own.map((x, i) => (has(i, 2) ? x.select(0, s) : x)))));
  });
  const looped = stack(outer);
  expect(together.shape).toEqual(looped.shape);
  expect(together.dtype).toBe(looped.dtype);
  const [a, b] = [await together.data(), await looped.data()];
  a.forEach((x: number, i: number) => {
    if (Object.is(x, b[i]) || Math.abs(x - b[i]) <= 1e-12 * Math.max(1, Math.abs(b[i]))) return;
    throw new Error(
      `${primitive.name} ${JSON.stringify(operands)}, way ${way}: element ${i}: ${x}, a loop has ${b[i]}`,
    );
  });
}

test.each(PRIMITIVES.filter(({ name }) => NONE[name] === undefined).map((one) => [one.name, one] as const))(
  "%s",
  async (_, primitive) => {
    const calls = callsOf(primitive);
    expect(calls).not.toEqual([]);
    for (const call of calls) {
      for (const way of ways(call.length - 1)) await compare(primitive, call, way);
    }
  },
);
