"""Quantiles against SciPy, and the two plain bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lawfit.intervals import basic, check_level, normal_quantile, percentile, t_quantile


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
