/**
 * Recurrences: what a program carries from step to step costs the same at every step, whatever is read of it, however
 * long it runs, and without a word about what it has done with.
 *
 * Each form runs as a user would write it, a number read at every step. Beside it runs the same form in float64, with
 * the whole state read and given anew at every step, so that nothing is carried at all: the numbers must agree.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { noGrad } from "@loopgrad/autograd";
import { conv2d, type Device, type DType, init, keep, scope, setDevice, type Tensor, tensor } from "@loopgrad/tensor";
import { Embedding, GRUCell, Linear, LSTMCell, type Module, RNNCell } from "./index.ts";

type State = Record<string, Tensor>;

/** Makes tensors of the run's dtype: element k is fn(k). */
type Make = (shape: number[], fn: (k: number) => number) => Tensor;

interface Form {
  start(make: Make): State;
  /** What does not change. */
  given?(make: Make): State;
  modules?(): Record<string, Module>;
  step(state: State, given: State, i: number, modules: Record<string, Module>, make: Make): State;
  /** The one thing that is read, after the step. */
  watch(state: State, given: State): Tensor;
}

const WIDTH = 24;
const wave = (k: number): number => Math.sin(3 * k + 1) / 5;
const zero = (): number => 0;
const row = (make: Make, fn = wave): Tensor => make([1, WIDTH], fn);
const square = (make: Make): State => ({ W: make([WIDTH, WIDTH], (k) => Math.sin(k * k) / 5) });
const cells = (state: State): Tensor[] => [state.h, state.c];
const input = (make: Make, i: number): Tensor => row(make, (k) => Math.sin(i + k));

const lstm: Form = {
  start: (make) => ({ h: row(make, zero), c: row(make, zero) }),
  given: square,
  step({ h, c }, { W }) {
    const g = h.add(0.1).matmul(W).sigmoid();
    const next = g.mul(c).add(h).mul(0.5);
    return { c: next, h: next.tanh() };
  },
  watch: ({ h }, { W }) => h.matmul(W).sum(),
};

