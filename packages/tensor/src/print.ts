/**
 * A tensor's elements as text and as HTML, as torch prints them: four digits, columns of one width, and of more than a
 * thousand elements only the first and the last few along each dimension.
 *
 * Numbers share one *notation*: whole, fixed (four digits after the point), or, where their magnitudes lie far apart,
 * scientific. NaN and infinities have no say in it.
 */
import { type DType, isFloat } from "./dtype.ts";
import { numel, type Shape } from "./shape.ts";

/** Larger tensors are summarised. */
const MOST_ELEMENTS = 1000;
/** What is shown of a dimension of a summarised tensor, at each end; with many dimensions that is still much. */
const edgeOf = (rank: number): number => (rank <= 4 ? 3 : 1);
const LINE = 80;
const DIGITS = 4;

const GAP = "…";

/**
 * Elements in nested brackets.
 *
 * @param data  row-major
 * @example     printed(Float32Array.of(1, 0.5, 2, 3), [2, 2], "float32")
 *              // [[1.0000, 0.5000],
 *              //  [2.0000, 3.0000]]
 */
export function printed(data: ArrayLike<number>, shape: Shape, dtype: DType): string {
  const { positions, summarised } = shownOf(shape);
  const format = formatOf(
    positionsIn(shape, summarised, positions).map((at) => data[at]),
    dtype,
  );
  const write = (axis: number, start: number): string => {
    if (axis === shape.length) return format(data[start]);
    const stride = numel(shape.slice(axis + 1));
    const parts = positions[axis].map((i) => (i < 0 ? GAP : write(axis + 1, start + i * stride)));
    return `[${joined(parts, axis, shape.length)}]`;
  };
  return write(0, 0);
}

/** Elements in a row are wrapped, rows stand below each other, and matrices have lines between them. */
function joined(parts: readonly string[], axis: number, rank: number): string {
  const indent = " ".repeat(axis + 1);
  const below = rank - axis;
  if (below > 1) return parts.join(`,${"\n".repeat(below - 1)}${indent}`);
  const lines: string[] = [];
  let line = "";
  for (const part of parts) {
    if (line !== "" && indent.length + line.length + part.length + 2 > LINE) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? part : `, ${part}`;
  }
  return [...lines, line].join(`,\n${indent}`);
}

/**
 * Elements as an HTML table for one and two dimensions, as text for all else.
 *
 * @param data  row-major
 */
export function printedHtml(data: ArrayLike<number>, shape: Shape, dtype: DType): string {
  if (shape.length === 0 || shape.length > 2 || numel(shape) === 0) return `<pre>${printed(data, shape, dtype)}</pre>`;
  const matrix = shape.length === 2 ? shape : [1, shape[0]];
  const { positions, summarised } = shownOf(matrix);
  const format = formatOf(
    positionsIn(matrix, summarised, positions).map((at) => data[at]),
    dtype,
  );
  const rows = positions[0].map((row) => {
    const cells = positions[1].map((column) => {
      const text = row < 0 || column < 0 ? GAP : format(data[row * matrix[1] + column]).trim();
      return `<td style="text-align: right; font-family: monospace">${text}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<table>${rows.join("")}</table>`;
}

/** The positions along each dimension that are shown; −1 for a gap. */
function shownOf(shape: Shape): { positions: number[][]; summarised: boolean } {
  const summarised = numel(shape) > MOST_ELEMENTS;
  const edge = edgeOf(shape.length);
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  const positions = shape.map((d) =>
    !summarised || d <= 2 * edge ? range(0, d) : [...range(0, edge), -1, ...range(d - edge, d)],
  );
  return { positions, summarised };
}

/** The row-major positions of all elements that are shown. */
function positionsIn(shape: Shape, summarised: boolean, positions: readonly number[][]): number[] {
  if (!summarised) return Array.from({ length: numel(shape) }, (_, i) => i);
  let all = [0];
  for (const [axis, along] of positions.entries()) {
    const seen = along.filter((i) => i >= 0);
    all = all.flatMap((start) => seen.map((i) => start * shape[axis] + i));
  }
  return all;
}

/** How the elements that are shown are written: all to one width. */
function formatOf(shown: readonly number[], dtype: DType): (x: number) => string {
  const write = notationOf(shown, dtype);
  const width = shown.reduce((most, x) => Math.max(most, write(x).length), 0);
  return (x) => write(x).padStart(width);
}

function notationOf(shown: readonly number[], dtype: DType): (x: number) => string {
  if (dtype === "bool") return (x) => (x === 0 ? "false" : "true");
  if (!isFloat(dtype)) return String;
  const finite = shown.filter(Number.isFinite);
  const sizes = finite.map(Math.abs).filter((x) => x > 0);
  const least = sizes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = sizes.reduce((a, b) => Math.max(a, b), 0);
  const whole = finite.every(Number.isInteger);
  // torch's bounds: beyond them four digits after the point say too little, or numbers get too long.
  const apart = sizes.length > 0 && (most >= 1e8 || most / least > 1000 || (!whole && least < 1e-4));
  const ofWhole = sizes.length === 0 || (whole && most < 1e8);
  return (x) => {
    if (!Number.isFinite(x)) return String(x);
    if (ofWhole) return String(Object.is(x, -0) ? 0 : x);
    return apart ? x.toExponential(DIGITS) : x.toFixed(DIGITS);
  };
}

/** The elements after what is said of the tensor: in the same line if they take one, else below. */
export function withElements(said: string, data: ArrayLike<number>, shape: Shape, dtype: DType): string {
  const text = printed(data, shape, dtype);
  const fits = !text.includes("\n") && said.length + text.length < LINE;
  return `${said}${fits ? " " : "\n"}${text}`;
}
