/**
 * What the public surface does with arguments that are wrong: for every export, constructor and method alike.
 *
 * Each is called rightly first: a search through *candidates* of the kinds that its signature names finds a call that goes
 * well. Then one thing is made wrong: an argument too many, an option that nobody reads, a value of another kind, a released
 * tensor, one of another device. The call goes well, or fails with a LoopgradError; nothing else.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { type Device, type Parameter, type Signature, signatureOf, signaturesOf } from "@loopgrad/tensor";
import * as lg from "./index.ts";

type Callable = (...args: unknown[]) => unknown;

interface Public {
  readonly name: string;
  readonly call: Callable;
  readonly signatures: readonly Signature[];
}

// ---- what there is ---------------------------------------------------------------------------------------------

/** Texts of signatures by name, as they stand in the sources: of functions, constructors and methods. */
function textsInSources(): Map<string, string> {
  const texts = new Map<string, string>();
  const packages = join(import.meta.dirname, "../..");
  for (const path of readdirSync(packages, { recursive: true, encoding: "utf8" })) {
    if (!/^\w+\/src\/.*(?<!\.test)\.ts$/.test(path)) continue;
    const source = readFileSync(join(packages, path), "utf8");
    for (const [, text] of source.matchAll(/admit\(\s*arguments,\s*"(\w+(?:\.\w+)?\([^"]*)"/g)) {
      texts.set(path.endsWith("nn/src/init.ts") ? `init.${text}` : text.slice(0, text.indexOf("(")), text);
      if (path.endsWith("nn/src/init.ts")) texts.set(`init.${text.slice(0, text.indexOf("("))}`, text);
    }
  }
  return texts;
}

const TEXTS = textsInSources();

/** Classes made by a function share its constructor; their arguments are found by trying. */
const BY_TRYING = [
  "(x: any)",
  "(options?: any)",
  "(size: number)",
  "(padding: number, value: number)",
  "(kernelSize: number, options?: any)",
];

const seen = new Set<unknown>();

function publicOf(space: string, exported: object): Public[] {
  return Object.entries(exported).flatMap(([name, value]): Public[] => {
    if (typeof value !== "function" || seen.has(value)) return [];
    seen.add(value);
    const isClass = /^[A-Z]/.test(name);
    const call: Callable = isClass
      ? (...args) => new (value as never as new (...args: unknown[]) => unknown)(...args)
      : value;
    const text = TEXTS.get(`${space}${name}`);
    const own = signatureOf(value) ?? (text === undefined ? [] : signaturesOf(text));
    const found = own.length === 0 && isClass ? BY_TRYING.flatMap((tail) => signaturesOf(`${name}${tail}`)) : own;
    return [{ name: `${space}${name}`, call, signatures: found }];
  });
}

/** Errors and base classes, which take what their subclasses hand on. */
const WITHOUT =
  /Error$|^(Tensor|Device|Scope|Module|Buffer|Slot|Optimizer|LRScheduler|GradMode|AnomalyDetection|SafetensorsFile|Summary|ParametrizationList|InnerLoop|DifferentiableOptimizer|PerParameter|init\.PerParameter)$/;

/** Functions that change what later tests stand on, write files, or make 40 million numbers. */
const UNSAFE =
  /^(init|setDevice|withDevice|setRngState|saveSafetensors|saveCheckpoint|makeSvg|noGrad|enableGrad|detectAnomaly|Transformer)$/;

const PUBLIC = [...publicOf("", lg), ...publicOf("", lg.functional), ...publicOf("init.", lg.nn.init)].filter(
  ({ name }) => !WITHOUT.test(name),
);
const TRIED = PUBLIC.filter(({ name }) => !UNSAFE.test(name));

// ---- calls -------------------------------------------------------------------------------------------------------

/** What came of a call: a result, or an error. */
interface Outcome {
  readonly error: unknown;
  readonly isOk: boolean;
}

/** Calls, and gives back what the call opened. */
async function outcome(call: Callable, args: readonly unknown[]): Promise<Outcome> {
  try {
    const value = await call(...args);
    if (value instanceof lg.InnerLoop || value instanceof lg.Scope) value[Symbol.dispose]();
    return { error: null, isOk: true };
  } catch (error) {
    return { error, isOk: false };
  }
}

const isClear = ({ error, isOk }: Outcome): boolean => isOk || error instanceof lg.LoopgradError;

const isRefused = ({ error }: Outcome): boolean => error instanceof lg.LoopgradError;

const told = ({ error, isOk }: Outcome): string =>
  isOk ? "goes well" : error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : String(error);

const shown = (value: unknown): string => (Array.isArray(value) ? `[${value.map(String)}]` : String(value));

let far: Device;
let CHECKPOINT: Blob;
let SAVED: Blob;
let candidates: Record<string, unknown[]>;
let wrong: unknown[];

