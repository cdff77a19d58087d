/**
 * customFunction: an operation whose backward is written by the user.
 *
 * Forward computes, and *saves* what backward will need. Backward turns the results' cotangents into the arguments'. It
 * is written in tensor operations, so under `createGraph` it is put on the tape, and is differentiated like any rule.
 *
 * Second derivatives need more than that: what backward reads must stand where it was computed. A saved argument
 * comes back at the argument's place, a saved result at the result's (whose derivative is again the custom one), and a
 * saved intermediate value at its own place in forward, which ran with the tape on. So nothing saved is a constant by
 * accident. An intermediate value holds the part of forward that leads to it until the walk; where memory matters, save
 * arguments and results, and compute the rest again.
 *
 * What is detected, and refused with a GradError:
 * - forward reads a tensor that requires a gradient and is no argument: backward could not give it one;
 * - backward returns other than one gradient per argument, or one of another shape or dtype;
 * - backward runs under `createGraph`, and a gradient that it returns does not depend on the cotangents it was given.
 *   Gradients are linear in these, so it was computed off the tape (under noGrad, from detached tensors, from numbers
 *   read to the host), and its derivative would be lost. A gradient that is zero is returned as null.
 *
 * What cannot be: a backward that detaches what it saved, but not the cotangent. That is also how one says, on
 * purpose, that a factor is a constant.
 */
import {
  ArgumentError,
  admit,
  GradError,
  handleLike,
  insideVmap,
  isFloat,
  type Level,
  levelsOf,
  levelsOfAll,
  literals,
  markTasks,
  openLevels,
  sameShape,
  scope,
  show,
  spreadOver,
  Tensor,
  type Value,
  valueFor,
  withTasks,
  wrap,
} from "@loopgrad/tensor";
import { Call, handlesOf, origins, placeOf, type Results, resultsOf } from "./call.ts";
import { isNoted, within } from "./mode.ts";
import { attach, type Node, nodeOf, passNode, timeMark } from "./tape.ts";

/** What forward hands on to backward. */
export interface FunctionContext {
  /** Hands tensors on to backward; in forward only. Tensors don't belong in `notes`: their scope ends with forward. */
  save(...tensors: Tensor[]): void;
  /** The tensors saved, in their order; in backward only. */
  readonly saved: readonly Tensor[];
  /** For each argument whether its gradient is wanted; backward may give null for the others. */
  readonly needsInputGrad: readonly boolean[];
  /** Anything else that backward needs: numbers, shapes, options. */
  readonly notes: Record<string, unknown>;
}

/** What {@link customFunction} takes. */
export interface FunctionDefinition<A extends readonly unknown[], R extends Results> {
  /** Computes the results from the arguments. Of these, tensors have gradients; others are passed on as they are. */
  forward(context: FunctionContext, ...args: A): R;
  /**
   * One gradient per argument, in their order, of the argument's shape and dtype; null for none. For a single argument
   * it may stand alone.
   *
   * @param grads  the cotangents, one per result; zeros for a result that was not used or is no float
   */
  backward(context: FunctionContext, ...grads: Tensor[]): Tensor | null | readonly (Tensor | null)[];
  /** For messages and printed graphs. Default "custom". */
  name?: string;
  /** Backward is not differentiable: a derivative of its gradients is an error. Default false. */
  once?: boolean;
}

const DEFINITION = ["forward", "backward", "name", "once"];

/**
 * Makes an operation of a forward and a backward.
 *
 * It can be differentiated as often as its backward is differentiable; see the head of this file for what is refused.
 * Where no gradient is asked for, only forward runs.
 *
 * @returns  a function that takes forward's arguments after the context, and returns what forward returns
 * @throws   ArgumentError for an unknown entry of the definition or a result that is no tensor; on use, GradError
 *           as above
 * @see      torch.autograd.Function
 * @example
 * const cube = customFunction({
 *   name: "cube",
 *   forward(ctx, x: Tensor) {
 *     ctx.save(x);
 *     return x.pow(3);
 *   },
 *   backward(ctx, g) {
 *     const [x] = ctx.saved;
 *     return g.mul(x.square().mul(3));
 *   },
 * });
 */
