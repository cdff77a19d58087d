/**
 * Loading: tensors from a safetensors file.
 *
 * The header is read first, then the bytes of each tensor that is asked for, straight into the buffer that the device
 * takes over.
 */
import {
  admit,
  checkDevice,
  type Device,
  DTypeError,
  getDevice,
  type HostArray,
  type Tensor,
  wrap,
} from "@loopgrad/tensor";
import { withDefaults } from "../options.ts";
import type { StateDict } from "../state-dict.ts";
import { quote, SafetensorsError } from "./error.ts";
import { FORMATS } from "./formats.ts";
import { type Header, headerBytes, LENGTH_BYTES, parseHeader, type SafetensorsEntry } from "./header.ts";
import { type ByteSource, openSource, type SafetensorsSource } from "./source.ts";

export type { SafetensorsEntry } from "./header.ts";

/** Options of {@link loadSafetensors}. */
export interface LoadSafetensorsOptions {
  /** Where the tensors are made. Default: the device of the last `init()`. */
  device?: Device;
  /**
   * The dtype of all float tensors, which are rounded if it is narrower than the file's.
   * Default: float64 for F64, float32 for the other formats.
   */
  dtype?: "float32" | "float64" | "float16";
}

const DEFAULTS: LoadSafetensorsOptions = { device: undefined, dtype: undefined };

/**
 * All tensors of a safetensors file, by name: the state dict of a model, whichever library wrote it.
 *
 * Narrow formats are widened exactly: F16, BF16 and floats of 8 bits to float32, integers to int32 or uint32. I64 and
 * U64 are taken if each element fits 32 bits, F64 by the cpu device or with `dtype: "float32"`.
 *
 * @param source  a path or `file:` URL in Node; a Blob or File; an ArrayBuffer or Uint8Array
 * @throws        SafetensorsError for a file that is not valid, DTypeError for elements that the device cannot hold
 * @see           safetensors.torch.load_file
 * @example       model.loadStateDict(await loadSafetensors("model.safetensors"));
 * @example       const state = await loadSafetensors(await (await fetch("model.safetensors")).blob());
 */
export async function loadSafetensors(
  source: SafetensorsSource,
  options: LoadSafetensorsOptions = {},
): Promise<StateDict> {
  admit(arguments, "loadSafetensors(source: any, options?: { device: device, dtype: string })");
  const file = await openSafetensors(source);
  const loaded: [string, Tensor][] = [];
  try {
    for (const name of file.entries.keys()) loaded.push([name, await file.tensor(name, options)]);
  } catch (error) {
    for (const [, tensor] of loaded) tensor.dispose();
    throw error;
  } finally {
    await file.close();
  }
  return Object.fromEntries(loaded);
}

/**
 * Opens a safetensors file and reads its header: metadata, names, shapes. Tensors are read one by one when asked for.
 *
 * @param source  as for {@link loadSafetensors}
 * @throws        SafetensorsError for a file that is not valid
 * @see           safetensors.safe_open
 * @example
 * await using file = await openSafetensors("model.safetensors");
 * console.log(file.metadata, [...file.entries.keys()]);
 * const weight = await file.tensor("head.weight");
 */
export async function openSafetensors(source: SafetensorsSource): Promise<SafetensorsFile> {
  admit(arguments, "openSafetensors(source: any)");
  const bytes = await openSource(source);
  try {
    const length = headerBytes(await bytes.read(0, Math.min(LENGTH_BYTES, bytes.size)), bytes.size);
    const dataStart = LENGTH_BYTES + length;
    const header = parseHeader(await bytes.read(LENGTH_BYTES, dataStart), bytes.size - dataStart);
    return new SafetensorsFile(bytes, header, dataStart);
  } catch (error) {
    await bytes.close();
    if (error instanceof SafetensorsError) error.message = `${bytes.name}: ${error.message}`;
    throw error;
  }
}

/** An open file, made by {@link openSafetensors}. */
export class SafetensorsFile {
  /** The path, or the file's name, or "blob", or "bytes". */
  readonly name: string;
  /** Strings that were saved beside the tensors. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Format, shape and place of each tensor, by name, in the order of the data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly #source: ByteSource;
  readonly #dataStart: number;

  /** @internal */
  constructor(source: ByteSource, { metadata, entries }: Header, dataStart: number) {
    this.name = source.name;
    this.metadata = metadata;
    this.entries = entries;
    this.#source = source;
    this.#dataStart = dataStart;
  }

  /**
   * Reads a tensor.
   *
   * @throws SafetensorsError for a name that is not there, DTypeError for elements that the device cannot hold
   */
  async tensor(name: string, options: LoadSafetensorsOptions = {}): Promise<Tensor> {
    admit(arguments, "SafetensorsFile.tensor(name: string, options?: { device: device, dtype: string })");
    const { device = getDevice(), dtype } = withDefaults("safetensors", DEFAULTS, options);
    checkDevice("safetensors", device);
    const where = `${this.name}: tensor ${quote(name)}`;
    const entry = this.entries.get(name);
    if (entry === undefined) throw new SafetensorsError(`${where} is not in the file`);
    const { format, shape, begin, end } = entry;
    const { decode, dtype: natural } = FORMATS[format];
    if (decode === null || natural === null) throw new DTypeError(`${where} is ${format}, for which there is no dtype`);
    const isFloat = format.includes("F");
    const wanted = isFloat && dtype !== undefined ? dtype : natural;
    if (wanted === "float64" && device.name !== "cpu") {
      throw new DTypeError(
        `${where} is ${format}, and float64 exists on the cpu device only: { dtype: "float32" } rounds`,
      );
    }
    const bytes = await this.#source.read(this.#dataStart + begin, this.#dataStart + end);
    try {
      const data = decode(bytes);
      return wrap(device.fromHost(isFloat ? asFloat(data, wanted) : data, shape, wanted));
    } catch (error) {
      if (error instanceof DTypeError) error.message = `${where}: ${error.message}`;
      throw error;
    }
  }

  /** Closes the file. Tensors that were read stay. */
  close(): Promise<void> {
    admit(arguments, "SafetensorsFile.close()");
    return this.#source.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Floats in the host's array for a float dtype. */
function asFloat(data: HostArray, dtype: string): HostArray {
  if (dtype === "float64") return data instanceof Float64Array ? data : Float64Array.from(data);
  return data instanceof Float32Array ? data : Float32Array.from(data);
}
