/**
 * What a workload is: what it computes, the options that it takes, and what is known of it before it runs.
 *
 * A *task* is a workload made for a device and settings; its *call* is what is timed, up to the results on the host. The same
 * task, written for another library, is that of a *peer* (`bench/peers`).
 */
import type { Checkpoint, Device } from "loopgrad";

export const SHAPES = ["square", "tall", "batched", "transposed"] as const;
export type Shape = (typeof SHAPES)[number];

export const OPTIMIZER_NAMES = ["sgd", "adam"] as const;
export const DTYPES = ["float32", "float64", "float16"] as const;

/** The settings of one row. Which of them a workload has, its `options` say. */
export interface Settings {
  readonly steps: number;
  readonly tasks: number;
  /** All tasks at once, by vmap. */
  readonly batched: boolean;
  readonly size: number;
  readonly shape: Shape;
  readonly part: string;
  readonly optimizer: (typeof OPTIMIZER_NAMES)[number];
  readonly checkpoint: Checkpoint;
  readonly dtype: (typeof DTYPES)[number];
}

/** Which library, where Python or another JavaScript library has the workload. */
export const PEERS = ["jax-js", "tfjs", "torch", "higher", "jax"] as const;
export type Peer = (typeof PEERS)[number];

/** One call, up to its results on the host. */
export type Step = () => Promise<readonly ArrayLike<number>[]>;

export interface Task {
  readonly call: Step;
  /** Floating-point operations of a call. */
  readonly flops?: number;
  /** Bytes that a call has to read and write, if each is touched once. */
  readonly bytes?: number;
  /** How often a call does its work. */
  readonly repeat?: number;
  /** How far results may differ between subjects, relative to the largest of a result. */
  readonly tolerance: number;
}

/** How a workload that is not a row of equal calls is measured. */
export interface Circumstances {
  readonly device: Device;
  /** The command line's arguments that made the device, for processes of its own. */
  readonly deviceArgs: readonly string[];
  readonly iterations: number;
}

export interface Workload {
  readonly id: string;
  readonly what: string;
  /** The options that it takes besides those that all take, with what they are if not given. */
  readonly options: { readonly [name in keyof Settings]?: Settings[name] | readonly Settings[name][] };
  /** Of options with fewer values than there are: those that fit. */
  readonly fits?: {
    readonly shape?: readonly Shape[];
    readonly part?: readonly string[];
    readonly dtype?: readonly string[];
  };
  /** Timed calls if `--iterations` is not given; null: it takes no such option. */
  readonly iterations: number | null;
  /** What comes before the timed calls; two calls and 200 ms if not said. */
  readonly warmup?: { readonly calls: number; readonly ms: number };
  /** The peers that have it. */
  readonly peers: readonly Peer[];
  /** Of the option, its smallest value. */
  readonly least?: { readonly steps?: number; readonly size?: number };
  readonly make?: (device: Device, settings: Settings) => Task | Promise<Task>;
  readonly measure?: (settings: Settings, circumstances: Circumstances) => Promise<object>;
  /** What a peer's variant gives, where its process is not asked for it. */
  readonly measurePeer?: (variant: string, settings: Settings) => Promise<object>;
  /** It needs no device. */
  readonly deviceless?: boolean;
}
