/** Schedules: what golden cases do not show. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { Parameter } from "@loopgrad/nn";
import { ArgumentError, init, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import * as optim from "./index.ts";
import {
  Adam,
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  LRScheduler,
  MultiStepLR,
  OneCycleLR,
  type PlateauOptions,
  PolynomialLR,
  ReduceLROnPlateau,
  Rprop,
  type Scheduled,
  SequentialLR,
  SGD,
  StepLR,
} from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const optimizer = (lr = 1): SGD => new SGD([new Parameter(tensor([1]))], { lr, momentum: 0.9 });

function rates(schedule: LRScheduler, steps: number): number[] {
  const seen = schedule.getLastLr();
  for (let i = 0; i < steps; i++) {
    schedule.step();
    seen.push(...schedule.getLastLr());
  }
  return seen;
}

test("at is pure: it gives any step's rate, and changes nothing", () => {
  const opt = optimizer();
  const schedule = new StepLR(opt, { stepSize: 2, gamma: 0.5 });
  expect([0, 1, 2, 5].map((step) => schedule.at(step, 8))).toEqual([8, 8, 4, 2]);
  expect(opt.paramGroups[0].lr).toBe(1);
  expect(rates(schedule, 4)).toEqual([1, 1, 0.5, 0.5, 0.25]);
});

test("a function of the step", () => {
  expect(rates(new LambdaLR(optimizer(4), (step) => 1 / (1 + step)), 3)).toEqual([4, 2, 4 / 3, 1]);
});

test("each group goes from its own rate", () => {
  const [a, b] = [new Parameter(tensor([1])), new Parameter(tensor([1]))];
  const opt = new SGD([
    { params: [a], lr: 1 },
    { params: [b], lr: 10 },
  ]);
  const schedule = new ExponentialLR(opt, { gamma: 0.5 });
  schedule.step();
  expect(opt.paramGroups.map(({ lr }) => lr)).toEqual([0.5, 5]);
});

test("a restart comes when its cycle is over, cycles get longer", () => {
  const seen = rates(new CosineAnnealingWarmRestarts(optimizer(), { t0: 2, tMult: 2 }), 7);
  [1, 0.5, 1, 0.853553, 0.5, 0.146447, 1].forEach((wanted, i) => {
    expect(seen[i]).toBeCloseTo(wanted, 5);
  });
});

test("schedules one after the other", () => {
  const opt = optimizer();
  const schedulers = [
    new ConstantLR(opt, { factor: 0.5, totalIters: 9 }),
    new LinearLR(opt, { startFactor: 1, endFactor: 0, totalIters: 2 }),
  ];
  expect(rates(new SequentialLR(opt, { schedulers, milestones: [2] }), 4)).toEqual([0.5, 0.5, 1, 0.5, 0]);
});

test("one cycle moves beta1 of Adam, and ends", () => {
  const opt = new Adam([new Parameter(tensor([1]))]);
  const schedule = new OneCycleLR(opt, {
    maxLr: 1,
    totalSteps: 4,
    pctStart: 0.5,
    annealStrategy: "linear",
    threePhase: true,
  });
  expect(opt.paramGroups[0].betas[0]).toBeCloseTo(0.95);
  schedule.step();
  expect(opt.paramGroups[0].betas[0]).toBeCloseTo(0.85);
  for (let i = 0; i < 3; i++) schedule.step();
  expect(() => schedule.step()).toThrow(/beyond the cycle/);
});

test("a plateau counts by the threshold, waits out its cooldown, and stops at the least rate", () => {
  const opt = optimizer();
  const schedule = new ReduceLROnPlateau(opt, {
    mode: "max",
    factor: 0.1,
    patience: 0,
    cooldown: 1,
    minLr: 0.05,
    threshold: 0.5,
    thresholdMode: "abs",
  });
  const seen = [1, 1.4, 1, 1, 1, 1].map((metric) => {
    schedule.step(metric);
    return opt.paramGroups[0].lr;
  });
  expect(seen).toEqual([1, 0.1, 0.1, 0.05, 0.05, 0.05]);
});

test("the state continues elsewhere", () => {
  const schedule = new CosineAnnealingLR(optimizer(), { tMax: 10 });
  rates(schedule, 3);
  const other = new CosineAnnealingLR(optimizer(), { tMax: 10 });
  other.loadStateDict(schedule.stateDict());
  expect(rates(other, 2)).toEqual(rates(schedule, 2));
});

/** Rates after 0, 1, 2, … steps from 0.5 on, as torch 2.13 has them. */
const TORCH: [string, (opt: SGD) => LRScheduler, number[]][] = [
  [
    "StepLR",
    (opt) => new StepLR(opt, { stepSize: 3 }),
    [0.5, 0.5, 0.5, 0.05, 0.05, 0.05, 0.005, 0.005, 0.005, 0.0005, 0.0005],
  ],
  [
    "MultiStepLR, a milestone twice",
    (opt) => new MultiStepLR(opt, { milestones: [2, 5, 5] }),
    [0.5, 0.5, 0.05, 0.05, 0.05, 0.0005, 0.0005],
  ],
  ["ExponentialLR", (opt) => new ExponentialLR(opt, { gamma: 0.8 }), [0.5, 0.4, 0.32, 0.256, 0.2048, 0.16384]],
  [
    "CosineAnnealingLR, and back",
    (opt) => new CosineAnnealingLR(opt, { tMax: 6, etaMin: 0.1 }),
    [0.5, 0.473205081, 0.4, 0.3, 0.2, 0.126794919, 0.1, 0.126794919, 0.2, 0.3, 0.4],
  ],
  ["LinearLR", (opt) => new LinearLR(opt), [0.166666667, 0.233333333, 0.3, 0.366666667, 0.433333333, 0.5, 0.5]],
  ["LambdaLR", (opt) => new LambdaLR(opt, (step) => 1 / (1 + step)), [0.5, 0.25, 0.166666667, 0.125, 0.1, 0.083333333]],
  [
    "OneCycleLR",
    (opt) => new OneCycleLR(opt, { maxLr: 1, totalSteps: 9 }),
    [0.04, 0.651358235, 0.994415435, 0.898566659, 0.705644729, 0.462637103, 0.228729953, 0.06089297, 4e-6, 0.06089297],
  ],
  [
    "OneCycleLR in three straight phases",
    (opt) => {
      const cycle = { pctStart: 0.4, baseMomentum: 0.8, maxMomentum: 0.9, divFactor: 10, finalDivFactor: 100 };
      const straight = { threePhase: true, annealStrategy: "linear" } as const;
      return new OneCycleLR(opt, { maxLr: 1, epochs: 2, stepsPerEpoch: 5, ...cycle, ...straight });
    },
    [0.1, 0.4, 0.7, 1, 0.7, 0.4, 0.1, 0.067, 0.034, 0.001, -0.032],
  ],
  [
    "SequentialLR of a warm-up and a cosine",
    (opt) => {
      const schedulers = [
        new LinearLR(opt, { startFactor: 0.25, totalIters: 3 }),
        new CosineAnnealingLR(opt, { tMax: 5 }),
      ];
      return new SequentialLR(opt, { schedulers, milestones: [3] });
    },
    [0.125, 0.25, 0.375, 0.5, 0.452254249, 0.327254249, 0.172745751, 0.047745751, 0, 0.047745751, 0.172745751],
  ],
  [
    "SequentialLR of three",
    (opt) => {
      const schedulers = [
        new ConstantLR(opt, { factor: 0.5, totalIters: 9 }),
        new ExponentialLR(opt, { gamma: 0.5 }),
        new StepLR(opt, { stepSize: 2 }),
      ];
      return new SequentialLR(opt, { schedulers, milestones: [2, 5] });
    },
    [0.25, 0.25, 0.5, 0.25, 0.125, 0.5, 0.5, 0.05, 0.05, 0.005, 0.005],
  ],
];

