"""The best size and tokens by search, for any law and cost, all replicates side by side.

Both questions, the lowest loss for a budget and the lowest cost for a loss, are one: minimise
one surface where another has a given value. On that curve every ratio of tokens to size belongs
to one point; the ratio is scanned, and the best neighbourhood narrowed to where the derivative
along the curve vanishes, which gives all digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .expression import Array
from .roots import root

__all__ = ["Search", "best", "fixed"]

_RATIOS = 61  # scanned
_BEYOND = 14.0  # logs of the ratio looked at to either side of the data's own
_REACH = 70.0  # logs of size or tokens that a root is sought in

At = Callable[[Array, Array], Array]


class Search(NamedTuple):
    """What to minimise and what to keep, as functions of (log N, log D) over [k, m, points].

    There are k parameter vectors and m budgets or losses. ``goal`` is minimised where ``held``
    is 0 (it must rise or fall with both); ``held_shape`` is (1, m) when it is the same for every
    parameter vector, else (k, m). ``goal_slopes`` and ``held_slopes`` give derivatives along
    log N and log D as a last axis, up to one positive factor. ``middle`` is the mean of log N and
    log D of the data, ``low`` and ``high`` the ends of log(D/N); searches are relative to these,
    so that units do not matter.
    """

    goal: At
    held: At
    goal_slopes: At
    held_slopes: At
    held_shape: tuple[int, int]
    middle: float
    low: float
    high: float


def best(search: Search) -> tuple[Array, Array]:
    """log N and log D at every optimum, [k, m]; NaN where there is none inside the scan."""
    ratios = np.linspace(search.low - _BEYOND, search.high + _BEYOND, _RATIOS)
    x, y = _on_curve(search, np.broadcast_to(ratios, (*search.held_shape, _RATIOS)))
    goal = search.goal(x, y)
    goal = np.where(np.isfinite(goal), goal, np.inf)
    at = goal.argmin(axis=-1)
    inside = (at > 0) & (at < _RATIOS - 1) & np.isfinite(goal.min(axis=-1))
    at = np.clip(at, 1, _RATIOS - 2)
    ratio = root(lambda z: _slope(search, z), ratios[at - 1], ratios[at + 1])
    x, y = _on_curve(search, np.where(inside, ratio, np.nan)[..., None])
    return x[..., 0], y[..., 0]


def fixed(search: Search, x: Array | None, y: Array | None) -> tuple[Array, Array]:
    """log N and log D where ``held`` is 0, [k, m], one of the two given."""
    ends = np.full((*search.held_shape, 1), search.middle)
    if x is not None:
        found = root(lambda free: search.held(x, free), ends - _REACH, ends + _REACH)
        return x + 0 * found[..., 0], found[..., 0]
    assert y is not None
    found = root(lambda free: search.held(free, y), ends - _REACH, ends + _REACH)
    return found[..., 0], y + 0 * found[..., 0]


def _on_curve(search: Search, ratio: Array) -> tuple[Array, Array]:
    """The point of the curve with each ratio."""
    ends = np.full(ratio.shape, search.middle)
    middle = root(lambda s: search.held(s - ratio / 2, s + ratio / 2),
                  ends - _REACH, ends + _REACH)
    return middle - ratio / 2, middle + ratio / 2


def _slope(search: Search, ratio: Array) -> Array:
    """The derivative of the goal along the curve, towards more tokens a parameter."""
    x, y = _on_curve(search, ratio[..., None])
    goal, held = search.goal_slopes(x, y)[..., 0, :], search.held_slopes(x, y)[..., 0, :]
    across = goal[..., 1] * held[..., 0] - goal[..., 0] * held[..., 1]
    return across * np.sign(held[..., 0] + held[..., 1])
