/** Functional modules: weights in time, buffers, entry points, and who releases what. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  BatchNorm1d,
  Buffer,
  functional as F,
  GRU,
  GRUCell,
  Linear,
  LSTM,
  LSTMCell,
  Module,
  Parameter,
  RNN,
  RNNCell,
} from "@loopgrad/nn";
import {
  ArgumentError,
  getDevice,
  init,
  manualSeed,
  ones,
  ReleasedError,
  randn,
  ShapeError,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import { functionalize } from "./index.ts";
import { read, readAll } from "./testing/differences.ts";
import { MODELS } from "./testing/models.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

describe.each(MODELS)("%s", (_, make) => {
  test("forward and backward equal the module's, gradients adding up over passes", async () => {
    const model = make();
    const fmodel = functionalize(model, { initial: "detached" });
    for (let i = 0; i < 10; i++) {
      const x = randn([5, 4]);
      const [y, fy] = [model.forward(x), fmodel.forward(x)];
      expect(await read(fy)).toEqual(await read(y));
      y.square().sum().backward();
      fy.square().sum().backward();
    }
    const got = fmodel.initialParams.map((p) => p.grad);
    expect(await readAll(got)).toEqual(await readAll(model.parameters().map((p) => p.grad)));
  });

  test("ten steps by hand, on fresh batches: gradients reach every used weight of time 0", async () => {
    const model = make();
    const fmodel = functionalize(model);
    for (let k = 0; k < 10; k++) {
      const x = randn([8, 4]);
      const params = fmodel.parameters();
      const gs = grad(fmodel.forward(x).square().sum(), params, { createGraph: true, allowUnused: true });
      fmodel.update(params.map((p, i) => (gs[i] === null ? p : p.sub((gs[i] as Tensor).mul(0.01)))));
    }
    expect(fmodel.time).toBe(10);
    const meta = grad(
      fmodel
        .forward(randn([8, 4]))
        .square()
        .sum(),
      fmodel.initialParams,
      { allowUnused: true },
    );
    expect(meta.map((g) => g !== null)).toEqual(fmodel.names.map((name) => name !== "unused"));
  });
});

describe("recurrent layers", () => {
  test.each([
    ["RNN", RNN],
    ["LSTM", LSTM],
    ["GRU", GRU],
  ] as const)("%s: outputs and states, and second order through a step", async (_, Layer) => {
    const model = new Layer(10, 20, { numLayers: 2 });
    const fmodel = functionalize(model as RNN);
    const x = randn([5, 3, 10]);
    const [y, state] = model.forward(x);
    const [fy, fstate] = fmodel.forward(x);
    expect(await read(fy)).toEqual(await read(y));
    expect(await readAll([fstate].flat())).toEqual(await readAll([state].flat()));
    await reachesAll(fmodel, (f) => f.forward(x)[0]);
  });

  test.each([
    ["RNNCell", () => new RNNCell(10, 20)],
    ["GRUCell", () => new GRUCell(10, 20)],
  ] as const)("%s: a sequence of five, and second order through a step", async (_, make) => {
    const model: RNNCell | GRUCell = make();
    const fmodel = functionalize(model as RNNCell);
    const xs = Array.from({ length: 5 }, () => randn([3, 10]));
    let [h, fh]: (Tensor | null)[] = [null, null];
    for (const x of xs) {
      [h, fh] = [model.forward(x, h), fmodel.forward(x, fh)];
      expect(await read(fh)).toEqual(await read(h));
    }
    await reachesAll(fmodel, (f) => xs.reduce<Tensor | null>((state, x) => f.forward(x, state), null) as Tensor);
  });

  test("LSTMCell: a sequence of five, and second order through a step", async () => {
    const model = new LSTMCell(10, 20);
    const fmodel = functionalize(model);
    const xs = Array.from({ length: 5 }, () => randn([3, 10]));
    let [state, fstate]: ([Tensor, Tensor] | null)[] = [null, null];
    for (const x of xs) {
      [state, fstate] = [model.forward(x, state), fmodel.forward(x, fstate)];
      expect(await readAll(fstate)).toEqual(await readAll(state));
    }
    const run = (f: typeof fmodel): Tensor =>
      (xs.reduce<[Tensor, Tensor] | null>((hc, x) => f.forward(x, hc), null) as [Tensor, Tensor])[0];
    await reachesAll(fmodel, run);
  });

  /** One step, and then the gradient with respect to time 0 exists for every parameter. */
  async function reachesAll<M extends Module>(
    fmodel: ReturnType<typeof functionalize<M>>,
    output: (f: ReturnType<typeof functionalize<M>>) => Tensor,
  ): Promise<void> {
    const params = fmodel.parameters();
    const gs = grad(output(fmodel).square().sum(), params, { createGraph: true });
    fmodel.update(params.map((p, i) => p.sub((gs[i] as Tensor).mul(0.1))));
    const meta = grad(output(fmodel).square().sum(), fmodel.initialParams);
    for (const g of await readAll(meta)) expect(g.every(Number.isFinite)).toBe(true);
  }
});

