/**
 * Learning rates of the inner loop that are learned with the initial weights, by the same meta-gradient.
 *
 * Each kind makes leaves of the tape and says which of them a step uses, as an `override` of the inner optimizer's `lr`.
 * They differ in how many rates there are:
 *
 * - `fixed`: none are learned: plain MAML.
 * - `scalar`: one for everything.
 * - `per-parameter`: one for each weight matrix and each bias.
 * - `elementwise`: one for each single weight: Meta-SGD (Li, Zhou, Chen, Li 2017, arXiv 1707.09835). Rates may become
 *   negative, so what is learned is a direction as well as a length.
 * - `per-step-per-layer`: one for each inner step and layer: the rates of MAML++ (Antoniou, Edwards, Storkey 2019,
 *   arXiv 1810.09502, "LSLR"). Of that paper's other improvements there is none here.
 */
import { full, Parameter, PerParameter, perParameter, Tensor } from "loopgrad";
import type { Learner } from "../meta-learning/learner.ts";

export interface Rates {
  /** What is learned. */
  readonly leaves: readonly Parameter[];
  /** The rates of an inner step, from 0 on: an override. */
  at(step: number): { lr: number | Tensor | PerParameter };
}

export interface Start {
  /** The value that every rate begins with. */
  readonly lr: number;
  /** Inner steps while training. Later steps, at test, use the rates of the last one. */
  readonly steps: number;
}

const leaf = (shape: readonly number[], { lr }: Start): Parameter => new Parameter(full([...shape], lr));

const makers = {
  fixed: (_model: Learner, { lr }: Start): Rates => ({ leaves: [], at: () => ({ lr }) }),

  scalar: (_model: Learner, start: Start): Rates => {
    const rate = leaf([], start);
    return { leaves: [rate], at: () => ({ lr: rate }) };
  },

  "per-parameter": (model: Learner, start: Start): Rates => {
    const leaves = model.parameters().map(() => leaf([], start));
    return { leaves, at: () => ({ lr: perParameter(leaves) }) };
  },

  elementwise: (model: Learner, start: Start): Rates => {
    const leaves = model.parameters().map((parameter) => leaf(parameter.shape, start));
    return { leaves, at: () => ({ lr: perParameter(leaves) }) };
  },

  "per-step-per-layer": (model: Learner, start: Start): Rates => {
    const layerOf = model.namedParameters().map(([name]) => layerName(name));
    const layers = [...new Set(layerOf)];
    const bySteps = Array.from({ length: start.steps }, () => layers.map(() => leaf([], start)));
    return {
      leaves: bySteps.flat(),
      at: (step) => {
        const rates = bySteps[Math.min(step, start.steps - 1)];
        return { lr: perParameter(layerOf.map((layer) => rates[layers.indexOf(layer)])) };
      },
    };
  },
};

export type RatesKind = keyof typeof makers;

export const ratesKinds = Object.keys(makers) as RatesKind[];

/** Makes rates for a model. */
export const makeRates = (kind: RatesKind, model: Learner, start: Start): Rates => makers[kind](model, start);

/**
 * Reads the rates that a step uses.
 *
 * @returns  by layer: the rates of its weights and biases, ascending
 */
export async function readRates(model: Learner, rates: Rates, step: number): Promise<Map<string, number[]>> {
  const { lr } = rates.at(step);
  const byLayer = new Map<string, number[]>();
  for (const [i, [name]] of model.namedParameters().entries()) {
    const rate = lr instanceof PerParameter ? lr.values[i] : lr;
    const values = rate instanceof Tensor ? Array.from(await rate.data()) : [rate as number];
    byLayer.set(layerName(name), [...(byLayer.get(layerName(name)) ?? []), ...values]);
  }
  for (const values of byLayer.values()) values.sort((a, b) => a - b);
  return byLayer;
}

/** "body.0.weight" and "body.0.bias" belong to the layer "body.0". */
const layerName = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."));
