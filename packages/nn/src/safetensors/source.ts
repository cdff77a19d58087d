/**
 * Sources: where the bytes of a file come from.
 *
 * A *source* gives ranges of bytes, each in a buffer of its own, so that a file is never read as a whole. What was not
 * there when the source was opened cannot be asked for.
 */
import { ArgumentError } from "@loopgrad/tensor";
import { SafetensorsError } from "./error.ts";

/** A path or `file:` URL (in Node and the like), an http(s) URL, a Blob or File, or the bytes themselves. */
export type SafetensorsSource = string | URL | Blob | ArrayBuffer | Uint8Array;

/** An open source. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The bytes from `start` up to but without `end`, which lie inside the source. */
  read(start: number, end: number): Promise<ArrayBuffer>;
  close(): Promise<void>;
}

/** @throws ArgumentError for anything that is no source */
export async function openSource(source: SafetensorsSource): Promise<ByteSource> {
  if ((typeof source === "string" || source instanceof URL) && /^https?:/i.test(String(source))) {
    return openUrl(String(source));
  }
  if (typeof source === "string" || source instanceof URL) return openFile(source);
  if (source instanceof ArrayBuffer) return openBytes(new Uint8Array(source));
  if (source instanceof Uint8Array) return openBytes(source);
  if (source instanceof Blob) return openBlob(source);
  throw new ArgumentError(
    `safetensors: got ${source === null ? "null" : typeof source}: wanted a path, a Blob, an ArrayBuffer or a Uint8Array`,
  );
}

function openBytes(bytes: Uint8Array): ByteSource {
  return {
    name: "bytes",
    size: bytes.length,
    // Not slice(): that of Node's Buffer shares its memory.
    read: async (start, end) => new Uint8Array(bytes.subarray(start, end)).buffer,
    close: async () => {},
  };
}

function openBlob(blob: Blob): ByteSource {
  return {
    name: "name" in blob ? String(blob.name) : "blob",
    size: blob.size,
    read: (start, end) => blob.slice(start, end).arrayBuffer(),
    close: async () => {},
  };
}

/** What a server has under a URL, fetched as a whole. */
async function openUrl(url: string): Promise<ByteSource> {
  let response: Response;
  let bytes: ArrayBuffer;
  try {
    response = await fetch(url);
    bytes = await response.arrayBuffer();
  } catch (cause) {
    throw new SafetensorsError(
      `${url}: it could not be fetched (${String(cause)}); is it there, and may this page ask?`,
      {
        cause,
      },
    );
  }
  if (!response.ok) {
    throw new SafetensorsError(
      `${url}: the server answered ${response.status} ${response.statusText}, wanted the file`,
    );
  }
  return { ...openBytes(new Uint8Array(bytes)), name: url };
}

/** The most that is asked of the system at once, in bytes. */
const READ_BYTES = 2 ** 30;

async function openFile(path: string | URL): Promise<ByteSource> {
  const { open } = await fileSystem();
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw new SafetensorsError(`${String(path)}: it cannot be opened (${String(cause)})`, { cause });
  });
  try {
    const { size } = await handle.stat();
    const name = String(path);
    const read = async (start: number, end: number): Promise<ArrayBuffer> => {
      const bytes = new Uint8Array(end - start);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, READ_BYTES), start + done);
        if (bytesRead === 0)
          throw new SafetensorsError(`${name}: it was cut to ${start + done} bytes while it was read`);
        done += bytesRead;
      }
      return bytes.buffer;
    };
    return { name, size, read, close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A file that is open. */
interface OpenFile {
  stat(): Promise<{ size: number }>;
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  writeFile(data: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** What is needed of Node's file system; declared here, so that users need no types of Node. */
interface FileSystem {
  open(path: string | URL, flags: string): Promise<OpenFile>;
  rename(from: string | URL, to: string | URL): Promise<void>;
  rm(path: string | URL, options: { force: boolean }): Promise<void>;
}

/**
 * Node's file system, loaded when it is first needed, and by a name that bundlers for browsers do not follow.
 *
 * @throws ArgumentError where there is none
 */
export async function fileSystem(): Promise<FileSystem> {
  const name: string = "node:fs/promises";
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  } catch (cause) {
    throw new ArgumentError("safetensors: a path needs Node; in a browser use a Blob, or the bytes of a fetch()", {
      cause,
    });
  }
}
