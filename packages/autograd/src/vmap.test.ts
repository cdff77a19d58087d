/**
 * Derivatives inside, outside and around vmap: what a loop over the tasks gives, or a refusal. In float64, to third order.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  type HostArray,
  init,
  keep,
  manualSeed,
  ones,
  rand,
  scope,
  stack,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "@loopgrad/tensor";
import {
  checkpoint,
  customFunction,
  detectAnomaly,
  grad,
  hessian,
  hvp,
  image,
  jacobian,
  jvp,
  noGrad,
  vjp,
} from "./index.ts";

const TASKS = 3;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const array = (x: Tensor | null | undefined): Promise<unknown> => (x as Tensor).toArray();

function leaf(seed: number, ...shape: number[]): Tensor {
  const size = shape.reduce((n, d) => n * d, 1);
  const data = Float64Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + seed));
  return tensor(data, { shape, requiresGrad: true });
}

async function expectClose(a: Tensor, b: Tensor): Promise<void> {
  expect(a.shape).toEqual(b.shape);
  const [x, y]: HostArray[] = [await a.data(), await b.data()];
  x.forEach((v: number, i: number) => {
    if (!(Math.abs(v - y[i]) <= 1e-10 * Math.max(1, Math.abs(y[i]))))
      throw new Error(`element ${i}: ${v}, wanted ${y[i]}`);
  });
}

// ---- the matrix --------------------------------------------------------------------------------------------------

type Fn = (x: Tensor, w: Tensor) => Tensor;

/** A scalar of a task's x and of w, with every derivative alive. */
const base: Fn = (x, w) => x.mul(w).tanh().add(w.square()).mul(x.exp()).sum();

/** Ways to compute the same: what the tape sees differs. */
const FORMS: Record<string, (fn: Fn) => Fn> = {
  plain: (fn) => fn,
  checkpoint: (fn) => (x, w) => checkpoint(fn)(x, w),
  "a checkpoint that captures": (fn) => (x, w) => checkpoint((h: Tensor) => fn(h, w))(x),
  customFunction: () => (x, w) =>
    base(x, w)
      .add(cube(x.mul(w)).sum())
      .sub(x.mul(w).pow(3).sum()),
  hook: (fn) => (x, w) => {
    const h = x.mul(1);
    if (h.requiresGrad) h.registerHook((g) => g.mul(2));
    return fn(h, w);
  },
};

const cube = customFunction({
  name: "cube",
  forward(ctx, x: Tensor) {
    ctx.save(x);
    return x.pow(3);
  },
  backward(ctx, g) {
    const [x] = ctx.saved;
    return g.mul(x.square().mul(3));
  },
});

/** What is asked of a function, for one task: numbers in one vector. */
const QUESTIONS: Record<string, (fn: Fn, x: Tensor, w: Tensor) => Tensor> = {
  value: (fn, x, w) => fn(x, w).reshape([1]),
  grad: (fn, x, w) => {
    const place = image(x);
    return grad(fn(place, w), place, { createGraph: true })[0];
  },
  "grad of grad": (fn, x, w) => {
    const place = image(x);
    const [g] = grad(fn(place, w), place, { createGraph: true });
    return grad(g.square().sum(), place, { createGraph: true })[0];
  },
  "grad by a shared tensor's image": (fn, x, w) => {
    const own = image(w);
    return grad(fn(x, own), own, { createGraph: true })[0];
  },
  vjp: (fn, x, w) => vjp((h) => fn(h, w).mul(h), x, x.cos().detach(), { createGraph: true })[1],
  jvp: (fn, x, w) => jvp((h) => fn(h, w).mul(h), x, x.cos().detach(), { createGraph: true })[1],
  hvp: (fn, x, w) => hvp((h) => fn(h, w), x, x.cos().detach(), { createGraph: true })[1],
  jacobian: (fn, x, w) => jacobian((h) => fn(h, w).mul(h), x, { createGraph: true }).reshape([-1]),
  hessian: (fn, x, w) => hessian((h) => fn(h, w), x, { createGraph: true }).reshape([-1]),
};

/** The answers, and their derivatives by all tasks' x and by the shared w, once and twice. */
function derived(answers: Tensor, x: Tensor, w: Tensor): Tensor[] {
  const weights = tensor(Float64Array.from({ length: answers.size }, (_, i) => Math.cos(i + 0.3)));
  const score = answers.mul(weights.reshape(answers.shape)).sum();
  const first = grad(score, [x, w], { createGraph: true });
  const second = grad(first[0].square().sum().add(first[1].square().sum()), [x, w]);
  return [answers, ...first, ...second];
}

