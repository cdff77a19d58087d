/**
 * Numbers at axes, over many ranges: what they say, how long they are, and that they differ.
 */
import { describe, expect, test } from "@jest/globals";
import { extentOf, tickFormat, tickLength } from "./ticks.ts";

/** Numbers as an axis makes them: by sums and powers, with an error in the last digits. */
const disturbed = (x: number): number[] => [x, x * (1 + 2 ** -52), x * (1 - 2 ** -53), 10 ** (Math.log(x) / Math.LN10)];
const value = (text: string): number => Number(text.replaceAll(",", ""));

describe.each([
  ["logarithmic", true],
  ["linear", false],
])("%s", (_, log) => {
  test("powers of ten over any decades are exact, short and different", () => {
    for (let first = -12; first <= 9; first++) {
      for (const decades of [1, 2, 5, 10]) {
        const [least, most] = [10 ** first, 10 ** (first + decades)];
        const format = tickFormat({ least, most }, log);
        const ticks = log ? Array.from({ length: decades + 1 }, (_, i) => 10 ** (first + i)) : [most / 2, most];
        const texts = ticks.map((tick) => {
          const written = new Set(disturbed(tick).map(format));
          expect(written.size).toBe(1);
          return [...written][0];
        });
        for (const [i, text] of texts.entries()) {
          expect(value(text)).toBeCloseTo(ticks[i], 15);
          expect(Math.abs(value(text) / ticks[i] - 1)).toBeLessThan(1e-9);
          expect(text.length).toBeLessThanOrEqual(7);
          expect(text).not.toMatch(/0000|9999|e\+/);
        }
        expect(new Set(texts).size).toBe(texts.length);
      }
    }
  });
});

test("ticks on linear axes of every length and place are exact, of one notation, and fit the room that is left", () => {
  for (let power = -9; power <= 9; power++) {
    for (const [from, to, step] of [
      [0, 1, 0.2],
      [-0.3, 0.6, 0.1],
      [-1, 0, 0.25],
      [3, 8, 1],
      [0, 0.7, 0.1],
    ]) {
      const [least, most] = [from * 10 ** power, to * 10 ** power];
      const format = tickFormat({ least, most }, false);
      const texts: string[] = [];
      // As axes do it: by adding, so that 0 is something like 2.8e-17.
      for (let x = least, i = 0; x <= most * (1 + 1e-9) && i < 20; x += step * 10 ** power, i++) {
        texts.push(format(x));
        const wanted = (from + i * step) * 10 ** power;
        expect(Math.abs(value(texts[i]) - wanted)).toBeLessThan(1e-9 * Math.max(-least, most));
        expect(texts[i].length).toBeLessThanOrEqual(tickLength({ least, most }, false) + 2);
      }
      expect(new Set(texts).size).toBe(texts.length);
      const notations = new Set(texts.filter((text) => text !== "0").map((text) => text.includes("e")));
      expect(notations.size).toBe(1);
      for (const text of texts) expect(text).not.toMatch(/00000|99999/);
    }
  }
});

test("what they look like", () => {
  const log = tickFormat({ least: 1e-4, most: 200 }, true);
  expect([0.00009999999999999999, 0.001, 0.1, 1, 10, 100].map(log)).toEqual(["1e-4", "1e-3", "0.1", "1", "10", "1e2"]);
  const near = tickFormat({ least: 0.02, most: 3 }, true);
  expect([0.01, 0.1, 1, 10].map(near)).toEqual(["0.01", "0.1", "1", "10"]);
  const steps = tickFormat({ least: 0, most: 70_000 }, false);
  expect([0, 5000, 10_000, 70_000].map(steps)).toEqual(["0", "5000", "10,000", "70,000"]);
  expect([0, 5e-4, 1e-3].map(tickFormat({ least: 0, most: 9.9e-4 }, false))).toEqual(["0", "5e-4", "1e-3"]);
  expect([0, 2.5e6].map(tickFormat({ least: 0, most: 3e6 }, false))).toEqual(["0", "2.5e6"]);
  expect(tickFormat({ least: 0, most: 1 }, false)(0.1 + 0.2)).toBe("0.3");
  expect(tickFormat({ least: -0.4, most: 0.4 }, false)(-0.4 + 0.1 + 0.1 + 0.1 + 0.1)).toBe("0");
});

test("an extent is that of the finite numbers", () => {
  expect(extentOf([3, Number.NaN, -1, Number.POSITIVE_INFINITY])).toEqual({ least: -1, most: 3 });
  expect(extentOf([Number.NaN])).toEqual({ least: 0, most: 1 });
  for (const [least, most] of [
    [0, 0],
    [2, 2],
    [-5, -5],
  ])
    expect(tickLength({ least, most }, false)).toBeGreaterThan(0);
});
