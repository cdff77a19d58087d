/** Optimizers: groups, options, state; what a step touches, and what it leaves. Trajectories are golden cases. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { functional as F, Linear, Parameter, Sequential, Tanh } from "@loopgrad/nn";
import {
  ArgumentError,
  type Device,
  init,
  manualSeed,
  randn,
  scope,
  setDevice,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import {
  Adadelta,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  ASGD,
  NAdam,
  Optimizer,
  type Params,
  RAdam,
  RMSprop,
  Rprop,
  type Scalar,
  SGD,
  type State,
  type Updated,
} from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const param = (...data: number[]): Parameter => new Parameter(tensor(data));

function setGrad(p: Parameter, ...data: number[]): void {
  p.grad = tensor(data);
}

/** A device that is the default for a block. */
const disposable = (own: Device): Disposable & { device: Device } => ({
  device: own,
  [Symbol.dispose]: () => {
    own.destroy();
    setDevice(device);
  },
});

const ALL = [
  ["SGD", (ps: Tensor[]) => new SGD(ps, { lr: 0.1, momentum: 0.9 })],
  ["Adam", (ps: Tensor[]) => new Adam(ps, { amsgrad: true })],
  ["AdamW", (ps: Tensor[]) => new AdamW(ps)],
  ["Adadelta", (ps: Tensor[]) => new Adadelta(ps)],
  ["Adagrad", (ps: Tensor[]) => new Adagrad(ps)],
  ["Adamax", (ps: Tensor[]) => new Adamax(ps)],
  ["ASGD", (ps: Tensor[]) => new ASGD(ps, { t0: 0 })],
  ["RMSprop", (ps: Tensor[]) => new RMSprop(ps, { centered: true, momentum: 0.5 })],
  ["Rprop", (ps: Tensor[]) => new Rprop(ps)],
  ["NAdam", (ps: Tensor[]) => new NAdam(ps)],
  ["RAdam", (ps: Tensor[]) => new RAdam(ps)],
] as const;

describe.each(ALL)("%s", (_, make) => {
  test("brings a loss down, with flat memory and three plans at most", async () => {
    // A device of its own: nothing that other tests left is given back by the collector meanwhile.
    using own = disposable(await init({ device: "cpu", dtype: "float64" }));
    const model = new Sequential(new Linear(2, 8), new Tanh(), new Linear(8, 1));
    const opt = make(model.parameters());
    const x = randn([16, 2]);
    const y = scope(() => x.prod(1, { keepdim: true }));
    const step = (): Tensor =>
      scope(() => {
        opt.zeroGrad();
        const loss = F.mseLoss(model.forward(x), y);
        loss.backward();
        opt.step();
        return loss.detach();
      });
    const first = await step().item();
    for (let i = 0; i < 8; i++) step().dispose();
    own.device.flush();
    const { usedBytes, plansMade } = own.device.stats();
    for (let i = 0; i < 40; i++) step().dispose();
    {
      using last = step();
      expect(await last.item()).toBeLessThan(first);
    }
    expect(own.device.stats().usedBytes).toBe(usedBytes);
    // RAdam changes its formula at the fifth or sixth step; a read at the end makes a plan of its own.
    expect(own.device.stats().plansMade - plansMade).toBeLessThanOrEqual(2);
    opt.dispose();
    model.dispose();
    for (const tensor of [x, y]) tensor.dispose();
  });

  test("leaves a parameter without a gradient, and its state, alone", async () => {
    const [a, b] = [param(1, 2), param(3, 4)];
    const opt = make([a, b]);
    setGrad(a, 1, 1);
    setGrad(b, 1, 1);
    opt.step();
    const after = await read(b);
    const state = JSON.stringify(Object.keys(opt.stateOf(b)));
    const step = opt.stateOf(b).step;
    b.grad = null;
    setGrad(a, 1, 1);
    opt.step();
    expect(await read(b)).toEqual(after);
    expect(JSON.stringify(Object.keys(opt.stateOf(b)))).toBe(state);
    expect(opt.stateOf(b).step).toBe(step);
  });

  test("continues the same from a loaded state dict", async () => {
    const [p, q] = [param(1, -2), param(0, 0)];
    const [opt, other] = [make([p]), make([q])];
    for (let i = 0; i < 3; i++) {
      setGrad(p, 0.5 * i, -1);
      opt.step();
    }
    q.assign(p);
    other.loadStateDict(opt.stateDict());
    for (const [parameter, optimizer] of [
      [p, opt],
      [q, other],
    ] as const) {
      setGrad(parameter, 0.25, 0.5);
      optimizer.step();
    }
    expect(await read(q)).toEqual(await read(p));
  });

  test("maximize climbs", async () => {
    const p = param(0, 0);
    const opt = make([p]);
    opt.paramGroups[0].maximize = true;
    setGrad(p, 1, -1);
    opt.step();
    const [up, down] = await read(p);
    expect(up).toBeGreaterThan(0);
    expect(down).toBeLessThan(0);
  });
});

test("a changed learning rate or step count makes no new plan", () => {
  const p = param(1, 2, 3);
  const opt = new Adam([p]);
  for (let i = 0; i < 3; i++) {
    setGrad(p, 1, 1, 1);
    opt.step();
  }
  const { plansMade } = device.stats();
  for (let i = 0; i < 5; i++) {
    opt.paramGroups[0].lr = 0.1 / (i + 1);
    setGrad(p, 1, 1, 1);
    opt.step();
  }
  expect(device.stats().plansMade).toBe(plansMade);
});

