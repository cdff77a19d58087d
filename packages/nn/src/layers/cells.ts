/**
 * Recurrent cells: one step of a recurrent layer, from an input and a state to the next state.
 *
 * An input is [N, inputSize], or [inputSize] without a batch; a state is [N, hiddenSize], and starts as 0.
 */
import { admit, linear, literals, ShapeError, sameShape, show, type Tensor } from "@loopgrad/tensor";
import { uniform } from "../init.ts";
import { Module } from "../module.ts";
import { checkOptions, checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { changed, listed, snakeCase } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { gru, type Kind, lstm, plainKind } from "./gates.ts";
import { blankParameter } from "./slots.ts";

// What the class keeps for itself: a copy takes it along, and no list of fields shows it. The fields are declared and not
// defined, for to bundlers a computed name is an effect.
const KIND = Symbol("kind");

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
  declare private readonly [KIND]: Kind;

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
    const rows = kind.gates * hiddenSize;
    this.weightIh = blankParameter([rows, inputSize], where);
    this.weightHh = blankParameter([rows, hiddenSize], where);
    this.biasIh = bias ? blankParameter([rows], where) : null;
    this.biasHh = bias ? blankParameter([rows], where) : null;
    this[KIND] = kind;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, ".resetParameters()", this);
    const bound = 1 / Math.sqrt(this.hiddenSize);
    for (const parameter of this.parameters()) uniform(parameter, -bound, bound);
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
    const wanted = [...x.shape.slice(0, -1), hiddenSize];
    for (const s of state ?? []) {
      if (sameShape(s.shape, wanted)) continue;
      throw new ShapeError(`${this.constructor.name}: the state is ${show(s.shape)}, wanted ${show(wanted)}`);
    }
    const batch = x.rank === 2;
    const input = batch ? x : x.unsqueeze(0);
    const rows = (s: Tensor): Tensor => (batch ? s : s.unsqueeze(0));
    const start = (): Tensor => literals(0, [input.shape[0], hiddenSize], x);
    const before = state?.map(rows) ?? Array.from({ length: this[KIND].states }, start);
    const next = this[KIND].next(
      linear(input, this.weightIh, this.biasIh),
      linear(before[0], this.weightHh, this.biasHh),
      before,
    );
    return batch ? next : next.map((s) => s.squeeze(0));
  }

  override extraRepr(): string {
    const { inputSize, hiddenSize, biasIh } = this;
    return listed(`${inputSize}, ${hiddenSize}`, changed({ bias: biasIh !== null }, { bias: true }));
  }
}

/** x [N, inputSize], h [N, hiddenSize] (default 0) → h′. @see torch.nn.RNNCell */
export class RNNCell extends Cell {
  readonly nonlinearity: "tanh" | "relu";

  constructor(inputSize: number, hiddenSize: number, options: CellOptions & { nonlinearity?: "tanh" | "relu" } = {}) {
    admit(arguments, "RNNCell(inputSize: number, hiddenSize: number, options?: object)");
    const known = ["nonlinearity", "bias", ...Object.keys(PLACEMENT)];
    const { nonlinearity = "tanh", ...rest } = checkOptions("RNNCell", options, known);
    super("RNNCell", inputSize, hiddenSize, plainKind("RNNCell", nonlinearity), rest);
    this.nonlinearity = nonlinearity;
  }

  override extraRepr(): string {
    return listed(super.extraRepr(), changed({ nonlinearity: this.nonlinearity }, { nonlinearity: "tanh" }));
  }

  override forward(x: Tensor, h: Tensor | null = null): Tensor {
    admit(arguments, "RNNCell.forward(x: tensor, h?: tensor|null)");
    return this.run(x, h === null ? null : [h])[0];
  }
}

/** x [N, inputSize], [h, c] (default 0) → [h′, c′]. @see torch.nn.LSTMCell */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    admit(arguments, "LSTMCell(inputSize: number, hiddenSize: number, options?: object)");
    super("LSTMCell", inputSize, hiddenSize, lstm, options);
  }

  override forward(x: Tensor, state: readonly [Tensor, Tensor] | null = null): [Tensor, Tensor] {
    admit(arguments, "LSTMCell.forward(x: tensor, state?: tensors|null)");
    return this.run(x, state) as [Tensor, Tensor];
  }
}

/** x [N, inputSize], h [N, hiddenSize] (default 0) → h′. @see torch.nn.GRUCell */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    admit(arguments, "GRUCell(inputSize: number, hiddenSize: number, options?: object)");
    super("GRUCell", inputSize, hiddenSize, gru, options);
  }

  override forward(x: Tensor, h: Tensor | null = null): Tensor {
    admit(arguments, "GRUCell.forward(x: tensor, h?: tensor|null)");
    return this.run(x, h === null ? null : [h])[0];
  }
}
