"""Optima at infinity: what is reported is close to the infimum, and nothing is called converged."""

from __future__ import annotations

import numpy as np
import pytest

import lawfit as lf

RNG = np.random.default_rng(7)
ROWS = 12
X = np.linspace(1.0, 4.0, ROWS)
NOISE = RNG.choice([-1.0, 1.0], ROWS) * RNG.uniform(0.5, 1.5, ROWS)

# A law, the law that it becomes far out, and data more bent than either.
LIMITS = {
    "a power becomes a logarithm": (
        "E + A*x**c", "E + k*log(x)", {"c": (0, None)}, np.log(X) - 0.2 * np.log(X) ** 2),
    "an exponential becomes a line": (
        "E + A*exp(b*x)", "E + k*x", {"b": (0, None)}, X - 0.05 * X**2),
    "a hyperbola becomes a line": ("A*x/(x + k)", "a*x", {"k": (0, None)}, X + 0.1 * X**2),
    "a step becomes an exponential": (
        "E + A*logistic(b*x - m)", "E + exp(b*x - m)", {"b": (0, None), "A": (0, None)},
        np.exp(X) + 0.02 * np.exp(2 * X)),
}


@pytest.mark.parametrize("loss", ["squared", lf.Huber(0.05)], ids=["squared", "huber"])
@pytest.mark.parametrize("what", LIMITS)
def test_the_infimum_is_reached_and_nothing_is_called_converged(what: str, loss: object) -> None:
    formula, limit, bounds, data = LIMITS[what]
    table = {"x": X, "y": data + 0.02 * NOISE}
    best = lf.fit(limit, table, y="y", loss=loss)
    assert best.converged
    with pytest.warns(lf.FitWarning):
        fit = lf.fit(lf.Law(formula, ["x"]).bound(**bounds), table, y="y", loss=loss)
    assert fit.status in ("not_identified", "converged_at_bound")
    assert fit.objective <= best.objective * (1 + 1e-6)
    assert fit.objective >= best.objective * (1 - 1e-6)


def test_a_shifted_power_that_becomes_an_exponential() -> None:
    """Numbers end before the law is there, its amplitude being shift**exponent."""
    table = {"x": X, "y": 1 + 0.5 * np.exp(-X - 0.02 * X**2) + 0.002 * NOISE}
    # 2.2 % above, where b is 1e290.
    best = lf.fit("a + k*exp(-r*x)", table, y="y")
    with pytest.warns(lf.FitWarning, match="not_identified"):
        fit = lf.fit("a + b*(x + d)**(-c)", table, y="y")
    assert fit.status == "not_identified"
    assert set(fit.diagnostics["not_identified"]) >= {"b", "c", "d"}
    assert best.objective < fit.objective < best.objective * 1.03


def test_the_last_step_of_a_long_valley_is_the_same_in_a_batch_and_on_threads() -> None:
    formula, _, bounds, data = LIMITS["a power becomes a logarithm"]
    law = lf.Law(formula, ["x"]).bound(**bounds)
    curves = 40
    table = {"x": np.tile(X, curves), "curve": np.repeat(np.arange(curves), ROWS),
             "y": np.concatenate([data + 0.02 * np.roll(NOISE, shift) for shift in range(curves)])}
    with pytest.warns(lf.FitWarning):
        one, three = (lf.fit_many(law, table, y="y", by="curve", threads=n) for n in (1, 3))
    with pytest.warns(lf.FitWarning):
        alone = lf.fit(law, {"x": X, "y": table["y"][5 * ROWS : 6 * ROWS]}, y="y")
    assert one.objective.tobytes() == three.objective.tobytes()
    for name in law.parameters:
        assert one.params[name].tobytes() == three.params[name].tobytes()
        assert one.params[name][5] == alone.params[name]