const FORMS: Record<string, Form> = {
  "gates by hand, two values carried": lstm,
  "gates by hand, of few elements": {
    ...lstm,
    start: (make) => ({ h: make([1, 4], wave), c: make([1, 4], zero) }),
    given: (make) => ({ W: make([4, 4], wave) }),
  },
  RNNCell: {
    start: (make) => ({ h: row(make, zero) }),
    modules: () => ({ cell: new RNNCell(WIDTH, WIDTH) }),
    step: ({ h }, _, i, { cell }, make) => ({ h: (cell as RNNCell).forward(input(make, i), h) }),
    watch: ({ h }) => h.square().sum(),
  },
  LSTMCell: {
    start: (make) => ({ h: row(make, zero), c: row(make, zero) }),
    modules: () => ({ cell: new LSTMCell(WIDTH, WIDTH) }),
    step({ h, c }, _, i, { cell }, make) {
      const [nextH, nextC] = (cell as LSTMCell).forward(input(make, i), [h, c]);
      return { h: nextH, c: nextC };
    },
    watch: ({ h }) => h.square().sum(),
  },
  "GRUCell, read one step late": {
    start: (make) => ({ h: row(make, zero), late: row(make, zero) }),
    modules: () => ({ cell: new GRUCell(WIDTH, WIDTH) }),
    step: ({ h }, _, i, { cell }, make) => ({ h: (cell as GRUCell).forward(input(make, i), h), late: h }),
    watch: ({ late }) => late.square().sum(),
  },
  "greedy decoding with an LSTM": {
    start: (make) => ({ h: row(make, zero), c: row(make, zero), token: tensor(Int32Array.of(1)) }),
    modules: () => ({
      cell: new LSTMCell(WIDTH, WIDTH),
      embedding: new Embedding(7, WIDTH),
      head: new Linear(WIDTH, 7),
    }),
    step({ h, c, token }, _, __, { cell, embedding, head }) {
      const [nextH, nextC] = (cell as LSTMCell).forward((embedding as Embedding).forward(token), [h, c]);
      return { h: nextH, c: nextC, token: (head as Linear).forward(nextH).argmax(1) };
    },
    watch: ({ token, h }) => token.to(h.dtype).sum(),
  },
  "Adam by hand": {
    start: (make) => ({ w: row(make), m: row(make, zero), v: row(make, zero) }),
    given: (make) => ({ target: row(make, (k) => k / WIDTH) }),
    step({ w, m, v }, { target }, i) {
      const g = w.sub(target).mul(2);
      const m2 = m.mul(0.9).add(g.mul(0.1));
      const v2 = v.mul(0.99).add(g.square().mul(0.01));
      const [mHat, vHat] = [m2.div(1 - 0.9 ** (i + 1)), v2.div(1 - 0.99 ** (i + 1))];
      return { w: w.sub(mHat.div(vHat.sqrt().add(1e-3)).mul(0.01)), m: m2, v: v2 };
    },
    watch: ({ w }, { target }) => w.sub(target).square().sum(),
  },
  "momentum, the loss read before the step": {
    start: (make) => ({ w: row(make), v: row(make, zero), loss: make([], zero) }),
    given: square,
    step({ w, v }, { W }) {
      const error = w.matmul(W).sub(1);
      const next = v.mul(0.9).add(error.matmul(W.transpose(0, 1)).mul(0.05));
      return { loss: error.square().sum(), v: next, w: w.sub(next) };
    },
    watch: ({ loss }) => loss,
  },
  "moving averages of three speeds": {
    start: (make) => ({ a: row(make), b: row(make), c: row(make) }),
    step({ a, b, c }, _, i, __, make) {
      const x = input(make, i);
      const average = (old: Tensor, rate: number): Tensor => old.mul(1 - rate).add(x.mul(rate));
      return { a: average(a, 0.5), b: average(b, 0.1), c: average(c, 0.01) };
    },
    watch: ({ a }) => a.sum(),
  },
  "Kalman filter": {
    start: (make) => ({ x: make([4, 1], wave), P: make([4, 4], (k) => (k % 5 === 0 ? 1 : 0)) }),
    given: (make) => ({
      F: make([4, 4], (k) => (k % 5 === 0 ? 0.9 : k === 1 || k === 11 ? 0.1 : 0)),
      H: make([1, 4], (k) => (k % 2 === 0 ? 1 : 0)),
      Q: make([4, 4], (k) => (k % 5 === 0 ? 0.01 : 0)),
    }),
    step({ x, P }, { F, H, Q }, i) {
      const xPrior = F.matmul(x);
      const PPrior = F.matmul(P).matmul(F.transpose(0, 1)).add(Q);
      const PH = PPrior.matmul(H.transpose(0, 1));
      const gain = PH.div(H.matmul(PH).add(0.1));
      return {
        x: xPrior.add(
          gain.mul(
            H.matmul(xPrior)
              .neg()
              .add(Math.sin(i / 5)),
          ),
        ),
        P: PPrior.sub(gain.matmul(PH.transpose(0, 1))),
      };
    },
    watch: ({ x }) => x.sum(),
  },
  "leapfrog, the energy read": {
    start: (make) => ({ q: row(make), p: row(make, Math.cos) }),
    step({ q, p }) {
      const half = p.sub(q.mul(0.05));
      const next = q.add(half.mul(0.1));
      return { q: next, p: half.sub(next.mul(0.05)) };
    },
    watch: ({ q, p }) => q.square().add(p.square()).sum(),
  },
  "velocity Verlet, positions read alone": {
    start: (make) => ({ x: row(make), v: row(make, zero), a: row(make, zero) }),
    step({ x, v, a }) {
      const next = x.add(v.mul(0.1)).add(a.mul(0.005));
      const force = next.sin().neg();
      return { x: next, v: v.add(a.add(force).mul(0.05)), a: force };
    },
    watch: ({ x }) => x.sum(),
  },
  "Euler steps of an oscillator": {
    start: (make) => ({ x: row(make), y: row(make, Math.cos) }),
    step: ({ x, y }) => ({ x: x.add(y.mul(0.01)), y: y.add(x.neg().sub(y.mul(0.3)).mul(0.01)) }),
    watch: ({ y }) => y.sum(),
  },
  "power iteration": {
    start: (make) => ({ v: make([WIDTH, 1], () => 1), norm: make([], zero) }),
    given: (make) => ({ A: make([WIDTH, WIDTH], (k) => 1 / (1 + Math.floor(k / WIDTH) + (k % WIDTH))) }),
    step({ v }, { A }) {
      const next = A.matmul(v);
      const norm = next.square().sum().sqrt();
      return { v: next.div(norm), norm };
    },
    watch: ({ norm }) => norm,
  },
  "Newton's iteration for the roots": {
    start: (make) => ({ x: row(make, () => 3) }),
    given: (make) => ({ a: row(make, (k) => k + 1) }),
    step: ({ x }, { a }) => ({ x: x.add(a.div(x)).mul(0.5) }),
    watch: ({ x }) => x.sum(),
  },
  PageRank: {
    start: (make) => ({ r: make([1, WIDTH], () => 1 / WIDTH) }),
    given: (make) => ({ M: make([WIDTH, WIDTH], (k) => ((k % 7) + (k % 3) + 1) % 4) }),
    step({ r }, { M }) {
      const links = M.div(M.sum(1, { keepdim: true }));
      return {
        r: r
          .matmul(links)
          .mul(0.85)
          .add(0.15 / WIDTH),
      };
    },
    watch: ({ r }) => r.square().sum(),
  },
  "Chebyshev's three terms": {
    start: (make) => ({ now: row(make), before: row(make, () => 1) }),
    given: (make) => ({ x: row(make) }),
    step: ({ now, before }, { x }) => ({ now: x.mul(now).mul(2).sub(before), before: now }),
    watch: ({ now }) => now.sum(),
  },
  "a filter with three delays": {
    start: (make) => ({ a: row(make, zero), b: row(make, zero), c: row(make, zero) }),
    step({ a, b, c }, _, i, __, make) {
      const y = input(make, i).add(a.mul(0.5)).sub(b.mul(0.3)).add(c.mul(0.1));
      return { a: y, b: a, c: b };
    },
    watch: ({ a }) => a.abs().sum(),
  },
  "running mean and variance": {
    start: (make) => ({ mean: row(make, zero), m2: row(make, zero) }),
    step({ mean, m2 }, _, i, __, make) {
      const x = input(make, i);
      const delta = x.sub(mean);
      const next = mean.add(delta.div(i + 1));
      return { mean: next, m2: m2.add(delta.mul(x.sub(next))) };
    },
    watch: ({ m2 }) => m2.sum(),
  },
  "conjugate gradients, begun anew at every sixth step": {
    start: (make) => ({ x: row(make, zero), r: row(make), p: row(make) }),
    given: (make) => ({
      A: make([WIDTH, WIDTH], (k) =>
        k % (WIDTH + 1) === 0 ? 3 : Math.abs((k % WIDTH) - Math.floor(k / WIDTH)) === 1 ? 1 : 0,
      ),
    }),
    step({ x, r, p }, { A }, i, _, make) {
      if (i % 6 === 0) return { x: row(make, zero), r: row(make), p: row(make) };
      const Ap = p.matmul(A);
      const rr = r.square().sum();
      const alpha = rr.div(p.mul(Ap).sum());
      const next = r.sub(Ap.mul(alpha));
      return { x: x.add(p.mul(alpha)), r: next, p: next.add(p.mul(next.square().sum().div(rr))) };
    },
    watch: ({ x }) => x.sum(),
  },
  Sinkhorn: {
    start: (make) => ({ u: make([5, 1], () => 1), v: make([1, 5], () => 1) }),
    given: (make) => ({ K: make([5, 5], (k) => Math.exp(-((k * 7) % 11) / 10)) }),
    step({ v }, { K }) {
      const u = K.mul(v).sum(1, { keepdim: true }).reciprocal().div(5);
      return { u, v: K.mul(u).sum(0, { keepdim: true }).reciprocal().div(5) };
    },
    watch: ({ u, v }, { K }) => K.mul(u).mul(v).amax(),
  },
  "the game of life": {
    start: (make) => ({ board: make([1, 1, 8, 8], (k) => ((k * k + 3 * k) % 5 < 2 ? 1 : 0)) }),
    given: (make) => ({ ring: make([1, 1, 3, 3], (k) => (k === 4 ? 0 : 1)) }),
    step({ board }, { ring }) {
      const around = conv2d(board, ring, null, { padding: 1 });
      return { board: around.add(board.mul(0.5)).sub(3).abs().le(0.5).to(board.dtype) };
    },
    watch: ({ board }) => board.sum(),
  },
  "a table of values, learned by differences": {
    start: (make) => ({ Q: make([6, 4], zero) }),
    step({ Q }, _, i) {
      const [at, next] = [tensor(Int32Array.of((i * 5) % 24)), tensor(Int32Array.of((i * 5 + 7) % 6))];
      const flat = Q.reshape([24]);
      const best = Q.indexSelect(0, next).amax();
      const error = best.mul(0.9).add(Math.cos(i)).sub(flat.indexSelect(0, at));
      return { Q: flat.scatterAdd(0, at, error.mul(0.2)).reshape([6, 4]) };
    },
    watch: ({ Q }) => Q.sum(),
  },
  "gates by hand, detached": {
    ...lstm,
    step(...args) {
      const { h, c } = lstm.step(...args);
      return { h: h.detach(), c: c.detach() };
    },
  },
  "gates by hand, kept from a scope": {
    ...lstm,
    step: (...args) => {
      using _ = scope();
      return keep(lstm.step(...args));
    },
  },
  "gates by hand, what went before disposed of": {
    ...lstm,
    step: (state, ...rest) => {
      using _ = scope();
      const next = keep(lstm.step(state, ...rest));
      for (const tensor of cells(state)) tensor.dispose();
      return next;
    },
  },
};

