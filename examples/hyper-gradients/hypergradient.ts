/**
 * Hyper-gradients: derivatives of a validation loss by the hyperparameters of the training before it.
 *
 * A *window* is a few training steps on the tape, then one look at validation images. Its hyper-gradient is the
 * derivative of that look by learning rate and weight decay, through all the window's steps (Maclaurin, Duvenaud and
 * Adams 2015, arXiv 1502.03492). Both numbers are positive and are thought of in factors, so their logarithms are learned.
 *
 * - *Restarts*: every window is a whole training from fresh weights; the hyper-gradient is that of its end.
 * - *Online*: one training goes on from window to window, and the tape is cut in between. With windows of one step this is
 *   hypergradient descent (Baydin et al. 2018, arXiv 1703.04782), but with a validation loss. Much cheaper, and
 *   short-sighted: what lowers the loss soon is not what lowers it in the end.
 */
import {
  Adam,
  clipGradValue,
  functional as F,
  type InnerLoop,
  innerLoop,
  Linear,
  Parameter,
  Sequential,
  SGD,
  scope,
  Tanh,
  type Tensor,
  tensor,
} from "loopgrad";
import type { Batch } from "../data/images.ts";

/** What is learned: logarithms of learning rate and weight decay, scalars. */
export interface Hyper {
  readonly logLr: Tensor;
  readonly logDecay: Tensor;
}

/** Hyperparameters to learn, from their first values. */
export const hyperFrom = (lr: number, decay: number): Hyper => ({
  logLr: new Parameter(tensor(Math.log(lr))),
  logDecay: new Parameter(tensor(Math.log(decay))),
});

/** Their values: learning rate and weight decay. */
export const hyperValues = async ({ logLr, logDecay }: Hyper): Promise<[number, number]> => {
  const [lr, decay] = await Promise.all([logLr.item(), logDecay.item()]);
  return [Math.exp(lr), Math.exp(decay)];
};

/** What is trained, and on what. */
export interface Task {
  readonly net: () => Sequential;
  /** Batches to train on, another at each call. */
  readonly batch: () => Batch;
  readonly validation: Batch;
  readonly momentum: number;
}

/** Logits of rows of pixels, by one hidden layer. */
export const classifier = (inputs: number, hidden: number, classes: number): Sequential =>
  new Sequential(new Linear(inputs, hidden), new Tanh(), new Linear(hidden, classes));

/** Cross-entropy of images [n, 1, h, w] in nats. */
export const lossOf = (net: { forward(x: Tensor): Tensor }, { x, y }: Batch): Tensor =>
  F.crossEntropy(net.forward(x.flatten(1)), y);

/** Begins a training on the tape. Its hyperparameters are given step by step. */
export const begin = (net: Sequential, { momentum }: Task): InnerLoop<Sequential> =>
  innerLoop(net, new SGD(net.parameters(), { momentum }), { initial: "detached", history: "ends" });

/**
 * Trains on for `steps` steps and looks at the validation images.
 *
 * @returns  the validation loss, from which the tape leads to the hyperparameters
 */
export function window(
  { fmodel, diffopt }: InnerLoop<Sequential>,
  { logLr, logDecay }: Hyper,
  { batch, validation }: Task,
  steps: number,
): Tensor {
  const override = { lr: logLr.exp(), weightDecay: logDecay.exp() };
  for (let k = 0; k < steps; k++) diffopt.step(lossOf(fmodel, batch()), { override });
  return lossOf(fmodel, validation);
}

export interface LearnOptions {
  readonly method: "restarts" | "online";
  /** Windows, and training steps in each. */
  readonly windows: number;
  readonly steps: number;
  /** Adam's learning rate for the logarithms: 0.1 is about ten per cent a window. */
  readonly metaLr: number;
  /** Called after each window with its validation loss. */
  readonly onWindow: (window: number, loss: Tensor) => Promise<void>;
}

/** The outer loop: Adam on the hyperparameters, one step a window. */
export async function learn(hyper: Hyper, task: Task, options: LearnOptions): Promise<void> {
  const { method, windows, steps, metaLr, onWindow } = options;
  const inputs = [hyper.logLr, hyper.logDecay];
  const outer = new Adam(inputs, { lr: metaLr, betas: [0.9, 0.99] });
  const improve = async (training: InnerLoop<Sequential>, w: number): Promise<void> => {
    const loss = window(training, hyper, task, steps);
    outer.zeroGrad();
    loss.backward({ inputs }); // only these want a gradient, not the weights
    clipGradValue(inputs, 1); // a training that explodes has a hyper-gradient that says little but "huge"
    outer.step();
    await onWindow(w, loss);
  };
  if (method === "restarts") {
    for (let w = 1; w <= windows; w++) {
      const net = task.net();
      using training = begin(net, task);
      await improve(training, w);
      net.dispose();
    }
  } else {
    const net = task.net();
    using training = begin(net, task);
    for (let w = 1; w <= windows; w++) {
      using _ = scope();
      await improve(training, w);
      training.detach(); // the tape is cut; weights and momentum go on
    }
    net.dispose();
  }
}
