"""Laws in pieces and laws with indexed names: derivatives, fits, settings."""

from __future__ import annotations

import numpy as np
import pytest

import lawfit as lf
from lawfit import _core, _reference
from lawfit.terms import power_sum

X = np.geomspace(0.1, 40, 60)
BROKEN_LINE = "y = where(x < d, a + b*x, a + b*d + c*(x - d))"
MIXTURE = "y = E + sum(k[i]*exp(t[i]*r[i]) for i in 1..3)"


def mixture_table(noise: float = 0.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    r = random.dirichlet([1.0, 1.0, 1.0], 120).T
    table = {f"r_{i}": r[i - 1] for i in (1, 2, 3)}
    table["y"] = 2.0 + 0.5 * np.exp(-1.5 * r[0]) + 1.2 * np.exp(-3.0 * r[1]) + 0.8 * np.exp(
        -0.7 * r[2]) + noise * random.normal(size=120)
    return table


# ---- where ----


def test_a_break_is_found() -> None:
    truth = {"a": 1.0, "b": 2.0, "c": -0.5, "d": 10.3}
    x = np.linspace(0, 25, 80)
    y = lf.Law(BROKEN_LINE)(x=x, **truth)
    fit = lf.fit(BROKEN_LINE, {"x": x, "y": y})
    assert fit.converged
    assert fit.params == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("formula", [
    "where(x > d, (x - d)**p, 0)*a", "where(x > d, log(x - d), log(a))", "a*sqrt(max(x - d, 0))",
    "sqrt(where(x > d, x - d, 0))*a", "where(x > d, where(x > 2*d, a/(x - 2*d), p), a*p)**2",
    "a*log(1 + abs(x - d))*max(p, x)/min(a, x)",
    "exp(-where(x <= d, p*x, p*d + a*(x - d)))*where(not (x > 3 and x < 20), a, p)",
])
def test_derivatives_know_nothing_of_the_branch_not_taken(formula: str) -> None:
    """First by the twin, second by differences; finite wherever the value is."""
    law = lf.Law(formula, variables=("x",))
    at = {"a": 1.3, "d": 4.17, "p": 0.6}
    params = np.array([at[name] for name in law.free])
    graph = law.graph()
    values = _core.evaluate(graph, params[None], [X])[0]
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, _reference.evaluate(graph, params[None], [X])[0], rtol=1e-13)
    slopes = _core.jacobian(graph, params, [X])
    assert np.isfinite(slopes).all()
    np.testing.assert_allclose(slopes, _reference.jacobian(graph, params, [X]), rtol=1e-12,
                               atol=1e-13 * np.abs(slopes).max())
    hessian = _core.model_hessian(graph, params, [X])
    step = 1e-6
    for k, unit in enumerate(np.eye(len(params))):
        up, down = (_core.jacobian(graph, params + s * step * unit, [X]) for s in (1, -1))
        expected = ((up - down) / (2 * step)).sum(axis=0)
        np.testing.assert_allclose(hessian[k], expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("formula", "slopes"), [
    ("where(a < b, a, 2*b)", [0.0, 2.0]), ("where(a <= b, a, 2*b)", [1.0, 0.0]),
    ("where(a == b, a*b, b)", [2.0, 2.0]), ("where(a != b, a*b, b)", [0.0, 1.0]),
    ("where(a > b, a, b)**2", [0.0, 4.0]), ("sqrt(max(0, a - 2))*b", [0.0, 0.0]),
    ("abs(a - b)*b", [0.0, 0.0]), ("min(a, b)", [1.0, 0.0]), ("max(b, a)", [0.0, 1.0]),
    ("sqrt(abs(a - b))*b", [0.0, 0.0]),
])
def test_derivatives_at_kinks_are_those_documented(formula: str, slopes: list[float]) -> None:
    law = lf.Law(formula, parameters=("a", "b"))
    order = [law.parameters.index(name) for name in "ab"]
    got = _core.jacobian(law.graph(), np.array([2.0, 2.0]), [np.zeros(1)])[0][order]
    np.testing.assert_array_equal(got, slopes)


@pytest.mark.parametrize(("formula", "truth"), [
    ("y = max(E, a*x**-b)", {"E": 0.9, "a": 3.0, "b": 0.2}),
    ("y = min(E, a*x**b)", {"E": 2.0, "a": 0.3, "b": 0.4}),
    ("y = E + a*max(log(x) - d, 0)", {"E": 1.0, "a": 0.3, "d": 4.1}),
    ("y = E + a*abs(log(x) - d)", {"E": 1.0, "a": 0.3, "d": 4.1}),
    ("y = where(x < d, a*x**-b, a*d**(c - b)*x**-c)", {"a": 3.0, "b": 0.2, "c": 0.7, "d": 97.0}),
])
@pytest.mark.parametrize("on", ["linear", "log"])
def test_kinks_are_found_from_automatic_starts(
    formula: str, truth: dict[str, float], on: str
) -> None:
    """Second derivatives vanish on both sides of a kink; the law is not linear for that."""
    x = np.geomspace(1, 1e4, 60)
    fit = lf.fit(formula, {"x": x, "y": lf.Law(formula)(x=x, **truth)}, on=on)
    assert fit.converged
    assert fit.params == pytest.approx(truth, rel=1e-6)


