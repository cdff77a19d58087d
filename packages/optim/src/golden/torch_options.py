"""Writes torch-options.json: where torch's optimizers are after seven steps, with every option that they have.

    python torch_options.py > torch-options.json       # torch 2.13, float64

A case is an optimizer, its options in loopgrad's names, and the values of two parameters, [2, 3] and [4]. First values and
gradients are those of options.test.ts: `numbers(i, at)`.
"""

import json
import math
import re
import sys

import torch

torch.set_default_dtype(torch.float64)
STEPS = 7

ADAM = {"lr": 0.05, "betas": [0.7, 0.8], "eps": 0.1, "weightDecay": 0.2, "maximize": True}
# Of each the options, what some of them need beside them, and those that cannot be had with all of the others.
RULES = {
    "SGD": (
        {"lr": 0.05, "momentum": 0.7, "dampening": 0.3, "weightDecay": 0.2, "nesterov": True, "maximize": True},
        {"dampening": {"momentum": 0.6}, "nesterov": {"momentum": 0.6}},
        ["dampening"],
    ),
    "Adam": ({**ADAM, "amsgrad": True}, {"amsgrad": {"betas": [0.9, 0.5]}}, []),
    "AdamW": ({**ADAM, "amsgrad": True}, {"amsgrad": {"betas": [0.9, 0.5]}}, []),
    "Adadelta": ({"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weightDecay": 0.2, "maximize": True}, {}, []),
    "Adagrad": (
        {"lr": 0.05, "lrDecay": 0.2, "weightDecay": 0.2, "initialAccumulatorValue": 0.5, "eps": 0.1, "maximize": True},
        {},
        [],
    ),
    "Adamax": (ADAM, {}, []),
    "ASGD": (
        {"lr": 0.05, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weightDecay": 0.2, "maximize": True},
        {"alpha": {"lambd": 0.2}},
        [],
    ),
    "RMSprop": (
        {"lr": 0.05, "alpha": 0.7, "eps": 0.1, "weightDecay": 0.2, "momentum": 0.7, "centered": True, "maximize": True},
        {},
        [],
    ),
    "Rprop": ({"lr": 0.05, "etas": [0.4, 1.5], "stepSizes": [0.06, 0.09], "maximize": True}, {}, []),
    "NAdam": (
        {**ADAM, "momentumDecay": 0.2, "decoupledWeightDecay": True},
        {"decoupledWeightDecay": {"weightDecay": 0.1}},
        [],
    ),
    "RAdam": ({**ADAM, "decoupledWeightDecay": True}, {"decoupledWeightDecay": {"weightDecay": 0.1}}, []),
}

SHAPES = [(2, 3), (4,)]


def numbers(i, at):
    size = math.prod(SHAPES[i])
    data = [math.sin(1 + 2.3 * i + 0.9 * k + 1.7 * at) / (1 + at / 4) for k in range(size)]
    return torch.tensor(data).reshape(SHAPES[i])


def snake(name):
    return re.sub("[A-Z]", lambda m: "_" + m[0].lower(), name)


def run(rule, options):
    params = [numbers(i, -1).requires_grad_(True) for i in range(len(SHAPES))]
    opt = getattr(torch.optim, rule)(params, **{snake(k): v for k, v in options.items()})
    for at in range(STEPS):
        for i, p in enumerate(params):
            p.grad = numbers(i, at)
            if at == 2:
                p.grad.view(-1)[1] = 0
        opt.step()
    average = [opt.state[p]["ax"] for p in params] if rule == "ASGD" else []
    return [t.detach().reshape(-1).tolist() for t in params + average]


cases = []
for rule, (others, beside, apart) in RULES.items():
    choices = [(name, {"lr": 0.1, **beside.get(name, {})}, {name: value}) for name, value in others.items()]
    choices.append(("all", {"lr": 0.1}, {k: v for k, v in others.items() if k not in apart}))
    for name, base, option in choices:
        options = {**base, **option}
        cases.append({"rule": rule, "option": name, "options": options, "values": run(rule, options)})

json.dump({"torch": torch.__version__, "cases": cases}, sys.stdout)
