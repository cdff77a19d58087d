/**
 * checkpoint: memory for time. Nothing inside a function is kept for backward; backward runs the function again.
 *
 * Between forward and backward a call holds its arguments and what the function *captured*: tensors it read from the
 * variables around it, such as parameters. These get their gradients like arguments do. The tape saw the
 * function read them, so they need not be declared.
 *
 * The second run must mean what the first did:
 * - Arguments and captured tensors have the values that they had then, though a parameter was assigned or a
 *   functional call has ended meanwhile: for the length of the second run their handles stand for the old values.
 *   A buffer that the function assigns (running statistics) is for the same reason not assigned twice.
 * - Random operations draw the same numbers: the random state is put back to where it stood, and restored afterwards.
 * - The function must do the same operations: read no other tensors of the tape (an error), depend on nothing else that
 *   has changed (not detected).
 *
 * Under `createGraph` the second run happens among images of arguments and captured tensors, and stays on the tape. So
 * gradients of every order are right; what is saved is the memory between forward and the first backward.
 */
import {
  GradError,
  getRngState,
  type RngState,
  sameShape,
  scope,
  setRngState,
  Tensor,
  type Value,
} from "@loopgrad/tensor";
import { Call, handlesOf, origins, placeOf, type Results, resultsOf } from "./call.ts";
import { isGradEnabled, within } from "./mode.ts";
import { attach, type Node, nodeOf, observe, passNode, timeMark } from "./tape.ts";
import { walk } from "./walk.ts";

/**
 * A function that does not keep its inner values for backward, but computes them again there.
 *
 * @param fn  a synchronous function of tensors and other things, that returns a tensor or a list of tensors. Run
 *            again with the same arguments it must do the same; random operations are replayed. It may ask for
 *            gradients itself: a whole inner step can be checkpointed
 * @returns   the function, for use in fn's place
 * @throws    TypeError if fn is async; GradError, in backward, if fn did something else the second time
 * @see       torch.utils.checkpoint.checkpoint
 * @example   const h = checkpoint((x: Tensor) => block.forward(x))(input); // block's parameters get their gradients
 */
export function checkpoint<A extends readonly unknown[], R extends Results>(fn: (...args: A) => R): (...args: A) => R {
  return (...args) => (isGradEnabled() ? scope(() => record(fn, args)) : fn(...args));
}

/** A tensor that the function read: an argument, or captured. */
interface Site {
  readonly value: Value;
  /** Where it was made, if the results depend on it. */
  readonly node: Node | null;
  /** Whether it is on the tape at all: fn may ask for gradients by tensors that its results don't depend on. */
  readonly linked: boolean;
  /** Of a captured one: the handles through which it was read. */
  readonly handles: readonly Tensor[];
}

/** Runs fn, notes what it read, and keeps of its graph nothing but where it began. */
function record<A extends readonly unknown[], R extends Results>(fn: (...args: A) => R, args: A): R {
  const start = timeMark();
  const rng = getRngState();
  const places = args.map((x) => (x instanceof Tensor ? placeOf(x) : x));
  const reads = new Map<Tensor, Read>();
  const returned = watch(reads, () =>
    scope(() => {
      const value = fn(...(places as unknown as A));
      resultsOf("checkpoint", value);
      return value;
    }),
  );
  const results = resultsOf("checkpoint", returned);
  const placeNodes = places.map((x) => (x instanceof Tensor ? nodeOf(x) : null));
  const from = origins(results, new Set(placeNodes.filter((node) => node !== null)), start);

  const sites = args.flatMap((x, i): Site[] => {
    if (!(x instanceof Tensor)) return [];
    const place = placeNodes[i];
    const node = place !== null && from.used.has(place) ? nodeOf(x) : null;
    return [{ value: x._live(), node, linked: place !== null, handles: [] }];
  });
  const own = new Set<unknown>([...places, ...results]);
  const explained = new Set<Node>();
  for (const [tensor, { value, node, given }] of reads) {
    // What fn made was released when it returned: what still lives was there before.
    if (tensor.isReleased || own.has(tensor)) continue;
    const reached = node !== null && from.captured.has(node) ? node : null;
    if (reached !== null) explained.add(reached);
    sites.push({ value, node: reached, linked: node !== null, handles: [tensor, ...given] });
  }
  for (const node of from.captured) {
    if (explained.has(node)) continue;
    throw new GradError(
      `checkpoint: fn differentiates a graph that was made before it (${node.label()}): ` +
        "compute that inside fn, or take its gradient outside",
    );
  }
  const call = sites.some((site) => site.node !== null)
    ? new Checkpoint(fn as unknown as Fn, args, sites, results, rng)
    : null;
  return handlesOf(call, results, returned);
}

