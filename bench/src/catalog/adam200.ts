/**
 * adam200: an optimizer's step with many parameter tensors.
 *
 * update  200 tensors of differing shapes, whose gradients lie in buffers of their own
 * train   forward, backward and update of 200 linear layers, 64 wide
 */
import { Adam, type Device, Linear, Parameter, Sequential, scope, type Tensor, tensor } from "loopgrad";
import { uniform } from "../data.ts";
import { setWeights } from "./weights.ts";
import type { Settings, Task, Workload } from "./workload.ts";

const COUNT = 200;

function update(device: Device, { dtype }: Settings): Task {
  const filled = (seed: number, shape: number[]): Tensor =>
    tensor(uniform(seed, shape[0] * shape[1]), { device, dtype, shape });
  const params = Array.from({ length: COUNT }, (_, i) => {
    const shape = [3 + (i % 17), 5 + (i % 31)];
    const param = new Parameter(filled(1000 + i, shape));
    param.grad = filled(2000 + i, shape);
    return param;
  });
  const optimizer = new Adam(params, { lr: 1e-3 });
  const call = async () => {
    using _ = scope();
    optimizer.step();
    return [await params[COUNT - 1].data()];
  };
  // Reads the parameter, its gradient and two moments; writes all but the gradient.
  const elements = params.reduce((sum, { size }) => sum + size, 0);
  return { call, bytes: 7 * 4 * elements, repeat: 1, tolerance: 1e-4 };
}

function train(device: Device, { dtype }: Settings): Task {
  const model = new Sequential(...Array.from({ length: COUNT }, () => new Linear(64, 64)));
  setWeights(model, { device, dtype });
  const optimizer = new Adam(model.parameters(), { lr: 1e-3 });
  const x = tensor(uniform(1, 8 * 64), { device, dtype, shape: [8, 64] });
  const call = async () => {
    using _ = scope();
    optimizer.zeroGrad();
    // Two hundred layers that shrink what they get would leave nothing: each sum is kept near its input.
    let y: Tensor = x;
    for (const layer of model.children()) y = y.add((layer as Linear).forward(y).mul(0.1));
    const loss = y.square().mean();
    loss.backward();
    optimizer.step();
    return [await loss.data()];
  };
  return { call, repeat: 1, tolerance: 1e-3 };
}

export const adam200: Workload = {
  id: "adam200",
  what: "Adam, 200 tensors: update; train: forward, backward and update of 200 linear layers",
  options: { part: ["update", "train"], dtype: "float32" },
  fits: { part: ["update", "train"], dtype: ["float32", "float64"] },
  iterations: 10,
  peers: ["torch"],
  make: (device, settings) => (settings.part === "update" ? update : train)(device, settings),
};