test.each(TORCH)("%s goes as torch's", (_, make, wanted) => {
  const seen = rates(make(optimizer(0.5)), wanted.length - 1);
  for (const [i, rate] of wanted.entries()) expect(Math.abs(seen[i] - rate)).toBeLessThan(1e-9);
});

test("a plateau goes as torch's", () => {
  const opt = optimizer(0.5);
  const schedule = new ReduceLROnPlateau(opt, { patience: 1 });
  const seen = [1, 0.99995, 0.99, 0.99, 0.99, 0.99, 0.5, 0.6, 0.6, 0.6].map((metric) => {
    schedule.step(metric);
    return opt.paramGroups[0].lr as number;
  });
  for (const [i, rate] of [0.5, 0.5, 0.5, 0.5, 0.05, 0.05, 0.05, 0.05, 0.005, 0.005].entries()) {
    expect(Math.abs(seen[i] - rate)).toBeLessThan(1e-12);
  }
});

test("a schedule gives the rates of an inner loop on the tape, and its base rate a gradient", async () => {
  // p ← p − r g with g = p, so that p₃ = p₀ Π (1 − b f(k)), and d p₃ / d b = −p₃ Σ f(k) / (1 − b f(k)).
  const opt = optimizer(0.5);
  const schedule = new CosineAnnealingLR(opt, { tMax: 4 });
  const base = tensor(0.2, { requiresGrad: true });
  const start = tensor([2], { requiresGrad: true });
  let p = start;
  for (let k = 0; k < 3; k++) {
    const rule = new SGD([p]);
    p = rule.update(p, p, {}, { ...rule.paramGroups[0], lr: base.mul(schedule.at(k, 1)) }).param;
  }
  const [byBase, byStart] = grad(p.sum(), [base, start]);
  const factors = [0, 1, 2].map((k) => (1 + Math.cos((Math.PI * k) / 4)) / 2);
  const shrunk = factors.reduce((product, f) => product * (1 - 0.2 * f), 1);
  expect(await (byStart as Tensor).item()).toBeCloseTo(shrunk, 12);
  const sum = factors.reduce((total, f) => total + f / (1 - 0.2 * f), 0);
  expect(await (byBase as Tensor).item()).toBeCloseTo(-2 * shrunk * sum, 12);
  expect(opt.paramGroups[0].lr).toBe(0.5);
});

