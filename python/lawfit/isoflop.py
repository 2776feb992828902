"""Approach 2: the minimum of every isoFLOP slice, and a line through the minima."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import whole
from .errors import FitWarning
from .expression import Array
from .intervals import check_level, t_quantile
from .replicates import known_interval
from .report import number, table
from .result import Prediction
from .slices import Line, Runs, log_line, read_runs, slice_runs
from .vertex import CURVES, LEAST, curve_values, fieller, polynomial, vertices
from .vertex_bias import Bias, vertex_bias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IsoFlop", "Slice", "curve_points", "isoflop"]


@dataclass(frozen=True, eq=False)
class Slice:
    """One budget: its runs by rising size, and the minimum of the curve through them.

    ``status`` is ``"vertex"``, or says why the slice has none to use: ``"few runs"``,
    ``"no minimum"``, or ``"outside"`` when the minimum lies beyond the sizes that were run.
    ``fieller`` is the vertex's interval from this slice alone (parabolas; infinite where open).
    """

    compute: float
    sizes: Array
    losses: Array
    size: float
    loss: float
    status: str
    fieller: tuple[float, float]


@dataclass(frozen=True, eq=False, repr=False)
class IsoFlop:
    """The best size of each budget and how it grows.

    Arrays over slices by rising budget: ``compute``, ``size`` (the vertex), ``tokens`` (from
    ``compute = cost*size*tokens``) and ``loss``, NaN where a slice has no vertex; ``low`` and
    ``high`` are the vertex's interval at ``level`` from replicates. ``exponent`` is a in
    size ~ compute**a, with ``exponent_interval``; that of the tokens is 1 - a. ``slices`` has the
    details, ``sizes`` the vertices [replicates, slices], ``exponents`` one a replicate.

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
        return known_interval(self.sizes, self.size, self.level, "percentile")[0]

    @property
    def high(self) -> Array:
        """Upper end of the interval of the best sizes."""
        return known_interval(self.sizes, self.size, self.level, "percentile")[1]

    @property
    def exponent(self) -> float:
        """a in size ~ compute**a."""
        return float(self.line.slope[0])

    @property
    def exponents(self) -> Array:
        """The exponent of every replicate."""
        return self.lines.slope

    @property
    def exponent_interval(self) -> tuple[float, float]:
        """The exponent's interval at ``level``, from replicates."""
        low, high = known_interval(self.exponents[:, None], np.array([self.exponent]), self.level,
                                   "percentile")
        return float(low[0]), float(high[0])

    def at(self, compute: Any) -> Prediction:
        """The best size for other budgets, along the line: (value, low, high)."""
        budget = np.asarray(compute, dtype=np.float64)
        flat = np.atleast_1d(budget)
        value = self.line.at(flat)[0]
        low, high = known_interval(self.lines.at(flat), value, self.level, "percentile")
        shaped = [float(part[0]) if budget.ndim == 0 else part for part in (value, low, high)]
        return Prediction(*shaped)

    def plot(self, *, ax: Any = None) -> Any:
        """Slices, curves and vertices; see ``lawfit.plot.isoflop``."""
        from .plot import isoflop as draw

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
    noise: Any = None, weights: Any = None, seed: int = 0, where: Any = None, nan: str = "raise",
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
    of your own, such as counts of resampled runs.

    A parabola is symmetric and valleys of the loss are not, so vertices are biased, most where a
    slice is not centred on its minimum (Czech et al., arXiv:2603.22339). The bias is estimated by
    the same analysis of noise-free losses of the law ``E + A/N**alpha + B/D**beta`` fitted to the
    runs; where it exceeds 5 % of a size or 0.01 of the exponent one FitWarning says so.

    Raises ValueError for unknown columns, values that are not positive, and when no slice has a
    minimum among its sizes.

    >>> budgets, ratios = np.meshgrid([1e18, 1e19, 1e20], np.geomspace(0.2, 5, 7))
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
    level = check_level(level)
    place = slice_runs(runs, merge)
    groups = [_group(runs, place == at, curve, on) for at in range(place.max() + 1)]
    parts = tuple(_measure(group, curve, on, level) for group in groups)
    usable = np.array([part.status == "vertex" for part in parts])
    if not usable.any():
        reasons = ", ".join(f"{p.compute:.3g}: {p.status}" for p in parts[:4])
        raise ValueError(f"isoflop: no slice has a minimum among its sizes ({reasons}); "
                         "check merge= and compute=")
    spread = _noise(groups, usable, curve, noise, len(runs))
    sizes = _replicates(groups, usable, curve, spread, weights, whole("replicates", replicates, 2),
                        seed, len(runs))
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
    bias = vertex_bias(runs, _analysis(groups, usable, curve, on), line_of, budgets, usable, cost)
    result = IsoFlop(curve, on, cost, level, parts, line, sizes, line_of(sizes), bias,
                     runs.size_name, runs.loss_name, float(np.sqrt(np.mean(spread**2))))
    _warn(result, usable)
    return result


@dataclass(frozen=True, eq=False)
class _Group:
    """The runs of one slice, by rising size: their places, log sizes and values to fit."""

    rows: np.ndarray
    x: Array
    y: Array
    compute: float


