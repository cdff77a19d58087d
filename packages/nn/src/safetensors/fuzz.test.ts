/**
 * Thousands of files, some valid, most almost: each is refused with the one class of error, or goes there and back.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { DTypeError, init, scope } from "@loopgrad/tensor";
import fc from "fast-check";
import { FORMATS } from "./formats.ts";
import { openSafetensors, SafetensorsError, type SafetensorsFile, safetensorsBytes } from "./index.ts";

const FILES = process.env.LOOPGRAD_FULL === undefined ? 3000 : 20_000;

beforeAll(async () => {
  await init({ device: "cpu" });
});

interface Draft {
  /** JSON text of each entry, by the JSON text of its name; a list, so that names may stand twice. */
  entries: [name: string, entry: string][];
  data: Uint8Array;
}

function assemble({ entries, data }: Draft, lengthError = 0): Uint8Array {
  const header = new TextEncoder().encode(`{${entries.map(([name, entry]) => `${name}:${entry}`).join(",")}}`);
  const file = new Uint8Array(8 + header.length + data.length);
  new DataView(file.buffer).setBigInt64(0, BigInt(header.length + lengthError), true);
  file.set(header, 8);
  file.set(data, 8 + header.length);
  return file;
}

const names = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("weight", "__metadata__", "__proto__", "constructor", "0", ""),
);

const formats = fc.constantFrom(...(Object.keys(FORMATS) as (keyof typeof FORMATS)[]));

/** Valid files, unless a name comes twice or is special, or 4-bit elements do not fill their bytes. */
const drafts: fc.Arbitrary<Draft> = fc
  .array(
    fc.record({
      name: names,
      format: formats,
      shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    }),
    { maxLength: 4 },
  )
  .chain((tensors) => {
    let end = 0;
    const entries = tensors.map(({ name, format, shape }): [string, string] => {
      const begin = end;
      end += Math.ceil((FORMATS[format].bits * shape.reduce((n, d) => n * d, 1)) / 8);
      return [JSON.stringify(name), JSON.stringify({ dtype: format, shape, data_offsets: [begin, end] })];
    });
    return fc.record({
      entries: fc.constant(entries),
      data: fc.uint8Array({ minLength: end, maxLength: end }),
    });
  });

/** Numbers that a header could be wrong with. */
const numbers = fc.oneof(
  fc.integer({ min: -3, max: 40 }).map(String),
  fc.constantFrom(
    "9007199254740991",
    "9007199254740993",
    "18446744073709551616",
    "4294967296",
    "1e3",
    "0.5",
    "-0",
    "00",
  ),
);

const offByAFew = fc.tuple(drafts, fc.integer({ min: -9, max: 9 })).map(([draft, by]) => assemble(draft, by));

const wrongNumber = fc.tuple(drafts, fc.nat(), numbers).map(([draft, at, number]) => {
  let i = 0;
  const places = draft.entries.flatMap(([, entry]) => entry.match(/(?<=[[,])\d+/g) ?? []).length;
  const entries = draft.entries.map(([name, entry]): [string, string] => [
    name,
    entry.replace(/(?<=[[,])\d+/g, (digits) => (i++ === at % places ? number : digits)),
  ]);
  return assemble({ ...draft, entries });
});

const mutatedBytes = fc
  .tuple(drafts, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }))
  .map(([draft, edits]) => {
    const file = assemble(draft);
    for (const [at, byte] of edits) file[at % file.length] = byte;
    return file;
  });

const splicedBytes = fc
  .tuple(drafts, fc.nat(), fc.nat({ max: 6 }), fc.uint8Array({ maxLength: 6 }))
  .map(([draft, at, gone, added]) => {
    const file = assemble(draft);
    const start = at % file.length;
    return Uint8Array.from([...file.subarray(0, start), ...added, ...file.subarray(start + gone)]);
  });

const anyJson = fc.tuple(names, fc.json({ maxDepth: 3 }), fc.uint8Array({ maxLength: 8 })).map(([name, json, data]) => {
  return assemble({ entries: [[JSON.stringify(name), json]], data });
});

const files = fc.oneof(
  { weight: 5, arbitrary: drafts.map((draft) => assemble(draft)) },
  offByAFew,
  wrongNumber,
  mutatedBytes,
  splicedBytes,
  anyJson,
  fc.uint8Array({ maxLength: 40 }),
);

/** Opens a file, or makes sure that it was refused as it should be. */
async function opened(bytes: Uint8Array): Promise<SafetensorsFile | null> {
  try {
    return await openSafetensors(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(SafetensorsError);
    expect((error as Error).message).toMatch(/^bytes: /);
    return null;
  }
}

/** What is in a file, as far as there are dtypes for it. */
async function contents(file: SafetensorsFile) {
  const tensors = [];
  for (const [name, { format }] of file.entries) {
    try {
      tensors.push([name, await file.tensor(name)] as const);
    } catch (error) {
      expect(error).toBeInstanceOf(DTypeError);
      expect(["I64", "U64", "C64", "F4", "F6_E2M3", "F6_E3M2"]).toContain(format);
    }
  }
  return tensors;
}

test("each is refused, or goes there and back", async () => {
  const counts = { refused: 0, valid: 0, tensors: 0 };
  await fc.assert(
    fc.asyncProperty(files, async (bytes) => {
      using _ = scope();
      const file = await opened(bytes);
      if (file === null) {
        counts.refused++;
        return;
      }
      counts.valid++;
      const tensors = await contents(file);
      counts.tensors += tensors.length;
      // No element without a byte of its own in the file: nothing larger than the file was made.
      expect(tensors.reduce((sum, [, { size }]) => sum + size, 0)).toBeLessThanOrEqual(bytes.length);
      const again = await openSafetensors(
        await safetensorsBytes(Object.fromEntries(tensors), { metadata: file.metadata }),
      );
      expect(again.metadata).toEqual(file.metadata);
      expect([...again.entries.keys()].sort()).toEqual(tensors.map(([name]) => name).sort());
      for (const [name, x] of tensors) {
        const y = await again.tensor(name);
        expect([y.dtype, y.shape]).toEqual([x.dtype, x.shape]);
        expect(await y.data()).toEqual(await x.data());
      }
    }),
    { numRuns: FILES, seed: 1 },
  );
  // Both kinds are plenty, or this tests nothing.
  expect(counts.refused).toBeGreaterThan(FILES / 5);
  expect(counts.valid).toBeGreaterThan(FILES / 5);
  expect(counts.tensors).toBeGreaterThan(FILES / 5);
}, 120_000);
