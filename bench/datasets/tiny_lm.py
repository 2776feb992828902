"""Train the isoFLOP campaign behind ``lawfit.datasets.load("tiny_lm")``.

Small decoder-only language models, predicting the characters of a dictionary, are trained from
scratch on one CPU core. Three steps, each of which skips what an earlier call has finished::

    python tiny_lm.py sweep  --out DIR     # learning rate of every model size
    python tiny_lm.py run    --out DIR     # the campaign itself
    python tiny_lm.py export --out DIR --to python/lawfit/datasets

Needs PyTorch and NumPy, and, to fetch the text, a Debian system with ``apt-get`` and
``dpkg-deb`` (no root needed); otherwise hand over the unpacked file with ``--dictionary``.
"""

import argparse
import json
import math
import platform
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tiny_lm_tables import append_record, export, read_records
from tiny_lm_text import ALPHABET, CONTEXT, HELD_OUT_BLOCKS, START, load_text

# (width, depth), from 1 thousand to 0.16 million parameters, steps of a factor of 1.3 to 1.9. One
# depth for all: mixing depths 1 and 2 put steps of 0.05 nats into the slices.
LADDER = [(width, 1) for width in (6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 112)]
# Nominal 6 N D of a slice: sequences in a batch, and the first of its eight rungs on the ladder.
SLICES = {1.0e9: (2, 0), 3.16e9: (3, 0), 1.0e10: (4, 1), 3.16e10: (6, 2),
          1.0e11: (8, 3), 3.16e11: (12, 4), 1.0e12: (16, 5)}
SIZES = 8
SEEDS = (1, 2)
SWEEP_SEED = 0
CURVE_POINTS = 24


def batch_of(windows):
    """Inputs (start symbol, then all but the last character) and targets, as int64 tensors."""
    targets = torch.from_numpy(windows.astype(np.int64))
    start = torch.full((len(windows), 1), START)
    return torch.cat([start, targets[:, :-1]], 1), targets


# ---------------------------------------------------------------- model

def linear_bias(heads):
    """Attention bias (ALiBi): head i loses 2**-(1 + 4 i / heads) for each character of distance."""
    distance = (torch.arange(CONTEXT)[:, None] - torch.arange(CONTEXT)).float()
    slopes = 2.0 ** -(1 + 4 * torch.arange(heads) / heads)
    bias = -slopes[:, None, None] * distance
    return bias.masked_fill(distance < 0, float("-inf"))[None]


class Block(nn.Module):
    """Pre-norm attention and ReLU layers without biases in their products."""

    def __init__(self, width):
        super().__init__()
        self.heads = width // 16 or 1
        self.norm_attention = nn.LayerNorm(width, bias=False)
        self.norm_mlp = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        self.register_buffer("bias", linear_bias(self.heads))

    def forward(self, x):
        n, length, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mask = self.bias.expand(n, -1, -1, -1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.mix(mixed.transpose(1, 2).reshape(n, length, width))
        return x + self.down(F.relu(self.up(self.norm_mlp(x))))


class Model(nn.Module):
    """Embedding (tied with the output), blocks, final norm; positions come from the bias alone."""

    def __init__(self, width, depth):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET) + 1, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width, bias=False)
        nn.init.normal_(self.embedding.weight, std=width ** -0.5)
        for block in self.blocks:
            for layer in (block.qkv, block.up):
                nn.init.normal_(layer.weight, std=layer.in_features ** -0.5)
            for layer in (block.mix, block.down):
                nn.init.normal_(layer.weight, std=(layer.in_features * 2 * depth) ** -0.5)

    def forward(self, symbols):
        x = self.embedding(symbols)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embedding.weight[:START].T


def count_parameters(width, depth):
    """(all, without the embedding); the tied embedding is counted once, as it multiplies once."""
    body = depth * (12 * width ** 2 + 2 * width) + width
    return body + (len(ALPHABET) + 1) * width, body


def exact_flop(width, depth, tokens):
    """All matrix products, attention in full squares, backward pass as twice the forward pass."""
    forward = 24 * depth * width ** 2 + 4 * depth * CONTEXT * width + 2 * len(ALPHABET) * width
    return 3 * forward * tokens


# ---------------------------------------------------------------- one run

def plan(budget, rung):
    """Batch, steps and tokens that spend ``6 N D = budget`` on the model of that rung."""
    sequences = SLICES[budget][0]
    parameters, _ = count_parameters(*LADDER[rung])
    steps = max(2, round(budget / (6 * parameters * sequences * CONTEXT)))
    return sequences, steps, steps * sequences * CONTEXT


def rate_at(step, steps, peak):
    """Linear warm-up over 5 % of the steps (at most 100), then a cosine to nearly nothing."""
    warm = min(100, max(1, round(0.05 * steps)))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm + 1)))


def evaluate(model, held_out):
    """Mean held-out loss in nats per character, and its standard error over the blocks."""
    losses = []
    with torch.no_grad():
        for first in range(0, len(held_out), 256):
            inputs, targets = batch_of(held_out[first:first + 256])
            logits = model(inputs)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
            losses.append(loss.view(len(inputs), -1).mean(1).double().numpy())
    by_block = np.concatenate(losses).reshape(HELD_OUT_BLOCKS, -1).mean(1)
    return by_block.mean(), by_block.std(ddof=1) / math.sqrt(HELD_OUT_BLOCKS)


