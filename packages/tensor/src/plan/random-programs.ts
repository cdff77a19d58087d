/**
 * Random programs: sequences of primitives over random shapes, for comparing devices.
 *
 * A program is decoded from a list of numbers, so that a shrinking test runner finds a short one that fails. All
 * values are small integers (products are folded back by a remainder), which float32 holds exactly: every device
 * must therefore agree to the last bit, through comparisons and sorts as well.
 */
import { vmap } from "../batch/vmap.ts";
import { bind, bindConstant } from "../bind.ts";
import type { Device } from "../device.ts";
import { type HostArray, isFloat } from "../dtype.ts";
import { stack } from "../ops/join.ts";
import { select } from "../ops/movement.ts";
import * as p from "../primitives.ts";
import { scope } from "../scope.ts";
import { numel, type Shape, sameShape } from "../shape.ts";
import { type Tensor, wrap } from "../tensor.ts";

/** Draws numbers from a list, then zeros. */
class Draw {
  #next = 0;

  constructor(
    readonly numbers: readonly number[],
    first = 0,
  ) {
    this.#next = first;
  }

  /** How many were drawn. */
  get position(): number {
    return this.#next;
  }

  get done(): boolean {
    return this.#next >= this.numbers.length;
  }

  below(bound: number): number {
    const x = this.numbers[this.#next++] ?? 0;
    return bound <= 0 ? 0 : x % bound;
  }
}

const SIZES = [1, 2, 3, 4, 5, 1, 7, 0];

/** @param lead  dims before those that are drawn: of the tasks that each have a leaf of their own */
function leaf(device: Device, draw: Draw, lead: Shape = []): Tensor {
  const rank = draw.below(4);
  const shape = [...lead, ...Array.from({ length: rank }, () => SIZES[draw.below(SIZES.length)])];
  let state = draw.below(1000) + 1;
  const data = Float32Array.from({ length: numel(shape) }, () => {
    state = (state * 48271) % 2147483647;
    return (state % 7) - 3;
  });
  return wrap(device.fromHost(data, shape, "float32"));
}

/** Integers between −6 and 6. */
function folded(x: Tensor): Tensor {
  return bind(p.fmodP, [x, bindConstant(x.device, p.literalP, [p.dtypeAttr("float32"), 7])]);
}

const flat = (x: Tensor, shape: Shape): Tensor => bind(p.reshapeP, [x], [...shape]);

/** One more operation on the values so far; null where the draw does not fit. */
function step(values: readonly Tensor[], draw: Draw): Tensor | null {
  const pick = () => values[draw.below(values.length)];
  const op = draw.below(44);
  let x = pick();
  const rank = x.rank;
  const axis = draw.below(rank);
  const asFloat = (t: Tensor) => (isFloat(t.dtype) ? t : bind(p.castP, [t], [0]));
  switch (op) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const y = asFloat(pick());
      x = asFloat(x);
      return folded(bind([p.addP, p.subP, p.mulP, p.maximumP][op], [x, fitted(y, x)]));
    }
    case 4:
      return bind([p.negP, p.absP, p.signP, p.floorP][draw.below(4)], [asFloat(x)]);
    case 5:
      return bind([p.ltP, p.leP, p.eqP, p.neP][draw.below(4)], [asFloat(x), fitted(asFloat(pick()), x)]);
    case 6: {
      const condition = values.find((t) => t.dtype === "bool");
      if (condition === undefined) return null;
      const other = asFloat(pick());
      const y = sameShape(other.shape, x.shape) ? other : bind(p.negP, [asFloat(x)]);
      return bind(p.whereP, [fitted(condition, x), asFloat(x), y]);
    }
    case 7:
    case 8: {
      if (rank === 0) return null;
      const axes = Array.from({ length: rank }, (_, i) => i).filter((i) => i === axis || draw.below(2) === 1);
      return op === 7 ? folded(bind(p.sumP, [asFloat(x)], axes)) : bind(p.maxP, [asFloat(x)], axes);
    }
    case 9:
      return rank === 0 || x.shape[axis] === 0 ? null : bind(p.argmaxP, [asFloat(x)], [axis]);
    case 10:
    case 11: {
      const size = numel(x.shape);
      const whole = [[size], [1, size], [size, 1]];
      for (const d of [2, 3, 5]) if (size % d === 0 && size > 0) whole.push([d, size / d], [1, size / d, d]);
      return flat(x, whole[draw.below(whole.length)]);
    }
    case 12:
    case 13: {
      const perm = x.shape.map((_, i) => i);
      for (let i = perm.length - 1; i > 0; i--) {
        const j = draw.below(i + 1);
        [perm[i], perm[j]] = [perm[j], perm[i]];
      }
      return bind(p.permuteP, [x], perm);
    }
    case 14:
      return bind(
        p.expandP,
        [x],
        x.shape.map((d) => (d === 1 ? 1 + draw.below(4) : d)),
      );
    case 15: {
      const starts = x.shape.map((d) => draw.below(d));
      const steps = x.shape.map(() => 1 + draw.below(3));
      const sizes = x.shape.map((d, i) => (d === 0 ? 0 : draw.below(Math.floor((d - 1 - starts[i]) / steps[i]) + 2)));
      return bind(p.sliceP, [x], [...starts, ...sizes, ...steps]);
    }
    case 16:
    case 17:
      return bind(
        p.padP,
        [x],
        Array.from({ length: 2 * rank }, () => draw.below(3)),
      );
    case 18:
      return rank === 0 ? null : bind(p.flipP, [x], [axis]);
    case 19:
    case 20:
    case 21: {
      const y = asFloat(pick());
      const [n, m] = [numel(x.shape), numel(y.shape)];
      if (n === 0 || m === 0 || n > 400 || m > 400) return null;
      const k = [7, 5, 4, 3, 2, 1].find((d) => n % d === 0 && m % d === 0) ?? 1;
      return folded(bind(p.matmulP, [flat(asFloat(x), [n / k, k]), flat(y, [k, m / k])]));
    }
    case 22: {
      const n = numel(x.shape);
      if (n === 0 || n > 300) return null;
      const c = n % 2 === 0 ? 2 : 1;
      const image = flat(asFloat(x), [1, c, 1, n / c]);
      const w = wrap(
        x.device.fromHost(
          Float32Array.from({ length: 3 * c * 2 }, (_, i) => (i % 3) - 1),
          [3, c, 1, 2],
          "float32",
        ),
      );
      const geometry = {
        n: 2,
        groups: 1,
        stride: [1, 1 + draw.below(2)],
        padding: [0, 1],
        dilation: [1, 1],
        extra: [],
      };
      return folded(bind(p.convP, [image, w], p.convAttrs(geometry)));
    }
    case 23:
      return rank === 0 ? null : folded(bind(p.cumsumP, [asFloat(x)], [axis]));
    case 24:
      return rank === 0 ? null : bind(p.argsortP, [asFloat(x)], [axis, draw.below(2)]);
    case 25: {
      if (rank === 0) return null;
      const order = bind(p.argsortP, [asFloat(x)], [axis, 0]);
      return bind(p.gatherP, [x, order], [axis]);
    }
    case 26: {
      if (rank === 0) return null;
      x = asFloat(x);
      const order = bind(p.argsortP, [x], [axis, 0]);
      return folded(bind(p.scatterAddP, [x, order, x], [axis]));
    }
    case 27:
      return bind(p.aliasP, [x]);
    case 28:
      return bind(p.castP, [x], [p.dtypeAttr(["float32", "int32", "bool"][draw.below(3)] as "float32")]);
    case 29:
    case 30: {
      const others = Array.from({ length: draw.below(5) }, pick);
      return bind(p.packP, [
        x,
        ...others.map((t) => (t.dtype === x.dtype ? t : bind(p.castP, [t], [p.dtypeAttr(x.dtype)]))),
      ]);
    }
    case 31:
    case 32: {
      // A range that begins where a piece of a pack could.
      const vector = values.findLast((t) => t.rank === 1 && t.size >= 64);
      if (vector === undefined) return null;
      const start = 64 * draw.below(Math.ceil(vector.size / 64));
      const size = 1 + draw.below(Math.min(vector.size - start, 130));
      return bind(p.sliceP, [vector], [start, size, 1]);
    }
    case 33:
      x.device.flush();
      return null;
    case 34: {
      // One condition twice, or two conditions.
      const conditions = values.filter((t) => t.dtype === "bool");
      if (conditions.length === 0) return null;
      const condition = () => fitted(conditions[draw.below(conditions.length)], x);
      const inner = bind(p.whereP, [condition(), asFloat(x), bind(p.negP, [asFloat(x)])]);
      const other = bind(p.absP, [inner]);
      return bind(p.whereP, draw.below(2) === 0 ? [condition(), inner, other] : [condition(), other, inner]);
    }
    case 35: {
      // A sum, and work that reads it in two orders.
      if (rank === 0) return null;
      const y = folded(bind(p.sumP, [asFloat(x)], [axis]));
      const turned = bind(
        p.flipP,
        [y],
        y.shape.map((_, i) => i),
      );
      return folded(bind(p.subP, draw.below(2) === 0 ? [turned, y] : [y, turned]));
    }
    case 36: {
      // −1 is among the indices, which names nothing.
      if (rank === 0) return null;
      const less = bindConstant(x.device, p.literalP, [p.dtypeAttr("int32"), 1 + draw.below(2)]);
      const index = bind(p.subP, [bind(p.argsortP, [asFloat(x)], [axis, 0]), less]);
      if (draw.below(2) === 0) return bind(p.gatherP, [x, index], [axis]);
      return folded(bind(p.scatterAddP, [asFloat(x), index, asFloat(x)], [axis]));
    }
    case 37: {
      // Padded ranges of a value, side by side or one over another: a sum of many.
      const n = numel(x.shape);
      if (n === 0 || n > 300) return null;
      const vector = flat(asFloat(x), [n]);
      const [length, stride] = [1 + draw.below(Math.min(n, 4)), 1 + draw.below(3)];
      const terms = Array.from({ length: 9 }, (_, i) => {
        const start = (i * stride) % (n - length + 1);
        return bind(p.padP, [bind(p.sliceP, [vector], [start, length, 1])], [start, n - start - length]);
      });
      return folded(terms.reduce((sum, term) => bind(p.addP, [sum, term])));
    }
    case 38: {
      // A long reduction, of a length that nothing divides.
      const n = numel(x.shape);
      if (n === 0 || n > 400) return null;
      const row = bind(p.padP, [flat(asFloat(x), [n])], [draw.below(3), 0]);
      const long = bind(p.padP, [row], [0, 4099 - numel(row.shape)]);
      const below = bind(p.subP, [long, bindConstant(x.device, p.scalarP, [0], 7)]);
      const op = draw.below(3);
      if (op === 0) return folded(bind(p.maxP, [below], [0]));
      return op === 1 ? bind(p.prodP, [bind(p.signP, [below])], [0]) : folded(bind(p.sumP, [long], [0]));
    }
    case 39: {
      // A product in batches, larger than a tile, and its largest column.
      const n = numel(x.shape);
      if (n === 0 || n > 300) return null;
      const column = bind(p.expandP, [flat(asFloat(x), [1, n, 1])], [2, n, 3]);
      const lines = bind(p.padP, [column], [0, draw.below(3), 0, 0, 70, 0]);
      const right = bind(p.flipP, [bind(p.padP, [flat(asFloat(x), [1, 1, n])], [1, 2, 0, 0, 0, 0])], [2]);
      return folded(bind(p.sumP, [folded(bind(p.matmulP, [lines, right]))], [2]));
    }
    case 40: {
      // Three dims, padded in some of them.
      const n = numel(x.shape);
      if (n === 0 || n > 120) return null;
      const d = [4, 3, 2].find((k) => n % k === 0) ?? 1;
      const image = flat(asFloat(x), [1, 1, d, 1, n / d]);
      const depth = Math.min(d, 2);
      const weights = Float32Array.from({ length: 8 * depth }, (_, i) => (i % 3) - 1);
      const w = wrap(x.device.fromHost(weights, [2, 1, depth, 2, 2], "float32"));
      const padding = [draw.below(2), 1, 1 + draw.below(2)];
      const geometry = { n: 3, groups: 1, stride: [1, 1, 1], padding, dilation: [1, 1, 1], extra: [] };
      return folded(bind(p.convP, [image, w], p.convAttrs(geometry)));
    }
    case 41:
    case 42: {
      // Pieces of a pack, packed once more in another order.
      const size = numel(x.shape);
      if (size === 0) return null;
      const y = asFloat(x);
      const vector = bind(p.packP, [y, bind(p.negP, [y]), folded(bind(p.addP, [y, y]))]);
      const { starts } = p.packLayout([size, size, size], "float32");
      const work = draw.below(2) === 0 ? bind(p.absP, [vector]) : vector;
      const order = Array.from({ length: 1 + draw.below(3) }, () => draw.below(3));
      const parts = order.map((k) => bind(p.sliceP, [work], [starts[k], size, 1]));
      const again = bind(p.packP, parts);
      const last = starts[order.length - 1];
      return bind(p.sliceP, [again], [last, size, 1]);
    }
    default:
      return folded(bind(p.mulP, [asFloat(x), bindConstant(x.device, p.scalarP, [0], 1 + draw.below(3))]));
  }
}

