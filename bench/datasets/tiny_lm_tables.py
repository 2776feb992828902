"""Records of the ``tiny_lm`` campaign on disk, and the tables made from them."""

import csv
import json
import os
from collections import Counter

RENAMED = {"parameters": "params", "parameters_body": "params_non_embedding", "flop": "flops",
           "flop_exact": "flops_exact"}
RUN_COLUMNS = ["budget", "seed", "width", "depth", "parameters", "parameters_body", "tokens",
               "flop", "flop_exact", "loss", "loss_error", "train_loss", "learning_rate",
               "batch_tokens", "steps", "epochs", "seconds", "cpu_seconds"]
DIGITS = {"loss": ".5f", "loss_error": ".5f", "train_loss": ".5f", "learning_rate": ".5g",
          "epochs": ".5g", "seconds": ".2f", "cpu_seconds": ".2f", "budget": ".3g"}


def read_records(path):
    """Finished runs; a last line torn by an interruption is dropped."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def append_record(path, record):
    """Add one line in a single write, so that it is there entirely or cut at the end."""
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        kept = path.read_bytes().rpartition(b"\n")
        path.write_bytes(kept[0] + kept[1])
    with open(path, "ab", buffering=0) as file:
        file.write((json.dumps(record) + "\n").encode())
        os.fsync(file.fileno())


def cell(name, value):
    return format(value, DIGITS.get(name, ""))


def write_table(path, meta, header, rows):
    """A CSV file whose first lines, marked with #, say what it was made from."""
    with open(path, "w", newline="") as file:
        for key, value in meta.items():
            file.write(f"# {key}: {value}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def complete_slices(records, order):
    """Runs of the slices (budget, seed) that have all their sizes, in the campaign's order."""
    order = list(order)
    wanted = Counter((budget, seed) for budget, _, seed in order)
    by_key = {(r["budget"], r["rung"], r["seed"]): r for r in records}
    keys = [k for k in order if k in by_key]
    found = Counter((budget, seed) for budget, _, seed in keys)
    complete = {slice_ for slice_, count in found.items() if count == wanted[slice_]}
    return [by_key[k] for k in keys if (k[0], k[2]) in complete]


def export(out, to, order):
    """Write the three tables: runs, their loss curves, and the learning-rate sweep."""
    meta = json.loads((out / "meta.json").read_text())
    runs = complete_slices(read_records(out / "runs.jsonl"), order)
    trials = sorted(read_records(out / "sweep.jsonl"),
                    key=lambda t: (t["rung"], t["learning_rate"]))
    header = [RENAMED.get(name, name) for name in RUN_COLUMNS]
    for suffix, records, key in (("", runs, "run"), ("_lr_sweep", trials, "trial")):
        rows = ([i, *(cell(n, r[n]) for n in RUN_COLUMNS)] for i, r in enumerate(records))
        write_table(to / f"tiny_lm{suffix}.csv", meta, [key, *header], rows)
    points = []
    for i, r in enumerate(runs):
        start = 0
        for end, loss in r["curve"]:
            points.append([i, cell("budget", r["budget"]), r["seed"], r["parameters"], start, end,
                           format(loss, ".4f")])
            start = end
    write_table(to / "tiny_lm_curves.csv", meta,
                ["run", "budget", "seed", "params", "tokens_from", "tokens", "train_loss"], points)
    print(f"{len(runs)} runs, {len(points)} curve points, {len(trials)} trials of the sweep")
