/** Attempts: what an operation made before it threw is gone, and nothing else. */
import { beforeAll, beforeEach, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { tensor } from "../creation.ts";
import { Device } from "../device.ts";
import { setDevice } from "../init.ts";
import type { Tensor } from "../tensor.ts";
import "../ops/methods.ts";
import { beginAttempt, endAttempt, undoAttempt } from "./attempt.ts";

let device: Device;
let x: Tensor;
beforeAll(() => {
  device = setDevice(new Device(new InterpreterBackend()));
});
beforeEach(() => {
  x = tensor([1, 2]);
});

/** An operation of several, which fails or not. */
function attempt<T>(fn: () => T): T | null {
  const start = beginAttempt();
  try {
    return fn();
  } catch {
    undoAttempt(start);
    return null;
  } finally {
    endAttempt();
  }
}
const fail = (): never => {
  throw new Error("no");
};
const released = (tensors: readonly Tensor[]): boolean[] => tensors.map((one) => one.isReleased);

test("what it made is released, the last first; what was there before stays", () => {
  const made: Tensor[] = [];
  const before = x.exp();
  const pending = device.pending;
  attempt(() => {
    made.push(before.sin());
    made.push(made[0].cos());
    return fail();
  });
  expect(released([x, before, ...made])).toEqual([false, false, true, true]);
  expect(device.pending).toBe(pending);
  const after = x.sin();
  attempt(fail);
  expect(released([before, after])).toEqual([false, false]);
});

test("what succeeds stays, also when a later one fails", () => {
  const kept = attempt(() => x.sin()) as Tensor;
  attempt(() => {
    x.cos();
    return fail();
  });
  expect(released([kept])).toEqual([false]);
});

test("one inside another: the inner one's results go with the inner one, all of them with the outer", () => {
  const made: Tensor[] = [];
  const note = (tensor: Tensor): Tensor => {
    made.push(tensor);
    return tensor;
  };
  const outer = attempt(() => {
    const first = note(x.sin());
    attempt(() => {
      note(x.cos());
      return fail();
    });
    attempt(() => note(first.exp()));
    return note(first.tanh());
  });
  expect(released(made)).toEqual([false, true, false, false]);
  expect(outer).toBe(made[3]);
  attempt(() => {
    attempt(() => note(x.sqrt()));
    note(x.abs());
    return fail();
  });
  expect(released(made)).toEqual([false, true, false, false, true, true]);
});

test("when the outermost ends, nothing is noted any more", () => {
  const noted = (): number => {
    const start = beginAttempt();
    endAttempt();
    return start;
  };
  attempt(() => [x.sin(), x.cos()]);
  expect(noted()).toBe(0);
  attempt(() => {
    x.sin();
    attempt(() => x.cos());
    expect(beginAttempt()).toBe(2);
    endAttempt();
    return fail();
  });
  expect(noted()).toBe(0);
  x.exp();
  expect(noted()).toBe(0);
  attempt(() => {
    x.sin();
    attempt(() => {
      x.cos();
      return fail();
    });
    // Of the inner one nothing is left.
    expect(beginAttempt()).toBe(1);
    endAttempt();
  });
});

test("a result that was released meanwhile is no trouble", () => {
  expect(
    attempt(() => {
      x.sin().dispose();
      return fail();
    }),
  ).toBeNull();
  expect(x.sin().isReleased).toBe(false);
});
