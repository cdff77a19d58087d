/**
 * Charts: what stands in the SVG files.
 */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { type Chart, writeChart, writeCharts } from "./chart.ts";

const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));

const chart: Chart = {
  title: "Training & test",
  x: { label: "steps" },
  y: { label: "loss", log: true },
  series: [
    {
      name: "SGD",
      points: [
        [0, 10],
        [50, 1],
        [100, 0.1],
      ],
    },
    {
      name: "Adam",
      points: [
        [0, 10],
        [100, 0.01],
      ],
      dashed: true,
    },
    { name: "measured", points: [[20, 2]], dots: true },
  ],
};

/** The paths of an SVG that are drawn in a colour: [x, y] of their corners. */
function lines(svg: string, colour: string): number[][][] {
  const paths = svg.match(/<path [^>]*>/g)?.filter((path) => path.includes(`stroke="${colour}"`)) ?? [];
  return paths
    .map((path) => Array.from(path.matchAll(/[ML]?([-\d.]+) ([-\d.]+)/g), ([, x, y]) => [Number(x), Number(y)]))
    .filter((corners) => corners.length > 1);
}

test("a chart has its title, its axes' names, its legend and a line for each series", async () => {
  const path = join(folder, "deeper", "chart.svg");
  expect(await writeChart(path, chart)).toBe(path);
  const svg = readFileSync(path, "utf8");
  for (const text of ["Training &amp; test", "steps", "loss", "SGD", "Adam", "measured"]) {
    expect(svg).toContain(`>${text}<`);
  }
  // On a logarithmic axis 10, 1, 0.1 are evenly spaced.
  const [[a, b, c]] = lines(svg, "#0072b2").filter(({ length }) => length === 3);
  expect(b[0] - a[0]).toBeCloseTo(c[0] - b[0], 0);
  expect(b[1] - a[1]).toBeCloseTo(c[1] - b[1], 0);
  expect(c[1]).toBeGreaterThan(a[1]);
});

test("several charts share a legend, and colours go by name", async () => {
  const path = join(folder, "charts.svg");
  await writeCharts(path, [chart, { ...chart, title: "second", series: chart.series.slice(1) }], { columns: 1 });
  const svg = readFileSync(path, "utf8");
  expect(svg).toContain(">second<");
  expect(svg.match(/>Adam</g)).toHaveLength(1);
  expect(lines(svg, "#d55e00").filter(([first]) => first[0] > 50).length).toBeGreaterThanOrEqual(2);
});

test("a value that is not finite is a gap", async () => {
  const points = [1, Number.NaN, 2, Number.POSITIVE_INFINITY].map((y, x) => [x, y] as const);
  const path = await writeChart(join(folder, "gap.svg"), { ...chart, series: [{ name: "SGD", points }] });
  expect(readFileSync(path, "utf8")).not.toMatch(/NaN|Infinity/);
});

test("what cannot be drawn is an error", async () => {
  const path = join(folder, "none.svg");
  await expect(writeChart(path, { ...chart, series: [] })).rejects.toThrow('"Training & test" has no series');
  const zero = [{ name: "SGD", points: [[0, 0]] as const }];
  await expect(writeChart(path, { ...chart, series: zero })).rejects.toThrow("SGD has loss = 0 on a logarithmic axis");
});
