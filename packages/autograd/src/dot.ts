/**
 * Drawing a graph: Graphviz text, and SVG by way of an optional package.
 *
 * Operations are boxes, leaves are filled: named ones (parameters) in one colour, others in another. Arrows run from
 * operands to results. What `graphGroup` marked is *folded* into one node, drawn as a *box* around its nodes, or left
 * as it is.
 */
import { ArgumentError, admit, LoopgradError, show, Tensor } from "@loopgrad/tensor";
import type { Group } from "./group.ts";
import { nodesBelow } from "./print.ts";
import { Leaf, type Node, nodeOf } from "./tape.ts";

/** Tensors by name: pairs, as `module.namedParameters()` gives, or an object or map. */
export type NamedTensors = Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>;

/** Options of {@link makeDot} and {@link makeSvg}. */
export interface DotOptions {
  /** What becomes of groups: one node for each outermost, a box around each, or nothing. Default "fold". */
  groups?: "fold" | "box" | "none";
  /** The direction of arrows: top to bottom, left to right, …. Default "TB". */
  direction?: "TB" | "BT" | "LR" | "RL";
}

const CHOICES = { groups: ["fold", "box", "none"], direction: ["TB", "BT", "LR", "RL"] };

/**
 * The graph of results as Graphviz text.
 *
 * @param outputs  tensors computed on the tape
 * @param params   names for leaves, or for results in the middle of the graph
 * @throws         ArgumentError for an output that is not on the tape, or an unknown option
 * @see            torchviz.make_dot
 * @example        writeFileSync("loss.dot", makeDot(loss, model.namedParameters()));
 */
export function makeDot(
  outputs: Tensor | readonly Tensor[],
  params: NamedTensors = {},
  options: DotOptions = {},
): string {
  admit(
    arguments,
    "makeDot(outputs: tensor|tensors, params?: iterable|object, options?: { groups: string, direction: string })",
  );
  const { groups = "fold", direction = "TB" } = options;
  for (const [key, value] of Object.entries({ groups, direction })) {
    const choices = CHOICES[key as keyof typeof CHOICES];
    if (!choices.includes(value)) {
      throw new ArgumentError(`makeDot: ${key} is ${value}: wanted one of ${choices.join(", ")}`);
    }
  }
  const results = [outputs].flat().map((y, i) => {
    const node = nodeOf(y as Tensor);
    if (node === null) throw new ArgumentError(`makeDot: output ${i} is not on the tape: there is no graph`);
    return node;
  });
  const names = namesOf(params);
  const nodes = nodesBelow(results);
  const folded = (node: Node): Group | null =>
    groups === "fold" && !(node instanceof Leaf) && !names.has(node) ? (node.group?.below(null) ?? null) : null;
  const id = (node: Node): string => {
    const group = folded(node);
    return group === null ? `n${node.seq}` : `g${group.id}`;
  };

  const drawn = new Map<string, Drawn>();
  const edges = new Set<string>();
  const last = new Set(results);
  for (const node of nodes) {
    const group = folded(node);
    const box = groups === "box" ? node.group : null;
    const line =
      group === null ? plain(node, names.get(node), last.has(node)) : `label="${escaped(group.name)}" ${GROUP}`;
    drawn.set(id(node), { line, box });
    for (const input of node.inputs) {
      if (input !== null && id(input) !== id(node)) edges.add(`${id(input)} -> ${id(node)};`);
    }
  }
  return [
    "digraph {",
    `  rankdir=${direction};`,
    '  node [shape=box, fontname="Helvetica", fontsize=10];',
    ...boxed(drawn),
    ...[...edges].map((edge) => `  ${edge}`),
    "}\n",
  ].join("\n");
}

/** What `makeSvg` uses of the package @viz-js/viz. */
export interface Graphviz {
  instance(): Promise<{ renderString(dot: string, options: { format: string }): string }>;
}

/** Options of {@link makeSvg}. */
export interface SvgOptions extends DotOptions {
  /** The package @viz-js/viz, where it cannot be imported by name: in a browser. */
  graphviz?: Graphviz;
}

