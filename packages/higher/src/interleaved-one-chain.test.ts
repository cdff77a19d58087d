/** The same where an engine has no `AsyncLocalStorage` (the file's name hides it): our own promises put the contexts back. */
import { expect, test } from "@jest/globals";
import { isExact } from "@loopgrad/tensor";
import { describeInterleaving } from "./testing/interleaving-suite.ts";

test("there is one chain of contexts for all", () => {
  expect(isExact()).toBe(false);
});

describeInterleaving("cpu");
