"""What the data can and cannot tell about parameters: which of them trade off, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .centring import centred_coordinates
from .expression import Array
from .local_model import LocalModel, local_model
from .report import number, table

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Direction", "Identifiability", "identifiability"]

_WEAK = 30.0  # Belsley, Kuh and Welsch: a condition index from which collinearity harms
_SHARE = 0.5  # of a parameter's variance that lies along a direction for it to be named


@dataclass(frozen=True)
class Direction:
    """One way to move parameters that hardly changes the fit.

    ``index`` is the condition index (the largest singular value over this one; infinite when
    nothing changes at all), ``change`` maps parameter -> how much of its own value it moves, for
    the largest of them 1, and ``share`` parameter -> share of its variance along this direction.
    Only parameters with a share of at least one half are named.
    """

    index: float
    change: dict[str, float]
    share: dict[str, float]

    def __str__(self) -> str:
        moved = ", ".join(f"{name} {value:+.2g}" for name, value in self.change.items())
        return f"condition index {number(self.index, 3)}: {moved} (relative changes)"


@dataclass(frozen=True, eq=False)
class Identifiability:
    """Singular values of the Jacobian with columns of unit length, and what the small ones mean.

    ``condition`` is the largest over the smallest; from 30 on some parameters trade off, and
    ``directions`` (weakest first) tells which. ``correlation`` is that of the estimates over
    ``names``; ``inflation`` maps parameter -> by how much the others widen its standard error.
    Amplitudes of power terms are taken at the centre of the data, so that units do not matter.
    Source: D. A. Belsley, E. Kuh and R. E. Welsch, "Regression Diagnostics" (1980), chapter 3.
    """

    names: tuple[str, ...]
    singular_values: Array
    condition: float
    directions: tuple[Direction, ...]
    correlation: Array
    inflation: dict[str, float]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("parameter", "inflation", "most correlated with", "r", "")]
        for at, name in enumerate(self.names):
            others = np.abs(self.correlation[at]).copy()
            others[at] = -1.0
            partner = int(np.nanargmax(others)) if np.isfinite(others).any() else at
            r = self.correlation[at, partner]
            cells = (self.names[partner], f"{r:+.3f}") if len(self.names) > 1 else ("", "")
            rows.append((name, number(self.inflation[name], 3), *cells, ""))
        lines = [f"condition number {number(self.condition, 3)}, amplitudes taken at the data's "
                 "centre", table(rows)]
        return "\n".join([*lines, *map(str, self.directions)])


def identifiability(fit: Fit) -> Identifiability:
    """See ``Identifiability``.

    >>> import lawfit as lf
    >>> x = np.geomspace(1, 30, 12)
    >>> line = lf.fit("y = a + b*x**c", {"x": x, "y": 2 + 3*x**0.1 + 0.01*np.sin(7*x)})
    >>> found = identifiability(line)
    >>> found.condition > 30, list(found.directions[0].change)
    (True, ['a', 'b', 'c'])
    """
    return from_model(fit, local_model(fit))


def from_model(fit: Fit, model: LocalModel) -> Identifiability:
    """The same from a linear model that is already there."""
    names = model.names
    kept = np.array([fit.law.free.index(name) for name in names], dtype=np.intp)
    matrix, moved = centred_coordinates(fit)
    weighted = model.jacobian * np.sqrt(model.weights)[:, None]
    if len(names):  # parameters on a bound are held: their coordinates drop out
        weighted = weighted @ np.linalg.inv(matrix[np.ix_(kept, kept)])
    values = np.where(moved[kept], 1.0, model.values)  # a logarithm's step is a relative one
    if not names or len(weighted) < len(names) or not np.isfinite(weighted).all():
        unknown = np.full((len(names), len(names)), np.nan)
        return Identifiability(names, np.full(len(names), np.nan), np.nan, (), unknown,
                               dict.fromkeys(names, np.nan))
    peak = np.abs(weighted).max(axis=0)  # the squares of a column may overflow
    length = peak * np.linalg.norm(weighted / np.where(peak > 0, peak, 1.0), axis=0)
    _, singular, right = np.linalg.svd(weighted / np.where(length > 0, length, 1.0),
                                       full_matrices=False)
    singular = np.maximum(singular, 0.0)
    floor = np.finfo(np.float64).eps * singular[0] * max(weighted.shape)
    with np.errstate(all="ignore"):
        parts = (right / np.maximum(singular, floor)[:, None]) ** 2  # of variance, [direction, k]
        variance = parts.sum(axis=0)
        covariance = (right.T / np.maximum(singular, floor) ** 2) @ right
        correlation = covariance / np.sqrt(np.outer(variance, variance))
        index = np.where(singular > floor, singular[0] / singular, np.inf)
        shares = parts / variance
    directions = []
    for at in range(len(names) - 1, -1, -1):
        if index[at] < _WEAK:
            break
        # In units of the parameters a unit of a scaled column is 1/length.
        step = right[at] / np.where(length > 0, length, 1.0)
        relative = np.where(values != 0, step / np.where(values != 0, values, 1.0), np.nan)
        named = np.flatnonzero(shares[at] >= _SHARE)
        if not len(named):
            continue
        largest = named[np.nanargmax(np.abs(relative[named]))]
        change = {names[k]: float(relative[k] / relative[largest]) for k in named}
        directions.append(Direction(float(index[at]), change,
                                    {names[k]: float(shares[at, k]) for k in named}))
    return Identifiability(
        names, singular, float(index[-1]), tuple(directions), correlation,
        {name: float(np.sqrt(value)) for name, value in zip(names, variance, strict=True)},
    )