def _group(runs: Runs, mask: np.ndarray, curve: str, on: str) -> _Group:
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(runs.size[rows], kind="stable")]
    value = np.log(runs.loss[rows]) if on == "log" else runs.loss[rows]
    compute = float(np.exp(np.log(runs.compute[rows]).mean()))
    return _Group(rows, np.log(runs.size[rows]), value, compute)


def _merged(x: Array, y: Array, curve: str) -> tuple[Array, Array]:
    """Akima goes through points of different sizes; runs of one size become their mean."""
    different, place = np.unique(x, return_inverse=True)
    if curve != "akima" or len(different) == len(x):
        return x, y
    share = (place[:, None] == np.arange(len(different))).astype(float)
    return different, y @ (share / share.sum(axis=0))


def _measure(group: _Group, curve: str, on: str, level: float) -> Slice:
    back = np.exp if on == "log" else np.asarray
    known = (group.compute, np.exp(group.x), back(group.y))
    if len(np.unique(group.x)) < LEAST[curve]:
        return Slice(*known, np.nan, np.nan, "few runs", (-np.inf, np.inf))
    found = vertices(curve, *_merged(group.x, group.y[None], curve))
    at, low = float(found.x[0]), float(found.y[0])
    status = "vertex" if group.x[0] <= at <= group.x[-1] else "outside"
    if np.isnan(at):
        status = "no minimum"
    ends = (-np.inf, np.inf)
    if curve == "parabola" and status != "no minimum" and len(group.x) > 3:
        ends = fieller(group.x, group.y, t_quantile((1 + level) / 2, len(group.x) - 3))
    return Slice(*known, float(np.exp(at)), float(back(low)), status,
                 (float(np.exp(ends[0])), float(np.exp(ends[1]))))


def _noise(
    groups: list[_Group], usable: np.ndarray, curve: str, noise: Any, count: int
) -> Array:
    """Standard deviation of every run's value."""
    if noise is not None:
        array = np.asarray(noise, dtype=np.float64)
        if array.shape not in ((), (count,)) or not (array >= 0).all():
            raise ValueError(f"noise: expected a number >= 0 or one for each of {count} rows")
        return np.broadcast_to(array, (count,))
    squares, left = 0.0, 0
    for group, fine in zip(groups, usable, strict=True):
        degree = 2 if curve == "parabola" else 3
        if not fine or len(np.unique(group.x)) <= degree:
            continue
        x = group.x - group.x.mean()
        found = polynomial(x, group.y[None], degree)[0]
        squares += float(np.sum((group.y - np.polyval(found[::-1], x)) ** 2))
        left += len(x) - degree - 1
    return np.full(count, np.sqrt(squares / left) if left > 0 else np.nan)


def _replicates(
    groups: list[_Group], usable: np.ndarray, curve: str, spread: Array, weights: Any, count: int,
    seed: int, rows: int,
) -> Array:
    """Vertices [replicates, slices]; NaN for slices that are not used."""
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 2 or weights.shape[1] != rows or not (weights >= 0).all():
            raise ValueError(f"weights: expected numbers >= 0 of shape (replicates, {rows})")
        count = len(weights)
    random = np.random.default_rng(whole("seed", seed, 0))
    out = np.full((count, len(groups)), np.nan)
    for at, (group, fine) in enumerate(zip(groups, usable, strict=True)):
        noise = random.standard_normal((count, len(group.x)))  # drawn for every slice alike
        if not fine:
            continue
        if weights is not None:
            repeated = np.broadcast_to(group.y, (count, len(group.x)))
            found = vertices(curve, group.x, repeated, weights[:, group.rows])
        else:
            values = group.y + noise * spread[group.rows]
            found = vertices(curve, *_merged(group.x, values, curve))
        with np.errstate(over="ignore"):
            out[:, at] = np.exp(found.x)
    return out


def _analysis(
    groups: list[_Group], usable: np.ndarray, curve: str, on: str
) -> Callable[[Array], Array]:
    """The vertices [1, slices] that this analysis finds for other losses of the same runs."""

    def analyse(losses: Array) -> Array:
        values = np.log(losses) if on == "log" else losses
        out = np.full((1, len(groups)), np.nan)
        for at, (group, fine) in enumerate(zip(groups, usable, strict=True)):
            if fine:
                merged = _merged(group.x, values[group.rows][None], curve)
                out[0, at] = np.exp(vertices(curve, *merged).x[0])
        return out

    return analyse


def _warn(result: IsoFlop, usable: np.ndarray) -> None:
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
    if parts:
        warnings.warn("isoflop: " + "; ".join(parts), FitWarning, stacklevel=3)


def curve_points(part: Slice, curve: str, on: str, sizes: Array) -> Array:
    """The fitted curve of a slice at other sizes, in units of the loss."""
    value = np.log(part.losses) if on == "log" else part.losses
    x, y = _merged(np.log(part.sizes), value[None], curve)
    found = curve_values(curve, x, y[0], np.log(sizes))
    return np.exp(found) if on == "log" else found
