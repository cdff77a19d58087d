/**
 * State dicts that PyTorch saved load unchanged, and the models compute what PyTorch computed.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Device, init, type Tensor } from "@loopgrad/tensor";
import { BatchNorm2d, Conv2d, Embedding, Linear, LSTM, Module, TransformerEncoderLayer } from "../index.ts";
import { loadSafetensors } from "./index.ts";

class ConvNet extends Module {
  conv = new Conv2d(2, 4, 3, { padding: 1 });
  bn = new BatchNorm2d(4);
  fc = new Linear(4 * 5 * 5, 3);

  override forward(x: Tensor): Tensor {
    return this.fc.forward(this.bn.forward(this.conv.forward(x)).relu().flatten(1));
  }
}

class Tagger extends Module {
  embedding = new Embedding(11, 6);
  lstm = new LSTM(6, 5, { numLayers: 2, bidirectional: true, batchFirst: true });
  head = new Linear(10, 4);

  override forward(tokens: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(this.embedding.forward(tokens))[0]);
  }
}

const models: Record<string, () => Module & { forward(x: Tensor): Tensor }> = {
  conv: () => new ConvNet(),
  tagger: () => new Tagger(),
  encoder: () => new TransformerEncoderLayer(8, 2, { dimFeedforward: 16, activation: "gelu", batchFirst: true }),
};

const fixture = (name: string): URL => new URL(`./fixtures/${name}.safetensors`, import.meta.url);

describe.each(["cpu", "webgpu"] as const)("on %s", (kind) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: kind });
  });
  afterAll(() => device.destroy());

  test.each(Object.keys(models))("%s", async (name) => {
    const model = models[name]().eval();
    const report = model.loadStateDict(await loadSafetensors(fixture(name)));
    expect(report).toEqual({ missing: [], unexpected: [] });
    const { input, output } = await loadSafetensors(fixture(`${name}.case`));
    const [got, wanted] = await Promise.all([model.forward(input).data(), output.data()]);
    expect(got.length).toBe(wanted.length);
    const worst = Math.max(...Array.from(got, (y, i) => Math.abs(y - wanted[i])));
    expect(worst).toBeLessThan(2e-6);
  });
});

test("a count that torch keeps in 64 bits arrives", async () => {
  await init({ device: "cpu" });
  const model = new ConvNet();
  model.loadStateDict(await loadSafetensors(fixture("conv")));
  expect(await model.bn.numBatchesTracked?.item()).toBe(3);
});