beforeAll(async () => {
  far = await lg.init({ device: "cpu" });
  await lg.init({ device: "cpu" });
  const x = lg.tensor([
    [2, 0.5],
    [0.5, 1],
  ]);
  const leaf = lg.tensor([1, 2], { requiresGrad: true });
  const ints = (data: number[]): lg.Tensor => lg.tensor(data, { dtype: "int32" });
  const linear = new lg.Linear(2, 2);
  const layers = [1, 2, 3].map((n) => lg.ones([1, 2, ...new Array<number>(n).fill(4)]));
  const square = (t: lg.Tensor): lg.Tensor => t.square().sum();
  candidates = {
    tensor: [
      ...[x, ints([0, 1]), leaf, lg.tensor(0.5), x.gt(0.7), ...layers, lg.ones([1, 2, 2]), ints([1])],
      ...[lg.ones([2, 2, 1]), lg.ones([2, 2, 1, 1]), lg.ones([2, 2, 1, 1, 1]), lg.ones([4, 4]), leaf.square().sum()],
      ...[new lg.Parameter(x), ints([1, 0]).reshape([1, 2]), lg.tensor([true, false])],
    ],
    operand: [x, 1],
    number: [1, 2, 0, 0.5],
    numbers: [[2], [2, 2], [1, 1], [0, 1], [4, 4], [0], [1, 1, 1], [2, 2, 2]],
    boolean: [true],
    string: ["float32", "weight", "relu", "ij,jk->ik", "sum"],
    iterable: [[new lg.Parameter(x)]],
    tensors: [[x, x], [leaf], [lg.zeros([1, 2]), lg.zeros([1, 2])]],
    list: [[0], [[0], [1]], [[0], [0]], [x], [lg.ones([2])], ["a"], [new lg.SGD([new lg.Parameter(x)], { lr: 1 })]],
    function: [square, () => leaf.square().sum(), lg.SGD],
    device: [lg.getDevice()],
    object: [{}, { weight: x }, new lg.SGD(linear.parameters(), { lr: 0.1 })],
    null: [null],
    module: [linear, new lg.TransformerEncoderLayer(2, 1), new lg.TransformerDecoderLayer(2, 1)],
    optimizer: [new lg.SGD(linear.parameters(), { lr: 0.1 })],
    any: [
      ...[[1, 2], [new lg.Parameter(x)], x, [x, x], new lg.Linear(2, 2), [0], new Uint8Array(9), { a: x }, {}, square],
      ...[leaf, leaf.square().sum()],
    ],
  };
  CHECKPOINT = await lg.checkpointBlob({});
  SAVED = await lg.safetensorsBlob({ x });
  const released = lg.ones([2, 2]);
  released.dispose();
  wrong = [
    ...[undefined, null, "a", -1, 0.5, 7, Number.NaN, [], {}, [null], [-3], () => {}, new Map(), 1n, Symbol("s")],
    ...[released, lg.ones([2, 2], { device: far }), lg.ones([1, 1, 1, 1, 1, 1, 1]), ints([5, -5]), lg.zeros([0])],
    ...[x.gt(0), lg.tensor([[1]]), [[1]], new Float32Array(2), new Date(0), { a: 1 }, [x, null], Promise.resolve()],
  ];
});

/** Options that a function cannot do without. */
const REQUIRED: readonly Record<string, unknown>[] = [
  ...[{ size: 2 }, { stepSize: 1 }, { gamma: 0.5 }, { milestones: [1], gamma: 0.5 }, { tMax: 2 }, { t0: 2 }],
  ...[{ maxLr: 1, totalSteps: 4 }, { lr: 0.1 }, { upper: true }, { forward: () => lg.ones([1]), backward: () => [] }],
];

/** Values for a parameter: those of its kinds, and none where it may be missing. */
function choicesFor({ kinds, isOptional, options }: Parameter): unknown[] {
  const words = kinds === null ? ["any"] : kinds.map((kind) => kind.name);
  const values = words.flatMap((word) => candidates[word] ?? []);
  const ofOptions = options !== null || words.includes("object") || words.includes("any") ? REQUIRED : [];
  return [...(isOptional ? [undefined] : []), ...(options === null ? [] : [{}]), ...values, ...ofOptions];
}

