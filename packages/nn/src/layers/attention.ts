/**
 * Attention: each query is answered by a mean of values, weighted by how well its key fits.
 *
 * Masks say which keys a query may not see: bool (true: may not), or float (added to the scores).
 */
import {
  ArgumentError,
  DTypeError,
  gelu,
  isFloat,
  linear,
  relu,
  ShapeError,
  show,
  type Tensor,
} from "@loopgrad/tensor";
import { dropout } from "../functional/dropout.ts";
import * as init from "../init.ts";
import { Module, snakeCase } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import type { Parameter } from "../slot.ts";
import { Linear } from "./linear.ts";
import { LayerNorm } from "./norms.ts";
import { Dropout } from "./shape.ts";
import { constantParameter } from "./slots.ts";

/** Options of {@link MultiheadAttention}. */
export interface AttentionOptions extends PlacementOptions {
  /** Dropout of the attention weights, in training. Default 0. */
  dropout?: number;
  /** Default true. */
  bias?: boolean;
  /** Features of the keys. Default embedDim. */
  kdim?: number;
  /** Features of the values. Default embedDim. */
  vdim?: number;
  /** Inputs are [N, L, features] instead of [L, N, features]. Default false. */
  batchFirst?: boolean;
}

/** Options of {@link MultiheadAttention.forward}. */
export interface AttentionCall {
  /** [N, S]: keys that nobody may see. */
  keyPaddingMask?: Tensor;
  /** [L, S] or [N · heads, L, S]. */
  attnMask?: Tensor;
  /** Return the attention weights too. Default true. */
  needWeights?: boolean;
  /** Their mean over the heads. Default true. */
  averageAttnWeights?: boolean;
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
  readonly outProj: Linear;
  readonly dropout: number;
  readonly batchFirst: boolean;

  constructor(
    readonly embedDim: number,
    readonly numHeads: number,
    options: AttentionOptions = {},
  ) {
    super();
    const who = "MultiheadAttention";
    checkSizes(who, { embedDim, numHeads });
    if (embedDim % numHeads !== 0)
      throw new ArgumentError(`${who}: ${embedDim} features do not divide into ${numHeads} heads`);
    const defaults = { dropout: 0, bias: true, kdim: embedDim, vdim: embedDim, batchFirst: false, ...PLACEMENT };
    const { dropout: p, bias, kdim, vdim, batchFirst, ...rest } = withDefaults(who, defaults, options);
    const where = placement(who, rest);
    const weight = (rows: number, columns: number): Parameter =>
      init.xavierUniform(constantParameter([rows, columns], 0, where));
    const together = kdim === embedDim && vdim === embedDim;
    this.inProjWeight = together ? weight(3 * embedDim, embedDim) : null;
    this.qProjWeight = together ? null : weight(embedDim, embedDim);
    this.kProjWeight = together ? null : weight(embedDim, kdim);
    this.vProjWeight = together ? null : weight(embedDim, vdim);
    this.inProjBias = bias ? constantParameter([3 * embedDim], 0, where) : null;
    this.outProj = new Linear(embedDim, embedDim, { bias, ...where });
    if (this.outProj.bias !== null) init.zeros(this.outProj.bias);
    this.dropout = p;
    this.batchFirst = batchFirst;
  }

  override stateName(field: string): string {
    return snakeCase(field);
  }

  override forward(query: Tensor, key: Tensor, value: Tensor, options: AttentionCall = {}): [Tensor, Tensor | null] {
    for (const x of [query, key, value]) {
      if (x.rank !== 3) throw new ShapeError(`MultiheadAttention: input ${show(x.shape)}, wanted rank 3`);
    }
    const { keyPaddingMask, attnMask, needWeights = true, averageAttnWeights = true } = options;
    const batchFirst = (x: Tensor): Tensor => (this.batchFirst ? x : x.transpose(0, 1));
    const [q, k, v] = this.#projected(batchFirst(query), batchFirst(key), batchFirst(value)).map((x) => this.#heads(x));
    let scores = q.mul(1 / Math.sqrt(this.embedDim / this.numHeads)).matmul(k.transpose(2, 3));
    if (attnMask !== undefined) scores = masked(scores, this.#perHead(attnMask, scores));
    if (keyPaddingMask !== undefined) scores = masked(scores, keyPaddingMask.unsqueeze(1).unsqueeze(1));
    const weights = scores.softmax(-1);
    const mixed = dropout(weights, { p: this.dropout, training: this.training }).matmul(v);
    const [n, , l] = mixed.shape;
    const joined = mixed.transpose(1, 2).reshape([n, l, this.embedDim]);
    const output = batchFirst(this.outProj.forward(joined));
    if (!needWeights) return [output, null];
    return [output, averageAttnWeights ? weights.mean(1) : weights];
  }

  #projected(q: Tensor, k: Tensor, v: Tensor): Tensor[] {
    const { embedDim, inProjWeight, qProjWeight, kProjWeight, vProjWeight } = this;
    const biases = this.inProjBias?.split(embedDim) ?? [null, null, null];
    const weights = inProjWeight?.split(embedDim) ?? [qProjWeight, kProjWeight, vProjWeight];
    return [q, k, v].map((x, i) => linear(x, weights[i] as Tensor, biases[i]));
  }

