/**
 * What the examples' command lines share: checked numbers, the choice of a device, and a bar of progress.
 */
import cliProgress from "cli-progress";
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

/** A parser of shares for commander: numbers from 0 on, less than 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value < 1) return value;
  throw new InvalidArgumentError("Wanted a number from 0 to 1, and less than 1.");
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

/** Adds `--batched`, which is on, and `--no-batched`; what they choose between is in `meta-learning/over-tasks.ts`. */
export function withBatchedOption(command: Command): Command {
  return command
    .option("--batched", "all tasks at once, by vmap", true)
    .option("--no-batched", "one task after the other: the same to rounding, slower");
}

/** Makes the device that the options name, and says which one it is. */
export async function openDevice({ device, adapter }: Pick<InitOptions, "device" | "adapter">): Promise<Device> {
  const opened = await init(adapter === undefined ? { device } : { device, adapter });
  console.log(`device: ${opened}`);
  return opened;
}

/** Milliseconds between two lines of progress where there is no terminal. */
const LOG_EVERY = 5000;

/**
 * Progress by cli-progress: a bar that redraws itself on a terminal; elsewhere, such as in a log, a line now and then.
 *
 * A bar that is not ended keeps the process alive: end it, or let `using` do so.
 *
 * @example using progress = new Progress(1000);
 *          progress.show(i, `loss ${loss.toFixed(3)}`);
 *          progress.end(); // before something else is printed; `show` goes on from there
 */
export class Progress {
  readonly #terminal = process.stdout.isTTY === true;
  readonly #bar = new cliProgress.SingleBar({
    format: `${this.#terminal ? "{bar} " : ""}{value}/{total}  {message}  {pace} ms each, {left} left`,
    stream: process.stdout,
    barsize: 20,
    // The terminal stays as it is, so that Ctrl-C needs no handler, which would keep the program alive.
    linewrap: true,
    gracefulExit: false,
    noTTYOutput: true,
    // Where there is no terminal, `show` says when: timers wait while a cpu device computes.
    notTTYSchedule: 2 ** 30,
  });
  readonly #began: { step: number; time: number };
  #logged = 0;

  /** @param total  how many steps there are; `first` of them are already done */
  constructor(
    readonly total: number,
    first = 0,
  ) {
    this.#began = { step: first, time: performance.now() };
  }

  /** Shows that `done` steps are done, with what there is to say about them. */
  show(done: number, message: string): void {
    const now = performance.now();
    const pace = (now - this.#began.time) / Math.max(1, done - this.#began.step);
    const left = cliProgress.Format.TimeFormat(
      Math.round((pace * (this.total - done)) / 1000),
      { autopaddingChar: " " },
      1,
    );
    const shown = { message, pace: pace.toFixed(1), left };
    if (!this.#bar.isActive) {
      this.#bar.start(this.total, done, shown);
      this.#logged = now;
    }
    this.#bar.update(done, shown);
    if (!this.#terminal && done < this.total && now - this.#logged > LOG_EVERY) {
      this.#bar.render();
      this.#logged = now;
    }
  }

  /** Leaves the line as it is, for what is printed next. */
  end(): void {
    this.#bar.stop();
  }

  [Symbol.dispose](): void {
    this.end();
  }
}
