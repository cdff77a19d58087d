import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import * as lg from "./index.ts";

const ROOT = join(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

test("docs/operations.md is what the script makes, and every name in it is there", async () => {
  const script: string = join(ROOT, "scripts/operations.mjs");
  const { operationsPage, isThere } = await import(script);
  const made: string = operationsPage(JSON.parse(read("docs/torch/names.json")), lg);
  if (process.env.LOOPGRAD_WRITE_OPERATIONS) writeFileSync(join(ROOT, "docs/operations.md"), made);
  const page = read("docs/operations.md");
  expect(page === made).toBe(true);
  const named = Array.from(page.matchAll(/\| `([\w.]+)` \|/g), ([, name]) => name);
  expect(named.length).toBeGreaterThan(500);
  expect(named.filter((name) => !isThere(name, lg))).toEqual([]);
});
