/** The same where an engine has no `AsyncLocalStorage`: our own promises put the contexts back. */
import "./testing/one-chain.ts";
import { expect, test } from "@jest/globals";
import { isExact } from "@loopgrad/tensor";
import { describeInterleaving } from "./testing/interleaving-suite.ts";

test("there is one chain of contexts for all", () => {
  expect(isExact()).toBe(false);
});

describeInterleaving("cpu");
