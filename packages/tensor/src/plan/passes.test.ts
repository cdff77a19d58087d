/** What each pass makes of small graphs: nodes left after simplifying, kernels after fusing. */
import { describe, expect, test } from "@jest/globals";
import { formatNode } from "../debug/plan.ts";
import * as ops from "../index.ts";
import type { Tensor } from "../tensor.ts";
import { allocate, type Place, sizeClass } from "./allocate.ts";
import { captureGraph } from "./capture-graph.ts";
import { type FusedKernel, fuse } from "./fuse/fuse.ts";
import { lower } from "./lower/lower.ts";
import { simplify } from "./simplify.ts";

type Program = (...inputs: Tensor[]) => Tensor | Tensor[];

/** Nodes after simplifying, leaves left out. */
const simplified = (shapes: number[][], fn: Program): string[] =>
  simplify(captureGraph(shapes, fn))
    .nodes.filter((node) => node.primitive !== null)
    .map(formatNode);

const kernelsOf = (shapes: number[][], fn: Program, maxBuffers = 8): readonly FusedKernel[] =>
  fuse(lower(simplify(captureGraph(shapes, fn))), maxBuffers).kernels;

const roles = (shapes: number[][], fn: Program, maxBuffers = 8): string[] =>
  kernelsOf(shapes, fn, maxBuffers).map(({ description }) => description.role);

const literal = (x: Tensor, value: number) => ops.bindConstant(x.device, ops.literalP, [0, value]);

describe("simplify", () => {
  test("symbolic zeros and ones vanish", () => {
    const nodes = simplified([[3]], (x) => {
      const one = x.mul(literal(x, 1)).add(literal(x, 0));
      return ops.bind(ops.subP, [one.div(literal(x, 1)), literal(x, 0)]).neg();
    });
    expect(nodes).toEqual(["neg(%0) float32 [3]"]);
  });

  test("a user's zero is never looked at: it must meet NaN and infinity", () => {
    expect(simplified([[3]], (x) => x.mul(0))).toEqual(["scalar 0: float32", "mul(%1, %0) float32 [3]"]);
  });

  test("a sum over an expanded axis is a multiplication", () => {
    expect(simplified([[3, 1]], (x) => x.expand([3, 7]).sum(1))).toEqual([
      "literal 7: float32",
      "mul(%0, %1) float32 [3, 1]",
      "reshape(%2) {3} float32 [3]",
    ]);
  });

  test("sums over axes of length 1 are reshapes, and reshapes of reshapes are one", () => {
    expect(simplified([[4, 1, 2]], (x) => x.sum(1).reshape([8]))).toEqual(["reshape(%0) {8} float32 [8]"]);
  });

  test("a permutation and its inverse cancel", () => {
    expect(simplified([[2, 3, 4]], (x) => x.permute([2, 0, 1]).permute([1, 2, 0]).neg())).toEqual([
      "neg(%0) float32 [2, 3, 4]",
    ]);
  });

  test("equal expressions are computed once, and dead ones not at all", () => {
    const nodes = simplified([[5]], (x) => {
      x.exp().sum().dispose();
      return x.tanh().add(x.tanh());
    });
    expect(nodes).toEqual(["tanh(%0) float32 [5]", "add(%1, %1) float32 [5]"]);
  });
});

describe("fuse", () => {
  test("a linear layer with activation is one kernel: bias and activation on the way out", () => {
    expect(roles([[8, 5], [5, 6], [6]], (x, w, b) => ops.relu(x.matmul(w).add(b)))).toEqual(["contract"]);
  });

  test("elementwise work before a reduction is part of its loads, work after it of its stores", () => {
    expect(
      roles(
        [
          [8, 5],
          [8, 5],
        ],
        (x, y) => x.sub(y).square().mean(1).sqrt(),
      ),
    ).toEqual(["reduce"]);
  });

  test("softmax over rows: a maximum, a sum, a quotient", () => {
    expect(roles([[6, 9]], (x) => ops.softmax(x, 1))).toEqual(["reduce", "reduce", "map"]);
  });

  test("an optimizer's update writes all its results in one kernel", () => {
    const update: Program = (p, g, m, v) => {
      const m2 = m.mul(0.9).add(g.mul(0.1));
      const v2 = v.mul(0.999).add(g.square().mul(0.001));
      return [p.sub(m2.div(v2.sqrt().add(1e-8)).mul(0.01)), m2, v2];
    };
    const kernels = kernelsOf(
      [
        [40, 40],
        [40, 40],
        [40, 40],
        [40, 40],
      ],
      update,
    );
    expect(kernels).toHaveLength(1);
    expect(kernels[0].operands).toHaveLength(7);
  });

  test("an outer product that is summed is a contraction, and never made", () => {
    const product: Program = (x, y) =>
      x
        .reshape([9, 10, 1])
        .mul(y.reshape([9, 1, 11]))
        .sum(0);
    expect(
      roles(
        [
          [9, 10],
          [9, 11],
        ],
        product,
      ),
    ).toEqual(["contract"]);
  });

  test("transposes are strides of a contraction", () => {
    expect(
      roles(
        [
          [5, 8],
          [6, 5],
        ],
        (x, w) => x.transpose(0, 1).matmul(w.transpose(0, 1)),
      ),
    ).toEqual(["contract"]);
  });

  test("what reads a result at other elements gets a kernel of its own", () => {
    expect(
      roles(
        [
          [4, 3],
          [3, 4],
        ],
        (x, w) => x.matmul(w).transpose(0, 1).add(1),
      ),
    ).toEqual(["contract", "map"]);
    expect(
      roles(
        [
          [4, 3],
          [3, 4],
        ],
        (x, w) => ops.flip(x.matmul(w), [0]).add(1),
      ),
    ).toEqual(["contract", "map"]);
    expect(
      roles(
        [
          [4, 3],
          [3, 4],
        ],
        (x, w) => x.matmul(w).reshape([16]).add(1),
      ),
    ).toEqual(["contract"]);
  });

  test("dear work that a contraction would repeat for every column is stored first", () => {
    expect(
      roles(
        [
          [512, 512],
          [512, 512],
        ],
        (x, w) => x.exp().matmul(w),
      ),
    ).toEqual(["map", "contract"]);
    expect(
      roles(
        [
          [4, 8],
          [8, 4],
        ],
        (x, w) => x.exp().matmul(w),
      ),
    ).toEqual(["contract"]);
  });

  test("no kernel binds more buffers than it may", () => {
    const shapes = Array.from({ length: 12 }, () => [4, 4]);
    const program: Program = (...xs) => {
      const sum = xs.reduce((a, b) => a.add(b));
      return [sum, sum.matmul(xs[0].mul(xs[1]).add(xs[2])), xs.reduce((a, b) => a.mul(b))];
    };
    for (const maxBuffers of [4, 5, 8]) {
      for (const { operands } of kernelsOf(shapes, program, maxBuffers)) {
        expect(operands.length).toBeLessThanOrEqual(maxBuffers);
      }
    }
  });

  test("every kernel reads only what earlier ones wrote", () => {
    const program: Program = (x, w) => {
      let h = x;
      for (let i = 0; i < 6; i++) {
        const z = ops.tanh(h.matmul(w));
        h = z.mul(z.sum(0, { keepdim: true })).add(h.exp());
      }
      return [h.sum(), h];
    };
    const written = new Set<number>();
    for (const { description, operands } of kernelsOf(
      [
        [5, 5],
        [5, 5],
      ],
      program,
    )) {
      operands.forEach((value, i) => {
        if (description.operands[i].access === "write") written.add(value);
        else expect(value < 2 || written.has(value)).toBe(true);
      });
    }
  });
});

