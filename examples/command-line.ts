/**
 * What the examples' command lines share: checked numbers, the choice of a device, and a line of progress.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Device, type InitOptions, init } from "loopgrad";

/** A parser of whole numbers for commander, from `min` on. */
export function integer(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`Wanted a whole number, at least ${min}.`);
  };
}

/** A parser of numbers greater than 0 for commander. */
export function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Wanted a number greater than 0.");
}

/** Adds the options that `openDevice` reads. */
export function withDeviceOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--device <name>", "auto: a GPU through WebGPU where there is one, else cpu")
        .choices(["auto", "webgpu", "cpu"])
        .default("auto"),
    )
    .addOption(new Option("--adapter <kind>", "for webgpu").choices(["hardware", "software"]));
}

/** Makes the device that the options name, and says which one it is. */
export async function openDevice({ device, adapter }: Pick<InitOptions, "device" | "adapter">): Promise<Device> {
  const opened = await init(adapter === undefined ? { device } : { device, adapter });
  console.log(`device: ${opened}`);
  return opened;
}

/**
 * A line of progress that rewrites itself on a terminal; elsewhere, such as in a log, a line now and then.
 *
 * @example const progress = new Progress(1000);
 *          progress.show(i, `loss ${loss.toFixed(3)}`);
 *          progress.end();
 */
export class Progress {
  /** The step and time last shown, and the milliseconds per step of late. */
  #last: { step: number; time: number };
  #pace = Number.NaN;
  #lastLog = Number.NEGATIVE_INFINITY;
  #written = false;

  /** @param total  how many steps there are; `first` of them are already done */
  constructor(
    readonly total: number,
    first = 0,
  ) {
    this.#last = { step: first, time: performance.now() };
  }

  /** Shows that `done` steps are done, with what there is to say about them. */
  show(done: number, message: string): void {
    const now = performance.now();
    const { step, time } = this.#last;
    // The first steps compile: they are forgotten quickly.
    const pace = (now - time) / Math.max(1, done - step);
    this.#pace = Number.isNaN(this.#pace) ? pace : 0.7 * this.#pace + 0.3 * pace;
    this.#last = { step: done, time: now };
    const left = duration((this.#pace * (this.total - done)) / 1000);
    const line = `${done}/${this.total}  ${message}  ${this.#pace.toFixed(1)} ms per meta-step  ${left} left`;
    if (process.stdout.isTTY) {
      process.stdout.write(`\r\x1b[2K${line.slice(0, (process.stdout.columns ?? 100) - 1)}`);
      this.#written = true;
    } else if (now - this.#lastLog > 5000 || done === this.total) {
      console.log(line);
      this.#lastLog = now;
    }
  }

  /** Leaves the line as it is, for what is printed next. */
  end(): void {
    if (this.#written) process.stdout.write("\n");
    this.#written = false;
  }
}

/** "1 min 5 s". */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
