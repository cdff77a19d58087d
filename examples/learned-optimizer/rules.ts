/**
 * Learned optimizers: update rules with a network inside.
 *
 * Both are *coordinatewise*: one small network is applied to every element of every parameter as if elements were a
 * batch, so it fits parameters of any shape, and has few weights of its own. What it remembers of each coordinate
 * (moving averages, an LSTM's cells) is optimizer state, as Adam's moments are. Being rules like any other, they train
 * in place by `step()`, and are differentiated through by `innerLoop`, which is how their networks are trained.
 */
import {
  cat,
  Linear,
  LSTMCell,
  Module,
  maximum,
  Optimizer,
  type Params,
  ReLU,
  type Scalar,
  Sequential,
  type State,
  stack,
  type Tensor,
  type Updated,
  where,
} from "loopgrad";

/** A factor on every step. A hyperparameter like any other: a number, or a tensor that gets its own gradient. */
export interface LearnedHyper {
  scale: Scalar;
}

/** The network of {@link LstmOptimizer}: two LSTM cells and a linear map to one number. */
export class LstmRule extends Module {
  readonly lower: LSTMCell;
  readonly upper: LSTMCell;
  readonly head: Linear;

  constructor(readonly hidden = 20) {
    super();
    this.lower = new LSTMCell(2, hidden);
    this.upper = new LSTMCell(hidden, hidden);
    this.head = new Linear(hidden, 1);
  }
}

/**
 * Learning to learn by gradient descent by gradient descent (Andrychowicz et al. 2016): an LSTM reads each coordinate's
 * gradient, step after step, and says where to go.
 */
export class LstmOptimizer extends Optimizer<LearnedHyper> {
  constructor(
    params: Params<LearnedHyper>,
    readonly net: LstmRule,
    options: Partial<LearnedHyper> = {},
  ) {
    super(params, options, { scale: 0.1 });
  }

  override update(param: Tensor, grad: Tensor, state: State, { scale }: LearnedHyper): Updated {
    const { lower, upper, head } = this.net;
    const [h1, c1] = lower.forward(preprocessed(grad), remembered(state.h1, state.c1));
    const [h2, c2] = upper.forward(h1, remembered(state.h2, state.c2));
    const step = head.forward(h2).reshape(param.shape);
    return { param: param.add(step.mul(scale)), state: { h1, c1, h2, c2 } };
  }
}

const remembered = (h: unknown, c: unknown): [Tensor, Tensor] | null =>
  h === undefined ? null : [h as Tensor, c as Tensor];

/**
 * Gradients span many orders of magnitude, which networks do not like. The paper's appendix A splits each into a
 * logarithm and a sign, (log|g| / p, sgn g), and the tiny ones into (−1, eᵖ g).
 *
 * @returns  [elements, 2]
 */
export function preprocessed(grad: Tensor, p = 10): Tensor {
  const g = grad.reshape([-1]);
  // The logarithm is taken of what is not tiny only, so that no derivative is infinite where it is not chosen.
  const large = g.abs().ge(Math.exp(-p));
  const size = where(large, maximum(g.abs(), Math.exp(-p)).log().div(p), -1);
  const sign = where(large, g.sign(), g.mul(Math.exp(p)));
  return stack([size, sign], 1);
}

/** The network of {@link MlpOptimizer}: six features in, a direction and a logarithm of its length out. */
export class MlpRule extends Sequential {
  constructor(readonly hidden = 32) {
    super(new Linear(6, hidden), new ReLU(), new Linear(hidden, hidden), new ReLU(), new Linear(hidden, 2));
  }
}

/** Decays of the momenta that {@link MlpOptimizer} sees, and of its mean square. */
const MOMENTA = [0.5, 0.9, 0.99];
const MEAN_SQUARE = 0.95;

/**
 * A feed-forward rule over features of each coordinate, in the manner of Metz et al. 2019, *Understanding and correcting
 * pathologies in the training of learned optimizers*: the gradient and three momenta, all relative to the root mean
 * square of past gradients; that root's logarithm; the time. It has only to learn what to do with what Adam knows.
 */
export class MlpOptimizer extends Optimizer<LearnedHyper> {
  constructor(
    params: Params<LearnedHyper>,
    readonly net: MlpRule,
    options: Partial<LearnedHyper> = {},
  ) {
    super(params, options, { scale: 0.1 });
  }

  override update(param: Tensor, grad: Tensor, state: State, { scale }: LearnedHyper): Updated {
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const g = grad.reshape([-1, 1]);
    const average = (name: string, x: Tensor, decay: number): Tensor => {
      const before = state[name] as Tensor | undefined;
      return before === undefined ? x.mul(1 - decay) : before.mul(decay).add(x.mul(1 - decay));
    };
    const momenta = MOMENTA.map((decay, i) => average(`momentum${i}`, g, decay));
    const square = average("square", g.square(), MEAN_SQUARE);
    // Averages start at 0; the division makes up for that, as in Adam.
    const unbiased = (x: Tensor, decay: number): Tensor => x.div(1 - decay ** step);
    const root = unbiased(square, MEAN_SQUARE).add(1e-12).sqrt();
    const relative = [g, ...momenta.map((m, i) => unbiased(m, MOMENTA[i]))].map((x) => x.div(root));
    const time = root.mul(0).add(Math.log(step) / 5);
    const features = cat([...relative, root.log().div(10), time], 1);
    const [direction, size] = this.net.forward(features).split(1, 1);
    const move = direction.mul(size.exp()).reshape(param.shape);
    const [momentum0, momentum1, momentum2] = momenta;
    return { param: param.sub(move.mul(scale)), state: { step, momentum0, momentum1, momentum2, square } };
  }
}

/** A network, and the optimizer whose rule it is. The network is all that has to be saved: `net.stateDict()`. */
export interface Learner {
  readonly net: Module;
  optimizer(params: Params<LearnedHyper>): Optimizer<LearnedHyper>;
}

/** The two kinds of rule by the names of `--model`, with fresh networks. */
export const LEARNERS: Readonly<Record<"lstm" | "mlp", () => Learner>> = {
  lstm: () => {
    const net = new LstmRule();
    return { net, optimizer: (params) => new LstmOptimizer(params, net) };
  },
  mlp: () => {
    const net = new MlpRule();
    return { net, optimizer: (params) => new MlpOptimizer(params, net) };
  },
};
