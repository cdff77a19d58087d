"""Writes torch-options.json: functions of torch with the options and overloads that they have.

    python torch_options.py > torch-options.json       # torch 2.13, float64

A case is a function's name and arguments as loopgrad has them, and what torch computes: outputs, first derivatives of
sum(c * outputs), and derivatives of sum(c * first derivatives), with c[i] = ((37 i) mod 11 - 5) / 5 in row-major order.
Absent derivatives are null. A case without "first" has an output that torch does not differentiate.
"""

import json
import sys

import torch
import torch.nn.functional as F
from torch import tensor as T

torch.set_default_dtype(torch.float64)
torch.manual_seed(31)
NAN, INF = float("nan"), float("inf")
cases = []


def rounded(x):
    return (x * 256).round() / 256


def x(*shape):
    return rounded(torch.randn(*shape)).requires_grad_(True)


def given(data):
    return T(data, dtype=torch.float64).requires_grad_(True)


def ints(data):
    return T(data, dtype=torch.int64)


def positive_definite(*shape):
    a = torch.randn(*shape)
    return rounded(a @ a.mT + shape[-1] * torch.eye(shape[-1])).requires_grad_(True)


def weights_for(x):
    i = torch.arange(x.numel(), dtype=torch.float64)
    return (((37 * i) % 11 - 5) / 5).reshape(x.shape)


def weighted(tensors):
    terms = [(weights_for(t) * t).sum() for t in tensors if t is not None and t.requires_grad]
    return sum(terms) if terms else None


def number(v):
    if v != v:
        return "nan"
    if v in (INF, -INF):
        return "inf" if v > 0 else "-inf"
    return float(f"{v:.11g}")


KINDS = {torch.bool: "bool", torch.int32: "int32", torch.int64: "int32", torch.float32: "float32"}


def encoded(t):
    if t is None:
        return None
    kind = KINDS.get(t.dtype, "float64")
    data = t.detach().reshape(-1).tolist()
    data = [number(v) for v in data] if kind.startswith("float") else [int(v) for v in data]
    return {"shape": list(t.shape), "dtype": kind, "data": data, **({"requiresGrad": True} if t.requires_grad else {})}


def argument(a):
    if isinstance(a, torch.Tensor):
        return encoded(a)
    if isinstance(a, dict):
        return {k: argument(v) for k, v in a.items()}
    if isinstance(a, (list, tuple)):
        return [argument(v) for v in a]
    return {torch.float32: "float32", torch.float64: "float64", torch.int64: "int32", torch.bool: "bool"}.get(a, a)


def leaves(a):
    if isinstance(a, torch.Tensor):
        return [a] if a.requires_grad else []
    if isinstance(a, dict):
        return [t for v in a.values() for t in leaves(v)]
    return [t for v in a for t in leaves(v)] if isinstance(a, (list, tuple)) else []


def case(name, args, compute, second=True):
    inputs = leaves(args)
    result = compute(*args)
    outputs = [result] if isinstance(result, torch.Tensor) else list(result)
    entry = {"name": name, "args": argument(args), "outputs": [encoded(t.detach()) for t in outputs]}
    total = weighted(outputs)
    if inputs and total is not None:
        first = torch.autograd.grad(total, inputs, create_graph=True, allow_unused=True)
        entry["first"] = [encoded(None if g is None else g.detach()) for g in first]
        total = weighted(first) if second else None
        if second:
            again = [None] * len(inputs)
            if total is not None:
                again = torch.autograd.grad(total, inputs, allow_unused=True)
            entry["second"] = [encoded(g) for g in again]
    cases.append(entry)


truths = [T([[True, False], [True, True]]), T([True, False])]
for name, fn in [("add", torch.add), ("mul", torch.mul), ("maximum", torch.maximum), ("minimum", torch.minimum), ("max", torch.max), ("min", torch.min)]:
    case(name, truths, fn)
