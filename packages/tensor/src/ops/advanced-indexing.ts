/**
 * Advanced indexing: x[i, 1:3, j] of torch and NumPy, as a list with one entry per dim.
 *
 * An entry is a *point* (an integer), a *range* (a slice, or `null` for the whole dim) or a *tensor* of int32 indices.
 * Points and ranges alone are a view. With tensors, each element of the result has a *place*: its position in x
 * flattened, the sum over the dims of stride × coordinate. Reading is then one gather along that single dim and writing
 * one scatter, whose derivatives of every order are those primitives again.
 *
 * The result's shape: points drop their dim, and so do 0-d tensors; ranges keep theirs; the shapes of the other tensors
 * broadcast together, and stand where those tensors stood if they are neighbours once dims were dropped, else in front.
 */

import { apart, bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { iota } from "../creation.ts";
import type { Device } from "../device.ts";
import { type HostArray, isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import {
  addP,
  andP,
  argsortP,
  eqP,
  gatherP,
  leP,
  mulP,
  padP,
  reshapeP,
  scatterAddP,
  sliceP,
  whereP,
} from "../primitives.ts";
import { broadcastShapes, contiguousStrides, numel, type Shape, sameShape, show } from "../shape.ts";
import { Tensor, wrap } from "../tensor.ts";
import { method } from "./method.ts";
import { expandTo, reshapeTo, sliceAxis, sliceBounds } from "./movement.ts";
import { cast, literal, literalLike, type Operand, scalar, toScalar, unchanged } from "./operand.ts";
import { mayBeOutside, positions } from "./positions.ts";
import { replaceAt } from "./replace.ts";

/** start:stop:step of Python; negative bounds count from the end, those outside are clipped. */
export interface SliceIndex {
  /** Default 0. */
  start?: number | null;
  /** Not included. Default: the end. */
  stop?: number | null;
  /** At least 1, the default. */
  step?: number;
}

/** What chooses along one dim: indices (int32, any shape), an integer, a slice, or null for the whole dim. */
export type Index = Tensor | number | SliceIndex | null;

/** Points and ranges as start, size and step; of a tensor only the indices matter. */
interface Entry {
  readonly kind: "point" | "range" | "tensor";
  readonly start: number;
  readonly size: number;
  readonly step: number;
  readonly indices: Tensor | null;
}

/** A list of indices, understood. */
interface Selection {
  /** One per dim of x. */
  readonly entries: readonly Entry[];
  /** The shape of the result. */
  readonly shape: Shape;
  /** The dims of the result that the tensors make: where they begin, and how many. */
  readonly at: number;
  readonly count: number;
}

const SLICE_KEYS = ["start", "stop", "step"];

/** One entry; `dim` is for messages. */
function entryOf(x: Tensor, given: Index | undefined, dim: number): Entry {
  const n = x.shape[dim];
  const what = `index: the entry of dim ${dim} of ${show(x.shape)}`;
  if (given === null || given === undefined) return { kind: "range", start: 0, size: n, step: 1, indices: null };
  if (typeof given === "number") {
    if (!Number.isInteger(given) || given < -n || given >= n) {
      throw new ShapeError(`${what} is ${given}: wanted an integer in [${-n}, ${n - 1}]`);
    }
    return { kind: "point", start: given < 0 ? given + n : given, size: 1, step: 1, indices: null };
  }
  if (given instanceof Tensor) {
    if (given.dtype === "bool") {
      throw new DTypeError(
        `${what} is a mask ${show(given.shape)}: the result's shape depends on its elements, which are read ` +
          "asynchronously; put ...(await nonzero(mask, { asTuple: true })) in its place, or use await maskedSelect",
      );
    }
    if (isFloat(given.dtype)) throw new DTypeError(`${what} is ${given.dtype}, wanted int32; use to("int32")`);
    if (n === 0 && given.size > 0) throw new ShapeError(`${what} has ${given.size} indices of an empty dim`);
    return { kind: "tensor", start: 0, size: n, step: 1, indices: given };
  }
  if (typeof given !== "object" || Object.keys(given).some((key) => !SLICE_KEYS.includes(key))) {
    const got = typeof given === "object" ? `{ ${Object.keys(given).join(", ")} }` : typeof given;
    throw new ArgumentError(`${what} is ${got}: wanted a tensor, an integer, null or { start, stop, step }`);
  }
  const { start, stop, step = 1 } = given;
  return { kind: "range", ...sliceBounds(n, start, stop, step), step, indices: null };
}

function selectionOf(x: Tensor, indices: readonly Index[]): Selection {
  if (!Array.isArray(indices)) throw new ArgumentError("index: wanted a list, with one entry per dim: [i, null, j]");
  if (indices.length > x.rank) {
    throw new ShapeError(`index: ${indices.length} entries for ${show(x.shape)}, which has ${x.rank} dims`);
  }
  const entries = x.shape.map((_, dim) => entryOf(x, indices[dim], dim));
  const tensors = entries.flatMap((e) => (e.indices === null ? [] : [e.indices]));
  const block = tensors.reduce<Shape>((shape, tensor) => broadcastShapes(shape, tensor.shape, "index"), []);
  const kept = entries.filter((e) => e.kind === "range" || (e.indices !== null && e.indices.rank > 0));
  const first = kept.findIndex((e) => e.kind === "tensor");
  const last = kept.findLastIndex((e) => e.kind === "tensor");
  const neighbours = kept.slice(Math.max(first, 0), last + 1).every((e) => e.kind === "tensor");
  const at = first < 0 || !neighbours ? 0 : first;
  const ranges = kept.flatMap((e) => (e.kind === "range" ? [e.size] : []));
  return { entries, shape: [...ranges.slice(0, at), ...block, ...ranges.slice(at)], at, count: block.length };
}

/** Where each element of the result lies in x flattened: int32, [numel(shape)]; −1 where an index is outside. */
function places(op: string, x: Tensor, { entries, shape, at, count }: Selection): Tensor {
  const int = (value: number): Tensor => literal(x.device, "int32", value);
  const number = (value: number): Tensor => scalar(x.device, "int32", value);
  const strides = contiguousStrides(x.shape);
  let place: Tensor = int(0);
  let inside: Tensor | null = null;
  let ranges = 0;
  entries.forEach(({ kind, start, size, step, indices }, dim) => {
    let coordinate: Tensor;
    if (indices !== null) {
      const after = shape.length - at - count;
      const checked = positions(op, indices, { n: size, kind: "position" });
      coordinate = reshapeTo(checked, [...indices.shape, ...new Array<number>(after).fill(1)]);
      if (mayBeOutside(checked)) {
        const fits = bind(leP, [int(0), coordinate]);
        inside = inside === null ? fits : bind(andP, [inside, fits]);
      }
    } else if (kind === "point") {
      coordinate = number(start);
    } else {
      const axis = ranges < at ? ranges : ranges + count;
      ranges++;
      coordinate = reshapeTo(
        iota(x.device, "int32", size),
        shape.slice(axis).map((d, i) => (i === 0 ? d : 1)),
      );
      if (step !== 1) coordinate = bind(mulP, [coordinate, int(step)]);
      if (start !== 0) coordinate = bind(addP, [coordinate, number(start)]);
    }
    if (strides[dim] !== 1) coordinate = bind(mulP, [coordinate, int(strides[dim])]);
    place = bind(addP, [place, coordinate]);
  });
  if (inside !== null) place = bind(whereP, [inside, place, int(-1)]);
  return reshapeTo(expandTo(place, shape), [numel(shape)]);
}

/**
 * Elements of x, chosen along each dim: x[i, 1:3, j].
 *
 * As in torch, integers (and 0-d tensors) drop their dim first and have no say in where the tensors' dims stand; NumPy
 * counts them among the tensors.
 *
 * @param indices  one entry per dim, from the first; dims without an entry stay whole. int32 tensors broadcast together,
 *                 and negative indices count from the end
 * @returns        a view where no entry is a tensor
 * @throws         DTypeError for a bool mask, whose shape is not known before a read: see {@link nonzero}
 * @throws         IndexError for an index outside its dim: at once where the host knows it, else at the next read; such an
 *                 index has read 0
 * @see            torch.Tensor.__getitem__
 * @example        index(x, [rows, { start: 1 }, columns]) // x[rows, 1:, columns]
 */
export const index = method("index(x: tensor, indices: any)", (x: Tensor, indices: readonly Index[]): Tensor => {
  const selection = selectionOf(x, indices);
  const { entries, shape } = selection;
  if (entries.some((e) => e.kind === "tensor")) {
    if (numel(shape) === 0) return expandTo(literalLike(x, 0), shape);
    const flat = bind(reshapeP, [x], [x.size]);
    return bind(reshapeP, [bind(gatherP, [flat, places("index", x, selection)], [0])], shape);
  }
  const attrs = [...entries.map((e) => e.start), ...entries.map((e) => e.size), ...entries.map((e) => e.step)];
  const whole = entries.every((e, dim) => e.size === x.shape[dim] && e.step === 1);
  return reshapeTo(whole ? unchanged(x) : bind(sliceP, [x], attrs), shape);
});

/**
 * x with elements replaced, or added to, at the places that {@link index} would read.
 *
 * @param values              broadcasts to the shape of `index(x, indices)`; a tensor has x's dtype
 * @param options.accumulate  false: the value replaces, and of several at one place the last in row-major order stays
 *                            (torch leaves open which). true: values are added, several at one place add up
 * @returns                   x's shape
 * @throws                    IndexError for an index outside its dim, as {@link index}: such an index has written nothing
 * @see                       torch.Tensor.index_put
 * @example                   indexPut(x, [rows, columns], 0)
 */
export const indexPut = method(
  "indexPut(x: tensor, indices: list, values: operand, options?: { accumulate: boolean })",
  (x: Tensor, indices: readonly Index[], values: Operand, options: { accumulate?: boolean } = {}): Tensor => {
    const { accumulate = false } = options;
    const selection = selectionOf(x, indices);
    const { shape } = selection;
    if (!(values instanceof Tensor || typeof values === "number" || typeof values === "boolean")) {
      throw new ArgumentError(
        `indexPut: values are ${values === null ? "null" : typeof values}: wanted a tensor or a number`,
      );
    }
    if (values instanceof Tensor) {
      if (values.dtype !== x.dtype) {
        throw new DTypeError(`indexPut: x is ${x.dtype}, values ${values.dtype}: wanted the same`);
      }
      if (!sameShape(broadcastShapes(values.shape, shape, "indexPut"), shape)) {
        throw new ShapeError(`indexPut: values ${show(values.shape)} do not broadcast to ${show(shape)}`);
      }
    }
    const n = numel(shape);
    if (n === 0) return unchanged(x);
    const flat = bind(reshapeP, [x], [x.size]);
    let at = places("indexPut", x, selection);
    if (!(values instanceof Tensor || accumulate)) return bind(reshapeP, [replaceAt(flat, 0, at, values)], x.shape);
    const given = values instanceof Tensor ? values : toScalar("indexPut", values, x);
    let source = reshapeTo(expandTo(given, shape), [n]);
    if (accumulate) return bind(reshapeP, [bind(scatterAddP, [flat, at, source], [0])], x.shape);
    if (selection.entries.some((e) => e.kind === "tensor")) {
      const order = bind(argsortP, [at], [0, 0]);
      at = lastOfEach(bind(gatherP, [at, order], [0]));
      source = bind(gatherP, [source, order], [0]);
    }
    return bind(reshapeP, [replaceAt(flat, 0, at, source)], x.shape);
  },
);

/** Sorted places, where all but the last of equal ones are −1: those write nothing. */
function lastOfEach(sorted: Tensor): Tensor {
  const n = sorted.size;
  if (n === 1) return sorted;
  const again = cast(bind(eqP, [sliceAxis(sorted, 0, 0, n - 1), sliceAxis(sorted, 0, 1, n - 1)]), "int32");
  return bind(whereP, [cast(bind(padP, [again], [0, 1]), "bool"), literal(sorted.device, "int32", -1), sorted]);
}

/**
 * The indices of elements that are not 0, in row-major order. Asynchronous, because how many there are must be read.
 *
 * @param options.asTuple  a list of one tensor [n] per dim, ready to stand in the list of {@link index}
 * @returns                int32, [n, rank]
 * @see                    torch.nonzero
 * @example                index(x, await nonzero(mask, { asTuple: true })) // x[mask]
 */
export const nonzero: Nonzero = operation(
  "nonzero(x: tensor, options?: { asTuple: boolean })",
  async (x: Tensor, options: { asTuple?: boolean } = {}): Promise<Tensor | Tensor[]> => {
    const { asTuple = false } = options;
    const { device } = x;
    // As a tuple a 0-d tensor counts as a vector of one, as in torch.
    const shape = asTuple && x.rank === 0 ? [1] : x.shape;
    const strides = contiguousStrides(shape);
    const hits = placesOf(await x.data());
    const along = shape.map((d, dim) => hits.map((place) => Math.floor(place / strides[dim]) % d));
    if (asTuple) return along.map((column) => fromHost(device, column, [hits.length]));
    const rows = Int32Array.from({ length: hits.length * shape.length }, (_, i) => {
      return along[i % shape.length][Math.floor(i / shape.length)];
    });
    return fromHost(device, rows, [hits.length, shape.length]);
  },
  "promise",
) as Nonzero;

interface Nonzero {
  (x: Tensor, options?: { asTuple?: false }): Promise<Tensor>;
  (x: Tensor, options: { asTuple: true }): Promise<Tensor[]>;
}

/**
 * The elements of x where the mask is true, in row-major order. Asynchronous, because the mask must be read; the
 * gradient flows to x as through {@link gather}.
 *
 * @param mask  bool; broadcasts with x
 * @returns     [n]
 * @throws      DTypeError, ShapeError at once, before anything is read
 * @see         torch.masked_select
 * @example     const wrong = await maskedSelect(losses, predicted.ne(labels))
 */
export const maskedSelect = method(
  "maskedSelect(x: tensor, mask: tensor)",
  (x: Tensor, mask: Tensor): Promise<Tensor> => {
    if (mask.dtype !== "bool") throw new DTypeError(`maskedSelect: the mask is ${mask.dtype}, wanted bool`);
    if (mask.device !== x.device) {
      throw apart(x.device, mask.device, "maskedSelect: ");
    }
    const common = broadcastShapes(x.shape, mask.shape, "maskedSelect");
    return selected(x._share(), expandTo(mask, common), common);
  },
);

/** @param x  a handle of its own: the caller's scope may end before the mask was read */
async function selected(x: Tensor, mask: Tensor, common: Shape): Promise<Tensor> {
  using held = x;
  const hits = placesOf(await mask.data());
  const at = fromHost(held.device, hits, [hits.length]);
  return bind(gatherP, [reshapeTo(expandTo(held, common), [numel(common)]), at], [0]);
}

/** Row-major positions of what is not 0. */
function placesOf(data: HostArray): number[] {
  const hits: number[] = [];
  data.forEach((value: number, place: number) => {
    if (value !== 0) hits.push(place);
  });
  return hits;
}

const fromHost = (device: Device, data: ArrayLike<number>, shape: Shape): Tensor =>
  wrap(device.fromHost(Int32Array.from(data), shape, "int32"));
