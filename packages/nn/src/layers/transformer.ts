/**
 * Transformers: stacks of layers that attend and think in turn.
 *
 * An *encoder* layer attends to its own sequence (*self-attention*), and then passes each position through a hidden
 * layer. A *decoder* layer attends to its own sequence, then to the encoder's result, the *memory*. Around each part
 * there is a residual connection and a layer norm: before the part if `normFirst`, else after it.
 *
 * Vaswani et al., "Attention Is All You Need", 2017.
 */
import { ArgumentError, admit, gelu, relu, type Tensor } from "@loopgrad/tensor";
import { type Layer, ModuleList } from "../containers.ts";
import * as init from "../init.ts";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, withDefaults } from "../options.ts";
import { snakeCase } from "../repr.ts";
import { type AttentionCall, MultiheadAttention } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { LayerNorm } from "./sample-norms.ts";

// What the class keeps for itself: a copy takes it along, and no list of fields shows it. The fields are declared and not
// defined, for to bundlers a computed name is an effect.
const ACTIVATION = Symbol("activation");

/** The nonlinearity of the hidden layer: by name, or any function. */
export type TransformerActivation = "relu" | "gelu" | ((x: Tensor) => Tensor);

/** Options of the transformer's layers. */
export interface TransformerLayerOptions extends PlacementOptions {
  /** Width of the hidden layer. Default 2048. */
  dimFeedforward?: number;
  /** Default 0.1. */
  dropout?: number;
  /** Default "relu". */
  activation?: TransformerActivation;
  /** Default 1e-5. */
  layerNormEps?: number;
  /** Inputs are [N, L, features]. Default false. */
  batchFirst?: boolean;
  /** Normalize before attention and the hidden layer, not after. Default false. */
  normFirst?: boolean;
  /** Default true. */
  bias?: boolean;
}

const LAYER = {
  dimFeedforward: 2048,
  dropout: 0.1,
  activation: "relu" as TransformerActivation,
  layerNormEps: 1e-5,
  batchFirst: false,
  normFirst: false,
  bias: true,
  ...PLACEMENT,
};

type Settings = typeof LAYER;

function activationOf(who: string, activation: TransformerActivation): (x: Tensor) => Tensor {
  if (typeof activation === "function") return activation;
  if (activation === "relu") return relu;
  if (activation === "gelu") return (x) => gelu(x);
  throw new ArgumentError(`${who}: activation ${String(activation)}: wanted "relu", "gelu" or a function`);
}

/** What both kinds of layers are made of. */
abstract class TransformerLayer extends Module {
  readonly selfAttn: MultiheadAttention;
  /** Attention to the memory; null in an encoder, as are the third norm and dropout. */
  readonly multiheadAttn: MultiheadAttention | null;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm | null;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly dropout3: Dropout | null;
  readonly normFirst: boolean;
  protected readonly settings: Settings;
  private readonly [ACTIVATION]: (x: Tensor) => Tensor;

  constructor(
    readonly dModel: number,
    readonly nhead: number,
    options: TransformerLayerOptions,
    decodes: boolean,
  ) {
    super();
    const who = decodes ? "TransformerDecoderLayer" : "TransformerEncoderLayer";
    this.settings = withDefaults(who, LAYER, options);
    const { dimFeedforward, dropout: p, activation, layerNormEps: eps, batchFirst, normFirst, bias } = this.settings;
    const where = { device: this.settings.device, dtype: this.settings.dtype };
    const attention = (): MultiheadAttention =>
      new MultiheadAttention(dModel, nhead, { dropout: p, batchFirst, bias, ...where });
    const norm = (): LayerNorm => new LayerNorm(dModel, { eps, bias, ...where });
    this.selfAttn = attention();
    this.multiheadAttn = decodes ? attention() : null;
    this.linear1 = new Linear(dModel, dimFeedforward, { bias, ...where });
    this.dropout = new Dropout({ p });
    this.linear2 = new Linear(dimFeedforward, dModel, { bias, ...where });
    this.norm1 = norm();
    this.norm2 = norm();
    this.norm3 = decodes ? norm() : null;
    this.dropout1 = new Dropout({ p });
    this.dropout2 = new Dropout({ p });
    this.dropout3 = decodes ? new Dropout({ p }) : null;
    this.normFirst = normFirst;
    this[ACTIVATION] = activationOf(who, activation);
  }

  override stateName(field: string): string {
    return snakeCase(field);
  }

  /** x + part(norm(x)) if norms are first, else norm(x + part(x)). */
  protected residual(x: Tensor, norm: LayerNorm, part: (x: Tensor) => Tensor): Tensor {
    return this.normFirst ? x.add(part(norm.forward(x))) : norm.forward(x.add(part(x)));
  }

  protected attend(x: Tensor, call: AttentionCall): Tensor {
    return this.dropout1.forward(this.selfAttn.forward(x, x, x, { ...call, needWeights: false })[0]);
  }

  /** The hidden layer. */
  protected think(x: Tensor): Tensor {
    return this.linear2.forward(this.dropout.forward(this[ACTIVATION](this.linear1.forward(x))));
  }
}