for name in ["amax", "amin", "max", "min", "sum", "prod"]:
    case(name, [truths[0]], getattr(torch, name))
    case(name, [truths[0], 1], getattr(torch, name))
    case(name, [truths[0], 1, {"keepdim": True}], lambda t, d, o, fn=getattr(torch, name): fn(t, d, **o))
case("sign", [truths[1]], torch.sign)
case("square", [truths[1]], torch.square)
case("outer", [truths[1], T([True, True, False])], torch.outer)
case("scatter", [truths[0], 1, ints([[0], [1]]), T([[False], [False]])], torch.scatter)
case("scatterAdd", [truths[0], 1, ints([[1], [1]]), T([[True], [False]])], torch.scatter_add)
case("indexAdd", [truths[0], 0, ints([1]), T([[True, False]])], torch.index_add)
case("cumsum", [truths[0], 1], torch.cumsum)
case("cumprod", [truths[0], 1], torch.cumprod)

case("max", [x(2, 3), x(3)], torch.max)
case("max", [T([1, NAN, 3]), T([1, 2, 4])], torch.max)
case("min", [x(2, 1), x(2, 3)], torch.min)
case("min", [ints([1, 5]), x(2)], torch.min)

for name, fn in [("median", torch.median), ("nanmedian", torch.nanmedian)]:
    case(name, [x(3, 4)], fn)
    case(name, [given([3, 1, 2, 2, 2, 5])], fn)
    case(name, [given(3)], fn)
    case(name, [given(3), 0], fn)
    case(name, [x(3, 4), 1], fn)
    case(name, [x(3, 5), 0, {"keepdim": True}], lambda t, d, o, fn=fn: fn(t, d, **o))
    case(name, [ints([[3, 1], [2, 4]])], fn)
    case(name, [ints([[3, 1], [2, 4]]), 0], fn)
    case(name, [given([])], fn)
case("median", [given([[1, NAN, 2], [4, 5, 3]]), 1], torch.median)
case("median", [T([1, NAN, 2])], torch.median)
case("nanmedian", [given([[1, NAN, 2], [4, 5, 3]]), 1], torch.nanmedian)
case("nanmedian", [given([[NAN, NAN, 2, 7, 1]]), -1, {"keepdim": True}], lambda t, d, o: torch.nanmedian(t, d, **o))
case("nanmedian", [given([1, NAN, 2, NAN, 4, 4])], torch.nanmedian)
case("nanmedian", [T([NAN, NAN])], torch.nanmedian)

for decimals in [0, 1, 3, -1, -2]:
    case("round", [given([1.25, -1.375, 15.0, 165.5, 1234.5678]), {"decimals": decimals}], lambda t, o: torch.round(t, **o))
spd = positive_definite(2, 3, 3)
case("cholesky", [spd, {"upper": True}], lambda a, o: torch.linalg.cholesky((a + a.mT) / 2, **o))
case("cholesky", [spd, {"upper": False}], lambda a, o: torch.linalg.cholesky((a + a.mT) / 2, **o))

for name, fn in [("softmax", F.softmax), ("logSoftmax", F.log_softmax), ("softmin", F.softmin)]:
    case(name, [x(2, 3), 1, {"dtype": torch.float64}], lambda t, d, o, fn=fn: fn(t, d, **o))
    case(name, [ints([1, 2, 3]), 0, {"dtype": torch.float32}], lambda t, d, o, fn=fn: fn(t, d, **o))
for name, fn in [("sum", torch.sum), ("prod", torch.prod), ("mean", torch.mean)]:
    case(name, [ints([[1, 2, 3], [4, 5, 6]]), 1, {"dtype": torch.float64}], lambda t, d, o, fn=fn: fn(t, d, **o))
    case(name, [given([[1.5, 2.5], [0.5, 3.5]]), 0, {"keepdim": True, "dtype": torch.float32}], lambda t, d, o, fn=fn: fn(t, d, **o))
