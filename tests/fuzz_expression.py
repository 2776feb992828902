"""Fuzzing of the law language: any text is a law or a LawError, and laws mean what they say.

Runs for a given time as a program, ``python tests/fuzz_expression.py --seconds 600``; the tests
run a short share of the same checks.
"""

from __future__ import annotations

import argparse
import itertools
import re
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import lawfit as lf
from lawfit import _core, _reference
from lawfit.expression import Expression, Leaf, parse
from lawfit.grammar import CONSTANTS, FUNCTIONS
from lawfit.latex import latex

Tree = tuple[Any, ...]

NAMES = ("x", "y", "a", "b", "E", "alpha", "D_l", "x1", "gamma", "e", "_k")
POINTS = np.array([0.0, 0.3, 1.0, 2.5, 17.0, 1e6, -0.7, -3.0])

# ---- random formulas with a meaning of their own ----

numbers = st.one_of(
    st.integers(0, 12).map(lambda n: (str(n), float(n))),
    st.floats(0, 1e300, allow_nan=False).map(lambda x: (repr(x), x)),
    st.sampled_from(["1.", ".5", "1e3", "2E-3", "1.5e+2", "0.0", "1e-320"]).map(
        lambda text: (text, float(text))
    ),
).map(lambda pair: ("number", *pair))
names = st.sampled_from([("pi",), *(("name", name) for name in NAMES)])


def _grow(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def call(name: str) -> st.SearchStrategy[Tree]:
        least, most = FUNCTIONS[name]
        arguments = st.lists(children, min_size=least, max_size=min(most, 4))
        return arguments.map(lambda args: (name, *args))

    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "/", "**"]), children, children),
        st.tuples(st.just("neg"), children),
        st.sampled_from(sorted(FUNCTIONS)).flatmap(call),
    )


