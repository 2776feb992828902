"""Units of N, D and loss, and weights times a constant, change no interval and no prediction."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import lawfit as lf
from lawfit.intervals import METHODS

Ends = dict[str, np.ndarray]
N0, D0, BUDGET = 3e10, 2e12, 1e24
SPACES = ["linear", "log", "relative"]
KINDS = {"pairs": {}, "bayesian": {}, "residual": {}, "wild": {}, "parametric": {},
         "cluster": {"by": "run"}, "stratified": {"by": "run"}}
factors = st.one_of(st.integers(-30, 30).map(lambda k: 2.0**k), st.floats(1e-9, 1e9))


def table(n: float = 1.0, d: float = 1.0, y: float = 1.0, w: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e8, 1e10, 6),
                                                 np.geomspace(2e9, 3e11, 7)))
    loss = (1.8 + 480 / N**0.35 + 2000 / D**0.37) * np.exp(0.01 * rng.standard_normal(42))
    return {"N": N * n, "D": D * d, "loss": loss * y, "weight": rng.uniform(0.5, 2, 42) * w,
            "run": np.arange(42) // 3}


def fitted(loss: str, on: str, n: float = 1.0, d: float = 1.0, y: float = 1.0,
           w: float = 1.0) -> lf.Fit:
    """The fit in other units; the loss's own scale goes with linear residuals."""
    delta = (0.01 * y if on == "linear" else 0.005)
    return lf.fit("loss = E + A/N**alpha + B/D**beta", table(n, d, y, w), weights="weight", on=on,
                  loss=lf.Huber(delta) if loss == "huber" else loss)


def quantities(n: float, d: float) -> dict[str, tuple[str, dict[str, float], str]]:
    """Name -> formula, variables, and what units it has."""
    return {
        "alpha": ("alpha", {}, "1"), "exponent": ("beta/(alpha+beta)", {}, "1"),
        "floor": ("E", {}, "loss"), "size term": ("A/N**alpha", {"N": N0 * n}, "loss"),
        "prediction": ("E + A/N**alpha + B/D**beta", {"N": N0 * n, "D": D0 * d}, "loss"),
    }


def solved(n: float, d: float, y: float) -> dict[str, tuple[str, dict[str, float], str]]:
    return {
        "root": (f"D where loss = {2.45 * y!r}", {"N": 1e9 * n}, "D"),
        "optimum": (f"N minimising loss where {6 / n / d!r}*N*D = {BUDGET!r}", {}, "N"),
    }


def answers(fit: lf.Fit, n: float, d: float, y: float, everything: bool) -> Iterator[Any]:
    """(what, units, low and high) of everything one can ask."""
    asked = quantities(n, d)
    more = solved(n, d, y)
    at = {"N": N0 * n, "D": D0 * d * np.array([1e-3, 0.1, 1.0])}
    for name, (text, given_, unit) in {**asked, **more}.items():
        yield f"delta {name}", unit, fit.derive(text, **given_).interval(0.9)
    for kind in ("jacobian", "hessian", "sandwich", "cluster"):
        by = {"by": "run"} if kind == "cluster" else {}
        for method in ("wald", "profile"):
            ends = fit.interval(0.9, method, covariance=kind, **by)
            for name, unit in (("alpha", "1"), ("beta", "1"), ("E", "loss")):
                yield f"{method} {kind} {name}", unit, ends[name]
    for name, (text, given_, unit) in {**asked, **(more if everything else {})}.items():
        yield f"profile {name}", unit, fit.profile(derived=text, points=0, **given_).interval
    for kind, noises in (("mean", [None]), ("new", [None, "proportional", "N"])):
        for noise in noises:
            bands = ("pointwise", "simultaneous")
            for band in bands[: 2 if kind == "new" and noise is None else 1]:
                yield f"predict {kind} {noise} {band}", "loss", fit.predict(
                    level=0.9, kind=kind, noise=noise, band=band, **at)[1:]
    for name, ends in fit.allocate(BUDGET, cost=6 / n / d, level=0.9).intervals.items():
        unit = {"N": "N", "D": "D", "loss": "loss", "exponent": "1",
                "tokens_per_parameter": "D/N"}[name]
        yield f"allocate {name}", unit, ends


