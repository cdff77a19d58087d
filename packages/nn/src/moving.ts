/**
 * Moving a module: the same parameters and buffers, as objects, with values of another dtype or on another device.
 *
 * An optimizer that holds the parameters goes on working; its own state does not move, so move first. A new dtype is
 * a conversion like any other and happens at once; a new device takes a read, so one has to wait. Either everything
 * moves or nothing does.
 */
import { noGrad } from "@loopgrad/autograd";
import {
  Device,
  DTYPES,
  type DType,
  DTypeError,
  isFloat,
  keep,
  LoopgradError,
  scope,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import type { Module } from "./module.ts";
import { checkOptions } from "./options.ts";
import type { Slot } from "./slot.ts";

/** Where to move to: see {@link Module.to}. */
export interface Destination {
  device?: Device;
  dtype?: DType;
}

/** The destination that `Module.to` was given, checked. */
export function destination(target: DType | Device | Destination): Destination {
  if (typeof target === "string") {
    if (!DTYPES.includes(target)) {
      throw new DTypeError(
        `to: "${String(target)}" is no dtype: wanted ${DTYPES.join(", ")}; a device is what init() returns`,
      );
    }
    return destination({ dtype: target });
  }
  if (target instanceof Device) return { device: target };
  checkOptions("to", target, ["device", "dtype"]);
  const { device, dtype } = target;
  if (device !== undefined && !(device instanceof Device)) {
    throw new LoopgradError(`to: device is ${String(device)}, wanted what init() returns`);
  }
  if (dtype !== undefined && !isFloat(dtype)) {
    throw new DTypeError(`to: dtype ${dtype}: parameters are learned, wanted a float dtype`);
  }
  return target;
}

/** A slot, and the tensors that its value and its gradient become. */
interface Move {
  slot: Slot;
  value: Tensor;
  grad: Tensor | null;
}

/** Converts all float parameters and buffers. */
export function convert(module: Module, dtype: DType): void {
  using _scope = scope();
  using _mode = noGrad();
  const converted = (x: Tensor): Tensor => (isFloat(x.dtype) ? x.detach().to(dtype) : x.detach());
  settle(slotsOf(module).map((slot) => ({ slot, value: converted(slot), grad: slot._grad && converted(slot._grad) })));
}

/** Moves all parameters and buffers, and converts the float ones if a dtype is given. */
export async function transfer(module: Module, device: Device, dtype?: DType): Promise<void> {
  const slots = slotsOf(module);
  const before = slots.map((slot) => slot._value);
  const moved = async (x: Tensor): Promise<Tensor> => {
    const { shape, dtype: own } = x;
    // Outside every scope: after the wait another part of the program may have one open.
    return keep(tensor(await x.data(), { shape, device, dtype: dtype !== undefined && isFloat(own) ? dtype : own }));
  };
  const moves = await Promise.all(
    slots.map(async (slot): Promise<Move> => {
      const [value, grad] = await Promise.all([moved(slot), slot._grad && moved(slot._grad)]);
      return { slot, value, grad };
    }),
  );
  const stale = slots.findIndex((slot, i) => slot._value !== before[i]);
  if (stale < 0) settle(moves);
  for (const { value } of moves) value.dispose();
  if (stale < 0) return;
  for (const { grad } of moves) grad?.dispose();
  throw new LoopgradError("to: the module's parameters were assigned while it moved: wait for `await module.to(…)`");
}

/** All slots of a module, if they may change now. */
function slotsOf(module: Module): Slot[] {
  const slots = [...module.parameters(), ...module.buffers()];
  if (slots.some((slot) => slot._standIn !== null)) {
    throw new LoopgradError("to: a functional call is running, in which slots stand for other tensors: move before it");
  }
  return slots;
}

/** Gives the slots their new values. */
function settle(moves: readonly Move[]): void {
  for (const { slot, value, grad } of moves) {
    if (value._value.dtype !== slot.dtype || value.device !== slot.device) slot._move(value);
    if (grad === null) continue;
    slot.grad = grad;
    grad.dispose();
  }
}
