/**
 * Charts of rows, as SVG: time against inner steps and against tasks, memory against inner steps, work a second against size.
 *
 * A *chart* has the rows that differ in its x and in who measured them; each of these is a *line*. A chart of one x is none.
 */
import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Row } from "./rows.ts";

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

/** What is drawn against what. */
const KINDS = [
  { y: "minMs", x: "steps", yLabel: "ms, fastest call", xLabel: "inner steps" },
  { y: "minMs", x: "tasks", yLabel: "ms, fastest call", xLabel: "tasks" },
  { y: "heldBytes", x: "steps", yLabel: "bytes held after the last step", xLabel: "inner steps" },
  { y: "gflops", x: "size", yLabel: "GFLOP/s", xLabel: "size" },
  { y: "gbps", x: "size", yLabel: "GB/s", xLabel: "size" },
] as const;

/** What a line is called by, and what a chart is called by besides its workload. */
const [LINE, CHART] = [
  ["subject", "device", "optimizer", "checkpoint"],
  ["steps", "tasks", "size", "shape", "part", "dtype"],
] as const;

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

const isNumber = (x: unknown): x is number => typeof x === "number" && Number.isFinite(x) && x > 0;

/** The charts that there are rows for. */
export function chartsOf(rows: readonly Row[]): Chart[] {
  return KINDS.flatMap(({ x, y, xLabel, yLabel }) => {
    const groups = new Map<string, Row[]>();
    for (const row of rows) {
      if (!isNumber(row[x]) || !isNumber(row[y])) continue;
      // w0 with 25 tasks is w1: against tasks they are one.
      const id = x === "tasks" ? "meta-gradient" : String(row.workload);
      const others = CHART.filter((name) => name !== x && row[name] !== undefined && row[name] !== "float32");
      const title = [id, ...others.map((name) => (isNumber(row[name]) ? `${name} ${row[name]}` : row[name]))].join(
        ", ",
      );
      groups.set(title, [...(groups.get(title) ?? []), row]);
    }
    return [...groups]
      .filter(([, its]) => new Set(its.map((row) => row[x])).size > 1)
      .map(([title, its]) => ({ title, xLabel, yLabel, lines: linesOf(its, x, y) }));
  });
}

function linesOf(rows: readonly Row[], x: string, y: string): Chart["lines"] {
  const lines = new Map<string, [number, number][]>();
  for (const row of rows) {
    const name = [...new Set(LINE.flatMap((key) => (row[key] === undefined ? [] : [String(row[key])])))]
      .filter((word, _, words) => !(words[0].includes(":") && words[0].endsWith(`:${word}`)))
      .join(" ");
    lines.set(name, [...(lines.get(name) ?? []), [row[x] as number, row[y] as number]]);
  }
  return [...lines].map(([name, points]) => ({ name, points: points.sort(([a], [b]) => a - b) }));
}

export const WIDTH = 560;
export const HEIGHT = 380;

/** Okabe and Ito's colours, which people who see fewer colours tell apart too. */
const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8f98"];

/** Charts as SVG elements. Both axes are logarithmic, and a line has the same colour in all. */
export function drawn(charts: readonly Chart[]): string[] {
  const names = [...new Set(charts.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  return charts.map((chart) => draw(chart, names));
}

function draw({ title, xLabel, yLabel, lines }: Chart, names: readonly string[]): string {
  const canvas = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  const axis = (name: string, nameGap: number) => ({
    type: "log",
    name,
    nameGap,
    nameLocation: "middle",
    splitLine: { lineStyle: { color: "#e6e8eb" } },
    axisLabel: { hideOverlap: true, formatter: (value: number) => String(Number(value.toPrecision(3))) },
  });
  canvas.setOption({
    animation: false,
    backgroundColor: "#fff",
    textStyle: { fontFamily: "sans-serif" },
    title: { text: title, left: "center", top: 6, textStyle: { fontSize: 14 } },
    legend: { top: 30, itemGap: 14, data: lines.map(({ name }) => name) },
    grid: { left: 90, right: 24, top: 86, bottom: 50 },
    xAxis: { ...axis(xLabel, 28), ...extent(lines.flatMap(({ points }) => points.map(([x]) => x))) },
    yAxis: axis(yLabel, 64),
    series: lines.map(({ name, points }) => ({
      type: "line",
      name,
      data: points,
      color: COLOURS[names.indexOf(name) % COLOURS.length],
      symbolSize: 7,
      lineStyle: { width: name.startsWith("loopgrad") ? 3 : 1.5 },
    })),
  });
  const svg = canvas.renderToSVGString();
  canvas.dispose(); // it would keep the process alive
  return svg;
}

const extent = (xs: readonly number[]) => ({ min: Math.min(...xs), max: Math.max(...xs) });
