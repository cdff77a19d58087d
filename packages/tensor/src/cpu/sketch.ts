/**
 * Sketches: graphs written by hand, to test devices below the level of tensors.
 */
import { DTYPES, type DType, type HostArray, hostArray } from "../dtype.ts";
import { type Attrs, type Primitive, scalarP } from "../primitives.ts";
import type { Backend, Graph, GraphNode } from "../record/backend.ts";
import { numel, type Shape } from "../shape.ts";

/**
 * Builds a graph node by node; a node is named by its number.
 *
 * @example
 * const s = new Sketch();
 * const x = s.leaf([2, 3]);
 * const graph = s.graph(s.apply(sumP, [x], [1]));
 */
export class Sketch {
  readonly #nodes: GraphNode[] = [];
  #leaves = 0;
  #scalars = 0;

  leaf(shape: Shape, dtype: DType = "float32"): number {
    return this.#add({ primitive: null, inputs: [], attrs: [], shape, dtype, slot: this.#leaves++ });
  }

  scalar(dtype: DType = "float32"): number {
    const attrs = [DTYPES.indexOf(dtype)];
    return this.#add({ primitive: scalarP, inputs: [], attrs, shape: [], dtype, slot: this.#scalars++ });
  }

  apply(primitive: Primitive, inputs: readonly number[], attrs: Attrs = []): number {
    const { shape, dtype } = primitive.infer(
      inputs.map((input) => this.#nodes[input]),
      attrs,
    );
    return this.#add({ primitive, inputs, attrs, shape, dtype, slot: -1 });
  }

  graph(...outputs: number[]): Graph {
    return { nodes: [...this.#nodes], outputs, leafCount: this.#leaves, scalarCount: this.#scalars };
  }

  #add(node: GraphNode): number {
    return this.#nodes.push(node) - 1;
  }
}

/** Compiles a graph on a backend and runs it once. */
export async function runOn(
  backend: Backend,
  graph: Graph,
  leaves: readonly HostArray[],
  scalars: readonly number[] = [],
): Promise<HostArray[]> {
  const leafNodes = graph.nodes.filter((node) => node.primitive === null);
  const storages = leaves.map((leaf, i) => backend.upload(leaf.slice(), leafNodes[i].dtype));
  const reads = graph.outputs.map((node, output) => {
    const { dtype, shape } = graph.nodes[node];
    return { output, dtype, size: numel(shape) };
  });
  const { outputs, data } = backend.execute(backend.compile(graph), storages, scalars, reads);
  for (const storage of [...storages, ...outputs]) backend.release(storage);
  return (await data) ?? [];
}

/** Numbers from a seed, in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Elements for a leaf: floats in [−2, 2), integers from −9 (0 for uint32) to 9, both bools. */
export function filled(dtype: DType, shape: Shape, random: () => number): HostArray {
  const out = hostArray(dtype, numel(shape));
  for (let i = 0; i < out.length; i++) {
    const u = random();
    switch (dtype) {
      case "int32":
        out[i] = Math.floor(19 * u) - 9;
        break;
      case "uint32":
        out[i] = Math.floor(10 * u);
        break;
      case "bool":
        out[i] = u < 0.5 ? 0 : 1;
        break;
      default:
        out[i] = 4 * u - 2;
    }
  }
  return out;
}
