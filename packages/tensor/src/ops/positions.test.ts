/**
 * Indices outside their axis: every function that takes indices, with indices that the host knows and such as only the device
 * does; where the error comes, and what is left after it.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { setDebug } from "../debug/plan.ts";
import { IndexError } from "../errors.ts";
import * as lg from "../index.ts";
import { Device, scope, setDevice, type Tensor, tensor } from "../index.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

type Nested = number | Nested[];

/** Indices that the host knows. */
const known = (data: Nested): Tensor => tensor(data, { dtype: "int32" });
/** The same, but only the device knows. */
const computed = (data: Nested): Tensor => tensor(data, { dtype: "float32" }).mul(2).div(2).round().to("int32");

interface Case {
  /** From an index into an axis of 3. */
  readonly call: (at: (data: Nested) => Tensor, index: number) => Tensor;
  /** What −1 gives; null: it names nothing. */
  readonly last: Nested | null;
  /** Without indices. */
  readonly empty: (none: Tensor) => Tensor;
  readonly name?: string;
}

const x = (): Tensor => tensor([10, 20, 30]);
const table = (): Tensor => tensor([[1], [2], [3]]);
const CASES: Record<string, Case> = {
  gather: {
    call: (at, i) => x().gather(0, at([0, i])),
    last: [10, 30],
    empty: (none) => x().gather(0, none),
  },
  takeAlongDim: {
    call: (at, i) => lg.takeAlongDim(tensor([[1, 2, 3]]), at([[0], [i]]), 1),
    last: [[1], [3]],
    empty: (none) => lg.takeAlongDim(x(), none, 0),
  },
  indexSelect: {
    call: (at, i) => table().indexSelect(0, at([1, i])),
    last: [[2], [3]],
    empty: (none) => table().indexSelect(0, none),
  },
  index: {
    call: (at, i) => table().index([at([1, i]), 0]),
    last: [2, 3],
    empty: (none) => table().index([none]),
  },
  "index of two tensors": {
    call: (at, i) => table().index([at([1, i]), at([-1, 0])]),
    last: [2, 3],
    empty: (none) => table().index([none, none]),
    name: "index",
  },
  indexPut: {
    call: (at, i) => x().indexPut([at([0, i])], tensor([7, 8])),
    last: [7, 20, 8],
    empty: (none) => x().indexPut([none], 1),
  },
  "indexPut of a number": {
    call: (at, i) => x().indexPut([at([0, i])], 5),
    last: [5, 20, 5],
    empty: (none) => x().indexPut([none], 1),
    name: "indexPut",
  },
  "indexPut, accumulating": {
    call: (at, i) => x().indexPut([at([0, i])], 5, { accumulate: true }),
    last: [15, 20, 35],
    empty: (none) => x().indexPut([none], 1, { accumulate: true }),
    name: "indexPut",
  },
  scatter: {
    call: (at, i) => x().scatter(0, at([1, i]), tensor([7, 8])),
    last: [10, 7, 8],
    empty: (none) => x().scatter(0, none, 1),
  },
  "scatter of a number": {
    call: (at, i) => x().scatter(0, at([1, i]), 5),
    last: [10, 5, 5],
    empty: (none) => x().scatter(0, none, 1),
    name: "scatter",
  },
  scatterAdd: {
    call: (at, i) => x().scatterAdd(0, at([1, i]), tensor([7, 8])),
    last: [10, 27, 38],
    empty: (none) => x().scatterAdd(0, none, 1),
  },
  indexAdd: {
    call: (at, i) => table().indexAdd(0, at([1, i]), tensor([[7], [8]])),
    last: [[1], [9], [11]],
    empty: (none) => table().indexAdd(0, none, lg.zeros([0, 1])),
  },
  embedding: {
    call: (at, i) => lg.embedding(at([1, i]), table()),
    last: null,
    empty: (none) => lg.embedding(none, table()),
  },
  "embedding with padding": {
    call: (at, i) => lg.embedding(at([1, i]), table(), { paddingIdx: -1 }),
    last: null,
    empty: (none) => lg.embedding(none, table()),
    name: "embedding",
  },
  oneHot: {
    call: (at, i) => lg.oneHot(at([1, i]), 3),
    last: null,
    empty: (none) => lg.oneHot(none, 3),
  },
};

const DEVICES: Record<string, () => Promise<Device>> = {
  cpu: async () => new Device(new CpuBackend()),
  interpreter: async () => new Device(new InterpreterBackend()),
  webgpu: async () => new Device(await createWebGPUBackend({ tuning: { workgroupMemory: false, maxBuffers: 8 } })),
};

