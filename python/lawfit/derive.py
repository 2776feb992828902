"""Quantities derived from parameters, such as ``beta/(alpha+beta)``, with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import default_kind, full_covariance
from .expression import Leaf, parse
from .grammar import closest
from .independent import few_or_none
from .intervals import (
    DEFAULT,
    adjusted,
    basic,
    bca,
    check_interval,
    check_level,
    expanded,
    percentile,
    studentized,
)
from .predict import Points, as_numbers, interval_factor

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .law import Law
    from .result import Fit

__all__ = ["Derived", "DerivedReplicates", "Quantity", "derive", "quantity_of"]


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
    log: bool = False
    """Whether the interval is made on the logarithm, as that of a root among positive numbers."""

    @property
    def exists(self) -> Any:
        """Whether the fit has such a value (a root or an optimum may be nowhere)."""
        there = ~np.isnan(self.value)
        return bool(there) if np.ndim(there) == 0 else there

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """(low, high): value -+ Student's t (normal with absolute sigma) times stderr; of a root
        or an optimum among positive numbers the same on its logarithm.

        One FitWarning from fewer than 30 rows.
        """
        few_or_none(self.fit, self.stderr, 3)
        reach = interval_factor(self.fit, check_level(level)) * np.asarray(self.stderr)
        with np.errstate(all="ignore"):
            factor = np.exp(reach / np.asarray(self.value))
            low, high = ((self.value / factor, self.value * factor) if self.log
                         else (self.value - reach, self.value + reach))
        return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)

    def __repr__(self) -> str:
        return f"Derived({self.expression!r}, value={self.value!r}, stderr={self.stderr!r})"


@dataclass(frozen=True, eq=False)
class DerivedReplicates:
    """A quantity derived from the replicates of a bootstrap.

    ``value`` is it at the full fit, ``values`` one entry a replicate along axis 0 (NaN for
    failed replicates), ``stderr`` their standard deviation. ``boot`` is the bootstrap and ``of``
    the function from parameters [k, parameters] to values [k, ...].
    """

    expression: str
    value: Any
    values: np.ndarray
    good: np.ndarray
    boot: Bootstrap
    of: Callable[[np.ndarray], np.ndarray]

    @property
    def stderr(self) -> Any:
        """Standard deviation over the replicates that did not fail."""
        values = self.values[self.good]
        spread = np.nanstd(values, axis=0, ddof=1) if np.isnan(values).any() else values.std(
            axis=0, ddof=1
        )
        return float(spread) if np.ndim(spread) == 0 else spread

    def interval(self, level: float = 0.95, method: str | None = None) -> tuple[Any, Any]:
        """(low, high) over the replicates that did not fail and have a value (see ``exists``).

        Methods, default and warning as for ``Bootstrap.interval``.
        """
        self.boot.basis.warn(3)
        return self.ends(level, method)

    def ends(self, level: float, method: str | None) -> tuple[Any, Any]:
        """``interval`` without its warning."""
        method = method or DEFAULT
        level = check_interval(level, method, self.boot.method)
        values = self.values[self.good]
        extra = self._extra(method)
        if np.isfinite(values).all():
            low, high = bootstrap_interval(values, self.value, level, method, extra)
            return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)
        found = np.full((2, *np.shape(self.value)), np.nan)
        for at in np.ndindex(np.shape(self.value)):
            there = ~np.isnan(values[(slice(None), *at)])
            if there.sum() < 2:
                continue
            parts = {
                name: part[(slice(None), *at)][there] if name == "errors"
                else part[(slice(None), *at)] if name == "jackknife"
                else part if name == "freedom" else part[at]
                for name, part in extra.items()
            }
            known = np.clip(values[(slice(None), *at)][there], -_HUGE, _HUGE)
            found[(slice(None), *at)] = bootstrap_interval(
                known, np.asarray(self.value)[at], level, method, parts
            )
        found[np.abs(found) > _HUGE / 1e3] *= np.inf  # quantiles interpolate; inf - inf is none
        low, high = found
        return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)

    def p_value(self, value: float, *, studentized: bool = True) -> float:
        """How often a replicate is as far from its own truth as the fit is from ``value``.

        Two-sided; with ``studentized`` distances are in standard errors, each replicate's own.
        The truth of replicates is the fit, or with ``fit.bootstrap(null=...)`` the hypothesis,
        at which ``value`` must then be the quantity. One is added to both counts, so that the
        least possible value is 1/(replicates + 1). Sources: A. Cameron, J. Gelbach and D. Miller
        (2008), see ``resampling``; A. Davison and D. Hinkley (1997), section 4.2.
        """
        if np.ndim(self.value):
            raise ValueError("p_value: the quantity has several values; derive one at a time")
        truth = self.value
        if self.boot.null is not None:
            at = {**self.boot.fit.params, **self.boot.null}
            truth = float(np.asarray(self.of(np.array([[at[n] for n in at]])))[0])
            if not np.isclose(truth, value, rtol=1e-9, atol=0):
                raise ValueError(f"p_value: replicates were made with {self.expression} = "
                                 f"{truth:g}, not {value:g}")
        errors, error = self._errors() if studentized else (1.0, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = np.abs((self.values[self.good] - truth) / errors)
        drawn = drawn[np.isfinite(drawn)]
        far = float(np.abs((self.value - value) / error))
        return float((1 + (drawn >= far * (1 - 1e-12)).sum()) / (1 + len(drawn)))

    @property
    def exists(self) -> Any:
        """Share of the replicates that did not fail in which the quantity has a value."""
        share = (~np.isnan(self.values[self.good])).mean(axis=0)
        return float(share) if np.ndim(share) == 0 else share

    def _extra(self, method: str) -> dict[str, Any]:
        """What a method needs besides the values and the estimate."""
        if method in ("adjusted", "expanded"):
            return {"freedom": (self.boot.basis.count, self.boot.basis.left)}
        if method == "bca":
            return {"jackknife": np.asarray(self.of(self.boot.jackknife))}
        if method == "studentized":
            return dict(zip(("errors", "error"), self._errors(), strict=True))
        return {}

    def _errors(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors of each good replicate and of the full fit, by the delta method."""
        boot = self.boot
        if not np.isfinite(np.diagonal(boot.covariance)).all():
            raise ValueError(
                "interval: method='studentized' needs standard errors, which are undefined here "
                "(see fit.stderr_note); use 'percentile' or 'bca'"
            )
        good = boot.matrix[self.good]
        step, places = 1e-4 * good.std(axis=0, ddof=1), range(good.shape[1])
        return (
            delta_errors(self.of, good, boot.covariances[self.good], places, step),
            delta_errors(self.of, boot.fit.values[None, :], boot.covariance[None], places, step)[0],
        )

    def __repr__(self) -> str:
        share = np.min(self.exists)
        some = "" if share == 1 else f", exists in {100 * share:.3g} % of replicates"
        return f"DerivedReplicates({self.expression!r}, value={self.value!r}{some})"


