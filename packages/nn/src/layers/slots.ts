/**
 * First values of the layers' slots. What is made on the way is released at once.
 */
import { full, rand, type Shape, scope } from "@loopgrad/tensor";
import type { PlacementOptions } from "../options.ts";
import { Buffer, Parameter } from "../slot.ts";

type Where = Required<PlacementOptions>;

/** A parameter drawn from U(−bound, bound). */
export const uniformParameter = (shape: Shape, bound: number, where: Where): Parameter =>
  scope(
    () =>
      new Parameter(
        rand([...shape], where)
          .mul(2 * bound)
          .sub(bound),
      ),
  );

/** A parameter with one number everywhere. */
export const constantParameter = (shape: Shape, value: number, where: Where): Parameter =>
  scope(() => new Parameter(full([...shape], value, where)));

/** A buffer with one number everywhere. */
export const constantBuffer = (shape: Shape, value: number, where: Where): Buffer =>
  scope(() => new Buffer(full([...shape], value, where)));