case("sum", [T([1.5, 1.75]), 0, {"dtype": torch.int64}], lambda t, d, o: torch.sum(t, d, dtype=torch.int32))
case("prod", [T([1.5, 2.75]), 0, {"dtype": torch.int64}], lambda t, d, o: torch.prod(t, d, dtype=torch.int32))
case("sum", [ints([0, 2]), 0, {"dtype": torch.bool}], lambda t, d, o: torch.sum(t, d, **o))
for name, fn in [("cumsum", torch.cumsum), ("cumprod", torch.cumprod)]:
    case(name, [ints([[1, 2, 3], [4, 5, 6]]), 1, {"dtype": torch.float64}], lambda t, d, o, fn=fn: fn(t, d, **o))
    case(name, [x(2, 3), 0, {"dtype": torch.float64}], lambda t, d, o, fn=fn: fn(t, d, **o))
    case(name, [T([1.5, 2.5, 3]), 0, {"dtype": torch.int64}], lambda t, d, o, fn=fn: fn(t, d, dtype=torch.int32))

case("pow", [ints([-3, -1, 0, 1, 2, 7]), ints([3, 5, 0, 9, 10, 2])], torch.pow)
case("pow", [ints([-1, -1, 1, 2, 0]), ints([-3, -2, -5, -1, 4])], torch.pow)
case("pow", [ints([[2], [3]]), ints([0, 1, 4])], torch.pow)
case("pow", [2, ints([0, 1, 4])], torch.pow)
case("pow", [ints([2, -3]), 4], torch.pow)
case("pow", [ints([2, -3]), x(2).detach().abs()], torch.pow)
case("pow", [truths[1], 2], torch.pow)
case("pow", [truths[1], 0], torch.pow)

scalar = given(5)
case("gather", [scalar, 0, ints(0)], torch.gather)
case("gather", [scalar, -1, ints([0, 0])], torch.gather)
case("gather", [given([5, 6]), 0, ints(1)], torch.gather)
case("indexSelect", [scalar, 0, ints([0])], torch.index_select)
case("indexSelect", [scalar, 0, ints(0)], torch.index_select)
case("scatter", [scalar, 0, ints(0), given(3)], torch.scatter)
case("scatter", [scalar, 0, ints([0]), 2.5], torch.scatter)
case("scatter", [given([5, 6]), 0, ints(1), given(3)], torch.scatter)
case("scatterAdd", [scalar, 0, ints(0), given(3)], torch.scatter_add)
case("scatterAdd", [scalar, 0, ints([0, 0]), given([3, 4])], torch.scatter_add)
case("indexAdd", [scalar, 0, ints([0]), given(2)], torch.index_add)
case("indexAdd", [scalar, 0, ints(0), given(2), {"alpha": 3}], lambda t, d, i, s, o: torch.index_add(t, d, i, s, **o))
case("unfoldDim", [scalar, 0, 1, 1], lambda t, *a: t.unfold(*a))
case("unfoldDim", [scalar, 0, 0, 1], lambda t, *a: t.unfold(*a))
case("takeAlongDim", [scalar, ints(0), 0], lambda t, i, d: torch.gather(t, d, i))
case("takeAlongDim", [x(2, 2), ints([[3, 0]])], torch.take_along_dim)
case("takeAlongDim", [x(2, 2), ints([1, 1, 2])], torch.take_along_dim)

case("linspace", [T(1.0), T(2.0), 4], torch.linspace)
case("linspace", [T(-2.0), 3, 1], torch.linspace)
case("linspace", [ints(1), 3, 3], torch.linspace)
case("narrow", [x(4, 2), 0, ints(1), 2], torch.narrow)
case("narrow", [x(4, 2), 0, ints(-2), 2], torch.narrow)
case("slice", [x(4, 2), 0, ints(1), ints(3)], lambda t, d, a, b: t[a:b])

