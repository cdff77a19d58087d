/**
 * TensorFlow.js: `node tfjs.mjs wasm|webgpu|cpu [THREADS]`. Operations as they are documented, fused ones where there are some, everything in
 * `tidy`, results by the asynchronous `data()`. Images are NHWC, its own order.
 *
 * In Node it needs its CommonJS builds, and for WebGPU a `navigator`; small operations stay on the device (WEBGPU_CPU_FORWARD).
 */
import { createRequire } from "node:module";
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
const require = createRequire(import.meta.url);
const warn = console.warn;
console.warn = () => {};
const tf = require("@tensorflow/tfjs");
if (backend === "wasm") {
  const { setThreadsCount, setWasmPaths } = require("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(new URL("node_modules/@tensorflow/tfjs-backend-wasm/dist/", import.meta.url).pathname);
  setThreadsCount(Number(process.argv[3] ?? 1));
}
if (backend === "webgpu") {
  require("@tensorflow/tfjs-backend-webgpu");
  tf.env().set("WEBGPU_CPU_FORWARD", false);
}
console.warn = warn;
if (!(await tf.setBackend(backend))) throw new Error(`tfjs has no backend ${backend} here`);
await tf.ready();

const operand = (seed, shape, bound) => tf.tensor(uniform(seed, shape, bound), shape);

function again(repeat, operation) {
  return async () => {
    for (let i = 1; i < repeat; i++) tf.dispose(tf.tidy(operation));
    const last = tf.tidy(operation);
    const data = await last.data();
    last.dispose();
    return [data];
  };
}

/** NHWC to NCHW, so that results are compared in one order. */
function channelsFirst([data], [n, h, w, c]) {
  const out = new Float32Array(data.length);
  for (let i = 0; i < n; i++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        for (let k = 0; k < c; k++) out[((i * c + k) * h + y) * w + x] = data[((i * h + y) * w + x) * c + k];
  return [out];
}

function kernels(id, settings, repeat) {
  const transposed = settings.shape === "transposed";
  if (id === "matmul") {
    const { lead, m, k, n } = matmulSizes(settings);
    const a = operand(1, [...lead, ...(transposed ? [k, m] : [m, k])]);
    const b = operand(2, [...lead, k, n]);
    return again(repeat, () => tf.matMul(a, b, transposed));
  }
  if (id === "conv") {
    const [n, c, h, w] = convSizes(settings);
    const x = tf.tidy(() => tf.transpose(operand(1, [n, c, h, w]), [0, 2, 3, 1]));
    const weight = operand(2, [64, 64, 3, 3], 0.05);
    // Forward [out, in, h, w] becomes [h, w, in, out]; of the transpose, whose weight is [in, out, h, w], too.
    const filter = tf.tidy(() => tf.transpose(weight, transposed ? [2, 3, 1, 0] : [2, 3, 1, 0]));
    const task = again(repeat, () =>
      transposed ? tf.conv2dTranspose(x, filter, [n, h, w, 64], 1, 1) : tf.conv2d(x, filter, 1, 1),
    );
    return Object.assign(task, { arranged: (results) => channelsFirst(results, [n, h, w, 64]) });
  }
  const { shape, axis } = streamSizes(settings);
  const last = [shape.at(-1)];
  const [x, y, z] = [1, 2, 3].map((seed) => operand(seed, shape));
  const [weight, bias] = [4, 5].map((seed) => operand(seed, last));
  if (id === "elementwise") return again(repeat, () => x.mul(transposed ? y.transpose() : y).add(z));
  if (id === "reduce") return again(repeat, () => x.sum(axis));
  if (id === "softmax") {
    // tf.softmax is along the last axis.
    const to = shape.map((_, i) => i).filter((i) => i !== axis);
    const order = [...to, axis];
    const back = order.map((_, i) => order.indexOf(i));
    return again(repeat, () =>
      axis === shape.length - 1 ? tf.softmax(x) : tf.transpose(tf.softmax(tf.transpose(x, order)), back),
    );
  }
  return again(repeat, () => {
    const { mean, variance } = tf.moments(x, -1, true);
    return x
      .sub(mean)
      .mul(tf.rsqrt(variance.add(1e-5)))
      .mul(weight)
      .add(bias);
  });
}

const linear = (x, w, b) => tf.matMul(x, w, false, true).add(b);
const network = ([w1, b1, w2, b2, w3, b3], x) => linear(tf.relu(linear(tf.relu(linear(x, w1, b1)), w2, b2)), w3, b3);

/** Tasks one after another: there is no batching over tasks. */
function sinusoid({ steps, tasks }) {
  const params = weights(WAVE_SHAPES).map((values, i) => tf.tensor(values, WAVE_SHAPES[i]));
  const mse = (p, x, y) => network(p, x).sub(y).square().mean();
  const draw = waves(tasks);
  return async () => {
    const sets = draw();
    const gradients = tf.tidy(() => {
      const of = (name, i) => tf.tensor(sets[name].subarray(10 * i, 10 * i + 10), [10, 1]);
      let sum = null;
      for (let i = 0; i < tasks; i++) {
        const [xs, ys, xq, yq] = ["xs", "ys", "xq", "yq"].map((name) => of(name, i));
        const adapted = (...p) => {
          for (let k = 0; k < steps; k++) {
            const g = tf.grads((...q) => mse(q, xs, ys))(p);
            p = p.map((w, j) => w.sub(g[j].mul(0.01)));
          }
          return mse(p, xq, yq).div(tasks);
        };
        const g = tf.grads(adapted)(params);
        sum = sum === null ? g : sum.map((one, j) => one.add(g[j]));
      }
      return sum;
    });
    const data = await Promise.all(gradients.map((g) => g.data()));
    tf.dispose(gradients);
    return data;
  };
}

function mlp({ size: n }) {
  const shapes = [[n, 784], [n], [n, n], [n], [10, n], [10]];
  const params = weights(shapes).map((values, i) => tf.variable(tf.tensor(values, shapes[i])));
  const x = operand(1, [256, 784]);
  const y = tf.oneHot(tf.tensor1d(classes(2, 256, 10), "int32"), 10);
  const optimizer = tf.train.adam(1e-3, 0.9, 0.999, 1e-8);
  return async () => {
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, network(params, x)), true);
    const data = await loss.data();
    loss.dispose();
    return [data];
  };
}

await serve(`tfjs ${tf.version.tfjs}, ${backend}`, (id, settings, repeat) => {
  if (id === "w0" || id === "w1") return sinusoid(settings);
  if (id === "mlp") return mlp(settings);
  if (["matmul", "conv", "elementwise", "reduce", "softmax", "layernorm"].includes(id))
    return kernels(id, settings, repeat);
  return undefined;
});
