/**
 * The command line: its options, and the settings of the rows that they ask for.
 *
 * `--steps`, `--tasks`, `--size`, `--shape`, `--part` and `--dtype` take lists with commas, and there is a row for each
 * combination. What a workload does not take is an error that names what it takes.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import type { Checkpoint, InitOptions } from "loopgrad";
import { WORKLOADS } from "./catalog/index.ts";
import { DTYPES, OPTIMIZER_NAMES, type Settings, SHAPES, type Workload } from "./catalog/workload.ts";

import { needsWebGPU, PEER_NAMES } from "./peers.ts";

/** What is given on the command line. */
export interface Given {
  readonly device: readonly ("webgpu" | "cpu")[];
  readonly adapter?: InitOptions["adapter"];
  readonly iterations?: number;
  readonly steps?: readonly number[];
  readonly tasks?: readonly number[];
  readonly batched?: boolean;
  readonly size?: readonly number[];
  readonly shape?: Settings["shape"][];
  readonly part?: readonly string[];
  readonly dtype?: Settings["dtype"][];
  readonly optimizer?: Settings["optimizer"];
  readonly checkpoint?: Checkpoint;
  /** Files to write a page, and its charts alone, to. */
  readonly html?: string;
  readonly svg?: string;
  readonly peers?: readonly string[];
  /** Of peers that take a number. */
  readonly threads?: number;
  /** In a headless browser. */
  readonly browser: boolean;
  /** Beside the times: one more call, by kernel. */
  readonly profile: boolean;
  readonly json: boolean;
  /** A file of rows, as `--json` prints them. */
  readonly check?: string;
  /** One call of each row and no more. */
  readonly firstOnly: boolean;
}

const count = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Wanted a whole number, at least 1.");
};

const list =
  <T>(parse: (text: string) => T) =>
  (text: string): T[] =>
    text.split(",").map(parse);

const oneOf =
  <T extends string>(choices: readonly T[]) =>
  (text: string): T => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new InvalidArgumentError(`Wanted ${choices.join(", ")}.`);
    return found;
  };

const checkpoint = (text: string): Checkpoint =>
  text === "none" || text === "step" || text === "sqrt" ? text : count(text);

/** The options that depend on the workload, besides `--iterations`. */
const DEPENDENT = ["steps", "tasks", "batched", "size", "shape", "part", "dtype", "optimizer", "checkpoint"] as const;

/** Every workload, what it is and what it takes. */
export function listing(): string {
  const width = Math.max(...[...WORKLOADS.keys()].map((id) => id.length)) + 2;
  return [...WORKLOADS.values()]
    .map((workload) => {
      const peers = workload.peers.length === 0 ? "" : `  (peers: ${workload.peers.join(", ")})`;
      return `${workload.id.padEnd(width)}${workload.what}\n${" ".repeat(width)}${takes(workload)}${peers}`;
    })
    .join("\n");
}

/** `--steps 1  --tasks 25`: the options of a workload, with what they are if not given. */
function takes({ options, iterations }: Workload): string {
  const shown = [...Object.entries(options), ...(iterations === null ? [] : [["iterations", iterations]])];
  return shown.length === 0 ? "no options" : shown.map(([name, value]) => flag(String(name), value)).join("  ");
}

const flag = (name: string, value: unknown): string =>
  typeof value === "boolean" ? `--${value ? "" : "no-"}${name}` : `--${name} ${value}`;

export const command = new Command("bench")
  .description(`Measures loopgrad, beside other libraries if asked to. bench/README.md tells how.\n\n${listing()}`)
  .argument("<id...>", "workloads; or list: what there is; or page, and files that --json printed")
  .option("--steps <k>", "inner steps", list(count))
  .option("--tasks <n>", "tasks in one meta-gradient", list(count))
  .option("--batched", "all tasks at once, by vmap")
  .option("--no-batched", "one task after another")
  .option("--size <n>", "how large; what n is stands beside each workload", list(count))
  .option("--shape <name>", SHAPES.join(", "), list(oneOf(SHAPES)))
  .option("--part <name>", "of adam200: update, train; of bundle: some, all", list(String))
  .option("--dtype <name>", DTYPES.join(", "), list(oneOf(DTYPES)))
  .option("--device <name>", "webgpu, cpu, or both in turns: webgpu,cpu", list(oneOf(["webgpu", "cpu"])), ["webgpu"])
  .addOption(new Option("--adapter <kind>", "for webgpu").choices(["hardware", "software", "null"]))
  .option("--iterations <n>", "timed calls", count)
  .addOption(new Option("--optimizer <name>", "w3: the inner optimizer (sgd)").choices([...OPTIMIZER_NAMES]))
  .option("--peers <names>", `beside these in turns: ${PEER_NAMES.join(", ")}`, list(oneOf(PEER_NAMES)))
  .option("--threads <n>", "of the peers, where they take a number (1)", count)
  .option("--html <file>", "a page of charts and of all rows")
  .option("--svg <file>", "the charts of that page in one picture")
  .option("--browser", "in a headless browser", false)
  .option("--profile", "one more call of each row, kernel by kernel", false)
  .option("--checkpoint <kind>", "w3: none, step, sqrt, or the length of a segment (none)", checkpoint)
  .option("--check <file>", "compare with what --json printed before: counts exactly, ratios within the run")
  .option("--json", "one JSON object on a line for each row, instead of text", false)
  .addOption(new Option("--first-only").default(false).hideHelp());

