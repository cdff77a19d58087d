/**
 * Peers: other libraries with the same workloads, as child processes.
 *
 * A peer is asked on a line of JSON and answers on a line of JSON (`bench/peers/peer.mjs`, `peer.py`). Its process lives as long
 * as the run. A *variant* is a peer on one of its devices: `jax-js:wasm`. Who is asked for and is not there is an error that names
 * the command which installs it. `LOOPGRAD_PEERS` names another folder to look for them in, for tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { LoopgradError } from "loopgrad";
import { PEERS, type Peer, type Settings } from "./catalog/workload.ts";
import type { Call, Subject } from "./measure.ts";

const folder = fileURLToPath(new URL("../peers", import.meta.url));
/** Where they are installed. */
const installed = process.env.LOOPGRAD_PEERS ?? folder;
const python = join(
  installed,
  "python",
  ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]),
);

interface Variant {
  readonly name: string;
  readonly peer: Peer;
  /** What is there if it was installed. */
  readonly needs: string;
  readonly command: (threads: number) => string[];
}

const javascript = (peer: Peer, program: string, backend: string, needs: string): Variant => ({
  name: `${peer}:${backend}`,
  peer,
  needs: join(installed, "node_modules", needs),
  command: (threads) => [process.execPath, join(folder, program), backend, String(threads)],
});

const VARIANTS: readonly Variant[] = [
  javascript("jax-js", "jax_js.mjs", "wasm", "@jax-js/jax"),
  javascript("jax-js", "jax_js.mjs", "webgpu", "@jax-js/jax"),
  javascript("tfjs", "tfjs.mjs", "wasm", "@tensorflow/tfjs-backend-wasm"),
  javascript("tfjs", "tfjs.mjs", "webgpu", "@tensorflow/tfjs-backend-webgpu"),
  ...(["torch", "higher", "jax"] as const).map((peer): Variant => {
    const [program, own] = peer === "jax" ? ["jax_peer.py", []] : ["torch_peer.py", [peer]];
    const command = (threads: number) => [python, join(folder, program), ...own, "--threads", String(threads)];
    return { name: peer, peer, needs: python, command };
  }),
];

/** The names of `--peers`: peers, and their variants. */
export const PEER_NAMES: readonly string[] = [
  ...PEERS,
  ...VARIANTS.map(({ name }) => name).filter((n) => n.includes(":")),
];

/** Where bundlers find the JavaScript ones. */
export const peersFolder = folder;

/** Whether a variant takes the adapter that the run was started with. */
export const needsWebGPU = (name: string): boolean => name.endsWith(":webgpu");

/**
 * The variants that are named, one by one or by their peer's name, which leaves those out that need an adapter where there is none.
 *
 * @throws LoopgradError if one that is wanted is not installed
 */
export function variantsOf(names: readonly string[], hasWebGPU: boolean): Variant[] {
  const wanted = VARIANTS.filter(
    ({ name, peer }) => names.includes(name) || (names.includes(peer) && (hasWebGPU || !needsWebGPU(name))),
  );
  const missing = wanted.filter(({ needs }) => !existsSync(needs));
  if (missing.length > 0) {
    const which = [...new Set(missing.map(({ peer }) => peer))];
    throw new LoopgradError(
      `--peers: ${which.join(", ")} ${which.length === 1 ? "is" : "are"} not installed: \`pnpm bench:peers ${which.join(" ")}\` does it`,
    );
  }
  return wanted;
}

/** A process that answers. */
export class PeerProcess {
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((line: string | null) => void)[] = [];
  #errors = "";
  description = "";
  /** Where it computes. */
  device = "";

  constructor(
    readonly variant: Variant,
    threads: number,
  ) {
    this.device = variant.name.split(":")[1] ?? "";
    const [command, ...args] = variant.command(threads);
    const pins = Object.fromEntries(
      ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map((name) => [name, String(threads)]),
    );
    this.#process = spawn(command, args, { env: { ...process.env, ...pins }, stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stderr?.on("data", (data) => {
      this.#errors = (this.#errors + String(data)).slice(-2000);
    });
    this.#lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    this.#lines.on("line", (line) => this.#waiting.shift()?.(line));
    this.#process.on("error", (error) => {
      this.#errors += error.message;
      this.#end();
    });
    this.#process.on("close", () => this.#end());
  }

  #end(): void {
    for (const waiting of this.#waiting.splice(0)) waiting(null);
  }

  /** @throws LoopgradError with what the peer said of its failure */
  async ask<T extends object>(request: object): Promise<T> {
    const line = await new Promise<string | null>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#process.exitCode !== null || this.#process.stdin?.writable !== true) this.#end();
      else this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    });
    const { name } = this.variant;
    if (line === null) throw new LoopgradError(`${name} ended: ${this.#errors.trim().split("\n").slice(-3).join(" ")}`);
    const answer = JSON.parse(line) as T & { error?: string; description?: string; device?: string };
    if (answer.error !== undefined) throw new LoopgradError(`${name}: ${answer.error}`);
    if (answer.description !== undefined) this.description = answer.description;
    if (answer.device !== undefined) this.device = answer.device;
    return answer;
  }

  /** A task of the peer's, which is called in turns with others. If it cannot be made, its calls say why. */
  async subject(id: string, settings: Settings, repeat: number): Promise<Subject> {
    const { name } = this.variant;
    try {
      await this.ask({ op: "make", id, settings, repeat });
    } catch (error) {
      return { name, call: () => Promise.reject(error) };
    }
    return { name, call: ({ results }) => this.ask<Call>({ op: "call", results }) };
  }

  close(): void {
    this.#process.stdin?.end();
    this.#process.kill();
  }
}
