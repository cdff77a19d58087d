/**
 * Dropout: in training, elements or whole channels are set to 0 with probability p (default 0.5). In evaluation nothing
 * happens. `manualSeed` repeats the draws.
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import type { Layer } from "../containers.ts";
import * as F from "../functional/dropout.ts";
import { Module } from "../module.ts";
import { byName, checkProbability, withDefaults } from "../options.ts";
import { float, settings } from "../repr.ts";

/** Options of the dropout layers. */
export interface DropoutLayerOptions {
  /** Probability of being dropped. Default 0.5. */
  p?: number;
}

/** What a dropout layer is. */
export interface DropoutLayer extends Layer {
  readonly p: number;
}

/** A class that drops by a function while it is in training. */
function dropping(fn: typeof F.dropout): new (options?: DropoutLayerOptions | number) => DropoutLayer {
  return class extends Module {
    readonly p: number;

    constructor(...settings: [options?: DropoutLayerOptions | number]) {
      super();
      const who = this.constructor.name;
      const defaults = { p: 0.5 };
      this.p = withDefaults(who, defaults, byName(who, settings, defaults)).p;
      checkProbability(who, "p", this.p);
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      return fn(x, { p: this.p, training: this.training });
    }

    override extraRepr(): string {
      return settings({ p: float(this.p), inplace: false });
    }
  };
}

/** Drops elements. @see torch.nn.Dropout @example new Dropout({ p: 0.2 }), or as torch writes it new Dropout(0.2) */
export class Dropout extends dropping(F.dropout) {}

/** Drops whole channels of [N, C, L] or [C, L]. @see torch.nn.Dropout1d */
export class Dropout1d extends dropping(F.dropout1d) {}

/** Drops whole channels of [N, C, H, W]. @see torch.nn.Dropout2d */
export class Dropout2d extends dropping(F.dropout2d) {}

/** Drops whole channels of [N, C, D, H, W] or [C, D, H, W]. @see torch.nn.Dropout3d */
export class Dropout3d extends dropping(F.dropout3d) {}

/** Dropout for networks with SELU: mean and variance stay. @see torch.nn.AlphaDropout */
export class AlphaDropout extends dropping(F.alphaDropout) {}

/** Alpha dropout of whole channels. @see torch.nn.FeatureAlphaDropout */
export class FeatureAlphaDropout extends dropping(F.featureAlphaDropout) {}
