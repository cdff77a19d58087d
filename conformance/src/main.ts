/**
 * `pnpm conformance FILE.json [--device cpu|webgpu] [--filter TEXT]`: runs a file of golden cases.
 *
 * Every failing case is printed with its largest error, and where it is. The last line is `N passed, N failed`;
 * the exit code is 1 if a case failed, 2 if the file or an option is wrong.
 */
import { Command, Option } from "commander";
import { GoldenFileError } from "./format.ts";
import { DEVICES, type DeviceName, type Result, runFile } from "./run.ts";

const command = new Command("conformance")
  .description("Runs golden cases: reference values and derivatives computed with PyTorch in float64.")
  .argument("<file>", "a golden file, such as conformance/golden/ops.json")
  .addOption(new Option("--device <name>", "cpu runs in float64, webgpu in float32").choices(DEVICES).default("cpu"))
  .option("--filter <text>", "only cases whose name contains the text", "")
  // Read by the launcher, which sets up the adapter.
  .addOption(new Option("--adapter <kind>", "webgpu: the adapter to use").choices(["hardware", "software", "any"]))
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

command.parse();
const [file] = command.args;
const { device, filter } = command.opts<{ device: DeviceName; filter: string }>();

process.exitCode = await main().catch((error: Error) => {
  console.error(`conformance: ${error instanceof GoldenFileError ? error.message : (error.stack ?? error)}`);
  return 2;
});

async function main(): Promise<number> {
  const results = await runFile(file, { device, filter, onResult: (result) => result.passed || report(result) });
  if (results.length === 0) throw new GoldenFileError(`${file}: no case's name contains "${filter}"`);
  const failed = results.filter(({ passed }) => !passed).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function report({ name, error, mismatches }: Result): void {
  if (error !== null) {
    // An error from a GPU may quote a whole kernel.
    const lines = error.split("\n");
    const shown = lines.length > 6 ? [...lines.slice(0, 6), "…"] : lines;
    console.log(`FAILED ${name}\n  ${shown.join("\n  ")}`);
    return;
  }
  const [largest, ...others] = mismatches;
  const more = others.length === 0 ? "" : ` (and ${others.map(({ what }) => what).join(", ")})`;
  console.log(`FAILED ${name}\n  ${largest.what} ${largest.reason}${more}`);
}
