"""Quantities derived from parameters, such as ``beta/(alpha+beta)``, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import full_covariance
from .expression import Leaf, parse
from .grammar import closest
from .intervals import basic, check_level, percentile
from .predict import Points, as_numbers, interval_factor

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Derived", "DerivedReplicates", "Quantity", "derive"]


@dataclass(frozen=True, eq=False)
class Derived:
    """A derived quantity of a fit: ``value`` and its delta-method ``stderr`` (floats, or arrays
    when a variable was an array).

    >>> import lawfit as lf
    >>> low, high = lf.fit("y = a*x", {"x": [1, 2, 3], "y": [2, 4.1, 6]}).derive("1/a").interval()
    >>> round(low, 3), round(high, 3)
    (0.48, 0.513)
    """

    expression: str
    value: Any
    stderr: Any
    fit: Fit

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """(low, high): value -+ Student's t (normal with absolute sigma) times stderr."""
        reach = interval_factor(self.fit, check_level(level)) * np.asarray(self.stderr)
        low, high = self.value - reach, self.value + reach
        return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)

    def __repr__(self) -> str:
        return f"Derived({self.expression!r}, value={self.value!r}, stderr={self.stderr!r})"


@dataclass(frozen=True, eq=False)
class DerivedReplicates:
    """A derived quantity of a bootstrap.

    ``value`` is it at the full fit, ``values`` one entry a replicate along axis 0 (NaN for
    failed replicates), ``stderr`` their standard deviation.
    """

    expression: str
    value: Any
    values: np.ndarray
    good: np.ndarray

    @property
    def stderr(self) -> Any:
        """Standard deviation over the replicates that did not fail."""
        spread = self.values[self.good].std(axis=0, ddof=1)
        return float(spread) if np.ndim(spread) == 0 else spread

    def interval(self, level: float = 0.95, method: str = "percentile") -> tuple[Any, Any]:
        """(low, high) by ``"percentile"`` or ``"basic"`` over replicates that did not fail."""
        return interval(self.values[self.good], self.value, level, method)

    def __repr__(self) -> str:
        return f"DerivedReplicates({self.expression!r}, value={self.value!r})"


def interval(values: np.ndarray, estimate: Any, level: float, method: str) -> tuple[Any, Any]:
    """A bootstrap interval along axis 0, as floats where there is one number."""
    level = check_level(level)
    if method == "percentile":
        low, high = percentile(values, level)
    elif method == "basic":
        low, high = basic(values, estimate, level)
    else:
        raise ValueError(f"method: must be 'percentile' or 'basic', not {method!r}")
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


class Quantity:
    """An expression of a law's parameters and of given variables, ready to evaluate.

    Raises LawError for text outside the grammar, ValueError for names that are neither.
    """

    def __init__(
        self, expression: str, parameters: tuple[str, ...], variables: Mapping[str, Any]
    ) -> None:
        from . import _core

        parsed = parse(expression)
        for name in variables:
            if name not in parsed.names or name in parameters:
                why = "is a parameter" if name in parameters else "does not occur in it"
                raise ValueError(f"derive {expression!r}: the variable {name!r} {why}")
        for name in parsed.names:
            if name not in parameters and name not in variables:
                hint = closest(name, parameters)
                raise ValueError(
                    f"derive {expression!r}: {name!r} is not a parameter{hint}; parameters: "
                    f"{', '.join(parameters)}; give a variable's value as {name}=..."
                )
        self.used = [place for place, name in enumerate(parameters) if name in parsed.names]
        inputs = tuple(name for name in parsed.names if name in variables)
        self.points = Points(inputs, {n: as_numbers(variables[n], n) for n in inputs})
        leaves = {parameters[place]: Leaf("PARAM", at) for at, place in enumerate(self.used)}
        leaves |= {name: Leaf("VAR", at) for at, name in enumerate(inputs)}
        self.graph = parsed.graph(leaves, _core.opcodes())

    def values(self, parameters: np.ndarray) -> np.ndarray:
        """[k, n] at ``parameters[k, all of the law's]``."""
        from . import _core

        chosen = np.ascontiguousarray(np.atleast_2d(parameters)[:, self.used], dtype=np.float64)
        return np.asarray(_core.evaluate(self.graph, chosen, self.points.columns))

    def gradient(self, parameters: np.ndarray) -> np.ndarray:
        """[n, parameters used] at one parameter vector."""
        from . import _core

        chosen = np.ascontiguousarray(parameters[self.used], dtype=np.float64)
        return np.asarray(_core.jacobian(self.graph, chosen, self.points.columns))


def derive(fit: Fit, expression: str, variables: Mapping[str, Any]) -> Derived:
    """See ``Fit.derive``."""
    from .result import default_kind

    expression = fit.law.quantity(expression)
    quantity = Quantity(expression, fit.law.parameters, variables)
    value = quantity.values(fit.values)[0]
    slope = quantity.gradient(fit.values)
    full, _ = full_covariance(fit, default_kind(fit.loss), fit.absolute_sigma)
    inner = full[np.ix_(quantity.used, quantity.used)]
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.einsum("ij,jk,ik->i", slope, inner, slope))
    shaped = quantity.points.shaped
    return Derived(expression, shaped(value), shaped(error), fit)
