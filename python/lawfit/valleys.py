"""The valley of the loss in every isoFLOP slice: its runs, its curve, its minimum, its noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .engine import whole
from .expression import Array
from .intervals import t_quantile
from .slices import Runs
from .vertex import LEAST, curve_values, fieller, polynomial, vertices

__all__ = [
    "Group", "Slice", "analysis_of", "curve_points", "group_runs", "measure", "noise_of",
    "replicate_sizes",
]


@dataclass(frozen=True, eq=False)
class Slice:
    """One budget: its runs by rising size, and the minimum of the curve through them.

    ``status`` is ``"vertex"``, or says why the slice has none to use: ``"few runs"``,
    ``"no minimum"``, or ``"outside"`` when the minimum lies beyond the sizes that were run.
    ``fieller`` is the vertex's interval from this slice alone (parabolas; infinite where open).
    """

    compute: float
    sizes: Array
    losses: Array
    size: float
    loss: float
    status: str
    fieller: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one slice, by rising size: their places, log sizes and values to fit."""

    rows: np.ndarray
    x: Array
    y: Array
    compute: float


def group_runs(runs: Runs, mask: np.ndarray, curve: str, on: str) -> Group:
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(runs.size[rows], kind="stable")]
    value = np.log(runs.loss[rows]) if on == "log" else runs.loss[rows]
    compute = float(np.exp(np.log(runs.compute[rows]).mean()))
    return Group(rows, np.log(runs.size[rows]), value, compute)


def _merged(x: Array, y: Array, curve: str) -> tuple[Array, Array]:
    """Akima goes through points of different sizes; runs of one size become their mean."""
    different, place = np.unique(x, return_inverse=True)
    if curve != "akima" or len(different) == len(x):
        return x, y
    share = (place[:, None] == np.arange(len(different))).astype(float)
    return different, y @ (share / share.sum(axis=0))


def measure(group: Group, curve: str, on: str, level: float) -> Slice:
    back = np.exp if on == "log" else np.asarray
    known = (group.compute, np.exp(group.x), back(group.y))
    if len(np.unique(group.x)) < LEAST[curve]:
        return Slice(*known, np.nan, np.nan, "few runs", (-np.inf, np.inf))
    found = vertices(curve, *_merged(group.x, group.y[None], curve))
    at, low = float(found.x[0]), float(found.y[0])
    status = "vertex" if group.x[0] <= at <= group.x[-1] else "outside"
    if np.isnan(at):
        status = "no minimum"
    ends = (-np.inf, np.inf)
    if curve == "parabola" and status != "no minimum" and len(group.x) > 3:
        ends = fieller(group.x, group.y, t_quantile((1 + level) / 2, len(group.x) - 3))
    return Slice(*known, float(np.exp(at)), float(back(low)), status,
                 (float(np.exp(ends[0])), float(np.exp(ends[1]))))


def noise_of(
    groups: list[Group], usable: np.ndarray, curve: str, noise: Any, count: int
) -> tuple[Array, int]:
    """Standard deviation of every run's value, and the degrees of freedom curves leave."""
    squares, left = 0.0, 0
    for group, fine in zip(groups, usable, strict=True):
        degree = 2 if curve == "parabola" else 3
        if not fine or len(np.unique(group.x)) <= degree:
            continue
        x = group.x - group.x.mean()
        found = polynomial(x, group.y[None], degree)[0]
        squares += float(np.sum((group.y - np.polyval(found[::-1], x)) ** 2))
        left += len(x) - degree - 1
    if noise is None:
        return np.full(count, np.sqrt(squares / left) if left > 0 else np.nan), left
    array = np.asarray(noise, dtype=np.float64)
    if array.shape not in ((), (count,)) or not (array >= 0).all():
        raise ValueError(f"noise: expected a number >= 0 or one for each of {count} rows")
    return np.broadcast_to(array, (count,)), left


def replicate_sizes(
    groups: list[Group], usable: np.ndarray, curve: str, spread: Array, weights: Any, count: int,
    seed: int, rows: int,
) -> Array:
    """Vertices [replicates, slices]; NaN for slices that are not used."""
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 2 or weights.shape[1] != rows or not (weights >= 0).all():
            raise ValueError(f"weights: expected numbers >= 0 of shape (replicates, {rows})")
        count = len(weights)
    random = np.random.default_rng(whole("seed", seed, 0))
    out = np.full((count, len(groups)), np.nan)
    for at, (group, fine) in enumerate(zip(groups, usable, strict=True)):
        noise = random.standard_normal((count, len(group.x)))  # drawn for every slice alike
        if not fine:
            continue
        if weights is not None:
            repeated = np.broadcast_to(group.y, (count, len(group.x)))
            found = vertices(curve, group.x, repeated, weights[:, group.rows])
        else:
            values = group.y + noise * spread[group.rows]
            found = vertices(curve, *_merged(group.x, values, curve))
        with np.errstate(over="ignore"):
            out[:, at] = np.exp(found.x)
    return out


def analysis_of(
    groups: list[Group], usable: np.ndarray, curve: str, on: str
) -> Callable[[Array], Array]:
    """The vertices [1, slices] that this analysis finds for other losses of the same runs."""

    def analyse(losses: Array) -> Array:
        values = np.log(losses) if on == "log" else losses
        out = np.full((1, len(groups)), np.nan)
        for at, (group, fine) in enumerate(zip(groups, usable, strict=True)):
            if fine:
                merged = _merged(group.x, values[group.rows][None], curve)
                out[0, at] = np.exp(vertices(curve, *merged).x[0])
        return out

    return analyse


def curve_points(part: Slice, curve: str, on: str, sizes: Array) -> Array:
    """The fitted curve of a slice at other sizes, in units of the loss."""
    value = np.log(part.losses) if on == "log" else part.losses
    x, y = _merged(np.log(part.sizes), value[None], curve)
    found = curve_values(curve, x, y[0], np.log(sizes))
    return np.exp(found) if on == "log" else found
