"""Priors: the optimum and errors of SciPy's problem with one more residual for each."""

from __future__ import annotations

import json
import pickle
import warnings

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table
from scipy.optimize import least_squares

import lawfit as lf

NAMES = ("E", "A", "alpha", "B", "beta")
LAW = lf.Law(TWO_TERMS, ("N", "D"), {"A": lf.Parameter(positive=True),
                                     "B": lf.Parameter(positive=True)})
PRIORS = {
    "exponents": {"alpha": (0.30, 0.01), "beta": lf.Normal(0.40, 0.02)},
    "amplitude": {"A": lf.LogNormal(300.0, 0.2)},
    "linear": {"E": lf.Normal(1.7, 0.01), "A": lf.Normal(400.0, 30.0)},
    "ridge": {"alpha": lf.Ridge(0.05), "E": lf.Ridge(0.01)},
}


def extra(x, priors):
    """The appended residuals."""
    out = []
    for name, prior in priors.items():
        value = x[NAMES.index(name)]
        if isinstance(prior, lf.LogNormal):
            out.append((np.log(value) - np.log(prior.median)) / prior.sd)
        elif isinstance(prior, lf.Ridge):
            out.append(np.sqrt(prior.strength) * value)
        else:
            mean, sd = prior if isinstance(prior, tuple) else (prior.mean, prior.sd)
            out.append((value - mean) / sd)
    return np.array(out)


def by_scipy(data, priors, on, start, weights=None, sigma=None, huber=None):
    root = np.ones(len(data["loss"])) if weights is None else np.sqrt(data[weights])
    root = root if sigma is None else 1 / data[sigma]

    def residuals(x):
        E, A, alpha, B, beta = x
        model = E + A / data["N"] ** alpha + B / data["D"] ** beta
        y = data["loss"]
        r = root * {"linear": y - model, "log": np.log(y) - np.log(model),
                    "relative": (y - model) / y}[on]
        if huber is not None:  # as least squares: half the square is Huber's loss
            small = np.abs(r) <= huber
            r = np.where(small, r, np.sign(r) * np.sqrt(
                np.maximum(2 * huber * (np.abs(r) - huber / 2), 1e-300)))
        return np.r_[r, extra(x, priors)]

    scale = np.asarray(start)
    found = least_squares(lambda u: residuals(u * scale), np.full(5, 1.003), x_scale="jac",
                          jac="3-point", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=5000)
    inverse = np.linalg.inv(np.linalg.qr(found.jac)[1])
    scatter = 2 * found.cost / (len(found.fun) - 5)
    return found.x * scale, np.sqrt(scatter * (inverse**2).sum(axis=1)) * np.abs(scale), found.cost


def table():
    data = two_term_table(0.01, 3)
    data["w"] = np.random.default_rng(0).uniform(0.5, 2, 40)
    return data


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("on", ["linear", "log", "relative"])
@pytest.mark.parametrize("row", [{}, {"weights": "w"}, {"sigma": "w"}])
def test_agrees_with_appended_rows(name, on, row):
    """Parameters to 1e-6, standard errors to 1e-4."""
    data, priors = table(), PRIORS[name]
    fit = lf.fit(LAW, data, on=on, priors=priors, **row)
    values, errors, cost = by_scipy(data, priors, on, fit.values, **row)
    assert fit.converged
    assert fit.objective == pytest.approx(cost, rel=1e-9)
    np.testing.assert_allclose(fit.values, values, rtol=1e-6)
    np.testing.assert_allclose([fit.stderr[n] for n in NAMES], errors, rtol=1e-4)


def test_huber_beside_a_prior():
    """The prior is no residual of the loss: it stays quadratic."""
    data, priors = table(), PRIORS["exponents"]
    fit = lf.fit(LAW, data, on="log", loss=lf.Huber(5e-3), priors=priors)
    values, _, cost = by_scipy(data, priors, "log", fit.values, huber=5e-3)
    assert fit.objective <= cost * (1 + 1e-9)
    np.testing.assert_allclose(fit.values, values, rtol=1e-5)
    sharp = lf.fit(LAW, data, on="log", loss=lf.Huber(1e-5), priors=priors)
    assert sharp.converged


def test_covariances_count_a_prior_as_a_row():
    """A line: what a prior does is what a row would do, for every kind."""
    x = np.arange(8.0)
    data = {"x": x, "y": 1 + 2 * x + np.array([0.3, -0.2, 0.1, -0.4, 0.2, 0.3, -0.1, -0.2])}
    law = lf.Law("a*i + b*x", ["x", "i"])
    prior = lf.fit(law.prior(b=(1.5, 0.5)), {**data, "i": np.ones(8)}, "y")
    row = {"x": np.r_[x, 2.0], "i": np.r_[np.ones(8), 0.0], "y": np.r_[data["y"], 3.0]}
    rows = lf.fit(law, row, "y")  # (1.5 - b)/0.5 is 3 - 2*b
    assert prior.params == pytest.approx(rows.params)
    for kind in ("jacobian", "hessian", "sandwich"):
        np.testing.assert_allclose(prior.covariance(kind), rows.covariance(kind), rtol=1e-9)
    by = np.arange(8) // 2
    np.testing.assert_allclose(prior.covariance(by=by), rows.covariance(by=np.r_[by, 9]), rtol=1e-9)
    ours, theirs = (fit.profile("b").interval for fit in (prior, rows))
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_a_prior_determines_what_data_do_not():
    """Two rows and a prior for three parameters; one parameter that only the prior knows."""
    law = lf.Law("a + b*x + c*z", ["x", "z"])
    data = {"x": [0.0, 1.0, 2.0], "z": [0.0, 0.0, 0.0], "y": [1.0, 3.0, 5.2]}
    fit = lf.fit(law.prior(c=(7.0, 2.0)), data, "y")
    assert fit.converged and fit.params["c"] == pytest.approx(7.0)
    two = lf.fit(lf.Law("a + b*x + c*x**2", ["x"]).prior(c=(0.0, 1.0)),
                 {"x": [1.0, 2.0], "y": [3.0, 5.0]}, "y")
    assert two.converged and two.params == pytest.approx({"a": 1.0, "b": 2.0, "c": 0.0}, abs=1e-8)
    with pytest.warns(lf.FitWarning):
        assert lf.fit(law, data, "y").status == "not_identified"


