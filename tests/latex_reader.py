"""Reads the LaTeX that laws write and computes it, so that tests can check what it says.

Knows only what ``lawfit.latex`` writes. Where a reader could be in doubt, such as a product
right behind an inline quotient, it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from lawfit import _reference

_TOKEN = re.compile(
    r"\s*(\\left\(|\\right\)|\\left\||\\right\||\\log_\{10\}|\\log_\{2\}|\\log\\Gamma"
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
        (r"\operatorname{logistic}", "LOGISTIC"))},
}


def compute(latex: str, values: Mapping[str, float]) -> float:
    """The number a piece of LaTeX stands for; ``values`` by LaTeX name, such as ``"D_{l}"``."""
    reader = _Reader(latex, values)
    result = reader.sum()
    assert reader.at == len(reader.tokens), f"left over: {reader.tokens[reader.at:]}"
    return result


class _Reader:
    def __init__(self, latex: str, values: Mapping[str, float]) -> None:
        self.tokens = _TOKEN.findall(latex)
        assert "".join(self.tokens) == latex.replace(" ", ""), f"unknown LaTeX: {latex}"
        self.values, self.at = values, 0

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
        if token in _FUNCTIONS:
            return self.call(_FUNCTIONS[token])
        if token == r"\pi":
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
        return "".join(self.tokens[start : self.at])
