"""Standardised residuals along a variable, the fitted value, or groups of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .style import BLUE, GREY, ORANGE, finish, label_of, new_axes, plain, scale, spans

if TYPE_CHECKING:
    from ..result import Fit

__all__ = ["residuals"]

_LABELLED = 10  # outliers that get their row's number
_BINS = 8


def residuals(fit: Fit, by: Any = None, *, ax: Any = None) -> Any:
    """Standardised residuals, and where they drift: the median of bins of equally many rows.

    ``by`` is a variable of the law (default: the first), ``"fitted"``, or one label a row used
    (such as the family of every run), which gives a column of points for each label. Grey lines
    mark two standard deviations; outliers by ``fit.diagnose()`` are ringed, with their places in
    the table.

    Raises ImportError with the pip line without matplotlib, ValueError for an unknown variable.
    """
    axes = new_axes(ax)
    found = fit.diagnose()
    labels = None
    if by is None and fit.law.variables:
        by = fit.law.variables[0]
    if isinstance(by, str) and by in fit.law.variables:
        x, name = fit.rows.columns[by], label_of(fit, by)
    elif by is None or (isinstance(by, str) and by == "fitted"):
        x, name = fit.fitted, f"fitted {fit.rows.y_name}"
    elif isinstance(by, str):
        raise ValueError(f"by: {by!r} is neither 'fitted' nor a variable; "
                         f"{', '.join(fit.law.variables)}")
    else:
        labels, x = _groups(by, len(fit.rows))
        name = ""
    y = found.standardised
    for level in (-2, 2):
        axes.axhline(level, color=GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    axes.axhline(0, color=GREY, lw=0.9, zorder=1)
    axes.plot(x, y, "o", ms=4, mew=0, alpha=0.6, color=BLUE, label="runs", zorder=2)
    _drift(axes, x, y, labels)
    _ring(axes, x, y, found)
    if labels is None:
        scale(axes.xaxis, spans(x))
    else:
        crowded = max(len(label.strip("$")) for label in labels) * len(labels) > 70
        axes.set_xticks(range(len(labels)), labels, rotation=40 if crowded else 0,
                        ha="right" if crowded else "center")
    axes.set_xlabel(name)
    axes.set_ylabel("standardised residual")
    axes.set_title(f"{fit.law.formula}, on {fit.on} scale", fontsize="medium")
    finish(axes)
    return axes


def _groups(by: Any, count: int) -> tuple[list[str], np.ndarray]:
    """Labels, and the place of every row, spread a little so that points do not hide others."""
    array = np.asarray(by)
    if array.shape != (count,):
        raise ValueError(f"by: expected one label for each of {count} rows, got {array.shape}")
    labels, place = np.unique(array, return_inverse=True)
    turn = np.arange(count) * 0.6180339887 % 1.0  # the golden ratio spreads evenly
    texts = [plain(float(label)) if array.dtype.kind in "iuf" else str(label) for label in labels]
    return texts, place + 0.36 * (turn - 0.5)


def _drift(axes: Any, x: np.ndarray, y: np.ndarray, labels: list[str] | None) -> None:
    """The median of bins along x, or of every label."""
    if labels is not None:
        at = np.round(x).astype(int)
        for place in range(len(labels)):
            axes.plot([place - 0.3, place + 0.3], [np.median(y[at == place])] * 2, color=ORANGE,
                      lw=2.2, zorder=3, label="median" if place == 0 else None)
        return
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(_BINS, max(1, len(x) // 5))) if len(part)]
    if len(parts) < 3:
        return
    axes.plot([np.median(x[part]) for part in parts], [np.median(y[part]) for part in parts],
              "-", color=ORANGE, lw=1.8, zorder=3, label="median of bins")


def _ring(axes: Any, x: np.ndarray, y: np.ndarray, found: Any) -> None:
    """Rings and row numbers for outliers, the farthest first."""
    rows = np.flatnonzero(found.outlier)
    if not len(rows):
        return
    axes.plot(x[rows], y[rows], "o", ms=9, mfc="none", mec=ORANGE, mew=1.2, zorder=4,
              label="outliers, with their rows")
    for row in rows[np.argsort(-found.distance[rows], kind="stable")][:_LABELLED]:
        axes.annotate(str(found.rows[row]), (x[row], y[row]), xytext=(6, 4),
                      textcoords="offset points", fontsize="small", color=GREY)
