/**
 * Ceilings: the most that this run has seen the machine do, so that a row says which share of it was reached.
 *
 * copy    bytes read and written a second, by the fastest of: a copy of arrays on the host, a kernel of the device that adds
 *         a number to each element, and any row since
 * matmul  operations a second in a product of matrices of float32, by the fastest executor that runs: loopgrad on each device
 *         of the run and on the cpu, the peers, and any row since
 */
import { type Device, matmul, scope, type Tensor, tensor } from "loopgrad";
import { uniform } from "./data.ts";

export interface Ceiling {
  readonly value: number;
  /** What reached it. */
  readonly by: string;
}

export interface Ceilings {
  /** GB a second. */
  copy: Ceiling;
  /** GFLOP a second. */
  matmul: Ceiling;
}

const TRIES = 5;
/** Elements that are copied: more than caches hold. */
const COPIED = 2 ** 23;
const SIDE = 512;

/** The least time of some calls, after one that does not count. */
async function least(call: () => Promise<unknown> | undefined): Promise<number> {
  let ms = Infinity;
  for (let i = 0; i <= TRIES; i++) {
    const started = performance.now();
    await call();
    if (i > 0) ms = Math.min(ms, performance.now() - started);
  }
  return ms;
}

export const best = (...ceilings: Ceiling[]): Ceiling => ceilings.reduce((a, b) => (b.value > a.value ? b : a));

async function hostCopy(): Promise<Ceiling> {
  const [from, to] = [new Float32Array(COPIED).fill(1), new Float32Array(COPIED)];
  const ms = await least(() => {
    to.set(from);
    return undefined;
  });
  return { value: (2 * from.byteLength) / ms / 1e6, by: "copy on the host" };
}

async function deviceCopy(device: Device): Promise<Ceiling> {
  using _ = scope();
  const x = tensor(new Float32Array(COPIED).fill(1), { device });
  const ms = await least(async () => {
    using _ = scope();
    const y: Tensor = x.add(1);
    await device.synchronize();
    y.dispose();
  });
  return { value: (2 * 4 * COPIED) / ms / 1e6, by: `kernel, ${device}` };
}

async function product(device: Device): Promise<Ceiling> {
  using _ = scope();
  const [a, b] = [1, 2].map((seed) => tensor(uniform(seed, SIDE * SIDE), { device, shape: [SIDE, SIDE] }));
  const ms = await least(async () => {
    using _ = scope();
    await matmul(a, b).data();
  });
  return { value: (2 * SIDE ** 3) / ms / 1e6, by: `loopgrad, ${device}` };
}

/** What the devices reach. */
export async function ceilingsOf(devices: readonly Device[]): Promise<Ceilings> {
  const ceilings = { copy: await hostCopy(), matmul: { value: 0, by: "nothing" } };
  for (const device of devices) {
    ceilings.copy = best(ceilings.copy, await deviceCopy(device));
    ceilings.matmul = best(ceilings.matmul, await product(device));
  }
  return ceilings;
}
