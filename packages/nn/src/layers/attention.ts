/**
 * Attention: each query is answered by a mean of values, weighted by how well its key fits.
 *
 * Masks say which keys a query may not see: bool (true: may not), or float (added to the scores). A query that may see
 * none, such as those of a sample that is all padding, mixes nothing: weights 0, and the output projection's bias.
 */
import {
  ArgumentError,
  admit,
  cat,
  DTypeError,
  isFloat,
  linear,
  ones,
  ShapeError,
  safeSoftmax,
  show,
  type Tensor,
  zeros,
} from "@loopgrad/tensor";
import { dropout } from "../functional/dropout.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { checkProbability, checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { snakeCase } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { Linear } from "./linear.ts";
import { blankParameter } from "./slots.ts";

/** Options of {@link MultiheadAttention}. */
export interface AttentionOptions extends PlacementOptions {
  /** Dropout of the attention weights, in training. Default 0. */
  dropout?: number;
  /** Default true. */
  bias?: boolean;
  /** A learned key and value more, at the end of each sequence. Default false. */
  addBiasKv?: boolean;
  /** A key and value of zeros more, at the end of each sequence. Default false. */
  addZeroAttn?: boolean;
  /** Features of the keys. Default embedDim. */
  kdim?: number;
  /** Features of the values. Default embedDim. */
  vdim?: number;
  /** Inputs are [N, L, features] instead of [L, N, features]. Default false. */
  batchFirst?: boolean;
}

/** Options of {@link MultiheadAttention.forward}. */
export interface AttentionCall {
  /** [N, S], or [S] without a batch: keys that nobody may see. */
  keyPaddingMask?: Tensor;
  /** [L, S] or [N · heads, L, S]. */
  attnMask?: Tensor;
  /** Return the attention weights too. Default true. */
  needWeights?: boolean;
  /** Their mean over the heads. Default true. */
  averageAttnWeights?: boolean;
  /** Without `attnMask`: queries see no later keys. With one it says so already. Default false. */
  isCausal?: boolean;
}

/**
 * A mask that hides the future: true above the diagonal.
 *
 * @see torch.nn.Transformer.generate_square_subsequent_mask, which makes the same mask as floats
 */
export function causalMask(queries: number, keys: number, like: Tensor): Tensor {
  admit(arguments, "causalMask(queries: number, keys: number, like: tensor)");
  return ones([queries, keys], { device: like.device }).triu(1).to("bool");
}

/**
 * Attention with several heads.
 *
 * @see      torch.nn.MultiheadAttention
 * @example  const [y, weights] = new MultiheadAttention(64, 8, { batchFirst: true }).forward(x, x, x);
 */
export class MultiheadAttention extends Module {
  /** Query, key and value projections as one; null where keys or values have other features. */
  readonly inProjWeight: Parameter | null;
  readonly qProjWeight: Parameter | null;
  readonly kProjWeight: Parameter | null;
  readonly vProjWeight: Parameter | null;
  readonly inProjBias: Parameter | null;
  readonly biasK: Parameter | null;
  readonly biasV: Parameter | null;
  readonly outProj: Linear;
  readonly dropout: number;
  readonly addZeroAttn: boolean;
  readonly batchFirst: boolean;

