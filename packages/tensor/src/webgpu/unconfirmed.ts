/**
 * Unconfirmed work: what was submitted before the system said whether there was memory for it.
 *
 * WebGPU makes a buffer at once and says later, in the answer of an error scope, that there was no memory: the buffer is
 * *invalid*, and what is submitted with it does not run. So from the first buffer that is *asked* for, until all that were
 * asked for are known to be there, work is *unconfirmed*: every *job* (an upload, a replay, a copy) is noted, and results
 * are not delivered. Buffers are numbered in the order in which they are asked for.
 *
 * When one of them fails, all that were asked for are waited for. Then what the pool has spare is given back to the
 * system, the failed buffers are made again, in place, and the jobs from the first failure on run once more, in their
 * order. They are functions of what they read, so that does no harm, as long as what they read has not been taken for
 * something else since. If memory does not suffice then either, those jobs have failed, and whoever noted more of them
 * (record/unconfirmed.ts) is told at once, before anyone who waits.
 *
 * Work that asks for no buffer, at a time when all are there, pays one comparison.
 */
import type { DeviceError } from "../errors.ts";
import type { BackendListener } from "../record/backend.ts";
import { type BufferPool, type GpuStorage, type PoolBuffer, wholeOf } from "./pool.ts";

/**
 * Jobs that read something and are noted, at most: a program that never returns to the event loop hears no answer, and goes
 * on for long. What the first of them read is held back when it is given back; it is kept intact at the price of buffers.
 */
const MAX_READERS = 16;
const MAX_HELD_READERS = 2;

/** Work for the queue that can be done again. */
export interface Job {
  readonly reads: readonly GpuStorage[];
  readonly writes: readonly GpuStorage[];
  run(): void;
}

interface Noted {
  readonly job: Job;
  /** The last buffer that had been asked for when it ran. */
  after: number;
  /** The pool's clock then: what it read has been taken for something else since if it was taken later. */
  readonly clock: number;
}

interface Asked {
  readonly number: number;
  readonly buffer: PoolBuffer;
  answer: "none" | "made" | "failed";
}

interface Waiting {
  /** The last buffer that had been asked for. */
  readonly after: number;
  readonly resolve: () => void;
  readonly reject: (error: DeviceError) => void;
}

export class Unconfirmed {
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #report: (message: string) => void;
  #asked: Asked[] = [];
  /** How many of these have no answer yet: answers come one by one, and there may be thousands. */
  #unanswered = 0;
  #last = 0;
  #jobs: Noted[] = [];
  #readers = 0;
  /** Are all jobs since the first unconfirmed buffer noted? */
  #complete = true;
  #waiting: Waiting[] = [];
  /** What is being done again: jobs from a buffer on, with buffers up to another. */
  #again: { readonly from: number; readonly through: number } | null = null;
  /** Did a buffer fail since work was last confirmed? Then invalid buffers are no surprise. */
  #chain = { failed: false };
  #running = false;
  #scoped = false;

  /** Told of confirmed and failed work. */
  listener: BackendListener | null = null;

  /** @param report  told of a validation error that no lack of memory explains */
  constructor(device: GPUDevice, pool: BufferPool, report: (message: string) => void) {
    this.#device = device;
    this.#pool = pool;
    this.#report = report;
  }

  /** The last buffer that was asked for; 0 if all are known to be there. */
  get through(): number {
    return this.#asked.length === 0 ? 0 : this.#last;
  }

