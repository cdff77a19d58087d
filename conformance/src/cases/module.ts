/**
 * Suite `nn`: modules, with gradients of their inputs and parameters, second derivatives, and buffers.
 */
import { Tensor } from "loopgrad";
import type { GoldenTensor, Keywords, ModuleCase } from "../format.ts";
import { makeModule } from "../modules.ts";
import { camelCase } from "../names.ts";
import { contract, type Finding, findings, namedFindings, type Place, tapedGrad, toLeaf, toTensor } from "./case.ts";

/** What a module returns: tensors, nested as torch nests them (an LSTM's output and pair of states). */
type Output = Tensor | null | readonly Output[];
type Forward = (...args: unknown[]) => Output;

/** Runs a module once. */
export function runModule(golden: ModuleCase, place: Place): Finding[] {
  const module = makeModule(golden.module, golden.args);
  try {
    module.loadStateDict(Object.fromEntries(Object.entries(golden.state).map(([k, t]) => [k, toTensor(t, place)])));
    module.train(golden.training);
    // Losses have no input gradient for their targets: those are constants.
    const inputs = golden.inputs.map((t, i) =>
      golden.input_grads[i] === null ? toTensor(t, place) : toLeaf(t, place),
    );
    const forward = module.forward.bind(module) as Forward;
    const outputs = flat(forward(...forwardArguments(golden, inputs, place)));
    const named = module.namedParameters();
    const leaves = [...named.map(([, parameter]) => parameter), ...inputs.filter((input) => input.requiresGrad)];
    const byPlace = (grads: readonly (Tensor | null)[]) => ({
      params: Object.fromEntries(named.map(([name], i) => [name, grads[i]])),
      inputs: inputs.map((input) => (input.requiresGrad ? grads[leaves.indexOf(input)] : null)),
    });
    const first = byPlace(tapedGrad(contract(golden.cotangents, outputs, place), leaves));
    const cotangents2 = [
      ...named.map(([name]) => golden.cotangents2_params[name] ?? null),
      ...golden.cotangents2_inputs,
    ];
    const firstOrder = [...named.map(([name]) => first.params[name]), ...first.inputs];
    const second = byPlace(tapedGrad(contract(cotangents2, firstOrder, place), leaves));
    return [
      ...findings("outputs", outputs, golden.outputs),
      ...namedFindings("param_grads", first.params, golden.param_grads),
      ...findings("input_grads", first.inputs, golden.input_grads),
      ...namedFindings("param_grads2", second.params, golden.param_grads2),
      ...findings("input_grads2", second.inputs, golden.input_grads2),
      ...namedFindings("state_after", module.stateDict(), golden.state_after),
    ];
  } finally {
    module.dispose();
  }
}

/** Inputs as the module's forward takes them, then its options. */
function forwardArguments(
  { module, inputs: golden, forward_args }: ModuleCase,
  inputs: Tensor[],
  place: Place,
): unknown[] {
  const { self_attention: self, ...keywords } = forward_args;
  const options = forwardOptions(keywords, place);
  const rest = Object.keys(options).length > 0 ? [options] : [];
  if (self === true) return [inputs[0], inputs[0], inputs[0], ...rest];
  const [x, ...state] = inputs;
  // An LSTM's state is a pair.
  if (module.startsWith("LSTM") && golden.length === 3) return [x, state, ...rest];
  return [...inputs, ...rest];
}

const forwardOptions = (keywords: Keywords, place: Place): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(keywords).map(([key, value]) => [camelCase(key), isGolden(value) ? toTensor(value, place) : value]),
  );

const isGolden = (value: unknown): value is GoldenTensor =>
  typeof value === "object" && value !== null && "shape" in value;

const flat = (output: Output): Tensor[] =>
  output === null ? [] : output instanceof Tensor ? [output] : output.flatMap((item) => flat(item));
