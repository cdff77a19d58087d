/**
 * Anomaly mode: which operation made the first NaN or ±Infinity, and where was it called?
 *
 * Nothing is computed when an operation is called, so nothing can be said there and then. While detection is on, every
 * operation with a float result is noted: its name, the stack of its call, and, as one number on the device, the
 * result's *severity*: 2 if it holds a NaN, 1 if an infinity, else 0. `check()` reads these numbers, all in one go.
 * An operation *made* an anomaly if its result is more severe than its operands. So a mask of −Infinity that a program
 * adds itself, and that softmax turns into 0, is none; NaN from ∞ − ∞ is, and so is log(0).
 *
 * A backward's operations are named with the forward operation that they belong to, and its call's stack.
 *
 * Detection costs a reduction per operation and a stack per call. While it is off it costs nothing: the tape has
 * nobody to tell.
 */
import {
  admit,
  amax,
  around,
  type BindListener,
  type Context,
  type DType,
  enclosed,
  enter,
  find,
  isFloat,
  isinf,
  isnan,
  Kind,
  keep,
  LoopgradError,
  literalLike,
  literalP,
  type Primitive,
  type Shape,
  scalarP,
  scope,
  show,
  type Tensor,
  untracked,
  type Value,
  where,
  wrap,
} from "@loopgrad/tensor";
import { type Node, nodeOf, observe } from "./tape.ts";
import { visitedNode } from "./walk.ts";

/** What {@link AnomalyDetection.find} found. */
export interface Anomaly {
  /** The primitive's name. */
  readonly operation: string;
  /** "made": by the operation. "given": a NaN stood in an operand that was computed before detection began. */
  readonly origin: "made" | "given";
  readonly value: "NaN" | "Infinity";
  /** Of the operation's result. */
  readonly shape: Shape;
  readonly dtype: DType;
  /** Where the operation was called. */
  readonly stack: string;
  /** For an operation of a backward: the forward operation that it belongs to. */
  readonly backwardOf: { readonly operation: string; readonly stack: string | null } | null;
}

/** Thrown by `check()`: its message names the operation, and where it was called. */
export class AnomalyError extends LoopgradError {
  override name = "AnomalyError";

  constructor(readonly anomaly: Anomaly) {
    super(describe(anomaly));
  }
}

/** The worst that a tensor holds: a number on the device until it was read. */
interface Severity {
  flag: Tensor | null;
  level: number;
  /** Of a tensor that is older than the detection. */
  readonly given: boolean;
}

interface Noted {
  readonly primitive: Primitive;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly result: Severity;
  readonly operands: readonly Severity[];
  readonly at: Error;
  readonly visited: Node | null;
  readonly visitedAt: Error | undefined;
}

const NAN = 2;

const DETECTION = new Kind<AnomalyDetection>("anomaly detection");

/** Detection that is on; ends with `end()` or the block of `using`. */
export class AnomalyDetection {
  #noted: Noted[] = [];
  readonly #severities = new WeakMap<Value, Severity>();
  readonly #calls = new WeakMap<Node, Error>();
  readonly #stop: () => void;
  /** null: of a function. */
  #block: Context | null = null;

  /** @internal */
  constructor() {
    this.#stop = observe((primitive, inputs, _attrs, output) => {
      if (this.#isAround()) this.#note(primitive, inputs, output);
    });
  }

  /** @internal Turns it on for a block. */
  _enter(): this {
    this.#block = enter(DETECTION, this);
    return this;
  }

  /** Whether the code that runs belongs to the block or function. While a block waits, what runs is not its own. */
  #isAround(): boolean {
    let context = find(DETECTION);
    while (context !== null && context.value !== this) context = around(context);
    return context !== null && context.waiting === 0;
  }

  /**
   * Reads what was noted so far, and throws if an operation made a NaN or an infinity. Call it after each step: what
   * was noted is then forgotten.
   *
   * @throws AnomalyError naming the first such operation
   */
  async check(): Promise<void> {
    admit(arguments, "AnomalyDetection.check()");
    const anomaly = await this.find();
    if (anomaly !== null) throw new AnomalyError(anomaly);
  }

  /** Like `check`, but returns what it found; null for nothing. */
  async find(): Promise<Anomaly | null> {
    admit(arguments, "AnomalyDetection.find()");
    const noted = this.#noted;
    this.#noted = [];
    const severities = new Set(noted.flatMap(({ result, operands }) => [...operands, result]));
    await Promise.all([...severities].map(read));
    for (const one of noted) {
      const worst = one.operands.reduce((level, operand) => Math.max(level, operand.level), 0);
      if (one.operands.some(({ given, level }) => given && level === NAN)) return anomalyOf(one, "given", NAN);
      if (one.result.level > worst) return anomalyOf(one, "made", one.result.level);
    }
    return null;
  }

  /** Ends detection. What was noted can still be checked. */
  end(): void {
    admit(arguments, "AnomalyDetection.end()");
    this.#stop();
    this.#block?.close();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #note(...[primitive, inputs, output]: [Primitive, Parameters<BindListener>[1], Tensor]): void {
    const at = callHere();
    const node = nodeOf(output);
    if (node !== null) this.#calls.set(node, at);
    if (!isFloat(output.dtype) || output.size === 0) return;
    const operands = inputs.flatMap((x) => (isFloat(x.dtype) && x.size > 0 ? this.#severity(x, true) : []));
    const result = this.#severity(output, false);
    const visited = visitedNode();
    const visitedAt = visited === null ? undefined : this.#calls.get(visited);
    this.#noted.push({ primitive, shape: output.shape, dtype: output.dtype, result, operands, at, visited, visitedAt });
  }

  #severity(x: Tensor, given: boolean): Severity {
    const value = x._value;
    let severity = this.#severities.get(value);
    if (severity !== undefined) return severity;
    if (value.primitive === literalP) severity = { flag: null, level: 0, given };
    // A number in the program: an infinity, even a NaN, is there on purpose.
    else if (value.primitive === scalarP) severity = { flag: null, level: levelOf(value.scalar), given: false };
    else severity = { flag: flagOf(x), level: 0, given };
    this.#severities.set(value, severity);
    return severity;
  }
}

