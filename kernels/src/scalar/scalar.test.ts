/**
 * The parts of the table of scalar functions: complete, and right about math.wgsl. Values are tested where they are computed:
 * `cpu/arithmetic.test.ts` and `webgpu/math.test.ts` of @loopgrad/tensor.
 */
import { expect, test } from "@jest/globals";
import type { ScalarType } from "../description.ts";
import { ITEMS } from "../skeleton.ts";
import { BINARY, COMPARE, SCALARS, type ScalarName, UNARY, type UnaryName } from "./index.ts";
import { binaryFormula, unaryFormula } from "./javascript.ts";
import { wgslOf } from "./wgsl.ts";

const TYPES = {
  floats: ["f32"],
  numbers: ["f32", "i32", "u32"],
  integers: ["i32", "u32"],
  bits: ["i32", "u32", "bool"],
  bools: ["bool"],
  all: ["f32", "i32", "u32", "bool"],
} as const satisfies Record<(typeof SCALARS)[ScalarName]["takes"], readonly ScalarType[]>;

const names = Object.keys(SCALARS) as ScalarName[];
const everyWriting = names.flatMap((name) =>
  TYPES[SCALARS[name].takes].map((from) => {
    const to = name === "cast" ? "i32" : name === "round16" ? "f32" : (SCALARS[name].gives ?? from);
    return { name, from, wgsl: wgslOf(name, from, to) };
  }),
);

test("an entry has WGSL for every type that it takes, and names the functions of math.wgsl in it", () => {
  for (const { name, from, wgsl } of everyWriting) {
    const text = wgsl.text("x", "y", "z");
    const called = (text.match(/\w+(?=\()/g) ?? []).filter((word) => ITEMS.has(word));
    expect([name, from, ...wgsl.calls].sort()).toEqual([name, from, ...called].sort());
    for (const call of wgsl.calls) expect(ITEMS.has(call)).toBe(true);
  }
});

test("math.wgsl has nothing that no kernel can call", () => {
  // What kernels of other roles, and the random instruction, call.
  const needed = new Set<string>(["threefry", "infinity", "is_nan"]);
  for (const { wgsl } of everyWriting) for (const call of wgsl.calls) needed.add(call);
  for (const from of ["f32", "i32"] as const) for (const call of wgslOf("cast", "f32", from).calls) needed.add(call);
  for (const call of wgslOf("cast", "f32", "u32").calls) needed.add(call);
  for (const name of needed) for (const inner of ITEMS.get(name)?.needs ?? []) needed.add(inner);
  expect([...ITEMS.keys()].filter((name) => !needed.has(name))).toEqual([]);
});

test("a function of a type that it does not take is refused", () => {
  expect(() => wgslOf("div", "bool", "bool")).toThrow("div takes no bool");
});

test("expressions as they stand in kernels", () => {
  const written = (name: ScalarName, from: ScalarType, to: ScalarType = from) => {
    const operands =
      name === "where" ? ["x", "y", "z"] : name in UNARY || name === "cast" || name === "round16" ? ["x"] : ["x", "y"];
    return wgslOf(name, from, to).text(...operands);
  };
  expect([written("exp", "f32"), written("round", "f32"), written("neg", "u32"), written("abs", "u32")]).toEqual([
    "exp_of(x)",
    "round(x)",
    "(0u - x)",
    "x",
  ]);
  expect([written("div", "f32"), written("div", "i32"), written("shr", "u32"), written("xor", "bool")]).toEqual([
    "x / y",
    "div_i32(x, y)",
    "x >> (u32(y) & 31u)",
    "x != y",
  ]);
  expect([written("ne", "f32", "bool"), written("lt", "bool"), written("where", "f32")]).toEqual([
    "!(x == y)",
    "!x & y",
    "select(z, y, x)",
  ]);
  expect([written("cast", "f32", "i32"), written("cast", "f32", "bool"), written("cast", "bool", "u32")]).toEqual([
    "i32_of(x)",
    "!(x == 0.0)",
    "select(0u, 1u, x)",
  ]);
  expect([written("cast", "i32", "f32"), written("round16", "f32"), written("round16", "i32", "f32")]).toEqual([
    "f32(x)",
    "round_to_half(x)",
    "round_to_half(f32(x))",
  ]);
});

test("integers and floats have formulas of their own where they differ", () => {
  expect(binaryFormula("mul", "int32")(0x10001, 0x10001)).toBe(0x20001);
  expect(binaryFormula("mul", "float")(0x10001, 0x10001)).toBe(0x10001 ** 2);
  expect([binaryFormula("div", "uint32")(7, 2), binaryFormula("div", "int32")(7, 0)]).toEqual([3, 0]);
  expect([binaryFormula("shr", "int32")(-8, 1), binaryFormula("shr", "uint32")(-8, 1)]).toEqual([-4, 2 ** 31 - 4]);
  expect(unaryFormula("not")(1)).toBe(0);
});

test("names are unique over the tables", () => {
  const counted = Object.keys(UNARY).length + Object.keys(BINARY).length + Object.keys(COMPARE).length;
  expect(names.length).toBe(counted + ["where", "cast", "round16"].length);
});

test("a table that lacks a function does not compile", () => {
  const { exp: _, ...others } = UNARY;
  // @ts-expect-error: exp is missing
  const costs: Readonly<Record<UnaryName, unknown>> = others;
  expect("exp" in costs).toBe(false);
});
