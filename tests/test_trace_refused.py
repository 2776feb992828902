"""Python functions that are no law: why, and on which line."""

from __future__ import annotations

import math
from pathlib import Path

import lawfit as lf
import numpy as np
import pytest

LINES = Path(__file__).read_text(encoding="utf-8").splitlines()


def line_of(mark: str) -> int:
    return next(number for number, line in enumerate(LINES, 1) if line.endswith(f"# {mark}"))


def with_if(x, a):
    y = a * 2
    if x > a:  # if
        y = x
    return y


def with_while(x, a):
    while a < x:  # while
        a = a * 2
    return a


def with_and(x, a):
    return np.where(x > 1 and x < 2, a, x)  # and


def with_chain(x, a):
    return np.where(1 < x < 2, a, x)  # chain


def with_loop(x, a):
    return sum(a * value for value in x)  # loop


def with_float(x, a):
    return a * float(x)  # float


def with_index(x, a):
    return a * x[0]  # index


def with_unknown(x, a):
    return a * np.arcsinh(x)  # unknown


def with_math_unknown(x, a):
    return a * math.floor(x)  # floor


def with_reduction(x, a):
    return a * np.mean(x)  # mean


def with_array(x, a):
    return a * x * np.array([1.0, 2.0])  # array


def with_list(x, a):
    return x * [a, a]  # list


def with_infinity(x, a):
    return np.minimum(x, np.inf) * a  # infinity


def with_attribute(x, a):
    return a * x.values  # attribute


def with_own_mistake(x, a):
    return a * x + missing  # noqa: F821  # mistake


def with_growth(x, a):
    for _ in range(40):
        x = x * x + a  # growth
    return x


def with_condition(x, a):
    return np.where(x, a, 1)  # condition


def with_modulus(x, a):
    return x % 2 * a  # modulus


def with_out(x, a):
    return np.exp(x, where=a > 1)  # keyword


def inner(x):
    return 1 if x > 2 else 0  # inner


def with_inner(x, a):
    return a * inner(x)


@pytest.mark.parametrize(("function", "mark", "caret", "why"), [
    (with_if, "if", "x > a", "np.where(condition, a, b) for if"),
    (with_while, "while", "a < x", "has no value"),
    (with_and, "and", "x > 1", "& | ~ for and"),
    (with_chain, "chain", "1 < x", "& | ~ for and"),
    (with_loop, "loop", "(a * value for value", "no elements to loop over"),
    (with_float, "float", "float(x)", "np.exp for math.exp"),
    (with_index, "index", "x[0]", "no elements to loop over"),
    (with_unknown, "unknown", "np.arcsinh", "arcsinh is not part of a formula"),
    (with_math_unknown, "floor", "math.floor", "math.floor is not part of a formula"),
    (with_reduction, "mean", "np.mean", "mean is not part of a formula"),
    (with_array, "array", "a * x * np", "element by element"),
    (with_list, "list", "x * [a", "not of a list"),
    (with_infinity, "infinity", "np.minimum", "inf is not a number"),
    (with_attribute, "attribute", "x.values", "no attribute 'values'"),
    (with_own_mistake, "mistake", "missing", "NameError: name 'missing'"),
    (with_growth, "growth", "x * x", "beyond 10,000 characters"),
    (with_condition, "condition", "np.where", "a condition is due, not 'x'"),
    (with_modulus, "modulus", "x % 2", "% are not part"),
    (with_out, "keyword", "np.exp", "with where="),
    (with_inner, "inner", "x > 2", "has no value"),
], ids=lambda value: getattr(value, "__name__", None))
def test_refused_with_the_line(function, mark, caret, why) -> None:
    with pytest.raises(lf.LawError) as caught:
        lf.law(function)
    error = caught.value
    assert why in error.message, error.message
    assert f"test_trace_refused.py, line {line_of(mark)}: " in error.message
    assert error.formula == LINES[line_of(mark) - 1].strip()
    assert error.formula[error.position :].startswith(caret), str(error)


@pytest.mark.parametrize(("function", "why"), [
    (lambda x, a: None, "not nothing"), (lambda x, a: 3.0, "not a float"),
    (lambda x, a: (a, x), "not a tuple"), (lambda *x: x[0], "any number of arguments"),
    (lambda x, **a: x, "any number of arguments"), (lambda x, exp: x * exp, "'exp'"),
    (lambda x, pi: x * pi, "'pi'"), (lambda x, a, b: a * x, "does not use its argument 'b'"),
    (lambda α, x: α * x, "write alpha"), (lambda x, a: np.array([a, x]), "not a ndarray"),
], ids=str)
def test_refused(function, why) -> None:
    with pytest.raises(lf.LawError) as caught:
        lf.law(function)
    assert why in str(caught.value)


def test_wrong_kinds() -> None:
    with pytest.raises(TypeError, match="write Law"):
        lf.law("a*x")
    with pytest.raises(TypeError, match="takes a function"):
        lf.law(3)
    with pytest.raises(TypeError, match="start"):
        lf.law(lambda x, a="b": a * x)
    with pytest.raises(ValueError, match="does not occur"):
        lf.law(lambda x, a: a * x, variables=("y",))


def test_code_without_a_file() -> None:
    function = eval("lambda x, a: 1 if x > a else 0")
    with pytest.raises(lf.LawError, match="<string>, line 1: while tracing, 'x > a' has no value"):
        lf.law(function)