/**
 * Turns on the search for the operation that makes the first NaN or infinity.
 *
 * @param fn  runs with detection on, and is checked at its end; may be async
 * @returns   without fn, detection to be ended by `using` or `end()`; with fn, a promise of what it returned
 * @throws    AnomalyError from `check()`, or in place of fn's result
 * @see       torch.autograd.detect_anomaly
 * @example
 * using anomaly = detectAnomaly();
 * const loss = step(batch);
 * loss.backward();
 * await anomaly.check(); // AnomalyError: log made Infinity … called at …
 */
export function detectAnomaly(): AnomalyDetection;
export function detectAnomaly<T>(fn: () => T | Promise<T>): Promise<T>;
export function detectAnomaly<T>(fn?: () => T | Promise<T>): AnomalyDetection | Promise<T> {
  admit(arguments, "detectAnomaly(fn?: function)");
  return fn === undefined ? new AnomalyDetection()._enter() : checked(fn);
}

async function checked<T>(fn: () => T | Promise<T>): Promise<T> {
  using anomaly = new AnomalyDetection();
  const result = await enclosed(DETECTION, anomaly, fn);
  await anomaly.check();
  return result;
}

const levelOf = (number: number): number => (Number.isNaN(number) ? NAN : Number.isFinite(number) ? 0 : 1);

/** The severity of a tensor as one number, out of the tape's sight and outside every scope. */
const flagOf = (operand: Tensor): Tensor =>
  untracked(() =>
    scope(() => {
      const x = wrap(operand._value);
      const infinite = where(isinf(x), literalLike(x, 1), literalLike(x, 0));
      return keep(amax(where(isnan(x), literalLike(x, NAN), infinite)));
    }),
  );

async function read(severity: Severity): Promise<void> {
  const { flag } = severity;
  if (flag === null) return;
  severity.flag = null;
  severity.level = await flag.item();
  flag.dispose();
}

/** The stack from the operation's caller up. */
function callHere(): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 50;
  const error = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

/** The frames above `bind`: the operations that were composed, then the program. */
function framesOf(error: Error): string {
  const lines = (error.stack ?? "").split("\n").filter((line) => !line.startsWith("Error"));
  const bind = lines.findIndex((line) =>
    /\bbind\b/.test(
      line
        .trim()
        .split(/[\s@(]+/, 2)
        .join(" "),
    ),
  );
  return lines.slice(bind + 1).join("\n");
}

const anomalyOf = (noted: Noted, origin: Anomaly["origin"], level: number): Anomaly => ({
  operation: noted.primitive.name,
  origin,
  value: level === NAN ? "NaN" : "Infinity",
  shape: noted.shape,
  dtype: noted.dtype,
  stack: framesOf(noted.at),
  backwardOf:
    noted.visited === null
      ? null
      : { operation: noted.visited.name, stack: noted.visitedAt === undefined ? null : framesOf(noted.visitedAt) },
});

function describe({ operation, origin, value, shape, dtype, stack, backwardOf }: Anomaly): string {
  const what = `${operation}, with a result of ${dtype} ${show(shape)}`;
  const happened =
    origin === "made" ? `${what}, made the first ${value}` : `${what}, was given a ${value} that was there before`;
  const phase = backwardOf === null ? "" : `, in the backward of ${backwardOf.operation}`;
  const forward =
    backwardOf === null || backwardOf.stack === null
      ? ""
      : `\n${backwardOf.operation} was called at\n${backwardOf.stack}\nand its backward at`;
  return `${happened}${phase}${forward || "; called at"}\n${stack}`;
}
