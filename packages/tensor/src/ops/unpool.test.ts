/** Unpooling: what golden cases leave open, which are places that several windows kept, and places that only the device knows. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, maxPool1d, maxUnpool1d, tensor } from "../index.ts";

describe.each(["cpu", "webgpu"] as const)("%s", (name) => {
  beforeAll(() => init({ device: name }));

  test("an element that several windows kept comes back once", async () => {
    const x = tensor([[1, 9, 2, 3]]);
    const [y, places] = maxPool1d(x, 3, { stride: 1, returnIndices: true });
    expect(await y.toArray()).toEqual([[9, 9]]);
    expect(await places.toArray()).toEqual([[1, 1]]);
    const options = { stride: 1 };
    expect(await maxUnpool1d(y, places, 3, options).toArray()).toEqual([[0, 9, 0, 0]]);
    expect(await maxUnpool1d(tensor([[4, 8]]), places, 3, options).toArray()).toEqual([[0, 6, 0, 0]]);
  });

  test("a place outside is an error: at once where the host knows it, else at the next read", async () => {
    const y = tensor([[1, 2]]);
    const outside = tensor([[0, 4]], { dtype: "int32" });
    expect(() => maxUnpool1d(y, outside, 2)).toThrow("maxUnpool1d: index 4 is outside [0, 4)");
    const unknown = tensor([[0, 2.5]])
      .mul(2)
      .to("int32");
    await expect(maxUnpool1d(y, unknown, 2).data()).rejects.toThrow("maxUnpool1d: index 5 is outside [0, 4)");
    expect(() => maxUnpool1d(y, tensor([[-1, 0]], { dtype: "int32" }), 2)).toThrow("index -1 is outside");
  });
});
