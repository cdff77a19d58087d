/**
 * Line charts as SVG files, by Apache ECharts, which draws without a browser.
 *
 * A *series* is a line, or dots, with a name in the legend. A *chart* is a pair of axes with series in it. Several
 * charts in one picture stand in *panels*, from which nothing of them juts out. They share a legend if one of them has all the
 * series; else each has its own. Series of the same name have the same colour.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { type Extent, extentOf, tickFormat, tickLength } from "./ticks.ts";

use([LineChart, ScatterChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

export interface Axis {
  readonly label: string;
  /** A logarithmic scale: every coordinate must be greater than 0. */
  readonly log?: boolean;
}

export interface Series {
  readonly name: string;
  /** [x, y] each. A point whose y is not finite leaves a gap in the line. */
  readonly points: readonly (readonly [number, number])[];
  readonly dashed?: boolean;
  /** Dots instead of a line. */
  readonly dots?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

/**
 * Draws one chart.
 *
 * @param path  of the SVG file; its folder is made
 * @returns     the path
 * @throws      RangeError for no series, or a coordinate that its logarithmic axis has no place for
 * @example     await writeChart("out/loss.svg", {
 *                title: "Training", x: { label: "steps" }, y: { label: "loss", log: true },
 *                series: [{ name: "SGD", points: [[0, 2.3], [100, 0.4]] }],
 *              });
 */
export function writeChart(path: string, chart: Chart): Promise<string> {
  return write(path, [chart], { columns: 1, panel: { width: 720, height: 420 } });
}

/**
 * Draws several charts side by side.
 *
 * @param columns  charts in a row
 * @returns        the path
 * @throws         RangeError as `writeChart` does
 */
export function writeCharts(
  path: string,
  charts: readonly Chart[],
  { columns = 3 }: { columns?: number } = {},
): Promise<string> {
  return write(path, charts, { columns, panel: { width: 380, height: 280 } });
}

/** Okabe and Ito's colours, which people who see fewer colours tell apart too. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8f98"];

/** Space around a panel's axes, in pixels: above for its title, below for the axis's numbers and name. */
const MARGIN = { right: 28, top: 34, bottom: 52 };
/** Left of the axes: the axis's name, and the least room for its numbers. */
const NAME = 24;
const LEAST_NUMBERS = 36;
/** No letter of these fonts is wider: of numbers and legends (12 pixels), and as a share of a title's size. */
const LETTER = 7.4;
const TITLE_LETTER = 0.62;
/** A legend's line: its height, the mark before a name, and the space between names. */
const LEGEND = { line: 24, mark: 40, gap: 20 };

async function write(
  path: string,
  charts: readonly Chart[],
  { columns, panel }: { columns: number; panel: { width: number; height: number } },
): Promise<string> {
  for (const chart of charts) check(path, chart);
  const namesOf = ({ series }: Chart): string[] => [...new Set(series.map(({ name }) => name))];
  const names = [...new Set(charts.flatMap(namesOf))];
  const isShared = charts.some((chart) => namesOf(chart).length === names.length);
  const width = panel.width * Math.min(columns, charts.length);
  const top = isShared ? LEGEND.line * legendLines(names, width) + 8 : 8;
  const own = isShared ? 0 : LEGEND.line * Math.max(...charts.map((chart) => legendLines(namesOf(chart), panel.width)));
  const cell = { width: panel.width, height: panel.height + own };
  const height = top + cell.height * Math.ceil(charts.length / columns);
  const corner = (i: number) => ({
    left: (i % columns) * cell.width,
    top: top + Math.floor(i / columns) * cell.height,
  });
  const extents = charts.map(({ series }) => {
    const points = series.flatMap((one) => one.points);
    return { x: extentOf(points.map(([x]) => x)), y: extentOf(points.map(([, y]) => y)) };
  });
  // The same for all panels, so that their axes stand below each other.
  const numbers = Math.max(
    LEAST_NUMBERS,
    ...charts.map(({ y }, i) => 16 + LETTER * tickLength(extents[i].y, y.log === true)),
  );
  const left = NAME + numbers;
  const legend = { itemWidth: 34, itemGap: LEGEND.gap };

  const canvas = init(null, null, { renderer: "svg", ssr: true, width, height });
  canvas.setOption({
    animation: false,
    backgroundColor: "#fff",
    textStyle: { fontFamily: "sans-serif" },
    legend: isShared
      ? { ...legend, top: 6, data: names }
      : charts.map((chart, i) => ({
          ...legend,
          data: namesOf(chart),
          left: corner(i).left + 8,
          width: cell.width - 16,
          top: corner(i).top + 26,
        })),
    title: charts.map(({ title }, i) => ({
      ...titleIn(title, cell.width - 16),
      left: corner(i).left + cell.width / 2,
      top: corner(i).top + 6,
      textAlign: "center",
    })),
    grid: charts.map((_, i) => ({
      left: corner(i).left + left,
      top: corner(i).top + MARGIN.top + own,
      width: cell.width - left - MARGIN.right,
      height: panel.height - MARGIN.top - MARGIN.bottom,
      outerBoundsMode: "none",
    })),
    xAxis: charts.map(({ x }, i) => ({ ...axis(x, extents[i].x), gridIndex: i, nameGap: 28 })),
    yAxis: charts.map(({ y }, i) => ({ ...axis(y, extents[i].y), gridIndex: i, nameGap: numbers })),
    series: charts.flatMap(({ series }, i) =>
      series.map(({ name, points, dashed = false, dots = false }) => ({
        type: dots ? "scatter" : "line",
        name,
        xAxisIndex: i,
        yAxisIndex: i,
        data: points.map(([x, y]) => [x, Number.isFinite(y) ? y : "-"]),
        color: COLOURS[names.indexOf(name) % COLOURS.length],
        // A line of one point would not be seen.
        symbol: dots || points.length === 1 ? "circle" : "none",
        symbolSize: 7,
        lineStyle: { width: 2, type: dashed ? "dashed" : "solid" },
      })),
    ),
  });
  const svg = canvas.renderToSVGString();
  canvas.dispose(); // it would keep the process alive
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, svg);
  return path;
}

