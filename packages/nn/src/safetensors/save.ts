/**
 * Saving: tensors to a safetensors file, laid out as the reference library does, byte for byte.
 *
 * The values are those of the moment of the call: training may go on while they are read and written.
 */
import { ArgumentError, admit, handleLike, isFloat, Tensor } from "@loopgrad/tensor";
import { withDefaults } from "../options.ts";
import { quote } from "./error.ts";
import { encode, FLOAT_FORMATS, type FloatFormat, FORMAT_OF, FORMATS, type Format } from "./formats.ts";
import { bytesOf, LENGTH_BYTES, LONE_SURROGATE, MAX_HEADER_BYTES, METADATA } from "./header.ts";
import { fileSystem } from "./source.ts";

/** Options of {@link saveSafetensors}. */
export interface SaveSafetensorsOptions {
  /** Strings to be saved beside the tensors. */
  metadata?: Readonly<Record<string, string>>;
  /** How all float tensors are stored; they are rounded if it is narrower than their dtype. Default: as they are. */
  format?: FloatFormat;
}

const DEFAULTS: SaveSafetensorsOptions = { metadata: undefined, format: undefined };

/** About as many bytes of tensors are read from the device at once. */
const BATCH_BYTES = 64 * 2 ** 20;

/**
 * Writes tensors to a file, in Node. The file appears whole or not at all: one that was there stays until then.
 *
 * @param path     a path or `file:` URL
 * @param tensors  by name: a state dict
 * @throws         ArgumentError for names and metadata that the format does not take
 * @see            safetensors.torch.save_file
 * @example        await saveSafetensors("model.safetensors", model.stateDict(), { metadata: { epochs: "3" } });
 */
