/** vmap: axes, nesting, chunks, random numbers, and what is refused. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  add,
  arange,
  bernoulli,
  getRngState,
  init,
  manualSeed,
  matmul,
  mul,
  nonzero,
  ones,
  rand,
  randint,
  randn,
  randperm,
  setRngState,
  sub,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "../index.ts";

const array = (x: Tensor): Promise<unknown> => x.toArray();

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

describe("axes", () => {
  const rows = (): Tensor => tensor([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix

  test("in: the first dim, another, one counted from the end, none", async () => {
    const w = tensor([1, 10, 100]);
    const dot = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum();
    expect(await array(vmap(dot, { inAxes: [0, null] })(rows(), w))).toEqual([321, 654]);
    expect(await array(vmap(dot, { inAxes: [1, null] })(rows().t(), w))).toEqual([321, 654]);
    expect(await array(vmap(dot, { inAxes: [-1, null] })(rows().t(), w))).toEqual([321, 654]);
    expect(await array(vmap((x: Tensor) => x.sum(), { inAxes: 1 })(rows()))).toEqual([5, 7, 9]);
  });

  test("in: nested as the arguments are", async () => {
    type Task = { x: Tensor; pair: [Tensor, Tensor] };
    const fn = ({ x, pair: [a, b] }: Task, note: string): Tensor => {
      expect([x.shape, a.shape, b.shape, note]).toEqual([[3], [], [2], "n"]);
      return x.sum().add(a).mul(b.sum());
    };
    const task: Task = { x: rows(), pair: [tensor([1, 2]), tensor([2, 3])] };
    const inAxes = [{ x: 0, pair: [0, null] }, null];
    expect(await array(vmap(fn, { inAxes })(task, "n"))).toEqual([35, 85]);
    expect(await array(vmap((t: { x: Tensor }) => t.x.sum())({ x: rows() }))).toEqual([6, 15]);
  });

  test("out: any dim, counted from either end, nested as the result is; null for what all tasks share", async () => {
    const fn = (x: Tensor): { both: Tensor; pair: Tensor[] } => ({ both: x.mul(2), pair: [x.sum(), ones([2])] });
    const { both, pair } = vmap(fn, { outAxes: { both: 1, pair: [0, null] } })(rows());
    expect(await array(both)).toEqual([[2, 8], [4, 10], [6, 12]]); // biome-ignore format: a matrix
    expect(await array(pair[0])).toEqual([6, 15]);
    expect(pair[1].shape).toEqual([2]);
    expect(vmap((x: Tensor) => x.reshape([3, 1]), { outAxes: -1 })(rows()).shape).toEqual([3, 1, 2]);
  });

  test("out: what does not differ from task to task is repeated", async () => {
    const shared = tensor([7, 8]);
    expect(await array(vmap((_: Tensor) => shared)(tensor([1, 2, 3])))).toEqual([[7, 8], [7, 8], [7, 8]]); // biome-ignore format: a matrix
    expect(await array(vmap((_: Tensor) => shared, { outAxes: 1 })(tensor([1, 2, 3])))).toEqual([[7, 7, 7], [8, 8, 8]]); // biome-ignore format: a matrix
  });

  test("a function may return nothing", () => {
    expect(vmap((x: Tensor) => void x.exp())(ones([2]))).toBe(undefined);
  });

  test.each([
    ["sizes that differ", () => vmap(add)(ones([2]), ones([3])), /argument 1 has 3 tasks, argument 0 has 2/],
    ["no tensor with tasks", () => vmap(add, { inAxes: null })(ones([2]), ones([2])), /no argument has tasks/],
    ["no tasks", () => vmap((x: Tensor) => x)(zeros([0, 2])), /has no tasks/],
    ["a dim that is not there", () => vmap((x: Tensor) => x, { inAxes: 2 })(ones([2, 2])), /inAxes of argument 0 is 2/],
    ["a tensor without dims", () => vmap((x: Tensor) => x)(tensor(1)), /inAxes of argument 0 is 0: wanted null/],
    [
      "a number",
      () => vmap((x: Tensor, y: number) => x.mul(y))(ones([2]), 3),
      /argument 1 is number: wanted a tensor, or null/,
    ],
    ["too few axes", () => vmap(add, { inAxes: [0] })(ones([2]), ones([2])), /1 axes for 2 values/],
    ["a result that is none", () => vmap((_: Tensor) => 3 as unknown as Tensor)(ones([2])), /the result is number/],
    [
      "a shared result that differs",
      () => vmap((x: Tensor) => x, { outAxes: null })(ones([2])),
      /differs from task to task/,
    ],
    [
      "a place for tasks that is not there",
      () => vmap((x: Tensor) => x, { outAxes: 2 })(ones([2, 2])),
      /outAxes of the result is 2/,
    ],
    ["an unknown name", () => vmap((t: { x: Tensor }) => t.x, { inAxes: [{ y: 0 }] })({ x: ones([2]) }), /has no y/],
    [
      "a name left out",
      () => vmap((t: { x: Tensor }) => t.x, { inAxes: [{}] })({ x: ones([2]) }),
      /argument 0.x has no axis/,
    ],
    ["a chunk of nothing", () => vmap(add, { chunkSize: 0 }), /chunkSize is 0/],
    ["another randomness", () => vmap(add, { randomness: "some" as "same" }), /randomness is "some"/],
  ])("%s: an error that says what was wanted", (_, call, message) => {
    expect(call as () => unknown).toThrow(message);
  });
});

describe("inside", () => {
  test("shapes are those of one task; errors speak of them", () => {
    vmap((x: Tensor) => {
      expect([x.shape, x.rank, x.size]).toEqual([[2, 3], 2, 6]);
      expect(String(x)).toBe("Tensor([2, 3], float64, cpu, of each of 4 tasks)");
      expect(() => x.matmul(x)).toThrow(/\[2, 3\] × \[2, 3\]: inner dimensions 3 and 2 differ/);
      expect(() => x.sum(2)).toThrow(/axis 2 is out of range for rank 2/);
      expect(() => x.reshape([5])).toThrow(/\[5\] holds 5 elements, the tensor has 6/);
      return x;
    })(ones([4, 2, 3]));
    expect.assertions(5);
  });

  test("a tensor of tasks cannot be read, nor what needs its elements be computed", async () => {
    const reads: Promise<unknown>[] = [];
    vmap((x: Tensor) => {
      reads.push(x.data(), x.sum().item(), x.toArray(), nonzero(x));
      return x;
    })(ones([2, 3]));
    for (const read of reads) await expect(read).rejects.toThrow(/inside a vmap|after its vmap ended/);
  });

  test("a tensor that all tasks share can be", async () => {
    const shared = tensor([1, 2]);
    const reads: Promise<unknown>[] = [];
    vmap((x: Tensor) => {
      reads.push(shared.mul(2).toArray());
      return x;
    })(ones([2]));
    expect(await Promise.all(reads)).toEqual([[2, 4]]);
  });

  test("a function that waits is refused", () => {
    expect(() => vmap(async (x: Tensor) => x)(ones([2]))).toThrow(/async/);
  });

  test("a tensor that got out is refused by every operation, outside and in another vmap, and has no elements", async () => {
    let kept: Tensor | null = null;
    vmap((x: Tensor) => {
      kept = x.mul(2)._share();
      return x;
    })(ones([2, 3]));
    const out = kept as unknown as Tensor;
    expect(() => add(out, 1)).toThrow(/used outside its vmap/);
    expect(() => vmap((y: Tensor) => y.add(out))(ones([2, 3]))).toThrow(/used outside its vmap/);
    await expect(out.data()).rejects.toThrow(/after its vmap ended/);
    out.dispose();
  });

  test("what is made inside and not returned is released", () => {
    const made: Tensor[] = [];
    const y = vmap((x: Tensor) => {
      made.push(x, x.exp(), x.exp().sum());
      return made[1];
    })(ones([2, 3]));
    expect(made.map((x) => x.isReleased)).toEqual([true, true, true]);
    expect(y.isReleased).toBe(false);
  });

  test("a function that throws closes its level", () => {
    expect(() =>
      vmap((_: Tensor) => {
        throw new Error("mine");
      })(ones([2])),
    ).toThrow("mine");
    expect(ones([2]).add(1).shape).toEqual([2]);
  });
});

describe("one vmap in another", () => {
  test("all pairs: each level has its own tasks", async () => {
    const [a, b] = [tensor([1, 2]), tensor([10, 20, 30])];
    const pairs = vmap((x: Tensor) => vmap((y: Tensor) => x.add(y))(b))(a);
    expect(await array(pairs)).toEqual([[11, 21, 31], [12, 22, 32]]); // biome-ignore format: a matrix
    const other = vmap((x: Tensor) => vmap((y: Tensor) => x.add(y), { outAxes: 0 })(b), { outAxes: 1 })(a);
    expect(await array(other)).toEqual([[11, 12], [21, 22], [31, 32]]); // biome-ignore format: a matrix
  });

  test("three levels, products and sums over dims of their own", async () => {
    const x = arange(2 * 3 * 4 * 5)
      .reshape([2, 3, 4, 5])
      .to("float64");
    const w = arange(20).reshape([4, 5]).to("float64");
    const fn = vmap(
      vmap(
        vmap((row: Tensor, v: Tensor) => matmul(row, v.sub(1)).sum()),
        { inAxes: [0, null] },
      ),
      {
        inAxes: [0, null],
      },
    );
    expect(await array(fn(x, w))).toEqual(await array(x.mul(w.sub(1)).sum(3)));
  });

  test("a task axis of the outer tasks may be one of the inner's", async () => {
    const x = arange(6).reshape([2, 3]).to("float64");
    const fn = vmap((row: Tensor) => vmap((v: Tensor) => v.mul(row.sum()))(row));
    expect(await array(fn(x))).toEqual([[0, 3, 6], [36, 48, 60]]); // biome-ignore format: a matrix
  });
});

describe("chunks", () => {
  const fn = (x: Tensor, w: Tensor): [Tensor, Tensor] => [x.mul(w).sum(), x.sub(w)];
  const whole = vmap(fn, { inAxes: [0, null], outAxes: [0, 1] });

  test.each([1, 2, 3, 5, 9])("of %i tasks give the same", async (chunkSize) => {
    const x = arange(15).reshape([5, 3]).to("float64");
    const w = tensor([1, 2, 3]);
    const wanted = await Promise.all(whole(x, w).map(array));
    const inChunks = vmap(fn, { inAxes: [0, null], outAxes: [0, 1], chunkSize })(x, w);
    expect(await Promise.all(inChunks.map(array))).toEqual(wanted);
  });

  test("run one after another, and see how many tasks they have by nothing but the text", () => {
    const texts: string[] = [];
    vmap(
      (x: Tensor) => {
        texts.push(String(x));
        return x;
      },
      { chunkSize: 2 },
    )(ones([5]));
    expect(texts.map((text) => /of each of (\d) tasks/.exec(text)?.[1])).toEqual(["2", "2", "1"]);
  });

  test("an error in a later chunk leaves nothing of the chunks before", () => {
    const x = ones([4, 3]);
    const { device } = x;
    x.device.flush();
    const before = device.audit();
    let calls = 0;
    const failing = (row: Tensor): Tensor => {
      if (++calls === 3) throw new Error("third");
      return row.mul(2);
    };
    expect(() => vmap(failing, { chunkSize: 1 })(x)).toThrow("third");
    expect(device.audit()).toEqual(before);
  });

  test("what all tasks share is one, of the first chunk", async () => {
    const y = vmap((_: Tensor) => ones([2]), { outAxes: null, chunkSize: 1 })(ones([3]));
    expect(await array(y)).toEqual([1, 1]);
  });
});

describe("random numbers", () => {
  const draws: Record<string, () => Tensor> = {
    rand: () => rand([4]),
    randn: () => randn([2, 2]),
    randint: () => randint(0, 1000, [4]),
    randperm: () => randperm(6),
    bernoulli: () => bernoulli(tensor([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])),
  };
  const drawn = (name: string, tasks: number, options: object): Promise<unknown[]> => {
    manualSeed(3);
    return vmap((_: Tensor) => draws[name](), options)(ones([tasks])).toArray() as Promise<unknown[]>;
  };

  test("are refused unless it is said what they are to be", () => {
    expect(() => vmap((x: Tensor) => x.mul(rand([2])))(ones([2, 2]))).toThrow(/wanted \{ randomness: "different" \}/);
  });

  test.each(Object.keys(draws))(
    "%s: different, a task's own whatever the number of tasks and the chunks",
    async (name) => {
      const all = await drawn(name, 7, { randomness: "different" });
      expect(new Set(all.map((one) => JSON.stringify(one))).size).toBeGreaterThan(5);
      expect(await drawn(name, 3, { randomness: "different" })).toEqual(all.slice(0, 3));
      expect(await drawn(name, 7, { randomness: "different", chunkSize: 2 })).toEqual(all);
      manualSeed(3);
      expect(await array(draws[name]())).toEqual(all[0]);
    },
  );

  test.each(Object.keys(draws))("%s: the same, those of a call outside", async (name) => {
    manualSeed(3);
    const one = await array(draws[name]());
    expect(await drawn(name, 2, { randomness: "same" })).toEqual([one, one]);
  });

  test("count as one call, however many tasks and chunks", () => {
    setRngState({ seed: 1, calls: 5 });
    vmap((x: Tensor) => x.add(rand([])).add(rand([])), { randomness: "different", chunkSize: 1 })(ones([4]));
    expect(getRngState()).toEqual({ seed: 1, calls: 7 });
  });

  test("differ between calls, elements and tasks of two levels", async () => {
    const fn = vmap((_: Tensor) => vmap((_: Tensor) => rand([5]), { randomness: "different" })(ones([4])), {
      randomness: "different",
    });
    const data = await fn(ones([3])).data();
    expect(new Set(data).size).toBe(60);
    manualSeed(2);
    const [all, fewer] = [3, 2].map((n) => {
      manualSeed(2);
      return vmap((_: Tensor) => vmap((_: Tensor) => rand([5]), { randomness: "different" })(ones([n])), {
        randomness: "different",
      })(ones([3]));
    });
    expect(await array(fewer)).toEqual(await array(all.slice(1, 0, 2)));
  });

  test("the same at one level and different at the other", async () => {
    const fn = vmap((_: Tensor) => vmap((_: Tensor) => rand([3]), { randomness: "different" })(ones([2])), {
      randomness: "same",
    });
    const [first, second] = (await fn(ones([2])).toArray()) as unknown[];
    expect(first).toEqual(second);
  });

  test("look uniform over tasks", async () => {
    const data = await vmap((_: Tensor) => rand([1]), { randomness: "different" })(ones([4000])).data();
    const mean = Array.from(data).reduce((a: number, b: number) => a + b, 0) / 4000;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
  });
});

test("arithmetic with tensors from outside, of fewer and of more dims", async () => {
  const x = arange(6).reshape([2, 3]).to("float64");
  const w = arange(12).reshape([4, 3]).to("float64");
  const y = vmap((row: Tensor) => sub(mul(w, row), 1))(x);
  expect(y.shape).toEqual([2, 4, 3]);
  expect(await array(y)).toEqual(await array(w.mul(x.unsqueeze(1)).sub(1)));
});

test("random numbers of tasks are the same on a GPU", async () => {
  const drawn = async (device: "cpu" | "webgpu"): Promise<unknown[]> => {
    const made = await init({ device });
    manualSeed(9);
    const draw = vmap((_: Tensor) => [rand([3, 5]), randint(0, 100, [4])], { randomness: "different", chunkSize: 2 });
    const nested = vmap((_: Tensor) => vmap((_: Tensor) => rand([3]), { randomness: "different" })(ones([2])), {
      randomness: "different",
    });
    const data = await Promise.all([...draw(ones([3])), nested(ones([4]))].map((x) => x.toArray()));
    made.destroy();
    return data;
  };
  expect(await drawn("webgpu")).toEqual(await drawn("cpu"));
});
