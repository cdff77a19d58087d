/** The cpu device when an array cannot be had: the flush fails at once, and nothing else does. */
import { expect, test } from "@jest/globals";
import { Device } from "../device.ts";
import { hostArray } from "../dtype.ts";
import { DeviceError } from "../errors.ts";
import { scope, setDevice, type Tensor, tensor } from "../index.ts";
import { CpuBackend } from "./backend.ts";

/** A device whose arrays a test may refuse, by their number. */
function scarce(): { device: Device; memory: { asked: number; refuses: (array: number, length: number) => boolean } } {
  const memory = { asked: 0, refuses: (_array: number, _length: number) => false };
  const backend = new CpuBackend((dtype, length) => {
    if (memory.refuses(++memory.asked, length)) throw new RangeError("Array buffer allocation failed");
    return hostArray(dtype, length);
  });
  return { device: setDevice(new Device(backend)), memory };
}

/** A program of several steps whose results have different sizes. */
function program(x: Tensor): Tensor[] {
  const products = [2, 3, 5, 7].map((k) =>
    x
      .slice(0, 0, 4 * k)
      .exp()
      .reshape([k, 4]),
  );
  const squares = products.map((p) => p.matmul(p.transpose(0, 1)));
  return squares.map((s) => s.cumsum(0).sum(0));
}

const results = async (tensors: Tensor[]): Promise<number[][]> =>
  Promise.all(tensors.map(async (t) => Array.from(await t.data())));

/** Runs the program, and keeps nothing of it. */
async function attempt(x: Tensor): Promise<number[][]> {
  using _ = scope();
  return await results(program(x));
}

const ramp = (): Tensor => tensor(Float32Array.from({ length: 100 }, (_, i) => i / 100));

test("whichever array cannot be had, what was stored is read, nothing stays behind, and the next try succeeds", async () => {
  const plain = scarce();
  const wanted = await results(program(ramp()));
  const total = plain.memory.asked;
  expect(total).toBeGreaterThan(8);
  for (let n = 1; n <= total; n++) {
    const { device, memory } = scarce();
    const x = ramp();
    const stored = x.add(1);
    device.flush();
    const before = device.stats();
    memory.asked = 0;
    memory.refuses = (array) => array >= n;
    await attempt(x)
      .then(() => expect(memory.asked).toBeLessThan(n))
      .catch((error) => {
        expect(error).toBeInstanceOf(DeviceError);
        expect(String(error)).toMatch(/out of memory: the cpu device could not allocate \d+ bytes beside the \d+ held/);
      });
    expect([n, device.stats().usedBytes]).toEqual([n, before.usedBytes]);
    expect((await stored.data())[50]).toBe(1.5);
    memory.refuses = () => false;
    expect(await attempt(x)).toEqual(wanted);
  }
});

test("free arrays are given up before memory is said to have run out", async () => {
  const { device, memory } = scarce();
  const x = ramp();
  const wanted = await attempt(x);
  const { bytes, usedBytes } = device.stats();
  expect(bytes).toBeGreaterThan(usedBytes);
  memory.asked = 0;
  memory.refuses = (array) => array === 1;
  const y = tensor(new Float32Array(5000)).add(1);
  expect((await y.data()).length).toBe(5000);
  expect(device.stats().bytes).toBeLessThan(bytes + 4 * 5120 + 20_000);
  expect(await attempt(x)).toEqual(wanted);
});

test("small values that find no room in the bank stay where they are", async () => {
  const { device, memory } = scarce();
  const w = tensor([1, 2, 3]);
  const losses: Tensor[] = [];
  let refused = 0;
  // The chunk of the bank is the only large array.
  memory.refuses = (_array, length) => length >= 4096 && ++refused > 0;
  for (let i = 0; i < 100; i++) {
    losses.push(w.mul(i).sum());
    device.flush();
  }
  expect(refused).toBeGreaterThan(0);
  memory.refuses = () => false;
  expect((await results(losses)).map(([x]) => x)).toEqual(Array.from({ length: 100 }, (_, i) => 6 * i));
});
