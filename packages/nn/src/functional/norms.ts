/**
 * Normalisations: subtract a mean, divide by a standard deviation, scale and shift.
 *
 * They differ in the axes over which the *statistics* (mean and biased variance) are taken: batch norm over all but
 * the channels, instance norm over each sample's spatial dimensions, group norm over groups of channels, layer norm
 * over the last dimensions.
 */
import {
  ArgumentError,
  isFloat,
  numel,
  operation,
  pad,
  type Shape,
  ShapeError,
  sameShape,
  show,
  type Tensor,
  unfoldDim,
} from "@loopgrad/tensor";

/** Mean and biased variance, with the reduced dimensions kept as 1. */
export interface Statistics {
  mean: Tensor;
  variance: Tensor;
}

/** (x − mean) / sqrt(variance + eps), and the statistics over the axes. */
function normalizeOver(x: Tensor, axes: number[], eps: number): Statistics & { output: Tensor } {
  const mean = x.mean(axes, { keepdim: true });
  const centered = x.sub(mean);
  const variance = centered.square().mean(axes, { keepdim: true });
  return { output: centered.mul(variance.add(eps).rsqrt()), mean, variance };
}

/** Options of norms. */
interface EpsOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
}

/** A norm of x alone; options may stand in the place of weight or bias. */
interface OwnNorm<Result> {
  (x: Tensor, weight?: Tensor | null, bias?: Tensor | null, options?: EpsOptions): Result;
  (x: Tensor, weight: Tensor | null, options: EpsOptions): Result;
  (x: Tensor, options: EpsOptions): Result;
}

/** A norm with one argument more (a shape, a number of groups); options as in {@link OwnNorm}. */
interface SizedNorm<Size> {
  (x: Tensor, size: Size, weight?: Tensor | null, bias?: Tensor | null, options?: EpsOptions): Tensor;
  (x: Tensor, size: Size, weight: Tensor | null, options: EpsOptions): Tensor;
  (x: Tensor, size: Size, options: EpsOptions): Tensor;
}

interface RunningNorm {
  (
    x: Tensor,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    weight?: Tensor | null,
    bias?: Tensor | null,
    options?: EpsOptions,
  ): Tensor;
  (
    x: Tensor,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    weight: Tensor | null,
    options: EpsOptions,
  ): Tensor;
  (x: Tensor, runningMean: Tensor | null, runningVar: Tensor | null, options: EpsOptions): Tensor;
}

interface RootMeanSquareNorm {
  (x: Tensor, normalizedShape: Shape, weight?: Tensor | null, options?: { eps?: number | null }): Tensor;
  (x: Tensor, normalizedShape: Shape, options: { eps?: number | null }): Tensor;
}

/** [C] as [C, 1, …], to broadcast along axis 1. */
const alongChannels = (perChannel: Tensor, x: Tensor): Tensor =>
  perChannel.reshape([perChannel.size, ...new Array<number>(x.rank - 2).fill(1)]);

function affine(x: Tensor, weight: Tensor | null | undefined, bias: Tensor | null | undefined): Tensor {
  const scaled = weight ? x.mul(alongChannels(weight, x)) : x;
  return bias ? scaled.add(alongChannels(bias, x)) : scaled;
}

/** Throws unless x has channels, and what is given for each of them has as many elements. */
function checkChannels(op: string, x: Tensor, perChannel: Record<string, Tensor | null | undefined>): void {
  if (x.rank < 2) throw new ShapeError(`${op}: ${show(x.shape)}: wanted [N, C] or [N, C, d1, …]`);
  for (const [name, tensor] of Object.entries(perChannel)) {
    if (tensor && !sameShape(tensor.shape, [x.shape[1]])) {
      throw new ShapeError(
        `${op}: ${name} ${show(tensor.shape)} for ${show(x.shape)}: wanted [${x.shape[1]}], one number per channel`,
      );
    }
  }
}

/** All axes but the batch's channels. */
export const batchAxes = operation("batchAxes(x: tensor)", (x: Tensor): number[] => [
  0,
  ...Array.from({ length: x.rank - 2 }, (_, i) => i + 2),
]);

/**
 * Batch norm with the batch's own statistics, which are returned for running averages.
 *
 * @param x  float, [N, C] or [N, C, d1, …]
 * @throws   ArgumentError if there is one value per channel: its variance is 0
 * @returns  of no values per channel, statistics that are NaN: they are not to be averaged
 */
