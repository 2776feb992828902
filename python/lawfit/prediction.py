"""Predicted values with an interval."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Prediction"]


class _Interval(NamedTuple):
    value: Any
    low: Any
    high: Any


class Prediction(_Interval):
    """Predicted values with an interval: three arrays (or floats) of the inputs' shape.

    It unpacks to (value, low, high). ``extrapolation`` maps each variable to how many times
    beyond the data a point lies (an array or float likewise), 1 within; see
    ``Fit.extrapolation``.

    >>> Prediction(2.0, 1.9, 2.1, {"N": 1.0, "D": 40.0})
    Prediction(value=2.0, low=1.9, high=2.1; beyond the data: D 40 times)
    """

    extrapolation: dict[str, Any]

    def __new__(
        cls, value: Any, low: Any, high: Any, extrapolation: dict[str, Any] | None = None
    ) -> Prediction:
        self = super().__new__(cls, value, low, high)
        self.extrapolation = dict(extrapolation or {})
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, self.extrapolation)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={part!r}" for name, part in zip(self._fields, self, strict=True))
        most = {name: np.max(np.nan_to_num(ratio, nan=1.0, posinf=np.inf), initial=1.0)
                for name, ratio in self.extrapolation.items()}
        far = ", ".join(f"{name} {times:.3g} times" for name, times in most.items() if times > 1)
        return f"Prediction({parts}{'; beyond the data: ' if far else ''}{far})"