/** Not a literal in `import()`: bundlers shall leave the optional package alone. */
const PACKAGE: string = "@viz-js/viz";

/**
 * The graph of results as an SVG drawing.
 *
 * Needs the package @viz-js/viz, which is loaded when this is first called: `npm install @viz-js/viz`. In a browser
 * give it as an option.
 *
 * @param outputs, params, options  as for {@link makeDot}
 * @throws  LoopgradError if the package is not installed
 * @example await makeSvg(loss, model.namedParameters(), { graphviz: await import("@viz-js/viz") })
 */
export async function makeSvg(
  outputs: Tensor | readonly Tensor[],
  params?: NamedTensors,
  { graphviz, ...options }: SvgOptions = {},
): Promise<string> {
  admit(
    arguments,
    "makeSvg(outputs: tensor|tensors, params?: iterable|object, options?: { graphviz: object, groups: string, direction: string })",
  );
  const dot = makeDot(outputs, params, options);
  const { instance } = graphviz ?? (await loaded(PACKAGE));
  return (await instance()).renderString(dot, { format: "svg" });
}

/** @internal */
export async function loaded(name: string): Promise<Graphviz> {
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as Graphviz;
  } catch (cause) {
    throw new LoopgradError(
      `makeSvg needs the package ${name}, which could not be loaded: npm install ${name}, give it as the option ` +
        "`graphviz`, or draw makeDot()'s text with Graphviz",
      { cause },
    );
  }
}

interface Drawn {
  readonly line: string;
  readonly box: Group | null;
}

const GROUP = 'shape=component, style=filled, fillcolor="#e8e0f4"';
const NAMED = 'style=filled, fillcolor="#cfe3f7"';
const LEAF = 'style=filled, fillcolor="#eeeeee"';
const RESULT = 'style=filled, fillcolor="#d5efcf"';

function plain(node: Node, name: string | undefined, isResult: boolean): string {
  const title = name === undefined ? node.name : node instanceof Leaf ? name : `${name} = ${node.name}`;
  const style = isResult ? RESULT : name !== undefined ? NAMED : node instanceof Leaf ? LEAF : "";
  return `label="${escaped(title)}\\n${show(node.shape)}"${style === "" ? "" : ` ${style}`}`;
}

const escaped = (text: string): string => text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");

/** The lines of all nodes, inside the boxes of their groups. */
function boxed(drawn: ReadonlyMap<string, Drawn>): string[] {
  const lines: string[] = [];
  const inside = new Map<Group | null, string[]>([[null, lines]]);
  const linesOf = (group: Group | null): string[] => {
    const missing: Group[] = [];
    for (let g = group; g !== null && !inside.has(g); g = g.parent) missing.push(g);
    for (const g of missing.reverse()) inside.set(g, []);
    return inside.get(group) as string[];
  };
  for (const [id, { line, box }] of drawn) linesOf(box).push(`${id} [${line}];`);
  // Inner boxes were opened after the outer ones: close them first.
  for (const [group, body] of [...inside].reverse()) {
    if (group === null) continue;
    const box = [
      `subgraph cluster_${group.id} {`,
      `  label="${escaped(group.name)}";`,
      ...body.map((l) => `  ${l}`),
      "}",
    ];
    linesOf(group.parent).push(...box);
  }
  return lines.map((line) => `  ${line}`);
}

function namesOf(params: NamedTensors): Map<Node, string> {
  const pairs =
    Symbol.iterator in params ? [...(params as Iterable<readonly [string, Tensor]>)] : Object.entries(params);
  return new Map(
    pairs.flatMap((pair): [Node, string][] => {
      if (!Array.isArray(pair) || !(pair[1] instanceof Tensor)) {
        throw new ArgumentError(
          "makeDot: params is no list of pairs [name, tensor]: wanted model.namedParameters(), or an object of tensors",
        );
      }
      const [name, tensor] = pair;
      const node = nodeOf(tensor);
      return node === null ? [] : [[node, name]];
    }),
  );
}
