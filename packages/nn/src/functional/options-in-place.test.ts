/**
 * Options stand in the place of an optional tensor where a call has no use for the tensor.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, init, type Tensor, tensor } from "@loopgrad/tensor";
import * as F from "./index.ts";

beforeAll(() => init({ device: "cpu" }));

const ramp = (shape: readonly number[]): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  return tensor(
    Array.from({ length: size }, (_, i) => Math.sin(i)),
    { shape },
  );
};

type Call = (options: object) => unknown;

const image = (n: number): Tensor => ramp([2, 3, ...new Array<number>(n).fill(4)]);
const kernel = (n: number): Tensor => ramp([3, 3, ...new Array<number>(n).fill(2)]);
const channels = (): Tensor => ramp([3]).abs().add(1);
const q = (): Tensor => ramp([4, 2]);
const [k, v] = [q, q];

/** With options in their own place, and in that of each optional tensor. */
const CALLS: [string, object, Call, Call[]][] = [
  ...([F.conv1d, F.conv2d, F.conv3d] as const).map((conv, i): [string, object, Call, Call[]] => [
    `conv${i + 1}d`,
    { padding: 1, stride: 2 },
    (options) => conv(image(i + 1), kernel(i + 1), null, options),
    [(options) => conv(image(i + 1), kernel(i + 1), options)],
  ]),
  ...([F.convTranspose1d, F.convTranspose2d, F.convTranspose3d] as const).map(
    (conv, i): [string, object, Call, Call[]] => [
      `convTranspose${i + 1}d`,
      { padding: 1, stride: 2 },
      (options) => conv(image(i + 1), kernel(i + 1), null, options),
      [(options) => conv(image(i + 1), kernel(i + 1), options)],
    ],
  ),
  [
    "scaledDotProductAttention",
    { isCausal: true },
    (options) => F.scaledDotProductAttention(q(), k(), v(), null, options),
    [(options) => F.scaledDotProductAttention(q(), k(), v(), options)],
  ],
  [
    "layerNorm",
    { eps: 0.5 },
    (options) => F.layerNorm(ramp([2, 3]), [3], null, null, options),
    [
      (options) => F.layerNorm(ramp([2, 3]), [3], options),
      (options) => F.layerNorm(ramp([2, 3]), [3], tensor([1, 1, 1]), options),
    ],
  ],
  [
    "groupNorm",
    { eps: 0.5 },
    (options) => F.groupNorm(image(1), 3, null, null, options),
    [(options) => F.groupNorm(image(1), 3, options), (options) => F.groupNorm(image(1), 3, tensor([1, 1, 1]), options)],
  ],
  [
    "rmsNorm",
    { eps: 0.5 },
    (options) => F.rmsNorm(ramp([2, 3]), [3], null, options),
    [(options) => F.rmsNorm(ramp([2, 3]), [3], options)],
  ],
  [
    "batchNorm",
    { eps: 0.5 },
    (options) => F.batchNorm(image(1), channels(), channels(), null, null, options),
    [
      (options) => F.batchNorm(image(1), channels(), channels(), options),
      (options) => F.batchNorm(image(1), channels(), channels(), tensor([1, 1, 1]), options),
    ],
  ],
  [
    "instanceNorm",
    { eps: 0.5 },
    (options) => F.instanceNorm(image(1), null, null, options).output,
    [
      (options) => F.instanceNorm(image(1), options).output,
      (options) => F.instanceNorm(image(1), tensor([1, 1, 1]), options).output,
    ],
  ],
];

test.each(CALLS)("%s", async (name, options, own, inPlace) => {
  const expected = await (own(options) as Tensor).toArray();
  expect(expected).not.toEqual(await (own({}) as Tensor).toArray());
  for (const call of inPlace) {
    expect(await (call(options) as Tensor).toArray()).toEqual(expected);
    expect(() => call({ nonsense: 1 })).toThrow(ArgumentError);
    expect(() => call({ nonsense: 1 })).toThrow(`${name}: unknown option nonsense`);
  }
});
