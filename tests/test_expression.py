"""The law language: what it accepts, what it refuses and where, and the graphs it makes."""

from __future__ import annotations

import math
import pickle

import fuzz_expression
import numpy as np
import pytest

import lawfit as lf
from lawfit import _core, _reference
from lawfit.expression import Leaf, parse
from lawfit.grammar import FUNCTIONS

# Text, column of the caret, a part of the message.
REFUSED = [
    ("", 0, "empty"),
    ("  \n ", 0, "empty"),
    ("E + A/N^alpha", 7, "write **"),
    ("lambda*x", 0, "rename it, say 'lam'"),
    ("a*x + yield", 6, "reserved word"),
    ("True*x", 0, "reserved word"),
    ("a if x else b", 2, "write where(condition, a, b)"),
    ("a*x )", 4, "closes nothing"),
    ("a*(x + (b)", 2, "never closed"),
    ("a*", 2, "ends where"),
    ("a*(x + )", 7, "before ')'"),
    ("exp()", 4, "before ')'"),
    ("a ** * x", 5, "before '*'"),
    ("+a", 0, "before '+'"),
    ("a b", 2, "operator is missing"),
    ("2x", 1, "operator is missing"),
    ("2(x)", 1, "operator is missing"),
    ("(a)(x)", 3, "operator is missing"),
    ("1.5.2*x", 3, "operator is missing"),
    ("0x10*a", 1, "operator is missing"),
    ("x(a)", 0, "no function 'x'"),
    ("exq(x)", 0, "did you mean 'exp'?"),
    ("a + ln(x)", 4, "write log"),
    ("sigmoid(x)", 0, "write logistic"),
    ("pi(x)", 0, "is a constant"),
    ("log + x", 0, "is a function"),
    ("x*min", 2, "is a function"),
    ("(max)", 1, "is a function"),
    ("log(x, 2)", 0, "takes 1 argument, not 2"),
    ("a*logaddexp(x)", 2, "takes 2 arguments, not 1"),
    ("a + max(x)", 4, "takes at least 2 arguments, not 1"),
    ("(a, b)", 2, "between the arguments"),
    ("a, b", 1, "between the arguments"),
    ("max(a, *x)", 7, "before '*'"),
    ("max(a, **x)", 7, "before '**'"),
    ("max(a, key=x)", 10, "inside parentheses"),
    ("y = x = a", 6, "at most one '='"),
    ("log(y) = a*x", 7, "one name, the measured column"),
    ("2 = a*x", 2, "one name, the measured column"),
    ("= a*x", 0, "one name, the measured column"),
    ("exp = a*x", 0, "is a function"),
    ("pi = a*x", 0, "cannot be measured"),
    ("y = a*y", 6, "cannot be part of the law"),
    ("y =", 3, "ends where"),
    ("y == a*x", 2, "one '='"),
    ("a < x", 2, "comparisons stand only in where"),
    ("a <> x", 2, "write !="),
    ("(a < x)*b", 0, "write where(condition, 1, 0)"),
    ("y = where(a < x, 1 < 2, b)", 4, "write where(condition, 1, 0)"),
    ("a + where(x, 1, 2)", 4, "where takes a condition such as x > 1 first"),
    ("where(a and x > 1, 1, 2)", 6, "and takes a condition"),
    ("where(x > 1, 2)", 0, "takes 3 arguments, not 2"),
    ("where(x = 1, a, b)", 8, "a comparison is written =="),
    ("not x", 0, "not takes a condition"),
    ("a*not x", 2, "cannot read"),
    ("a not x", 2, "operator is missing"),
    ("a in x", 2, "stands only in an indexed sum"),
    ("a & b", 2, "write and"),
    ("k[i]*x", 2, "'i' is no index here"),
    ("k[1.5]*x", 2, "an index is a whole number"),
    ("k[x*2]*x", 2, "an index is a whole number"),
    ("k[]", 2, "before ']'"),
    ("k[1)", 3, "'[' before this ')'"),
    ("k[1", 1, "'[' is never closed"),
    ("pi[1]*x", 0, "has no index"),
    ("exp[1]*x", 0, "is a function"),
    ("2[1]", 1, "only behind a name"),
    ("k[1][2]*x", 4, "only behind a name"),
    ("sum(a, x)", 0, "takes one indexed term"),
    ("sum*x", 0, "is a function"),
    ("sum(a[i]*x for i in 1..)", 20, "an indexed sum is written"),
    ("sum(a[i]*x for i in x)", 20, "an indexed sum is written"),
    ("sum(a[i]*x for range in range)", 24, "an indexed sum is written"),
    ("sum(a[i]*x for pi in 1..2)", 15, "cannot be an index"),
    ("sum(a[i]*x for i in 1..3 + 1)", 25, "an indexed sum is written"),
    ("sum(a[i]*x for i in 3..1)", 20, "holds no number"),
    ("sum(a[i]*x for i in 0..1000)", 20, "at most 1,000 values"),
    ("sum(x[i] for i in 1..99999999999999999999999)", 18, "at most 1,000 values"),
    ("a + sum(b*sum(x[i] for i in 1..900) for j in 1..900)", 14, "at most 10,000 parts"),
    ("sum(sum(a[i] for i in 1..2) for i in 1..2)", 7, "already the index"),
    ("sum(a[i - 2]*x for i in 1..3)", 6, "not negative"),
    ("exp(a[i] for i in 1..2)", 9, "stands only in an indexed sum"),
    ("max(x, a[i] for i in 1..2)", 12, "stands only in an indexed sum"),
    ("a + 1..5", 4, "stands only in an indexed sum"),
    ("a*gammaln(where(1 < 2, 0, 1))", 2, "not a finite number"),
    ("{a}", 0, "braces"),
    ("np.log(x)", 2, "not np.log(x)"),
    ("a.b", 1, "with a dot"),
    ("'a'*x", 0, "quotes"),
    ('a*"x"', 2, "quotes"),
    ("a # b", 2, "comments"),
    ("a;b", 1, "';'"),
    ("(a:=2)", 2, "':='"),
    ("a//x", 1, "write /"),
    ("a % x", 2, "'%'"),
    ("n!", 1, "gammaln(n + 1)"),
    ("1_000*x", 1, "underscores"),
    ("2j*x", 1, "complex"),
    ("007*x", 0, "does not start with 0"),
    ("1e999*x", 0, "too large"),
    ("x*" + "9" * 400, 2, "too large"),
    ("inf*x", 0, "not a number"),
    ("x + NaN", 4, "not a number"),
    ("__import__('os')", 0, "two underscores"),
    ("x*__a", 2, "two underscores"),
    ("\u03b1*x", 0, "write alpha"),
    ("x*\u03a9", 2, "write Omega"),
    ("\u03bb*x", 0, "write lam"),
    ("a\u2212x", 1, "write -"),
    ("a\u00d7x", 1, "write *"),
    ("x\u00b2", 1, "write **2"),
    ("a\u00a0*x", 1, "no-break space"),
    ("na\u00efve*x", 2, "ASCII"),
    ("\ud800", 0, "not part of a formula"),
    ("a\0", 1, "not part of a formula"),
    ("9**9**9", 0, "not a finite number"),
    ("a*10**400", 2, "not a finite number"),
    ("a + 1/(2 - 2)", 4, "not a finite number"),
    ("x/9**9**9", 2, "not a finite number"),
    ("a*log(0)", 2, "not a finite number"),
    ("a*(-8)**(1/3)", 2, "not a finite number"),
    ("x**gammaln(0)", 3, "not a finite number"),
    ("a*logsumexp(1, 2, 1e308*10)", 18, "not a finite number"),
    ("x" * 10_001, 10_000, "10,000 characters"),
    ("(" * 101 + "x" + ")" * 101, 100, "100 deep"),
    ("-" * 101 + "x", 100, "100 deep"),
    ("**".join(["x"] * 102), 301, "100 deep"),
    ("exp(" * 101 + "x" + ")" * 101, 403, "100 deep"),
    ("(-" * 51 + "x" + ")" * 51, 100, "100 deep"),
]


