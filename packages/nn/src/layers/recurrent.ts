/**
 * Recurrent layers: a cell along a sequence, in several layers and both directions.
 *
 * The input's share of the gates (see gates.ts) is computed for the whole sequence at once, the state's share step by
 * step. Shapes are torch's: sequences are [T, N, features] ([N, T, features] with `batchFirst`, [T, features] without a
 * batch), states [layers · directions, N, hidden]. So are the parameters' names, which are fields: `weight_ih_l0`,
 * `bias_hh_l1_reverse`.
 */
import {
  ArgumentError,
  admit,
  cat,
  linear,
  literals,
  ShapeError,
  sameShape,
  show,
  stack,
  type Tensor,
} from "@loopgrad/tensor";
import { dropout } from "../functional/dropout.ts";
import { uniform } from "../init.ts";
import { Module } from "../module.ts";
import {
  checkOptions,
  checkProbability,
  checkSizes,
  PLACEMENT,
  type PlacementOptions,
  placement,
  withDefaults,
} from "../options.ts";
import { changed, float, listed } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { gru, type Kind, lstm, plainKind } from "./gates.ts";
import { blankParameter } from "./slots.ts";

// What the class keeps for itself: a copy takes it along, and no list of fields shows it. The fields are declared and not
// defined, for to bundlers a computed name is an effect.
const KIND = Symbol("kind");

/** Options of the recurrent layers. */
export interface RecurrentOptions extends PlacementOptions {
  /** Layers, each of which reads the one below. Default 1. */
  numLayers?: number;
  /** Default true. */
  bias?: boolean;
  /** Sequences are [N, T, features]. Default false. */
  batchFirst?: boolean;
  /** Dropout between layers, in training. Default 0. */
  dropout?: number;
  /** A second pass runs backwards; outputs are concatenated. Default false. */
  bidirectional?: boolean;
}

const DEFAULTS = { numLayers: 1, bias: true, batchFirst: false, dropout: 0, bidirectional: false, ...PLACEMENT };
const KNOWN = Object.keys(DEFAULTS);

/** The parameters of one layer in one direction, as they are at present. */
interface Weights {
  ih: Tensor;
  hh: Tensor;
  /** Projects h; null if it is not projected. */
  hr: Tensor | null;
  biasIh: Tensor | null;
  biasHh: Tensor | null;
}

abstract class Recurrent extends Module {
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  declare private readonly [KIND]: Kind;

  constructor(
    who: string,
    readonly inputSize: number,
    readonly hiddenSize: number,
    kind: Kind,
    options: RecurrentOptions,
    readonly projSize = 0,
  ) {
    super();
    const given = withDefaults(who, DEFAULTS, options);
    const { bias, numLayers, batchFirst, dropout: p, bidirectional, ...rest } = given;
    checkSizes(who, { inputSize, hiddenSize, numLayers });
    checkProbability(who, "dropout", p);
    if (p > 0 && numLayers === 1) {
      throw new ArgumentError(`${who}: dropout is ${p}, which acts between layers, and numLayers is 1: add a Dropout`);
    }
    if (!Number.isInteger(projSize) || projSize < 0 || projSize >= hiddenSize) {
      throw new ArgumentError(`${who}: projSize is ${projSize}, wanted an integer from 0 to hiddenSize - 1`);
    }
    this.numLayers = numLayers;
    this.bias = bias;
    this.batchFirst = batchFirst;
    this.dropout = p;
    this.bidirectional = bidirectional;
    this[KIND] = kind;
    const where = placement(who, rest);
    const rows = kind.gates * hiddenSize;
    for (let layer = 0; layer < numLayers; layer++) {
      const width = layer === 0 ? inputSize : this._stateSize * this._directions.length;
      for (const suffix of this._directions) {
        const make = (name: string, shape: number[]): void => {
          this._fields[`${name}_l${layer}${suffix}`] = blankParameter(shape, where);
        };
        make("weight_ih", [rows, width]);
        make("weight_hh", [rows, this._stateSize]);
        if (bias) make("bias_ih", [rows]);
        if (bias) make("bias_hh", [rows]);
        if (projSize > 0) make("weight_hr", [projSize, hiddenSize]);
      }
    }
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, ".resetParameters()", this);
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const parameter of this.parameters()) uniform(parameter, -bound, bound);
  }

  /** Parameters by name. */
  private get _fields(): Record<string, Parameter | undefined> {
    return this as unknown as Record<string, Parameter | undefined>;
  }

  /** What the names of the parameters of each direction end in. */
  private get _directions(): string[] {
    return this.bidirectional ? ["", "_reverse"] : [""];
  }

  /** Features of h. */
  private get _stateSize(): number {
    return this.projSize || this.hiddenSize;
  }

  /** Features of each part of a state: h, and c of an LSTM. */
  private get _stateSizes(): number[] {
    return [this._stateSize, this.hiddenSize].slice(0, this[KIND].states);
  }

  private _weights(layer: number, suffix: string): Weights {
    const at = (name: string): Tensor | null => this._fields[`${name}_l${layer}${suffix}`] ?? null;
    return {
      ih: at("weight_ih") as Tensor,
      hh: at("weight_hh") as Tensor,
      hr: at("weight_hr"),
      biasIh: at("bias_ih"),
      biasHh: at("bias_hh"),
    };
  }

  /** The sequence of outputs, and the last state of every layer and direction. */
  protected run(x: Tensor, state: readonly Tensor[] | null): { output: Tensor; state: Tensor[] } {
    const { inputSize, numLayers } = this;
    const who = this.constructor.name;
    if (x.rank < 2 || x.rank > 3 || x.shape[x.rank - 1] !== inputSize) {
      throw new ShapeError(`${who}: input ${show(x.shape)}, wanted rank 2 or 3 with ${inputSize} features`);
    }
    const batched = x.rank === 3;
    let sequence = !batched ? x.unsqueeze(1) : this.batchFirst ? x.transpose(0, 1) : x;
    const start = state?.map((s) => (batched ? s : s.unsqueeze(1))) ?? null;
    for (const [i, s] of (start ?? []).entries()) {
      const wanted = [numLayers * this._directions.length, sequence.shape[1], this._stateSizes[i]];
      if (!sameShape(s.shape, wanted)) throw new ShapeError(`${who}: state ${show(s.shape)}, wanted ${show(wanted)}`);
    }
    const last: Tensor[][] = [];
    for (let layer = 0; layer < numLayers; layer++) {
      const below = sequence;
      const outputs = this._directions.map((suffix, direction) => {
        const before = start?.map((s) => s.select(0, last.length)) ?? this._zeroState(below);
        const ran = this._along(below, this._weights(layer, suffix), before, direction === 1);
        last.push(ran.state);
        return ran.output;
      });
      sequence = outputs.length === 1 ? outputs[0] : cat(outputs, 2);
      if (layer < numLayers - 1) sequence = dropout(sequence, { p: this.dropout, training: this.training });
    }
    const finals = this._stateSizes.map((_, i) => stack(last.map((states) => states[i])));
    return {
      output: !batched ? sequence.squeeze(1) : this.batchFirst ? sequence.transpose(0, 1) : sequence,
      state: batched ? finals : finals.map((s) => s.squeeze(1)),
    };
  }

  private _zeroState({ shape, device, dtype }: Tensor): Tensor[] {
    return this._stateSizes.map((size) => literals(0, [shape[1], size], { device, dtype }));
  }

  /** One cell along a sequence [T, N, features], forwards or backwards. */
  private _along(
    sequence: Tensor,
    { ih, hh, hr, biasIh, biasHh }: Weights,
    start: readonly Tensor[],
    backwards: boolean,
  ) {
    const inputs = linear(sequence, ih, biasIh).unbind(0);
    if (backwards) inputs.reverse();
    let state = start;
    const outputs = inputs.map((x) => {
      const [h, ...rest] = this[KIND].next(x, linear(state[0], hh, biasHh), state);
      state = [hr === null ? h : linear(h, hr), ...rest];
      return state[0];
    });
    if (backwards) outputs.reverse();
    return { output: stack(outputs), state: [...state] };
  }

  override extraRepr(): string {
    const { inputSize, hiddenSize, projSize, numLayers, bias, batchFirst, bidirectional } = this;
    const settings = { projSize, numLayers, bias, batchFirst, dropout: float(this.dropout), bidirectional };
    const defaults = { ...DEFAULTS, projSize: 0, dropout: float(0) };
    return listed(`${inputSize}, ${hiddenSize}`, changed(settings, defaults));
  }
}

