"""Pointwise losses: how much a residual counts.

Each loss is a small frozen object with a ``name`` the engine knows and one ``parameter``.
Scaling is SciPy's; with the residual ``r = observed - fitted`` in the residual space (divided
by ``sigma`` when given), the objective is the sum over rows of ``weight * loss(r)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

__all__ = [
    "Absolute", "Cauchy", "Huber", "LogCosh", "Loss", "Quantile", "SoftL1", "Squared", "as_loss",
]


class Loss:
    """What all losses share. Use one of the named losses, not this class.

    ``name`` is the engine's word for the loss and ``parameter`` its one number (0 for losses
    without one). ``str(loss)`` is a text that ``as_loss`` reads back.
    """

    name: ClassVar[str] = ""
    likelihood: ClassVar[bool] = False
    of_counts: ClassVar[bool] = False
    """Whether it is about counts or shares and not about residuals."""

    @property
    def engine(self) -> str:
        """The name of the engine's loss that is minimised."""
        return self.name

    @property
    def own_numbers(self) -> bool:
        """Whether the engine estimates numbers of the loss."""
        return bool(self.free) and self.engine == self.name

    @property
    def free(self) -> tuple[str, ...]:
        """Numbers of its own that are estimated with the law's parameters."""
        return ()

    def at(self, numbers: tuple[float, float] | None) -> Any:
        """What the engine needs to know besides the name, ``numbers`` having been estimated."""
        return self.parameter

    @property
    def parameter(self) -> float:
        """The loss's one number: a scale in units of the residual, or the quantile."""
        return 0.0

    def __str__(self) -> str:
        return self.name


def _positive(loss: str, argument: str, value: float) -> None:
    """Refuse a scale that is not a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{loss}: {argument} must be a number, not {type(value).__name__}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{loss}: {argument} must be positive and finite, not {value!r}")


@dataclass(frozen=True)
class Squared(Loss):
    """Least squares: ``r**2 / 2``.

    >>> str(Squared())
    'squared'
    """

    name: ClassVar[str] = "squared"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Huber(Loss):
    """Huber's loss: ``r**2/2`` for ``|r| <= delta``, else ``delta*(|r| - delta/2)``.

    ``delta`` is in units of the residual: under ``on="log"`` 1e-3 means 0.1 percent.
    Raises ValueError when delta is not positive and finite. Source: P. J. Huber, "Robust
    estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).

    >>> Huber(1e-3)
    Huber(delta=0.001)
    """

    delta: float = 1e-3
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        _positive("Huber", "delta", self.delta)

    @property
    def parameter(self) -> float:
        """delta, in units of the residual."""
        return float(self.delta)

    def __str__(self) -> str:
        return f"huber:{self.parameter!r}"


@dataclass(frozen=True)
class SoftL1(Loss):
    """A smooth absolute value: ``s**2 * (sqrt(1 + (r/s)**2) - 1)``.

    ``scale`` is in units of the residual. Raises ValueError when it is not positive and finite.
    Source: the pseudo-Huber loss, as ``soft_l1`` of SciPy's ``least_squares``.

    >>> str(SoftL1(0.01))
    'soft_l1:0.01'
    """

    scale: float = 1.0
    name: ClassVar[str] = "soft_l1"

    def __post_init__(self) -> None:
        _positive("SoftL1", "scale", self.scale)

    @property
    def parameter(self) -> float:
        """The scale, in units of the residual."""
        return float(self.scale)

    def __str__(self) -> str:
        return f"soft_l1:{self.parameter!r}"


@dataclass(frozen=True)
class Cauchy(Loss):
    """Cauchy's loss: ``s**2/2 * log(1 + (r/s)**2)``; gross outliers lose almost all weight.

    ``scale`` is in units of the residual. Raises ValueError when it is not positive and finite.
    Source: as ``cauchy`` of SciPy's ``least_squares``.

    >>> Cauchy(0.1).parameter
    0.1
    """

    scale: float = 1.0
    name: ClassVar[str] = "cauchy"

    def __post_init__(self) -> None:
        _positive("Cauchy", "scale", self.scale)

    @property
    def parameter(self) -> float:
        """The scale, in units of the residual."""
        return float(self.scale)

    def __str__(self) -> str:
        return f"cauchy:{self.parameter!r}"


@dataclass(frozen=True)
class Absolute(Loss):
    """Least absolute deviations: ``|r|``.

    >>> str(Absolute())
    'absolute'
    """

    name: ClassVar[str] = "absolute"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Quantile(Loss):
    """Quantile (pinball) loss: ``q*r`` for ``r >= 0``, else ``(q - 1)*r``.

    ``q`` lies strictly between 0 and 1: with 0.1 about a tenth of the rows end below the curve
    (a lower envelope). Raises ValueError otherwise. Source: R. Koenker and G. Bassett,
    "Regression quantiles", Econometrica 46 (1978).

    >>> Quantile(0.1).parameter
    0.1
    """

    q: float = 0.5
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        _positive("Quantile", "q", self.q)
        if self.q >= 1:
            raise ValueError(f"Quantile: q must lie between 0 and 1, not {self.q!r}")

    @property
    def parameter(self) -> float:
        """The quantile q."""
        return float(self.q)

    def __str__(self) -> str:
        return f"quantile:{self.parameter!r}"


@dataclass(frozen=True)
class LogCosh(Loss):
    """``s**2 * log(cosh(r/s))``: squared near zero, absolute far away, smooth everywhere.

    ``scale`` is in units of the residual. Raises ValueError when it is not positive and finite.

    >>> str(LogCosh(0.5))
    'log_cosh:0.5'
    """

    scale: float = 1.0
    name: ClassVar[str] = "log_cosh"

    def __post_init__(self) -> None:
        _positive("LogCosh", "scale", self.scale)

    @property
    def parameter(self) -> float:
        """The scale, in units of the residual."""
        return float(self.scale)

    def __str__(self) -> str:
        return f"log_cosh:{self.parameter!r}"


_BY_NAME: dict[str, type[Any]] = {
    loss.name: loss for loss in (Squared, Huber, SoftL1, Cauchy, Absolute, Quantile, LogCosh)
}


def as_loss(spec: str | Loss) -> Loss:
    """A loss from a loss object or a text ``name`` or ``name:number``.

    Likelihoods take ``name:argument=value``, several with colons between them.

    Raises TypeError for other objects and ValueError for an unknown name or a bad number.

    >>> as_loss("huber:1e-3")
    Huber(delta=0.001)
    >>> as_loss("squared")
    Squared()
    """
    if isinstance(spec, Loss) and type(spec) is not Loss:
        return spec
    if isinstance(spec, type) and issubclass(spec, Loss):
        return spec()
    if not isinstance(spec, str):
        raise TypeError(
            f"loss: expected a text such as 'squared' or an object such as Huber(1e-3), "
            f"not {type(spec).__name__}"
        )
    from . import likelihoods

    name, colon, number = spec.partition(":")
    kind = _BY_NAME.get(name.strip())
    if kind is None:
        words = [word for word in number.split(":") if word]
        if found := likelihoods.from_text(name.strip(), words):
            return found
        known = (*_BY_NAME, *likelihoods.NAMES)
        raise ValueError(f"loss: unknown name {name.strip()!r}; choose from {', '.join(known)}")
    if not colon:
        return kind()  # type: ignore[no-any-return]
    if not fields(kind):
        raise ValueError(f"loss: {name.strip()!r} takes no number, got {spec!r}")
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"loss: {number!r} in {spec!r} is not a number") from None
    return kind(value)  # type: ignore[no-any-return]