/** The software adapter needs milliseconds a step. */
const STEPS = process.env.LOOPGRAD_FULL === undefined ? { cpu: 170, webgpu: 130 } : { cpu: 300, webgpu: 160 };

/** The numbers of each form where nothing is carried: those of the longest run serve the others. */
const oracles = new Map<Form, Promise<number[]>>();

async function numbersOf(oracle: Device, form: Form): Promise<number[]> {
  const found =
    oracles.get(form) ?? run(oracle, "float64", form, Math.max(...Object.values(STEPS)), true).then((r) => r.numbers);
  oracles.set(form, found);
  return found;
}

/** The runs' numbers, and what the device counted in each step. */
async function run(
  device: Device,
  dtype: DType,
  { start, given, modules, step, watch }: Form,
  steps: number,
  anew = false,
) {
  setDevice(device);
  using _ = noGrad();
  const make: Make = (shape, fn) =>
    tensor(
      Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, k) => fn(k)),
      { shape, dtype },
    );
  const nets = modules?.() ?? {};
  for (const net of Object.values(nets)) {
    net.to(dtype);
    for (const p of net.parameters()) p.assign(make([...p.shape], (k) => Math.sin(k * k + k) / 3));
  }
  const fixed = given?.(make) ?? {};
  let state = start(make);
  const numbers: number[] = [];
  const dispatches: number[] = [];
  const bytes: number[] = [];
  const plans: number[] = [];
  for (let i = 0; i < steps; i++) {
    const before = device.stats();
    state = step(state, fixed, i, nets, make);
    numbers.push(await watch(state, fixed).item());
    if (anew) state = await copied(state);
    const { dispatches: now, usedBytes, plansMade } = device.stats();
    dispatches.push(now - before.dispatches);
    bytes.push(usedBytes);
    plans.push(plansMade);
  }
  return { numbers, dispatches, bytes, plans };
}

