/**
 * Programs that wait in the middle, to be run at the same time: what each computes alone is what it must compute beside
 * the others, or it is refused.
 *
 * Nothing here knows of Node or of a test runner: a page runs it too.
 */
import { detectAnomaly, enableGrad, grad, graphGroup, isGradEnabled, noGrad } from "@loopgrad/autograd";
import { functional as F, functionalCall, Linear, Sequential, Tanh } from "@loopgrad/nn";
import { Adam, SGD } from "@loopgrad/optim";
import { arange, currentScope, getDevice, scope, type Tensor, tensor } from "@loopgrad/tensor";
import { functionalize } from "../functional-module.ts";
import { innerLoop } from "../inner-loop.ts";

/** Numbers read on the way. */
export type Program = () => Promise<number[]>;

/** A network whose weights depend on nothing but the seed. */
function network(seed: number): Sequential {
  const model = new Sequential(new Linear(2, 4), new Tanh(), new Linear(4, 1));
  for (const [i, parameter] of model.parameters().entries()) {
    parameter.assign(
      scope(() =>
        arange(parameter.size)
          .mul(1.7)
          .add(seed + i)
          .sin()
          .reshape(parameter.shape),
      ),
    );
  }
  return model;
}

function batch(seed: number): [Tensor, Tensor] {
  const x = arange(6).mul(0.9).add(seed).cos().reshape([3, 2]);
  return [x, x.sum(1, { keepdim: true }).sin()];
}

const lossOf = (model: { forward(x: Tensor): Tensor }, seed: number): Tensor => {
  const [x, y] = batch(seed);
  return F.mseLoss(model.forward(x), y);
};

const STEPS = 3;

/** Blocks that turn no switch. */
export const PLAIN: Record<string, Program> = {
  "training, a scope a step": async () => {
    const model = network(1);
    const [x, y] = batch(5); // outside the scopes
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    const read: number[] = [];
    for (let i = 0; i < STEPS; i++) {
      using _ = scope();
      const loss = F.mseLoss(model.forward(x), y);
      read.push(await loss.item());
      opt.zeroGrad();
      loss.backward();
      opt.step();
    }
    read.push(...(await y.data()), ...(await model.parameters()[0].data()));
    return read;
  },
  "training, read one step late": async () => {
    const model = network(2);
    const opt = new Adam(model.parameters(), { lr: 0.1 });
    const read: number[] = [];
    let late: Promise<number> | null = null;
    for (let i = 0; i < STEPS + 1; i++) {
      using _ = scope();
      const loss = lossOf(model, i);
      loss.backward();
      opt.step();
      opt.zeroGrad();
      if (late !== null) read.push(await late);
      late = loss.item();
    }
    read.push(...(await model.parameters()[2].data()));
    return read;
  },
  "meta-training, a loop in a block": async () => {
    const model = network(3);
    const meta = new SGD(model.parameters(), { lr: 0.1 });
    const inner = new SGD(model.parameters(), { lr: 0.2 });
    const read: number[] = [];
    for (let i = 0; i < STEPS; i++) {
      meta.zeroGrad();
      using _ = scope();
      using loop = innerLoop(model, inner);
      for (let k = 0; k < 2; k++) {
        const loss = lossOf(loop.fmodel, i);
        read.push(await loss.item());
        loop.diffopt.step(loss);
      }
      const query = lossOf(loop.fmodel, i + 10);
      query.backward();
      const [a, b] = await Promise.all([query.item(), model.parameters()[0].grad?.data()]);
      read.push(a, ...(b ?? []));
      meta.step();
    }
    return read;
  },
  "a gradient through values that were read": async () => {
    const w = tensor(2, { requiresGrad: true });
    const a = w.square().sum();
    const first = await a.item();
    const b = w.pow(3).sum();
    const second = await b.item();
    const [g] = grad(a.add(b), [w]);
    return [first, second, await g.item()];
  },
};

