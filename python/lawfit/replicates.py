"""Intervals from replicates of which some have no value and some an infinite one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .derive import bootstrap_interval
from .expression import Array
from .intervals import DEFAULT

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .independent import Basis

__all__ = ["METHODS", "check_method", "known_interval", "parameter_rows"]

METHODS = ("adjusted", "percentile", "basic", "expanded")
"""Intervals that need nothing but the replicates and what they rest on."""

_HUGE = np.finfo(np.float64).max / 4  # quantiles interpolate, and inf - inf is not a number


def check_method(method: str | None) -> str:
    """The method, by default that of all intervals from replicates; ValueError for others."""
    method = method or DEFAULT
    if method not in METHODS:
        raise ValueError(f"method: must be one of {', '.join(METHODS)}, not {method!r}")
    return method


def known_interval(
    values: Array, estimate: Array, level: float, method: str | None, basis: Basis
) -> tuple[Array, Array]:
    """(low, high) for each column of ``values`` [k, m], of the replicates that have a value.

    Infinite values count, so an end may be infinite; NaN where fewer than two values are known.
    Percentiles are not moved out where the replicates' spread is known.

    >>> from lawfit.independent import Basis
    >>> low, high = known_interval(np.array([[1.0], [2.0], [np.inf], [np.nan]]), np.array([1.5]),
    ...                            0.9, "percentile", Basis(40, False, 35))
    >>> low.round(2), high
    (array([1.1]), array([inf]))
    """
    method = check_method(method)
    if basis.left is None and method in ("adjusted", "expanded"):
        method = "percentile"
    extra = {"freedom": (basis.count, basis.left)}
    ends = np.full((2, values.shape[1]), np.nan)
    for at, column in enumerate(values.T):
        known = np.clip(column[~np.isnan(column)], -_HUGE, _HUGE)
        if len(known) >= 2:
            ends[:, at] = bootstrap_interval(known, estimate[at], level, method, extra)
    ends[np.abs(ends) > _HUGE / 1e3] *= np.inf
    return ends[0], ends[1]


def parameter_rows(boot: Bootstrap) -> Array:
    """[replicates, parameters] in the order of ``law.parameters``; NaN rows where one failed."""
    return np.stack([boot.params[name] for name in boot.fit.law.parameters], axis=1)
