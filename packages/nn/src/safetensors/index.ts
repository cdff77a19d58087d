/**
 * Safetensors: tensors by name in one file, the format in which models are passed around.
 *
 * A file is a header (JSON: each tensor's format, shape and range of bytes, and strings of metadata) and the elements.
 * @see https://github.com/huggingface/safetensors
 */
export { SafetensorsError } from "./error.ts";
export type { FloatFormat as SafetensorsFloatFormat, Format as SafetensorsFormat } from "./formats.ts";
export {
  type LoadSafetensorsOptions,
  loadSafetensors,
  openSafetensors,
  type SafetensorsEntry,
  SafetensorsFile,
} from "./load.ts";
export {
  type SaveSafetensorsOptions,
  safetensorsBlob,
  safetensorsBytes,
  saveSafetensors,
} from "./save.ts";
export type { SafetensorsSource } from "./source.ts";