test("options that make no sense are refused", () => {
  const opt = optimizer();
  expect(() => new StepLR(opt, { stepSize: 0 })).toThrow(/stepSize is 0: wanted a whole number > 0/);
  expect(() => new LinearLR(opt, { startFactor: 0 })).toThrow(ArgumentError);
  expect(() => new ConstantLR(opt, { factor: 2 })).toThrow(ArgumentError);
  expect(() => new CosineAnnealingLR(opt, { tMax: 0 })).toThrow(ArgumentError);
  expect(() => new CosineAnnealingWarmRestarts(opt, { t0: 0 })).toThrow(ArgumentError);
  expect(() => new LambdaLR(opt, 0.5 as never)).toThrow(/wanted a function of the step/);
  expect(() => new MultiStepLR(opt, { milestones: 3 as never })).toThrow(ArgumentError);
  expect(() => new OneCycleLR(opt, { maxLr: 1 })).toThrow(/totalSteps is needed, or epochs and stepsPerEpoch/);
  expect(() => new OneCycleLR(opt, { maxLr: 1, totalSteps: 9, annealStrategy: "cosine" as never })).toThrow(/"cos"/);
  expect(() => new ReduceLROnPlateau(opt, { mode: "least" as never })).toThrow(/mode is least: wanted "min" or "max"/);
  expect(() => new ReduceLROnPlateau(opt, { thresholdMode: "relative" as never })).toThrow(ArgumentError);
  expect(() => new ReduceLROnPlateau(opt, { wait: 3 } as never)).toThrow(/unknown option wait/);
});

