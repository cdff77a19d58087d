/**
 * gradcheck: are the gradients of a function right?
 *
 * The *analytic* Jacobian, one walk per output element, is compared with the *numeric* one, two evaluations per input
 * element: (f(x + ε) − f(x − ε)) / 2ε. Its error is about ε² from the curve and 10⁻¹⁶ / ε from rounding, so the check
 * needs float64, and ε near 10⁻⁶. `gradgradcheck` does the same to the function's gradient.
 */
import {
  ArgumentError,
  admit,
  type Device,
  GradError,
  type HostArray,
  type Shape,
  scope,
  show,
  Tensor,
  tensor,
} from "@loopgrad/tensor";
import { grad } from "./grad.ts";
import { nodeOf } from "./tape.ts";

/** A function of tensors to be checked. */
export type Checked = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/** Options of {@link gradcheck} and {@link gradgradcheck}. */
export interface GradcheckOptions {
  /** Half the distance between the two evaluations. Default 1e-6. */
  eps?: number;
  /** How far the two may be apart, as a part of the numeric one. Default 1e-3. */
  rtol?: number;
  /** How far the two may be apart in any case. Default 1e-5. */
  atol?: number;
}

/**
 * Checks a function's gradients against central differences.
 *
 * @param fn      a function of tensors, of any shapes, that gives the same results whenever it is called
 * @param inputs  those that require a gradient are checked; these must be float64, on the cpu device
 * @returns       true; resolves once everything was read and compared
 * @throws        GradError naming output, input and element, and both derivatives, where they differ
 * @see           torch.autograd.gradcheck
 * @example       await gradcheck((x) => x.tanh().sum(0), [tensor([[0.1, 0.2]], { dtype: "float64", requiresGrad: true })]);
 */
export async function gradcheck(fn: Checked, inputs: readonly Tensor[], options: GradcheckOptions = {}): Promise<true> {
  admit(arguments, "gradcheck(fn: function, inputs: tensors, options?: { eps: number, rtol: number, atol: number })");
  const { eps = 1e-6, rtol = 1e-3, atol = 1e-5 } = options;
  const checked = inputs.flatMap((x, i) => (nodeOf(x) === null ? [] : [i]));
  if (checked.length === 0) throw new GradError("gradcheck: no input requires a gradient");
  for (const i of checked) {
    if (inputs[i].dtype !== "float64") {
      throw new GradError(`gradcheck: input ${i} is ${inputs[i].dtype}: central differences need float64 (cpu device)`);
    }
  }
  const data = await Promise.all(inputs.map((x) => x.data()));
  const at = inputs.map(
    (x, i): Point => ({ shape: x.shape, dtype: x.dtype, device: x.device, data: data[i], leaf: checked.includes(i) }),
  );

  // Everything is computed in one turn, and so in one flush.
  const analytic = analyticJacobians(fn, at, checked);
  const numeric = checked.map((i) =>
    Array.from(data[i], (_, element) => [evaluate(fn, at, i, element, eps), evaluate(fn, at, i, element, -eps)]),
  );
  for (const [j, { shape, rows }] of (await settle(analytic)).entries()) {
    for (const [k, i] of checked.entries()) {
      for (const [element, pair] of numeric[k].entries()) {
        const [above, below] = await Promise.all(pair.map((outputs) => outputs[j]));
        for (let row = 0; row < rows.length; row++) {
          const expected = (above[row] - below[row]) / (2 * eps);
          const actual = rows[row][k]?.[element] ?? 0;
          if (Math.abs(actual - expected) <= atol + rtol * Math.abs(expected)) continue;
          throw new GradError(
            `gradcheck: output ${j} ${place(row, shape)} by input ${i} ${place(element, at[i].shape)}: ` +
              `numeric ${expected}, analytic ${actual}`,
          );
        }
      }
    }
  }
  return true;
}

/**
 * Checks second derivatives: the gradients of the function's gradient against central differences.
 *
 * @param fn, inputs, options  as for {@link gradcheck}
 * @see     torch.autograd.gradgradcheck
 * @example await gradgradcheck((x, w) => x.matmul(w).softmax(1), [x, w]);
 */
