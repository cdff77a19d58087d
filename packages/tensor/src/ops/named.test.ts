import { expect, test } from "@jest/globals";
import { LoopgradError, ShapeError } from "../errors.ts";
import { named } from "./named.ts";

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
  const error = thrown(named("lerp", failing(new ShapeError("sub: shapes [2] and [3]"))));
  expect(error).toBeInstanceOf(ShapeError);
  expect(error.message).toBe("lerp: shapes [2] and [3]");
  expect(error.stack).toContain("lerp: shapes [2] and [3]");
  expect(error.stack).not.toContain("sub:");
});

test("a message without a name gets one; one that has it stays", () => {
  expect(thrown(named("mm", failing(new LoopgradError("a tensor was released")))).message).toBe(
    "mm: a tensor was released",
  );
  expect(thrown(named("einsum", failing(new LoopgradError('einsum "ij": no')))).message).toBe('einsum "ij": no');
});

test("other errors pass as they are", () => {
  const error = new TypeError("sub: is not a function");
  expect(thrown(named("lerp", failing(error)))).toBe(error);
  expect(error.message).toBe("sub: is not a function");
});
