/**
 * Jest, for two kinds of tests: `*.test.ts` runs in Node, `*.browser.test.ts` drives a headless Chromium.
 * Start it with `node scripts/jest.mjs`, which sets up the adapter that the tests need.
 */
import { cache, root, sourceCondition } from "./scripts/workspace.mjs";

const shared = {
  rootDir: root,
  testEnvironment: "node",
  // A workspace package is its source; see `exports` in its package.json.
  testEnvironmentOptions: { customExportConditions: [sourceCondition, "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts", ".wgsl"],
  moduleFileExtensions: ["ts", "mjs", "js", "json", "wgsl", "node"],
  transform: { "\\.(ts|wgsl)$": "<rootDir>/scripts/jest-transform.mjs" },
  modulePathIgnorePatterns: ["<rootDir>/(\\w+/){1,2}dist/", "<rootDir>/bench/peers/", "<rootDir>/coverage/"],
  cacheDirectory: `${cache}/jest`,
};

const browserTests = "\\.browser\\.test\\.ts$";

export default {
  maxWorkers: 2,
  // Modules of finished files stay in a worker: one that holds much spends its time on collecting garbage, and is replaced.
  workerIdleMemoryLimit: "800MB",
  testSequencer: "<rootDir>/scripts/jest-sequencer.mjs",
  // A busy machine, or a first start that unpacks a browser of 200 MB, takes its time.
  testTimeout: 60_000,
  projects: [
    {
      ...shared,
      displayName: "node",
      setupFilesAfterEnv: ["engine", "setup"].map((name) => `<rootDir>/packages/tensor/src/testing/${name}.ts`),
      testRegex: "\\.test\\.ts$",
      testPathIgnorePatterns: ["/node_modules/", browserTests],
    },
    {
      ...shared,
      displayName: "browser",
      testRegex: browserTests,
      globalSetup: "<rootDir>/scripts/jest-build-demos.mjs",
    },
  ],
};
