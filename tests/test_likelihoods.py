"""Likelihoods: pointwise terms, optima and standard errors against statsmodels and SciPy."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.discrete.discrete_model as discrete
import statsmodels.genmod.families as families
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.genmod.generalized_linear_model import GLM

import lawfit as lf
from lawfit import _core
from lawfit.cli import main
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


# ---- statsmodels ----


def counts(seed: int, n: int = 150) -> Table:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 2, n)
    mean = np.exp(1 + 0.7 * x)
    trials = rng.integers(1, 60, n)
    return {
        "x": x, "poisson": rng.poisson(mean).astype(float), "trials": trials.astype(float),
        "over": rng.negative_binomial(2.5, 2.5 / (2.5 + mean)).astype(float),
        "won": rng.binomial(trials, 1 / (1 + np.exp(-0.3 - 1.2 * x))).astype(float),
    }


def agrees(fit: lf.Fit, params: Any, errors: Any, log_likelihood: float) -> None:
    assert fit.converged, fit.message
    np.testing.assert_allclose(fit.values, params[:2], rtol=1e-6)
    np.testing.assert_allclose(list(fit.stderr.values()), errors[:2], rtol=1e-4)
    assert fit.log_likelihood == pytest.approx(log_likelihood, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_poisson_is_statsmodels(seed: int) -> None:
    data = counts(seed)
    design = np.stack([np.ones(150), data["x"]], axis=1)
    theirs = GLM(data["poisson"], design, family=families.Poisson()).fit(tol=1e-14)
    fit = lf.fit("exp(a + b*x)", data, "poisson", loss=lf.Poisson())
    agrees(fit, theirs.params, theirs.bse, theirs.llf)
    assert 2 * fit.objective == pytest.approx(theirs.deviance, rel=1e-9)
    assert (fit.aic, fit.bic) == pytest.approx((theirs.aic, theirs.bic_llf), rel=1e-9)
    # Fisher's information times Pearson's dispersion: quasi-Poisson.
    quasi = GLM(data["poisson"], design, family=families.Poisson()).fit(tol=1e-14, scale="X2")
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance("jacobian"))), quasi.bse, rtol=1e-4)
    robust = GLM(data["poisson"], design, family=families.Poisson()).fit(tol=1e-14, cov_type="HC0")
    np.testing.assert_allclose(fit.covariance("sandwich") * 148 / 150, robust.cov_params(),
                               rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_binomial_is_statsmodels(seed: int) -> None:
    data = counts(seed)
    design = np.stack([np.ones(150), data["x"]], axis=1)
    both = np.stack([data["won"], data["trials"] - data["won"]], axis=1)
    theirs = GLM(both, design, family=families.Binomial()).fit(tol=1e-14)
    fit = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial("trials", counts=True))
    agrees(fit, theirs.params, theirs.bse, theirs.llf)
    shares = data | {"share": data["won"] / data["trials"]}
    same = lf.fit("logistic(a + b*x)", shares, "share", loss=lf.Binomial(data["trials"]))
    assert same.params == fit.params and same.stderr == fit.stderr


@pytest.mark.parametrize("seed", range(3))
def test_negative_binomial_is_statsmodels(seed: int) -> None:
    data = counts(seed)
    design = np.stack([np.ones(150), data["x"]], axis=1)
    model = discrete.NegativeBinomial(data["over"], design)
    theirs = model.fit(disp=0, method="newton", maxiter=200, tol=1e-14)
    fit = lf.fit("exp(a + b*x)", data, "over", loss=lf.NegativeBinomial())
    agrees(fit, theirs.params, theirs.bse, theirs.llf)
    assert fit.nuisance["alpha"] == pytest.approx(theirs.params[2], rel=1e-6)
    assert fit.nuisance_stderr["alpha"] == pytest.approx(theirs.bse[2], rel=1e-4)
    assert fit.nuisance["size"] == pytest.approx(1 / theirs.params[2], rel=1e-6)
    assert (fit.aic, fit.bic) == pytest.approx((theirs.aic, theirs.bic), rel=1e-9)
    # With a given size statsmodels' GLM uses expected information, which kind="jacobian" is.
    family = families.NegativeBinomial(alpha=0.5)
    fixed = GLM(data["over"], design, family=family).fit(tol=1e-14)
    fit = lf.fit("exp(a + b*x)", data, "over", loss=lf.NegativeBinomial(2))
    np.testing.assert_allclose(fit.values, fixed.params, rtol=1e-6)
    expected = np.sqrt(np.diag(fit.covariance("jacobian", absolute_sigma=True)))
    np.testing.assert_allclose(expected, fixed.bse, rtol=1e-4)
    assert fit.log_likelihood == pytest.approx(fixed.llf, rel=1e-9)


# ---- SciPy ----


def scipy_optimum(function: Any, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood and its standard errors, by Newton steps on differences."""
    at = scipy.optimize.minimize(function, start, method="Nelder-Mead",
                                 options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 20000,
                                          "maxfev": 20000}).x
    size = len(at)

    def derivatives(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h = 2e-4 * np.maximum(np.abs(at), 0.1)
        step = np.diag(h)
        gradient = np.array([8 * (function(at + step[i]) - function(at - step[i]))
                             - function(at + 2 * step[i]) + function(at - 2 * step[i])
                             for i in range(size)]) / (12 * h)
        hessian = np.array([[(function(at + step[i] + step[j]) - function(at + step[i] - step[j])
                              - function(at - step[i] + step[j]) + function(at - step[i] - step[j]))
                             / (4 * h[i] * h[j]) for j in range(size)] for i in range(size)])
        return gradient, hessian

    for _ in range(3):
        gradient, hessian = derivatives(at)
        at = at - np.linalg.solve(hessian, gradient)
    return at, np.sqrt(np.diag(np.linalg.inv(derivatives(at)[1])))


def heavy(seed: int, nu: float, n: int = 80) -> Table:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 100, n)
    return {"x": x, "y": (0.5 + 2 * x**-0.4) * np.exp(0.05 * rng.standard_t(nu, n))}


