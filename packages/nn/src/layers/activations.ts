/**
 * Activations as modules: elementwise functions, and softmax.
 */
import * as ops from "@loopgrad/tensor";
import { ArgumentError, type Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import type { Parameter } from "../slot.ts";
import { constantParameter } from "./slots.ts";

/** A module that applies a function without settings. */
abstract class Elementwise extends Module {
  abstract override forward(x: Tensor): Tensor;
}

/** max(x, 0), with derivative 0 at 0. @see torch.nn.ReLU */
export class ReLU extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.relu(x);
  }
}

/** min(max(x, 0), 6). @see torch.nn.ReLU6 */
export class ReLU6 extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.relu6(x);
  }
}

/** @see torch.nn.Tanh */
export class Tanh extends Elementwise {
  override forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

/** 1 / (1 + e^−x). @see torch.nn.Sigmoid */
export class Sigmoid extends Elementwise {
  override forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

/** x σ(x). @see torch.nn.SiLU */
export class SiLU extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.silu(x);
  }
}

/** x tanh(softplus(x)). @see torch.nn.Mish */
export class Mish extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.mish(x);
  }
}

/** x / (1 + |x|). @see torch.nn.Softsign */
export class Softsign extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.softsign(x);
  }
}

/** log σ(x). @see torch.nn.LogSigmoid */
export class LogSigmoid extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.logsigmoid(x);
  }
}

/** x · relu6(x + 3) / 6. @see torch.nn.Hardswish */
export class Hardswish extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.hardswish(x);
  }
}

/** Scaled ELU. @see torch.nn.SELU */
export class SELU extends Elementwise {
  override forward(x: Tensor): Tensor {
    return ops.selu(x);
  }
}

/** A module that applies a function with settings. */
abstract class Configured<O extends object> extends Module {
  readonly options: Readonly<O>;

  constructor(who: string, defaults: O, options: Partial<O>) {
    super();
    this.options = withDefaults(who, defaults, options);
  }

  override extraRepr(): string {
    return Object.entries(this.options)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(", ");
  }
}

/** x for x > 0, negativeSlope · x below (default 0.01). @see torch.nn.LeakyReLU */
export class LeakyReLU extends Configured<{ negativeSlope: number }> {
  constructor(options: { negativeSlope?: number } = {}) {
    super("LeakyReLU", { negativeSlope: 0.01 }, options);
  }

  override forward(x: Tensor): Tensor {
    return ops.leakyRelu(x, this.options);
  }
}

/** x for x > 0, α (e^x − 1) below. @see torch.nn.ELU */
export class ELU extends Configured<{ alpha: number }> {
  constructor(options: { alpha?: number } = {}) {
    super("ELU", { alpha: 1 }, options);
  }

  override forward(x: Tensor): Tensor {
    return ops.elu(x, this.options);
  }
}

/** x for x > 0, α (e^(x/α) − 1) below. @see torch.nn.CELU */
export class CELU extends Configured<{ alpha: number }> {
  constructor(options: { alpha?: number } = {}) {
    super("CELU", { alpha: 1 }, options);
  }

  override forward(x: Tensor): Tensor {
    return ops.celu(x, this.options);
  }
}

/** x Φ(x), with the normal distribution function or its tanh approximation. @see torch.nn.GELU */
export class GELU extends Configured<{ approximate: "none" | "tanh" }> {
  constructor(options: { approximate?: "none" | "tanh" } = {}) {
    super("GELU", { approximate: "none" }, options);
  }

  override forward(x: Tensor): Tensor {
    return ops.gelu(x, this.options);
  }
}

/** log(1 + e^(βx)) / β; x itself where βx is above the threshold. @see torch.nn.Softplus */
export class Softplus extends Configured<{ beta: number; threshold: number }> {
  constructor(options: { beta?: number; threshold?: number } = {}) {
    super("Softplus", { beta: 1, threshold: 20 }, options);
  }

  override forward(x: Tensor): Tensor {
    return ops.softplus(x, this.options);
  }
}

/** x limited to [minVal, maxVal]. @see torch.nn.Hardtanh */
export class Hardtanh extends Configured<{ minVal: number; maxVal: number }> {
  constructor(options: { minVal?: number; maxVal?: number } = {}) {
    super("Hardtanh", { minVal: -1, maxVal: 1 }, options);
  }

  override forward(x: Tensor): Tensor {
    return ops.hardtanh(x, this.options);
  }
}

/** x above the threshold, a value elsewhere. @see torch.nn.Threshold */
export class Threshold extends Module {
  constructor(
    readonly threshold: number,
    readonly value: number,
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return ops.threshold(x, this.threshold, this.value);
  }

  override extraRepr(): string {
    return `threshold=${this.threshold}, value=${this.value}`;
  }
}

/** a σ(b), with a and b the halves of x along a dimension (default the last). @see torch.nn.GLU */
export class GLU extends Module {
  constructor(readonly dim = -1) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return ops.glu(x, this.dim);
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** Softmax along a dimension. @see torch.nn.Softmax */
export class Softmax extends Module {
  constructor(readonly dim: number) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.softmax(this.dim);
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** Softmax over the channels of [N, C, H, W]. @see torch.nn.Softmax2d */
export class Softmax2d extends Softmax {
  constructor() {
    super(-3);
  }
}

/** Logarithm of softmax along a dimension. @see torch.nn.LogSoftmax */
export class LogSoftmax extends Module {
  constructor(readonly dim: number) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim);
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** x for x > 0, a learned slope times x below; one slope, or one per channel. @see torch.nn.PReLU */
export class PReLU extends Module {
  readonly weight: Parameter;

  constructor(options: PlacementOptions & { numParameters?: number; init?: number } = {}) {
    super();
    const { numParameters, init, ...rest } = withDefaults(
      "PReLU",
      { numParameters: 1, init: 0.25, ...PLACEMENT },
      options,
    );
    if (!(numParameters >= 1)) throw new ArgumentError(`PReLU: numParameters is ${numParameters}, wanted >= 1`);
    this.weight = constantParameter([numParameters], init, placement("PReLU", rest));
  }

  override forward(x: Tensor): Tensor {
    return ops.prelu(x, this.weight);
  }

  override extraRepr(): string {
    return `numParameters=${this.weight.size}`;
  }
}
