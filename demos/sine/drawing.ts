/**
 * The two charts, as SVG: colours and line styles come from the style sheet.
 *
 * They are drawn in CSS pixels, in the room that the page gives them, so that labels are as large on a phone as elsewhere.
 */
import { type Curves, type View, X_MAX } from "./training.ts";

const MARGIN = { left: 34, right: 10, top: 10, bottom: 24 };
const Y_MAX = 5.5;

type Scale = (value: number) => number;

const linear =
  (from: readonly [number, number], to: readonly [number, number]): Scale =>
  (value) =>
    to[0] + ((value - from[0]) / (from[1] - from[0])) * (to[1] - to[0]);

/** Where a chart has its axes: from left to right, and from bottom to top. */
interface Frame {
  readonly across: readonly [number, number];
  readonly upward: readonly [number, number];
}

/** Makes a unit of the chart a CSS pixel. */
function frameOf(group: SVGElement): Frame {
  const svg = group.ownerSVGElement as SVGSVGElement;
  const { width, height } = svg.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return { across: [MARGIN.left, width - MARGIN.right], upward: [height - MARGIN.bottom, MARGIN.top] };
}

/** Draws a wave, the points on it, and the network's curve before and after adaptation. */
export function drawWave(group: SVGElement, curves: Curves, { points }: View): void {
  const frame = frameOf(group);
  const [x, y] = [linear([-X_MAX, X_MAX], frame.across), linear([-Y_MAX, Y_MAX], frame.upward)];
  group.innerHTML = [
    ...[-4, -2, 0, 2, 4].map((tick) => horizontal(frame, y(tick), String(tick))),
    ...[-4, -2, 0, 2, 4].map((tick) => below(frame, x(tick), String(tick))),
    curve("target", curves.x, curves.target, x, y),
    curve("before", curves.x, curves.before, x, y),
    curve("after", curves.x, curves.after, x, y),
    ...Array.from(points.x, (px, i) => `<circle class="point" cx="${x(px)}" cy="${y(points.y[i])}" r="4.5"/>`),
  ].join("");
}

/** Errors that the chart of errors reaches from and to, on a logarithmic scale. */
const LOSS_RANGE = [0.1, 10] as const;

/** Draws the error over the meta-steps: every reading faintly, and a running average of them. */
export function drawLoss(group: SVGElement, steps: readonly number[], losses: readonly number[]): void {
  const frame = frameOf(group);
  const last = Math.max(20, steps[steps.length - 1] ?? 0);
  const [low, high] = LOSS_RANGE;
  const log = (loss: number): number => Math.log10(Math.min(high, Math.max(low, loss)));
  const [x, y] = [linear([0, last], frame.across), linear([log(low), log(high)], frame.upward)];
  group.innerHTML = [
    ...[0.1, 0.3, 1, 3, 10].map((tick) => horizontal(frame, y(log(tick)), String(tick))),
    ...[0, 0.5, 1].map((share) => below(frame, x(last * share), String(Math.round(last * share)))),
    curve("readings", steps, losses.map(log), x, y),
    curve("after", steps, runningAverage(losses).map(log), x, y),
  ].join("");
}

/** Each new value counts for a tenth, and for more at the start. */
function runningAverage(values: readonly number[]): number[] {
  let average = 0;
  return values.map((value, i) => (average += (value - average) / Math.min(i + 1, 10)));
}

function curve(kind: string, xs: ArrayLike<number>, ys: ArrayLike<number>, x: Scale, y: Scale): string {
  const points = Array.from({ length: xs.length }, (_, i) => `${x(xs[i]).toFixed(1)},${y(ys[i]).toFixed(1)}`);
  return `<polyline class="curve ${kind}" points="${points.join(" ")}"/>`;
}

const horizontal = ({ across: [left, right] }: Frame, y: number, label: string): string =>
  `<line class="axis" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>` +
  `<text class="tick" x="${left - 6}" y="${y + 4}" text-anchor="end">${label}</text>`;

const below = ({ across: [, right], upward: [bottom] }: Frame, x: number, label: string): string =>
  `<text class="tick" x="${x}" y="${bottom + 18}" text-anchor="${x > right - 20 ? "end" : "middle"}">${label}</text>`;