case("scatter", [x(3, 2), 0, ints([[0, 1], [2, 2]]), x(2, 2), {"reduce": "add"}], lambda t, d, i, s, o: torch.scatter_add(t, d, i, s))
case("scatter", [x(3).detach(), 0, ints([0, 2, 2]), x(3).detach(), {"reduce": "multiply"}], lambda t, d, i, s, o: torch.scatter(t, d, i, s, **o))
case("scatter", [x(3).detach(), 0, ints([0, 2]), 2.5, {"reduce": "multiply"}], lambda t, d, i, s, o: torch.scatter(t, d, i, s, **o))
case("scatter", [x(3).detach(), 0, ints([0, 2, 0]), 2.5, {"reduce": "add"}], lambda t, d, i, s, o: torch.scatter(t, d, i, s, **o))
for reduce in ["sum", "prod", "mean", "amax", "amin"]:
    for include in [True, False]:
        fn = lambda t, d, i, s, r, o: torch.scatter_reduce(t, d, i, s, r, include_self=o["includeSelf"])
        options = {"includeSelf": include}
        case("scatterReduce", [x(3, 4), 1, ints([[0, 1, 1], [2, 0, 2]]), x(2, 3), reduce, options], fn)
        case("scatterReduce", [given((x(4, 2) + 2 ** -10).tolist()), 0, ints([[0, 1], [2, 1], [0, 1]]), x(3, 2), reduce, options], fn)
        case("scatterReduce", [x(5), 0, ints([4, 0, 0, 0]), x(4), reduce, options], fn)
        case("scatterReduce", [scalar, 0, ints([0, 0]), given([2, 7]), reduce, options], fn)
        case("scatterReduce", [ints([3, 1, -2]), 0, ints([0, 0, 2]), ints([4, -5, 6]), reduce, options], fn)
        case("scatterReduce", [T([True, False, True]), 0, ints([0, 0, 1]), T([True, False, True]), reduce, options], fn) if reduce in ("amax", "amin") else None
case("scatterReduce", [given([2, 1]), 0, ints([0, 0, 1]), given([2, 2, 0]), "amax"], torch.scatter_reduce)
case("scatterReduce", [given([2, 3, 4]), 0, ints([0, 0, 1]), given([0, 2, 5]), "prod"], torch.scatter_reduce, second=False)

table = x(4, 3)
look = ints([[1, 3], [1, 0]])
KEYWORDS = {"maxNorm": "max_norm", "normType": "norm_type", "scaleGradByFreq": "scale_grad_by_freq", "paddingIdx": "padding_idx"}


def looked_up(index, weight, options):
    o = {KEYWORDS[k]: v for k, v in options.items()}
    return F.embedding(index, weight.clone() if "max_norm" in o else weight, **o)


case("embedding", [look, table, {"maxNorm": 1.0}], looked_up)
case("embedding", [look, table, {"maxNorm": 1.0, "normType": 1.0}], looked_up)
case("embedding", [look, table, {"scaleGradByFreq": True}], looked_up, second=False)
case("embedding", [look, table, {"scaleGradByFreq": True, "paddingIdx": 3}], looked_up, second=False)
case("oneHot", [ints([[0, 2], [1, 0]])], F.one_hot)
case("oneHot", [ints([0, 2]), -1], F.one_hot)

for shape in [(0, 0), (2, 0, 0), (0, 3, 3)]:
    empty = torch.zeros(shape).requires_grad_(True)
    for name in ["inverse", "cholesky", "det"]:
        case(name, [empty], getattr(torch.linalg, {"inverse": "inv"}.get(name, name)))
    case("slogdet", [empty], lambda a: tuple(torch.linalg.slogdet(a)))
    case("solve", [empty, torch.zeros(*shape[:-1], 2)], torch.linalg.solve)
    case("triangularSolve", [empty, torch.zeros(*shape[:-1], 2), {"upper": True}], lambda a, b, o: torch.linalg.solve_triangular(a, b, **o))