  /** Notes that a buffer was asked for. */
  asked(buffer: PoolBuffer, answer: Promise<GPUError | null>): void {
    const asked: Asked = { number: ++this.#last, buffer, answer: "none" };
    this.#asked.push(asked);
    this.#unanswered++;
    if (this.#running) this.#openScope();
    const { number } = asked;
    const known = (error: GPUError | null): void => {
      // Given up meanwhile: see `abandon`.
      if (this.#asked.length === 0 || number < this.#asked[0].number) return;
      asked.answer = error === null ? "made" : "failed";
      this.#unanswered--;
      if (error === null) buffer.state = "made";
      else {
        this.#chain.failed = true;
        this.#pool.failed(buffer);
      }
      this.#look();
    };
    // A device that is lost answers nothing: what waits for its work is told of the loss.
    answer.then(known, () => known(null));
  }

  /** Runs a job, and notes it if it is unconfirmed. */
  run(job: Job): void {
    this.#perform(job);
    if (this.#asked.length === 0 || !this.#complete) return;
    if (job.reads.length > 0) this.#readers++;
    if (this.#readers > MAX_READERS) {
      this.#jobs = [];
      this.#complete = false;
      return;
    }
    this.#jobs.push({ job, after: this.#last, clock: this.#pool.clock });
    if (this.#readers <= MAX_HELD_READERS) this.#pool.hold(job.reads);
    else this.#pool.letGo();
  }

  #perform(job: Job): void {
    this.#running = true;
    if (this.#asked.length > 0) this.#openScope();
    try {
      job.run();
    } finally {
      this.#running = false;
      if (this.#scoped) this.#closeScope();
    }
  }

  #openScope(): void {
    if (this.#scoped) return;
    this.#scoped = true;
    this.#device.pushErrorScope("validation");
  }

  #closeScope(): void {
    this.#scoped = false;
    const chain = this.#chain;
    this.#device.popErrorScope().then(
      (error) => {
        if (error !== null && !chain.failed) this.#report(error.message);
      },
      () => {},
    );
  }

  /** Resolves when all that was submitted up to now is known to have run; null if it is known already. */
  confirmed(): Promise<void> | null {
    if (this.#asked.length === 0) return null;
    return new Promise((resolve, reject) => this.#waiting.push({ after: this.#last, resolve, reject }));
  }

  /** The device is gone: nothing will be confirmed any more. */
  abandon(error: DeviceError): void {
    const waiting = this.#waiting;
    this.#reset();
    for (const { reject } of waiting) reject(error);
  }

  #reset(): void {
    this.#asked = [];
    this.#unanswered = 0;
    this.#waiting = [];
    this.#jobs = [];
    this.#readers = 0;
    this.#complete = true;
    this.#again = null;
    this.#chain = { failed: false };
    this.#pool.settled();
  }

  /** After an answer: what is settled by it? */
  #look(): void {
    if (this.#unanswered > 0) return;
    const failed = this.#asked.filter(({ answer }) => answer === "failed");
    const first = failed.at(0);
    if (first === undefined) {
      const waiting = this.#waiting;
      const last = this.#last;
      this.#reset();
      this.listener?.confirmed(last);
      for (const { resolve } of waiting) resolve();
      return;
    }
    const buffers = failed.map(({ buffer }) => buffer);
    const tried = this.#again;
    if (tried !== null && first.number <= tried.through) this.#fail(tried.from, buffers);
    else this.#tryAgain(first.number, buffers);
  }

  #tryAgain(from: number, failed: readonly PoolBuffer[]): void {
    const jobs = this.#jobs.filter(({ after }) => after >= from);
    if (!this.#complete || !this.#canRepeat(jobs)) {
      this.#fail(from, failed);
      return;
    }
    this.#asked = [];
    const needed = new Set(jobs.flatMap(({ job }) => [...job.reads, ...job.writes]).map(wholeOf));
    this.#pool.evict(needed);
    for (const buffer of failed) this.#pool.makeAgain(buffer, needed);
    try {
      for (const noted of jobs) {
        this.#perform(noted.job);
        noted.after = this.#last;
      }
    } catch {
      this.#fail(from, failed);
      return;
    }
    this.#jobs = jobs;
    this.#again = { from, through: this.#last };
    if (this.#asked.length === 0) this.#look();
  }

  /** Is what the jobs read, and did not make themselves, still there? */
  #canRepeat(jobs: readonly Noted[]): boolean {
    const written = new Set<GpuStorage>();
    for (const { job, clock } of jobs) {
      for (const read of job.reads) {
        const whole = wholeOf(read);
        if (whole.state === "destroyed" || (!written.has(whole) && whole.taken > clock)) return false;
      }
      for (const write of job.writes) {
        const whole = wholeOf(write);
        if (whole.state === "destroyed") return false;
        written.add(whole);
      }
    }
    return true;
  }

  #fail(from: number, failed: readonly PoolBuffer[]): void {
    const waiting = this.#waiting;
    const error = this.#pool.outOfMemory(failed);
    this.#reset();
    this.#pool.evict(new Set());
    this.listener?.failed(from, error);
    for (const { after, resolve, reject } of waiting) {
      if (after < from) resolve();
      else reject(error);
    }
  }
}
