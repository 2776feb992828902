"""Predictions of a fitted law at new points, with delta-method intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import full_covariance
from .table import Table, to_float
from .engine import evaluate, free_positions, free_values
from .independent import few_rows
from .intervals import check_level, normal_quantile, t_quantile

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Points", "interval_factor", "points", "predict", "residual_variance"]


class Points:
    """Where to predict: one flat column a variable, and the shape the answer gets back."""

    def __init__(self, names: tuple[str, ...], given: Mapping[str, np.ndarray]) -> None:
        try:
            arrays = np.broadcast_arrays(*(given[name] for name in names)) if names else []
        except ValueError:
            shapes = ", ".join(f"{name} {given[name].shape}" for name in names)
            raise ValueError(f"variables: shapes do not broadcast: {shapes}") from None
        self.shape: tuple[int, ...] = arrays[0].shape if names else ()
        self.columns = [np.ascontiguousarray(array, dtype=np.float64).ravel() for array in arrays]
        if not names:  # there is still one point, and the engine counts points by a column
            self.columns = [np.ones(1)]
        self.count = math.prod(self.shape)

    def shaped(self, flat: np.ndarray) -> Any:
        """Values along the last axis back in the inputs' shape; a float for scalars."""
        array = np.reshape(flat, flat.shape[:-1] + self.shape)
        return float(array) if array.ndim == 0 else array


def points(fit: Fit, data: Any, variables: Mapping[str, Any]) -> Points:
    """The points a caller names by keywords, by a table, or by both (keywords win)."""
    names = fit.law.variables
    for name in variables:
        if name not in names:
            raise ValueError(
                f"{name!r} is not a variable of the law; variables: {', '.join(names)}"
            )
    table = None if data is None else Table(data)
    given: dict[str, np.ndarray] = {}
    for name in names:
        if name in variables:
            given[name] = as_numbers(variables[name], name)
            continue
        sources = (fit.rows.sources.get(name, name), name)
        source = next((s for s in sources if table is not None and s in table), None)
        if table is None or source is None:
            where = f"; {table.close_to(sources[0])}" if table is not None else ""
            raise ValueError(f"variable {name!r} is missing: pass {name}=...{where}")
        given[name] = to_float(table.raw(source), f"column {source!r}")
    return Points(names, given)


def as_numbers(value: Any, name: str) -> np.ndarray:
    """A value or array of a variable as float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        array = to_float(array.ravel(), name).reshape(array.shape)
    return array.astype(np.float64)


def predict(
    fit: Fit, data: Any, level: float | None, kind: str, variables: Mapping[str, Any]
) -> Any:
    """See ``Fit.predict``."""
    from . import _core
    from .result import Prediction, from_space

    if kind not in ("mean", "new"):
        raise ValueError(f"kind: must be 'mean' or 'new', not {kind!r}")
    where = points(fit, data, variables)
    law = fit.law
    free = free_values(law, fit.values)
    value = evaluate(law, free[None, :], where.columns)[0]
    if level is None:
        return where.shaped(value)
    level = check_level(level)
    few_rows(fit, 4)
    extra = residual_variance(fit) if kind == "new" else 0.0
    slopes = _core.jacobian(law.graph(), free, where.columns)
    inner = free_covariance(fit)
    variance = np.einsum("ij,jk,ik->i", slopes, inner, slopes)
    with np.errstate(all="ignore"):  # outside the residual space the interval is NaN
        scale = space_slope(value, fit.on)
        error = np.sqrt(variance * scale**2 + extra)
        reach = interval_factor(fit, level) * error
        if fit.on == "relative":
            low, high = value - reach * np.abs(value), value + reach * np.abs(value)
        else:
            from .result import to_space

            centre = to_space(value, fit.on)
            low, high = from_space(centre - reach, fit.on), from_space(centre + reach, fit.on)
    return Prediction(*(where.shaped(part) for part in (value, low, high)))


def free_covariance(fit: Fit) -> np.ndarray:
    """The default covariance over the free parameters."""
    from .result import default_kind

    full, _ = full_covariance(fit, default_kind(fit.loss), fit.absolute_sigma)
    place = free_positions(fit.law)
    first = [int(np.flatnonzero(place == index)[0]) for index in range(len(fit.law.free))]
    return full[np.ix_(first, first)]


def space_slope(value: np.ndarray, on: str) -> np.ndarray:
    """How a small change of the fitted value moves it in the residual space."""
    if on == "log":
        return np.where(value > 0, 1 / value, np.nan)
    if on == "logit":
        return np.where((value > 0) & (value < 1), 1 / (value * (1 - value)), np.nan)
    if on == "relative":
        return 1 / np.abs(value)
    return np.ones_like(value)


def residual_variance(fit: Fit) -> float:
    """Scatter of one row of weight 1 in the residual space: the weighted sum of squares on n - p.
    """
    rows = fit.rows
    if rows.sigma is not None:
        raise ValueError(
            "kind='new': the fit used sigma, and the sigma of a new run is not known here; add "
            "its square to the squared half width of kind='mean' yourself"
        )
    weight = np.ones(len(rows)) if rows.weights is None else rows.weights
    left = degrees_of_freedom(fit)
    return float(weight @ fit.residuals**2) / left if left > 0 else math.nan


def degrees_of_freedom(fit: Fit) -> int:
    """Rows less free parameters that are not on a bound."""
    from .covariance import active_free

    return len(fit.rows) - int((active_free(fit) == 0).sum())


def interval_factor(fit: Fit, level: float) -> float:
    """How many standard errors a two-sided interval reaches to either side."""
    tail = (1 + level) / 2
    if fit.known_covariance is not None or (fit.absolute_sigma and fit.rows.sigma is not None):
        return normal_quantile(tail)
    left = degrees_of_freedom(fit)
    return t_quantile(tail, left) if left > 0 else math.nan