describe("weights in time", () => {
  const make = () => functionalize(new Linear(1, 1, { bias: false }));

  test("time counts updates", async () => {
    const fmodel = make();
    fmodel.update([tensor([[5]])]);
    fmodel.update({ weight: tensor([[6]]) });
    expect(fmodel.time).toBe(2);
    expect(await read(fmodel.parameters({ time: 1 })[0])).toEqual([5]);
    expect(await read(fmodel.parameters({ time: -1 })[0])).toEqual([6]);
    expect(await read(fmodel.fastParams[0])).toEqual([6]);
    expect(await read(fmodel.initialParams[0])).toEqual(await read(fmodel.module.weight));
    expect(await read(fmodel.forward(tensor([[2]])))).toEqual([12]);
    expect(fmodel.namedParameters()[0][0]).toBe("weight");
  });

  test("a time that has not been is a RangeError", () => {
    const fmodel = make();
    const wrong = (latest: number, times: number[]): void => {
      for (const time of times) {
        const ask = (): unknown => fmodel.parameters({ time });
        expect(ask).toThrow(RangeError);
        expect(ask).toThrow(`time ${time}: wanted an integer from 0 to ${latest}, or -1 for the latest`);
      }
    };
    wrong(0, [1, -2, 0.5, Number.NaN, Number.POSITIVE_INFINITY]);
    fmodel.update([tensor([[5]])]);
    wrong(1, [2, -2, 0.5, 1.5]);
  });

  test("without history only time 0 and the latest are kept", () => {
    const fmodel = functionalize(new Linear(1, 1, { bias: false }), { history: "ends" });
    for (let i = 0; i < 3; i++) fmodel.update([tensor([[i]])]);
    expect(fmodel.time).toBe(3);
    expect(fmodel.initialParams).toHaveLength(1);
    expect(() => fmodel.parameters({ time: 2 })).toThrow(/not kept/);
  });

  test("update checks number, names and shapes", () => {
    const fmodel = make();
    expect(() => fmodel.update([])).toThrow("update: got 0 tensors, wanted 1");
    expect(() => fmodel.update([zeros([1, 1]), zeros([1, 1])])).toThrow(ArgumentError);
    expect(() => fmodel.withParams([zeros([1, 1]), zeros([1, 1])])).toThrow("withParams: got 2 tensors, wanted 1");
    expect(() => fmodel.withParams({ bias: zeros([1]) })).toThrow("withParams: unknown parameter bias: wanted weight");
    expect(() => fmodel.update({ bias: zeros([1]) })).toThrow(/unknown parameter bias: wanted weight/);
    expect(() => fmodel.update([zeros([2, 1])])).toThrow(ShapeError);
  });

  test("the caller's tensors stay the caller's", async () => {
    const fmodel = make();
    const w = tensor([[3]]);
    fmodel.update([w]);
    const own = await read(fmodel.module.weight);
    const view = fmodel.withParams([w]);
    for (const _ of "twice") fmodel.dispose();
    expect(await read(w)).toEqual([3]);
    const USES: (() => unknown)[] = [
      () => fmodel.forward(tensor([[1]])),
      () => fmodel.call(() => 1),
      () => view.forward(tensor([[1]])),
      () => fmodel.withParams([w]),
      () => fmodel.parameters(),
      () => fmodel.buffers,
      () => fmodel.update([w]),
      () => fmodel.detach(),
      () => fmodel.reset(),
      () => fmodel.commitTo(),
    ];
    for (const use of USES) {
      expect(use).toThrow(ReleasedError);
      expect(use).toThrow("the functional module was used after it was disposed of");
    }
    expect(await read(fmodel.module.weight)).toEqual(own);
  });

  test("weights outlive the scope they were made in", async () => {
    const fmodel = make();
    scope(() => {
      fmodel.update([ones([1, 1]).mul(4)]);
    });
    expect(await read(fmodel.forward(tensor([[2]])))).toEqual([8]);
  });

  test("withParams is a view: nothing persists", async () => {
    const fmodel = make();
    const own = await read(fmodel.forward(tensor([[1]])));
    const view = fmodel.withParams({ weight: tensor([[7]]) });
    expect(await read(view.forward(tensor([[1]])))).toEqual([7]);
    expect(await read(view.call((m) => m.weight.mul(2)))).toEqual([14]);
    expect(fmodel.time).toBe(0);
    expect(await read(fmodel.forward(tensor([[1]])))).toEqual(own);
  });

  test("detach cuts at the present time", async () => {
    const fmodel = make();
    fmodel.update(fmodel.parameters().map((p) => p.mul(2)));
    fmodel.detach();
    expect(fmodel.time).toBe(1);
    const loss = fmodel.forward(tensor([[3]])).sum();
    const [now, before] = grad(loss, [fmodel.fastParams[0], fmodel.initialParams[0]], { allowUnused: true });
    expect(await read(now)).toEqual([3]);
    expect(before).toBeNull();
  });

  test("reset starts again from the module's present parameters", async () => {
    const fmodel = make();
    fmodel.update([tensor([[5]])]);
    fmodel.module.weight.assign(tensor([[9]]));
    fmodel.reset();
    expect(fmodel.time).toBe(0);
    expect(await read(fmodel.forward(tensor([[1]])))).toEqual([9]);
  });

  test("commitTo a module that does not fit assigns nothing", async () => {
    const model = new Linear(2, 2);
    const fmodel = functionalize(model);
    fmodel.update({ bias: tensor([7, 8]) });
    // As many slots, of other shapes: the first fits.
    const other = new Linear(2, 2);
    const before = await read(other.weight);
    Object.defineProperty(other, "bias", { value: new Parameter(zeros([3])), enumerable: true });
    expect(() => fmodel.commitTo(other)).toThrow(ShapeError);
    expect(await read(other.weight)).toEqual(before);
    expect(() => fmodel.commitTo(new Linear(2, 2, { bias: false }))).toThrow(
      "commitTo: the module has 1 parameters and buffers, wanted 2",
    );
  });

  test("frozen parameters are held as they are, trainable ones at places of their own", () => {
    for (const initial of ["connected", "detached"] as const) {
      const model = new Linear(2, 2);
      model.weight.requiresGrad_(false);
      const { recorded } = getDevice().stats();
      const fmodel = functionalize(model, { initial });
      // An image is an operation; a constant is none.
      expect(getDevice().stats().recorded - recorded).toBe(initial === "connected" ? 1 : 0);
      const [weight, bias] = fmodel.parameters();
      expect([weight.requiresGrad, bias.requiresGrad]).toEqual([false, true]);
      expect(weight._value).toBe(model.weight._value);
      expect([weight.isLeaf, bias.isLeaf]).toEqual([true, initial === "detached"]);
      fmodel.update(fmodel.parameters().map((p) => p.mul(2)));
      fmodel.detach();
      expect(fmodel.parameters().map((p) => [p.requiresGrad, p.isLeaf])).toEqual([
        [false, true],
        [true, true],
      ]);
    }
  });

  test("commitTo assigns weights and buffers to the module, or to one like it", async () => {
    const model = new BatchNorm1d(1);
    const fmodel = functionalize(model);
    fmodel.forward(tensor([[1], [3]]));
    fmodel.update({ weight: tensor([4]) });
    const other = new BatchNorm1d(1);
    fmodel.commitTo(other);
    expect(await read(model.runningMean)).toEqual([0]);
    fmodel.commitTo();
    for (const m of [model, other]) {
      expect(await read(m.weight)).toEqual([4]);
      expect((await read(m.runningMean))[0]).toBeCloseTo(0.2, 12);
    }
    expect(model.weight?.isLeaf).toBe(true);
    expect(() => fmodel.commitTo(new Linear(1, 1))).toThrow(ArgumentError);
  });
});

