/**
 * Rules of the movement primitives: each is linear, and its adjoint moves elements back to where they came from.
 */
import { bind, expandP, flipP, padP, permuteP, reshapeP, sliceP, type Tensor } from "@loopgrad/tensor";
import { d, pass, rule } from "./rule.ts";

/** Elements stay in their order. */
rule(
  reshapeP,
  d("", (g, { shape }) => bind(reshapeP, [g], shape)),
);

/** The inverse permutation. */
rule(
  permuteP,
  d("", (g, { attrs: order }) => bind(permuteP, [g], undo(order))),
);

/** Repetition is undone by summing, which the tape does for every operation that broadcasts. */
rule(expandP, pass);

/** Back in the same order. */
rule(
  flipP,
  d("", (g, { attrs: axes }) => bind(flipP, [g], axes)),
);

/** The padding is cut off. */
rule(
  padP,
  d("", (g, { attrs, shape }) => {
    const before = attrs.slice(0, shape.length);
    return bind(sliceP, [g], [...before, ...shape, ...shape.map(() => 1)]);
  }),
);

/** Zeros come where the slice left something out: between its steps, before and after. */
rule(
  sliceP,
  d("", (g, { attrs, shape }) => {
    const rank = shape.length;
    const steps = attrs.slice(2 * rank);
    const spread = dilate(g, steps);
    const before = attrs.slice(0, rank);
    const after = shape.map((d, axis) => d - before[axis] - spread.shape[axis]);
    return bind(padP, [spread], [...before, ...after]);
  }),
);

/** Puts step − 1 zeros between neighbours: each element becomes a row of its own, padded to length `step`. */
function dilate(x: Tensor, steps: readonly number[]): Tensor {
  const rank = x.rank;
  if (steps.every((step) => step === 1)) return x;
  const columns = bind(
    reshapeP,
    [x],
    x.shape.flatMap((d) => [d, 1]),
  );
  const none = new Array<number>(2 * rank).fill(0);
  const padded = bind(padP, [columns], [...none, ...steps.flatMap((step) => [0, step - 1])]);
  const long = bind(
    reshapeP,
    [padded],
    x.shape.map((d, axis) => d * steps[axis]),
  );
  const size = x.shape.map((d, axis) => Math.max((d - 1) * steps[axis] + 1, 0));
  return bind(sliceP, [long], [...x.shape.map(() => 0), ...size, ...x.shape.map(() => 1)]);
}

/** The permutation that undoes one. */
export function undo(order: readonly number[]): number[] {
  const inverse = new Array<number>(order.length);
  for (let i = 0; i < order.length; i++) inverse[order[i]] = i;
  return inverse;
}