/** y in a shape that broadcasts with x: as it is, or its first element. */
function fitted(y: Tensor, x: Tensor): Tensor {
  const rank = Math.min(x.rank, y.rank);
  const fits = Array.from({ length: rank }, (_, i) => [x.shape[x.rank - 1 - i], y.shape[y.rank - 1 - i]]).every(
    ([a, b]) => a === b || a === 1 || b === 1,
  );
  if (fits) return y;
  if (numel(y.shape) === numel(x.shape)) return flat(y, x.shape);
  if (numel(y.shape) === 0) return bindConstant(y.device, p.literalP, [p.dtypeAttr(y.dtype), 1]);
  const first = bind(p.sliceP, [y], [...y.shape.map(() => 0), ...y.shape.map(() => 1), ...y.shape.map(() => 1)]);
  return flat(first, []);
}

/** The values that a program computes, and the operations it took. */
export interface Outcome {
  readonly names: readonly string[];
  readonly values: readonly HostArray[];
}

/** Runs the program that a list of numbers stands for on a device. */
export async function runProgram(device: Device, numbers: readonly number[]): Promise<Outcome> {
  using _ = scope();
  const draw = new Draw(numbers);
  const { names, results } = computed([leaf(device, draw), leaf(device, draw)], draw);
  return { names, values: await Promise.all(results.map((value) => value.data())) };
}

