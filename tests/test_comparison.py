"""Published constants as fits without data, and tests against them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from samples import TRUTH, TWO_TERMS, two_term_table
from scipy import optimize, stats

import lawfit as lf
from lawfit.intervals import chi2_sf

LAW = lf.Law(TWO_TERMS, ("N", "D"))


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 8, 15])
@pytest.mark.parametrize("x", [0.0, 0.1, 1.0, 7.5, 60.0, 239.6])
def test_chi_square_tail(x, df):
    assert chi2_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-11)


def test_a_published_law_predicts_and_allocates(tmp_path):
    told = lf.published(LAW, TRUTH)
    assert told.predict(N=1e9, D=2e10) == pytest.approx(LAW(N=1e9, D=2e10, **TRUTH))
    assert told.allocate(1e21).exponent == pytest.approx(0.37 / 0.72)
    assert "Published constants: nothing was fitted." in str(told)
    assert all(math.isnan(error) for error in told.stderr.values())
    told.save(tmp_path / "told.json")
    assert lf.load(tmp_path / "told.json").params == told.params


def test_its_covariance_gives_intervals(tmp_path):
    fit = lf.fit(LAW, two_term_table(0.01), on="log")
    matrix = fit.covariance()
    told = lf.published(LAW, fit.params, covariance=matrix)
    assert told.stderr == pytest.approx(fit.stderr)
    told.save(tmp_path / "told.json")
    np.testing.assert_array_equal(lf.load(tmp_path / "told.json").covariance(), matrix)
    slope = np.array([1.0, 1e9**-0.35, 0, 0, 0])
    assert told.derive("alpha/beta").stderr == pytest.approx(fit.derive("alpha/beta").stderr)
    value, low, high = told.predict(N=1e9, D=2e10, level=0.95)
    assert low < value < high and slope.size == 5


def test_wald_and_ratio_of_a_true_and_a_false_law():
    fit = lf.fit(LAW, two_term_table(0.01), on="log")
    terms = ["log(A)", "log(B)", "E", "alpha", "beta"]
    right = fit.test_against(TRUTH, terms=terms)
    assert right.df == 5 and right.p > 0.01 and right.ratio_p > 0.01
    wrong = fit.test_against({**TRUTH, "beta": 0.34}, terms=terms)
    assert wrong.p < 1e-6 and wrong.ratio_p < 1e-6
    one = fit.test_against(TRUTH, terms=["alpha"])
    assert one.chi2 == pytest.approx(((fit.params["alpha"] - 0.35) / fit.stderr["alpha"]) ** 2)


def test_of_a_line_both_tests_are_the_f_statistic():
    x = np.linspace(0, 1, 30)
    y = 1 + 2 * x + 0.1 * np.random.default_rng(0).normal(size=30)
    fit = lf.fit("y = a + b*x", {"x": x, "y": y})
    design = np.stack([np.ones(30), x], axis=1)
    off = fit.values - [1, 2]
    wanted = off @ design.T @ design @ off / (fit.residuals @ fit.residuals / 28)
    told = fit.test_against({"a": 1, "b": 2})
    assert told.chi2 == pytest.approx(wanted, rel=1e-7)
    assert told.ratio == pytest.approx(wanted, rel=1e-7)


def test_both_uncertainties_count():
    fit = lf.fit(LAW, two_term_table(0.01), on="log")
    exact = fit.test_against(lf.published(LAW, TRUTH), terms=["alpha"])
    both = fit.test_against(lf.published(LAW, TRUTH, covariance=fit.covariance()), terms=["alpha"])
    assert both.chi2 == pytest.approx(exact.chi2 / 2)


def test_units_change_no_test():
    data = two_term_table(0.01)
    scaled = data | {"N": data["N"] / 1e6, "D": data["D"] / 1e9}
    terms = ["log(A)", "log(B)", "E", "alpha", "beta"]
    moved = {**TRUTH, "A": 480 * 1e6**-0.35, "B": 2000 * 1e9**-0.37}
    for loss in ("squared", lf.Huber(3e-3)):
        one = lf.fit(LAW, data, on="log", loss=loss)
        other = lf.fit(LAW, scaled, on="log", loss=loss)
        a = one.test_against(TRUTH, terms=["alpha", "beta", "E"])
        b = other.test_against(moved, terms=["alpha", "beta", "E"])
        assert a.chi2 == pytest.approx(b.chi2, rel=1e-6)
        assert a.ratio == pytest.approx(b.ratio, rel=1e-6)
    assert len(terms) == 5


def test_refusals():
    for call, message in [
        (lambda: lf.published(LAW, {"A": 1}), "no finite number for E, alpha"),
        (lambda: lf.published(LAW, {**TRUTH, "C": 1}), "'C' is not a parameter"),
        (lambda: lf.published(LAW, TRUTH, covariance=np.eye(3)), r"expected shape \(5, 5\)"),
        (lambda: lf.published(LAW, TRUTH, covariance=-np.eye(5)), "a variance is negative"),
        (lambda: lf.published(LAW), "comes without published constants"),
        (lambda: lf.published(LAW, TRUTH).test_against(TRUTH), "Give covariance="),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


RATIOS = [("gaussian", lf.Gaussian()), ("gaussian", lf.Gaussian(0.3)), ("t", lf.StudentT()),
          ("t", lf.StudentT(4.0)), ("t", lf.StudentT(None, 0.2)), ("counts", lf.NegativeBinomial())]


@pytest.mark.parametrize(("y", "loss"), RATIOS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_likelihood_ratio_is_of_the_best_numbers_at_each(y, loss, weighted):
    """Against SciPy's densities and its optimum over what the likelihood estimates."""
    rng = np.random.default_rng(8)
    x, w = np.linspace(-1, 2, 50), rng.uniform(0.5, 2, 50)
    over = rng.negative_binomial(2.5, 2.5 / (2.5 + np.exp(1 + 0.7 * x)))
    data = {"x": x, "gaussian": 1 + 0.7 * x + 0.3 * rng.normal(size=50), "w": 3 * w,
            "t": 1 + 0.7 * x + 0.2 * rng.standard_t(3, 50), "counts": over.astype(float)}
    law = "exp(a + b*x)" if y == "counts" else "a + b*x"
    fit = lf.fit(law, data, y, loss=loss, weights="w" if weighted else None)
    relative = w / w.mean() if weighted else np.ones(50)

    def least(values):
        mean = values[0] + values[1] * x

        def minus(own):
            own = [math.exp(number) for number in own]
            if y == "counts":
                size = 1 / own[0]
                logs = stats.nbinom.logpmf(over, size, size / (size + np.exp(mean)))
            elif y == "gaussian":
                logs = stats.norm.logpdf(data[y], mean, loss.scale or own[0])
            else:
                nu, scale = loss.nu or 1 / own[0], loss.scale or own[-1]
                logs = stats.t.logpdf(data[y], nu, mean, scale)
            return -(relative * logs).sum()

        if not loss.free:
            return minus([])
        count = 1 if y == "counts" else len(loss.free)
        found = optimize.minimize(minus, [-1.0] * count, method="Nelder-Mead",
                                  options={"xatol": 1e-8, "fatol": 1e-11, "maxiter": 4000})
        return found.fun

    constants = {"a": 1.1, "b": 0.6}
    expected = 2 * (least([1.1, 0.6]) - least(fit.values))
    told = fit.test_against(constants)
    assert told.ratio == pytest.approx(expected, rel=1e-7)
    assert told.ratio_p == pytest.approx(stats.chi2.sf(expected, 2), rel=1e-6)
    assert told.ratio == pytest.approx(told.chi2, rel=0.3)
