/**
 * Writing text: the model is asked for the next character, one is drawn from its answer and read in turn.
 *
 * The *temperature* divides the logits: below 1 the likely characters become likelier, above 1 all become alike.
 */
import { noGrad, scope, type Tensor } from "loopgrad";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { TextError } from "./corpus.ts";
import type { LanguageModel } from "./models.ts";

export interface Writing {
  /** How the text begins. */
  readonly prompt: string;
  /** Characters to be written after that. */
  readonly length: number;
  readonly temperature: number;
  readonly seed: number;
}

/** The places of a text's characters in the vocabulary. @throws TextError for one that is not there */
export function placesOf(text: string, vocabulary: readonly string[]): number[] {
  return Array.from(text, (character) => {
    const place = vocabulary.indexOf(character);
    if (place >= 0) return place;
    throw new TextError(`the prompt has ${JSON.stringify(character)}, which the model did not learn`);
  });
}

/** Goes on from a prompt. */
export async function write(
  model: LanguageModel,
  vocabulary: readonly string[],
  { prompt, length, temperature, seed }: Writing,
): Promise<string> {
  using _ = scope();
  using _mode = noGrad();
  const random = xoroshiro128plus(seed);
  const text = placesOf(prompt, vocabulary);
  const read = model.eval().reader();
  let logits: Tensor | undefined;
  for (const character of text) logits = read(character);
  for (let i = 0; i < length; i++) {
    const weights = await (logits as Tensor).div(temperature).softmax(0).data();
    text.push(drawn(weights, uniformFloat64(random)));
    logits = read(text[text.length - 1]);
  }
  model.train();
  return text.map((place) => vocabulary[place]).join("");
}

/** The place that a point of [0, 1) falls on, where each has its probability for a length. */
function drawn(probabilities: ArrayLike<number>, point: number): number {
  let left = point;
  for (let place = 0; place < probabilities.length; place++) {
    left -= probabilities[place];
    if (left < 0) return place;
  }
  return probabilities.length - 1;
}
