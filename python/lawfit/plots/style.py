"""What all figures share: axes, colours, labels with units, ticks that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..result import Fit

__all__ = [
    "BLUE", "GREEN", "GREY", "LEGEND", "ORANGE", "finish", "label_of", "measured_label",
    "new_axes", "plain", "pyplot", "scale", "shades", "spans", "ticks",
]

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#5F5F5F"
LEGEND = {"frameon": True, "framealpha": 0.85, "edgecolor": "none", "fancybox": False}
_MANY = 3.0  # decades from which powers of ten are enough for ticks
_SOME = 2.0  # from which 1-3-10 are, so that the labels of narrow panels keep apart


def pyplot() -> Any:
    """matplotlib.pyplot, or ImportError with the pip line."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("plotting needs matplotlib: pip install 'lawfit[plot]'") from None
    return plt


def new_axes(ax: Any, size: tuple[float, float] = (6.0, 4.2)) -> Any:
    """``ax``, or the axes of a new figure."""
    return pyplot().subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def spans(values: np.ndarray) -> bool:
    """Whether values call for a logarithmic axis: positive, and a factor of 10 or more."""
    return bool(values.min() > 0 and values.max() >= 10 * values.min())


def scale(axis: Any, logarithmic: bool) -> None:
    """Set the scale of an x or y axis."""
    set_scale = axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale
    set_scale("log" if logarithmic else "linear")


def ticks(axis: Any) -> None:
    """Ticks of a logarithmic axis: powers of ten over many decades, 1-3-10 or 1-2-5 over few, round
    numbers within one; at least three labels either way. Linear axes keep theirs."""
    from matplotlib import ticker

    if axis.get_scale() != "log":
        return
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    if decades >= _MANY:
        axis.set_major_locator(ticker.LogLocator(numticks=7))
        axis.set_major_formatter(ticker.LogFormatterMathtext())
        axis.set_minor_locator(ticker.LogLocator(subs="all", numticks=100))
    else:
        if decades >= _SOME:
            axis.set_major_locator(ticker.LogLocator(subs=(1.0, 3.0), numticks=20))
        elif decades >= 1.2:
            axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
        else:
            axis.set_major_locator(ticker.MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: plain(value, 10)))
        axis.set_minor_locator(ticker.NullLocator())
    axis.set_minor_formatter(ticker.NullFormatter())


def plain(value: float, digits: int = 3) -> str:
    r"""A number as people write it, powers of ten as mathematical text.

    >>> plain(0.02), plain(512.0), plain(3e8), plain(1e21), plain(1.66e10)
    ('0.02', '512', '$3\\times10^{8}$', '$10^{21}$', '$1.66\\times10^{10}$')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{float(f'{value:.{digits}g}'):.10g}"
    mantissa, _, exponent = f"{value:.{min(digits, 4) - 1}e}".partition("e")
    front, power = f"{float(mantissa):g}", f"10^{{{int(exponent)}}}"
    return f"${power}$" if front == "1" else rf"${front}\times{power}$"


def label_of(fit: Fit, name: str) -> str:
    """A variable as its column is called, with the unit where the law's entry has one."""
    known = {} if fit.law.info is None else fit.law.info.variables
    unit = known[name].unit if name in known else ""
    return with_unit(fit.rows.sources.get(name, name), unit)


def measured_label(fit: Fit) -> str:
    """The measured column, with its unit where known."""
    about = None if fit.law.info is None else fit.law.info.target_info
    return with_unit(fit.rows.y_name, about.unit if about is not None else "")


def with_unit(name: str, unit: str) -> str:
    """``name (unit)``."""
    return f"{name} ({unit})" if unit and unit != "1" else name


def shades(count: int) -> list[Any]:
    """Colours for ordered things, from dark to light, none so light that it fades on white."""
    import matplotlib

    return list(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, count)))


def finish(axes: Any, *, legend: bool = True) -> None:
    """Readable ticks, a light grid, no frame on top and right, a legend without a box."""
    for axis in (axes.xaxis, axes.yaxis):
        ticks(axis)
    axes.grid(True, which="major", alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if legend:
        axes.legend(**LEGEND)