/**
 * h′ = tanh(W x + b + V h + c), along a sequence. Returns [outputs, last states].
 *
 * @see torch.nn.RNN
 */
export class RNN extends Recurrent {
  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions & { nonlinearity?: "tanh" | "relu" } = {},
  ) {
    admit(arguments, "RNN(inputSize: number, hiddenSize: number, options?: object)");
    const { nonlinearity = "tanh", ...rest } = checkOptions("RNN", options, ["nonlinearity", ...KNOWN]);
    super("RNN", inputSize, hiddenSize, plainKind("RNN", nonlinearity), rest);
  }

  override forward(x: Tensor, h: Tensor | null = null): [Tensor, Tensor] {
    admit(arguments, "RNN.forward(x: tensor, h?: tensor|null)");
    const { output, state } = this.run(x, h === null ? null : [h]);
    return [output, state[0]];
  }
}

/**
 * Long short-term memory. Returns [outputs, [last h, last c]].
 *
 * @param options.projSize  h is projected to this many numbers, by `weight_hr`; 0 (default): it is not
 * @see                     torch.nn.LSTM
 * @example                 const [output, [h, c]] = new LSTM(10, 20, { numLayers: 2 }).forward(x);
 */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions & { projSize?: number } = {}) {
    admit(arguments, "LSTM(inputSize: number, hiddenSize: number, options?: object)");
    const { projSize = 0, ...rest } = checkOptions("LSTM", options, ["projSize", ...KNOWN]);
    super("LSTM", inputSize, hiddenSize, lstm, rest, projSize);
  }

  override forward(x: Tensor, start: readonly [Tensor, Tensor] | null = null): [Tensor, [Tensor, Tensor]] {
    admit(arguments, "LSTM.forward(x: tensor, start?: tensors|null)");
    const { output, state } = this.run(x, start);
    return [output, state as [Tensor, Tensor]];
  }
}

/**
 * Gated recurrent unit. Returns [outputs, last states].
 *
 * @see torch.nn.GRU
 */
export class GRU extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    admit(arguments, "GRU(inputSize: number, hiddenSize: number, options?: object)");
    super("GRU", inputSize, hiddenSize, gru, options);
  }

  override forward(x: Tensor, h: Tensor | null = null): [Tensor, Tensor] {
    admit(arguments, "GRU.forward(x: tensor, h?: tensor|null)");
    const { output, state } = this.run(x, h === null ? null : [h]);
    return [output, state[0]];
  }
}