export const batchNormTraining: OwnNorm<Statistics & { output: Tensor }> = operation(
  "batchNormTraining(x: tensor, weight?: tensor|null, bias?: tensor|null, options?: { eps: number })",
  (
    x: Tensor,
    weight: Tensor | null = null,
    bias: Tensor | null = null,
    options: { eps?: number } = {},
  ): Statistics & { output: Tensor } => {
    const eps = epsOf("batchNorm", options);
    checkChannels("batchNorm", x, { weight, bias });
    const axes = batchAxes(x);
    if (axes.every((axis) => x.shape[axis] === 1))
      throw new ArgumentError(`batchNorm: ${show(x.shape)} has one value per channel, wanted more`);
    const { output, mean, variance } = normalizeOver(x, axes, eps);
    return { output: affine(output, weight, bias), mean, variance };
  },
) as OwnNorm<Statistics & { output: Tensor }>;

/** The checked `eps` of a norm. */
function epsOf(op: string, options: { eps?: number }): number {
  const { eps = 1e-5 } = options;
  if (typeof eps === "number" && eps >= 0) return eps;
  throw new ArgumentError(`${op}: eps is ${String(eps)}, wanted a number >= 0`);
}

/**
 * Batch norm with given statistics, such as running averages; with null, the batch's own.
 *
 * @param x            float, [N, C] or [N, C, d1, …]
 * @param runningMean  [C] or null
 * @param runningVar   [C] or null
 * @see                torch.nn.functional.batch_norm; running averages are updated by the module, not here
 */
export const batchNorm: RunningNorm = operation(
  "batchNorm(x: tensor, runningMean: tensor|null, runningVar: tensor|null, weight?: tensor|null, bias?: tensor|null, options?: { eps: number })",
  (
    x: Tensor,
    runningMean: Tensor | null,
    runningVar: Tensor | null,
    weight: Tensor | null = null,
    bias: Tensor | null = null,
    options: { eps?: number } = {},
  ): Tensor => {
    if (runningMean === null || runningVar === null) return batchNormTraining(x, weight, bias, options).output;
    checkChannels("batchNorm", x, { runningMean, runningVar, weight, bias });
    const deviation = alongChannels(runningVar.add(epsOf("batchNorm", options)).rsqrt(), x);
    return affine(x.sub(alongChannels(runningMean, x)).mul(deviation), weight, bias);
  },
) as RunningNorm;

/**
 * Layer norm: over the last dimensions.
 *
 * @param normalizedShape  the sizes of those dimensions
 * @param weight, bias     of that shape, or null
 * @see                    torch.nn.functional.layer_norm
 */
export const layerNorm: SizedNorm<Shape> = operation(
  "layerNorm(x: tensor, normalizedShape: numbers, weight?: tensor|null, bias?: tensor|null, options?: { eps: number })",
  (
    x: Tensor,
    normalizedShape: Shape,
    weight: Tensor | null = null,
    bias: Tensor | null = null,
    options: { eps?: number } = {},
  ): Tensor => {
    const eps = epsOf("layerNorm", options);
    const axes = lastAxes("layerNorm", x, normalizedShape);
    const { output } = normalizeOver(x, axes, eps);
    const scaled = weight === null ? output : output.mul(weight);
    return bias === null ? scaled : scaled.add(bias);
  },
) as SizedNorm<Shape>;

/** RMS norm: x / sqrt(mean(x²) + eps) over the last dimensions. `eps` defaults to the dtype's spacing at 1. @see torch.nn.functional.rms_norm */
export const rmsNorm: RootMeanSquareNorm = operation(
  "rmsNorm(x: tensor, normalizedShape: numbers, weight?: tensor|null, options?: { eps: number|null })",
  (x: Tensor, normalizedShape: Shape, weight: Tensor | null = null, options: { eps?: number | null } = {}): Tensor => {
    const axes = lastAxes("rmsNorm", x, normalizedShape);
    const spacing = x.dtype === "float64" ? 2 ** -52 : 2 ** -23;
    const eps = epsOf("rmsNorm", { eps: options.eps ?? spacing });
    const scale = x.square().mean(axes, { keepdim: true }).add(eps).rsqrt();
    return weight === null ? x.mul(scale) : x.mul(scale).mul(weight);
  },
) as RootMeanSquareNorm;

