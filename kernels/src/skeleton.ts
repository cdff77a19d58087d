/**
 * Skeletons: the `.wgsl` files with their slots filled, and the functions of `math.wgsl` that a kernel calls.
 *
 * A slot is a comment {name} between comment marks. Several lines that fill a slot take over its indentation.
 */
import type { Operand } from "./description.ts";
import { type Parameters, storageType } from "./print.ts";
import math from "./wgsl/math.wgsl";

/** Fills the slots of a skeleton; a slot without a filling, or a filling without a slot, is a mistake here. */
export function fill(skeleton: string, slots: Readonly<Record<string, string | readonly string[]>>): string {
  const used = new Set<string>();
  const text = skeleton.replace(/^([ \t]*)\/\*\{(\w+)\}\*\/[ \t]*$|\/\*\{(\w+)\}\*\//gm, (_, indent, whole, inline) => {
    const name: string = whole ?? inline;
    const filling = slots[name];
    if (filling === undefined) throw new Error(`the slot ${name} is not filled`);
    used.add(name);
    if (typeof filling === "string") return (indent ?? "") + filling;
    return filling.map((line) => (indent ?? "") + line).join("\n");
  });
  for (const name of Object.keys(slots)) if (!used.has(name)) throw new Error(`there is no slot ${name}`);
  return text;
}

/** The declarations of a kernel: parameter block, operands, and the library functions in use. */
export function declarations(operands: readonly Operand[], params: Parameters, functions: ReadonlySet<string>): string[] {
  const lines = [params.declaration()];
  operands.forEach(({ type, access }, i) => {
    const mode = access === "read" ? "read" : "read_write";
    lines.push(`@group(0) @binding(${i + 1}) var<storage, ${mode}> b${i}: array<${storageType(type)}>;`);
  });
  return [...lines, ...library(functions)];
}

interface Item {
  readonly text: string;
  readonly calls: readonly string[];
}

/** math.wgsl taken apart: every function and variable by name, with the names it uses. */
const ITEMS: ReadonlyMap<string, Item> = (() => {
  const items = new Map<string, Item>();
  for (const chunk of math.split(/\n(?=fn |var<private> )/)) {
    const name = /^(?:fn|var<private>) (\w+)/.exec(chunk)?.[1];
    if (name === undefined) continue;
    const text = chunk.replace(/\n\/\/[^\n]*(?=\n|$)/g, "").trimEnd();
    items.set(name, { text, calls: [...text.matchAll(/\b([a-z_][a-z_0-9]*)\b/g)].map((match) => match[1]) });
  }
  return items;
})();

/** The named library functions with all they call, in the order of the file. */
function library(names: ReadonlySet<string>): string[] {
  const wanted = new Set<string>();
  const stack = [...names];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const item = ITEMS.get(name);
    if (item === undefined || wanted.has(name)) continue;
    wanted.add(name);
    stack.push(...item.calls);
  }
  const lines: string[] = [];
  for (const [name, item] of ITEMS) if (wanted.has(name)) lines.push("", ...item.text.split("\n"));
  return lines;
}