  constructor(
    readonly embedDim: number,
    readonly numHeads: number,
    options: AttentionOptions = {},
  ) {
    admit(arguments, "MultiheadAttention(embedDim: number, numHeads: number, options?: object)");
    super();
    const who = "MultiheadAttention";
    checkSizes(who, { embedDim, numHeads });
    if (embedDim % numHeads !== 0)
      throw new ArgumentError(`${who}: ${embedDim} features do not divide into ${numHeads} heads`);
    const defaults = {
      dropout: 0,
      bias: true,
      addBiasKv: false,
      addZeroAttn: false,
      kdim: embedDim,
      vdim: embedDim,
      batchFirst: false,
      ...PLACEMENT,
    };
    const given = withDefaults(who, defaults, options);
    const { bias, addBiasKv, kdim, vdim } = given;
    checkProbability(who, "dropout", given.dropout);
    checkSizes(who, { kdim, vdim });
    const where = placement(who, { device: given.device, dtype: given.dtype });
    const weight = (rows: number, columns: number): Parameter => blankParameter([rows, columns], where);
    const extra = (): Parameter => blankParameter([1, 1, embedDim], where);
    const together = kdim === embedDim && vdim === embedDim;
    this.inProjWeight = together ? weight(3 * embedDim, embedDim) : null;
    this.qProjWeight = together ? null : weight(embedDim, embedDim);
    this.kProjWeight = together ? null : weight(embedDim, kdim);
    this.vProjWeight = together ? null : weight(embedDim, vdim);
    this.inProjBias = bias ? blankParameter([3 * embedDim], where) : null;
    this.biasK = addBiasKv ? extra() : null;
    this.biasV = addBiasKv ? extra() : null;
    this._draw();
    this.outProj = new Linear(embedDim, embedDim, { bias, ...where });
    if (this.outProj.bias !== null) init.zeros(this.outProj.bias);
    this.dropout = given.dropout;
    this.addZeroAttn = given.addZeroAttn;
    this.batchFirst = given.batchFirst;
  }

  /** The output's weight is left to `outProj.resetParameters()`; its bias starts at 0. */
  override resetParameters(): void {
    admit(arguments, "MultiheadAttention.resetParameters()");
    this._draw();
    if (this.outProj.bias !== null) init.zeros(this.outProj.bias);
  }

  private _draw(): void {
    const { inProjWeight, qProjWeight, kProjWeight, vProjWeight, inProjBias, biasK, biasV } = this;
    for (const weight of [inProjWeight, qProjWeight, kProjWeight, vProjWeight]) {
      if (weight !== null) init.xavierUniform(weight);
    }
    if (inProjBias !== null) init.zeros(inProjBias);
    for (const extra of [biasK, biasV]) if (extra !== null) init.xavierNormal(extra);
  }

  override stateName(field: string): string {
    return snakeCase(field);
  }

  /**
   * @param query  [L, N, embedDim], [N, L, embedDim] with `batchFirst`, or [L, embedDim]
   * @param key    [S, N, kdim] or likewise
   * @param value  [S, N, vdim] or likewise
   * @returns      the answers, in the query's shape, and the weights: [N, L, S], or [N, heads, L, S] if they are not
   *               averaged; null if they are not needed
   */
  override forward(query: Tensor, key: Tensor, value: Tensor, options: AttentionCall = {}): [Tensor, Tensor | null] {
    admit(
      arguments,
      "MultiheadAttention.forward(query: tensor, key: tensor, value: tensor, options?: { keyPaddingMask: tensor, attnMask: tensor, needWeights: boolean, averageAttnWeights: boolean, isCausal: boolean })",
    );
    const who = "MultiheadAttention";
    const inputs = [query, key, value];
    const { rank } = query;
    for (const x of inputs) {
      if ((rank !== 2 && rank !== 3) || x.rank !== rank) {
        throw new ShapeError(
          `${who}: inputs ${inputs.map((y) => show(y.shape)).join(", ")}, wanted all of rank 3 or 2`,
        );
      }
    }
    const { needWeights = true, averageAttnWeights = true } = options;
    const batchFirst = (x: Tensor): Tensor => (rank === 2 ? x.unsqueeze(0) : this.batchFirst ? x : x.transpose(0, 1));
    const back = (x: Tensor): Tensor => (rank === 2 ? x.squeeze(0) : this.batchFirst ? x : x.transpose(0, 1));
    const [projected, ...sources] = this._projected(batchFirst(query), batchFirst(key), batchFirst(value));
    const q = this._heads(projected);
    const [k, v] = sources.map((x, i) => this._heads(this._extended(x, i === 0 ? this.biasK : this.biasV)));
    const scores = this._masked(q.mul(1 / Math.sqrt(this.embedDim / this.numHeads)).matmul(k.transpose(2, 3)), options);
    const masked = options.keyPaddingMask !== undefined || options.attnMask !== undefined;
    const shares = masked ? safeSoftmax(scores, -1) : scores.softmax(-1);
    const weights = dropout(shares, { p: this.dropout, training: this.training });
    const mixed = weights.matmul(v);
    const [n, , l] = mixed.shape;
    const output = back(this.outProj.forward(mixed.transpose(1, 2).reshape([n, l, this.embedDim])));
    if (!needWeights) return [output, null];
    const shown = averageAttnWeights ? weights.mean(1) : weights;
    return [output, rank === 2 ? shown.squeeze(0) : shown];
  }