describe("initial weights", () => {
  test("connected: an outer backward fills the module's grad, and hooks on its parameters run", async () => {
    const model = new Linear(1, 1, { bias: false });
    const fmodel = functionalize(model);
    model.weight.registerHook((g) => g.mul(100));
    fmodel.update(fmodel.parameters().map((p) => p.mul(2)));
    fmodel
      .forward(tensor([[3]]))
      .sum()
      .backward();
    expect(await read(model.weight.grad)).toEqual([600]);
  });

  test("detached: the module gets nothing, time 0 is leaves", async () => {
    const model = new Linear(1, 1, { bias: false });
    const fmodel = functionalize(model, { initial: "detached" });
    fmodel.update(fmodel.parameters().map((p) => p.mul(2)));
    fmodel
      .forward(tensor([[3]]))
      .sum()
      .backward();
    expect(model.weight.grad).toBeNull();
    expect(await read(fmodel.initialParams[0].grad)).toEqual([6]);
  });

  test("assigning the module's parameters does not reach a functional module that began before", async () => {
    const model = new Linear(1, 1, { bias: false });
    model.weight.assign(tensor([[2]]));
    const fmodel = functionalize(model);
    model.weight.assign(tensor([[50]]));
    expect(await read(fmodel.forward(tensor([[1]])))).toEqual([2]);
  });

  test("an unknown option or kind is an error", () => {
    const model = new Linear(1, 1);
    expect(() => functionalize(model, { copy: true } as object)).toThrow(/unknown option copy/);
    expect(() => functionalize(model, { initial: "copied" as "detached" })).toThrow(/wanted "connected" or "detached"/);
  });
});

