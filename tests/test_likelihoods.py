"""Likelihoods: pointwise terms, edges of what they hold, and refusals."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from samples import counts, heavy

import lawfit as lf
from lawfit import _core
from lawfit.losses import as_loss

LAW = lf.Law("a*x", variables=("x",))
Table = dict[str, np.ndarray]


def pointwise(
    loss: lf.Squared, m: Any, y: Any, sigma: Any = None, on: str = "linear"
) -> dict[str, np.ndarray]:
    return _core.pointwise(LAW.graph(), np.array([1.0]), [np.asarray(m, float)],
                           np.asarray(y, float),
                           None, sigma, on, loss.engine, loss.at(None))  # fmt: skip


def minus_log_density(loss: Any, m: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By SciPy's distributions."""
    if loss.name == "poisson":
        return -scipy.stats.poisson.logpmf(y, m)
    if loss.name == "negative_binomial":
        return -scipy.stats.nbinom.logpmf(y, loss.size, loss.size / (loss.size + m))
    if loss.name == "binomial":
        return -scipy.stats.binom.logpmf(np.round(40 * y), 40, m) / 40
    return -scipy.stats.t.logpdf(y, loss.nu, m, loss.scale)


COUNTS = [lf.Poisson(), lf.NegativeBinomial(0.7), lf.NegativeBinomial(50.0),
          lf.NegativeBinomial(1e7)]
POINTWISE = [*COUNTS, lf.Binomial(), lf.StudentT(3.0, 0.4), lf.StudentT(1.0, 2.0),
             lf.StudentT(1e6, 0.4)]


def points(loss: Any) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    if loss.name == "binomial":
        return rng.uniform(0.01, 0.99, 60), np.r_[0.0, 1.0, rng.integers(0, 41, 58) / 40]
    m = np.exp(rng.uniform(-3, 7, 60))
    if loss.of_counts:
        return m, np.r_[0.0, rng.poisson(m[1:])].astype(float)
    return m, m + rng.standard_t(2, 60)


@pytest.mark.parametrize("loss", POINTWISE, ids=str)
def test_values_are_log_densities_less_those_of_a_perfect_row(loss: Any) -> None:
    m, y = points(loss)
    got = pointwise(loss, m, y)["value"]
    with np.errstate(all="ignore"):
        exact = minus_log_density(loss, m, y) - minus_log_density(loss, y, y)
    exact = np.where(np.isnan(exact), minus_log_density(loss, m, y), exact)  # y = 0: probability 1
    np.testing.assert_allclose(got, exact, rtol=1e-7, atol=1e-9)
    assert (got >= 0).all()
    near = np.where(y > 0, y, 1.0) * (1 - 1e-9)
    assert (pointwise(loss, near, np.where(y > 0, y, 1.0))["value"] >= 0).all()


@pytest.mark.parametrize("loss", POINTWISE, ids=str)
def test_slope_and_curvature_are_derivatives(loss: Any) -> None:
    m, y = points(loss)
    step = 1e-5 * (np.minimum(m, 1 - m) if loss.name == "binomial" else m)
    step = np.full(60, 1e-4 * loss.scale) if loss.name == "student_t" else step
    at, up, down = (pointwise(loss, m + k * step, y) for k in (0, 1, -1))
    scale = np.abs(at["slope"]) + step * np.abs(at["curvature"]) + at["majoriser"] * step * 1e3
    slope = (up["value"] - down["value"]) / (2 * step)
    np.testing.assert_allclose((slope - at["slope"]) / scale, 0, atol=2e-5)
    curvature = (up["slope"] - down["slope"]) / (2 * step)
    np.testing.assert_allclose(curvature, at["curvature"], rtol=1e-5,
                               atol=1e-6 * np.abs(at["majoriser"]).max())


@pytest.mark.parametrize("loss", [*COUNTS, lf.Binomial()], ids=str)
def test_majoriser_weight_is_fishers_information(loss: Any) -> None:
    m, y = points(loss)
    more = m + m**2 / getattr(loss, "size", 1)
    variance = {"poisson": m, "binomial": m * (1 - m)}.get(loss.name, more)
    got = pointwise(loss, m, y, sigma=np.full(60, 0.5))
    np.testing.assert_allclose(got["majoriser"], 4 / variance, rtol=1e-12)
    np.testing.assert_allclose(got["value"], 4 * pointwise(loss, m, y)["value"], rtol=1e-12)


