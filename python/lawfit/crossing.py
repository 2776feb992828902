"""Two laws against each other: where they cross, and how much compute one saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import whole
from .expression import Array
from .frontiers import Curve, curve_of
from .independent import Basis
from .intervals import check_level
from .replicates import known_interval, parameter_rows
from .roots import root, sign_changes

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .result import Fit

__all__ = ["Crossing", "Multiplier", "crossing", "multiplier"]

_POINTS = 161  # looked at between the ends
_BEYOND = 1e6  # times the largest run, by default


@dataclass(frozen=True, eq=False, repr=False)
class Crossing:
    """Where two laws predict the same loss.

    ``roots`` are all crossings between ``low`` and ``high``, ``value`` the last of them (NaN if
    there is none): beyond it ``ahead``, ``"first"`` or ``"second"``, has the lower loss.
    ``exists`` is the share of replicates in which the laws cross there at all, ``values`` that
    crossing of every replicate which is nearest to ``value`` (NaN for none).
    """

    along: str
    value: float
    roots: Array
    ahead: str
    low: float
    high: float
    values: Array
    _first: _Side
    _second: _Side

    @property
    def exists(self) -> float:
        """Share of replicates with a crossing between ``low`` and ``high``."""
        return float(np.mean(~np.isnan(self.values))) if len(self.values) else float("nan")

    def interval(self, level: float = 0.95, method: str | None = None) -> tuple[float, float]:
        """(low, high) of the replicates that cross; read it together with ``exists``.

        ``method`` is ``"adjusted"`` (the default, see ``Bootstrap.interval``; on the degrees of
        freedom of the law that has fewer), ``"percentile"``, ``"basic"`` or ``"expanded"``. One
        FitWarning from fewer than 30 rows or clusters.
        """
        basis = _weaker(self._first, self._second)
        ends = known_interval(self.values[:, None], np.array([self.value]), check_level(level),
                              method, basis)
        if len(self.values):
            basis.warn(3)
        return float(ends[0][0]), float(ends[1][0])

    def probability(self, x: float) -> float:
        """Share of replicates in which the first law has the lower loss at ``x``."""
        if not len(self.values):
            return float("nan")
        at = np.array([[float(x)]])
        first, second = (side.curve.losses(side.drawn, at) for side in (self._first, self._second))
        known = ~np.isnan(first + second)
        return float(np.mean(first[known] < second[known]))

    def __repr__(self) -> str:
        return (f"Crossing({self.along}={self.value:.6g}, ahead={self.ahead!r}, "
                f"exists={self.exists:.3g})")


@dataclass(frozen=True, eq=False)
class Multiplier:
    """Compute the second law needs for the loss the first has at ``at``, over ``at``.

    Below 1 the second is the more efficient. ``value`` is a float or an array over ``at``,
    infinite where the second law never gets so low; ``low`` and ``high`` are its interval at
    ``level``; ``exists`` is the share of replicates in which it is finite. It depends on ``at``
    unless exponents and floors agree.
    """

    along: str
    at: Any
    value: Any
    low: Any
    high: Any
    level: float
    exists: Any


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the two laws: its curve, its parameters, and those of its replicates, with what
    they rest on."""

    curve: Curve
    fitted: Array
    drawn: Array
    basis: Basis


def _weaker(first: _Side, second: _Side) -> Basis:
    return first.basis.least(second.basis)


