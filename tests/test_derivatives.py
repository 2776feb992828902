"""Values and derivatives of random formulas over the whole grammar, against the NumPy twin.

The twin's first derivatives are exact (a complex step); second ones are differences of those.
A bound on the rounding of every node, carried along with the twin's own slopes, says which
points are well-conditioned enough to be compared and how closely.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import fuzz_expression as fuzzing
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

import lawfit as lf
from lawfit import _core, _reference
from lawfit.expression import Graph

EPS = float(np.finfo(float).eps)
PARAMETERS = ("a", "b", "E", "alpha")
POINTS = np.array([0.3, 0.71, 1.0, 1.9, 2.5, 6.0])

# Numbers a law would hold; the twin's rounding bound looks after the rest.
numbers = st.one_of(
    st.integers(0, 6).map(lambda n: ("number", str(n), float(n))),
    st.floats(0.01, 20).map(lambda x: ("number", repr(round(x, 3)), round(x, 3))),
)
leaves = st.one_of(numbers, st.sampled_from([("name", name) for name in (*PARAMETERS, "x", "y")]),
                   st.just(("pi",)))
formulas = fuzzing.grown(leaves).map(lambda tree: fuzzing.render(tree, str, lambda: False))
points = st.lists(st.floats(0.2, 3).map(lambda v: round(v, 3)), min_size=4, max_size=4)


def compiled(text: str) -> lf.Law:
    try:
        law = lf.Law(text)
    except lf.LawError:
        assume(False)
    variables = [name for name in law.names if name in ("x", "y")]
    parameters = [name for name in law.names if name in PARAMETERS]
    assume(parameters)
    return lf.Law(text, variables=variables, parameters=parameters)


def columns_of(law: lf.Law) -> list[np.ndarray]:
    return [np.roll(POINTS, place) * (1 + 0.1 * place) for place in range(len(law.variables))] \
        or [POINTS]


@dataclass
class Bound:
    """A node's value, a bound on its rounding, and the sizes of its derivatives' terms.

    ``first`` adds the absolute values of all terms of the first derivative along each parameter;
    ``bend`` estimates how much slopes change per relative change of what they depend on.
    """

    value: np.ndarray
    error: np.ndarray
    first: np.ndarray
    bend: np.ndarray


def bounds(graph: Graph, params: np.ndarray, columns: list[np.ndarray]) -> Bound:
    names = {code: name for name, code in _core.opcodes().items()}
    shape, p = columns[0].shape, len(params)
    done: list[Bound] = []
    none = np.zeros((p, *shape))
    for op, a, b, c, value in zip(*graph, strict=True):
        name = names[int(op)]
        if name in ("CONST", "PARAM", "VAR"):
            here = {"CONST": value, "PARAM": params[a] if name == "PARAM" else 0,
                    "VAR": columns[a] if name == "VAR" else 0}[name]
            here = np.broadcast_to(np.asarray(here, float), shape)
            first = none.copy()
            if name == "PARAM":
                first[a] = 1.0
            done.append(Bound(here, np.zeros(shape), first, np.zeros(shape)))
            continue
        children = [done[int(child)] for child in (a, b, c) if child >= 0]
        done.append(_combine(name, children, shape))
    return done[-1]


def _combine(name: str, children: list[Bound], shape: tuple[int, ...]) -> Bound:
    def local(shift: float) -> tuple[np.ndarray, list[np.ndarray]]:
        """The value and its slope along each child, the children moved by a relative shift."""
        zero, one = np.zeros(shape), np.ones(shape)
        at = [child.value * (1 + shift) for child in children]
        slopes = []
        for which in range(len(children)):
            duals = [_reference._Dual(v, one if k == which else zero) for k, v in enumerate(at)]
            out = _reference._unary(name, *duals) if len(at) == 1 else \
                _reference._several(name, *duals)
            slopes.append(out.tangent)
        return out.value, slopes

    with np.errstate(all="ignore"):
        value, signed = local(0.0)
        slopes = [np.abs(slope) for slope in signed]
        bent = sum(np.abs(up - down) / (np.abs(up) + np.abs(down) + 1e-300) / 2e-6
                   for up, down in zip(local(1e-6)[1], local(-1e-6)[1], strict=True))
        # The twin's lgamma is the C library's, which loses relative digits at its zeros 1 and 2
        # (the engine's does not), and its betaln and that one's slopes are differences: there only
        # the absolute difference says anything.
        least = 1.0 if name in ("GAMMALN", "BETALN") else 0.0
        error = 8 * EPS * np.maximum(np.abs(value), least) + sum(
            s * child.error for s, child in zip(slopes, children, strict=True))
        least_slope = 1e-3 if name == "BETALN" else 0.0
        first = sum(np.maximum(s, least_slope) * child.first
                    for s, child in zip(slopes, children, strict=True))
        bend = 1.0 + bent + sum(child.bend for child in children)
        # A child known badly makes a slope known badly, and so does an intermediate at a pole.
        if name in ("LESS", "LESS_EQUAL", "EQUAL", "MIN", "MAX"):
            # Which side of a tie a row is on may hang on the rounding of the two.
            gap = np.abs(children[0].value - children[1].value)
            doubt = children[0].error + children[1].error
            bend = np.where((gap <= 4 * doubt) & (doubt > 0), np.inf, bend)
        relative = sum(np.where(child.error > 0, child.error / np.abs(child.value), 0.0)
                       for child in children)
        bend = np.where(np.isfinite(value) & (np.abs(value) < 1e50) & (relative < 1e-11)
                        & (bend < 1e4), bend, np.inf)
    return Bound(value, error, np.asarray(first), bend)


CASES = {"suppress_health_check": list(HealthCheck)}


def check(text: str, at: list[float]) -> None:
    law = compiled(text)
    graph, columns = law.graph(), columns_of(law)
    params = np.array(at[: len(law.free)])
    bound = bounds(graph, params, columns)
    good = np.isfinite(bound.bend) & np.isfinite(bound.error) & np.isfinite(bound.first).all(axis=0)
    with np.errstate(all="ignore"):
        values = _reference.evaluate(graph, params[None], columns)[0]
        slopes = _reference.jacobian(graph, params, columns)
    got = _core.evaluate(graph, params[None], columns)[0]
    _same_kind(text, got, values, good)
    off = np.abs(got[good] - values[good])
    assert (off <= 4 * bound.error[good] + 1e-300).all(), (text, at, got, values)

    jacobian = _core.jacobian(graph, params, columns)
    allowed = (1e-11 * bound.bend[good] * bound.first[:, good]).T + 1e-300
    wrong = ~(np.abs(jacobian[good] - slopes[good]) <= allowed)
    assert not wrong.any(), (text, at, jacobian[good][wrong], slopes[good][wrong])
    if good.all():
        _check_hessian(text, law, params, columns, bound)


def _same_kind(text: str, got: np.ndarray, expected: np.ndarray, good: np.ndarray) -> None:
    """Finite where the twin is, on the well-conditioned points."""
    assert (np.isfinite(got) == np.isfinite(expected))[good].all(), (text, got, expected)


def _check_hessian(
    text: str, law: lf.Law, params: np.ndarray, columns: list[np.ndarray], bound: Bound
) -> None:
    """The Hessian of the summed model, by differences of the twin's Jacobian."""
    step = 1e-4 * params
    graph, p = law.graph(), len(params)
    rows = []
    for k in range(p):
        at = [_reference.jacobian(graph, params + j * step[k] * np.eye(p)[k], columns)
              for j in (-2, -1, 1, 2)]
        rows.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step[k]))
        # Two step widths tell whether the difference itself is to be trusted here.
        rough = (at[2] - at[1]) / (2 * step[k])
        size = np.abs(rough).sum() + (bound.first[k].sum() / params[k]) + 1e-200
        if not np.abs(rough - rows[-1]).sum() <= 1e-5 * size:
            return
    expected = np.array(rows).sum(axis=1)
    got = _core.model_hessian(graph, params, columns)
    np.testing.assert_array_equal(got, got.T)
    terms = bound.first.sum(axis=1)
    scale = np.abs(expected) + np.add.outer(terms / params, terms / params) / 2
    # model_hessian is a difference of two objective Hessians, each of the size of J'J.
    noise = 1e-12 * (bound.first @ bound.first.T + 1)
    wrong = np.abs(got - expected) > 1e-7 * bound.bend.max() * scale + noise
    assert not wrong.any(), (text, params.tolist(), got, expected)


