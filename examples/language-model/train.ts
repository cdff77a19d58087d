/**
 * Training a language model: the plain loop. Losses are in *bits per character*: how long the text would be if it were
 * coded by the model's predictions. Cross-entropy counts nats; a bit is log 2 of them.
 */
import { Adam, clipGradNorm, functional as F, noGrad, OneCycleLR, scope, type Tensor } from "loopgrad";
import type { Lcg } from "../lcg.ts";
import { type Corpus, windows } from "./corpus.ts";
import type { LanguageModel } from "./models.ts";

export interface Schedule {
  readonly steps: number;
  /** Windows of a step, and their length. */
  readonly batch: number;
  readonly window: number;
  /** Adam's rate at its peak, a tenth of the way. */
  readonly lr: number;
  /** The longest that a gradient may be. */
  readonly clip: number;
}

/** Who looks at a run: after the steps that are `wanted`, with the batch's loss in nats. */
export interface Watcher {
  wanted(step: number): boolean;
  seen(step: number, loss: number): Promise<void>;
}

/** Mean cross-entropy of the next characters y [n, T], in nats. */
const lossOf = (model: LanguageModel, { x, y }: { x: Tensor; y: Tensor }): Tensor =>
  F.crossEntropy(model.forward(x).flatten(0, 1), y.flatten());

/** Adam on windows from random places of the text. */
export async function train(
  model: LanguageModel,
  { train: text }: Corpus,
  { steps, batch, window, lr, clip }: Schedule,
  random: Lcg,
  watcher: Watcher,
): Promise<void> {
  const parameters = model.parameters();
  const optimizer = new Adam(parameters, { lr });
  const rate = new OneCycleLR(optimizer, { maxLr: lr, totalSteps: steps + 1, pctStart: 0.1, cycleMomentum: false });
  for (let step = 1; step <= steps; step++) {
    using _ = scope();
    const starts = Array.from({ length: batch }, () => random.below(text.length - window));
    optimizer.zeroGrad();
    const loss = lossOf(model, windows(text, starts, window));
    loss.backward();
    clipGradNorm(parameters, clip);
    optimizer.step();
    rate.step();
    // Reading waits for the device: only where someone looks.
    if (watcher.wanted(step)) await watcher.seen(step, await loss.item());
  }
}

/**
 * Bits per character of a text, window by window: each begins without knowing what went before.
 *
 * @param count  so many windows, evenly spaced; all of them if there are no more
 */
export async function bitsPerCharacter(
  model: LanguageModel,
  text: Uint16Array,
  { window, count = Number.POSITIVE_INFINITY }: { window: number; count?: number },
): Promise<number> {
  const all = Math.floor((text.length - 1) / window);
  const chosen = Math.min(all, count);
  const starts = Array.from({ length: chosen }, (_, i) => Math.floor((i * all) / chosen) * window);
  let total = 0;
  model.eval();
  for (let i = 0; i < chosen; i += 64) {
    using _ = scope();
    using _mode = noGrad();
    const some = starts.slice(i, i + 64);
    total += some.length * (await lossOf(model, windows(text, some, window)).item());
  }
  model.train();
  return total / chosen / Math.LN2;
}
