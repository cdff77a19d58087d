/**
 * Layers that add a border to sequences, images and volumes. They differ in what the border holds.
 *
 * A *border* is one number for all sides, or two numbers for each spatial dimension, the last dimension first:
 * [left, right, top, bottom, front, back].
 */
import { admit, type PadOptions, pad, ShapeError, show, type Tensor } from "@loopgrad/tensor";
import type { Layer } from "../containers.ts";
import { Module } from "../module.ts";
import { tuple } from "../options.ts";
import { python, settings } from "../repr.ts";

/** See the head of this file. */
export type Border = number | readonly number[];

/** What a padding layer is. */
export interface PadLayer extends Layer {
  readonly padding: readonly number[];
}

/** A class that adds a border to the last `n` dimensions. */
function bordered(n: number, mode: NonNullable<PadOptions["mode"]>): new (padding: Border) => PadLayer {
  return class extends Module {
    readonly padding: readonly number[];

    constructor(padding: Border) {
      super();
      admit(arguments, "(padding: number|numbers)", this);
      this.padding = tuple(this.constructor.name, "padding", padding, 2 * n);
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      if (mode !== "constant" && x.rank !== n + 1 && x.rank !== n + 2) {
        throw new ShapeError(`${this.constructor.name}: ${show(x.shape)}: wanted rank ${n + 2}, or ${n + 1} unbatched`);
      }
      return pad(x, this.padding, { mode });
    }

    override extraRepr(): string {
      return python([...this.padding]);
    }
  };
}

/** A class that adds a border of one number to the last `n` dimensions. */
function constant(n: number): new (padding: Border, value: number) => PadLayer & { readonly value: number } {
  return class extends Module {
    readonly padding: readonly number[];

    constructor(
      padding: Border,
      readonly value: number,
    ) {
      super();
      admit(arguments, "(padding: number|numbers, value: number)", this);
      this.padding = tuple(this.constructor.name, "padding", padding, 2 * n);
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      return pad(x, this.padding, { mode: "constant", value: this.value });
    }

    override extraRepr(): string {
      return settings({ padding: [...this.padding], value: this.value });
    }
  };
}

/** A border of zeros. @see torch.nn.ZeroPad1d */
export class ZeroPad1d extends bordered(1, "constant") {}
/** A border of zeros. @see torch.nn.ZeroPad2d */
export class ZeroPad2d extends bordered(2, "constant") {}
/** A border of zeros. @see torch.nn.ZeroPad3d */
export class ZeroPad3d extends bordered(3, "constant") {}

/** A border of one number. @see torch.nn.ConstantPad1d */
export class ConstantPad1d extends constant(1) {}
/** A border of one number. @see torch.nn.ConstantPad2d */
export class ConstantPad2d extends constant(2) {}
/** A border of one number. @see torch.nn.ConstantPad3d */
export class ConstantPad3d extends constant(3) {}

/** The sequence mirrored at its ends. @see torch.nn.ReflectionPad1d */
export class ReflectionPad1d extends bordered(1, "reflect") {}
/** The image mirrored at its edge. @see torch.nn.ReflectionPad2d */
export class ReflectionPad2d extends bordered(2, "reflect") {}
/** The volume mirrored at its faces. @see torch.nn.ReflectionPad3d */
export class ReflectionPad3d extends bordered(3, "reflect") {}

/** The ends repeated. @see torch.nn.ReplicationPad1d */
export class ReplicationPad1d extends bordered(1, "replicate") {}
/** The edge repeated. @see torch.nn.ReplicationPad2d */
export class ReplicationPad2d extends bordered(2, "replicate") {}
/** The faces repeated. @see torch.nn.ReplicationPad3d */
export class ReplicationPad3d extends bordered(3, "replicate") {}

/** The sequence continued from its other end. @see torch.nn.CircularPad1d */
export class CircularPad1d extends bordered(1, "circular") {}
/** The image continued from its other side. @see torch.nn.CircularPad2d */
export class CircularPad2d extends bordered(2, "circular") {}
/** The volume continued from its other side. @see torch.nn.CircularPad3d */
export class CircularPad3d extends bordered(3, "circular") {}
