/**
 * Suites `ops`, `linalg` and `third`: single operations and small programs, with derivatives of each order.
 */
import { type Tensor, zeros } from "loopgrad";
import type { GoldenTensor, Maybe, OpCase, PerInput, ProgramCase } from "../format.ts";
import { applyOp, type Input } from "../ops.ts";
import { contract, type Finding, findings, type Place, tapedGrad, toLeaf, toTensor } from "./case.ts";

/** Runs one operation to its values, first and second derivatives. */
export function runOp(golden: OpCase, place: Place): Finding[] {
  const fixed = new Set(golden.nodiff ?? []);
  const inputs = golden.inputs.map((input, i): Input => {
    if (input === null) return null;
    const make = (t: GoldenTensor): Tensor => (fixed.has(i) ? toTensor(t, place) : toLeaf(t, place));
    return isList(input) ? input.map(make) : make(input);
  });
  const outputs = applyOp(golden.op, inputs, golden.attrs);
  return [
    ...counted(outputs, golden.outputs),
    ...derivatives(
      golden,
      inputs.flat(),
      outputs,
      [golden.cotangents, golden.cotangents2].slice(0, place.orders),
      place,
    ),
  ];
}

/** Runs a program of operations to its values and three orders of derivatives. */
export function runProgram(golden: ProgramCase, place: Place): Finding[] {
  const inputs = golden.inputs.map((input) => toLeaf(input, place));
  const values = new Map(inputs.map((input, i) => [`x${i}`, input]));
  for (const { op, in: names, attrs, out } of golden.program) {
    values.set(
      out,
      applyOp(
        op,
        names.map((name) => operand(name, values, place)),
        attrs,
      )[0],
    );
  }
  const outputs = golden.outputs_of.map((name) => known(name, values));
  const cotangents = [golden.cotangents, golden.cotangents2, golden.cotangents3];
  return [...counted(outputs, golden.outputs), ...derivatives(golden, inputs, outputs, cotangents, place)];
}

/** An operand of a program step: an earlier value, a number ("c0.5"), zeros ("zeros:2,2"), or absent. */
function operand(name: Maybe<string>, values: ReadonlyMap<string, Tensor>, { device, float }: Place): Input {
  if (name === null) return null;
  const constant = /^c(-?[\d.]+(?:e-?\d+)?)$/.exec(name);
  if (constant !== null) return zeros([], { device, dtype: float }).add(Number(constant[1]));
  const shape = /^zeros:([\d,]*)$/.exec(name);
  if (shape !== null) return zeros(shape[1].split(",").filter(Boolean).map(Number), { device, dtype: float });
  return known(name, values);
}

function known(name: string, values: ReadonlyMap<string, Tensor>): Tensor {
  const value = values.get(name);
  if (value === undefined) throw new Error(`the program uses ${name} before it is defined`);
  return value;
}

function counted(outputs: readonly Tensor[], wanted: readonly GoldenTensor[]): Finding[] {
  if (outputs.length < wanted.length) throw new Error(`got ${outputs.length} results, wanted ${wanted.length}`);
  return findings("outputs", outputs, wanted);
}

/**
 * Derivatives of each order: the scalar of order n+1 is the sum of ⟨cotangent, derivative of order n⟩.
 *
 * @param cotangents  one list for each order
 */
function derivatives(
  golden: { readonly grads: PerInput; readonly grads2: PerInput; readonly grads3?: PerInput },
  inputs: readonly Maybe<Tensor>[],
  outputs: readonly Tensor[],
  cotangents: readonly PerInput[],
  place: Place,
): Finding[] {
  const leaves = inputs.filter((input) => input?.requiresGrad === true) as Tensor[];
  let values: readonly Maybe<Tensor>[] = outputs;
  return (["grads", "grads2", "grads3"] as const).slice(0, cotangents.length).flatMap((field, order) => {
    const found = tapedGrad(contract(cotangents[order].flat(), values, place), leaves);
    values = inputs.map((input) => (input?.requiresGrad ? found[leaves.indexOf(input)] : null));
    return findings(field, values, (golden[field] as PerInput).flat());
  });
}

const isList = (input: GoldenTensor | readonly GoldenTensor[]): input is readonly GoldenTensor[] =>
  Array.isArray(input);
