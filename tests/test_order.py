"""Parameters in order: breaks that rise, whatever the data would rather have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import lawfit as lf

BREAKS = "y = where(x < d1, a*x, where(x < d2, a*d1 + b*(x - d1), a*d1 + b*(d2 - d1) + c*(x - d2)))"


def table(noise=0.003, seed=0):
    x = np.linspace(0, 10, 81)
    y = np.where(x < 3.06, 2 * x,
                 np.where(x < 7.06, 6.12 + 0.5 * (x - 3.06), 8.12 + 3 * (x - 7.06)))
    return {"x": x, "y": y + noise * np.random.default_rng(seed).normal(size=81)}


def test_breaks_come_out_in_order():
    law = lf.Law(BREAKS, ["x"]).order("d1", "d2")
    fit = lf.fit(law, table())
    assert fit.converged and law.free == ("d1", "a", "b", "c", "d2_above_d1")
    truth = {"d1": 3.06, "d2": 7.06, "a": 2.0, "b": 0.5, "c": 3.0}
    assert {name: fit.params[name] for name in truth} == pytest.approx(truth, abs=0.05)
    assert fit.params["d2"] == fit.params["d1"] + fit.params["d2_above_d1"]
    free = lf.fit(lf.Law(BREAKS, ["x"]), table(), starts={**truth})
    assert {name: fit.params[name] for name in truth} == pytest.approx(
        {name: free.params[name] for name in truth}, rel=1e-6)
    for name in truth:
        assert fit.stderr[name] == pytest.approx(free.stderr[name], rel=1e-4)
    started = lf.fit(law, table(), starts={"d1": 2.0, "d2": 8.0, "a": 1.0, "b": 1.0, "c": 1.0})
    assert started.params == pytest.approx(fit.params, rel=1e-6)


def test_an_order_that_presses_is_named():
    """Rates whose data want the other order: the optimum of the constrained problem."""
    rng = np.random.default_rng(1)
    x, z = rng.uniform(0, 1, (2, 60))
    data = {"x": x, "z": z, "y": 1 + 3 * x + 2 * z + 0.1 * rng.normal(size=60)}
    law = lf.Law("e + p*x + q*z + r*x*z", ["x", "z"]).order("p", "q", "r")
    fit = lf.fit(law, data, "y")
    assert fit.status == "converged_at_bound"
    assert fit.diagnostics["active_bounds"]["q_above_p"] == "lower"
    assert fit.params["p"] == fit.params["q"] <= fit.params["r"]
    assert fit.stderr["q"] == pytest.approx(fit.stderr["p"]) and "on its lower bound" in str(fit)

    def objective(t):
        return 0.5 * ((data["y"] - t[0] - t[1] * x - t[2] * z - t[3] * x * z) ** 2).sum()

    best = minimize(objective, [1, 2, 2, 2], method="SLSQP", options={"ftol": 1e-15}, constraints=[
        {"type": "ineq", "fun": lambda t: t[2] - t[1]},
        {"type": "ineq", "fun": lambda t: t[3] - t[2]},
    ])  # fmt: skip
    assert fit.objective == pytest.approx(best.fun, rel=1e-8)
    assert [fit.params[n] for n in "epqr"] == pytest.approx(best.x, abs=1e-4)


def test_kept_and_evaluated(tmp_path):
    law = lf.Law(BREAKS, ["x"], {"d1": lf.Parameter(low=0, start=2.0),
                                 "d2": lf.Parameter(low=0, start=6.0)}).order("d1", "d2")
    assert law.guesses()[-1] == 4.0 and law.gaps == {"d2_above_d1": ("d1", "d2")}
    assert law(x=8.0, a=2.0, b=0.5, c=3.0, d1=3.0, d2_above_d1=4.0) == 11.0
    assert law(x=8.0, a=2.0, b=0.5, c=3.0, d1=3.0, d2=7.0) == 11.0
    fit = lf.fit(law, table())
    fit.save(tmp_path / "fit.json")
    assert lf.load(tmp_path / "fit.json").law == fit.law == lf.Law.from_dict(fit.law.to_dict())
    boot = fit.bootstrap(20)
    assert (boot.params["d2"] >= boot.params["d1"]).all()


def test_formulas_may_name_declared_parameters():
    law = lf.Law("A/N**alpha + B/D**beta", ["N", "D"])
    wider = law.declare({"beta": lf.Parameter(tied="k*alpha"), "k": lf.Parameter(low=0)})
    assert wider.free == ("A", "alpha", "B", "k")
    assert wider.expand([1, 2, 3, 4.0])[3:].tolist() == [8, 4]
    with pytest.raises(ValueError, match="'k' is not a parameter of this law"):
        law.tie("beta", "k*alpha")
    with pytest.raises(ValueError, match="'k' does not occur"):
        law.declare({"k": lf.Parameter()})


@pytest.mark.parametrize(("settings", "message"), [
    ({"d2": lf.Parameter(high=9)}, r"order: 'd2' cannot be 'd1' and a gap, as it has high=9"),
    ({"d2": lf.Parameter(fixed=7)}, "it has fixed=7"),
    ({"d2": lf.Parameter(low=1)}, "'d2' has the lower bound 1, which 'd1' does not"),
    ({"d1": lf.Parameter(tied="d2")}, "tied to"),
])  # fmt: skip
def test_what_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        lf.Law(BREAKS, ["x"], settings).order("d1", "d2")
    with pytest.raises(ValueError, match="'d3' is not a parameter"):
        lf.Law(BREAKS, ["x"]).order("d1", "d3")
