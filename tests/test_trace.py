"""Python functions as laws: what they trace to, and that nothing is lost."""

from __future__ import annotations

import functools
import math
import operator
import pickle
from collections.abc import Callable
from math import exp, log

import fuzz_expression as fuzzing
import numpy as np
import pytest
from hypothesis import given, settings
from samples import two_term_table

import lawfit as lf
from lawfit.expression import parse
from lawfit.tracer import Tracer, _as_tracer, apply

HALF = 0.5


def helper(x, rate):
    return math.exp(-rate * x) if HALF else None


def with_helper(x, a, rate):
    return a * helper(x, rate)


@pytest.mark.parametrize(("function", "formula"), [
    (lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
     "E + A/N**alpha + B/D**beta"),
    (lambda x, a, b: -a * x - (-b) + (x - (a - b)) - 2 * -x, "-a*x - -b + (x - (a - b)) - 2*-x"),
    (lambda x, a, b: (a**b) ** x + a ** (b**x) + (-a) ** 2 - (-(a**2)) + x**-2 + 2**-x,
     "(a**b)**x + a**b**x + (-a)**2 - -a**2 + x**-2 + 2**-x"),
    (lambda x, a, b: a / (b / x) * (x / a) / b / x + 1.5e-300 * a + 10**20,
     "a/(b/x)*(x/a)/b/x + 1.5e-300*a + 100000000000000000000"),
    (lambda x, a, b: np.exp(a) * np.log(x) + np.log1p(b) - np.expm1(x) + np.sqrt(np.abs(a))
     + np.sin(x) + np.cos(x) + np.arctan(x) + np.tanh(x) + np.log10(x) + np.log2(x),
     "exp(a)*log(x) + log1p(b) - expm1(x) + sqrt(abs(a)) + sin(x) + cos(x) + arctan(x) + tanh(x)"
     " + log10(x) + log2(x)"),
    (lambda x, a, b: np.logaddexp(a, x) + np.minimum(a, b) * np.maximum(x, 2) + np.clip(x, a, b),
     "logaddexp(a, x) + min(a, b)*max(x, 2) + min(max(x, a), b)"),
    (lambda x, a, b: np.float64(2) * x + x / np.float32(0.5) - np.int64(3) ** a + np.pi * b,
     "2.0*x + x/0.5 - 3**a + 3.141592653589793*b"),
    (lambda x, a, b: np.add(a, np.multiply(b, np.power(x, 2))) - np.square(a) + np.reciprocal(b),
     "a + b*x**2 - a**2 + 1/b"),
    (lambda x, a, b: np.where(x > a, a, b) + np.where((x <= a) & ~(x == b) | (1 < a), 1, 0),
     "where(x > a, a, b) + where(x <= a and not x == b or a > 1, 1, 0)"),
    (lambda x, a, b: np.where(np.logical_and(x != a, np.logical_not(b >= x)), a, b) + (x > a) * b,
     "where(x != a and not b >= x, a, b) + where(x > a, 1, 0)*b"),
    (lambda x, a, b: exp(a * x) + log(b) + math.log(x, 10) + math.pow(a, b) + math.sqrt(2) * x,
     "exp(a*x) + log(b) + log(x)/log(10) + a**b + 1.4142135623730951*x"),
    (lambda x, a, b: math.erf(x) + math.lgamma(a) + math.fabs(b) + math.atan(x) + math.tanh(a),
     "erf(x) + gammaln(a) + abs(b) + arctan(x) + tanh(a)"),
    (lambda x, a, b: sum(c * x**k for k, c in enumerate((a, b))), "a*x**0 + b*x**1"),
    (lambda x, a, b: min(a, x) + max([a, b, x]) + abs(b) + pow(x, a) + max(1, 2) * x,
     "min(a, x) + max(a, b, x) + abs(b) + x**a + 2*x"),
    (lambda x, a, b=2.5, *, c: a * x + b * c, "a*x + b*c"),
    (with_helper, "a*exp(-rate*x)"),
    (functools.partial(lambda scale, x, a: a * math.exp(x / scale), 3.0), "a*exp(x/3.0)"),
    (lambda x, a: np.asarray(a) * np.sum([x, a]) * np.exp(np.array(x)), "a*(x + a)*exp(x)"),
])
def test_formula(function, formula) -> None:
    assert lf.law(function).formula == formula
    twin, traced = lf.Law(formula), lf.law(function)
    assert traced.names == twin.names
    assert all(map(np.array_equal, graph_of(traced), graph_of(twin)))


