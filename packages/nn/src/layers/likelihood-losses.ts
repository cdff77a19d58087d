/**
 * Losses of predicted distributions as modules.
 */
import type { Tensor } from "@loopgrad/tensor";
import * as F from "../functional/likelihood-losses.ts";
import { Loss } from "./loss-module.ts";

/** @see {@link F.gaussianNllLoss}, torch.nn.GaussianNLLLoss */
export class GaussianNLLLoss extends Loss<
  F.LikelihoodOptions,
  [input: Tensor, target: Tensor, variance: Tensor | number]
> {
  constructor(options: F.LikelihoodOptions = {}) {
    super("GaussianNLLLoss", F.gaussianNllLoss, ["reduction", "full", "eps"], options);
  }
}

/** @see {@link F.poissonNllLoss}, torch.nn.PoissonNLLLoss */
export class PoissonNLLLoss extends Loss<F.PoissonOptions> {
  constructor(options: F.PoissonOptions = {}) {
    super("PoissonNLLLoss", F.poissonNllLoss, ["reduction", "logInput", "full", "eps"], options);
  }
}