@pytest.mark.parametrize(("nu", "scale"), [(None, None), (4.0, None), (None, 0.05), (4.0, 0.05)])
def test_students_t_is_scipys(nu: float | None, scale: float | None) -> None:
    data = heavy(3, 3.0)

    def minus(theta: np.ndarray) -> float:
        e, a, b, *rest = theta
        own = iter(rest)
        degrees = 1 / next(own) if nu is None else nu
        width = math.exp(next(own)) if scale is None else scale
        r = np.log(data["y"]) - np.log(e + a * data["x"] ** -b)
        return float(-scipy.stats.t.logpdf(r, degrees, 0, width).sum())

    start = [0.5, 2.0, 0.4, *[0.25] * (nu is None), *[math.log(0.05)] * (scale is None)]
    theirs, errors = scipy_optimum(minus, np.array(start))
    fit = lf.fit("y = E + A*x**-b", data, on="log", loss=lf.StudentT(nu, scale))
    assert fit.converged
    np.testing.assert_allclose(fit.values, theirs[:3], rtol=1e-6)
    np.testing.assert_allclose(list(fit.stderr.values()), errors[:3], rtol=1e-4)
    own = iter(zip(theirs[3:], errors[3:], strict=True))
    if nu is None:
        tail, error = next(own)
        assert fit.nuisance["nu"] == pytest.approx(1 / tail, rel=1e-6)
        assert fit.nuisance_stderr["nu"] == pytest.approx(error / tail**2, rel=1e-4)
    if scale is None:
        logarithm, error = next(own)
        assert fit.nuisance["scale"] == pytest.approx(math.exp(logarithm), rel=1e-6)
        assert fit.nuisance_stderr["scale"] == pytest.approx(error * math.exp(logarithm), rel=1e-4)
    expected = -minus(theirs) - np.log(data["y"]).sum()  # the density of y itself
    assert fit.log_likelihood == pytest.approx(expected, rel=1e-9)


def test_gaussian_has_the_scale_of_maximum_likelihood() -> None:
    data = heavy(1, 50.0)
    fit = lf.fit("y = E + A*x**-b", data, on="log", loss=lf.Gaussian())
    least = lf.fit("y = E + A*x**-b", data, on="log")
    np.testing.assert_allclose(fit.values, least.values, rtol=1e-9)
    assert fit.nuisance["sigma"] == pytest.approx(math.sqrt(2 * least.objective / 80), rel=1e-12)
    error = fit.nuisance["sigma"] / math.sqrt(160)
    assert fit.nuisance_stderr["sigma"] == pytest.approx(error, rel=1e-12)
    assert fit.log_likelihood == pytest.approx(least.log_likelihood, rel=1e-12)
    expected = least.covariance("hessian", absolute_sigma=True) * 2 * least.objective / 80
    np.testing.assert_allclose(fit.covariance(), expected, rtol=1e-8)
    known = lf.fit("y = E + A*x**-b", data, on="log", loss=lf.Gaussian(0.05))
    np.testing.assert_allclose(known.covariance(), expected * (0.05 / fit.nuisance["sigma"]) ** 2,
                               rtol=1e-8)


