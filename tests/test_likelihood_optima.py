"""Optima of likelihoods and their standard errors against statsmodels and SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.discrete.discrete_model as discrete
import statsmodels.genmod.families as families
from hypothesis import given
from hypothesis import strategies as st
from samples import counts, heavy
from statsmodels.genmod.generalized_linear_model import GLM
from test_likelihoods import minus_log_density

import lawfit as lf

Table = dict[str, np.ndarray]


# ---- statsmodels ----


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
