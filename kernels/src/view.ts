/**
 * Views: index transforms, where movement operations end up.
 *
 * A *view* maps an index of its shape to an element of a row-major buffer: offset + Σ index·stride. It may have
 * a *valid range* per dimension (from padding): outside it the element is zero. A *chain* is a list of views,
 * innermost first: the element number that one view yields is taken apart by the shape of the view inside it.
 * Movement operations change the outermost view, and add one to the chain only where strides cannot say it
 * (a reshape across a permuted or padded dimension).
 */

export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** Valid where lo[i] <= index[i] < hi[i]; null: everywhere. */
  readonly valid: { readonly lo: readonly number[]; readonly hi: readonly number[] } | null;
}

export type Chain = readonly View[];

/** A movement operation: its name, its attributes (as in the primitive table) and the shape it makes. */
export interface Move {
  readonly name: string;
  readonly attrs: readonly number[];
  readonly shape: readonly number[];
}

/** The row-major view of a buffer. */
export function contiguous(shape: readonly number[]): View {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return { shape, strides, offset: 0, valid: null };
}

export function applyMoves(chain: Chain, moves: readonly Move[]): Chain {
  for (const move of moves) chain = applyMove(chain, move);
  return chain;
}

export function applyMove(chain: Chain, move: Move): Chain {
  const outer = chain[chain.length - 1];
  const rest = chain.slice(0, -1);
  if (move.name === "reshape") {
    const view = reshaped(outer, move.shape);
    return view === null ? [...chain, contiguous(move.shape)] : [...rest, view];
  }
  // Windows overlap: their indices cannot be checked against a valid range, so they get a view of their own.
  if (move.name === "window" && outer.valid !== null) return [...chain, moved(contiguous(outer.shape), move)];
  return [...rest, moved(outer, move)];
}

function moved(view: View, { name, attrs, shape }: Move): View {
  const { strides, offset, valid } = view;
  const rank = view.shape.length;
  switch (name) {
    case "permute":
      return {
        shape,
        strides: attrs.map((axis) => strides[axis]),
        offset,
        valid: valid && { lo: attrs.map((axis) => valid.lo[axis]), hi: attrs.map((axis) => valid.hi[axis]) },
      };
    case "expand": {
      const grown = shape.map((d, i) => d !== view.shape[i]);
      return {
        shape,
        strides: strides.map((s, i) => (grown[i] ? 0 : s)),
        offset,
        valid: valid && {
          lo: valid.lo.map((l, i) => (grown[i] ? 0 : l)),
          hi: valid.hi.map((h, i) => (grown[i] ? (valid.lo[i] <= 0 && h >= 1 ? shape[i] : 0) : h)),
        },
      };
    }
    case "slice": {
      const step = (i: number) => attrs[2 * rank + i];
      const clamp = (x: number, i: number) => Math.min(Math.max(Math.ceil((x - attrs[i]) / step(i)), 0), shape[i]);
      return {
        shape,
        strides: strides.map((s, i) => s * step(i)),
        offset: strides.reduce((sum, s, i) => sum + s * attrs[i], offset),
        valid: valid && { lo: valid.lo.map(clamp), hi: valid.hi.map(clamp) },
      };
    }
    case "flip": {
      const flips = view.shape.map((_, i) => attrs.includes(i));
      return {
        shape,
        strides: strides.map((s, i) => (flips[i] ? -s : s)),
        offset: strides.reduce((sum, s, i) => (flips[i] ? sum + s * (shape[i] - 1) : sum), offset),
        valid: valid && {
          lo: valid.lo.map((l, i) => (flips[i] ? shape[i] - valid.hi[i] : l)),
          hi: valid.hi.map((h, i) => (flips[i] ? shape[i] - valid.lo[i] : h)),
        },
      };
    }
    case "pad":
      return {
        shape,
        strides,
        offset: strides.reduce((sum, s, i) => sum - s * attrs[i], offset),
        valid: {
          lo: view.shape.map((_, i) => (valid ? valid.lo[i] : 0) + attrs[i]),
          hi: view.shape.map((d, i) => (valid ? valid.hi[i] : d) + attrs[i]),
        },
      };
    case "window": {
      // [N, C, …S] → [N, C, …out, …kernel]: out index · stride + kernel index · dilation. Attrs: strides, dilations.
      const n = attrs.length / 2;
      const spatial = strides.slice(2);
      return {
        shape,
        strides: [
          ...strides.slice(0, 2),
          ...spatial.map((s, i) => s * attrs[i]),
          ...spatial.map((s, i) => s * attrs[n + i]),
        ],
        offset,
        valid: null,
      };
    }
    default:
      throw new Error(`not a movement operation: ${name}`);
  }
}

