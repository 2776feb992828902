"""Resampling through the API: replicates, summaries, and the refusals."""

from __future__ import annotations

import importlib
import pickle
import warnings

import numpy as np
import pytest
from samples import TWO_TERMS, line_table, two_term_table

import lawfit as lf

LINE = "y = a + b*x"


@pytest.fixture(scope="module")
def fit():
    return lf.fit(TWO_TERMS, two_term_table(0.01), on="log")


@pytest.fixture(scope="module")
def boot(fit):
    return fit.bootstrap(400)


def counts(n, replicates, seed=1):
    random = np.random.default_rng(seed)
    return np.stack([np.bincount(random.integers(0, n, n), minlength=n) for _ in range(replicates)])


def test_shape_and_summaries(fit, boot):
    assert boot.replicates == 400 and boot.failed == 0 and boot.method == "pairs"
    assert list(boot.params) == list(fit.params)
    assert all(values.shape == (400,) for values in boot.params.values())
    errors, ends = boot.stderr(), boot.interval(0.9, "percentile")
    for name, values in boot.params.items():
        assert errors[name] == pytest.approx(values.std(ddof=1), rel=1e-12)
        np.testing.assert_allclose(ends[name], np.quantile(values, [0.05, 0.95]), rtol=1e-12)
        low, high = boot.interval(0.9, method="basic")[name]
        np.testing.assert_allclose([high, low], 2 * fit.params[name] - np.array(ends[name]))
    # 40 well-behaved runs: resampling and the Jacobian agree roughly.
    assert errors["alpha"] == pytest.approx(fit.stderr["alpha"], rel=0.35)


def test_the_same_seed_gives_the_same_bits(fit, boot):
    again = fit.bootstrap(400, threads=1)
    other = fit.bootstrap(400, seed=1)
    for name in boot.params:
        np.testing.assert_array_equal(again.params[name], boot.params[name])
        assert (other.params[name] != boot.params[name]).any()
    # A shorter run is the beginning of a longer one.
    np.testing.assert_array_equal(fit.bootstrap(50).params["E"], boot.params["E"][:50])


def test_own_weights_are_refits_of_the_weighted_rows(fit):
    drawn = counts(40, 6)
    boot = fit.bootstrap(weights=drawn)
    assert boot.replicates == 6 and boot.method == "weights"
    for at, weights in enumerate(drawn):
        alone = lf.fit(TWO_TERMS, two_term_table(0.01), on="log", weights=weights.astype(float))
        for name, values in boot.params.items():
            assert values[at] == pytest.approx(alone.params[name], rel=1e-6)


def test_own_weights_multiply_the_weights_of_the_fit():
    data = two_term_table(0.01)
    base = np.linspace(0.5, 2, 40)
    drawn = counts(40, 3)
    boot = lf.fit(TWO_TERMS, data, weights=base).bootstrap(weights=drawn)
    alone = lf.fit(TWO_TERMS, data, weights=base * drawn[2])
    assert boot.params["beta"][2] == pytest.approx(alone.params["beta"], rel=1e-6)


def test_own_weights_over_the_rows_of_the_table_given():
    data = two_term_table(0.01)
    drawn = counts(40, 3)
    filtered = lf.fit(TWO_TERMS, data, where="not diverged")
    over_table = filtered.bootstrap(weights=drawn)
    over_used = filtered.bootstrap(weights=drawn[:, filtered.rows.positions])
    np.testing.assert_array_equal(over_table.params["A"], over_used.params["A"])


def test_derive(fit, boot):
    exponent = boot.derive("beta/(alpha+beta)")
    alpha, beta = boot.params["alpha"], boot.params["beta"]
    np.testing.assert_allclose(exponent.values, beta / (alpha + beta), rtol=1e-14)
    assert exponent.value == pytest.approx(fit.derive("beta/(alpha+beta)").value)
    assert exponent.stderr == pytest.approx(exponent.values.std(ddof=1))
    low, high = exponent.interval(0.5, "percentile")
    assert (low, high) == tuple(np.quantile(exponent.values, [0.25, 0.75]))
    assert exponent.interval(0.5, "basic") == pytest.approx(
        (2 * exponent.value - high, 2 * exponent.value - low)
    )
    curve = boot.derive("E + A/N**alpha", N=[1e8, 1e9, 1e10])
    assert curve.values.shape == (400, 3) and curve.stderr.shape == (3,)
    assert curve.interval()[0].shape == (3,)
    with pytest.raises(lf.LawError):
        boot.derive("beta/")
    with pytest.raises(ValueError, match="'gamma' is not a parameter"):
        boot.derive("gamma")


def test_predict(fit, boot):
    N = np.array([[1e8, 1e9], [1e10, 1e12]])
    value, low, high = boot.predict(N=N, D=2e10, level=0.8, method="percentile")
    np.testing.assert_allclose(value, fit.predict(N=N, D=2e10), rtol=1e-14)
    drawn = np.stack([
        fit.law(N=N, D=2e10, **{name: values[at] for name, values in boot.params.items()})
        for at in range(400)
    ])
    np.testing.assert_allclose(low, np.quantile(drawn, 0.1, axis=0), rtol=1e-12)
    np.testing.assert_allclose(high, np.quantile(drawn, 0.9, axis=0), rtol=1e-12)
    scalar = boot.predict(N=1e9, D=2e10)
    assert isinstance(scalar.low, float) and scalar.low < scalar.value < scalar.high


