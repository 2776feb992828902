"""Replicates of a bootstrap, every parameter against every other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .style import BLUE, ORANGE, pyplot, scale, spans, ticks

if TYPE_CHECKING:
    from ..bootstrap import Bootstrap

__all__ = ["pairs"]

_SHOWN = 2000  # replicates drawn as points: more only darken the middle
_TAIL = 0.005  # of the replicates at either end left outside of the axes


def pairs(boot: Bootstrap, *, names: list[str] | None = None, axes: Any = None) -> Any:
    """Replicates of two parameters in every panel below the diagonal, one on it.

    Orange marks the fit of all rows. Parameters that vary by a factor of 10 have logarithmic
    axes. ``names`` picks parameters (default: the free ones); ``axes`` is an array of as many
    rows and columns, new by default, which is returned. The farthest 0.5 % to either side lie
    outside of the axes.

    Raises ImportError with the pip line without matplotlib, ValueError for unknown names.
    """
    law = boot.fit.law
    names = list(law.free if names is None else names)
    if unknown := [name for name in names if name not in law.parameters]:
        raise ValueError(f"names: {unknown[0]!r} is not a parameter; {', '.join(law.parameters)}")
    count = len(names)
    if axes is None:
        side = 1.15 + 1.35 * count
        _, axes = pyplot().subplots(count, count, figsize=(side, side), layout="constrained",
                                    squeeze=False)
    axes = np.asarray(axes)
    if axes.shape != (count, count):
        raise ValueError(f"axes: expected an array of {count} x {count}, not {axes.shape}")
    good = np.flatnonzero(boot.good)
    drawn = {name: boot.params[name][good] for name in names}
    ends = {name: np.quantile(values, [_TAIL, 1 - _TAIL]) for name, values in drawn.items()}
    logs = {name: spans(end) for name, end in ends.items()}
    for row, y in enumerate(names):
        for column, x in enumerate(names):
            ax = axes[row, column]
            if column > row:
                ax.set_visible(False)
                continue
            scale(ax.xaxis, logs[x])
            ax.set_xlim(*_padded(ends[x], logs[x]))
            if row == column:
                _histogram(ax, drawn[x], ends[x], logs[x])
            else:
                scale(ax.yaxis, logs[y])
                ax.set_ylim(*_padded(ends[y], logs[y]))
                ax.plot(drawn[x][:_SHOWN], drawn[y][:_SHOWN], "o", ms=2, mew=0, alpha=0.3,
                        color=BLUE, rasterized=True)
                ax.plot(boot.fit.params[x], boot.fit.params[y], "+", ms=9, mew=1.8, color=ORANGE)
            if row == column:
                ax.axvline(boot.fit.params[x], color=ORANGE, lw=1.4)
            _edges(ax, x if row == count - 1 else "", y if column == 0 and row else "",
                   row == column)
    axes[0, 0].figure.align_labels()
    axes[0, 0].figure.suptitle(f"{len(good):,} {boot.method} replicates", fontsize="medium")
    return axes


def _padded(ends: np.ndarray, log: bool) -> tuple[float, float]:
    low, high = np.log(ends) if log else ends
    room = 0.04 * (high - low) or 1.0
    low, high = low - room, high + room
    return (float(np.exp(low)), float(np.exp(high))) if log else (float(low), float(high))


def _histogram(ax: Any, values: np.ndarray, ends: np.ndarray, log: bool) -> None:
    edges = (np.geomspace if log else np.linspace)(*ends, 31)
    if edges[0] < edges[-1]:
        ax.hist(values, edges, color=BLUE, alpha=0.6)


def _edges(ax: Any, x: str, y: str, diagonal: bool) -> None:
    """Labels on the outer panels alone."""
    from matplotlib import ticker

    ticks(ax.xaxis)
    ticks(ax.yaxis)
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_locator(ticker.MaxNLocator(3))
    for side in ("top", "right", *(("left",) if diagonal else ())):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize="small", labelbottom=bool(x), labelleft=bool(y),
                   left=not diagonal)
    if x:
        ax.set_xlabel(x)
        ax.tick_params(axis="x", labelrotation=40)
    if y:
        ax.set_ylabel(y)
    if diagonal:
        ax.set_yticks([])
