"""What is believed of a parameter before the data: one more residual of the objective."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LogNormal", "Normal", "Prior", "Ridge", "as_prior"]


class Prior(ABC):
    """What all priors share. Use one of the named ones, not this class."""

    @abstractmethod
    def row(self) -> tuple[float, float, float]:
        """(mean, 1/sd**2, whether of the logarithm) as the engine takes them."""


def _finite(kind: str, argument: str, value: Any, positive: bool) -> float:
    from .parameter import as_number

    number = as_number(value, f"{kind}: {argument}")
    if not math.isfinite(number) or (positive and number <= 0):
        raise ValueError(f"{kind}: {argument} must be {'positive and ' * positive}finite, "
                         f"not {number:g}")
    return number


@dataclass(frozen=True)
class Normal(Prior):
    """Adds ``((parameter - mean)/sd)**2 / 2`` to the objective.

    ``mean`` and ``sd`` are in the parameter's units. It counts as one more row whose residual is
    ``(parameter - mean)/sd``, so that with ``sigma`` and ``absolute_sigma=True`` it is a normal
    distribution of the parameter; without, the scatter of the rows is its unit, too. Raises
    ValueError for an ``sd`` that is not positive and finite.

    >>> import lawfit as lf
    >>> law = lf.Law("a*x", ["x"], {"a": lf.Parameter(prior=lf.Normal(1.0, sd=0.5))})
    >>> lf.fit(law, {"x": [1.0, 2.0], "y": [2.0, 4.0]}, "y").params["a"].__round__(6)
    1.555556
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _finite("Normal", "mean", self.mean, False))
        object.__setattr__(self, "sd", _finite("Normal", "sd", self.sd, True))

    def row(self) -> tuple[float, float, float]:
        return self.mean, self.sd**-2, 0.0

    def __str__(self) -> str:
        return f"normal({self.mean:g}, {self.sd:g})"


@dataclass(frozen=True)
class LogNormal(Prior):
    """Adds ``(log(parameter/median)/sd)**2 / 2`` to the objective: for positive parameters.

    ``median`` is in the parameter's units, ``sd`` that of the logarithm: 0.1 is about 10 percent.
    The parameter needs the bound 0 or a higher one. Raises ValueError for numbers that are not
    positive and finite.

    >>> LogNormal(400.0, sd=0.5).row()[1]
    4.0
    """

    median: float
    sd: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "median", _finite("LogNormal", "median", self.median, True))
        object.__setattr__(self, "sd", _finite("LogNormal", "sd", self.sd, True))

    def row(self) -> tuple[float, float, float]:
        return math.log(self.median), self.sd**-2, 1.0

    def __str__(self) -> str:
        return f"lognormal({self.median:g}, {self.sd:g})"


@dataclass(frozen=True)
class Ridge(Prior):
    """Adds ``strength * parameter**2 / 2`` to the objective: a pull towards zero.

    Raises ValueError for a strength that is not positive and finite.

    >>> Ridge(0.01).row()
    (0.0, 0.01, 0.0)
    """

    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", _finite("Ridge", "strength", self.strength, True))

    def row(self) -> tuple[float, float, float]:
        return 0.0, self.strength, 0.0

    def __str__(self) -> str:
        return f"ridge({self.strength:g})"


_KINDS: tuple[type[Any], ...] = (Normal, LogNormal, Ridge)


def as_prior(given: Any) -> Prior:
    """A prior from an object, a pair (mean, sd) of a normal one, its text, or its fields as a dict.

    >>> as_prior((0.3, 0.1)), as_prior("lognormal(400, 0.5)")
    (Normal(mean=0.3, sd=0.1), LogNormal(median=400.0, sd=0.5))
    """
    if isinstance(given, Prior) and type(given) is not Prior:
        return given
    if isinstance(given, str):
        return _from_text(given)
    if isinstance(given, Mapping):
        for kind in _KINDS:
            if set(given) == set(kind.__dataclass_fields__):
                return kind(**given)  # type: ignore[no-any-return]
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        return Normal(*given)
    raise TypeError("prior: expected Normal(mean, sd), LogNormal(median, sd), Ridge(strength) or "
                    f"a pair (mean, sd), not {given!r}")


def _from_text(text: str) -> Prior:
    """What ``str`` makes of a prior, back."""
    found = re.fullmatch(r"\s*(\w+)\s*\(([^()]*)\)\s*", text)
    kinds = {kind.__name__.lower(): kind for kind in _KINDS}
    kind = kinds.get(found[1].lower()) if found else None
    if found is None or kind is None:
        raise ValueError("prior: expected normal(MEAN, SD), lognormal(MEDIAN, SD) or "
                         f"ridge(STRENGTH), not {text!r}")
    fields = list(kind.__dataclass_fields__)
    words = found[2].split(",")
    if len(words) != len(fields):
        raise ValueError(f"prior: {found[1]} takes {' and '.join(fields)}, not {text!r}")
    try:
        return kind(*map(float, words))  # type: ignore[no-any-return]
    except ValueError as error:
        told = "" if "must be" in str(error) else f"prior: {text!r}: "
        raise ValueError(f"{told}{error}") from None