/** Masks of {@link TransformerEncoderLayer.forward}, as of {@link MultiheadAttention}. */
export interface EncoderLayerCall {
  srcMask?: Tensor;
  srcKeyPaddingMask?: Tensor;
  /** Without `srcMask`: positions see no later ones. Default false. */
  isCausal?: boolean;
}

/**
 * Self-attention and a hidden layer.
 *
 * @see      torch.nn.TransformerEncoderLayer
 * @example  const block = new TransformerEncoderLayer(64, 8, { batchFirst: true, normFirst: true, activation: "gelu" });
 */
export class TransformerEncoderLayer extends TransformerLayer {
  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    admit(arguments, "TransformerEncoderLayer(dModel: number, nhead: number, options?: object)");
    super(dModel, nhead, options, false);
  }

  override forward(src: Tensor, options: EncoderLayerCall = {}): Tensor {
    admit(
      arguments,
      "TransformerEncoderLayer.forward(src: tensor, options?: { srcMask: tensor, srcKeyPaddingMask: tensor, isCausal: boolean })",
    );
    const { srcMask: attnMask, srcKeyPaddingMask: keyPaddingMask, isCausal } = options;
    const x = this.residual(src, this.norm1, (y) => this.attend(y, { attnMask, keyPaddingMask, isCausal }));
    return this.residual(x, this.norm2, (y) => this.dropout2.forward(this.think(y)));
  }
}

/** Masks of {@link TransformerDecoderLayer.forward}: of its own sequence, and of the memory. */
export interface DecoderCall {
  tgtMask?: Tensor;
  memoryMask?: Tensor;
  tgtKeyPaddingMask?: Tensor;
  memoryKeyPaddingMask?: Tensor;
  /** Without `tgtMask`: positions see no later ones. Default false. */
  tgtIsCausal?: boolean;
  /** Without `memoryMask`: positions see no later ones of the memory. Default false. */
  memoryIsCausal?: boolean;
}

/**
 * Self-attention, attention to a memory, and a hidden layer.
 *
 * @see      torch.nn.TransformerDecoderLayer
 * @example  const y = new TransformerDecoderLayer(64, 8).forward(tgt, memory, { tgtIsCausal: true });
 */
export class TransformerDecoderLayer extends TransformerLayer {
  declare readonly multiheadAttn: MultiheadAttention;
  declare readonly norm3: LayerNorm;
  declare readonly dropout3: Dropout;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    admit(arguments, "TransformerDecoderLayer(dModel: number, nhead: number, options?: object)");
    super(dModel, nhead, options, true);
  }

  override forward(tgt: Tensor, memory: Tensor, options: DecoderCall = {}): Tensor {
    admit(
      arguments,
      "TransformerDecoderLayer.forward(tgt: tensor, memory: tensor, options?: { tgtMask: tensor, memoryMask: tensor, tgtKeyPaddingMask: tensor, memoryKeyPaddingMask: tensor, tgtIsCausal: boolean, memoryIsCausal: boolean })",
    );
    const own = { attnMask: options.tgtMask, keyPaddingMask: options.tgtKeyPaddingMask, isCausal: options.tgtIsCausal };
    const other = {
      attnMask: options.memoryMask,
      keyPaddingMask: options.memoryKeyPaddingMask,
      isCausal: options.memoryIsCausal,
      needWeights: false,
    };
    let x = this.residual(tgt, this.norm1, (y) => this.attend(y, own));
    x = this.residual(x, this.norm2, (y) =>
      this.dropout2.forward(this.multiheadAttn.forward(y, memory, memory, other)[0]),
    );
    return this.residual(x, this.norm3, (y) => this.dropout3.forward(this.think(y)));
  }
}

/** The layers of a stack: copies of one, or what a function makes. */
function stackOf<L extends Module & { clone(): L }>(who: string, layer: L | (() => L), count: number): ModuleList<L> {
  checkSizes(who, { numLayers: count });
  // torch copies: all layers begin with the same weights.
  const make = typeof layer === "function" ? layer : () => layer.clone();
  return new ModuleList(Array.from({ length: count }, make));
}

/** Masks of {@link TransformerEncoder.forward}. */
export interface EncoderCall {
  mask?: Tensor;
  srcKeyPaddingMask?: Tensor;
  /** Without `mask`: positions see no later ones. Default false. */
  isCausal?: boolean;
}

/**
 * A stack of encoder layers.
 *
 * @param encoderLayer  is copied, weights too, as in torch; or a function that makes a layer, for weights of their own
 * @param options.norm  run at the end, such as a LayerNorm. Default null
 * @see                 torch.nn.TransformerEncoder
 * @example
 * const encoder = new TransformerEncoder(() => new TransformerEncoderLayer(64, 8, { batchFirst: true }), 6);
 */
export class TransformerEncoder extends Module {
  readonly layers: ModuleList<TransformerEncoderLayer>;
  readonly norm: Layer | null;