def thin(losses, tokens_per_step):
    """Mean training loss over stretches of steps whose ends are spaced evenly in log steps."""
    ends = np.unique(np.geomspace(1, len(losses), CURVE_POINTS).round().astype(int))
    starts = np.concatenate([[0], ends[:-1]])
    return [[int(b) * tokens_per_step, round(float(np.mean(losses[a:b])), 4)]
            for a, b in zip(starts, ends)]


def train(budget, rung, rate, seed, training, held_out):
    """Train one model and return its record."""
    width, depth = LADDER[rung]
    sequences, steps, tokens = plan(budget, rung)
    torch.manual_seed(1000 * seed + rung)
    model = Model(width, depth)
    order = np.random.default_rng([seed, rung]).permutation(len(training))
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0,
                                  fused=True)
    wall, cpu, losses = time.perf_counter(), time.process_time(), []
    for step in range(steps):
        rows = np.arange(step * sequences, (step + 1) * sequences) % len(training)
        inputs, targets = batch_of(training[order[rows]])
        optimiser.param_groups[0]["lr"] = rate_at(step, steps, rate)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    mean, error = evaluate(model, held_out)
    parameters, body = count_parameters(width, depth)
    assert parameters == sum(p.numel() for p in model.parameters())
    return {"budget": budget, "seed": seed, "rung": rung, "width": width, "depth": depth,
            "parameters": parameters, "parameters_body": body, "tokens": tokens,
            "flop": 6 * parameters * tokens, "flop_exact": exact_flop(width, depth, tokens),
            "loss": mean, "loss_error": error, "train_loss": float(np.mean(losses[-steps // 10:])),
            "learning_rate": rate, "batch_tokens": sequences * CONTEXT, "steps": steps,
            "epochs": tokens / training.size, "seconds": wall, "cpu_seconds": cpu,
            "curve": thin(losses, sequences * CONTEXT)}


# ---------------------------------------------------------------- sweep and campaign

def sweep_budget(rung):
    """The middle budget of those the size is used at, at most 1e11."""
    used = [b for b, (_, first) in SLICES.items() if first <= rung < first + SIZES]
    return min(used[len(used) // 2], 1.0e11)


def best_rate(trials):
    """Vertex of the parabola through the best learning rate and its neighbours, in log rate."""
    trials = sorted(trials, key=lambda t: t["learning_rate"])
    best = min(range(len(trials)), key=lambda i: trials[i]["loss"])
    if not 0 < best < len(trials) - 1:
        return trials[best]["learning_rate"], False
    x = [math.log(t["learning_rate"]) for t in trials[best - 1:best + 2]]
    a, b, _ = np.polyfit(np.array(x) - x[1], [t["loss"] for t in trials[best - 1:best + 2]], 2)
    return math.exp(x[1] - b / (2 * a)), True


def sweep(args):
    """For every rung: learning rates a factor 2 apart until the best one has two neighbours."""
    training, held_out, _ = load_text(args.out, args.dictionary)
    path = args.out / "sweep.jsonl"
    for rung in range(len(LADDER)):
        budget, rate = sweep_budget(rung), 0.016
        while True:
            trials = [t for t in read_records(path) if t["rung"] == rung]
            done = {t["learning_rate"] for t in trials}
            if rate not in done:
                record = train(budget, rung, rate, SWEEP_SEED, training, held_out)
                append_record(path, record)
                report(record)
                continue
            best = min(trials, key=lambda t: t["loss"])["learning_rate"]
            missing = [r for r in (best / 2, best * 2) if r not in done]
            if not missing:
                break
            rate = missing[0]


def tuned_rates(out):
    """{rung: (learning rate, batch tokens it was tuned at)}."""
    trials, rates = read_records(out / "sweep.jsonl"), {}
    for rung in range(len(LADDER)):
        own = [t for t in trials if t["rung"] == rung]
        rate, bracketed = best_rate(own) if own else (None, False)
        if not bracketed:
            raise SystemExit(f"learning rate of rung {rung} is not bracketed: run 'sweep' first")
        rates[rung] = rate, own[0]["batch_tokens"]
    return rates


def campaign_order():
    """All budgets from small to large with the first seed, then all with the next."""
    for seed in SEEDS:
        for budget, (_, first) in SLICES.items():
            for rung in range(first, first + SIZES):
                yield budget, rung, seed


def run(args):
    """The campaign; learning rates follow the square root of the batch."""
    training, held_out, meta = load_text(args.out, args.dictionary)
    path, rates = args.out / "runs.jsonl", tuned_rates(args.out)
    meta |= {"torch": torch.__version__, "machine": platform.machine(), "threads": 1}
    (args.out / "meta.json").write_text(json.dumps(meta, indent=1))
    done = {(r["budget"], r["rung"], r["seed"]) for r in read_records(path)}
    for budget, rung, seed in campaign_order():
        if (budget, rung, seed) not in done:
            rate, batch = rates[rung]
            rate *= math.sqrt(SLICES[budget][0] * CONTEXT / batch)
            record = train(budget, rung, rate, seed, training, held_out)
            append_record(path, record)
            report(record)


def report(record):
    print("{budget:.2e} seed {seed} N {parameters:7d} D {tokens:9d} lr {learning_rate:.4f} "
          "loss {loss:.4f} +- {loss_error:.4f} {seconds:.1f} s".format(**record), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=["sweep", "run", "export"])
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--dictionary", type=Path, help="gcide.dict.dz, if not from the package")
    parser.add_argument("--to", type=Path, help="folder for the exported tables")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.step == "export":
        if args.to is None:
            parser.error("export needs --to")
        export(args.out, args.to, campaign_order())
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        {"sweep": sweep, "run": run}[args.step](args)


if __name__ == "__main__":
    main()
