"""How far one run scatters around the law: the noise model of new runs and of simulated ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Noise", "noise_model"]


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

    if isinstance(noise, Mapping):
        return _given(fit, noise)
    if not isinstance(noise, str):
        raise TypeError(
            "noise: expected 'constant', 'proportional', a variable's name or "
            f"{{variable: points, 'sd': values}}, not {type(noise).__name__}"
        )
    if noise in ("constant", "proportional"):
        shape = Noise(noise, fit.on)
    elif noise in fit.law.variables:
        shape = Noise("interpolated", fit.on, variable=noise, power=_power(fit, noise))
    else:
        raise ValueError(
            f"noise: {noise!r} is not 'constant', 'proportional' or a variable of the law "
            f"({', '.join(fit.law.variables)})"
        )
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


def _power(fit: Fit, variable: str) -> float:
    along = fit.rows.columns[variable]
    if not (along > 0).all():
        raise ValueError(f"noise: variable {variable!r} must be positive to scale noise with it")
    size = np.abs(fit.residuals) * np.sqrt(row_weight(fit))
    usable = size > 1e-3 * np.median(size)  # a residual of nearly zero has no logarithm to fit
    line = np.log(along[usable]) - np.log(along[usable]).mean()
    spread = line @ line
    return float(line @ np.log(size[usable]) / spread) if spread > 0 else 0.0


def _given(fit: Fit, noise: Mapping[str, Any]) -> Noise:
    names = [name for name in noise if name != "sd"]
    if "sd" not in noise or len(names) != 1 or names[0] not in fit.law.variables:
        raise ValueError("noise: expected {variable: points, 'sd': values} with one variable")
    at = np.asarray(noise[names[0]], dtype=np.float64).ravel()
    sd = np.asarray(noise["sd"], dtype=np.float64).ravel()
    if len(at) != len(sd) or not len(at) or not (at > 0).all() or not (sd > 0).all():
        raise ValueError("noise: points and sd must be positive and of equal length")
    order = np.argsort(at)
    return Noise("interpolated", fit.on, 1.0, names[0], 0.0, at[order], sd[order])
