"""Bootstraps of many fits: each is the single fit's, and summaries go along."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lawfit as lf
from lawfit.intervals import METHODS, OFF_BOUNDS

LINE = "y = a + b*x"


def table(groups=4, rows=24, seed=0):
    rng = np.random.default_rng(seed)
    x = np.tile(np.linspace(1, 4, rows), groups)
    key = np.repeat(np.arange(groups), rows)
    y = 1 + 2 * x + 0.2 * key + 0.3 * rng.normal(size=len(x))
    order = rng.permutation(len(x))
    data = {"x": x, "y": y, "key": key, "run": np.tile(np.arange(rows) // 3, groups)}
    return {name: column[order] for name, column in data.items()}


@pytest.fixture(scope="module")
def fits():
    return lf.fit_many([LINE, "y = a*x"], table(), by="key", on=["linear", "log"])


@pytest.mark.parametrize("method", ["pairs", "cluster", "stratified", "bayesian", "jackknife",
                                    "residual", "wild", "wild by run", "parametric"])
def test_each_is_the_single_fits(fits, method):
    name, _, by = method.partition(" by ")
    by = by or ("run" if name in ("cluster", "stratified") else None)
    n = None if name == "jackknife" else 40
    boots = fits.bootstrap(n, name, by=by, seed=3)
    assert boots.params["b"].shape == (16, 24 if n is None else 40)
    for at in (0, 5, 10, 15):
        alone = fits[at].bootstrap(n, name, by=by, seed=3, check=0)
        for parameter, values in alone.params.items():
            np.testing.assert_allclose(boots.params[parameter][at], values, rtol=1e-9)
    assert np.isnan(boots.params["b"][8:]).all() == ("b" in boots.params)  # y = a*x has none


@pytest.mark.parametrize("noise",
                         ["constant", "proportional", "x", {"x": [1, 4], "sd": [0.1, 0.4]}])
@pytest.mark.parametrize("weighted", [False, True])
def test_noise_models_are_the_single_fits(noise, weighted):
    data = table()
    data["w"] = np.random.default_rng(4).uniform(0.5, 2, len(data["x"]))
    fits = lf.fit_many([LINE, "y = a*x"], data, by="key", on=["linear", "log"],
                       weights="w" if weighted else None)
    boots = fits.bootstrap(20, "parametric", noise=noise)
    for at in (0, 5, 10, 15):
        alone = fits[at].bootstrap(20, "parametric", noise=noise, check=0)
        for parameter, values in alone.params.items():
            np.testing.assert_allclose(boots.params[parameter][at], values, rtol=1e-8)
    with pytest.raises(ValueError, match="noise: goes with method='parametric'"):
        fits.bootstrap(20, noise=noise)


def test_intervals_end_at_bounds():
    """A floor on its bound: one-sided where an interval exists, NaN where none does."""
    rng = np.random.default_rng(8)
    x = np.tile(np.geomspace(1, 100, 30), 2)
    key = np.repeat([0, 1], 30)
    y = np.where(key == 0, -0.05, 1.0) + 3 * x**-0.5 + 0.02 * rng.normal(size=60)
    law = lf.Law("y = E + A/x**a", ["x"]).bound(E=(0, None))
    fits = lf.fit_many(law, {"x": x, "y": y, "key": key}, by="key")
    boots = fits.bootstrap(100)
    for method in METHODS:
        low, high = boots.interval(0.9, method)["E"]
        for at in (0, 1):
            np.testing.assert_allclose(
                (low[at], high[at]), fits[at].bootstrap(100, check=0).interval(0.9, method)["E"],
                rtol=1e-5, atol=1e-12)
        assert np.isfinite([low[1], high[1]]).all()
        assert np.isnan(low[0]) if method in OFF_BOUNDS else low[0] == 0 <= high[0]


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("method", ["pairs", "cluster", "residual"])
def test_intervals_are_the_single_fits(fits, kind, method):
    by = "run" if method == "cluster" else None
    some = fits[np.array([1, 6])]
    boots = some.bootstrap(60, method, by=by)
    low, high = boots.derive("a/b").interval(0.8, kind)
    for at in range(2):
        alone = some[at].bootstrap(60, method, by=by, check=0)
        ends = alone.derive("a/b").interval(0.8, kind)
        np.testing.assert_allclose([low[at], high[at]], ends, rtol=1e-5)
        assert boots.stderr()["a"][at] == pytest.approx(alone.stderr()["a"])


def test_failed_fits_have_no_replicates():
    data = table(groups=3)
    data["y"] = np.where(data["key"] == 1, np.nan, data["y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        few = {name: column[(data["key"] != 1) | (np.arange(72) % 24 < 1)]
               for name, column in data.items()}
        few["y"] = np.nan_to_num(few["y"], nan=1.0)
        fits = lf.fit_many(LINE, few, by="key")
        boots = fits.bootstrap(30)
    lost = ~fits.converged
    assert np.isnan(boots.params["a"][lost]).all()
    assert np.isfinite(boots.params["a"][~lost]).all()
    low, high = boots.interval()["a"]
    assert (np.isnan(low) == lost).all() and (low[~lost] < high[~lost]).all()


def test_threads_change_nothing(fits):
    one, other = (fits.bootstrap(100, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.params["a"], other.params["a"])


def test_refusals(fits):
    for arguments, message in [
        ({"method": "cluster"}, "by: method='cluster' needs"),
        ({"method": "pears"}, "method: unknown resampling"),
        ({"method": "pairs", "by": "run"}, "draws single rows"),
        ({"n": 0}, "n: must be at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            fits.bootstrap(**arguments)