  /** [N, L, E] → [N, heads, L, E / heads]. */
  #heads(x: Tensor): Tensor {
    return x.reshape([x.shape[0], x.shape[1], this.numHeads, -1]).transpose(1, 2);
  }

  #perHead(mask: Tensor, scores: Tensor): Tensor {
    if (mask.rank === 2) return mask;
    if (mask.rank === 3) return mask.reshape([...scores.shape]);
    throw new ShapeError(`MultiheadAttention: attnMask ${show(mask.shape)}, wanted [L, S] or [N · heads, L, S]`);
  }

  override extraRepr(): string {
    return `embedDim=${this.embedDim}, numHeads=${this.numHeads}`;
  }
}

function masked(scores: Tensor, mask: Tensor): Tensor {
  if (isFloat(mask.dtype)) return scores.add(mask);
  if (mask.dtype === "bool") return scores.maskedFill(mask, Number.NEGATIVE_INFINITY);
  throw new DTypeError(`attention: the mask is ${mask.dtype}, wanted bool (true: may not see) or float (added)`);
}

/** Options of {@link TransformerEncoderLayer}. */
export interface EncoderLayerOptions extends PlacementOptions {
  /** Width of the hidden layer. Default 2048. */
  dimFeedforward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** Default "relu". */
  activation?: "relu" | "gelu";
  /** Default 1e-5. */
  layerNormEps?: number;
  /** Inputs are [N, L, features]. Default false. */
  batchFirst?: boolean;
  /** Normalize before attention and the hidden layer, not after. Default false. */
  normFirst?: boolean;
  /** Default true. */
  bias?: boolean;
}

/**
 * Self-attention and a hidden layer, each with a residual connection and layer norm.
 *
 * @see torch.nn.TransformerEncoderLayer
 */
export class TransformerEncoderLayer extends Module {
  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly normFirst: boolean;
  readonly activation: "relu" | "gelu";

  constructor(
    readonly dModel: number,
    readonly nhead: number,
    options: EncoderLayerOptions = {},
  ) {
    super();
    const settings = withDefaults(
      "TransformerEncoderLayer",
      {
        dimFeedforward: 2048,
        dropout: 0.1,
        activation: "relu" as "relu" | "gelu",
        layerNormEps: 1e-5,
        batchFirst: false,
        normFirst: false,
        bias: true,
        ...PLACEMENT,
      },
      options,
    );
    const {
      dimFeedforward,
      dropout: p,
      activation,
      layerNormEps: eps,
      batchFirst,
      normFirst,
      bias,
      ...where
    } = settings;
    if (activation !== "relu" && activation !== "gelu") {
      throw new ArgumentError(`TransformerEncoderLayer: activation ${String(activation)}: wanted "relu" or "gelu"`);
    }
    this.selfAttn = new MultiheadAttention(dModel, nhead, { dropout: p, batchFirst, bias, ...where });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias, ...where });
    this.dropout = new Dropout({ p });
    this.linear2 = new Linear(dimFeedforward, dModel, { bias, ...where });
    this.norm1 = new LayerNorm(dModel, { eps, bias, ...where });
    this.norm2 = new LayerNorm(dModel, { eps, bias, ...where });
    this.dropout1 = new Dropout({ p });
    this.dropout2 = new Dropout({ p });
    this.normFirst = normFirst;
    this.activation = activation;
  }

  override stateName(field: string): string {
    return snakeCase(field);
  }

  /** @param options  masks, as of {@link MultiheadAttention} */
  override forward(src: Tensor, options: { srcMask?: Tensor; srcKeyPaddingMask?: Tensor } = {}): Tensor {
    const { srcMask: attnMask, srcKeyPaddingMask: keyPaddingMask } = options;
    const attend = (x: Tensor): Tensor =>
      this.dropout1.forward(this.selfAttn.forward(x, x, x, { attnMask, keyPaddingMask, needWeights: false })[0]);
    const hidden = (x: Tensor): Tensor => {
      const h = this.linear1.forward(x);
      const active = this.activation === "relu" ? relu(h) : gelu(h);
      return this.dropout2.forward(this.linear2.forward(this.dropout.forward(active)));
    };
    if (this.normFirst) {
      const x = src.add(attend(this.norm1.forward(src)));
      return x.add(hidden(this.norm2.forward(x)));
    }
    const x = this.norm1.forward(src.add(attend(src)));
    return this.norm2.forward(x.add(hidden(x)));
  }
}
