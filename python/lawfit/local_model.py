"""A fit's rows as the linear model they are near the optimum: slopes, weights, scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .covariance import active_free
from .engine import free_positions, free_values, objective_arguments, table_arguments
from .expression import Array
from .predict import space_slope

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["LocalModel", "local_model"]

_NORMAL = 1.4826  # median absolute deviation of a standard normal variable, inverted


class LocalModel(NamedTuple):
    """Over the q free parameters that lie on no bound, named ``names``.

    ``jacobian`` [n, q] are slopes of the fitted values in the residual space, ``weights`` what a
    squared residual counts there (1/sigma**2 or weights, the loss left out), ``gradient`` [n, q]
    those of each row's loss. ``residuals`` are observed less fitted, ``scale`` the standard
    deviation of one of weight 1 (1 for counts and shares, whose weights say it): from the sum of
    squares on n - q, or for losses other than squared from the median of their sizes, which
    outliers cannot move.
    """

    names: tuple[str, ...]
    values: Array
    jacobian: Array
    weights: Array
    gradient: Array
    residuals: Array
    scale: float


def local_model(fit: Fit) -> LocalModel:
    """The linear model of a fit at its optimum."""
    from . import _core

    law, rows = fit.law, fit.rows
    free, kept = free_values(law, fit.values), active_free(fit) == 0
    columns = [rows.columns[name] for name in law.variables] or [np.ones(len(rows))]
    slopes = np.asarray(_core.jacobian(law.graph(), free, columns))[:, kept]
    points = _core.pointwise(law.graph(), free, *table_arguments(law, rows),
                             *objective_arguments(fit.on, fit.loss, fit.numbers))
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    if fit.loss.of_counts:  # the reciprocal of the likelihood's own variance
        weights = points["majoriser"]
    elif rows.sigma is not None:
        weights = weights / rows.sigma**2
    inverse = 1 / np.abs(rows.y) if fit.on == "relative" else space_slope(fit.fitted, fit.on)
    jacobian = slopes * inverse[:, None]
    place = free_positions(law)
    names = tuple(name for at, name in enumerate(law.free) if kept[at])
    first = [int(np.flatnonzero(place == at)[0]) for at in np.flatnonzero(kept)]
    sizes, left = np.sqrt(weights) * np.abs(fit.residuals), len(rows) - len(names)
    if left <= 0:
        scale = np.nan
    elif fit.loss.of_counts:
        scale = 1.0
    elif fit.loss.name in ("squared", "gaussian"):
        scale = float(np.sqrt(np.sum(sizes**2) / left))
    else:
        scale = float(_NORMAL * np.median(sizes) * np.sqrt(len(rows) / left))
    return LocalModel(names, fit.values[first], jacobian, weights,
                      points["slope"][:, None] * slopes, fit.residuals, scale)
