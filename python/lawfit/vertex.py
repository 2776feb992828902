"""Minima of curves through the points of one isoFLOP slice, for many replicates at once.

Every function takes ``x`` [n], values ``y`` [k, n] and weights [k, n] or [n] (all one: None), and
gives a ``Vertices`` of arrays over the k replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .expression import Array

__all__ = ["CURVES", "LEAST", "Vertices", "curve_values", "fieller", "polynomial", "vertices"]

_FAR = 1e3  # half ranges of a slice


class Vertices(NamedTuple):
    """Where each curve is least and how low it gets there; NaN where it has no minimum."""

    x: Array
    y: Array


def vertices(curve: str, x: Array, y: Array, weights: Array | None = None) -> Vertices:
    """The minima of one kind of curve.

    >>> x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    >>> [float(vertices(curve, x, 5 + (x[None] - 1.7)**2).x[0].round(6)) for curve in CURVES]
    [1.7, 1.7, 1.7]
    """
    with np.errstate(all="ignore"):
        return CURVES[curve](x, np.atleast_2d(y), weights)


def polynomial(x: Array, y: Array, degree: int, weights: Array | None = None) -> Array:
    """Least-squares coefficients [k, degree + 1] of powers of ``x``; NaN where undetermined."""
    powers = x[:, None] ** np.arange(degree + 1)
    if weights is None:
        return y @ np.linalg.pinv(powers).T
    weights = np.broadcast_to(weights, y.shape)
    enough = (weights > 0).sum(axis=1) > degree
    gram = np.einsum("ni,kn,nj->kij", powers, weights, powers)
    enough &= np.linalg.cond(gram) < 1e12
    gram[~enough] = np.eye(degree + 1)
    found = np.linalg.solve(gram, np.einsum("ni,kn->ki", powers, weights * y)[..., None])[..., 0]
    found[~enough] = np.nan
    return found


def _unit(x: Array) -> tuple[Array, float, float]:
    """x moved and scaled to [-1, 1], with its middle and half range."""
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    return (x - middle) / half, middle, half


def _parabola(x: Array, y: Array, weights: Array | None) -> Vertices:
    unit, middle, half = _unit(x)
    a, b, c = polynomial(unit, y, 2, weights).T
    at = np.where(c > 0, -b / (2 * c), np.nan)
    return Vertices(middle + half * at, a + at * (b + at * c))


def _cubic(x: Array, y: Array, weights: Array | None) -> Vertices:
    unit, middle, half = _unit(x)
    a, b, c, d = polynomial(unit, y, 3, weights).T
    at = _cubic_minimum(b, c, d)
    return Vertices(middle + half * at, a + at * (b + at * (c + at * d)))


def _cubic_minimum(b: Array, c: Array, d: Array) -> Array:
    """Where ``b*u + c*u**2 + d*u**3`` has its local minimum, by the form that does not cancel."""
    spread = np.sqrt(c * c - 3 * b * d)
    at = np.where(c > 0, -b / (c + spread), (spread - c) / (3 * d))
    return np.where(np.abs(at) < _FAR, at, np.nan)  # of a parabola's rounding, not of the cubic


def _akima(x: Array, y: Array, weights: Array | None) -> Vertices:
    """The lowest point of Akima's interpolant; NaN when that is the first or the last of all."""
    if weights is not None:
        raise ValueError("curve='akima' goes through every point and cannot weigh them")
    slopes = akima_slopes(x, y)
    width, rise = np.diff(x), np.diff(y, axis=1)
    left, right = slopes[:, :-1] * width, slopes[:, 1:] * width  # per unit of the interval
    b, c, d = left, 3 * rise - 2 * left - right, left + right - 2 * rise
    at = _cubic_minimum(b, c, d)
    inside = (at > 0) & (at < 1)
    at = np.where(inside, at, 0.0)
    lows = np.where(inside, y[:, :-1] + at * (b + at * (c + at * d)), np.inf)
    lows = np.minimum(lows, y[:, :-1])
    at = np.where(lows < y[:, :-1], at, 0.0)
    best = lows.argmin(axis=1)
    rows = np.arange(len(y))
    where, low = x[best] + at[rows, best] * width[best], lows[rows, best]
    open_end = (where <= x[0]) | (y[:, -1] <= low)
    return Vertices(np.where(open_end, np.nan, where), np.where(open_end, np.nan, low))


