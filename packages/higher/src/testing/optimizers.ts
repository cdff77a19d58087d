/**
 * Optimizers with their options, for this package's tests: the names, classes and options that sweeps go through.
 */
import {
  Adadelta,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  ASGD,
  NAdam,
  type Optimizer,
  type Params,
  RAdam,
  RMSprop,
  Rprop,
  SGD,
} from "@loopgrad/optim";
import type { Tensor } from "@loopgrad/tensor";

/** Parameters, or groups of them with a learning rate of their own. */
export type Groups = Tensor[] | { params: Tensor[]; lr?: number | Tensor }[];

/** Makes an optimizer. */
export type Make = (params: Groups, more?: { lr?: number | Tensor; maximize?: boolean }) => Optimizer<object>;

const make =
  <H extends object>(cls: new (params: Params<H>, options: Partial<H>) => Optimizer<H>, options: Partial<H>): Make =>
  (params, more) =>
    new cls(params as Params<H>, { ...options, ...more } as Partial<H>) as unknown as Optimizer<object>;

/** The eleven, with the options they come with. */
export const OPTIMIZERS: readonly (readonly [string, Make])[] = [
  ["SGD", make(SGD, {})],
  ["Adam", make(Adam, {})],
  ["AdamW", make(AdamW, {})],
  ["Adadelta", make(Adadelta, {})],
  ["Adagrad", make(Adagrad, {})],
  ["Adamax", make(Adamax, {})],
  ["ASGD", make(ASGD, {})],
  ["RMSprop", make(RMSprop, {})],
  ["Rprop", make(Rprop, {})],
  ["NAdam", make(NAdam, {})],
  ["RAdam", make(RAdam, {})],
];

/**
 * Every option of every optimizer at a rate of 0.1: the sets of the original's test suite, and those that it lacks
 * (or had commented out: RMSprop).
 */
export const OPTION_SETS: readonly (readonly [string, Make])[] = [
  ["SGD", make(SGD, { lr: 0.1 })],
  ["SGD momentum", make(SGD, { lr: 0.1, momentum: 0.1 })],
  ["SGD momentum, dampening", make(SGD, { lr: 0.1, momentum: 0.5, dampening: 0.5 })],
  ["SGD nesterov", make(SGD, { lr: 0.1, momentum: 0.1, nesterov: true })],
  ["SGD weight decay", make(SGD, { lr: 0.1, weightDecay: 0.1 })],
  ["SGD maximize", make(SGD, { lr: 0.001, maximize: true })],
  ["Adam", make(Adam, { lr: 0.1 })],
  ["Adam weight decay", make(Adam, { lr: 0.1, weightDecay: 0.1 })],
  ["Adam amsgrad", make(Adam, { lr: 0.1, amsgrad: true, betas: [0.8, 0.9] })],
  ["Adam maximize", make(Adam, { lr: 0.01, maximize: true })],
  ["AdamW", make(AdamW, { lr: 0.1 })],
  ["AdamW weight decay", make(AdamW, { lr: 0.1, weightDecay: 0.1 })],
  ["AdamW amsgrad", make(AdamW, { lr: 0.1, amsgrad: true })],
  ["Adadelta", make(Adadelta, { lr: 0.1 })],
  ["Adadelta weight decay", make(Adadelta, { lr: 0.1, weightDecay: 0.1 })],
  ["Adagrad", make(Adagrad, { lr: 0.1 })],
  ["Adagrad weight decay", make(Adagrad, { lr: 0.1, weightDecay: 0.1 })],
  ["Adagrad rate decay", make(Adagrad, { lr: 0.1, lrDecay: 0.1 })],
  ["Adagrad initial accumulator", make(Adagrad, { lr: 0.1, initialAccumulatorValue: 0.1 })],
  ["Adamax", make(Adamax, { lr: 0.1 })],
  ["Adamax weight decay", make(Adamax, { lr: 0.1, weightDecay: 0.1 })],
  ["ASGD", make(ASGD, { lr: 0.1 })],
  ["ASGD weight decay, averaging", make(ASGD, { lr: 0.1, weightDecay: 0.1, t0: 5 })],
  ["RMSprop", make(RMSprop, { lr: 0.1 })],
  ["RMSprop momentum", make(RMSprop, { lr: 0.1, momentum: 0.1 })],
  ["RMSprop weight decay", make(RMSprop, { lr: 0.1, weightDecay: 0.1 })],
  ["RMSprop centered", make(RMSprop, { lr: 0.1, centered: true })],
  ["Rprop", make(Rprop, { lr: 0.1 })],
  ["NAdam", make(NAdam, { lr: 0.1, weightDecay: 0.1 })],
  ["NAdam decoupled", make(NAdam, { lr: 0.1, weightDecay: 0.1, decoupledWeightDecay: true })],
  ["RAdam", make(RAdam, { lr: 0.1, weightDecay: 0.1 })],
  ["RAdam decoupled", make(RAdam, { lr: 0.1, weightDecay: 0.1, decoupledWeightDecay: true })],
];

/**
 * Options at which an unrolled loop is smooth enough for differences: an ε that is felt, betas that differ from 1. All
 * hyperparameters are learned in these tests, those that are 0 too.
 */
export const SMOOTH_SETS: readonly (readonly [string, Make])[] = [
  ["SGD", make(SGD, { lr: 0.1 })],
  ["SGD momentum", make(SGD, { lr: 0.1, momentum: 0.9, dampening: 0.3, weightDecay: 0.01 })],
  ["SGD nesterov", make(SGD, { lr: 0.1, momentum: 0.9, nesterov: true })],
  ["Adam", make(Adam, { lr: 0.05, betas: [0.9, 0.99], eps: 1e-2, weightDecay: 0.1 })],
  ["Adam amsgrad", make(Adam, { lr: 0.05, betas: [0.8, 0.5], eps: 1e-2, amsgrad: true })],
  ["AdamW", make(AdamW, { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, 0.99] })],
  ["Adadelta", make(Adadelta, { eps: 1e-2, weightDecay: 0.1 })],
  ["Adagrad", make(Adagrad, { lr: 0.1, lrDecay: 0.1, initialAccumulatorValue: 0.1, eps: 1e-2 })],
  ["Adamax", make(Adamax, { lr: 0.05, eps: 1e-2, weightDecay: 0.1 })],
  ["ASGD", make(ASGD, { lr: 0.1, lambd: 0.1, alpha: 0.5, t0: 1, weightDecay: 0.1 })],
  ["RMSprop", make(RMSprop, { lr: 0.02, alpha: 0.9, eps: 1e-2 })],
  [
    "RMSprop centered",
    make(RMSprop, { lr: 0.02, alpha: 0.9, eps: 1e-2, momentum: 0.5, centered: true, weightDecay: 0.1 }),
  ],
  ["Rprop", make(Rprop, { lr: 0.05, stepSizes: [1e-4, 0.2] })],
  ["NAdam", make(NAdam, { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, 0.99], momentumDecay: 0.1 })],
  [
    "NAdam decoupled",
    make(NAdam, { lr: 0.05, eps: 1e-2, betas: [0.9, 0.99], weightDecay: 0.1, decoupledWeightDecay: true }),
  ],
  // With β₂ = 0.9 the sixth step is the first rectified one: after three warm steps ρ passes 5 in the middle of a loop.
  ["RAdam", make(RAdam, { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, 0.9] })],
  [
    "RAdam decoupled",
    make(RAdam, { lr: 0.05, eps: 1e-2, betas: [0.9, 0.9], weightDecay: 0.1, decoupledWeightDecay: true }),
  ],
];