export async function saveSafetensors(
  path: string | URL,
  tensors: Readonly<Record<string, Tensor>>,
  options: SaveSafetensorsOptions = {},
): Promise<void> {
  admit(arguments, "saveSafetensors(path: any, tensors: object, options?: { metadata: any, format: string })");
  using layout = new Layout(tensors, options);
  const { open, rename, rm } = await fileSystem();
  const partial = path instanceof URL ? new URL(`${path.href}.partial`) : `${path}.partial`;
  const file = await open(partial, "w");
  try {
    for await (const bytes of layout.chunks()) await file.writeFile(bytes);
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
}

/**
 * The file as a Blob, for a download or for storage in the browser.
 *
 * @param tensors, options  as for {@link saveSafetensors}
 * @example  link.href = URL.createObjectURL(await safetensorsBlob(model.stateDict()));
 */
export async function safetensorsBlob(
  tensors: Readonly<Record<string, Tensor>>,
  options: SaveSafetensorsOptions = {},
): Promise<Blob> {
  admit(arguments, "safetensorsBlob(tensors: object, options?: { metadata: any, format: string })");
  using layout = new Layout(tensors, options);
  const parts: BlobPart[] = [];
  for await (const bytes of layout.chunks()) parts.push(bytes);
  return new Blob(parts, { type: "application/octet-stream" });
}

/**
 * The file's bytes.
 *
 * @param tensors, options  as for {@link saveSafetensors}
 * @see                     safetensors.torch.save
 */
export async function safetensorsBytes(
  tensors: Readonly<Record<string, Tensor>>,
  options: SaveSafetensorsOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  admit(arguments, "safetensorsBytes(tensors: object, options?: { metadata: any, format: string })");
  using layout = new Layout(tensors, options);
  const file = new Uint8Array(layout.bytes);
  let at = 0;
  for await (const bytes of layout.chunks()) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

interface Item {
  readonly name: string;
  /** A handle of its own: the value stays what it is when a parameter changes, and lives when a scope ends. */
  readonly tensor: Tensor;
  readonly format: Format;
  readonly bytes: number;
}

/** Which bytes a file will have. Holds the tensors until it is disposed of. */
class Layout {
  /** Of the file. */
  readonly bytes: number;
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #items: Item[];

  constructor(tensors: Readonly<Record<string, Tensor>>, options: SaveSafetensorsOptions) {
    const { metadata, format } = withDefaults("safetensors", DEFAULTS, options);
    if (format !== undefined && !FLOAT_FORMATS.includes(format)) {
      throw new ArgumentError(`safetensors: format ${String(format)}: wanted one of ${FLOAT_FORMATS.join(", ")}`);
    }
    checkMetadata(metadata);
    const entries = Object.entries(tensors);
    for (const [name, tensor] of entries) checkTensor(name, tensor);
    const order = Object.keys(FORMATS);
    this.#items = entries
      .map(([name, tensor]): Item => {
        const stored = format !== undefined && isFloat(tensor.dtype) ? format : FORMAT_OF[tensor.dtype];
        return {
          name,
          tensor: handleLike(tensor, tensor._live(), null),
          format: stored,
          bytes: bytesOf(stored, tensor.shape) ?? 0,
        };
      })
      .sort((a, b) => order.indexOf(a.format) - order.indexOf(b.format) || byCodePoint(a.name, b.name));
    this.#header = header(this.#items, metadata);
    this.bytes = this.#items.reduce((sum, { bytes }) => sum + bytes, this.#header.length);
  }

  /** The file's bytes in order. Elements are read from the device some tensors at a time. */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield this.#header;
    for (let at = 0; at < this.#items.length; ) {
      const first = at;
      for (let bytes = 0; at < this.#items.length && (at === first || bytes < BATCH_BYTES); at++) {
        bytes += this.#items[at].bytes;
      }
      const batch = this.#items.slice(first, at);
      const arrays = await Promise.all(batch.map(({ tensor }) => tensor.data()));
      for (const [i, { format }] of batch.entries()) yield encode(arrays[i], format);
    }
  }

  [Symbol.dispose](): void {
    for (const { tensor } of this.#items) tensor.dispose();
  }
}

/** The header with its length before it, filled up with spaces so that the data begin at a multiple of 8. */
function header(items: readonly Item[], metadata: SaveSafetensorsOptions["metadata"]): Uint8Array<ArrayBuffer> {
  const described: [string, unknown][] = metadata === undefined ? [] : [[METADATA, metadata]];
  let begin = 0;
  for (const { name, tensor, format, bytes } of items) {
    described.push([name, { dtype: format, shape: tensor.shape, data_offsets: [begin, begin + bytes] }]);
    begin += bytes;
  }
  // By hand: an object would put names that look like numbers first.
  const json = described.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",");
  const text = new TextEncoder().encode(`{${json}}`);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new ArgumentError(`safetensors: names and metadata take ${length} bytes, and may take ${MAX_HEADER_BYTES}`);
  }
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

function checkTensor(name: string, tensor: unknown): void {
  if (name === METADATA || name === "__proto__") {
    throw new ArgumentError(`safetensors: a tensor cannot have the name ${name}`);
  }
  checkText(name);
  if (!(tensor instanceof Tensor)) throw new ArgumentError(`safetensors: ${quote(name)} is no tensor`);
}

function checkMetadata(metadata: unknown = {}): void {
  if (typeof metadata !== "object" || metadata === null) {
    throw new ArgumentError("safetensors: metadata: wanted an object of strings");
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (key === "__proto__") throw new ArgumentError("safetensors: metadata cannot have the key __proto__");
    if (typeof value !== "string") {
      throw new ArgumentError(
        `safetensors: metadata ${quote(key)} is ${value === null ? "null" : typeof value}: wanted a string`,
      );
    }
    checkText(key);
    checkText(value);
  }
}

function checkText(text: string): void {
  if (LONE_SURROGATE.test(text)) {
    throw new ArgumentError(`safetensors: ${quote(text)} has half of a surrogate pair, which UTF-8 cannot say`);
  }
}

/** The order of UTF-8's bytes, which is that of code points and not of UTF-16. */
function byCodePoint(a: string, b: string): number {
  const [x, y] = [Array.from(a), Array.from(b)];
  const i = x.findIndex((character, j) => character !== y[j]);
  if (i < 0) return x.length - y.length;
  return i < y.length ? (x[i].codePointAt(0) as number) - (y[i].codePointAt(0) as number) : 1;
}