@given(st.integers(0, 10**6), st.sampled_from(["poisson", "over", "won"]), st.integers(8, 40))
def test_no_better_point_is_found_by_scipy(seed: int, kind: str, n: int) -> None:
    data = counts(seed, n)
    if kind == "won":
        fit = lf.fit("logistic(a + b*x)", data, kind, loss=lf.Binomial("trials", counts=True))

        def minus(theta: np.ndarray) -> float:
            p = 1 / (1 + np.exp(-theta[0] - theta[1] * data["x"]))
            return float(-scipy.stats.binom.logpmf(data["won"], data["trials"], p).sum())
    else:
        loss = lf.NegativeBinomial(3.0) if kind == "over" else lf.Poisson()
        fit = lf.fit("exp(a + b*x)", data, kind, loss=loss)

        def minus(theta: np.ndarray) -> float:
            return float(minus_log_density(loss, np.exp(theta[0] + theta[1] * data["x"]),
                                           data[kind]).sum())
    if not fit.converged:  # all zero, or separated
        return
    start = fit.values + np.random.default_rng(seed).normal(0, 0.3, 2)
    with np.errstate(all="ignore"):
        theirs = scipy.optimize.minimize(minus, start, method="Nelder-Mead",
                                         options={"xatol": 1e-9, "fatol": 1e-12})
    assert -fit.log_likelihood <= theirs.fun + 1e-8 * abs(theirs.fun)
    assert -fit.log_likelihood == pytest.approx(minus(fit.values), rel=1e-9)


