/**
 * A run that was saved and continued in fresh objects computes the bits of one that went through.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  BatchNorm1d,
  Dropout,
  functional as F,
  Linear,
  Parameter,
  ReLU,
  Sequential,
  safetensorsBytes,
} from "@loopgrad/nn";
import {
  type Device,
  getRngState,
  init,
  manualSeed,
  ones,
  rand,
  randn,
  scope,
  setRngState,
  Tensor,
  tensor,
} from "@loopgrad/tensor";
import {
  Adam,
  CheckpointError,
  type CheckpointParts,
  CosineAnnealingLR,
  checkpointBlob,
  loadCheckpoint,
  OneCycleLR,
  ReduceLROnPlateau,
  type Saveable,
  SequentialLR,
  SGD,
  type Stateful,
  StepLR,
  saveCheckpoint,
} from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A model, an optimizer, and what changes its rates. */
interface Run extends CheckpointParts {
  readonly model: Sequential;
  readonly optimizer: Adam | SGD;
  readonly schedule: ReduceLROnPlateau | (Stateful & { step(): void });
}

const makeModel = (width = 5): Sequential =>
  new Sequential(
    new Linear(3, width),
    new BatchNorm1d(width),
    new ReLU(),
    new Dropout({ p: 0.4 }),
    new Linear(width, 1),
  );

/** One step on data that the stream of random numbers gives. */
function train({ model, optimizer, schedule }: Run, step: number): void {
  using _ = scope();
  const x = randn([6, 3]);
  optimizer.zeroGrad();
  F.mseLoss(model.forward(x), x.sum(1, { keepdim: true }).add(rand([6, 1]))).backward();
  optimizer.step();
  if (schedule instanceof ReduceLROnPlateau) schedule.step([3, 2, 2, 2, 1, 1, 1][step]);
  else schedule.step();
}

/** Everything that a run is made of, as plain numbers. */
async function bits(run: Run): Promise<unknown> {
  const plain = async (value: unknown): Promise<unknown> => {
    if (value instanceof Tensor) return value.data();
    if (typeof value !== "object" || value === null) return value;
    return Promise.all(Object.entries(value).map(async ([key, item]) => [key, await plain(item)]));
  };
  const { model, optimizer, schedule } = run;
  return plain([model.stateDict(), optimizer.stateDict(), schedule.stateDict(), getRngState()]);
}

const runs: Record<string, () => Run> = {
  "Adam along one cycle, which moves its betas": () => {
    const model = makeModel();
    const optimizer = new Adam(model.parameters(), { lr: 0.01, amsgrad: true });
    return { model, optimizer, schedule: new OneCycleLR(optimizer, { maxLr: 0.1, totalSteps: 8 }) };
  },
  "SGD with momentum in two groups, two schedules one after the other": () => {
    const model = makeModel();
    const [first, ...rest] = model.parameters();
    const optimizer = new SGD([{ params: [first], lr: 0.2 }, { params: rest }], { lr: 0.1, momentum: 0.9 });
    const schedulers = [new StepLR(optimizer, { stepSize: 2 }), new CosineAnnealingLR(optimizer, { tMax: 5 })];
    return { model, optimizer, schedule: new SequentialLR(optimizer, { schedulers, milestones: [2] }) };
  },
  "Adam on a plateau": () => {
    const model = makeModel();
    const optimizer = new Adam(model.parameters(), { lr: 0.05, weightDecay: 0.1 });
    return { model, optimizer, schedule: new ReduceLROnPlateau(optimizer, { patience: 0 }) };
  },
};

describe.each(["cpu", "webgpu"] as const)("on %s", (kind) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: kind });
  });
  afterAll(() => device.destroy());

  test.each(Object.keys(runs).slice(0, kind === "cpu" ? undefined : 1))("%s", async (name) => {
    const path = join(folder, `${kind}.safetensors`);
    manualSeed(7);
    const straight = runs[name]();
    for (let step = 0; step < 3; step++) train(straight, step);
    const saving = saveCheckpoint(path, straight, { extra: { step: 3 } });
    for (let step = 3; step < 7; step++) train(straight, step);
    await saving;

    const resumed = runs[name]();
    expect(await loadCheckpoint(path, resumed)).toEqual({ step: 3 });
    for (let step = 3; step < 7; step++) train(resumed, step);
    expect(await bits(resumed)).toEqual(await bits(straight));
  });
});

