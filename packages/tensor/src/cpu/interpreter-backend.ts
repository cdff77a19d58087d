/**
 * A backend without plans: every graph is computed node by node by the interpreter, as it was recorded.
 *
 * Slow, and for comparison only: what another device's plan makes of a program must agree with it.
 */
import type { DType, HostArray } from "../dtype.ts";
import type { Backend, BackendStats, Graph, Program, ReadRequest, Storage } from "../record/backend.ts";
import { indexError, type OutsideIndex } from "../record/index-sites.ts";
import { interpret } from "./interpreter.ts";
import { takeOutside } from "./positions.ts";

interface HostStorage extends Storage {
  readonly data: HostArray;
}

interface RecordedProgram extends Program {
  readonly graph: Graph;
}

const stored = (data: HostArray): HostStorage => ({ bytes: data.byteLength, data });

export class InterpreterBackend implements Backend {
  readonly kind = "cpu";
  readonly description = "the interpreter, node by node";
  #outside: OutsideIndex | null = null;

  checkDType(_dtype: DType): void {}

  upload(data: HostArray): Storage {
    return stored(data);
  }

  compile(graph: Graph): RecordedProgram {
    return { outputs: graph.outputs.length, graph };
  }

  discard(): void {}

  execute(
    program: Program | null,
    leaves: readonly Storage[],
    scalars: readonly number[],
    reads: readonly ReadRequest[],
    heed = true,
  ): { outputs: readonly Storage[]; data: Promise<HostArray[]> | null } {
    const given = leaves.map((leaf) => (leaf as HostStorage).data);
    const outputs = program === null ? [] : interpret((program as RecordedProgram).graph, given, scalars).map(stored);
    this.#outside ??= takeOutside();
    if (this.#outside !== null && heed && reads.length > 0) {
      const error = indexError(this.#outside);
      this.#outside = null;
      return { outputs, data: Promise.reject(error) };
    }
    const read = (request: ReadRequest): HostArray =>
      ("output" in request ? outputs[request.output] : (request.storage as HostStorage)).data.slice();
    return { outputs, data: reads.length === 0 ? null : Promise.resolve(reads.map(read)) };
  }

  release(): void {}

  stow(small: readonly { storage: Storage }[]): Storage[] {
    return small.map(({ storage }) => storage);
  }

  fetch(stowed: Storage): Storage {
    return stowed;
  }

  unconfirmed(): number {
    return 0;
  }

  listen(): void {}

  /** Nothing is counted. */
  stats(): BackendStats {
    const memory = {
      buffers: 0,
      bytes: 0,
      peakBytes: 0,
      usedBytes: 0,
      scratchBytes: 0,
      peakUsedBytes: 0,
      buffersCreated: 0,
    };
    return { ...memory, dispatches: 0, copies: 0, submits: 0, pipelinesCreated: 0, wgslBytes: 0, bindGroupsCreated: 0 };
  }

  async synchronize(): Promise<void> {}

  destroy(): void {}
}
