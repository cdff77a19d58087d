/**
 * Runs before every test file, in its environment: every plan that its tests make is checked, also those whose results
 * nobody looks at.
 */
import { afterAll } from "@jest/globals";
import { checkProgram } from "../cpu/check-program.ts";
import { watch } from "../debug/watch.ts";
import { checkPlan } from "../plan/check-plan.ts";

const wrong: unknown[] = [];

/** Throws what a check finds, and notes it: a test may expect an error, and take this one for it. */
function noted<T>(check: (of: T) => void): (of: T) => void {
  return (of) => {
    try {
      check(of);
    } catch (error) {
      wrong.push(error);
      throw error;
    }
  };
}

watch({ gpuPlan: noted(checkPlan), cpuPlan: noted(checkProgram), deviceMade: () => {} });

afterAll(() => {
  if (wrong.length > 0) throw wrong[0];
});
