/**
 * Every operation on tensors at the edge: 0-d, empty, and of size 1.
 *
 * Each export that is an operation is called with lists of arguments made for all of them alike. A call throws a
 * LoopgradError, or gives tensors; then the interpreter, the cpu device and WebGPU agree on their elements, and every
 * read settles. A call that throws leaves nothing in the record.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import * as lg from "../index.ts";
import { Device, type DType, LoopgradError, setDevice, type Tensor, visitTensors } from "../index.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

/** Exports that are no operations: what begins with these makes or checks something else. */
const MACHINERY =
  /^([A-Z]|bind|check|conv(Attrs|Geometry|Output)|set|get|init$|onBind|scope|keep|manualSeed|untracked|literals|visit|want|wrap)/;
const HELPERS = new Set([
  ...["asLeaf", "broadcastShapes", "bytesPerElement", "contiguousStrides", "currentScope", "dtypeAttr", "dtypeCode"],
  ...["fromHalf", "hostArray", "isFloat", "isFloatingPoint", "normalizeAxes", "normalizeAxis", "numel", "packLayout"],
  ...["around", "enclosed", "enter", "find", "isExact", "linesOf", "placeOf", "replaceStandIn", "syncScope", "tracked"],
  ...["withDevice", "withStandIns", "withinScope"],
  ...["vmap", "interpreted", "insideVmap", "currentLevel", "openLevels", "levelsAround", "levelsOf", "levelsOfAll"],
  ...["changing", "isTrial", "checkTasks", "handleLike", "markTasks", "spreadOver", "valueFor", "withTasks"],
  ...["promote", "resolveShape", "resultDType", "sameShape", "show", "toHalf", "literal", "scalar", "iota"],
]);

type Operation = (...args: unknown[]) => unknown;
const OPERATIONS = Object.entries(lg).filter(
  ([name, value], i, all) =>
    typeof value === "function" &&
    !MACHINERY.test(name) &&
    !HELPERS.has(name) &&
    // Aliases are once more what has been.
    all.findIndex(([, other]) => other === value) === i,
) as [string, Operation][];

const SHAPES = [[], [0], [1, 1], [2, 0, 3]];
const isFull = process.env.LOOPGRAD_FULL !== undefined;

/** Argument lists around a tensor, for operations of every signature. */
function argumentLists(shape: number[]): unknown[][] {
  const made = (value: number, dtype: DType): Tensor =>
    lg.tensor(new Array<number>(lg.numel(shape)).fill(value), { shape, dtype });
  const x = made(0.75, "float32");
  const n = made(1, "int32");
  const b = made(1, "bool");
  const zeros = made(0, "int32");
  return [
    [x],
    [n],
    [b],
    ...[0, -1, 1, 2, [0], [], shape, null].map((second) => [x, second]),
    ...[x, n, b, zeros].map((second) => [x, second]),
    ...[{ dim: 0 }, { dim: -1 }].flatMap((options) => [
      [x, options],
      [x, x, options],
    ]),
    [x, 0, zeros],
    [x, zeros, 0],
    [x, 0, zeros, x],
    [x, 0, zeros, 1.5],
    [x, 0, 1],
    [x, 0, 0, 1],
    [x, 1, 0],
    [x, [0], { keepdim: true }],
    [x, x, x],
    [b, x, x],
    [x, b, 0.5],
    [x, -1, 1],
    [x, [0, 0], {}],
    [x, [zeros]],
    [x, [zeros], x],
    [n, n],
    [n, 2],
    [zeros, x],
    [b, b],
    [[x, x]],
    [[x, x], -1],
    [[x]],
    [shape],
    [shape, 1],
    [0, 1, shape],
    [1],
    ["...->...", x],
    ["i,i->", x, x],
  ];
}

interface Outcome {
  /** The calls' results, or the class of the error. */
  readonly calls: (Tensor[] | string)[];
}

/** All calls of an operation on the default device; `thrown` is told of errors. */
function callAll(operation: Operation, shape: number[], thrown: (error: unknown) => void): Outcome {
  return {
    calls: argumentLists(shape).map((args) => {
      try {
        const result = operation(...args);
        if (result instanceof Promise) {
          result.catch(() => {});
          return "a promise";
        }
        const tensors: Tensor[] = [];
        visitTensors(result, (t) => tensors.push(t));
        return tensors;
      } catch (error) {
        thrown(error);
        return error instanceof Error ? error.name : "no error";
      }
    }),
  };
}

/** Elements as text, coarse enough for two devices. */
const rounded = (data: ArrayLike<number>): string[] =>
  Array.from(data, (v) => (Number.isFinite(v) ? (v === 0 ? "0" : v.toPrecision(4)) : String(v)));

const SETTLED_WITHIN_MS = 20_000;

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle`)), SETTLED_WITHIN_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What the calls give on a device: shape, dtype and elements, or the class of an error, of the call or of its read. */
async function elementsOf(device: Device, operation: Operation, shape: number[]): Promise<unknown[]> {
  setDevice(device);
  lg.manualSeed(7);
  using _ = lg.scope();
  const { calls } = callAll(operation, shape, () => {});
  const described = calls.map((result) =>
    typeof result === "string"
      ? result
      : Promise.all(
          result.map(async (t) => {
            const { dtype, shape: its } = t;
            return [dtype, its, rounded(await t.data())];
          }),
        ),
  );
  return within(Promise.all(described), "a read");
}

const open: Device[] = [];
afterAll(() => {
  for (const device of open) device.destroy();
});
const on = async (name: "interpreter" | "cpu" | "webgpu"): Promise<Device> => {
  const backend =
    name === "webgpu" ? await createWebGPUBackend({}) : name === "cpu" ? new CpuBackend() : new InterpreterBackend();
  const device = new Device(backend);
  open.push(device);
  return device;
};

let interpreter: Device;
let cpu: Device;
let webgpu: Device;
beforeAll(async () => {
  [interpreter, cpu, webgpu] = await Promise.all([on("interpreter"), on("cpu"), on("webgpu")]);
});

describe.each(OPERATIONS)("%s", (_, operation) => {
  test("of 0-d, empty and single elements is the same on all devices", async () => {
    for (const shape of SHAPES) {
      const wanted = await elementsOf(interpreter, operation, shape);
      expect([shape, await elementsOf(cpu, operation, shape)]).toEqual([shape, wanted]);
      // To compile anew what a 0-d tensor's kernels do takes a software adapter most of this file's time.
      if (lg.numel(shape) === 1 && shape.length > 0 && !isFull) continue;
      expect([shape, await elementsOf(webgpu, operation, shape)]).toEqual([shape, wanted]);
    }
  });

  test("leaves nothing of a call that fails", async () => {
    const device = setDevice(cpu);
    using _scope = lg.scope();
    const stored = lg.tensor([1, 2]).add(1);
    const pending: Promise<unknown>[] = [];
    const left: string[] = [];
    for (const shape of SHAPES) {
      const lists = argumentLists(shape);
      for (const args of lists) {
        device.flush();
        const { flushes } = device.stats();
        try {
          const result = operation(...args);
          if (result instanceof Promise) await result.catch(() => {});
        } catch (error) {
          if (!(error instanceof LoopgradError)) continue;
          device.flush();
          if (device.stats().flushes !== flushes) left.push(`${args}: ${error.message}`);
        }
      }
      pending.push(stored.mul(2).toArray());
    }
    expect(left).toEqual([]);
    expect(await within(Promise.all(pending), "a read")).toEqual(SHAPES.map(() => [4, 6]));
  });
});
