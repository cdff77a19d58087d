/**
 * What the suites share: a case is *run* to a list of *findings*, values beside those wanted.
 *
 * Findings hold tensors, not numbers, so that a case reads all its results at once: one flush, one plan.
 */
import { type Device, grad, isFloat, type Tensor, tensor } from "loopgrad";
import { goldenNumbers } from "../compare.ts";
import type { GoldenTensor, Maybe } from "../format.ts";

/** Where a case runs. */
export interface Place {
  readonly device: Device;
  /** The dtype of golden floats: float64 on cpu, float32 on webgpu. */
  readonly float: "float32" | "float64";
  /** The highest order of derivatives that operations are run to; all that a case has, if absent. */
  readonly orders?: number;
}

/** A value that came out of a case, and the one wanted. */
export interface Finding {
  /** For people: the field and position, such as `grads[0]`. */
  readonly what: string;
  /** The expected field, to which a float32 error belongs. */
  readonly field: string;
  /** The key in that field's float32 errors, where it has one for each (`hyper_grads`). */
  readonly key?: string;
  /** null: no gradient came out, which is the same as zeros. */
  readonly got: Tensor | number | null;
  readonly wanted: GoldenTensor | number;
}

/** A golden tensor on the device. */
export function toTensor(golden: GoldenTensor, { device, float }: Place): Tensor {
  const dtype = golden.dtype === "f32" ? float : golden.dtype === "i32" ? "int32" : "bool";
  const { shape } = golden;
  return tensor(goldenNumbers(golden), { device, dtype, shape });
}

/** A golden tensor as a leaf of the tape, if it is a float. */
export function toLeaf(golden: GoldenTensor, place: Place): Tensor {
  const leaf = toTensor(golden, place);
  return isFloat(leaf.dtype) ? leaf.requiresGrad_(true) : leaf;
}

/**
 * Σ ⟨cotangent, output⟩ over the pairs of which neither is null; null if there is none on the tape.
 *
 * @param cotangents  constants
 * @param outputs     tensors of the same shapes
 */
export function contract(
  cotangents: readonly Maybe<GoldenTensor>[],
  outputs: readonly Maybe<Tensor>[],
  place: Place,
): Tensor | null {
  let total: Tensor | null = null;
  outputs.forEach((output, i) => {
    const cotangent = cotangents[i];
    if (cotangent === null || output === null || !output.requiresGrad) return;
    const product = output.mul(toTensor(cotangent, place)).sum();
    total = total === null ? product : (total as Tensor).add(product);
  });
  return total;
}

/** Gradients of a scalar that stay on the tape; all null where there is no scalar. */
export function tapedGrad(scalar: Tensor | null, leaves: readonly Tensor[]): (Tensor | null)[] {
  if (scalar === null) return leaves.map(() => null);
  return grad([scalar], [...leaves], { createGraph: true, allowUnused: true });
}

/** Findings for a list of values; null in `wanted` is not compared. */
export function findings(
  field: string,
  got: readonly (Tensor | number | null)[],
  wanted: readonly (GoldenTensor | number | null)[],
): Finding[] {
  return wanted.flatMap((want, i) =>
    want === null ? [] : [{ what: `${field}[${i}]`, field, got: got[i] ?? null, wanted: want }],
  );
}

/** Findings for values by name. */
export function namedFindings(
  field: string,
  got: Readonly<Record<string, Tensor | null>>,
  wanted: Readonly<Record<string, Maybe<GoldenTensor>>>,
): Finding[] {
  return Object.entries(wanted).flatMap(([name, want]) =>
    want === null ? [] : [{ what: `${field} ${name}`, field, got: got[name] ?? null, wanted: want }],
  );
}
