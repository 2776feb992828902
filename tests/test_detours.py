"""Exponents that have to cross zero, where their term and the offset become one another."""

from __future__ import annotations

import numpy as np
import pytest

import lawfit as lf

LAW = "loss = E + A/N**alpha + B/D**beta"
TRUTH = {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2100.0, "beta": 0.37}


def table(rows: int = 60) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    N, D = 10 ** rng.uniform(7.5, 10.2, rows), 10 ** rng.uniform(9, 11.5, rows)
    exact = lf.Law(LAW, ["N", "D"])(N=N, D=D, **TRUTH)
    return {"N": N, "D": D, "loss": exact * np.exp(0.01 * rng.standard_t(3, rows))}


@pytest.mark.parametrize("loss", ["squared", lf.Huber(1e-2), lf.Cauchy(1e-2)], ids=str)
@pytest.mark.parametrize("on", ["linear", "log"])
def test_no_start_of_a_free_law_is_lost_before_zero(on: str, loss: lf.Loss | str) -> None:
    fit = lf.fit(LAW, table(), on=on, loss=loss)
    if loss != lf.Cauchy(1e-2):  # some of whose starts, through a few rows, are in another valley
        assert fit.diagnostics["n_converged"] == fit.diagnostics["n_starts"]
    assert fit.diagnostics["best_basin_share"] >= 0.8
    assert fit.diagnostics["n_iterations"] < 60 * fit.diagnostics["n_starts"]


@pytest.mark.parametrize("loss", ["squared", lf.Huber(1e-2)], ids=str)
@pytest.mark.parametrize("on", ["linear", "log"])
@pytest.mark.parametrize("wrong", [{"alpha": -0.3, "A": -0.01}, {"beta": -0.2, "B": -0.01},
                                   {"alpha": -1e-3, "A": -300.0, "E": 300.0}], ids=str)
def test_an_exponent_of_the_wrong_sign_gets_across(on: str, loss: lf.Loss | str,
                                                   wrong: dict[str, float]) -> None:
    best = lf.fit(LAW, table(), on=on, loss=loss)
    one = lf.fit(LAW, table(), on=on, loss=loss, starts={**TRUTH, **wrong})
    assert one.converged
    assert one.objective <= best.objective * (1 + 1e-9)
    for name, value in best.params.items():
        assert one.params[name] == pytest.approx(value, rel=1e-6)


def test_a_bound_before_zero_is_not_crossed() -> None:
    falling = lf.Law(LAW, ["N", "D"]).bound(alpha=(-1, -5e-3))
    fit = lf.fit(falling, table(), on="log")
    assert fit.status == "converged_at_bound"
    assert fit.params["alpha"] == -5e-3


def test_automatic_starts_leap_along_a_valley() -> None:
    """Curves that hardly bend leave amplitude and rate of a tanh to trade off without end."""
    rng = np.random.default_rng(3)
    x = np.tile(np.geomspace(16, 1200, 14), 100)
    y = 0.4 + 2e-5 * x + rng.normal(0, 0.03, len(x))
    with pytest.warns(lf.FitWarning, match="not_identified"):
        fits = lf.fit_many("acc = c + a*tanh(b*x)",
                           {"x": x, "acc": y, "curve": np.repeat(np.arange(100), 14)}, by="curve")
    assert not (fits.status == "iteration_limit").any()
    starts = fits.diagnostics["n_starts"].sum()
    assert fits.diagnostics["n_iterations"].sum() < 35 * starts  # 67 without leaps
