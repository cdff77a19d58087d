/** A page that runs the interleaved programs in pairs, and leaves a promise of what came of them. */
import { init, isExact } from "@loopgrad/tensor";
import { BLOCKS, FUNCTIONS, isRefusal, type Outcome, PLAIN, together } from "./interleaved.ts";

/** What came of a pair of programs, and of each alone. */
export interface Pair {
  names: [string, string];
  together: Outcome[];
  alone: Outcome[];
  refused: boolean[];
  /** Neither has a block that turns a switch. */
  isExact: boolean;
}

const programs = { ...PLAIN, ...FUNCTIONS, ...BLOCKS };

async function pairs(names: readonly string[]): Promise<Pair[]> {
  const alone: Record<string, Outcome> = {};
  for (const name of names) [alone[name]] = await together([programs[name]]);
  const found: Pair[] = [];
  for (const a of names) {
    for (const b of names) {
      const outcomes = await together([programs[a], programs[b]]);
      found.push({
        names: [a, b],
        together: outcomes,
        alone: [alone[a], alone[b]],
        refused: outcomes.map(isRefusal),
        isExact: !(a in BLOCKS) && !(b in BLOCKS),
      });
    }
  }
  return found;
}

async function run(): Promise<{ chains: boolean; cpu: Pair[]; webgpu: Pair[] }> {
  await init({ device: "cpu" });
  const cpu = await pairs(Object.keys(programs));
  await init({ device: "webgpu" });
  const webgpu = await pairs(["training, a scope a step", "meta-training, a loop in a block"]);
  return { chains: isExact(), cpu, webgpu };
}

Object.assign(globalThis, { result: run() });
