/**
 * summary: what a model is made of, as a table: layers, shapes of their outputs, numbers of parameters.
 *
 * The shapes are found by recording one forward in evaluation mode, with inputs of zeros. Nothing of it is ever computed
 * or kept: buffers, training modes and the stream of random numbers stay as they are.
 */

import { noGrad } from "@loopgrad/autograd";
import {
  ArgumentError,
  admit,
  type Device,
  type DType,
  getDevice,
  getRngState,
  type Shape,
  scope,
  setRngState,
  show,
  Tensor,
  visitTensors,
  zeros,
} from "@loopgrad/tensor";
import { substitute } from "./functional-call.ts";
import type { Module } from "./module.ts";
import { Parameter } from "./slot.ts";

/** One module of a summary. */
export interface SummaryRow {
  /** As in `namedModules`; "" for the model itself. */
  readonly name: string;
  readonly type: string;
  readonly depth: number;
  /** Of every tensor in the output of its last call; empty if it was not called. */
  readonly outputShapes: readonly Shape[];
  /** Numbers in its own parameters, without those of its submodules; a shared parameter counts where it is first found. */
  readonly parameters: number;
}

/** Options of {@link summary}. */
export interface SummaryOptions {
  /** Of the inputs: "int32" for class or word indices. Default: of the model's parameters. */
  dtype?: DType;
}

/** A table of a model's layers; `String(summary)` prints it. */
export class Summary {
  constructor(
    readonly rows: readonly SummaryRow[],
    readonly totalParameters: number,
    readonly trainableParameters: number,
  ) {
    admit(arguments, "Summary(rows: list, totalParameters: number, trainableParameters: number)");
  }

  toString(): string {
    const head = ["Layer", "Output shape", "Parameters"];
    const lines = this.rows.map(({ name, type, depth, outputShapes, parameters }) => {
      const key = name.slice(name.lastIndexOf(".") + 1);
      return [
        "  ".repeat(depth) + (key === "" ? type : `${key}: ${type}`),
        outputShapes.map(show).join(", ") || "-",
        parameters === 0 ? "-" : parameters.toLocaleString("en"),
      ];
    });
    const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i].length)));
    const print = ([layer, shape, count]: string[]): string =>
      `${layer.padEnd(widths[0])}  ${shape.padEnd(widths[1])}  ${count.padStart(widths[2])}`;
    const rule = "-".repeat(print(head).length);
    const frozen = this.totalParameters - this.trainableParameters;
    return [
      print(head),
      rule,
      ...lines.map(print),
      rule,
      `Parameters: ${this.totalParameters.toLocaleString("en")}` +
        (frozen === 0 ? "" : ` (${frozen.toLocaleString("en")} frozen)`),
    ].join("\n");
  }
}

/**
 * Records one forward of a model, and lists its modules.
 *
 * @param input    shape of the input, with the batch; or the arguments of `forward`, shapes and tensors
 * @throws         what the model's forward throws for such an input
 * @example        console.log(String(summary(model, [1, 28 * 28])));
 * @example        summary(decoder, [[1, 8, 64], [1, 16, 64]]).rows
 */
export function summary(
  model: Module,
  input: Shape | readonly (Shape | Tensor)[] | Tensor,
  options: SummaryOptions = {},
): Summary {
  admit(arguments, "summary(model: module, input: tensor|numbers|list, options?: { dtype: string })");
  const parameters = model.parameters();
  const device = parameters[0]?.device ?? model.buffers()[0]?.device ?? getDevice();
  const dtype = options.dtype ?? parameters[0]?.dtype ?? device.defaultDType;
  const shapes = outputShapes(model, () => inputsOf(input, device, dtype));
  const counted = new Set<Parameter>();
  const rows = model.namedModules().map(([name, module]): SummaryRow => {
    let own = 0;
    for (const [, member] of module.members()) {
      if (!(member instanceof Parameter) || counted.has(member)) continue;
      counted.add(member);
      own += member.size;
    }
    const depth = name === "" ? 0 : name.split(".").length;
    return { name, type: module.constructor.name, depth, outputShapes: shapes.get(module) ?? [], parameters: own };
  });
  return new Summary(rows, model.parameterCount(), model.parameterCount({ trainable: true }));
}

/** The arguments of the forward. */
function inputsOf(
  input: Shape | readonly (Shape | Tensor)[] | Tensor,
  device: Device,
  dtype: DType,
): readonly Tensor[] {
  if (input instanceof Tensor) return [input];
  const several = input.some((item) => typeof item !== "number");
  const items = several ? (input as readonly (Shape | Tensor)[]) : [input as Shape];
  return items.map((item) => {
    if (item instanceof Tensor) return item;
    if (!Array.isArray(item)) throw new ArgumentError("summary: wanted a shape such as [1, 784], or several arguments");
    return zeros(item as Shape, { device, dtype });
  });
}

/** The shapes of the outputs of all modules that a forward calls. */
function outputShapes(model: Module, inputs: () => readonly Tensor[]): Map<Module, Shape[]> {
  const shapes = new Map<Module, Shape[]>();
  const modes = model.modules().map((module) => [module, module.training] as const);
  const rng = getRngState();
  const handles = modes.map(([module]) =>
    module.registerForwardHook((_module, _args, output) => {
      const found: Shape[] = [];
      visitTensors(output, ({ shape }) => found.push(shape));
      shapes.set(module, found);
    }),
  );
  using _scope = scope();
  using _mode = noGrad();
  try {
    model.eval();
    const { output } = substitute(model, {}, () => [model.forward(...(inputs() as never[]))]);
    if (output[0] instanceof Promise) {
      output[0].catch(() => {});
      throw new ArgumentError("summary: the model's forward is async: wanted one that computes synchronously");
    }
  } finally {
    for (const handle of handles) handle.remove();
    for (const [module, training] of modes) module.training = training;
    setRngState(rng);
  }
  return shapes;
}