def drawn(fit: lf.Fit, kind: str, n: float, d: float, y: float) -> Iterator[Any]:
    boot = fit.bootstrap(80, kind, check=0, **KINDS[kind])
    for method in METHODS:
        for name, (text, given_, unit) in quantities(n, d).items():
            yield f"{kind} {method} {name}", unit, boot.derive(text, **given_).interval(0.9, method)
        if method in ("percentile", "adjusted", "basic", "expanded"):
            for what in ("mean", "new"):
                yield f"{kind} {method} predict {what}", "loss", boot.predict(
                    N=N0 * n, D=D0 * d, level=0.9, method=method, kind=what)[1:]
    for name, (text, given_, unit) in (solved(n, d, y).items() if kind == "pairs" else ()):
        yield f"{kind} {name}", unit, boot.derive(text, **given_).interval(0.9)
    yield f"{kind} allocate", "N", boot.allocate(BUDGET, cost=6 / n / d, level=0.9).intervals["N"]
    yield f"{kind} stderr", "loss", np.array([boot.stderr()["E"]] * 2) * np.array([1, 2])


@cache
def in_own_units(loss: str, on: str, kind: str | None = None) -> list[Any]:
    fit = fitted(loss, on)
    return list(answers(fit, 1, 1, 1, False) if kind is None else drawn(fit, kind, 1, 1, 1))


def compare(one: list[Any], other: Iterator[Any], n: float, d: float, y: float,
            tolerance: float) -> None:
    units = {"1": 1.0, "loss": y, "N": n, "D": d, "D/N": d / n}
    for (what, unit, expected), (_, _, found) in zip(one, other, strict=True):
        expected, found = np.asarray(expected) * units[unit], np.asarray(found)
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(found), finite, err_msg=what)
        width = np.where(finite, np.abs(expected[1] - expected[0]), 1.0)
        off = np.abs(np.where(finite, found - expected, 0.0))
        by_differences = what in ("delta root", "delta optimum") or what.startswith("allocate")
        most = (10 if by_differences else 1) * tolerance * width
        assert (off <= most).all(), (what, (off / width).max())


@pytest.mark.parametrize("on", SPACES)
@pytest.mark.parametrize("loss", ["squared", "huber"])
@given(n=factors, d=factors, y=factors, w=factors)
@settings(max_examples=3, phases=[Phase.generate])
def test_intervals_without_resampling(loss, on, n, d, y, w):
    other = fitted(loss, on, n, d, y, w)
    compare(in_own_units(loss, on), answers(other, n, d, y, False), n, d, y, 1e-6)


@pytest.mark.parametrize("kind, on", [
    *((kind, on) for kind in KINDS for on in ("linear", "log")), ("residual", "relative"),
])
@given(n=factors, d=factors, y=factors, w=factors)
@settings(max_examples=2, phases=[Phase.generate])
def test_intervals_of_replicates(kind, on, n, d, y, w):
    other = fitted("squared", on, n, d, y, w)
    compare(in_own_units("squared", on, kind), drawn(other, kind, n, d, y), n, d, y, 1e-6)


@pytest.mark.parametrize("power", [-40, 6])
def test_weights_times_a_power_of_four_change_no_bit(power):
    """Weights enter by their roots, so an even power of two moves exponents only."""
    one, other = (fitted("squared", "log", w=w) for w in (1.0, 2.0**power))
    everything = zip(answers(one, 1, 1, 1, True), answers(other, 1, 1, 1, True), strict=True)
    for (what, _, expected), (_, _, found) in everything:
        if what == "predict new N pointwise":  # a power of N is fitted to logarithms
            np.testing.assert_allclose(found, expected, rtol=1e-14, err_msg=what)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=what)
    for kind in ("pairs", "cluster", "wild", "parametric"):
        for (what, _, a), (_, _, b) in zip(drawn(one, kind, 1, 1, 1), drawn(other, kind, 1, 1, 1),
                                           strict=True):
            np.testing.assert_array_equal(b, a, err_msg=what)
