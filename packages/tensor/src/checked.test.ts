import { beforeAll, expect, test } from "@jest/globals";
import { operation } from "./checked.ts";
import { tensor } from "./creation.ts";
import { ArgumentError, LoopgradError, ShapeError } from "./errors.ts";
import { init } from "./init.ts";

const failing = (error: Error) => (): never => {
  throw error;
};
const thrown = (f: () => unknown): Error => {
  try {
    f();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not throw");
};

test("an inner operation's name gives way to the outer one's, in the stack too", () => {
  const error = thrown(operation("lerp()", failing(new ShapeError("sub: shapes [2] and [3]"))));
  expect(error).toBeInstanceOf(ShapeError);
  expect(error.message).toBe("lerp: shapes [2] and [3]");
  expect(error.stack).toContain("lerp: shapes [2] and [3]");
  expect(error.stack).not.toContain("sub:");
});

test("a message without a name gets one; one that has it stays", () => {
  expect(thrown(operation("mm()", failing(new LoopgradError("a tensor was released")))).message).toBe(
    "mm: a tensor was released",
  );
  expect(thrown(operation("einsum()", failing(new LoopgradError('einsum "ij": no')))).message).toBe('einsum "ij": no');
});

test("other errors pass as they are", () => {
  const error = new TypeError("sub: is not a function");
  expect(thrown(operation("lerp()", failing(error)))).toBe(error);
  expect(error.message).toBe("sub: is not a function");
});

// ---- signatures ---------------------------------------------------------------------------------------------

beforeAll(async () => {
  await init({ device: "cpu" });
});

/** A function that gives back what it was called with. */
const echo = (...texts: string[]): ((...args: unknown[]) => unknown[]) =>
  operation(texts, (...args: unknown[]): unknown[] => args);

const refused = (call: () => unknown): string => {
  const error = thrown(call);
  expect(error).toBeInstanceOf(ArgumentError);
  return error.message;
};

test("an argument too many would be lost", () => {
  const f = echo("f(a: number, b?: string)");
  expect(f(1)).toEqual([1]);
  expect(f(1, undefined, undefined)).toEqual([1, undefined, undefined]);
  expect(refused(() => f(1, "x", { keepdim: true }))).toBe("f: takes (a, b), got 3 arguments: an object would be lost");
  expect(refused(() => echo("g()")(0))).toBe("g: takes no arguments, got 1 argument: 0 would be lost");
});

test("an argument that is missing, or of another kind, is named with what was wanted", () => {
  const f = echo("f(count: number, text?: string|null, sizes?: numbers)");
  expect(refused(() => f())).toBe("f: count is missing: wanted a number");
  expect(refused(() => f("1"))).toBe('f: count is the string "1": wanted a number');
  expect(refused(() => f(1, 2))).toBe("f: text is 2: wanted a string or null");
  expect(refused(() => f(1, null, [1, "2"]))).toBe(
    'f: sizes is an array with the string "2" in it: wanted an array such as [2, 3]',
  );
  expect(refused(() => f({ count: 1 }))).toBe(
    "f: count is an object: wanted a number; count is given by its place, not in an object",
  );
});

test("of options every name is known, and every value of its kind", () => {
  const f = echo("f(x: number, options?: { dim: number|null, mode: string })");
  expect(f(1, { dim: null })).toEqual([1, { dim: null }]);
  expect(f(1, { dim: undefined })).toEqual([1, { dim: undefined }]);
  expect(refused(() => f(1, { dimension: 1 }))).toBe("f: unknown option dimension: wanted one of dim, mode");
  expect(refused(() => f(1, { dim: "1" }))).toBe('f: dim is the string "1": wanted a number or null');
  expect(refused(() => f(1, 2))).toBe("f: the options are 2: wanted an object such as { dim: … }; known: dim, mode");
});

test("options go to their place from that of an optional tensor", () => {
  const f = echo("f(x: tensor, bias?: tensor|null, scale?: tensor, options?: { dim: number })");
  const x = tensor([1]);
  expect(f(x, { dim: 1 })).toEqual([x, undefined, undefined, { dim: 1 }]);
  expect(f(x, x, { dim: 1 })).toEqual([x, x, undefined, { dim: 1 }]);
  expect(refused(() => f(x, { dimension: 1 }))).toBe("f: unknown option dimension: wanted one of dim");
  expect(refused(() => f({ dim: 1 }))).toContain("f: x is an object");
});

test("of overloads the one that fits is taken, and the one that fits furthest says what is wrong", () => {
  const f = echo("f(x: tensor, other?: tensor)", "f(x: tensor, dim: number, options?: { keepdim: boolean })");
  const x = tensor([1]);
  expect(f(x, 1, { keepdim: true })).toEqual([x, 1, { keepdim: true }]);
  expect(refused(() => f(x, 1, { keepdim: 1 }))).toBe("f: keepdim is 1: wanted true or false");
  expect(refused(() => f(x, x, {}))).toBe("f: takes (x, other), got 3 arguments: an object would be lost");
});

test("a function of one argument may be given to map; one of two would take the place for an argument", () => {
  expect([4, 5].map(echo("f(x: number)"))).toEqual([[4], [5]]);
  expect(refused(() => [4, 5].map(echo("f(x: number, dim?: number)")))).toContain("takes (x, dim), got 3 arguments");
});

test("a list takes any number of arguments of its kind", () => {
  const f = echo("f(equation: string, ...operands: tensor)");
  const x = tensor([1]);
  expect(f("i->i", x, x)).toEqual(["i->i", x, x]);
  expect(f("")).toEqual([""]);
  expect(refused(() => f("", x, 1))).toBe("f: operands is 1: wanted a tensor; tensor(data) makes one");
});

test("errors of an async function reject", async () => {
  const f = operation("f(path: string)", async (path: string): Promise<string> => path, "promise");
  await expect((f as (path: unknown) => Promise<string>)(1)).rejects.toThrow("f: path is 1: wanted a string");
});
