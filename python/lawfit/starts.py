"""Starts as users give them -> an array over the free parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import free_positions, whole

if TYPE_CHECKING:
    from .law import Law

__all__ = ["read_starts"]


def read_starts(
    law: Law, starts: Any, groups: int | None = None
) -> tuple[np.ndarray | None, int]:
    """(array of starts over ``law.free`` or None, number of starts the engine should make).

    ``"auto"`` leaves everything to the engine, an int asks for that many Sobol starts, an array
    has shape (starts, parameters) or (parameters,) in the order of ``law.parameters``, a dict
    maps names to arrays or scalars that broadcast. With ``groups`` a leading axis of that length
    gives every group its own. Raises TypeError or ValueError naming the parameter and the first
    bad start.

    >>> from lawfit import Law
    >>> read_starts(Law("a*x**b", ["x"]).fix(b=2), {"a": [1, 5]})
    (array([[1.],
           [5.]]), 0)
    """
    if isinstance(starts, str):
        if starts != "auto":
            raise ValueError(f"starts: the only text is 'auto', not {starts!r}")
        return None, 0
    if isinstance(starts, (int, np.integer)) and not isinstance(starts, bool):
        return None, whole("starts", starts, 1)
    full = (
        _from_mapping(law, starts, groups) if isinstance(starts, Mapping)
        else _from_array(law, starts, groups)
    )
    free = np.ascontiguousarray(law.contract(full), dtype=np.float64)
    _check(law, free)
    return free, 0


def _numbers(value: Any, what: str) -> np.ndarray:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: expected numbers, got {value!r:.60}") from None


def _from_array(law: Law, starts: Any, groups: int | None) -> np.ndarray:
    full = np.atleast_2d(_numbers(starts, "starts"))
    count = len(law.parameters)
    grouped = groups is not None and full.ndim == 3 and len(full) == groups
    if not (grouped or full.ndim == 2) or full.shape[-1] != count:
        by_group = "" if groups is None else f" or ({groups}, starts, {count})"
        shapes = f"(starts, {count}){by_group}"
        raise ValueError(
            f"starts: expected shape {shapes} in the order {', '.join(law.parameters)}, "
            f"got {np.shape(starts)}"
        )
    if not full.shape[-2]:
        raise ValueError("starts: the array is empty; give at least one start or 'auto'")
    return full


def _from_mapping(law: Law, starts: Mapping[str, Any], groups: int | None) -> np.ndarray:
    for name in starts:
        if name not in law.parameters:
            raise ValueError(
                f"starts: {name!r} is not a parameter; parameters: {', '.join(law.parameters)}"
            )
    resting = law.expand(np.asarray(law.guesses(), dtype=np.float64))  # declared, fixed: else NaN
    parts = []
    for position, name in enumerate(law.parameters):
        part = _numbers(starts[name], f"starts[{name!r}]") if name in starts else resting[position]
        part = np.asarray(part)
        if part.ndim > 1 and not (part.ndim == 2 and len(part) == groups):
            axes = "one axis" if groups is None else f"shape (starts,) or ({groups}, starts)"
            raise ValueError(f"starts[{name!r}]: expected a number or {axes}, got {part.shape}")
        parts.append(np.atleast_1d(part))
    try:
        full = np.stack(np.broadcast_arrays(*parts), axis=-1)
    except ValueError:
        lengths = ", ".join(
            f"{name} {part.shape[-1]}" for name, part in zip(law.parameters, parts, strict=True)
        )
        raise ValueError(f"starts: lengths do not agree: {lengths}") from None
    _fill_tied(law, starts, full)
    for gap, (low, high) in law.gaps.items():
        if gap not in starts and low in starts and high in starts:
            at = law.parameters.index
            full[..., at(gap)] = np.maximum(full[..., at(high)] - full[..., at(low)], 0.0)
    missing = [
        name for position, name in enumerate(law.parameters)
        if name not in starts and name not in law.ties and np.isnan(full[..., position]).any()
    ]
    if missing:
        raise ValueError(f"starts: no start for {', '.join(missing)}; give one for each parameter")
    return full


def _fill_tied(law: Law, starts: Mapping[str, Any], full: np.ndarray) -> None:
    """A parameter without a start takes the one of a parameter it is tied to."""
    place = free_positions(law)
    for position, name in enumerate(law.parameters):
        for other, giver in enumerate(law.parameters):
            if name not in starts and giver in starts and place[other] == place[position] >= 0:
                full[..., position] = full[..., other]


def _check(law: Law, free: np.ndarray) -> None:
    """Free parameters must start at finite values inside their declared bounds."""
    low, high = (np.asarray(bound, dtype=np.float64) for bound in law.bounds())
    bounded = np.isfinite(low).any() or np.isfinite(high).any()
    if np.isfinite(free).all() and not (bounded and ((free < low) | (free > high)).any()):
        return
    for position, name in enumerate(law.free):
        column = free[..., position]
        for bad, why in (
            (~np.isfinite(column), "is not finite"),
            (column < low[position], f"lies below the bound {low[position]:g}"),
            (column > high[position], f"lies above the bound {high[position]:g}"),
        ):
            if bad.any():
                first = np.unravel_index(int(np.argmax(bad)), bad.shape)
                where = f"start {first[-1]}" + (f" of group {first[0]}" if len(first) > 1 else "")
                value = f"{name} = {column[first]:g}"
                raise ValueError(f"starts: {where} has {value}, which {why}")