def test_many_points_are_predicted_in_blocks(monkeypatch, boot):
    module = importlib.import_module("lawfit.predict_replicates")
    N = np.geomspace(1e7, 1e10, 23)
    whole = boot.predict(N=N, D=1e10)
    monkeypatch.setattr(module, "_BLOCK", 400 * 5)
    parts = boot.predict(N=N, D=1e10)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_failed_replicates_are_counted_and_left_out():
    fit = lf.fit(LINE, line_table())
    drawn = counts(7, 20)
    drawn[3], drawn[7] = 0, np.eye(7)[2]  # nothing and a single row: no line
    with pytest.warns(lf.FitWarning, match="^2 of 20 replicates did not converge") as seen:
        boot = fit.bootstrap(weights=drawn)
    assert len(seen) == 1
    assert boot.failed == 2 and boot.replicates == 20
    assert np.isnan(boot.params["b"][[3, 7]]).all()
    assert np.flatnonzero(~boot.good).tolist() == [3, 7]
    kept = np.delete(boot.params["b"], [3, 7])
    assert boot.stderr()["b"] == pytest.approx(kept.std(ddof=1))
    assert np.isfinite(boot.interval()["a"]).all()
    assert np.isfinite(boot.derive("a/b").stderr)
    assert np.isfinite(boot.predict(x=3.0).high)


def test_too_few_good_replicates_are_refused():
    fit = lf.fit(LINE, line_table())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        boot = fit.bootstrap(weights=np.eye(7)[:3])
    assert boot.failed == 3
    with pytest.raises(ValueError, match="3 of 3 replicates failed"):
        boot.stderr()


def test_fixed_and_bounded_parameters_stay_where_they_are():
    law = lf.Law(TWO_TERMS, ("N", "D")).fix(beta=0.37).bound(E=(0, 1.5)).tie("A", "B")
    boot = lf.fit(law, two_term_table(0.01)).bootstrap(30)
    assert (boot.params["beta"] == 0.37).all()
    assert (boot.params["E"] <= 1.5).all()
    np.testing.assert_array_equal(boot.params["A"], boot.params["B"])


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"n": 0}, ValueError, "n: must be at least 1"),
    ({"n": 2.5}, TypeError, "n: expected a whole number"),
    ({"n": 5, "method": "wilt"}, ValueError,
     "method: unknown resampling 'wilt'; choose from pairs"),
    ({"method": "cluster"}, ValueError, "by: method='cluster' needs the column"),
    ({"method": "pairs", "by": "diverged"}, ValueError, "by: method='pairs' draws single rows"),
    ({"method": "cluster", "by": "run"}, ValueError, "by: column 'run' is not in the data"),
    ({"method": "cluster", "by": np.arange(7)}, ValueError, "one key a row (40 used of 40)"),
    ({"method": "cluster", "by": np.zeros(40)}, ValueError, "by: all rows have the same key"),
    ({"method": "jackknife", "n": 3}, ValueError, "n: not given with method='jackknife'"),
    ({"method": "pairs", "multiplier": "webb"}, ValueError, "multiplier: goes with method='wild'"),
    ({"method": "wild", "multiplier": "w"}, ValueError, "multiplier: unknown 'w'; choose from"),
    ({"method": "wild", "noise": "N"}, ValueError, "noise: goes with method='parametric'"),
    ({"method": "parametric", "noise": "M"}, ValueError, "noise: 'M' is not 'constant'"),
    ({"method": "parametric", "noise": {"N": [1, 2]}}, ValueError, "'sd': values}"),
    ({"check": 2}, ValueError, "check: must lie between 0 and 1"),
    ({"check": "all"}, TypeError, "check: expected a share"),
    ({"n": 5, "weights": np.ones((5, 40))}, ValueError, "n: not given together with weights="),
    ({"weights": np.ones((5, 39))}, ValueError, "expected shape (replicates, 40), got (5, 39)"),
    ({"weights": np.ones(40)}, ValueError, "got (40,)"),
    ({"weights": np.full((2, 40), -1)}, ValueError, "replicate 0, row 0"),
    ({"weights": np.full((2, 40), np.nan)}, ValueError, "finite and >= 0"),
    ({"weights": np.full((2, 40), "a")}, TypeError, "weights: expected numbers"),
    ({"n": 5, "seed": -1}, ValueError, "seed: must be at least 0"),
])  # fmt: skip
def test_refusals(fit, arguments, error, message):
    with pytest.raises(error) as caught:
        fit.bootstrap(**arguments)
    assert message in str(caught.value)


def test_wrong_intervals(boot):
    with pytest.raises(ValueError, match="method: unknown interval 'bcaa'; choose from percentile"):
        boot.interval(method="bcaa")
    with pytest.raises(ValueError, match="level: must lie between 0 and 1"):
        boot.interval(95)


def test_pickle(boot):
    copy = pickle.loads(pickle.dumps(boot))
    assert copy.stderr() == boot.stderr()
    assert repr(copy) == "Bootstrap(pairs, replicates=400, failed=0)"
