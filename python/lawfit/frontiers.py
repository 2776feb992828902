"""The best loss for every compute by a law, whatever its variables: what two laws are compared on.

A law of size and tokens is compared along its compute-optimal frontier, any other law along one
of its variables with the others held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import Array
from .optima import Optima
from .question import Question, as_question
from .roots import root
from .surface import Surface

if TYPE_CHECKING:
    from .law import Law
    from .result import Fit

__all__ = ["Curve", "curve_of"]

_FAR = 80.0  # logs beyond which nothing is looked for


class Curve:
    """Loss as a function of one positive number x at k parameter vectors.

    ``losses(values, x)`` gives [k, m] for ``values[k, parameters]`` and ``x`` [k or 1, m];
    ``where(values, losses)`` the x that reaches each loss, infinite where none does.
    ``low`` and ``high`` are the ends of x over the rows fitted, NaN without rows.
    """

    name: str
    low: float
    high: float

    def losses(self, values: Array, x: Array) -> Array:
        raise NotImplementedError

    def where(self, values: Array, losses: Array) -> Array:
        raise NotImplementedError


class Along(Curve):
    """A law along one of its variables, the others held."""

    def __init__(self, fit: Fit, variable: str, held: dict[str, float]) -> None:
        self.law, self.name, self.held = fit.law, variable, held
        rows = getattr(fit, "rows", None)
        column = np.array([]) if rows is None else rows.columns[variable]
        self.low, self.high = (
            (float(column.min()), float(column.max())) if len(column) else (np.nan, np.nan)
        )
        self.surface = Surface(fit.law.expression, ())

    @np.errstate(all="ignore")
    def losses(self, values: Array, x: Array) -> Array:
        at: dict[str, Any] = {name: values[:, i, None]
                              for i, name in enumerate(self.law.parameters)}
        shape = (len(values), x.shape[1])
        return np.broadcast_to(self.surface.values({**at, **self.held, self.name: x}), shape)

    @np.errstate(all="ignore")
    def where(self, values: Array, losses: Array) -> Array:
        middle = np.full(losses.shape, np.log(self.high) if self.high > 0 else 0.0)

        def gap(log_x: Array) -> Array:
            return self.losses(values, np.exp(log_x)) - losses

        found = np.exp(root(gap, middle - _FAR, middle + _FAR))
        beyond = np.isnan(found) & (gap(middle + _FAR) >= 0)
        return np.where(beyond, np.inf, found)


class Frontier(Curve):
    """The lowest loss of a law of size and tokens for a compute budget."""

    name = "compute"

    def __init__(self, fit: Fit, question: Question) -> None:
        self._by_compute = Optima(fit, question, by_loss=False)
        self._by_loss = Optima(fit, question, by_loss=True)
        spent = self._by_compute.runs_spent()
        self.low, self.high = (spent.min(), spent.max()) if spent.size else (np.nan, np.nan)

    def losses(self, values: Array, x: Array) -> Array:
        return self._by_compute.find(values, x).loss

    def where(self, values: Array, losses: Array) -> Array:
        return self._by_loss.find(values, losses).compute


def curve_of(fit: Fit, along: str | None, keywords: dict[str, Any]) -> Curve:
    """The curve a comparison is made on: ``along`` a variable, or the frontier for
    ``"compute"``; by default the frontier for laws that have size and tokens."""
    law = fit.law
    if along is None:
        along = law.variables[0] if len(law.variables) == 1 else "compute"
    if along == "compute" and "compute" not in law.variables:
        return Frontier(fit, as_question(None, keywords))
    if along not in law.variables:
        raise ValueError(
            f"along: {along!r} is not a variable of {law.formula}; "
            f"variables: {', '.join(law.variables)}, or 'compute' for the best of every budget"
        )
    return Along(fit, along, _held(law, along, keywords))


def _held(law: Law, along: str, keywords: dict[str, Any]) -> dict[str, float]:
    for name in keywords:
        if name not in law.variables or name == along:
            raise TypeError(f"{name!r} is neither an argument nor another variable of the law")
    missing = [name for name in law.variables if name != along and name not in keywords]
    if missing:
        raise ValueError(f"give a value for {missing[0]}, as {missing[0]}=...")
    return {name: float(value) for name, value in keywords.items()}
