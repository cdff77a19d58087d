/**
 * The numbers at an axis: short, exact, and all of one axis in one notation.
 *
 * A *tick* is a place on an axis that has a number. Ticks come out of sums and powers of floating-point numbers, with an error in the
 * last digits that nobody wants to read.
 */

/** What an axis shows: the least and the greatest coordinate. */
export interface Extent {
  readonly least: number;
  readonly most: number;
}

/** Digits of a tick that are no error of rounding. */
const DIGITS = 10;
/** Steps between ticks that an axis has, about. */
const STEPS = 5;

/** The extent of the finite numbers; from 0 to 1 if there are none. */
export function extentOf(values: readonly number[]): Extent {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (Number.isFinite(value)) [least, most] = [Math.min(least, value), Math.max(most, value)];
  }
  return least <= most ? { least, most } : { least: 0, most: 1 };
}

/**
 * Writes the ticks of an axis: 0.25, 10,000 or 2.5e-4.
 *
 * Numbers of many digits are in powers of ten: on a linear axis whose largest number is below a thousandth, or at least a million;
 * on a logarithmic axis that leaves 0.001 to 100,000. There, what lies from 0.1 to 10 is written out all the same.
 */
export function tickFormat({ least, most }: Extent, log: boolean): (value: number) => string {
  const largest = Math.max(Math.abs(least), Math.abs(most));
  const powers = log ? least < 0.00099 || most > 100_001 : largest < 0.001 || largest >= 1e6;
  // A number that is nothing beside the axis's length is 0, with an error.
  const nothing = log ? 0 : 1e-9 * Math.max(most - least, largest);
  return (value) => {
    const exact = Math.abs(value) <= nothing ? 0 : Number(value.toPrecision(DIGITS));
    const size = Math.abs(exact);
    if (size === 0) return "0";
    const far = size < 1e-6 || size >= 1e9;
    if ((powers && !(log && size >= 0.1 && size <= 10)) || far) return exact.toExponential().replace("e+", "e");
    return size >= 10_000 ? exact.toLocaleString("en-US", { maximumFractionDigits: DIGITS }) : String(exact);
  };
}

/** How many characters the longest number at an axis has, about: for the room that it takes. */
export function tickLength(extent: Extent, log: boolean): number {
  const format = tickFormat(extent, log);
  const length = (value: number): number => format(value).length;
  if (log) {
    const [first, last] = [Math.floor(Math.log10(extent.least)), Math.ceil(Math.log10(extent.most))];
    return Math.max(...[first, last, Math.min(0, last)].map((power) => length(10 ** power)));
  }
  const { least, most } =
    extent.least === extent.most ? { least: extent.least - 0.5, most: extent.most + 0.5 } : extent;
  const step = niceStep((most - least) / STEPS);
  const first = Math.floor(least / step);
  const count = Math.min(20, Math.ceil(most / step) - first + 1);
  return Math.max(...Array.from({ length: count }, (_, i) => length((first + i) * step)));
}

/** 1, 2, 2.5 or 5 times a power of ten. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 2.5, 5].find((times) => times * power >= step * 0.999) ?? 10);
}