describe.each(Object.keys(FORMS))("%s", (form) => {
  test.each(Object.keys(QUESTIONS))("%s: as a loop, with its own derivatives", async (question) => {
    const fn = FORMS[form](base);
    const one = (x: Tensor, w: Tensor): Tensor => QUESTIONS[question](fn, x, w);
    const [x, w] = [leaf(1, TASKS, 2), leaf(2, 2)];
    const together = derived(vmap(one, { inAxes: [0, null] })(x, w), x, w);
    const chunked = derived(vmap(one, { inAxes: [0, null], chunkSize: 2 })(x, w), x, w);
    const looped = derived(stack(Array.from({ length: TASKS }, (_, t) => one(x.select(0, t), w))), x, w);
    for (const [i, wanted] of looped.entries()) {
      await expectClose(together[i], wanted);
      await expectClose(chunked[i], wanted);
    }
  });

  test("in two vmaps, one inside the other", async () => {
    const fn = FORMS[form](base);
    const one = (x: Tensor, w: Tensor): Tensor => QUESTIONS.grad(fn, x, w);
    const [x, w] = [leaf(1, 2, TASKS, 2), leaf(2, TASKS, 2)];
    const nested = vmap(vmap(one), { inAxes: [0, null] })(x, w);
    const looped = stack(
      Array.from({ length: 2 }, (_, s) =>
        stack(Array.from({ length: TASKS }, (_, t) => one(x.select(0, s).select(0, t), w.select(0, t)))),
      ),
    );
    const [a, b] = [derived(nested, x, w), derived(looped, x, w)];
    for (const [i, wanted] of b.entries()) await expectClose(a[i], wanted);
  });
});

// ---- where gradients go ------------------------------------------------------------------------------------------

describe("grad inside", () => {
  test("by a tensor that all tasks share is refused, with the remedy", () => {
    const w = leaf(1, 2);
    expect(() => vmap((x: Tensor) => grad(x.mul(w).sum(), w)[0])(ones([3, 2]))).toThrow(
      /input 0, float64 \[2\], is the same for all tasks.*image\(x\)/,
    );
  });

  test("of what all tasks share, by what they share, is theirs", async () => {
    const w = leaf(1, 2);
    const y = vmap((x: Tensor) => x.mul(grad(w.square().sum(), w)[0]))(ones([2, 2]));
    await expectClose(y, stack([w.mul(2), w.mul(2)]));
  });

  test("by a copy that is made inside, a leaf: each task's own", async () => {
    const w = leaf(1, 2);
    const x = leaf(2, 3, 2).detach();
    const gs = vmap((row: Tensor) => {
      const own = w.detach().requiresGrad_();
      expect(own.shape).toEqual([2]);
      return grad(row.mul(own).sum(), own)[0];
    })(x);
    await expectClose(gs, x);
    const made = vmap((row: Tensor) => {
      const own = tensor([1, 2], { requiresGrad: true });
      return grad(row.mul(own.square()).sum(), own)[0];
    })(x);
    await expectClose(made, x.mul(tensor([2, 4])));
  });

  test("a graph that was walked inside is freed, as outside", () => {
    expect(() =>
      vmap((x: Tensor) => {
        const own = image(x);
        const y = own.square().sum();
        grad(y, own);
        return grad(y, own)[0];
      })(leaf(1, 2, 2)),
    ).toThrow(/freed/);
  });

  test("with gradOutputs of each task for what all share is refused; of all for each, repeated", async () => {
    const w = leaf(1, 2);
    expect(() => vmap((v: Tensor) => grad(w.square(), w, { gradOutputs: v })[0])(ones([3, 2]))).toThrow(/is the same/);
    const y = vmap((x: Tensor) => {
      const own = image(x);
      return grad(own.square(), own, { gradOutputs: ones([2]) })[0];
    })(leaf(1, 3, 2));
    await expectClose(y, leaf(1, 3, 2).mul(2));
  });
});

