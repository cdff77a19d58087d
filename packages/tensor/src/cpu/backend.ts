/**
 * The cpu device: runs programs over typed arrays, in float32 or float64.
 *
 * A *storage* is one value's claim on a block; values that are the same elements in the same order share one.
 */
import type { DType, HostArray } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { simplify } from "../plan/simplify.ts";
import type { Backend, BackendStats, Graph, Program, ReadRequest, Storage } from "../record/backend.ts";
import { compile } from "./compile.ts";
import { type Block, Pool } from "./pool.ts";
import { type CpuProgram, NOTHING } from "./program.ts";

interface CpuStorage extends Storage {
  readonly block: Block;
}

export class CpuBackend implements Backend {
  readonly kind = "cpu";
  readonly description = "JavaScript on one core";
  readonly #pool = new Pool();
  #dispatches = 0;
  #submits = 0;

  checkDType(dtype: DType): void {
    if (dtype === "float16") {
      throw new DTypeError("float16 exists on WebGPU adapters with shader-f16 only: use float32 on the cpu device");
    }
  }

  upload(data: HostArray, _dtype: DType): Storage {
    return claim(this.#pool.adopt(data), data.byteLength);
  }

  compile(graph: Graph): Program {
    return compile(simplify(graph), this.#pool);
  }

  execute(
    program: Program | null,
    leaves: readonly Storage[],
    scalars: readonly number[],
    reads: readonly ReadRequest[],
  ): { outputs: readonly Storage[]; data: Promise<HostArray[]> | null } {
    const outputs = program === null ? [] : this.#run(program as CpuProgram, leaves as readonly CpuStorage[], scalars);
    if (reads.length === 0) return { outputs, data: null };
    const data = reads.map((read) => {
      const storage = "output" in read ? outputs[read.output] : (read.storage as CpuStorage);
      return storage.block.data.slice(0, read.size);
    });
    return { outputs, data: Promise.resolve(data) };
  }

  #run(program: CpuProgram, leaves: readonly CpuStorage[], scalars: readonly number[]): CpuStorage[] {
    const { steps, arrays, blocks, outputSlots } = program;
    for (const { slot, from } of program.leaves) {
      blocks[slot] = leaves[from].block;
      arrays[slot] = leaves[from].block.data;
    }
    for (const { slot, from } of program.scalars) {
      const array = arrays[slot];
      array[0] = array instanceof Uint8Array && scalars[from] !== 0 ? 1 : scalars[from];
    }
    for (let i = 0; i < steps.length; i++) {
      const { run, slot, home, takes, frees } = steps[i];
      const block = takes >= 0 ? blocks[takes] : this.#pool.take(home);
      blocks[slot] = block;
      arrays[slot] = block.data;
      run(arrays);
      for (let j = 0; j < frees.length; j++) this.#pool.give(blocks[frees[j]]);
    }
    this.#dispatches += steps.length;
    this.#submits++;
    const storages = new Array<CpuStorage>(outputSlots.length);
    for (let i = 0; i < outputSlots.length; i++) storages[i] = claim(blocks[outputSlots[i]], program.outputBytes[i]);
    for (const { slot } of program.leaves) arrays[slot] = NOTHING;
    blocks.fill(NO_BLOCK);
    return storages;
  }

  release(storage: Storage): void {
    const { block } = storage as CpuStorage;
    if (--block.refs === 0) this.#pool.give(block);
  }

  stats(): BackendStats {
    const { buffers, bytes, peakBytes, usedBytes, peakUsedBytes, buffersCreated } = this.#pool;
    return {
      buffers,
      bytes,
      peakBytes,
      usedBytes,
      peakUsedBytes,
      buffersCreated,
      dispatches: this.#dispatches,
      submits: this.#submits,
      pipelinesCreated: 0,
      bindGroupsCreated: 0,
    };
  }

  /** Work is done when it is submitted. */
  async synchronize(): Promise<void> {}

  destroy(): void {
    this.#pool.clear();
  }
}

const NO_BLOCK: Block = { data: NOTHING, home: null, refs: 0 };

function claim(block: Block, bytes: number): CpuStorage {
  block.refs++;
  return { bytes, block };
}
