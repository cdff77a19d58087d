/**
 * The page of the long test's results keeps the rows of the parts that a run leaves out.
 */
import { expect, test } from "@jest/globals";
import { page, rowOf, rowsOf } from "./full-results.mjs";

const result = { name: "the basics on deno", passed: 7, failed: 0, notRun: ["deno: no binary for x | y"], seconds: 90 };

test("a row says what ran, what did not and why, when, and of which commit", () => {
  const cells = rowOf("deno", result, "abc1234+", "2026-01-02").split(" | ");
  expect(cells.slice(0, 6)).toEqual([
    "| `deno`",
    "the basics on deno",
    "7",
    "0",
    "NOT RUN: deno: no binary for x / y",
    "1.5",
  ]);
  expect(cells.slice(7)).toEqual(["2026-01-02", "abc1234+ |"]);
});

test("rows of parts that did not run again stay, and those that never ran are named", () => {
  const first = page(new Map([["deno", rowOf("deno", result, "abc1234", "2026-01-02")]]), ["node", "deno"]);
  expect(first).toContain("| `node` | | | | NOT RUN: it has not been started yet |");
  const rows = rowsOf(first);
  expect([...rows.keys()]).toEqual(["deno"]);
  rows.set("node", rowOf("node", { ...result, name: "tests in Node", notRun: [] }, "def5678", "2026-01-03"));
  const second = rowsOf(page(rows, ["node", "deno"]));
  expect([...second.keys()]).toEqual(["node", "deno"]);
  expect(second.get("deno")).toBe(rowsOf(first).get("deno"));
});