_HUGE = np.finfo(np.float64).max / 4


def bootstrap_interval(
    values: np.ndarray, estimate: Any, level: float, method: str, extra: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """One method's range of replicates along axis 0; ``extra`` has what else it needs."""
    if method == "percentile":
        return percentile(values, level)
    if method == "basic":
        return basic(values, estimate, level)
    if method == "adjusted":
        return adjusted(values, level, extra["freedom"][1])
    if method == "expanded":
        return expanded(values, level, *extra["freedom"])
    if method == "bca":
        left_out = extra["jackknife"].reshape(len(extra["jackknife"]), -1)
        known = np.isfinite(left_out).all(axis=1)
        return bca(values, estimate, level, extra["jackknife"][known])
    return studentized(values, estimate, level, extra["errors"], extra["error"])


def delta_errors(
    of: Callable[[np.ndarray], np.ndarray], at: np.ndarray, covariances: np.ndarray,
    places: Sequence[int], step: np.ndarray,
) -> np.ndarray:
    """Standard errors of ``of`` at k parameter vectors, by central differences.

    ``covariances`` [k, m, m] are over the parameters at ``places``, ``step`` their differences.
    """
    moving = [k for k in range(len(places)) if step[k] > 0]
    slopes = []
    for k in moving:
        shift = np.zeros(at.shape[1])
        shift[places[k]] = step[k]
        slopes.append((np.asarray(of(at + shift)) - np.asarray(of(at - shift))) / (2 * step[k]))
    slope, inner = np.array(slopes), covariances[:, np.array(moving)[:, None], np.array(moving)]
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.einsum("ik...,kij,jk...->k...", slope, inner, slope))


