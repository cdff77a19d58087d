"""Writes torch-modules.json: what torch's modules print, hold, compute and differentiate.

    python torch_modules.py > torch-modules.json       # torch 2.13, float64

A case is a module's class, arguments and options, its text, its state, its inputs, and what comes out: outputs,
first derivatives of sum(c * outputs), and derivatives of sum(c * first derivatives), with the fixed numbers
c[i] = ((37 i) mod 11 - 5) / 5 in row-major order.
"""

import json
import sys

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

torch.set_default_dtype(torch.float64)
torch.manual_seed(20)


def rounded(x):
    return (x * 256).round() / 256


def x(*shape):
    return rounded(torch.randn(*shape)).requires_grad_(True)


def ints(high, *shape):
    return torch.randint(0, high, shape, dtype=torch.int32)


def weights_for(x):
    i = torch.arange(x.numel(), dtype=torch.float64)
    return (((37 * i) % 11 - 5) / 5).reshape(x.shape)


def encoded(t):
    if t is None:
        return None
    kind = {torch.bool: "bool", torch.int32: "int32", torch.int64: "int32"}.get(t.dtype, "float64")
    data = t.detach().clone().reshape(-1).tolist()
    if kind == "float64":
        data = [float(f"{v:.10g}") for v in data]
    return {"shape": list(t.shape), "dtype": kind, "data": [int(v) if kind != "float64" else v for v in data]}


def flat(output):
    if isinstance(output, torch.Tensor):
        return [output]
    return [t for item in output if item is not None for t in flat(item)]


def weighted(tensors):
    return sum((weights_for(t) * t).sum() for t in tensors if t is not None and t.requires_grad)


# torch's fused kernel has a wrong second derivative for the first and the last dim: gradgradcheck fails in 2.13.
torch._weight_norm = lambda v, g, dim: v * (g / torch.norm_except_dim(v, 2, dim))

cases = []


def case(name, args=(), opts=None, inputs=(), call=None, train=True, wrap=None, wrap_opts=None, setup=None):
    opts, call = opts or {}, call or {}
    module = getattr(nn, name)(*args, **opts)
    if wrap:
        module = {"weightNorm": weight_norm, "spectralNorm": spectral_norm}[wrap](module, **(wrap_opts or {}))
    module.train(train)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(rounded(p + 0.1 * torch.randn_like(p)))
    state = {k: encoded(v) for k, v in module.state_dict().items()}
    result = {
        "module": name,
        "args": [encoded(a) if isinstance(a, torch.Tensor) else a for a in args],
        "options": {k: encoded(v) if isinstance(v, torch.Tensor) else v for k, v in opts.items()},
        "wrap": wrap,
        "wrapOptions": wrap_opts or {},
        "training": train,
        "text": str(module).replace("NonDynamicallyQuantizableLinear", "Linear"),
        "parameters": [n for n, _ in module.named_parameters()],
        "state": state,
        "inputs": [{**encoded(i), "requiresGrad": i.requires_grad} for i in inputs],
        "call": {k: encoded(v) if isinstance(v, torch.Tensor) else v for k, v in call.items()},
    }
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        # An LSTM's state is a pair.
        given = [inputs[0], tuple(inputs[1:])] if name == "LSTM" and len(inputs) == 3 else inputs
        outputs = flat(module(*given, **call))
    leaves = [i for i in inputs if i.requires_grad] + list(module.parameters())
    first = torch.autograd.grad(weighted(outputs), leaves, create_graph=True, allow_unused=True)
    second = [None] * len(leaves)
    if any(g is not None and g.requires_grad for g in first):
        try:
            second = torch.autograd.grad(weighted(first), leaves, allow_unused=True)
        except RuntimeError as error:  # torch has no second derivative of a few operations
            print(f"{name}: {error}", file=sys.stderr)
            second = "none in torch"
    after = {k: encoded(v) for k, v in module.named_buffers()}
    cases.append({**result, "outputs": [encoded(o) for o in outputs], "grads": [encoded(g) for g in first],
                  "grads2": second if isinstance(second, str) else [encoded(g) for g in second], "buffersAfter": after})


