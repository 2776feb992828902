"""How many independent units an interval rests on, and the warning when they are too few."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import FitWarning

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["ENOUGH", "Basis", "few", "few_of_many", "few_or_none", "few_rows", "note"]

ENOUGH = 30  # independent rows or clusters from which the default was found to hold its level


@dataclass(frozen=True)
class Basis:
    """What an interval from replicates rests on.

    ``count`` independent units (clusters, or rows where each stands for itself), ``left`` degrees
    of freedom; None where the spread of the replicates was given and not estimated. ``named``:
    what the units are, where neither rows nor clusters.

    >>> Basis(40, False, 35).least(Basis(32, False, 30))
    Basis(count=32, clustered=False, left=30, named='')
    """

    count: int
    clustered: bool
    left: int | None
    named: str = ""

    @property
    def note(self) -> str:
        """What the interval is worth when the units are few; else empty."""
        return "" if self.left is None else note(self.count, self.clustered, self.named)

    def warn(self, depth: int) -> None:
        """One FitWarning of ``note``, when there is any."""
        if self.note:
            warnings.warn(self.note, FitWarning, stacklevel=depth)

    def least(self, *others: Basis) -> Basis:
        """The weakest of several."""
        return min((self, *others), key=lambda each: np.inf if each.left is None else each.left)


def note(count: int, clustered: bool, named: str = "") -> str:
    """What intervals from so few independent units are worth; empty from ``ENOUGH`` on.

    >>> note(12, False)[:60], note(30, False)
    ('intervals from 12 rows: only from 30 independent rows on wer', '')
    """
    what = named or ("clusters" if clustered else "rows")
    return f"intervals from {count} {what}: {_meaning(what)}" if 0 < count < ENOUGH else ""


def few(count: int, clustered: bool, depth: int) -> None:
    """Warn below the number of independent units that intervals were found to need."""
    if told := note(count, clustered):
        warnings.warn(told, FitWarning, stacklevel=depth)


def few_rows(fit: Fit, depth: int) -> None:
    """``few`` for a fit whose rows each stand for themselves (a law without data: silent)."""
    few(len(fit.rows), False, depth + 1)


def few_or_none(fit: Fit, ends: Any, depth: int) -> None:
    """``few_rows``, or in its place that there is no interval, and which parameters are why."""
    lost = fit.diagnostics.get("not_identified")
    if lost and np.isnan(ends).any():
        warnings.warn(f"no interval: the data do not determine {', '.join(lost)}; fix, tie or drop "
                      "one, or add runs", FitWarning, stacklevel=depth)
    else:
        few_rows(fit, depth + 1)


def few_of_many(counts: np.ndarray, clustered: bool, depth: int) -> None:
    """``few`` for many fits, in one warning."""
    short = counts[(counts > 0) & (counts < ENOUGH)]
    if len(short):
        what = "clusters" if clustered else "rows"
        warnings.warn(
            f"intervals from {short.min()} {what} and more: {len(short):,} of {len(counts):,} fits "
            f"have fewer than {ENOUGH}; {_meaning(what)}", FitWarning, stacklevel=depth,
        )


def _meaning(what: str) -> str:
    return (f"only from {ENOUGH} independent {what} on were they found to hold their level; with "
            "fewer some are too narrow, others too wide (see the coverage table in the README)")
