/**
 * Models of different structure for this package's tests: those of the original's test suite.
 *
 * Each takes [N, 4] and makes new weights from the stream of random numbers, so a seed fixes them.
 */
import { BatchNorm1d, Linear, Module, Parameter, ReLU, Sequential, Sigmoid, Tanh } from "@loopgrad/nn";
import { randn, type Tensor } from "@loopgrad/tensor";

/** A module from a batch to a batch. */
export type Model = Module & { forward(x: Tensor): Tensor };

/** Layers one after the other, one of them without a bias. */
export const simple = (): Sequential =>
  new Sequential(new Linear(4, 3), new ReLU(), new Linear(3, 4, { bias: false }), new Sigmoid(), new Linear(4, 2));

/** Two branches that share a layer. */
class Shared extends Module {
  readonly common = new Linear(4, 3);
  readonly left = new Linear(3, 2);
  readonly right = new Linear(3, 2);

  override forward(x: Tensor): Tensor {
    const [a, b] = [this.common.forward(x).relu(), this.common.forward(x.neg()).tanh()];
    return this.left.forward(a).add(this.right.forward(b));
  }
}

/** A layer that stands at two places of a sequence. */
export function sharedSequential(): Sequential {
  const layer = new Linear(4, 4);
  return new Sequential(layer, new ReLU(), layer, new Tanh(), new Linear(4, 2));
}

/** Two weights, one of which is not used. */
class Partial extends Module {
  readonly used = new Parameter(randn([4, 3]));
  readonly unused = new Parameter(randn([4, 3]));

  override forward(x: Tensor): Tensor {
    return x.matmul(this.used);
  }
}

/** Batch normalization at two places. */
const bnMlp = (): Sequential =>
  new Sequential(
    new Linear(4, 3),
    new ReLU(),
    new BatchNorm1d(3),
    new Linear(3, 4),
    new Sigmoid(),
    new BatchNorm1d(4),
    new Linear(4, 2),
  );

/** All of them by name. */
export const MODELS: readonly (readonly [string, () => Model])[] = [
  ["simple", simple],
  ["shared", () => new Shared()],
  ["sharedSequential", sharedSequential],
  ["partial", () => new Partial()],
  ["bnMlp", bnMlp],
];
