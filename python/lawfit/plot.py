"""One picture of a fit: data, curve, band. Needs matplotlib, imported only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .predict import predict
from .result import from_space, to_space

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["plot"]

# From the palette of Okabe and Ito, distinct for every kind of colour vision.
_DATA, _CURVE = "#0072B2", "#D55E00"
_CURVE_POINTS = 200


def plot(
    fit: Fit, along: str | None = None, *, ax: Any = None, level: float | None = 0.95
) -> Any:
    """Data, fitted curve and the interval band of its mean along one variable.

    ``along`` is a variable of the law (default: the first). With more variables the others are
    held at their medians, and every run is moved to those values by the law: its residual is
    kept, so that its distance from the curve is its real one; the label of the axis says so.
    Axes are logarithmic where the values are positive and span a factor of 10 or more (that of y
    only together with that of x).
    ``level=None`` leaves the band out. Draws on ``ax`` (default: a new figure) and returns it.

    Raises ImportError with the pip line without matplotlib, ValueError for an unknown variable.
    """
    law, rows = fit.law, fit.rows
    if not law.variables:
        raise ValueError("plot: the law has no variable to plot along")
    name = law.variables[0] if along is None else along
    if name not in law.variables:
        raise ValueError(f"along: {name!r} is not a variable; {', '.join(law.variables)}")
    axes = _new_axes() if ax is None else ax
    held = {other: float(np.median(rows.columns[other])) for other in law.variables
            if other != name}
    x, log_x = rows.columns[name], _spans(rows.columns[name])
    grid = (np.geomspace if log_x else np.linspace)(x.min(), x.max(), _CURVE_POINTS)
    observed = _moved(fit, name, held)
    curve = predict(fit, None, level, "mean", {**held, name: grid})
    axes.plot(x, observed, "o", ms=4, mew=0, alpha=0.6, color=_DATA, label="runs", zorder=2)
    if level is None:
        axes.plot(grid, curve, color=_CURVE, lw=1.8, label="fit", zorder=3)
    else:
        axes.fill_between(grid, curve.low, curve.high, color=_CURVE, alpha=0.25, lw=0,
                          label=f"{100 * level:g} % band of the mean", zorder=1)
        axes.plot(grid, curve.value, color=_CURVE, lw=1.8, label="fit", zorder=3)
    axes.set_xscale("log" if log_x else "linear")
    axes.set_yscale("log" if log_x and _spans(observed) else "linear")
    _label(axes, fit, name, held)
    return axes


def _new_axes() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            "plotting needs matplotlib: pip install 'lawfit[plot]'"
        ) from None
    return plt.subplots(figsize=(6.0, 4.2), layout="constrained")[1]


def _spans(values: np.ndarray) -> bool:
    """Whether values call for a logarithmic axis."""
    return bool(values.min() > 0 and values.max() >= 10 * values.min())


def _moved(fit: Fit, name: str, held: dict[str, float]) -> np.ndarray:
    """Each run at the held values of the other variables, its residual kept."""
    if not held:
        return fit.rows.y
    at = predict(fit, None, None, "mean", {**held, name: fit.rows.columns[name]})
    if fit.on == "relative":  # residual = (y - m)/y
        return at / (1 - fit.residuals)
    return from_space(to_space(at, fit.on) + fit.residuals, fit.on)


def _label(axes: Any, fit: Fit, name: str, held: dict[str, float]) -> None:
    from .report import number

    sources = fit.rows.sources
    axes.set_xlabel(sources.get(name, name))
    where = ", ".join(f"{sources.get(n, n)} = {number(v, 3)}" for n, v in held.items())
    axes.set_ylabel(fit.rows.y_name + (f", moved to {where}" if where else ""))
    axes.set_title(fit.law.formula, fontsize="medium")
    axes.grid(True, which="major", alpha=0.25, lw=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False)
