"""What is known about one parameter: bounds, a fixed value, a start, a tie."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .priors import LogNormal, as_prior
from .resolve import as_names

__all__ = ["Parameter", "as_number", "as_settings"]


def as_number(value: Any, what: str) -> float:
    """A finite or infinite real number; TypeError or ValueError (for NaN) naming ``what``.

    >>> as_number(np.int64(3), "low")
    3.0
    """
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value):
            raise TypeError
        number = float(value) if not isinstance(value, int) else float(operator.index(value))
    except OverflowError:
        raise ValueError(f"{what} is too large for float64") from None
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}") from None
    if math.isnan(number):
        raise ValueError(f"{what} must be a number, not NaN")
    return number


@dataclass(frozen=True)
class Parameter:
    """What is known about one parameter before the fit; nothing by default.

    ``positive=True`` is the closed bound [0, inf); ``low`` and ``high`` are closed bounds
    (None or an infinity: open). ``start`` is a value to begin from, inside the bounds.
    ``fixed`` holds the parameter at a value, and ``tied="alpha"`` makes it the same number as
    the parameter of that name; ``tied="alpha/(1+alpha)"`` makes it a formula of other parameters,
    which then says all there is to say about it. ``prior`` is what is believed of it besides the
    data: ``Normal(0.3, sd=0.1)`` or the pair, ``LogNormal``, ``Ridge``. All in the parameter's own
    units.

    Raises TypeError when a value is not a number and ValueError when values contradict.

    >>> Parameter(positive=True, high=2, start=0.3).bounds
    (0.0, 2.0)
    """

    positive: bool = False
    low: float | None = None
    high: float | None = None
    fixed: float | None = None
    start: float | None = None
    tied: str | None = None
    prior: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.positive, (bool, np.bool_)):
            raise TypeError(f"positive must be True or False, not {self.positive!r}")
        object.__setattr__(self, "positive", bool(self.positive))
        for end, infinity in (("low", -math.inf), ("high", math.inf)):
            value = getattr(self, end)
            if value is not None:
                number = as_number(value, end)
                object.__setattr__(self, end, None if number == infinity else number)
        if self.positive and self.low is not None and self.low < 0:
            raise ValueError(f"positive=True contradicts low={self.low:g}")
        low, high = self.bounds
        if not (low < high and low < math.inf and high > -math.inf):
            raise ValueError(f"low must be less than high, not {low:g} and {high:g}; "
                             "to hold a parameter at a value use fixed=")
        for what in ("fixed", "start"):
            self._check_inside(what)
        if self.tied is not None and not isinstance(self.tied, str):
            raise TypeError(f"tied must be a parameter's name, not {type(self.tied).__name__}")
        if self.prior is not None:
            object.__setattr__(self, "prior", as_prior(self.prior))
            if self.fixed is not None:
                raise ValueError("a fixed parameter has no prior")
            if isinstance(self.prior, LogNormal) and not low >= 0:
                raise ValueError("LogNormal is for positive parameters: add positive=True")
        if self.tied is not None and self.fixed is not None:
            raise ValueError("a parameter is either fixed or tied; fix the one it is tied to")
        if self.tied is not None and not self.tied.strip().isidentifier():
            told = [n for n in ("low", "high", "start", "prior") if getattr(self, n) is not None]
            told += ["positive"] * self.positive
            if told:
                raise ValueError(f"{told[0]} does not go with the formula {self.tied!r}; bound "
                                 "or start the parameters of the formula")

    def _check_inside(self, what: str) -> None:
        value = getattr(self, what)
        if value is None:
            return
        number = as_number(value, what)
        low, high = self.bounds
        if not math.isfinite(number):
            raise ValueError(f"{what} must be finite, not {number}")
        if not low <= number <= high:
            raise ValueError(f"{what}={number:g} lies outside the bounds [{low:g}, {high:g}]")
        object.__setattr__(self, what, number)

    @property
    def bounds(self) -> tuple[float, float]:
        """The closed interval it may lie in; infinite where open."""
        low = 0.0 if self.positive and self.low is None else self.low
        return (-math.inf if low is None else low, math.inf if self.high is None else self.high)

    def __repr__(self) -> str:
        given = [(name, getattr(self, name)) for name in self.__dataclass_fields__]
        shown = (f"{n}={value!r}" for n, value in given if value is not None and value is not False)
        return f"Parameter({', '.join(shown)})"


def as_settings(
    parameters: Mapping[str, Parameter] | Iterable[str] | None,
) -> dict[str, Parameter]:
    """Settings by name; a plain list of names stands for parameters nothing is known about.

    >>> as_settings(["A"])
    {'A': Parameter()}
    """
    if not isinstance(parameters, Mapping):
        return {name: Parameter() for name in as_names(parameters or (), "parameters")}
    for name, setting in parameters.items():
        if not isinstance(setting, Parameter):
            raise TypeError(f"parameters: {name!r} must be a Parameter, such as "
                            f"Parameter(low=0), not {setting!r}")
    return dict(parameters)
