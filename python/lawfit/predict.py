"""Predictions of a fitted law at new points, with delta-method intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .bands import check_band, sup_t
from .covariance import active_free, default_kind, full_covariance
from .engine import evaluate, free_positions, free_values
from .independent import few_or_none
from .intervals import check_level, normal_quantile, t_quantile
from .noise import noise_model, row_weight
from .simplex import check_simplexes
from .table import Table, to_float

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Points", "extrapolation", "interval_factor", "points", "predict"]


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
    where = Points(names, given)
    check_simplexes(fit.law.simplexes, dict(zip(names, where.columns, strict=False)),
                    None if data is None else fit.rows.sources)
    return where


def as_numbers(value: Any, name: str) -> np.ndarray:
    """A value or array of a variable as float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        array = to_float(array.ravel(), name).reshape(array.shape)
    return array.astype(np.float64)


def predict(
    fit: Fit, data: Any, level: float | None, kind: str, noise: Any, band: str,
    variables: Mapping[str, Any],
) -> Any:
    """See ``Fit.predict``."""
    from . import _core
    from .prediction import Prediction

    check_kind(kind, noise)
    everywhere = check_band(band)
    where = points(fit, data, variables)
    law = fit.law
    free = free_values(law, fit.values)
    value = evaluate(law, free[None, :], where.columns)[0]
    if level is None:
        return where.shaped(value)
    level = check_level(level)
    slopes = _core.jacobian(law.graph(), free, where.columns)
    inner = free_covariance(fit)
    with np.errstate(all="ignore"):  # outside the residual space the interval is NaN
        extra = np.zeros(len(value))
        if kind == "new":
            extra = new_run_noise(fit, noise, value, where.columns) ** 2
        slopes = slopes * space_slope(value, fit.on)[:, None]
        error = np.sqrt(np.einsum("ij,jk,ik->i", slopes, inner, slopes) + extra)
        factor = interval_factor(fit, level)
        if everywhere:
            factor = sup_t(slopes, inner, extra, level, scale_freedom(fit))
        low, high = moved(value, factor * error, fit.on)
    few_or_none(fit, low, 4)
    return Prediction(*(where.shaped(part) for part in (value, low, high)),
                      extrapolation(fit, where))


def check_kind(kind: str, noise: Any) -> None:
    """ValueError unless a prediction is of the mean, or of a new run with or without a noise."""
    if kind not in ("mean", "new"):
        raise ValueError(f"kind: must be 'mean' or 'new', not {kind!r}")
    if noise is not None and kind != "new":
        raise ValueError("noise: goes with kind='new'; the mean has none")


def moved(value: np.ndarray, reach: np.ndarray, on: str) -> tuple[np.ndarray, np.ndarray]:
    """Values less and plus a distance in the residual space, in units of y."""
    from .spaces import from_space, to_space

    if on == "relative":
        return value - reach * np.abs(value), value + reach * np.abs(value)
    centre = to_space(value, on)
    return from_space(centre - reach, on), from_space(centre + reach, on)


def new_run_noise(
    fit: Fit, noise: Any, fitted: np.ndarray, columns: list[np.ndarray]
) -> np.ndarray:
    """Standard deviation of one new run at each point, in the residual space.

    A new run is taken to be as precise as the fitted rows are on average: with weights it has
    their mean.
    """
    if fit.loss.of_counts:
        raise ValueError(
            f"kind='new': new values under loss {fit.loss} are counts or shares and not normal "
            "around their mean; draw them from the distribution at the predicted mean"
        )
    if noise is None and fit.rows.sigma is not None:
        raise ValueError(
            "kind='new': the fit used sigma, and the sigma of a new run is not known here; say how "
            "runs scatter by noise= ('constant', 'proportional', a variable, or {variable: points, "
            "'sd': values})"
        )
    model = noise_model(fit, "constant" if noise is None else noise)
    sd = model(fitted, dict(zip(fit.law.variables, columns, strict=False)))
    if model.given:
        return sd
    weight = row_weight(fit)
    return np.asarray(sd / np.sqrt(weight[weight > 0].mean()))


def extrapolation(fit: Fit, where: Points) -> dict[str, Any]:
    """Variable -> how many times beyond the data each point lies, 1 within; see
    ``Fit.extrapolation``."""
    out = {}
    for name, at in zip(fit.law.variables, where.columns, strict=False):
        column = fit.rows.columns.get(name, np.empty(0))
        if not len(column):
            out[name] = where.shaped(np.full(len(at), np.nan))
            continue
        inside = np.clip(at, column.min(), column.max())  # the nearest that was measured
        with np.errstate(all="ignore"):
            ratio = np.where(np.abs(at) > np.abs(inside), at / inside, inside / at)
        ratio = np.where(at * inside < 0, np.nan, np.abs(ratio))  # across 0 there is none
        out[name] = where.shaped(np.where(at == inside, 1.0, ratio))
    return out


def free_covariance(fit: Fit) -> np.ndarray:
    """The default covariance over the free parameters."""
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


def degrees_of_freedom(fit: Fit) -> int:
    """Rows less free parameters that are not on a bound; of all groups that share parameters."""
    if fit.joint is not None:
        return fit.joint.freedom
    return len(fit.rows) + len(fit.law.priors) - moving(fit)


def moving(fit: Fit) -> int:
    """How many free parameters are not on a bound."""
    return int((active_free(fit) == 0).sum())


def known_scale(fit: Fit) -> bool:
    """Whether nothing about the scatter is estimated: absolute sigma, or counts with their own."""
    return fit.loss.of_counts or (fit.absolute_sigma and fit.rows.sigma is not None)


def interval_factor(fit: Fit, level: float) -> float:
    """How many standard errors a two-sided interval reaches to either side."""
    tail = (1 + level) / 2
    if fit.known_covariance is not None or known_scale(fit):
        return normal_quantile(tail)
    left = degrees_of_freedom(fit)
    return t_quantile(tail, left) if left > 0 else math.nan


def scale_freedom(fit: Fit) -> int | None:
    """Degrees of freedom of the noise's scale; None where it is known."""
    if fit.known_covariance is not None or known_scale(fit):
        return None
    return degrees_of_freedom(fit)
