"""Compute-optimal allocation against a numeric minimum, however the law is written."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import TRUTH, TWO_TERMS, two_term_table
from scipy.optimize import minimize_scalar

import lawfit as lf

DATA = two_term_table(1e-9)
NOISY = two_term_table(0.01)

SAME_LAW = [
    "E + A/N**alpha + B/D**beta",
    "A*N**(-alpha) + E + B*D**-beta",
    "E + (a/N)**alpha + 1/(D/b)**beta",
    "E - (-A)/N**alpha + B/(D**(beta/2))**2",
    "exp(e) + exp(a - alpha*log(N)) + exp(b - beta*log(D))",
    "exp(logsumexp(e, a - alpha*log(N), b - log(D)*beta))",
    "exp(logaddexp(a - alpha*log(N), b - beta*log10(D)*log(10))) + E",
    "E + A/sqrt(N**(2*alpha)) + exp(b)*D**(-beta)",
    "(E + 1) - 1 + 2*(A/2)/N**alpha + B*(1/D)**beta",
]


def numeric_optimum(predict, compute, cost=6.0):
    """The minimum along compute = cost*N*D by one-dimensional search over log N."""
    def loss(log_n):
        n = np.exp(log_n)
        return predict(N=n, D=compute / cost / n)

    middle = np.log(compute / cost) / 2
    return minimize_scalar(loss, bounds=(middle - 8, middle + 8), method="bounded",
                           options={"xatol": 1e-10})  # fmt: skip


@pytest.mark.parametrize("compute", [1e19, 1e24])
def test_against_a_numeric_minimum(compute):
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    best = fit.allocate(compute)
    found = numeric_optimum(fit.predict, compute)
    assert best.loss == pytest.approx(found.fun, rel=1e-9)
    assert best.N == pytest.approx(np.exp(found.x), rel=1e-3)
    assert best.compute == compute == pytest.approx(6 * best.N * best.D)
    assert best.tokens_per_parameter == pytest.approx(best.D / best.N)
    assert best.loss == pytest.approx(fit.predict(N=best.N, D=best.D), rel=1e-12)
    alpha, beta = fit.params["alpha"], fit.params["beta"]
    assert best.exponent == pytest.approx(beta / (alpha + beta), rel=1e-12)
    assert best.level is None and best.intervals == {}


def test_the_exponent_is_the_slope_along_budgets():
    best = lf.fit(TWO_TERMS, NOISY).allocate([1e20, 1e22, 1e24])
    assert best.N.shape == best.loss.shape == (3,)
    np.testing.assert_allclose(np.diff(np.log(best.N)) / np.log(100), best.exponent, rtol=1e-9)


@pytest.mark.parametrize("formula", SAME_LAW)
def test_the_same_law_however_written(formula):
    law = lf.Law(formula, ("N", "D"))
    truth = {**TRUTH, "e": np.log(1.8), "a": 480 ** (1 / 0.35), "b": 2000 ** (1 / 0.37)}
    if "exp" in formula:
        truth |= {"a": np.log(480), "b": np.log(2000)}
    starts = {name: truth[name] for name in law.parameters}
    best = lf.fit(law, DATA, y="loss", on="log", starts=starts).allocate(1e23)
    reference = lf.fit(TWO_TERMS, DATA, on="log").allocate(1e23)
    for name in ("N", "D", "loss", "exponent", "tokens_per_parameter"):
        assert getattr(best, name) == pytest.approx(getattr(reference, name), rel=1e-5)


def test_ties_fixed_values_and_other_names():
    law = lf.Law("L = A/size**p + B/tokens**p + E", ("size", "tokens")).fix(E=1.8)
    data = {"size": NOISY["N"], "tokens": NOISY["D"], "L": NOISY["loss"]}
    fit = lf.fit(law, data)
    best = fit.allocate(1e22)
    assert best.exponent == pytest.approx(0.5)
    assert best.loss == pytest.approx(fit.predict(size=best.N, tokens=best.D))
    swapped = fit.allocate(1e22, size="tokens", tokens="size")
    assert swapped.N == pytest.approx(best.D) and swapped.D == pytest.approx(best.N)
    assert fit.allocate(1e22, tokens="tokens") == best


def test_units_by_cost():
    data = {**NOISY, "N": NOISY["N"] / 1e6, "D": NOISY["D"] / 1e9}
    plain = lf.fit(TWO_TERMS, NOISY, on="log").allocate(1e23, level=0.9)
    scaled = lf.fit(TWO_TERMS, data, on="log").allocate(1e23, level=0.9, cost=6e15)
    assert scaled.N * 1e6 == pytest.approx(plain.N, rel=1e-6)
    assert scaled.D * 1e9 == pytest.approx(plain.D, rel=1e-6)
    np.testing.assert_allclose(
        np.array(scaled.intervals["N"]) * 1e6, plain.intervals["N"], rtol=1e-4
    )


def test_delta_intervals_agree_with_derived_quantities():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    best = fit.allocate(1e23, level=0.9)
    assert best.level == 0.9 and set(best.intervals) == {
        "N", "D", "tokens_per_parameter", "loss", "exponent",
    }
    low, high = fit.derive("beta/(alpha+beta)").interval(0.9)
    np.testing.assert_allclose(best.intervals["exponent"], (low, high), rtol=1e-6)
    log_n = fit.derive("(log(alpha*A/(beta*B)) + beta*log(1e23/6))/(alpha+beta)").interval(0.9)
    np.testing.assert_allclose(np.log(best.intervals["N"]), log_n, rtol=1e-6)
    both = fit.allocate([1e22, 1e23], level=0.9)
    np.testing.assert_allclose([end[1] for end in both.intervals["N"]], best.intervals["N"])


def test_bootstrap_intervals_are_percentiles_of_the_replicates():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    boot = fit.bootstrap(200)
    best = boot.allocate(1e23, level=0.8)
    assert best.N == fit.allocate(1e23).N
    drawn = boot.derive("exp((log(alpha*A/(beta*B)) + beta*log(1e23/6))/(alpha+beta))")
    np.testing.assert_allclose(best.intervals["N"], drawn.interval(0.8), rtol=1e-9)
    exponent = boot.derive("beta/(alpha+beta)").interval(0.8)
    np.testing.assert_allclose(best.intervals["exponent"], exponent, rtol=1e-12)
    several = boot.allocate([1e22, 1e23], level=0.8)
    assert several.intervals["loss"][0].shape == (2,)


def with_law(formula, variables, values):
    """A fit that claims other parameters of another law: only what is asked of it counts."""
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    law = lf.Law(formula, variables)
    return dataclasses.replace(fit, law=law, params=dict(zip(law.parameters, values, strict=True)))


# ---- by search ----

@pytest.mark.parametrize("question", [{"compute": 1e23}, {"compute": [1e19, 1e25]}, {"loss": 2.1}])
def test_the_search_finds_what_the_closed_form_says(question):
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    exact = fit.allocate(**question, level=0.9)
    searched = fit.allocate(**question, level=0.9, cost="6*N*D")
    for name in ("compute", "N", "D", "loss", "exponent", "tokens_per_parameter", "extrapolation"):
        np.testing.assert_allclose(getattr(searched, name), getattr(exact, name), rtol=1e-7)
    for name, ends in exact.intervals.items():
        for found, end in zip(searched.intervals[name], ends, strict=True):
            np.testing.assert_allclose(found, end, rtol=1e-6)
    assert searched.intervals.keys() == exact.intervals.keys()


@pytest.mark.parametrize("formula, values", [
    ("E + (A/N**alpha + B/D**beta)**k", (1.8, 480, 0.35, 2000, 0.37, 0.9)),
    ("E + A/N**alpha + B/D**beta + C/(N*D)**g", (1.8, 480, 0.35, 2000, 0.37, 5.0, 0.1)),
    ("exp(e - log(N/(1 + N/1e9))*a) + B/(D + 1e8)**b", (3, 0.1, 2000, 0.37)),
])  # fmt: skip
@pytest.mark.parametrize("cost", ["6*N*D", lf.attention_cost(4096, 80), "6*N**1.1*D + 1e3*D"])
def test_any_law_and_cost_against_a_numeric_minimum(formula, values, cost):
    fit = with_law(formula, ("N", "D"), values)
    best = fit.allocate(1e22, cost=cost)
    spent = lf.Law(cost + " + 0*p", ("N", "D"))

    def tokens(n):
        return 1e22 / spent(N=n, D=1.0, p=0.0)  # these costs are linear in D

    found = minimize_scalar(lambda x: fit.predict(N=np.exp(x), D=tokens(np.exp(x))),
                            bounds=(14, 32), method="bounded", options={"xatol": 1e-10})
    assert best.loss == pytest.approx(found.fun, rel=1e-9)
    assert best.N == pytest.approx(np.exp(found.x), rel=1e-3)
    assert best.D == pytest.approx(tokens(best.N), rel=1e-12)
    near = [fit.allocate(1e22 * np.exp(step), cost=cost).N for step in (-0.1, 0.1)]
    assert best.exponent == pytest.approx(np.log(near[1] / near[0]) / 0.2, abs=2e-3)
    back = fit.allocate(loss=best.loss, cost=cost)
    assert back.compute == pytest.approx(1e22, rel=1e-9)
    assert back.N == pytest.approx(best.N, rel=1e-6)


def test_inference_makes_models_smaller_and_the_budget_is_kept():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    plain, served = fit.allocate(1e22), fit.allocate(1e22, inference=1e12)
    assert served.N < plain.N / 1.5 and served.loss > plain.loss
    assert 6 * served.N * served.D + 2 * served.N * 1e12 == pytest.approx(1e22, rel=1e-12)
    found = minimize_scalar(
        lambda x: fit.predict(N=np.exp(x), D=1e22 / 6 / np.exp(x) - 1e12 / 3),
        bounds=(15, np.log(4e9)), method="bounded", options={"xatol": 1e-10},
    )
    assert served.loss == pytest.approx(found.fun, rel=1e-9)
    # Sardana's form: the least compute of training and serving for a given quality.
    cheap = fit.allocate(loss=plain.loss, inference=1e12)
    assert cheap.N < plain.N
    assert cheap.compute < 1e22 + 2 * plain.N * 1e12


def test_repetition_by_the_published_constants():
    """Losses published for 25B unique tokens; the grid they come from just misses the optimum."""
    a, b, e, alpha = 6.255414, 7.3049974, 0.6254804, 0.3526596
    fit = with_law("exp(e) + exp(a)/N**alpha + exp(b)/D**beta", ("N", "D"), (e, a, alpha, b, alpha))
    best = fit.allocate(6 * 6.34e9 * 242e9, unique=25e9)
    assert best.loss < 2.22564409 and best.N == pytest.approx(6.34e9, rel=0.1)

    def loss(log_n):
        n, unique, rd, rn = np.exp(log_n), 25e9, 15.387756, 5.309743
        base = np.exp((a - b + alpha * np.log(unique)) / alpha)
        size = min(n, base) * (1 + rn * (1 - np.exp(-(n / min(n, base) - 1) / rn)))
        seen = unique * (1 + rd * (1 - np.exp(-(best.compute / 6 / n / unique - 1) / rd)))
        return np.exp(e) + np.exp(a) / size**alpha + np.exp(b) / seen**alpha

    found = minimize_scalar(loss, bounds=(21, 24), method="bounded", options={"xatol": 1e-10})
    assert best.loss == pytest.approx(found.fun, rel=1e-12)
    assert best.N == pytest.approx(np.exp(found.x), rel=1e-3)
    held = fit.allocate(6 * 6.34e9 * 242e9, unique=25e9, N=6.34e9)
    assert held.loss == pytest.approx(2.22564409, abs=1e-6)
    held = fit.allocate(6 * 8.67e9 * 178e9, unique=25e9, N=8.67e9)
    assert held.loss == pytest.approx(2.22696341, abs=1e-6)
    enough = fit.allocate(1e20, unique=1e13)
    assert enough.N == pytest.approx(fit.allocate(1e20).N, rel=1e-9)


def test_fixed_size_fixed_tokens_and_third_variables():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    small = fit.allocate(1e22, N=1e9, level=0.9)
    assert small.N == 1e9 and pytest.approx(1e22 / 6e9) == small.D and small.exponent == 0
    assert small.loss == pytest.approx(fit.predict(N=1e9, D=small.D))
    assert small.intervals["loss"] == pytest.approx(fit.predict(N=1e9, D=small.D, level=0.9)[1:])
    few = fit.allocate(loss=2.2, D=2e11)
    assert fit.predict(N=few.N, D=2e11) == pytest.approx(2.2, rel=1e-12)
    assert few.compute == pytest.approx(6 * few.N * 2e11)
    wide = with_law("E + A/N**alpha + B*V**0.1/D**beta", ("N", "D", "V"),
                    (1.8, 480, 0.35, 2000, 0.37))  # fmt: skip
    wide.rows.columns["V"] = np.ones(len(wide.rows))
    assert wide.allocate(1e22, V=1.0).N == pytest.approx(
        with_law(TWO_TERMS, ("N", "D"), (1.8, 480, 0.35, 2000, 0.37)).allocate(1e22).N, rel=1e-9
    )
    assert wide.allocate(1e22, V=9.0).N < wide.allocate(1e22, V=1.0).N


def test_replicates_have_optima_of_their_own():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    boot = fit.bootstrap(12)
    found = boot.allocate(1e22, level=0.8, method="percentile", inference=1e12)
    each = [dataclasses.replace(fit, params={name: float(v[i]) for name, v in boot.params.items()})
            .allocate(1e22, inference=1e12).N for i in range(12)]
    np.testing.assert_allclose(found.intervals["N"], np.quantile(each, [0.1, 0.9]), rtol=1e-9)
    assert found.exists == 1.0


def test_a_loss_some_replicates_cannot_reach_has_an_open_interval():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    boot = fit.bootstrap(200)
    floor = float(np.quantile(boot.params["E"], 0.4))
    for cost in (6.0, "6*N*D"):
        found = boot.allocate(loss=floor, cost=cost)
        assert found.exists == pytest.approx(0.4, abs=0.01)
        low, high = found.intervals["compute"]
        assert high == np.inf and 0 < low < found.compute
    with pytest.raises(ValueError, match="no compute reaches a loss of"):
        fit.allocate(loss=fit.params["E"] * 0.9)


@given(n=st.floats(1e-12, 1e6), d=st.floats(1e-12, 1e6), loss=st.floats(1e-3, 1e3))
@settings(max_examples=6)
def test_units_change_nothing(n, d, loss):
    values = {**TRUTH, "k": 0.9}
    law = "E + (A/N**alpha + B/D**beta)**k"
    plain = with_law(law, ("N", "D"),
                     [values[name] for name in ("E", "A", "alpha", "B", "beta", "k")])
    scaled_values = {**values, "E": values["E"] * loss,
                     "A": values["A"] * n**values["alpha"] * loss ** (1 / 0.9),
                     "B": values["B"] * d**values["beta"] * loss ** (1 / 0.9)}
    scaled = dataclasses.replace(
        plain, params={name: scaled_values[name] for name in plain.law.parameters},
        rows=dataclasses.replace(plain.rows, columns={"N": NOISY["N"] * n, "D": NOISY["D"] * d},
                                 y=plain.rows.y * loss),
    )  # fmt: skip
    cost = 6 / (n * d)
    a = plain.allocate(1e22, inference=1e11)
    b = scaled.allocate(1e22, inference=1e11 * d, cost=cost)
    assert b.N == pytest.approx(a.N * n, rel=1e-8) and b.D == pytest.approx(a.D * d, rel=1e-8)
    assert b.loss == pytest.approx(a.loss * loss, rel=1e-12)
    assert b.extrapolation == pytest.approx(a.extrapolation, rel=1e-8)
    c, e = plain.allocate(loss=2.0), scaled.allocate(loss=2.0 * loss, cost=cost)
    assert e.compute == pytest.approx(c.compute, rel=1e-8)


def test_refusals():
    fit = lf.fit(TWO_TERMS, NOISY)
    for arguments, message in [
        ({"compute": -1.0}, "compute: expected positive FLOP"),
        ({"compute": [1e20, np.nan]}, "compute: expected positive FLOP"),
        ({"compute": 1e20, "cost": 0}, "cost: must be positive"),
        ({"compute": 1e20, "size": "M"}, "size: 'M' is not a variable"),
        ({"compute": 1e20, "size": "N", "tokens": "N"}, "say which variables"),
        ({"compute": 1e20, "level": 2}, "level: must lie between 0 and 1"),
        ({}, "give either compute= (a budget) or loss= (a target)"),
        ({"compute": 1e20, "loss": 2.0}, "give either compute="),
        ({"compute": 1e20, "cost": "6*N"}, "must depend on N and on D"),
        ({"compute": 1e20, "cost": "6*N*D*x"}, "cost: 'x' is not known"),
        ({"compute": 1e20, "inference": -1.0}, "inference: expected a number of tokens"),
        ({"compute": 1e20, "unique": 0.0}, "unique: expected a number of tokens"),
        ({"compute": 1e20, "N": 1e9, "D": 1e9}, "N and D are both given"),
        ({"compute": 1e20, "N": -1.0}, "N: expected one finite number"),
    ]:
        with pytest.raises(ValueError) as caught:
            fit.allocate(**arguments)
        assert message in str(caught.value)
    with pytest.raises(TypeError, match="'budget' is neither an argument nor a variable"):
        fit.allocate(budget=1e20)
    rising = lf.fit(lf.Law(TWO_TERMS, ("N", "D")).fix(beta=-0.1), NOISY)
    with pytest.raises(ValueError, match="the fitted law has no optimum"):
        rising.allocate(1e20)