test("refuses unknown and missing options, and a tensor rate", () => {
  expect(() => new StepLR(optimizer(), { stepSize: 1, rate: 2 } as { stepSize: number })).toThrow(
    /unknown option rate/,
  );
  expect(() => new StepLR(optimizer(), {} as { stepSize: number })).toThrow(/stepSize is needed/);
  const learned = new SGD([new Parameter(tensor([1]))], { lr: tensor(1) });
  expect(() => new ExponentialLR(learned, { gamma: 1 })).toThrow(ArgumentError);
});

test("a group that joins later begins with its own rate", () => {
  const opt = optimizer();
  const [first] = opt.paramGroups;
  const base = first.lr as number;
  const schedule = new StepLR(opt, { stepSize: 2, gamma: 0.1 });
  schedule.step();
  opt.addParamGroup({ params: [new Parameter(tensor([1]))], lr: 0.5 });
  schedule.step();
  expect(schedule.getLastLr()[0]).toBeCloseTo(base * 0.1, 12);
  expect(schedule.getLastLr()[1]).toBeCloseTo(0.05, 12);
  expect(schedule.stateDict().baseLrs).toEqual([base, 0.5]);
});

test("what stands in the place of options, or of a metric, is an error", () => {
  const opt = optimizer();
  expect(() => new StepLR(opt, 30 as never)).toThrow("StepLR: the options are 30: wanted an object");
  expect(() => new StepLR(opt, undefined as never)).toThrow("StepLR: stepSize is needed");
  expect(() => new SequentialLR(opt, [] as never)).toThrow("SequentialLR: the options are []");
  const plateau = new ReduceLROnPlateau(opt);
  expect(() => plateau.step(tensor(1) as never)).toThrow("the metric is Tensor([]");
  expect(() => plateau.step(tensor(1).item() as never)).toThrow(ArgumentError);
});

test("a function, or a peak, for each group", () => {
  const groups = () =>
    new SGD([{ params: [new Parameter(zeros([1]))] }, { params: [new Parameter(zeros([1]))] }], { lr: 2 });
  const lambda = new LambdaLR(groups(), [(step) => 1 / (1 + step), (step) => 0.5 ** step]);
  for (let i = 0; i < 3; i++) lambda.step();
  expect(lambda.getLastLr()).toEqual([0.5, 0.25]);
  expect(() => new LambdaLR(groups(), [() => 1])).toThrow(/one for each group/);

  const options = { totalSteps: 10, cycleMomentum: false };
  const both = new OneCycleLR(groups(), { ...options, maxLr: [1, 3] });
  const alone = [1, 3].map((maxLr) => new OneCycleLR(groups(), { ...options, maxLr }));
  for (let i = 0; i < 5; i++) {
    expect(both.getLastLr()).toEqual(alone.map((schedule) => schedule.getLastLr()[0]));
    for (const schedule of [both, ...alone]) schedule.step();
  }
  expect(() => new OneCycleLR(groups(), { ...options, maxLr: [1] })).toThrow(
    /maxLr is 1: wanted a number > 0, or an array/,
  );
});

/** The numbers of an optimizer's groups. */
const all = (opt: Scheduled): number[] => opt.paramGroups.map((_, i) => i);