/** The tasks that a program is run for together, or one after another. */
export const TASKS = 3;

/**
 * The same for some tasks: all at once inside vmap, or in a loop. Each has its own first leaf, and shares the second.
 */
export async function runTasks(device: Device, numbers: readonly number[], together: boolean): Promise<HostArray[]> {
  using _ = scope();
  const draw = new Draw(numbers);
  const [own, shared] = [leaf(device, draw, [TASKS]), leaf(device, draw)];
  const after = draw.position;
  const run = (x: Tensor): Tensor[] => computed([x, shared], new Draw(numbers, after)).results;
  if (together) return Promise.all(vmap(run)(own).map((y) => y.data()));
  const each = Array.from({ length: TASKS }, (_, t) => run(select(own, 0, t)));
  return Promise.all(each[0].map((_, i) => stack(each.map((results) => results[i])).data()));
}

/** What a program makes of its leaves. */
function computed(leaves: readonly Tensor[], draw: Draw): { names: string[]; results: Tensor[] } {
  const values = [...leaves];
  const names: string[] = values.map(String);
  const wanted: Tensor[] = [];
  while (!draw.done) {
    const value = step(values, draw);
    if (value === null || numel(value.shape) > 5000) continue;
    values.push(value);
    names.push(String(value));
    if (draw.below(4) === 0) wanted.push(value);
  }
  return { names, results: [...wanted, values[values.length - 1]] };
}
