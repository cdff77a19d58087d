/**
 * An assembler for WebAssembly: bytes of modules that import a memory and export functions.
 *
 * Code is written as it runs: operands first, then the operation. A function's *locals* are its parameters, then those that it
 * declares; structured control (`block`, `loop`) is a function that writes what is inside. Encodings are those of the
 * specification's binary format.
 *
 * @see https://webassembly.github.io/spec/core/binary/
 */

export const I32 = 0x7f;
export const F64 = 0x7c;
export const V128 = 0x7b;

/** Opcodes without immediates, by their names in the text format. */
const OPERATIONS = {
  "i32.eqz": [0x45],
  "i32.lt_s": [0x48],
  "i32.add": [0x6a],
  "i32.sub": [0x6b],
  "i32.mul": [0x6c],
  "f64x2.add": [0xfd, 0xf0, 0x01],
  "f64x2.mul": [0xfd, 0xf2, 0x01],
} as const satisfies Readonly<Record<string, readonly number[]>>;

/** Those that read or write memory, with the logarithm of their natural alignment. */
const ACCESSES = {
  "v128.load": [[0xfd, 0x00], 4],
  "v128.load64_splat": [[0xfd, 0x0a], 3],
  "v128.store": [[0xfd, 0x0b], 4],
} as const satisfies Readonly<Record<string, readonly [readonly number[], number]>>;

/** A whole number in the LEB128 encoding, without a sign. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** The same with a sign, in 32 bits. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    // Done when all that is left is the sign that this byte shows.
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

/** A function under construction. */
export class Code {
  readonly #bytes: number[] = [];
  readonly #locals: number[] = [];

  constructor(readonly parameters: readonly number[]) {}

  /** Declares a local variable, 0 at first. Returns its number. */
  local(type: number): number {
    this.#locals.push(type);
    return this.parameters.length + this.#locals.length - 1;
  }

  get(local: number): this {
    return this.#write(0x20, ...unsigned(local));
  }

  set(local: number): this {
    return this.#write(0x21, ...unsigned(local));
  }

  /** An i32 constant. */
  constant(value: number): this {
    return this.#write(0x41, ...signed(value));
  }

  op(name: keyof typeof OPERATIONS): this {
    return this.#write(...OPERATIONS[name]);
  }

  /** An access to memory, some bytes from the address on the stack. */
  access(name: keyof typeof ACCESSES, offset = 0): this {
    const [opcode, alignment] = ACCESSES[name];
    return this.#write(...opcode, alignment, ...unsigned(offset));
  }

  /** local += bytes */
  advance(local: number, bytes: number): this {
    return this.get(local).constant(bytes).op("i32.add").set(local);
  }

  /** Runs what is inside at least once, and again while it leaves something other than 0 on the stack. */
  repeat(inside: () => void): this {
    this.#write(0x03, 0x40);
    inside();
    return this.#write(0x0d, 0x00, 0x0b);
  }

  call(index: number): this {
    return this.#write(0x10, ...unsigned(index));
  }

  #write(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** The function's entry in the code section. */
  encoded(): number[] {
    const locals = this.#locals.flatMap((type) => [1, type]);
    const body = [...unsigned(this.#locals.length), ...locals, ...this.#bytes, 0x0b];
    return [...unsigned(body.length), ...body];
  }
}

const section = (id: number, entries: readonly (readonly number[])[]): number[] => {
  const content = [...unsigned(entries.length), ...entries.flat()];
  return [id, ...unsigned(content.length), ...content];
};

const name = (text: string): number[] => [...unsigned(text.length), ...Array.from(text, (c) => c.charCodeAt(0))];

/**
 * A module of functions without results.
 *
 * @param functions  in the order of their numbers, for `call`; those with a name are exported under it
 * @returns          its bytes; it imports `memory` from `env`, of at least a page
 */
export function moduleOf(
  functions: readonly { readonly code: Code; readonly exported?: string }[],
): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ code: { parameters } }) => [0x60, ...unsigned(parameters.length), ...parameters, 0]);
  const exports = functions.flatMap(({ exported }, i) =>
    exported === undefined ? [] : [[...name(exported), 0x00, ...unsigned(i)]],
  );
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, types),
    ...section(2, [[...name("env"), ...name("memory"), 0x02, 0x00, 0x01]]),
    ...section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    ...section(7, exports),
    ...section(
      10,
      functions.map(({ code }) => code.encoded()),
    ),
  ]);
}
