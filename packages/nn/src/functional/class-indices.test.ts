/**
 * Class indices out of range in the losses: classes that the host knows and such as only the device does, on both devices.
 * Expected values are written from the losses' definitions.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { grad, noGrad } from "@loopgrad/autograd";
import { type Device, IndexError, init, onBind, positionP, scope, type Tensor, tensor } from "@loopgrad/tensor";
import * as F from "./index.ts";

const LOGITS = [
  [0.5, -1, 2],
  [1, 0.3, -0.7],
];
const logits = (): Tensor => tensor(LOGITS, { requiresGrad: true });

type Nested = number | Nested[];
const known = (data: Nested): Tensor => tensor(data, { dtype: "int32" });
const computed = (data: Nested): Tensor => tensor(data, { dtype: "float32" }).mul(2).div(2).round().to("int32");
type At = (data: Nested) => Tensor;

interface Case {
  /** A loss whose second sample has the class. */
  readonly call: (x: Tensor, at: At, index: number) => Tensor;
  /** Numbers below 0 that are no mistake. */
  readonly marks: readonly number[];
}

const CASES: Record<string, Case> = {
  crossEntropy: { call: (x, at, i) => F.crossEntropy(x, at([2, i])), marks: [-100] },
  "crossEntropy of each": {
    call: (x, at, i) => F.crossEntropy(x, at([2, i]), { reduction: "none", labelSmoothing: 0.1 }),
    marks: [-100],
  },
  "crossEntropy with weights": {
    call: (x, at, i) => F.crossEntropy(x, at([2, i]), { weight: tensor([1, 2, 3]), ignoreIndex: -7 }),
    marks: [-7],
  },
  "crossEntropy of places": {
    call: (x, at, i) => F.crossEntropy(x.t().unsqueeze(0), at([[2, i]])),
    marks: [-100],
  },
  nllLoss: { call: (x, at, i) => F.nllLoss(x.logSoftmax(1), at([2, i])), marks: [-100] },
  multiMarginLoss: { call: (x, at, i) => F.multiMarginLoss(x, at([2, i])), marks: [] },
  multilabelMarginLoss: {
    call: (x, at, i) =>
      F.multilabelMarginLoss(
        x,
        at([
          [2, 0, -1],
          [1, i, -1],
        ]),
      ),
    marks: [-1],
  },
};

describe.each(["cpu", "webgpu"] as const)("%s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name });
  });
  afterAll(() => device.destroy());

  describe.each(Object.entries(CASES))("%s", (title, { call, marks }) => {
    const op = title.split(" ")[0];
    const wrong = [3, -1, -2, -100, 1000].filter((index) => !marks.includes(index));

    test.each(wrong)("%i is an error at once where the host knows it", (index) => {
      using _ = scope();
      expect(() => call(logits(), known, index)).toThrow(IndexError);
      expect(() => call(logits(), known, index)).toThrow(`${op}: class index ${index} is outside [0, 3)`);
    });

    test.each(wrong)("%i is an error at the read where only the device does", async (index) => {
      using _ = scope();
      const message = `${op}: class index ${index} is outside [0, 3)`;
      await expect(call(logits(), computed, index).data()).rejects.toThrow(message);
      using off = noGrad();
      await expect(call(logits(), computed, index).data()).rejects.toThrow(message);
      off[Symbol.dispose]();
      const right = [...(await call(logits(), known, 1).data())];
      (await call(logits(), computed, 1).data()).forEach(
        (v: number, i: number) => void expect(v).toBeCloseTo(right[i], 5),
      );
    });

    test("marks are no mistakes", async () => {
      using _ = scope();
      for (const mark of marks) {
        const right = [...(await call(logits(), known, mark).data())];
        const got = await call(logits(), computed, mark).data();
        got.forEach((v: number, i: number) => void expect(v).toBeCloseTo(right[i], 5));
      }
    });

    test("its gradient, and the gradient's, come with the error", async () => {
      using _ = scope();
      const run = (index: number): Promise<unknown>[] => {
        const x = logits();
        const loss = call(x.square(), computed, index).sum();
        const [first] = grad(loss, [x], { createGraph: true }) as [Tensor];
        const [second] = grad(first.square().sum(), [x]) as [Tensor];
        return [loss, first, second].map((y) => y.data());
      };
      const bad = await Promise.allSettled(run(3));
      expect(bad.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
      for (const data of await Promise.all(run(1)))
        expect([...(data as Float32Array)].every(Number.isFinite)).toBe(true);
    });
  });

  test("a sample out of range has added 0", async () => {
    using _ = scope();
    const losses = F.crossEntropy(logits(), computed([2, 5]), { reduction: "none" });
    await expect(losses.data()).rejects.toThrow("{ ignoreIndex: 5 } skips it");
    const sum = LOGITS[0].reduce((s, v) => s + Math.exp(v), 0);
    const [first, second] = await losses.data();
    expect(first).toBeCloseTo(Math.log(sum) - 2, 5);
    expect(second).toBeCloseTo(0, 10);
  });

  test("ignored ones that a view of the host's numbers holds are seen there", () => {
    using _ = scope();
    const labels = known([
      [1, -100],
      [5, 0],
    ]);
    const x = tensor(new Float32Array(12), { shape: [4, 3] });
    expect(() => F.crossEntropy(x, labels.flatten())).toThrow("class index 5 is outside [0, 3)");
    expect(() => F.crossEntropy(x, labels.flatten(), { ignoreIndex: 5 })).toThrow("class index -100 is outside");
  });

  test("a loop over a target of the host checks nothing on the device", async () => {
    using _ = scope();
    let checks = 0;
    const before = onBind((primitive, ...rest) => {
      if (primitive === positionP) checks++;
      before?.(primitive, ...rest);
    });
    const target = known([
      [1, -100],
      [2, 0],
    ]);
    for (let i = 0; i < 3; i++) F.crossEntropy(tensor(new Float32Array(12), { shape: [4, 3] }), target.reshape([4]));
    onBind(before);
    expect(checks).toBe(0);
  });

  test("on the device the check is part of kernels that are there anyway", async () => {
    const [x, y] = [logits(), tensor([2, 1])];
    const steady = async (target: () => Tensor): Promise<number> => {
      const step = async (): Promise<void> => {
        using _ = scope();
        const [g] = grad(F.crossEntropy(x, target(), { ignoreIndex: null }), [x]) as [Tensor];
        await g.data();
      };
      for (let i = 0; i < 4; i++) await step();
      const before = device.stats();
      await step();
      const after = device.stats();
      for (const count of ["plansMade", "pipelinesCreated", "bindGroupsCreated", "buffersCreated"] as const) {
        expect([count, after[count] - before[count]]).toEqual([count, 0]);
      }
      expect(after.submits - before.submits).toBe(1);
      return after.dispatches - before.dispatches;
    };
    const inside = known([2, 1]);
    const trusted = await steady(() => inside);
    const checked = await steady(() => y.mul(2).div(2).round().to("int32"));
    // The cpu device computes the target in a step of its own; on a GPU it floats into what reads it.
    expect(checked - trusted).toBe(name === "cpu" ? 1 : 0);
  });
});
