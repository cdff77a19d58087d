/**
 * Hyper-gradients of tiny trainings in float64.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { grad, gradcheck, init, keep, manualSeed, rand, type Tensor, tensor } from "loopgrad";
import type { Batch } from "../data/images.ts";
import { begin, classifier, hyperFrom, hyperValues, learn, lossOf, type Task, window } from "./hypergradient.ts";

let task: Task;
let rewind: () => void;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(5);
  const some = (): Batch => ({ x: rand([4, 1, 2, 2]), y: tensor([0, 1, 2, 1], { dtype: "int32" }) });
  const batches = [some(), some(), some(), some()];
  let next = 0;
  rewind = () => {
    next = 0;
  };
  const net = classifier(4, 3, 3);
  task = { net: () => net, batch: () => batches[next++ % 4], validation: some(), momentum: 0.9 };
});

test("the hyper-gradient equals central differences in the logarithms", async () => {
  const loss = (logLr: Tensor, logDecay: Tensor): Tensor => {
    rewind();
    using training = begin(task.net(), task);
    return keep(window(training, { logLr, logDecay }, task, 4));
  };
  const logs = [-1, -3].map((value) => tensor(value, { requiresGrad: true }));
  await gradcheck(loss, logs, { rtol: 1e-6, atol: 1e-10 });
});

test("after one plain step it is Baydin's: −lr times the product of the gradients before and after", async () => {
  const net = task.net();
  rewind();
  const first = task.batch();
  rewind();
  using training = begin(net, { ...task, momentum: 0 });
  const hyper = hyperFrom(0.3, 1e-300);
  window(training, hyper, task, 1).backward({ inputs: [hyper.logLr] });

  const flat = async (forward: { forward(x: Tensor): Tensor }, params: Tensor[], batch: Batch): Promise<number[]> => {
    const grads = grad(lossOf(forward, batch), params) as Tensor[];
    return (await Promise.all(grads.map((g) => g.data()))).flatMap((data) => [...data]);
  };
  const before = await flat(net, net.parameters(), first);
  const after = await flat(training.fmodel, training.fmodel.parameters(), task.validation);
  const product = before.reduce((sum, g, i) => sum + g * after[i], 0);
  expect(await hyper.logLr.grad?.item()).toBeCloseTo(-0.3 * product, 12);
});

test("online, a window goes on where the last one stopped, and the tape doesn't reach back", async () => {
  const hyper = hyperFrom(0.3, 0.01);
  rewind();
  using whole = begin(task.net(), task);
  const expected = await window(whole, hyper, task, 4).item();
  rewind();
  using cut = begin(task.net(), task);
  window(cut, hyper, task, 2);
  cut.detach();
  const loss = window(cut, hyper, task, 2);
  expect(await loss.item()).toBeCloseTo(expected, 12);

  // The same half training from its own beginning: weights and momentum are constants in both.
  loss.backward({ inputs: [hyper.logLr] });
  rewind();
  const other = hyperFrom(0.3, 0.01);
  using first = begin(task.net(), task);
  window(first, hyperFrom(0.3, 0.01), task, 2);
  first.detach();
  window(first, other, task, 2).backward({ inputs: [other.logLr] });
  expect(await other.logLr.grad?.item()).toBeCloseTo((await hyper.logLr.grad?.item()) as number, 12);
});

test.each(["restarts", "online"] as const)("%s: a learning rate that is too small grows", async (method) => {
  const hyper = hyperFrom(1e-3, 1e-4);
  const losses: number[] = [];
  const nets: Task = { ...task, net: () => classifier(4, 3, 3) };
  await learn(hyper, nets, {
    method,
    windows: 20,
    steps: 3,
    metaLr: 0.2,
    onWindow: async (_, loss) => {
      losses.push(await loss.item());
    },
  });
  const [lr] = await hyperValues(hyper);
  expect(lr).toBeGreaterThan(1e-2);
  expect(losses).toHaveLength(20);
});