/** One of each kind, with options that are no defaults; over groups of several rates. */
const EACH: Record<string, (opt: Scheduled, numbers?: readonly number[]) => LRScheduler> = {
  StepLR: (opt) => new StepLR(opt, { stepSize: 3, gamma: 0.4 }),
  MultiStepLR: (opt) => new MultiStepLR(opt, { milestones: [5, 2, 5], gamma: 0.4 }),
  ExponentialLR: (opt) => new ExponentialLR(opt, { gamma: 0.8 }),
  ConstantLR: (opt) => new ConstantLR(opt, { factor: 0.3, totalIters: 4 }),
  LinearLR: (opt) => new LinearLR(opt, { startFactor: 0.2, endFactor: 0.7, totalIters: 6 }),
  PolynomialLR: (opt) => new PolynomialLR(opt, { totalIters: 9, power: 2 }),
  CosineAnnealingLR: (opt) => new CosineAnnealingLR(opt, { tMax: 5, etaMin: 0.01 }),
  CosineAnnealingWarmRestarts: (opt) => new CosineAnnealingWarmRestarts(opt, { t0: 2, tMult: 2, etaMin: 0.01 }),
  LambdaLR: (opt, numbers = all(opt)) =>
    new LambdaLR(
      opt,
      numbers.map((i) => (step: number) => 1 / (1 + step * (i + 1))),
    ),
  OneCycleLR: (opt, numbers = all(opt)) =>
    new OneCycleLR(opt, {
      maxLr: numbers.map((i) => 1 + i),
      totalSteps: 11,
      baseMomentum: 0.6,
      maxMomentum: 0.8,
    }),
  SequentialLR: (opt, numbers = all(opt)) =>
    new SequentialLR(opt, {
      schedulers: [
        new LinearLR(opt, { startFactor: 0.25, totalIters: 3 }),
        new LambdaLR(
          opt,
          numbers.map((i) => (step: number) => 1 / (1 + step * (i + 1))),
        ),
        new ExponentialLR(opt, { gamma: 0.8 }),
      ],
      milestones: [3, 6],
    }),
};

const STEPS = 10;
const grouped = (...lrs: number[]): SGD =>
  new SGD(
    lrs.map((lr) => ({ params: [new Parameter(zeros([1]))], lr })),
    { momentum: 0.9 },
  );
const groupsNow = (opt: SGD): unknown[] => opt.paramGroups.map(({ lr, momentum }) => [lr, momentum]);

/** Rates and momenta of all groups, at every step from the present one on. */
function course(schedule: LRScheduler, opt: SGD, count: number): unknown[] {
  const seen = [groupsNow(opt)];
  for (let i = 0; i < count; i++) {
    schedule.step();
    seen.push(groupsNow(opt));
  }
  return seen;
}

test("every schedule is tried", () => {
  const isSchedule = (x: unknown): boolean => typeof x === "function" && x.prototype instanceof LRScheduler;
  const names = Object.entries(optim).flatMap(([name, x]) => (isSchedule(x) ? [name] : []));
  expect(names.sort()).toEqual(Object.keys(EACH).sort());
});

