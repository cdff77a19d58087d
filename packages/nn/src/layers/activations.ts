/**
 * Activations as modules: functions of single elements, and those that weigh the elements along a dimension.
 *
 * Most are a function of `nn.functional` and nothing else. So their classes are made: by `elementwise` from a function
 * alone, by `configured` from a function and its options, by `along` from one that takes a dimension.
 */

import * as ops from "@loopgrad/tensor";
import { ArgumentError, admit, type Tensor } from "@loopgrad/tensor";
import type { Layer } from "../containers.ts";
import { rrelu } from "../functional/dropout.ts";
import { constant } from "../init.ts";
import { Module } from "../module.ts";
import {
  byName,
  checkNumbers,
  checkSizes,
  PLACEMENT,
  type PlacementOptions,
  placement,
  withDefaults,
} from "../options.ts";
import { float, quoted, settings } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { blankParameter } from "./slots.ts";

/** A class that applies a function without settings. */
function elementwise(fn: (x: Tensor) => Tensor): new () => Layer {
  return class extends Module {
    constructor() {
      super();
      admit(arguments, "()", this);
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      return fn(x);
    }
  };
}

/**
 * A class that applies a function with options, which default to those given. They may also be given by place, as torch
 * takes them: `new LeakyReLU(0.2)`, `new Hardtanh(-2, 2)`.
 */
function configured<O extends object>(fn: (x: Tensor, options: O) => Tensor, defaults: O): Configured<O> {
  return class extends Module {
    readonly options: Readonly<O>;

    constructor(...settings: [options?: Partial<O>] | O[keyof O][]) {
      super();
      const who = this.constructor.name;
      this.options = withDefaults(who, defaults, byName(who, settings as unknown[], defaults));
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      return fn(x, this.options);
    }

    override extraRepr(): string {
      const texts = Object.entries(this.options).map(([name, value]) => [
        name,
        typeof value === "number" ? float(value) : quoted(String(value)),
      ]);
      return settings(Object.fromEntries(texts));
    }
  };
}

/** A class with options, or with their values in order. */
interface Configured<O> {
  new (options?: Partial<O>): Layer & { readonly options: Readonly<O> };
  new (...values: O[keyof O][]): Layer & { readonly options: Readonly<O> };
}

/** A class that applies a function along a dimension. */
function along(fn: (x: Tensor, dim: number) => Tensor): new (dim: number) => Layer & { readonly dim: number } {
  return class extends Module {
    constructor(readonly dim: number) {
      super();
      admit(arguments, "(dim: number)", this);
      if (!Number.isInteger(dim)) {
        throw new ArgumentError(`${this.constructor.name}: dim is ${JSON.stringify(dim)}, wanted an integer`);
      }
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      return fn(x, this.dim);
    }

    override extraRepr(): string {
      return settings({ dim: this.dim });
    }
  };
}

// ---- of single elements ----------------------------------------------------------------------------------------

/** max(x, 0), with derivative 0 at 0. @see torch.nn.ReLU */
export class ReLU extends elementwise(ops.relu) {}

/** min(max(x, 0), 6). @see torch.nn.ReLU6 */
export class ReLU6 extends elementwise(ops.relu6) {}

/** @see torch.nn.Tanh */
export class Tanh extends elementwise(ops.tanh) {}

/** x − tanh(x). @see torch.nn.Tanhshrink */
export class Tanhshrink extends elementwise(ops.tanhshrink) {}

/** σ(x) = 1 / (1 + e^−x). @see torch.nn.Sigmoid */
export class Sigmoid extends elementwise(ops.sigmoid) {}

/** log σ(x). @see torch.nn.LogSigmoid */
export class LogSigmoid extends elementwise(ops.logsigmoid) {}

/** relu6(x + 3) / 6. @see torch.nn.Hardsigmoid */
export class Hardsigmoid extends elementwise(ops.hardsigmoid) {}

/** x · relu6(x + 3) / 6. @see torch.nn.Hardswish */
export class Hardswish extends elementwise(ops.hardswish) {}

/** x σ(x). @see torch.nn.SiLU */
export class SiLU extends elementwise(ops.silu) {}

/** x tanh(softplus(x)). @see torch.nn.Mish */
export class Mish extends elementwise(ops.mish) {}

/** x / (1 + |x|). @see torch.nn.Softsign */
export class Softsign extends elementwise(ops.softsign) {}

/** Scaled ELU. @see torch.nn.SELU */
export class SELU extends elementwise(ops.selu) {}

/** x for x > 0, `negativeSlope` · x below (default 0.01). @see torch.nn.LeakyReLU */
export class LeakyReLU extends configured(ops.leakyRelu, { negativeSlope: 0.01 }) {}

