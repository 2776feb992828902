"""Profile intervals of roots and optima: the values at which the equation cannot be ruled out.

A value belongs to the interval when 0 belongs to the profile interval of the equation's two
sides' difference there (for an optimum: of the objective's slope along the constraint), because
a profile does not depend on how the parameters are named. So each end takes profiles of an
ordinary quantity at a few values, a native call for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .derive import derive
from .engine import free_positions, free_values
from .expression import Array, Expression, Leaf, parse
from .predict import interval_factor
from .roots import root
from .solution import Solution, Wanted
from .substitute import fresh_name, substitute

if TYPE_CHECKING:
    from .profile import Profile
    from .result import Fit

__all__ = ["profile_solution"]

_APART = 1e-3  # in logarithms, between the two points whose difference stands for a slope
_AWAY = np.array([0.25, 0.5, 0.75, 1.0, 1.4, 2.0, 3.0, 5.0, 9.0, 17.0, 33.0])  # Wald half widths


def profile_solution(
    fit: Fit, wanted: Wanted, level: float, by: Any, covariance: str | None, threads: int | None,
    variables: Mapping[str, Any],
) -> Profile:
    """The profile interval of what ``wanted`` asks for; see ``Fit.profile``."""
    from .profile import Profile, run

    solution = Solution(wanted, fit, variables)
    if solution.points.count != 1:
        raise ValueError("derived: profile one point at a time; a variable has several values")
    centre = float(solution.values(fit.values)[0, 0])
    if math.isnan(centre):
        raise ValueError(f"profile: the fit has no {wanted.text!r}; the share of replicates that "
                         "have one is fit.bootstrap().derive(...).exists")
    condition = _Condition(fit, solution)

    def margin(x: Array) -> Array:
        """How far 1 is inside the profile interval of the condition; negative outside."""
        found = run(fit, condition.at(np.ravel(x)), level, by, covariance, 0, threads)
        return np.reshape(np.fmin(1 - np.asarray(found["low"]), found["high"] - 1), np.shape(x))

    change, back = (np.log, np.exp) if solution.log else (np.asarray, np.asarray)
    middle, limits = float(change(centre)), change(np.array([solution.low, solution.high]))
    error = derive(fit, wanted.text, variables).stderr / (centre if solution.log else 1.0)
    step = interval_factor(fit, level) * error
    if not step > 0:
        step = 0.05 * float(np.ptp(limits))
    grid = [np.clip(middle + sign * step * _AWAY, *limits) for sign in (-1, 1)]
    inside = margin(back(np.stack(grid)))
    low, high, ends = np.full(2, np.nan), np.full(2, np.nan), ["open", "open"]
    for side in (0, 1):
        outside = np.flatnonzero(inside[side] < 0)
        if len(outside):
            first = outside[0]
            low[side] = grid[side][first - 1] if first else middle
            high[side], ends[side] = grid[side][first], "closed"
    known = np.isfinite(high)
    found = np.array([0.0 if solution.log else -np.inf, np.inf])
    if known.any():
        found[known] = back(root(lambda u: margin(back(u)), low[known], high[known]))
    nothing = np.empty(0)
    return Profile(wanted.text, centre, float(found[0]), float(found[1]), float(level),
                   (ends[0], ends[1]), nothing, nothing, {n: nothing for n in fit.law.parameters})


class _Condition:
    """What is 1 at a root or optimum, as a quantity of the free parameters, a row a value of x.

    Not 0: what is left of a difference there is rounding, and has no size to compare it with.
    """

    def __init__(self, fit: Fit, solution: Solution) -> None:
        self.fit, self.solution = fit, solution
        wanted, taken = solution.wanted, set(fit.law.parameters)
        self.pairs: dict[str, str] = {}
        if solution.goal is None:
            self.expression = self._about_one(solution.equation, 1.0)
            return
        if solution.equation is not None and set(solution.equation.names) & taken:
            raise ValueError(f"profile: the constraint {wanted.equation!r} depends on parameters; "
                             "use fit.bootstrap().derive(...)")
        names = [wanted.name] + ([solution.other] if solution.other else [])
        self.pairs = {name: fresh_name(f"{name}_next", {*taken, *solution.goal.names})
                      for name in names}
        moved = substitute(solution.goal, self.pairs)
        difference = substitute(parse("next_ - here_"), {"next_": moved, "here_": solution.goal})
        self.expression = self._about_one(difference, _APART)

    @staticmethod
    def _about_one(difference: Expression, size: float) -> Expression:
        return substitute(parse(f"1 + gap_/{size!r}"), {"gap_": difference})

    def at(self, x: Array) -> _Condition:
        """The same with its rows at values of x."""
        from . import _core

        solution, fit = self.solution, self.fit
        columns = {name: np.full(len(x), column[0]) for name, column in solution.given.items()}
        if self.pairs:
            for shift, named in ((-0.5, False), (0.5, True)):
                near = x * np.exp(shift * _APART)
                values = {solution.wanted.name: near}
                if solution.other is not None:
                    values[solution.other] = np.ravel(solution.settled(fit.values[None], near))
                columns |= {self.pairs[n] if named else n: v for n, v in values.items()}
        else:
            columns[solution.wanted.name] = x
        expression = fit.law.written(self.expression)
        names = [name for name in expression.names if name in columns]
        leaves = {name: Leaf("VAR", at) for at, name in enumerate(names)}
        for name, place, value in zip(fit.law.parameters, free_positions(fit.law), fit.values,
                                      strict=True):
            if name in expression.names:
                leaves[name] = (Leaf("PARAM", int(place)) if place >= 0
                                else Leaf("CONST", -1, float(value)))
        out = object.__new__(_Condition)
        out.__dict__.update(self.__dict__)
        out.graph = expression.graph(leaves, _core.opcodes())
        out.columns = [np.ascontiguousarray(columns[name]) for name in names]
        out.slope = np.asarray(_core.jacobian(out.graph, free_values(fit.law, fit.values),
                                              out.columns))
        out.least, out.most = np.full(len(x), -np.inf), np.full(len(x), np.inf)
        return out