describe.each(Object.keys(EACH))("%s", (name) => {
  const make = EACH[name];

  test("goes from each group's own rate, as at says", () => {
    const opt = grouped(0.5, 2, 0.125);
    const schedule = make(opt);
    expect(schedule.baseLrs).toEqual([0.5, 2, 0.125]);
    for (let step = 0; step <= STEPS; step++) {
      if (step > 0) schedule.step();
      expect(schedule.getLastLr()).toEqual([0.5, 2, 0.125].map((base, i) => schedule.at(step, base, i)));
      expect([schedule.lastEpoch, opt.paramGroups.map(({ lr }) => lr)]).toEqual([step, schedule.getLastLr()]);
    }
  });

  test("does to each of several groups what it does to one alone", () => {
    const rates = [0.5, 2, 0.125];
    const both = grouped(...rates);
    const together = course(make(both), both, STEPS) as unknown[][];
    for (const [i, rate] of rates.entries()) {
      const opt = grouped(rate);
      const alone = course(make(opt, [i]), opt, STEPS) as unknown[][];
      expect(together.map((groups) => groups[i])).toEqual(alone.flat());
    }
  });

  test("goes on from its state, whatever rates and steps the other one had", () => {
    for (const taken of [0, 1, 4, 7]) {
      const opt = grouped(0.5, 2);
      const schedule = make(opt);
      course(schedule, opt, taken);
      const state = JSON.parse(JSON.stringify(schedule.stateDict()));
      const wanted = course(schedule, opt, STEPS - taken);
      for (const before of [0, 6]) {
        const other = grouped(3, 0.25);
        const again = make(other);
        course(again, other, before);
        again.loadStateDict(state);
        expect([again.lastEpoch, again.baseLrs]).toEqual([taken, [0.5, 2]]);
        expect(course(again, other, STEPS - taken)).toEqual(wanted);
        // And its state is that of the first.
        expect(again.stateDict()).toEqual(schedule.stateDict());
      }
    }
  });

  test("goes on when the optimizer was loaded first, and when it was loaded last", () => {
    for (const isFirst of [true, false]) {
      const opt = grouped(0.5, 2);
      const schedule = make(opt);
      course(schedule, opt, 4);
      const saved = [opt.stateDict(), schedule.stateDict()] as const;
      const wanted = course(schedule, opt, 5);
      const other = grouped(3, 0.25);
      const again = make(other);
      if (isFirst) other.loadStateDict(saved[0]);
      again.loadStateDict(saved[1]);
      if (!isFirst) other.loadStateDict(saved[0]);
      expect(course(again, other, 5)).toEqual(wanted);
    }
  });

  test("of another number of groups is refused, and changes nothing", () => {
    const opt = grouped(0.5, 2);
    const schedule = make(opt);
    course(schedule, opt, 2);
    const before = [schedule.stateDict(), groupsNow(opt)];
    for (const lrs of [[1], [1, 2, 3]]) {
      const other = make(grouped(...lrs));
      expect(() => schedule.loadStateDict(other.stateDict())).toThrow(
        `rates of ${lrs.length} groups, the optimizer has 2`,
      );
    }
    expect([schedule.stateDict(), groupsNow(opt)]).toEqual(before);
  });
});

describe("a cycle's momentum", () => {
  const options = { maxLr: 1, totalSteps: 9, baseMomentum: 0.6, maxMomentum: 0.8, pctStart: 0.4 };

  test("goes to every group, as momentum or as beta1, beside which beta2 stays", () => {
    const parameter = () => [new Parameter(zeros([1]))];
    const sgd = new SGD([{ params: parameter() }, { params: parameter(), momentum: 0.5 }], { momentum: 0.9 });
    const adam = new Adam([{ params: parameter() }, { params: parameter(), betas: [0.5, 0.7] }]);
    const schedules = [new OneCycleLR(sgd, options), new OneCycleLR(adam, options)];
    for (let step = 0; step < 9; step++) {
      const momentum = schedules[0].momentumAt(step);
      expect(momentum).toBeGreaterThanOrEqual(0.6);
      expect(sgd.paramGroups.map((group) => group.momentum)).toEqual([momentum, momentum]);
      expect(adam.paramGroups.map(({ betas }) => betas)).toEqual([
        [momentum, 0.999],
        [momentum, 0.7],
      ]);
      for (const schedule of schedules) schedule.step();
    }
    expect([0, 2.6, 8].map((step) => schedules[0].momentumAt(step))).toEqual(
      [0.8, 0.6, 0.8].map((m) => expect.closeTo(m, 12)),
    );
  });

  test("is left alone where it is told to", () => {
    const opt = grouped(0.5, 2);
    const schedule = new OneCycleLR(opt, { ...options, cycleMomentum: false });
    schedule.step();
    expect(opt.paramGroups.map(({ momentum }) => momentum)).toEqual([0.9, 0.9]);
    expect(() => new OneCycleLR(new Rprop([new Parameter(zeros([1]))]), options)).toThrow(/cycleMomentum: false/);
  });
});