def crossing(
    first: Fit, second: Fit, *, along: str | None = None, low: float | None = None,
    high: float | None = None, replicates: int = 1000, seed: int = 0,
    bootstraps: tuple[Bootstrap, Bootstrap] | None = None, **keywords: Any,
) -> Crossing:
    """Where two fitted laws have the same loss.

    Laws of one variable are compared along it; laws of size and tokens along ``"compute"``, each
    at its best allocation (``keywords`` as for ``Fit.allocate``); others along the variable named
    by ``along``, the rest held, as ``D=1e12``. Crossings are looked for from ``low`` (default:
    the smallest run) to ``high`` (default: a million times the largest).

    Replicates of the two are refits of the same draws of rows when both tables have the same
    number of rows, in the same order: differences common to both cancel. ``bootstraps`` takes a
    pair of your own, such as cluster bootstraps; ``replicates=0`` leaves them out. A published
    law without data is drawn from its covariance, or taken as known when it has none.

    >>> import lawfit as lf
    >>> C = np.geomspace(1e18, 1e21, 12)
    >>> wiggle = 1 + 0.001*np.sin(np.arange(12))
    >>> old = lf.fit("y = A/C**a", {"C": C, "y": 60*C**-0.07*wiggle}, on="log")
    >>> new = lf.fit("y = A/C**a", {"C": C, "y": 200*C**-0.095*wiggle}, on="log")
    >>> found = crossing(old, new)
    >>> f"{found.value:.2e}", found.ahead, found.exists
    ('8.23e+20', 'second', 1.0)
    """
    sides = _sides(first, second, along, replicates, seed, bootstraps, keywords)
    begin, end = _range(sides, low, high)
    grid = np.linspace(np.log(begin), np.log(end), _POINTS)

    def roots(one: Array, two: Array) -> Array:
        """[k, intervals]: the log of the crossing in each, NaN where there is none."""
        def gap(log_x: Array) -> Array:
            x = np.exp(log_x)
            return sides[0].curve.losses(one, x) - sides[1].curve.losses(two, x)

        changes = sign_changes(gap(grid[None, :]))
        found = np.full(changes.shape, np.nan)
        most = int(changes.sum(axis=1).max(initial=0))
        order = np.argsort(~changes, axis=1, kind="stable")[:, :most]  # the intervals that change
        has = np.take_along_axis(changes, order, axis=1)
        ends = np.where(has, grid[order], np.nan), np.where(has, grid[order + 1], np.nan)
        found[:, :most] = root(gap, *ends) if most else np.empty((len(changes), 0))
        return found

    fitted = roots(sides[0].fitted, sides[1].fitted)[0]
    fitted = np.sort(fitted[~np.isnan(fitted)])
    last = fitted[-1] if len(fitted) else np.nan
    at_end = np.array([[end]])
    ahead = sides[0].curve.losses(sides[0].fitted, at_end) < sides[1].curve.losses(
        sides[1].fitted, at_end)
    return Crossing(
        sides[0].curve.name, float(np.exp(last)), np.exp(fitted),
        "first" if ahead.item() else "second", begin, end,
        _nearest(np.exp(roots(sides[0].drawn, sides[1].drawn)), np.exp(last)), *sides,
    )


def multiplier(
    first: Fit, second: Fit, *, at: Any, along: str | None = None, level: float = 0.95,
    method: str | None = None, replicates: int = 1000, seed: int = 0,
    bootstraps: tuple[Bootstrap, Bootstrap] | None = None, **keywords: Any,
) -> Multiplier:
    """How much of the compute (or of another variable) the second law needs to do as well.

    The second law reaches the loss that the first has at ``at`` with ``value`` times as much.
    Arguments as for ``crossing``, ``method`` and warning as for ``Crossing.interval``.

    >>> import lawfit as lf
    >>> C = np.geomspace(1e18, 1e21, 12)
    >>> wiggle = 1 + 0.001*np.sin(np.arange(12))
    >>> old = lf.fit("y = A/C**a", {"C": C, "y": 60*C**-0.07*wiggle}, on="log")
    >>> new = lf.fit("y = A/C**a", {"C": C, "y": 55*C**-0.07*wiggle}, on="log")
    >>> saved = multiplier(old, new, at=[1e20, 1e24])
    >>> saved.value.round(4), round((55/60)**(1/old.params["a"]), 4)
    (array([0.289, 0.289]), 0.289)
    """
    sides = _sides(first, second, along, replicates, seed, bootstraps, keywords)
    given = np.asarray(at, dtype=np.float64)
    if given.ndim > 1 or not given.size or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"at: expected positive numbers, one or an axis of them: {at!r}")
    x = np.atleast_1d(given)[None, :]

    def ratio(one: Array, two: Array) -> Array:
        return sides[1].curve.where(two, sides[0].curve.losses(one, x)) / x

    value = ratio(sides[0].fitted, sides[1].fitted)[0]
    drawn = ratio(sides[0].drawn, sides[1].drawn)
    basis = _weaker(*sides)
    low, high = known_interval(drawn, value, check_level(level), method, basis)
    if len(drawn):
        basis.warn(3)
    exists = np.isfinite(drawn).mean(axis=0) if len(drawn) else np.full(value.shape, np.nan)
    parts = [float(part[0]) if given.ndim == 0 else part for part in (value, low, high, exists)]
    return Multiplier(sides[0].curve.name, at, *parts[:3], level, parts[3])


