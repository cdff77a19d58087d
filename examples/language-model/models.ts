/**
 * Two language models: what character comes next, given those before.
 *
 * The LSTM (Hochreiter & Schmidhuber 1997; Graves 2013, arXiv:1308.0850) reads character by character and carries a
 * *state* along. The transformer (Vaswani et al. 2017, arXiv:1706.03762) looks at all characters of a window at once,
 * each at itself and those before it: a *causal* mask hides what comes after, so that one pass learns from every
 * position.
 */
import {
  Embedding,
  LayerNorm,
  Linear,
  LSTM,
  Module,
  type Tensor,
  TransformerEncoder,
  TransformerEncoderLayer,
  tensor,
} from "loopgrad";

/** Characters int32 [n, T] → logits of the next ones [n, T, vocabulary]. */
export abstract class LanguageModel extends Module {
  abstract override forward(x: Tensor): Tensor;

  /** A reader of one text: takes a character, and returns the logits of the next one, [vocabulary]. */
  abstract reader(): (character: number) => Tensor;
}

export interface LstmSizes {
  readonly vocabulary: number;
  /** Units of each layer. */
  readonly width: number;
  readonly layers: number;
}

export class LstmModel extends LanguageModel {
  embed: Embedding;
  lstm: LSTM;
  out: Linear;

  constructor({ vocabulary, width, layers }: LstmSizes) {
    super();
    this.embed = new Embedding(vocabulary, width);
    this.lstm = new LSTM(width, width, { numLayers: layers, batchFirst: true });
    this.out = new Linear(width, vocabulary);
  }

  override forward(x: Tensor): Tensor {
    const [hidden] = this.lstm.forward(this.embed.forward(x));
    return this.out.forward(hidden);
  }

  /** What was read before is in the state. */
  override reader(): (character: number) => Tensor {
    let state: [Tensor, Tensor] | null = null;
    return (character) => {
      const [hidden, next] = this.lstm.forward(this.embed.forward(tensor([[character]], { dtype: "int32" })), state);
      state = next;
      return this.out.forward(hidden).reshape([-1]);
    };
  }
}

export interface TransformerSizes extends LstmSizes {
  readonly heads: number;
  /** The longest window it can read. */
  readonly window: number;
}

export class TransformerModel extends LanguageModel {
  embed: Embedding;
  position: Embedding;
  encoder: TransformerEncoder;
  out: Linear;

  constructor(readonly sizes: TransformerSizes) {
    super();
    const { vocabulary, width, layers, heads, window } = sizes;
    this.embed = new Embedding(vocabulary, width);
    this.position = new Embedding(window, width);
    const layer = () =>
      new TransformerEncoderLayer(width, heads, {
        dimFeedforward: 4 * width,
        dropout: 0,
        activation: "gelu",
        batchFirst: true,
        normFirst: true,
      });
    this.encoder = new TransformerEncoder(layer, layers, { norm: new LayerNorm(width) });
    this.out = new Linear(width, vocabulary);
  }

  override forward(x: Tensor): Tensor {
    const position = this.position.weight.narrow(0, 0, x.shape[1]);
    const hidden = this.encoder.forward(this.embed.forward(x).add(position), { isCausal: true });
    return this.out.forward(hidden);
  }

  /**
   * Reads the last window anew for each character. A shorter text is filled up at its end, where the mask hides it, so
   * that every pass has the same shapes.
   */
  override reader(): (character: number) => Tensor {
    const { window } = this.sizes;
    const seen: number[] = [];
    return (character) => {
      seen.push(character);
      if (seen.length > window) seen.shift();
      const filled = [...seen, ...new Array<number>(window - seen.length).fill(0)];
      return this.forward(tensor([filled], { dtype: "int32" }))
        .select(0, 0)
        .select(0, seen.length - 1);
    };
  }
}