/** A title that fits: a long one is smaller, one that is longer still is cut. */
function titleIn(title: string, width: number) {
  const fontSize = Math.max(9, Math.min(14, Math.floor(width / (TITLE_LETTER * title.length))));
  const most = Math.floor(width / (TITLE_LETTER * fontSize));
  const text = title.length <= most ? title : `${title.slice(0, most - 1)}…`;
  return { text, textStyle: { fontSize, fontWeight: "bold" } };
}

/** How many lines a legend takes, at most. */
function legendLines(names: readonly string[], width: number): number {
  let lines = 1;
  let used = 0;
  for (const name of names) {
    const item = LEGEND.mark + LETTER * name.length + LEGEND.gap;
    if (used > 0 && used + item > width - 16) {
      lines++;
      used = 0;
    }
    used += item;
  }
  return lines;
}

const axis = ({ label, log = false }: Axis, extent: Extent) => ({
  type: log ? "log" : "value",
  name: label,
  nameLocation: "middle",
  // From the smallest to the largest value there is: 0 need not be on the axis.
  scale: true,
  axisLine: { onZero: false },
  splitLine: { lineStyle: { color: "#e6e8eb" } },
  axisLabel: { formatter: tickFormat(extent, log), hideOverlap: true },
});

function check(path: string, { title, x, y, series }: Chart): void {
  if (series.length === 0) throw new RangeError(`chart ${path}: "${title}" has no series: give it at least one`);
  for (const { name, points } of series) {
    for (const point of points) {
      for (const [i, { label, log }] of [x, y].entries()) {
        if (!log || !(point[i] <= 0)) continue;
        throw new RangeError(
          `chart ${path}: ${name} has ${label} = ${point[i]} on a logarithmic axis: leave the point out, or log`,
        );
      }
    }
  }
}
