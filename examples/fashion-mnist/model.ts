/**
 * ResNet-8: a small residual network.
 *
 * A *residual block* adds to its input what two convolutions make of it (He et al. 2015, arXiv:1512.03385): the sum lets
 * gradients pass unhindered, so that depth does no harm. Three blocks, each with twice the channels and half the side of
 * the one before; the mean over the image; one linear layer. Eight layers with weights, counting those on a path.
 */
import { BatchNorm2d, Conv2d, Linear, Module, relu, Sequential, type Tensor } from "loopgrad";

const conv3x3 = (from: number, to: number, stride = 1): Conv2d =>
  new Conv2d(from, to, 3, { stride, padding: 1, bias: false });

/** x + f(x), with f = norm ∘ conv ∘ relu ∘ norm ∘ conv. Where f changes the shape, a 1×1 convolution does so to x. */
class Block extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  shortcut: Sequential;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = conv3x3(from, to, stride);
    this.bn1 = new BatchNorm2d(to);
    this.conv2 = conv3x3(to, to);
    this.bn2 = new BatchNorm2d(to);
    const reshapes = from !== to || stride !== 1;
    this.shortcut = reshapes
      ? new Sequential(new Conv2d(from, to, 1, { stride, bias: false }), new BatchNorm2d(to))
      : new Sequential();
  }

  override forward(x: Tensor): Tensor {
    const y = relu(this.bn1.forward(this.conv1.forward(x)));
    return relu(this.bn2.forward(this.conv2.forward(y)).add(this.shortcut.forward(x)));
  }
}

/** [n, 1, 28, 28] → logits [n, classes]. */
export class ResNet8 extends Module {
  conv: Conv2d;
  bn: BatchNorm2d;
  blocks: Sequential;
  out: Linear;

  /** @param width  channels of the first block; the last has four times as many */
  constructor(width: number, classes: number) {
    super();
    this.conv = conv3x3(1, width);
    this.bn = new BatchNorm2d(width);
    this.blocks = new Sequential(
      new Block(width, width, 1),
      new Block(width, 2 * width, 2),
      new Block(2 * width, 4 * width, 2),
    );
    this.out = new Linear(4 * width, classes);
  }

  override forward(x: Tensor): Tensor {
    const features = this.blocks.forward(relu(this.bn.forward(this.conv.forward(x))));
    return this.out.forward(features.mean([2, 3]));
  }
}
