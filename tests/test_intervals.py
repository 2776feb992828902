"""Quantiles against SciPy, and the two plain bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import lawfit as lf
from lawfit.intervals import (
    DEFAULT,
    METHODS,
    adjusted,
    basic,
    check_level,
    normal_quantile,
    percentile,
    t_quantile,
)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 6, 7, 10, 31, 100, 235, 400, 401, 1000, 10**6])
@pytest.mark.parametrize("p", [0.5, 0.025, 0.1, 0.6, 0.9, 0.975, 0.995, 0.9995])
def test_student_t(df, p):
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-12)


def test_normal():
    for p in (1e-6, 0.2, 0.5, 0.975):
        assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), abs=1e-12)


def test_no_degree_of_freedom():
    with pytest.raises(ValueError, match="at least one degree of freedom, not 0"):
        t_quantile(0.9, 0)


def test_percentile_and_basic():
    values = np.random.default_rng(0).exponential(size=(1001, 2))
    low, high = percentile(values, 0.9)
    np.testing.assert_allclose(low, np.sort(values, axis=0)[50])
    np.testing.assert_allclose(high, np.sort(values, axis=0)[950])
    reflected = basic(values, np.array([1.0, 2.0]), 0.9)
    np.testing.assert_allclose(reflected, (2 * np.array([1, 2]) - high, 2 * np.array([1, 2]) - low))


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, float("nan")])
def test_levels_outside_the_open_interval(level):
    with pytest.raises(ValueError, match="level: must lie between 0 and 1"):
        check_level(level)


def test_level_of_the_wrong_type():
    with pytest.raises(TypeError, match="level: expected a number"):
        check_level("95%")


def test_adjusted_percentiles_of_normal_draws_are_students():
    draws = 2 + 3 * np.random.default_rng(0).normal(size=(400_000, 2))
    for df in (4, 25):
        reach = stats.t.ppf(0.975, df)
        np.testing.assert_allclose(adjusted(draws[:, 0], 0.95, df), [2 - 3 * reach, 2 + 3 * reach],
                                   atol=0.15 if df == 4 else 0.05)
    low, high = adjusted(draws, 0.95, np.array([25, 0]))
    np.testing.assert_allclose([low[0], high[0]], adjusted(draws[:, 0], 0.95, 25), rtol=1e-12)
    assert np.isnan([low[1], high[1]]).all()
    assert np.isnan(adjusted(draws[:, 0], 0.95, 0)).all()


def test_the_default_is_what_every_door_uses():
    from lawfit.cli import _parser

    assert DEFAULT in METHODS
    rng = np.random.default_rng(1)
    x = np.linspace(0, 3, 40)
    boot = lf.fit("y = a + b*x", {"x": x, "y": 1 + x + rng.normal(size=40)}).bootstrap(200)
    assert boot.interval() == boot.interval(0.95, DEFAULT) == {
        name: boot.derive(name).interval() for name in "ab"
    }
    assert boot.predict(x=2.0) == boot.predict(x=2.0, level=0.95, method=DEFAULT)
    chosen = _parser().parse_args(["fit", "runs.csv", "--law", "y = a*x"])
    assert chosen.interval == DEFAULT
