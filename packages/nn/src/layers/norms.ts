/**
 * Batch norm and instance norm: normalisation layers with a memory.
 *
 * Both may keep *running statistics*: averages over batches, in buffers, used in evaluation mode. With momentum m
 * a batch moves them by the factor m; with momentum null they are the plain average of all batches seen.
 * They are updated off the tape.
 */

import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, admit, numel, ShapeError, scope, show, type Tensor } from "@loopgrad/tensor";
import { batchAxes, batchNorm, batchNormTraining, instanceNorm, type Statistics } from "../functional/norms.ts";
import { constant, ones, zeros } from "../init.ts";
import { Module } from "../module.ts";
import { checkNumbers, checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { float, listed, settings, snakeCase } from "../repr.ts";
import type { Buffer, Parameter } from "../slot.ts";
import { blankParameter, constantBuffer } from "./slots.ts";

/** Options of batch and instance norm. */
export interface RunningNormOptions extends PlacementOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Share of a new batch in the running statistics; null: plain average. Default 0.1. */
  momentum?: number | null;
  /** Learned scale and shift. Default true for batch norm, false for instance norm. */
  affine?: boolean;
  /** The learned shift, if there is a scale. Default true. */
  bias?: boolean;
  /**
   * Keep running statistics; without, the batch's own are used in evaluation too. Default true for batch norm, false
   * for instance norm.
   */
  trackRunningStats?: boolean;
}

abstract class RunningNorm extends Module {
  readonly eps: number;
  readonly momentum: number | null;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;
  readonly runningMean: Buffer | null;
  readonly runningVar: Buffer | null;
  readonly numBatchesTracked: Buffer | null;

  constructor(
    readonly numFeatures: number,
    options: RunningNormOptions,
    defaults: { affine: boolean; trackRunningStats: boolean },
  ) {
    super();
    const who = this.constructor.name;
    checkSizes(who, { numFeatures });
    const { eps, momentum, affine, bias, trackRunningStats, ...rest } = withDefaults(
      who,
      { eps: 1e-5, momentum: 0.1 as number | null, ...defaults, bias: true, ...PLACEMENT },
      options,
    );
    const where = placement(who, rest);
    checkNumbers(who, momentum === null ? { eps } : { eps, momentum });
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? blankParameter([numFeatures], where) : null;
    this.bias = affine && bias ? blankParameter([numFeatures], where) : null;
    this.runningMean = trackRunningStats ? constantBuffer([numFeatures], 0, where) : null;
    this.runningVar = trackRunningStats ? constantBuffer([numFeatures], 1, where) : null;
    this.numBatchesTracked = trackRunningStats ? constantBuffer([], 0, { device: where.device, dtype: "int32" }) : null;
    this.resetParameters();
  }

  /** Scale 1, shift 0, and running statistics as at first. */
  override resetParameters(): void {
    admit(arguments, ".resetParameters()", this);
    this.resetRunningStats();
    if (this.weight !== null) ones(this.weight);
    if (this.bias !== null) zeros(this.bias);
  }

  override stateName(field: string): string {
    return snakeCase(field);
  }

  /** Whether `numBatchesTracked` counts: in torch instance norm has it, and leaves it alone. */
  protected get countsBatches(): boolean {
    return true;
  }

  /**
   * Moves the running statistics towards a batch's; `count` is how many values each variance was taken over. A batch of
   * none is counted, and leaves them where they are.
   */
  protected track({ mean, variance }: Statistics, count: number): void {
    const { runningMean, runningVar, numBatchesTracked, momentum } = this;
    if (runningMean === null || runningVar === null || numBatchesTracked === null) return;
    using _ = noGrad();
    if (this.countsBatches) numBatchesTracked._adopt(scope(() => numBatchesTracked.add(1)));
    if (count === 0) return;
    const step = (running: Buffer, batch: Tensor): Tensor => {
      const share = momentum ?? numBatchesTracked.to(running.dtype).reciprocal();
      return moved(running, batch.reshape([this.numFeatures]), share);
    };
    runningMean._adopt(scope(() => step(runningMean, mean)));
    runningVar._adopt(scope(() => step(runningVar, variance.mul(count / (count - 1)))));
  }

  /** Puts the running statistics back to mean 0, variance 1. */
  resetRunningStats(): void {
    admit(arguments, ".resetRunningStats()", this);
    for (const buffer of this.buffers()) constant(buffer, buffer === this.runningVar ? 1 : 0);
  }

