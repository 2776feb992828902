"""Intervals from few independent runs say so, once a call, at the caller's line."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lawfit as lf

ASKED = {
    "fit.interval": lambda fit, by: fit.interval(by=by),
    "fit.interval wald": lambda fit, by: fit.interval(0.8, "wald", by=by),
    "fit.profile": lambda fit, by: fit.profile(by=by, points=0),
    "fit.profile one": lambda fit, by: fit.profile("a", by=by, points=0),
    "fit.profile derived": lambda fit, by: fit.profile(derived="-a/b", by=by, points=0),
    "boot.interval": lambda fit, by: boot(fit, by).interval(),
    "boot.derive": lambda fit, by: boot(fit, by).derive("a/b").interval(),
    "boot.predict": lambda fit, by: boot(fit, by).predict(x=9.0),
}
ROWS_ONLY = {
    "fit.derive": lambda fit: fit.derive("a/b").interval(),
    "fit.predict": lambda fit: fit.predict(x=9.0, level=0.9),
}


def boot(fit, by):
    return fit.bootstrap(50, "pairs" if by is None else "cluster", by=by)


def table(runs, each=1):
    rng = np.random.default_rng(0)
    x = np.linspace(0, 3, runs * each)
    return {"x": x, "y": 1 + 2 * x + 0.1 * rng.normal(size=len(x)),
            "run": np.repeat(np.arange(runs), each)}


def told(call):
    """Every warning of a call, however often it was shown before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("by", [None, "run"])
def test_few_units_warn_once_and_enough_do_not(name, by):
    each, what = (1, "rows") if by is None else (3, "clusters")
    few, enough = (lf.fit("y = a + b*x", table(runs, each)) for runs in (29, 30))
    (said,) = told(lambda: ASKED[name](few, by))
    assert said.startswith(f"intervals from 29 {what}: only from 30 independent {what}")
    assert told(lambda: ASKED[name](enough, by)) == []


@pytest.mark.parametrize("name", ROWS_ONLY)
def test_few_rows_warn_once_and_enough_do_not(name):
    few, enough = (lf.fit("y = a + b*x", table(runs)) for runs in (29, 30))
    (said,) = told(lambda: ROWS_ONLY[name](few))
    assert said.startswith("intervals from 29 rows: only from 30 independent rows")
    assert told(lambda: ROWS_ONLY[name](enough)) == []


def test_values_without_an_interval_do_not_warn():
    fit = lf.fit("y = a + b*x", table(5))
    assert told(lambda: (fit.predict(x=1.0), fit.derive("a/b").stderr,
                         fit.bootstrap(50).stderr())) == []


def test_many_fits_warn_once_with_their_counts():
    whole = table(60)
    whole["group"] = np.repeat([0, 1, 2], [12, 18, 30])
    boots = lf.fit_many("y = a + b*x", whole, by="group").bootstrap(50)
    for call in (boots.interval, boots.derive("a/b").interval):
        (said,) = told(call)
        assert said.startswith("intervals from 12 rows and more: 2 of 3 fits have fewer than 30")


def test_a_law_without_data_does_not_warn():
    known = lf.published(lf.Law("y = a + b*x", ["x"]), {"a": 1.0, "b": 2.0}, covariance=np.eye(2))
    assert told(lambda: known.derive("a/b").interval()) == []
