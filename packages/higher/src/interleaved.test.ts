/** Programs that wait in the middle, at the same time: each computes what it computes alone, or is refused. */
import { expect, test } from "@jest/globals";
import { grad, noGrad } from "@loopgrad/autograd";
import { init, isExact, tensor } from "@loopgrad/tensor";
import { PLAIN, together } from "./testing/interleaved.ts";
import { describeInterleaving } from "./testing/interleaving-suite.ts";

test("each chain of awaits has contexts of its own", () => {
  expect(isExact()).toBe(true);
});

describeInterleaving("cpu");

test("what is refused says where the block waits, and where the operation was called", async () => {
  const evaluate = async (): Promise<number> => {
    using _ = noGrad();
    return await w.mul(5).sum().item();
  };
  const train = async (): Promise<number> => {
    const a = w.square().sum();
    await a.item();
    const b = w.pow(3).sum();
    await b.item();
    return await grad(a.add(b), [w])[0].item();
  };
  const w = tensor(2, { requiresGrad: true });
  expect(await Promise.all([train(), evaluate()])).toEqual([16, 10]);
  const [evaluated, trained] = await Promise.allSettled([evaluate(), train()]);
  expect(evaluated).toMatchObject({ value: 10 });
  const { message, stack } = (trained as PromiseRejectedResult).reason;
  expect(trained).toMatchObject({ reason: { name: "GradError" } });
  expect(message).toMatch(/noGrad\(async \(\) => …\)/);
  expect(message).toMatch(/The block waits at\n.*evaluate .*interleaved\.test\.ts/);
  expect(stack).toMatch(/The operation was called\n(.*\n)*.*train .*interleaved\.test\.ts/);
  // Gradients are on, and the next training is right.
  expect(await Promise.all([train(), train()])).toEqual([16, 16]);
});

test("two loops on a GPU", async () => {
  await init({ device: "webgpu" });
  const programs = [PLAIN["training, a scope a step"], PLAIN["meta-training, a loop in a block"]];
  const alone = [await together([programs[0]]), await together([programs[1]])].flat();
  expect(alone.every(Array.isArray)).toBe(true);
  expect(await together(programs)).toEqual(alone);
  expect(await together(programs.toReversed())).toEqual(alone.toReversed());
});