describe("backward inside", () => {
  test("adds the gradients of all tasks to a shared leaf, as a loop does", async () => {
    const [w, x] = [leaf(1, 2), leaf(2, 3, 2).detach()];
    vmap((row: Tensor) => row.mul(w).sum().backward())(x);
    await expectClose(w.grad as Tensor, x.sum(0));
    vmap((row: Tensor) => row.mul(w).sum().backward(), { chunkSize: 2 })(x);
    await expectClose(w.grad as Tensor, x.sum(0).mul(2));
  });

  test("with a gradient of each task for a shared tensor: the sum", async () => {
    const [w, x] = [leaf(1, 2), leaf(2, 3, 2).detach()];
    vmap((row: Tensor) => w.square().backward({ gradient: row, retainGraph: true }))(x);
    await expectClose(w.grad as Tensor, w.mul(2).mul(x.sum(0)));
  });

  test("twice into a leaf of each task adds up, task by task", async () => {
    const x = leaf(2, 3, 2).detach();
    const gs = vmap((row: Tensor) => {
      const own = row.detach().requiresGrad_();
      own.square().sum().backward();
      own.pow(3).sum().backward();
      const { grad: g } = own;
      expect((g as Tensor).shape).toEqual([2]);
      return g as Tensor;
    })(x);
    await expectClose(gs, x.mul(2).add(x.square().mul(3)));
  });

  test("after the vmap, into leaves that were made inside: they keep their gradients to themselves", async () => {
    const w = leaf(1, 2);
    const losses = vmap((x: Tensor) => x.detach().requiresGrad_().mul(w).sum())(ones([3, 2]));
    losses.sum().backward({ retainGraph: true });
    losses.sum().backward();
    expect(await array(w.grad)).toEqual([6, 6]);
  });

  test("a gradient of each task is not set for a shared tensor", () => {
    const w = leaf(1, 2);
    expect(() =>
      vmap((x: Tensor) => {
        w.grad = x;
        return x;
      })(ones([3, 2])),
    ).toThrow(/one for each task, and takes the place of what is one for all tasks/);
  });

  test("retainGrad keeps each task's", async () => {
    const x = leaf(2, 3, 2);
    const gs = vmap((row: Tensor) => {
      const h = row.exp().retainGrad();
      h.square().sum().backward({ retainGraph: true });
      return h.grad as Tensor;
    })(x);
    await expectClose(gs, x.detach().exp().mul(2));
  });
});

// ---- code of the user's that walks run --------------------------------------------------------------------------

describe("hooks", () => {
  test("see one task's gradient, also when the walk comes after the vmap", async () => {
    const x = leaf(1, 3, 2);
    const seen: (readonly number[])[] = [];
    const y = vmap((row: Tensor) => {
      const h = row.mul(2);
      h.registerHook((g) => {
        seen.push(g.shape);
        return g.div(g.square().sum().sqrt());
      });
      return h.square().sum();
    })(x);
    const [g] = grad(y.sum(), x);
    const h = x.detach().mul(4);
    await expectClose(g, h.div(h.square().sum(1, { keepdim: true }).sqrt()).mul(2));
    expect(seen).toEqual([[2]]);
  });

  test("may return what all tasks share", async () => {
    const x = leaf(1, 3, 2);
    const y = vmap((row: Tensor) => {
      const h = row.mul(2);
      h.registerHook(() => tensor([5, 7]));
      return h.square().sum();
    })(x);
    await expectClose(grad(y.sum(), x)[0], stack(Array.from({ length: 3 }, () => tensor([10, 14]))));
  });

  test("that were registered outside are not reached by a gradient inside, which they would see of all tasks at once", () => {
    const w = leaf(1, 2);
    const { remove } = w.registerHook((g) => g.clamp(-1, 1));
    const loss = (x: Tensor): Tensor => x.mul(w).sum();
    expect(() => vmap((x: Tensor) => loss(x).backward())(ones([3, 2]))).toThrow(
      /registered outside of vmap is reached/,
    );
    vmap(loss)(ones([3, 2]))
      .sum()
      .backward();
    expect(w.grad?.shape).toEqual([2]);
    remove();
  });

  test("on a tensor that all tasks share are refused inside: they would see a sum", () => {
    const w = leaf(1, 2);
    expect(() => vmap((x: Tensor) => x.add(w.registerHook((g) => g) === null ? 1 : 0))(ones([3, 2]))).toThrow(
      /sum of their gradients/,
    );
  });
});