def test_many_fits_bootstrap_and_starts():
    data = table()
    data["family"] = np.repeat(["p", "q"], 20)[np.random.default_rng(3).permutation(40)]
    fits = lf.fit_many({"both": LAW, "one": "loss = E + A/N**alpha"}, data, by="family", on="log",
                       priors=PRIORS["exponents"])
    assert fits.converged.all()
    for i in range(2):
        alone = lf.fit(LAW, data, on="log", where=f"family == '{fits.index['family'][i]}'",
                       priors=PRIORS["exponents"])
        assert fits[i].params == alone.params and fits.stderr["A"][i] == alone.stderr["A"]
    with pytest.raises(ValueError, match="has priors; use by='cv'"):
        fits.rank("aicc")
    strong = lf.fit(LAW, data, on="log", priors={"alpha": (0.30, 1e-6)})
    boot = strong.bootstrap(30)
    np.testing.assert_allclose(boot.params["alpha"], 0.30, rtol=1e-4)  # kept in every replicate
    assert lf.fit(LAW, data, on="log", priors={"alpha": (0.30, 1e6)}).params == pytest.approx(
        lf.fit(LAW, data, on="log").params, rel=1e-6)


def test_units_and_tied_parameters():
    data = table()
    fit = lf.fit(LAW, data, on="log", priors={"alpha": (0.3, 0.01)})
    other = lf.fit(LAW, {**data, "N": data["N"] / 1e9}, on="log", priors={"alpha": (0.3, 0.01)})
    assert other.params["alpha"] == pytest.approx(fit.params["alpha"], rel=1e-8)
    tied = LAW.tie("alpha", "beta").prior(alpha=(0.3, 0.01), beta=(0.4, 0.01))
    both = lf.fit(tied, data, on="log")
    law = LAW.tie("alpha", "beta").prior(alpha=(0.35, 0.01 / np.sqrt(2)))
    mean = lf.fit(law, data, on="log")  # two beliefs of one number
    assert both.params == pytest.approx(mean.params, rel=1e-8)


def test_saved_printed_and_pickled(tmp_path):
    fit = lf.fit(LAW, table(), on="log", priors={**PRIORS["amplitude"], **PRIORS["ridge"]})
    assert "prior lognormal(300, 0.2)" in str(fit) and "prior ridge(0.05)" in str(fit)
    fit.save(tmp_path / "fit.json")
    again = lf.load(tmp_path / "fit.json")
    assert again.law == fit.law and (again.covariance() == fit.covariance()).all()
    assert pickle.loads(pickle.dumps(fit.law)).priors == fit.law.priors
    assert lf.Law.from_dict(json.loads(json.dumps(fit.law.to_dict()))) == fit.law


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: lf.Normal(1.0, 0.0), ValueError, "Normal: sd must be positive"),
    (lambda: lf.LogNormal(-1.0, 1.0), ValueError, "LogNormal: median must be positive"),
    (lambda: lf.Ridge(float("inf")), ValueError, "Ridge: strength"),
    (lambda: lf.Parameter(prior=0.3), TypeError, "expected Normal"),
    (lambda: lf.Parameter(fixed=1.0, prior=(1, 1)), ValueError, "a fixed parameter has no prior"),
    (lambda: LAW.prior(E=lf.LogNormal(1.0, 1.0)), ValueError, "E: LogNormal is for positive"),
    (lambda: LAW.prior(gamma=(1, 1)), ValueError, "'gamma' is not a parameter"),
    (lambda: LAW.tie("beta", "2*alpha").prior(beta=(1, 1)), ValueError, "prior does not go with"),
    (lambda: lf.fit(LAW, table(), priors={"gamma": (1, 1)}), ValueError, "'gamma'"),
    (lambda: lf.fit(LAW, table(), priors={"E": (1, 1)}, loss="absolute"), ValueError, "a kink"),
    (lambda: lf.fit(LAW, table(), priors={"E": (1, 1)}, loss=lf.StudentT()), ValueError, "own to"),
    (lambda: lf.fit_many(LAW, table(), priors={"x": (1, 1)}), ValueError, "priors: 'x'"),
    (lambda: lf.fit_many(LAW, table(), priors={"E": (1, 1)}, by="w", share="alpha"), ValueError,
     "has priors"),
])  # fmt: skip
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_fixing_takes_a_prior_along():
    law = LAW.prior(alpha=(0.3, 0.1))
    with pytest.raises(ValueError, match="a fixed parameter has no prior"):
        law.fix(alpha=0.3)
    assert law.prior(alpha=None).fix(alpha=0.3).priors == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lf.fit(law, table(), on="log")