def test_a_parameter_of_a_condition_alone_cannot_be_fitted() -> None:
    x = np.linspace(0, 5, 30)
    y = np.where(x < 2, 1.0, 3.0)
    starts = {"d": [2.05], "a": [0.5], "b": [2.0]}
    with pytest.warns(lf.FitWarning, match="not_identified"):
        fit = lf.fit("y = where(x < d, a, b)", {"x": x, "y": y}, starts=starts)
    assert fit.params["a"] == pytest.approx(1) and fit.params["b"] == pytest.approx(3)
    assert fit.params["d"] == 2.05
    assert "d" in fit.diagnostics["not_identified"]


def test_comparisons_beside_nan_are_false_as_in_numpy() -> None:
    law = lf.Law("where(x < a, 1, 2) + 10*where(not x < a, 1, 2) + 100*where(x != x, 1, 2)")
    assert law(x=np.array([np.nan, 0.0, 9.0]), a=3.0).tolist() == [112.0, 221.0, 212.0]


def test_second_derivatives_of_the_gamma_family() -> None:
    special = pytest.importorskip("scipy.special")
    law = lf.Law("digamma(a*x) + betaln(a, b*x)", variables=("x",))
    a, b = 0.7, 1.9
    got = _core.model_hessian(law.graph(), np.array([a, b]), [X])
    both = special.polygamma(1, a + b * X)
    aa = X**2 * special.polygamma(2, a * X) + special.polygamma(1, a) - both
    ab, bb = -both * X, X**2 * (special.polygamma(1, b * X) - both)
    expected = np.array([[aa.sum(), ab.sum()], [ab.sum(), bb.sum()]])
    np.testing.assert_allclose(got, expected, rtol=1e-9)


# ---- indexed names ----


def test_a_mixture_law_is_the_law_written_out() -> None:
    out = "y = E + k_1*exp(t_1*r_1) + k_2*exp(t_2*r_2) + k_3*exp(t_3*r_3)"
    table = mixture_table()
    fits = [lf.fit(text, table, seed=1) for text in (MIXTURE, out.replace("E +", "E + (") + ")")]
    assert fits[0].params.keys() == fits[1].params.keys()
    assert fits[0].values.tobytes() == fits[1].values.tobytes()
    assert fits[0].law.variables == ("r_1", "r_2", "r_3")


def test_settings_of_indexed_names() -> None:
    law = lf.Law(MIXTURE, parameters={"k_1": lf.Parameter(positive=True, start=0.4)})
    law = law.resolve(mixture_table())
    law = law.tie("t_1", "t_3").fix(E=2.0).bound(t_2=(-9, 0), k_2=(0, None))
    assert law.free == ("k_1", "t_1", "k_2", "t_2", "k_3")
    fit = lf.fit(law, mixture_table(0.001))
    assert fit.params["t_1"] == fit.params["t_3"] and fit.params["E"] == 2.0
    starts = {name: [0.5, 1.0] for name in law.free} | {"t_2": [-1.0, -2.0]}
    assert lf.fit(law, mixture_table(0.001), starts=starts).objective == pytest.approx(
        fit.objective, rel=1e-9)
    assert fit.derive("sum(k[i] for i in 1..3)").value == pytest.approx(
        sum(fit.params[f"k_{i}"] for i in (1, 2, 3)))


def test_an_indexed_name_and_the_name_it_stands_for_are_one() -> None:
    law = lf.Law("k_1*x + sum(k[i]*x**i for i in 1..2) + k[1]")
    assert law.names == ("k_1", "x", "k_2")
    assert law(k_1=2.0, k_2=3.0, x=2.0) == 4 + (4 + 12) + 2


def test_terms_of_an_indexed_sum_are_powers() -> None:
    law = lf.Law("E + sum(A[i]/N**a[i] for i in 1..2)", variables=("N",))
    terms = power_sum(law, np.array([[1.5, 2.0, 0.5, 3.0, 0.25]]))
    assert [float(term.coefficient[0]) for term in terms] == [1.5, 2.0, 3.0]


def test_an_index_is_a_number_and_matrices_have_two() -> None:
    law = lf.Law("sum(i*sum(T[i,j]*x[j] for j in 0..1)/(1 + j) for i in 1..2)")
    values = dict(x_0=2.0, x_1=3.0, T_1_0=1.0, T_1_1=10.0, T_2_0=100.0, T_2_1=1000.0, j=1.0)
    assert law(**values) == (2 + 30) / 2 + 2 * (200 + 3000) / 2


@pytest.mark.parametrize(("name", "expected"), [
    ("sum", 6.0), ("prod", 6.0), ("max", 3.0), ("min", 1.0),
    ("logsumexp", np.log(np.exp([1.0, 2.0, 3.0]).sum())),
])
def test_everything_that_takes_an_index(name: str, expected: float) -> None:
    law = lf.Law(f"{name}(a[i] for i in 1..3)")
    assert law(a_1=1.0, a_2=2.0, a_3=3.0) == pytest.approx(expected, rel=1e-15)
    assert lf.Law(f"{name}(a[i] for i in 2..2)")(a_2=5.0) == 5.0
