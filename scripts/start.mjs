/**
 * `npm start [-- arguments]`: from a fresh checkout to a meta-learned sine wave. Installs, then runs
 * `examples/maml-sinusoid/main.ts` with the arguments.
 */
import { join } from "node:path";
import { install } from "./install.mjs";
import { root } from "./workspace.mjs";

install();
const { run } = await import("./run.mjs");
process.exitCode = await run(join(root, "examples/maml-sinusoid/main.ts"), process.argv.slice(2)).catch((error) => {
  console.error(`start: ${error.message}`);
  return 1;
});
