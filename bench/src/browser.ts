/**
 * `--browser`: the same rows in a headless browser, in a process of its own (`../browser.mjs`).
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { LoopgradError } from "loopgrad";
import type { PageRequest } from "./in-page.ts";
import { load, machine, versions } from "./machine.ts";
import type { Given, Wanted } from "./options.ts";
import type { Row } from "./rows.ts";

const program = fileURLToPath(new URL("../browser.mjs", import.meta.url));

/** The rows, one after another. */
export async function* browserRows(wanted: readonly Wanted[], given: Given): AsyncGenerator<Row> {
  const { adapter, iterations, profile } = given;
  const requests = wanted.flatMap(({ workload, settings }) =>
    given.device.map((device): PageRequest => {
      const calls = iterations ?? workload.iterations ?? 1;
      return {
        id: workload.id,
        settings,
        device,
        iterations: calls,
        profile,
        ...(adapter === undefined ? {} : { adapter }),
      };
    }),
  );
  const child = spawn(process.execPath, [program, JSON.stringify(requests)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let i = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const { error, description, browser, ...numbers } = JSON.parse(line);
    const { id, settings, device } = requests[i++];
    if (error !== undefined) throw new LoopgradError(`${id} in the browser: ${error}`);
    yield {
      workload: id,
      subject: "loopgrad in a page",
      device,
      adapter: device === "cpu" ? null : (adapter ?? "any"),
      description,
      ...settings,
      ...numbers,
      load: load(),
      machine: machine(),
      versions: { ...versions(false), chromium: browser },
    };
  }
  const code = await ended;
  if (code !== 0 || i < requests.length)
    throw new LoopgradError(`the browser ended (${code}) after ${i} rows: see above`);
}
