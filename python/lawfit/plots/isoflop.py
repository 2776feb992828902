"""isoFLOP slices: runs, curves and vertices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..valleys import curve_points
from .style import GREY, finish, new_axes, plain, scale, shades

if TYPE_CHECKING:
    from ..isoflop import IsoFlop

__all__ = ["isoflop"]


def isoflop(result: IsoFlop, *, ax: Any = None) -> Any:
    """Loss against size for every budget, the curve through each slice, and its vertex.

    Vertices are diamonds with their intervals from replicates; slices without one are drawn
    without a curve. Colours go from dark for the smallest budget to light for the largest.

    Raises ImportError with the pip line without matplotlib.
    """
    axes = new_axes(ax, (7.2, 4.6))
    scale(axes.xaxis, True)
    found = [part.status == "vertex" for part in result.slices]
    colours = shades(len(result.slices))
    for at, (part, colour) in enumerate(zip(result.slices, colours, strict=True)):
        axes.plot(part.sizes, part.losses, "o", ms=4, mew=0, alpha=0.75, color=colour,
                  label=plain(part.compute), zorder=2)
        if not found[at]:
            continue
        grid = np.geomspace(part.sizes.min(), part.sizes.max(), 120)
        axes.plot(grid, curve_points(part, result.curve, result.on, grid), color=colour, lw=1.4,
                  zorder=3)
    low, high = result.low, result.high
    for at in np.flatnonzero(found):
        ends = [[result.size[at] - low[at]], [high[at] - result.size[at]]]
        known = np.isfinite(ends).all() and np.min(ends) >= 0
        axes.errorbar(result.size[at], result.loss[at], xerr=ends if known else None, fmt="D", ms=5,
                      mfc="white", mec="black", mew=1.1, ecolor="black", elinewidth=1.1,
                      capsize=2.5, zorder=5)
    axes.plot(result.size[found], result.loss[found], ls=(0, (4, 3)), lw=1.0, color=GREY, zorder=4)
    _limits(axes, result)
    axes.set_xlabel(result.size_name)
    axes.set_ylabel(result.loss_name)
    low_a, high_a = result.exponent_interval
    axes.set_title(f"{result.size_name} ~ compute$^{{{result.exponent:.3f}}}$, "
                   f"{100 * result.level:g} % {low_a:.3f} to {high_a:.3f} ({result.curve})",
                   fontsize="medium")
    finish(axes, legend=False)
    axes.legend(title="FLOP", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


def _limits(axes: Any, result: IsoFlop) -> None:
    """The view of the runs: an interval may reach far beyond them."""
    sizes = np.concatenate([part.sizes for part in result.slices])
    losses = np.concatenate([part.losses for part in result.slices])
    room = (sizes.max() / sizes.min()) ** 0.04
    axes.set_xlim(sizes.min() / room, sizes.max() * room)
    spread = 0.05 * (losses.max() - min(losses.min(), np.nanmin(result.loss)))
    axes.set_ylim(min(losses.min(), np.nanmin(result.loss)) - spread, losses.max() + spread)
