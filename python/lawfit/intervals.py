"""Quantiles of the normal and of Student's t, and the bootstrap intervals."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

__all__ = [
    "DEFAULT", "METHODS", "OFF_BOUNDS", "adjusted", "basic", "bca", "check_interval",
    "check_level", "chi2_sf", "cluster_reach", "expanded", "normal_quantile", "normal_quantiles",
    "percentile", "studentized", "t_quantile",
]

DEFAULT = "adjusted"  # chosen by bench/coverage.py; its table is in the README
OFF_BOUNDS = ("basic", "bca", "studentized")  # undefined where the estimate lies on a bound
METHODS = ("percentile", "adjusted", "basic", "bca", "studentized", "expanded")


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


def check_interval(level: float, method: str, resampling: str) -> float:
    """The level; ValueError when it, or ``method`` for replicates of ``resampling``, will not do.

    >>> check_interval(0.95, "percentile", "pairs")
    0.95
    """
    level = check_level(level)
    if method not in METHODS:
        raise ValueError(f"method: unknown interval {method!r}; choose from {', '.join(METHODS)}")
    if resampling == "jackknife":
        raise ValueError("interval: a jackknife's replicates are not draws; use stderr()")
    return level


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


@lru_cache(maxsize=4096)
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


def cluster_reach(level: float, clusters: int, rows: int, parameters: int) -> float:
    """How many cluster-robust standard errors an interval reaches; NaN unless G > p.

    Student's t on G - p degrees of freedom, and the covariance scaled by G/(G - p): p numbers are
    estimated from G independent clusters. The covariance itself has the usual G/(G - 1)
    (n - 1)/(n - p), with which 95 % intervals of a law with five parameters were found to hold 92
    % from 30 clusters (bench/coverage.py).

    >>> round(cluster_reach(0.95, 30, 120, 5), 4), cluster_reach(0.95, 5, 20, 5)
    (2.1806, nan)
    """
    left = clusters - parameters
    if left < 1:
        return math.nan
    scale = (clusters - 1) * (rows - parameters) / (left * (rows - 1))
    return t_quantile((1 + level) / 2, left) * math.sqrt(scale)


def chi2_sf(x: float, df: int) -> float:
    """The probability that chi-square with df degrees of freedom (a whole number) exceeds x.

    By its finite sums (Abramowitz & Stegun 26.4.4-5), which keep their digits far in the tail.

    >>> f"{chi2_sf(239.6, 5):.2g}", round(chi2_sf(3.841458820694124, 1), 12)
    ('9.4e-50', 0.05)
    """
    if not x >= 0 or df < 1:
        return math.nan
    half = x / 2
    if df % 2:
        total = math.erfc(math.sqrt(half))
        term = math.exp(-half) * math.sqrt(half) * 2 / math.sqrt(math.pi)
        for k in range(1, df, 2):
            total += term
            term *= x / (k + 2)
        return total
    total = term = math.exp(-half)
    for k in range(1, df // 2):
        term *= half / k
        total += term
    return total


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


def bca(
    values: np.ndarray, estimate: np.ndarray, level: float, jackknife: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The bias-corrected and accelerated range; ``jackknife`` has the estimates without each unit.

    Percentiles at levels shifted by the share of replicates below the estimate and by the
    skewness of the jackknife. Where all replicates lie on one side, the correction is infinite
    and the end is NaN. Source: B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987).

    >>> low, high = bca(np.arange(101.0), 40.0, 0.9, np.array([39.0, 40.0, 41.0]))
    >>> round(float(low), 2), round(float(high), 2)
    (1.59, 87.35)
    """
    values, estimate = np.asarray(values, dtype=np.float64), np.asarray(estimate)
    share = ((values < estimate).mean(axis=0) + (values <= estimate).mean(axis=0)) / 2
    off = jackknife.mean(axis=0) - jackknife
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = (off**3).sum(axis=0) / (6 * (off**2).sum(axis=0) ** 1.5)
    skew = np.where(np.isfinite(skew), skew, 0.0)
    centre = normal_quantiles(share)
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        moved = centre + normal_quantile(tail)
        with np.errstate(invalid="ignore", divide="ignore"):
            at = _normal_shares(centre + moved / (1 - skew * moved))
        ends.append(_quantiles_at(values, at))
    return ends[0], ends[1]