def grown(leaves: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Random trees over the whole grammar: (kind, part, ...), numbers with text and value."""
    return st.recursive(leaves, _grow, max_leaves=14)


trees = grown(st.one_of(numbers, names))

_LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}
_SPACES = st.sampled_from(["", "", " ", "  ", "\t", "\n"])


def render(tree: Tree, space: Callable[[], str], spare: Callable[[], bool]) -> str:
    """A text for a tree, with blanks from ``space`` and needless parentheses when ``spare()``."""

    def write(tree: Tree, least: int) -> str:
        kind, *args = tree
        level = _LEVEL.get(kind, 5)
        if kind == "number":
            text = args[0]
        elif kind in ("name", "pi"):
            text = args[0] if args else kind
        elif kind == "neg":
            text = "-" + space() + write(args[0], 3)
        elif kind == "**":
            text = write(args[0], 5) + space() + "**" + space() + write(args[1], 3)
        elif kind in _LEVEL:
            text = write(args[0], level) + space() + kind + space() + write(args[1], level + 1)
        else:
            text = f"{kind}({space()}" + ",".join(write(arg, 0) for arg in args) + f"{space()})"
        return f"({space()}{text})" if level < least or spare() else text

    return write(tree, 0)


@st.composite
def formulas(draw: st.DrawFn) -> tuple[Tree, str]:
    tree = draw(trees)
    text = render(tree, lambda: draw(_SPACES), lambda: draw(st.integers(0, 9)) == 0)
    return tree, text


_DIRECT: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
    "neg": np.negative, "logaddexp": np.logaddexp,
    **{name: getattr(np, name) for name in (
        "exp", "log", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "arctan",
        "tanh")},
    "min": lambda *args: np.minimum.reduce(args), "max": lambda *args: np.maximum.reduce(args),
    "logsumexp": lambda *args: np.logaddexp.reduce(args),
    # Their values are tested against SciPy; here only that the right one is called.
    **{name: _reference._UNARY[name.upper()][0]
       for name in ("erf", "normcdf", "logistic", "gammaln")},
}


def meaning(tree: Tree, values: dict[str, np.ndarray]) -> tuple[np.ndarray, bool, bool]:
    """(values, whether constant, whether some constant part is not finite), by plain NumPy."""
    kind, *args = tree
    if kind == "number":
        return np.full(POINTS.shape, args[1]), True, False
    if kind == "pi":
        return np.full(POINTS.shape, np.pi), True, False
    if kind == "name":
        return values[args[0]], False, False
    parts = [meaning(arg, values) for arg in args]
    with np.errstate(all="ignore"):
        value = _DIRECT[kind](*(np.broadcast_to(part[0], POINTS.shape) for part in parts))
    constant = all(part[1] for part in parts)
    broken = any(part[2] for part in parts) or (constant and not np.isfinite(value).all())
    return value, constant, broken


def twin(expression: Expression, values: dict[str, np.ndarray]) -> np.ndarray:
    """The parsed formula by the NumPy twin, every name a column."""
    graph = expression.graph(
        {name: Leaf("VAR", place) for place, name in enumerate(expression.names)}, _core.opcodes()
    )
    columns = [values[name] for name in expression.names] or [POINTS]
    result = _reference.evaluate(graph, np.empty((1, 0)), columns)
    assert result.shape == (1, len(POINTS))
    return result[0]


def check_formula(case: tuple[Tree, str]) -> None:
    """A formula made from a tree parses to the same meaning."""
    tree, text = case
    values = {name: np.roll(POINTS, place) for place, name in enumerate(NAMES)}
    expected, _, broken = meaning(tree, values)
    try:
        expression = parse(text)
    except lf.LawError as error:
        assert broken and "not a finite number" in error.message, (text, str(error))
        return
    assert not broken, text
    # NumPy squares by a product where the twin takes a power: a unit or two in the last place.
    np.testing.assert_allclose(twin(expression, values), expected, rtol=1e-14, atol=0, err_msg=text)
    words = re.findall(r"[A-Za-z_]\w*(?!\w*\()", re.sub(r"[\d.]+[eE]", "0", text))
    in_order = dict.fromkeys(word for word in words if word in NAMES)
    assert expression.names == tuple(in_order), text


# ---- random texts without one ----

_PIECES = [
    *FUNCTIONS, *NAMES, *CONSTANTS, "+", "-", "*", "/", "**", "(", ")", "(", ")", ",", "=", "==",
    "^", "//", "%", "[", "]", "{", "}", ".", "'", '"', "#", "\\", "|", "&", "~", "!", "?", ":",
    ";", ":=", "->", "<", ">", "@", "$", "`", " ", "\t", "\n", "\r", "\f", "\v", "\0", "\x1c",
    "1", "0", "007", "1_0", "1e5", "1e999", "1.5.2", "0x10", "0b1", "2j", "1if", "1e", ".", "..",
    "9" * 400, "9**9**9", "10**400", "1/0", "log(0)", "lambda", "if", "else", "not", "None", "True",
    "__class__", "__import__('os')", "inf", "nan", "await", "yield", "x.y", "f'{x}'", "b''",
    "\u03b1", "\u03bb", "\u2212", "\u00d7", "\u00b2", "\u221e", "\u00a0", "\ud800", "\U0001f600",
    "\u4e2d", "\uff11", "\u0661", "\u212a", "(" * 60, ")" * 60, "-" * 60, "x**" * 60, "exp(" * 60,
]
soups = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)
spaced_soups = st.lists(st.sampled_from(_PIECES), max_size=30).map(" ".join)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A formula with a few characters deleted, doubled, or replaced."""
    text = draw(formulas())[1]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        piece = draw(st.one_of(st.just(""), st.sampled_from(_PIECES), st.characters()))
        text = text[:at] + piece + text[at + draw(st.integers(0, 3)) :]
    return text


repeats = st.builds(
    lambda piece, count, tail: (piece * count)[:12_000] + tail,
    st.sampled_from(["x+", "x*", "x**", "-", "(", "exp(", "x,", "x ", "1/", "min(x,", "x=", "--x"]),
    st.integers(1, 10_000),
    st.sampled_from(["", "x", "x)", ")" * 100]),
)
texts = st.one_of(st.text(max_size=60), soups, spaced_soups, damaged(), repeats)


def check_text(text: str) -> None:
    """Any text ends as an expression that works, or as a LawError that shows its place."""
    began = time.process_time()   # busy machines must not look like slow parsing
    try:
        expression = parse(text)
    except lf.LawError as error:
        assert error.formula == text and 0 <= error.position <= len(text)
        shown = str(error).splitlines()
        assert shown[0].startswith(error.message.splitlines()[0])
        if text.strip():
            assert len(shown) == 3 and shown[2].strip() == "^" and len(shown[2]) < 100
    else:
        for name in expression.names:
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name not in FUNCTIONS
        latex(expression)
        twin(expression, dict.fromkeys(expression.names, POINTS))
        _make_law(text, expression)
    assert time.process_time() - began < 5.0, f"slow: {text[:200]!r}"


def _make_law(text: str, expression: Expression) -> None:
    """Go on to a Law and the engine, which may refuse it but not break."""
    try:
        law = lf.Law(text)
    except lf.LawError as error:
        assert not expression.names, str(error)
        return
    result = law(**dict.fromkeys(law.names, POINTS))
    assert isinstance(result, np.ndarray) and result.shape == POINTS.shape


CHECKS: dict[str, tuple[Callable[[Any], None], st.SearchStrategy[Any]]] = {
    "formula": (check_formula, formulas()), "text": (check_text, texts),
}


def fuzz(name: str, examples: int, number: int) -> None:
    """Run one check on so many random examples; the same number gives the same examples."""
    check, strategy = CHECKS[name]

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(example: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check(example)

    run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began, examples = time.monotonic(), 500
    for number in itertools.count(arguments.seed):
        for name in CHECKS:
            fuzz(name, examples, number)
        done = (number - arguments.seed + 1) * examples * len(CHECKS)
        if time.monotonic() - began > arguments.seconds:
            break
    print(f"{done:,} examples in {time.monotonic() - began:.0f} s: only laws and LawErrors")


if __name__ == "__main__":
    main()
