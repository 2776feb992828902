"""Poor tables: a status or a named error, never a crash and never a wrong silent number."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problems import LOSSES, SPACES, loss_value, make_loss, space_value

import lawfit as lf
from lawfit import status

STATUSES = {name for name, _ in status.statuses()}
LAWS = ["a + b*x", "E + A/x**alpha", "a*exp(b*x)", "a - b*exp(-c*x**d)", "exp(a*x**(-b))",
        "log(a + b*x)", "sqrt(a - x)*b", "a/(1 + exp(b*(x - c)))", "gammaln(a + x)*b",
        "max(a, b*x)", "a + b*log(x)", "a*b*x", "a + 0*b*x", "a**x", "x**a"]


def quiet(law: Any, data: dict[str, Any], **arguments: Any) -> lf.Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(law, data, **arguments)


def honest(fit: lf.Fit) -> None:
    """The status is a known one, the numbers are what they are said to be."""
    assert fit.status in STATUSES and fit.message
    str(fit), repr(fit), fit.to_dict()
    if not np.isfinite(fit.values).all():
        assert not fit.converged and not np.isfinite(fit.objective)
        return
    y = fit.rows.y
    with np.errstate(all="ignore"):
        model = fit.law(**fit.rows.columns, **fit.params) + 0 * y
        r = space_value(fit.on, y, y) - space_value(fit.on, model, y)
        r = r if fit.rows.sigma is None else r / fit.rows.sigma
        values = loss_value(fit.loss.name, getattr(fit.loss, "parameter", 1.0), r)
        weights = 1.0 if fit.rows.weights is None else fit.rows.weights
        total = np.sum(weights * values)
        # A residual that cancels has the rounding of what it is made of.
        unit = 4e-15 * (np.abs(y) + np.abs(model) if fit.on == "linear" else 1.0)
        unit = unit if fit.rows.sigma is None else unit / fit.rows.sigma
        wider = loss_value(fit.loss.name, getattr(fit.loss, "parameter", 1.0), np.abs(r) + unit)
        slack = np.sum(weights * np.abs(wider - loss_value(
            fit.loss.name, getattr(fit.loss, "parameter", 1.0), np.abs(r))))
    np.testing.assert_allclose(fit.fitted, model, rtol=1e-9)
    if fit.converged:
        assert np.isfinite(fit.objective), fit.status
    if np.isfinite(fit.objective):
        assert abs(fit.objective - total) <= 1e-9 * total + 4 * slack, (fit.objective, total)


# ---- few rows, no information ----

@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_rows_than_parameters(rows: int) -> None:
    x = np.arange(1.0, rows + 1)
    with pytest.warns(lf.FitWarning, match="too_few_points"):
        fit = lf.fit("E + A/x**alpha", {"x": x, "y": 2 + x}, y="y")
    assert fit.status == "too_few_points" and not fit.converged
    assert all(np.isnan(error) for error in fit.stderr.values())


def test_zero_weights_leave_fewer_rows_than_parameters() -> None:
    data = {"x": [1.0, 2, 3, 4], "y": [1.0, 3, 2, 5]}
    assert quiet("a + b*x + c*x**2", data, y="y", weights=[1, 0, 0, 1]).status == "too_few_points"


def test_as_many_rows_as_parameters() -> None:
    fit = lf.fit("a + b*x", {"x": [1.0, 2], "y": [1.0, 3]}, y="y")
    assert fit.converged and fit.params == pytest.approx({"a": -1, "b": 2})
    assert all(np.isnan(error) for error in fit.stderr.values()) and fit.stderr_note


def test_one_row_and_one_parameter() -> None:
    fit = lf.fit("a*x", {"x": [4.0], "y": [2.0]}, y="y")
    assert fit.converged and fit.params["a"] == pytest.approx(0.5)


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="no rows"):
        lf.fit("a*x", {"x": [], "y": []}, y="y")


@pytest.mark.parametrize(("formula", "unknown"), [
    ("a + b*x", {"a", "b"}), ("E + A/x**alpha", {"E", "A", "alpha"}), ("a*exp(b*x)", {"a", "b"}),
])
def test_a_constant_variable_is_not_identified(formula: str, unknown: set[str]) -> None:
    rng = np.random.default_rng(0)
    fit = quiet(formula, {"x": np.full(12, 3.0), "y": 2 + 0.1 * rng.random(12)}, y="y")
    assert fit.status == "not_identified" and not fit.converged
    found = fit.diagnostics["not_identified"]
    assert set(found) <= unknown and len(found) >= 2
    assert all(set(partners) <= unknown for partners in found.values())
    honest(fit)


@pytest.mark.parametrize(("formula", "unknown"), [
    ("a*b*x", {"a", "b"}), ("a + b + c*x", {"a", "b"}), ("a*x**b + c*x**b", {"a", "c"}),
    ("E + exp(a)*A/x", {"a", "A"}),
])
def test_parameters_that_trade_off(formula: str, unknown: set[str]) -> None:
    x = np.linspace(1, 9, 30)
    y = 3 / x + 0.01 * np.random.default_rng(1).standard_normal(30) + 1
    fit = quiet(formula, {"x": x, "y": y}, y="y")
    assert fit.status == "not_identified"
    assert set(fit.diagnostics["not_identified"]) == unknown
    honest(fit)


def test_a_parameter_without_effect() -> None:
    x = np.linspace(1, 9, 30)
    fit = quiet("a*x + 0*b", {"x": x, "y": x + 0.01 * np.sin(40 * x)}, y="y")
    assert fit.status == "not_identified" and "b" in fit.diagnostics["not_identified"]
    assert fit.params["a"] == pytest.approx(1, rel=1e-3)


def test_a_constant_measured_column() -> None:
    x = np.linspace(1, 9, 30)
    fit = quiet("a + b*x", {"x": x, "y": np.full(30, 4.0)}, y="y")
    assert fit.params == pytest.approx({"a": 4.0, "b": 0.0}, abs=1e-12)
    honest(fit)


def test_equal_rows() -> None:
    fit = quiet("a + b*x", {"x": [2.0] * 5, "y": [3.0] * 5}, y="y")
    assert fit.status == "not_identified"
    assert fit.params["a"] + 2 * fit.params["b"] == pytest.approx(3)


# ---- data without noise ----

@pytest.mark.parametrize("on", ["linear", "log", "relative"])
@pytest.mark.parametrize("loss", LOSSES)
def test_data_without_noise(loss: str, on: str) -> None:
    N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e10, 6),
                                                 np.geomspace(1e9, 3e11, 5)))
    truth = {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37}
    law = lf.Law("E + A/N**alpha + B/D**beta", variables=("N", "D"))
    data = {"N": N, "D": D, "loss": law(N=N, D=D, **truth)}
    fit = lf.fit(law, data, y="loss", on=on, loss=make_loss(loss, 1e-3, 0.3))
    assert fit.converged
    assert fit.params == pytest.approx(truth, rel=1e-6)


# ---- outside the domain ----

def test_no_start_in_the_domain() -> None:
    x = np.linspace(1, 9, 12)
    fit = quiet("log(-a**2 - x)", {"x": x, "y": x}, y="y")
    assert fit.status in ("not_finite", "out_of_domain") and not fit.converged


def test_a_law_that_cannot_be_positive_under_log() -> None:
    x = np.linspace(1, 9, 12)
    fit = quiet("-exp(a) - b**2*x", {"x": x, "y": x}, y="y", on="log")
    assert fit.status in ("out_of_domain", "not_finite") and not fit.converged


def test_a_pole_in_the_data() -> None:
    x = np.array([0.0, 1, 2, 3, 4, 5])
    fit = quiet("E + A/x**alpha", {"x": x, "y": 5 - x / 2}, y="y")
    honest(fit)
    if fit.converged:
        assert np.isfinite(fit.fitted).all()


@pytest.mark.parametrize("start", [np.nan, np.inf])
def test_starts_that_are_not_finite(start: float) -> None:
    with pytest.raises(ValueError, match="starts"):
        lf.fit("a*x", {"x": [1.0, 2], "y": [1.0, 2]}, y="y", starts={"a": start})


def test_starts_where_the_law_is_not_finite() -> None:
    x = np.linspace(1, 9, 12)
    data = {"x": x, "y": np.log(2 + x) + 0.01 * np.sin(9 * x)}
    fit = quiet("log(a + x)", data, y="y", starts={"a": [-50.0, 3.0]}, keep_starts=True)
    assert fit.converged and fit.params["a"] == pytest.approx(2, abs=0.2)
    assert fit.starts.status[0] != "converged"
    assert quiet("log(a + x)", data, y="y", starts={"a": -50.0}).status in \
        ("out_of_domain", "not_finite")


# ---- extreme numbers ----

@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
def test_measured_values_of_extreme_size(size: float) -> None:
    x = np.linspace(1, 9, 12)
    y = size * (2 + x + 0.1 * np.sin(30 * x))
    fit = quiet("a + b*x", {"x": x, "y": y}, y="y")
    honest(fit)
    exact = np.polyfit(x, y / size, 1) * size
    if fit.converged:
        assert fit.params == pytest.approx({"a": exact[1], "b": exact[0]}, rel=1e-8)


@pytest.mark.parametrize("size", [1e-200, 1e-20, 1e20, 1e200])
@pytest.mark.parametrize("name", ["weights", "sigma"])
def test_weights_and_sigma_of_extreme_size(name: str, size: float) -> None:
    x = np.linspace(1, 9, 12)
    data = {"x": x, "y": 2 + x + 0.1 * np.sin(30 * x)}
    fit = quiet("a + b*x", data, y="y", **{name: np.full(12, size)})
    honest(fit)
    plain = lf.fit("a + b*x", data, y="y")
    if fit.converged:
        assert fit.params == pytest.approx(plain.params, rel=1e-9)


def test_one_weight_far_above_the_others() -> None:
    x = np.linspace(1, 9, 12)
    data = {"x": x, "y": 2 + x + 0.1 * np.sin(30 * x)}
    fit = quiet("a + b*x", data, y="y", weights=np.where(np.arange(12) == 4, 1e12, 1.0))
    assert fit.residuals[4] == pytest.approx(0, abs=1e-9)
    honest(fit)


# ---- any table ----

cells = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 1e-300, 1e300, 1e-12, 1e12]),
                  st.floats(-1e3, 1e3), st.floats(0.01, 10))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, np.ndarray]:
    rows = draw(st.integers(1, 9))
    column = st.lists(cells, min_size=rows, max_size=rows).map(np.array)
    return {"x": draw(column), "y": draw(column), "w": draw(column)}


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(tables(), st.sampled_from(LAWS), st.sampled_from(SPACES), st.sampled_from(LOSSES),
       st.sampled_from([None, "weights", "sigma"]))
def test_any_table_gives_a_status_or_a_named_error(
    data: dict[str, np.ndarray], law: str, space: str, loss: str, extra: str | None
) -> None:
    arguments = {} if extra is None else {extra: "w"}
    try:
        fit = quiet(law, data, y="y", on=space, loss=make_loss(loss, 0.1, 0.3), **arguments)
    except ValueError as error:
        words = ("column 'x'", "column 'y'", "column 'w'", "weights", "sigma", "rows", "law:")
        assert any(word in str(error) for word in words), str(error)
    else:
        honest(fit)
        if fit.converged:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", lf.FitWarning)
                assert fit.bootstrap(3).replicates == 3
