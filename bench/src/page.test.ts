import { expect, test } from "@jest/globals";
import { chartsOf } from "./charts.ts";
import { circumstances, page, picture } from "./page.ts";
import type { Row } from "./rows.ts";

const row = (subject: string, settings: Row, numbers: Row): Row => ({
  workload: "w0",
  subject,
  device: "cpu",
  description: `${subject} itself`,
  ...settings,
  ...numbers,
  load: 0.5,
  machine: { processor: "a processor", cores: 2 },
  versions: { loopgrad: "0.1.0", node: "20" },
});

const rows = [
  row("loopgrad", { steps: 1, tasks: 1 }, { minMs: 1 }),
  row("torch", { steps: 1, tasks: 1 }, { minMs: 2 }),
  row("loopgrad", { steps: 5, tasks: 1 }, { minMs: 3 }),
  row("torch", { steps: 5, tasks: 1 }, { minMs: 4 }),
  { ...row("loopgrad", { steps: 1, tasks: 25 }, { minMs: 9 }), workload: "w1" },
];

test("time stands against steps, a line for each subject, and against tasks over both workloads", () => {
  const charts = chartsOf(rows);
  expect(charts.map(({ title, xLabel }) => `${title} | ${xLabel}`)).toEqual([
    "w0, tasks 1 | inner steps",
    "meta-gradient, steps 1 | tasks",
  ]);
  expect(charts[0].lines).toEqual([
    {
      name: "loopgrad cpu",
      points: [
        [1, 1],
        [5, 3],
      ],
    },
    {
      name: "torch cpu",
      points: [
        [1, 2],
        [5, 4],
      ],
    },
  ]);
  expect(charts[1].lines[0].points).toEqual([
    [1, 1],
    [25, 9],
  ]);
});

test("rates stand against size, by shape; what has one size, or failed, is in no chart", () => {
  const kernel = (shape: string, size: number, numbers: Row) => row("loopgrad", { size, shape }, numbers);
  const charts = chartsOf([
    kernel("square", 64, { gflops: 1 }),
    kernel("square", 128, { gflops: 2 }),
    kernel("tall", 64, { gflops: 1 }),
    kernel("square", 256, { error: "differs" }),
    kernel("batched", 64, { gbps: 3 }),
    kernel("batched", 128, { gbps: 4 }),
  ]);
  expect(charts.map(({ title, yLabel }) => `${title} | ${yLabel}`)).toEqual([
    "w0, square | GFLOP/s",
    "w0, batched | GB/s",
  ]);
});

test("the page has the machine on top, the charts, and every row, and asks for nothing from elsewhere", () => {
  expect(circumstances(rows).slice(1)).toEqual([
    "load 0.5 to 0.5",
    "loopgrad 0.1.0, node 20",
    "loopgrad: loopgrad itself",
    "torch: torch itself",
  ]);
  const html = page(rows, ["w0", "--peers", "<torch>"]);
  expect(html).toContain("a processor, 2 cores");
  expect(html).toContain("&lt;torch&gt;");
  expect(html.match(/<svg /g)).toHaveLength(2);
  expect(html).not.toMatch(/(src|href)="http/);
  expect(picture(rows).match(/<svg /g)).toHaveLength(3);
});