@settings(max_examples=600, **CASES)
@given(formulas, points)
def test_random_formulas(text: str, at: list[float]) -> None:
    check(text, at)


@pytest.mark.slow
@seed(int(os.environ.get("LAWFIT_SEED", "0")))
@settings(max_examples=int(os.environ.get("LAWFIT_EXAMPLES", "50000")), derandomize=False, **CASES)
@given(formulas, points)
def test_random_formulas_at_length(text: str, at: list[float]) -> None:
    check(text, at)


# ---- every operation by itself, where random formulas rarely go ----

UNARY = ["exp", "log", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "arctan",
         "tanh", "erf", "normcdf", "logistic", "softplus", "gammaln", "digamma"]
BINARY = ["{a}*{x}", "{a}/{x}", "{x}/{a}", "{a}**{x}", "{x}**{a}", "{a} + {x}", "{a} - {x}",
          "logaddexp({a}, {x})", "min({a}, {x})", "max({a}, {x})",
          "betaln({a}, {x})", "where({a} < {x}, {a}, 2*{x})", "where({a} >= {x}, {a}, 2*{x})",
          "where({a} == {x} or {a} > 2, 1, {x})", "where({a} != {x} and not {a} <= {x}, {x}, {a})"]
EDGES = np.array([-1e300, -800.0, -37.5, -3.0, -1.5, -1.0, -1e-9, -1e-320, 0.0, 5e-324, 1e-300,
                  1e-9, 0.5, 1.0, 1.5, 2.0, 3.0, 37.5, 800.0, 1e300])


