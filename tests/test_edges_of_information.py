"""What intervals say where the data say nothing, or push a parameter onto its bound."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import lawfit as lf
from lawfit.intervals import METHODS, OFF_BOUNDS

LAW = lf.Law("loss = E + A/N**alpha + B/D**beta", ["N", "D"])


def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [str(w.message) for w in caught]


@pytest.fixture(scope="module")
def blind():
    """One token count for all runs: no information on beta."""
    rng = np.random.default_rng(0)
    N = np.geomspace(1e7, 1e10, 40)
    data = {"N": N, "D": np.full(40, 1e10), "key": np.zeros(40),
            "loss": 2.2 + 480 / N**0.35 + 0.01 * rng.normal(size=40)}
    with pytest.warns(lf.FitWarning, match="not_identified"):
        return lf.fit(LAW, data), lf.fit_many(LAW, data, by="key")


SAYS = "do not determine E, B, beta"


@pytest.mark.parametrize("ask", [
    lambda fit: fit.interval()["beta"], lambda fit: fit.interval(method="wald")["beta"],
    lambda fit: fit.profile("beta").interval, lambda fit: fit.derive("beta").interval(),
    lambda fit: fit.profile(derived="beta/(alpha+beta)").interval,
    lambda fit: fit.derive("beta/(alpha+beta)").interval(),
    lambda fit: fit.predict(N=1e9, D=1e12, level=0.9)[1:],
    lambda fit: fit.predict(N=1e9, D=1e12, level=0.9, kind="new", band="simultaneous")[1:],
])
def test_no_information_on_beta_is_said_and_no_number_given(blind, ask):
    ends, said = told(lambda: ask(blind[0]))
    assert not np.isfinite(ends).any()
    assert len(said) == 1 and ("determine E, B, beta" in said[0] or "determine beta" in said[0])


def test_no_information_leaves_nothing_to_resample(blind):
    with pytest.raises(ValueError, match=SAYS):
        blind[0].bootstrap(10)
    boots, said = told(lambda: blind[1].bootstrap(10))
    assert np.isnan(boots.interval()["beta"]).all()
    assert boots.failed.tolist() == [10]


def test_what_the_data_do_determine_keeps_its_interval(blind):
    """The size's exponent does not care that the tokens never changed."""
    for method in ("profile", "wald"):
        (low, high), _ = told(lambda m=method: blind[0].interval(method=m)["alpha"])
        assert low < 0.35 < high < 0.45


@pytest.fixture(scope="module")
def floor():
    rng = np.random.default_rng(3)
    N = np.geomspace(1e7, 1e10, 40)
    y = 50 / N**0.3 - 0.001 + 0.002 * rng.normal(size=40)
    found = lf.fit(lf.Law("y = E + A/N**alpha", ["N"]).bound(E=(0, None)), {"N": N, "y": y})
    assert found.params["E"] == 0 and found.diagnostics["active_bounds"] == {"E": "lower"}
    return found


def test_a_floor_on_its_bound_is_one_sided_by_wald_and_profile(floor):
    for method in ("wald", "profile"):
        ends = floor.interval(method=method)
        assert ends["E"][0] == 0 < ends["E"][1] < 0.05
        assert all(math.isfinite(end) for end in ends["alpha"])
    wide, narrow = (floor.interval(level, "wald")["E"][1] for level in (0.99, 0.8))
    assert wide > narrow > 0


@pytest.mark.parametrize("kind", ["pairs", "residual", "wild", "parametric", "bayesian"])
def test_a_floor_on_its_bound_is_one_sided_in_replicates(floor, kind):
    boot = floor.bootstrap(300, kind)
    assert (boot.params["E"] >= 0).all() and (boot.params["E"] == 0).any()
    for method in METHODS:
        low, high = boot.interval(0.95, method)["E"]
        if method in OFF_BOUNDS:
            assert math.isnan(low) and math.isnan(high)
        else:
            assert low == 0 < high < 0.05


def test_intervals_near_a_bound_end_there():
    rng = np.random.default_rng(4)
    x = np.geomspace(1, 100, 40)
    y = 0.02 + 3 * x**-0.5 + 0.05 * rng.normal(size=40)
    law = lf.Law("y = E + A/x**a", ["x"])
    free = lf.fit(law, {"x": x, "y": y})
    found = lf.fit(law.bound(E=(free.params["E"] - 0.01, None)), {"x": x, "y": y})
    least = free.params["E"] - 0.01
    assert free.interval(method="wald")["E"][0] < least
    assert found.interval(method="wald")["E"][0] == least
    assert found.profile("E").interval[0] == least
    boot = found.bootstrap(200)
    for method in METHODS:
        assert boot.interval(0.95, method)["E"][0] >= least
