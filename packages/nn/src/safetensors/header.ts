/**
 * The header: which tensors a file holds, and where.
 *
 *     8 bytes   n, the length of the header: an unsigned 64-bit integer
 *     n bytes   JSON in UTF-8: { "__metadata__": { … }, "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, … }
 *     the rest  the *data*: the tensors' elements, row-major, one tensor after the other, without holes
 *
 * A header from a stranger is read with care. It is no tree of arbitrary JSON, so no parser of arbitrary JSON reads it:
 * `Scanner` knows what may come next, goes through the text once, does not recurse, and sees keys that stand twice.
 * Nothing is made for a tensor until every range has been checked against the file's size, so a header cannot ask for
 * more memory than the file has bytes.
 */
import { type Shape, show } from "@loopgrad/tensor";
import { quote, SafetensorsError } from "./error.ts";
import { FORMATS, type Format } from "./formats.ts";

/** Bytes of the header's length. */
export const LENGTH_BYTES = 8;

/** The longest header that the reference library reads, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** The most dimensions of a tensor. */
const MAX_RANK = 64;

/** The key of the metadata, among the tensors' names. */
export const METADATA = "__metadata__";

/** Where a tensor stands in a file. */
export interface SafetensorsEntry {
  /** How its elements are stored. */
  readonly format: Format;
  readonly shape: Shape;
  /** Bytes before the first element, from the beginning of the data. */
  readonly begin: number;
  /** Bytes before what follows the last element. */
  readonly end: number;
}

/** What a header says. */
export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
}

/**
 * The length of the header.
 *
 * @param first  the first bytes of the file, up to 8 of them
 * @param size   of the file, in bytes
 * @throws       SafetensorsError for a length that the file cannot have
 */
export function headerBytes(first: ArrayBuffer, size: number): number {
  if (size < LENGTH_BYTES) throw new SafetensorsError(`${size} bytes: too short, the length of the header takes 8`);
  const length = new DataView(first).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new SafetensorsError(`the header is said to have ${length} bytes, and may have ${MAX_HEADER_BYTES}`);
  }
  if (LENGTH_BYTES + Number(length) > size) {
    throw new SafetensorsError(`the header is said to have ${length} bytes, and the whole file has ${size}`);
  }
  return Number(length);
}

/**
 * Reads a header.
 *
 * @param bytes      its bytes
 * @param dataBytes  length of the data that follow
 * @throws           SafetensorsError unless the header is valid, and describes each byte of the data once
 */
export function parseHeader(bytes: ArrayBuffer, dataBytes: number): Header {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SafetensorsError("the header is no valid UTF-8");
  }
  const { metadata, entries } = readEntries(new Scanner(text));
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkCoverage(inOrder, dataBytes);
  return { metadata, entries: new Map(inOrder) };
}

function readEntries(scan: Scanner): { metadata: Record<string, string>; entries: Map<string, SafetensorsEntry> } {
  let metadata: Map<string, string> | null = null;
  const entries = new Map<string, SafetensorsEntry>();
  if (!scan.at("{")) scan.fail('wanted "{", with which a header begins');
  scan.object((name) => {
    if (name === METADATA) {
      if (metadata !== null) scan.fail(`${METADATA} stands here a second time`);
      metadata = readMetadata(scan);
    } else {
      if (entries.has(name)) scan.fail(`tensor ${quote(name)} stands here a second time`);
      entries.set(name, readEntry(scan, name));
    }
  });
  scan.end();
  return { metadata: Object.fromEntries(metadata ?? []), entries };
}

function readMetadata(scan: Scanner): Map<string, string> {
  const metadata = new Map<string, string>();
  scan.object((key) => {
    if (metadata.has(key)) scan.fail(`${METADATA}: ${quote(key)} stands here a second time`);
    metadata.set(key, scan.string());
  });
  return metadata;
}

/** { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, in any order. */
function readEntry(scan: Scanner, name: string): SafetensorsEntry {
  let format: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const seen = new Set<string>();
  scan.object((key) => {
    if (seen.has(key)) scan.fail(`tensor ${quote(name)}: ${quote(key)} stands here a second time`);
    seen.add(key);
    if (key === "dtype") format = scan.string();
    else if (key === "shape") shape = scan.integers(MAX_RANK);
    else if (key === "data_offsets") offsets = scan.integers(2);
    else scan.fail(`tensor ${quote(name)}: unknown key ${quote(key)}: wanted dtype, shape and data_offsets`);
  });
  if (format === undefined || shape === undefined || offsets === undefined) {
    scan.fail(`tensor ${quote(name)}: dtype, shape and data_offsets are needed, not all are given`);
  }
  if (!isFormat(format)) {
    scan.fail(
      `tensor ${quote(name)}: unknown dtype ${quote(format)}: wanted one of ${Object.keys(FORMATS).join(", ")}`,
    );
  }
  if (offsets.length !== 2) scan.fail(`tensor ${quote(name)}: data_offsets has ${offsets.length} numbers, wanted 2`);
  const [begin, end] = offsets;
  if (end < begin) scan.fail(`tensor ${quote(name)}: data_offsets go from ${begin} back to ${end}`);
  const bytes = bytesOf(format, shape);
  if (bytes !== end - begin) {
    const wanted = bytes === null ? "no whole number of bytes that a file could have" : `${bytes} bytes`;
    scan.fail(
      `tensor ${quote(name)}: ${format} of shape ${show(shape)} takes ${wanted}, its data_offsets span ${end - begin}`,
    );
  }
  return { format, shape, begin, end };
}