@pytest.mark.parametrize("name", UNARY)
def test_functions_at_the_edges(name: str) -> None:
    """The same numbers, infinities and NaNs as NumPy."""
    law = lf.Law(f"a*{name}(x)", variables=("x",))
    got = _core.evaluate(law.graph(), np.array([[1.0]]), [EDGES])[0]
    expected = _reference.evaluate(law.graph(), [[1.0]], [EDGES])[0]
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-320)


@pytest.mark.parametrize("name", UNARY)
def test_slopes_of_functions_at_the_edges(name: str) -> None:
    law = lf.Law(f"{name}(a)", parameters=("a",))
    values = _reference.evaluate(law.graph(), EDGES[:, None], [np.zeros(1)])[:, 0]
    for point in EDGES[np.isfinite(values) & (np.abs(EDGES) < 1e100)]:
        got = _core.jacobian(law.graph(), np.array([point]), [np.zeros(1)])
        expected = _reference.jacobian(law.graph(), [point], [np.zeros(1)])
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15, err_msg=f"{point}")


@pytest.mark.parametrize("form", BINARY)
def test_two_arguments_at_the_edges(form: str) -> None:
    """A negative base with an exponent that is no constant is NaN by choice, a whole one too."""
    law = lf.Law(form.format(a="a", x="x"), variables=("x",))
    moderate = EDGES[(np.abs(EDGES) < 1e200) & ((EDGES == 0) | (np.abs(EDGES) > 1e-200))]
    for a in moderate:
        got = _core.evaluate(law.graph(), np.array([[a]]), [moderate])[0]
        expected = _reference.evaluate(law.graph(), [[a]], [moderate])[0]
        if "**" in form:
            base, exponent = (a, moderate) if form == "{a}**{x}" else (moderate, a)
            expected = np.where((base < 0) & (exponent != 0), np.nan, expected)
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-307, err_msg=f"a = {a}")


@pytest.mark.parametrize("exponent", ["2", "3", "-1", "-2", "0", "1", "0.5", "7", "-5"])
def test_constant_powers_of_any_base(exponent: str) -> None:
    law = lf.Law(f"(a*x)**({exponent})", variables=("x",))
    x = np.array([-3.0, -0.5, 0.0, 0.2, 1.0, 40.0])
    got = _core.evaluate(law.graph(), np.array([[1.0]]), [x])[0]
    with np.errstate(all="ignore"):
        expected = x ** float(exponent)
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    inside = x[(x > 0) | ((x < 0) & (float(exponent) == round(float(exponent))))]
    slopes = _core.jacobian(law.graph(), np.array([1.0]), [inside])[:, 0]
    np.testing.assert_allclose(slopes, float(exponent) * inside ** float(exponent), rtol=1e-14)


def test_zero_to_a_positive_power_is_zero_with_derivative_zero() -> None:
    law = lf.Law("A*x**b", variables=("x",))
    params, columns = np.array([3.0, 0.7]), [np.array([0.0, 2.0])]
    assert _core.evaluate(law.graph(), params[None], columns)[0][0] == 0.0
    np.testing.assert_array_equal(_core.jacobian(law.graph(), params, columns)[0], [0.0, 0.0])
    assert np.isfinite(_core.model_hessian(law.graph(), params, columns)).all()


@pytest.mark.parametrize(("formula", "expected"), [
    ("min(a, b)", [1.0, 0.0]), ("max(a, b)", [1.0, 0.0]), ("abs(a - b)", [0.0, 0.0]),
    ("min(b, a)", [0.0, 1.0]), ("max(a, b, 2)", [1.0, 0.0]),
])
def test_derivatives_at_kinks(formula: str, expected: list[float]) -> None:
    law = lf.Law(formula, parameters=("a", "b"))
    order = [law.parameters.index(name) for name in "ab"]
    got = _core.jacobian(law.graph(), np.array([2.0, 2.0]), [np.zeros(1)])[0][order]
    np.testing.assert_array_equal(got, expected)
    twin = _reference.jacobian(law.graph(), np.array([2.0, 2.0]), [np.zeros(1)])[0][order]
    np.testing.assert_array_equal(got, twin)
