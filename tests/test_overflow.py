"""Laws whose parts are beyond all numbers where the law itself is not."""

from __future__ import annotations

import numpy as np
import pytest

import lawfit as lf

BREAK = "b*x**(-c0)*(1 + (x/d)**(1/f))**(-c1*f)"
X = np.geomspace(1e2, 1e8, 40)


def sharp(x: np.ndarray, b: float, c0: float, d: float, c1: float) -> np.ndarray:
    """Two powers that meet at d: what the break is when f vanishes."""
    return b * x**-c0 * np.where(x > d, (x / d) ** -c1, 1.0)


@pytest.mark.parametrize("formula", [
    "log(1 + exp(k*x))", "log1p(exp(k*x))", "log(exp(k*x) + exp(0*k))", "log(1 + exp(k)**x)",
])
def test_the_logarithm_of_a_sum_of_exponentials(formula: str) -> None:
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    for k in (1.0, 30.0, 4000.0):
        np.testing.assert_allclose(lf.Law(formula, ["x"])(x=x, k=k), np.logaddexp(0, k * x),
                                   rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("formula", [
    "1/(1 + exp(-k*x))", "c/(3 + exp(-k*x))*3/c", "exp(k*x)/(exp(k*x) + 1)", "(1 + exp(-k*x))**-1",
])
def test_a_logistic_curve_written_out(formula: str) -> None:
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    for k in (1.0, 30.0, 2000.0):
        law = lf.Law(formula, ["x"])
        given = {name: {"k": k, "c": 2.0}[name] for name in law.parameters}
        shift = np.log(3) if "3 +" in formula else 0.0
        np.testing.assert_allclose(law(x=x, **given), np.exp(-np.logaddexp(0, -k * x - shift)),
                                   rtol=1e-13, atol=1e-300)


def test_fits_of_steps_do_not_depend_on_how_a_logistic_is_written() -> None:
    """Steps sharper than the rows tell: exp(k*(x - x0)) is beyond all numbers for most of them."""
    rng = np.random.default_rng(0)
    steps, x = 60, np.geomspace(1, 1e5, 30)
    y = []
    for _ in range(steps):
        x0 = 10 ** rng.uniform(1.5, 4)
        w = x0 * 10 ** rng.uniform(-3, 0)
        exact = 0.1 + 0.8 / (1 + np.exp(-np.clip((x - x0) / w, -700, 700)))
        y.append(exact + 0.02 * rng.standard_normal(len(x)))
    table = {"x": np.tile(x, steps), "y": np.concatenate(y), "step": np.repeat(np.arange(steps), 30)}
    with pytest.warns(lf.FitWarning, match="not_identified"):
        named = lf.fit_many("a + c*logistic(k*(x - x0))", table, y="y", by="step")
    with pytest.warns(lf.FitWarning, match="not_identified"):
        typed = lf.fit_many("a + c/(1 + exp(-k*(x - x0)))", table, y="y", by="step")
    np.testing.assert_allclose(typed.objective, named.objective, rtol=1e-6)


@pytest.mark.parametrize("f", [1e-3, 1e-5, 1e-9])
def test_a_break_may_be_as_sharp_as_it_likes(f: float) -> None:
    values = {"b": 3.0, "c0": 0.2, "d": 3.3e4, "c1": 0.3}
    np.testing.assert_allclose(lf.Law(BREAK, ["x"])(x=X, f=f, **values), sharp(X, **values),
                               rtol=1e-10)


def test_fits_of_breaks_are_not_held_up_by_overflow() -> None:
    """Noise makes some breaks look sharp, and the best f is as small as can be."""
    rng = np.random.default_rng(0)
    curves, x, y = 30, [], []
    for _ in range(curves):
        a, b, c0 = rng.uniform(0, 0.3), rng.uniform(1, 5), rng.uniform(0.1, 0.4)
        d, f, c1 = 10 ** rng.uniform(3, 7), rng.uniform(0.1, 0.6), rng.uniform(-0.2, 0.5)
        exact = a + b * X**-c0 * (1 + (X / d) ** (1 / f)) ** (-c1 * f)
        x.append(X)
        y.append(exact * np.exp(0.02 * rng.standard_normal(len(X))))
    law = lf.Law(f"a + {BREAK}", ["x"]).bound(b=(0, None), d=(0, None), f=(0, None))
    with pytest.warns(lf.FitWarning, match="not_identified"):
        fits = lf.fit_many(law, {"x": np.concatenate(x), "y": np.concatenate(y),
                                 "curve": np.repeat(np.arange(curves), len(X))},
                           y="y", by="curve", on=["log"])
    assert not np.isin(fits.status, ["stalled", "did_not_move", "not_finite"]).any()
    assert (fits.params["f"] < 1e-3).sum() >= 6  # there (x/d)**(1/f) is beyond all numbers
