/**
 * Small problems to optimize, in batches: what the field calls *optimizees*.
 *
 * A learned optimizer acts on each coordinate alone, so many problems can be solved at once by giving every parameter
 * a first axis over problems: coordinates do not mix, and neither do problems. `forward()` is the loss of each of
 * them, [problems], at the present parameters; its sum is what an optimizer descends.
 */
import { Module, Parameter, rand, randn, type Tensor } from "loopgrad";

/** A batch of problems: `forward` gives the loss of each, [problems]. */
export abstract class Problems extends Module {
  abstract override forward(): Tensor;
}

/** Random least squares, ‖Wθ − y‖² with W [10, 10], y and θ₀ normal: the paper's section 3.1. */
export class Quadratics extends Problems {
  readonly theta: Parameter;
  readonly #w: Tensor;
  readonly #y: Tensor;

  constructor(problems: number, size = 10) {
    super();
    this.#w = randn([problems, size, size]);
    this.#y = randn([problems, size, 1]);
    this.theta = new Parameter(randn([problems, size, 1]));
  }

  override forward(): Tensor {
    return this.#w.matmul(this.theta).sub(this.#y).square().sum([1, 2]);
  }
}

/**
 * A network 1-20-1 with tanh that fits a sine wave, y = a·sin(x − p) with a in [0.5, 5] and p in [0, π], from 20 fresh
 * points a step: a loss with noise.
 */
export class SineNets extends Problems {
  readonly hidden: Parameter;
  readonly hiddenBias: Parameter;
  readonly out: Parameter;
  readonly outBias: Parameter;
  readonly #amplitude: Tensor;
  readonly #phase: Tensor;
  readonly #points: number;

  constructor(
    readonly problems: number,
    { width = 20, points = 20 } = {},
  ) {
    super();
    this.#amplitude = rand([problems, 1, 1]).mul(4.5).add(0.5);
    this.#phase = rand([problems, 1, 1]).mul(Math.PI);
    this.#points = points;
    this.hidden = new Parameter(randn([problems, 1, width]));
    this.hiddenBias = new Parameter(randn([problems, 1, width]));
    this.out = new Parameter(randn([problems, width, 1]).div(Math.sqrt(width)));
    this.outBias = new Parameter(randn([problems, 1, 1]));
  }

  override forward(): Tensor {
    const x = rand([this.problems, this.#points, 1]).mul(10).sub(5);
    const wave = x.sub(this.#phase).sin().mul(this.#amplitude);
    const h = x.matmul(this.hidden).add(this.hiddenBias).tanh();
    return h.matmul(this.out).add(this.outBias).sub(wave).square().mean([1, 2]);
  }
}

/** The families by the names of `--task`. */
export const FAMILIES = {
  quadratic: (problems: number): Problems => new Quadratics(problems),
  sine: (problems: number): Problems => new SineNets(problems),
} as const;

export type Family = keyof typeof FAMILIES;
