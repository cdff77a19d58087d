/**
 * Skeletons: the `.wgsl` files with their slots filled, and the functions of `math.wgsl` that a kernel calls.
 *
 * A slot is a comment {name} between comment marks. Several lines may fill one slot.
 */
import type { Operand } from "./description.ts";
import { type Parameters, storageType } from "./print.ts";
import type { MathFunction } from "./scalar/wgsl.ts";
import math from "./wgsl/math.wgsl";

/** Fills the slots of a skeleton; a slot without a filling, or a filling without a slot, is a mistake here. */
export function fill(skeleton: string, slots: Readonly<Record<string, string | readonly string[]>>): string {
  const used = new Set<string>();
  const text = skeleton.replace(/\/\*\{(\w+)\}\*\//g, (_, name: string) => {
    const filling = slots[name];
    if (filling === undefined) throw new Error(`the slot ${name} is not filled`);
    used.add(name);
    return typeof filling === "string" ? filling : filling.join("\n");
  });
  for (const name of Object.keys(slots)) if (!used.has(name)) throw new Error(`there is no slot ${name}`);
  return indented(text);
}

/** Lines indented by the brackets that are open before them. */
function indented(text: string): string {
  let depth = 0;
  const lines = text.split("\n").map((line) => {
    const code = line.trim();
    const closing = /^[)}]+/.exec(code)?.[0].length ?? 0;
    const at = Math.max(depth - closing, 0);
    if (!code.startsWith("//")) {
      for (const c of code) depth += c === "{" || c === "(" ? 1 : c === "}" || c === ")" ? -1 : 0;
    }
    return code === "" ? "" : "  ".repeat(at) + code;
  });
  return `${lines
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd()}\n`;
}

/** The declarations of a kernel: parameter block, operands, and the library functions in use. */
export function declarations(
  operands: readonly Operand[],
  params: Parameters,
  functions: ReadonlySet<MathFunction>,
): string[] {
  // A directive: it must come before every declaration.
  const half = operands.some(({ type }) => type === "f16");
  const lines = [...(half ? ["enable f16;", ""] : []), params.declaration()];
  operands.forEach(({ type, access }, i) => {
    const mode = access === "read" ? "read" : "read_write";
    lines.push(`@group(0) @binding(${i + 1}) var<storage, ${mode}> data${i}: array<${storageType(type)}>;`);
  });
  const flag = operands.findIndex(({ type }) => type === "flag");
  if (flag >= 0) lines.push(...noteOutside(`data${flag}`));
  return [...lines, ...library(functions)];
}

/** The function that notes an index outside: the first one that comes stays, until the host has seen it. */
const noteOutside = (flag: string): string[] => [
  "",
  "fn note_outside(site: i32, index: i32) {",
  "loop {",
  `let before = atomicCompareExchangeWeak(&${flag}[0], 0u, u32(site));`,
  `if (before.exchanged) { atomicStore(&${flag}[1], bitcast<u32>(index)); }`,
  "if (before.exchanged || before.old_value != 0u) { break; }",
  "}",
  "}",
];

interface Item {
  readonly text: string;
  /** Other items that its text names. */
  readonly needs: readonly string[];
}

/** The functions and variables of math.wgsl by name, in the order of the file. */
export const ITEMS: ReadonlyMap<string, Item> = (() => {
  const texts = new Map<string, string>();
  for (const chunk of math.split(/\n(?=fn |var<private> )/)) {
    const name = /^(?:fn|var<private>) (\w+)/.exec(chunk)?.[1];
    if (name !== undefined) texts.set(name, chunk.replace(/\n\/\/[^\n]*(?=\n|$)/g, "").trimEnd());
  }
  const items = new Map<string, Item>();
  for (const [name, text] of texts) {
    const words = new Set(text.match(/\w+/g));
    items.set(name, { text, needs: [...words].filter((word) => word !== name && texts.has(word)) });
  }
  return items;
})();

/** The named functions of math.wgsl with all that they need, in the order of the file. */
function library(names: ReadonlySet<MathFunction>): string[] {
  const wanted = new Set<string>();
  const stack: string[] = [...names];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const item = ITEMS.get(name);
    if (item === undefined) throw new Error(`math.wgsl has no ${name}`);
    if (wanted.has(name)) continue;
    wanted.add(name);
    stack.push(...item.needs);
  }
  const lines: string[] = [];
  for (const [name, { text }] of ITEMS) if (wanted.has(name)) lines.push("", ...text.split("\n"));
  return lines;
}