@pytest.mark.parametrize(("text", "position", "part"), REFUSED, ids=lambda v: repr(v)[:40])
def test_refused_with_its_place(text: str, position: int, part: str) -> None:
    with pytest.raises(lf.LawError) as caught:
        parse(text)
    error = caught.value
    assert part in error.message
    assert error.position == position
    assert error.formula == text
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("E + A/N**alpha + B/D**beta", ("E", "A", "N", "alpha", "B", "D", "beta")),
        ("b*x + a*x", ("b", "x", "a")),
        ("max(c, b, a)**d", ("c", "b", "a", "d")),
        ("pi*r**2", ("r",)),
        ("loss = E + A/N**alpha", ("E", "A", "N", "alpha")),
        ("\n  y =\n\ta\t*\f x\r\n", ("a", "x")),
        ("_a + a_ + A1 + match + case + type", ("_a", "a_", "A1", "match", "case", "type")),
        ("-a - -b", ("a", "b")),
        ("(" * 100 + "x" + ")" * 100, ("x",)),
        ("-" * 100 + "x", ("x",)),
        ("**".join(["x"] * 101), ("x",)),
        (" + ".join(f"(-(a{i}))" for i in range(200)), tuple(f"a{i}" for i in range(200))),
        ("x" * 10_000, ("x" * 10_000,)),
        ("where(a < x, b, c)", ("a", "x", "b", "c")),
        ("sum(k[i]*exp(t[i]*r[i]) for i in 1..2)", ("k_1", "t_1", "r_1", "k_2", "t_2", "r_2")),
        ("sum(t[7, j]*r[j] for j in 1 .. 1)*k [3]", ("t_7_1", "r_1", "k_3")),
        ("prod(sum(t[i,j] for j in 0..1) for i in 1..2)", ("t_1_0", "t_1_1", "t_2_0", "t_2_1")),
        ("max(a[i + 1] for i in 0..1) + a[1]", ("a_1", "a_2")),
        ("i*sum(x**i for i in 1..3)", ("i", "x")),
    ],
    ids=lambda v: repr(v)[:40],
)
def test_names_in_order_of_first_appearance(text: str, names: tuple[str, ...]) -> None:
    assert parse(text).names == names


