/**
 * Layers that change only the shape, or nothing; and dropout, which changes something only in training.
 */
import { ArgumentError, type Shape, type Tensor } from "@loopgrad/tensor";
import { dropout, dropout2d } from "../functional/dropout.ts";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";

/** Returns its input. @see torch.nn.Identity */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** Makes dimensions startDim to endDim (default: all but the first) into one. @see torch.nn.Flatten */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: { startDim?: number; endDim?: number } = {}) {
    super();
    const { startDim, endDim } = withDefaults("Flatten", { startDim: 1, endDim: -1 }, options);
    this.startDim = startDim;
    this.endDim = endDim;
  }

  override forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return `startDim=${this.startDim}, endDim=${this.endDim}`;
  }
}

/** Makes one dimension into several. @see torch.nn.Unflatten */
export class Unflatten extends Module {
  constructor(
    readonly dim: number,
    readonly unflattenedSize: Shape,
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.unflatten(this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return `dim=${this.dim}, unflattenedSize=(${this.unflattenedSize.join(", ")})`;
  }
}

abstract class DropoutBase extends Module {
  readonly p: number;

  constructor(who: string, options: { p?: number }) {
    super();
    const { p } = withDefaults(who, { p: 0.5 }, options);
    if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${who}: p is ${p}, wanted a probability in [0, 1]`);
    this.p = p;
  }

  override extraRepr(): string {
    return `p=${this.p}`;
  }
}

/** In training sets elements to 0 with probability p (default 0.5). `manualSeed` repeats the draws. @see torch.nn.Dropout */
export class Dropout extends DropoutBase {
  constructor(options: { p?: number } = {}) {
    super("Dropout", options);
  }

  override forward(x: Tensor): Tensor {
    return dropout(x, { p: this.p, training: this.training });
  }
}

/** In training sets whole channels of [N, C, …] to 0 with probability p (default 0.5). @see torch.nn.Dropout2d */
export class Dropout2d extends DropoutBase {
  constructor(options: { p?: number } = {}) {
    super("Dropout2d", options);
  }

  override forward(x: Tensor): Tensor {
    return dropout2d(x, { p: this.p, training: this.training });
  }
}
