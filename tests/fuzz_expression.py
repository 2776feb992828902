"""Fuzzing of the law language: any text is a law or a LawError, and laws mean what they say.

Runs for a given time as a program, ``python tests/fuzz_expression.py --seconds 600``; the tests
run a short share of the same checks.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import lawfit as lf
from lawfit import _core, _reference
from lawfit.expression import Expression, Leaf, parse
from lawfit.grammar import COMPARISONS, CONSTANTS, FUNCTIONS, INDEXABLE, INDEXED_ONLY
from lawfit.latex import latex

Tree = tuple[Any, ...]

NAMES = ("x", "y", "a", "b", "E", "alpha", "D_l", "x1", "gamma", "e", "_k")
INDEXED = tuple(f"k_{value}" for value in range(7))
INDICES = "ijlmnopqrstuvw"  # of the sums around a place, from outside in
POINTS = np.array([0.0, 0.3, 1.0, 2.5, 17.0, 1e6, -0.7, -3.0])

# ---- random formulas with a meaning of their own ----

numbers = st.one_of(
    st.integers(0, 12).map(lambda n: (str(n), float(n))),
    st.floats(0, 1e300, allow_nan=False).map(lambda x: (repr(x), x)),
    st.sampled_from(["1.", ".5", "1e3", "2E-3", "1.5e+2", "0.0", "1e-320"]).map(
        lambda text: (text, float(text))
    ),
).map(lambda pair: ("number", *pair))
names = st.sampled_from([("pi",), *(("name", name) for name in NAMES), ("indexed",), ("index",)])


def _grow(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def make(kind: str) -> st.SearchStrategy[Tree]:
        if kind == "operator":
            return st.tuples(st.sampled_from(["+", "-", "*", "/", "**"]), children, children)
        if kind == "where":
            return st.tuples(st.just(kind), _conditions(children), children, children)
        if kind == "over":
            return st.tuples(st.just(kind), st.sampled_from(sorted(INDEXABLE)), ranges, children)
        if kind == "function":
            return st.sampled_from(sorted(set(FUNCTIONS) - {"where"})).flatmap(call)
        return st.tuples(st.just(kind), children)

    def call(name: str) -> st.SearchStrategy[Tree]:
        least, most = FUNCTIONS[name]
        arguments = st.lists(children, min_size=least, max_size=min(most, 4))
        return arguments.map(lambda args: (name, *args))

    return st.sampled_from(["operator", "neg", "function", "where", "over"]).flatmap(make)


ranges = st.integers(0, 3).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, low + 3)))


def _conditions(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def make(kind: str) -> st.SearchStrategy[Tree]:
        parts = children if kind in COMPARISONS else _conditions(children)
        return st.tuples(st.just(kind), *[parts] * (1 if kind == "not" else 2))

    return st.sampled_from([*COMPARISONS, *COMPARISONS, "and", "or", "not"]).flatmap(make)


def grown(leaves: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Random trees over the whole grammar: (kind, part, ...), numbers with text and value.

    Leaves ``("indexed",)`` and ``("index",)`` are ``k[i]`` and ``i`` of the innermost sum, and
    ``k[2]`` and ``2`` outside of sums.
    """
    return st.recursive(leaves, _grow, max_leaves=14)


trees = grown(st.one_of(numbers, names))

_LEVEL = {"or": -3, "and": -2, "not": -1, **dict.fromkeys(COMPARISONS, 0),
          "+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}
_LEAVES = ("number", "name", "pi", "indexed", "index")
_SPACES = st.sampled_from(["", "", " ", "  ", "\t", "\n"])


def render(tree: Tree, space: Callable[[], str], spare: Callable[[], bool]) -> str:
    """A text for a tree, with blanks from ``space`` and needless parentheses when ``spare()``."""

    def write(tree: Tree, least: int, depth: int) -> str:
        kind, *args = tree
        level = _LEVEL.get(kind, 5)
        inner = INDICES[depth - 1] if depth else "2"
        if kind in ("number", "name", "pi"):
            text = args[0] if args else kind
        elif kind in ("indexed", "index"):
            text = f"k{space()}[{space()}{inner}]" if kind == "indexed" else inner
        elif kind == "neg":
            text = "-" + space() + write(args[0], 3, depth)
        elif kind == "not":
            text = "not " + write(args[0], level, depth)
        elif kind == "**":
            text = write(args[0], 5, depth) + space() + "**" + space() + write(args[1], 3, depth)
        elif kind in COMPARISONS:  # without parentheses it would be a chain
            text = write(args[0], 1, depth) + space() + kind + space() + write(args[1], 1, depth)
        elif kind in _LEVEL:
            blank = " " if kind in ("and", "or") else ""
            left, right = write(args[0], level, depth), write(args[1], level + 1, depth)
            text = left + space() + blank + kind + blank + space() + right
        elif kind == "over":
            name, (low, high), term = args
            ends = f"{low}{space()}..{space()}{high}"
            text = f"{name}({write(term, 0, depth + 1)} for {INDICES[depth]} in {ends})"
        else:
            text = ",".join(write(arg, -3, depth) for arg in args)
            text = f"{kind}({space()}{text}{space()})"
        return f"({space()}{text})" if level < least or spare() else text

    return write(tree, 0, 0)


@st.composite
def formulas(draw: st.DrawFn) -> tuple[Tree, str]:
    tree = draw(trees)
    text = render(tree, lambda: draw(_SPACES), lambda: draw(st.integers(0, 9)) == 0)
    return tree, text


_DIRECT: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
    "neg": np.negative, "logaddexp": np.logaddexp, "where": np.where,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
    "!=": np.not_equal, "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
    "softplus": lambda x: np.logaddexp(0.0, x), "betaln": _reference._betaln,
    **{name: getattr(np, name) for name in (
        "exp", "log", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "arctan",
        "tanh")},
    "min": lambda *args: np.minimum.reduce(args), "max": lambda *args: np.maximum.reduce(args),
    "logsumexp": lambda *args: np.logaddexp.reduce(args),
    # Their values are tested against SciPy; here only that the right one is called.
    **{name: _reference._UNARY[name.upper()][0]
       for name in ("erf", "normcdf", "logistic", "gammaln", "digamma")},
}

