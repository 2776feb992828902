"""Laws whose powers are centred through the scaling of other parameters: valleys that were crawled
along in natural parameters are crossed in a few steps."""

from __future__ import annotations

import numpy as np
import pytest

import lawfit as lf

SIZES = np.geomspace(10, 1e4, 24)
N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e10, 8),
                                             np.geomspace(1e9, 1e12, 8)))
POSITIVE = (0, None)

# (law, its bounds, truth, steps a start may take on average)
CASES = {
    "two places of one scale": (
        "(a*b + c*x**d)/(b + x**d)", {"b": POSITIVE, "d": (0, 5)},
        {"a": 0.3, "b": 300.0**4.5, "c": 0.9, "d": 4.5}, 60),
    "a scale beside a power": (
        "B/(s + x**d) + E", {"B": POSITIVE, "s": POSITIVE, "d": (0, 5), "E": POSITIVE},
        {"B": 5000.0, "s": 40.0, "d": 1.5, "E": 0.4}, 60),
    "a shared exponent": (
        "E + A/N**alpha + B/D**beta + G/(N**alpha*D**beta)",
        {"A": POSITIVE, "alpha": (0, 2), "B": POSITIVE, "beta": (0, 2)},
        {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37, "G": 3e5}, 40),
    "a power of a ratio": (
        "E + A/N**alpha + G*(N/D)**g", {"A": POSITIVE, "alpha": (0, 2), "G": POSITIVE, "g": (0, 2)},
        {"E": 1.8, "A": 480.0, "alpha": 0.35, "G": 0.5, "g": 0.6}, 40),
}


@pytest.mark.parametrize("name", CASES)
def test_a_valley_is_crossed_in_few_steps(name):
    text, bounds, truth, steps = CASES[name]
    data = {"x": SIZES} if "x" in text else {"N": N, "D": D}
    law = lf.Law(text, variables=tuple(data)).bound(**bounds)
    rng = np.random.default_rng(0)
    y = law(**data, **truth) * (1 + 1e-3 * rng.standard_normal(len(next(iter(data.values())))))
    fit = lf.fit(law, {**data, "y": y}, "y", loss=lf.LogCosh(1e-2))
    assert fit.converged and fit.diagnostics["best_basin_share"] >= 0.5, fit
    assert fit.diagnostics["n_iterations"] <= steps * fit.diagnostics["n_starts"]
    for parameter, value in truth.items():
        assert abs(fit.params[parameter] - value) <= 5 * fit.stderr[parameter], parameter


@pytest.mark.parametrize("name", CASES)
def test_units_of_the_variables_change_no_fitted_value(name):
    text, bounds, truth, _ = CASES[name]
    data = {"x": SIZES} if "x" in text else {"N": N, "D": D}
    law = lf.Law(text, variables=tuple(data)).bound(**bounds)
    y = law(**data, **truth) * (1 + 0.01 * np.sin(np.arange(len(next(iter(data.values()))))))
    first = lf.fit(law, {**data, "y": y}, "y")
    other = lf.fit(law, {**{key: 1e-3 * column for key, column in data.items()}, "y": y}, "y")
    assert other.objective == pytest.approx(first.objective, rel=1e-9)
    np.testing.assert_allclose(other.fitted, first.fitted, rtol=1e-6)


def test_offsets_of_exactly_zero_are_numbers_like_others():
    x = np.array([1.0, 3.0, 5.0, 7.0])
    line = lf.fit("y = a + b*x", {"x": x, "y": x})
    assert line.converged and line.params == {"a": 0, "b": 1} and line.objective == 0


def test_amplitudes_that_are_no_numbers_are_no_fits():
    """A step at the last row asks for an exponent that no amplitude can make up for."""
    x = np.linspace(10.0, 20.0, 12)
    y = np.where(x == 20, 5.0, 1.0)
    with pytest.warns(lf.FitWarning, match="not_identified"):   # steeper is better, up to no number
        fit = lf.fit("y = a*x**b + c", {"x": x, "y": y})
    assert fit.params["a"] > 0 and fit.params["b"] > 100
    np.testing.assert_allclose(fit.fitted, y, atol=1e-3)