  constructor(
    encoderLayer: TransformerEncoderLayer | (() => TransformerEncoderLayer),
    numLayers: number,
    options: { norm?: Layer | null } = {},
  ) {
    admit(arguments, "TransformerEncoder(encoderLayer: function|module, numLayers: number, options?: object)");
    super();
    const who = "TransformerEncoder";
    this.layers = stackOf<TransformerEncoderLayer>(who, encoderLayer, numLayers);
    this.norm = withDefaults(who, { norm: null as Layer | null }, options).norm;
  }

  override forward(src: Tensor, options: EncoderCall = {}): Tensor {
    admit(
      arguments,
      "TransformerEncoder.forward(src: tensor, options?: { mask: tensor, srcKeyPaddingMask: tensor, isCausal: boolean })",
    );
    const { mask: srcMask, srcKeyPaddingMask, isCausal } = options;
    let x = src;
    for (const layer of this.layers) x = layer.forward(x, { srcMask, srcKeyPaddingMask, isCausal });
    return this.norm?.forward(x) ?? x;
  }
}

/** A stack of decoder layers, made as those of {@link TransformerEncoder}. @see torch.nn.TransformerDecoder */
export class TransformerDecoder extends Module {
  readonly layers: ModuleList<TransformerDecoderLayer>;
  readonly norm: Layer | null;

  constructor(
    decoderLayer: TransformerDecoderLayer | (() => TransformerDecoderLayer),
    numLayers: number,
    options: { norm?: Layer | null } = {},
  ) {
    admit(arguments, "TransformerDecoder(decoderLayer: function|module, numLayers: number, options?: object)");
    super();
    const who = "TransformerDecoder";
    this.layers = stackOf<TransformerDecoderLayer>(who, decoderLayer, numLayers);
    this.norm = withDefaults(who, { norm: null as Layer | null }, options).norm;
  }

  override forward(tgt: Tensor, memory: Tensor, options: DecoderCall = {}): Tensor {
    admit(
      arguments,
      "TransformerDecoder.forward(tgt: tensor, memory: tensor, options?: { tgtMask: tensor, memoryMask: tensor, tgtKeyPaddingMask: tensor, memoryKeyPaddingMask: tensor, tgtIsCausal: boolean, memoryIsCausal: boolean })",
    );
    let x = tgt;
    for (const layer of this.layers) x = layer.forward(x, memory, options);
    return this.norm?.forward(x) ?? x;
  }
}

/** Options of {@link Transformer}. */
export interface TransformerOptions extends TransformerLayerOptions {
  /** Default 6. */
  numEncoderLayers?: number;
  /** Default 6. */
  numDecoderLayers?: number;
}

/** Masks of {@link Transformer.forward}. */
export interface TransformerCall extends DecoderCall {
  srcMask?: Tensor;
  srcKeyPaddingMask?: Tensor;
  /** Without `srcMask`: source positions see no later ones. Default false. */
  srcIsCausal?: boolean;
}

/**
 * An encoder and a decoder, each with a layer norm at its end. Weights are drawn as by `init.xavierUniform`.
 *
 * @see      torch.nn.Transformer
 * @example  const y = new Transformer(64, 8, { batchFirst: true }).forward(src, tgt, { tgtIsCausal: true });
 */
export class Transformer extends Module {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;

  constructor(
    readonly dModel = 512,
    readonly nhead = 8,
    options: TransformerOptions = {},
  ) {
    admit(arguments, "Transformer(dModel?: number, nhead?: number, options?: object)");
    super();
    const defaults = { numEncoderLayers: 6, numDecoderLayers: 6, ...LAYER };
    const { numEncoderLayers, numDecoderLayers, ...layer } = withDefaults("Transformer", defaults, options);
    const { layerNormEps: eps, bias, device, dtype } = layer;
    const norm = (): LayerNorm => new LayerNorm(dModel, { eps, bias, device, dtype });
    const encoderLayer = (): TransformerEncoderLayer => new TransformerEncoderLayer(dModel, nhead, layer);
    const decoderLayer = (): TransformerDecoderLayer => new TransformerDecoderLayer(dModel, nhead, layer);
    this.encoder = new TransformerEncoder(encoderLayer, numEncoderLayers, { norm: norm() });
    this.decoder = new TransformerDecoder(decoderLayer, numDecoderLayers, { norm: norm() });
    this.resetParameters();
  }

  /** Draws all weights of all layers; biases and norms stay as they are. */
  override resetParameters(): void {
    admit(arguments, "Transformer.resetParameters()");
    for (const parameter of this.parameters()) if (parameter.rank > 1) init.xavierUniform(parameter);
  }

  override forward(src: Tensor, tgt: Tensor, options: TransformerCall = {}): Tensor {
    admit(
      arguments,
      "Transformer.forward(src: tensor, tgt: tensor, options?: { srcMask: tensor, srcKeyPaddingMask: tensor, srcIsCausal: boolean, tgtMask: tensor, memoryMask: tensor, tgtKeyPaddingMask: tensor, memoryKeyPaddingMask: tensor, tgtIsCausal: boolean, memoryIsCausal: boolean })",
    );
    const { srcMask: mask, srcKeyPaddingMask, srcIsCausal: isCausal, ...rest } = options;
    return this.decoder.forward(tgt, this.encoder.forward(src, { mask, srcKeyPaddingMask, isCausal }), rest);
  }
}
