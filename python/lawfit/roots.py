"""Roots of many functions of one number at once, each within its own bracket."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .expression import Array

__all__ = ["root", "sign_changes"]

_STEPS = 200
_EPS = np.finfo(np.float64).eps


def root(function: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where ``function`` is 0 between ``low`` and ``high``, element by element.

    ``function`` takes and returns arrays of the brackets' shape. NaN where the ends do not have
    opposite signs or are not numbers. Each step is an inverse quadratic interpolation where that
    is safe and halves the bracket otherwise: T. R. Chandrupatla, "A new hybrid quadratic/bisection
    algorithm for finding the zero of a nonlinear function" (1997), Adv. Eng. Software 28.

    >>> root(lambda x: x**2 - np.array([2.0, 9.0, -1.0]), np.zeros(3), np.full(3, 10.0)).round(9)
    array([1.41421356, 3.        ,        nan])
    """
    a, b = (np.array(end, dtype=np.float64) for end in np.broadcast_arrays(low, high))
    with np.errstate(all="ignore"):
        fa, fb = function(a), function(b)
        fa, fb = np.broadcast_to(fa, a.shape).copy(), np.broadcast_to(fb, a.shape).copy()
        lost = ~(fa * fb <= 0) & ~(np.sign(fa) * np.sign(fb) <= 0)
        c, fc = a.copy(), fa.copy()
        share = np.full(a.shape, 0.5)
        done = lost | (fa == 0) | (fb == 0)
        for _ in range(_STEPS):
            if done.all():
                break
            x = np.where(done, b, a + share * (b - a))
            fx = function(x)
            same = np.sign(fx) == np.sign(fa)
            c, fc = np.where(same, a, b), np.where(same, fa, fb)
            b, fb = np.where(same, b, a), np.where(same, fb, fa)
            a, fa = np.where(done, a, x), np.where(done, fa, fx)
            best = np.where(np.abs(fa) < np.abs(fb), a, b)
            reach = np.abs(2 * _EPS * best) + 1e-300
            done |= (fa == 0) | (np.abs(b - a) * 0.5 <= reach) | ~np.isfinite(fx)
            share = _share(a, b, c, fa, fb, fc, reach)
        found = np.where(np.abs(fa) <= np.abs(fb), a, b)
    found[lost] = np.nan
    return found


def _share(a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array, reach: Array) -> Array:
    """How far into the bracket the next trial lies."""
    xi = (a - b) / (c - b)
    phi = (fa - fb) / (fc - fb)
    safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
    quadratic = (fa / (fb - fa) * fc / (fb - fc)
                 + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb))
    share = np.where(safe & np.isfinite(quadratic), quadratic, 0.5)
    least = np.minimum(reach / np.abs(b - a), 0.5)
    return np.clip(share, least, 1 - least)


def sign_changes(values: Array) -> Array:
    """Where the sign changes between neighbours along the last axis (one shorter, boolean).

    A value that is exactly 0 counts with its right neighbour; values that are not numbers never.

    >>> sign_changes(np.array([-2.0, -1.0, 3.0, 0.0, -1.0])).tolist()
    [False, True, False, True]
    """
    left, right = values[..., :-1], values[..., 1:]
    return ((left < 0) & (right >= 0)) | ((left >= 0) & (right < 0))
