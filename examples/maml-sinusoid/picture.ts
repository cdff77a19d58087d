/**
 * A picture of adaptation: held-out waves, with the model's curve before and after a few gradient steps. SVG.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { linspace, type Sequential, type SGD, scope } from "loopgrad";
import { adapt } from "./maml.ts";
import { sineTask, X_RANGE } from "./tasks.ts";

const WAVES = 6;
const POINTS = 101;
/** One panel, and the space around the panels, in SVG units. */
const PANEL = { width: 300, height: 200, gap: 24, top: 56 };
/** Curves: the number of steps, colour and dashes. */
const CURVES = [
  { steps: 0, stroke: "#8a8f98", dashes: "2 4" },
  { steps: 1, stroke: "#e08a1e", dashes: "6 4" },
  { steps: 10, stroke: "#1f6feb", dashes: "none" },
];
const Y_MAX = 5.5;

/**
 * Adapts to a few waves and draws them.
 *
 * @returns  the path of the SVG file
 */
export async function writePicture(
  model: Sequential,
  inner: SGD,
  { shots, out }: { shots: number; out: string },
): Promise<string> {
  const panels: string[] = [];
  for (let i = 0; i < WAVES; i++) {
    using _ = scope();
    const x = linspace(X_RANGE.min, X_RANGE.max, POINTS).reshape([POINTS, 1]);
    const task = sineTask(shots, x);
    const predictions = adapt(model, inner, task, 10);
    const tensors = [x, task.query.y, task.support.x, task.support.y, ...CURVES.map(({ steps }) => predictions[steps])];
    const [xs, target, supportX, supportY, ...curves] = await Promise.all(tensors.map((tensor) => tensor.data()));
    const lines = [
      polyline(xs, target, "#2da44e", "none", 5, 0.35),
      ...CURVES.map(({ stroke, dashes }, k) => polyline(xs, curves[k], stroke, dashes, 2, 1)),
    ];
    const dots = Array.from(supportX, (px, k) => {
      const [cx, cy] = place(px, supportY[k]);
      return `<circle cx="${cx}" cy="${cy}" r="4" fill="#1f2328"/>`;
    });
    const [column, row] = [i % 3, Math.floor(i / 3)];
    const left = PANEL.gap + column * (PANEL.width + PANEL.gap);
    const top = PANEL.top + row * (PANEL.height + PANEL.gap);
    const frame = `<rect width="${PANEL.width}" height="${PANEL.height}" fill="#fff" stroke="#d0d7de"/>`;
    panels.push(
      `<svg x="${left}" y="${top}" width="${PANEL.width}" height="${PANEL.height}">${frame}${lines.join("")}${dots.join("")}</svg>`,
    );
  }
  await mkdir(out, { recursive: true });
  const file = join(out, "maml-sinusoid.svg");
  await writeFile(file, svg(panels));
  return file;
}

function svg(panels: readonly string[]): string {
  const width = PANEL.gap + 3 * (PANEL.width + PANEL.gap);
  const height = PANEL.top + 2 * (PANEL.height + PANEL.gap);
  const legend = [
    { stroke: "#2da44e", dashes: "none", text: "the wave" },
    ...CURVES.map((curve) => ({
      ...curve,
      text: curve.steps === 0 ? "before" : `after ${curve.steps} step${curve.steps > 1 ? "s" : ""}`,
    })),
  ].map(({ stroke, dashes, text }, i) => {
    const x = PANEL.gap + i * 180;
    const line = `<line x1="${x}" x2="${x + 32}" y1="30" y2="30" stroke="${stroke}" stroke-width="3" stroke-dasharray="${dashes}"/>`;
    return `${line}<text x="${x + 40}" y="35">${text}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="15" role="img">
<title>Adaptation to held-out sine waves, before and after gradient steps on the dots</title>
<rect width="${width}" height="${height}" fill="#f6f8fa"/>
${[...legend, ...panels].join("\n")}
</svg>
`;
}

function polyline(
  xs: ArrayLike<number>,
  ys: ArrayLike<number>,
  stroke: string,
  dashes: string,
  width: number,
  opacity: number,
): string {
  const points = Array.from({ length: xs.length }, (_, i) => place(xs[i], ys[i]).join(","));
  return `<polyline points="${points.join(" ")}" fill="none" stroke="${stroke}" stroke-width="${width}" stroke-dasharray="${dashes}" opacity="${opacity}"/>`;
}

/** A point of the graph in a panel's units. */
function place(x: number, y: number): [number, number] {
  const px = ((x - X_RANGE.min) / (X_RANGE.max - X_RANGE.min)) * PANEL.width;
  const py = (0.5 - y / (2 * Y_MAX)) * PANEL.height;
  return [Number(px.toFixed(1)), Number(py.toFixed(1))];
}
