/** The stack of interpreters that operations pass. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { bind, type Interpreter, interpreted } from "./bind.ts";
import { add, exp, init, matmul, mul, type Tensor, tensor } from "./index.ts";
import { literalLike } from "./ops/operand.ts";
import { addP, literalP, mulP } from "./primitives.ts";

const values = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

/** Writes down the names of operations, after a word. */
const logger = (names: string[], word = ""): Interpreter => ({
  apply(primitive, inputs, attrs) {
    names.push(word + primitive.name);
    return bind(primitive, inputs, attrs);
  },
});

beforeAll(async () => {
  await init({ device: "cpu" });
});

describe("an interpreter", () => {
  test("sees every operation of a function, and none after it", async () => {
    const names: string[] = [];
    const x = tensor([1, 2]);
    const y = interpreted(logger(names), () => exp(add(x, x)));
    mul(y, y);
    expect(names).toEqual(["add", "exp"]);
    expect(await values(y)).toEqual([Math.fround(Math.exp(2)), Math.fround(Math.exp(4))]);
  });

  test("answers in its own way, and what it binds goes to the one below, not to itself", async () => {
    const names: string[] = [];
    const doubled: Interpreter = {
      apply(primitive, inputs, attrs) {
        const y = bind(primitive, inputs, attrs);
        return primitive === addP ? bind(addP, [y, y]) : y;
      },
    };
    const x = tensor([1, 2]);
    const y = interpreted(logger(names, "below: "), () => interpreted(doubled, () => add(x, x)));
    expect(names).toEqual(["below: add", "below: add"]);
    expect(await values(y)).toEqual([4, 8]);
  });

  test("is told of operations by those above, in the order of the stack", () => {
    const names: string[] = [];
    interpreted(logger(names, "outer "), () =>
      interpreted(logger(names, "inner "), () => matmul(tensor([[1]]), tensor([[1]]))),
    );
    expect(names).toEqual(["inner matmul", "outer matmul"]);
  });

  test("that throws, or whose function throws, leaves the stack as it was", () => {
    const names: string[] = [];
    const x = tensor([1]);
    const failing: Interpreter = {
      apply() {
        throw new Error("no");
      },
    };
    interpreted(logger(names), () => {
      expect(() => interpreted(failing, () => add(x, x))).toThrow("no");
      exp(x);
    });
    exp(x);
    expect(names).toEqual(["exp"]);
  });

  test("is for synchronous functions", async () => {
    expect(() => interpreted(logger([]), async () => exp(tensor([1])))).toThrow(/the function is async/);
    expect(() =>
      interpreted(logger([]), async () => {
        throw new Error("unseen");
      }),
    ).toThrow(/the function is async/);
  });

  test("gets inputs as the caller gave them, and attributes", () => {
    const x = tensor([[1, 2]]);
    interpreted(
      {
        apply(primitive, inputs, attrs) {
          expect(primitive.name).toBe("sum");
          expect(inputs[0]).toBe(x);
          expect(attrs).toEqual([1]);
          return bind(primitive, inputs, attrs);
        },
      },
      () => x.sum(1, { keepdim: true }),
    );
    expect.hasAssertions();
  });

  test("is not asked for constants: they are no operations", () => {
    const names: string[] = [];
    const x = tensor([1]);
    interpreted(logger(names), () => expect(literalLike(x, 1)._value.primitive).toBe(literalP));
    expect(names).toEqual([]);
  });

  test("may replace products by products of halves", async () => {
    const halved: Interpreter = {
      apply(primitive, [a, b], attrs) {
        if (primitive !== mulP)
          return bind(
            primitive,
            [a, b].filter((x) => x !== undefined),
            attrs,
          );
        const two = literalLike(b, 2);
        return bind(mulP, [bind(mulP, [a, b.div(two)]), two]);
      },
    };
    const y = interpreted(halved, () => mul(tensor([3, -2]), tensor([5, 7])));
    expect(await values(y)).toEqual([15, -14]);
  });
});

test("handles are made from values in two places of tensor.ts and nowhere else: there they get their task axes", () => {
  const root = join(import.meta.dirname, "../..");
  const found: string[] = [];
  for (const name of readdirSync(root)) {
    const src = join(root, name, "src");
    for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
      if (!/\.ts$/.test(file) || /\.test\.ts$/.test(file) || file.includes("testing/")) continue;
      const made = readFileSync(join(src, file), "utf8").match(/new Tensor\(/g)?.length ?? 0;
      if (made > 0) found.push(`${relative(root, join(src, file))}: ${made}`);
    }
  }
  expect(found).toEqual(["tensor/src/tensor.ts: 2"]);
});
