"""Repeats a run of examples/language-model in PyTorch, step by step, and compares the losses.

    node scripts/run.mjs examples/language-model/main.ts --steps 50 --trace out/lstm.json
    python bench/peers/language_model_torch.py out/lstm.json

The networks, their names and the schedule are those of examples/language-model/models.ts and train.ts. The text is
NAME.txt, beside the trace.
"""

import sys

import torch
from torch import nn
from torch.nn import functional as F

import traces
from lcg import Lcg


class LstmModel(nn.Module):
    def __init__(self, s: dict):
        super().__init__()
        self.embed = nn.Embedding(s["vocabulary"], s["width"])
        self.lstm = nn.LSTM(s["width"], s["width"], num_layers=s["layers"], batch_first=True)
        self.out = nn.Linear(s["width"], s["vocabulary"])

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0])


class TransformerModel(nn.Module):
    def __init__(self, s: dict):
        super().__init__()
        self.embed = nn.Embedding(s["vocabulary"], s["width"])
        self.position = nn.Embedding(s["window"], s["width"])
        layer = nn.TransformerEncoderLayer(
            s["width"], s["heads"], 4 * s["width"], 0.0, "gelu", batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(s["width"])
        self.encoder = nn.TransformerEncoder(layer, s["layers"], norm, enable_nested_tensor=False)
        self.out = nn.Linear(s["width"], s["vocabulary"])

    def forward(self, x):
        length = x.shape[1]
        mask = torch.ones(length, length).triu(1) > 0
        return self.out(self.encoder(self.embed(x) + self.position.weight[:length], mask))


def main() -> int:
    args = traces.arguments(__doc__.split("\n")[0]).parse_args()
    text = args.trace.with_suffix(".txt").read_bytes().decode()

    def trainer(settings, weights, dtype):
        places = {character: place for place, character in enumerate(settings["characters"])}
        tokens = torch.tensor([places[character] for character in text])
        model = {"lstm": LstmModel, "transformer": TransformerModel}[settings["model"]](settings)
        model.load_state_dict(weights)
        model = model.to(dtype).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"])
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings["lr"], total_steps=settings["steps"] + 1, pct_start=0.1, cycle_momentum=False
        )
        random = Lcg(settings["seed"])
        window = settings["window"]

        def step() -> float:
            starts = [random.below(len(tokens) - window) for _ in range(settings["batch"])]
            x = torch.stack([tokens[start : start + window] for start in starts])
            y = torch.stack([tokens[start + 1 : start + window + 1] for start in starts])
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings["clip"])
            optimizer.step()
            rate.step()
            return loss.item()

        return step

    return traces.compare(args, trainer)


if __name__ == "__main__":
    sys.exit(main())