Meaning = tuple[np.ndarray, bool, bool]


def meaning(tree: Tree, values: dict[str, np.ndarray], index: tuple[int, ...] = ()) -> Meaning:
    """(values, whether constant, whether some constant part is not finite), by plain NumPy."""
    kind, *args = tree
    here = index[-1] if index else 2
    if kind in ("number", "pi", "index"):
        return np.full(POINTS.shape, {"number": args[-1:], "pi": [np.pi], "index": [here]}[kind][0],
                       float), True, False
    if kind in ("name", "indexed"):
        return values[args[0] if args else f"k_{here}"], False, False
    if kind == "over":
        name, (low, high), term = args
        parts = [meaning(term, values, (*index, value)) for value in range(low, high + 1)]
        if name in INDEXED_ONLY:
            join = functools.partial(_apply, INDEXED_ONLY[name])
            return functools.reduce(lambda *pair: join(pair), parts)
        return parts[0] if len(parts) == 1 else _apply(name, parts)
    return _apply(kind, [meaning(arg, values, index) for arg in args])


def _apply(kind: str, parts: Sequence[Meaning]) -> Meaning:
    operands = [np.broadcast_to(part[0], POINTS.shape) for part in parts]
    if kind == "**" and parts[1][1] and (operands[1] == 0.5).all():
        kind, operands = "sqrt", operands[:1]  # as NumPy's own x**0.5: not a number at -inf
    with np.errstate(all="ignore"):
        value = _DIRECT[kind](*operands)
    constant = all(part[1] for part in parts)
    broken = any(part[2] for part in parts) or (constant and not np.isfinite(value).all())
    return value, constant, broken


def names_of(tree: Tree, index: tuple[int, ...] = ()) -> list[str]:
    """The names of a tree from left to right, those of a sum once for each value of its index."""
    kind, *args = tree
    if kind in ("name", "indexed"):
        return [args[0] if args else f"k_{index[-1] if index else 2}"]
    if kind in _LEAVES:
        return []
    if kind == "over":
        low, high = args[1]
        return [n for v in range(low, high + 1) for n in names_of(args[2], (*index, v))]
    return [name for arg in args for name in names_of(arg, index)]


def all_values() -> dict[str, np.ndarray]:
    return {name: np.roll(POINTS, place) for place, name in enumerate((*NAMES, *INDEXED))}


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
    values = all_values()
    expected, _, broken = meaning(tree, values)
    try:
        expression = parse(text)
    except lf.LawError as error:
        assert broken and "not a finite number" in error.message, (text, str(error))
        return
    assert not broken, text
    # NumPy squares by a product where the twin takes a power: a unit or two in the last place.
    np.testing.assert_allclose(twin(expression, values), expected, rtol=1e-14, atol=0, err_msg=text)
    assert expression.names == tuple(dict.fromkeys(names_of(tree))), text
    latex(expression)


# ---- random texts without one ----

_PIECES = [
    *FUNCTIONS, *NAMES, *CONSTANTS, *COMPARISONS, "and", "or", "not", "for", "in", "1..3", "3..1",
    "sum(", "prod(", " for i in 0..2)", "k[i]", "k[i, 1]", "k[i+1]", "[1]", "where(x > 1, ", "..",
    "sum(sum(k[i] for i in 1..900) for j in 1..900)", "1..99999999999999999999", "sum", "+", "-",
    "*", "/", "**", "(", ")", "(", ")", ",", "=", "==",
    "^", "//", "%", "[", "]", "{", "}", ".", "'", '"', "#", "\\", "|", "&", "~", "!", "?", ":",
    ";", ":=", "->", "<>", "@", "$", "`", " ", "\t", "\n", "\r", "\f", "\v", "\0", "\x1c",
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
    st.sampled_from(["x+", "x*", "x**", "-", "(", "exp(", "x,", "x ", "1/", "min(x,", "x=", "--x",
                     "not ", "x<", "where(x<1,x,", "x and ", "k[", "k[1]", "sum(x for i in 1..9)+",
                     "sum("]),
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