describe("customFunction", () => {
  const scaled = customFunction({
    name: "scaled",
    forward(ctx, x: Tensor, w: Tensor) {
      ctx.save(x, w);
      return [x.mul(w), w.square()];
    },
    backward(ctx, g, h) {
      const [x, w] = ctx.saved;
      expect([g.shape, h.shape, x.shape, w.shape]).toEqual([[2], [2], [2], [2]]);
      return [g.mul(w), g.mul(x).add(h.mul(w).mul(2))];
    },
  });

  test("its backward sees one task; for an argument that all share, shares are summed", async () => {
    const [x, w] = [leaf(1, 3, 2), leaf(2, 2)];
    const fn = (row: Tensor, v: Tensor): Tensor => {
      const [a, b] = scaled(row, v);
      return a.exp().add(b).sum();
    };
    const a = derived(vmap(fn, { inAxes: [0, null] })(x, w), x, w);
    const b = derived(stack([0, 1, 2].map((t) => fn(x.select(0, t), w))), x, w);
    for (const [i, wanted] of b.entries()) await expectClose(a[i], wanted);
  });

  test("a share that does not depend on the task counts once for every task, of an argument that all share too", async () => {
    const fixed = customFunction({
      forward: (_, x: Tensor, w: Tensor) => x.mul(0).add(w.mul(0)),
      backward: () => [tensor([1, 2]), tensor([3, 4])],
    });
    const [x, w] = [leaf(1, 3, 2), leaf(2, 2)];
    const y = vmap((row: Tensor) => fixed(row, w).sum())(x);
    const [a, b] = grad(y.sum(), [x, w]);
    expect([await array(a), await array(b)]).toEqual([[[1, 2], [1, 2], [1, 2]], [9, 12]]); // biome-ignore format: a matrix
  });

  test("a share that does not depend on the task is each task's", async () => {
    const fixed = customFunction({ forward: (_, x: Tensor) => x.mul(0), backward: () => tensor([1, 2]) });
    const x = leaf(1, 3, 2);
    await expectClose(grad(vmap((row: Tensor) => fixed(row).sum())(x).sum(), x)[0], ones([3, 2]).mul(tensor([1, 2])));
  });
});

test("checkpointed random numbers are drawn again, each task's own", async () => {
  const x = leaf(1, 3, 4);
  const run = (fn: (row: Tensor) => Tensor): Promise<unknown> => {
    manualSeed(4);
    return array(grad(vmap(fn, { randomness: "different" })(x).sum(), x)[0]);
  };
  const masked = (row: Tensor): Tensor =>
    row
      .mul(rand([4]))
      .exp()
      .sum();
  expect(await run((row) => checkpoint(masked)(row))).toEqual(await run(masked));
});

test("anomaly detection names an operation inside", async () => {
  using anomaly = detectAnomaly();
  vmap((x: Tensor) => x.log())(tensor([[1, 2], [-1, 3]])); // biome-ignore format: a matrix
  await expect(anomaly.check()).rejects.toThrow(/log.*made the first NaN/);
});

test("under noGrad nothing is noted; a tensor that was kept keeps its task axes", () => {
  const w = leaf(1, 2);
  expect(noGrad(() => vmap((x: Tensor) => x.mul(w).sum())(ones([3, 2])).requiresGrad)).toBe(false);
  let kept: Tensor | null = null;
  vmap((x: Tensor) => {
    kept = keep(x.mul(w).detach());
    return x;
  })(ones([3, 2]));
  expect((kept as unknown as Tensor).shape).toEqual([2]);
  expect(() => (kept as unknown as Tensor).add(1)).toThrow(/outside its vmap/);
  (kept as unknown as Tensor).dispose();
});

test("gradients of results along any axis, in chunks, through slices of the tasks", async () => {
  const x = leaf(1, 2, 5);
  const fn = (col: Tensor): Tensor => col.square();
  const [a] = grad(vmap(fn, { inAxes: 1, outAxes: 1, chunkSize: 2 })(x).sum(), x);
  await expectClose(a, x.detach().mul(2));
});

test("a task whose part of the result is not used has a gradient of 0", async () => {
  const x = leaf(1, 3, 2);
  const [g] = grad(vmap((row: Tensor) => row.square().sum())(x).select(0, 1), x);
  await expectClose(g, stack([zeros([2]), x.detach().select(0, 1).mul(2), zeros([2])]));
});

test("memory: tensors of a vmap with gradients inside are given back", async () => {
  const x = leaf(1, 3, 2).detach();
  const step = (): void =>
    scope(() => {
      vmap((row: Tensor) => {
        const own = image(row.requiresGrad_());
        const [g] = grad(own.tanh().square().sum(), own, { createGraph: true });
        return grad(g.sum(), own)[0];
      })(x);
    });
  step();
  x.device.flush();
  const before = x.device.stats();
  for (let i = 0; i < 3; i++) step();
  x.device.flush();
  const after = x.device.stats();
  expect([after.buffers, after.bytes]).toEqual([before.buffers, before.bytes]);
});
