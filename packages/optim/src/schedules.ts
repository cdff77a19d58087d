/**
 * Schedules: hyperparameters as functions of the step count.
 *
 * A schedule is *pure*: `at(step, base)` gives the rate of a step from the rate that the group began with. The object
 * around it only counts: `step()` adds one and writes the rates into the groups of an optimizer, ordinary or
 * differentiable. (Of torch's schedules some are defined by recursion; these are their closed forms. So two of
 * them on one optimizer do not multiply: the later writes over the earlier. `SequentialLR` puts them in a row.)
 */
import { ArgumentError, admit, checkOptions } from "@loopgrad/tensor";

/** What a schedule works on: anything with groups that have a learning rate. */
export interface Scheduled {
  readonly paramGroups: readonly object[];
}

/** @internal A group, as schedules see it. */
export type Group = { lr: unknown; momentum?: unknown; betas?: unknown };

/** @internal Options over their defaults; an unknown one is an error. */
export function withDefaults<T extends object>(who: string, defaults: T, options: Partial<T>): T {
  return { ...defaults, ...checkOptions(who, options, Object.keys(defaults)) };
}

/** The options that must be given. */
function need(who: string, options: object | undefined, names: readonly string[]): void {
  for (const name of names) {
    if ((options as Record<string, unknown> | undefined)?.[name] === undefined)
      throw new ArgumentError(`${who}: ${name} is needed`);
  }
}

/** @internal Throws unless an option is as it must be. */
export function want(who: string, name: string, value: unknown, fits: boolean, wanted: string): void {
  if (!fits) throw new ArgumentError(`${who}: ${name} is ${String(value)}: wanted ${wanted}`);
}

/** Throws unless it is an optimizer, or has groups like one. */
function wantGroups(who: string, { paramGroups }: Scheduled): void {
  if (Array.isArray(paramGroups)) return;
  throw new ArgumentError(`${who}: the optimizer has no paramGroups: wanted an optimizer, or a loop's diffopt`);
}

const isCount = (x: number): boolean => Number.isInteger(x) && x > 0;
const isShare = (x: number): boolean => x >= 0 && x <= 1;

/**
 * Base class of schedules. A subclass gives `at`.
 *
 * @see      torch.optim.lr_scheduler.LRScheduler
 * @example
 * const schedule = new CosineAnnealingLR(opt, { tMax: 100 });
 * for (let epoch = 0; epoch < 100; epoch++) { train(); schedule.step(); }
 */
export abstract class LRScheduler {
  /** Rates of the groups when the schedule began, or when they joined the optimizer. */
  baseLrs: readonly number[];
  protected readonly groups: readonly Group[];
  #step = 0;

  /** A subclass calls `begin()` when its options are in place. */
  constructor(readonly optimizer: Scheduled) {
    admit(arguments, "LRScheduler(optimizer: object)");
    wantGroups(new.target.name, optimizer);
    this.groups = optimizer.paramGroups as readonly Group[];
    this.baseLrs = this.#beginnings([]);
  }

