/**
 * Rules of gather and scatterAdd: adjoints of each other. Elements of a gather whose index lies outside are 0, and
 * a scatterAdd ignores such elements, so the adjoint holds there too.
 */
import { bind, gatherP, literals, scatterAddP } from "@loopgrad/tensor";
import { d, pass, rule } from "./rule.ts";

/** What was taken from a place is given back to it, summed over all who took from it. */
rule(
  gatherP,
  d("b", (g, { b: index, attrs, shape, dtype }) =>
    bind(scatterAddP, [literals(0, shape, { device: g.device, dtype }), index, g], attrs),
  ),
  null,
);

/** The base keeps its cotangent, and what was added reads it at its index. */
rule(
  scatterAddP,
  pass,
  null,
  d("b", (g, { b: index, attrs }) => bind(gatherP, [g, index], attrs)),
);
