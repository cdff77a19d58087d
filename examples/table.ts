/**
 * Tables on the terminal, by cli-table3: columns as wide as they need, numbers to the right.
 */
import Table from "cli-table3";

/**
 * Prints a table, with an empty line above it.
 *
 * @param head  the columns' names
 * @param rows  their cells; numbers stand as JavaScript writes them, so round them first: `x.toFixed(3)`
 * @throws      RangeError if a row has more or fewer cells than the head
 * @example     printTable(["steps", "error"], [[0, "3.125"], [1, "0.422"]]);
 */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  for (const row of rows) {
    if (row.length === head.length) continue;
    throw new RangeError(`table: a row has ${row.length} cells and the head ${head.length}: give them as many`);
  }
  // A column is of numbers if each of its cells begins like one: "93.1 %", "-0.2", "12 ms".
  const numeric = head.map((_, column) =>
    rows.every((row) => /^\s*([-+]?\.?\d|NaN|-?Infinity)/.test(String(row[column]))),
  );
  const table = new Table({
    head: [...head],
    colAligns: numeric.map((right) => (right ? "right" : "left")),
    // Plain text: a table that is piped into a file has no colours in it.
    style: { head: [], border: [] },
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
  table.push(...rows.map((row) => row.map(String)));
  console.log(`\n${table}`);
}