@pytest.mark.parametrize("seed", [18, 47, 61, 74, 88, 97, 105, 109, 116, 144])
def test_no_given_degrees_of_freedom_fit_better_than_the_estimated_ones(seed: int) -> None:
    """Likelihoods with several optima, of light tails next to least squares and of heavy ones."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    x = np.sort(rng.uniform(-1, 2, n))
    mean = np.exp(rng.normal() + 0.7 * x)
    scattered = rng.negative_binomial(1.5, 1.5 / (1.5 + mean)) + rng.standard_t(1.2, n)
    for law, y in (("a + b*x", scattered),
                   ("E + A*exp(-b*x)", 1 + np.exp(-x) + 0.1 * rng.standard_t(2, n))):
        data = {"x": x, "y": y}
        fit = lf.fit(law, data, "y", loss=lf.StudentT())
        if not fit.converged:
            continue
        for nu in (1.0, 1.5, 2.5, 5.0, 20.0, math.inf):
            given_nu = lf.fit(law, data, "y", loss=lf.StudentT(nu))
            assert fit.log_likelihood >= given_nu.log_likelihood - 1e-7


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


# ---- many fits, replicates, files ----

LOSSES = [lf.NegativeBinomial(), lf.Poisson(), lf.StudentT(), lf.StudentT(4.0), lf.Gaussian()]


def grouped(groups: int = 12, n: int = 30) -> Table:
    data = counts(8, groups * n)
    return {"x": data["x"], "y": data["over"], "run": np.repeat(np.arange(groups), n)}


@pytest.fixture(scope="module")
def fits() -> lf.Fits:
    return lf.fit_many("exp(a + b*x)", grouped(), "y", by="run", losses=LOSSES, threads=1)


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    ours, theirs = list(one.values()), list(other.values())
    return list(one) == list(other) and np.array_equal(ours, theirs, equal_nan=True)


def test_many_fits_are_the_single_ones_for_any_number_of_threads(fits: lf.Fits) -> None:
    data = grouped()
    threaded = lf.fit_many("exp(a + b*x)", data, "y", by="run", losses=LOSSES, threads=3)
    for name, values in fits.batch.raw[0].items():
        np.testing.assert_array_equal(threaded.batch.raw[0][name], values, err_msg=name)
    for place in range(0, len(fits), 5):
        one, loss, run = fits[place], LOSSES[place // 12], place % 12
        rows = {name: values[data["run"] == run] for name, values in data.items()}
        alone = lf.fit("exp(a + b*x)", rows, "y", loss=loss)
        assert same(one.params, alone.params) and same(one.stderr, alone.stderr)
        assert same(one.nuisance, alone.nuisance)
        assert same(one.nuisance_stderr, alone.nuisance_stderr)
        for name in one.nuisance:
            column = [fits.nuisance[name][place], fits.nuisance_stderr[name][place]]
            np.testing.assert_allclose(column, [one.nuisance[name], one.nuisance_stderr[name]],
                                       rtol=1e-9)
        assert fits.stderr["a"][place] == pytest.approx(one.stderr["a"], rel=1e-9)
        assert fits.log_likelihood[place] == pytest.approx(one.log_likelihood, rel=1e-12)


def test_likelihoods_are_ranked_with_their_own_numbers_counted(fits: lf.Fits) -> None:
    ranking = fits.where(run=3).rank("aicc")
    scores = dict(zip(ranking.fits.index["loss"].tolist(), ranking.score, strict=True))
    for fit in fits.where(run=3):
        own = {"negative_binomial": 1, "student_t": 2, "student_t:nu=4.0": 1, "gaussian": 1}
        k = 2 + own.get(str(fit.loss), 0)
        aicc = -2 * fit.log_likelihood + 2 * k + 2 * k * (k + 1) / (30 - k - 1)
        assert scores[str(fit.loss)] == pytest.approx(aicc, rel=1e-12) == fit.aicc
    assert ranking.best.index["loss"].tolist() == ["negative_binomial"]
    table = fits.table()
    assert {"alpha", "alpha_stderr", "nu", "scale", "sigma", "size"} <= set(table)


def test_replicates_estimate_the_numbers_anew(fits: lf.Fits) -> None:
    boots = fits.bootstrap(40, seed=3, threads=1)
    np.testing.assert_array_equal(fits.bootstrap(40, seed=3, threads=3).params["b"],
                                  boots.params["b"])
    for place in (0, 1, 2, 12, 48):
        fit = fits[place]
        boot = fit.bootstrap(40, seed=3, check=0)
        np.testing.assert_array_equal(boot.params["b"], boots.params["b"][place])
        weights = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=3)
        own = fit.bootstrap(weights=weights)
        for replicate in range(3):
            rows = np.repeat(np.arange(30), weights[replicate])
            table = {"x": fit.rows.columns["x"][rows], "y": fit.rows.y[rows]}
            anew = lf.fit("exp(a + b*x)", table, "y", loss=fit.loss)
            assert own.params["b"][replicate] == pytest.approx(anew.params["b"], rel=1e-6)
            for name, values in own.nuisance.items():
                assert values[replicate] == pytest.approx(anew.nuisance[name], rel=1e-5)
        low, high = boot.interval(0.9, method="studentized")["b"]
        assert low < fit.params["b"] < high


def test_what_a_likelihood_cannot_do_is_refused(fits: lf.Fits) -> None:
    poisson = fits[12]
    for method in ("residual", "wild"):
        with pytest.raises(ValueError, match="choose from pairs, cluster, stratified, parametric"):
            poisson.bootstrap(5, method=method)
    with pytest.raises(ValueError, match="counts or shares and not normal"):
        poisson.predict(x=1.0, level=0.9, kind="new")
    with pytest.raises(ValueError, match="Binomial with trials .* needs a call of its own"):
        lf.fit_many("exp(a + b*x)", grouped(), "y", losses=[lf.Poisson(), lf.Binomial("run")])
    with pytest.raises(ValueError, match="needs a likelihood, which the loss huber:0.1 is not"):
        _ = lf.fit("exp(a + b*x)", grouped(1), "y", loss=lf.Huber(0.1)).aic


def test_groups_that_share_parameters_are_one_likelihood() -> None:
    data = grouped(5)
    fits = lf.fit_many("exp(a + b*x)", data, "y", by="run", share="b", losses=lf.Poisson())
    dummies = (data["run"][:, None] == np.arange(5)).astype(float)
    theirs = GLM(data["y"], np.column_stack([dummies, data["x"]]),
                 family=families.Poisson()).fit(tol=1e-14)
    np.testing.assert_allclose(fits.params["a"], theirs.params[:5], rtol=1e-6)
    np.testing.assert_allclose(fits.params["b"], theirs.params[5], rtol=1e-6)
    np.testing.assert_allclose(fits.stderr["a"], theirs.bse[:5], rtol=1e-4)
    np.testing.assert_allclose(fits.stderr["b"], theirs.bse[5], rtol=1e-4)
    np.testing.assert_allclose(fits.log_likelihood, theirs.llf, rtol=1e-9)
    assert fits.rank("bic").score[0] == pytest.approx(theirs.bic_llf, rel=1e-9)
    for loss in (lf.NegativeBinomial(), lf.StudentT(4), lf.Gaussian()):
        with pytest.raises(ValueError,
                           match="has numbers of its own that joint fits do not estimate"):
            lf.fit_many("exp(a + b*x)", data, "y", by="run", share="b", losses=loss)


def test_profiles_of_counts_are_likelihood_ratios() -> None:
    data = counts(2, 60)
    fit = lf.fit("exp(a + b*x)", data, "poisson", loss=lf.Poisson())
    profile = fit.profile("b", level=0.95)
    for end in profile.interval:
        held = lf.fit(lf.Law("exp(a + b*x)", variables=("x",)).fix(b=end), data, "poisson",
                      loss=lf.Poisson())
        rise = scipy.stats.chi2.ppf(0.95, 1) / 2
        assert held.objective - fit.objective == pytest.approx(rise, rel=1e-6)
    doubled = lf.fit("exp(a + b*x)", data, "poisson", weights=np.full(60, 2.0), loss=lf.Poisson())
    np.testing.assert_allclose(doubled.profile("b").interval, profile.interval, rtol=1e-6)


@pytest.mark.parametrize("loss", [*LOSSES, lf.Binomial("n")], ids=str)
def test_saved_fits_come_back(loss: Any, tmp_path: Any) -> None:
    data = grouped(2) | {"n": np.full(60, 50.0)}
    law = "logistic(a + b*x)" if loss.name == "binomial" else "exp(a + b*x)"
    data["y"] = np.minimum(data["y"] / 50, 1.0) if loss.name == "binomial" else data["y"]
    fit = lf.fit(law, data, "y", loss=loss)
    fit.save(tmp_path / "fit.json")
    again = lf.load(tmp_path / "fit.json")
    assert same(again.nuisance, fit.nuisance) and same(again.nuisance_stderr, fit.nuisance_stderr)
    assert str(again.loss) == str(fit.loss) and again.log_likelihood == fit.log_likelihood
    np.testing.assert_array_equal(again.covariance(), fit.covariance())
    many = lf.fit_many(law, data, "y", by="run", losses=loss)
    many.save(tmp_path / "fits.npz")
    loaded = lf.load(tmp_path / "fits.npz")
    for name, column in many.nuisance.items():
        np.testing.assert_array_equal(loaded.nuisance[name], column)
    assert loaded[1].params == many[1].params


def test_filters_and_missing_cells_apply_before_the_checks() -> None:
    data = counts(3, 40)
    dirty = {name: np.r_[values, values[:3]] for name, values in data.items()}
    dirty["trials"][40:] = [np.nan, 0.0, -3.0]
    keep = np.r_[np.ones(40, bool), [True, False, False]]
    fit = lf.fit("logistic(a + b*x)", dirty, "won", loss=lf.Binomial("trials", counts=True),
                 where=keep, nan="drop")
    clean = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial("trials", counts=True))
    assert fit.params == clean.params
    assert "with trials" in str(fit)


def test_the_shell_takes_likelihoods(tmp_path: Any, capsys: Any) -> None:
    data = counts(6, 60) | {"run": np.repeat([0, 1], 30)}
    file = tmp_path / "runs.csv"
    names = ("x", "trials", "won", "over", "run")
    rows = zip(*(data[name].tolist() for name in names), strict=True)
    file.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))
    arguments = ["fit", str(file), "--law", "logistic(a + b*x)", "--y", "won", "--json"]
    assert main([*arguments, "--loss", "binomial:trials=trials:counts=True"]) == 0
    told = json.loads(capsys.readouterr().out)["fits"][0]
    fit = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial("trials", counts=True))
    assert told["params"] == fit.params and told["log_likelihood"] == fit.log_likelihood
    many = ["fit", str(file), "--law", "exp(a + b*x)", "--y", "over", "--by", "run", "--json"]
    assert main([*many, "--loss", "negative_binomial,poisson"]) == 0
    told = json.loads(capsys.readouterr().out)["fits"]
    assert set(told[0]["nuisance"]) == {"size", "alpha"} and "nuisance" not in told[2]
    assert main([*arguments, "--loss", "poisson", "--on", "log"]) == 2
