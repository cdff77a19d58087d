/** Why plans were made, and who holds memory. */
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import { Device } from "../device.ts";
import { keep, scope, type Tensor, tensor } from "../index.ts";
import { init } from "../init.ts";
import { unwatched } from "./watch.ts";

let device: Device;

beforeEach(async () => {
  device = await init({ device: "cpu" });
});
afterEach(() => device.destroy());

/** Computes something of n numbers, and takes what it has back. */
async function compute(n: number, fn: (x: Tensor) => Tensor[]): Promise<void> {
  using _ = scope();
  const x = tensor(new Float32Array(n).fill(1), { device });
  await Promise.all(fn(x).map((y) => y.data()));
}

const reasons = async (): Promise<string[]> => (await device.explain()).plans.map(({ why }) => why);

test("a plan is made for the first work, and none for the same again", async () => {
  for (let i = 0; i < 3; i++) await compute(4, (x) => [x.mul(x)]);
  expect((await device.explain()).plans).toEqual([{ flush: 1, nodes: 2, why: "it is the first that is remembered" }]);
});

test("another size is named, with the one before", async () => {
  await compute(4, (x) => [x.mul(x)]);
  await compute(5, (x) => [x.mul(x)]);
  expect((await reasons())[1]).toBe(
    "the operations are those of a plan before, on other sizes: %0 = float32 [5] from before, and was %0 = float32 [4] from before",
  );
});

test("other operations are named where they begin to differ", async () => {
  await compute(4, (x) => [x.mul(x).exp()]);
  await compute(4, (x) => [x.mul(x).sin()]);
  expect((await reasons())[1]).toBe(
    "new work: the first 2 of 3 nodes are known; then comes %2 = sin(%1), where %2 = exp(%1) in the nearest plan before",
  );
});

test("other results of the same operations are named", async () => {
  const both = (x: Tensor): Tensor[] => {
    const y = x.mul(x);
    return [y, y.exp()];
  };
  await compute(4, (x) => [both(x)[1]]);
  await compute(4, both);
  expect((await reasons())[1]).toBe(
    "the operations are those of a plan before, and other results are wanted: %1 = mul(%0, %0)",
  );
});

test("a plan that was given up and made again says so", async () => {
  const small = new Device(new CpuBackend(), "float32", 1);
  const on = async (n: number): Promise<void> => {
    using _ = scope();
    const x = tensor(new Float32Array(n), { device: small });
    await x.mul(x).data();
  };
  for (const n of [1, 2, 3, 1]) await on(n);
  expect((await small.explain()).plans.at(-1)?.why).toMatch(/^the same plan was made before and given up/);
  small.destroy();
});

test("memory is told by who needs it, and all of it is", async () => {
  await device.synchronize();
  await device.explain();
  using _ = scope();
  const held = keep(tensor(new Float32Array(1000).fill(2), { device }).mul(2));
  device.flush();
  const { memory } = await device.explain();
  const mine = memory.find(({ owner }) => owner === "tensors that the program holds");
  expect(mine).toMatchObject({
    bytes: 8000,
    tensors: 2,
    largest: ["float32 [1000]: 4000 bytes", "float32 [1000]: 4000 bytes"],
  });
  const { bytes } = device.stats();
  expect(memory.reduce((sum, one) => sum + one.bytes, 0)).toBe(bytes);
  held.dispose();
  expect(String(await device.explain())).toMatch(/bytes at most:|bytes, \d+ at most:/);
});

test("what was stored before the first explanation stands apart, until it is stored anew", async () => {
  await unwatched("where tests watch, everything is noted from the begin", async () => {
    const late = new Device(new CpuBackend());
    const x = tensor(new Float32Array(1000), { device: late }).add(1);
    late.flush();
    const owners = async () => (await late.explain()).memory.map(({ owner, bytes }) => `${bytes} ${owner}`);
    expect((await owners())[0]).toBe("8096 stored before the first explain(), and rounding of sizes");
    const y = x.mul(2);
    late.flush();
    expect((await owners()).slice(0, 2)).toEqual([
      "8192 stored before the first explain(), and rounding of sizes",
      "4000 tensors that the program holds",
    ]);
    y.dispose();
    late.destroy();
  });
});
