/** Tests of programs that wait in the middle: with contexts for each chain of awaits, and with one chain for all. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { type InitOptions, init } from "@loopgrad/tensor";
import { BLOCKS, FUNCTIONS, isRefusal, type Outcome, PLAIN, type Program, together } from "./interleaved.ts";

/** @param device  where the programs run */
export function describeInterleaving(device: InitOptions["device"]): void {
  const exact = Object.entries({ ...PLAIN, ...FUNCTIONS });
  const all = [...exact, ...Object.entries(BLOCKS)];
  const alone = new Map<Program, Outcome>();

  beforeAll(async () => {
    await init({ device });
    for (const [, program] of all) alone.set(program, (await together([program]))[0]);
  });

  /** Runs them, and returns the names of those that were refused. The others must have computed what they compute alone. */
  async function refused(
    entries: readonly (readonly [string, Program])[],
    late: readonly number[] = [],
  ): Promise<string[]> {
    const programs = entries.map(([, program]) => program);
    const outcomes = await together(programs, late);
    return outcomes.flatMap((outcome, i) => {
      if (isRefusal(outcome)) return [entries[i][0]];
      expect([entries[i][0], outcome]).toEqual([entries[i][0], alone.get(programs[i])]);
      return [];
    });
  }

  test("alone, all of them run", () => {
    for (const [, program] of all) expect(Array.isArray(alone.get(program))).toBe(true);
  });

  describe.each(exact)("%s", (...entry) => {
    test("beside each program of its kind, in both orders, some turns late", async () => {
      for (const other of exact) {
        for (const late of [[], [1], [0, 1], [4]]) expect(await refused([entry, other], late)).toEqual([]);
      }
    });

    test.each(Object.entries(BLOCKS))("beside %s: a block never acts on what began before it", async (...block) => {
      expect(await refused([entry, block])).toEqual([]);
      // Begun within the block's first turn, and refused where that matters. The block itself is not disturbed.
      expect(await refused([block, entry])).not.toContain(block[0]);
      expect(await refused([block, entry], [0, 1])).not.toContain(block[0]);
    });
  });

  test("blocks beside blocks", async () => {
    for (const a of Object.entries(BLOCKS)) {
      for (const b of Object.entries(BLOCKS)) expect(await refused([a, b])).not.toContain(a[0]);
    }
  });

  test("three at a time", async () => {
    let draw = 7;
    const next = (count: number): number => {
      draw = (Math.imul(draw, 1103515245) + 12345) >>> 0;
      return (draw >>> 16) % count;
    };
    for (let i = 0; i < 60; i++) {
      const entries = [0, 1, 2].map(() => all[next(all.length)]);
      await refused(entries, [next(3), next(3), next(3)]);
    }
  });
}