/** Right arguments of functions that want more than the search's few values. */
function given(): Record<string, readonly unknown[]> {
  const x = candidates.tensor[0] as lg.Tensor;
  const ints = (...data: number[]): lg.Tensor => lg.tensor(data, { dtype: "int32" });
  const slot = new lg.Parameter(x);
  const opt = new lg.SGD([slot], { lr: 0.1 });
  const image = (n: number): lg.Tensor => lg.ones([1, 2, ...new Array<number>(n).fill(4)]);
  const kernel = (n: number): lg.Tensor => lg.ones([2, 2, ...new Array<number>(n).fill(1)]);
  const places = (n: number): lg.Tensor => lg.zeros([1, 2, ...new Array<number>(n).fill(1)], { dtype: "int32" });
  const vector = lg.ones([2]);
  const grads = [x, null];
  const index = ints(0, 1).reshape([1, 2]);
  const cell = lg.tensor([1], { dtype: "int32" });
  const double = lg.tensor([1, 2], { dtype: "float64", requiresGrad: true });
  const parametrized = lg.weightNorm(new lg.Linear(2, 2));
  const pool = (n: number): readonly unknown[] => [lg.ones(places(n).shape), places(n), 2];
  const conv = (n: number): readonly unknown[] => [image(n), kernel(n)];
  return {
    LambdaLR: [opt, () => 1],
    SequentialLR: [opt, { schedulers: [new lg.StepLR(opt, { stepSize: 1 })], milestones: [] }],
    baddbmm: [lg.ones([1, 2, 2]), lg.ones([1, 2, 2]), lg.ones([1, 2, 2])],
    bilinear: [vector, vector, lg.ones([3, 2, 2])],
    ...Object.fromEntries(["bitwiseAnd", "bitwiseOr", "bitwiseXor"].map((name) => [name, [cell, cell]])),
    clippedByNorm: [grads, 1],
    clippedByValue: [grads, 1],
    gradNorm: [grads],
    ...{ conv1d: conv(1), conv3d: conv(3), convTranspose1d: conv(1), convTranspose3d: conv(3) },
    createDifferentiable: [lg.SGD, { lr: 0.1 }, { params: [slot] }],
    differentiable: [opt, [slot]],
    fold: [lg.ones([1, 4, 1]), 2, 2],
    unfold: [image(2), 2],
    grad: [candidates.tensor.at(2), [candidates.tensor.at(2)], { gradOutputs: vector }],
    gradcheck: [(t: lg.Tensor) => t.square().sum(), [double]],
    gradgradcheck: [(t: lg.Tensor) => t.square().sum(), [double]],
    indexAdd: [vector, 0, ints(0, 1), vector],
    loadCheckpoint: [CHECKPOINT, {}],
    loadSafetensors: [SAVED],
    openSafetensors: [SAVED],
    ...{ maxUnpool1d: pool(1), maxUnpool2d: pool(2), maxUnpool3d: pool(3) },
    removeParametrizations: [parametrized, "weight"],
    weightNorm: [new lg.Linear(2, 2)],
    spectralNorm: [new lg.Linear(2, 2)],
    scatter: [x, 0, index, lg.ones([1, 2])],
    scatterAdd: [x, 0, index, lg.ones([1, 2])],
    scatterReduce: [x, 0, index, lg.ones([1, 2]), "sum"],
    vectorToParameters: [lg.ones([4]), [new lg.Parameter(x)]],
    batchNorm: [x, vector, vector],
    batchNormTraining: [x],
    instanceNorm: [image(1)],
    metaLoss: [...metaLearning(), { steps: 1, loss: lg.functional.mseLoss }],
    multiMarginLoss: [x, ints(0, 1)],
    nllLoss: [x, ints(0, 1)],
    "init.dirac": [new lg.Parameter(lg.ones([2, 2, 3]))],
  };
}

/** A model, its optimizer, and three tasks. */
function metaLearning(): readonly unknown[] {
  const model = new lg.Linear(2, 2);
  const data = { x: lg.ones([3, 4, 2]), y: lg.ones([3, 4, 2]) };
  return [model, new lg.SGD(model.parameters(), { lr: 0.1 }), { support: data, query: data }];
}

/** The search stops here: what is found is found early. */
const MOST_TRIES = 250;

/** Arguments of a call that goes well, with the signature that they follow. */
interface Right {
  readonly args: readonly unknown[];
  readonly signature: Signature;
}

async function rightCall({ name, call, signatures }: Public): Promise<Right | null> {
  const args = given()[name];
  if (args !== undefined) {
    const result = await outcome(call, args);
    if (!result.isOk) throw result.error;
    return { args: [...args, ...new Array(signatures[0].parameters.length - args.length)], signature: signatures[0] };
  }
  for (const signature of signatures) {
    const lists = signature.parameters.map(choicesFor);
    const total = lists.reduce((n, list) => n * list.length, 1);
    for (let i = 0; i < Math.min(total, MOST_TRIES); i++) {
      let rest = total <= MOST_TRIES ? i : Math.floor((i * total) / MOST_TRIES);
      // The first parameter changes slowest, so that the others get their turn with it.
      const args = lists
        .toReversed()
        .map((list) => {
          const at = rest % list.length;
          rest = Math.floor(rest / list.length);
          return list[at];
        })
        .reverse();
      if ((await outcome(call, args)).isOk) return { args, signature };
    }
  }
  return null;
}

