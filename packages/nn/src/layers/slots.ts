/**
 * The layers' slots. What is made on the way is released at once.
 *
 * A layer's constructor makes its parameters, and `resetParameters` gives them their first values: once at the
 * constructor's end, and again whenever somebody calls it.
 */
import { full, type Shape, scope, zeros } from "@loopgrad/tensor";
import type { PlacementOptions } from "../options.ts";
import { Buffer, Parameter } from "../slot.ts";

type Where = Required<PlacementOptions>;

/** A parameter that `resetParameters` is to give its first value. */
export const blankParameter = (shape: Shape, where: Where): Parameter =>
  scope(() => new Parameter(zeros([...shape], where)));

/** A buffer with one number everywhere. */
export const constantBuffer = (shape: Shape, value: number, where: Where): Buffer =>
  scope(() => new Buffer(full([...shape], value, where)));
