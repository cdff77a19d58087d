/**
 * What a program pays before its first result.
 *
 * firstcall  processes that start, make a device and take one meta-step of w0, one after another
 * bundle     the bytes that a page loads, minified, and gzipped as a server sends them
 */
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { median } from "../measure.ts";
import { peersFolder } from "../peers.ts";
import type { Workload } from "./workload.ts";

const here = dirname(fileURLToPath(import.meta.url));

interface Start {
  readonly processMs: number;
  readonly initMs: number;
  readonly firstMs: number;
}

/** Runs w0 once in a new process: all of its time, that of its device, and that of its first call. */
async function start(deviceArgs: readonly string[]): Promise<Start> {
  const started = performance.now();
  const args = [...process.execArgv, process.argv[1], "w0", "--first-only", "--json", ...deviceArgs];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const processMs = performance.now() - started;
  const { initMs, firstMs } = JSON.parse(stdout);
  return { processMs, initMs, firstMs };
}

/** Bytes of a program that imports something, bundled for browsers. */
export async function weigh(contents: string, resolveDir: string): Promise<{ bytes: number; gzipBytes: number }> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outdir: "out",
    conditions: ["@loopgrad/source"],
    loader: { ".wgsl": "text" },
    external: ["node:*", "webgpu", "worker_threads", "perf_hooks", "fs", "path", "os", "crypto"],
    logLevel: "silent",
    write: false,
  });
  const sizes = outputFiles.map(({ contents }) => [contents.length, gzipSync(contents, { level: 9 }).length]);
  const sum = (i: number): number => sizes.reduce((total, size) => total + size[i], 0);
  return { bytes: sum(0), gzipBytes: sum(1) };
}

/** What a page imports of peers: what it needs to train, and all of the library. */
const JAX_JS = {
  some: 'import { grad, init, jit, numpy, vmap } from "@jax-js/jax"; console.log(grad, init, jit, numpy, vmap);',
  all: 'import * as all from "@jax-js/jax"; globalThis.all = all;',
};
const tfjs = (backend: string) => ({
  some: `import { grads, matMul, relu, tensor, train } from "@tensorflow/tfjs-core"; import "${backend}";
    console.log(grads, matMul, relu, tensor, train);`,
  all: `import * as all from "@tensorflow/tfjs"; import "${backend}"; globalThis.all = all;`,
});
const PEER_PAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "jax-js:wasm": JAX_JS,
  "jax-js:webgpu": JAX_JS,
  "tfjs:wasm": tfjs("@tensorflow/tfjs-backend-wasm"),
  "tfjs:webgpu": tfjs("@tensorflow/tfjs-backend-webgpu"),
};

export const STARTING: readonly Workload[] = [
  {
    id: "firstcall",
    what: "from the start of a process to the first meta-gradient of w0: import, device, plan, kernels",
    options: {},
    iterations: 5,
    peers: [],
    async measure(_, { deviceArgs, iterations }) {
      const starts: Start[] = [];
      for (let i = 0; i < iterations; i++) starts.push(await start(deviceArgs));
      const of = (name: keyof Start) => starts.map((one) => one[name]);
      const total = of("processMs");
      return {
        firstMs: median(of("firstMs")),
        initMs: median(of("initMs")),
        medianMs: median(total),
        minMs: Math.min(...total),
        maxMs: Math.max(...total),
        calls: iterations,
      };
    },
  },
  {
    id: "bundle",
    what: "bytes of a page: init, innerLoop, Linear, SGD; and with everything that there is",
    options: { part: ["some", "all"] },
    fits: { part: ["some", "all"] },
    iterations: null,
    peers: ["jax-js", "tfjs"],
    deviceless: true,
    measurePeer: (variant, { part }) => weigh(PEER_PAGES[variant][part], peersFolder),
    measure: ({ part }) =>
      weigh(
        part === "all"
          ? 'import * as all from "loopgrad"; globalThis.all = all;'
          : 'import { init, innerLoop, Linear, SGD } from "loopgrad"; console.log(init, innerLoop, Linear, SGD);',
        here,
      ),
  },
];