  override extraRepr(): string {
    const { numFeatures, eps, momentum, weight, bias, runningMean } = this;
    const flags = { affine: weight !== null, bias: bias !== null, trackRunningStats: runningMean !== null };
    return listed(String(numFeatures), settings({ eps: float(eps), momentum: momentum && float(momentum), ...flags }));
  }
}

/** running ← running + share (batch − running). A share of 1 replaces. */
function moved(running: Buffer, batch: Tensor, share: number | Tensor): Tensor {
  return share === 1 ? batch : running.add(batch.sub(running).mul(share));
}

abstract class BatchNorm extends RunningNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    admit(arguments, `${new.target.name}(numFeatures: number, options?: object)`);
    super(numFeatures, options, { affine: true, trackRunningStats: true });
  }

  protected abstract readonly ranks: readonly number[];

  override forward(x: Tensor): Tensor {
    admit(arguments, ".forward(x: tensor)", this);
    checkChannels(this.constructor.name, x, this.numFeatures, this.ranks);
    const { weight, bias, runningMean, runningVar, eps } = this;
    if (!this.training && runningMean !== null) return batchNorm(x, runningMean, runningVar, weight, bias, { eps });
    const { output, mean, variance } = batchNormTraining(x, weight, bias, { eps });
    if (this.training)
      this.track(
        { mean, variance },
        batchAxes(x).reduce((n, axis) => n * x.shape[axis], 1),
      );
    return output;
  }
}

function checkChannels(who: string, x: Tensor, channels: number, ranks: readonly number[]): void {
  if (!ranks.includes(x.rank) || x.shape[1] !== channels) {
    throw new ShapeError(
      `${who}: got ${show(x.shape)}, wanted rank ${ranks.join(" or ")} with ${channels} channels on axis 1`,
    );
  }
}

/**
 * Batch norm of [N, C] or [N, C, L].
 *
 * @see torch.nn.BatchNorm1d
 */
export class BatchNorm1d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [2, 3];
  }
}

/**
 * Batch norm of [N, C, H, W].
 *
 * @see      torch.nn.BatchNorm2d
 * @example  const layer = new BatchNorm2d(64, { momentum: 1 });
 */
export class BatchNorm2d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [4];
  }
}

/** Batch norm of [N, C, D, H, W]. @see torch.nn.BatchNorm3d */
export class BatchNorm3d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [5];
  }
}

abstract class InstanceNorm extends RunningNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    admit(arguments, `${new.target.name}(numFeatures: number, options?: object)`);
    super(numFeatures, options, { affine: false, trackRunningStats: false });
    if (this.momentum === null) throw new ArgumentError("InstanceNorm: momentum is null, wanted a number");
  }

  protected override get countsBatches(): boolean {
    return false;
  }

  protected abstract readonly ranks: readonly number[];

  override forward(x: Tensor): Tensor {
    admit(arguments, ".forward(x: tensor)", this);
    if (this.ranks.includes(x.rank + 1)) return this.forward(x.unsqueeze(0)).squeeze(0);
    checkChannels(this.constructor.name, x, this.numFeatures, this.ranks);
    const { weight, bias, runningMean, runningVar, eps } = this;
    if (!this.training && runningMean !== null) return batchNorm(x, runningMean, runningVar, weight, bias, { eps });
    const { output, mean, variance } = instanceNorm(x, weight, bias, { eps });
    if (this.training && runningMean !== null) {
      // The average over the batch of each sample's statistics.
      this.track({ mean: mean.mean(0), variance: variance.mean(0) }, x.shape[0] === 0 ? 0 : numel(x.shape.slice(2)));
    }
    return output;
  }
}

/** Instance norm of [N, C, L], or of [C, L]. @see torch.nn.InstanceNorm1d */
export class InstanceNorm1d extends InstanceNorm {
  protected get ranks(): readonly number[] {
    return [3];
  }
}

/** Instance norm of [N, C, H, W], or of [C, H, W]. @see torch.nn.InstanceNorm2d */
export class InstanceNorm2d extends InstanceNorm {
  protected get ranks(): readonly number[] {
    return [4];
  }
}

/** Instance norm of [N, C, D, H, W], or of [C, D, H, W]. @see torch.nn.InstanceNorm3d */
export class InstanceNorm3d extends InstanceNorm {
  protected get ranks(): readonly number[] {
    return [5];
  }
}
