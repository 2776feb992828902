"""Quantities without a formula: the root of an equation, or the best point on a constraint.

``"D where loss = 2.0"`` and ``"N minimising loss where 6*N*D = 1e24"`` are read here, and solved
for any number of parameter vectors at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import Array, Expression, parse
from .predict import Points, as_numbers
from .roots import root, sign_changes
from .substitute import substitute
from .surface import Surface

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Solution", "Wanted", "read"]

_NUMBER = r"[-+]?[0-9.][0-9.eE+-]*"
_RANGE = rf"(?:\s+from\s+(?P<low>{_NUMBER})\s+to\s+(?P<high>{_NUMBER}))?"
_ROOT = re.compile(rf"\s*(?P<name>\w+)\s+where\s+(?P<equation>.+?){_RANGE}\s*", re.S)
_BEST = re.compile(
    r"\s*(?P<name>\w+)\s+(?P<way>min|max)imi[sz]ing\s+(?P<objective>.+?)"
    rf"(?:\s+where\s+(?!\()(?P<equation>.+?))?{_RANGE}\s*", re.S)
_BEYOND = 1e9  # how far beyond the data solutions are sought
_POINTS = 97  # places looked at first


@dataclass(frozen=True)
class Wanted:
    """What a text asks for: the value of ``name`` where ``equation`` holds or, with ``way``
    "min" or "max", where ``objective`` is best on it, between ``low`` and ``high``."""

    text: str
    name: str
    equation: str | None
    way: str | None
    objective: str | None
    low: float | None
    high: float | None


def read(text: str) -> Wanted | None:
    """A text as a root or an optimum; None when it is an ordinary formula.

    >>> read("D where loss = 2.0").equation, read("a/b")
    ('loss = 2.0', None)
    >>> read("N minimising loss where 6*N*D = 1e24 from 1e6 to 1e13").high
    10000000000000.0
    """
    found = _BEST.fullmatch(text) or _ROOT.fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    ends = [None if parts[end] is None else float(parts[end]) for end in ("low", "high")]
    return Wanted(text, parts["name"], parts["equation"], parts.get("way"),
                  parts.get("objective"), ends[0], ends[1])


class Solution:
    """A root or an optimum as a function of a law's parameters: ``values(matrix)`` [k, points].

    NaN where a parameter vector has none in the range. Of several roots the fit's is the lowest,
    and a replicate's the one nearest to it.
    """

    def __init__(self, wanted: Wanted, fit: Fit, given: Mapping[str, Any]) -> None:
        self.wanted, self.parameters = wanted, fit.law.parameters
        self.expression = wanted.text
        self._law, self._fit = fit.law, fit
        self.points = Points(tuple(given), {name: as_numbers(given[name], name) for name in given})
        self.given = dict(zip(given, self.points.columns, strict=False))
        equation = None if wanted.equation is None else self._equation(wanted.equation)
        goal = None if wanted.objective is None else self._formula(wanted.objective)
        unknown = self._unknown(equation, goal)
        self.other = unknown[0] if unknown else None
        self.equation, self.goal = equation, goal
        self.low, self.high = self._range(wanted.name, wanted.low, wanted.high)
        self.log = self.low > 0
        if goal is None:
            self._surface = Surface(equation, ())
        else:
            along = (wanted.name,) if self.other is None else (wanted.name, self.other)
            self._goal = Surface(goal, along)
            if equation is not None:
                self._surface, self._slopes = Surface(equation, ()), Surface(equation, along)
            if not self.log:
                raise self._error(f"an optimum is sought among positive values of {wanted.name}")
        self._first: Array | None = None
        self._first = self.values(fit.values)[0]

    # ---- reading ----

    def _error(self, why: str) -> ValueError:
        return ValueError(f"derive {self.wanted.text!r}: {why}")

    def _formula(self, text: str) -> Expression:
        """A formula in which the name of what the law predicts stands for the law."""
        found = parse(text)
        target = self._fit.rows.y_name if self._law.target is None else self._law.target
        if target in found.names and target not in (*self.parameters, *self.given):
            found = substitute(found, {target: Expression("", None, self._law.expression.names,
                                                          self._law.expression.nodes)})
        return found

    def _equation(self, text: str) -> Expression:
        sides = re.split(r"(?<![<>=!])=(?!=)", text)
        if len(sides) != 2:
            raise self._error(f"expected one equation LEFT = RIGHT after 'where', not {text!r}")
        left, right = (self._formula(side.strip()) for side in sides)
        both = parse("left_ - right_")
        return substitute(both, {"left_": left, "right_": right})

    def _unknown(self, equation: Expression | None, goal: Expression | None) -> list[str]:
        """The names still open besides the one sought: an optimum's constraint settles one."""
        names = [name for part in (equation, goal) if part is not None for name in part.names]
        if self.wanted.name in self.given or self.wanted.name in self.parameters:
            what = "given a value" if self.wanted.name in self.given else "a parameter"
            raise self._error(f"{self.wanted.name!r} is {what}; there is nothing to solve for")
        if self.wanted.name not in names:
            raise self._error(f"{self.wanted.name!r} does not occur in it")
        for name in self.given:
            if name not in names:
                raise self._error(f"the variable {name!r} does not occur in it")
        known = {self.wanted.name, *self.parameters, *self.given}
        rest = [name for name in dict.fromkeys(names) if name not in known]
        most = 1 if goal is not None and equation is not None else 0
        if len(rest) > most:
            raise self._error(f"{rest[most]!r} is not known; give its value as {rest[most]}=...")
        if most > len(rest) and goal is not None:
            raise self._error("the equation leaves nothing to choose; without an optimum it reads "
                              f"'{self.wanted.name} where {self.wanted.equation}'")
        return rest

    def _range(self, name: str, low: float | None, high: float | None) -> tuple[float, float]:
        """Where a name is sought: as told, else from far below the data to far above."""
        if low is not None and high is not None:
            if not low < high:
                raise self._error(f"from {low:g} to {high:g} is no range")
            return low, high
        column = self._fit.rows.columns.get(name, np.empty(0))
        column = column[np.isfinite(column)]
        if not len(column):
            raise self._error(f"no data say where to look for {name}; add 'from LOW to HIGH'")
        if (column > 0).all():
            return float(column.min()) / _BEYOND, float(column.max()) * _BEYOND
        span = np.ptp(column) or abs(column[0]) or 1.0
        return float(column.min() - 1e3 * span), float(column.max() + 1e3 * span)

    # ---- solving ----

    def values(self, matrix: Array) -> Array:
        """[k, points] at ``matrix[k, all of the law's parameters]``; NaN where there is none."""
        matrix = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
        with np.errstate(all="ignore"):
            find = self._roots if self.goal is None else self._optima
            return find(matrix)

    def _at(self, matrix: Array, axes: int, **unknown: Array) -> dict[str, Any]:
        """Every name -> values that broadcast over [k, points, ...]."""
        more = (None,) * axes
        at: dict[str, Any] = {name: matrix[:, i][(slice(None), None, *more)]
                              for i, name in enumerate(self.parameters)}
        at |= {name: column[(None, slice(None), *more)] for name, column in self.given.items()}
        return at | unknown

    def _grid(self) -> Array:
        ends = np.log([self.low, self.high]) if self.log else np.array([self.low, self.high])
        return np.linspace(*ends, _POINTS)

    def _back(self, x: Array) -> Array:
        return np.exp(x) if self.log else x

    def _roots(self, matrix: Array) -> Array:
        name = self.wanted.name

        def gap(x: Array, axes: int) -> Array:
            return self._surface.values(self._at(matrix, axes, **{name: self._back(x)}))

        grid = self._grid()
        values = np.broadcast_to(gap(grid, 1), (len(matrix), max(self.points.count, 1), _POINTS))
        return self._back(self._within(lambda x: gap(x, 0), sign_changes(values), grid))

    def _within(self, function: Any, changes: Array, grid: Array) -> Array:
        """The root in one bracket of each: the lowest, or the one nearest to the fit's."""
        if self._first is None:
            place = changes.argmax(axis=-1)
        else:
            first = np.log(self._first) if self.log else self._first
            distance = np.abs((grid[1:] + grid[:-1]) / 2 - first[:, None])
            place = np.where(changes, np.nan_to_num(distance, nan=0.0), np.inf).argmin(axis=-1)
        has = changes.any(axis=-1)
        low, high = (np.where(has, grid[place + step], np.nan) for step in (0, 1))
        return root(function, low, high)

    def _optima(self, matrix: Array) -> Array:
        name, sign = self.wanted.name, 1.0 if self.wanted.way == "min" else -1.0

        def at(x: Array, axes: int) -> dict[str, Any]:
            unknown = {name: np.exp(x)}
            if self.other is not None:
                unknown[self.other] = self.settled(matrix, np.exp(x), axes)
            return self._at(matrix, axes, **unknown)

        def slope(x: Array, axes: int) -> Array:
            where = at(x, axes)
            goal = self._goal.slopes(where)
            if self.other is None:
                return sign * goal[..., 0]
            tied = self._slopes.slopes(where)
            return sign * (goal[..., 0] - goal[..., 1] * tied[..., 0] / tied[..., 1])

        grid = self._grid()
        shape = (len(matrix), max(self.points.count, 1), _POINTS)
        slopes = np.broadcast_to(slope(grid, 1), shape)
        heights = sign * np.broadcast_to(self._goal.values(at(grid, 1)), shape)
        turns = (slopes[..., :-1] < 0) & (slopes[..., 1:] >= 0)
        beside = np.where(turns, np.fmin(heights[..., :-1], heights[..., 1:]), np.inf)
        place = beside.argmin(axis=-1)  # the deepest of several
        has = turns.any(axis=-1)
        low, high = (np.where(has, grid[place + step], np.nan) for step in (0, 1))
        x = root(lambda x: slope(x, 0), low, high)
        best = sign * self._goal.values(at(x, 0))
        lowest = np.nanmin(heights, axis=-1, initial=np.inf)  # at an end: no optimum between
        return np.where(best <= lowest + 1e-12 * np.abs(lowest), np.exp(x), np.nan)

    def settled(self, matrix: Array, x: Array, axes: int = 0) -> Array:
        """The other unknown at each x, from the constraint."""
        ends = np.log(self._range(self.other, None, None))
        wanted = {self.wanted.name: x}

        def gap(y: Array) -> Array:
            return self._surface.values(self._at(matrix, axes, **wanted, **{self.other: np.exp(y)}))

        shape = np.shape(gap(np.array(ends[0])))
        shape = np.broadcast_shapes(shape, np.shape(x))
        return np.exp(root(gap, np.full(shape, ends[0]), np.full(shape, ends[1])))
