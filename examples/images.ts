/**
 * Grey images in a grid: a PNG file by fast-png, or, with a label under each, an SVG file that holds them.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { encode } from "fast-png";

export interface Grid {
  /** How many images there are, and each one's size in pixels. */
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** Images in a row. */
  readonly columns: number;
  /** A word or two under each image. The file is SVG then. */
  readonly labels?: readonly string[];
  /** The values that become black and white; what lies outside is cut off. Default [0, 1]. */
  readonly range?: readonly [black: number, white: number];
  /** How many dots of the picture a pixel is wide and high. Default 3. */
  readonly scale?: number;
}

/** Dots between images, and the height of a label. */
const GAP = 4;
const LABEL = 16;

/**
 * Writes images, row by row of the grid.
 *
 * @param path    ends in .png, or in .svg where there are labels; its folder is made
 * @param pixels  count · height · width values, image by image, row by row
 * @returns       the path
 * @throws        RangeError if there are more or fewer pixels or labels than that, or the path ends otherwise
 * @example       await writeImages("out/digits.png", await images.data(), { count: 10, height: 28, width: 28, columns: 5 });
 */
export async function writeImages(path: string, pixels: ArrayLike<number>, grid: Grid): Promise<string> {
  const { count, height, width, labels } = grid;
  if (pixels.length !== count * height * width) {
    throw new RangeError(`images ${path}: ${pixels.length} pixels, wanted ${count} × ${height} × ${width}`);
  }
  if (labels !== undefined && labels.length !== count) {
    throw new RangeError(`images ${path}: ${labels.length} labels for ${count} images: give one for each`);
  }
  const wanted = labels === undefined ? ".png" : ".svg";
  if (extname(path) !== wanted) {
    throw new RangeError(
      `images ${path}: images ${labels === undefined ? "without" : "with"} labels become ${wanted}: name the file so`,
    );
  }
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, labels === undefined ? sheet(pixels, grid) : labelled(pixels, grid, labels));
  return path;
}

/** All images in one PNG, on white. */
function sheet(pixels: ArrayLike<number>, { count, height, width, columns, range, scale = 3 }: Grid): Uint8Array {
  const cell = { width: width * scale + GAP, height: height * scale + GAP };
  const size = {
    width: GAP + cell.width * Math.min(columns, count),
    height: GAP + cell.height * Math.ceil(count / columns),
  };
  const data = new Uint8Array(size.width * size.height).fill(255);
  const grey = shade(range);
  for (let i = 0; i < count; i++) {
    const [left, top] = [GAP + (i % columns) * cell.width, GAP + Math.floor(i / columns) * cell.height];
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const pixel = (i * height + Math.floor(y / scale)) * width + Math.floor(x / scale);
        data[(top + y) * size.width + left + x] = grey(pixels[pixel]);
      }
    }
  }
  return encode({ ...size, data, depth: 8, channels: 1 });
}

/** Each image as a PNG inside an SVG, with its label below. */
function labelled(pixels: ArrayLike<number>, grid: Grid, labels: readonly string[]): string {
  const { count, height, width, columns, range, scale = 3 } = grid;
  const cell = { width: width * scale + GAP, height: height * scale + LABEL + GAP };
  const grey = shade(range);
  const cells = labels.map((label, i) => {
    const data = Uint8Array.from({ length: height * width }, (_, p) => grey(pixels[i * height * width + p]));
    const png = Buffer.from(encode({ width, height, data, depth: 8, channels: 1 })).toString("base64");
    const [left, top] = [GAP + (i % columns) * cell.width, GAP + Math.floor(i / columns) * cell.height];
    return `<image x="${left}" y="${top}" width="${width * scale}" height="${height * scale}" image-rendering="pixelated" href="data:image/png;base64,${png}"/>
<text x="${left + (width * scale) / 2}" y="${top + height * scale + LABEL - 4}" text-anchor="middle">${escaped(label)}</text>`;
  });
  const total = {
    width: GAP + cell.width * Math.min(columns, count),
    height: GAP + cell.height * Math.ceil(count / columns),
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total.width} ${total.height}" width="${total.width}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
${cells.join("\n")}
</svg>
`;
}

/** Values to grey, 0 to 255. What is not a number is black. */
function shade([black, white]: readonly [number, number] = [0, 1]): (value: number) => number {
  return (value) => Math.round(255 * Math.min(1, Math.max(0, (value - black) / (white - black)))) || 0;
}

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c] ?? c);
