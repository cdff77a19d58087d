import { afterEach, describe, expect, test } from "@jest/globals";
import { bind } from "../bind.ts";
import { arithmetic } from "../cpu/arithmetic.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { Sketch } from "../cpu/sketch.ts";
import { Device } from "../device.ts";
import type { HostArray } from "../dtype.ts";
import { LoopgradError } from "../errors.ts";
import { addP, castP, mulP } from "../primitives.ts";
import type { Backend } from "../record/backend.ts";
import { wrap } from "../tensor.ts";
import { checkAgainstInterpreter } from "./check.ts";
import { setDebug } from "./plan.ts";

const s = new Sketch();
const x = s.leaf([3]);
const sum = s.apply(addP, [x, x]);
const graph = s.graph(sum, s.apply(castP, [s.apply(mulP, [sum, x])], [2]));
const leaves = [new Float32Array([1, -2, Number.NaN])];
const NaN32 = Number.NaN;

const check = (floats: number[], integers: number[]) => () =>
  checkAgainstInterpreter(graph, leaves, [], [new Float32Array(floats), new Int32Array(integers)], arithmetic);

describe("checkAgainstInterpreter", () => {
  test("accepts what the interpreter computes, and a rounding's difference", () => {
    expect(check([2, -4, NaN32], [2, 8, 0])).not.toThrow();
    expect(check([2.0003, -4, NaN32], [2, 8, 0])).not.toThrow();
  });

  test("names the output, the operation, the element and the error", () => {
    expect(check([2, -4.5, NaN32], [2, 8, 0])).toThrow(LoopgradError);
    expect(check([2, -4.5, NaN32], [2, 8, 0])).toThrow(
      /output %1 = add\(%0, %0\) float32 \[3\] .* at element 1: got -4.5, wanted -4, an error of 0.5/,
    );
  });

  test("wants NaN where there is NaN, and nowhere else", () => {
    expect(check([2, -4, 0], [2, 8, 0])).toThrow(/element 2: got 0, wanted NaN/);
    expect(check([NaN32, -4, NaN32], [2, 8, 0])).toThrow(/element 0: got NaN, wanted 2/);
  });

  test("wants integers exact", () => {
    expect(check([2, -4, NaN32], [2, 7, 0])).toThrow(/output %3 = cast.* int32 \[3\] .* element 1: got 7, wanted 8/);
  });
});

describe("check mode", () => {
  /** A device that gets the first element of every result wrong by 1. */
  class WrongBackend extends CpuBackend {
    override execute(...given: Parameters<Backend["execute"]>): ReturnType<Backend["execute"]> {
      const result = super.execute(...given);
      for (const storage of result.outputs) (storage as unknown as { block: { data: HostArray } }).block.data[0] += 1;
      return result;
    }
  }

  const product = (backend: Backend) => {
    const device = new Device(backend);
    const a = wrap(device.fromHost(new Float32Array([1, 2, 3, 4]), [2, 2], "float32"));
    return bind(mulP, [a, a]).data();
  };

  afterEach(() => setDebug(null));

  test("rejects the read of a wrong result", async () => {
    setDebug("check");
    await expect(product(new WrongBackend())).rejects.toThrow(/mul.* at element 0: got 2, wanted 1/);
    expect(Array.from(await product(new CpuBackend()))).toEqual([1, 4, 9, 16]);
  });

  test("is off unless asked for", async () => {
    await expect(product(new WrongBackend())).resolves.toBeDefined();
  });
});
