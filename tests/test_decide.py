"""Compute-optimal allocation against a numeric minimum, however the law is written."""

from __future__ import annotations

import numpy as np
import pytest
from samples import TRUTH, TWO_TERMS, line_table, two_term_table
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


@pytest.mark.parametrize("formula", [
    "E + A/N**alpha", "E + A/(N**alpha*D**beta)", "E + A/N**alpha + B/D**beta + C/N",
    "E + A*exp(-N*alpha) + B/D**beta", "E*(1 + A/N**alpha + B/D**beta)",
    "E + A/(N + c)**alpha + B/D**beta",
])  # fmt: skip
def test_other_laws_are_refused(formula):
    law = lf.Law(formula, ("N", "D") if "D" in formula else ("N",))
    fit = lf.fit("y = a + b*x", line_table())
    broken = type(fit)(**{**fit.__dict__, "law": law,
                          "params": dict.fromkeys(law.parameters, 1.0)})  # fmt: skip
    with pytest.raises(ValueError, match="allocate: "):
        broken.allocate(1e20)


def test_refusals():
    fit = lf.fit(TWO_TERMS, NOISY)
    for arguments, message in [
        ({"compute": -1.0}, "compute: expected positive FLOP"),
        ({"compute": [1e20, np.nan]}, "compute: expected positive FLOP"),
        ({"compute": 1e20, "cost": 0}, "cost: must be positive"),
        ({"compute": 1e20, "size": "M"}, "size: 'M' is not a variable"),
        ({"compute": 1e20, "size": "N", "tokens": "N"}, "say which variables"),
        ({"compute": 1e20, "level": 2}, "level: must lie between 0 and 1"),
    ]:
        with pytest.raises(ValueError) as caught:
            fit.allocate(**arguments)
        assert message in str(caught.value)
    rising = lf.fit(lf.Law(TWO_TERMS, ("N", "D")).fix(beta=-0.1), NOISY)
    with pytest.raises(ValueError, match="the fitted terms have no optimum"):
        rising.allocate(1e20)
