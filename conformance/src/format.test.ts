/**
 * Files that are not golden files are refused, with what is wrong.
 */
import { expect, test } from "@jest/globals";
import { GoldenFileError, parseGolden, readGoldenFile } from "./format.ts";

const refused = (content: unknown): string => {
  try {
    parseGolden(typeof content === "string" ? content : JSON.stringify(content), "file.json");
  } catch (error) {
    expect(error).toBeInstanceOf(GoldenFileError);
    return (error as Error).message;
  }
  return "accepted";
};

test("the message names the file, the case and the fault", async () => {
  expect(refused("{")).toContain("file.json: not JSON");
  expect(refused({ format: 2, cases: [] })).toBe("file.json: format is 2, wanted 1");
  expect(refused({ format: 1 })).toContain("cases is absent");
  expect(refused({ format: 1, suite: "op", cases: [{ name: "a" }] })).toContain(
    'case 0 (a): suite is "op", wanted one of ops',
  );
  expect(refused({ format: 1, suite: "scheduler", cases: [{ name: "a", scheduler: "StepLR" }] })).toContain(
    "case 0 (a): options, base_lr, steps, lrs missing",
  );
  const twice = { name: "a", scheduler: "StepLR", options: {}, base_lr: 1, steps: 0, lrs: [1] };
  expect(refused({ format: 1, suite: "scheduler", cases: [twice, twice] })).toContain('the name "a" occurs twice');
  await expect(readGoldenFile("/nowhere/x.json")).rejects.toThrow("/nowhere/x.json: no such file");
});