spd2, rhs = positive_definite(2, 3, 3), x(2, 3)
case("solve", [spd2, torch.zeros(2, 3, 0)], torch.linalg.solve)
case("solve", [spd2, rhs], torch.linalg.solve)
case("solve", [spd2, x(3)], torch.linalg.solve)
case("solve", [positive_definite(3, 2, 2), x(3, 2)], torch.linalg.solve)
case("solve", [spd2, x(2, 4, 3), {"left": False}], lambda a, b, o: torch.linalg.solve(a, b, **o))
case("solve", [positive_definite(3, 3), x(2, 3), {"left": False}], lambda a, b, o: torch.linalg.solve(a, b, **o))
case("repeatInterleave", [x(2, 3), ints([2, 1]), 0], lambda t, r, d: torch.repeat_interleave(t, r, d))
case("repeatInterleave", [x(2, 2), ints([2, 0, 1, 3])], torch.repeat_interleave)
case("repeatInterleave", [x(2, 3), ints([2]), 1], lambda t, r, d: torch.repeat_interleave(t, r, d))
case("repeatInterleave", [x(3), ints(2)], torch.repeat_interleave)
case("repeatInterleave", [x(2, 3), ints([0, 0]), 0], lambda t, r, d: torch.repeat_interleave(t, r, d))
case("maskedFill", [x(2), T([[True, False], [True, True]]), 0.5], torch.masked_fill)
case("maskedFill", [x(2, 1), T([True, False, True]), given(3)], torch.masked_fill)
case("maskedFill", [given(2), T([True, False]), 1], torch.masked_fill)
blank = T([])
case("cat", [[x(2, 3), blank, x(1, 3)], 0], torch.cat)
case("cat", [[blank, x(2, 3)], 1], torch.cat)
case("cat", [[blank, ints([[1, 2]])], 1], torch.cat)
case("cat", [[blank, blank]], torch.cat)
case("tensordot", [x(2, 1), x(3, 2), [[1], [0]]], lambda a, b, d: torch.tensordot(a, b, d))
case("tensordot", [x(2, 3), x(1, 2), [[1], [0]]], lambda a, b, d: torch.tensordot(a, b, d))

image, signal, volume = x(1, 2, 4, 5), x(2, 2, 6), x(1, 1, 4, 3, 4)
KEYS = {"scaleFactor": "scale_factor", "alignCorners": "align_corners", "recomputeScaleFactor": "recompute_scale_factor",
        "ceilMode": "ceil_mode", "returnIndices": "return_indices", "countIncludePad": "count_include_pad",
        "divisorOverride": "divisor_override", "outputSize": "output_size", "margin": "margin"}


def keywords(fn):
    return lambda *args: fn(*args[:-1], **{KEYS.get(k, k): v for k, v in args[-1].items()})


for inputs, modes in [(signal, ["nearest-exact", "area", "linear"]), (image, ["nearest-exact", "bicubic", "area", "bilinear"]), (volume, ["nearest-exact", "area"])]:
    n = inputs.dim() - 2
    for mode in modes:
        for settings in [{"size": [3, 7, 2][:n]}, {"scaleFactor": 1.7}, {"scaleFactor": [0.6, 2.3, 1.3][:n]}, {"scaleFactor": 1.7, "recomputeScaleFactor": True}]:
            case("interpolate", [inputs, {**settings, "mode": mode}], keywords(F.interpolate))
for settings in [{"size": [3, 7]}, {"size": [1, 1]}, {"scaleFactor": 1.7}, {"scaleFactor": 1.7, "recomputeScaleFactor": True}]:
    case("interpolate", [image, {**settings, "mode": "bicubic", "alignCorners": True}], keywords(F.interpolate))
case("interpolate", [image, {"scaleFactor": 1.3, "recomputeScaleFactor": True}], keywords(F.interpolate))