# fmt: off
image, sequence = (2, 4, 4, 5), (2, 4, 7)
case("Linear", (3, 4), {"bias": False}, [x(2, 3)])
case("Bilinear", (2, 3, 4), {}, [x(5, 2), x(5, 3)])
case("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, [x(*sequence)])
case("Conv2d", (4, 2, (3, 2)), {"padding": "same", "dilation": 2, "bias": False}, [x(*image)])
for mode in ("reflect", "replicate", "circular"):
    case("Conv2d", (4, 2, 3), {"padding": (1, 2), "padding_mode": mode}, [x(*image)])
case("Conv1d", (4, 2, 4), {"padding": "same", "padding_mode": "circular"}, [x(*sequence)])
case("ConvTranspose1d", (4, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 2}, [x(*sequence)])
case("ConvTranspose2d", (4, 2, 3), {"stride": 2, "groups": 2}, [x(2, 4, 3, 3)], {"output_size": [8, 7]})
case("ConvTranspose3d", (2, 2, 2), {"stride": 2}, [x(1, 2, 2, 2, 2)])
case("MaxPool1d", (3,), {"stride": 2, "padding": 1}, [x(*sequence)])
case("MaxPool2d", ((2, 3),), {"stride": 1, "ceil_mode": True}, [x(*image)])
case("MaxPool3d", (2,), {}, [x(1, 2, 4, 4, 4)])
case("AvgPool1d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, [x(*sequence)])
case("AvgPool2d", (2,), {"divisor_override": 3}, [x(*image)])
case("AvgPool3d", (2,), {"ceil_mode": True}, [x(1, 2, 3, 4, 5)])
case("AdaptiveAvgPool1d", (3,), {}, [x(*sequence)])
case("AdaptiveAvgPool2d", ((3, None),), {}, [x(*image)])
case("AdaptiveAvgPool3d", (2,), {}, [x(1, 2, 3, 4, 5)])
case("AdaptiveMaxPool1d", (3,), {}, [x(*sequence)])
case("AdaptiveMaxPool2d", ((2, None),), {}, [x(*image)])
case("BatchNorm1d", (4,), {"bias": False, "momentum": 0.2}, [x(*sequence)])
case("BatchNorm2d", (4,), {"momentum": None, "affine": False}, [x(*image)])
case("BatchNorm3d", (2,), {}, [x(2, 2, 2, 2, 2)], train=False)
case("InstanceNorm1d", (4,), {"affine": True, "track_running_stats": True}, [x(*sequence)])
case("InstanceNorm1d", (4,), {}, [x(4, 7)])
case("InstanceNorm2d", (4,), {"affine": True, "bias": False}, [x(*image)])
case("InstanceNorm3d", (2,), {}, [x(2, 2, 2, 2, 2)])
case("LayerNorm", ([4, 5],), {"bias": False}, [x(2, 4, 5)])
case("GroupNorm", (2, 4), {"bias": False, "eps": 1e-3}, [x(*image)])
case("RMSNorm", (4,), {}, [x(3, 4)])
case("RMSNorm", ([3, 4],), {"eps": 1e-6, "elementwise_affine": False}, [x(2, 3, 4)])
case("LocalResponseNorm", (3,), {"alpha": 0.5, "k": 2.0}, [x(*image)])
case("LocalResponseNorm", (2,), {}, [x(*image)])
case("Embedding", (5, 3), {"padding_idx": -2}, [ints(5, 2, 4)])
for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"):
    case(name, (), {"p": 0.25}, [x(2, 3, *(2,) * (2 if name == "Dropout2d" else 3 if name == "Dropout3d" else 1))], train=False)
case("RNN", (3, 4), {"num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.5, "bidirectional": True, "nonlinearity": "relu"}, [x(2, 3, 3)], train=False)
case("LSTM", (3, 4), {"proj_size": 2, "num_layers": 2, "bidirectional": True}, [x(3, 2, 3)])
case("LSTM", (3, 4), {"proj_size": 2}, [x(3, 3)])
case("GRU", (3, 4), {"num_layers": 2}, [x(3, 2, 3), x(2, 2, 4)])
case("RNNCell", (3, 4), {"bias": False, "nonlinearity": "relu"}, [x(2, 3)])
case("LSTMCell", (3, 4), {}, [x(2, 3)])
case("GRUCell", (3, 4), {"bias": False}, [x(3)])
mask = torch.triu(torch.ones(3, 3), 1).bool()
padding = torch.tensor([[False, False, True], [False, True, True]])
case("MultiheadAttention", (4, 2), {"add_bias_kv": True, "add_zero_attn": True}, [x(3, 2, 4) for _ in range(3)], {"attn_mask": mask, "key_padding_mask": padding})
case("MultiheadAttention", (4, 2), {"kdim": 3, "vdim": 2, "bias": False, "batch_first": True}, [x(2, 3, 4), x(2, 5, 3), x(2, 5, 2)], {"average_attn_weights": False})
case("MultiheadAttention", (4, 2), {}, [x(3, 4) for _ in range(3)], {"attn_mask": mask, "is_causal": True, "need_weights": False})
case("MultiheadAttention", (4, 2), {"batch_first": True}, [x(2, 3, 4) for _ in range(3)], {"attn_mask": rounded(torch.randn(4, 3, 3))})
small = {"dim_feedforward": 6, "dropout": 0.0}
case("TransformerEncoderLayer", (4, 2), {**small, "activation": "gelu", "norm_first": True, "bias": False}, [x(3, 2, 4)], {"src_mask": mask})
case("TransformerDecoderLayer", (4, 2), small, [x(3, 2, 4), x(5, 2, 4)], {"tgt_mask": mask, "tgt_key_padding_mask": padding})
case("TransformerDecoderLayer", (4, 2), {**small, "norm_first": True, "batch_first": True}, [x(2, 3, 4), x(2, 5, 4)], {"memory_mask": rounded(torch.randn(3, 5))})
case("Transformer", (4, 2), {**small, "num_encoder_layers": 1, "num_decoder_layers": 2, "batch_first": True}, [x(2, 3, 4), x(2, 3, 4)], {"tgt_mask": mask})
case("Flatten", (), {}, [x(2, 3, 4)])
case("Unflatten", (1, (2, 2)), {}, [x(2, 4)])
case("Upsample", (), {"size": (4, 5), "mode": "bilinear", "align_corners": True}, [x(1, 2, 2, 3)])
case("Upsample", (), {"scale_factor": (2, 3)}, [x(1, 2, 2, 3)])
case("UpsamplingNearest2d", (), {"scale_factor": 2}, [x(1, 2, 2, 3)])
case("UpsamplingBilinear2d", (), {"scale_factor": 2}, [x(1, 2, 2, 3)])
case("PixelShuffle", (2,), {}, [x(1, 4, 2, 3)])
case("PixelUnshuffle", (2,), {}, [x(1, 2, 4, 6)])
case("ChannelShuffle", (2,), {}, [x(2, 6, 2, 2)])
case("Unfold", ((2, 3),), {"padding": 1, "dilation": 2}, [x(*image)])
case("Fold", ((4, 5), (2, 3)), {"stride": 2}, [x(1, 12, 4)])
case("CosineSimilarity", (), {}, [x(3, 4), x(3, 4)])
case("PairwiseDistance", (), {"p": 1.5, "keepdim": True}, [x(3, 4), x(3, 4)])
for n, shape in ((1, (2, 3, 4)), (2, (2, 3, 4, 5)), (3, (1, 2, 3, 4, 5))):
    for kind in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
        case(f"{kind}{n}d", (list((1, 2, 0, 1, 1, 0)[: 2 * n]),), {}, [x(*shape)])
    case(f"ConstantPad{n}d", (1, 3.5), {}, [x(*shape)])
plain = ("ReLU", "ReLU6", "Tanh", "Tanhshrink", "Sigmoid", "LogSigmoid", "Hardsigmoid", "Hardswish", "SiLU", "Mish", "Softsign", "SELU", "LeakyReLU", "ELU", "CELU", "GELU", "Softplus", "Hardtanh", "Hardshrink", "Softshrink", "PReLU", "GLU")
for name in plain:
    case(name, (), {}, [4 * x(3, 4)])
case("RReLU", (), {}, [x(3, 4)], train=False)
case("GELU", (), {"approximate": "tanh"}, [x(3, 4)])
case("Softplus", (), {"beta": 2.0, "threshold": 1.0}, [x(3, 4)])
case("Hardtanh", (), {"min_val": -0.5, "max_val": 2.0}, [x(3, 4)])
case("PReLU", (), {"num_parameters": 3, "init": 0.1}, [x(2, 3, 2)])
case("Threshold", (0.1, 20), {}, [x(3, 4)])
for name in ("Softmin", "Softmax", "LogSoftmax"):
    case(name, (1,), {}, [x(3, 4)])
case("Softmax2d", (), {}, [x(3, 2, 2)])
weights = torch.tensor([0.5, 1.0, 2.0])
case("CrossEntropyLoss", (), {"weight": weights, "label_smoothing": 0.1, "ignore_index": 1}, [x(4, 3), torch.tensor([0, 1, 2, 2])])
case("NLLLoss", (), {"weight": weights, "reduction": "sum"}, [x(4, 3), torch.tensor([0, 1, 2, 2])])
case("BCEWithLogitsLoss", (), {"pos_weight": weights, "weight": weights}, [x(4, 3), torch.rand(4, 3).round()])
case("MultiMarginLoss", (), {"p": 2, "margin": 0.5, "weight": weights}, [x(4, 3), torch.tensor([0, 1, 2, 2])])
case("MultiMarginLoss", (), {"reduction": "none"}, [x(4, 3), torch.tensor([0, 1, 2, 2])])
case("MultiLabelMarginLoss", (), {"reduction": "none"}, [x(3, 4), torch.tensor([[1, 3, -1, 0], [2, -1, 3, 1], [-1, 0, 1, 2]])])
case("MultiLabelMarginLoss", (), {}, [x(4), torch.tensor([3, 0, -1, 1])])
case("MultiLabelSoftMarginLoss", (), {"weight": weights}, [x(4, 3), torch.rand(4, 3).round()])
case("TripletMarginWithDistanceLoss", (), {"swap": True, "margin": 0.5}, [x(4, 3), x(4, 3), x(4, 3)])
case("KLDivLoss", (), {"reduction": "batchmean", "log_target": True}, [x(4, 3), rounded(torch.randn(4, 3))])
case("Linear", (3, 4), {}, [x(2, 3)], wrap="weightNorm")
case("Linear", (3, 4), {}, [x(2, 3)], wrap="weightNorm", wrap_opts={"dim": None})
case("ConvTranspose2d", (2, 3, 2), {}, [x(1, 2, 2, 2)], wrap="weightNorm", wrap_opts={"dim": 1})
case("LSTM", (3, 4), {}, [x(3, 2, 3)], wrap="weightNorm", wrap_opts={"name": "weight_hh_l0"})
case("Linear", (3, 4), {}, [x(2, 3)], wrap="spectralNorm")
case("Conv2d", (2, 3, 2), {}, [x(1, 2, 3, 3)], wrap="spectralNorm", wrap_opts={"n_power_iterations": 3})
case("ConvTranspose2d", (2, 3, 2), {}, [x(1, 2, 2, 2)], wrap="spectralNorm", train=False)
case("LayerNorm", (4,), {}, [x(2, 4)], wrap="spectralNorm", wrap_opts={"name": "bias"})
case("MaxPool2d", (2,), {"return_indices": True}, [x(*image)])
case("AdaptiveMaxPool1d", (3,), {"return_indices": True}, [x(*sequence)])
case("AdaptiveMaxPool3d", (2,), {}, [x(1, 2, 3, 4, 5)])
case("MaxUnpool1d", (2,), {}, [x(1, 1, 3), torch.tensor([[[0, 3, 4]]])])
case("MaxUnpool2d", (3,), {"stride": 2, "padding": 1}, [x(1, 1, 2, 2), torch.tensor([[[[0, 2], [5, 8]]]])])
case("MaxUnpool3d", ((1, 2, 2),), {}, [x(1, 1, 1, 2, 2), torch.tensor([[[[[0, 3], [8, 15]]]]])])
case("Embedding", (5, 3), {"max_norm": 0.5}, [ints(5, 2, 4)])
case("Embedding", (5, 3), {"max_norm": 0.5, "norm_type": 1, "scale_grad_by_freq": True}, [ints(5, 2, 4)])

# Every option in every dimension, layer and group, no two of them alike.
volume = (2, 2, 4, 5, 6)
case("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "dilation": 3, "groups": 2}, [x(4, 9)])
case("Conv2d", (4, 6, (3, 2)), {"stride": (2, 3), "padding": (2, 1), "dilation": (1, 2), "groups": 2}, [x(2, 4, 5, 7)])
case("Conv2d", (3, 6, (2, 3)), {"stride": (1, 2), "padding": "valid", "dilation": (2, 1), "groups": 3}, [x(1, 3, 4, 5)])
case("Conv3d", (2, 4, (2, 3, 1)), {"stride": (2, 1, 3), "padding": (1, 2, 0), "dilation": (2, 1, 1), "groups": 2}, [x(*volume)])
case("Conv3d", (2, 2, (1, 2, 3)), {"padding": (0, 1, 2), "padding_mode": "replicate"}, [x(1, 2, 2, 3, 4)])
case("ConvTranspose1d", (4, 6, 3), {"stride": 3, "padding": 1, "output_padding": 2, "dilation": 2, "groups": 2, "bias": False}, [x(4, 5)])
case("ConvTranspose2d", (4, 6, (3, 2)), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (1, 2), "groups": 2}, [x(2, 4, 3, 4)])
case("ConvTranspose3d", (2, 4, (1, 2, 3)), {"stride": (2, 1, 3), "padding": (0, 1, 1), "output_padding": (1, 0, 2), "groups": 2}, [x(1, 2, 2, 3, 2)])
case("MaxPool1d", (3,), {"stride": 2, "dilation": 2, "ceil_mode": True}, [x(2, 3, 8)])
case("MaxPool2d", ((3, 2),), {"stride": (1, 3), "padding": (1, 0), "dilation": (1, 2)}, [x(2, 2, 5, 7)])
case("MaxPool2d", ((2, 3),), {"stride": (3, 2), "padding": (0, 1), "return_indices": True}, [x(2, 5, 6)])
case("MaxPool3d", ((1, 3, 2),), {"stride": (2, 1, 3), "padding": (0, 1, 1), "dilation": (2, 1, 1)}, [x(*volume)])
case("AvgPool1d", (4,), {"stride": 3, "padding": 2, "ceil_mode": True}, [x(2, 3, 8)])
case("AvgPool2d", ((2, 3),), {"stride": (3, 2), "padding": (0, 1), "count_include_pad": False, "ceil_mode": True}, [x(2, 2, 5, 7)])
case("AvgPool2d", ((3, 2),), {"stride": (1, 2), "padding": (1, 0), "divisor_override": 5}, [x(2, 5, 6)])
case("AvgPool3d", ((2, 1, 3),), {"stride": (1, 2, 2), "padding": (1, 0, 1), "count_include_pad": False}, [x(*volume)])
case("AdaptiveAvgPool2d", ((2, 3),), {}, [x(2, 2, 5, 7)])
case("AdaptiveAvgPool3d", ((1, 2, 4),), {}, [x(*volume)])
case("AdaptiveMaxPool2d", ((3, 2),), {"return_indices": True}, [x(2, 2, 5, 7)])
case("AdaptiveMaxPool3d", ((3, None, 2),), {}, [x(*volume)])
case("BatchNorm2d", (3,), {"eps": 0.1, "momentum": 0.3}, [x(2, 3, 2, 4)])
case("BatchNorm1d", (3,), {"eps": 0.1, "track_running_stats": False}, [x(5, 3)], train=False)
case("InstanceNorm2d", (3,), {"eps": 0.1, "momentum": 0.3, "affine": True, "track_running_stats": True}, [x(2, 3, 2, 4)])
case("InstanceNorm3d", (2,), {"eps": 0.1, "affine": True, "track_running_stats": True}, [x(2, 2, 2, 1, 3)], train=False)
case("LayerNorm", ([2, 3],), {"eps": 0.1}, [x(4, 2, 3)])
case("GroupNorm", (3, 6), {"eps": 0.1}, [x(2, 6, 3)])
case("RMSNorm", ([2, 3],), {"eps": 0.1}, [x(4, 2, 3)])
case("LocalResponseNorm", (4,), {"alpha": 0.5, "beta": 0.6, "k": 1.5}, [x(2, 6, 3)])
case("RNN", (2, 3), {"num_layers": 3, "bidirectional": True, "batch_first": True}, [x(2, 4, 2), x(6, 2, 3)])
case("RNN", (2, 3), {"num_layers": 2, "nonlinearity": "relu"}, [x(4, 2), x(2, 3)])
case("LSTM", (2, 4), {"num_layers": 2, "bidirectional": True, "batch_first": True, "proj_size": 3}, [x(2, 3, 2), x(4, 2, 3), x(4, 2, 4)])
case("LSTM", (2, 3), {"num_layers": 3, "bias": False}, [x(4, 2), x(3, 3), x(3, 3)])
case("GRU", (2, 3), {"num_layers": 2, "bidirectional": True, "bias": False}, [x(4, 2), x(4, 3)])
case("GRU", (2, 3), {"num_layers": 3, "batch_first": True, "bidirectional": True}, [x(2, 4, 2), x(6, 2, 3)])
case("Upsample", (), {"scale_factor": (2, 3), "mode": "bilinear"}, [x(1, 2, 3, 2)])
case("Upsample", (), {"size": (3, 5, 2), "mode": "trilinear", "align_corners": True}, [x(1, 1, 2, 3, 4)])
case("Upsample", (), {"size": (5, 3), "mode": "bicubic"}, [x(1, 1, 3, 4)])
case("Upsample", (), {"size": 5, "mode": "linear"}, [x(1, 2, 3)])
case("Unfold", ((2, 3),), {"dilation": (2, 1), "padding": (1, 2), "stride": (1, 3)}, [x(2, 2, 4, 5)])
case("Fold", ((5, 6), (2, 3)), {"dilation": (2, 1), "padding": (1, 0), "stride": (2, 3)}, [x(2, 12, 6)])
case("CosineSimilarity", (), {"dim": 0, "eps": 0.5}, [x(3, 4), x(3, 4)])
case("PairwiseDistance", (), {"p": 3.0, "eps": 0.1}, [x(3, 4), x(3, 4)])
case("MaxUnpool2d", ((2, 3),), {"stride": (1, 2), "padding": (1, 0)}, [x(1, 1, 3, 2), torch.tensor([[[[0, 2], [5, 7], [8, 9]]]])])

# Losses with trailing dimensions, in every reduction.
classes = torch.tensor([[0, 2, 1, 1], [2, 1, 0, 2]])
shares = rounded(torch.softmax(torch.randn(2, 3, 4), 1))
for reduction in ("mean", "sum", "none"):
    r = {"reduction": reduction}
    case("CrossEntropyLoss", (), {**r, "weight": weights, "ignore_index": 1, "label_smoothing": 0.2}, [x(2, 3, 4), classes])
    case("CrossEntropyLoss", (), {**r, "label_smoothing": 0.2}, [x(2, 3, 4), classes])
    case("CrossEntropyLoss", (), {**r, "weight": weights}, [x(2, 3, 2, 2), classes.reshape(2, 2, 2)])
    case("CrossEntropyLoss", (), {**r, "weight": weights, "label_smoothing": 0.2}, [x(2, 3, 4), shares])
    case("CrossEntropyLoss", (), r, [x(2, 3, 2, 2), shares.reshape(2, 3, 2, 2)])
    case("CrossEntropyLoss", (), {**r, "weight": weights}, [x(3), shares[0, :, 0]])
    case("NLLLoss", (), {**r, "weight": weights, "ignore_index": 2}, [x(2, 3, 4), classes])
    case("NLLLoss", (), r, [x(3), torch.tensor(2)])
    case("BCEWithLogitsLoss", (), {**r, "pos_weight": torch.tensor([0.5, 3.0]), "weight": torch.tensor([[2.0], [0.25], [1.0]])}, [x(4, 3, 2), torch.rand(4, 3, 2).round()])
    case("BCELoss", (), {**r, "weight": torch.tensor([0.5, 3.0])}, [torch.rand(4, 3, 2).requires_grad_(True), rounded(torch.rand(4, 3, 2))])
    case("KLDivLoss", (), r, [x(2, 3, 4), shares])
    case("MSELoss", (), r, [x(2, 3, 4), x(2, 3, 4)])
    case("L1Loss", (), r, [x(2, 3, 4), x(2, 3, 4)])
    case("SmoothL1Loss", (), {**r, "beta": 0.6}, [x(2, 3, 4), x(2, 3, 4)])
    case("HuberLoss", (), {**r, "delta": 0.6}, [x(2, 3, 4), x(2, 3, 4)])
    case("PoissonNLLLoss", (), {**r, "full": True}, [x(2, 3, 4), torch.randint(0, 5, (2, 3, 4)).double()])
    case("PoissonNLLLoss", (), {**r, "log_input": False, "eps": 0.1}, [torch.rand(2, 3, 4).requires_grad_(True), torch.randint(0, 5, (2, 3, 4)).double()])
    case("GaussianNLLLoss", (), {**r, "full": True, "eps": 0.4}, [x(2, 3, 4), x(2, 3, 4), torch.rand(2, 3, 4).requires_grad_(True)])
    case("GaussianNLLLoss", (), r, [x(2, 3, 4), x(2, 3, 4), (torch.rand(2, 3, 1) + 0.1).requires_grad_(True)])
    case("HingeEmbeddingLoss", (), {**r, "margin": 0.6}, [x(2, 3, 4), torch.sign(torch.randn(2, 3, 4))])
    case("MarginRankingLoss", (), {**r, "margin": 0.6}, [x(2, 3, 4), x(2, 3, 4), torch.sign(torch.randn(2, 3, 4))])
    case("SoftMarginLoss", (), r, [x(2, 3, 4), torch.sign(torch.randn(2, 3, 4))])
    case("CosineEmbeddingLoss", (), {**r, "margin": -0.3}, [x(5, 4), x(5, 4), torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])])
    case("TripletMarginLoss", (), {**r, "margin": 1.5, "p": 3.0, "eps": 0.1, "swap": True}, [x(5, 4), x(5, 4), x(5, 4)])
    case("MultiMarginLoss", (), {**r, "p": 2, "margin": 0.6, "weight": weights}, [x(4, 3), torch.tensor([0, 1, 2, 2])])
    case("MultiLabelMarginLoss", (), r, [x(2, 4), torch.tensor([[1, 3, -1, 0], [2, -1, 3, 1]])])
    case("MultiLabelSoftMarginLoss", (), {**r, "weight": weights}, [x(4, 3), torch.rand(4, 3).round()])
# fmt: on

json.dump({"torch": torch.__version__, "cases": cases}, sys.stdout)
