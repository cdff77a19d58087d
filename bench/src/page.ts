/**
 * `--html FILE`: a page without anything from elsewhere: the machine and the versions on top, charts, then all rows.
 */
import { chartsOf, drawn, HEIGHT, WIDTH } from "./charts.ts";
import { type Row, text } from "./rows.ts";

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] as string);

/** What the rows were measured on, in lines. */
export function circumstances(rows: readonly Row[]): string[] {
  const first = rows.find((row) => row.machine !== undefined) ?? {};
  const { processor, cores } = (first.machine ?? {}) as { processor?: string; cores?: number };
  const versions = Object.assign({}, ...rows.map((row) => row.versions ?? {})) as Record<string, string>;
  const loads = rows.flatMap((row) => (typeof row.load === "number" ? [row.load] : []));
  const who = new Set(
    rows.flatMap((row) => (row.description === undefined ? [] : [`${row.subject}: ${row.description}`])),
  );
  const [least, most] = [Math.min(...loads), Math.max(...loads)];
  return [
    `${processor}, ${cores} cores, ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    `load ${least} to ${most}${most > (cores ?? 1) ? ": other work went on, so read ratios, not times" : ""}`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
    ...who,
  ];
}

/** The page. */
export function page(rows: readonly Row[], args: readonly string[]): string {
  const charts = drawn(chartsOf(rows));
  const ids = [...new Set(rows.map(({ workload }) => workload))];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>loopgrad bench</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: ${2 * WIDTH + 40}px; margin: 24px auto; padding: 0 12px; color: #1c1e21 }
figure { display: inline-block; margin: 0 8px 16px 0 } pre { overflow-x: auto; font-size: 12px } svg { max-width: 100% }
</style>
<h1>loopgrad bench</h1>
<ul>${circumstances(rows)
    .map((line) => `<li>${escaped(line)}</li>`)
    .join("")}</ul>
<pre>pnpm bench ${escaped(args.join(" "))}</pre>
${charts.map((chart) => `<figure>${chart}</figure>`).join("\n")}
${ids.map((id) => `<pre>${escaped(text(rows.filter(({ workload }) => workload === id)))}</pre>`).join("\n")}
</html>
`;
}

/** All charts in one picture, in two columns. */
export function picture(rows: readonly Row[]): string {
  const charts = drawn(chartsOf(rows));
  const height = HEIGHT * Math.max(1, Math.ceil(charts.length / 2));
  const placed = charts.map((chart, i) =>
    chart.replace("<svg ", `<svg x="${(i % 2) * WIDTH}" y="${Math.floor(i / 2) * HEIGHT}" `),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * WIDTH}" height="${height}" viewBox="0 0 ${2 * WIDTH} ${height}">
<rect width="100%" height="100%" fill="#fff"/>
${placed.join("\n")}
</svg>
`;
}
