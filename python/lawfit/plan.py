"""A question about the best allocation, and its answer at any number of parameter vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import Array
from .optima import Optima, Optimum
from .question import Question, targets

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["LOG_SCALE", "Plan"]

# What is positive is interpolated on the log scale by the delta method.
LOG_SCALE = {"compute", "N", "D", "tokens_per_parameter", "loss"}
_STEP = 0.02  # of log compute, for the local exponent
_SHARE = 1e-4  # of the loss, for the same


class Plan:
    """One question put to one law: ``quantities`` answers it."""

    def __init__(self, fit: Fit, question: Question) -> None:
        self.fit, self.question = fit, question
        known = question.compute is not None or question.loss is not None
        self.optima = Optima(fit, question, by_loss=known and question.compute is None)
        self.targets, self.by_loss = targets(question)
        self.names = (("compute",) if self.by_loss else ("loss",)) + (
            "N", "D", "tokens_per_parameter", "exponent",
        )

    @np.errstate(all="ignore")
    def quantities(self, values: Array) -> dict[str, Array]:
        """Each name of an Allocation -> [k, m] at k parameter vectors, m budgets or losses."""
        values = np.atleast_2d(np.asarray(values, dtype=np.float64))
        found = self.optima.find(values, self.targets[None, :])
        return {"compute": found.compute, "N": found.N, "D": found.D,
                "tokens_per_parameter": found.D / found.N, "loss": found.loss,
                "exponent": self._exponent(values, found)}

    def _exponent(self, values: Array, found: Optimum) -> Array:
        """The slope of log N in log compute, constant for two powers, else at the optimum."""
        if self.optima.size in self.optima.held:
            return np.where(np.isnan(found.N), np.nan, 0.0)
        if self.optima.closed:
            return np.broadcast_to(self.optima.exponent(values), found.N.shape)
        if self.by_loss:
            near = [self.targets * (1 + sign * _SHARE) for sign in (1, -1)]
        else:
            near = [self.targets * np.exp(sign * _STEP) for sign in (1, -1)]
        up, down = (self.optima.find(values, target[None, :]) for target in near)
        return np.log(up.N / down.N) / np.log(up.compute / down.compute)

    def extrapolation(self, n: Array, d: Array) -> Array:
        """What training costs there, over the most expensive run fitted; NaN without rows."""
        runs = self.optima.runs_spent()
        most = np.nan if not runs.size else np.max(runs)
        with np.errstate(all="ignore"):
            return self.optima.spent(n, d) / most

    def shaped(self, name: str, value: Any) -> Any:
        """A float for a single question, else the array over budgets or losses."""
        array = np.asarray(value)
        single = np.ndim(self.question.loss if self.by_loss else self.question.compute) == 0
        common = name == "exponent" and self.optima.closed  # the same for every budget
        return float(array.ravel()[0]) if single or common else array

    def shaped_pair(self, name: str, low: Any, high: Any) -> tuple[Any, Any]:
        return self.shaped(name, low), self.shaped(name, high)