/** The view under a new shape, or null where its strides cannot express it. */
function reshaped(view: View, shape: readonly number[]): View | null {
  if (shape.includes(0) || view.shape.includes(0)) return { ...contiguous(shape), offset: view.offset };
  const rank = shape.length;
  const strides = new Array<number>(rank).fill(0);
  const lo = new Array<number>(rank).fill(0);
  const hi = [...shape];
  const full = (i: number) => view.valid === null || (view.valid.lo[i] <= 0 && view.valid.hi[i] >= view.shape[i]);
  let masked = false;
  let i = 0;
  let j = 0;
  // Walk both shapes in groups of equal size. Dimensions of size 1 carry no stride.
  while (i < view.shape.length || j < rank) {
    if (i < view.shape.length && view.shape[i] === 1) {
      if (!full(i)) return null;
      i++;
      continue;
    }
    if (j < rank && shape[j] === 1) {
      j++;
      continue;
    }
    if (i >= view.shape.length || j >= rank) return null;
    if (view.shape[i] === shape[j]) {
      strides[j] = view.strides[i];
      if (!full(i)) {
        masked = true;
        lo[j] = (view.valid as { lo: readonly number[] }).lo[i];
        hi[j] = (view.valid as { hi: readonly number[] }).hi[i];
      }
      i++;
      j++;
      continue;
    }
    const [i0, j0] = [i, j];
    let a = view.shape[i++];
    let b = shape[j++];
    while (a !== b) {
      if (a < b) a *= view.shape[i++];
      else b *= shape[j++];
    }
    let merged: number | null = null;
    for (let d = i0; d < i; d++) {
      if (!full(d)) return null;
      if (view.shape[d] === 1) continue;
      if (merged !== null && merged !== view.strides[d] * view.shape[d]) return null;
      merged = view.strides[d];
    }
    let stride = merged ?? 0;
    for (let d = j - 1; d >= j0; d--) {
      strides[d] = stride;
      stride *= shape[d];
    }
  }
  return { shape, strides, offset: view.offset, valid: masked ? { lo, hi } : null };
}

/** Does the chain yield element i for the i-th index in row-major order? */
export const isIdentity = (chain: Chain): boolean => rangeStart(chain) === 0;

/** Where the chain yields elements s, s + 1, s + 2, … for the indices in row-major order: s. Else −1. */
export function rangeStart(chain: Chain): number {
  if (chain.length !== 1) return -1;
  const { shape, strides, offset, valid } = chain[0];
  if (valid !== null) return -1;
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== stride) return -1;
    stride *= shape[i];
  }
  return offset;
}

/** Can any index of the chain fall outside its valid range? */
export const isMasked = (chain: Chain): boolean => chain.some((view) => view.valid !== null);

/** Equal chains have equal keys. */
export const chainKey = (chain: Chain): string =>
  chain
    .map((v) => `${v.shape}/${v.strides}/${v.offset}${v.valid === null ? "" : `/${v.valid.lo}/${v.valid.hi}`}`)
    .join(";");

/**
 * Which adjacent dimensions may be walked as one: for every view over the space, the strides continue each other
 * and neither dimension is padded. Returns groups of dimension numbers; dimensions of size 1 are left out.
 * `barriers` are dimension numbers that must not be merged with the one before.
 */
export function coalesce(
  space: readonly number[],
  views: readonly View[],
  barriers: readonly number[] = [],
): number[][] {
  const groups: number[][] = [];
  let previous = -1;
  for (let d = 0; d < space.length; d++) {
    if (space[d] === 1 && views.every((v) => v.valid === null)) continue;
    const p = previous;
    const joins =
      p >= 0 &&
      !barriers.some((b) => b > p && b <= d) &&
      views.every(
        (v) =>
          v.strides[p] === v.strides[d] * space[d] &&
          (v.valid === null || [p, d].every((x) => v.valid!.lo[x] <= 0 && v.valid!.hi[x] >= space[x])),
      );
    if (joins) groups[groups.length - 1].push(d);
    else groups.push([d]);
    previous = d;
  }
  return groups;
}
