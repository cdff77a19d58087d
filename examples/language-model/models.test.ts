/**
 * Both language models look backwards only, and read one character at a time as they do a whole window.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { init, manualSeed, noGrad, scope, tensor } from "loopgrad";
import { type LanguageModel, LstmModel, TransformerModel } from "./models.ts";

beforeAll(async () => void (await init({ device: "cpu" })));

const SIZES = { vocabulary: 7, width: 8, layers: 2, heads: 2, window: 6 };
const MODELS: [string, () => LanguageModel][] = [
  ["LSTM", () => new LstmModel(SIZES)],
  ["transformer", () => new TransformerModel(SIZES)],
];

/** Logits [T][vocabulary]. */
async function logits(model: LanguageModel, text: number[]): Promise<number[][]> {
  using _ = scope();
  const [rows] = (await model.forward(tensor([text], { dtype: "int32" })).toArray()) as number[][][];
  return rows;
}

test.each(MODELS)("%s: a prediction does not depend on what comes after", async (_, make) => {
  manualSeed(1);
  const model = make();
  const [one, other] = [await logits(model, [0, 1, 2, 3, 4, 5]), await logits(model, [0, 1, 2, 3, 6, 6])];
  expect(one.slice(0, 4)).toEqual(other.slice(0, 4));
  expect(one[4]).not.toEqual(other[4]);
});

test.each(MODELS)("%s: a reader predicts as a pass over the whole window does", async (_, make) => {
  manualSeed(2);
  const model = make();
  const text = [3, 1, 4, 1, 5, 2];
  const whole = await logits(model, text);
  using _scope = scope();
  using _mode = noGrad();
  const read = model.reader();
  for (const [i, character] of text.entries()) {
    const next = await read(character).data();
    for (const [place, value] of next.entries()) expect(value).toBeCloseTo(whole[i][place], 5);
  }
});

test("a transformer's reader forgets what has left the window", async () => {
  manualSeed(3);
  const model = new TransformerModel(SIZES);
  using _scope = scope();
  using _mode = noGrad();
  const last = async (text: number[]): Promise<number[]> => {
    const read = model.reader();
    const all = text.map((character) => read(character));
    return Array.from(await all[all.length - 1].data());
  };
  expect(await last([0, 1, 2, 3, 4, 5, 6])).toEqual(await last([1, 2, 3, 4, 5, 6]));
});
