/**
 * Tables as they are printed.
 */
import { afterEach, expect, jest, test } from "@jest/globals";
import { printTable } from "./table.ts";

afterEach(() => {
  jest.restoreAllMocks();
});

test("columns of numbers stand to the right, words to the left, without colours", () => {
  const log = jest.spyOn(console, "log").mockImplementation(() => undefined);
  printTable(
    ["name", "error"],
    [
      ["a", "0.50"],
      ["long", 12.25],
    ],
  );
  expect(log.mock.calls[0][0]).toBe(`
┌──────┬───────┐
│ name │ error │
│ a    │  0.50 │
│ long │ 12.25 │
└──────┴───────┘`);
});

test("a row that does not fit the head is refused", () => {
  expect(() => printTable(["a", "b"], [[1]])).toThrow("a row has 1 cells and the head 2");
});
