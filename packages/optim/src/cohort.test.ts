/** Steps over many parameters at once: the same as one by one, in a number of dispatches that does not grow. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { functional as F, Linear, Parameter, Sequential, Tanh } from "@loopgrad/nn";
import {
  type Device,
  init,
  manualSeed,
  numel,
  randn,
  type Shape,
  scope,
  setDevice,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import {
  Adadelta,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  ASGD,
  clipGradNorm,
  clipGradValue,
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

let cpu: Device;
let gpu: Device;
beforeAll(async () => {
  gpu = await init({ device: "webgpu" });
  cpu = await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});
afterAll(() => gpu?.destroy());

type Make = (params: Tensor[]) => Optimizer<{ lr: Scalar; maximize: boolean }>;
const ALL: [string, Make][] = [
  ["SGD", (ps) => new SGD(ps, { lr: 0.1 })],
  ["SGD with Nesterov's momentum", (ps) => new SGD(ps, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1 })],
  ["Adam", (ps) => new Adam(ps, { lr: 0.1 })],
  ["Adam with amsgrad", (ps) => new Adam(ps, { lr: 0.1, amsgrad: true, weightDecay: 0.1 })],
  ["AdamW", (ps) => new AdamW(ps, { lr: 0.1 })],
  ["Adadelta", (ps) => new Adadelta(ps, { weightDecay: 0.1 })],
  ["Adagrad", (ps) => new Adagrad(ps, { lrDecay: 0.1, initialAccumulatorValue: 0.5 })],
  ["Adamax", (ps) => new Adamax(ps, { lr: 0.1 })],
  ["ASGD", (ps) => new ASGD(ps, { lr: 0.1, t0: 1 })],
  ["RMSprop", (ps) => new RMSprop(ps, { centered: true, momentum: 0.5, weightDecay: 0.1 })],
  ["Rprop", (ps) => new Rprop(ps)],
  ["NAdam", (ps) => new NAdam(ps, { decoupledWeightDecay: true, weightDecay: 0.1 })],
  ["RAdam", (ps) => new RAdam(ps, { lr: 0.1 })],
];

const read = async (xs: readonly Tensor[]): Promise<number[][]> =>
  Promise.all(xs.map(async (x) => Array.from(await x.data())));
/** Differing shapes: a number, vectors, matrices, more. */
const shapeOf = (i: number): Shape => [[], [1 + (i % 5)], [2 + (i % 7), 3], [2, 1 + (i % 3), 2]][i % 4];
const parameters = (count: number): Parameter[] =>
  Array.from({ length: count }, (_, i) => new Parameter(randn(shapeOf(i))));

/** Parameters under one optimizer, and equal ones under an optimizer each. */
class Twins {
  readonly params = parameters(9);
  readonly others = this.params.map((param) => new Parameter(param.detach()));
  opt: ReturnType<Make>;
  opts: ReturnType<Make>[];

  constructor(readonly make: Make) {
    this.opt = make(this.params);
    this.opts = this.others.map((param) => make([param]));
  }

  /** A step for the parameters with these numbers. */
  step(which: (i: number) => boolean = () => true): void {
    for (const [i, param] of this.params.entries()) {
      for (const each of [param, this.others[i]]) each.grad?.dispose();
      param.grad = which(i) ? randn(param.shape) : null;
      this.others[i].grad = param.grad?._share() ?? null;
    }
    this.opt.step();
    for (const opt of this.opts) opt.step();
  }

  async agree(): Promise<void> {
    expect(await read(this.params)).toEqual(await read(this.others));
    for (const [i, param] of this.params.entries()) {
      const [state, other] = [this.opt.stateOf(param), this.opts[i].stateOf(this.others[i])];
      expect(Object.keys(state)).toEqual(Object.keys(other));
      for (const [name, value] of Object.entries(state)) {
        if (typeof value === "number") expect([name, value]).toEqual([name, other[name]]);
        else {
          expect(value.shape).toEqual(param.shape);
          expect(await read([value])).toEqual(await read([other[name] as Tensor]));
        }
      }
    }
  }
}