def graph_of(law: lf.Law) -> tuple[np.ndarray, ...]:
    return lf.Law(law.formula, variables=()).graph()


def test_scipy_functions() -> None:
    special = pytest.importorskip("scipy.special")

    def function(x, a):
        return (special.expit(x) + special.erf(a) * special.ndtr(x) - special.gammaln(a)
                + special.psi(x) * special.betaln(a, x) + special.erfc(x) + special.log_expit(a))

    law = lf.law(function, variables=("x",))
    assert law.formula == (
        "logistic(x) + erf(a)*normcdf(x) - gammaln(a) + digamma(x)*betaln(a, x)"
        " + 2*normcdf(-(1.4142135623730951*x)) + -softplus(-a)")
    x = np.linspace(0.2, 6, 30)
    np.testing.assert_allclose(law(x=x, a=1.7), function(x, 1.7), rtol=1e-13)


FUNCTIONS = [
    lambda x, a, b: np.where(x > a, np.sqrt(np.abs(x - a)), np.where(x < b, x, -x)) ** 2,
    lambda x, a, b: np.sign(x - a) * np.tan(x / 9) + np.exp2(-b * x) - np.positive(-x) * (x >= b),
    lambda x, a, b: math.erfc(x / 5) + math.log2(x) * math.log(b, 2) - math.hypot(3, 4) * a,
    lambda x, a, b: np.float_power(x, a) - np.true_divide(b, x) + np.clip(x, None, 2.5),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_are_those_of_the_function(function) -> None:
    """Called on plain numbers, the function gives what its law gives."""
    law = lf.law(function, variables=("x",))
    x = np.array([0.3, 1.1, 2.0, 2.7, 8.0])
    expected = [float(function(float(value), 1.1, 2.7)) for value in x]
    np.testing.assert_allclose(law(x=x, a=1.1, b=2.7), expected, rtol=1e-13)


def test_the_function_is_called_once_and_nothing_outside_is_changed() -> None:
    calls = []

    def function(x, a):
        calls.append(x)
        return a * math.exp(x) * exp(a)

    law = lf.law(function)
    assert len(calls) == 1 and law.formula == "a*exp(x)*exp(a)"
    assert math.exp(0.0) == 1.0 and exp is math.exp and min(2, 1) == 1
    assert function(0.0, 0.0) == 0.0
    lf.fit(law, {"x": [0.0, 1, 2], "y": [1.0, 2, 3]}, y="y")
    assert len(calls) == 2


def test_local_imports_and_recursion() -> None:
    def power(x, n):
        return x * power(x, n - 1) if n else 1

    def function(x, a):
        import math as m
        from math import exp as e

        return a * m.log(x) + e(power(x, 3))

    assert lf.law(function).formula == "a*log(x) + exp(x*(x*(x*1)))"


class Model:
    scale = 2.0

    def formula(self, x, a):
        return a * math.exp(x / self.scale)

    def __call__(self, x, a):
        return a * math.exp(x) + self.scale


def test_methods_and_objects() -> None:
    assert lf.law(Model().formula).formula == "a*exp(x/2.0)"
    assert lf.law(Model()).formula == "a*exp(x) + 2.0"


def test_settings() -> None:
    def function(N, E=1.7, A=400.0, alpha=0.3):
        return E + A / N**alpha

    law = lf.law(function, variables=["N"], parameters={"E": lf.Parameter(positive=True)},
                 source="me")
    assert law.parameters == ("E", "A", "alpha") and law.source == "me"
    assert law.settings["E"] == lf.Parameter(positive=True)
    assert law.settings["A"].start == 400.0
    assert law.fix(E=1.7).free == ("A", "alpha")
    listed = lf.law(function, variables=["N"], parameters=["E", "A", "alpha"])
    assert listed.settings["alpha"].start == 0.3
    assert pickle.loads(pickle.dumps(law)) == law
    assert lf.Law.from_dict(law.to_dict()) == law


# ---- any formula written down is the formula ----

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
             "**": operator.pow, "<": operator.lt, "<=": operator.le, ">": operator.gt,
             ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "and": operator.and_,
             "or": operator.or_, "neg": operator.neg, "not": operator.invert}


