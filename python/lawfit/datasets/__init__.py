"""Measured runs that come with the package.

Datasheet of ``tiny_lm``
------------------------
**What.** An isoFLOP campaign of 112 decoder-only language models, 7 budgets over three decades
of compute (1e9 to 1e12 flop) x 8 sizes x 2 seeds, trained from scratch. Real measurements with real
noise: nothing is simulated or smoothed, and no run of the campaign is left out. (Two unfinished
pilots, with mixed depths and with sinusoidal positions, were given up and are not included.)

**How.** One pre-norm transformer block: attention (heads 16 to 24 wide, a single one below; ALiBi,
that is linear position biases), a ReLU layer four times as wide, embedding tied with the output, 64
characters of context. The sizes differ in width alone, 6 to 112. AdamW (0.9, 0.98; no weight
decay), gradient norm clipped at 1, warm-up over 5 % of the steps (at most 100), then a cosine to
zero at the end of *every* run. The learning rate was tuned for each size (table ``lr_sweep``:
factors of 2 until bracketed, vertex of the parabola) and scaled with the square root of the batch;
the batch grows with the budget, 128 to 1024 characters. No run sees a character twice (``epochs``
below 1). The held-out loss is the mean over 786,432 characters never trained on, the same ones for
every run.

**Text.** The dictionary of the Debian package ``dict-gcide`` 0.48.5+nmu2 (GNU Collaborative
International Dictionary of English, Webster 1913), white space joined and accents dropped: 31.2
million characters over 96 symbols. A token is a character. The first lines of each CSV file hold
the SHA-256 of the source and of the cleaned text. The text itself is not part of this package.

**Machine.** One core of a shared x86-64 server (AVX-512), PyTorch 2.13 in float32, one thread.
The runs took 1880 s of wall time and 1305 s of processor time, the sweep and the evaluations not
counted. ``seconds`` includes waiting for other work on the machine; ``cpu_seconds`` does not.

**Licence.** Our own measurements, BSD-3-Clause like the package. Made by
``bench/datasets/tiny_lm.py``.

**Known limits.** One block, 64 characters of context, at most 0.16 million parameters: exponents
and tokens per parameter say nothing about large models. Runs with the same size and seed share
their initial weights and the order of the text at every budget, so their noise is not independent.
Small budgets mean few steps (from 56) and more noise: the two seeds differ by 0.04 nats (root mean
square) at 1e9 flop, by 0.006 at 1e12. ``loss_error`` (0.0040 to 0.0050 nats) is mostly common to
all runs, which share one held-out set; for differences between runs the standard error was 0.001 to
0.003 in the 10 pairs of 5 runs looked at. Learning rates were tuned at one budget a size with one
seed. Passages that the dictionary itself repeats were not removed. At these small sizes 6 N D
leaves out attention that counts: ``flops_exact`` is 1.09 to 1.72 times as much. The law E +
A/N**alpha + B/D**beta leaves 2 % (root mean square of log loss), which is more than the noise, and
its exponents depend on which runs are used (alpha about 0.2 over all budgets, 0.4 from 1e10 on);
the loss-minimal size of every slice, 1.6 to 56 thousand parameters, has smaller and larger sizes on
both sides.

Columns of ``load("tiny_lm")``, one row a run
---------------------------------------------
==================== ===================================================================
run                  row number, from 0; the key of the curves
budget               nominal compute of the isoFLOP slice, flop
seed                 1 or 2: initial weights and order of the text
width, depth         of the transformer
params               N: all parameters, the tied embedding once
params_non_embedding N without the embedding
tokens               D: characters trained on
flops                6 N D with N = params, flop
flops_exact          three times the forward matrix products, attention included, flop
loss                 held-out cross-entropy after the last step, nats per token
loss_error           its standard error over the held-out blocks, nats per token
train_loss           mean training loss over the last tenth of the steps, nats per token
learning_rate        peak of the schedule
batch_tokens, steps  tokens in a batch; number of batches
epochs               tokens / tokens there are to train on
seconds, cpu_seconds training time without the evaluation: wall clock, processor
==================== ===================================================================

``table="curves"``: ``run``, ``budget``, ``seed``, ``params`` and ``train_loss``, the mean training
loss (nats per token) of the batches from ``tokens_from`` to ``tokens``; up to 24 such stretches a
run, evenly spaced in log tokens. As no text is repeated, this is a loss on unseen text, but taken
in the middle of a learning-rate schedule.

``table="lr_sweep"``: the columns of the runs, ``trial`` in place of ``run`` and seed 0.
"""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np

__all__ = ["load", "metadata", "names"]

_FILES = {"tiny_lm": {"runs": "tiny_lm.csv", "curves": "tiny_lm_curves.csv",
                      "lr_sweep": "tiny_lm_lr_sweep.csv"}}


def names() -> dict[str, tuple[str, ...]]:
    """The data sets there are: name -> its tables, the first being the default.

    >>> from lawfit import datasets
    >>> datasets.names()
    {'tiny_lm': ('runs', 'curves', 'lr_sweep')}
    """
    return {name: tuple(tables) for name, tables in _FILES.items()}


def load(name: str, table: str | None = None) -> dict[str, np.ndarray]:
    """A shipped table as a dict, column -> array of one value a row, in the file's order.

    Counts are int64, measurements float64. Every call returns arrays of its own. Columns and units
    are listed in the datasheet above (``help(lawfit.datasets)``).

    Parameters
    ----------
    name : one of ``names()``
    table : one of the data set's tables; the runs by default

    Raises ``ValueError`` for a name or a table that does not exist.

    >>> from lawfit import datasets
    >>> runs = datasets.load("tiny_lm")
    >>> runs["loss"].shape == runs["params"].shape == runs["tokens"].shape
    True
    >>> bool((runs["flops"] == 6 * runs["params"] * runs["tokens"]).all())
    True
    """
    header, *rows = csv.reader(line for line in _lines(name, table) if not line.startswith("#"))
    return {column: _to_array(cells) for column, cells in zip(header, zip(*rows))}


def metadata(name: str, table: str | None = None) -> dict[str, str]:
    """What a table was made from, as text: source of the data, its hashes, software.

    Raises ``ValueError`` for a name or a table that does not exist.

    >>> from lawfit import datasets
    >>> datasets.metadata("tiny_lm")["package"]
    'dict-gcide'
    """
    notes = (line[1:] for line in _lines(name, table) if line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in (n.partition(":") for n in notes)}


def _lines(name: str, table: str | None) -> list[str]:
    if name not in _FILES:
        raise ValueError(f"name: no data set {name!r}; there are {', '.join(_FILES)}")
    tables = _FILES[name]
    chosen = next(iter(tables)) if table is None else table
    if chosen not in tables:
        raise ValueError(f"table: {name!r} has no table {table!r}; it has {', '.join(tables)}")
    return files(__name__).joinpath(tables[chosen]).read_text(encoding="ascii").splitlines()


def _to_array(cells: tuple[str, ...]) -> np.ndarray:
    """int64 where every cell is a plain integer, else float64."""
    kind = np.int64 if all(cell.lstrip("-").isdigit() for cell in cells) else np.float64
    return np.array(cells).astype(kind)