describe.each(ALL)("%s, many parameters at once", (_, make) => {
  test("does to each what it does to one alone, whatever happens between steps", async () => {
    using _s = scope();
    const twins = new Twins(make);
    for (let i = 0; i < 7; i++) twins.step();
    await twins.agree();
    // Some have no gradient: alternately, then in ever other sets.
    for (let i = 0; i < 4; i++) twins.step((k) => k < 6 === (i % 2 === 0));
    for (let i = 0; i < 4; i++) twins.step((k) => (k * (i + 2)) % 5 !== 0);
    twins.step((k) => k > 6);
    await twins.agree();
    // Another rate, and uphill.
    for (const { paramGroups } of [twins.opt, ...twins.opts])
      Object.assign(paramGroups[0], { lr: 0.02, maximize: true });
    twins.step();
    await twins.agree();
    // A value assigned by hand.
    const value = randn(twins.params[5].shape);
    for (const { [5]: param } of [twins.params, twins.others]) param.assign(value);
    twins.step();
    await twins.agree();
    // State taken out and put into another optimizer, and the state of one parameter dropped.
    const dict = twins.opt.stateDict();
    twins.step();
    const again = make(twins.params);
    again.loadStateDict(dict);
    for (const [i, opt] of twins.opts.entries()) {
      const other = make([twins.others[i]]);
      other.loadStateDict({
        ...dict,
        state: { 0: dict.state[i] },
        paramGroups: [{ ...dict.paramGroups[0], params: [0] }],
      });
      opt.dispose();
      twins.opts[i] = other;
    }
    twins.opt.dispose();
    twins.opt = again;
    again.setState(twins.params[2], {});
    twins.opts[2].setState(twins.others[2], {});
    twins.step();
    await twins.agree();
    for (const opt of [twins.opt, ...twins.opts]) opt.dispose();
  });

  test("updates 200 tensors in at most four dispatches, and is then flat", async () => {
    using _s = scope();
    setDevice(gpu);
    try {
      const uploaded = (shape: Shape, i: number): Tensor =>
        tensor(Float32Array.from({ length: numel(shape) }, (_, k) => Math.sin(i + k))).reshape(shape);
      const params = Array.from({ length: 200 }, (_, i) => new Parameter(uploaded(shapeOf(i), i)));
      const opt = make(params);
      for (const [i, param] of params.entries()) param.grad = uploaded(param.shape, 2 * i);
      gpu.flush();
      const step = (i: number) => {
        opt.paramGroups[0].lr = 0.01 / (i + 1);
        const before = gpu.stats();
        opt.step();
        const after = gpu.stats();
        expect(after.submits - before.submits).toBe(1);
        return after.dispatches - before.dispatches;
      };
      // RAdam's formula changes at the sixth step.
      for (let i = 0; i < 10; i++) expect(step(i)).toBeLessThanOrEqual(4);
      const before = gpu.stats();
      for (let i = 10; i < 14; i++) expect(step(i)).toBeLessThanOrEqual(4);
      const after = gpu.stats();
      for (const name of [
        "plansMade",
        "pipelinesCreated",
        "bindGroupsCreated",
        "buffersCreated",
        "bytes",
        "usedBytes",
      ] as const) {
        expect([name, after[name]]).toEqual([name, before[name]]);
      }
      opt.dispose();
      for (const param of params) param.dispose();
    } finally {
      setDevice(cpu);
    }
  });
});

test("on WebGPU values are those of the cpu", async () => {
  const trajectory = async (device: Device): Promise<number[][]> => {
    setDevice(device);
    manualSeed(3);
    const model = new Sequential(new Linear(3, 5), new Tanh(), new Linear(5, 4), new Tanh(), new Linear(4, 2));
    const params = model.parameters();
    for (const [i, param] of params.entries()) {
      param.assign(
        tensor(Float32Array.from({ length: param.size }, (_, k) => Math.sin(3 * i + k)))
          .reshape(param.shape)
          .to(device.defaultDType),
      );
    }
    const opt = new Adam(params, { lr: 0.05 });
    const x = tensor([
      [0.5, -1, 2],
      [1, 0.25, -0.5],
    ]);
    for (let i = 0; i < 5; i++) {
      using _ = scope();
      opt.zeroGrad();
      const loss = F.mseLoss(model.forward(x), x.slice(1, 0, 2));
      if (i === 2) await loss.item();
      loss.backward();
      if (i === 3) device.flush();
      clipGradNorm(params, 0.5);
      opt.step();
    }
    return read(params);
  };
  const [wanted, got] = [await trajectory(cpu), await trajectory(gpu)];
  setDevice(cpu);
  for (const [i, numbers] of wanted.entries()) {
    for (const [k, x] of numbers.entries()) expect(Math.abs(got[i][k] - x)).toBeLessThan(1e-4);
  }
});