def trace_of(tree: fuzzing.Tree, index: tuple[int, ...] = ()) -> object:
    """A random tree computed by Python's operators and the tracer's functions."""
    kind, *args = tree
    here = index[-1] if index else 2
    if kind in ("number", "index", "pi"):
        return {"number": args[-1:], "index": [here], "pi": [Tracer("pi")]}[kind][0]
    if kind in ("name", "indexed"):
        return Tracer(args[0] if args else f"k_{here}")
    if kind == "over":
        name, (low, high), term = args
        terms = [trace_of(term, (*index, value)) for value in range(low, high + 1)]
        join = OPERATORS["+" if name == "sum" else "*"]
        if name in ("sum", "prod"):
            return functools.reduce(lambda a, b: as_traced(join, a, b), terms)
        return terms[0] if len(terms) == 1 else apply(name, *terms)
    parts = [trace_of(arg, index) for arg in args]
    return as_traced(OPERATORS[kind], *parts) if kind in OPERATORS else apply(kind, *parts)


def as_traced(operate: Callable[..., object], *parts: object) -> object:
    """With numbers as formulas: Python would compute with plain numbers at once."""
    return operate(*map(_as_tracer, parts))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(fuzzing.trees)
def test_what_is_written_is_what_was_computed(tree: fuzzing.Tree) -> None:
    values = fuzzing.all_values()
    expected, _, broken = fuzzing.meaning(tree, values)
    traced = trace_of(tree)
    if broken or not isinstance(traced, Tracer):
        return
    found = fuzzing.twin(parse(traced.text), values)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0, err_msg=traced.text)


# ---- the same bits ----


def test_function_text_and_catalogue_give_the_same_bits() -> None:
    shipped = lf.laws["chinchilla"]
    table = two_term_table(noise=0.01)
    traced = lf.law(lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
                    variables=("N", "D"), parameters=shipped.settings)
    text = lf.Law("E + A/N**alpha + B/D**beta", ("N", "D"), shipped.settings)
    values = {"E": 1.7, "A": 410.0, "B": 2100.0, "alpha": 0.34, "beta": 0.37}
    results = []
    for law in (traced, text, shipped):
        fit = lf.fit(law, table, y="loss", on="log", loss=lf.Huber(1e-3))
        results.append((
            law(N=table["N"], D=table["D"], **values).tobytes(), fit.values.tobytes(),
            fit.objective, fit.covariance("sandwich").tobytes(), str(fit.status),
            fit.bootstrap(50).params["alpha"].tobytes(),
        ))
    assert results[0] == results[1] == results[2]


def test_a_function_is_a_law_wherever_a_text_is() -> None:
    table = two_term_table(noise=0.01)
    by_function = lf.fit(lambda N, D, E, A, alpha, B, beta: E + A / N**alpha + B / D**beta, table,
                         y="loss", on="log")
    by_text = lf.fit("E + A/N**alpha + B/D**beta", table, y="loss", on="log")
    assert by_function.values.tobytes() == by_text.values.tobytes()
    assert lf.as_law(lambda x, a: a * x).formula == "a*x"
