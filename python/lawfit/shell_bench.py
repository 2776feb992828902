"""``lawfit bench``: how fast this installation is here, beside SciPy where that is installed."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cli import FAILED, OK
from .datasets import load
from .errors import FitWarning
from .fit import fit
from .installation import info
from .losses import Huber
from .many import fit_many
from .output import print_json, wants_json
from .report import number, table

__all__ = ["bench"]

Array = np.ndarray
CURVES, POINTS, REPLICATES = 2_000, 12, 2_000
DELTA = 1e-3
ROUNDS = 3
SAME_OBJECTIVE = 1e-6


@dataclass(frozen=True)
class Case:
    """One call of ours, the objective it reached on each problem, and SciPy on problem k."""

    what: str
    count: int
    ours: Callable[[], Array]
    scipy: Callable[[Any, int], float]


def bench(arguments: argparse.Namespace) -> int:
    """``lawfit bench``: fits per second, one thread, the same problems for both."""
    if not arguments.seconds > 0:
        raise ValueError(f"--seconds: must be positive, not {arguments.seconds:g}")
    try:
        from scipy import optimize
    except ImportError:
        optimize = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        results = [_measure(case, optimize, arguments.seconds)
                   for case in (_curves(), _resamples())]
    if wants_json(arguments):
        print_json({"installation": info(), "results": results})
    else:
        _print(results, scipy=optimize is not None)
    return OK if all(result["as_good"] in (None, 1.0) for result in results) else FAILED


def _measure(case: Case, optimize: Any, seconds: float) -> dict[str, Any]:
    """Best of some rounds of ours; SciPy on as many problems as it does in the time allowed."""
    reached = case.ours()
    took = min(_timed(case.ours) for _ in range(ROUNDS))
    result: dict[str, Any] = {
        "what": case.what, "fits": case.count, "seconds": took,
        "fits_per_second": case.count / took,
        "scipy_fits": None, "scipy_fits_per_second": None, "times_faster": None, "as_good": None,
    }
    if optimize is None:
        return result
    theirs: list[float] = []
    begin = time.perf_counter()
    while len(theirs) < case.count and (not theirs or time.perf_counter() - begin < seconds):
        theirs.append(case.scipy(optimize, len(theirs)))
    rate = len(theirs) / (time.perf_counter() - begin)
    good = reached[: len(theirs)] <= np.array(theirs) * (1 + SAME_OBJECTIVE)
    return {**result, "scipy_fits": len(theirs), "scipy_fits_per_second": rate,
            "times_faster": case.count / took / rate, "as_good": float(np.mean(good))}


def _timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _print(results: list[dict[str, Any]], scipy: bool) -> None:
    facts = info()
    print(f"lawfit {facts['lawfit']}, level {facts['level']}, one thread")
    head: tuple[str, ...] = ("fits a second", "lawfit")
    if scipy:
        head += ("SciPy", "times faster", "as good")
    rows = [head]
    for result in results:
        row: tuple[str, ...] = (result["what"], number(result["fits_per_second"], 3))
        if scipy:
            row += (number(result["scipy_fits_per_second"], 3), number(result["times_faster"], 3),
                    f"{100 * result['as_good']:.4g} %")
        rows.append(row)
    print(table(rows))
    if not scipy:
        print("pip install scipy to see what it does beside")


# ---- learning curves, one start each ----


def _curves() -> Case:
    """E + A/x**alpha, least squares; SciPy's curve_fit with the exact Jacobian."""
    rng = np.random.default_rng(0)
    x = np.geomspace(64, 131_072, POINTS) * np.exp(0.05 * rng.standard_normal((CURVES, POINTS)))
    floor, alpha = rng.uniform(0.02, 2, (CURVES, 1)), rng.uniform(0.2, 0.8, (CURVES, 1))
    excess = np.exp(rng.uniform(0, 4, (CURVES, 1))) * x**-alpha
    y = floor + excess + 0.01 * excess[:, :1] * rng.standard_normal(x.shape)
    starts = np.stack([0.9 * y.min(axis=1), y.max(axis=1), np.full(CURVES, 0.5)], axis=1)
    starts[:, 1] = (starts[:, 1] - starts[:, 0]) * np.sqrt(x[:, 0])
    data = {"x": x.ravel(), "y": y.ravel(), "curve": np.repeat(np.arange(CURVES), POINTS)}

    def ours() -> Array:
        return fit_many("E + A/x**alpha", data, y="y", by="curve", starts=starts[:, None],
                        threads=1).objective

    def model(x: Array, E: float, A: float, alpha: float) -> Array:
        return E + A * x**-alpha

    def slopes(x: Array, E: float, A: float, alpha: float) -> Array:
        power = x**-alpha
        return np.stack([np.ones_like(x), power, -A * power * np.log(x)], axis=1)

    def scipy(optimize: Any, k: int) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optimize.OptimizeWarning)
            end, _ = optimize.curve_fit(model, x[k], y[k], starts[k], jac=slopes, method="lm")
        return float(np.sum((model(x[k], *end) - y[k]) ** 2) / 2)

    return Case(f"{CURVES:,} curves of {POINTS} points", CURVES, ours, scipy)


# ---- resamples of the shipped runs ----


def _resamples() -> Case:
    """Chinchilla's law, log-Huber; SciPy's least_squares with its Huber loss, from the optimum."""
    runs = load("tiny_lm")
    best = fit("chinchilla", runs, "loss", columns={"N": "params", "D": "tokens"}, on="log",
               loss=Huber(DELTA), threads=1)
    n, d, y = (np.log(np.asarray(runs[name], dtype=float)) for name in ("params", "tokens", "loss"))
    counts = np.random.default_rng(0).multinomial(len(y), np.full(len(y), 1 / len(y)), REPLICATES)
    start = np.array([best.params[name] for name in ("E", "A", "alpha", "B", "beta")])

    def ours() -> Array:
        return best.bootstrap(weights=counts, threads=1).objective

    def residuals(theta: Array) -> tuple[Array, Array]:
        E, A, alpha, B, beta = theta
        one, two = np.exp(-alpha * n), np.exp(-beta * d)
        loss = E + A * one + B * two
        slopes = np.stack([np.ones_like(n), one, -A * one * n, two, -B * two * d], axis=1)
        return np.log(loss) - y, slopes / loss[:, None]

    def scipy(optimize: Any, k: int) -> float:
        rows = np.repeat(np.arange(len(y)), counts[k])
        with np.errstate(all="ignore"):
            end = optimize.least_squares(
                lambda theta: residuals(theta)[0][rows], start,
                lambda theta: residuals(theta)[1][rows], loss="huber", f_scale=DELTA,
                x_scale="jac",
            ).x
            size = np.abs(residuals(end)[0][rows])
        value = np.where(size <= DELTA, size**2 / 2, DELTA * (size - DELTA / 2))
        return float(np.sum(value))

    return Case(f"{REPLICATES:,} resamples of {len(y)} runs", REPLICATES, ours, scipy)
