"""Standard errors, intervals and tests against statsmodels, SciPy and brute force."""

from __future__ import annotations

import itertools
import types
import warnings

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table
from scipy import stats

import lawfit as lf

LINE = "y = a + b*x"


def clusters(seed=0, groups=8, size=6):
    rng = np.random.default_rng(seed)
    run = np.repeat(np.arange(groups), size)
    x = rng.normal(size=groups)[run] + 0.3 * rng.normal(size=groups * size)
    y = 1 + 0.4 * x + 0.8 * rng.normal(size=groups)[run] + 0.5 * rng.normal(size=groups * size)
    return {"x": x, "y": y, "run": run}


@pytest.mark.parametrize("weighted", [False, True])
def test_covariances_are_those_of_statsmodels(weighted):
    """Of the law linearised at its optimum: the same Jacobian in a linear regression."""
    sm = pytest.importorskip("statsmodels.api", reason="compares with statsmodels")
    from lawfit import _core
    from lawfit.engine import free_values

    data = two_term_table(0.01) | {"run": np.arange(40) // 3}
    weights = np.linspace(0.5, 2, 40) if weighted else None
    fit = lf.fit(TWO_TERMS, data, on="log", weights=weights, tolerance=1e-12)
    jacobian = _core.jacobian(fit.law.graph(), free_values(fit.law, fit.values),
                              [data["N"], data["D"]]) / fit.fitted[:, None]
    unit = np.linalg.norm(jacobian, axis=0)  # statsmodels' pseudo-inverse has its own tolerance
    y = fit.residuals + jacobian @ fit.values
    linear = sm.WLS(y, jacobian / unit, weights=1.0 if weights is None else weights)
    kinds = {
        "jacobian": linear.fit(),
        "cluster": linear.fit(cov_type="cluster", cov_kwds={"groups": data["run"]}),
    }
    for kind, theirs in kinds.items():
        by = "run" if kind == "cluster" else None
        ours = np.sqrt(np.diag(fit.covariance(kind, by=by))) * unit
        if kind == "cluster":  # the middle is J's, H is the Hessian's: put J'WJ on both sides
            ours = _with_gram(fit, jacobian / unit, weights, data["run"])
        np.testing.assert_allclose(ours, theirs.bse, rtol=1e-6)


def _with_gram(fit, j, weights, run):
    """Our sandwich with the Gram matrix in place of the full Hessian."""
    w = np.ones(len(j)) if weights is None else weights
    hessian = np.linalg.inv(fit.covariance("hessian") / _s2(fit, w))
    ours = fit.covariance("cluster", by=run)
    middle = hessian @ ours @ hessian
    from lawfit import _core
    from lawfit.engine import free_values

    raw = _core.jacobian(fit.law.graph(), free_values(fit.law, fit.values),
                         [fit.rows.columns[n] for n in fit.law.variables]) / fit.fitted[:, None]
    unit = np.linalg.norm(raw, axis=0)
    bread = np.linalg.inv((j * w[:, None]).T @ j)
    return np.sqrt(np.diag(bread @ (middle / np.outer(unit, unit)) @ bread))


def _s2(fit, w):
    return float(w @ fit.residuals**2) / (len(w) - 5)


@pytest.mark.parametrize("kind", ["jacobian", "sandwich", "cluster"])
def test_of_a_line_they_are_statsmodels_without_more_ado(kind):
    sm = pytest.importorskip("statsmodels.api", reason="compares with statsmodels")
    data = clusters()
    fit = lf.fit(LINE, data)
    linear = sm.OLS(data["y"], sm.add_constant(data["x"]))
    theirs = {"jacobian": linear.fit(), "sandwich": linear.fit(cov_type="HC1"),
              "cluster": linear.fit(cov_type="cluster", cov_kwds={"groups": data["run"]})}[kind]
    ours = fit.covariance(kind, by="run" if kind == "cluster" else None)
    np.testing.assert_allclose(ours, theirs.cov_params(), rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)  # eight clusters
        ends = fit.interval(0.9, "wald", covariance=kind, by="run" if kind == "cluster" else None)
    reach = stats.t.ppf(0.95, 46) * theirs.bse
    if kind == "cluster":  # our intervals, unlike theirs, count p parameters of G clusters
        reach = stats.t.ppf(0.95, 8 - 2) * theirs.bse * np.sqrt(7 * 46 / (6 * 47))
    np.testing.assert_allclose(ends["b"], [theirs.params[1] - reach[1],
                                           theirs.params[1] + reach[1]], rtol=1e-6)


def test_bca_is_scipys():
    """SciPy given our replicates of a mean, of skewed numbers."""
    y = np.random.default_rng(1).exponential(size=40)
    boot = lf.fit("y = a + 0*x", {"x": np.ones(40), "y": y}).bootstrap(2000, check=0)
    drawn = types.SimpleNamespace(bootstrap_distribution=boot.params["a"])
    for level in (0.8, 0.95):
        theirs = stats.bootstrap((y,), np.mean, n_resamples=0, bootstrap_result=drawn,
                                 confidence_level=level, method="BCa").confidence_interval
        np.testing.assert_allclose(boot.interval(level, "bca")["a"], theirs, rtol=1e-9)
        for ours, name in (("percentile", "percentile"), ("basic", "basic")):
            theirs = stats.bootstrap((y,), np.mean, n_resamples=0, bootstrap_result=drawn,
                                     confidence_level=level, method=name).confidence_interval
            np.testing.assert_allclose(boot.interval(level, ours)["a"], theirs, rtol=1e-9)


def test_bca_with_clusters_leaves_clusters_out():
    data = clusters(groups=12)
    boot = lf.fit(LINE, data).bootstrap(500, "cluster", by="run", check=0)
    assert boot.jackknife.shape == (12, 2)
    alone = lf.fit(LINE, data, where="run != 4")
    assert boot.jackknife[4, 1] == pytest.approx(alone.params["b"], rel=1e-9)


def sandwich(x, r, run):
    """Cluster-robust covariance of a line, with the usual correction."""
    groups, n = len(np.unique(run)), len(r)
    scores = np.stack([(x * r[:, None])[run == g].sum(axis=0) for g in range(groups)])
    bread = np.linalg.inv(x.T @ x)
    return bread @ scores.T @ scores @ bread * groups / (groups - 1) * (n - 1) / (n - 2)


@pytest.mark.parametrize("imposed", [False, True])
@pytest.mark.parametrize("true", [0.4, 0.0])
def test_wild_cluster_p_values_are_brute_forces(imposed, true):
    """Eight clusters have 256 sign patterns: all of them by hand, against 20,000 draws."""
    data = clusters(seed=3)
    x, y, run = np.stack([np.ones(48), data["x"]], axis=1), data["y"], data["run"]
    bread = np.linalg.inv(x.T @ x) @ x.T
    full = bread @ y
    error = np.sqrt(sandwich(x, y - x @ full, run)[1, 1])
    t = (full[1] - true) / error
    if imposed:
        held = np.array([(y - true * x[:, 1]).mean(), true])
    else:
        held = full
    centre, far = x @ held, 0
    for signs in itertools.product([-1, 1], repeat=8):
        star = centre + (y - centre) * np.array(signs)[run]
        drawn = bread @ star
        own = np.sqrt(sandwich(x, star - x @ drawn, run)[1, 1])
        far += abs(drawn[1] - held[1]) / own >= abs(t) * (1 - 1e-9)
    fit = lf.fit(LINE, data)
    boot = fit.bootstrap(20_000, "wild", by="run", multiplier="rademacher", check=0,
                         null={"b": true} if imposed else None)
    exact = far / 256
    noise = np.sqrt(exact * (1 - exact) / 20_000)
    assert boot.derive("b").p_value(true) == pytest.approx(exact, abs=4 * noise + 1e-4)


def test_p_values_of_a_true_and_a_false_hypothesis():
    rng = np.random.default_rng(5)
    x = np.linspace(0, 1, 60)
    fit = lf.fit(LINE, {"x": x, "y": 1 + 2 * x + 0.2 * rng.normal(size=60)})
    boot = fit.bootstrap(2000, check=0)
    assert boot.derive("b").p_value(2) > 0.05
    assert boot.derive("b").p_value(0) == pytest.approx(1 / 2001)
    assert boot.derive("b").p_value(2, studentized=False) > 0.05
    with pytest.raises(ValueError, match="replicates were made with b = 2, not 1"):
        fit.bootstrap(50, "wild", null={"b": 2}).derive("b").p_value(1)
    with pytest.raises(ValueError, match="null: goes with new targets"):
        fit.bootstrap(50, null={"b": 2})


def test_studentized_is_the_definition():
    data = clusters()
    fit = lf.fit(LINE, data)
    boot = fit.bootstrap(300, check=0)
    rng_counts = boot.covariances  # of each resample: by repeating rows as often as drawn
    assert rng_counts.shape == (300, 2, 2)
    t = (boot.params["b"] - fit.params["b"]) / np.sqrt(boot.covariances[:, 1, 1])
    error = np.sqrt(fit.covariance("sandwich")[1, 1])
    wanted = fit.params["b"] - np.quantile(t, [0.975, 0.025]) * error
    np.testing.assert_allclose(boot.interval(method="studentized")["b"], wanted, rtol=1e-6)


def test_a_replicates_covariance_is_that_of_the_rows_repeated():
    data = clusters()
    drawn = np.random.default_rng(0).integers(0, 48, 48)
    counts = np.bincount(drawn, minlength=48)
    boot = lf.fit(LINE, data).bootstrap(weights=counts[None, :].repeat(2, axis=0))
    repeated = lf.fit(LINE, {name: column[drawn] for name, column in data.items()})
    np.testing.assert_allclose(boot.covariances[0], repeated.covariance("sandwich"), rtol=1e-8)