function lastAxes(op: string, x: Tensor, normalizedShape: Shape): number[] {
  const first = x.rank - normalizedShape.length;
  if (normalizedShape.length === 0 || first < 0 || !sameShape(x.shape.slice(first), normalizedShape)) {
    throw new ShapeError(`${op}: ${show(x.shape)} does not end in the normalized shape ${show(normalizedShape)}`);
  }
  return normalizedShape.map((_, i) => first + i);
}

/**
 * Group norm: over groups of channels and all spatial dimensions of each sample.
 *
 * @param x  float, [N, C, …], C divisible by `groups`
 * @see      torch.nn.functional.group_norm
 */
export const groupNorm: SizedNorm<number> = operation(
  "groupNorm(x: tensor, groups: number, weight?: tensor|null, bias?: tensor|null, options?: { eps: number })",
  (
    x: Tensor,
    groups: number,
    weight: Tensor | null = null,
    bias: Tensor | null = null,
    options: { eps?: number } = {},
  ): Tensor => {
    const eps = epsOf("groupNorm", options);
    const [batch, channels] = x.shape;
    if (x.rank < 2 || channels % groups !== 0)
      throw new ShapeError(`groupNorm: ${show(x.shape)} in ${groups} groups of channels`);
    checkChannels("groupNorm", x, { weight, bias });
    const grouped = x.reshape([batch, groups, (channels / groups) * numel(x.shape.slice(2))]);
    const { output } = normalizeOver(grouped, [2], eps);
    return affine(output.reshape([...x.shape]), weight, bias);
  },
) as SizedNorm<number>;

/**
 * Instance norm: over the spatial dimensions of each sample and channel.
 *
 * @throws  ArgumentError if there is one value per channel and sample: its variance is 0
 * @see     torch.nn.functional.instance_norm
 */
export const instanceNorm: OwnNorm<Statistics & { output: Tensor }> = operation(
  "instanceNorm(x: tensor, weight?: tensor|null, bias?: tensor|null, options?: { eps: number })",
  (
    x: Tensor,
    weight: Tensor | null = null,
    bias: Tensor | null = null,
    options: { eps?: number } = {},
  ): Statistics & { output: Tensor } => {
    const axes = Array.from({ length: x.rank - 2 }, (_, i) => i + 2);
    const eps = epsOf("instanceNorm", options);
    checkChannels("instanceNorm", x, { weight, bias });
    if (axes.length === 0) throw new ShapeError(`instanceNorm: ${show(x.shape)} has no spatial dimensions`);
    if (axes.every((axis) => x.shape[axis] === 1))
      throw new ArgumentError(`instanceNorm: ${show(x.shape)} has one value per channel and sample, wanted more`);
    const { output, mean, variance } = normalizeOver(x, axes, eps);
    return { output: affine(output, weight, bias), mean, variance };
  },
) as OwnNorm<Statistics & { output: Tensor }>;

/**
 * Local response norm: x / (k + α mean(x²))^β, the mean over `size` neighbouring channels, which are 0 beyond the ends.
 *
 * @param x        float, [N, C, …]
 * @param options  `alpha` (1e-4), `beta` (0.75), `k` (1)
 * @see            torch.nn.functional.local_response_norm
 */
export const localResponseNorm = operation(
  "localResponseNorm(x: tensor, size: number, options?: { alpha: number, beta: number, k: number })",
  (x: Tensor, size: number, options: { alpha?: number; beta?: number; k?: number } = {}): Tensor => {
    const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
    if (!Number.isInteger(size) || size < 1) {
      throw new ArgumentError(`localResponseNorm: size is ${String(size)}, wanted an integer >= 1`);
    }
    if (!isFloat(x.dtype)) x = x.to(x.device.defaultDType);
    if (x.rank < 3) throw new ShapeError(`localResponseNorm: ${show(x.shape)}: wanted [N, C, d1, …]`);
    const spatial = new Array<number>(2 * (x.rank - 2)).fill(0);
    const before = Math.floor(size / 2);
    const squares = pad(x.square(), [...spatial, before, size - 1 - before]);
    const mean = unfoldDim(squares, 1, size, 1).mean(-1);
    return x.div(mean.mul(alpha).add(k).pow(beta));
  },
);