const isFormat = (name: string): name is Format => Object.hasOwn(FORMATS, name);

/** Bytes of a tensor; null if they are too many to be counted, or no whole number. */
export function bytesOf(format: Format, shape: Shape): number | null {
  let bits = FORMATS[format].bits;
  if (shape.includes(0)) return 0;
  for (const size of shape) {
    bits *= size;
    if (bits > Number.MAX_SAFE_INTEGER) return null;
  }
  return bits % 8 === 0 ? bits / 8 : null;
}

/** Throws unless the ranges, in order, follow each other from the first byte to the last. */
function checkCoverage(inOrder: readonly [string, SafetensorsEntry][], dataBytes: number): void {
  let covered = 0;
  let before = "";
  for (const [name, { begin, end }] of inOrder) {
    if (end > dataBytes) {
      throw new SafetensorsError(
        `tensor ${quote(name)}: its data end at byte ${end}, and there are ${dataBytes}: is the file cut short?`,
      );
    }
    if (begin < covered) {
      throw new SafetensorsError(`tensor ${quote(name)}: its data overlap those of ${quote(before)} at byte ${begin}`);
    }
    if (begin > covered) {
      throw new SafetensorsError(
        `bytes ${covered} to ${begin} of the data, before ${quote(name)}, belong to no tensor`,
      );
    }
    covered = end;
    before = name;
  }
  if (covered < dataBytes) {
    throw new SafetensorsError(`the last ${dataBytes - covered} bytes of the data belong to no tensor`);
  }
}

/** Reads what a header may consist of, from left to right. */
class Scanner {
  #at = 0;

  constructor(readonly text: string) {}

  /** @throws SafetensorsError with the place */
  fail(problem: string): never {
    throw new SafetensorsError(`the header, at character ${this.#at}: ${problem}`);
  }

  /** Whether a character is next. */
  at(character: string): boolean {
    return this.text[this.#at] === character;
  }

  #space(): void {
    while (this.#at < this.text.length && " \n\r\t".includes(this.text[this.#at])) this.#at++;
  }

  /** Passes a character, if it is next after white space. */
  #pass(character: string): boolean {
    this.#space();
    if (!this.at(character)) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (this.#pass(character)) return;
    this.fail(
      `wanted ${quote(character)}, got ${this.#at < this.text.length ? quote(this.text[this.#at]) : "the end"}`,
    );
  }

  /** Items between brackets, with commas between them. */
  #list(open: string, close: string, item: () => void): void {
    this.#expect(open);
    if (this.#pass(close)) return;
    do item();
    while (this.#pass(","));
    this.#expect(close);
  }

  /** An object; `value` reads what belongs to a key. */
  object(value: (key: string) => void): void {
    this.#list("{", "}", () => {
      const key = this.string();
      if (key === "__proto__") this.fail("the name __proto__ is not taken: it is special in JavaScript");
      this.#expect(":");
      value(key);
    });
  }

  string(): string {
    this.#expect('"');
    const start = this.#at - 1;
    while (this.#at < this.text.length && !this.at('"')) this.#at += this.at("\\") ? 2 : 1;
    this.#expect('"');
    try {
      const string: string = JSON.parse(this.text.slice(start, this.#at));
      if (!LONE_SURROGATE.test(string)) return string;
    } catch {
      // An escape or a control character that JSON does not have.
    }
    this.#at = start;
    return this.fail("this string is not valid");
  }

  /** Integers in [0, 2⁵³), at most so many. */
  integers(most: number): number[] {
    const list: number[] = [];
    this.#list("[", "]", () => {
      if (list.length === most) this.fail(`wanted at most ${most} numbers`);
      list.push(this.#integer());
    });
    return list;
  }

  #integer(): number {
    this.#space();
    const start = this.#at;
    // Enough characters to see that a number is too large.
    const [token] = /^[-+.\w]*/.exec(this.text.slice(start, start + 24)) as RegExpExecArray;
    const value = Number(token);
    if (!/^(0|[1-9]\d*)$/.test(token) || !Number.isSafeInteger(value)) {
      this.fail(
        `wanted an integer in [0, 2^53), got ${quote(token === "" ? this.text.slice(start, start + 1) : token)}`,
      );
    }
    this.#at += token.length;
    return value;
  }

  /** Throws unless only white space is left. */
  end(): void {
    this.#space();
    if (this.#at < this.text.length) this.fail(`something follows the header: ${quote(this.text.slice(this.#at))}`);
  }
}

/** Half of a character beyond 16 bits, without the other half: UTF-8 cannot say it. */
export const LONE_SURROGATE = /\p{Surrogate}/u;
