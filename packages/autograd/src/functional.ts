/**
 * Functional transforms: derivatives of functions, composed from `grad`.
 *
 * Reverse mode gives vᵀJ, a *vector-Jacobian product* (vjp), in one walk. J v, a *Jacobian-vector product* (jvp), comes
 * from the double-vjp trick: u ↦ uᵀJ is linear in u, so its own vjp with the vector v is J v, whatever u is. With
 * u = 0, as a constant that the planner knows, most of the first walk is simplified away, and no operation
 * needs a second rule for forward mode.
 *
 * The function gets places of its own on the tape in place of the inputs, which need not require gradients. Under
 * `createGraph` these are images of the inputs, and results are on the tape.
 */
import {
  ArgumentError,
  admit,
  eye,
  GradError,
  literals,
  reshape,
  scope,
  select,
  show,
  stack,
  Tensor,
} from "@loopgrad/tensor";
import { grad } from "./grad.ts";
import { image } from "./methods.ts";
import { enableGrad } from "./mode.ts";
import { nodeOf } from "./tape.ts";

/** One tensor or several; results that belong to inputs come in the same form. */
export type Tensors = Tensor | readonly Tensor[];

/** A tensor for a tensor, a list for a list. */
export type Like<X extends Tensors> = X extends Tensor ? Tensor : Tensor[];

/** A function of the tensors. */
export type TensorFunction = (...inputs: Tensor[]) => Tensor;

/** Options of the functional transforms. */
export interface FunctionalOptions {
  /** Put the results on the tape. Default false. */
  createGraph?: boolean;
}

/**
 * A function's value, and vᵀJ for each input.
 *
 * @param v  of the output's shape
 * @see      torch.autograd.functional.vjp
 */
export function vjp<X extends Tensors>(
  fn: TensorFunction,
  inputs: X,
  v: Tensor,
  options: FunctionalOptions = {},
): [Tensor, Like<X>] {
  admit(arguments, "vjp(fn: function, inputs: tensor|tensors, v: tensor, options?: { createGraph: boolean })");
  return transform(inputs, options, (xs, createGraph) => {
    const y = outputOf("vjp", fn, xs);
    return [settled(y, createGraph), orZeros(gradIfAny([y], xs, [v], createGraph), xs)];
  });
}

/**
 * A function's value, and J v: how it changes as the inputs move along v.
 *
 * @param v  one tensor per input, of its shape
 * @see      torch.autograd.functional.jvp
 */
export function jvp<X extends Tensors>(
  fn: TensorFunction,
  inputs: X,
  v: X,
  options: FunctionalOptions = {},
): [Tensor, Tensor] {
  admit(arguments, "jvp(fn: function, inputs: tensor|tensors, v: tensor|tensors, options?: { createGraph: boolean })");
  const { createGraph = false } = options;
  return inTape(() => {
    const xs = places(inputs, createGraph);
    const y = outputOf("jvp", fn, xs);
    const u = literals(0, y.shape, y).requiresGrad_();
    const rows = gradIfAny([y], xs, [u], true);
    const used = rows.flatMap((row, i) => (row === null ? [] : [[row, listOf(v)[i]] as const]));
    const [product] = gradIfAny(
      used.map(([row]) => row),
      [u],
      used.map(([, direction]) => direction),
      createGraph,
    );
    return [settled(y, createGraph), product ?? literals(0, y.shape, y)];
  });
}

/**
 * A scalar function's value, and H v: its Hessian times a vector, without the Hessian. Two walks.
 *
 * @param v  one tensor per input, of its shape
 * @see      torch.autograd.functional.hvp
 * @example  const [value, hv] = hvp((w) => loss(w), w, direction);
 */
export function hvp<X extends Tensors>(
  fn: TensorFunction,
  inputs: X,
  v: X,
  options: FunctionalOptions = {},
): [Tensor, Like<X>] {
  admit(arguments, "hvp(fn: function, inputs: tensor|tensors, v: tensor|tensors, options?: { createGraph: boolean })");
  return transform(inputs, options, (xs, createGraph) => {
    const y = outputOf("hvp", fn, xs);
    wantScalar("hvp", y);
    const used = gradIfAny([y], xs, [null], true).flatMap((g, i) => (g === null ? [] : [[g, listOf(v)[i]] as const]));
    const products = gradIfAny(
      used.map(([g]) => g),
      xs,
      used.map(([, direction]) => direction),
      createGraph,
    );
    return [settled(y, createGraph), orZeros(products, xs)];
  });
}

/**
 * The Jacobian of a function: for each input, a tensor of shape [...output, ...input]. One walk per output element.
 *
 * @see     torch.autograd.functional.jacobian
 * @example jacobian((x) => x.exp(), x) // diagonal
 */
