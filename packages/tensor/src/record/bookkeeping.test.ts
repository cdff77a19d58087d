/** The device's bookkeeping: what is counted is given back, peaks move, and an audit finds what nobody explains. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bind } from "../bind.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { watch } from "../debug/watch.ts";
import { Device } from "../device.ts";
import { add, scope, setDevice, type Tensor, tensor } from "../index.ts";
import { aliasP, sliceP } from "../primitives.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

const ramp = (n: number): Tensor => tensor(Float32Array.from({ length: n }, (_, i) => i));
const range = (x: Tensor, start: number, size: number): Tensor => bind(sliceP, [x], [start, size, 1]);

/** Bytes of values: scratch is of use to the next plan, whatever is held. */
const valueBytes = (device: Device): number => device.stats().usedBytes - device.stats().scratchBytes;

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  const made: Device[] = [];
  /** A device that no other test uses. */
  async function fresh(): Promise<Device> {
    const backend = name === "cpu" ? new CpuBackend() : await createWebGPUBackend({});
    const own = setDevice(new Device(backend));
    made.push(own);
    return own;
  }
  beforeAll(async () => {
    device = await fresh();
  });
  afterAll(() => {
    for (const one of made) one.destroy();
  });

  test("a segment that is full is flushed, and its inputs are given back as any others are", () => {
    setDevice(device);
    const x = ramp(100);
    const before = device.stats();
    const [pinned, used] = [device.audit().pinned, valueBytes(device)];
    let y = x.add(1);
    // The flush comes between two operations that read these, and at an operation with two inputs.
    for (let i = 0; i < 33_000; i++) {
      const next = i % 7 === 0 ? y.add(x) : y.neg();
      y.dispose();
      y = next;
    }
    expect(device.stats().flushes).toBe(before.flushes + 1);
    device.flush();
    expect(y._value.pins + x._value.pins).toBe(0);
    expect(device.audit().pinned).toBe(pinned);
    y.dispose();
    x.dispose();
    expect(valueBytes(device)).toBeLessThanOrEqual(used);
    device.audit();
  });

  test("ranges of one value that are kept twice are given back", async () => {
    setDevice(device);
    device.flush();
    const used = valueBytes(device);
    const x = ramp(1024);
    const stored = x.mul(2);
    device.flush();
    for (const whole of [x, stored, x.mul(3)]) {
      // Beside the whole, which is then an output too; and one range as two outputs, in one flush and in the next.
      const kept = [bind(aliasP, [whole]), range(whole, 64, 70), range(whole, 64, 70), range(whole, 512, 64)];
      device.flush();
      kept.push(range(whole, 64, 70));
      device.flush();
      device.audit();
      expect((await kept[2].data())[1]).toBe((await kept[4].data())[1]);
      for (const tensor of kept) tensor.dispose();
      device.audit();
      if (whole !== x && whole !== stored) whole.dispose();
    }
    x.dispose();
    stored.dispose();
    device.flush();
    device.audit();
    expect(valueBytes(device)).toBe(used);
  });

  test("peaks go up with what is held, and stay when it goes", async () => {
    const own = await fresh();
    let peak = 0;
    for (const n of [100, 5000, 100_000, 300]) {
      const x = ramp(n);
      const y = x.add(1);
      own.flush();
      const { usedBytes, bytes, peakUsedBytes, peakBytes } = own.stats();
      peak = Math.max(peak, usedBytes);
      expect(peakUsedBytes).toBe(peak);
      expect(peakUsedBytes).toBeGreaterThanOrEqual(4 * n);
      expect(peakBytes).toBeGreaterThanOrEqual(bytes);
      expect(peakBytes).toBeGreaterThanOrEqual(peakUsedBytes);
      x.dispose();
      y.dispose();
      expect(own.stats().peakUsedBytes).toBe(peak);
      await own.synchronize();
    }
  });

  describe("an audit", () => {
    test("counts the stored values by who needs them", async () => {
      const own = await fresh();
      const [x, y] = [ramp(50), ramp(60)];
      const z = scope(() => x.mul(2).add(1));
      y._value.pins++;
      await add(z, y.sum()).data();
      own.flush();
      y._value.pins--;
      const { pinned, saved, held, collected } = own.audit();
      expect({ pinned, saved, collected }).toEqual({ pinned: 0, saved: 0, collected: 0 });
      expect(held).toBeGreaterThanOrEqual(2);
    });

    test.each<[string, (x: Tensor, y: Tensor) => () => void, RegExp]>([
      [
        "a pin that nobody took off",
        ({ _value }) => {
          _value.pins++;
          return () => _value.pins--;
        },
        /float32 \[40\].* has 1 pins, and 0 are explained, by nobody/,
      ],
      [
        "a value that the tape is said to need",
        ({ _value }) => {
          _value.saves++;
          return () => _value.saves--;
        },
        /was saved 1 times, and 0 are explained/,
      ],
      [
        "a record that the tape is said to need",
        ({ _value }) => {
          _value.recipes++;
          return () => _value.recipes--;
        },
        /is in 1 recipes, and 0 are explained/,
      ],
      [
        "handles that were released twice",
        ({ _value }) => {
          const { handles } = _value;
          _value.handles = -1;
          _value.recipes++;
          return () => {
            _value.handles = handles;
            _value.recipes--;
          };
        },
        /has been released more often than it was held/,
      ],
      [
        "a storage that is kept for nobody",
        ({ _value }) => {
          const { handles } = _value;
          _value.handles = 0;
          return () => {
            _value.handles = handles;
          };
        },
        /is stored, and nobody needs it/,
      ],
      [
        "a record that does not count",
        (_, { _value: y }) => {
          const [input] = y.inputs;
          input.uses--;
          return () => input.uses++;
        },
        /is used by 1 records, and counts 0/,
      ],
      [
        "a flag of a value that may become idle",
        ({ _value }) => {
          _value.watched = false;
          return () => {
            _value.watched = true;
          };
        },
        /is among those that may become idle, and is not stored/,
      ],
      [
        "marks of a value that is not recorded",
        ({ _value }) => {
          _value.again = true;
          return () => {
            _value.again = false;
          };
        },
        /is marked as recorded again, and is not recorded/,
      ],
      [
        "a storage that counts twice",
        ({ _value }) => {
          const storage = _value.storage as unknown as { refs?: number; block?: { refs: number } };
          const counted = (storage.block ?? storage) as { refs: number };
          counted.refs++;
          return () => counted.refs--;
        },
        /2 (storages, 1 explained|, and 1 are explained)|is used by 2, and 1 are explained/,
      ],
      [
        "a storage that was given back behind its value's back",
        ({ _value }) => {
          const { storage } = _value;
          _value.storage = null;
          return () => {
            _value.storage = storage;
          };
        },
        /has no storage, though one is noted as its own/,
      ],
    ])("finds %s", async (_, spoil, message) => {
      const own = await fresh();
      const x = ramp(40);
      // Stored, and read by a record of the open segment.
      const z = x.mul(3);
      own.flush();
      const y = z.neg();
      own.audit();
      const repair = spoil(x, y);
      expect(() => own.audit()).toThrow(message);
      repair();
      own.audit();
    });
  });

  test("a device that nobody watches is not audited", async () => {
    const before = watch(null);
    const own = new Device(name === "cpu" ? new CpuBackend() : await createWebGPUBackend({}));
    expect(() => own.audit()).toThrow(/made while tests watch/);
    own.destroy();
    watch(before);
  });
});
