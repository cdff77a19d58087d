/**
 * Embedding: rows of a table, looked up by index.
 */
import { ArgumentError, embedding, randn, ShapeError, scope, show, type Tensor, tensor, where } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { listed, settings } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { blankParameter } from "./slots.ts";

/** Options of {@link Embedding}. */
export interface EmbeddingOptions extends PlacementOptions {
  /** A row that starts at 0 and gets no gradient. */
  paddingIdx?: number | null;
}

/**
 * int32 indices [...] → rows [..., embeddingDim]. First weights are N(0, 1).
 *
 * @see torch.nn.Embedding
 */
export class Embedding extends Module {
  readonly weight: Parameter;
  readonly paddingIdx: number | null;

  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    options: EmbeddingOptions = {},
  ) {
    super();
    checkSizes("Embedding", { numEmbeddings, embeddingDim });
    const settings = withDefaults("Embedding", { paddingIdx: null as number | null, ...PLACEMENT }, options);
    const { paddingIdx, ...rest } = settings;
    const at = placement("Embedding", rest);
    if (paddingIdx !== null && !(paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings)) {
      throw new ArgumentError(`Embedding: paddingIdx ${paddingIdx} is outside the ${numEmbeddings} rows`);
    }
    this.paddingIdx = paddingIdx === null ? null : (paddingIdx + numEmbeddings) % numEmbeddings;
    this.weight = blankParameter([numEmbeddings, embeddingDim], at);
    this.resetParameters();
  }

  override resetParameters(): void {
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
   * @param options  `freeze` (true): the rows are not learned; `paddingIdx`
   * @see            torch.nn.Embedding.from_pretrained
   */
  static fromPretrained(weight: Tensor, options: { freeze?: boolean; paddingIdx?: number | null } = {}): Embedding {
    const who = "Embedding.fromPretrained";
    if (weight.rank !== 2) throw new ShapeError(`${who}: ${show(weight.shape)}: wanted [numEmbeddings, embeddingDim]`);
    const { freeze, paddingIdx } = withDefaults(who, { freeze: true, paddingIdx: null as number | null }, options);
    const [rows, columns] = weight.shape;
    const { device, dtype } = weight;
    const layer = new Embedding(rows, columns, { device, dtype, paddingIdx });
    layer.weight.assign(weight);
    return layer.requiresGrad_(!freeze);
  }

  override forward(index: Tensor): Tensor {
    return embedding(index, this.weight, { paddingIdx: this.paddingIdx });
  }

  override extraRepr(): string {
    const { numEmbeddings, embeddingDim, paddingIdx } = this;
    return listed(`${numEmbeddings}, ${embeddingDim}`, paddingIdx === null ? "" : settings({ paddingIdx }));
  }
}