/** Function forms, which are exact wherever each chain of awaits has contexts of its own. */
export const FUNCTIONS: Record<string, Program> = {
  "training, a scope that is a function": async () => {
    const model = network(4);
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    const read: number[] = [];
    for (let i = 0; i < STEPS; i++) {
      const kept = await scope(async () => {
        const loss = lossOf(model, i);
        read.push(await loss.item());
        loss.backward();
        opt.step();
        opt.zeroGrad();
        return loss.mul(2);
      });
      read.push(await kept.item(), Number(kept.isReleased));
    }
    return read;
  },
  "meta-training, a loop that is a function": async () => {
    const model = network(5);
    const inner = new SGD(model.parameters(), { lr: 0.2 });
    const tasks = [0, 1, 2].map((task) =>
      innerLoop(model, inner, {}, async ({ fmodel, diffopt }) => {
        const loss = lossOf(fmodel, task);
        const before = await loss.item();
        diffopt.step(loss);
        const query = lossOf(fmodel, task + 10);
        return [before, await query.item(), query] as const;
      }),
    );
    const done = await Promise.all(tasks);
    const total = done.map(([, , query]) => query).reduce((a, b) => a.add(b));
    total.backward();
    return [
      ...done.map(([before]) => before),
      ...done.map(([, after]) => after),
      ...((await model.parameters()[0].grad?.data()) ?? []),
    ];
  },
  "evaluation in functions": async () => {
    const model = network(6);
    const read: number[] = [];
    await noGrad(async () => {
      for (let i = 0; i < STEPS; i++) {
        read.push(await lossOf(model, i).item(), Number(isGradEnabled()));
        const on = await enableGrad(async () => {
          const loss = lossOf(model, i);
          const value = await loss.item();
          return [value, ...(await grad(lossOf(model, i + 1).add(loss), model.parameters()[0])[0].data())];
        });
        read.push(...on);
      }
    });
    return read;
  },
  "other weights, under an async function": async () => {
    const model = network(7);
    const fmodel = functionalize(model);
    const view = fmodel.withParams(fmodel.parameters().map((p) => p.mul(0.5)));
    const loss = await view.call(async (m) => {
      const a = lossOf(m, 1);
      await a.item();
      return a.add(lossOf(m, 2));
    });
    const [g] = grad(loss, fmodel.parameters().slice(0, 1));
    const outside = await lossOf(model, 2).item();
    const plain = await scope(async () => {
      const half = functionalCall(model, { params: model.parameters().map((p) => p.mul(2)) }, batch(3)[0]);
      return await half.sum().item();
    });
    return [await loss.item(), ...(await g.data()), outside, plain];
  },
  "a watch for NaN": async () => {
    const w = tensor([1, 2, 3], { requiresGrad: true });
    return detectAnomaly(async () =>
      graphGroup("watched", async () => {
        const a = w.log();
        await a.sum().item();
        return Array.from(await grad(a.mul(w).sum(), [w])[0].data());
      }),
    );
  },
};

/** Blocks that turn a switch: right, or refused. */
export const BLOCKS: Record<string, Program> = {
  "evaluation in a block": async () => {
    using _ = noGrad();
    const w = tensor([2, 3], { requiresGrad: true });
    const read: number[] = [];
    for (let i = 0; i < STEPS; i++)
      read.push(
        await w
          .mul(i + 5)
          .sum()
          .item(),
        Number(isGradEnabled()),
      );
    return read;
  },
  "evaluation in a block, one step late": async () => {
    const model = network(8);
    using _ = noGrad();
    using _scope = scope();
    const read: number[] = [];
    let late: Promise<number> | null = null;
    for (let i = 0; i < STEPS; i++) {
      const loss = lossOf(model, i);
      if (late !== null) read.push(await late);
      late = loss.item();
    }
    if (late !== null) read.push(await late);
    return read;
  },
  "evaluation that fails": async () => {
    const w = tensor([2, 3], { requiresGrad: true });
    try {
      using _ = noGrad();
      await w.sum().item();
      throw new RangeError("in the middle");
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const after = w.square().sum();
      await after.item();
      return [Number(isGradEnabled()), ...(await grad(after, [w])[0].data())];
    }
  },
};

/** What came of a program: its numbers, or the message of the error. */
export type Outcome = number[] | string;

/** Runs programs, each after so many turns of the microtask queue, at the same time. */
export async function together(programs: readonly Program[], late: readonly number[] = []): Promise<Outcome[]> {
  const outcomes = await Promise.all(
    programs.map(async (program, i): Promise<Outcome> => {
      for (let k = 0; k < (late[i] ?? 0); k++) await null;
      try {
        return await program();
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    }),
  );
  if (!isGradEnabled()) throw new Error("gradients stayed off");
  if (currentScope() !== null) throw new Error("a scope stayed open");
  await getDevice().synchronize();
  return outcomes;
}

/** Whether an error says that it cannot be told whose an operation is, and names two places. */
export const isRefusal = (outcome: Outcome): boolean =>
  typeof outcome === "string" && /cannot be told whether/.test(outcome) && /waits at\n\s+at /.test(outcome);