def adjusted(
    values: np.ndarray, level: float, df: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles at the level where a normal's quantile is Student's t, with ``df`` degrees left.

    Percentiles of replicates presume that their spread is known, as a normal quantile does; with
    few units it is estimated. ``df`` may be an array, one a column; NaN where none are left.

    >>> low, high = adjusted(np.arange(101.0), 0.9, 15)
    >>> round(float(low), 2), round(float(high), 2)
    (3.98, 96.02)
    """
    return _at_reach(values, [
        t_quantile((1 + level) / 2, int(left)) if left > 0 else math.nan for left in np.ravel(df)
    ], np.shape(df))


def expanded(
    values: np.ndarray, level: float, independent: int | np.ndarray, df: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles at a wider level still: Student's t times the root of n over df.

    What a mean of few units needs, whose replicates spread too little by that root.
    ``independent`` units (rows or clusters) were drawn, ``df`` degrees of freedom remain; both may
    be arrays, one a column. Source:
    T. Hesterberg, "What teachers should know about the bootstrap", American Statistician 69
    (2015), section 3.3, with the regression's degrees of freedom.

    >>> low, high = expanded(np.arange(101.0), 0.9, 20, 15)
    >>> round(float(low), 2), round(float(high), 2)
    (2.15, 97.85)
    """
    return _at_reach(values, [
        math.sqrt(units / left) * t_quantile((1 + level) / 2, int(left)) if left > 0 else math.nan
        for units, left in zip(np.ravel(independent), np.ravel(df), strict=True)
    ], np.shape(df))


def _at_reach(
    values: np.ndarray, reach: list[float], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles where a standard normal lies ``reach`` from 0: one for all columns, or one each."""
    tail = np.reshape([NormalDist().cdf(-far) if far == far else math.nan for far in reach], shape)
    if np.ndim(tail):
        return _quantiles_at(values, tail), _quantiles_at(values, 1 - tail)
    if math.isnan(tail):
        nothing = np.full(np.shape(values)[1:], np.nan)
        return nothing, nothing
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def studentized(
    values: np.ndarray, estimate: np.ndarray, level: float, errors: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The bootstrap-t range from every replicate's own standard error (NaN: left out).

    Source: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997),
    section 5.2.

    >>> low, high = studentized(np.arange(101.0), 50.0, 0.9, np.full(101, 2.0), 3.0)
    >>> round(float(low), 2), round(float(high), 2)
    (-17.5, 117.5)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (values - estimate) / errors
    t = np.where(np.isfinite(t), t, np.nan)
    tail = (1 - level) / 2
    empty = np.isnan(t).all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0.0, t), [tail, 1 - tail], axis=0)
    error = np.where(empty, np.nan, error)
    return estimate - high * error, estimate - low * error


def normal_quantiles(p: np.ndarray) -> np.ndarray:
    """Elementwise, infinite at 0 and 1; equal numbers are worked out once.

    >>> normal_quantiles(np.array([0.5, 1.0]))
    array([ 0., inf])
    """
    each, places = np.unique(p, return_inverse=True)
    found = [
        math.nan if math.isnan(x) else -math.inf if x <= 0 else math.inf if x >= 1
        else normal_quantile(float(x))
        for x in each
    ]
    return np.array(found)[places].reshape(np.shape(p))


def _normal_shares(z: np.ndarray) -> np.ndarray:
    flat = [math.nan if math.isnan(x) else 0.5 * math.erfc(-x / math.sqrt(2)) for x in np.ravel(z)]
    return np.reshape(flat, np.shape(z))


def _quantiles_at(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """One quantile along axis 0 for every place behind it, each at its own level (NaN: NaN)."""
    flat, levels = np.sort(values.reshape(len(values), -1), axis=0), np.ravel(at)
    known = np.isfinite(levels)
    place = np.where(known, levels, 0.0) * (len(flat) - 1)
    below = np.minimum(place.astype(np.int64), len(flat) - 1)
    above = np.minimum(below + 1, len(flat) - 1)
    every = np.arange(flat.shape[1])
    low, high = flat[below, every], flat[above, every]
    out = np.where(known, low + (place - below) * (high - low), np.nan)
    return out.reshape(np.shape(at))
