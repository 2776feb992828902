"""Intervals of a fit's parameters without resampling: from the profile, or from a covariance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import default_kind, full_covariance
from .engine import free_positions
from .independent import few, few_or_none
from .intervals import check_level, cluster_reach
from .predict import interval_factor, moving
from .shared import refuse_joint
from .units import units_of

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["DEFAULT", "intervals"]

DEFAULT = "profile"


def default_method(fit: Fit) -> str:
    """Profiles know nothing of a joint fit's other groups."""
    return "wald" if fit.joint is not None else DEFAULT


def intervals(
    fit: Fit, level: float, method: str | None, by: Any, covariance: str | None
) -> dict[str, tuple[float, float]]:
    """See ``Fit.interval``."""
    from .profile import profiles

    level, method = check_level(level), method or default_method(fit)
    if method not in ("profile", "wald"):
        raise ValueError(
            f"method: must be 'profile' or 'wald', not {method!r}; for the bootstrap's see "
            "fit.bootstrap().interval()"
        )
    if method == "profile":
        refuse_joint(fit, "interval", "method='wald' uses the joint covariance")
    units = None if by is None else units_of(fit.rows, by)
    lost = fit.diagnostics["not_identified"]
    if method == "wald" and lost:
        few_or_none(fit, math.nan, 4)
        return wald(fit, level, units, by, covariance)
    few(len(fit.rows) if units is None else int(units.max()) + 1, units is not None, 4)
    if method == "profile":
        found = profiles(fit, level, by=by, covariance=covariance)
        return {name: profile.interval for name, profile in found.items()}
    return wald(fit, level, units, by, covariance)


def wald(
    fit: Fit, level: float, units: np.ndarray | None, by: Any, covariance: str | None
) -> dict[str, tuple[float, float]]:
    """Value -+ Student's t times the standard error, no further than the bounds.

    For clusters see ``cluster_reach``. A parameter on its bound has no standard error: its
    interval begins there and ends where its profile does.
    """
    from .profile import profiles

    kind = covariance or ("cluster" if units is not None else default_kind(fit.loss))
    matrix, _ = full_covariance(fit, kind, fit.absolute_sigma, units)
    reach = interval_factor(fit, level)
    if units is not None:
        reach = cluster_reach(level, int(units.max()) + 1, len(units), moving(fit))
    held = [name for name in fit.diagnostics["active_bounds"]
            if name not in fit.diagnostics["not_identified"]]
    if fit.loss.name in ("absolute", "quantile"):  # which have no profile
        held = []
    edge = profiles(fit, level, held, by, covariance) if held else {}
    lower, upper = fit.law.bounds()
    out = {}
    for name, at, variance in zip(fit.law.parameters, free_positions(fit.law),
                                  np.diag(matrix), strict=True):
        if at >= 0 or name in fit.law.ties:
            half = reach * math.sqrt(variance) if variance > 0 else math.nan
            ends = np.clip(fit.params[name] + np.array([-half, half]), lower[at], upper[at])
            out[name] = edge[name].interval if name in edge else (float(ends[0]), float(ends[1]))
    return out
