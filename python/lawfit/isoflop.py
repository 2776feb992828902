"""Approach 2: the minimum of every isoFLOP slice, and a line through the minima."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .engine import whole
from .errors import FitWarning
from .expression import Array
from .growth import Growth
from .independent import Basis
from .intervals import check_level
from .replicates import check_method
from .report import number, table
from .slices import Line, Runs, log_line, read_runs, slice_runs
from .valleys import Slice, analysis_of, group_runs, measure, noise_of, replicate_sizes
from .vertex import CURVES
from .vertex_bias import Bias, vertex_bias

__all__ = ["IsoFlop", "doubts", "isoflop", "isoflop_of", "tell"]


@dataclass(frozen=True, eq=False, repr=False)
class IsoFlop(Growth):
    """The best size of each budget and how it grows.

    Arrays over slices by rising budget: ``compute``, ``size`` (the vertex), ``tokens`` (from
    ``compute = cost*size*tokens``) and ``loss``, NaN where a slice has no vertex; ``low`` and
    ``high`` are the vertex's interval at ``level`` from replicates, by ``method``. ``exponent`` is
    a in size ~ compute**a, with ``exponent_interval``; that of the tokens is 1 - a. ``slices`` has
    the details, ``sizes`` the vertices [replicates, slices], ``exponents`` one a replicate.

    ``bias`` estimates how far this curve's vertices are from the truth because valleys are not
    symmetric and slices not centred: ``bias.size`` (in logs, a slice) and ``bias.exponent``.
    Neither interval covers it.
    """

    curve: str
    on: str
    cost: float
    level: float
    slices: tuple[Slice, ...]
    line: Line
    sizes: Array
    lines: Line
    bias: Bias
    size_name: str
    loss_name: str
    method: str
    basis: Basis
    noise: float = field(default=float("nan"))

    @property
    def compute(self) -> Array:
        """Budget of every slice."""
        return np.array([part.compute for part in self.slices])

    @property
    def size(self) -> Array:
        """Best size of every slice."""
        return np.array([part.size for part in self.slices])

    @property
    def loss(self) -> Array:
        """Loss at the best size of every slice."""
        return np.array([part.loss for part in self.slices])

    @property
    def tokens(self) -> Array:
        """Best tokens of every slice."""
        return self.compute / (self.cost * self.size)

    @property
    def low(self) -> Array:
        """Lower end of the interval of the best sizes."""
        return self._ends(self.sizes, self.size)[0]

    @property
    def high(self) -> Array:
        """Upper end of the interval of the best sizes."""
        return self._ends(self.sizes, self.size)[1]

    def plot(self, *, ax: Any = None) -> Any:
        """Slices, curves and vertices; see ``lf.plots.isoflop``."""
        from .plots import isoflop as draw

        return draw(self, ax=ax)

    def __str__(self) -> str:
        head = ("compute", "runs", self.size_name, f"{100 * self.level:g} % low", "high",
                self.loss_name, "bias %", "")
        rows: list[tuple[str, ...]] = [head]
        for part, low, high, bias in zip(self.slices, self.low, self.high, self.bias.size,
                                         strict=True):
            note = "" if part.status == "vertex" else part.status
            rows.append((number(part.compute, 3), str(len(part.sizes)), number(part.size, 4),
                         number(low, 4), number(high, 4), number(part.loss, 4),
                         number(100 * np.expm1(bias), 2), note))
        low, high = self.exponent_interval
        return (f"isoFLOP slices, {self.curve} of log {self.size_name}\n\n{table(rows)}\n\n"
                f"{self.size_name} ~ compute**{self.exponent:.4f}, {100 * self.level:g} % "
                f"{low:.4f} to {high:.4f}, bias about {number(self.bias.exponent, 2)}")

    def __repr__(self) -> str:
        return f"IsoFlop({self.curve}, slices={len(self.slices)}, exponent={self.exponent:.4f})"


def isoflop(
    data: Any, y: str = "loss", *, size: str = "N", tokens: str | None = None,
    compute: str | None = None, curve: str = "parabola", on: str = "log", cost: float = 6.0,
    merge: float = 0.1, weighted: bool = False, level: float = 0.95, replicates: int = 1000,
    method: str | None = None, noise: Any = None, weights: Any = None, seed: int = 0,
    where: Any = None, nan: str = "raise",
) -> IsoFlop:
    """The best size of every budget from a curve through the runs of that budget (approach 2).

    ``size``, ``tokens`` and ``compute`` name columns; of the last two one is enough (default: the
    column ``D``) and the other follows from ``compute = cost*size*tokens``. Budgets closer than
    the share ``merge`` form one slice. ``curve`` is ``"parabola"`` or ``"cubic"`` in log size,
    fitted by least squares, or ``"akima"``, which goes through all runs; ``on`` says whether to
    the logarithm of the loss or to the loss. The exponent is the slope of a line through the
    vertices in logs, ``weighted`` by their variances over replicates or not.

    Replicates add Gaussian noise to the measured values: of standard deviation ``noise`` (in
    units of ``on``: a number or one a row used; default: the scatter around the curves, for
    ``"akima"`` around cubics). ``weights`` (replicates x rows used) instead refits with weights
    of your own, such as counts of resampled runs. Intervals are those of ``Bootstrap.interval``:
    ``method`` is ``"adjusted"`` (the default) on the degrees of freedom that the curves leave,
    ``"percentile"`` (which is what publications report), ``"basic"`` or ``"expanded"``; with
    ``noise`` given nothing is adjusted. From fewer than 30 runs a FitWarning says that none holds
    for sure.

    A parabola is symmetric and valleys of the loss are not, so vertices are biased, most where a
    slice is not centred on its minimum (Czech et al., arXiv:2603.22339). The bias is estimated by
    the same analysis of noise-free losses of the law ``E + A/N**alpha + B/D**beta`` fitted to the
    runs; where it exceeds 5 % of a size or 0.01 of the exponent one FitWarning says so.

    Raises ValueError for unknown columns, values that are not positive, and when no slice has a
    minimum among its sizes.

    >>> budgets, ratios = np.meshgrid([1e18, 1e19, 1e20], np.geomspace(0.2, 5, 11))
    >>> N = (ratios*(budgets/120)**0.5).ravel()
    >>> D = budgets.ravel()/6/N
    >>> runs = {"N": N, "D": D, "loss": 1.7 + 400/N**0.35 + 7300/D**0.35*20**-0.35}
    >>> found = isoflop(runs, curve="cubic")
    >>> round(found.exponent, 3), found.size.round(-5)
    (0.5, array([2.880e+07, 9.110e+07, 2.882e+08]))
    """
    if curve not in CURVES:
        raise ValueError(f"curve: must be one of {', '.join(CURVES)}, not {curve!r}")
    if on not in ("log", "linear"):
        raise ValueError(f"on: must be 'log' or 'linear', not {on!r}")
    if tokens is None and compute is None:
        tokens = "D"
    runs = read_runs(data, y, size, tokens, compute, cost, where, nan)
    result, usable = isoflop_of(
        runs, curve=curve, on=on, cost=cost, merge=merge, weighted=weighted, level=level,
        replicates=replicates, method=method, noise=noise, weights=weights, seed=seed,
    )
    tell(doubts(result, usable), result.basis.note)
    return result


def isoflop_of(
    runs: Runs, *, curve: str, on: str, cost: float, merge: float, weighted: bool = False,
    level: float, replicates: int = 2, method: str | None, noise: Any = None, weights: Any = None,
    seed: int = 0,
) -> tuple[IsoFlop, np.ndarray]:
    """``isoflop`` of runs already read, and which of the slices it uses; says no warnings."""
    level, method = check_level(level), check_method(method)
    place = slice_runs(runs, merge)
    groups = [group_runs(runs, place == at, curve, on) for at in range(place.max() + 1)]
    parts = tuple(measure(group, curve, on, level) for group in groups)
    usable = np.array([part.status == "vertex" for part in parts])
    if not usable.any():
        reasons = ", ".join(f"{p.compute:.3g}: {p.status}" for p in parts[:4])
        raise ValueError(f"isoflop: no slice has a minimum among its sizes ({reasons}); "
                         "check merge= and compute=")
    spread, left = noise_of(groups, usable, curve, noise, len(runs))
    used = sum(len(group.rows) for group, fine in zip(groups, usable, strict=True) if fine)
    basis = Basis(used, False, None if noise is not None and weights is None else left)
    sizes = replicate_sizes(groups, usable, curve, spread, weights,
                            whole("replicates", replicates, 2), seed, len(runs))
    budgets = np.array([part.compute for part in parts])
    best = np.array([[part.size if fine else np.nan for part, fine in zip(parts, usable,
                                                                           strict=True)]])
    trust = None
    if weighted:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            trust = 1 / np.nanvar(np.log(sizes), axis=0, ddof=1)
        trust = np.where(np.isfinite(trust), trust, 0.0)

    def line_of(vertices: Array) -> Line:
        return log_line(budgets, vertices, trust)

    line = line_of(best)
    bias = vertex_bias(runs, analysis_of(groups, usable, curve, on), line_of, budgets, usable, cost)
    result = IsoFlop(curve, on, cost, level, parts, line, sizes, line_of(sizes), bias,
                     runs.size_name, runs.loss_name, method, basis,
                     float(np.sqrt(np.mean(spread**2))))
    return result, usable


def doubts(result: IsoFlop, usable: np.ndarray) -> list[str]:
    """What to say about a result: its bias, and slices that it does not use."""
    worst = np.nanmax(np.abs(result.bias.size), initial=0.0)
    of_line = abs(result.bias.exponent)
    parts = []
    if worst > np.log(1.05) or of_line > 0.01:
        parts.append(
            f"the {result.curve} is off by up to {100 * np.expm1(worst):.0f} % of a size, and the "
            f"exponent by {result.bias.exponent:+.3f}, on noise-free losses of the law fitted to "
            "these runs; fit the law itself, or curve='cubic'"
        )
    if not usable.all():
        left = ", ".join(f"{part.compute:.3g} ({part.status})" for part in result.slices
                         if part.status != "vertex")
        parts.append(f"slices left out: {left}")
    return parts


def tell(about: list[str], note: str) -> None:
    """One FitWarning of all there is to say, for the caller of the caller."""
    told = ["isoflop: " + "; ".join(about)] * bool(about) + [note] * bool(note)
    if told:
        warnings.warn("; ".join(told), FitWarning, stacklevel=3)
