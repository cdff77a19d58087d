/**
 * Spectral norm: a weight divided by its largest singular value σ, so that the layer stretches no vector.
 *
 * σ = uᵀ W v, with u and v the first singular vectors. They are kept in buffers and improved by a *power iteration*
 * (u ← W v / ‖W v‖, v ← Wᵀ u / ‖Wᵀ u‖) at every forward in training; to the tape they are constants.
 *
 * Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization for Generative Adversarial Networks", 2018.
 */

import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, admit, mv, normalize, numel, randn, scope, type Tensor } from "@loopgrad/tensor";
import { ConvTranspose } from "../layers/conv.ts";
import { Module } from "../module.ts";
import { checkSizes, withDefaults } from "../options.ts";
import { Buffer } from "../slot.ts";
import { registerParametrization } from "./parametrize.ts";

/** Options of {@link spectralNorm}. */
export interface SpectralNormOptions {
  /** The parameter. Default "weight". */
  name?: string;
  /** Power iterations at each forward in training. Default 1. */
  nPowerIterations?: number;
  /** The least length that is divided by. Default 1e-12. */
  eps?: number;
  /** The dimension of the outputs: rows of the matrix. Default 0; 1 for transposed convolutions. */
  dim?: number | null;
}

/** Iterations with which u and v start. */
const FIRST_ITERATIONS = 15;

class SpectralNorm extends Module {
  readonly _u: Buffer | null;
  readonly _v: Buffer | null;

  constructor(
    weight: Tensor,
    readonly nPowerIterations: number,
    readonly dim: number,
    readonly eps: number,
  ) {
    super();
    const unit = (length: number): Buffer =>
      scope(() => new Buffer(this._unit(randn([length], { device: weight.device, dtype: weight.dtype }))));
    const rows = weight.shape[dim];
    const several = weight.rank > 1;
    this._u = several ? unit(rows) : null;
    this._v = several ? unit(numel(weight.shape) / rows) : null;
    if (several) scope(() => this._iterate(this._matrix(weight), FIRST_ITERATIONS));
  }

  private _unit(x: Tensor): Tensor {
    return normalize(x, { dim: 0, eps: this.eps });
  }

  /** [outputs, everything else]. */
  private _matrix(weight: Tensor): Tensor {
    return weight.movedim(this.dim, 0).flatten(1);
  }

  private _iterate(matrix: Tensor, times: number): void {
    const { _u: u, _v: v } = this;
    if (u === null || v === null) return;
    using _ = noGrad();
    for (let i = 0; i < times; i++) {
      u._adopt(scope(() => this._unit(mv(matrix, v))));
      v._adopt(scope(() => this._unit(mv(matrix.t(), u))));
    }
  }

  override forward(weight: Tensor): Tensor {
    const { _u: u, _v: v } = this;
    if (u === null || v === null) return this._unit(weight);
    const matrix = this._matrix(weight);
    if (this.training) this._iterate(matrix, this.nPowerIterations);
    return weight.div(mv(matrix, v).mul(u).sum());
  }

  protected override typeName(): string {
    return "_SpectralNorm";
  }
}

/**
 * Divides a layer's weight by its spectral norm. The learned weight is `parametrizations.weight.original`.
 *
 * @returns  the layer
 * @see      torch.nn.utils.parametrizations.spectral_norm
 * @example  const critic = new Sequential(spectralNorm(new Linear(2, 64)), new LeakyReLU(), spectralNorm(new Linear(64, 1)));
 */
export function spectralNorm<M extends Module>(module: M, options: SpectralNormOptions = {}): M {
  admit(
    arguments,
    "spectralNorm(module: module, options?: { name: string, nPowerIterations: number, eps: number, dim: number|null })",
  );
  const who = "spectralNorm";
  const { name, nPowerIterations, eps, dim } = withDefaults(
    who,
    { name: "weight", nPowerIterations: 1, eps: 1e-12, dim: null as number | null },
    options,
  );
  checkSizes(who, { nPowerIterations });
  const weight = (module as unknown as Record<string, Tensor | undefined>)[name];
  if (weight?.shape === undefined) throw new ArgumentError(`${who}: ${module.constructor.name} has no field ${name}`);
  const wanted = dim ?? (module instanceof ConvTranspose ? 1 : 0);
  const axis = wanted < 0 ? wanted + weight.rank : wanted;
  if (!(Number.isInteger(axis) && axis >= 0 && axis < weight.rank)) {
    throw new ArgumentError(`${who}: dim ${wanted}: ${name} has rank ${weight.rank}`);
  }
  return registerParametrization(module, name, new SpectralNorm(weight, nPowerIterations, axis, eps));
}
