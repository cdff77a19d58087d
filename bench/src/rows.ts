/**
 * Rows: what one workload with one setting gave, as JSON and as text.
 */

/** Numbers, words, and objects of them, by name. */
export type Row = Readonly<Record<string, unknown>>;

/** Rows in the order in which they are read best: one as a list, several as a table. */
export function text(rows: readonly Row[]): string {
  return rows.length === 1 ? listed(rows[0]) : table(rows);
}

/** The kernels of a profile: calls, time, bytes and share. */
export function profiled(profile: unknown): string {
  return table(profile as readonly Row[], ["kernel", "calls", "us", "bytes", "share"]);
}

/** One line for each number, with at most three decimals. */
function listed(row: Row): string {
  const { profile: _, ...numbers } = row;
  const flat = Object.entries(numbers).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([inner, one]) => [`${key}.${inner}`, one] as const)
      : [[key, value] as const],
  );
  const width = Math.max(...flat.map(([key]) => key.length));
  return flat.map(([key, value]) => `${key.padEnd(width)}  ${shown(value)}`).join("\n");
}

const COLUMNS = [
  "workload",
  "subject",
  "device",
  "steps",
  "tasks",
  "size",
  "shape",
  "part",
  "optimizer",
  "checkpoint",
  "dtype",
  "firstMs",
  "medianMs",
  "minMs",
  "ratio",
  "gflops",
  "gbps",
  "share",
  "dispatches",
  "submits",
  "bytesPerStep",
  "lateOverEarly",
  "bytes",
  "gzipBytes",
  "peakBytes",
  "load",
  "error",
];

/** The columns that any row has, aligned. */
function table(rows: readonly Row[], names: readonly string[] = COLUMNS): string {
  const columns = names.filter((name) => rows.some((row) => row[name] !== undefined));
  const cells = [
    columns,
    ...rows.map((row) => columns.map((name) => (row[name] === undefined ? "" : shown(row[name])))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  const isNumber = columns.map((name) => rows.every((row) => typeof (row[name] ?? 0) === "number"));
  return cells
    .map((line) =>
      line
        .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const shown = (x: unknown): string => (typeof x === "number" ? String(Math.round(x * 1000) / 1000) : String(x));