def test_target() -> None:
    assert parse("loss = E + A/N").target == "loss"
    assert parse("E + A/N").target is None


def test_only_texts_are_formulas() -> None:
    with pytest.raises(TypeError, match="a formula is a text, not int"):
        parse(3)  # type: ignore[arg-type]


def test_error_shows_the_place() -> None:
    error = lf.LawError("wrong", "a*x ^ 2", 4)
    assert str(error) == "wrong\n  a*x ^ 2\n      ^"


def test_error_clips_long_texts_around_the_place() -> None:
    text = "a*x + " * 500 + "b ^ c" + " + d*x" * 500
    with pytest.raises(lf.LawError) as caught:
        parse(text)
    _, shown, caret = str(caught.value).splitlines()
    assert len(shown) < 90 and shown[len(caret) - 1] == "^"
    assert shown.startswith("  ...") and shown.endswith("...")


def test_error_shows_line_breaks_as_blanks() -> None:
    with pytest.raises(lf.LawError) as caught:
        parse("a\n+\nb ^ c")
    assert str(caught.value).splitlines()[1:] == ["  a + b ^ c", "        ^"]


def test_error_survives_pickling() -> None:
    error = lf.LawError("wrong", "a ^ 2", 2)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.position, copy.formula) == (str(error), 2, "a ^ 2")


# ---- constant parts: refused where they have no value, and nowhere else ----


