/**
 * Runs before all else of a test file: `*one-chain.test.ts` are tests of an engine without `AsyncLocalStorage`, as browsers
 * are, so Node's is hidden before anything asks for it.
 */
import { expect } from "@jest/globals";

if (/one-chain\.test\.ts$/.test(expect.getState().testPath ?? "")) {
  Object.defineProperty(process, "getBuiltinModule", { value: undefined, configurable: true });
}
