/**
 * Golden cases of inner loops for three tasks at once, beside a loop over the tasks: on cpu, and with LOOPGRAD_FULL on both
 * devices.
 */
import { expect, test } from "@jest/globals";
import { init, scope, type Tensor } from "loopgrad";
import type { Place } from "./cases/case.ts";
import { type Pair, runHigherOverTasks } from "./cases/higher.ts";
import { compareNumbers } from "./compare.ts";
import { goldenFile } from "./coverage.ts";
import { type HigherCase, readGoldenFile } from "./format.ts";
import { tolerance } from "./run.ts";

const TASKS = 3;

const read = async (x: Tensor | null, like: Tensor | null): Promise<number[]> =>
  x === null ? new Array<number>(like?.size ?? 0).fill(0) : Array.from(await x.data());

/** What differs in a case, in words. */
async function differences(golden: HigherCase, place: Place): Promise<string[]> {
  using _ = scope();
  const found: string[] = [];
  const check = async ({ what, field, key, batched, looped }: Pair): Promise<void> => {
    const limit = tolerance({ what, field, key, got: batched, wanted: 0 }, golden.expect.f32_error ?? {}, place);
    const [got, wanted] = await Promise.all([read(batched, looped), read(looped, batched)]);
    const shape = looped?.shape ?? batched?.shape ?? [];
    if (batched !== null && batched.shape.join() !== shape.join()) found.push(`${golden.name} ${what}: another shape`);
    const mismatch = compareNumbers(what, got, wanted, limit, shape);
    if (mismatch !== null) found.push(`${golden.name} ${what} ${mismatch.reason}`);
  };
  await Promise.all(runHigherOverTasks(golden, place, TASKS).map(check));
  return found;
}

const DEVICES = process.env.LOOPGRAD_FULL ? (["cpu", "webgpu"] as const) : (["cpu"] as const);

test.each(DEVICES)(
  "higher.json over three tasks on %s",
  async (name) => {
    const float = name === "cpu" ? "float64" : "float32";
    const place = { device: await init({ device: name, dtype: float }), float } as const;
    const cases = (await readGoldenFile(goldenFile("higher"))) as HigherCase[];
    expect(cases.length).toBeGreaterThan(50);
    const found: string[] = [];
    for (const golden of cases) {
      found.push(
        ...(await differences(golden, place).catch((error: Error) => [
          `${golden.name}: ${error.name}: ${error.message}`,
        ])),
      );
    }
    expect(found).toEqual([]);
    place.device.destroy();
  },
  600_000,
);
