/** Schedules: what golden cases do not show. */
import { beforeAll, expect, test } from "@jest/globals";
import { Parameter } from "@loopgrad/nn";
import { ArgumentError, init, tensor } from "@loopgrad/tensor";
import {
  Adam,
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  type LRScheduler,
  OneCycleLR,
  ReduceLROnPlateau,
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
  schedule.step();
  schedule.step();
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

test("refuses unknown and missing options, and a tensor rate", () => {
  expect(() => new StepLR(optimizer(), { stepSize: 1, rate: 2 } as { stepSize: number })).toThrow(
    /unknown option rate/,
  );
  expect(() => new StepLR(optimizer(), {} as { stepSize: number })).toThrow(/stepSize is needed/);
  const learned = new SGD([new Parameter(tensor([1]))], { lr: tensor(1) });
  expect(() => new ExponentialLR(learned, { gamma: 1 })).toThrow(ArgumentError);
});