describe("a plateau", () => {
  const metrics = [5, 4, 4.2, 4.1, 4.3, 4.05, 4.2, 3, 3.1, 3.2, 3.3, 3.05, 3.4, 3.5, 3.6, 3.7, 3.8];
  const options: PlateauOptions[] = [
    { patience: 1, factor: 0.5 },
    { patience: 1, factor: 0.5, cooldown: 2 },
    { patience: 2, factor: 0.5, minLr: 0.3 },
    { patience: 0, factor: 0.5, mode: "max" },
    { patience: 1, factor: 0.5, threshold: 0.3, thresholdMode: "abs" },
    { patience: 1, factor: 0.5, threshold: 0.1, thresholdMode: "rel" },
    { patience: 1, factor: 0.9, eps: 0.06 },
  ];

  test.each(options)("with %j reduces each group from its own rate", (option) => {
    const both = grouped(0.5, 2);
    const alone = [0.5, 2].map((lr) => grouped(lr));
    const schedules = [both, ...alone].map((opt) => new ReduceLROnPlateau(opt, option));
    for (const metric of metrics) {
      for (const schedule of schedules) schedule.step(metric);
      expect(schedules[0].getLastLr()).toEqual(schedules.slice(1).flatMap((schedule) => schedule.getLastLr()));
    }
    expect(schedules[0].getLastLr()[1]).toBeLessThan(2);
  });

  test.each(options)("with %j goes on from its state at any step", (option) => {
    for (let taken = 0; taken < metrics.length; taken++) {
      const [opt, other] = [grouped(0.5, 2), grouped(7, 8)];
      const [schedule, again] = [opt, other].map((o) => new ReduceLROnPlateau(o, option));
      for (const metric of metrics.slice(0, taken)) schedule.step(metric);
      // The other has seen worse, and better.
      for (const metric of [1, 9, 9]) again.step(metric);
      other.loadStateDict(opt.stateDict());
      again.loadStateDict(JSON.parse(JSON.stringify(schedule.stateDict(), infinite), finite));
      for (const metric of metrics.slice(taken)) {
        for (const each of [schedule, again]) each.step(metric);
        expect(again.getLastLr()).toEqual(schedule.getLastLr());
        expect(again.stateDict()).toEqual(schedule.stateDict());
      }
    }
  });

  /** JSON has no infinity, with which the best begins. */
  const infinite = (_: string, x: unknown): unknown => (typeof x === "number" && !Number.isFinite(x) ? String(x) : x);
  const finite = (_: string, x: unknown): unknown => (typeof x === "string" ? Number(x) : x);

  test("patience, cooldown and eps count to the step", () => {
    const reductions = (option: PlateauOptions, seen: readonly number[]): number[] => {
      const opt = grouped(1);
      const schedule = new ReduceLROnPlateau(opt, { factor: 0.5, ...option });
      return seen.flatMap((metric, i) => {
        const before = opt.paramGroups[0].lr;
        schedule.step(metric);
        return opt.paramGroups[0].lr === before ? [] : [i];
      });
    };
    const flat = new Array<number>(12).fill(1);
    expect(reductions({ patience: 0 }, flat.slice(0, 4))).toEqual([1, 2, 3]);
    expect(reductions({ patience: 2 }, flat)).toEqual([3, 6, 9]);
    expect(reductions({ patience: 1, cooldown: 2 }, flat)).toEqual([2, 6, 10]);
    // An improvement begins the count anew, one below the threshold does not.
    expect(reductions({ patience: 2, threshold: 0.1 }, [1, 1, 0.95, 0.85, 1, 1, 1])).toEqual([6]);
    expect(reductions({ patience: 2, threshold: 0.1 }, [1, 1, 0.95, 0.91, 1, 1, 1])).toEqual([3, 6]);
    expect(reductions({ patience: 2, threshold: 0.1, thresholdMode: "abs" }, [2, 2, 1.95, 1.85, 2, 2, 2])).toEqual([6]);
    expect(reductions({ patience: 2, threshold: 0.1, mode: "max" }, [1, 1, 1.05, 1.15, 1, 1, 1])).toEqual([6]);
    expect(reductions({ patience: 0, eps: 0.2 }, flat.slice(0, 5))).toEqual([1, 2]); // 1, ½, ¼
    expect(reductions({ patience: 0, minLr: 0.4 }, flat.slice(0, 5))).toEqual([1, 2]); // 1, ½, 0.4
  });
});