export function jacobian<X extends Tensors>(fn: TensorFunction, inputs: X, options: FunctionalOptions = {}): Like<X> {
  admit(arguments, "jacobian(fn: function, inputs: tensor|tensors, options?: { createGraph: boolean })");
  return transform(inputs, options, (xs, createGraph) => [
    null,
    jacobians(outputOf("jacobian", fn, xs), xs, createGraph),
  ])[1];
}

/**
 * The Hessian of a scalar function: of shape [...input, ...input]; for a list of inputs a list of lists, where entry
 * [i][j] has shape [...inputs[i], ...inputs[j]].
 *
 * @throws GradError if the function's value has more than one element
 * @see    torch.autograd.functional.hessian
 */
export function hessian(fn: TensorFunction, inputs: Tensor, options?: FunctionalOptions): Tensor;
export function hessian(fn: TensorFunction, inputs: readonly Tensor[], options?: FunctionalOptions): Tensor[][];
export function hessian(fn: TensorFunction, inputs: Tensors, options: FunctionalOptions = {}): Tensor | Tensor[][] {
  admit(arguments, "hessian(fn: function, inputs: tensor|tensors, options?: { createGraph: boolean })");
  const { createGraph = false } = options;
  return inTape(() => {
    const xs = places(inputs, createGraph);
    const y = outputOf("hessian", fn, xs);
    wantScalar("hessian", y);
    const rows = orZeros(gradIfAny([y], xs, [null], true), xs).map((g) => jacobians(g, xs, createGraph));
    return isList(inputs) ? rows : rows[0][0];
  });
}

function jacobians(y: Tensor, xs: readonly Tensor[], createGraph: boolean): Tensor[] {
  const basis = eye(y.size, y.size, { dtype: y.dtype, device: y.device });
  const rows = Array.from({ length: y.size }, (_, i) =>
    orZeros(gradIfAny([y], xs, [reshape(select(basis, 0, i), y.shape)], createGraph), xs),
  );
  return xs.map((x, j) => {
    const columns = rows.map((row) => row[j]);
    return reshape(stack(columns, 0), [...y.shape, ...x.shape]);
  });
}

/** Runs `compute` on places for the inputs, and gives its list back in the inputs' form. */
function transform<X extends Tensors, Y>(
  inputs: X,
  { createGraph = false }: FunctionalOptions,
  compute: (xs: Tensor[], createGraph: boolean) => [Y, Tensor[]],
): [Y, Like<X>] {
  return inTape(() => {
    const [y, results] = compute(places(inputs, createGraph), createGraph);
    return [y, (isList(inputs) ? results : results[0]) as Like<X>];
  });
}

/** What the function gives at the inputs, which must be a tensor. */
function outputOf(who: string, fn: TensorFunction, xs: readonly Tensor[]): Tensor {
  if (xs.length === 0) throw new ArgumentError(`${who}: inputs is empty: wanted a tensor, or several`);
  const y: unknown = fn(...xs);
  if (y instanceof Tensor) return y;
  throw new ArgumentError(`${who}: fn gave ${String(y)}: wanted a tensor`);
}

/** In a scope of its own, with the tape on. */
const inTape = <T>(fn: () => T): T => scope(() => enableGrad(fn));

const isList = (x: Tensors): x is readonly Tensor[] => Array.isArray(x);
const listOf = (x: Tensors): readonly Tensor[] => (isList(x) ? x : [x]);

const places = (inputs: Tensors, createGraph: boolean): Tensor[] =>
  listOf(inputs).map((x) => (createGraph && nodeOf(x) !== null ? image(x) : x.detach().requiresGrad_()));

const settled = (y: Tensor, createGraph: boolean): Tensor => (createGraph ? y : y.detach());

/** `grad` that retains the graph, and gives null for what is unused or off the tape. */
function gradIfAny(
  ys: readonly Tensor[],
  xs: readonly Tensor[],
  vs: readonly (Tensor | null)[],
  createGraph: boolean,
): (Tensor | null)[] {
  const on = ys.flatMap((y, i) => (nodeOf(y) === null ? [] : [i]));
  if (on.length === 0) return xs.map(() => null);
  const gradOutputs = on.map((i) => vs[i]);
  return grad(
    on.map((i) => ys[i]),
    xs,
    { gradOutputs, createGraph, retainGraph: true, allowUnused: true },
  );
}

const orZeros = (gs: readonly (Tensor | null)[], xs: readonly Tensor[]): Tensor[] =>
  gs.map((g, i) => g ?? literals(0, xs[i].shape, xs[i]));

function wantScalar(name: string, y: Tensor): void {
  if (y.size !== 1)
    throw new GradError(`${name}: the function's value has shape ${show(y.shape)}: wanted a single element`);
}
