"""JAX: `python jax_peer.py --threads N`. Everything under jit, tasks under vmap; on a card where there is one."""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
# XLA has no number of threads to set, but takes as many as the process may run on.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
if args.threads == 1:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import peer


def operand(seed, shape, bound=1):
    return jnp.asarray(peer.uniform(seed, shape, bound))


def kernel(id, s, repeat):
    transposed = s["shape"] == "transposed"
    if id == "matmul":
        lead, m, k, n = peer.matmul_sizes(s)
        operands = [operand(1, (*lead, *((k, m) if transposed else (m, k)))), operand(2, (*lead, k, n))]
        operation = (lambda a, b: a.T @ b) if transposed else (lambda a, b: a @ b)
    elif id == "conv":
        operands = [operand(1, peer.conv_sizes(s)), operand(2, (64, 64, 3, 3), 0.05)]
        if transposed:
            operation = lambda x, w: lax.conv_transpose(
                x, w, (1, 1), [(1, 1), (1, 1)], dimension_numbers=("NCHW", "OIHW", "NCHW"), transpose_kernel=True
            )
        else:
            operation = lambda x, w: lax.conv(x, w, (1, 1), "SAME")
    else:
        shape, axis = peer.stream_sizes(s)
        x, y, z = (operand(seed, shape) for seed in (1, 2, 3))
        rows = [operand(seed, shape[-1:]) for seed in (4, 5)]

        def layernorm(x, weight, bias):
            return jax.nn.standardize(x, -1, epsilon=1e-5) * weight + bias

        operands, operation = {
            "elementwise": ([x, y, z], (lambda x, y, z: x * y.T + z) if transposed else (lambda x, y, z: x * y + z)),
            "reduce": ([x], lambda x: x.sum(axis)),
            "softmax": ([x], lambda x: jax.nn.softmax(x, axis)),
            "layernorm": ([x, *rows], layernorm),
        }[id]
    compiled = jax.jit(operation)

    def task():
        for _ in range(repeat - 1):
            compiled(*operands).block_until_ready()
        return [np.asarray(compiled(*operands))]

    return task


def linear(x, w, b):
    return x @ w.T + b


def network(p, x):
    return linear(jax.nn.relu(linear(jax.nn.relu(linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5])


def start(shapes):
    return [jnp.asarray(peer.weight(i, "bias" if len(shape) == 1 else "weight", shape)) for i, shape in enumerate(shapes)]


def sinusoid(s):
    params = start(peer.WAVE_SHAPES)
    mse = lambda p, x, y: jnp.square(network(p, x) - y).mean()

    def adapted(p, xs, ys, xq, yq):
        for _ in range(s["steps"]):
            g = jax.grad(mse)(p, xs, ys)
            p = [w - 0.01 * one for w, one in zip(p, g)]
        return mse(p, xq, yq)

    over = jax.jit(jax.grad(lambda p, *sets: jax.vmap(adapted, (None, 0, 0, 0, 0))(p, *sets).mean()))
    draw = peer.waves(s["tasks"])
    return lambda: [np.asarray(one) for one in over(params, *draw())]


def mlp(s):
    """Adam is written out: the optimizers of JAX are another library's."""
    n = s["size"]
    shapes = [(n, 784), (n,), (n, n), (n,), (10, n), (10,)]
    params = start(shapes)
    x, y = operand(1, (256, 784)), jnp.asarray(peer.classes(2, 256, 10))

    def loss(p):
        return -jnp.take_along_axis(jax.nn.log_softmax(network(p, x)), y[:, None], 1).mean()

    @jax.jit
    def step(p, m, v, t):
        value, g = jax.value_and_grad(loss)(p)
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        return value, [w - 1e-3 * (a / c1) / (jnp.sqrt(b / c2) + 1e-8) for w, a, b in zip(p, m, v)], m, v

    zeros = [jnp.zeros(shape) for shape in shapes]
    state = [params, zeros, zeros, 0.0]

    def task():
        state[3] += 1.0
        value, *state[:3] = step(*state)
        return [np.asarray(value)]

    return task


def make(id, s, repeat):
    if id in ("w0", "w1"):
        return sinusoid(s)
    if id == "mlp":
        return mlp(s)
    return kernel(id, s, repeat) if id in ("matmul", "conv", "elementwise", "reduce", "softmax", "layernorm") else None


device = jax.devices()[0]
peer.serve(f"JAX {jax.__version__}, {device.device_kind}, threads: {args.threads}", device.platform, make)
