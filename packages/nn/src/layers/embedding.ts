/**
 * Embedding: rows of a table, looked up by index.
 */
import {
  ArgumentError,
  admit,
  embedding,
  onesLike,
  randn,
  renormalized,
  ShapeError,
  scatterAdd,
  scope,
  show,
  type Tensor,
  tensor,
  untracked,
  where,
  zeros,
} from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { listed, settings } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { blankParameter } from "./slots.ts";

/** Options of {@link Embedding}. */
export interface EmbeddingOptions extends PlacementOptions {
  /** A row that starts at 0 and gets no gradient. */
  paddingIdx?: number | null;
  /** Rows that are looked up and are longer are scaled to this length first, in the table itself. Default null: none are. */
  maxNorm?: number | null;
  /** Of the norm that measures rows. Default 2. */
  normType?: number;
  /** Whether a row's gradient is divided by how often it occurs among the indices. Default false. */
  scaleGradByFreq?: boolean;
}

/** What a lookup does, beside where the table is. */
const LOOKUP = {
  paddingIdx: null as number | null,
  maxNorm: null as number | null,
  normType: 2,
  scaleGradByFreq: false,
};

/**
 * int32 indices [...] → rows [..., embeddingDim]. First weights are N(0, 1).
 *
 * @see torch.nn.Embedding
 */
export class Embedding extends Module {
  readonly weight: Parameter;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;

  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    options: EmbeddingOptions = {},
  ) {
    admit(arguments, "Embedding(numEmbeddings: number, embeddingDim: number, options?: object)");
    super();
    checkSizes("Embedding", { numEmbeddings, embeddingDim });
    const settings = withDefaults("Embedding", { ...LOOKUP, ...PLACEMENT }, options);
    const { paddingIdx, maxNorm, normType, scaleGradByFreq, ...rest } = settings;
    const at = placement("Embedding", rest);
    if (paddingIdx !== null && !(paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings)) {
      throw new ArgumentError(`Embedding: paddingIdx ${paddingIdx} is outside the ${numEmbeddings} rows`);
    }
    if (maxNorm !== null && !(maxNorm >= 0)) {
      throw new ArgumentError(`Embedding: maxNorm is ${maxNorm}, wanted >= 0, or null`);
    }
    this.maxNorm = maxNorm;
    this.normType = normType;
    this.scaleGradByFreq = scaleGradByFreq;
    this.paddingIdx = paddingIdx === null ? null : (paddingIdx + numEmbeddings) % numEmbeddings;
    this.weight = blankParameter([numEmbeddings, embeddingDim], at);
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "Embedding.resetParameters()");
    const { weight, paddingIdx, numEmbeddings } = this;
    const { device, dtype } = weight;
    scope(() => {
      const rows = randn(weight.shape, { device, dtype });
      const isPadding = Array.from({ length: numEmbeddings }, (_, i) => [i === paddingIdx]);
      weight.assign(paddingIdx === null ? rows : where(tensor(isPadding, { device, dtype: "bool" }), 0, rows));
    });
  }

  /**
   * A layer that starts with a table of rows.
   *
   * @param weight   [numEmbeddings, embeddingDim]
   * @param options  `freeze` (true): the rows are not learned; `paddingIdx`, `maxNorm`, `normType`, `scaleGradByFreq`
   * @see            torch.nn.Embedding.from_pretrained
   */
  static fromPretrained(
    weight: Tensor,
    options: { freeze?: boolean } & Omit<EmbeddingOptions, keyof PlacementOptions> = {},
  ): Embedding {
    admit(
      arguments,
      "Embedding.fromPretrained(weight: tensor, options?: { freeze: boolean, paddingIdx: number|null, maxNorm: number|null, normType: number, scaleGradByFreq: boolean })",
    );
    const who = "Embedding.fromPretrained";
    if (weight.rank !== 2) throw new ShapeError(`${who}: ${show(weight.shape)}: wanted [numEmbeddings, embeddingDim]`);
    const { freeze, ...lookup } = withDefaults(who, { freeze: true, ...LOOKUP }, options);
    const [rows, columns] = weight.shape;
    const { device, dtype } = weight;
    const layer = new Embedding(rows, columns, { device, dtype, ...lookup });
    layer.weight.assign(weight);
    return layer.requiresGrad_(!freeze);
  }

  override forward(index: Tensor): Tensor {
    admit(arguments, "Embedding.forward(index: tensor)");
    const { weight, paddingIdx, maxNorm, normType, scaleGradByFreq } = this;
    if (maxNorm === null) return embedding(index, weight, { paddingIdx, scaleGradByFreq });
    // In a functional call the table is the caller's: the rows that are read are short, the table stays.
    if (weight._standIn === null) this.#shorten(index, maxNorm);
    return embedding(index, weight, { paddingIdx, maxNorm, normType, scaleGradByFreq });
  }

  /** Rows that the indices name and that are too long are replaced in the table, as in torch. */
  #shorten(index: Tensor, maxNorm: number): void {
    const { weight, normType } = this;
    scope(() =>
      untracked(() => {
        const rows = weight.detach();
        const { device } = rows;
        const named = zeros([this.numEmbeddings], { device, dtype: "int32" });
        const flat = index.reshape([index.size]);
        const isNamed = scatterAdd(named, 0, flat, onesLike(flat, { dtype: "int32" })).gt(0);
        weight.assign(where(isNamed.unsqueeze(1), renormalized(rows, maxNorm, normType), rows));
      }),
    );
  }

  override extraRepr(): string {
    const { numEmbeddings, embeddingDim, paddingIdx, maxNorm, normType, scaleGradByFreq } = this;
    const given = {
      ...(paddingIdx === null ? {} : { paddingIdx }),
      ...(maxNorm === null ? {} : { maxNorm }),
      ...(normType === 2 ? {} : { normType }),
      ...(scaleGradByFreq ? { scaleGradByFreq } : {}),
    };
    return listed(`${numEmbeddings}, ${embeddingDim}`, Object.keys(given).length === 0 ? "" : settings(given));
  }
}
