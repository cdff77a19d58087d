/**
 * Recurrent layers: a *cell* maps an input and a state to the next state; a layer runs it along a sequence.
 *
 * A layer's *gates* are the pieces of one matrix product: the input's share is computed for the whole sequence
 * at once, the state's share step by step. Shapes are torch's: sequences are [T, N, features] ([N, T, features] with
 * `batchFirst`, [T, features] without a batch), states [layers · directions, N, hidden].
 */
import { ArgumentError, cat, linear, relu, ShapeError, show, stack, type Tensor, zeros } from "@loopgrad/tensor";
import { dropout } from "../functional/dropout.ts";
import { Module, snakeCase } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import type { Parameter } from "../slot.ts";
import { uniformParameter } from "./slots.ts";

/** Weights of one cell: of the input and of the state. */
interface CellWeights {
  readonly weightIh: Parameter;
  readonly weightHh: Parameter;
  readonly biasIh: Parameter | null;
  readonly biasHh: Parameter | null;
}

/** How one kind of cell goes from gates to a state. A state is [h], or [h, c] for an LSTM. */
interface Kind {
  /** Gates per hidden unit. */
  readonly gates: number;
  readonly states: number;
  /** @param x  the input's share of the gates, [N, gates · hidden]; @param h  the state's share */
  next(x: Tensor, h: Tensor, state: readonly Tensor[]): Tensor[];
}

/** h′ = tanh(x + h), or relu. */
const plain = (nonlinearity: "tanh" | "relu"): Kind => ({
  gates: 1,
  states: 1,
  next: (x, h) => [nonlinearity === "tanh" ? x.add(h).tanh() : relu(x.add(h))],
});

/** c′ = σ(f) c + σ(i) tanh(g);  h′ = σ(o) tanh(c′). */
const lstm: Kind = {
  gates: 4,
  states: 2,
  next(x, h, [, c]) {
    const [i, f, g, o] = x.add(h).chunk(4, 1);
    const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return [o.sigmoid().mul(next.tanh()), next];
  },
};

/** n = tanh(xₙ + σ(r) hₙ);  h′ = n + σ(z) (h − n). */
const gru: Kind = {
  gates: 3,
  states: 1,
  next(x, h, [before]) {
    const [xr, xz, xn] = x.chunk(3, 1);
    const [hr, hz, hn] = h.chunk(3, 1);
    const n = xn.add(xr.add(hr).sigmoid().mul(hn)).tanh();
    return [n.add(xz.add(hz).sigmoid().mul(before.sub(n)))];
  },
};

// ---- cells ---------------------------------------------------------------------------------------------------------

/** Options of the cells. */
export interface CellOptions extends PlacementOptions {
  /** Default true. */
  bias?: boolean;
}

abstract class Cell extends Module {
  readonly weightIh: Parameter;
  readonly weightHh: Parameter;
  readonly biasIh: Parameter | null;
  readonly biasHh: Parameter | null;
  readonly #kind: Kind;

  constructor(
    who: string,
    readonly inputSize: number,
    readonly hiddenSize: number,
    kind: Kind,
    options: CellOptions,
  ) {
    super();
    checkSizes(who, { inputSize, hiddenSize });
    const { bias, ...rest } = withDefaults(who, { bias: true, ...PLACEMENT }, options);
    const where = placement(who, rest);
    const bound = 1 / Math.sqrt(hiddenSize);
    const rows = kind.gates * hiddenSize;
    this.weightIh = uniformParameter([rows, inputSize], bound, where);
    this.weightHh = uniformParameter([rows, hiddenSize], bound, where);
    this.biasIh = bias ? uniformParameter([rows], bound, where) : null;
    this.biasHh = bias ? uniformParameter([rows], bound, where) : null;
    this.#kind = kind;
  }

  override stateName(field: string): string {
    return snakeCase(field);
  }

