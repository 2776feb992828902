"""The best size and tokens against compute, with bands, and the runs they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .style import BLUE, GREEN, GREY, finish, label_of, new_axes, plain, scale

if TYPE_CHECKING:
    from ..bootstrap import Bootstrap
    from ..result import Fit

__all__ = ["allocation"]

_POINTS = 33


def allocation(
    source: Fit | Bootstrap, compute: Any, *, ax: Any = None, level: float = 0.95,
    method: str | None = None, **question: Any,
) -> Any:
    """Best size and tokens from the smallest run's compute up to ``compute``, with bands.

    ``source`` is a Fit (bands by the delta method) or a Bootstrap (from replicates); ``question``
    takes what ``Fit.allocate`` takes. The grey area is beyond the largest run: extrapolation.

    Raises ImportError with the pip line without matplotlib, and what ``allocate`` raises.
    """
    from ..bootstrap import Bootstrap
    from ..optima import Optima
    from ..question import as_question

    how = {"level": level}
    fit = source
    if isinstance(source, Bootstrap):
        fit, how = source.fit, {"level": level, "method": method}
    optima = Optima(fit, as_question(None, question), by_loss=False)
    runs = optima.runs_spent()
    end = float(np.max(compute))
    begin = float(runs.min()) if runs.size and runs.min() < end else end / 1e4
    budgets = np.geomspace(begin, end, _POINTS)
    best = source.allocate(budgets, **how, **question)
    axes = new_axes(ax)
    scale(axes.xaxis, True)
    scale(axes.yaxis, True)
    rows = getattr(fit, "rows", None)
    for name, role, colour, mark in (("N", optima.size, BLUE, "o"),
                                     ("D", optima.tokens, GREEN, "s")):
        label = label_of(fit, role) if rows is not None else role
        low, high = best.intervals[name]
        axes.fill_between(budgets, low, high, color=colour, alpha=0.22, lw=0, zorder=2)
        axes.plot(budgets, getattr(best, name), color=colour, lw=1.8, zorder=4,
                  label=f"best {label}, {100 * level:g} % band")
        if runs.size:
            axes.plot(runs, rows.columns[role], mark, ms=3, mew=0, alpha=0.4, color=colour,
                      zorder=3)
    if runs.size and runs.max() < end:
        axes.axvspan(runs.max(), end, color=GREY, alpha=0.10, lw=0, zorder=0,
                     label=f"beyond the runs, up to {plain(end / runs.max())} times")
    axes.set_xlim(begin, end)
    axes.set_xlabel("compute (FLOP)")
    axes.set_ylabel("size and tokens")
    axes.set_title(fit.law.formula, fontsize="medium")
    finish(axes)
    return axes
