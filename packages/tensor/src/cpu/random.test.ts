import { expect, test } from "@jest/globals";
import { randomBitsP } from "../primitives.ts";
import { interpret } from "./interpreter.ts";
import { threefry } from "./random.ts";
import { Sketch } from "./sketch.ts";

/** Known answers for threefry2x32-20 from the Random123 library: key, counter, result. */
test.each([
  [
    [0, 0],
    [0, 0],
    [0x6b200159, 0x99ba4efe],
  ],
  [
    [0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x1cb996fc, 0xbb002be7],
  ],
  [
    [0x13198a2e, 0x03707344],
    [0x243f6a88, 0x85a308d3],
    [0xc4923a9c, 0x483df7a0],
  ],
])("threefry with key %j at %j", (key, counter, wanted) => {
  expect(threefry(key[0], key[1], counter[0], counter[1])).toEqual(wanted);
});

test("random bits are the first words at counters (i, 0)", () => {
  const s = new Sketch();
  const bits = s.apply(randomBitsP, [s.leaf([2], "uint32")], [3, 2]);
  const [out] = interpret(s.graph(bits), [new Uint32Array([7, 9])], []);
  expect(Array.from(out)).toEqual([0, 1, 2, 3, 4, 5].map((i) => threefry(7, 9, i, 0)[0]));
});