@pytest.mark.parametrize("loss", [*COUNTS, lf.Binomial()], ids=str)
def test_outside_the_domain_there_is_no_likelihood(loss: Any) -> None:
    outside = [-1.0, -1e-300] + ([1.1] if loss.name == "binomial" else [])
    for y in (0.0, 1.0):
        value = pointwise(loss, outside, np.full(len(outside), y))["value"]
        assert not np.isfinite(value).any()
    assert pointwise(loss, [0.0], [0.0])["value"] == 0
    assert pointwise(loss, [0.0], [1.0])["value"] == math.inf


# ---- edges ----


def test_counts_without_overdispersion_are_poisson() -> None:
    x = np.linspace(0, 2, 40)
    data = {"x": x, "y": np.round(np.exp(1 + x))}
    fit = lf.fit("y = exp(a + b*x)", data, loss=lf.NegativeBinomial())
    poisson = lf.fit("y = exp(a + b*x)", data, loss=lf.Poisson())
    assert fit.converged and fit.nuisance == {"size": math.inf, "alpha": 0.0}
    np.testing.assert_allclose(fit.values, poisson.values, rtol=1e-9)
    np.testing.assert_allclose(list(fit.stderr.values()), list(poisson.stderr.values()), rtol=1e-9)
    assert "scatter no more than Poisson's" in str(fit)
    assert fit.log_likelihood == pytest.approx(poisson.log_likelihood, rel=1e-12)


def test_light_tails_are_normal() -> None:
    x = np.arange(40.0)
    data = {"x": x, "y": 1 + 2 * x + np.sin(7 * x)}
    fit = lf.fit("y = a + b*x", data, loss=lf.StudentT())
    normal = lf.fit("y = a + b*x", data, loss=lf.Gaussian())
    assert fit.converged and fit.nuisance["nu"] == math.inf
    np.testing.assert_allclose(fit.values, normal.values, rtol=1e-9)
    assert fit.nuisance["scale"] == pytest.approx(normal.nuisance["sigma"], rel=1e-8)
    np.testing.assert_allclose(list(fit.stderr.values()), list(normal.stderr.values()), rtol=1e-6)
    assert "no heavier tails" in str(fit)


def test_gross_outliers_do_not_hide_the_line() -> None:
    rng = np.random.default_rng(2)
    x = np.linspace(0, 10, 60)
    y = 1 + 2 * x + rng.normal(0, 0.1, 60)
    y[::6] += 1e4 * rng.uniform(0.5, 1, 10)
    fit = lf.fit("y = a + b*x", {"x": x, "y": y}, loss=lf.StudentT())
    assert fit.converged
    assert fit.params["b"] == pytest.approx(2, abs=0.05)
    assert fit.nuisance["nu"] < 1.5


@pytest.mark.filterwarnings("ignore::lawfit.FitWarning")
@pytest.mark.parametrize("loss", [lf.Poisson(), lf.NegativeBinomial(), lf.Binomial(), lf.StudentT(),
                                  lf.Gaussian(),
                                  lf.StudentT(3.0), lf.NegativeBinomial(4.0)], ids=str)
@pytest.mark.parametrize("y", [[0.0] * 6, [1.0] * 6, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
                               [0.0, 1.0] * 3], ids=str)
@pytest.mark.parametrize("law", ["a + b*x", "logistic(a + b*x)", "exp(a + b*x)", "a*x**b"])
def test_degenerate_data_never_crash(law: str, y: list[float], loss: Any) -> None:
    fit = lf.fit(law, {"x": np.arange(1.0, 7.0), "y": y}, "y", loss=loss)
    assert fit.message and str(fit)
    assert fit.to_dict()["nuisance"] == fit.nuisance or any(map(math.isnan, fit.nuisance.values()))


def test_weights_are_relative_and_copies_count() -> None:
    data = counts(4, 60)
    weights = np.random.default_rng(1).uniform(0.5, 2, 60)
    for loss, column in ((lf.NegativeBinomial(), "over"), (lf.Poisson(), "poisson"),
                         (lf.Gaussian(), "over"),
                         (lf.StudentT(3.0), "over")):
        one = lf.fit("exp(a + b*x)", data, column, weights=weights, loss=loss)
        ten = lf.fit("exp(a + b*x)", data, column, weights=10 * weights, loss=loss)
        np.testing.assert_allclose(ten.values, one.values, rtol=1e-7)
        np.testing.assert_allclose(list(ten.stderr.values()), list(one.stderr.values()), rtol=1e-6)
        np.testing.assert_allclose(list(ten.nuisance.values()), list(one.nuisance.values()),
                                   rtol=1e-6)
        assert ten.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-8)
        whole = np.round(weights)
        copied = {name: np.repeat(values, whole.astype(int)) for name, values in data.items()}
        counted, copies = (lf.fit("exp(a + b*x)", table, column, weights=w, loss=loss)
                           for table, w in ((data, whole), (copied, None)))
        np.testing.assert_allclose(counted.values, copies.values, rtol=1e-7)
        np.testing.assert_allclose(list(counted.nuisance.values()), list(copies.nuisance.values()),
                                   rtol=1e-6)