class Quantity:
    """An expression of a law's parameters and of given variables, ready to evaluate.

    Raises LawError for text outside the grammar, ValueError for names that are neither.
    """

    def __init__(
        self, expression: str, parameters: tuple[str, ...], variables: Mapping[str, Any]
    ) -> None:
        from . import _core

        self.expression, parsed = expression, parse(expression)
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
        self._parsed, self._names, self._inputs = parsed, parameters, inputs

    def graph_of(self, law: Law, values: np.ndarray) -> Any:
        """The engine's graph in the law's free parameters, at values of all its parameters."""
        from . import _core

        parsed = law.written(self._parsed)
        leaves = {
            name: Leaf("PARAM", int(place)) if place >= 0 else Leaf("CONST", -1, float(value))
            for name, place, value in zip(self._names, law.places, values, strict=True)
            if name in parsed.names
        }
        leaves |= {name: Leaf("VAR", at) for at, name in enumerate(self._inputs)}
        return parsed.graph(leaves, _core.opcodes())

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


def matrix_gradient(
    of: Callable[[np.ndarray], np.ndarray], at: np.ndarray, errors: np.ndarray
) -> np.ndarray:
    """[terms, parameters] of ``of`` at one parameter vector, by central differences.

    The steps are a small part of the parameters' standard errors (of their size where there is
    none), so that their units do not matter.
    """
    with np.errstate(invalid="ignore"):
        step = 1e-4 * np.where(errors > 0, errors, 1e-2 * np.abs(at))
    step = np.where(step > 0, step, 1e-6)
    shift = np.diag(step)
    return ((np.asarray(of(at + shift)) - np.asarray(of(at - shift))) / (2 * step[:, None])).T


def quantity_of(fit: Fit, expression: str, variables: Mapping[str, Any]) -> Any:
    """What a text asks of a fit: a ``Quantity``, or a ``Solution`` of an equation."""
    from .solution import Solution, read

    wanted = read(expression)
    if wanted is not None:
        return Solution(wanted, fit, variables)
    return Quantity(fit.law.quantity(expression), fit.law.parameters, variables)


def derive(fit: Fit, expression: str, variables: Mapping[str, Any]) -> Derived:
    """See ``Fit.derive``."""
    from .solution import Solution

    quantity = quantity_of(fit, expression, variables)
    value = quantity.values(fit.values)[0]
    full, _ = full_covariance(fit, default_kind(fit.loss), fit.absolute_sigma)
    shaped = quantity.points.shaped
    if isinstance(quantity, Solution):
        slope = matrix_gradient(quantity.values, fit.values, np.sqrt(np.diag(full)))
        used = list(range(len(full)))
    else:
        used = quantity.used
        slope = quantity.gradient(fit.values)
    inner = full[np.ix_(used, used)]
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.einsum("ij,jk,ik->i", slope, inner, slope))
    log = isinstance(quantity, Solution) and quantity.log
    return Derived(quantity.expression, shaped(value), shaped(error), fit, log)
