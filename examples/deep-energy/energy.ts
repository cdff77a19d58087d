/**
 * Energy networks: a number E(x, y) for an image x and a label y, low where the two belong together.
 *
 * The image is *embedded* into features by a small convolutional net; an *energy head* maps features and label to the
 * energy. The label is a vector of one score per class, which needs no normalisation: only which one is largest counts.
 *
 * - *SPEN*, a structured prediction energy network (Belanger and McCallum 2016, arXiv 1511.06350): any E.
 * - *ICNN*, a network that is convex in its input y (Amos, Xu and Kolter 2017, arXiv 1609.07152): as softplus is convex
 *   and rising, sums of softplus(affine in y) with weights ≥ 0 are convex, so descent over y has no wrong valleys.
 */
import { Conv2d, cat, Linear, Module, maxPool2d, noGrad, relu, type Tensor } from "loopgrad";

export type EnergyKind = "spen" | "icnn";

/** Sizes of an energy network. */
export interface EnergySizes {
  /** Of the square images, in pixels. */
  readonly side: number;
  readonly classes: number;
  /** Channels of the two convolutions. */
  readonly channels: readonly [number, number];
  /** Of the convolutions; `padding` pixels are added around. */
  readonly kernel: number;
  readonly padding: number;
  /** Width of the embedding's and the head's layers. */
  readonly hidden: number;
}

/** The published sizes for 28×28 pixels, and smaller ones for images that are too small for these. */
export const sizesFor = (side: number, classes: number): EnergySizes =>
  side >= 16
    ? { side, classes, channels: [20, 50], kernel: 5, padding: 0, hidden: 500 }
    : { side, classes, channels: [8, 16], kernel: 3, padding: 1, hidden: 64 };

/** E(x, y). */
export class EnergyNet extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;
  readonly fc1: Linear;
  readonly fc2: Linear;
  /** The head's layers: features and label to hidden units, hidden units to the energy. */
  readonly head1: Linear;
  readonly head2: Linear;

  constructor(
    readonly kind: EnergyKind,
    readonly sizes: EnergySizes,
  ) {
    super();
    const { side, classes, channels, kernel, padding, hidden } = sizes;
    const pooled = (size: number): number => Math.floor((size + 2 * padding - kernel + 1) / 2);
    const flat = pooled(pooled(side)) ** 2 * channels[1];
    this.conv1 = new Conv2d(1, channels[0], kernel, { padding });
    this.conv2 = new Conv2d(channels[0], channels[1], kernel, { padding });
    this.fc1 = new Linear(flat, hidden);
    this.fc2 = new Linear(hidden, hidden);
    this.head1 = new Linear(hidden + classes, hidden);
    this.head2 = new Linear(hidden, 1);
    this.project();
  }

  /** Features of images [n, 1, side, side] → [n, hidden]. They don't depend on the label. */
  embed(x: Tensor): Tensor {
    const h1 = maxPool2d(this.conv1.forward(x).softplus(), 2);
    const h2 = maxPool2d(this.conv2.forward(h1).softplus(), 2);
    return this.fc2.forward(this.fc1.forward(h2.flatten(1)).softplus());
  }

  /** Energies of features [n, hidden] with labels [n, classes] → [n]. */
  energy(features: Tensor, y: Tensor): Tensor {
    const h = this.head1.forward(cat([features, y], 1)).softplus();
    return this.head2.forward(h).squeeze(1);
  }

  override forward(x: Tensor, y: Tensor): Tensor {
    return this.energy(this.embed(x), y);
  }

  /** Makes an ICNN convex in y again after an update: the weights that sum convex functions must be ≥ 0. */
  project(): void {
    if (this.kind === "icnn") noGrad(() => this.head2.weight.assign(relu(this.head2.weight)));
  }
}