@pytest.mark.parametrize("text", [
    "x*gammaln(logistic((-(2))**7))", "x*log(logistic(-700))", "x/(1 - logistic(30))",
    "x*log(softplus(-700))", "x/normcdf(-37)", "x*betaln(1e308, 1e308)", "x*betaln(1e300, 2)",
    "x*digamma(-1/2)", "x*gammaln(-1/2)", "x*where(0 < 1, 1, 2)", "x*log(erf(1e-300))",
    "x*log(tanh(1e-300))", "x*log(expm1(1e-300))", "x*log(log1p(1e-300))", "x*exp(-800)",
])
def test_constant_parts_with_a_value_are_accepted(text: str) -> None:
    assert parse(text).names == ("x",)
    assert np.isfinite(_core.evaluate(_columns(text), np.empty((1, 0)), [np.ones(1)])).all()


# ---- the graph ----


def call_of(name: str) -> str:
    least, _ = FUNCTIONS[name]
    first = "a > 0" if name == "where" else "a"
    return f"{name}({', '.join([first, 'b', 'c'][:least])})"


def _columns(text: str) -> tuple[np.ndarray, ...]:
    expression = parse(text)
    leaves = {name: Leaf("VAR", place) for place, name in enumerate(expression.names)}
    return expression.graph(leaves, _core.opcodes())


@pytest.mark.parametrize("text", [
    "x", "E + A/N**alpha", "max(a, b, c, d) - min(a, b)", "a*exp(-(x/b)**2) + a*x",
    "logsumexp(a, b - x, c - 2*x)", *map(call_of, FUNCTIONS), "prod(a[i] for i in 1..4)",
    "where(a > b and not (a == 1 or a != b) or 1 <= a < b >= 2, a, b)",
])
def test_graph_is_in_topological_order_with_the_root_last(text: str) -> None:
    graph = _columns(text)
    assert [array.dtype for array in graph] == [np.int32] * 4 + [np.float64]
    assert len({len(array) for array in graph}) == 1
    op, *children_of, _ = graph
    codes = {code: name for name, code in _core.opcodes().items()}
    used = set()
    for place, (code, *all_children) in enumerate(zip(op, *children_of, strict=True)):
        if codes[code] in ("CONST", "PARAM", "VAR"):
            continue
        children = [int(child) for child in all_children if child != -1]
        assert all(0 <= child < place for child in children)
        used.update(children)
    assert used == set(range(len(op) - 1)), "every node but the root is somebody's child"


def test_equal_parts_are_one_node() -> None:
    op = _columns("exp(-b*x) + a*exp(-b*x)")[0]
    assert list(op).count(_core.opcodes()["EXP"]) == 1


def test_constants_are_left_to_the_engine() -> None:
    value = _columns("2*pi*x")[-1]
    assert value.tolist()[:2] == [2.0, math.pi]


def test_every_operation_of_the_grammar_is_known_to_the_engine() -> None:
    for name in FUNCTIONS:
        _columns(call_of(name))
    _columns("-(a + b - c*d/e)**f")


# ---- the twin ----

HALVES = np.array([-3.5, -1.25, -0.6, -1e-3, 0.0, 1e-9, 0.3, 1.0, 2.0, 4.75, 30.0])


@pytest.mark.parametrize(("op", "peer"), [
    ("ERF", "erf"), ("NORMCDF", "ndtr"), ("LOGISTIC", "expit"), ("GAMMALN", "gammaln"),
])
def test_twin_functions_against_scipy(op: str, peer: str) -> None:
    special = pytest.importorskip("scipy.special")
    found = _reference._UNARY[op][0](HALVES)
    np.testing.assert_allclose(found, getattr(special, peer)(HALVES), rtol=2e-14, atol=1e-300)


def test_twin_betaln_against_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    points = np.array([1e-12, 0.02, 0.5, 1.0, 3.7, 8.0, 30.0, 1e3])
    a, b = np.meshgrid(points, points)
    np.testing.assert_allclose(_reference._betaln(a, b), special.betaln(a, b), rtol=3e-14,
                               atol=1e-12)


@pytest.mark.parametrize(("a", "b", "exact"), [
    (1e3, 1e9, -14818.045913237063), (1e9, 0.5, -9.789267975423506),
    (3e5, 7.25, -84.38153878340634), (1e300, 2.0, -1381.5510557964274),
])
def test_twin_betaln_against_700_digits(a: float, b: float, exact: float) -> None:
    """SciPy 1.17 is off by 2e-10 at the first of them."""
    assert _reference._betaln(a, b) == pytest.approx(exact, rel=3e-16)
    assert _reference._betaln(b, a) == pytest.approx(exact, rel=3e-16)