describe("what a checkpoint holds", () => {
  beforeAll(async () => {
    await init({ device: "cpu" });
  });

  const model = (): Linear => new Linear(2, 1);

  test("extra: nested plain values, those that JSON lacks, and tensors", async () => {
    const extra = {
      numbers: [0.1 + 0.2, 5e-324, 2 ** 53 - 1, -0, Number.NaN, Infinity, -Infinity],
      text: "日本 \ud83d\ude00 \u0000",
      nothing: [null, undefined, [], {}],
      flag: true,
      best: { loss: tensor(0.1), mask: tensor([true, false]) },
    };
    const back = await loadCheckpoint<typeof extra>(await checkpointBlob({}, { extra }), {});
    expect({ ...back, best: null }).toEqual({ ...extra, best: null });
    expect(Object.is(back.numbers[3], -0)).toBe(true);
    expect(await back.best.loss.item()).toBe(Math.fround(0.1));
    expect([back.best.mask.dtype, await back.best.mask.toArray()]).toEqual(["bool", [true, false]]);
    expect(await loadCheckpoint(await checkpointBlob({}), {})).toBe(undefined);
  });

  test.each<[string, unknown, RegExp]>([
    ["a function", { f: () => 1 }, /extra\.f is a function/],
    ["a date", [new Date(0)], /extra\.0 is a Date/],
    ["a bigint", 1n, /extra is a bigint/],
    ["a typed array", { a: new Float32Array(2) }, /extra\.a is a Float32Array/],
    ["a key of the format", { $tensor: "x" }, /has the key \$tensor/],
  ])("extra: %s is refused", async (_name, extra, message) => {
    await expect(checkpointBlob({}, { extra: extra as Saveable })).rejects.toThrow(message);
  });

  test("extra that holds itself is refused", async () => {
    const extra: Record<string, Saveable> = {};
    extra.self = extra;
    await expect(checkpointBlob({}, { extra })).rejects.toThrow(/extra\.self holds itself/);
  });

  test("tensors whose names would be the same stay apart", async () => {
    const extra = { a: { b: tensor([1]) }, "a.b": tensor([2]) };
    const back = await loadCheckpoint<typeof extra>(await checkpointBlob({}, { extra }), {});
    expect([await back.a.b.toArray(), await back["a.b"].toArray()]).toEqual([[1], [2]]);
  });

  test("a part of one's own", async () => {
    const counter = (n: number) => ({
      n,
      stateDict: () => ({ n: counter.n }),
      loadStateDict({ n }: { n: number }) {
        counter.n = n;
      },
    });
    counter.n = 4;
    const blob = await checkpointBlob({ counter: counter(4) });
    counter.n = 0;
    await loadCheckpoint(blob, { counter: counter(0) });
    expect(counter.n).toBe(4);
  });

  test("a learned rate stays the parameter it is, and takes the saved value", async () => {
    const make = (rate: number) => {
      const [net, lr, beta] = [model(), new Parameter(tensor(rate)), new Parameter(tensor(rate / 2))];
      return { lr, beta, parts: { net, inner: new Adam(net.parameters(), { lr, betas: [beta, 0.9] }) } };
    };
    const blob = await checkpointBlob(make(0.5).parts);
    const { lr, beta, parts } = make(0.1);
    await loadCheckpoint(blob, parts);
    expect(parts.inner.paramGroups[0]).toMatchObject({ lr, betas: [beta, 0.9] });
    expect(parts.inner.paramGroups[0].lr).toBe(lr);
    expect([await lr.item(), await beta.item()]).toEqual([0.5, 0.25]);
  });

  test("a rate changed by hand outlives the schedule's", async () => {
    const make = () => {
      const optimizer = new SGD(model().parameters(), { lr: 1 });
      return { optimizer, schedule: new StepLR(optimizer, { stepSize: 1 }) };
    };
    const run = make();
    run.schedule.step();
    run.optimizer.paramGroups[0].lr = 7;
    const [before, after] = [await checkpointBlob(run), make()];
    await loadCheckpoint(before, after);
    expect(after.optimizer.paramGroups[0].lr).toBe(7);
    after.schedule.step();
    expect(after.optimizer.paramGroups[0].lr).toBeCloseTo(0.01);
  });

  test("loading again and again leaves nothing behind on the device", async () => {
    const device = await init({ device: "cpu" });
    const net = model();
    const optimizer = new Adam(net.parameters());
    net
      .forward(ones([1, 2]))
      .sum()
      .backward();
    optimizer.step();
    const blob = await checkpointBlob({ net, optimizer });
    const bytes: number[] = [];
    for (let i = 0; i < 4; i++) {
      await loadCheckpoint(blob, { net, optimizer });
      optimizer.step();
      await device.synchronize();
      bytes.push(device.stats().bytes);
    }
    expect(bytes[3]).toBe(bytes[1]);
  });
});

