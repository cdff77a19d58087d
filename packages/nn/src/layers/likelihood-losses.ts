/**
 * Losses of predicted distributions as modules.
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import * as F from "../functional/likelihood-losses.ts";
import { Loss } from "./loss-module.ts";

/** @see {@link F.gaussianNllLoss}, torch.nn.GaussianNLLLoss */
export class GaussianNLLLoss extends Loss<
  F.LikelihoodOptions,
  [input: Tensor, target: Tensor, variance: Tensor | number]
> {
  constructor(options: F.LikelihoodOptions = {}) {
    admit(arguments, "GaussianNLLLoss(options?: object)");
    super("GaussianNLLLoss", F.gaussianNllLoss, ["reduction", "full", "eps"], options);
  }
}

/** @see {@link F.poissonNllLoss}, torch.nn.PoissonNLLLoss */
export class PoissonNLLLoss extends Loss<F.PoissonOptions> {
  constructor(options: F.PoissonOptions = {}) {
    admit(arguments, "PoissonNLLLoss(options?: object)");
    super("PoissonNLLLoss", F.poissonNllLoss, ["reduction", "logInput", "full", "eps"], options);
  }
}
