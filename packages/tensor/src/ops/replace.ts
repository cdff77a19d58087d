/**
 * Replacing elements at positions that are checked already, or that the library made.
 */
import { bind } from "../bind.ts";
import { scatterAddP, whereP } from "../primitives.ts";
import { Tensor } from "../tensor.ts";
import { expandTo } from "./movement.ts";
import { cast, literal, literalLike, toScalar } from "./operand.ts";

/**
 * x with elements replaced by those of `source` at positions along an axis; nothing is written at −1.
 *
 * @param at      int32, positions in [0, n)
 * @param source  a tensor of at's shape, or a number
 */
export function replaceAt(x: Tensor, axis: number, at: Tensor, source: Tensor | number | boolean): Tensor {
  const none = expandTo(literal(x.device, "int32", 0), x.shape);
  const one = expandTo(literal(x.device, "int32", 1), at.shape);
  const hit = cast(bind(scatterAddP, [none, at, one], [axis]), "bool");
  if (!(source instanceof Tensor)) return bind(whereP, [hit, toScalar("scatter", source, x), x]);
  if (x.dtype === "bool") return cast(replaceAt(cast(x, "int32"), axis, at, cast(source, "int32")), "bool");
  const blank = expandTo(literalLike(x, 0), x.shape);
  return bind(whereP, [hit, bind(scatterAddP, [blank, at, source], [axis]), x]);
}
