/**
 * Layers that change only the shape, or nothing.
 */

import type { Shape, Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";
import { settings } from "../repr.ts";

/** Returns its input. It takes no arguments; torch's takes any, and ignores them. @see torch.nn.Identity */
export class Identity extends Module {
  constructor() {
    admit(arguments, "Identity()");
    super();
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Identity.forward(x: tensor)");
    return x;
  }
}

/** Makes dimensions startDim to endDim (default: all but the first) into one. @see torch.nn.Flatten */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(options: { startDim?: number; endDim?: number } = {}) {
    admit(arguments, "Flatten(options?: object)");
    super();
    const { startDim, endDim } = withDefaults("Flatten", { startDim: 1, endDim: -1 }, options);
    this.startDim = startDim;
    this.endDim = endDim;
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Flatten.forward(x: tensor)");
    return x.flatten(this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return settings({ startDim: this.startDim, endDim: this.endDim });
  }
}

/** Makes one dimension into several. @see torch.nn.Unflatten */
export class Unflatten extends Module {
  constructor(
    readonly dim: number,
    readonly unflattenedSize: Shape,
  ) {
    admit(arguments, "Unflatten(dim: number, unflattenedSize: numbers)");
    super();
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Unflatten.forward(x: tensor)");
    return x.unflatten(this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return settings({ dim: this.dim, unflattenedSize: [...this.unflattenedSize] });
  }
}
