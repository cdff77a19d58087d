/**
 * What the tape adds to Tensor: `requiresGrad`, `backward`, `detach`, hooks. And `image`, a place of its own.
 */
import { admit, aliasP, bind, GradError, handleLike, openLevels, spreadOver, Tensor } from "@loopgrad/tensor";
import { type BackwardOptions, backward } from "./grad.ts";
import { hookFor } from "./hooks-of-tasks.ts";
import type { GradFn } from "./print.ts";
import { type Hook, Leaf, nodeOf, setRequiresGrad } from "./tape.ts";

declare module "@loopgrad/tensor" {
  interface Tensor {
    /** Whether gradients flow through this tensor. */
    readonly requiresGrad: boolean;
    /** False for a tensor that was computed on the tape. */
    readonly isLeaf: boolean;

    /**
     * Where the tape made this tensor; null for a leaf, and for a tensor that no gradient flows through.
     *
     * @see     torch.Tensor.grad_fn
     * @example console.log(String(loss.gradFn)); // the graph, an operation a line
     */
    readonly gradFn: GradFn | null;

    /**
     * Asks for gradients of this tensor, or ceases to. Returns the tensor.
     *
     * @throws  GradError for an integer or bool tensor; for `false` on a tensor computed on the tape
     * @see     torch.Tensor.requires_grad_
     */
    requiresGrad_(requires?: boolean): this;

    /**
     * Computes the gradient of this tensor by every leaf that it depends on, and adds it to the leaf's `grad`.
     *
     * A `grad` lives as long as its tensor, outside every scope; the next backward adds to it. What the tape
     * saved is freed on the way, unless `retainGraph` (by default: `createGraph`) is set.
     *
     * @throws  GradError if the tensor is not on the tape, has several elements and no `gradient` is given, or the
     *          graph was freed by an earlier backward
     * @see     torch.Tensor.backward
     * @example loss.backward(); const g = w.grad;
     */
    backward(options?: BackwardOptions): void;

    /**
     * The same value, off the tape.
     *
     * @see torch.Tensor.detach
     */
    detach(): Tensor;

    /**
     * Lets `backward()` keep the gradient of this tensor in its `grad`, though it is not a leaf. Returns the tensor.
     *
     * @throws  GradError if it does not require a gradient
     * @see     torch.Tensor.retain_grad
     */
    retainGrad(): this;

    /**
     * Calls `hook` with the gradient of this tensor whenever one is computed. What the hook returns, if anything,
     * takes the gradient's place. Hooks run in the order in which they were registered.
     *
     * @throws  GradError if the tensor does not require a gradient
     * @see     torch.Tensor.register_hook
     * @example const { remove } = h.registerHook((g) => g.clamp(-1, 1));
     */
    registerHook(hook: Hook): { remove(): void };
  }
}

Object.defineProperties(Tensor.prototype, {
  requiresGrad: {
    get(this: Tensor): boolean {
      return nodeOf(this) !== null;
    },
    configurable: true,
  },
  isLeaf: {
    get(this: Tensor): boolean {
      const node = nodeOf(this);
      return node === null || node instanceof Leaf;
    },
    configurable: true,
  },
});

Object.defineProperty(Tensor.prototype, "gradFn", {
  get(this: Tensor): GradFn | null {
    const node = nodeOf(this);
    return node instanceof Leaf ? null : node;
  },
  configurable: true,
});

Tensor.prototype.requiresGrad_ = function (requires = true) {
  admit(arguments, "Tensor.requiresGrad_(requires?: boolean)");
  setRequiresGrad(this, requires);
  return this;
};

Tensor.prototype.backward = function (options) {
  admit(
    arguments,
    "Tensor.backward(options?: { gradient: tensor|null, createGraph: boolean, retainGraph: boolean, inputs: tensor|list })",
  );
  backward(this, options);
};

Tensor.prototype.detach = function () {
  admit(arguments, "Tensor.detach()");
  const value = this._live();
  // Who detaches a result means to use it beyond its graph: the next flush stores it.
  if (nodeOf(this) !== null) value.device.want(value);
  return handleLike(this, value);
};

Tensor.prototype.retainGrad = function () {
  admit(arguments, "Tensor.retainGrad()");
  const node = nodeOf(this);
  if (node === null) throw new GradError("retainGrad: the tensor does not require a gradient");
  if (node.owner === null) node.owner = this._standIn ?? this;
  return this;
};

Tensor.prototype.registerHook = function (hook) {
  admit(arguments, "Tensor.registerHook(hook: function)");
  const node = nodeOf(this);
  if (node === null) throw new GradError("registerHook: the tensor does not require a gradient");
  node.hooks ??= [];
  const { hooks } = node;
  // An entry of its own, so that one function may be registered twice and removed once.
  const entry = hookFor(this, hook);
  hooks.push(entry);
  return {
    remove() {
      const at = hooks.indexOf(entry);
      if (at >= 0) hooks.splice(at, 1);
    },
  };
};

/**
 * The same value at a place of its own on the tape: gradients can be asked for here, and flow on to the tensor.
 *
 * Gradients by images are found without a look at what came before them, so they are the right start of an unrolled
 * loop: `grad(loss, images)` costs one step however many came before. Of a tensor that requires no gradient, the image
 * requires none either. Inside `vmap` an image is each task's own, though the tensor be shared.
 *
 * @example const fast = params.map((p) => image(p));
 */
export function image(tensor: Tensor): Tensor {
  admit(arguments, "image(tensor: tensor)");
  // Inside vmap each task has its own.
  const spread = spreadOver(tensor, openLevels());
  const result = spread === tensor ? bind(aliasP, [tensor]) : spread;
  nodeOf(result)?.markSource();
  return result;
}
