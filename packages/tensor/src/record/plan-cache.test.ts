/** The plan cache: what it finds, and what it gives back. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import { Device } from "../device.ts";
import { setDevice, tensor } from "../index.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";
import type { Program } from "./backend.ts";
import { PlanCache } from "./plan-cache.ts";

const program = (outputs: number): Program => ({ outputs });
const key = (...words: number[]): Int32Array => Int32Array.from(words);

test("plans are told apart by their words, where hashes agree too", () => {
  const cache = new PlanCache(10, () => {});
  const [a, b] = [program(1), program(2)];
  cache.add(key(1, 2), 7, a);
  cache.add(key(1, 3), 7, b);
  expect(cache.find(key(1, 2), 7)).toBe(a);
  expect(cache.find(key(1, 3), 7)).toBe(b);
  expect(cache.find(key(1), 7)).toBeNull();
  expect(cache.find(key(1, 2), 8)).toBeNull();
});

test("past the limit the half that was used longest ago goes", () => {
  const gone: number[] = [];
  const cache = new PlanCache(4, ({ outputs }) => gone.push(outputs));
  for (let i = 0; i < 4; i++) {
    cache.find(key(i), i % 2);
    cache.add(key(i), i % 2, program(i));
  }
  cache.find(key(0), 0);
  cache.add(key(9), 9, program(9));
  expect(gone.sort()).toEqual([1, 2]);
  expect(cache.size).toBe(3);
  expect(cache.find(key(0), 0)?.outputs).toBe(0);
  expect(cache.find(key(1), 1)).toBeNull();
});

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(new Device(name === "webgpu" ? await createWebGPUBackend({}) : new CpuBackend(), "float32", 8));
  });

  test("shapes that never repeat hold no more memory than the limit allows", async () => {
    const buffers: number[] = [];
    for (let n = 1; n <= 60; n++) {
      const x = tensor(new Float32Array(n).fill(2));
      const y = x.square().sum();
      expect(await y.item()).toBe(4 * n);
      x.dispose();
      y.dispose();
      buffers.push(device.stats().buffers);
    }
    expect(device.stats().plansMade).toBe(60);
    expect(Math.max(...buffers.slice(40))).toBeLessThanOrEqual(Math.max(...buffers.slice(10, 30)) + 2);
  });
});

test("cleared, it keeps the one program that is named", () => {
  const gone: number[] = [];
  const cache = new PlanCache(10, ({ outputs }) => gone.push(outputs));
  const programs = [0, 1, 2, 3].map(program);
  for (const [i, one] of programs.entries()) cache.add(key(i), i % 2, one);
  cache.clear(programs[2]);
  expect(gone.sort()).toEqual([0, 1, 3]);
  expect(cache.size).toBe(1);
  expect([0, 1, 2, 3].map((i) => cache.find(key(i), i % 2))).toEqual([null, null, programs[2], null]);
  cache.clear(null);
  expect([cache.size, gone.length]).toEqual([0, 4]);
});

test("a plan keeps its own copy of the key, and counts as used when it is made", () => {
  const gone: number[] = [];
  const cache = new PlanCache(3, ({ outputs }) => gone.push(outputs));
  const words = key(1, 2);
  cache.find(words, 7);
  cache.add(words, 7, program(0));
  words[0] = 9;
  expect(cache.find(key(9, 2), 7)).toBeNull();
  expect(cache.find(key(1, 2), 7)?.outputs).toBe(0);
  for (const i of [1, 2, 3]) {
    cache.find(key(i), i);
    cache.add(key(i), i, program(i));
  }
  // Three were held when the last came: of three the oldest goes.
  expect(gone).toEqual([0]);
  expect(cache.size).toBe(3);
});
