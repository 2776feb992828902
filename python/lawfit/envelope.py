"""Approach 1: the runs nobody beats at their compute, and a line through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .engine import whole
from .expression import Array
from .growth import Growth
from .independent import Basis
from .intervals import check_level
from .replicates import check_method
from .report import number
from .slices import Line, Runs, log_line, read_runs, slice_runs
from .table import Table

__all__ = ["Envelope", "envelope", "envelope_of_rows"]

_BLOCK = 4_000_000  # numbers held at once


@dataclass(frozen=True, eq=False, repr=False)
class Envelope(Growth):
    """The lower envelope of a campaign: which size is best at which compute.

    Arrays by rising compute: ``compute``, ``size``, ``tokens`` and ``loss`` of the envelope, and
    ``run``, the place of the row (or of the first row of the curve) in the table. ``exponent``
    is a in size ~ compute**a, ``exponent_interval`` its interval at ``level`` from resampled runs,
    by ``method``, ``exponents`` one a replicate.
    """

    compute: Array
    size: Array
    tokens: Array
    loss: Array
    run: np.ndarray
    level: float
    line: Line
    lines: Line
    size_name: str
    loss_name: str
    method: str
    basis: Basis

    def __str__(self) -> str:
        low, high = self.exponent_interval
        return (f"envelope of {len(np.unique(self.run))} runs from {number(self.compute[0], 3)} to "
                f"{number(self.compute[-1], 3)} FLOP\n{self.size_name} ~ "
                f"compute**{self.exponent:.4f}, {100 * self.level:g} % {low:.4f} to {high:.4f}")

    def __repr__(self) -> str:
        return f"Envelope(points={len(self.compute)}, exponent={self.exponent:.4f})"


def envelope(
    data: Any, y: str = "loss", *, size: str = "N", tokens: str | None = None,
    compute: str | None = None, by: str | None = None, cost: float = 6.0, merge: float = 0.01,
    points: int = 200, level: float = 0.95, replicates: int = 1000, method: str | None = None,
    weights: Any = None, seed: int = 0, where: Any = None, nan: str = "raise",
) -> Envelope:
    """The best size of every budget from the runs on the lower envelope (approach 1).

    Columns as for ``isoflop``. With ``by``, a column that tells runs apart, every run is a
    training curve: at each of ``points`` budgets from the smallest to the largest, the curve
    with the lowest loss there is on the envelope (curves are interpolated in logs; budgets that
    fewer than two curves reach are left out). Without it every row is a finished run, on the
    envelope when no run of at most its compute has a lower loss; budgets closer than the share
    ``merge`` to their neighbour count as equal. The exponent is the slope of a
    line through the envelope in logs.

    ``method`` as for ``isoflop``, with a degree of freedom a run less the two of the line. From
    fewer than 30 runs a FitWarning says that no interval holds for sure.

    Replicates resample runs (whole curves); ``weights`` (replicates x rows used, above 0 where a
    run takes part) are resamples of your own. The envelope is a discrete choice: its intervals are
    wide and its exponent noisy where few runs take part.

    Source: J. Hoffmann et al., "Training Compute-Optimal Large Language Models" (2022),
    approach 1. Raises ValueError when fewer than two budgets are on the envelope.

    >>> budgets, ratios = np.meshgrid(np.geomspace(1e18, 1e20, 5), np.geomspace(0.2, 5, 9))
    >>> N = (ratios*(budgets/120)**0.5).ravel()
    >>> D = budgets.ravel()/6/N
    >>> runs = {"N": N, "D": D, "loss": 1.7 + 400/N**0.35 + 7300/D**0.35*20**-0.35}
    >>> found = envelope(runs)
    >>> len(found.compute), round(found.exponent, 3)
    (5, 0.5)
    """
    if tokens is None and compute is None:
        tokens = "D"
    runs = read_runs(data, y, size, tokens, compute, cost, where, nan)
    curves = _Rows(runs, merge) if by is None else _Curves(runs, _labels(data, by, runs), points)
    result = _envelope_of(runs, curves, cost, level, method, replicates, weights, seed)
    result.basis.warn(3)
    return result


def envelope_of_rows(
    runs: Runs, *, cost: float, merge: float, level: float, method: str | None, weights: Any
) -> Envelope:
    """``envelope`` of finished runs already read; says no warnings."""
    return _envelope_of(runs, _Rows(runs, merge), cost, level, method, 2, weights, 0)


def _envelope_of(
    runs: Runs, curves: _Choice, cost: float, level: float, method: str | None, replicates: int,
    weights: Any, seed: int,
) -> Envelope:
    level, method = check_level(level), check_method(method)
    drawn = curves.take(_resamples(weights, replicates, seed, curves.run, len(runs)))
    chosen = curves.choose(np.ones((1, drawn.shape[1])))
    on = np.flatnonzero(~np.isnan(chosen.size[0]))
    if len(on) < 2:
        raise ValueError("envelope: fewer than two budgets are on the lower envelope")
    lines = [log_line(curves.compute, part.size) for part in curves.blocks(drawn)]
    return Envelope(
        compute=curves.compute[on], size=chosen.size[0][on],
        tokens=curves.compute[on] / (cost * chosen.size[0][on]), loss=chosen.loss[0][on],
        run=runs.positions[curves.first[chosen.at[0][on]]], level=level,
        line=log_line(curves.compute, chosen.size),
        lines=Line(*(np.concatenate([getattr(line, name) for line in lines])
                     for name in ("slope", "intercept"))),
        size_name=runs.size_name, loss_name=runs.loss_name, method=method,
        basis=Basis(len(curves.first), len(curves.first) < len(runs), len(curves.first) - 2),
    )


@dataclass(frozen=True)
class _Chosen:
    """The envelope of every replicate: size and loss [k, budgets], NaN off it, and who is on."""

    size: Array
    loss: Array
    at: np.ndarray


class _Choice:
    """Runs that compete at common budgets."""

    compute: Array  # budgets
    run: np.ndarray  # run of every row
    first: np.ndarray  # a row of every run

    def choose(self, present: Array) -> _Chosen:
        raise NotImplementedError

    def take(self, weights: Array) -> Array:
        """Presence of every run [k, runs], from weights of rows."""
        return np.asarray(weights[:, self.first] > 0, dtype=np.float64)

    def blocks(self, present: Array) -> Any:
        """The envelopes of all replicates, some at a time."""
        step = max(1, _BLOCK // max(1, present.shape[1] * len(self.compute)))
        for begin in range(0, len(present), step):
            yield self.choose(present[begin : begin + step])


class _Rows(_Choice):
    """Finished runs: on the envelope where no cheaper or equal one has a lower loss."""

    def __init__(self, runs: Runs, merge: float) -> None:
        place = slice_runs(runs, merge)
        mean = np.exp(np.bincount(place, np.log(runs.compute)) / np.bincount(place))
        self.first = np.lexsort((runs.loss, place))
        self.run = np.argsort(self.first)
        self.compute, self.size = mean[place][self.first], runs.size[self.first]
        self.loss = runs.loss[self.first]

    def choose(self, present: Array) -> _Chosen:
        losses = np.where(present > 0, self.loss, np.inf)
        lowest = np.minimum.accumulate(losses, axis=1)
        before = np.concatenate([np.full((len(losses), 1), np.inf), lowest[:, :-1]], axis=1)
        on = losses < before
        return _Chosen(np.where(on, self.size, np.nan), np.where(on, self.loss, np.nan),
                       np.broadcast_to(np.arange(len(self.loss)), on.shape))


class _Curves(_Choice):
    """Training curves, interpolated at common budgets."""

    def __init__(self, runs: Runs, labels: np.ndarray, points: int) -> None:
        _, self.first, self.run = np.unique(labels, return_index=True, return_inverse=True)
        ends = np.log(runs.compute.min()), np.log(runs.compute.max())
        budgets = np.linspace(*ends, whole("points", points, 2))
        self.size = runs.size[self.first]
        self.losses = np.full((len(self.first), len(budgets)), np.inf)
        for at in range(len(self.first)):
            rows = np.flatnonzero(self.run == at)
            rows = rows[np.argsort(runs.compute[rows], kind="stable")]
            x, y = np.log(runs.compute[rows]), np.log(runs.loss[rows])
            inside = (budgets >= x[0]) & (budgets <= x[-1])
            self.losses[at, inside] = np.exp(np.interp(budgets[inside], x, y))
        kept = np.isfinite(self.losses).sum(axis=0) >= 2
        self.compute, self.losses = np.exp(budgets[kept]), self.losses[:, kept]

    def choose(self, present: Array) -> _Chosen:
        losses = np.where(present[:, :, None] > 0, self.losses, np.inf)
        at = losses.argmin(axis=1)
        loss = np.take_along_axis(losses, at[:, None, :], axis=1)[:, 0]
        reached = np.isfinite(loss)
        return _Chosen(np.where(reached, self.size[at], np.nan),
                       np.where(reached, loss, np.nan), at)


def _labels(data: Any, by: str, runs: Runs) -> np.ndarray:
    table = Table(data)
    return np.asarray(table.raw(by, "by: column"))[runs.positions].astype(str)


def _resamples(
    weights: Any, replicates: int, seed: int, run: np.ndarray, rows: int
) -> Array:
    """Weights [k, rows]: given, or counts of runs drawn with replacement."""
    if weights is not None:
        array = np.asarray(weights, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != rows or not (array >= 0).all():
            raise ValueError(f"weights: expected numbers >= 0 of shape (replicates, {rows})")
        return array
    count = int(run.max()) + 1
    random = np.random.default_rng(whole("seed", seed, 0))
    counts = random.multinomial(count, np.full(count, 1 / count),
                                size=whole("replicates", replicates, 2))
    return counts[:, run].astype(np.float64)
