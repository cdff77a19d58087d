/**
 * What came of a run: accuracy by class, the curve of the loss, and images that were taken for something else.
 */
import { join } from "node:path";
import { writeChart } from "../chart.ts";
import type { ImageSet } from "../data/images.ts";
import { writeImages } from "../images.ts";
import { printTable } from "../table.ts";

/** A row per class: its name, the share that was recognised, and the class it was most often taken for. */
export function printClasses(names: readonly string[], { labels }: ImageSet, answers: readonly number[]): void {
  // counts[i][j]: how many images of class i were taken for class j.
  const counts = names.map(() => names.map(() => 0));
  for (const [row, answer] of answers.entries()) counts[labels[row]][answer]++;
  const rows = counts.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const others = row.map((count, other) => (other === label ? 0 : count));
    const most = Math.max(...others);
    const share = (count: number): string => percent(count / total);
    return [names[label], share(row[label]), most === 0 ? "" : `${names[others.indexOf(most)]} (${share(most)})`];
  });
  printTable(["class", "recognised", "most often taken for"], rows);
}

/** Points (step, mean cross-entropy). */
export type Curve = [number, number][];

/** Draws the losses of batches, and of tests in between. */
export async function drawLoss(folder: string, batches: Curve, tests: Curve): Promise<void> {
  const path = await writeChart(join(folder, "fashion-mnist-loss.svg"), {
    title: "Cross-entropy along the run",
    x: { label: "steps" },
    y: { label: "nats" },
    series: [
      { name: "training batches", points: batches },
      { name: "test images", points: tests, dashed: true },
    ],
  });
  console.log(`chart: ${path}`);
}

/** Shows the first images that were taken for something else: what they are, and as what they were taken. */
export async function drawMistakes(
  folder: string,
  names: readonly string[],
  images: ImageSet,
  answers: readonly number[],
): Promise<void> {
  const wrong = images.rows.filter((row) => answers[row] !== images.labels[row]).slice(0, 24);
  if (wrong.length === 0) return;
  const { height, width } = images;
  const path = await writeImages(join(folder, "fashion-mnist-mistakes.svg"), images.pixels(wrong), {
    count: wrong.length,
    height,
    width,
    columns: 8,
    labels: wrong.map((row) => `${names[images.labels[row]]} as ${names[answers[row]]}`),
    scale: 4,
  });
  console.log(`mistakes: ${path}`);
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
