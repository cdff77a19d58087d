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

/** The texts of an SVG, each with the box that it takes at most: [left, right, top, bottom]. */
function texts(svg: string): { text: string; box: [number, number, number, number] }[] {
  return Array.from(svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g), ([, attributes, text]) => {
    const of = (name: string): string => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "0";
    const size = Number(/font-size:(\d+)px/.exec(attributes)?.[1] ?? 12);
    const length = text.length * size * 0.62;
    const before = { end: length, middle: length / 2 }[of("text-anchor")] ?? 0;
    const matrix = /matrix\(([^)]*)\)/.exec(attributes)?.[1].split(",").map(Number);
    const shift = /translate\(([-\d.]+)[ ,]([-\d.]+)\)/.exec(attributes);
    const [dx, dy] = matrix?.slice(4) ?? (shift ? [Number(shift[1]), Number(shift[2])] : [0, 0]);
    const [x, y] = [dx + Number(of("x")), dy + Number(of("y"))];
    // Names of y axes are turned by a quarter.
    const isTurned = matrix !== undefined && Math.abs(matrix[1]) > 0.5;
    return {
      text,
      box: isTurned
        ? [dx - size / 2, dx + size / 2, dy - length / 2, dy + length / 2]
        : [x - before, x - before + length, y - size / 2, y + size / 2],
    };
  });
}

test("in many ranges no text leaves its panel or lies on another, and numbers are short", async () => {
  const ranges: [number, number, boolean][] = [
    [1e-5, 1e-4, true],
    [9e-4, 0.31, true],
    [1e-8, 1e9, true],
    [5, 2e6, true],
    [0, 1e-4, false],
    [0, 70_000, false],
    [0.8531, 0.8532, false],
    [-1e-7, 2e-7, false],
    [1e6, 1e6 + 1, false],
  ];
  const charts = ranges.map(
    ([least, most, log], i): Chart => ({
      title: `panel ${i} ${"of a long title ".repeat(i % 5)}`.trim(),
      x: { label: "outer steps" },
      y: { label: "mean squared error", log },
      series: [{ name: i % 2 === 0 ? "even" : "odd", points: [[0, least] as const, [12_500, most] as const] }],
    }),
  );
  const svg = readFileSync(await writeCharts(join(folder, "ranges.svg"), charts, { columns: 3 }), "utf8");
  const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg)?.map(Number) ?? [];
  const all = texts(svg);
  expect(all.length).toBeGreaterThan(9 * 8);
  const panelOf = ([left, right, top, bottom]: number[]) => [
    Math.floor(left / (width / 3)),
    Math.floor(right / (width / 3)),
    Math.floor(top / ((height - 8) / 3)),
    Math.floor((bottom - 8) / ((height - 8) / 3)),
  ];
  for (const [i, { text, box }] of all.entries()) {
    const [left, right, top, bottom] = panelOf(box);
    expect({ text, panels: [right - left, bottom - top] }).toEqual({ text, panels: [0, 0] });
    if (/^[-\d.,e]+$/.test(text)) expect(text).not.toMatch(/00000000|9999999/);
    for (const other of all.slice(0, i)) {
      const apart =
        box[0] >= other.box[1] || box[1] <= other.box[0] || box[2] >= other.box[3] || box[3] <= other.box[2];
      expect({ text, on: apart ? null : other.text }).toEqual({ text, on: null });
    }
  }
});

test("charts of which none has all the series have a legend each", async () => {
  const other = { ...chart, title: "rates", series: [{ ...chart.series[0], name: "layer 1" }] };
  const svg = readFileSync(await writeCharts(join(folder, "legends.svg"), [chart, other, { ...other }]), "utf8");
  expect(svg.match(/>layer 1</g)).toHaveLength(2);
  expect(svg.match(/>Adam</g)).toHaveLength(1);
  const left = (name: string): number => texts(svg).find(({ text }) => text === name)?.box[0] ?? Number.NaN;
  expect(left("Adam")).toBeLessThan(380);
  expect(left("layer 1")).toBeGreaterThan(380);
});

test("a line of one point is seen", async () => {
  const points = [[1, 2]] as const;
  const one = readFileSync(
    await writeChart(join(folder, "one.svg"), { ...chart, series: [{ name: "SGD", points }] }),
    "utf8",
  );
  const empty = readFileSync(
    await writeChart(join(folder, "two.svg"), { ...chart, series: [{ name: "SGD", points: [[1, Number.NaN]] }] }),
    "utf8",
  );
  // The mark in the legend, and the point.
  expect(one.match(/<path [^>]*stroke="#0072b2"|<path [^>]*fill="#0072b2"/g)?.length ?? 0).toBeGreaterThan(
    empty.match(/<path [^>]*stroke="#0072b2"|<path [^>]*fill="#0072b2"/g)?.length ?? 0,
  );
});