for n, inputs in [(1, signal), (2, image), (3, volume)]:
    pooled = keywords(getattr(F, f"max_pool{n}d"))
    for k, o in [(2, {}), (3, {"stride": 2, "padding": 1}), (2, {"stride": 1, "dilation": 2}), (3, {"stride": 2, "padding": 1, "ceilMode": True})]:
        case(f"maxPool{n}d", [inputs, k, {**o, "returnIndices": True}], pooled)
    case(f"maxPool{n}d", [inputs[0], 2, {"returnIndices": True}], pooled)
    case(f"maxPool{n}d", [inputs, [2], {"stride": [], "padding": [1]}], lambda t, k, o, n=n: getattr(F, f"max_pool{n}d")(t, 2, padding=1))
    case(f"avgPool{n}d", [inputs, [2], {"stride": [], "padding": [1]}], lambda t, k, o, n=n: getattr(F, f"avg_pool{n}d")(t, 2, padding=1))
    case(f"adaptiveMaxPool{n}d", [inputs, [3, 2, 3][:n], {"returnIndices": True}], keywords(getattr(F, f"adaptive_max_pool{n}d")))
    case(f"adaptiveMaxPool{n}d", [inputs[0], 2], getattr(F, f"adaptive_max_pool{n}d"))
    unpool = getattr(F, f"max_unpool{n}d")
    for k, o in [(2, {}), (2, {"stride": 2, "padding": 1})]:
        stride = {"stride": 2, **o}
        small, places = getattr(F, f"max_pool{n}d")(inputs.detach(), k, **stride, return_indices=True)
        leaf = rounded(small).requires_grad_(True)
        size = list(inputs.shape)
        case(f"maxUnpool{n}d", [leaf, places, k, {**o, "outputSize": size}], lambda t, i, k, o, u=unpool, s=stride: u(t, i, k, s["stride"], s.get("padding", 0), o["outputSize"]))
        case(f"maxUnpool{n}d", [leaf[0].detach().requires_grad_(True), places[0], k, {**o, "outputSize": size[2:]}], lambda t, i, k, o, u=unpool, s=stride: u(t, i, k, s["stride"], s.get("padding", 0), o["outputSize"]))
case("maxUnpool2d", [x(1, 1, 2, 2), ints([[[[0, 3], [8, 14]]]]), 2], F.max_unpool2d)
low = torch.full((1, 1, 2, 3), -INF)
case("maxPool2d", [low, 2, {"padding": 1, "returnIndices": True}], keywords(F.max_pool2d))
case("maxPool2d", [given([[[[1, 3, 3], [3, 3, 1]]]]), 2, {"stride": 1, "returnIndices": True}], keywords(F.max_pool2d))
counts = torch.arange(-8, 8).reshape(1, 1, 4, 4)
for o in [{}, {"stride": 1, "padding": 1}, {"divisorOverride": 3}, {"padding": 1, "countIncludePad": False}, {"stride": 3, "ceilMode": True}]:
    case("avgPool2d", [counts, 2, o], keywords(F.avg_pool2d))
case("avgPool1d", [counts[0], 3, {"stride": 1, "padding": 1}], keywords(F.avg_pool1d))
case("avgPool3d", [counts[None], [1, 2, 2]], F.avg_pool3d)
case("maxPool2d", [counts, 2, {"padding": 1}], keywords(F.max_pool2d))
case("maxPool3d", [counts[None], [1, 2, 2]], F.max_pool3d)
case("localResponseNorm", [counts, 2], lambda t, n: F.local_response_norm(t.double(), n))
case("softsign", [counts], lambda t: F.softsign(t.double()))
case("tanhshrink", [counts], lambda t: F.tanhshrink(t.double()))

# Where a circular amount is more than what is left, torch reads memory that nobody wrote.
for mode, extra in [("reflect", [[2, -3]]), ("replicate", [[2, -3], [-4, 1]]), ("circular", [[1, -3], [2, -2]])]:
    for amounts in [[-1, 1], [-2, -1], [-2, 2], *extra]:
        case("pad", [x(1, 2, 4), amounts, {"mode": mode}], lambda t, a, o: F.pad(t, a, **o))
    case("pad", [x(1, 1, 3, 4), [1, -1, 0, 0], {"mode": mode}], lambda t, a, o: F.pad(t, a, **o))

