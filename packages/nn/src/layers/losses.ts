/**
 * Losses as modules: the functions of nn.functional with their options fixed. A tensor among the options (class
 * weights) is a constant, not a parameter.
 */
import { admit } from "@loopgrad/tensor";
import * as F from "../functional/losses.ts";
import { Loss } from "./loss-module.ts";

type Options<Fn extends (...args: never[]) => unknown> = NonNullable<Parameters<Fn>[2]>;

/** @see {@link F.mseLoss}, torch.nn.MSELoss */
export class MSELoss extends Loss<Options<typeof F.mseLoss>> {
  constructor(options: Options<typeof F.mseLoss> = {}) {
    admit(arguments, "MSELoss(options?: object)");
    super("MSELoss", F.mseLoss, ["reduction"], options);
  }
}

/** @see {@link F.l1Loss}, torch.nn.L1Loss */
export class L1Loss extends Loss<Options<typeof F.l1Loss>> {
  constructor(options: Options<typeof F.l1Loss> = {}) {
    admit(arguments, "L1Loss(options?: object)");
    super("L1Loss", F.l1Loss, ["reduction"], options);
  }
}

/** @see {@link F.smoothL1Loss}, torch.nn.SmoothL1Loss */
export class SmoothL1Loss extends Loss<Options<typeof F.smoothL1Loss>> {
  constructor(options: Options<typeof F.smoothL1Loss> = {}) {
    admit(arguments, "SmoothL1Loss(options?: object)");
    super("SmoothL1Loss", F.smoothL1Loss, ["reduction", "beta"], options);
  }
}

/** @see {@link F.huberLoss}, torch.nn.HuberLoss */
export class HuberLoss extends Loss<Options<typeof F.huberLoss>> {
  constructor(options: Options<typeof F.huberLoss> = {}) {
    admit(arguments, "HuberLoss(options?: object)");
    super("HuberLoss", F.huberLoss, ["reduction", "delta"], options);
  }
}

/** @see {@link F.crossEntropy}, torch.nn.CrossEntropyLoss */
export class CrossEntropyLoss extends Loss<Options<typeof F.crossEntropy>> {
  constructor(options: Options<typeof F.crossEntropy> = {}) {
    admit(arguments, "CrossEntropyLoss(options?: object)");
    super("CrossEntropyLoss", F.crossEntropy, ["reduction", "weight", "ignoreIndex", "labelSmoothing"], options);
  }
}

/** @see {@link F.nllLoss}, torch.nn.NLLLoss */
export class NLLLoss extends Loss<Options<typeof F.nllLoss>> {
  constructor(options: Options<typeof F.nllLoss> = {}) {
    admit(arguments, "NLLLoss(options?: object)");
    super("NLLLoss", F.nllLoss, ["reduction", "weight", "ignoreIndex"], options);
  }
}

/** @see {@link F.binaryCrossEntropy}, torch.nn.BCELoss */
export class BCELoss extends Loss<Options<typeof F.binaryCrossEntropy>> {
  constructor(options: Options<typeof F.binaryCrossEntropy> = {}) {
    admit(arguments, "BCELoss(options?: object)");
    super("BCELoss", F.binaryCrossEntropy, ["reduction", "weight"], options);
  }
}

/** @see {@link F.binaryCrossEntropyWithLogits}, torch.nn.BCEWithLogitsLoss */
export class BCEWithLogitsLoss extends Loss<Options<typeof F.binaryCrossEntropyWithLogits>> {
  constructor(options: Options<typeof F.binaryCrossEntropyWithLogits> = {}) {
    admit(arguments, "BCEWithLogitsLoss(options?: object)");
    super("BCEWithLogitsLoss", F.binaryCrossEntropyWithLogits, ["reduction", "weight", "posWeight"], options);
  }
}

/** @see {@link F.klDiv}, torch.nn.KLDivLoss */
export class KLDivLoss extends Loss<Options<typeof F.klDiv>> {
  constructor(options: Options<typeof F.klDiv> = {}) {
    admit(arguments, "KLDivLoss(options?: object)");
    super("KLDivLoss", F.klDiv, ["reduction", "logTarget"], options);
  }
}
