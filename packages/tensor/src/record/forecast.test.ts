/** The forecast: what was asked for is expected, for as many replays as it was asked for, three at most. */
import { expect, test } from "@jest/globals";
import { Forecast } from "./forecast.ts";

const places = (forecast: Forecast, structure: number): number[] | null => {
  const expected = forecast.expected(structure);
  return expected === null ? null : [...expected.keys()].sort((a, b) => a - b);
};

test("what was asked for after a replay is expected at the next", () => {
  const forecast = new Forecast();
  expect(places(forecast, 1)).toBeNull();
  forecast.asked(1, 7);
  forecast.asked(1, 3);
  forecast.asked(1, 7);
  forecast.asked(2, 5);
  expect(places(forecast, 1)).toEqual([3, 7]);
  expect(places(forecast, 2)).toEqual([5]);
  expect(places(forecast, 3)).toBeNull();
});

test.each([
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 3],
  [9, 3],
])("asked for at %i replays, it is expected for %i", (asked, remembered) => {
  const forecast = new Forecast();
  for (let i = 0; i < asked; i++) {
    forecast.asked(1, 7);
    expect(places(forecast, 1)).toEqual([7]);
  }
  // The replay at which it was learnt counts.
  for (let i = 1; i < remembered; i++) expect(places(forecast, 1)).toEqual([7]);
  expect(places(forecast, 1)).toBeNull();
  expect(places(forecast, 1)).toBeNull();
});

test("places are forgotten one by one", () => {
  const forecast = new Forecast();
  for (let i = 0; i < 2; i++) {
    forecast.asked(1, 7);
    if (i === 0) forecast.asked(1, 3);
    expect(places(forecast, 1)).toEqual(i === 0 ? [3, 7] : [7]);
  }
  forecast.asked(1, 4);
  expect(places(forecast, 1)).toEqual([4, 7]);
  expect(places(forecast, 1)).toBeNull();
});

test("of 4096 structures the oldest is forgotten, and no other", () => {
  const forecast = new Forecast();
  for (let i = 0; i < 4096; i++) forecast.asked(i, 1);
  forecast.asked(0, 2);
  forecast.asked(4096, 1);
  expect(places(forecast, 0)).toBeNull();
  expect(places(forecast, 1)).toEqual([1]);
  expect(places(forecast, 4096)).toEqual([1]);
});
