/**
 * Whether a run did what it should: after adaptation the error is a small part of what it was.
 *
 * That is wanted of a run with the usual settings, or more of them. Who tries others, or a shorter run, looks for something
 * else, and is told the figure; there is nothing to fail.
 */
export interface Verdict {
  readonly failed: boolean;
  /** One line. */
  readonly text: string;
}

/** How many times smaller the error is to become. */
const WANTED = 5;

/**
 * Judges a run.
 *
 * @param ratio     the error before adaptation, divided by that after it
 * @param settings  of the run
 * @param usual     with which the ratio is to be had: as they are, and so many `iterations` at least
 */
export function verdict<S extends { readonly iterations: number }>(
  name: string,
  ratio: number,
  settings: S,
  usual: S,
): Verdict {
  const said = `${name}: ten steps make the error ${ratio.toFixed(1)} times smaller`;
  if (ratio > WANTED) return { failed: false, text: `passed: ${said} (wanted: more than ${WANTED} times)` };
  const { iterations } = settings;
  if (iterations < usual.iterations) {
    const why = `${iterations} meta-steps; from ${usual.iterations} on it is to be more than ${WANTED} times`;
    return { failed: false, text: `${said} (not checked because of ${why})` };
  }
  const other = (Object.keys(usual) as (keyof S)[]).filter(
    (key) => key !== "iterations" && settings[key] !== usual[key],
  );
  if (other.length > 0) {
    const own = other.map((key) => `${String(key)} ${settings[key]} in place of ${usual[key]}`).join(", ");
    return { failed: false, text: `${said} (not checked because of ${own})` };
  }
  return { failed: true, text: `FAILED: ${said}, wanted more than ${WANTED} times` };
}
