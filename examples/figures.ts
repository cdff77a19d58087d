/**
 * Figures for tables: means, their spread, and shares in per cent.
 */

/** Mean and standard deviation of a sample (n − 1 in the denominator; 0 for a single value). */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/** 0.934 → "93.4 %" */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** 0.934, 0.012 → "93.4 % ± 1.2" */
export const percentWithDeviation = (mean: number, deviation: number): string =>
  `${percent(mean)} ± ${(100 * deviation).toFixed(1)}`;
