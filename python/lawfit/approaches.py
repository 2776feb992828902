"""Approaches 1, 2 and 3 to the compute-optimal size, from one set of resampled runs."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import whole
from .envelope import Envelope, envelope_of_rows
from .errors import FitWarning
from .expression import Array
from .independent import Basis
from .intervals import check_level
from .isoflop import IsoFlop, doubts, isoflop_of, tell
from .law import Law, Parameter
from .losses import Huber
from .replicates import known_interval
from .report import number, table
from .slices import read_runs, slice_runs

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .result import Fit

__all__ = ["Approaches", "approaches"]


@dataclass(frozen=True, eq=False, repr=False)
class Approaches:
    """Three answers to how the best size grows with compute, size ~ compute**a.

    ``exponents`` and ``intervals`` (at ``level``) are by name: ``"envelope"``, ``"isoflop"`` and
    ``"parametric"``; ``replicates`` has an array each, replicate by replicate from the same
    resampled runs, so differences are paired. ``chi2``, ``freedom`` and ``p`` test that all agree
    (Wald's test of their differences with the covariance over replicates). ``envelope``,
    ``isoflop``, ``fit`` and ``bootstrap`` are the analyses themselves.

    Agreement does not say that they are right: approaches 1 and 2 have biases of their own, see
    ``isoflop.bias``.
    """

    exponents: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    replicates: dict[str, Array]
    level: float
    chi2: float
    freedom: int
    p: float
    envelope: Envelope
    isoflop: IsoFlop
    fit: Fit
    bootstrap: Bootstrap

    def difference(self, first: str, second: str) -> tuple[float, float, float]:
        """(value, low, high) of one exponent less another, from paired replicates."""
        value = self.exponents[first] - self.exponents[second]
        drawn = self.replicates[first] - self.replicates[second]
        low, high = known_interval(drawn[:, None], np.array([value]), self.level,
                                   self.isoflop.method, _weakest(self))
        return value, float(low[0]), float(high[0])

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("approach", "exponent", f"{100 * self.level:g} % low",
                                        "high")]
        for place, (name, value) in enumerate(self.exponents.items(), 1):
            low, high = self.intervals[name]
            rows.append((f"{place} {name}", f"{value:.4f}", f"{low:.4f}", f"{high:.4f}"))
        verdict = "differ" if self.p < 1 - self.level else "are not told apart"
        return (f"{table(rows)}\n\nthe approaches {verdict}: chi-square {number(self.chi2, 3)} on "
                f"{self.freedom}, p {number(self.p, 2)}")

    def __repr__(self) -> str:
        found = ", ".join(f"{name}={value:.4f}" for name, value in self.exponents.items())
        return f"Approaches({found}; p={self.p:.2g})"


def approaches(
    data: Any, y: str = "loss", *, size: str = "N", tokens: str | None = None,
    compute: str | None = None, cost: float = 6.0, curve: str = "parabola", merge: float = 0.1,
    on: str = "log", loss: Any = None, level: float = 0.95, replicates: int = 1000,
    method: str | None = None, seed: int = 0, where: Any = None, nan: str = "raise",
) -> Approaches:
    """The exponent of the best size by the envelope, by isoFLOP slices, and by fitting
    ``E + A/N**alpha + B/D**beta`` (residuals and loss as ``on`` and ``loss``, default
    ``Huber(1e-3)``), with one shared bootstrap and a test of agreement.

    Columns as for ``isoflop``. Every replicate draws the runs of each slice with replacement and
    gives the same draw to all three. ``method`` as for ``isoflop``, each approach with its own
    degrees of freedom. One FitWarning says what the parts would, one that runs are few (below 30).
    Raises what the parts raise.

    >>> random = np.random.default_rng(0)
    >>> budgets, ratios = np.meshgrid(np.geomspace(1e18, 1e21, 6), np.geomspace(0.1, 10, 11))
    >>> N = (ratios*(budgets/120)**0.5).ravel()
    >>> D = budgets.ravel()/6/N
    >>> loss = 1.7 + 400/N**0.35 + 7300/D**0.35*20**-0.35
    >>> runs = {"N": N, "D": D, "loss": loss*np.exp(0.002*random.normal(size=len(N)))}
    >>> three = approaches(runs, replicates=200)
    >>> {name: round(value, 2) for name, value in three.exponents.items()}, three.p > 0.05
    ({'envelope': 0.53, 'isoflop': 0.5, 'parametric': 0.5}, True)
    """
    from .fit import fit

    level = check_level(level)
    if tokens is None and compute is None:
        tokens = "D"
    if curve == "akima":
        raise ValueError("curve='akima' cannot weigh resampled runs; use 'parabola' or 'cubic'")
    runs = read_runs(data, y, size, tokens, compute, cost, where, nan)
    drawn = _draw(slice_runs(runs, merge), whole("replicates", replicates, 2), seed)
    asked: dict[str, Any] = {"cost": cost, "merge": merge, "level": level, "method": method,
                             "weights": drawn}
    first = envelope_of_rows(runs, **asked)
    second, usable = isoflop_of(runs, curve=curve, on=on, **asked)
    tell(doubts(second, usable), second.basis.note)
    law = Law("E + A/N**alpha + B/D**beta", ("N", "D"),
              {name: Parameter(positive=True) for name in "EAB"})
    columns = {"N": runs.size, "D": runs.tokens, y: runs.loss}
    third = fit(law, columns, y, on=on, loss=Huber(1e-3) if loss is None else loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # failed replicates are counted in bootstrap
        boot = third.bootstrap(weights=drawn)
    parametric = boot.derive("beta/(alpha + beta)")
    exponents = {"envelope": first.exponent, "isoflop": second.exponent,
                 "parametric": parametric.value}
    drawn_exponents = {"envelope": first.exponents, "isoflop": second.exponents,
                       "parametric": parametric.values}
    chi2, freedom, p = _agreement(exponents, drawn_exponents)
    intervals = {"envelope": first.exponent_interval, "isoflop": second.exponent_interval,
                 "parametric": parametric.ends(level, second.method)}
    return Approaches(exponents, intervals, drawn_exponents, level, chi2, freedom, p, first,
                      second, third, boot)


def _weakest(three: Approaches) -> Basis:
    return three.isoflop.basis.least(three.envelope.basis, three.bootstrap.basis)


def _draw(place: np.ndarray, count: int, seed: int) -> Array:
    """Counts [count, rows] of runs drawn with replacement within every slice."""
    random = np.random.default_rng(whole("seed", seed, 0))
    out = np.zeros((count, len(place)))
    for at in range(place.max() + 1):
        rows = np.flatnonzero(place == at)
        out[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=count)
    return out


def _agreement(
    exponents: dict[str, float], drawn: dict[str, Array]
) -> tuple[float, int, float]:
    """Wald's chi-square of the differences, its degrees of freedom and p."""
    values = np.array(list(exponents.values()))
    matrix = np.stack(list(drawn.values()), axis=1)
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    if len(matrix) < 3 or not np.isfinite(values).all():
        return math.nan, 0, math.nan
    contrast = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    difference = contrast @ values
    spread = contrast @ np.cov(matrix, rowvar=False) @ contrast.T
    chi2 = float(difference @ np.linalg.pinv(spread) @ difference)
    return chi2, 2, math.exp(-chi2 / 2)  # the upper tail of chi-square on 2
