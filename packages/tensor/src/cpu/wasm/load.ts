/**
 * Loads the kernel in WebAssembly for the cpu device, once, on demand.
 */
import { hasTiles, useTiles } from "../steps/panels.ts";

let loading: Promise<void> | null = null;

/** Resolves when products of matrices run in WebAssembly, or it is known that they cannot here. */
export function loadTiles(): Promise<void> {
  loading ??= load();
  return loading;
}

async function load(): Promise<void> {
  if (hasTiles()) return;
  try {
    const { wasmTiles } = await import("./tiles.ts");
    useTiles(wasmTiles());
  } catch (error) {
    console.warn(
      "loopgrad: WebAssembly may not be used here, so the cpu device runs JavaScript alone, and several times slower: a page's " +
        `content policy allows it by script-src 'wasm-unsafe-eval' (${(error as Error).message})`,
    );
  }
}