none = {"reduction": "none"}
var = given([[1.5, 0.5, 2.0]])
case("gaussianNllLoss", [x(5), x(1), given([1, 2, 3, 0.5, 0.25])], F.gaussian_nll_loss)
case("gaussianNllLoss", [x(4, 3), x(3), var, none], keywords(F.gaussian_nll_loss))
case("gaussianNllLoss", [x(3), x(4, 3), given([1, 2, 3]), none], keywords(F.gaussian_nll_loss))
case("hingeEmbeddingLoss", [x(2, 3), T([1.0, -1.0, 1.0]), none], keywords(F.hinge_embedding_loss))
case("marginRankingLoss", [x(2, 3), x(1, 3), T([[1.0], [-1.0]]), {**none, "margin": 0.5}], keywords(F.margin_ranking_loss))
case("softMarginLoss", [x(3, 2), T([1.0, -1.0])], F.soft_margin_loss)
case("poissonNllLoss", [x(2, 2), x(1)], F.poisson_nll_loss)
case("klDiv", [x(2, 3), given([0.25, 0.5, 0.25]), none], keywords(F.kl_div))
case("klDiv", [given(-1.5), given(0.5), {"reduction": "batchmean"}], keywords(F.kl_div))
case("cosineEmbeddingLoss", [x(2, 3), x(1, 3), T([1.0, -1.0]), none], keywords(F.cosine_embedding_loss))
case("cosineEmbeddingLoss", [x(2, 3), x(2, 3), T([1.0]), none], keywords(F.cosine_embedding_loss))
case("tripletMarginLoss", [x(2, 3), x(1, 3), x(2, 3), none], keywords(F.triplet_margin_loss))
case("multilabelSoftMarginLoss", [x(2, 3), T([1.0, 0.0, 1.0])], F.multilabel_soft_margin_loss)
three = x(3)
for o in [{}, none]:
    case("multiMarginLoss", [three, ints([0]), o], keywords(F.multi_margin_loss), second=False)
    case("multiMarginLoss", [three, ints(2), o], keywords(F.multi_margin_loss), second=False)
    case("multiMarginLoss", [scalar, ints(0), o], keywords(F.multi_margin_loss), second=False)
    case("multiMarginLoss", [scalar, ints([0]), o], keywords(F.multi_margin_loss), second=False)
    case("multilabelMarginLoss", [scalar, ints(0), o], keywords(F.multilabel_margin_loss), second=False)
    case("multilabelMarginLoss", [scalar, ints([0]), o], keywords(F.multilabel_margin_loss), second=False)
    case("multilabelMarginLoss", [given([2]), ints(0), o], keywords(F.multilabel_margin_loss), second=False)
    case("multilabelMarginLoss", [three, ints([1, -1, 0]), o], keywords(F.multilabel_margin_loss), second=False)

def normed(t, dim, o):
    return torch.norm(t, p=o["p"], dim=dim, keepdim=o.get("keepdim", False))


matrix, matrices = x(3, 4), x(2, 3, 3)
case("norm", [matrix, None, {"p": "fro"}], normed)
case("norm", [matrices, None, {"p": "fro"}], normed)
case("norm", [matrices, 1, {"p": "fro"}], normed)
case("norm", [matrices, [0, 2], {"p": "fro", "keepdim": True}], normed)
case("norm", [matrix, None, {"p": "nuc"}], normed)
case("norm", [matrices, [1, 2], {"p": "nuc"}], normed)
case("norm", [x(4, 2, 3), [0, 2], {"p": "nuc", "keepdim": True}], normed)
case("norm", [given([[1, 0, 0], [0, 1e-3, 0]]), None, {"p": "nuc"}], normed)
case("norm", [given([[3]]), None, {"p": "nuc"}], normed)