def akima_slopes(x: Array, y: Array) -> Array:
    """Slopes at the points, [k, n]: H. Akima, "A new method of interpolation and smooth curve
    fitting based on local procedures" (1970), J. ACM 17; at least three points.

    Two secants are added on either side in arithmetic progression.
    """
    secant = np.diff(y, axis=1) / np.diff(x)
    first, last = secant[:, :1], secant[:, -1:]
    before, after = first - (secant[:, 1:2] - first), last + (last - secant[:, -2:-1])
    m = np.hstack([2 * before - first, before, secant, after, 2 * after - last])
    change = np.abs(np.diff(m, axis=1))
    left, right = change[:, 2:], change[:, :-2]  # the flatter side counts more
    total = left + right
    flat = total <= 1e-9 * total.max(axis=1, keepdims=True)
    safe = np.where(flat, 1.0, total)
    return np.where(flat, (m[:, 1:-2] + m[:, 2:-1]) / 2,
                    (left * m[:, 1:-2] + right * m[:, 2:-1]) / safe)


CURVES: dict[str, Callable[[Array, Array, Array | None], Vertices]] = {
    "parabola": _parabola, "cubic": _cubic, "akima": _akima,
}
LEAST = {"parabola": 3, "cubic": 4, "akima": 3}  # points a curve needs


def curve_values(curve: str, x: Array, y: Array, at: Array) -> Array:
    """The curve through ``(x, y)`` [n] at other places."""
    if curve == "akima":
        piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
        slope, width = akima_slopes(x, y[None])[0], np.diff(x)
        u, rise = (at - x[piece]) / width[piece], np.diff(y)[piece]
        left, right = slope[piece] * width[piece], slope[piece + 1] * width[piece]
        return y[piece] + u * (left + u * (3 * rise - 2 * left - right
                                           + u * (left + right - 2 * rise)))
    degree = LEAST[curve] - 1
    unit, middle, half = _unit(x)
    powers = ((at - middle) / half)[:, None] ** np.arange(degree + 1)
    return powers @ polynomial(unit, y[None], degree)[0]


def fieller(x: Array, y: Array, factor: float) -> tuple[float, float]:
    """Where a parabola's vertex may lie: Fieller's interval, infinite where the data leave it open.

    ``factor`` is Student's t on n - 3. The vertex ``v`` is kept while ``b + 2*c*v`` is within
    ``factor`` standard errors of 0; when the curvature itself is not significant the set is
    unbounded and both ends are infinite. Source: E. C. Fieller, "Some problems in interval
    estimation" (1954), J. R. Stat. Soc. B 16.

    >>> x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    >>> low, high = fieller(x, x**2 + np.array([0.1, -0.2, 0.1, 0.2, -0.2]), 4.30)
    >>> round(low, 3), round(high, 3)
    (-0.172, 0.194)
    """
    unit, middle, half = _unit(x)
    powers = unit[:, None] ** np.arange(3)
    found = polynomial(unit, y[None], 2)[0]
    left = len(x) - 3
    if left < 1:
        return -np.inf, np.inf
    variance = np.sum((y - powers @ found) ** 2) / left * np.linalg.inv(powers.T @ powers)
    slope, bend = found[1], 2 * found[2]
    t2 = factor**2
    # (slope + bend*v)**2 <= t2*(s11 + 2*v*s12 + v**2*s22), a quadratic in v
    s11, s12, s22 = variance[1, 1], 2 * variance[1, 2], 4 * variance[2, 2]
    a, b, c = bend**2 - t2 * s22, slope * bend - t2 * s12, slope**2 - t2 * s11
    if not (bend > 0 and a > 0):
        return -np.inf, np.inf
    spread = np.sqrt(max(b * b - a * c, 0.0))
    return float(middle + half * (-b - spread) / a), float(middle + half * (-b + spread) / a)
