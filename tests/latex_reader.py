"""Reads the LaTeX that laws write and computes it, so that tests can check what it says.

Knows only what ``lawfit.latex`` writes. Where a reader could be in doubt, such as a product
right behind an inline quotient, it refuses.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

import numpy as np

from lawfit import _reference

_TOKEN = re.compile(
    r"\s*(\\begin\{cases\}|\\end\{cases\}|\\text\{\w+\}|\\\\|\\log\\mathrm\{B\}|[&<>=]"
    r"|\\left\(|\\right\)|\\left\||\\right\||\\log_\{10\}|\\log_\{2\}|\\log\\Gamma"
    r"|\\operatorname\{\w+\}|\\mathrm\{\w+\}|\\,|\\[a-zA-Z]+|[0-9]*\.?[0-9]+|[a-zA-Z]|[-+/^_{},])"
)
_FUNCTIONS: dict[str, Callable[..., float]] = {
    r"\exp": np.exp, r"\log": np.log, r"\log_{10}": np.log10, r"\log_{2}": np.log2,
    r"\sin": np.sin, r"\cos": np.cos, r"\arctan": np.arctan, r"\tanh": np.tanh,
    r"\operatorname{log1p}": np.log1p, r"\operatorname{expm1}": np.expm1,
    r"\min": lambda *args: np.minimum.reduce(args),
    r"\max": lambda *args: np.maximum.reduce(args),
    **{latex: _reference._UNARY[name][0] for latex, name in (
        (r"\Phi", "NORMCDF"), (r"\operatorname{erf}", "ERF"), (r"\log\Gamma", "GAMMALN"),
        (r"\operatorname{logistic}", "LOGISTIC"), (r"\psi", "DIGAMMA"))},
    r"\operatorname{softplus}": lambda x: np.logaddexp(0.0, x),
    r"\log\mathrm{B}": _reference._betaln,
}
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": np.less, r"\le": np.less_equal, ">": np.greater, r"\ge": np.greater_equal,
    "=": np.equal, r"\ne": np.not_equal,
}
_LARGE: dict[str, Callable[..., float]] = {
    r"\sum": lambda *terms: functools.reduce(np.add, terms),
    r"\prod": lambda *terms: functools.reduce(np.multiply, terms),
    r"\min": lambda *terms: np.minimum.reduce(terms),
    r"\max": lambda *terms: np.maximum.reduce(terms),
}


def compute(latex: str, values: Mapping[str, float]) -> float:
    """The number a piece of LaTeX stands for; ``values`` by LaTeX name, such as ``"D_{l}"``."""
    reader = _Reader(latex, values)
    result = reader.sum()
    assert reader.at == len(reader.tokens), f"left over: {reader.tokens[reader.at:]}"
    return result


class _Reader:
    def __init__(self, latex: str, values: Mapping[str, float]) -> None:
        latex = latex.replace(r"\text{if }", r"\text{if}")
        self.tokens = _TOKEN.findall(latex)
        assert "".join(self.tokens) == latex.replace(" ", ""), f"unknown LaTeX: {latex}"
        self.values, self.at = dict(values), 0
        self.index: dict[str, int] = {}

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str | None = None) -> str:
        token = self.peek()
        assert wanted in (None, token), f"{wanted} is due, not {token}"
        self.at += 1
        return token

    def sum(self) -> float:
        negative = self.peek() == "-"
        if negative:
            self.take()
        total = -self.product() if negative else self.product()
        while self.peek() in ("+", "-"):
            total = total + self.product() if self.take() == "+" else total - self.product()
        return total

    def product(self) -> float:
        value, slashed = self.power(), False
        while self.peek() in ("\\,", "\\cdot", "\\times", "/"):
            operator = self.take()
            if operator == "/":
                value, slashed = value / self.power(), True
            else:
                assert not slashed, "a product right behind an inline quotient"
                digits = re.match(r"[\d.]", self.peek())
                assert operator != "\\," or not digits, "a number right behind a thin space"
                value = value * self.power()
        return value

    def power(self) -> float:
        value = self.atom()
        if self.peek() == "^":
            self.take()
            value = value ** self.braces()
            assert self.peek() != "^", "a power right behind a power"
        return value

    def braces(self) -> float:
        self.take("{")
        value = self.sum()
        self.take("}")
        return value

    def atom(self) -> float:
        token = self.take()
        if re.fullmatch(r"[\d.]+", token):
            return np.float64(token)
        if token == r"\left(":
            value = self.sum()
            self.take(r"\right)")
            return value
        if token == r"\left|":
            value = abs(self.sum())
            self.take(r"\right|")
            return value
        if token == r"\frac":
            return self.braces() / self.braces()
        if token == r"\sqrt":
            return np.sqrt(self.braces())
        if token in _LARGE and self.peek() == "_":
            return self.large(_LARGE[token])
        if token == r"\begin{cases}":
            return self.cases()
        if token in self.index and self.peek() != "_":
            return np.float64(self.index[token])
        if token in _FUNCTIONS:
            return self.call(_FUNCTIONS[token])
        if token == r"\pi" and self.peek() != "_":
            return np.float64(np.pi)
        return self.values[token + self.subscript()]

    def call(self, function: Callable[..., float]) -> float:
        self.take(r"\left(")
        arguments = [self.sum()]
        while self.peek() == ",":
            self.take()
            arguments.append(self.sum())
        self.take(r"\right)")
        return function(*arguments)

    def subscript(self) -> str:
        if self.peek() != "_":
            return ""
        start = self.at
        while self.take() != "}":
            pass
        below = (str(self.index.get(token, token)) for token in self.tokens[start : self.at])
        return "".join(below)

    def large(self, function: Callable[..., float]) -> float:
        """The term once for every value of its index."""
        self.take("_")
        self.take("{")
        name = self.take()
        self.take("=")
        low = int(self.take())
        self.take("}")
        self.take("^")
        high = int(self.braces())
        start, terms = self.at, []
        for value in range(low, high + 1):
            self.at, self.index[name] = start, value
            terms.append(self.product())
        del self.index[name]
        return function(*terms)

    def cases(self) -> float:
        yes = self.sum()
        self.take("&")
        self.take(r"\text{if}")
        condition = self.condition()
        self.take(r"\\")
        no = self.sum()
        for token in ("&", r"\text{otherwise}", r"\end{cases}"):
            self.take(token)
        return np.where(condition, yes, no)[()]

    def condition(self) -> bool:
        value, joined = self.comparison(), set()
        while self.peek() in (r"\land", r"\lor"):
            joined.add(self.peek())
            both = np.logical_and if self.take() == r"\land" else np.logical_or
            value = both(value, self.comparison())
        assert len(joined) < 2, "and beside or without a fence"
        return value

    def comparison(self) -> bool:
        if self.peek() == r"\lnot":
            self.take()
            return not self.fenced_condition()
        start = self.at
        try:
            return self.fenced_condition()
        except AssertionError:  # a fence around numbers
            self.at = start
        left = self.sum()
        sign = self.take()
        assert sign in _COMPARED, f"a comparison is due, not {sign}"
        return _COMPARED[sign](left, self.sum())

    def fenced_condition(self) -> bool:
        self.take(r"\left(")
        value = self.condition()
        self.take(r"\right)")
        assert self.peek() in (r"\land", r"\lor", r"\\", r"\right)"), "not a condition alone"
        return value
