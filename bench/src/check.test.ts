import { expect, test } from "@jest/globals";
import { differences } from "./check.ts";

const row = {
  workload: "w0",
  subject: "loopgrad",
  device: "webgpu",
  steps: 1,
  dispatches: 33,
  peakBytes: 1000,
  medianMs: 2,
  share: 0.5,
};

test("equal counts pass, whatever the times are", () => {
  expect(differences([{ ...row, medianMs: 200 }], [row])).toEqual([]);
  expect(differences([row], [{ ...row, steps: 5, dispatches: 125 }, row])).toEqual([]);
});

test("a count that changed is named, whether it rose or fell", () => {
  expect(differences([{ ...row, dispatches: 34 }], [row])).toEqual([
    "w0 loopgrad webgpu 1: dispatches is 34, and was 33",
  ]);
  expect(differences([{ ...row, peakBytes: 999 }], [row])).toEqual([
    "w0 loopgrad webgpu 1: peakBytes is 999, and was 1000",
  ]);
});

test("ratios within the run may be somewhat worse", () => {
  expect(differences([{ ...row, share: 0.34 }], [row])).toEqual([]);
  expect(differences([{ ...row, share: 0.33 }], [row])).toEqual([
    expect.stringContaining("share is 0.33, and was 0.5"),
  ]);
  const early = { workload: "w4", lateOverEarly: 1 };
  expect(differences([{ ...early, lateOverEarly: 1.4 }], [early])).toEqual([]);
  expect(differences([{ ...early, lateOverEarly: 1.6 }], [early])).toEqual([expect.stringContaining("lateOverEarly")]);
  const slower = { ...row, device: "webgpu", ratio: 2 };
  expect(differences([{ ...slower, ratio: 3.1 }], [slower])).toEqual([expect.stringContaining("ratio is 3.1")]);
  expect(differences([{ ...slower, ratio: 0.5 }], [slower])).toEqual([]);
  const other = { ...row, subject: "torch", ratio: 3 };
  expect(differences([{ ...other, ratio: 1.9 }], [other])).toEqual([expect.stringContaining("ratio is 1.9")]);
});

test("a row that the baseline does not have is a difference", () => {
  expect(differences([{ ...row, steps: 5 }], [row])).toEqual(["w0 loopgrad webgpu 5: the baseline has no such row"]);
});