describe.each(Object.keys(DEVICES))("%s", (deviceName) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(await DEVICES[deviceName]());
  });
  afterAll(() => device.destroy());

  describe.each(Object.entries(CASES))("%s", (title, { call, last, empty, name = title }) => {
    const outside = last === null ? [3, -1, 2 ** 30] : [3, -4, 2 ** 30];

    test.each(outside)("%i is an error at once where the host knows it", (index) => {
      using _ = scope();
      expect(() => call(known, index)).toThrow(IndexError);
      const range = last === null ? "[0, 3)" : "[-3, 3)";
      for (const word of [`${name}: `, `index ${index} `, `outside ${range}`, "[2"]) {
        expect(() => call(known, index)).toThrow(word);
      }
    });

    test.each(outside)("%i is an error at the read where only the device does", async (index) => {
      using _ = scope();
      const y = call(computed, index);
      const other = tensor(3).mul(2);
      await expect(y.data()).rejects.toThrow(IndexError);
      await expect(call(computed, index).data()).rejects.toThrow(
        new RegExp(`^${name}: (class )?index .*\\(indices \\[2`),
      );
      // Work goes on: with other tensors, and with correct indices.
      expect(await other.item()).toBe(6);
      expect(await call(computed, 2).toArray()).toEqual(await call(known, 2).toArray());
    });

    test("-1 is the last one, or nothing", async () => {
      using _ = scope();
      if (last === null) return;
      expect(await call(known, -1).toArray()).toEqual(last);
      expect(await call(computed, -1).toArray()).toEqual(last);
      expect(await call(computed, -1).toArray()).toEqual(await call(computed, 2).toArray());
    });

    test("no indices, no error", async () => {
      using _ = scope();
      const none = tensor(new Int32Array(0));
      const wanted = await empty(none).toArray();
      expect(await empty(none.add(tensor(9, { dtype: "int32" }))).toArray()).toEqual(wanted);
    });
  });

  test("an index into an empty axis is an error", async () => {
    const rows = lg.zeros([0, 2]);
    expect(() => lg.embedding(known([0]), rows)).toThrow("embedding: index 0 is outside [0, 0)");
    await expect(lg.embedding(computed([0]), rows).data()).rejects.toThrow("embedding: index 0 is outside [0, 0)");
    await expect(lg.zeros([0]).scatterAdd(0, computed([]), 1).data()).resolves.toHaveLength(0);
  });

  test("uint32 indices that int32 cannot hold do not count from the end", async () => {
    const big = tensor(new Uint32Array([2 ** 32 - 1]));
    expect(() => x().gather(0, big)).toThrow("gather: index 4294967295 is outside [-3, 3)");
    const one = tensor(new Uint32Array([1]));
    const unknown = lg
      .tensor([2 ** 16], { dtype: "float32" })
      .square()
      .sub(2 ** 9)
      .to("uint32");
    await expect(x().gather(0, unknown).data()).rejects.toThrow(IndexError);
    expect(await x().gather(0, one).toArray()).toEqual([20]);
  });

  test("views of what the host knows are known", async () => {
    const labels = known([0, 7, 2, 2]);
    for (const view of [labels.reshape([2, 2]), labels.flip(0), labels.unsqueeze(1), labels.expand([3, 4])]) {
      expect(() => lg.oneHot(view, 3)).toThrow("oneHot: class index 7 is outside [0, 3)");
    }
    // Of a part of them only a suspicion.
    expect(await lg.oneHot(labels.slice(0, 2), 3).toArray()).toEqual([
      [0, 0, 1],
      [0, 0, 1],
    ]);
    await expect(lg.oneHot(labels.slice(0, 1, 3), 3).data()).rejects.toThrow("oneHot: class index 7 is outside [0, 3)");
  });

  test("a flush before the read keeps the error for the next read, of whatever", async () => {
    using _ = scope();
    const y = x().gather(0, computed([5]));
    device.flush();
    const other = tensor([1, 2]).mul(3);
    await expect(other.data()).rejects.toThrow("gather: index 5 is outside [-3, 3)");
    expect(await other.toArray()).toEqual([3, 6]);
    // What was computed then is there: zeros.
    expect(await y.toArray()).toEqual([0]);
  });

  test("all reads of the flush reject, and those asked for later in the same turn's flush do not hang", async () => {
    using _ = scope();
    const y = x().gather(0, computed([5]));
    const results = await Promise.allSettled([y.data(), x().mul(2).data(), tensor([4]).mul(2).data()]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(await x().mul(2).toArray()).toEqual([20, 40, 60]);
  });

  test("reads under way do not see an error twice", async () => {
    using _ = scope();
    const first = x()
      .gather(0, computed([5]))
      .data();
    device.flush();
    const second = x().mul(2).data();
    device.flush();
    const settled = await Promise.allSettled([first, second]);
    expect(settled.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  test("the first operation that met one is named", async () => {
    using _ = scope();
    const a = x().gather(0, computed([5]));
    const b = lg.oneHot(a.to("int32").add(known([9])), 4);
    await expect(b.data()).rejects.toThrow(/^gather: index 5 /);
  });

  test("inside a fused program: before and behind reductions, products and padding", async () => {
    using _ = scope();
    const rows = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const programs: Record<string, (i: number) => Tensor> = {
      "into a sum": (i) =>
        rows
          .gather(1, computed([[0, i]]))
          .exp()
          .sum(),
      "into a product": (i) => lg.embedding(computed([0, i]), rows).matmul(rows.t()),
      "behind a sum": (i) =>
        rows
          .sum(0)
          .gather(0, computed([0, i]))
          .mul(2)
          .add(1),
      "of an index that is a sum": (i) =>
        rows.gather(
          1,
          computed([
            [0, 0],
            [i, 0],
          ]).sum(0, { keepdim: true }),
        ),
      "of an index that is a product": (i) =>
        x().gather(
          0,
          computed([[i]])
            .matmul(known([[1]]))
            .reshape([1]),
        ),
      "through a view": (i) =>
        rows
          .gather(
            1,
            computed([
              [0, i],
              [i, 0],
            ]),
          )
          .t()
          .reshape([4])
          .flip(0)
          .mul(2),
      "read twice": (i) => {
        const at = computed([[0, i]]);
        return rows
          .gather(1, at)
          .mul(rows.gather(1, at.add(known([0]))))
          .sum();
      },
      "under a mask": (i) => lg.where(tensor([true, false]), rows.gather(1, computed([[0, i]])), 0),
      "beside many inputs": (i) => {
        const many = Array.from({ length: 9 }, (_, k) => tensor([k, k + 1, k + 2]));
        return many.reduce((sum, one) => sum.add(one.gather(0, computed([i, 1]))), tensor([0, 0]));
      },
    };
    for (const [name, program] of Object.entries(programs)) {
      await expect(
        program(7)
          .data()
          .then(() => name),
      ).rejects.toThrow("index 7 is outside");
      expect([name, (await program(1).data()).length > 0]).toEqual([name, true]);
    }
  });

  test("padding makes up no indices", async () => {
    using _ = scope();
    // Behind the padding, the kernel computes the index of an element that is not there: f(0) = −1.
    const at = computed([1, 2]).sub(known([1, 1]));
    const hot = lg.oneHot(at, 3).to("float32");
    const padded = lg.pad(hot, [0, 0, 1, 2]);
    expect(await padded.mul(2).toArray()).toEqual([
      [0, 0, 0],
      [2, 0, 0],
      [0, 2, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    const row = lg.pad(x().gather(0, at.add(known([-4, -4])).add(known([4, 4]))), [1, 1]);
    expect(await row.add(row).toArray()).toEqual([0, 20, 40, 0]);
  });

  test("the check survives common subexpressions, and goes with what nobody asked for", async () => {
    using _ = scope();
    const at = computed([5]);
    const [a, b] = [x().gather(0, at), x().gather(0, at)];
    await expect(a.sub(b).data()).rejects.toThrow(IndexError);
    // The interpreter has no such pass.
    if (deviceName === "interpreter") return;
    const fine = x().mul(3);
    lg.scope(() => void x().gather(0, at));
    expect(await fine.toArray()).toEqual([30, 60, 90]);
  });

  test("what is made as positions, or known to lie between, is not checked", async () => {
    using _ = scope();
    const scores = tensor([
      [3, 1, 2],
      [1, 2, 3],
    ]);
    const checks = (call: () => Tensor): number => {
      let count = 0;
      const before = lg.onBind((primitive, ...rest) => {
        if (primitive === lg.positionP) count++;
        before?.(primitive, ...rest);
      });
      call();
      lg.onBind(before);
      return count;
    };
    const trusted: (() => Tensor)[] = [
      () => scores.takeAlongDim(scores.argmax(1, { keepdim: true }), 1),
      () => scores.gather(1, scores.argsort(1)),
      () => scores.sort(1)[0],
      () => scores.topk(2, 1)[0],
      () => lg.median(scores, 1)[0],
      () => scores.indexSelect(1, lg.arange(3, { dtype: "int32" })),
      () => scores.indexSelect(1, lg.randint(0, 3, [5])),
      () => scores.indexSelect(1, lg.randperm(3)),
      () => scores.index([known([0, 1]), known([2, 2])]),
      () => lg.embedding(known([0, 1, 0]).slice(0, 1).reshape([2, 1]), scores),
      () => lg.embedding(known([0, 1, 0]).indexSelect(0, lg.randint(0, 3, [5])), scores),
      () => lg.oneHot(scores.gt(1).to("int32"), 2),
      () => lg.oneHot(lg.fmod(lg.arange(7, { dtype: "int32" }), 3), 3),
    ];
    for (const call of trusted) expect([String(call), checks(call)]).toEqual([String(call), 0]);
    expect(checks(() => x().gather(0, computed([1])))).toBe(1);
    // A negative one needs a look, and no more.
    const negative = (): Tensor => x().gather(0, known([-1]));
    expect(checks(negative)).toBe(1);
    expect(await negative().toArray()).toEqual([30]);
  });

  test("indices of the host are looked at once", async () => {
    using _ = scope();
    const at = known([0, 2, 1]);
    const host = at._live().host as Int32Array;
    let looks = 0;
    const watched = new Proxy(host, {
      get(target, key) {
        if (key === "0") looks++;
        const got: unknown = Reflect.get(target, key, target);
        return typeof got === "function" ? got.bind(target) : got;
      },
    });
    at._live().host = watched;
    for (let i = 0; i < 3; i++) x().gather(0, at);
    at._live().host = host;
    expect(looks).toBe(1);
    expect(await x().gather(0, at).toArray()).toEqual([10, 30, 20]);
  });

  test("steady state makes nothing, and copies the flag with the data", async () => {
    using _ = scope();
    const [data, values] = [tensor([0, 2, 1, -1]), tensor([1, 2, 3])];
    const step = async (): Promise<number> => {
      using _ = scope();
      const at = (): Tensor => data.add(1).sub(1).to("int32");
      return (await values.gather(0, at()).square().sum().item()) + (await lg.oneHot(at().abs(), 3).sum().item());
    };
    for (let i = 0; i < 4; i++) await step();
    const before = device.stats();
    for (let i = 0; i < 5; i++) expect(await step()).toBe(1 + 9 + 4 + 9 + 4);
    const after = device.stats();
    expect(after.plansMade - before.plansMade).toBe(0);
    expect(after.pipelinesCreated - before.pipelinesCreated).toBe(0);
    expect(after.bindGroupsCreated - before.bindGroupsCreated).toBe(0);
    expect(after.buffersCreated - before.buffersCreated).toBe(0);
    if (deviceName === "interpreter") return;
    expect(after.submits - before.submits).toBe(10);
    // On a GPU the gather, its index and the first sum are one kernel; so are the classes and the second.
    if (deviceName === "webgpu") expect(after.dispatches - before.dispatches).toBe(10);
  });
});

describe("check mode", () => {
  afterEach(() => setDebug(null));

  test.each(["cpu", "webgpu"])("leaves the report to the program's own reads on %s", async (name) => {
    const device = setDevice(await DEVICES[name]());
    setDebug("check");
    await expect(
      x()
        .gather(0, computed([5]))
        .data(),
    ).rejects.toThrow("gather: index 5 is outside");
    const y = x().gather(0, computed([6]));
    device.flush();
    await expect(tensor([1]).mul(2).data()).rejects.toThrow("gather: index 6 is outside");
    expect(await y.toArray()).toEqual([0]);
    device.destroy();
  });
});

test("the kernels for GPUs note indices as well", async () => {
  const device = setDevice(new Device(await createWebGPUBackend({ tuning: { workgroupMemory: true, maxBuffers: 8 } })));
  const table = lg.rand([40, 40]);
  const at = (i: number): Tensor => lg.full([130], i).mul(2).div(2).round().to("int32");
  const product = (i: number): Tensor => lg.embedding(at(i), table).matmul(lg.rand([40, 130]));
  await expect(product(40).data()).rejects.toThrow("embedding: index 40 is outside [0, 40)");
  expect(await product(39).data()).toHaveLength(130 * 130);
  device.destroy();
}, 120_000);