/** Peers whose programs take other dtypes than float32. */
const DTYPED: ReadonlySet<string> = new Set(["torch", "higher"]);

/** What needs more than a page has. */
const NODE_ONLY = new Set(["firstcall", "bundle"]);

/** A row that was asked for. */
export interface Wanted {
  readonly workload: Workload;
  readonly settings: Settings;
  /** Of the settings, those that the workload has. */
  readonly shown: Partial<Settings>;
}

/**
 * The rows that a command line asks for.
 *
 * @throws  by `command.error`, which ends the process, for what is unknown or does not fit
 */
export function wantedRows(ids: readonly string[], given: Given): Wanted[] {
  const workloads = ids.map((id) => {
    const workload = WORKLOADS.get(id);
    if (workload === undefined) {
      command.error(`unknown workload "${id}": wanted ${[...WORKLOADS.keys()].join(", ")}, or list, or page`);
    }
    return workload as Workload;
  });
  if (given.adapter !== undefined && !given.device.includes("webgpu")) {
    command.error("--adapter is for --device webgpu");
  }
  if (given.threads !== undefined && given.peers === undefined) command.error("--threads is for --peers");
  if (given.peers !== undefined && given.adapter === "null") {
    command.error("--adapter null computes nothing, and peers do: leave --peers out");
  }
  const far = (given.peers ?? []).find(needsWebGPU);
  if (far !== undefined && !given.device.includes("webgpu")) {
    command.error(`--peers ${far} takes the adapter of --device webgpu: wanted --device webgpu, or webgpu,cpu`);
  }
  const odd = (given.peers ?? []).find((name) => !DTYPED.has(name));
  if (odd !== undefined && given.dtype?.some((dtype) => dtype !== "float32")) {
    command.error(`--dtype ${given.dtype} is not for --peers ${odd}: wanted float32, or ${[...DTYPED].join(", ")}`);
  }
  for (const name of given.peers ?? []) {
    const fits = workloads.some(({ peers }) => peers.some((peer) => peer === name.split(":")[0]));
    const has = workloads.map(({ id, peers }) => `${id}: ${peers.join(", ") || "none"}`);
    if (!fits) command.error(`--peers ${name} has none of the workloads: wanted for ${has.join("; ")}`);
  }
  if (given.browser && given.adapter === "null") command.error("--adapter null is for Node, and --browser is not");
  if (given.browser && given.peers !== undefined) command.error("--peers is not for --browser");
  for (const workload of workloads) check(workload, given);
  return workloads.flatMap((workload) => combinations(workload, given));
}

function check(workload: Workload, given: Given): void {
  const { id, options, fits, least } = workload;
  for (const name of DEPENDENT) {
    if (given[name] !== undefined && !(name in options)) {
      command.error(`--${name} is not for ${id}, which takes ${takes(workload)}`);
    }
  }
  if (given.iterations !== undefined && workload.iterations === null) {
    command.error(`--iterations is not for ${id}, which takes ${takes(workload)}`);
  }
  if (given.browser && NODE_ONLY.has(id))
    command.error(`--browser is not for ${id}, which starts processes and bundlers`);
  if (given.profile && workload.make === undefined) {
    const fitting = [...WORKLOADS.values()].filter(({ make }) => make !== undefined).map(({ id }) => id);
    command.error(`--profile is not for ${id}: wanted ${fitting.join(", ")}`);
  }
  for (const name of ["shape", "part", "dtype"] as const) {
    const [fitting, values]: [readonly string[] | undefined, readonly string[]] = [fits?.[name], given[name] ?? []];
    const odd = values.find((value) => fitting !== undefined && !fitting.includes(value));
    if (odd !== undefined) command.error(`--${name} ${odd} is not for ${id}: wanted ${fitting?.join(", ")}`);
  }
  for (const name of ["steps", "size"] as const) {
    const [small, values] = [least?.[name] ?? 1, given[name] ?? []];
    if (values.some((value) => value < small)) command.error(`--${name} of ${id}: at least ${small}`);
  }
  const dtypes = given.dtype ?? [];
  if (dtypes.includes("float64") && given.device.includes("webgpu")) {
    command.error("--dtype float64 exists on the cpu: wanted --device cpu");
  }
  if (dtypes.includes("float16") && given.device.includes("cpu")) {
    command.error("--dtype float16 exists on WebGPU: wanted --device webgpu");
  }
}

function combinations(workload: Workload, given: Given): Wanted[] {
  let rows: Record<string, unknown>[] = [{}];
  for (const name of DEPENDENT) {
    if (!(name in workload.options)) continue;
    const values = [given[name] ?? workload.options[name]].flat();
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  }
  return rows.map((row) => ({ workload, settings: row as unknown as Settings, shown: row as Partial<Settings> }));
}
