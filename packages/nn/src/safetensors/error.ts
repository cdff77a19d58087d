/**
 * The one error of files that are not what the format says.
 */
import { LoopgradError } from "@loopgrad/tensor";

/** A file that is no valid safetensors file. The message says what is wrong, and where. */
export class SafetensorsError extends LoopgradError {
  override name = "SafetensorsError";
}

/** A name as it is quoted in messages: escaped, and cut short, because a hostile file may have names of megabytes. */
export const quote = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