export function customFunction<A extends readonly unknown[], R extends Results>(
  definition: FunctionDefinition<A, R>,
): (...args: A) => R {
  admit(arguments, "customFunction(definition: object)");
  for (const key in definition) {
    if (!DEFINITION.includes(key)) {
      throw new ArgumentError(`customFunction: unknown entry ${key}; known: ${DEFINITION.join(", ")}`);
    }
  }
  for (const key of ["forward", "backward"] as const) {
    if (typeof definition[key] !== "function") throw new ArgumentError(`customFunction: ${key} is not a function`);
  }
  const { name = "custom" } = definition;
  return (...args) => {
    const needsInputGrad = args.map((x) => x instanceof Tensor && nodeOf(x) !== null && isNoted(name));
    const context = new Context(name, needsInputGrad);
    return needsInputGrad.includes(true)
      ? scope(() => record(name, definition, context, args))
      : within(false, () => scope(() => checked(name, definition.forward(context, ...args))));
  };
}

/** What forward returned, if it is tensors. */
function checked<R extends Results>(name: string, returned: R): R {
  resultsOf(name, returned);
  return returned;
}

/** Runs forward among places for the arguments, and puts one call on the tape. */
function record<A extends readonly unknown[], R extends Results>(
  name: string,
  definition: FunctionDefinition<A, R>,
  context: Context,
  args: A,
): R {
  const start = timeMark();
  const xs = args.map((x) => (x instanceof Tensor ? placeOf(x) : x));
  const places = xs.map((x) => (x instanceof Tensor ? nodeOf(x) : null));
  const returned = within(true, () => checked(name, definition.forward(context, ...(xs as unknown as A))));
  const levels = levelsOfAll([...args.filter((x) => x instanceof Tensor), ...resultsOf(name, returned)]);
  // A result that all tasks share has a gradient of each task's all the same.
  const results = resultsOf(name, returned).map((y) => spreadOver(y, levels));
  const { captured } = origins(results, new Set(places.filter((node) => node !== null)), start);
  for (const node of captured) {
    throw new GradError(
      `${name}: forward read a tensor (${node.label()}) that requires a gradient and is not one of its arguments: ` +
        "pass it as one, or detach() it",
    );
  }
  return handlesOf(new CustomCall(name, definition, context, args, places, results, levels), results, returned);
}

/** A value, and the vmaps for which its first axes are. */
interface Of {
  readonly value: Value;
  readonly levels: readonly Level[];
}

const of = (x: Tensor): Of => ({ value: x._live(), levels: levelsOf(x) });

/** Where a saved tensor stands: at a node of forward, at the result of this number, or nowhere. */
type Place = Node | number | null;

class Context implements FunctionContext {
  readonly notes: Record<string, unknown> = {};
  /** Tensors in forward; null once it is over. */
  collected: Tensor[] | null = [];
  /** The vmaps inside which forward ran. */
  readonly levels: readonly Level[] = openLevels();
  /** Tensors in backward. */
  given: readonly Tensor[] | null = null;

  constructor(
    readonly name: string,
    readonly needsInputGrad: readonly boolean[],
  ) {}

  save(...tensors: Tensor[]): void {
    if (this.collected === null) throw new GradError(`${this.name}: save() was called after forward; save there`);
    this.collected.push(...tensors);
  }

  get saved(): readonly Tensor[] {
    if (this.given === null) throw new GradError(`${this.name}: saved was read outside backward; it is for backward`);
    return this.given;
  }
}

class CustomCall extends Call {
  readonly #definition: FunctionDefinition<never, Results>;
  readonly #context: Context;
  readonly #args: readonly (Of | null)[];
  readonly #outputs: readonly Of[];
  #saved: readonly { readonly place: Place; readonly levels: readonly Level[] }[];

  constructor(
    name: string,
    definition: object,
    context: Context,
    args: readonly unknown[],
    places: readonly (Node | null)[],
    results: readonly Tensor[],
    /** All that an argument or a result has. */
    readonly levels: readonly Level[],
  ) {
    const saved = context.collected ?? [];
    const outputs = results.map((y) => y._live());
    super(
      name,
      places,
      saved.map((x) => x._live()),
      outputs,
      outputs[0].device,
    );
    this.#definition = definition as FunctionDefinition<never, Results>;
    this.#context = context;
    this.#args = args.map((x) => (x instanceof Tensor ? of(x) : null));
    this.#outputs = results.map(of);
    const placeOf = (x: Tensor): Place => {
      const node = nodeOf(x);
      if (node !== null && places.includes(node)) return node;
      const at = outputs.indexOf(x._live());
      if (at >= 0) return at;
      if (node !== null) node.refs++;
      return node;
    };
    this.#saved = saved.map((x) => ({ place: placeOf(x), levels: levelsOf(x) }));
    context.collected = null;
  }

  /** Lets go of the intermediate values' nodes too. Their walk ends at the places, which this still holds. */
  override free(): void {
    super.free();
    for (const { place } of this.#saved) {
      if (typeof place === "object" && place !== null && !this.parents.includes(place)) place.release();
    }
    this.#saved = [];
  }