async function copied(state: State): Promise<State> {
  const entries = Object.entries(state).map(async ([name, x]) => {
    const { shape, dtype } = x;
    return [name, tensor(await x.data(), { shape, dtype })] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  let oracle: Device;
  beforeAll(async () => {
    device = await init({ device: name });
    oracle = name === "cpu" ? device : await init({ device: "cpu" });
  });
  afterAll(() => {
    if (device !== oracle) device.destroy();
  });

  test.each(Object.entries(FORMS))("as much at every step: %s", async (_, form) => {
    const { numbers, dispatches, bytes, plans } = await run(device, "float32", form, STEPS[name]);
    const [early, late] = [[20, 75], [-55]] as const;
    expect(Math.max(...dispatches.slice(...late))).toBeLessThanOrEqual(Math.max(...dispatches.slice(...early)));
    expect(plans[STEPS[name] - 1]).toBe(plans[20]);
    expect(Math.max(...bytes.slice(...late))).toBeLessThanOrEqual(Math.max(...bytes.slice(...early)));
    const wanted = (await numbersOf(oracle, form)).slice(0, STEPS[name]);
    const size = Math.max(...wanted.map(Math.abs));
    wanted.forEach((x, i) => {
      expect(Math.abs(numbers[i] - x)).toBeLessThan(2e-4 * Math.max(size, 1));
    });
  });
});