  protected run(x: Tensor, state: readonly Tensor[] | null): Tensor[] {
    const { inputSize, hiddenSize } = this;
    if (x.rank < 1 || x.rank > 2 || x.shape[x.rank - 1] !== inputSize) {
      throw new ShapeError(
        `${this.constructor.name}: input ${show(x.shape)}, wanted [N, ${inputSize}] or [${inputSize}]`,
      );
    }
    const batch = x.rank === 2;
    const input = batch ? x : x.unsqueeze(0);
    const rows = (s: Tensor): Tensor => (batch ? s : s.unsqueeze(0));
    const start = (): Tensor => zeros([input.shape[0], hiddenSize], { device: x.device, dtype: x.dtype });
    const before = state?.map(rows) ?? Array.from({ length: this.#kind.states }, start);
    const next = this.#kind.next(
      linear(input, this.weightIh, this.biasIh),
      linear(before[0], this.weightHh, this.biasHh),
      before,
    );
    return batch ? next : next.map((s) => s.squeeze(0));
  }

  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.biasIh === null ? ", bias=false" : ""}`;
  }
}

/** x [N, inputSize], h [N, hiddenSize] (default 0) → h′. @see torch.nn.RNNCell */
export class RNNCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions & { nonlinearity?: "tanh" | "relu" } = {}) {
    const { nonlinearity = "tanh", ...rest } = options;
    super("RNNCell", inputSize, hiddenSize, plain(checkNonlinearity("RNNCell", nonlinearity)), rest);
  }

  override forward(x: Tensor, h: Tensor | null = null): Tensor {
    return this.run(x, h === null ? null : [h])[0];
  }
}

/** x [N, inputSize], [h, c] (default 0) → [h′, c′]. @see torch.nn.LSTMCell */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super("LSTMCell", inputSize, hiddenSize, lstm, options);
  }

  override forward(x: Tensor, state: readonly [Tensor, Tensor] | null = null): [Tensor, Tensor] {
    return this.run(x, state) as [Tensor, Tensor];
  }
}

/** x [N, inputSize], h [N, hiddenSize] (default 0) → h′. @see torch.nn.GRUCell */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super("GRUCell", inputSize, hiddenSize, gru, options);
  }

  override forward(x: Tensor, h: Tensor | null = null): Tensor {
    return this.run(x, h === null ? null : [h])[0];
  }
}

function checkNonlinearity(who: string, nonlinearity: "tanh" | "relu"): "tanh" | "relu" {
  if (nonlinearity === "tanh" || nonlinearity === "relu") return nonlinearity;
  throw new ArgumentError(`${who}: nonlinearity ${String(nonlinearity)}: wanted "tanh" or "relu"`);
}

// ---- layers ----------------------------------------------------------------------------------------------------------

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

abstract class Recurrent extends Module {
  readonly numLayers: number;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly #kind: Kind;
  /** By layer, and within it by direction. */
  readonly #cells: CellWeights[][] = [];

  constructor(
    who: string,
    readonly inputSize: number,
    readonly hiddenSize: number,
    kind: Kind,
    options: RecurrentOptions,
  ) {
    super();
    const { bias, numLayers, batchFirst, dropout: p, bidirectional, ...rest } = withDefaults(who, DEFAULTS, options);
    checkSizes(who, { inputSize, hiddenSize, numLayers });
    if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${who}: dropout is ${p}, wanted a probability in [0, 1]`);
    this.numLayers = numLayers;
    this.batchFirst = batchFirst;
    this.dropout = p;
    this.bidirectional = bidirectional;
    this.#kind = kind;
    const where = placement(who, rest);
    const bound = 1 / Math.sqrt(hiddenSize);
    const rows = kind.gates * hiddenSize;
    const directions = bidirectional ? 2 : 1;
    for (let layer = 0; layer < numLayers; layer++) {
      const width = layer === 0 ? inputSize : hiddenSize * directions;
      const cells = ["", "_reverse"].slice(0, directions).map((suffix): CellWeights => {
        const make = (name: string, shape: number[]): Parameter =>
          this.register(`${name}_l${layer}${suffix}`, uniformParameter(shape, bound, where));
        return {
          weightIh: make("weight_ih", [rows, width]),
          weightHh: make("weight_hh", [rows, hiddenSize]),
          biasIh: bias ? make("bias_ih", [rows]) : null,
          biasHh: bias ? make("bias_hh", [rows]) : null,
        };
      });
      this.#cells.push(cells);
    }
  }

  /** The sequence of outputs, and the last state of every layer and direction. */
  protected run(x: Tensor, state: readonly Tensor[] | null): { output: Tensor; state: Tensor[] } {
    const { inputSize, hiddenSize, numLayers, bidirectional } = this;
    if (x.rank < 2 || x.rank > 3 || x.shape[x.rank - 1] !== inputSize) {
      throw new ShapeError(
        `${this.constructor.name}: input ${show(x.shape)}, wanted rank 2 or 3 with ${inputSize} features`,
      );
    }
    const batched = x.rank === 3;
    let sequence = !batched ? x.unsqueeze(1) : this.batchFirst ? x.transpose(0, 1) : x;
    const count = numLayers * (bidirectional ? 2 : 1);
    const stateShape = [count, sequence.shape[1], hiddenSize];
    const start = state?.map((s) => (batched ? s : s.unsqueeze(1))) ?? null;
    for (const s of start ?? []) {
      if (String(s.shape) !== String(stateShape)) {
        throw new ShapeError(`${this.constructor.name}: state ${show(s.shape)}, wanted ${show(stateShape)}`);
      }
    }
    const last: Tensor[][] = [];
    this.#cells.forEach((cells, layer) => {
      const outputs = cells.map((cell, direction) => {
        const before = start?.map((s) => s.select(0, last.length)) ?? this.#zeroState(sequence);
        const ran = this.#along(sequence, cell, before, direction === 1);
        last.push(ran.state);
        return ran.output;
      });
      sequence = outputs.length === 1 ? outputs[0] : cat(outputs, 2);
      if (layer < numLayers - 1) sequence = dropout(sequence, { p: this.dropout, training: this.training });
    });
    const finals = Array.from({ length: this.#kind.states }, (_, i) => stack(last.map((states) => states[i])));
    return {
      output: !batched ? sequence.squeeze(1) : this.batchFirst ? sequence.transpose(0, 1) : sequence,
      state: batched ? finals : finals.map((s) => s.squeeze(1)),
    };
  }

  #zeroState(sequence: Tensor): Tensor[] {
    const shape = [sequence.shape[1], this.hiddenSize];
    const one = (): Tensor => zeros(shape, { device: sequence.device, dtype: sequence.dtype });
    return Array.from({ length: this.#kind.states }, one);
  }

  /** One cell along a sequence [T, N, features], forwards or backwards. */
  #along(sequence: Tensor, cell: CellWeights, start: readonly Tensor[], backwards: boolean) {
    const inputs = linear(sequence, cell.weightIh, cell.biasIh).unbind(0);
    if (backwards) inputs.reverse();
    let state = start;
    const outputs = inputs.map((x) => {
      state = this.#kind.next(x, linear(state[0], cell.weightHh, cell.biasHh), state);
      return state[0];
    });
    if (backwards) outputs.reverse();
    return { output: stack(outputs), state: [...state] };
  }

  override extraRepr(): string {
    const { inputSize, hiddenSize, numLayers, batchFirst, dropout: p, bidirectional } = this;
    const parts = [`${inputSize}, ${hiddenSize}`];
    if (numLayers !== 1) parts.push(`numLayers=${numLayers}`);
    if (batchFirst) parts.push("batchFirst=true");
    if (p !== 0) parts.push(`dropout=${p}`);
    if (bidirectional) parts.push("bidirectional=true");
    return parts.join(", ");
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
    const { nonlinearity = "tanh", ...rest } = options;
    super("RNN", inputSize, hiddenSize, plain(checkNonlinearity("RNN", nonlinearity)), rest);
  }

  override forward(x: Tensor, h: Tensor | null = null): [Tensor, Tensor] {
    const { output, state } = this.run(x, h === null ? null : [h]);
    return [output, state[0]];
  }
}

/**
 * Long short-term memory. Returns [outputs, [last h, last c]].
 *
 * @see      torch.nn.LSTM
 * @example  const [output, [h, c]] = new LSTM(10, 20, { numLayers: 2 }).forward(x);
 */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super("LSTM", inputSize, hiddenSize, lstm, options);
  }

  override forward(x: Tensor, start: readonly [Tensor, Tensor] | null = null): [Tensor, [Tensor, Tensor]] {
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
    super("GRU", inputSize, hiddenSize, gru, options);
  }

  override forward(x: Tensor, h: Tensor | null = null): [Tensor, Tensor] {
    const { output, state } = this.run(x, h === null ? null : [h]);
    return [output, state[0]];
  }
}
