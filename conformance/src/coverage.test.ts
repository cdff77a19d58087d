/**
 * The list of what is not covered names subjects of golden cases.
 */
import { expect, test } from "@jest/globals";
import { unknownSubjects } from "./coverage.ts";

test("every listed subject occurs in a golden file", async () => {
  expect(await unknownSubjects(["ops", "third", "nn", "optim", "higher"])).toEqual([]);
});
