"""Intervals from replicates of which some have no value and some an infinite one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .expression import Array
from .intervals import basic, percentile

if TYPE_CHECKING:
    from .bootstrap import Bootstrap

__all__ = ["known_interval", "parameter_rows"]

_HUGE = np.finfo(np.float64).max / 4  # quantiles interpolate, and inf - inf is not a number


def known_interval(
    values: Array, estimate: Array, level: float, method: str
) -> tuple[Array, Array]:
    """(low, high) for each column of ``values`` [k, m], of the replicates that have a value.

    Infinite values count, so an end may be infinite; NaN where fewer than two values are known.

    >>> low, high = known_interval(np.array([[1.0], [2.0], [np.inf], [np.nan]]), np.array([1.5]),
    ...                            0.9, "percentile")
    >>> low.round(2), high
    (array([1.1]), array([inf]))
    """
    choices = {"percentile": lambda known, _: percentile(known, level),
               "basic": lambda known, value: basic(known, value, level)}
    if method not in choices:
        raise ValueError(f"method: must be 'percentile' or 'basic', not {method!r}")
    ends = np.full((2, values.shape[1]), np.nan)
    for at, column in enumerate(values.T):
        known = np.clip(column[~np.isnan(column)], -_HUGE, _HUGE)
        if len(known) >= 2:
            ends[:, at] = choices[method](known, estimate[at])
    ends[np.abs(ends) > _HUGE / 1e3] *= np.inf
    return ends[0], ends[1]


def parameter_rows(boot: Bootstrap) -> Array:
    """[replicates, parameters] in the order of ``law.parameters``; NaN rows where one failed."""
    return np.stack([boot.params[name] for name in boot.fit.law.parameters], axis=1)
