/**
 * jax-js: `node jax_js.mjs wasm|webgpu`. Everything under `jit`, tasks under `vmap`, results by the asynchronous `data()`.
 *
 * An array that is passed to a function is used up; `ref` keeps it for another use.
 */
import { readFileSync } from "node:fs";
import {
  classes,
  convSizes,
  installWebGPU,
  matmulSizes,
  serve,
  streamSizes,
  uniform,
  WAVE_SHAPES,
  waves,
  weights,
} from "./peer.mjs";

const backend = process.argv[2];
if (backend === "webgpu") await installWebGPU();
const {
  blockUntilReady,
  defaultDevice,
  grad,
  init,
  jit,
  lax,
  nn,
  numpy: np,
  tree,
  valueAndGrad,
  vmap,
} = await import("@jax-js/jax");
const { version } = JSON.parse(readFileSync(new URL("node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"));
const devices = await init(backend);
if (!devices.includes(backend)) throw new Error(`jax-js has no device ${backend} here, but ${devices.join(", ")}`);
defaultDevice(backend);

const array = (values, shape) => np.array(values).reshape(shape);
const operand = (seed, shape, bound) => array(uniform(seed, shape, bound), shape);

/**
 * A jitted operation on kept operands, again and again. A result that is given back before it was waited for is never computed, so
 * all are waited for: on wasm one by one, on the GPU together.
 */
function again(repeat, operation, operands) {
  const compiled = jit(operation);
  return async () => {
    const pending = [];
    for (let i = 1; i < repeat; i++) {
      const y = compiled(...operands.map((x) => x.ref));
      if (backend === "wasm") {
        await blockUntilReady(y);
        y.dispose();
      } else pending.push(y);
    }
    const last = compiled(...operands.map((x) => x.ref));
    await blockUntilReady(pending);
    for (const y of pending) y.dispose();
    return [await last.data()];
  };
}

function kernels(id, settings, repeat) {
  const transposed = settings.shape === "transposed";
  if (id === "matmul") {
    const { lead, m, k, n } = matmulSizes(settings);
    const operands = [operand(1, [...lead, ...(transposed ? [k, m] : [m, k])]), operand(2, [...lead, k, n])];
    return again(repeat, (a, b) => np.matmul(transposed ? np.transpose(a) : a, b), operands);
  }
  if (id === "conv") {
    const operands = [operand(1, convSizes(settings)), operand(2, [64, 64, 3, 3], 0.05)];
    const padding = [
      [1, 1],
      [1, 1],
    ];
    return again(
      repeat,
      transposed
        ? (x, w) => lax.convTranspose(x, w, [1, 1], padding, { transposeKernel: true })
        : (x, w) => lax.conv(x, w, [1, 1], padding),
      operands,
    );
  }
  const { shape, axis } = streamSizes(settings);
  const last = [shape.at(-1)];
  const [x, y, z] = [1, 2, 3].map((seed) => operand(seed, shape));
  const rows = [4, 5].map((seed) => operand(seed, last));
  if (id === "elementwise")
    return again(repeat, (x, y, z) => x.mul(transposed ? np.transpose(y) : y).add(z), [x, y, z]);
  if (id === "reduce") return again(repeat, (x) => np.sum(x, axis), [x]);
  if (id === "softmax") return again(repeat, (x) => nn.softmax(x, axis), [x]);
  return again(repeat, (x, weight, bias) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(weight).add(bias), [
    x,
    ...rows,
  ]);
}

const linear = (x, w, b) => np.matmul(x, np.transpose(w)).add(b);
const network = ([w1, b1, w2, b2, w3, b3], x) => linear(nn.relu(linear(nn.relu(linear(x, w1, b1)), w2, b2)), w3, b3);

function sinusoid({ steps, tasks }) {
  const params = weights(WAVE_SHAPES).map((values, i) => array(values, WAVE_SHAPES[i]));
  const mse = (p, x, y) => np.square(network(p, x).sub(y)).mean();
  const adapted = (p, xs, ys, xq, yq) => {
    for (let k = 0; k < steps; k++) {
      const g = grad(mse)(tree.ref(p), xs.ref, ys.ref);
      p = p.map((w, i) => w.sub(g[i].mul(0.01)));
    }
    xs.dispose();
    ys.dispose();
    return mse(p, xq, yq);
  };
  const over =
    tasks === 1
      ? adapted
      : (p, ...sets) => vmap(adapted, [[null, null, null, null, null, null], 0, 0, 0, 0])(p, ...sets).mean();
  const meta = jit(grad(over));
  const draw = waves(tasks);
  const shape = tasks === 1 ? [10, 1] : [tasks, 10, 1];
  return async () => {
    const { xs, ys, xq, yq } = draw();
    const gradients = meta(tree.ref(params), ...[xs, ys, xq, yq].map((values) => array(values, shape)));
    return Promise.all(gradients.map((g) => g.data()));
  };
}

/** Adam is written out, as the optimizers of jax-js (`@jax-js/optax`) write it. */
function mlp({ size: n }) {
  const shapes = [[n, 784], [n], [n, n], [n], [10, n], [10]];
  let params = weights(shapes).map((values, i) => array(values, shapes[i]));
  let [m, v] = [0, 1].map(() => shapes.map((shape) => np.zeros(shape)));
  const x = operand(1, [256, 784]);
  const labels = classes(2, 256, 10);
  const hot = new Float32Array(2560);
  labels.forEach((label, i) => {
    hot[10 * i + label] = 1;
  });
  const y = array(hot, [256, 10]);
  const loss = (p, x, y) =>
    nn
      .logSoftmax(network(p, x), -1)
      .mul(y)
      .sum()
      .mul(-1 / 256);
  const step = jit((p, m, v, c1, c2, x, y) => {
    const [value, g] = valueAndGrad(loss)(tree.ref(p), x, y);
    m = m.map((one, i) => one.mul(0.9).add(g[i].ref.mul(0.1)));
    v = v.map((one, i) => one.mul(0.999).add(np.square(g[i]).mul(0.001)));
    const next = p.map((w, i) => {
      const up = m[i].ref.mul(c1.ref);
      return w.sub(up.div(np.sqrt(v[i].ref.mul(c2.ref)).add(1e-8)).mul(1e-3));
    });
    c1.dispose();
    c2.dispose();
    return [value, next, m, v];
  });
  let t = 0;
  return async () => {
    t++;
    const corrections = [1 / (1 - 0.9 ** t), 1 / (1 - 0.999 ** t)].map((c) => np.array(c));
    let value;
    [value, params, m, v] = step(params, m, v, ...corrections, x.ref, y.ref);
    return [await value.data()];
  };
}

await serve(`jax-js ${version}, ${backend}`, (id, settings, repeat) => {
  if (id === "w0" || id === "w1") return sinusoid(settings);
  if (id === "mlp") return mlp(settings);
  if (["matmul", "conv", "elementwise", "reduce", "softmax", "layernorm"].includes(id))
    return kernels(id, settings, repeat);
  return undefined;
});
