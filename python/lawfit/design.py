"""Trial tables: settings of the variables that span what a law is used for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .info import VariableInfo

__all__ = ["design"]


def design(variables: Mapping[str, VariableInfo], rows: int | None = None) -> dict[str, np.ndarray]:
    """Variable -> column. Every column takes ``rows`` evenly spaced levels of its range once.

    The levels of several variables are paired by an additive recurrence with the roots of
    ``x**(d + 1) = x + 1`` (Roberts 2018), which spreads the rows evenly in all dimensions.
    Deterministic. Raises ValueError for a variable without a range and for fewer than two rows.

    >>> spans = {"x": VariableInfo("size", range=(1.0, 100.0))}
    >>> design(spans, 3)["x"].round(9).tolist()
    [1.0, 10.0, 100.0]
    """
    rows = 32 * (1 + len(variables)) if rows is None else rows
    if rows < 2:
        raise ValueError(f"rows must be at least 2, not {rows}")
    columns = {}
    for (name, info), place in zip(variables.items(), _places(len(variables), rows), strict=True):
        if info.range is None:
            raise ValueError(f"design: no range is known for {name!r}; only laws of the "
                             "catalogue have one")
        low, high = info.range
        space = np.geomspace if info.spacing == "log" else np.linspace
        columns[name] = space(low, high, rows)[place]
    return columns


def _places(dimensions: int, rows: int) -> list[np.ndarray]:
    """For every dimension which level each row takes: the ranks of an additive recurrence."""
    if dimensions == 1:
        return [np.arange(rows)]
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    steps = root ** -np.arange(1.0, dimensions + 1)
    points = np.arange(1, rows + 1)[:, None] * steps % 1.0
    return list(points.argsort(axis=0).argsort(axis=0).T)