def test_twin_trigamma_against_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    points = HALVES[HALVES > 0]
    np.testing.assert_allclose(
        _reference._UNARY["DIGAMMA"][1](points), special.polygamma(1, points), rtol=1e-12
    )


def test_twin_digamma_against_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    points = HALVES[HALVES != 0]
    np.testing.assert_allclose(
        _reference._UNARY["GAMMALN"][1](points), special.digamma(points), rtol=1e-12
    )


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_twin_derivatives_against_central_differences(name: str) -> None:
    least, _ = FUNCTIONS[name]
    args = ["a*x", "b + x", "c"][:least] if name != "where" else ["x > c", "a*x", "b + x"]
    text = f"{name}({', '.join(args)})" + (" + b" if least < 2 else "")
    _check_derivatives(text, np.array([0.7, 1.3]), np.array([0.4, 0.9, 1.6]))


@pytest.mark.parametrize("text", [
    "a + x - b", "a*x*b", "a/(x + b)", "a*x**b", "b**(a*x)", "-(a*x)**3", "(x - 2*a)**2 + b",
    "a*exp(-b/sqrt(x)) + log(1 + a*x)", "abs(a - x)*b", "max(a*x, b) + min(a, x)",
])
def test_twin_operators_against_central_differences(text: str) -> None:
    _check_derivatives(text, np.array([0.7, 1.3]), np.array([0.4, 0.9, 1.6]))


def _check_derivatives(text: str, params: np.ndarray, x: np.ndarray) -> None:
    expression = parse(text)
    leaves = {"a": Leaf("PARAM", 0), "b": Leaf("PARAM", 1), "x": Leaf("VAR", 0)}
    leaves["c"] = Leaf("CONST", value=0.5)
    graph = expression.graph(leaves, _core.opcodes())
    found = _reference.jacobian(graph, params, [x])
    assert found.shape == (3, 2)
    for place in range(2):
        step = 1e-5 * np.eye(2)[place]
        ends = _reference.evaluate(graph, np.array([params + step, params - step]), [x])
        slope = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(found[:, place], slope, rtol=2e-9, atol=2e-9)


def test_twin_takes_complex_steps_of_any_size() -> None:
    expression = parse("a*x**b")
    leaves = {"a": Leaf("PARAM", 0), "b": Leaf("PARAM", 1), "x": Leaf("VAR", 0)}
    graph = expression.graph(leaves, _core.opcodes())
    for step in (1e-200, 1.0):
        value = _reference.evaluate(graph, [[3.0, 2.0 + step * 1j]], [[5.0]])[0, 0]
        assert value.real == 75.0
        assert value.imag / step == pytest.approx(75.0 * math.log(5.0), rel=1e-15)


def test_twin_at_zero_and_at_kinks() -> None:
    leaves = {"a": Leaf("PARAM", 0), "b": Leaf("PARAM", 1), "x": Leaf("VAR", 0)}
    graph = parse("a*x**b").graph(leaves, _core.opcodes())
    assert _reference.jacobian(graph, [2.0, 0.5], [[0.0]]).tolist() == [[0.0, 0.0]]
    graph = parse("min(a, b)*x").graph(leaves, _core.opcodes())
    assert _reference.jacobian(graph, [2.0, 2.0], [[3.0]]).tolist() == [[3.0, 0.0]]
    graph = parse("abs(a)*b*x").graph(leaves, _core.opcodes())
    assert _reference.jacobian(graph, [0.0, 1.0], [[3.0]]).tolist() == [[0.0, 0.0]]


# ---- random formulas and texts; the program of the same name goes on for longer ----


@pytest.mark.parametrize("check", sorted(fuzz_expression.CHECKS))
def test_short_fuzz(check: str) -> None:
    fuzz_expression.fuzz(check, examples=400, number=0)
