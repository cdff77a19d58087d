/**
 * The one schedule that is no function of the step: it waits for a metric to stop getting better.
 */
import { admit } from "@loopgrad/tensor";
import { type Group, type Scheduled, want, withDefaults } from "./schedules.ts";

/** Options of {@link ReduceLROnPlateau}. */
export interface PlateauOptions {
  /** Whether the metric should fall or rise. Default "min". */
  mode?: "min" | "max";
  /** Default 0.1. */
  factor?: number;
  /** Steps without improvement that are let pass. Default 10. */
  patience?: number;
  /** How much better is better. Default 1e-4. */
  threshold?: number;
  /** Relative to the best, or absolute. Default "rel". */
  thresholdMode?: "rel" | "abs";
  /** Steps after a reduction in which none are counted. Default 0. */
  cooldown?: number;
  /** Default 0. */
  minLr?: number;
  /** Smaller changes are not made. Default 1e-8. */
  eps?: number;
}

const PLATEAU: Required<PlateauOptions> = {
  mode: "min",
  factor: 0.1,
  patience: 10,
  threshold: 1e-4,
  thresholdMode: "rel",
  cooldown: 0,
  minLr: 0,
  eps: 1e-8,
};

/** Times `factor` when a metric has not got better for a while. @see torch.optim.lr_scheduler.ReduceLROnPlateau */
export class ReduceLROnPlateau {
  readonly options: Readonly<Required<PlateauOptions>>;
  readonly #groups: readonly Group[];
  #best: number;
  #bad = 0;
  #cooling = 0;

  constructor(optimizer: Scheduled, options: PlateauOptions = {}) {
    admit(arguments, "ReduceLROnPlateau(optimizer: object, options?: object)");
    this.options = withDefaults("ReduceLROnPlateau", PLATEAU, options);
    const { factor, mode, thresholdMode } = this.options;
    want("ReduceLROnPlateau", "factor", factor, factor < 1, "a number < 1");
    want("ReduceLROnPlateau", "mode", mode, mode === "min" || mode === "max", '"min" or "max"');
    const isKnown = thresholdMode === "rel" || thresholdMode === "abs";
    want("ReduceLROnPlateau", "thresholdMode", thresholdMode, isKnown, '"rel" or "abs"');
    this.#groups = optimizer.paramGroups as readonly Group[];
    this.#best = this.options.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  /** Takes a new value of the metric. */
  step(metric: number): void {
    admit(arguments, "ReduceLROnPlateau.step(metric: any)");
    want("ReduceLROnPlateau", "the metric", metric, typeof metric === "number", "a number, as await loss.item() gives");
    const { patience, cooldown, factor, minLr, eps } = this.options;
    if (this.#isBetter(metric)) {
      this.#best = metric;
      this.#bad = 0;
    } else this.#bad++;
    if (this.#cooling > 0) {
      this.#cooling--;
      this.#bad = 0;
    }
    if (this.#bad <= patience) return;
    this.#cooling = cooldown;
    this.#bad = 0;
    for (const group of this.#groups) {
      const lr = group.lr as number;
      const reduced = Math.max(lr * factor, minLr);
      if (lr - reduced > eps) group.lr = reduced;
    }
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.options;
    const sign = mode === "min" ? -1 : 1;
    const best = this.#best;
    if (!Number.isFinite(best)) return sign * metric > sign * best;
    const wanted = thresholdMode === "rel" ? best * (1 + sign * threshold) : best + sign * threshold;
    return sign * metric > sign * wanted;
  }

  /** The rates of the groups now. */
  getLastLr(): number[] {
    admit(arguments, "ReduceLROnPlateau.getLastLr()");
    return this.#groups.map(({ lr }) => lr as number);
  }

  stateDict(): { best: number; numBadEpochs: number; cooldownCounter: number } {
    admit(arguments, "ReduceLROnPlateau.stateDict()");
    return { best: this.#best, numBadEpochs: this.#bad, cooldownCounter: this.#cooling };
  }

  loadStateDict(state: { best: number; numBadEpochs: number; cooldownCounter: number }): void {
    admit(arguments, "ReduceLROnPlateau.loadStateDict(state: object)");
    this.#best = state.best;
    this.#bad = state.numBadEpochs;
    this.#cooling = state.cooldownCounter;
  }
}
