/**
 * Explanations: why plans were made anew, and what holds a device's memory.
 *
 * A plan's key is the words of its segment (record/segment.ts). Two keys are compared node by node: the first node that differs
 * says why the plan before did not do.
 */
import { DTYPES } from "../dtype.ts";
import { PRIMITIVES } from "../primitives.ts";
import type { BackendStats } from "../record/backend.ts";
import { LEAF, SEAM } from "../record/segment.ts";
import { show } from "../shape.ts";
import { Holders, Ledger } from "./ledger.ts";
import type { MadePlan } from "./made-plans.ts";

/** A plan that was made. */
export interface PlanExplanation {
  /** The flush that it was made for, counted from 1. */
  readonly flush: number;
  /** Recorded operations, and values from before. */
  readonly nodes: number;
  /** Why none that was there did. */
  readonly why: string;
}

/** What somebody holds. */
export interface MemoryExplanation {
  readonly owner: string;
  readonly tensors: number;
  readonly bytes: number;
  /** The largest of them. */
  readonly largest: readonly string[];
}

export interface Explanation {
  /** Those made last, the oldest first. */
  readonly plans: readonly PlanExplanation[];
  /** Who holds most first. */
  readonly memory: readonly MemoryExplanation[];
  /** Both in words. */
  toString(): string;
}

/** Plans that a new one is compared with, at most: the last ones before it. */
const COMPARED = 32;
/** Tensors that are named of each owner. */
const NAMED = 3;

/** A ledger that nobody but an explanation reads. */
export const newLedger = (): Ledger => new Ledger(new Holders());

function plansOf(made: readonly MadePlan[]): PlanExplanation[] {
  const keys = made.map(({ words }) => decoded(words));
  return made.map(({ flush }, i) => ({
    flush,
    nodes: keys[i].nodes.length,
    why: why(keys[i], keys.slice(Math.max(0, i - COMPARED), i)),
  }));
}

interface Node {
  /** The primitive's name, or "leaf". */
  readonly name: string;
  /** The positions of its inputs; of a leaf, none. */
  readonly inputs: readonly number[];
  /** Attributes; of a leaf its dtype and shape. */
  readonly attrs: readonly number[];
}

interface Key {
  readonly nodes: readonly Node[];
  /** The nodes whose values are wanted. */
  readonly outputs: readonly number[];
}

/** What a key's words say. */
function decoded(words: Int32Array): Key {
  const outputs = -1 - words[words.length - 1];
  const end = words.length - 1 - outputs;
  const nodes: Node[] = [];
  for (let at = 0; at < end; ) {
    const word = words[at++];
    const read = (count: number): number[] => [...words.subarray(at, (at += count))];
    if ((word & 0xff) === LEAF) nodes.push({ name: "leaf", inputs: [], attrs: read(1 + ((word >> 8) & 0xff)) });
    else {
      const name = PRIMITIVES[word & (SEAM - 1)].name;
      const inputs = read((word >> 8) & 0xffff);
      nodes.push({ name, inputs, attrs: read(word >>> 24) });
    }
  }
  return { nodes, outputs: [...words.subarray(end, words.length - 1)] };
}

function why(key: Key, before: readonly Key[]): string {
  if (before.length === 0) return "it is the first that is remembered";
  const common = before.map((other) => commonNodes(key, other));
  // The nearest is the one that shares most, of those the last.
  const nearest = common.lastIndexOf(Math.max(...common));
  const [other, shared] = [before[nearest], common[nearest]];
  const { nodes } = key;
  if (shared === nodes.length && shared === other.nodes.length) {
    if (sameNumbers(key.outputs, other.outputs)) {
      return "the same plan was made before and given up: for want of memory, or because there were too many";
    }
    const fresh = key.outputs.filter((i) => !other.outputs.includes(i));
    const wanted = fresh.slice(0, NAMED).map((i) => named(nodes[i], i));
    return fresh.length === 0
      ? `the operations are those of a plan before, and fewer results are wanted: ${key.outputs.length}, not ${other.outputs.length}`
      : `the operations are those of a plan before, and other results are wanted: ${wanted.join(", ")}${fresh.length > NAMED ? ", …" : ""}`;
  }
  const similar = before.findLast((one) => sameOperations(key, one));
  if (similar !== undefined) {
    const at = nodes.findIndex((node, i) => !sameNumbers(node.attrs, similar.nodes[i].attrs));
    return `the operations are those of a plan before, on other sizes: ${named(nodes[at], at)}, and was ${named(similar.nodes[at], at)}`;
  }
  if (shared === nodes.length) return `it is the begin of a plan before, which has ${other.nodes.length} nodes`;
  const next =
    shared < other.nodes.length
      ? `${named(other.nodes[shared], shared)} in the nearest plan before`
      : "the nearest plan before ends";
  return `new work: the first ${shared} of ${nodes.length} nodes are known; then comes ${named(nodes[shared], shared)}, where ${next}`;
}

