/**
 * Making an image smaller, by Lanczos's filter: each new pixel is a weighted mean of the old ones around it, near ones most.
 */

/** Lobes of the filter, in new pixels to each side. */
const LOBES = 3;

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x: number): number => (Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0);

/** For each new pixel of a row: the first old pixel that counts, and the weights from there on. */
function weights(from: number, to: number): { first: number; of: number[] }[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - LOBES * scale + 0.5));
    const end = Math.min(from, Math.floor(centre + LOBES * scale + 0.5));
    const raw = Array.from({ length: end - first }, (_, j) => lanczos((first + j + 0.5 - centre) / scale));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, of: raw.map((w) => w / sum) };
  });
}

/** In 256 steps from 0 to 1, as images have them: Pillow, with which the known copies of the data were made, does so too. */
const stepped = (x: number): number => Math.round(255 * Math.min(1, Math.max(0, x))) / 255;

/**
 * Makes a square image smaller, along the rows and then along the columns.
 *
 * @param pixels  from × from numbers, row by row, from 0 to 1
 * @returns       to × to numbers from 0 to 1
 */
export function resized(pixels: Float32Array, from: number, to: number): Float32Array {
  const filter = weights(from, to);
  const rows = new Float32Array(from * to);
  for (let y = 0; y < from; y++) {
    for (let i = 0; i < to; i++) {
      const { first, of } = filter[i];
      let sum = 0;
      for (let j = 0; j < of.length; j++) sum += of[j] * pixels[y * from + first + j];
      rows[y * to + i] = stepped(sum);
    }
  }
  const out = new Float32Array(to * to);
  for (let i = 0; i < to; i++) {
    const { first, of } = filter[i];
    for (let x = 0; x < to; x++) {
      let sum = 0;
      for (let j = 0; j < of.length; j++) sum += of[j] * rows[(first + j) * to + x];
      out[i * to + x] = stepped(sum);
    }
  }
  return out;
}
