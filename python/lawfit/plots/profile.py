"""Profile curves: how fast the fit gets worse as a quantity moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..intervals import normal_quantile
from .style import BLUE, GREY, ORANGE, finish, new_axes, pyplot, scale, spans

if TYPE_CHECKING:
    from ..profile import Profile

__all__ = ["profile", "profiles"]


def profile(result: Profile, *, ax: Any = None) -> Any:
    """The root of the rise of the objective against one quantity, as from ``fit.profile``.

    Straight arms mean that value and standard error say it all; bent ones that the interval is
    lopsided, a flat one that it is open. The grey line is the level, the shaded range the
    interval; an end that is a bound or open is named.

    Raises ImportError with the pip line without matplotlib, ValueError for a flat profile.
    """
    if not len(result.at):
        raise ValueError(f"profile: the data do not determine {result.name}; there is no curve")
    axes = new_axes(ax)
    height = _height(result)
    axes.plot(result.at, np.abs(result.z), "-", color=BLUE, lw=1.8, label="profile", zorder=3)
    axes.axhline(height, color=GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    axes.axvline(result.value, color=ORANGE, lw=1.4, zorder=2, label="fit")
    low = max(result.low, result.at.min())
    high = min(result.high, result.at.max())
    axes.axvspan(low, high, color=BLUE, alpha=0.12, lw=0, zorder=0,
                 label=f"{100 * result.level:g} % interval")
    for kind, at, side in zip(result.ends, (low, high), ("left", "right"), strict=True):
        if kind != "closed":
            axes.annotate(_WORDS[kind], (at, height), xytext=(4 if side == "left" else -4, 5),
                          textcoords="offset points", fontsize="small", color=GREY,
                          ha=side)
    top = max(1.5 * height, 1.0)
    shown = result.at[np.abs(result.z) <= top]
    if spans(shown):
        scale(axes.xaxis, True)
    axes.set_xlim(min(shown.min(), low), max(shown.max(), high))
    axes.set_ylim(0, top)
    axes.set_xlabel(result.name)
    axes.set_ylabel("root of twice the rise, in noise")
    finish(axes)
    return axes


def profiles(results: Mapping[str, Profile], *, axes: Any = None) -> Any:
    """``profile`` for several quantities side by side; takes and returns an array of axes."""
    columns = min(3, len(results))
    figure = None
    if axes is None:
        rows = -(-len(results) // columns)
        figure, axes = pyplot().subplots(rows, columns, figsize=(3.3 * columns, 2.9 * rows),
                                         layout="constrained", squeeze=False)
        for spare in np.ravel(axes)[len(results):]:
            spare.set_visible(False)
    flat = np.ravel(axes)
    if len(flat) < len(results):
        raise ValueError(f"axes: expected {len(results)}, one a quantity, not {len(flat)}")
    for at, (result, ax) in enumerate(zip(results.values(), flat, strict=False)):
        profile(result, ax=ax)
        if figure is not None:
            ax.get_legend().remove()
            if at % columns:
                ax.set_ylabel("")
    if figure is not None:
        figure.legend(*flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                      frameon=False)
    return flat[: len(results)]


_WORDS = {"bound": "its bound", "open": "open", "infeasible": "no further"}


def _height(result: Profile) -> float:
    """The rise at the ends of the interval: Student's quantile, read off a closed end."""
    for kind, end in zip(result.ends, result.interval, strict=True):
        if kind == "closed":
            return float(np.abs(np.interp(end, result.at, result.z)))
    return normal_quantile((1 + result.level) / 2)
