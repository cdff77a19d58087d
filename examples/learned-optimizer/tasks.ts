/**
 * Small problems to optimize, in batches: what the field calls *optimizees*.
 *
 * A learned optimizer acts on each coordinate alone, so many problems can be solved at once by giving every parameter
 * a first axis over problems: coordinates do not mix, and neither do problems. The loss is written for one problem;
 * `forward()` is that of each of them, [problems], at the present parameters, and its sum is what an optimizer descends.
 */
import { Module, Parameter, rand, randn, type Tensor } from "loopgrad";
import { overTasks } from "../meta-learning/over-tasks.ts";

/** A batch of problems: `forward` gives the loss of each, [problems]. */
export abstract class Problems extends Module {
  abstract override forward(): Tensor;
}

/** Random least squares, ‖Wθ − y‖² with W [10, 10], y and θ₀ normal: the paper's section 3.1. */
export class Quadratics extends Problems {
  readonly theta: Parameter;
  readonly #w: Tensor;
  readonly #y: Tensor;

  constructor(
    problems: number,
    readonly batched = true,
    size = 10,
  ) {
    super();
    this.#w = randn([problems, size, size]);
    this.#y = randn([problems, size]);
    this.theta = new Parameter(randn([problems, size]));
  }

  override forward(): Tensor {
    const one = (theta: Tensor, w: Tensor, y: Tensor): Tensor => w.mv(theta).sub(y).square().sum();
    return overTasks(one, this.batched)(this.theta, this.#w, this.#y);
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
    readonly batched = true,
    { width = 20, points = 20 } = {},
  ) {
    super();
    this.#amplitude = rand([problems]).mul(4.5).add(0.5);
    this.#phase = rand([problems]).mul(Math.PI);
    this.#points = points;
    this.hidden = new Parameter(randn([problems, 1, width]));
    this.hiddenBias = new Parameter(randn([problems, width]));
    this.out = new Parameter(randn([problems, width, 1]).div(Math.sqrt(width)));
    this.outBias = new Parameter(randn([problems, 1]));
  }

  override forward(): Tensor {
    const { hidden, hiddenBias, out, outBias } = this;
    const x = rand([this.problems, this.#points, 1]).mul(10).sub(5);
    return overTasks(sineLoss, this.batched)(
      { hidden, hiddenBias, out, outBias },
      { x, amplitude: this.#amplitude, phase: this.#phase },
    );
  }
}

/** The loss of one net on its wave, at points x, [points, 1]. */
function sineLoss(
  { hidden, hiddenBias, out, outBias }: Record<"hidden" | "hiddenBias" | "out" | "outBias", Tensor>,
  { x, amplitude, phase }: Record<"x" | "amplitude" | "phase", Tensor>,
): Tensor {
  const wave = x.sub(phase).sin().mul(amplitude);
  const h = x.matmul(hidden).add(hiddenBias).tanh();
  return h.matmul(out).add(outBias).sub(wave).square().mean();
}

/** The families by the names of `--task`. */
export const FAMILIES = {
  quadratic: (problems: number, batched = true): Problems => new Quadratics(problems, batched),
  sine: (problems: number, batched = true): Problems => new SineNets(problems, batched),
} as const;

export type Family = keyof typeof FAMILIES;