/** x for x > 0, `alpha` (e^x − 1) below (default 1). @see torch.nn.ELU */
export class ELU extends configured(ops.elu, { alpha: 1 }) {}

/** x for x > 0, α (e^(x/α) − 1) below (`alpha`, default 1). @see torch.nn.CELU */
export class CELU extends configured(ops.celu, { alpha: 1 }) {}

/** x Φ(x), with the normal distribution function, or its `approximate: "tanh"`. @see torch.nn.GELU */
export class GELU extends configured(ops.gelu, { approximate: "none" as "none" | "tanh" }) {}

/** log(1 + e^(βx)) / β (`beta`, 1); x itself where βx is above the `threshold` (20). @see torch.nn.Softplus */
export class Softplus extends configured(ops.softplus, { beta: 1, threshold: 20 }) {}

/** x limited to [`minVal`, `maxVal`] (−1 and 1). @see torch.nn.Hardtanh */
export class Hardtanh extends configured(ops.hardtanh, { minVal: -1, maxVal: 1 }) {}

/** x where |x| > λ (`lambd`, 0.5), else 0. @see torch.nn.Hardshrink */
export class Hardshrink extends configured(ops.hardshrink, { lambd: 0.5 }) {
  override extraRepr(): string {
    return float(this.options.lambd);
  }
}

/** x ∓ λ where |x| > λ (`lambd`, 0.5), else 0. @see torch.nn.Softshrink */
export class Softshrink extends configured(ops.softshrink, { lambd: 0.5 }) {
  override extraRepr(): string {
    return float(this.options.lambd);
  }
}

/**
 * x for x > 0, a slope times x below: in training drawn for each element from U[`lower`, `upper`) (1/8 and 1/3), else
 * their mean.
 *
 * @see torch.nn.RReLU
 */
export class RReLU extends configured(rrelu, { lower: 1 / 8, upper: 1 / 3 }) {
  override forward(x: Tensor): Tensor {
    admit(arguments, "RReLU.forward(x: tensor)");
    return rrelu(x, { ...this.options, training: this.training });
  }
}

/** x above the threshold, a value elsewhere. @see torch.nn.Threshold */
export class Threshold extends Module {
  constructor(
    readonly threshold: number,
    readonly value: number,
  ) {
    admit(arguments, "Threshold(threshold: number, value: number)");
    super();
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Threshold.forward(x: tensor)");
    return ops.threshold(x, this.threshold, this.value);
  }

  override extraRepr(): string {
    return settings({ threshold: this.threshold, value: this.value });
  }
}

/**
 * x for x > 0, a learned slope times x below: one slope, or one for each channel.
 *
 * @param options  `numParameters` (1), `init`: the first slope (0.25)
 * @see            torch.nn.PReLU
 */
export class PReLU extends Module {
  readonly weight: Parameter;
  readonly numParameters: number;
  readonly init: number;

  constructor(options: PlacementOptions & { numParameters?: number; init?: number } = {}) {
    admit(arguments, "PReLU(options?: object)");
    super();
    const defaults = { numParameters: 1, init: 0.25, ...PLACEMENT };
    const { numParameters, init, ...rest } = withDefaults("PReLU", defaults, options);
    checkSizes("PReLU", { numParameters });
    this.numParameters = numParameters;
    checkNumbers("PReLU", { init });
    this.init = init;
    this.weight = blankParameter([numParameters], placement("PReLU", rest));
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "PReLU.resetParameters()");
    constant(this.weight, this.init);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "PReLU.forward(x: tensor)");
    return ops.prelu(x, this.weight);
  }

  override extraRepr(): string {
    return settings({ numParameters: this.numParameters });
  }
}

// ---- along a dimension -----------------------------------------------------------------------------------------

/** Softmax along a dimension. @see torch.nn.Softmax */
export class Softmax extends along(ops.softmax) {}

/** Softmax of −x along a dimension. @see torch.nn.Softmin */
export class Softmin extends along(ops.softmin) {}

/** Logarithm of softmax along a dimension. @see torch.nn.LogSoftmax */
export class LogSoftmax extends along(ops.logSoftmax) {}

/** Softmax over the channels of [N, C, H, W] or [C, H, W]. @see torch.nn.Softmax2d */
export class Softmax2d extends elementwise((x) => ops.softmax(x, -3)) {}

/** a σ(b), with a and b the halves of x along a dimension (default the last). @see torch.nn.GLU */
export class GLU extends along(ops.glu) {
  constructor(dim = -1) {
    admit(arguments, "GLU(dim?: number)");
    super(dim);
  }
}