/** What a tensor was when it was first read, and the slots that it was read through. */
interface Read {
  readonly value: Value;
  readonly node: Node | null;
  readonly given: Set<Tensor>;
}

/** Runs fn, and notes the operands of all its operations. */
function watch<T>(reads: Map<Tensor, Read>, fn: () => T): T {
  const stop = observe((_primitive, inputs, _attrs, _output, given) => {
    inputs.forEach((tensor, i) => {
      let read = reads.get(tensor);
      if (read === undefined) {
        read = { value: tensor._value, node: tensor._link as Node | null, given: new Set() };
        reads.set(tensor, read);
      }
      if (given[i] !== tensor) read.given.add(given[i]);
    });
  });
  try {
    return fn();
  } finally {
    stop();
  }
}

type Fn = (...args: never[]) => Results;

class Checkpoint extends Call {
  readonly #fn: Fn;
  #args: readonly unknown[];
  #sites: readonly Site[];
  readonly #rng: RngState;

  constructor(fn: Fn, args: readonly unknown[], sites: readonly Site[], results: readonly Tensor[], rng: RngState) {
    const parents = sites.map((site) => site.node);
    const saved = sites.map((site) => site.value);
    super(
      "checkpoint",
      parents,
      saved,
      results.map((y) => y._live()),
      results[0].device,
    );
    this.#fn = fn;
    this.#args = args;
    this.#sites = sites;
    this.#rng = rng;
  }

  override free(): void {
    super.free();
    this.#args = [];
    this.#sites = [];
  }

  backward(gs: readonly (Tensor | null)[], createGraph: boolean): (Tensor | null)[] {
    const start = timeMark();
    const places = this.#sites.map(({ value, node, linked }) => {
      const tensor = new Tensor(value);
      if (!linked) return tensor;
      const place = passNode(value, createGraph ? node : null);
      place.markSource();
      return attach(tensor, place);
    });
    const results = resultsOf("checkpoint", this.#again(places, start));
    const seeds = gs.flatMap((cotangent, at) => {
      const y = results[at];
      if (cotangent === null) return [];
      if (y === undefined || !sameShape(y.shape, cotangent.shape) || y.dtype !== cotangent.dtype) {
        throw new GradError(`checkpoint: fn's result ${at} was ${cotangent}, and run again ${y ?? "is missing"}`);
      }
      const node = nodeOf(y);
      return node === null ? [] : [{ node, cotangent }];
    });
    const at = this.#sites.flatMap(({ node }, i) => (node === null ? [] : [i]));
    const wanted = at.map((i) => nodeOf(places[i]) as Node);
    const shares = new Array<Tensor | null>(this.#sites.length).fill(null);
    walk(seeds, wanted, { createGraph, retainGraph: createGraph }).forEach((share, k) => {
      shares[at[k]] = share;
    });
    return shares;
  }

  /** Runs fn a second time, with everything as it was. */
  #again(places: readonly Tensor[], start: number): Results {
    let next = 0;
    const xs = this.#args.map((x) => (x instanceof Tensor ? places[next++] : x));
    const before = this.#sites.map(({ handles }) => handles.map((handle) => handle._standIn));
    const rng = getRngState();
    const stop = observe((_primitive, inputs) => {
      for (const { _link } of inputs) {
        const node = _link as Node | null;
        if (node === null || node.seq > start) continue;
        throw new GradError(
          `checkpoint: run again, fn read a tensor of the tape (${node.label()}) that it had not read before: ` +
            "the variables it reads must be the same in backward; pass what changes as an argument",
        );
      }
    });
    try {
      this.#sites.forEach(({ handles }, i) => {
        for (const handle of handles) handle._standIn = places[i];
      });
      setRngState(this.#rng);
      return within(true, () => this.#fn(...(xs as never[])));
    } finally {
      stop();
      setRngState(rng);
      this.#sites.forEach(({ handles }, i) => {
        handles.forEach((handle, k) => {
          handle._standIn = before[i][k];
        });
      });
    }
  }
}