  /** The rates that the groups began with: those known, and the present ones of groups that have joined since. */
  #beginnings(known: readonly number[]): readonly number[] {
    if (known.length === this.groups.length) return known;
    return this.groups.map(({ lr }, i) => {
      if (i < known.length) return known[i];
      if (typeof lr === "number") return lr;
      throw new ArgumentError(
        `${this.constructor.name}: the rate of group ${i} is a tensor: schedule a number, or override it`,
      );
    });
  }

  /** The rate at a step, of a group that began with `base`. `group` is its number, default 0. */
  abstract at(step: number, base: number, group?: number): number;

  protected begin(): void {
    this.write(0);
  }

  /** Writes the rates of a step into the groups. */
  protected write(step: number): void {
    this.baseLrs = this.#beginnings(this.baseLrs);
    for (const [i, group] of this.groups.entries()) group.lr = this.at(step, this.baseLrs[i], i);
  }

  /** Goes on to the next step's rates. Call it after `optimizer.step()`. */
  step(): void {
    admit(arguments, "LRScheduler.step()");
    this.#step++;
    this.write(this.#step);
  }

  /** Steps taken. */
  get lastEpoch(): number {
    return this.#step;
  }

  /** The rates of the groups now. */
  getLastLr(): number[] {
    admit(arguments, "LRScheduler.getLastLr()");
    return this.groups.map(({ lr }) => lr as number);
  }

  /** Steps taken, and the rates that the groups began with. */
  stateDict(): { lastEpoch: number; baseLrs: readonly number[] } {
    admit(arguments, "LRScheduler.stateDict()");
    return { lastEpoch: this.#step, baseLrs: this.baseLrs };
  }

  /** Goes on from there. Writes the rates of the step into the groups. */
  loadStateDict({ lastEpoch, baseLrs }: { lastEpoch: number; baseLrs: readonly number[] }): void {
    admit(arguments, "LRScheduler.loadStateDict(options: object)");
    if (baseLrs.length !== this.groups.length) {
      throw new ArgumentError(
        `loadStateDict: rates of ${baseLrs.length} groups, the optimizer has ${this.groups.length}`,
      );
    }
    this.baseLrs = baseLrs;
    this.#step = lastEpoch;
    this.write(lastEpoch);
  }
}

/**
 * base · factor(step). One function for all groups, or one for each.
 *
 * @see torch.optim.lr_scheduler.LambdaLR
 */
export class LambdaLR extends LRScheduler {
  readonly #factors: readonly ((step: number) => number)[];

  constructor(optimizer: Scheduled, factor: ((step: number) => number) | readonly ((step: number) => number)[]) {
    admit(arguments, "LambdaLR(optimizer: object, factor: any)");
    super(optimizer);
    const factors = Array.isArray(factor) ? factor : this.groups.map(() => factor as (step: number) => number);
    const fits = factors.length === this.groups.length && factors.every((each) => typeof each === "function");
    want("LambdaLR", "the factor", factor, fits, "a function of the step, or an array with one for each group");
    this.#factors = factors;
    this.begin();
  }

  override at(step: number, base: number, group = 0): number {
    return base * (this.#factors[group] ?? this.#factors[0])(step);
  }
}

/** A schedule with options. */
abstract class Optioned<O extends object> extends LRScheduler {
  readonly options: Readonly<O>;

  constructor(who: string, optimizer: Scheduled, defaults: O, options: Partial<O>, needed: readonly string[] = []) {
    super(optimizer);
    const given = withDefaults(who, defaults, options);
    need(who, options, needed);
    this.options = given;
    this.check(this.options);
    this.begin();
  }

  /** Throws for options that make no sense. */
  protected check(_options: Readonly<O>): void {}
}

/** Times gamma (default 0.1) every `stepSize` steps. @see torch.optim.lr_scheduler.StepLR */
export class StepLR extends Optioned<{ stepSize: number; gamma: number }> {
  constructor(optimizer: Scheduled, options: { stepSize: number; gamma?: number }) {
    admit(arguments, "StepLR(optimizer: object, options: any)");
    super("StepLR", optimizer, { stepSize: 0, gamma: 0.1 }, options, ["stepSize"]);
  }

  protected override check({ stepSize }: { stepSize: number }): void {
    want("StepLR", "stepSize", stepSize, isCount(stepSize), "a whole number > 0");
  }

  override at(step: number, base: number): number {
    return base * this.options.gamma ** Math.floor(step / this.options.stepSize);
  }
}

/** Times gamma (default 0.1) at each milestone. @see torch.optim.lr_scheduler.MultiStepLR */
export class MultiStepLR extends Optioned<{ milestones: readonly number[]; gamma: number }> {
  constructor(optimizer: Scheduled, options: { milestones: readonly number[]; gamma?: number }) {
    admit(arguments, "MultiStepLR(optimizer: object, options: any)");
    super("MultiStepLR", optimizer, { milestones: [], gamma: 0.1 }, options, ["milestones"]);
  }

  protected override check({ milestones }: { milestones: readonly number[] }): void {
    want("MultiStepLR", "milestones", milestones, Array.isArray(milestones), "an array of steps");
  }

  override at(step: number, base: number): number {
    const { milestones, gamma } = this.options;
    return base * gamma ** milestones.filter((milestone) => milestone <= step).length;
  }
}

/** Times gamma every step. @see torch.optim.lr_scheduler.ExponentialLR */
export class ExponentialLR extends Optioned<{ gamma: number }> {
  constructor(optimizer: Scheduled, options: { gamma: number }) {
    admit(arguments, "ExponentialLR(optimizer: object, options: any)");
    super("ExponentialLR", optimizer, { gamma: 1 }, options, ["gamma"]);
  }

  override at(step: number, base: number): number {
    return base * this.options.gamma ** step;
  }
}

/** Times `factor` (default 1/3) for the first `totalIters` (default 5) steps. @see torch.optim.lr_scheduler.ConstantLR */
export class ConstantLR extends Optioned<{ factor: number; totalIters: number }> {
  constructor(optimizer: Scheduled, options: { factor?: number; totalIters?: number } = {}) {
    admit(arguments, "ConstantLR(optimizer: object, options?: object)");
    super("ConstantLR", optimizer, { factor: 1 / 3, totalIters: 5 }, options);
  }

  protected override check({ factor }: { factor: number }): void {
    want("ConstantLR", "factor", factor, isShare(factor), "a number between 0 and 1");
  }

  override at(step: number, base: number): number {
    return step < this.options.totalIters ? base * this.options.factor : base;
  }
}

/** From startFactor (default 1/3) to endFactor (1) in totalIters (5) equal steps. @see torch.optim.lr_scheduler.LinearLR */
export class LinearLR extends Optioned<{ startFactor: number; endFactor: number; totalIters: number }> {
  constructor(optimizer: Scheduled, options: { startFactor?: number; endFactor?: number; totalIters?: number } = {}) {
    admit(arguments, "LinearLR(optimizer: object, options?: object)");
    super("LinearLR", optimizer, { startFactor: 1 / 3, endFactor: 1, totalIters: 5 }, options);
  }

  protected override check({ startFactor, endFactor }: { startFactor: number; endFactor: number }): void {
    want("LinearLR", "startFactor", startFactor, isShare(startFactor) && startFactor > 0, "a number > 0, at most 1");
    want("LinearLR", "endFactor", endFactor, isShare(endFactor), "a number between 0 and 1");
  }

  override at(step: number, base: number): number {
    const { startFactor, endFactor, totalIters } = this.options;
    return base * (startFactor + (endFactor - startFactor) * Math.min(step / totalIters, 1));
  }
}

/** base · (1 − step/totalIters)^power down to 0. @see torch.optim.lr_scheduler.PolynomialLR */
export class PolynomialLR extends Optioned<{ totalIters: number; power: number }> {
  constructor(optimizer: Scheduled, options: { totalIters?: number; power?: number } = {}) {
    admit(arguments, "PolynomialLR(optimizer: object, options?: object)");
    super("PolynomialLR", optimizer, { totalIters: 5, power: 1 }, options);
  }

  override at(step: number, base: number): number {
    return base * (1 - Math.min(step / this.options.totalIters, 1)) ** this.options.power;
  }
}

/** From `high` to `low` along half a cosine, for a fraction of it in [0, 1]. */
const cosine = (high: number, low: number, fraction: number): number =>
  low + ((high - low) * (1 + Math.cos(Math.PI * fraction))) / 2;

/** Along a cosine from base to etaMin (default 0) in tMax steps, and back. @see torch.optim.lr_scheduler.CosineAnnealingLR */
export class CosineAnnealingLR extends Optioned<{ tMax: number; etaMin: number }> {
  constructor(optimizer: Scheduled, options: { tMax: number; etaMin?: number }) {
    admit(arguments, "CosineAnnealingLR(optimizer: object, options: any)");
    super("CosineAnnealingLR", optimizer, { tMax: 0, etaMin: 0 }, options, ["tMax"]);
  }

  protected override check({ tMax }: { tMax: number }): void {
    want("CosineAnnealingLR", "tMax", tMax, tMax > 0, "a number > 0");
  }

  override at(step: number, base: number): number {
    return cosine(base, this.options.etaMin, step / this.options.tMax);
  }
}

/**
 * Along a cosine from base to etaMin in t0 steps, then from the start in t0 · tMult steps, and so on.
 *
 * @see torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
 */
export class CosineAnnealingWarmRestarts extends Optioned<{ t0: number; tMult: number; etaMin: number }> {
  constructor(optimizer: Scheduled, options: { t0: number; tMult?: number; etaMin?: number }) {
    admit(arguments, "CosineAnnealingWarmRestarts(optimizer: object, options: any)");
    super("CosineAnnealingWarmRestarts", optimizer, { t0: 0, tMult: 1, etaMin: 0 }, options, ["t0"]);
  }

  protected override check({ t0, tMult }: { t0: number; tMult: number }): void {
    want("CosineAnnealingWarmRestarts", "t0", t0, isCount(t0), "a whole number > 0");
    want("CosineAnnealingWarmRestarts", "tMult", tMult, isCount(tMult), "a whole number >= 1");
  }

  override at(step: number, base: number): number {
    const { t0, tMult, etaMin } = this.options;
    let [length, at] = [t0, step];
    while (at >= length) {
      at -= length;
      length *= tMult;
    }
    return cosine(base, etaMin, at / length);
  }
}

/** Options of {@link OneCycleLR}. */
export interface OneCycleOptions {
  /** The peak. */
  maxLr: number | readonly number[];
  /** Steps of the cycle; or `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** Share of the rise. Default 0.3. */
  pctStart?: number;
  /** Default "cos". */
  annealStrategy?: "cos" | "linear";
  /** Move momentum (or beta1) against the rate. Default true. */
  cycleMomentum?: boolean;
  /** Default 0.85. */
  baseMomentum?: number;
  /** Default 0.95. */
  maxMomentum?: number;
  /** The first rate is maxLr / divFactor. Default 25. */
  divFactor?: number;
  /** The last is the first / finalDivFactor. Default 1e4. */
  finalDivFactor?: number;
  /** Fall to the first rate as fast as it rose, then to the last. Default false. */
  threePhase?: boolean;
}

const ONE_CYCLE = {
  maxLr: 0 as number | readonly number[],
  totalSteps: undefined as number | undefined,
  epochs: undefined as number | undefined,
  stepsPerEpoch: undefined as number | undefined,
  pctStart: 0.3,
  annealStrategy: "cos" as "cos" | "linear",
  cycleMomentum: true,
  baseMomentum: 0.85,
  maxMomentum: 0.95,
  divFactor: 25,
  finalDivFactor: 1e4,
  threePhase: false,
};

/** Up to a peak and down again, momentum the other way. @see torch.optim.lr_scheduler.OneCycleLR */
export class OneCycleLR extends Optioned<typeof ONE_CYCLE> {
  constructor(optimizer: Scheduled, options: OneCycleOptions) {
    admit(arguments, "OneCycleLR(optimizer: object, options: any)");
    super("OneCycleLR", optimizer, ONE_CYCLE, options, ["maxLr"]);
  }

  protected override check({ maxLr, pctStart, annealStrategy }: typeof ONE_CYCLE): void {
    const peaks = typeof maxLr === "number" ? [maxLr] : maxLr;
    const fits = Array.isArray(peaks) && peaks.every((peak) => typeof peak === "number" && peak > 0);
    const many = typeof maxLr === "number" || peaks.length === this.groups.length;
    want("OneCycleLR", "maxLr", maxLr, fits && many, "a number > 0, or an array with one for each group");
    want("OneCycleLR", "totalSteps", this.totalSteps, isCount(this.totalSteps), "a whole number > 0");
    want("OneCycleLR", "pctStart", pctStart, isShare(pctStart), "a number between 0 and 1");
    const isKnown = annealStrategy === "cos" || annealStrategy === "linear";
    want("OneCycleLR", "annealStrategy", annealStrategy, isKnown, '"cos" or "linear"');
  }

  /** Steps of the cycle. */
  get totalSteps(): number {
    const { totalSteps, epochs, stepsPerEpoch } = this.options;
    if (totalSteps !== undefined) return totalSteps;
    if (epochs === undefined || stepsPerEpoch === undefined) {
      throw new ArgumentError("OneCycleLR: totalSteps is needed, or epochs and stepsPerEpoch");
    }
    return epochs * stepsPerEpoch;
  }

  override at(step: number, _base?: number, group = 0): number {
    const { maxLr, divFactor, finalDivFactor, threePhase } = this.options;
    const peak = typeof maxLr === "number" ? maxLr : maxLr[group];
    const first = peak / divFactor;
    const last = first / finalDivFactor;
    return along(this, step, threePhase ? [first, peak, first, last] : [first, peak, last]);
  }

  /** The momentum at a step. */
  momentumAt(step: number): number {
    const { baseMomentum: low, maxMomentum: high, threePhase } = this.options;
    return along(this, step, threePhase ? [high, low, high, high] : [high, low, high]);
  }

  protected override write(step: number): void {
    super.write(step);
    if (!this.options.cycleMomentum) return;
    const momentum = this.momentumAt(step);
    for (const group of this.groups) {
      if (Array.isArray(group.betas)) group.betas = [momentum, group.betas[1]];
      else if ("momentum" in group) group.momentum = momentum;
      else throw new ArgumentError("OneCycleLR: the optimizer has no momentum to cycle; pass { cycleMomentum: false }");
    }
  }
}

/** The value at a step, from those at the ends of the cycle's phases. */
function along({ options, totalSteps }: OneCycleLR, step: number, values: readonly number[]): number {
  const { pctStart, threePhase, annealStrategy } = options;
  // As in torch, the rate after the last step can still be set: it goes on along the last phase's curve.
  if (step > totalSteps) throw new ArgumentError(`OneCycleLR: step ${step} is beyond the cycle of ${totalSteps} steps`);
  const rise = pctStart * totalSteps;
  const ends = threePhase ? [0, rise - 1, 2 * rise - 2, totalSteps - 1] : [0, rise - 1, totalSteps - 1];
  let phase = 1;
  while (phase < ends.length - 1 && step > ends[phase]) phase++;
  const fraction = (step - ends[phase - 1]) / (ends[phase] - ends[phase - 1]);
  const [from, to] = [values[phase - 1], values[phase]];
  return annealStrategy === "cos" ? cosine(from, to, fraction) : from + (to - from) * fraction;
}

/**
 * Schedules one after the other: each counts from its milestone.
 *
 * @see torch.optim.lr_scheduler.SequentialLR
 */
export class SequentialLR extends Optioned<{ schedulers: readonly LRScheduler[]; milestones: readonly number[] }> {
  constructor(optimizer: Scheduled, options: { schedulers: readonly LRScheduler[]; milestones: readonly number[] }) {
    admit(arguments, "SequentialLR(optimizer: object, options: any)");
    wantGroups("SequentialLR", optimizer);
    const needed = ["schedulers", "milestones"];
    need("SequentialLR", checkOptions("SequentialLR", options, needed), needed);
    const { schedulers, milestones } = options;
    if (!Array.isArray(schedulers) || !schedulers.every((schedule) => schedule instanceof LRScheduler)) {
      throw new ArgumentError("SequentialLR: schedulers is no list of schedules: wanted [new StepLR(…), …]");
    }
    if (!Array.isArray(milestones)) throw new ArgumentError("SequentialLR: milestones is no list of steps");
    if (schedulers.length !== milestones.length + 1) {
      throw new ArgumentError(
        `SequentialLR: ${schedulers.length} schedules and ${milestones.length} milestones: wanted one less`,
      );
    }
    // Each schedule has begun on these groups: the rates they began with are the first one's.
    (optimizer.paramGroups as Group[]).forEach((group, i) => {
      group.lr = schedulers[0].baseLrs[i];
    });
    super("SequentialLR", optimizer, { schedulers: [], milestones: [] }, options);
  }

  override at(step: number, base: number, group = 0): number {
    const { schedulers, milestones } = this.options;
    const i = milestones.filter((milestone) => milestone <= step).length;
    return schedulers[i].at(i === 0 ? step : step - milestones[i - 1], base, group);
  }
}