def test_units_change_nothing() -> None:
    data = heavy(5, 3.0)
    fit = lf.fit("y = E + A*x**-b", data, loss=lf.StudentT())
    scaled = lf.fit("y = E + A*x**-b", {"x": 1e9 * data["x"], "y": 1e3 * data["y"]},
                    loss=lf.StudentT())
    assert scaled.params["b"] == pytest.approx(fit.params["b"], rel=1e-7)
    assert scaled.params["E"] == pytest.approx(1e3 * fit.params["E"], rel=1e-7)
    assert scaled.nuisance["nu"] == pytest.approx(fit.nuisance["nu"], rel=1e-6)
    assert scaled.nuisance["scale"] == pytest.approx(1e3 * fit.nuisance["scale"], rel=1e-6)
    assert scaled.stderr["b"] == pytest.approx(fit.stderr["b"], rel=1e-6)


# ---- refusals ----


@pytest.mark.parametrize(("loss", "change", "message"), [
    (lf.Poisson(), {"on": "log"}, "on: loss poisson needs on='linear', not 'log'"),
    (lf.Poisson(), {"sigma": "x"}, "sigma: loss poisson says itself how values scatter"),
    (lf.Poisson(), {"y": [1, 2, -1, 3]}, r"column 'y' \(y\) has 1 value that is negative.*row 2"),
    (lf.Poisson(), {"y": [1, 2.5, 1, 3]},
     r"column 'y' \(y\) has 1 value that is no whole number.*row 1"),
    (lf.Binomial(), {"y": [0, 1, 0.5, 3]},
     r"column 'y' \(y\) has 1 value that is outside \[0, 1\].*row 3"),
    (lf.Binomial("t"), {"t": [1, 0, 2, 3]},
     r"column 't' \(trials\) has 1 value that is not positive.*row 1"),
    (lf.Binomial("t", counts=True), {"t": [1, 1, 1, 1], "y": [0, 1, 2, 1]},
     "more than its row's trials.*row 2"),
    (lf.Binomial("t", counts=True), {"t": [9, 2.5, 9, 9], "y": [0, 1, 2, 1]},
     "no whole number.*row 1"),
    (lf.Binomial("u"), {}, "trials: column 'u'"),
])
def test_wrong_calls_are_refused(loss: Any, change: dict[str, Any], message: str) -> None:
    table = {"x": [1.0, 2, 3, 4], "y": [0.0, 1, 1, 0]}
    table |= {k: v for k, v in change.items() if k in ("y", "t")}
    rest = {k: v for k, v in change.items() if k not in ("y", "t")}
    with pytest.raises(ValueError, match=message):
        lf.fit("exp(a + b*x)", table, "y", loss=loss, **rest)


@pytest.mark.parametrize("make", [
    lambda: lf.StudentT(-1), lambda: lf.StudentT(3, 0.0), lambda: lf.NegativeBinomial(math.inf),
    lambda: lf.Binomial(0), lambda: lf.Binomial(counts=True), lambda: lf.Gaussian(math.nan),
    lambda: as_loss("student_t:mu=3"), lambda: as_loss("poisson:3"),
    lambda: as_loss("student_t:nu=x"),
])
def test_bad_numbers_are_refused(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize("loss", [
    lf.Poisson(), lf.NegativeBinomial(), lf.NegativeBinomial(3), lf.Binomial(), lf.Binomial("n"),
    lf.Binomial(20, counts=True), lf.StudentT(), lf.StudentT(4), lf.StudentT(4, 0.1),
    lf.StudentT(scale=0.1),
    lf.Gaussian(), lf.Gaussian(0.2),
], ids=str)
def test_text_and_pickle_give_the_same_likelihood(loss: Any) -> None:
    again = as_loss(str(loss))
    assert again == loss and str(again) == str(loss)
    assert pickle.loads(pickle.dumps(loss)) == loss
