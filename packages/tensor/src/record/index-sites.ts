/**
 * Index sites: what an error says of an index that only a device could see.
 *
 * A *site* is an operation with the number of elements of its axis and the shape of its indices. Sites have numbers: a
 * program notes that of the first one that meets an index outside, together with the index, and whoever reads next finds the
 * words here. Equal sites have equal numbers, so that a loop makes the same plan every time.
 */
import { IndexError } from "../errors.ts";
import { type Shape, show } from "../shape.ts";

/** Where indices are used. */
export interface IndexSite {
  readonly op: string;
  /** Elements of the axis, or classes. */
  readonly n: number;
  /** Whether they are positions, of which negative ones count from the end, or names: classes and tokens. */
  readonly kind: "position" | "class" | "token";
  /** Whether the operation has an option `ignoreIndex`. */
  readonly ignorable?: boolean;
  /** Of the indices; null where there were too many sites to tell. */
  readonly shape: Shape | null;
}

/** An index outside its axis, and the number of its site. */
export interface OutsideIndex {
  readonly site: number;
  readonly index: number;
}

/** Sites beyond which shapes, and twice as many beyond which sizes too, are not told apart. */
const MOST_SITES = 4096;

/** 0 is no site. */
const sites: (IndexSite | null)[] = [null];
const numbers = new Map<string, number>();

/** The number of a site. */
export function siteNumber(site: IndexSite): number {
  if (sites.length > MOST_SITES && site.shape !== null) return siteNumber({ ...site, shape: null });
  if (sites.length > 2 * MOST_SITES && site.n >= 0) return siteNumber({ ...site, n: -1 });
  const key = `${site.op} ${site.n} ${site.kind} ${site.ignorable ?? false} ${site.shape}`;
  let number = numbers.get(key);
  if (number === undefined) {
    number = sites.push(site) - 1;
    numbers.set(key, number);
  }
  return number;
}

/** What is wrong with an index, in words. */
export function outsideMessage(site: IndexSite, index: number): string {
  const { op, n, kind, ignorable = false, shape } = site;
  const axis = kind === "position" ? `an axis of size ${n}` : kind === "class" ? `${n} classes` : `${n} rows`;
  const range = n < 0 ? "its axis" : `[${kind === "position" ? -n : 0}, ${n}): out of range for ${axis}`;
  const indices = shape === null ? "" : ` (indices ${show(shape)})`;
  const remedy = ignorable ? `; { ignoreIndex: ${index} } skips it` : "";
  return `${op}: ${kind === "class" ? "class index" : "index"} ${index} is outside ${range}${indices}${remedy}`;
}

/** The error of a read after a program met an index outside. */
export function indexError({ site, index }: OutsideIndex): IndexError {
  const { [site]: known } = sites;
  const message = known ? outsideMessage(known, index) : `index ${index} is outside its axis`;
  return new IndexError(`${message}. Only the device knew it, so it shows at the first read after the program ran`);
}