describe("options", () => {
  const p = (): Tensor[] => [param(1)];

  test("an unknown one is an error, also in a group", () => {
    expect(() => new SGD(p(), { learningRate: 1 } as object)).toThrow(
      /unknown option learningRate: wanted one of lr, momentum/,
    );
    expect(() => new Adam([{ params: p(), momentum: 1 } as { params: Tensor[] }])).toThrow(/unknown option momentum/);
  });

  test("values are checked as torch checks them; tensors pass", () => {
    expect(() => new SGD(p(), { lr: -1 })).toThrow(ArgumentError);
    expect(() => new SGD(p(), { nesterov: true })).toThrow(/nesterov/);
    expect(() => new SGD(p(), { lr: Number.NaN })).toThrow(ArgumentError);
    expect(() => new Adam(p(), { betas: [0.9, 1] })).toThrow(/betas\[1\] is 1, wanted a number in \[0, 1\)/);
    expect(() => new Adam(p(), { betas: [tensor(0.9), tensor(0.99)], lr: tensor(1) })).not.toThrow();
    expect(() => new Rprop(p(), { etas: [0.5, 0.9] })).toThrow(ArgumentError);
  });

  test("parameters are tensors, each once", () => {
    const [a] = p();
    expect(() => new SGD([])).toThrow(/no parameters/);
    expect(() => new SGD([a, a])).toThrow(/appears twice/);
    expect(() => new SGD([1 as unknown as Tensor])).toThrow(ArgumentError);
  });

  test("groups have their own, and can be added", async () => {
    const [a, b, c] = [param(0), param(0), param(0)];
    const opt = new SGD([{ params: [a], lr: 1 }, { params: [b] }], { lr: 0.5 });
    opt.addParamGroup({ params: [c], lr: 0.25 });
    for (const each of [a, b, c]) setGrad(each, 1);
    opt.step();
    expect([...(await read(a)), ...(await read(b)), ...(await read(c))]).toEqual([-1, -0.5, -0.25]);
    expect(() => opt.addParamGroup({ params: [a] })).toThrow(/twice/);
    expect(String(opt)).toContain("Group 2 (1 parameters)");
  });

  test("a leaf that is no parameter is stepped too; what was computed on the tape is not", async () => {
    const x = tensor([1], { requiresGrad: true });
    const opt = new SGD([x], { lr: 0.25 });
    x.square().sum().backward();
    opt.step();
    expect(await read(x)).toEqual([0.5]);
    const y = x.mul(2).retainGrad();
    y.square().sum().backward();
    expect(() => new SGD([y], { lr: 0.25 }).step()).toThrow(/computed on the tape cannot be updated in place/);
  });

  test("a tensor may be one, as for a learned rate", async () => {
    const p = param(1, 2);
    const opt = new SGD([p], { lr: tensor([0.5, 0.25]) });
    setGrad(p, 1, 1);
    opt.step();
    expect(await read(p)).toEqual([0.5, 1.75]);
  });
});

describe("state dicts", () => {
  test("have torch's layout and names", async () => {
    const [a, b] = [param(1), param(2)];
    const opt = new Adam([{ params: [a], lr: 0.5 }, { params: [b] }], { weightDecay: 0.1 });
    setGrad(b, 1);
    opt.step();
    const dict = opt.stateDict();
    expect(dict.paramGroups.map(({ lr, weight_decay, params }) => [lr, weight_decay, params])).toEqual([
      [0.5, 0.1, [0]],
      [0.001, 0.1, [1]],
    ]);
    expect(Object.keys(dict.state)).toEqual(["1"]);
    expect(Object.keys(dict.state[1])).toEqual(["step", "exp_avg", "exp_avg_sq"]);
    expect(dict.state[1].step).toBe(1);
  });

  test("of another shape are refused", () => {
    const opt = new SGD([param(1)]);
    expect(() => new SGD([param(1), param(2)]).loadStateDict(opt.stateDict())).toThrow(/groups of \[1\]/);
  });
});

test("a step that fails changes nothing", async () => {
  const [a, b] = [param(1), param(1)];
  class Picky extends Optimizer<{ lr: Scalar }> {
    constructor(params: Params<{ lr: Scalar }>) {
      super(params, {}, { lr: 1 });
    }
    override update(p: Tensor, g: Tensor, state: State): Updated {
      if (p === b) throw new Error("no");
      return { param: p.sub(g), state };
    }
  }
  const opt = new Picky([a, b]);
  setGrad(a, 1);
  setGrad(b, 1);
  expect(() => opt.step()).toThrow("no");
  expect(await read(a)).toEqual([1]);
});

test("zeroGrad drops the gradients", () => {
  const p = param(1);
  setGrad(p, 1);
  new SGD([p]).zeroGrad();
  expect(p.grad).toBeNull();
  expect(zeros([1]).grad).toBeNull();
});

test("flags, pairs and states of another shape are refused, before anything changes", async () => {
  const p = new Parameter(zeros([3]));
  expect(() => new Adam([p], { amsgrad: "no" as unknown as boolean })).toThrow(/amsgrad is no, wanted true or false/);
  expect(() => new Adam([p], { betas: [0.9, 0.99, 0.8] as unknown as [number, number] })).toThrow(/wanted a pair/);
  const opt = new Adam([p], { lr: 0.5 });
  p.grad = tensor([1, 1, 1]);
  opt.step();
  const other = new Adam([new Parameter(zeros([4]))], { lr: 0.1 });
  expect(() => other.loadStateDict(opt.stateDict())).toThrow(/exp_avg of parameter 0 is \[3\], the parameter \[4\]/);
  expect(other.paramGroups[0].lr).toBe(0.1);
});
