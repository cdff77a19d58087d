/**
 * Traces: what another program needs to repeat a run step by step, and to see whether it comes out the same.
 *
 * A trace is files beside each other: the initial weights (`NAME.safetensors`), the settings with the loss of every step
 * (`NAME.json`), and the text that is learned, if it is one (`NAME.txt`). bench/peers has programs that read them, train
 * the same network in PyTorch, and compare.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Module, saveSafetensors, scope } from "loopgrad";

export class Trace {
  readonly #losses: number[] = [];
  readonly #ms: number[] = [];
  #last = performance.now();

  private constructor(
    readonly path: string,
    readonly settings: Readonly<Record<string, unknown>>,
  ) {}

  /**
   * Writes the model's weights as they are now, and begins.
   *
   * @param path  ends in `.json`
   */
  static async begin(
    path: string,
    model: Module,
    settings: Readonly<Record<string, unknown>>,
    { text }: { text?: string } = {},
  ): Promise<Trace> {
    using _ = scope();
    await mkdir(dirname(path), { recursive: true });
    await saveSafetensors(beside(path, "safetensors"), model.stateDict());
    if (text !== undefined) await writeFile(beside(path, "txt"), text);
    return new Trace(path, settings);
  }

  /** Notes a step's loss, and the time since the last. */
  step(loss: number): void {
    const now = performance.now();
    this.#losses.push(loss);
    this.#ms.push(now - this.#last);
    this.#last = now;
  }

  /** Writes what was noted. */
  async end(): Promise<void> {
    const trace = { settings: this.settings, losses: this.#losses, ms: this.#ms };
    await writeFile(this.path, JSON.stringify(trace, null, 1));
  }
}

const beside = (path: string, extension: string): string => path.replace(/json$/, extension);
