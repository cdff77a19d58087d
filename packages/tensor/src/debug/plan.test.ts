import { afterEach, expect, test } from "@jest/globals";
import { Sketch } from "../cpu/sketch.ts";
import { ArgumentError } from "../errors.ts";
import { literalP, mulP, sumP } from "../primitives.ts";
import { debugging, formatSegment, setDebug } from "./plan.ts";

afterEach(() => setDebug(null));

test("flags come as words with commas", () => {
  setDebug(" plan, check ");
  expect([debugging("plan"), debugging("check")]).toEqual([true, true]);
  setDebug("check");
  expect([debugging("plan"), debugging("check")]).toEqual([false, true]);
  setDebug("");
  expect(debugging("plan")).toBe(false);
});

test("an unknown flag is an error that lists the known ones", () => {
  expect(() => setDebug("plna")).toThrow(ArgumentError);
  expect(() => setDebug("plna")).toThrow('unknown flag "plna"; wanted any of plan, check');
});

test("in a browser the flags are a global variable", () => {
  const scope = globalThis as { LOOPGRAD_DEBUG?: string };
  scope.LOOPGRAD_DEBUG = "check";
  setDebug(null);
  expect(debugging("check")).toBe(true);
  delete scope.LOOPGRAD_DEBUG;
});

test("a segment prints one node a line", () => {
  const s = new Sketch();
  const scaled = s.apply(mulP, [s.apply(mulP, [s.leaf([2, 3]), s.scalar()]), s.apply(literalP, [], [0, 2])]);
  expect(formatSegment("recorded", s.graph(s.apply(sumP, [scaled], [1])))).toBe(
    [
      "recorded: 6 nodes, 1 leaves, 1 scalars, 1 outputs",
      "  %0 = leaf 0: float32 [2, 3]",
      "  %1 = scalar 0: float32",
      "  %2 = mul(%0, %1) float32 [2, 3]",
      "  %3 = literal 2: float32",
      "  %4 = mul(%2, %3) float32 [2, 3]",
      "→ %5 = sum(%4) {1} float32 [2, 1]",
    ].join("\n"),
  );
});
