"""The quantile of chi-square and the tail of F."""

from __future__ import annotations

import math

from .intervals import chi2_sf

__all__ = ["chi2_quantile", "f_tail"]

_TINY = 1e-300
_STEPS = 10_000


def chi2_quantile(tail: float, df: int) -> float:
    """The value that chi-square exceeds with probability ``tail``, by bisection.

    >>> round(chi2_quantile(0.05, 3), 5)
    7.81473
    """
    if not 0 < tail < 1:
        raise ValueError(f"tail: must lie between 0 and 1, not {tail!r}")
    low, high = 0.0, float(df)
    while chi2_sf(high, df) > tail:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if chi2_sf(middle, df) > tail else (low, middle)
    return (low + high) / 2


def f_tail(x: float, above: float, below: float) -> float:
    """P(F > x) on (above, below) degrees of freedom.

    >>> round(f_tail(4.102821, 2, 10), 6)
    0.05
    """
    if not (above > 0 and below > 0) or math.isnan(x):
        return math.nan
    if x <= 0:
        return 1.0
    return _beta_share(below / (below + above * x), below / 2, above / 2)


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function (continued fraction, Numerical Recipes 6.4)."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    c, d = 1.0, 1 / _safe(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _STEPS):
        change = 1.0
        for step in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / _safe(1 + step * d)
            c = _safe(1 + step / c)
            change *= c * d
        total *= change
        if abs(change - 1) < 1e-15:
            break
    return front * total / a


def _safe(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
