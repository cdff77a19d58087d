/**
 * Padding: elements added around a tensor.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { expandP, flipP, padP, sliceP, whereP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cat } from "./join.ts";
import { expandTo, sliceAxis } from "./movement.ts";
import { literal, scalar, unchanged } from "./operand.ts";

export interface PadOptions {
  /**
   * "constant" (default): `value`; "reflect": mirrored at the edge element, which is not repeated;
   * "replicate": the edge element; "circular": from the other end. A negative amount cuts off, in every mode.
   */
  mode?: "constant" | "reflect" | "replicate" | "circular";
  /** For mode "constant"; 0. */
  value?: number;
}

const MODES: readonly string[] = ["constant", "reflect", "replicate", "circular"];

/**
 * x with elements added before and after its last dims.
 *
 * @param amounts  [before, after] of the last dim, then of the one before it, and so on, as in torch; a negative
 *                 amount cuts off
 * @example        pad(image, [1, 1, 1, 1]) // a border of zeros around the last two dims
 */
export const pad = operation(
  "pad(x: tensor, amounts: numbers, options?: { mode: string, value: number })",
  (x: Tensor, amounts: readonly number[], options: PadOptions = {}): Tensor => {
    const { mode = "constant", value } = options;
    const { rank } = x;
    if (amounts.length % 2 !== 0 || amounts.length > 2 * rank || !amounts.every(Number.isInteger)) {
      throw new ShapeError(
        `pad: amounts ${show(amounts)} for ${show(x.shape)}: wanted integer pairs, at most one per dim`,
      );
    }
    const before = new Array<number>(rank).fill(0);
    const after = new Array<number>(rank).fill(0);
    for (let i = 0; i < amounts.length / 2; i++) {
      before[rank - 1 - i] = amounts[2 * i];
      after[rank - 1 - i] = amounts[2 * i + 1];
    }
    if (!MODES.includes(mode)) {
      throw new ArgumentError(`pad: mode ${JSON.stringify(mode)}: wanted one of "${MODES.join('", "')}"`);
    }
    if (mode === "constant") return padConstant(x, before, after, value ?? 0);
    if (value !== undefined) throw new ArgumentError(`pad: mode "${mode}" takes no value`);
    let y = x;
    for (let axis = 0; axis < rank; axis++) {
      if (before[axis] !== 0 || after[axis] !== 0) y = padAxis(y, axis, before[axis], after[axis], mode);
    }
    return y === x ? unchanged(x) : y;
  },
);

/** `value` before and after every dim; negative amounts cut off. */
export function padConstant(x: Tensor, before: readonly number[], after: readonly number[], value: number): Tensor {
  const { rank, shape } = x;
  let y = x;
  if (before.some((n) => n < 0) || after.some((n) => n < 0)) {
    const start = before.map((n) => Math.max(0, -n));
    const size = shape.map((d, i) => d - start[i] - Math.max(0, -after[i]));
    if (size.some((d) => d < 0))
      throw new ShapeError(`pad: ${show(before)} and ${show(after)} cut off more than ${show(shape)}`);
    y = bind(sliceP, [x], [...start, ...size, ...new Array<number>(rank).fill(1)]);
  }
  const attrs = [...before, ...after].map((n) => Math.max(0, n));
  if (attrs.every((n) => n === 0)) return y === x ? unchanged(x) : y;
  const padded = bind(padP, [y], attrs);
  if (value === 0) return padded;
  const inside = bind(padP, [expandTo(literal(x.device, "bool", 1), y.shape)], attrs);
  return bind(whereP, [inside, padded, scalar(x.device, x.dtype, value)]);
}

/** x without as many elements at the ends as negative amounts say. */
function cut(x: Tensor, axis: number, before: number, after: number): Tensor {
  const start = Math.max(0, -before);
  const size = x.shape[axis] - start - Math.max(0, -after);
  if (size < 0) {
    throw new ShapeError(`pad: [${before}, ${after}] at dim ${axis} of ${show(x.shape)} cut off more than there is`);
  }
  return sliceAxis(x, axis, start, size);
}

function padAxis(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  mode: "reflect" | "replicate" | "circular",
): Tensor {
  if (before < 0 || after < 0) {
    // Around is what is left after the cut; a mirror and an edge are those of the whole.
    const added = (y: Tensor): Tensor =>
      before > 0 || after > 0 ? padAxis(y, axis, Math.max(before, 0), Math.max(after, 0), mode) : y;
    return mode === "circular" ? added(cut(x, axis, before, after)) : cut(added(x), axis, before, after);
  }
  const n = x.shape[axis];
  const limit = mode === "reflect" ? n - 1 : mode === "circular" ? n : n === 0 ? 0 : Infinity;
  if (before > limit || after > limit) {
    throw new ShapeError(
      `pad: mode "${mode}": [${before}, ${after}] at dim ${axis} of ${show(x.shape)}: wanted 0 to ${limit}`,
    );
  }
  const part = (start: number, size: number): Tensor => sliceAxis(x, axis, start, size);
  const mirrored = (start: number, size: number): Tensor => bind(flipP, [part(start, size)], [axis]);
  const repeated = (start: number, size: number): Tensor => bind(expandP, [part(start, 1)], x.shape.with(axis, size));
  const pieces: Tensor[] = [x];
  switch (mode) {
    case "reflect":
      if (before > 0) pieces.unshift(mirrored(1, before));
      if (after > 0) pieces.push(mirrored(n - 1 - after, after));
      break;
    case "replicate":
      if (before > 0) pieces.unshift(repeated(0, before));
      if (after > 0) pieces.push(repeated(n - 1, after));
      break;
    case "circular":
      if (before > 0) pieces.unshift(part(n - before, before));
      if (after > 0) pieces.push(part(0, after));
      break;
    default:
      mode satisfies never;
  }
  return cat(pieces, axis);
}
