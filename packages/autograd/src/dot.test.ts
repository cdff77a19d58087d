/** Graphs for people: printed, as Graphviz text, as SVG. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { exp, init, mul, sub, type Tensor, tensor } from "@loopgrad/tensor";
import { loaded } from "./dot.ts";
import { checkpoint, customFunction, grad, graphGroup, makeDot, makeSvg } from "./index.ts";
import { nodeOf } from "./tape.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
/** Node numbers differ from run to run: count from 1 in order of appearance. */
const renumbered = (text: string): string => {
  const seen: string[] = [];
  return text.replace(/\b(n|g|cluster_)(\d+)\b/g, (id, kind) => {
    if (!seen.includes(id)) seen.push(id);
    return kind + (seen.indexOf(id) + 1);
  });
};

describe("gradFn", () => {
  test("is null for leaves and constants", () => {
    expect([leaf(1).gradFn, tensor([1]).gradFn]).toEqual([null, null]);
  });

  test("names the operation and its operands", () => {
    const [x, c] = [leaf(1, 2), tensor([3])];
    const fn = mul(exp(x), c).gradFn;
    expect([fn?.name, fn?.shape, fn?.dtype]).toEqual(["mul", [2], "float64"]);
    expect(fn?.inputs.map((input) => input?.name)).toEqual(["exp", undefined]);
    expect(fn?.inputs[0]?.inputs[0]).toMatchObject({ name: "leaf", inputs: [] });
  });

  test("prints the graph", () => {
    const x = leaf(1, 2);
    const y = graphGroup("square", () => mul(exp(x), 2).mul(x));
    expect(String(y.gradFn)).toBe(
      [
        "%1 = leaf float64 [2]",
        "%2 = exp(%1) float64 [2] in square",
        "%3 = mul(%2, _) float64 [2] in square",
        "%4 = mul(%3, %1) float64 [2] in square",
      ].join("\n"),
    );
  });

  test("shows a function of the user's as one operation", () => {
    const half = customFunction({ name: "half", forward: (_, x: Tensor) => x.div(2), backward: (_, g) => g.div(2) });
    const both = checkpoint((a: Tensor, b: Tensor) => [a.mul(b), a.add(b)]);
    const [x, y] = [leaf(1), leaf(2)];
    expect(String(half(x).gradFn)).toBe("%1 = leaf float64 [1]\n%2 = half(%1) float64 [1]");
    expect(both(x, y)[1].gradFn?.name).toBe("checkpoint.1");
  });

  test("of a deep graph needs no deep stack, and prints its end", () => {
    let y: Tensor = leaf(1);
    for (let i = 0; i < 20_000; i++) y = exp(y);
    const lines = String(y.gradFn).split("\n");
    expect(lines.length).toBe(1001);
    expect(lines[0]).toBe("… 19001 older nodes");
    expect(lines[1000]).toBe("%20001 = exp(%20000) float64 [1]");
  });
});