def _sides(
    first: Fit, second: Fit, along: str | None, replicates: int, seed: int,
    bootstraps: tuple[Bootstrap, Bootstrap] | None, keywords: dict[str, Any],
) -> tuple[_Side, _Side]:
    """Both laws with paired replicates of which neither failed."""
    curves = [curve_of(fit, along, keywords) for fit in (first, second)]
    if curves[0].name != curves[1].name:
        raise ValueError(
            f"along: the laws are compared along one thing, not {curves[0].name!r} and "
            f"{curves[1].name!r}; name a variable of both, or 'compute'"
        )
    if bootstraps is not None:
        if len({boot.replicates for boot in bootstraps}) != 1:
            raise ValueError("bootstraps: the two must have as many replicates")
        found = [(parameter_rows(boot), boot.basis) for boot in bootstraps]
    else:
        count = whole("replicates", replicates, 0)
        found = [_draws(fit, count, seed, at) for at, fit in enumerate((first, second))]
    drawn = [rows for rows, _ in found]
    good = ~np.isnan(drawn[0]).any(axis=1) & ~np.isnan(drawn[1]).any(axis=1)
    return tuple(_Side(curve, fit.values[None, :], rows[good], basis)  # type: ignore[return-value]
                 for curve, fit, (rows, basis) in zip(curves, (first, second), found, strict=True))


def _draws(fit: Fit, count: int, seed: int, place: int) -> tuple[Array, Basis]:
    """Replicates of the parameters: refits of resampled rows, equal rows for equal tables; and
    what they rest on.

    A law without rows is drawn from the normal distribution of its covariance, or taken as known
    when it has none.
    """
    known = Basis(0, False, None)
    if not count:
        return np.empty((0, len(fit.law.parameters))), known
    if len(fit.rows):
        boot = fit.bootstrap(count, seed=seed)
        return parameter_rows(boot), boot.basis
    matrix = fit.covariance()
    if not np.isfinite(matrix).all():
        return np.repeat(fit.values[None, :], count, axis=0), known
    random = np.random.default_rng([whole("seed", seed, 0), place])
    return random.multivariate_normal(fit.values, matrix, size=count, method="eigh"), known


def _range(
    sides: tuple[_Side, _Side], low: float | None, high: float | None
) -> tuple[float, float]:
    """Where crossings are looked for."""
    ends = []
    for name, given, known, pick, factor in (
        ("low", low, [side.curve.low for side in sides], np.fmin, 1.0),
        ("high", high, [side.curve.high for side in sides], np.fmax, _BEYOND),
    ):
        value = factor * pick(*known) if given is None else float(given)
        if not (value > 0 and np.isfinite(value)):
            raise ValueError(f"{name}: give a positive number; the data do not say where to look")
        ends.append(float(value))
    if not ends[0] < ends[1]:
        raise ValueError(f"low, high: {ends[0]:g} is not below {ends[1]:g}")
    return ends[0], ends[1]


def _nearest(found: Array, value: float) -> Array:
    """The crossing of each replicate next to ``value`` in logs; the last one without a value."""
    with np.errstate(all="ignore"):
        distance = np.abs(np.log(found) - np.log(value)) if value > 0 else -found
    distance = np.where(np.isnan(found), np.inf, distance)
    best = distance.argmin(axis=1)
    return found[np.arange(len(found)), best]
