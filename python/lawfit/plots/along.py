"""Data, fitted curve and band along a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..predict import predict
from ..spaces import from_space, to_space
from .style import (
    BLUE, ORANGE, finish, label_of, measured_label, new_axes, plain, pyplot, scale, spans,
)

if TYPE_CHECKING:
    from ..result import Fit

__all__ = ["along", "variables"]

_CURVE_POINTS = 200


def along(
    fit: Fit, name: str | None = None, *, ax: Any = None, level: float | None = 0.95
) -> Any:
    """Data, fitted curve and the interval band of its mean along one variable.

    ``name`` is a variable of the law (default: the first). With more variables the others are
    held at their medians, and every run is moved to those values by the law: its residual is
    kept, so that its distance from the curve is its real one; the label of the axis says so.
    Axes are logarithmic where the values are positive and span a factor of 10 or more (that of y
    only together with that of x). ``level=None`` leaves the band out.

    Raises ImportError with the pip line without matplotlib, ValueError for an unknown variable.
    """
    law, rows = fit.law, fit.rows
    if not law.variables:
        raise ValueError("plot: the law has no variable to plot along")
    name = law.variables[0] if name is None else name
    if name not in law.variables:
        raise ValueError(f"along: {name!r} is not a variable; {', '.join(law.variables)}")
    axes = new_axes(ax)
    held = {other: float(np.median(rows.columns[other])) for other in law.variables
            if other != name}
    x, log_x = rows.columns[name], spans(rows.columns[name])
    grid = (np.geomspace if log_x else np.linspace)(x.min(), x.max(), _CURVE_POINTS)
    observed = _moved(fit, name, held)
    curve = predict(fit, None, level, "mean", None, "pointwise", {**held, name: grid})
    axes.plot(x, observed, "o", ms=4, mew=0, alpha=0.6, color=BLUE, label="runs", zorder=2)
    if level is None:
        axes.plot(grid, curve, color=ORANGE, lw=1.8, label="fit", zorder=3)
    else:
        axes.fill_between(grid, curve.low, curve.high, color=ORANGE, alpha=0.25, lw=0,
                          label=f"{100 * level:g} % band of the mean", zorder=1)
        axes.plot(grid, curve.value, color=ORANGE, lw=1.8, label="fit", zorder=3)
    scale(axes.xaxis, log_x)
    scale(axes.yaxis, log_x and spans(observed))
    sources = rows.sources
    where = ", ".join(f"{sources.get(n, n)} = {plain(v)}" for n, v in held.items())
    axes.set_xlabel(label_of(fit, name))
    axes.set_ylabel(measured_label(fit) + (f", moved to {where}" if where else ""))
    axes.set_title(law.formula, fontsize="medium")
    finish(axes)
    return axes


def variables(fit: Fit, *, axes: Any = None, level: float | None = 0.95) -> Any:
    """``along`` for every variable of the law, side by side; takes and returns an array of axes."""
    names = fit.law.variables
    if not names:
        raise ValueError("plot: the law has no variable to plot along")
    if axes is None:
        _, axes = pyplot().subplots(1, len(names), figsize=(5.2 * len(names), 4.2),
                                    layout="constrained", squeeze=False)
    flat = np.ravel(axes)
    if len(flat) != len(names):
        raise ValueError(f"axes: expected {len(names)}, one a variable, not {len(flat)}")
    for name, ax in zip(names, flat, strict=True):
        along(fit, name, ax=ax, level=level)
    return flat


def _moved(fit: Fit, name: str, held: dict[str, float]) -> np.ndarray:
    """Each run at the held values of the other variables, its residual kept."""
    if not held:
        return fit.rows.y
    at = predict(fit, None, None, "mean", None, "pointwise", {**held, name: fit.rows.columns[name]})
    if fit.on == "relative":  # residual = (y - m)/y
        return at / (1 - fit.residuals)
    return from_space(to_space(at, fit.on) + fit.residuals, fit.on)
