/**
 * w3, w4: what a long unroll costs; see `../unrolls.ts`.
 */
import { longLoop, memory } from "../unrolls.ts";
import type { Workload } from "./workload.ts";

export const UNROLLS: readonly Workload[] = [
  {
    id: "w3",
    what: "memory of an unroll: MLP 64-256-256-10, batch 256",
    options: { steps: 100, optimizer: "sgd", checkpoint: "none" },
    iterations: null,
    peers: ["higher"],
    measure: ({ steps, optimizer, checkpoint }, { device }) => memory(device, { steps, optimizer, checkpoint }),
  },
  {
    id: "w4",
    what: "time of a step, early and late in an unroll: softmax regression 32→3, an unused and a frozen parameter",
    options: { steps: 1000 },
    iterations: null,
    peers: ["higher"],
    least: { steps: 10 },
    measure: async ({ steps }, { device }) => ({
      ...(await longLoop(device, { steps })),
      peakBytes: device.stats().peakBytes,
    }),
  },
];