function commonNodes(a: Key, b: Key): number {
  const most = Math.min(a.nodes.length, b.nodes.length);
  for (let i = 0; i < most; i++) if (!sameNode(a.nodes[i], b.nodes[i])) return i;
  return most;
}

const sameNode = (a: Node, b: Node): boolean =>
  a.name === b.name && sameNumbers(a.inputs, b.inputs) && sameNumbers(a.attrs, b.attrs);

const sameOperations = (a: Key, b: Key): boolean =>
  a.nodes.length === b.nodes.length &&
  a.nodes.every((node, i) => node.name === b.nodes[i].name && sameNumbers(node.inputs, b.nodes[i].inputs));

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** `%3 = mul(%1, %2)`, `%0 = float32 [4, 5] from before`. */
function named({ name, inputs, attrs }: Node, at: number): string {
  if (name === "leaf") return `%${at} = ${DTYPES[attrs[0]]} ${show(attrs.slice(1))} from before`;
  const settings = attrs.length === 0 ? "" : ` {${attrs.join(" ")}}`;
  return `%${at} = ${name}(${inputs.map((input) => `%${input}`).join(", ")})${settings}`;
}

/** Those who need stored values, the first that applies. */
const OWNERS = {
  pins: "parameters, buffers, optimizer states, and reads under way",
  saves: "the tape, for derivatives",
  handles: "tensors that the program holds",
  uses: "inputs of work that is recorded",
} as const;

function memoryOf(ledger: Ledger, stats: BackendStats): MemoryExplanation[] {
  const groups = new Map<string, { tensors: number; bytes: number; all: { words: string; bytes: number }[] }>();
  const group = (owner: string) => {
    const known = groups.get(owner) ?? { tensors: 0, bytes: 0, all: [] };
    groups.set(owner, known);
    return known;
  };
  let noted = 0;
  for (const storage of ledger.storages.keys()) {
    const values = ledger.of(storage);
    const count = (Object.keys(OWNERS) as (keyof typeof OWNERS)[]).find((name) =>
      values.some((value) => value[name] > 0),
    );
    const its = group(count === undefined ? "dropped by the program, and not yet given back" : OWNERS[count]);
    const { bytes } = storage;
    its.tensors++;
    its.bytes += bytes;
    noted += bytes;
    for (const { dtype, shape } of values.slice(0, 1)) its.all.push({ words: `${dtype} ${show(shape)}`, bytes });
  }
  const own = [...groups].map(([owner, { tensors, bytes, all }]) => ({
    owner,
    tensors,
    bytes,
    largest: all
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, NAMED)
      .map(({ words, bytes }) => `${words}: ${bytes} bytes`),
  }));
  const { bytes, usedBytes, scratchBytes } = stats;
  const others = [
    ["plans, between their kernels (scratch)", scratchBytes],
    ["stored before the first explain(), and rounding of sizes", usedBytes - scratchBytes - noted],
    ["nobody: free for what comes, staging, parameters of kernels", bytes - usedBytes],
  ] as const;
  return [
    ...own,
    ...others.filter(([, bytes]) => bytes > 0).map(([owner, bytes]) => ({ owner, tensors: 0, bytes, largest: [] })),
  ].sort((a, b) => b.bytes - a.bytes);
}

/** @param made  the plans that were made last, the oldest first */
export function explained(made: readonly MadePlan[], ledger: Ledger, stats: BackendStats): Explanation {
  const [plans, memory] = [plansOf(made), memoryOf(ledger, stats)];
  return { plans, memory, toString: () => inWords(plans, memory, stats) };
}

function inWords(plans: readonly PlanExplanation[], memory: readonly MemoryExplanation[], stats: BackendStats): string {
  return [
    `${stats.bytes} bytes, ${stats.peakBytes} at most:`,
    ...memory.map(({ owner, tensors, bytes, largest }) => {
      const what =
        tensors === 0 ? "" : `, ${tensors} ${tensors === 1 ? "tensor" : "tensors"}, the largest ${largest.join("; ")}`;
      return `  ${bytes} bytes: ${owner}${what}`;
    }),
    `${plans.length} plans that were made last:`,
    ...plans.map(({ flush, nodes, why }) => `  flush ${flush}, ${nodes} nodes: ${why}`),
  ].join("\n");
}
