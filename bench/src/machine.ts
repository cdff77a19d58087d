/**
 * The machine that a row was measured on: its processor, its load, and the versions of what ran.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";

/** Versions of loopgrad, of Node, and of Dawn's bindings. */
export interface Versions {
  readonly loopgrad: string;
  readonly node: string;
  readonly dawn?: string;
}

/** @param webgpu  whether Dawn runs */
export function versions(webgpu: boolean): Versions {
  const require = createRequire(import.meta.url);
  const { version } = JSON.parse(
    readFileSync(new URL("../../packages/loopgrad/package.json", import.meta.url), "utf8"),
  );
  const node = process.versions.node;
  return webgpu
    ? { loopgrad: version, node, dawn: require("webgpu/package.json").version }
    : { loopgrad: version, node };
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
}

export function machine(): Machine {
  const all = cpus();
  return { processor: all[0]?.model ?? "unknown", cores: all.length };
}

/** How many processes wanted to run, a mean over the last minute. Ours is among them. */
export const load = (): number => Math.round(100 * loadavg()[0]) / 100;