export async function gradgradcheck(
  fn: Checked,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<true> {
  admit(
    arguments,
    "gradgradcheck(fn: function, inputs: tensors, options?: { eps: number, rtol: number, atol: number })",
  );
  const checked = inputs.flatMap((x, i) => (nodeOf(x) === null ? [] : [i]));
  if (checked.length === 0) throw new GradError("gradgradcheck: no input requires a gradient");
  // The vector of the vector-Jacobian product is an input too: any fixed numbers away from 0 and from each other.
  const vectors = scope(() => {
    const outputs = outputsOf(fn, inputs).filter((y) => nodeOf(y) !== null);
    return outputs.map((y) =>
      tensor(
        Float64Array.from({ length: y.size }, (_, i) => Math.sin(1 + 2.3 * i) + 1.5),
        {
          shape: y.shape,
          dtype: y.dtype,
          device: y.device,
          requiresGrad: true,
        },
      ),
    );
  });
  const gradient = (...all: Tensor[]): Tensor[] => {
    const xs = all.slice(0, inputs.length);
    const outputs = outputsOf(fn, xs).filter((y) => nodeOf(y) !== null);
    const wanted = checked.map((i) => xs[i]);
    const options = { gradOutputs: all.slice(inputs.length), createGraph: true, allowUnused: true };
    return grad(outputs, wanted, options).filter((g) => g !== null);
  };
  return gradcheck(gradient, [...inputs, ...vectors], options);
}

/** An input, on the host. */
interface Point {
  readonly shape: Shape;
  readonly dtype: Tensor["dtype"];
  readonly device: Device;
  readonly data: HostArray;
  readonly leaf: boolean;
}

interface Jacobians<T> {
  readonly shape: Shape;
  /** For each element of an output the gradient by each checked input; null for one that it doesn't depend on. */
  readonly rows: (T | null)[][];
}

function analyticJacobians(
  fn: Checked,
  at: readonly Point[],
  checked: readonly number[],
): Jacobians<Promise<HostArray>>[] {
  using _ = scope();
  const xs = at.map((point) => makeInput(point, point.data.slice()));
  const wanted = checked.map((i) => xs[i]);
  return outputsOf(fn, xs).map((y) => {
    const { shape, size, dtype, device } = y;
    const rows = Array.from({ length: size }, (_, row) => {
      if (nodeOf(y) === null) return checked.map(() => null);
      const oneHot = new Float64Array(size);
      oneHot[row] = 1;
      const gradOutputs = tensor(oneHot, { shape, dtype, device });
      return grad(y, wanted, { gradOutputs, retainGraph: true, allowUnused: true }).map((g) => g?.data() ?? null);
    });
    return { shape, rows };
  });
}

/** The outputs with one element of one input moved. */
function evaluate(
  fn: Checked,
  at: readonly Point[],
  input: number,
  element: number,
  eps: number,
): Promise<HostArray>[] {
  using _ = scope();
  const xs = at.map((point, i) => {
    const data = point.data.slice();
    if (i === input) data[element] += eps;
    return makeInput(point, data);
  });
  return outputsOf(fn, xs).map((y) => y.data());
}

/** Inputs are leaves in the numeric evaluations too: `fn` may ask for gradients itself. */
const makeInput = ({ shape, dtype, device, leaf }: Point, data: HostArray): Tensor =>
  tensor(data, { shape, dtype, device, requiresGrad: leaf });

const settle = (jacobians: readonly Jacobians<Promise<HostArray>>[]): Promise<Jacobians<HostArray>[]> =>
  Promise.all(
    jacobians.map(async ({ shape, rows }) => ({
      shape,
      rows: await Promise.all(rows.map((row) => Promise.all(row))),
    })),
  );

/** An element's indices. */
function place(element: number, shape: Shape): string {
  const indices: number[] = [];
  let rest = element;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    indices.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return show(indices);
}

/** What the function gives: tensors. */
function outputsOf(fn: Checked, xs: readonly Tensor[]): Tensor[] {
  const outputs: unknown[] = [fn(...xs)].flat();
  const odd = outputs.findIndex((y) => !(y instanceof Tensor));
  if (odd < 0) return outputs as Tensor[];
  throw new ArgumentError(`gradcheck: output ${odd} of fn is ${String(outputs[odd])}: wanted a tensor, or several`);
}
