/**
 * All workloads, by their ids.
 */
import { adam200 } from "./adam200.ts";
import { KERNELS } from "./kernels.ts";
import { META } from "./meta.ts";
import { STARTING } from "./starting.ts";
import { TRAINING } from "./training.ts";
import { UNROLLS } from "./unrolls.ts";
import type { Workload } from "./workload.ts";

export const WORKLOADS: ReadonlyMap<string, Workload> = new Map(
  [...META, ...UNROLLS, ...KERNELS, ...TRAINING, adam200, ...STARTING].map((workload) => [workload.id, workload]),
);
