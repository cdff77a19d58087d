import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { conv1d, conv2d, conv3d, init, manualSeed, randn, type Tensor, tensor } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const close = async (x: Tensor, expected: Tensor) => {
  expect(x.shape).toEqual(expected.shape);
  expect([...(await x.data())]).toEqual([...(await expected.data())].map((v: number) => expect.closeTo(v, 12)));
};

test("a moving sum of products, without reversal", async () => {
  const x = tensor([[[1, 2, 3, 4]]]);
  const w = tensor([[[1, 10]]]);
  expect(await conv1d(x, w).toArray()).toEqual([[[21, 32, 43]]]);
  expect(await conv1d(x, w, tensor([100]), { stride: 2, padding: 1 }).toArray()).toEqual([[[110, 132, 104]]]);
  expect(await conv1d(x, w, null, { dilation: 3 }).toArray()).toEqual([[[41]]]);
});

describe.each([
  { stride: 1, padding: 0, dilation: 1 },
  { stride: 2, padding: 1, dilation: 1 },
  { stride: [2, 1], padding: [0, 2], dilation: [1, 2] },
])("conv2d %j", (options) => {
  test("is a matrix product of patches", async () => {
    const [x, w] = [randn([2, 3, 7, 6]), randn([4, 3, 3, 2])];
    const y = conv2d(x, w, null, options);
    await close(
      y,
      w
        .reshape([4, 18])
        .matmul(lg.unfold(x, [3, 2], options))
        .reshape(y.shape),
    );
  });

  test("with groups, works on each part alone", async () => {
    const [x, w] = [randn([1, 4, 6, 6]), randn([6, 2, 2, 2])];
    const parts = [0, 1].map((g) => conv2d(x.narrow(1, 2 * g, 2), w.narrow(0, 3 * g, 3), null, options));
    await close(conv2d(x, w, null, { ...options, groups: 2 }), lg.cat(parts, 1));
  });
});

test("conv3d is conv2d where the first kernel dim is 1", async () => {
  const [x, w] = [randn([1, 2, 3, 4, 5]), randn([3, 2, 1, 2, 2])];
  const slices = [0, 1, 2].map((i) => conv2d(x.select(2, i), w.select(2, 0)));
  await close(conv3d(x, w), lg.stack(slices, 2));
});

test('padding "same" keeps the size, with the odd element on the right', async () => {
  const x = tensor([[[1, 2, 3]]]);
  expect(await conv1d(x, tensor([[[1, 1]]]), null, { padding: "same" }).toArray()).toEqual([[[3, 5, 3]]]);
  expect(conv2d(randn([1, 1, 5, 6]), randn([1, 1, 4, 3]), null, { padding: "same", dilation: [1, 2] }).shape).toEqual([
    1, 1, 5, 6,
  ]);
  expect(conv1d(x, tensor([[[1, 1]]]), null, { padding: "valid" }).shape).toEqual([1, 1, 2]);
  expect(() => conv1d(x, tensor([[[1, 1]]]), null, { padding: "same", stride: 2 })).toThrow(
    new ArgumentError('conv1d: padding "same" needs stride 1, got [2]'),
  );
});

test("an unbatched input stays unbatched", async () => {
  const [x, w] = [randn([2, 5]), randn([3, 2, 2])];
  await close(conv1d(x, w), conv1d(x.unsqueeze(0), w).squeeze(0));
  await close(lg.convTranspose1d(x, randn([2, 1, 2])).mul(0), lg.zeros([1, 6]));
});

describe.each([
  { stride: 1, padding: 0, dilation: 1, groups: 1 },
  { stride: 2, padding: 1, dilation: 1, groups: 2 },
  { stride: [2, 3], padding: [1, 0], dilation: [1, 2], groups: 1 },
])("convTranspose2d %j", (options) => {
  test("is the adjoint: <conv(x), y> = <x, convTranspose(y)>", async () => {
    const w = randn([4, 4 / options.groups, 2, 3]);
    const x = randn([1, 4, 7, 8]);
    const y = conv2d(x, w, null, options);
    const z = randn(y.shape);
    const back = lg.convTranspose2d(z, w, null, options);
    const outputPadding = [7 - back.shape[2], 8 - back.shape[3]];
    const full = lg.convTranspose2d(z, w, null, { ...options, outputPadding });
    expect(await full.mul(x).sum().item()).toBeCloseTo(await y.mul(z).sum().item(), 10);
  });
});

test("shapes that do not fit are errors", () => {
  const x = randn([1, 3, 5, 5]);
  expect(() => conv2d(x, randn([4, 2, 3, 3]))).toThrow(ShapeError);
  expect(() => conv2d(x, randn([4, 3, 6, 3]))).toThrow("the kernel is larger than the padded input along axis 2");
  expect(() => conv2d(x, randn([4, 3, 3]))).toThrow("conv2d: input [1, 3, 5, 5], weight [4, 3, 3]: wanted ranks 4");
  expect(() => conv2d(x, randn([4, 3, 3, 3]), randn([3]))).toThrow(
    "conv2d: bias [3]: wanted [4], one per output channel",
  );
  expect(() => conv2d(x, randn([4, 3, 3, 3]), null, { stride: 0 })).toThrow(
    "conv2d: stride is 0: wanted an integer >= 1, or 2 of them",
  );
  expect(() => conv2d(x, randn([4, 3, 3, 3]), null, { padding: "full" as never })).toThrow('conv2d: padding is "full"');
  expect(() => lg.convTranspose2d(x, randn([4, 3, 3, 3]))).toThrow("wanted weight [in, out / groups, …] with in = 3");
  expect(() => lg.convTranspose2d(x, randn([3, 3, 3, 3]), null, { outputPadding: 1 })).toThrow(ArgumentError);
});
