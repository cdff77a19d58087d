"""PyTorch: `python torch_peer.py torch|higher --threads N`.

torch   PyTorch itself; w1 by torch.func (vmap over tasks), w0 and w2 by torch.autograd.grad and functional_call
higher  the library of that name, whose inner loop loopgrad's has the interface of; tasks one after another

On the card where there is one (float32 without TF32), else on the cpu.
"""

import argparse
import gc
import os
import time
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

import peer

parser = argparse.ArgumentParser()
parser.add_argument("library", choices=["torch", "higher"])
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
warnings.filterwarnings("ignore")
torch.set_num_threads(args.threads)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
if args.library == "higher":
    import higher
DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16}


def on(array, settings=None):
    t = torch.from_numpy(array).to(DEVICE)
    return t.to(DTYPES[settings.get("dtype", "float32")]) if settings and t.is_floating_point() else t


def host(*tensors):
    return [t.detach().cpu().numpy() for t in tensors]


def set_weights(model, settings):
    model.to(DEVICE, DTYPES[settings.get("dtype", "float32")])
    with torch.no_grad():
        for i, (name, param) in enumerate(model.named_parameters()):
            param.copy_(on(peer.weight(i, name, tuple(param.shape))))
    return model


# ---- single operations


def kernel(id, s, repeat):
    operand = lambda seed, shape, bound=1: on(peer.uniform(seed, shape, bound), s)
    transposed = s["shape"] == "transposed"
    if id == "matmul":
        lead, m, k, n = peer.matmul_sizes(s)
        a, b = operand(1, [*lead, *([k, m] if transposed else [m, k])]), operand(2, [*lead, k, n])
        operation = (lambda: a.T @ b) if transposed else (lambda: a @ b)
    elif id == "conv":
        x, w = operand(1, peer.conv_sizes(s)), operand(2, (64, 64, 3, 3), 0.05)
        convolve = F.conv_transpose2d if transposed else F.conv2d
        operation = lambda: convolve(x, w, padding=1)
    else:
        shape, axis = peer.stream_sizes(s)
        x, y, z = (operand(seed, shape) for seed in (1, 2, 3))
        weight, bias = (operand(seed, shape[-1:]) for seed in (4, 5))
        operation = {
            "elementwise": lambda: torch.addcmul(z, x, y.T if transposed else y),
            "reduce": lambda: x.sum(axis),
            "softmax": lambda: x.softmax(axis),
            "layernorm": lambda: F.layer_norm(x, shape[-1:], weight, bias),
        }[id]

    @torch.no_grad()
    def task():
        for _ in range(repeat - 1):
            operation()
        return host(operation())

    return task


# ---- training steps


def training(optimizer, loss):
    def task():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return host(value)

    return task


