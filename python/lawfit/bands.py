"""Simultaneous bands: intervals that hold at all points of a path at once."""

from __future__ import annotations

import numpy as np

__all__ = ["BANDS", "check_band", "depth", "pointwise_level", "sup_t"]

BANDS = ("pointwise", "simultaneous")
_DRAWS, _SEED = 40_000, 7
_AT_ONCE = 4_000_000  # numbers held


def check_band(band: str) -> bool:
    """Whether the band is simultaneous; ValueError for other words.

    >>> check_band("simultaneous")
    True
    """
    if band not in BANDS:
        raise ValueError(f"band: must be {' or '.join(map(repr, BANDS))}, not {band!r}")
    return band == "simultaneous"


def sup_t(
    slopes: np.ndarray, covariance: np.ndarray, extra: np.ndarray, level: float, df: int | None
) -> float:
    """How many standard errors a band reaches so that it holds everywhere at ``level``.

    The quantile of the largest of |t| over the points, where predictions are ``slopes`` [points,
    parameters] times parameters of that ``covariance``, plus independent noise of variance
    ``extra`` [points]; ``df`` degrees of freedom estimate the scale (None: it is known). From
    40,000 draws, always the same. NaN where the covariance is. Source: J. Montiel Olea and M.
    Plagborg-Moller, "Simultaneous confidence bands", Journal of Applied Econometrics 34 (2019).

    >>> line = np.stack([np.ones(50), np.linspace(-1, 1, 50)], axis=1)
    >>> scheffe = 2.447  # root of chi-square's 95 % quantile with two degrees of freedom
    >>> 2.1 < sup_t(line, np.eye(2), np.zeros(50), 0.95, None) < scheffe
    True
    """
    if not np.isfinite(covariance).all() or (df is not None and df < 1):
        return float("nan")
    error = np.sqrt(np.diag(covariance))
    scale = np.where(error > 0, error, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    loading = (slopes * scale) @ (vectors * np.sqrt(np.maximum(values, 0)))
    total = np.sqrt((loading**2).sum(axis=1) + extra)
    seen = np.isfinite(total) & (total > 0)
    if not seen.any():
        return float("nan")
    noise = np.sqrt(extra[seen]) / total[seen]
    loading = _own_axes(loading[seen] / total[seen, None])
    random, most = np.random.default_rng(_SEED), []
    step = max(1, _AT_ONCE // len(loading))
    for begin in range(0, _DRAWS, step):
        count = min(step, _DRAWS - begin)
        t = random.normal(size=(count, loading.shape[1])) @ loading.T
        if noise.any():
            t += noise * random.normal(size=t.shape)
        most.append(np.abs(t).max(axis=1))
    largest = np.concatenate(most)
    if df is not None:
        largest /= np.sqrt(random.chisquare(df, size=_DRAWS) / df)
    return float(np.quantile(largest, level))


def _own_axes(loading: np.ndarray) -> np.ndarray:
    """Turned to its principal axes, so that the draws do not depend on the parameters' units."""
    left, size, _ = np.linalg.svd(loading, full_matrices=False)
    peak = np.take_along_axis(left, np.abs(left).argmax(axis=0)[None, :], axis=0)
    return np.asarray(left * size * np.sign(peak))


def pointwise_level(depths: np.ndarray, level: float) -> float:
    """The level of pointwise percentile intervals of which a share ``level`` of replicates is
    inside everywhere.

    ``depths`` has for each replicate the least share of replicates beyond it on its side, over
    the points (see ``depth``). Source: as for ``sup_t``, algorithm 2.
    """
    return float(1 - 2 * np.quantile(depths, 1 - level))


def depth(values: np.ndarray) -> np.ndarray:
    """For each replicate of ``values`` [k, points], the least over the points of the share of
    replicates that are as far out, or farther, on its side.

    >>> depth(np.array([[1.0, 9.0], [2.0, 8.0], [3.0, 7.0]])).round(2)
    array([0.17, 0.5 , 0.17])
    """
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return (np.minimum(ranks, len(values) - 1 - ranks).min(axis=1) + 0.5) / len(values)
