/**
 * The two charts, as SVG: colours and line styles come from the style sheet.
 */
import { type Curves, type View, X_MAX } from "./training.ts";

const WIDTH = 600;
const HEIGHT = 340;
const MARGIN = { left: 42, right: 10, top: 12, bottom: 26 };
const Y_MAX = 5.5;

type Scale = (value: number) => number;

const linear =
  (from: readonly [number, number], to: readonly [number, number]): Scale =>
  (value) =>
    to[0] + ((value - from[0]) / (from[1] - from[0])) * (to[1] - to[0]);

const across: readonly [number, number] = [MARGIN.left, WIDTH - MARGIN.right];
const upward: readonly [number, number] = [HEIGHT - MARGIN.bottom, MARGIN.top];

/** Draws a wave, the points on it, and the network's curve before and after adaptation. */
export function drawWave(group: SVGElement, curves: Curves, { points }: View): void {
  const [x, y] = [linear([-X_MAX, X_MAX], across), linear([-Y_MAX, Y_MAX], upward)];
  group.innerHTML = [
    ...[-4, -2, 0, 2, 4].map((tick) => horizontal(y(tick), String(tick))),
    ...[-4, -2, 0, 2, 4].map((tick) => below(x(tick), String(tick))),
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
  const last = Math.max(20, steps[steps.length - 1] ?? 0);
  const [low, high] = LOSS_RANGE;
  const log = (loss: number): number => Math.log10(Math.min(high, Math.max(low, loss)));
  const [x, y] = [linear([0, last], across), linear([log(low), log(high)], upward)];
  group.innerHTML = [
    ...[0.1, 0.3, 1, 3, 10].map((tick) => horizontal(y(log(tick)), String(tick))),
    ...[0, 0.5, 1].map((share) => below(x(last * share), String(Math.round(last * share)))),
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

const horizontal = (y: number, label: string): string =>
  `<line class="axis" x1="${across[0]}" x2="${across[1]}" y1="${y}" y2="${y}"/>` +
  `<text class="tick" x="${across[0] - 6}" y="${y + 4}" text-anchor="end">${label}</text>`;

const below = (x: number, label: string): string =>
  `<text class="tick" x="${x}" y="${HEIGHT - 8}" text-anchor="${x > across[1] - 20 ? "end" : "middle"}">${label}</text>`;
