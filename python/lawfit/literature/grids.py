"""Starts and resamples as publications made them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..law import Law

__all__ = ["besiroglu_resamples", "hoffmann_grid", "hoffmann_subsamples", "lcdb_starts"]


def hoffmann_grid(law: Law, seed: int = 0) -> dict[str, np.ndarray] | str:
    """The 4,500 starts of Hoffmann et al. for the five parameters of their law, by name.

    A law of other parameters gets automatic starts. ``seed`` plays no part.

    >>> from lawfit import laws
    >>> {name: len(values) for name, values in hoffmann_grid(laws["chinchilla"]).items()}
    {'alpha': 4500, 'beta': 4500, 'E': 4500, 'A': 4500, 'B': 4500}
    """
    names = ("alpha", "beta", "E", "A", "B")
    if set(law.free) != set(names):
        return "auto"
    exponents, logs = np.arange(0, 2.5, 0.5), np.arange(0, 30, 5.0)
    grid = np.array(list(product(exponents, exponents, np.arange(-1, 1.5, 0.5), logs, logs)))
    grid[:, 2:] = np.exp(grid[:, 2:])
    return dict(zip(names, grid.T, strict=True))


def besiroglu_resamples(rows: int, n: int = 4000, seed: int = 42) -> np.ndarray:
    """Counts of ``n`` resamples with replacement, by NumPy's legacy generator as published.

    >>> besiroglu_resamples(3, 2).sum(axis=1)
    array([3., 3.])
    """
    legacy = np.random.RandomState(seed)
    counts = [np.bincount(legacy.choice(rows, rows), minlength=rows) for _ in range(n)]
    return np.array(counts, dtype=np.float64)


def hoffmann_subsamples(rows: int, n: int = 100, seed: int = 0) -> np.ndarray:
    """Zeros and ones: ``n`` draws of 80 % of the rows without replacement.

    >>> hoffmann_subsamples(10, 2).sum(axis=1)
    array([8., 8.])
    """
    order = np.random.default_rng(seed).random((n, rows)).argsort(axis=1)
    return (order < round(0.8 * rows)).astype(np.float64)


def lcdb_starts(law: Law, seed: int = 0) -> np.ndarray:
    """Six random starts in the unit cube of the law's parameters, inside their bounds.

    >>> from lawfit import laws
    >>> lcdb_starts(laws["lcdb_pow4"]).shape
    (6, 4)
    """
    random = np.random.default_rng(seed).random((6, len(law.free)))
    return law.expand(np.clip(random, *law.bounds()))
