/**
 * Attention: values averaged with weights that queries and keys make.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { iota } from "../creation.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { addP, leP, mulP, reshapeP, whereP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./contraction.ts";
import { transpose } from "./movement.ts";
import { binary, scalar, wantFloat } from "./operand.ts";
import { safeSoftmax, softmax } from "./softmax.ts";

export interface AttentionOptions {
  /** Query i attends to keys 0 … i only. */
  isCausal?: boolean;
  /** Factor of the products; 1 / √E by default. */
  scale?: number;
}

/** Options may stand in the place of the mask. */
interface Attention {
  (query: Tensor, key: Tensor, value: Tensor, mask?: Tensor | null, options?: AttentionOptions): Tensor;
  (query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions): Tensor;
}

/**
 * softmax(q kᵀ · scale + mask) v. A query whose mask hides every key (with false, or −Infinity) gives 0, and has
 * gradient 0, at every order.
 *
 * @param query  […, L, E]
 * @param key    […, S, E]
 * @param value  […, S, V]
 * @param mask   […, L, S]: bool, true where a query may attend; or float, added; null for none
 * @returns      […, L, V]
 * @throws       ArgumentError if both a mask and `isCausal` are given
 */
export const scaledDotProductAttention: Attention = operation(
  "scaledDotProductAttention(query: tensor, key: tensor, value: tensor, mask?: tensor|null, options?: { isCausal: boolean, scale: number })",
  (query: Tensor, key: Tensor, value: Tensor, mask?: Tensor | null, options: AttentionOptions = {}): Tensor => {
    const { isCausal = false, scale } = options;
    const { rank, shape, device, dtype } = query;
    if (rank < 2 || key.rank < 2)
      throw new ShapeError(`scaledDotProductAttention: query ${show(shape)}, key ${show(key.shape)}: wanted […, L, E]`);
    wantFloat("scaledDotProductAttention", query);
    if (key.shape[key.rank - 1] !== shape[rank - 1] || value.shape[value.rank - 2] !== key.shape[key.rank - 2]) {
      throw new ShapeError(
        `scaledDotProductAttention: query ${show(shape)}, key ${show(key.shape)}, value ${show(value.shape)}: ` +
          "wanted […, L, E], […, S, E] and […, S, V]",
      );
    }
    const factor = scalar(device, dtype, scale ?? 1 / Math.sqrt(shape[rank - 1]));
    // Scaling the queries is cheaper than scaling the products.
    let scores = matmul(bind(mulP, [query, factor]), transpose(key, -1, -2));
    let allowed: Tensor | null = null;
    if (isCausal) {
      if (mask !== undefined && mask !== null) {
        throw new ArgumentError("scaledDotProductAttention: give a mask or isCausal, not both");
      }
      const [l, s] = scores.shape.slice(-2);
      allowed = bind(leP, [iota(device, "int32", s), bind(reshapeP, [iota(device, "int32", l)], [l, 1])]);
    } else if (mask !== undefined && mask !== null) {
      if (mask.dtype === "bool") allowed = mask;
      else scores = binary(addP, scores, mask);
    }
    if (allowed !== null) scores = bind(whereP, [allowed, scores, scalar(device, scores.dtype, -Infinity)]);
    // A causal query always sees the first key; behind a mask it may see none.
    const weights = mask === undefined || mask === null ? softmax(scores, -1) : safeSoftmax(scores, -1);
    return matmul(weights, value);
  },
) as Attention;
