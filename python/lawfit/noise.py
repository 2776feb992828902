"""How far one run scatters around the law: the noise model of new runs and of simulated ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Noise", "noise_model", "noise_of_groups", "row_weight"]


@dataclass(frozen=True, eq=False)
class Noise:
    """Standard deviation of one run in the residual space of a fit.

    ``kind`` is ``"constant"``, ``"proportional"`` (to the fitted value) or ``"interpolated"``
    along ``variable``, where ``at`` and ``sd`` are its support points (in logarithms, constant
    beyond the ends for given points; a power of the variable when it was estimated).
    """

    kind: str
    on: str
    scale: float = 1.0
    variable: str = ""
    power: float = 0.0
    at: np.ndarray | None = None
    sd: np.ndarray | None = None

    @property
    def given(self) -> bool:
        """Whether the standard deviations were told, not estimated."""
        return self.at is not None

    def __call__(self, fitted: np.ndarray, variables: Mapping[str, np.ndarray]) -> np.ndarray:
        """One standard deviation a point: ``fitted`` in units of y, ``variables`` by name."""
        fitted = np.asarray(fitted, dtype=np.float64)
        return self.scale * self._shape(fitted, variables)

    def _shape(self, fitted: np.ndarray, variables: Mapping[str, np.ndarray]) -> np.ndarray:
        if self.kind == "constant":
            return np.ones_like(fitted)
        if self.kind == "proportional":
            if self.on == "linear":
                return np.abs(fitted)
            return 1 / (1 - fitted) if self.on == "logit" else np.ones_like(fitted)
        along = np.log(np.asarray(variables[self.variable], dtype=np.float64))
        if self.at is None or self.sd is None:
            return np.exp(self.power * along)
        return np.exp(np.interp(along, np.log(self.at), np.log(self.sd)))


def noise_model(fit: Fit, noise: Any) -> Noise:
    """The noise model a caller names, fitted to the residuals of a fit.

    ``"constant"``: one standard deviation in the residual space. ``"proportional"``: proportional
    to the fitted value in units of y (on log or relative residuals that is the constant one).
    The name of a positive variable: a power of it, by a line through the logarithms of the
    absolute residuals. A mapping ``{variable: points, "sd": values}``: known standard deviations,
    interpolated in logarithms and constant beyond the ends. All but the last are scaled so that
    the squared standardised residuals sum to n - p. Raises ValueError for anything else.

    >>> import lawfit as lf
    >>> x = np.geomspace(1, 1000, 30)
    >>> y = 5*x**0.5 * (1 + 0.1*np.cos(7*np.arange(30)))
    >>> noise = noise_model(lf.fit("y = a*x**b", {"x": x, "y": y}), "proportional")
    >>> noise(np.array([10.0, 100.0]), {}).round(2)
    array([0.74, 7.45])
    """
    from .predict import degrees_of_freedom

    known = _told(noise, fit.law.variables, fit.on)
    if known is not None:
        return known
    if noise in ("constant", "proportional"):
        shape = Noise(noise, fit.on)
    else:
        size = np.abs(fit.residuals) * np.sqrt(row_weight(fit))
        (power,) = _powers(fit.rows.columns[noise], noise, size, np.array([0, len(size)]))
        shape = Noise("interpolated", fit.on, variable=noise, power=float(power))
    left: float = degrees_of_freedom(fit)
    weight = row_weight(fit)
    if fit.joint is not None:  # the rows' share in the freedom of all groups together
        if noise == "constant":
            return Noise(noise, fit.on, math.sqrt(fit.joint.variance))
        left *= len(fit.rows) / fit.joint.rows
    with np.errstate(all="ignore"):
        squares = weight @ (fit.residuals / shape(fit.fitted, fit.rows.columns)) ** 2
    scale = math.sqrt(squares / left) if left > 0 else math.nan
    return Noise(shape.kind, fit.on, scale, shape.variable, shape.power)


def row_weight(fit: Fit) -> np.ndarray:
    """Inverse variance of each row, up to a constant: its weight, or 1/sigma**2."""
    rows = fit.rows
    if rows.sigma is not None:
        return 1 / rows.sigma**2
    return np.ones(len(rows)) if rows.weights is None else rows.weights


def noise_of_groups(
    noise: Any, variables: tuple[str, ...], on: str, columns: Mapping[str, np.ndarray],
    fitted: np.ndarray, residuals: np.ndarray, unit: np.ndarray, offsets: np.ndarray,
    left: np.ndarray,
) -> np.ndarray:
    """The standard deviation of every row by ``noise_model`` of its own group.

    ``unit`` is each row's standard deviation up to a common factor, ``offsets`` cut the rows into
    groups and ``left`` are their degrees of freedom.
    """
    known = _told(noise, variables, on)
    if known is not None:
        return known(fitted, columns)
    counts = np.diff(offsets)
    if noise in ("constant", "proportional"):
        shape = Noise(noise, on)(fitted, columns)
    else:
        power = _powers(columns[noise], noise, np.abs(residuals) / unit, offsets)
        shape = np.exp(np.repeat(power, counts) * np.log(columns[noise]))
    with np.errstate(all="ignore"):
        squares = np.concatenate([[0.0], np.cumsum((residuals / (shape * unit)) ** 2)])
        scale = np.sqrt(np.diff(squares[offsets]) / np.where(left > 0, left, np.nan))
    return np.repeat(scale, counts) * shape * unit


def _powers(
    along: np.ndarray, variable: str, size: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """For each group the slope of the logarithm of ``size`` along that of a variable."""
    if not (along > 0).all():
        raise ValueError(f"noise: variable {variable!r} must be positive to scale noise with it")
    counts = np.diff(offsets)
    group = np.repeat(np.arange(len(counts)), counts)
    ordered = size[np.lexsort((size, group))]
    middle = offsets[:-1] + counts // 2
    last = max(len(ordered) - 1, 0)
    median = np.where(counts > 0, (ordered[np.minimum(middle, last)] + ordered[np.clip(
        middle - (counts % 2 == 0), 0, last)]) / 2, 0.0) if len(ordered) else np.zeros(len(counts))
    usable = size > 1e-3 * median[group]  # a residual of nearly zero has no logarithm to fit
    group, x, y = group[usable], np.log(along[usable]), np.log(size[usable])

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, minlength=len(counts))

    with np.errstate(all="ignore"):
        x = x - (total(x) / total(np.ones(len(x))))[group]
        spread = total(x * x)
        return np.where(spread > 0, total(x * y) / np.where(spread > 0, spread, 1.0), 0.0)


def _told(noise: Any, variables: tuple[str, ...], on: str) -> Noise | None:
    """Known standard deviations, or None for what has to be estimated; ValueError for others."""
    if not isinstance(noise, Mapping):
        if not isinstance(noise, str):
            raise TypeError(
                "noise: expected 'constant', 'proportional', a variable's name or "
                f"{{variable: points, 'sd': values}}, not {type(noise).__name__}"
            )
        if noise not in ("constant", "proportional", *variables):
            raise ValueError(
                f"noise: {noise!r} is not 'constant', 'proportional' or a variable of the law "
                f"({', '.join(variables)})"
            )
        return None
    names = [name for name in noise if name != "sd"]
    if "sd" not in noise or len(names) != 1 or names[0] not in variables:
        raise ValueError("noise: expected {variable: points, 'sd': values} with one variable")
    at = np.asarray(noise[names[0]], dtype=np.float64).ravel()
    sd = np.asarray(noise["sd"], dtype=np.float64).ravel()
    if len(at) != len(sd) or not len(at) or not (at > 0).all() or not (sd > 0).all():
        raise ValueError("noise: points and sd must be positive and of equal length")
    order = np.argsort(at)
    return Noise("interpolated", on, 1.0, names[0], 0.0, at[order], sd[order])
