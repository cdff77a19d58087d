/**
 * What the page trains: MAML on sine waves, one small network.
 *
 * A *meta-step* adapts the network to a few waves, one gradient step each, and moves the initial weights along the
 * gradient of the errors after adaptation. A *view* is a wave kept aside to look at.
 */
import {
  Adam,
  functional as F,
  innerLoop,
  Linear,
  linspace,
  noGrad,
  ReLU,
  rand,
  Sequential,
  SGD,
  scope,
  stack,
  type Tensor,
  tensor,
} from "loopgrad";

const WAVES = 4;
const SHOTS = 10;
const INNER_LR = 0.01;
const META_LR = 0.003;
/** Points that a curve is drawn with. */
const RESOLUTION = 101;

export const X_MAX = 5;

/** A wave kept aside: y = amplitude · sin(x − phase), and the points to adapt on. */
export interface View {
  readonly amplitude: number;
  readonly phase: number;
  readonly points: { readonly x: Float32Array; readonly y: Float32Array };
}

/** Curves over `x`, and their mean squared errors. */
export interface Curves {
  readonly x: ArrayLike<number>;
  readonly target: ArrayLike<number>;
  readonly before: ArrayLike<number>;
  readonly after: ArrayLike<number>;
  readonly errorBefore: number;
  readonly errorAfter: number;
}

const uniform = (shape: number[], low: number, high: number): Tensor =>
  rand(shape)
    .mul(high - low)
    .add(low);

/** Numbers in [0, 1) for views, the same for the same seed: a Weyl sequence, mixed as in splitmix32. */
export function seeded(seed: number): () => number {
  let state = (seed ^ Math.floor(seed / 2 ** 32)) | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Draws a wave to look at, with none of the numbers that training draws. */
export function newView(random: () => number): View {
  const amplitude = 1 + 3.5 * random();
  const phase = Math.PI * random();
  const x = Float32Array.from({ length: SHOTS }, () => X_MAX * (2 * random() - 1));
  return { amplitude, phase, points: { x, y: x.map((v) => amplitude * Math.sin(v - phase)) } };
}

/** A network in training. `dispose` gives its memory back. */
export class Training {
  readonly #model = new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU(), new Linear(40, 1));
  readonly #inner = new SGD(this.#model.parameters(), { lr: INNER_LR });
  readonly #outer = new Adam(this.#model.parameters(), { lr: META_LR });

  /** Records meta-steps and submits each. Resolves to the mean error after adaptation, over all of them. */
  async metaSteps(count: number): Promise<number> {
    using _ = scope();
    const errors = Array.from({ length: count }, () => this.#metaStep());
    return stack(errors).mean().item();
  }

  /** The mean error after adaptation, off the tape. */
  #metaStep(): Tensor {
    return scope(() => {
      this.#outer.zeroGrad();
      const losses: Tensor[] = [];
      for (let i = 0; i < WAVES; i++) {
        const [amplitude, phase] = [uniform([], 0.1, 5), uniform([], 0, Math.PI)];
        const batch = (): { x: Tensor; y: Tensor } => {
          const x = uniform([SHOTS, 1], -X_MAX, X_MAX);
          return { x, y: x.sub(phase).sin().mul(amplitude) };
        };
        const [support, query] = [batch(), batch()];
        const loss = innerLoop(this.#model, this.#inner, {}, ({ fmodel, diffopt }) => {
          diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y));
          const error = F.mseLoss(fmodel.forward(query.x), query.y);
          error.mul(1 / WAVES).backward();
          return error.detach();
        });
        losses.push(loss);
      }
      const mean = noGrad(() => stack(losses).mean());
      this.#outer.step();
      return mean;
    });
  }

  /** Adapts a copy of the network to a view. */
  async look({ amplitude, phase, points }: View, steps: number): Promise<Curves> {
    using _ = scope();
    const x = linspace(-X_MAX, X_MAX, RESOLUTION).reshape([RESOLUTION, 1]);
    const target = x.sub(phase).sin().mul(amplitude);
    const support = { x: tensor(points.x, { shape: [SHOTS, 1] }), y: tensor(points.y, { shape: [SHOTS, 1] }) };
    using loop = innerLoop(this.#model, this.#inner, { mode: "none" });
    const { fmodel, diffopt } = loop;
    const before = fmodel.forward(x).detach();
    for (let k = 0; k < steps; k++) diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y));
    const after = fmodel.forward(x).detach();
    const errors = [before, after].map((curve) => F.mseLoss(curve, target));
    const [xs, ...curves] = await Promise.all([x, target, before, after, ...errors].map((t) => t.data()));
    const [targets, befores, afters, [errorBefore], [errorAfter]] = curves;
    return { x: xs, target: targets, before: befores, after: afters, errorBefore, errorAfter };
  }

  dispose(): void {
    this.#outer.dispose();
    this.#model.dispose();
  }
}
