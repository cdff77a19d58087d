/**
 * Running what was asked for, row by row. Every row has devices of its own, so that its first call and its peak are its own.
 */
import { type Device, type InitOptions, init, LoopgradError, profile as profileOf } from "loopgrad";
import { WORKLOADS } from "./catalog/index.ts";
import type { Settings, Task, Workload } from "./catalog/workload.ts";
import { best, type Ceiling, type Ceilings, ceilingsOf } from "./ceilings.ts";
import { load, machine, versions } from "./machine.ts";
import { alternate, OwnSubject, type Subject, type Times } from "./measure.ts";
import type { Given, Wanted } from "./options.ts";
import { PeerProcess, variantsOf } from "./peers.ts";
import type { Row } from "./rows.ts";

type Kind = Given["device"][number];

export class Runner {
  readonly #given: Given;
  #ceilings: Ceilings | null = null;
  #peers: PeerProcess[] | null = null;

  constructor(given: Given) {
    this.#given = given;
  }

  /** All rows that are wanted, one after another. */
  async *all(wanted: readonly Wanted[]): AsyncGenerator<Row> {
    for (const one of wanted) yield* await this.rows(one);
  }

  /** The rows of one workload with one setting: one for each device, and each peer. */
  async rows(wanted: Wanted): Promise<Row[]> {
    const { workload } = wanted;
    if (workload.make === undefined) {
      const rows: Row[] = [];
      for (const kind of workload.deviceless ? [null] : this.#given.device) rows.push(await this.#alone(wanted, kind));
      for (const peer of this.#peersOf(workload)) rows.push(await this.#peerAlone(wanted, peer));
      return rows;
    }
    return this.#inTurns(wanted);
  }

  /** A workload that measures itself. */
  async #alone({ workload, settings, shown }: Wanted, kind: Kind | null): Promise<Row> {
    const { adapter, iterations } = this.#given;
    const device = kind === null ? null : await this.#init(kind);
    const deviceArgs =
      kind === null ? [] : ["--device", kind, ...(kind === "cpu" || !adapter ? [] : ["--adapter", adapter])];
    const measured = await workload.measure?.(settings, {
      device: device as Device,
      deviceArgs,
      iterations: iterations ?? workload.iterations ?? 1,
    });
    const row = { ...this.#head(workload.id, kind, device), ...shown, ...measured, ...this.#foot(kind) };
    device?.destroy();
    return row;
  }

  /** The same by a peer. */
  async #peerAlone({ workload, settings, shown }: Wanted, peer: PeerProcess): Promise<Row> {
    const { name } = peer.variant;
    let numbers: object;
    try {
      numbers = await (workload.measurePeer?.(name, settings) ??
        peer.ask<object>({ op: "measure", id: workload.id, settings }));
    } catch (error) {
      if (!(error instanceof LoopgradError)) throw error;
      numbers = { error: error.message };
    }
    return { workload: workload.id, subject: name, device: peer.device, ...shown, ...numbers, ...this.#foot(null) };
  }

  /** Calls of all subjects in turns. */
  async #inTurns({ workload, settings, shown }: Wanted): Promise<Row[]> {
    const { device: kinds, iterations, firstOnly } = this.#given;
    const own: { kind: Kind; device: Device; task: Task; subject: OwnSubject; initMs: number }[] = [];
    for (const kind of kinds) {
      const started = performance.now();
      const device = await this.#init(kind, settings.dtype);
      const initMs = performance.now() - started;
      const task = (await workload.make?.(device, settings)) as Task;
      own.push({ kind, device, task, subject: new OwnSubject(`loopgrad on ${kind}`, device, task.call), initMs });
    }
    if (firstOnly) {
      const started = performance.now();
      await own[0].task.call();
      const firstMs = performance.now() - started;
      for (const { device } of own) device.destroy();
      return [{ initMs: own[0].initMs, firstMs }];
    }
    const { task } = own[0];
    const { repeat = 1 } = task;
    const counted = (task.flops ?? task.bytes) !== undefined && !this.#computesNothing;
    if (counted) this.#ceilings ??= await this.#measureCeilings();
    const guests = await this.#guests(workload, settings, repeat);
    const subjects: Subject[] = [...own.map(({ subject }) => subject), ...guests.map(({ subject }) => subject)];
    const times = await alternate(subjects, {
      calls: iterations ?? workload.iterations ?? 1,
      warmup: workload.warmup ?? { calls: 2, ms: 200 },
      tolerance: this.#computesNothing ? null : task.tolerance,
    });
    const rows: Row[] = [];
    const again = repeat === 1 ? {} : { repeat };
    const names = [
      ...own.map(({ device }) => `loopgrad, ${device}`),
      ...guests.map((guest) => guest.process.description),
    ];
    this.#raise(
      workload.id,
      task,
      times.map((its, i) => ({ by: names[i], times: its })),
    );
    const measured = (i: number, seen: object): object => {
      const its = times[i];
      if (its instanceof LoopgradError) return { error: its.message };
      const ratio = i === 0 ? {} : ratios(its, times[0] as Times);
      return { ...its, ...seen, ...again, ...ratio, ...(counted ? this.#rates(task, its) : {}) };
    };
    for (let i = 0; i < own.length; i++) {
      const { kind, device, subject } = own[i];
      const numbers = measured(i, subject.seen());
      const profile = this.#given.profile ? { profile: (await profileOf(device, own[i].task.call)).rows } : {};
      rows.push({ ...this.#head(workload.id, kind, device), ...shown, ...numbers, ...this.#foot(kind), ...profile });
    }
    for (let j = 0; j < guests.length; j++) {
      const { process } = guests[j];
      const { description } = process;
      const head = {
        workload: workload.id,
        subject: process.variant.name,
        device: process.device,
        description,
      };
      const numbers = measured(own.length + j, {});
      rows.push({ ...head, ...shown, ...numbers, ...this.#foot(null) });
    }
    for (const { device } of own) device.destroy();
    return rows;
  }

  /** The peers that have the workload, ready to be called. */
  async #guests(workload: Workload, settings: Settings, repeat: number) {
    const guests: { process: PeerProcess; subject: Subject }[] = [];
    for (const process of this.#peersOf(workload)) {
      guests.push({ process, subject: await process.subject(workload.id, settings, repeat) });
    }
    return guests;
  }

  /** The processes of the peers that have the workload. A process lives as long as the run. */
  #peersOf({ peers }: Workload): PeerProcess[] {
    this.#peers ??= variantsOf(this.#given.peers ?? [], this.#given.device.includes("webgpu")).map(
      (variant) => new PeerProcess(variant, this.#given.threads ?? 1),
    );
    return this.#peers.filter(({ variant }) => peers.includes(variant.peer));
  }

  /** Ends the peers' processes. */
  close(): void {
    for (const peer of this.#peers ?? []) peer.close();
  }

  /** Work a second, by the fastest call, and the share of what the machine can. */
  #rates({ flops, bytes }: Task, { minMs }: Times): object {
    if (this.#ceilings === null || (flops ?? bytes) === undefined) return {};
    const rate = (flops ?? (bytes as number)) / minMs / 1e6;
    const [unit, ceiling] = flops === undefined ? ["gbps", this.#ceilings.copy] : ["gflops", this.#ceilings.matmul];
    return { [unit]: rate, share: rate / ceiling.value, ceiling: { [unit]: ceiling.value, by: ceiling.by } };
  }

  /** Of a workload that has work to count: what the machine can, at least what was just seen. */
  #raise(id: string, { flops, bytes }: Task, seen: readonly { by: string; times: Times | LoopgradError }[]): void {
    if (this.#ceilings === null) return;
    for (const { by, times } of seen) {
      if (times instanceof LoopgradError) continue;
      const reached = (work: number) => ({ value: work / times.minMs / 1e6, by: `${id}, ${by}` });
      if (flops !== undefined) this.#ceilings.matmul = best(this.#ceilings.matmul, reached(flops));
      else if (bytes !== undefined) this.#ceilings.copy = best(this.#ceilings.copy, reached(bytes));
    }
  }

  /** What the run's devices and the cpu can, on devices of their own, and the peers that multiply matrices. */
  async #measureCeilings(): Promise<Ceilings> {
    const devices: Device[] = [];
    try {
      for (const kind of new Set<Kind>([...this.#given.device, "cpu"])) devices.push(await this.#init(kind));
      const ceilings = await ceilingsOf(devices);
      const product = WORKLOADS.get("matmul") as Workload;
      for (const peer of this.#peersOf(product)) ceilings.matmul = best(ceilings.matmul, await peerProduct(peer));
      return ceilings;
    } finally {
      for (const device of devices) device.destroy();
    }
  }

  get #computesNothing(): boolean {
    return this.#given.adapter === "null";
  }

  /** @param dtype  of the row; what is made of plain numbers, and of a layer's parameters, where the device has it */
  #init(kind: Kind, dtype?: Settings["dtype"]): Promise<Device> {
    const { adapter } = this.#given;
    const options: InitOptions = { device: kind, dtype: dtype === "float64" ? "float64" : "float32" };
    return init(kind === "cpu" || adapter === undefined ? options : { ...options, adapter });
  }

  #head(id: string, kind: Kind | null, device: Device | null): Row {
    if (device === null) return { workload: id, subject: "loopgrad" };
    return {
      workload: id,
      subject: "loopgrad",
      device: kind,
      adapter: kind === "cpu" ? null : (this.#given.adapter ?? "any"),
      description: device.description,
    };
  }

  #foot(kind: Kind | null): Row {
    return { load: load(), machine: machine(), versions: versions(kind === "webgpu") };
  }
}

/** The fastest of some products of a peer. */
async function peerProduct(peer: PeerProcess): Promise<Ceiling> {
  const size = 512;
  const settings = { size, shape: "square", dtype: "float32" } as Settings;
  const subject = await peer.subject("matmul", settings, 1);
  let ms = Infinity;
  for (let i = 0; i < 4; i++) ms = Math.min(ms, (await subject.call({ results: false })).ms);
  return { value: (2 * size ** 3) / ms / 1e6, by: `matmul, ${peer.description}` };
}

/** How many times the first subject's. */
const ratios = (times: Times, first: Times): Row => ({
  ratio: times.minMs / first.minMs,
  medianRatio: times.medianMs / first.medianMs,
});