describe("buffers", () => {
  test("pass from forward to forward, and the module's stay", async () => {
    const model = new BatchNorm1d(2, { momentum: 1 });
    const fmodel = functionalize(model);
    const x = tensor([
      [1, 5],
      [3, 5],
    ]);
    fmodel.forward(x);
    fmodel.forward(x.add(1));
    expect(await read(fmodel.buffers.running_mean)).toEqual([3, 6]);
    expect(await read(fmodel.buffers.num_batches_tracked)).toEqual([2]);
    expect(await read(model.runningMean)).toEqual([0, 0]);
  });

  test("of the user's own carry gradients from call to call", async () => {
    class Memory extends Module {
      readonly w = new Parameter(tensor([2]));
      readonly sum = new Buffer(tensor([0]));

      override forward(x: Tensor): Tensor {
        this.sum.assign(this.sum.add(x.mul(this.w)));
        return this.sum.mul(1);
      }
    }
    const model = new Memory();
    const fmodel = functionalize(model);
    fmodel.forward(tensor([3]));
    const [g] = grad(fmodel.forward(tensor([4])).sum(), fmodel.initialParams);
    expect(await read(g)).toEqual([7]);
    fmodel.detach();
    const [cut] = grad(fmodel.forward(tensor([4])).sum(), fmodel.fastParams);
    expect(await read(cut)).toEqual([4]);
  });
});

test("a loss function of a functional module", async () => {
  const fmodel = functionalize(new Linear(2, 2));
  const y = tensor([0, 1], { dtype: "int32" });
  expect((await read(F.crossEntropy(fmodel.forward(randn([2, 2])), y))).every(Number.isFinite)).toBe(true);
  // An async function sees the fast weights after it has waited too.
  const w = fmodel.call(async (m) => {
    await m.weight.data();
    return m.weight.mul(1);
  });
  expect(await read(await w)).toEqual(await read(fmodel.parameters()[0]));
});
