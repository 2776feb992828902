"""How the best size grows with compute: a line in logarithms, and that of every replicate."""

from __future__ import annotations

from typing import Any

import numpy as np

from .expression import Array
from .independent import Basis
from .replicates import known_interval
from .prediction import Prediction
from .slices import Line

__all__ = ["Growth"]


class Growth:
    """What the first two approaches share: size ~ compute**a through the best sizes they found."""

    level: float
    line: Line
    lines: Line
    method: str
    basis: Basis

    @property
    def exponent(self) -> float:
        """a in size ~ compute**a."""
        return float(self.line.slope[0])

    @property
    def exponents(self) -> Array:
        """The exponent of every replicate."""
        return self.lines.slope

    @property
    def exponent_interval(self) -> tuple[float, float]:
        """The exponent's interval at ``level``, from replicates."""
        low, high = self._ends(self.exponents[:, None], np.array([self.exponent]))
        return float(low[0]), float(high[0])

    def at(self, compute: Any) -> Prediction:
        """The best size for other budgets, along the line: (value, low, high)."""
        budget = np.asarray(compute, dtype=np.float64)
        flat = np.atleast_1d(budget)
        value = self.line.at(flat)[0]
        low, high = self._ends(self.lines.at(flat), value)
        return Prediction(*(float(part[0]) if budget.ndim == 0 else part
                            for part in (value, low, high)))

    def _ends(self, values: Array, estimate: Array) -> tuple[Array, Array]:
        return known_interval(values, estimate, self.level, self.method, self.basis)