describe("makeDot", () => {
  test("draws operations, named leaves, and the result", () => {
    const [w, x] = [leaf(1, 2), leaf(3, 4)];
    expect(renumbered(makeDot(mul(exp(w), x), { 'w"0"': w }, { direction: "LR" }))).toMatchInlineSnapshot(`
"digraph {
  rankdir=LR;
  node [shape=box, fontname="Helvetica", fontsize=10];
  n1 [label="w\\"0\\"\\n[2]" style=filled, fillcolor="#cfe3f7"];
  n2 [label="leaf\\n[2]" style=filled, fillcolor="#eeeeee"];
  n3 [label="exp\\n[2]"];
  n4 [label="mul\\n[2]" style=filled, fillcolor="#d5efcf"];
  n1 -> n3;
  n3 -> n4;
  n2 -> n4;
}
"
`);
  });

  /** Two inner steps of gradient descent: the recorded backward belongs to the step too. */
  const unrolled = (w: Tensor): Tensor => {
    let fast: Tensor = w;
    for (let k = 0; k < 2; k++) {
      fast = graphGroup(`step ${k}`, () => {
        const loss = graphGroup("loss", () => fast.sub(3).square().sum());
        const [g] = grad(loss, [fast], { createGraph: true }) as [Tensor];
        return sub(fast, mul(g, 0.1));
      });
    }
    return fast.square().sum();
  };

  test("folds each inner step into one node", () => {
    const w = leaf(1, 2);
    const dot = renumbered(makeDot(unrolled(w), [["w", w]]));
    expect(dot.match(/label="[^"]*"/g)).toEqual([
      'label="w\\n[2]"',
      'label="step 0"',
      'label="step 1"',
      'label="mul\\n[2]"',
      'label="sum\\n[1]"',
      'label="reshape\\n[]"',
    ]);
    expect(dot.match(/\w+ -> \w+/g)).toEqual(["n1 -> g2", "g2 -> g3", "g3 -> n4", "n4 -> n5", "n5 -> n6"]);
  });

  test("or draws boxes, one inside the other; or nothing", () => {
    const w = leaf(1, 2);
    const y = unrolled(w);
    const boxes = makeDot(y, { w }, { groups: "box" });
    const opened = [...boxes.matchAll(/^( *)subgraph .*\n.*label="(.*)"/gm)].map(([, indent, name]) => [
      indent.length,
      name,
    ]);
    expect(opened.sort()).toEqual([
      [2, "step 0"],
      [2, "step 1"],
      [4, "loss"],
      [4, "loss"],
    ]);
    expect(boxes.split("{").length).toBe(boxes.split("}").length);
    const none = makeDot(y, { w }, { groups: "none" });
    expect(none).not.toMatch(/subgraph|step/);
    const nodes = (dot: string): number => dot.match(/^ *n\d+ \[/gm)?.length ?? 0;
    expect(nodes(none)).toBe(nodes(boxes));
  });

  test("boxes of groups in groups in groups, nodes of each in its own", () => {
    const x = leaf(1);
    const y = graphGroup("a", () =>
      graphGroup("b", () => graphGroup("c", () => exp(x)).sin()).mul(graphGroup('d\n"e" \\', () => x.cos())),
    ).tanh();
    const lines = makeDot(y, {}, { groups: "box" }).split("\n");
    /** The path of boxes that each node stands in. */
    const path: string[] = [];
    const found: Record<string, string> = {};
    for (const line of lines) {
      const [, box] = /^ *label="(.*)";$/.exec(line) ?? [];
      const [, node] = /^ *n\d+ \[label="(\w+)/.exec(line) ?? [];
      if (line.includes("subgraph")) path.push("?");
      if (box !== undefined) path[path.length - 1] = box;
      if (node !== undefined) found[node] = path.join(" > ");
      if (/^ +}$/.test(line)) path.pop();
      expect(line.search(/\S|$/)).toBe(
        line === "" || /^[d}]/.test(line) ? 0 : 2 * (path.length + 1 - Number(/subgraph/.test(line))),
      );
    }
    expect(found).toEqual({
      ...{ leaf: "", exp: "a > b > c", sin: "a > b", cos: 'a > d\\n\\"e\\" \\\\', mul: "a", tanh: "" },
    });
    expect(path).toEqual([]);
  });

  test("names results in the middle, which are not folded; and takes names in every form", () => {
    const w = leaf(1);
    let h: Tensor = w;
    const y = graphGroup("step", () => {
      h = exp(w);
      return h.mul(2);
    });
    const labels = (dot: string): string[] =>
      [...dot.matchAll(/label="([^"]*)\\n\[1\]"(?: style=filled, fillcolor="(#\w+)")?/g)].map(([, label]) => label);
    const forms = [
      { h, w },
      Object.entries({ h, w }),
      new Map([
        ["h", h],
        ["w", w],
      ]),
      new Set([
        ["h", h],
        ["w", w],
      ] as const),
    ];
    for (const names of forms) expect(labels(makeDot(y, names as never))).toEqual(["w", "h = exp"]);
    // A constant has no place to be named.
    expect(labels(makeDot(y, { c: tensor([1]) }))).toEqual(["leaf"]);
    expect(makeDot(y, {})).toContain('label="step"');
    for (const wrong of [["w"], [w], { w: 1 }, { w: [w] }, [["w", null]]]) {
      expect(() => makeDot(y, wrong as never)).toThrow(/makeDot: params is no list of pairs \[name, tensor\]/);
    }
  });

  test("draws to each side, of several results; an option that is undefined is not given", () => {
    const x = leaf(1);
    const [a, b] = [exp(x), x.sin()];
    for (const direction of ["TB", "BT", "LR", "RL"] as const) {
      expect(makeDot(a, {}, { direction })).toContain(`rankdir=${direction};`);
    }
    const plain = makeDot(a);
    expect(makeDot([a], undefined, { direction: undefined, groups: undefined })).toBe(plain);
    expect(plain).toContain("rankdir=TB;");
    const both = makeDot([a, b]);
    expect(both.match(/fillcolor="#d5efcf"/g)).toHaveLength(2);
    expect(() => makeDot([a, tensor([1])])).toThrow(/makeDot: output 1 is not on the tape/);
    for (const direction of ["", "UP"]) {
      expect(() => makeDot(a, {}, { direction } as object)).toThrow(
        `makeDot: direction is ${direction}: wanted one of TB, BT, LR, RL`,
      );
    }
  });

  test("refuses what is not on the tape, and unknown options", () => {
    expect(() => makeDot(tensor([1]))).toThrow(/makeDot: output 0 is not on the tape/);
    expect(() => makeDot(exp(leaf(1)), {}, { rankdir: "LR" } as object)).toThrow(/unknown option rankdir/);
    expect(() => makeDot(exp(leaf(1)), {}, { groups: "all" } as object)).toThrow(/groups is all: wanted one of fold/);
  });
});

describe("makeSvg", () => {
  test("draws", async () => {
    const w = leaf(1);
    const svg = await makeSvg(graphGroup("step", () => exp(w)).mul(2), { w });
    expect(svg).toMatch(/<svg[\s\S]*>step<[\s\S]*>mul<[\s\S]*<\/svg>/);
  });

  test("takes the package as an option", async () => {
    const graphviz = {
      instance: async () => ({ renderString: (dot: string, { format }: { format: string }) => format + dot }),
    };
    const y = exp(leaf(1));
    expect(await makeSvg(y, {}, { graphviz, direction: "LR" })).toBe(`svg${makeDot(y, {}, { direction: "LR" })}`);
  });

  test("says what to install", async () => {
    await expect(loaded("@viz-js/none")).rejects.toThrow(/makeSvg needs the package @viz-js\/none.*npm install/);
  });
});

test("a group marks all that an async function does, and nothing else", async () => {
  const x = leaf(1);
  const running = graphGroup("a", async () => {
    await null;
    return exp(x);
  });
  const outside = exp(x);
  expect(nodeOf(outside)?.group).toBeNull();
  expect(nodeOf(await running)?.group?.name).toBe("a");
});