  backward(gs: readonly (Tensor | null)[], createGraph: boolean): (Tensor | null)[] {
    const { once = false } = this.#definition;
    const cotangents = gs.map((g, i) => {
      const { value, levels } = this.#outputs[i];
      return withTasks(g ?? literals(0, value.shape, value), levels);
    });
    if (!createGraph) return this.#run(cotangents, false);
    if (once) return this.#final(cotangents);
    const probes = cotangents.map((g) => (isFloat(g.dtype) ? probe(g) : g));
    const shares = this.#run(probes, true);
    shares.forEach((share, i) => {
      if (share === null || probes.some((p) => dependsOn(share, p))) return;
      throw new GradError(
        `${this.name}: under createGraph, backward's gradient of argument ${i} does not depend on the gradients it was ` +
          "given: it was computed off the tape (noGrad, detach, or numbers read to the host), and its own derivative " +
          "would be lost. Compute it from them in tensor operations; return null for a gradient that is zero; or set " +
          "{ once: true } to have derivatives of the first order only",
      );
    });
    return shares;
  }

  /** Runs the user's backward where forward ran, and checks what it returns. */
  #run(gs: readonly Tensor[], onTape: boolean): (Tensor | null)[] {
    const context = this.#context;
    context.given = this.#saved.map(({ place, levels }, i) => {
      const tensor = markTasks(wrap((this.saved as Value[])[i]), levels);
      const node = typeof place === "number" ? this.result(place) : place;
      return onTape && node !== null ? attach(tensor, node) : tensor;
    });
    let returned: unknown;
    try {
      returned = insideVmap(context.levels, () => this.#definition.backward(context, ...gs));
    } finally {
      context.given = null;
    }
    const count = this.#args.length;
    const grads: readonly unknown[] = Array.isArray(returned) ? returned : [returned];
    if (grads.length !== count) {
      throw new GradError(
        `${this.name}: backward returned ${plural(grads.length, "gradient")}, forward takes ${plural(count, "argument")}: ` +
          "wanted one for each, null where there is none",
      );
    }
    return grads.map((share, i) => this.#checked(share, i));
  }

  #checked(share: unknown, i: number): Tensor | null {
    if (share === null) return null;
    const what = `${this.name}: backward's gradient of argument ${i}`;
    const arg = this.#args[i];
    if (!(share instanceof Tensor)) throw new GradError(`${what} is ${String(share)}: wanted a tensor or null`);
    if (arg === null) throw new GradError(`${what}: the argument is not a tensor: wanted null`);
    if (!this.#context.needsInputGrad[i]) return null;
    const { value, levels } = arg;
    const shape = value.shape.slice(levels.length);
    if (!sameShape(share.shape, shape) || share.dtype !== value.dtype || share.device !== value.device) {
      throw new GradError(
        `${what} is ${share.dtype} ${show(share.shape)} on ${share.device.name}: wanted the argument's ` +
          `${value.dtype} ${show(shape)} on ${value.device.name}`,
      );
    }
    // For an argument that all tasks share the sum over the tasks, for one of each task its own.
    return insideVmap(this.#context.levels, () => valueFor(spreadOver(share, this.levels), levels));
  }

  /** The gradients of a backward that is not differentiable: at a node that no walk can pass. */
  #final(gs: readonly Tensor[]): (Tensor | null)[] {
    const shares = within(false, () => this.#run(gs, false));
    const present = shares.filter((share) => share !== null);
    if (present.length === 0) return shares;
    const parents = [...this.parents, ...gs.map(nodeOf)];
    const end = new EndOfDerivatives(
      this.name,
      parents,
      [],
      present.map((share) => share._live()),
      this.device,
    );
    return shares.map((share) =>
      share === null ? null : attach(wrap(share._live()), end.result(present.indexOf(share))),
    );
  }
}

class EndOfDerivatives extends Call {
  backward(): never {
    throw new GradError(
      `${this.name}: its backward is declared not differentiable ({ once: true }): it has no second derivative`,
    );
  }
}

/** The same tensor at a place of its own, to see what depends on it. */
function probe(g: Tensor): Tensor {
  const value = g._live();
  const node = passNode(value, nodeOf(g));
  node.markSource();
  return attach(handleLike(g, value), node);
}

function dependsOn(tensor: Tensor, { _link }: Tensor): boolean {
  const source = (_link as Node | null)?.source ?? 0;
  return source !== 0 && (nodeOf(tensor)?.sources?.has(source) ?? false);
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