describe("a checkpoint that does not fit changes nothing", () => {
  beforeAll(async () => {
    await init({ device: "cpu" });
  });

  async function expectRefusal(
    parts: Run | CheckpointParts,
    blob: Blob | Uint8Array,
    message: RegExp,
    options: object = {},
  ): Promise<void> {
    const state = async (): Promise<unknown> => {
      const extra = (await loadCheckpoint(await checkpointBlob(parts), parts)) ?? null;
      return [extra, Buffer.from(await (await checkpointBlob(parts)).arrayBuffer()).toString("latin1")];
    };
    const before = await state();
    const error: unknown = await loadCheckpoint(blob, parts, options).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(message);
    expect(await state()).toEqual(before);
  }

  /** A run after two steps. */
  function trained(width = 5): Run {
    const model = makeModel(width);
    const optimizer = new Adam(model.parameters(), { lr: 0.01 });
    const run = { model, optimizer, schedule: new StepLR(optimizer, { stepSize: 1, gamma: 0.5 }) };
    for (let step = 0; step < 2; step++) train(run, step);
    return run;
  }

  test("another width", async () => {
    await expectRefusal(
      trained(5),
      await checkpointBlob(trained(4)),
      /parameter 0 of optimizer was model\.0\.weight \[4, 3\]/,
    );
  });

  test("another width, without an optimizer", async () => {
    const blob = await checkpointBlob({ model: trained(4).model });
    await expectRefusal({ model: trained(5).model }, blob, /^blob: model: loadStateDict: .*0\.weight/);
  });

  test("parameters in another order", async () => {
    const make = (reverse: boolean) => {
      const model = new Sequential(new Linear(2, 2), new Linear(2, 2));
      const parameters = model.parameters();
      return { model, optimizer: new SGD(reverse ? parameters.reverse() : parameters, { lr: 1 }) };
    };
    const blob = await checkpointBlob(make(false));
    await expectRefusal(
      make(true),
      blob,
      /parameter 0 of optimizer was model\.0\.weight \[2, 2\], and is model\.1\.bias/,
    );
  });

  test("fewer parameters, another kind of optimizer, groups that differ", async () => {
    const { model } = trained();
    const blob = await checkpointBlob({ model, optimizer: new SGD(model.parameters(), { lr: 1 }) });
    await expectRefusal(
      { model, optimizer: new SGD(model.parameters().slice(1), { lr: 1 }) },
      blob,
      /optimizer was saved with 6 parameters, and has 5/,
    );
    await expectRefusal({ model, optimizer: new Adam(model.parameters()) }, blob, /optimizer: Adam: unknown option/);
    const [a, ...b] = model.parameters();
    await expectRefusal(
      { model, optimizer: new SGD([{ params: [a] }, { params: b }], { lr: 1 }) },
      blob,
      /groups of \[6\]/,
    );
  });

  test("a part that refuses after others have loaded", async () => {
    const refusing = {
      stateDict: () => ({}),
      loadStateDict(state: { bad?: boolean }) {
        if (state.bad) throw new RangeError("not this one");
      },
    };
    const blob = await checkpointBlob({ ...trained(), refusing: { ...refusing, stateDict: () => ({ bad: true }) } });
    await expectRefusal({ ...trained(), refusing }, blob, /refusing: not this one/);
  });

  test("missing parts, and parts too many", async () => {
    const { model, optimizer, schedule } = trained();
    const blob = await checkpointBlob({ model, optimizer });
    await expectRefusal(
      { model, optimizer, schedule },
      blob,
      /has the parts model, optimizer, given were model, opt.*schedule$/,
    );
    await expectRefusal({ model }, blob, /given were model; \{ strict: false \} leaves parts out/);
    await expectRefusal({ model, schedule }, blob, /given were model, schedule$/, { strict: false });
  });

  test("settings that the caller checks", async () => {
    const blob = await checkpointBlob(trained(), { extra: { width: 5 } });
    const check = (extra: Saveable): void => {
      expect(extra).toEqual({ width: 5 });
      throw new CheckpointError("not mine");
    };
    await expectRefusal(trained(), blob, /^not mine$/, { check });
  });

  test("a file that is no checkpoint, and manifests that make no sense", async () => {
    const file = (checkpoint: string): Promise<Uint8Array> => safetensorsBytes({}, { metadata: { checkpoint } });
    const sane = { version: 1, rng: { seed: 1, calls: 0 }, parts: {}, parameters: {}, extra: null };
    await expectRefusal({}, await safetensorsBytes({ x: ones([1]) }), /bytes holds tensors, but no checkpoint/);
    await expectRefusal({}, await file("{"), /cannot be read/);
    await expectRefusal({}, await file("null"), /cannot be read/);
    await expectRefusal({}, await file("[".repeat(1e5)), /cannot be read/);
    await expectRefusal({}, await file(JSON.stringify({ ...sane, version: 2 })), /version 2, wanted 1/);
    await expectRefusal(
      {},
      await file(JSON.stringify({ ...sane, rng: { seed: -1, calls: 0 } })),
      /no place in the stream/,
    );
    await expectRefusal(
      {},
      await file(JSON.stringify({ ...sane, parameters: { o: [{ name: "p" }] } })),
      /shape is none/,
    );
    const { optimizer } = trained();
    const parameters = {
      optimizer: optimizer.paramGroups[0].params.map(({ shape }: Tensor) => ({ name: null, shape })),
    };
    await expectRefusal(
      { optimizer },
      await file(JSON.stringify({ ...sane, parts: { optimizer: 3 }, parameters })),
      /^bytes: optimizer: /,
    );
  });
});

test("a model alone, and the stream of random numbers left where it is", async () => {
  await init({ device: "cpu" });
  const model = new Linear(2, 1);
  const blob = await checkpointBlob({ model, optimizer: new SGD(model.parameters(), { lr: 1 }) });
  const [other, before] = [new Linear(2, 1), { seed: 3, calls: 9 }];
  setRngState(before);
  await loadCheckpoint(blob, { model: other }, { strict: false, rng: false });
  expect(getRngState()).toEqual(before);
  expect(await other.weight.data()).toEqual(await model.weight.data());
});

test("parts that are none are refused", async () => {
  await expect(checkpointBlob({ epoch: 3 as never })).rejects.toThrow(/the part epoch has no stateDict/);
  await expect(checkpointBlob({ extra: new Linear(1, 1) })).rejects.toThrow(/cannot have the name extra/);
  await expect(checkpointBlob({}, { extras: 1 } as object)).rejects.toThrow(/unknown option extras/);
});
