"""The runs of a campaign as isoFLOP slices, and straight lines through their minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import read_rows
from .expression import Array
from .table import Table

__all__ = ["Line", "Runs", "log_line", "read_runs", "slice_runs"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Size, tokens, compute and loss of every run, and the names their columns bear."""

    size: Array
    tokens: Array
    compute: Array
    loss: Array
    positions: np.ndarray
    size_name: str
    loss_name: str

    def __len__(self) -> int:
        return len(self.loss)


def read_runs(
    data: Any, y: str, size: str, tokens: str | None, compute: str | None, cost: float,
    where: Any, nan: str,
) -> Runs:
    """The columns of a campaign, checked to be positive; of tokens and compute one may be missing
    and follows from ``compute = cost*size*tokens``.

    >>> runs = read_runs({"N": [1e6, 2e6], "D": [3e7, 1e7], "loss": [4.0, 4.2]},
    ...                  "loss", "N", "D", None, 6.0, None, "raise")
    >>> runs.compute
    array([1.8e+14, 1.2e+14])
    """
    if tokens is None and compute is None:
        raise ValueError("tokens, compute: name at least one of the two columns")
    if not cost > 0:
        raise ValueError(f"cost: must be positive, not {cost!r}")
    names = {"N": size, "D": tokens, "C": compute}
    known = {key: name for key, name in names.items() if name is not None}
    rows = read_rows(Table(data), tuple(known), y, columns=known, on="log", where=where, nan=nan)
    for key, name in known.items():
        bad = rows.columns[key] <= 0
        if bad.any():
            row = rows.positions[np.argmax(bad)]
            raise ValueError(f"column {name!r} is not positive, first at row {row}; an isoFLOP "
                             "analysis takes logarithms of it")
    n = rows.columns["N"]
    c = rows.columns["C"] if compute else cost * n * rows.columns["D"]
    d = rows.columns["D"] if tokens else c / (cost * n)
    return Runs(n, d, c, rows.y, rows.positions, size, y)


def slice_runs(runs: Runs, merge: float) -> np.ndarray:
    """The slice of every run, numbered by rising compute: budgets closer than a share of ``merge``
    to their neighbour belong together.

    >>> runs = read_runs({"N": [1, 2, 1], "C": [1e18, 1.05e18, 3e18], "loss": [4.0, 4.2, 3.0]},
    ...                  "loss", "N", None, "C", 6.0, None, "raise")
    >>> slice_runs(runs, 0.1)
    array([0, 0, 1])
    """
    if not merge >= 0:
        raise ValueError(f"merge: expected a share such as 0.1, not {merge!r}")
    order = np.argsort(runs.compute, kind="stable")
    steps = np.diff(np.log(runs.compute[order])) > np.log1p(merge) + 1e-12
    place = np.empty(len(runs), dtype=np.int64)
    place[order] = np.concatenate([[0], np.cumsum(steps)])
    return place


@dataclass(frozen=True)
class Line:
    """``log(value) = intercept + slope*log(compute)``, one of each a replicate."""

    slope: Array
    intercept: Array

    def at(self, compute: Array) -> Array:
        """[k, m] values at m budgets."""
        return np.exp(self.intercept[:, None] + self.slope[:, None] * np.log(compute))


def log_line(compute: Array, values: Array, weights: Array | None = None) -> Line:
    """Least-squares lines through ``log(values)`` [k, n] over ``log(compute)`` [n] or [k, n].

    Values that are not numbers are left out; NaN where fewer than two budgets are left.

    >>> line = log_line(np.array([1.0, 10.0, 100.0]), np.array([[2.0, np.nan, 20.0]]))
    >>> line.slope.round(6), line.at(np.array([1.0])).round(6)
    (array([0.5]), array([[2.]]))
    """
    with np.errstate(all="ignore"):
        y = np.log(values)
        x = np.broadcast_to(np.log(compute), y.shape)
        weight = np.where(np.isfinite(y), 1.0 if weights is None else weights, 0.0)
        y = np.where(weight > 0, y, 0.0)
        total = weight.sum(axis=1, keepdims=True)
        x_mean = (weight * x).sum(axis=1, keepdims=True) / total
        y_mean = (weight * y).sum(axis=1, keepdims=True) / total
        square = (weight * (x - x_mean) ** 2).sum(axis=1)
        slope = (weight * (x - x_mean) * (y - y_mean)).sum(axis=1) / square
        slope = np.where(square > 0, slope, np.nan)
        return Line(slope, y_mean[:, 0] - slope * x_mean[:, 0])