// ---- tests -------------------------------------------------------------------------------------------------------

test("every export has a signature", () => {
  expect(PUBLIC.filter(({ signatures }) => signatures.length === 0).map(({ name }) => name)).toEqual([]);
});

const MANY = new Array<unknown>(12).fill({ nonsense: 1 });

test("an argument too many is an error, in every function and constructor", async () => {
  const taken: string[] = [];
  for (const { name, call, signatures } of TRIED) {
    if (signatures[0]?.isOpen) continue;
    const result = await outcome(call, MANY);
    if (!isRefused(result)) taken.push(`${name}: ${told(result)}`);
  }
  expect(taken).toEqual([]);
});

test("wrong arguments are LoopgradErrors; an unknown option and an argument too many are refused beside right ones", async () => {
  const unclear: string[] = [];
  const lost: string[] = [];
  const notFound: string[] = [];
  for (const one of TRIED) {
    using _ = lg.scope();
    const { name, call, signatures } = one;
    const right = await rightCall(one);
    if (right === null) notFound.push(name);
    const { parameters, isOpen } = right?.signature ?? signatures[0];
    const args = right?.args ?? parameters.map(() => undefined);
    for (const i of parameters.keys()) {
      for (const value of wrong) {
        const result = await outcome(call, args.with(i, value));
        if (!isClear(result)) unclear.push(`${name} ${parameters[i].name} = ${shown(value)}: ${told(result)}`);
      }
    }
    if (right === null) continue;
    const last = parameters.at(-1);
    if (!isOpen && !isRefused(await outcome(call, [...args, 7]))) lost.push(`${name} with one more`);
    if (last === undefined || (last.options === null && last.name !== "options")) continue;
    const options = { ...((args.at(-1) ?? {}) as object), nonsense: 1 };
    if (!isRefused(await outcome(call, args.with(-1, options)))) lost.push(`${name} with an option`);
  }
  expect(unclear).toEqual([]);
  expect(lost).toEqual([]);
  expect(notFound).toEqual([]);
});

/** Methods that subclasses give, that hand any argument on, and of devices those that the recorder calls. */
const FREE_METHODS = new RegExp(
  `^(${[
    ...["constructor", "toString", "toJSON", "extraRepr", "update", "members", "childTexts", "stateName", "typeName"],
    ...["at", "momentumAt", "forward", "validate", "call", "_.*"],
    ...["begin", "check", "put", "residual", "run", "think", "track", "write"],
    ...[
      "changed",
      "forget",
      "fromHost",
      "lapse",
      "mayFail",
      "peek",
      "read",
      "record",
      "released",
      "seam",
      "trim",
      "unpinned",
    ],
    ...["unrecorded", "unsaved", "want", "audit"],
  ].join("|")})$`,
);

test("an argument too many is an error in every method", async () => {
  using _ = lg.scope();
  const slot = new lg.Parameter(lg.ones([1]));
  const net = new lg.Linear(1, 1);
  const opt = new lg.SGD(net.parameters(), { lr: 0.1 });
  using loop = lg.innerLoop(net, opt);
  using block = lg.scope();
  const others = [lg.ones([1]), slot, far, block, opt, loop, loop.fmodel, loop.diffopt];
  const instances: [string, object][] = others.map((object) => [object.constructor.name, object]);
  for (const one of TRIED.filter(({ name }) => /^[A-Z]/.test(name))) {
    const right = await rightCall(one);
    const instance = right && one.call(...right.args);
    if (typeof instance === "object" && instance !== null) instances.push([one.name, instance]);
  }
  const taken = new Set<string>();
  const tried = new Set<unknown>();
  for (const [name, instance] of instances) {
    for (let type = Object.getPrototypeOf(instance); type !== Object.prototype; type = Object.getPrototypeOf(type)) {
      for (const method of Object.getOwnPropertyNames(type)) {
        const fn = Object.getOwnPropertyDescriptor(type, method)?.value;
        // Of these the subclass, the first layer or the module says what is taken.
        const isForward =
          method === "forward" && !/^(Module|Sequential|FunctionalModule|Loss)$/.test(type.constructor.name);
        if (typeof fn !== "function" || tried.has(fn) || (FREE_METHODS.test(method) && !isForward)) continue;
        tried.add(fn);
        const result = await outcome((...args) => {
          const value = fn.apply(instance, args);
          return typeof value?.next === "function" ? value.next() : value;
        }, MANY);
        if (!isRefused(result)) taken.add(`${name}.${method} of ${type.constructor.name}: ${told(result)}`);
      }
    }
  }
  expect([...taken]).toEqual([]);
});
