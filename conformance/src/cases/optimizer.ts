/**
 * Suites `optim` and `scheduler`: trajectories of optimizers under given gradients, and schedules of learning rates.
 */
import { type Optimizer, type OptimizerStateDict, Parameter, SGD, type Tensor, zeros } from "loopgrad";
import type { GoldenTensor, Keywords, OptimizerCase, SchedulerCase } from "../format.ts";
import { callArguments, exported, options } from "../names.ts";
import { type Finding, findings, type Place, toTensor } from "./case.ts";

type OptimizerClass = new (params: unknown, options?: Record<string, unknown>) => Optimizer;

interface Scheduler {
  step(metric?: number): void;
}

/** Makes an optimizer over parameters, or over groups of them with their own options. */
export function makeOptimizer(name: string, params: unknown, keywords: Keywords): Optimizer {
  return new (exported<OptimizerClass>(name, "optimizer"))(params, options(keywords));
}

/** Feeds gradients to an optimizer, step by step. */
export function runOptimizer(golden: OptimizerCase, place: Place): Finding[] {
  const params = golden.params.map((param) => new Parameter(toTensor(param, place)));
  const groups = golden.groups.map((group) => ({
    params: group.params.map((i) => params[i]),
    ...options(group.options),
  }));
  const optimizer = makeOptimizer(golden.optimizer, groups, golden.options);
  const trajectory = golden.steps.flatMap(({ grads, params_after }, step) => {
    setGrads(params, grads, place);
    optimizer.step();
    const after = params.map((param) => param.detach());
    return findings("params_after", after, params_after).map((f) => ({ ...f, what: `step ${step + 1} ${f.what}` }));
  });
  return [...trajectory, ...stateFindings(golden, optimizer.stateDict().state)];
}

/** What the optimizer remembers of each parameter in the end, by torch's names. */
function stateFindings({ groups, state_after = [] }: OptimizerCase, state: OptimizerStateDict["state"]): Finding[] {
  // A state dict counts the parameters group by group.
  const order = groups.flatMap(({ params }) => params);
  return state_after.flatMap((wanted, i) =>
    Object.entries(wanted).map(
      ([name, want]): Finding => ({
        what: `state_after[${i}] ${name}`,
        field: "state_after",
        got: state[order.indexOf(i)]?.[name] ?? Number.NaN,
        wanted: want,
      }),
    ),
  );
}

/** Gives each parameter its gradient; null for those that have none. */
export function setGrads(params: readonly Parameter[], grads: readonly (GoldenTensor | null)[], place: Place): void {
  params.forEach((param, i) => {
    const grad = grads[i];
    param.grad = grad === null ? null : toTensor(grad, place);
  });
}

/** Follows the learning rate, and momentum where it is scheduled too. */
export function runScheduler(golden: SchedulerCase, { device, float }: Place): Finding[] {
  const param: Tensor = new Parameter(zeros([1], { device, dtype: float }));
  const optimizer = new SGD([param as Parameter], { lr: golden.base_lr, momentum: 0.9 });
  const Class = exported<new (...args: unknown[]) => Scheduler>(golden.scheduler, "scheduler");
  const scheduler = new Class(optimizer, ...callArguments(golden.options, []));
  const group = optimizer.paramGroups[0] as unknown as { lr: number; momentum: number };
  const seen = [{ lr: group.lr, momentum: group.momentum }];
  for (let step = 0; step < golden.steps; step++) {
    optimizer.step();
    if (golden.metrics === undefined) scheduler.step();
    else scheduler.step(golden.metrics[step]);
    seen.push({ lr: group.lr, momentum: group.momentum });
  }
  return [
    ...findings(
      "lrs",
      seen.map(({ lr }) => lr),
      golden.lrs,
    ),
    ...findings(
      "momentums",
      seen.map(({ momentum }) => momentum),
      golden.momentums ?? [],
    ),
  ];
}