def mlp(s):
    n = s["size"]
    model = nn.Sequential(nn.Linear(784, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 10))
    set_weights(model, s)
    x, y = on(peer.uniform(1, (256, 784)), s), on(peer.classes(2, 256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    return training(optimizer, lambda: F.cross_entropy(model(x), y))


class Block(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(b)
        same = a == b and stride == 1
        self.shortcut = nn.Sequential() if same else nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 32, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(32)
        self.blocks = nn.Sequential(Block(32, 32, 1), Block(32, 64, 2), Block(64, 128, 2))
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        return self.out(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


def resnet8(s):
    n = s["size"]
    model = set_weights(ResNet8(), s)
    x, y = on(peer.uniform(1, (n, 1, 28, 28)), s), on(peer.classes(2, n, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    return training(optimizer, lambda: F.cross_entropy(model(x), y))


class Transformer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.embed = nn.Embedding(64, n)
        layer = nn.TransformerEncoderLayer(n, max(1, n // 32), 4 * n, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(n), enable_nested_tensor=False)
        self.out = nn.Linear(n, 64)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(64), persistent=False)

    def forward(self, x):
        return self.out(self.encoder(self.embed(x), mask=self.mask, is_causal=True))


class Reader(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.embed = nn.Embedding(64, n)
        self.lstm = nn.LSTM(n, n, batch_first=True)
        self.out = nn.Linear(n, 64)

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0])


def text(model, optimizer, s, batch):
    set_weights(model, s)
    x = on(peer.classes(1, batch * 64, 64).reshape(batch, 64))
    y = on(peer.classes(2, batch * 64, 64))
    return training(
        optimizer(model.parameters(), lr=1e-3, fused=True), lambda: F.cross_entropy(model(x).reshape(-1, 64), y)
    )


def adam200(s):
    if s["part"] == "update":
        params = []
        for i in range(200):
            shape = (3 + i % 17, 5 + i % 31)
            param = nn.Parameter(on(peer.uniform(1000 + i, shape), s))
            param.grad = on(peer.uniform(2000 + i, shape), s)
            params.append(param)
        optimizer = torch.optim.Adam(params, lr=1e-3, fused=True)

        def task():
            optimizer.step()
            return host(params[-1])

        return task
    model = set_weights(nn.Sequential(*[nn.Linear(64, 64) for _ in range(200)]), s)
    x = on(peer.uniform(1, (8, 64)), s)

    def loss():
        y = x
        for layer in model:
            y = y + layer(y) * 0.1
        return y.square().mean()

    return training(torch.optim.Adam(model.parameters(), lr=1e-3, fused=True), loss)


# ---- meta-gradients


def few_shot_model(s):
    n, layers, c = s["size"], [], 1
    for _ in range(3):
        layers += [nn.Conv2d(c, n, 3), nn.BatchNorm2d(n, momentum=1.0), nn.ReLU(), nn.MaxPool2d(2, 2)]
        c = n
    return set_weights(nn.Sequential(*layers, nn.Flatten(), nn.Linear(n, 5)), s)


def few_shot_data(s):
    images = lambda seed, n: on(peer.uniform(seed, (n, 1, 28, 28)), s)
    labels = lambda each: torch.arange(5, device=DEVICE).repeat_interleave(each)
    return [(images(100 + 2 * i, 25), labels(5), images(101 + 2 * i, 75), labels(15)) for i in range(s["tasks"])]


def wave_model(s):
    model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    return set_weights(model, s)


def meta(id, s):
    """What w0, w1, w2 need: the model, the tasks of a call, the loss, the inner rate."""
    if id == "w2":
        sets = few_shot_data(s)
        return few_shot_model(s), lambda: sets, F.cross_entropy, 0.1
    draw = peer.waves(s["tasks"])

    def tasks():
        xs, ys, xq, yq = (on(one, s) for one in draw())
        return list(zip(xs, ys, xq, yq))

    return wave_model(s), tasks, F.mse_loss, 0.01


def by_higher(id, s):
    model, tasks, loss, lr = meta(id, s)
    inner = torch.optim.SGD(model.parameters(), lr=lr)

    def task():
        model.zero_grad()
        for xs, ys, xq, yq in tasks():
            with higher.innerloop_ctx(model, inner, copy_initial_weights=False) as (fmodel, diffopt):
                for _ in range(s["steps"]):
                    diffopt.step(loss(fmodel(xs), ys))
                (loss(fmodel(xq), yq) / s["tasks"]).backward()
        return host(*[p.grad for p in model.parameters()])

    return task


def by_vmap(s):
    """w1: torch.func, tasks as a batch axis."""
    model = wave_model(s)
    params = {name: p.detach().clone() for name, p in model.named_parameters()}
    mse = lambda p, x, y: F.mse_loss(functional_call(model, p, (x,)), y)

    def adapted(p, xs, ys, xq, yq):
        for _ in range(s["steps"]):
            g = grad(mse)(p, xs, ys)
            p = {name: p[name] - 0.01 * g[name] for name in p}
        return mse(p, xq, yq)

    over = grad(lambda p, *sets: vmap(adapted, (None, 0, 0, 0, 0))(p, *sets).mean())
    draw = peer.waves(s["tasks"])
    return lambda: host(*over(params, *[on(one, s) for one in draw()]).values())


def by_autograd(id, s):
    """w0, w2: plain autograd with create_graph, tasks one after another."""
    model, tasks, loss, lr = meta(id, s)
    names = [name for name, _ in model.named_parameters()]

    def task():
        model.zero_grad()
        for xs, ys, xq, yq in tasks():
            p = list(model.parameters())
            for _ in range(s["steps"]):
                g = torch.autograd.grad(loss(functional_call(model, dict(zip(names, p)), (xs,)), ys), p, create_graph=True)
                p = [w - lr * one for w, one in zip(p, g)]
            (loss(functional_call(model, dict(zip(names, p)), (xq,)), yq) / s["tasks"]).backward()
        return host(*[p.grad for p in model.parameters()])

    return task


# ---- long unrolls: w3, w4 by higher


def resident() -> int:
    if DEVICE.type == "cuda":
        return torch.cuda.memory_allocated()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def unroll_memory(s):
    """w3: what the process holds more after the last step than before the first (on a card: the allocator's bytes)."""
    if s["checkpoint"] != "none":
        raise ValueError("higher has no checkpoints")
    model = set_weights(
        nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 10)), {}
    )
    x, y = on(peer.uniform(1, (256, 64))), torch.arange(256, device=DEVICE) % 10
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[s["optimizer"]](model.parameters(), lr=0.1)
    lr = torch.tensor(0.1 if s["optimizer"] == "sgd" else 0.001, device=DEVICE, requires_grad=True)
    gc.collect()
    before, started = resident(), time.perf_counter()
    with higher.innerloop_ctx(model, optimizer, override={"lr": [lr]}, copy_initial_weights=False) as (fmodel, diffopt):
        for _ in range(s["steps"]):
            diffopt.step(F.cross_entropy(fmodel(x), y))
        held = resident() - before
        forward = time.perf_counter()
        (gradient, *_) = torch.autograd.grad(F.cross_entropy(fmodel(x), y), [lr, *fmodel.parameters(time=0)])
        value = gradient.item()
    return {
        "heldBytes": held,
        "bytesPerStep": held / s["steps"],
        "forwardMs": 1000 * (forward - started),
        "backwardMs": 1000 * (time.perf_counter() - forward),
        "gradient": value,
    }


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(32, 3)
        self.unused = nn.Parameter(torch.zeros(8))
        self.frozen = nn.Parameter(torch.zeros(3), requires_grad=False)

    def forward(self, x):
        return self.linear(x) + self.frozen


def long_loop(s):
    """w4: how long a step takes early and late."""
    model = Regression().to(DEVICE)
    x, y = on(peer.raw(1, 64 * 32).astype("float32").reshape(64, 32)), on(peer.classes(2, 64, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    times = []
    with higher.innerloop_ctx(model, optimizer) as (fmodel, diffopt):
        for _ in range(s["steps"]):
            started = time.perf_counter()
            diffopt.step(F.cross_entropy(fmodel(x), y))
            times.append(1000 * (time.perf_counter() - started))
    tenth = s["steps"] // 10
    median = lambda start: sorted(times[start : start + tenth])[tenth // 2]
    early, late = median(tenth), median(s["steps"] - tenth)
    return {"earlyMs": early, "lateMs": late, "lateOverEarly": late / early}


KERNELS = ["matmul", "conv", "elementwise", "reduce", "softmax", "layernorm"]


def make(id, s, repeat):
    if args.library == "higher":
        return by_higher(id, s) if id in ("w0", "w1", "w2") else None
    if id in KERNELS:
        return kernel(id, s, repeat)
    if id == "w1":
        return by_vmap(s)
    if id in ("w0", "w2"):
        return by_autograd(id, s)
    trainings = {
        "mlp": lambda: mlp(s),
        "resnet8": lambda: resnet8(s),
        "transformer": lambda: text(Transformer(s["size"]), torch.optim.AdamW, s, 8),
        "lstm": lambda: text(Reader(s["size"]), torch.optim.Adam, s, 16),
        "adam200": lambda: adam200(s),
    }
    return trainings[id]() if id in trainings else None


where = torch.cuda.get_device_name(0) if DEVICE.type == "cuda" else f"cpu, threads: {args.threads}"
name = f"PyTorch {torch.__version__}" + (" with higher 0.2.1" if args.library == "higher" else "")
peer.serve(f"{name}, {where}", DEVICE.type, make, lambda id, s: (unroll_memory if id == "w3" else long_loop)(s))
