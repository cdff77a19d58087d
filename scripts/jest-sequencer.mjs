/**
 * The order in which Jest's workers take test files: the longest first, so that both are busy until the end. Jest knows how long
 * a file took the last time on a machine; where it never ran, as in continuous integration, Jest goes by the size of the
 * file, and would start the golden cases last, which are long and have short files.
 */
import { createRequire } from "node:module";

// Jest's own, which is a dependency of a dependency.
const jest = createRequire(createRequire(import.meta.url).resolve("jest"));
const core = createRequire(jest.resolve("@jest/core"));
const { default: Sequencer } = core("@jest/test-sequencer");

/** Files that take longest on a machine that has not run them, longest first. */
const LONG = [
  "golden.operations",
  "golden.higher",
  "recurrences",
  "ops/edges",
  "meta-gradients",
  "golden.training",
  "maml-sinusoid/main",
  "maml-omniglot/main",
  "loop-memory",
  "ops/documentation",
  "lockstep",
  "random-programs",
  "torch-options",
  "groups-and-buffers",
  "plain-loop",
  "checkpointed-steps",
];

/** @typedef {{ path: string, duration?: number }} TestFile  the duration is that of the last run, if there was one */

export default class extends Sequencer {
  /** @param {TestFile[]} tests */
  sort(tests) {
    /** @type {TestFile[]} */
    const sorted = super.sort(tests);
    return sorted
      .map((test) => ({ test, place: place(test) }))
      .sort((a, b) => a.place - b.place)
      .map(({ test }) => test);
  }
}

/** @param {TestFile} test */
function place({ path, duration }) {
  const at = LONG.findIndex((name) => path.replaceAll("\\", "/").includes(`${name}.test.ts`));
  return duration === undefined && at >= 0 ? at : LONG.length;
}
