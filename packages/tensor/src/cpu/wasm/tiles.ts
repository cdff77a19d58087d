/**
 * The kernel of matrix products and convolutions in WebAssembly, with vectors of two doubles.
 *
 * It does what `tile` in steps/panels.ts does, multiplication by multiplication and sum by sum in the same order, so its
 * results are the same to the bit: two results of a row are two lanes of a vector. Panels are copied into the module's
 * memory, and sums back: of n³ multiplications that costs n² copies.
 *
 * A function of its own computes one tile: engines compile WebAssembly twice, quickly and then well, and exchange a function only
 * between its calls.
 */
import { Code, I32, moduleOf, V128 } from "./assembler.ts";

const DOUBLE = 8;
const VECTOR = 16;
/** Results of a tile are 4 × 4: rows of two vectors. */
const ROWS = 4;
/** Bytes from one depth of a panel to the next: four lines. */
const STEP = 4 * DOUBLE;
const PAGE = 65_536;
/** What 32 bits address. */
const MOST_PAGES = 65_536;

/** (a, b, depth, sum, width): adds a tile to `sum`, whose rows are `width` bytes apart. Depth is at least 1. */
function tile(): Code {
  const code = new Code([I32, I32, I32, I32, I32]);
  const [a, b, depth, sum, width] = [0, 1, 2, 3, 4];
  const sums = Array.from({ length: ROWS }, () => [code.local(V128), code.local(V128)]);
  const right = [code.local(V128), code.local(V128)];
  const left = code.local(V128);
  code.repeat(() => {
    right.forEach(
      (vector, i) =>
        void code
          .get(b)
          .access("v128.load", i * VECTOR)
          .set(vector),
    );
    for (let row = 0; row < ROWS; row++) {
      code
        .get(a)
        .access("v128.load64_splat", row * DOUBLE)
        .set(left);
      sums[row].forEach((lanes, i) => {
        code.get(lanes).get(left).get(right[i]).op("f64x2.mul").op("f64x2.add").set(lanes);
      });
    }
    code.advance(a, STEP).advance(b, STEP).advance(depth, -1).get(depth);
  });
  for (let row = 0; row < ROWS; row++) {
    sums[row].forEach((lanes, i) => {
      code
        .get(sum)
        .get(sum)
        .access("v128.load", i * VECTOR)
        .get(lanes)
        .op("f64x2.add")
        .access("v128.store", i * VECTOR);
    });
    if (row < ROWS - 1) code.get(sum).get(width).op("i32.add").set(sum);
  }
  return code;
}

/**
 * (a, b, depth, rows, columns, sum): all tiles of packed panels, whose numbers of rows and columns are multiples of a tile's
 * and not 0. A right panel stays in the first cache while all rows pass by.
 */
function multiply(tileIndex: number): Code {
  const code = new Code([I32, I32, I32, I32, I32, I32]);
  const [a, b, depth, rows, columns, sum] = [0, 1, 2, 3, 4, 5];
  const [left, at, row, column, panel, width] = Array.from({ length: 6 }, () => code.local(I32));
  code.get(depth).constant(STEP).op("i32.mul").set(panel);
  code.get(columns).constant(DOUBLE).op("i32.mul").set(width);
  code.repeat(() => {
    code.get(a).set(left).get(sum).set(at).constant(0).set(row);
    code.repeat(() => {
      for (const argument of [left, b, depth, at, width]) code.get(argument);
      code.call(tileIndex);
      code.get(left).get(panel).op("i32.add").set(left);
      code.get(at).get(width).constant(ROWS).op("i32.mul").op("i32.add").set(at);
      code.advance(row, ROWS).get(row).get(rows).op("i32.lt_s");
    });
    code.get(b).get(panel).op("i32.add").set(b);
    code.advance(sum, STEP).advance(column, ROWS).get(column).get(columns).op("i32.lt_s");
  });
  return code;
}

/**
 * Multiplies packed panels: `sum`, row-major from its start, grows by the product. Rows and columns are whole tiles. False, and
 * nothing done, where the module's memory cannot hold them.
 */
export type MultiplyPanels = (
  left: Float64Array,
  right: Float64Array,
  depth: number,
  rows: number,
  columns: number,
  sum: Float64Array,
) => boolean;

/** The module's bytes. */
export const tilesModule = (): Uint8Array<ArrayBuffer> =>
  moduleOf([{ code: tile() }, { code: multiply(0), exported: "multiply" }]);

/**
 * The kernel; null where the engine has no vectors.
 *
 * @param maxPages  of 64 KiB, that its memory may grow to
 * @throws  CompileError where a page's content policy forbids WebAssembly
 */
export function wasmTiles(maxPages = MOST_PAGES): MultiplyPanels | null {
  const bytes = tilesModule();
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(bytes)) return null;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: maxPages });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const run = exports.multiply as (...args: number[]) => void;
  let doubles = new Float64Array(memory.buffer);
  return (left, right, depth, rows, columns, sum) => {
    const [a, b, c] = [rows * depth, columns * depth, rows * columns];
    if (doubles.length < a + b + c) {
      try {
        memory.grow(Math.ceil(((a + b + c) * DOUBLE - doubles.byteLength) / PAGE));
      } catch {
        return false;
      }
      doubles = new Float64Array(memory.buffer);
    }
    doubles.set(left.subarray(0, a), 0);
    doubles.set(right.subarray(0, b), a);
    doubles.set(sum.subarray(0, c), a + b);
    run(0, a * DOUBLE, depth, rows, columns, (a + b) * DOUBLE);
    sum.set(doubles.subarray(a + b, a + b + c), 0);
    return true;
  };
}
