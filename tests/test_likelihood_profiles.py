"""Profiles of likelihoods that estimate numbers: against SciPy's optima with one thing held."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import lawfit as lf
from lawfit.intervals import normal_quantile, t_quantile

Function = Callable[[np.ndarray], float]
GROWTH, DECAY = "exp(a + b*x)", "E + A*x**-b"


def counts(n: int = 60, seed: int = 1, size: float = 2.5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 2, n)
    mean = np.exp(1 + 0.7 * x)
    return {"x": x, "y": rng.negative_binomial(size, size / (size + mean)).astype(float)}


def heavy(n: int = 60, seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 100, n)
    return {"x": x, "y": (0.5 + 2 * x**-0.4) * np.exp(0.05 * rng.standard_t(3, n))}


def minus_log_likelihood(fit: lf.Fit) -> tuple[Function, np.ndarray]:
    """Of the parameters and the numbers (1/size; 1/nu, log scale), and where it is least."""
    loss, (x,), y = fit.loss, fit.rows.columns.values(), fit.rows.y
    if loss.name == "negative_binomial":
        def counted(theta: np.ndarray) -> float:
            mean, alpha = np.exp(theta[0] + theta[1] * x), abs(theta[2])
            if alpha < 1e-7:
                return float(-scipy.stats.poisson.logpmf(y, mean).sum())
            return float(-scipy.stats.nbinom.logpmf(y, 1 / alpha, 1 / (1 + alpha * mean)).sum())

        return counted, np.r_[fit.values, fit.nuisance["alpha"]]

    def residuals(theta: np.ndarray) -> np.ndarray:
        if fit.on == "linear":
            return y - theta[0] - theta[1] * x
        with np.errstate(all="ignore"):
            return np.log(y) - np.log(theta[0] + theta[1] * x ** -theta[2])

    def scattered(theta: np.ndarray) -> float:
        own = iter(theta[len(fit.values):])
        if loss.name == "gaussian":
            return float(-scipy.stats.norm.logpdf(residuals(theta), 0, math.exp(next(own))).sum())
        nu = loss.nu or 1 / max(next(own), 1e-9)
        scale = loss.scale or math.exp(next(own))
        value = -scipy.stats.t.logpdf(residuals(theta), nu, 0, scale).sum()
        return float(value) if math.isfinite(value) else 1e9

    own = [1 / fit.nuisance[name] if name == "nu" else math.log(fit.nuisance[name])
           for name in ("nu", "scale", "sigma") if name in fit.nuisance]
    return scattered, np.r_[fit.values, own]


def least(function: Function, start: np.ndarray) -> float:
    found = scipy.optimize.minimize(function, start, method="Nelder-Mead",
                                    options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 6000,
                                             "maxfev": 6000})
    return float(found.fun)


def quantile(fit: lf.Fit, level: float) -> float:
    tail = (1 + level) / 2
    if fit.loss.of_counts:
        return normal_quantile(tail)
    return t_quantile(tail, len(fit.rows) - len(fit.values))


CASES = [
    (GROWTH, counts(), "linear", lf.NegativeBinomial()),
    (DECAY, heavy(), "log", lf.StudentT()), (DECAY, heavy(), "log", lf.StudentT(4.0)),
    (DECAY, heavy(), "log", lf.StudentT(None, 0.05)), (DECAY, heavy(), "log", lf.Gaussian()),
]
NAMES = ["negative_binomial", "t", "t nu=4", "t scale=0.05", "gaussian"]


@pytest.mark.parametrize(("law", "data", "on", "loss"), CASES, ids=NAMES)
def test_ends_are_where_scipys_held_optimum_has_risen(
    law: str, data: dict[str, np.ndarray], on: str, loss: Any
) -> None:
    """A rise to 1e-5 places the end to 5e-6 of its distance from the estimate."""
    fit = lf.fit(law, data, "y", on=on, loss=loss)
    minus, at = minus_log_likelihood(fit)
    best = minus(at)
    assert -fit.log_likelihood - (np.log(data["y"]).sum() if on == "log" else 0) == pytest.approx(
        best, rel=1e-9)
    level = 0.9
    rise = 0.5 * quantile(fit, level) ** 2
    name = "b"
    place = list(fit.params).index(name)
    profile = fit.profile(name, level=level, points=4)
    assert profile.ends == ("closed", "closed")
    for end, path in zip(profile.interval, (0, -1), strict=True):
        there = [np.delete(at, place), np.delete(at, place)]
        inside = np.searchsorted(profile.at, end)
        there[1][:len(fit.values) - 1] = [values[min(inside, len(profile.at) - 1)] for key, values
                                          in profile.params.items() if key != name]
        held = min(least(lambda rest, end=end: minus(np.insert(rest, place, end)), start)
                   for start in there)
        assert held - best == pytest.approx(rise, rel=1e-5), path
    z = np.interp(profile.interval, profile.at, profile.z)
    np.testing.assert_allclose(z, [-quantile(fit, level), quantile(fit, level)], rtol=1e-6)
    assert fit.interval(level)[name] == pytest.approx(fit.profile(name, level=level).interval)


def test_limits_are_those_of_scipys_root() -> None:
    data = counts(40, 7)
    fit = lf.fit(GROWTH, data, "y", loss=lf.NegativeBinomial())
    minus, at = minus_log_likelihood(fit)
    best, rise = minus(at), 0.5 * normal_quantile(0.975) ** 2

    def gap(b: float) -> float:
        return least(lambda rest: minus(np.array([rest[0], b, rest[1]])), at[[0, 2]]) - best - rise

    b, error = fit.params["b"], fit.stderr["b"]
    theirs = [scipy.optimize.brentq(gap, b + s * 0.2 * error, b + s * 5 * error, xtol=1e-7)
              for s in (-1, 1)]
    np.testing.assert_allclose(fit.interval(0.95)["b"], theirs, rtol=1e-5)
    narrow = np.ptp(fit.interval(0.95, "wald")["b"])
    assert np.ptp(theirs) == pytest.approx(narrow, rel=0.2)


@pytest.mark.parametrize(("law", "data", "on", "loss"), CASES[:2], ids=NAMES[:2])
def test_derived_quantities_are_held_by_penalty(
    law: str, data: dict[str, np.ndarray], on: str, loss: Any
) -> None:
    """A quantity solved for one parameter leaves a free optimum over the others."""
    fit = lf.fit(law, data, "y", on=on, loss=loss)
    minus, at = minus_log_likelihood(fit)
    best, rise = minus(at), 0.5 * quantile(fit, 0.9) ** 2
    text, x = ("exp(a + b*x)", 1.5) if loss.of_counts else ("E + A*x**-b", 30.0)
    profile = fit.profile(derived=text, x=x, level=0.9)
    for end in profile.interval:
        def held(rest: np.ndarray, end: float = end) -> float:
            if loss.of_counts:
                return minus(np.r_[math.log(end) - x * rest[0], rest])
            return minus(np.r_[end - rest[0] * x ** -rest[1], rest])

        assert least(held, at[1:]) - best == pytest.approx(rise, rel=1e-5)


@pytest.mark.parametrize(("seed", "leaves"), [(1, False), (3, True)])
def test_counts_at_the_edge_may_leave_it_where_the_law_is_held_off(seed: int, leaves: bool) -> None:
    """The best dispersion is zero at the optimum, and may be positive at an end."""
    x = np.linspace(0, 2, 40)
    data = {"x": x, "y": np.random.default_rng(seed).poisson(np.exp(1 + x)).astype(float)}
    fit = lf.fit(GROWTH, data, "y", loss=lf.NegativeBinomial())
    assert fit.nuisance["alpha"] == 0
    minus, at = minus_log_likelihood(fit)
    best, rise = minus(at), 0.5 * normal_quantile(0.99995) ** 2
    ends = fit.profile("b", level=0.9999).interval
    poisson = lf.fit(GROWTH, data, "y", loss=lf.Poisson()).profile("b", level=0.9999).interval
    assert np.ptp(ends) - np.ptp(poisson) > 1e-3 if leaves else ends == pytest.approx(poisson)
    for end in ends:
        held = min(least(lambda rest, end=end: minus(np.array([rest[0], end, rest[1]])), start)
                   for start in ([at[0], 0.0], [at[0], 0.05]))
        assert held - best == pytest.approx(rise, rel=1e-5)


def test_light_tails_may_grow_heavy_where_the_law_is_held_off() -> None:
    x = np.arange(40.0)
    data = {"x": x, "y": 1 + 2 * x + np.sin(7 * x)}
    fit = lf.fit("a + b*x", data, "y", loss=lf.StudentT())
    normal = lf.fit("a + b*x", data, "y", loss=lf.Gaussian())
    assert fit.nuisance["nu"] == math.inf
    assert fit.interval(0.9)["b"] == pytest.approx(normal.interval(0.9)["b"], rel=1e-7)


def test_weights_count_relative_to_their_mean() -> None:
    data = counts(50, 2) | {"w": np.linspace(0.5, 1.5, 50)}
    for factor in (1.0, 7.0):
        fit = lf.fit(GROWTH, data, "y", weights=factor * data["w"], loss=lf.NegativeBinomial())
        ends = fit.interval(0.9)["b"]
        rows = np.repeat(np.arange(50), 2)
        first = ends if factor == 1 else first
        np.testing.assert_allclose(ends, first, rtol=1e-6)
        twice = {name: values[rows] for name, values in data.items()}
        doubled = lf.fit(GROWTH, twice, "y", weights=factor * twice["w"],
                         loss=lf.NegativeBinomial())
        assert np.ptp(doubled.interval(0.9)["b"]) == pytest.approx(np.ptp(ends) / 2**0.5, rel=0.03)


def test_many_rows_fill_the_lanes_with_points() -> None:
    data = heavy(5000, 9)
    fit = lf.fit("a + b*x", {"x": np.log(data["x"]), "y": data["y"]}, "y", loss=lf.StudentT())
    minus, at = minus_log_likelihood(fit)
    best, rise = minus(at), 0.5 * quantile(fit, 0.9) ** 2
    one, several = (fit.profile("b", level=0.9, threads=threads) for threads in (1, 3))
    assert one.interval == several.interval
    np.testing.assert_array_equal(one.z, several.z)
    held = least(lambda rest: minus(np.array([rest[0], one.high, *rest[1:]])), at[[0, 2, 3]])
    assert held - best == pytest.approx(rise, rel=1e-5)


def test_all_parameters_and_roots_have_profiles() -> None:
    fit = lf.fit(DECAY, heavy(), "y", on="log", loss=lf.StudentT())
    every = fit.profile(level=0.8)
    assert set(every) == {"E", "A", "b"}
    for name, profile in every.items():
        assert profile.interval == pytest.approx(fit.profile(name, level=0.8).interval, rel=1e-7)
        wald = fit.interval(0.8, "wald")[name]
        assert np.ptp(profile.interval) == pytest.approx(np.ptp(wald), rel=0.4)
    root = fit.profile(derived="x where E + A*x**-b = 0.8 from 1 to 1000")
    assert root.ends == ("closed", "closed") and root.low < root.value < root.high


def test_clusters_widen_profiles() -> None:
    rng = np.random.default_rng(6)
    run = np.repeat(np.arange(40), 4)
    x = rng.uniform(-1, 2, 160)
    mean = np.exp(1 + 0.7 * x + 0.4 * rng.normal(size=40)[run])
    data = {"x": x, "run": run, "y": rng.poisson(mean).astype(float)}
    fit = lf.fit(GROWTH, data, "y", loss=lf.NegativeBinomial())
    profile, wald = fit.profile("a", by="run"), fit.interval(method="wald", by="run")["a"]
    assert np.ptp(profile.interval) == pytest.approx(np.ptp(wald), rel=0.1)