describe("rules that are not known to be elementwise run on each parameter", () => {
  /** Steps of unit length, for each parameter as a whole. */
  class Normalized extends Optimizer<{ lr: Scalar }> {
    constructor(params: Params<{ lr: Scalar }>) {
      super(params, {}, { lr: 1 });
    }
    override update(p: Tensor, g: Tensor, state: State, { lr }: { lr: Scalar }): Updated {
      return { param: p.sub(g.div(g.norm()).mul(lr)), state };
    }
  }
  /** A rule of its own in a subclass of one that is elementwise. */
  class Clipped extends SGD {
    override update(p: Tensor, g: Tensor, state: State, hyper: SGD["paramGroups"][0]): Updated {
      return super.update(p, g.div(g.norm()), state, hyper);
    }
  }
  const unit = async (opt: Optimizer<{ lr: Scalar }>, params: Parameter[]) => {
    const before = await read(params);
    opt.step();
    for (const [i, after] of (await read(params)).entries()) {
      expect(Math.hypot(...after.map((x, k) => x - before[i][k]))).toBeCloseTo(1, 10);
    }
  };
  const withGrads = (): Parameter[] => {
    const params = parameters(8);
    for (const param of params) param.grad = randn(param.shape);
    return params;
  };

  test("a class of one's own", async () => {
    const params = withGrads();
    await unit(new Normalized(params), params);
  });

  test("a subclass with another update", async () => {
    const params = withGrads();
    await unit(new Clipped(params, { lr: 1 }) as never, params);
  });

  test("an update replaced on one optimizer", async () => {
    const params = withGrads();
    const opt = new SGD(params, { lr: 1 });
    opt.update = (p, g, state) => ({ param: p.sub(g.div(g.norm())), state });
    await unit(opt as never, params);
  });

  test("a class that says so and is not is told", () => {
    class Wrong extends Normalized {
      static override readonly elementwise = true;
      override update(p: Tensor, g: Tensor): Updated {
        return { param: p.sub(g), state: { length: g.reshape([1, g.size]) } };
      }
    }
    expect(() => new Wrong(withGrads()).step()).toThrow(
      /Wrong: update returned length in another shape .* elementwise/,
    );
  });
});

test("a rate for every element, and gradients of another dtype, are left to each parameter", async () => {
  const params = Array.from({ length: 6 }, () => new Parameter(tensor([1, 1])));
  for (const param of params) param.grad = tensor([1, 1]);
  const opt = new SGD(params, { lr: tensor([0.5, 0.25]) });
  opt.step();
  expect(await read(params)).toEqual(params.map(() => [0.5, 0.75]));
  opt.paramGroups[0].lr = tensor(0.5);
  opt.step();
  expect(await read(params)).toEqual(params.map(() => [0, 0.25]));
});

test("a 0-d tensor in the state is shared by those that step together, and goes along when they part", async () => {
  const make = (params: Tensor[]) => new ASGD(params, { lr: tensor(0.1), t0: 1 });
  using _s = scope();
  const twins = new Twins(make as Make);
  for (let i = 0; i < 3; i++) twins.step();
  for (let i = 0; i < 3; i++) twins.step((k) => k < 6);
  twins.step();
  expect(await read(twins.params)).toEqual(await read(twins.others));
});

test("groups have cohorts of their own, and parameters can be added", async () => {
  const [a, b, c] = [0, 1, 2].map(() => Array.from({ length: 6 }, () => new Parameter(tensor([0]))));
  for (const param of [...a, ...b, ...c]) param.grad = tensor([1]);
  const opt = new SGD([{ params: a, lr: 1 }, { params: b }], { lr: 0.5, momentum: 0.5 });
  opt.step();
  opt.addParamGroup({ params: c, lr: 0.25 });
  opt.step();
  const wanted = [...a.map(() => -2.5), ...b.map(() => -1.25), ...c.map(() => -0.25)];
  expect((await read([...a, ...b, ...c])).flat()).toEqual(wanted);
});

test("clipping before a step adds a number of dispatches that does not grow either", async () => {
  const dispatches = (count: number, flushed: boolean): number => {
    using _s = scope();
    const params = Array.from({ length: count }, (_, i) => new Parameter(tensor(new Float32Array(2 + i).fill(1))));
    for (const [i, param] of params.entries()) param.grad = tensor(new Float32Array(2 + i).fill(0.5));
    // Two groups: the gradients are packed for the norm in one way, for the steps in another.
    const opt = new Adam([
      { params: params.slice(0, count / 3) },
      { params: params.slice(count / 3), weightDecay: 0.1 },
    ]);
    gpu.flush();
    const before = gpu.stats().dispatches;
    clipGradNorm(params, 1);
    clipGradValue(params, 0.5);
    if (flushed) gpu.flush();
    opt.step();
    const after = gpu.stats().dispatches;
    opt.dispose();
    for (const param of params) param.dispose();
    return after - before;
  };
  setDevice(gpu);
  try {
    for (const flushed of [false, true]) {
      // Both are more elements than one kernel sums up.
      const few = dispatches(66, flushed);
      expect(few).toBeLessThanOrEqual(8);
      expect(dispatches(132, flushed)).toBe(few);
    }
  } finally {
    setDevice(cpu);
  }
});

test("a value of a parameter keeps its elements when the parameter moves on", async () => {
  const params = Array.from({ length: 6 }, (_, i) => new Parameter(tensor([i])));
  const opt = new SGD(params, { lr: 1 });
  const kept: Tensor[] = [];
  for (let i = 0; i < 3; i++) {
    for (const param of params) param.grad = tensor([1]);
    kept.push(params[5]._share());
    opt.step();
  }
  expect((await read(kept)).flat()).toEqual([5, 4, 3]);
});
