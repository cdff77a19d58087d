/**
 * Line charts as SVG files, by Apache ECharts, which draws without a browser.
 *
 * A *series* is a line, or dots, with a name in the legend. A *chart* is a pair of axes with series in it. Several
 * charts in one picture share a legend: series of the same name have the same colour.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

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
 * Draws several charts side by side, under one legend.
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

/** Space around a panel's axes, in pixels: above for its title, left and below for the axes' names. */
const MARGIN = { left: 66, right: 24, top: 34, bottom: 52 };
const LEGEND = { line: 24, perLine: 5 };

async function write(
  path: string,
  charts: readonly Chart[],
  { columns, panel }: { columns: number; panel: { width: number; height: number } },
): Promise<string> {
  for (const chart of charts) check(path, chart);
  const names = [...new Set(charts.flatMap(({ series }) => series.map(({ name }) => name)))];
  const top = LEGEND.line * Math.ceil(names.length / LEGEND.perLine) + 8;
  const width = panel.width * Math.min(columns, charts.length);
  const height = top + panel.height * Math.ceil(charts.length / columns);
  const corner = (i: number) => ({
    left: (i % columns) * panel.width,
    top: top + Math.floor(i / columns) * panel.height,
  });

  const canvas = init(null, null, { renderer: "svg", ssr: true, width, height });
  canvas.setOption({
    animation: false,
    backgroundColor: "#fff",
    textStyle: { fontFamily: "sans-serif" },
    legend: { top: 6, data: names, itemWidth: 34, itemGap: 20 },
    title: charts.map(({ title }, i) => ({
      text: title,
      left: corner(i).left + panel.width / 2,
      top: corner(i).top + 6,
      textAlign: "center",
      textStyle: { fontSize: 14, fontWeight: "bold" },
    })),
    grid: charts.map((_, i) => ({
      left: corner(i).left + MARGIN.left,
      top: corner(i).top + MARGIN.top,
      width: panel.width - MARGIN.left - MARGIN.right,
      height: panel.height - MARGIN.top - MARGIN.bottom,
    })),
    xAxis: charts.map(({ x }, i) => ({ ...axis(x), gridIndex: i, nameGap: 28 })),
    yAxis: charts.map(({ y }, i) => ({ ...axis(y), gridIndex: i, nameGap: 44 })),
    series: charts.flatMap(({ series }, i) =>
      series.map(({ name, points, dashed = false, dots = false }) => ({
        type: dots ? "scatter" : "line",
        name,
        xAxisIndex: i,
        yAxisIndex: i,
        data: points.map(([x, y]) => [x, Number.isFinite(y) ? y : "-"]),
        color: COLOURS[names.indexOf(name) % COLOURS.length],
        symbol: dots ? "circle" : "none",
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

const axis = ({ label, log = false }: Axis) => ({
  type: log ? "log" : "value",
  name: label,
  nameLocation: "middle",
  // From the smallest to the largest value there is: 0 need not be on the axis.
  scale: true,
  axisLine: { onZero: false },
  splitLine: { lineStyle: { color: "#e6e8eb" } },
  ...(log ? { axisLabel: { formatter: power } } : {}),
});

/** "0.1", "10", and "1e9" rather than "1,000,000,000". */
const power = (value: number): string => (value < 1e5 && value > 1e-5 ? String(value) : value.toExponential(0));

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
