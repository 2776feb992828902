"""Quantiles of the normal and of Student's t, and the two plain bootstrap intervals."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

__all__ = ["basic", "check_level", "normal_quantile", "percentile", "t_quantile"]


def check_level(level: float) -> float:
    """The level as a float; ValueError unless it lies strictly between 0 and 1.

    >>> check_level(0.95)
    0.95
    """
    if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)):
        raise TypeError(f"level: expected a number such as 0.95, not {type(level).__name__}")
    if not 0 < level < 1:
        raise ValueError(f"level: must lie between 0 and 1 (0.95 for 95 %), not {level!r}")
    return float(level)


def normal_quantile(p: float) -> float:
    """The standard normal quantile at p.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return NormalDist().inv_cdf(p)


def _t_cdf(t: float, df: int) -> float:
    """Student's t distribution function for whole df (finite sums, Abramowitz & Stegun 26.7.3-4).
    """
    theta = math.atan2(t, math.sqrt(df))
    cos2 = math.cos(theta) ** 2
    if df % 2:
        term = math.cos(theta)
        total = term if df > 1 else 0.0
        for k in range(3, df - 1, 2):
            term *= cos2 * (k - 1) / k
            total += term
        return 0.5 + (theta + math.sin(theta) * total) / math.pi
    term = total = 1.0
    for k in range(2, df - 1, 2):
        term *= cos2 * (k - 1) / k
        total += term
    return 0.5 + math.sin(theta) * total / 2


def t_quantile(p: float, df: int) -> float:
    """The quantile at p of Student's t with df degrees of freedom (a whole number >= 1).

    Found by bisection on the exact distribution function; past 400 degrees of freedom by the
    Cornish-Fisher expansion (Abramowitz & Stegun 26.7.5), whose error is below 1e-9 there for
    p up to 0.9995. Raises ValueError when df < 1.

    >>> round(t_quantile(0.975, 10), 6)
    2.228139
    """
    if df < 1:
        raise ValueError(f"df: Student's t needs at least one degree of freedom, not {df}")
    z = normal_quantile(p)
    if df > 400:
        z2 = z * z
        return z * (
            1
            + (z2 + 1) / (4 * df)
            + ((5 * z2 + 16) * z2 + 3) / (96 * df**2)
            + (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * df**3)
        )
    target = max(p, 1 - p)
    low, high = 0.0, 1.0
    while _t_cdf(high, df) < target and high < 1e300:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _t_cdf(middle, df) < target:
            low = middle
        else:
            high = middle
    return math.copysign((low + high) / 2, p - 0.5)


def percentile(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The central ``level`` range of replicates along axis 0 (linear interpolation).

    >>> low, high = percentile(np.arange(101.0), 0.9)
    >>> round(float(low), 6), round(float(high), 6)
    (5.0, 95.0)
    """
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def basic(values: np.ndarray, estimate: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The basic (reflected) bootstrap range: ``2*estimate - `` the percentiles, swapped.

    Source: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997),
    section 5.2.

    >>> low, high = basic(np.arange(101.0), 40.0, 0.9)
    >>> round(float(low), 6), round(float(high), 6)
    (-15.0, 75.0)
    """
    low, high = percentile(values, level)
    return 2 * estimate - high, 2 * estimate - low