  private _projected(q: Tensor, k: Tensor, v: Tensor): Tensor[] {
    const { embedDim, inProjWeight, qProjWeight, kProjWeight, vProjWeight } = this;
    const biases = this.inProjBias?.split(embedDim) ?? [null, null, null];
    const weights = inProjWeight?.split(embedDim) ?? [qProjWeight, kProjWeight, vProjWeight];
    return [q, k, v].map((x, i) => linear(x, weights[i] as Tensor, biases[i]));
  }

  /** Keys or values [N, S, E] with those that the options add. */
  private _extended(x: Tensor, bias: Parameter | null): Tensor {
    const [n] = x.shape;
    const more = bias === null ? [] : [bias.expand([n, 1, this.embedDim])];
    if (this.addZeroAttn) more.push(zeros([n, 1, this.embedDim], { device: x.device, dtype: x.dtype }));
    return more.length === 0 ? x : cat([x, ...more], 1);
  }

  /** [N, L, E] → [N, heads, L, E / heads]. */
  private _heads(x: Tensor): Tensor {
    return x.reshape([x.shape[0], x.shape[1], this.numHeads, -1]).transpose(1, 2);
  }

  /** Scores [N, heads, L, S′] with what the masks hide at −∞; of the S′ keys those that were added are seen by all. */
  private _masked(scores: Tensor, { attnMask, keyPaddingMask, isCausal = false }: AttentionCall): Tensor {
    const [n, heads, l, all] = scores.shape;
    const added = (this.biasK === null ? 0 : 1) + (this.addZeroAttn ? 1 : 0);
    const visible = (mask: Tensor): Tensor => (added === 0 ? mask : widened(mask, added));
    const s = all - added;
    let masked = scores;
    const pairs = attnMask ?? (isCausal ? causalMask(l, s, scores) : undefined);
    if (pairs !== undefined) {
      const shape = pairs.rank === 2 ? [1, 1, l, s] : [n, heads, l, s];
      if ((pairs.rank !== 2 && pairs.rank !== 3) || pairs.size !== shape.reduce((a, b) => a * b)) {
        throw new ShapeError(
          `MultiheadAttention: attnMask ${show(pairs.shape)}, wanted ${show([l, s])} or ${show([n * heads, l, s])}`,
        );
      }
      masked = hidden(masked, visible(pairs.reshape(shape)));
    }
    if (keyPaddingMask !== undefined) {
      if (keyPaddingMask.size !== n * s) {
        throw new ShapeError(
          `MultiheadAttention: keyPaddingMask ${show(keyPaddingMask.shape)}, wanted ${show([n, s])}`,
        );
      }
      masked = hidden(masked, visible(keyPaddingMask.reshape([n, 1, 1, s])));
    }
    return masked;
  }
}

/** A mask for some keys more, which nobody is kept from seeing. */
function widened(mask: Tensor, keys: number): Tensor {
  const shape = [...mask.shape.slice(0, -1), keys];
  return cat([mask, zeros(shape, { device: mask.device, dtype: mask.dtype })], -1);
}

function hidden(scores: Tensor, mask: Tensor): Tensor {
  if (isFloat(mask.dtype)) return scores.add(mask);
  if (mask.dtype === "bool") return scores.maskedFill(mask, Number.NEGATIVE_INFINITY);
  throw new DTypeError(`attention: the mask is ${mask.dtype}, wanted bool (true: may not see) or float (added)`);
}