describe("lower", () => {
  test("long reductions and deep contractions are cut in parts", () => {
    expect(roles([[100_000]], (x) => x.sum())).toEqual(["reduce", "reduce"]);
    expect(
      roles(
        [
          [3, 5000],
          [5000, 4],
        ],
        (x, y) => x.matmul(y),
      ),
    ).toEqual(["contract", "reduce"]);
  });

  test("a padded convolution stores its padded input once for the value and the weight's gradient", () => {
    const geometry = { n: 2, groups: 1, stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
    const program: Program = (x, w, g) => [
      ops.bind(ops.convP, [x, w], ops.convAttrs({ ...geometry, extra: [] })),
      ops.bind(ops.convWeightP, [x, g], ops.convAttrs({ ...geometry, extra: [3, 3] })),
    ];
    const shapes = [
      [2, 3, 8, 8],
      [4, 3, 3, 3],
      [2, 4, 8, 8],
    ];
    expect(roles(shapes, program)).toEqual(["map", "contract", "contract"]);
  });
});

describe("allocate", () => {
  test("a chain of any length needs two slots, and no kernel reads and writes one buffer", () => {
    const program: Program = (x, w) => {
      let h = x;
      for (let i = 0; i < 10; i++) h = h.matmul(w);
      return h;
    };
    const kernels = kernelsOf(
      [
        [8, 8],
        [8, 8],
      ],
      program,
    );
    const places = new Map<number, Place>([
      [0, { kind: "leaf", index: 0 }],
      [1, { kind: "leaf", index: 1 }],
    ]);
    allocate(kernels, new Map(), places, () => 256);
    const slots = new Set([...places.values()].flatMap((place) => (place.kind === "scratch" ? [place.index] : [])));
    expect(slots.size).toBe(2);
    for (const { description, operands } of kernels) {
      const buffers = operands.map((value) => JSON.stringify(places.get(value)));
      const writes = buffers.filter((_, i) => description.operands[i].access === "write");
      const reads = buffers.filter((_, i) => description.operands[i].access === "read");
      for (const buffer of writes) expect(reads).not.toContain(buffer);
    }
  });

  test("size classes waste at most a half", () => {
    for (const bytes of [1, 256, 257, 384, 385, 1000, 12345, 7_000_000]) {
      expect(sizeClass(bytes)).toBeGreaterThanOrEqual(bytes);
      expect(sizeClass(bytes)).toBeLessThanOrEqual(Math.max(256, bytes * 1.5));
    }
  });
});

describe("long programs", () => {
  const cost = (steps: number, step: (h: Tensor) => Tensor) => {
    const graph = captureGraph([[4, 4]], (x) => {
      let h = x;
      for (let i = 0; i < steps; i++) h = step(h);
      return h;
    });
    const { kernels } = fuse(lower(simplify(graph)), 8);
    return { nodes: graph.nodes.length, instructions: kernels.reduce((n, k) => n + instructionsOf(k), 0) };
  };
  const instructionsOf = ({ description }: FusedKernel) =>
    "output" in description ? description.output.code.length : 1;

  test.each<[string, (h: Tensor) => Tensor]>([
    ["elementwise", (h) => h.tanh().add(1)],
    ["with branches that meet again", (h) => h.sin().mul(h.cos())],
    ["of movements", (h) => ops.flip(h, [0]).roll(1, 1).roll(1, 0).transpose(0, 1)],
  ])("the code of a plan grows with its nodes: %s", (_, step) => {
    const short = cost(250, step);
    const long = cost(1000, step);
    expect(long.nodes / short.nodes).toBeGreaterThan(3);
    expect(long.instructions / short.instructions).toBeLessThan(4.5);
  });
});
