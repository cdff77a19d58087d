/**
 * Dropout: elements are set to 0 with probability p, and the others scaled by 1 / (1 − p). Which ones is drawn from the
 * random stream that `manualSeed` sets; the mask is a constant to the tape.
 */
import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, rand, type Shape, type Tensor } from "@loopgrad/tensor";

function dropped(op: string, x: Tensor, p: number, maskShape: Shape): Tensor {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${op}: p is ${p}, wanted a probability in [0, 1]`);
  if (p === 0) return x;
  const mask = noGrad(() => {
    const kept = rand([...maskShape], { device: x.device, dtype: x.dtype })
      .ge(p)
      .to(x.dtype);
    return p === 1 ? kept : kept.mul(1 / (1 - p));
  });
  return x.mul(mask);
}

/** Drops single elements. `p` defaults to 0.5. @see torch.nn.functional.dropout */
export const dropout = (x: Tensor, options: { p?: number; training?: boolean } = {}): Tensor =>
  (options.training ?? true) ? dropped("dropout", x, options.p ?? 0.5, x.shape) : x;

/** Drops whole channels of [N, C, …]. `p` defaults to 0.5. @see torch.nn.functional.dropout2d */
export const dropout2d = (x: Tensor, options: { p?: number; training?: boolean } = {}): Tensor =>
  (options.training ?? true)
    ? dropped("dropout2d", x, options.p ?? 0.5, [...x.shape.slice(0, 2), ...new Array<number>(x.rank - 2).fill(1)])
    : x;
