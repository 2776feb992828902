"""How much of the data a fit explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .spaces import to_space

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["goodness"]


@np.errstate(all="ignore")  # values near the ends of double precision give inf or NaN here
def goodness(fit: Fit) -> tuple[float, float, float]:
    """R2 and RMSE in the residual space, and RMSE in units of y; all weighted like the fit."""
    rows = fit.rows
    weight = np.ones(len(rows)) if rows.weights is None else rows.weights
    if rows.sigma is not None:
        weight = weight / rows.sigma**2
    total = weight.sum()
    if not total > 0:
        return np.nan, np.nan, np.nan
    squares = float(weight @ fit.residuals**2)
    raw = float(weight @ (rows.y - fit.fitted) ** 2)
    if fit.on == "relative":  # the residual (y - m)/y is a linear one of weight 1/y**2
        target, share = rows.y, weight / rows.y**2
    else:
        target, share = to_space(rows.y, fit.on), weight
    centre = share @ target / share.sum()
    spread = float(share @ (target - centre) ** 2)
    r2 = 1 - squares / spread if spread > 0 else np.nan
    return r2, float(np.sqrt(squares / total)), float(np.sqrt(raw / total))
