/**
 * Plain tensors in a module's fields: constants, as long as they stay what they are.
 *
 * A functional model carries parameters and buffers through time. A tensor in an ordinary field, or in an array, map or
 * plain object there, it cannot see: one that requires a gradient would be shared by all times, one that a forward
 * assigns would change the module. Both are refused.
 */
import { type Module, Slot } from "@loopgrad/nn";
import { LoopgradError, type Tensor, visitTensors } from "@loopgrad/tensor";

/** Watches the fields of a module's tree that hold plain tensors: constants that must stay what they are. */
export class PlainTensors {
  readonly #modules: readonly Module[];
  readonly #known = new Map<Module, Set<Tensor>>();

  constructor(root: Module) {
    const named = root.namedModules();
    this.#modules = named.map(([, module]) => module);
    for (const [name, module] of named) {
      visitFields(module, (field, tensor) => {
        if (tensor.requiresGrad) {
          throw new LoopgradError(
            `functionalize: ${name === "" ? "" : `${name}.`}${field} is a plain tensor that requires a gradient: make it a Parameter or a Buffer`,
          );
        }
        const known = this.#known.get(module);
        if (known === undefined) this.#known.set(module, new Set([tensor]));
        else known.add(tensor);
      });
    }
  }

  /** Throws if a field was assigned another plain tensor, or given one more. */
  check(): void {
    for (const module of this.#modules) {
      const known = this.#known.get(module);
      visitFields(module, (field, tensor) => {
        if (known?.has(tensor)) return;
        throw new LoopgradError(
          `a functional call assigned a plain tensor to ${module.constructor.name}.${field}, which would change the module: ` +
            "make it a Buffer, or return it",
        );
      });
    }
  }
}

/** Visits the plain tensors in a module's own fields, and in collections there. */
function visitFields(module: Module, visit: (field: string, tensor: Tensor) => void): void {
  for (const field of Object.keys(module)) {
    const value: unknown = module[field as keyof Module];
    if (typeof value !== "object" || value === null || value instanceof Slot) continue;
    // Sizes and strides, of which a model has hundreds.
    if (Array.isArray(value) && !value.some(isObject)) continue;
    visitTensors(value, (tensor) => {
      if (!(tensor instanceof Slot)) visit(field, tensor);
    });
  }
}

const isObject = (value: unknown): boolean => typeof value === "object";
