"""Repeats a run of examples/fashion-mnist in PyTorch, step by step, and compares the losses.

    node scripts/run.mjs examples/fashion-mnist/main.ts --data FOLDER --steps 50 --lr 0.01 \\
        --trace out/fashion.json
    python bench/peers/fashion_mnist_torch.py out/fashion.json --data FOLDER

The network, its names and the schedule are those of examples/fashion-mnist/model.ts and train.ts.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import traces
from lcg import Lcg, batches


def conv3x3(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.conv1 = conv3x3(before, after, stride)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = conv3x3(after, after)
        self.bn2 = nn.BatchNorm2d(after)
        reshapes = before != after or stride != 1
        shortcut = [nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)] if reshapes else []
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet8(nn.Module):
    def __init__(self, width: int, classes: int):
        super().__init__()
        self.conv = conv3x3(1, width)
        self.bn = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(
            Block(width, width, 1), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2)
        )
        self.out = nn.Linear(4 * width, classes)

    def forward(self, x):
        return self.out(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


def read_idx(path: Path, header: int) -> np.ndarray:
    """The elements of a gzipped IDX file of bytes, after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def main() -> int:
    parser = traces.arguments(__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds the four files of Fashion-MNIST")
    args = parser.parse_args()
    pixels = read_idx(args.data / "train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read_idx(args.data / "train-labels-idx1-ubyte.gz", 8)

    def trainer(settings, weights, dtype):
        model = ResNet8(settings["width"], 10)
        model.load_state_dict(weights)
        model = model.to(dtype).train()
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=settings["lr"],
            momentum=settings["momentum"],
            weight_decay=settings["weightDecay"],
            nesterov=True,
        )
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings["steps"])
        order = batches(len(labels), settings["batch"], Lcg(settings["seed"]))

        def step() -> float:
            rows = next(order)
            x = torch.tensor(pixels[rows], dtype=dtype) / 255
            y = torch.tensor(labels[rows], dtype=torch.int64)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            rate.step()
            return loss.item()

        return step

    return traces.compare(args, trainer)


if __name__ == "__main__":
    sys.exit(main())
