/**
 * A device that computes nothing: it keeps the graph of each flush, for tests of the passes.
 */
import { watching } from "../debug/watch.ts";
import { Device } from "../device.ts";
import { hostArray } from "../dtype.ts";
import type { Backend, Graph, Program, Storage } from "../record/backend.ts";
import { numel } from "../shape.ts";
import { type Tensor, wrap } from "../tensor.ts";

const NOTHING: Storage = { bytes: 0 };

/** Keeps graphs; every storage is nothing, and reads never resolve. */
class CapturingBackend implements Backend {
  readonly kind = "cpu";
  readonly description = "captures graphs";
  graph: Graph | null = null;

  checkDType(): void {}

  upload(): Storage {
    return NOTHING;
  }

  compile(graph: Graph): Program {
    this.graph = graph;
    return { outputs: graph.outputs.length };
  }

  discard(): void {}

  execute(program: Program | null) {
    return { outputs: new Array<Storage>(program?.outputs ?? 0).fill(NOTHING), data: null };
  }

  release(): void {}

  stow(): Storage[] {
    return [];
  }

  fetch(stowed: Storage): Storage {
    return stowed;
  }

  unconfirmed(): number {
    return 0;
  }

  listen(): void {}

  stats() {
    return {
      buffers: 0,
      bytes: 0,
      peakBytes: 0,
      usedBytes: 0,
      scratchBytes: 0,
      peakUsedBytes: 0,
      buffersCreated: 0,
      dispatches: 0,
      copies: 0,
      submits: 0,
      pipelinesCreated: 0,
      wgslBytes: 0,
      bindGroupsCreated: 0,
    };
  }

  async synchronize(): Promise<void> {}

  destroy(): void {}
}

/** The graph that a function records: its inputs are float32 tensors of the given shapes, what it returns is wanted. */
export function captureGraph(shapes: readonly number[][], fn: (...inputs: Tensor[]) => Tensor | Tensor[]): Graph {
  const backend = new CapturingBackend();
  const device = new Device(backend);
  const inputs = shapes.map((shape) => wrap(device.fromHost(hostArray("float32", numel(shape)), shape, "float32")));
  const results = [fn(...inputs)].flat();
  for (const tensor of results) tensor._live().pins++;
  watching()?.holders.add({
    _isHolding: true,
    _holding: () => ({ by: () => "a captured graph", pins: results.map((tensor) => tensor._value) }),
  });
  device.flush();
  if (backend.graph === null) throw new Error("nothing was recorded");
  return backend.graph;
}
