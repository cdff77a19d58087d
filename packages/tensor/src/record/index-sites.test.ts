/** Index sites: equal ones have one number, and each says what is wrong in its own words. */
import { describe, expect, test } from "@jest/globals";
import { IndexError } from "../errors.ts";
import { type IndexSite, indexError, outsideMessage, siteNumber } from "./index-sites.ts";

const site = (changes: Partial<IndexSite> = {}): IndexSite => ({
  op: "gather",
  n: 5,
  kind: "position",
  shape: [2, 3],
  ...changes,
});
const late = "Only the device knew it, so it shows at the first read after the program ran";

test("what differs in anything has a number of its own", () => {
  const all = [
    site(),
    site({ op: "take" }),
    site({ n: 6 }),
    site({ kind: "class" }),
    site({ ignorable: true }),
    site({ shape: [3, 2] }),
    site({ shape: null }),
  ];
  const numbers = all.map(siteNumber);
  expect(new Set(numbers).size).toBe(all.length);
  expect(Math.min(...numbers)).toBe(1);
  expect(all.map((one) => siteNumber({ ...one }))).toEqual(numbers);
  expect(siteNumber(site({ ignorable: false }))).toBe(numbers[0]);
});

describe("in words", () => {
  test.each<[IndexSite, string]>([
    [site(), "gather: index 7 is outside [-5, 5): out of range for an axis of size 5 (indices [2, 3])"],
    [site({ shape: null }), "gather: index 7 is outside [-5, 5): out of range for an axis of size 5"],
    [
      site({ kind: "class", op: "nllLoss", ignorable: true, shape: [4] }),
      "nllLoss: class index 7 is outside [0, 5): out of range for 5 classes (indices [4]); { ignoreIndex: 7 } skips it",
    ],
    [
      site({ kind: "token", op: "embedding", shape: [4] }),
      "embedding: index 7 is outside [0, 5): out of range for 5 rows (indices [4])",
    ],
    [site({ n: -1, shape: null }), "gather: index 7 is outside its axis"],
    [site({ n: 0, shape: [] }), "gather: index 7 is outside [0, 0): out of range for an axis of size 0 (indices [])"],
  ])("%j", (one, words) => {
    expect(outsideMessage(one, 7).replace("[-0,", "[0,")).toBe(words);
    const error = indexError({ site: siteNumber(one), index: 7 });
    expect(error).toBeInstanceOf(IndexError);
    expect(error.message.replace("[-0,", "[0,")).toBe(`${words}. ${late}`);
  });

  test("of a site that nobody knows", () => {
    expect(indexError({ site: 0, index: 7 }).message).toBe(`index 7 is outside its axis. ${late}`);
  });
});

test("beyond 4096 sites shapes are not told apart, beyond 8192 sizes are not", () => {
  let last = siteNumber(site({ op: "fill", shape: [1] }));
  for (let n = 0; last < 4096; n++) last = siteNumber(site({ op: "fill", n, shape: [1, 1] }));
  const whole = siteNumber(site({ op: "late", shape: [1] }));
  expect(siteNumber(site({ op: "late", shape: [2] }))).toBe(whole);
  expect(siteNumber(site({ op: "late", shape: null }))).toBe(whole);
  expect(siteNumber(site({ op: "late", n: 6 }))).not.toBe(whole);
  expect(siteNumber(site())).toBe(siteNumber(site({ shape: null })));
  for (let n = 0; last < 8192; n++) last = siteNumber(site({ op: "more", n }));
  const anything = siteNumber(site({ op: "latest", n: 1 }));
  expect(siteNumber(site({ op: "latest", n: 2 }))).toBe(anything);
  expect(siteNumber(site({ op: "latest", n: 0 }))).toBe(anything);
  expect(siteNumber(site({ op: "latest", n: -1, shape: null }))).toBe(anything);
  expect(siteNumber(site({ op: "latest", kind: "class" }))).not.toBe(anything);
  expect(indexError({ site: anything, index: 7 }).message).toBe(`latest: index 7 is outside its axis. ${late}`);
});
