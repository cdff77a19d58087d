/**
 * Weights that every library starts from: matrices and kernels uniform within 1/√fan-in, by their place among the parameters;
 * biases 0, the weights of norms 1.
 */
import { type Device, type Module, type Parameter, tensor } from "loopgrad";
import { uniform } from "../data.ts";
import type { Settings } from "./workload.ts";

/** Gives a model's parameters the values that every library gives them. */
export function setWeights(model: Module, { device, dtype }: { device: Device; dtype: Settings["dtype"] }): void {
  model.namedParameters().forEach(([name, param], i) => {
    const { shape, size } = param;
    const values =
      shape.length > 1
        ? uniform(1000 + i, size, Math.sqrt(shape[0] / size))
        : new Float32Array(size).fill(name.includes("bias") ? 0 : 1);
    using value = tensor(values, { device, dtype, shape: [...shape] });
    (param as Parameter).assign(value);
  });
}
