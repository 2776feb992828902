"""What a part of a formula without names is worth: only asked whether it is finite.

The engine folds constants itself, with its own functions; these are also its twin's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["betaln", "constant_value", "digamma"]


def _logaddexp(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _logistic(x: float) -> float:
    """Through exp(-|x|): a small value must not become zero, nor a large one infinite."""
    tail = math.exp(-abs(x))
    return (tail if x < 0 else 1.0) / (1.0 + tail)


def _softplus(x: float) -> float:
    return _logaddexp(0.0, x)


def betaln(a: float, b: float) -> float:
    """log(beta(a, b)); where an argument is large the large terms cancel on paper.

    >>> round(betaln(1e300, 2.0), 6)
    -1381.551056
    """
    p, q = min(a, b), max(a, b)
    if p <= 0 or q < 12:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    step = math.log1p(p / q)
    if p < 12:
        rest = _stirling_rest(q) - _stirling_rest(p + q)
        return math.lgamma(p) + rest + p - p * (math.log(q) + step) - (q - 0.5) * step
    rest = _stirling_rest(p) + _stirling_rest(q) - _stirling_rest(p + q)
    powers = (p - 0.5) * (math.log(p / q) - step) - q * step - 0.5 * math.log(q)
    return 0.5 * math.log(2 * math.pi) + powers + rest


def _stirling_rest(x: float) -> float:
    """What Stirling's formula leaves out of lgamma(x), x >= 12."""
    terms = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    return sum(term / x ** (2 * k + 1) for k, term in enumerate(terms)) if x < 1e8 else terms[0] / x


def digamma(x: float) -> float:
    """Derivative of lgamma: reflection, recurrence, then the asymptotic series; NaN at poles.

    >>> digamma(-2.0)
    nan
    """
    if not math.isfinite(x) or (x <= 0 and x == math.floor(x)):
        return x if x == math.inf else math.nan
    if x < 0:
        return digamma(1.0 - x) - math.pi / math.tan(math.pi * x)
    result = 0.0
    while x < 12.0:
        result -= 1.0 / x
        x += 1.0
    terms = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
    series = sum(term / (x * x) ** k for k, term in enumerate(terms, 1)) if x < 1e8 else 0.0
    return result + math.log(x) - 0.5 / x - series


def _chain(function: Callable[[float, float], float]) -> Callable[..., float]:
    def fold(first: float, *others: float) -> float:
        for other in others:
            first = function(first, other)
        return first

    return fold


_FLOAT: dict[str, Callable[..., float]] = {
    "+": float.__add__, "-": float.__sub__, "*": float.__mul__, "/": float.__truediv__,
    "**": math.pow, "neg": float.__neg__, "exp": math.exp, "log": math.log,
    "log10": math.log10, "log2": math.log2, "log1p": math.log1p, "expm1": math.expm1,
    "sqrt": math.sqrt, "abs": abs, "sin": math.sin, "cos": math.cos, "arctan": math.atan,
    "tanh": math.tanh, "erf": math.erf, "gammaln": math.lgamma, "min": min, "max": max,
    "normcdf": lambda x: 0.5 * math.erfc(-x / math.sqrt(2.0)), "logistic": _logistic,
    "logaddexp": _logaddexp, "logsumexp": _chain(_logaddexp), "softplus": _softplus,
    "betaln": betaln, "digamma": digamma,
    "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__,
    "==": float.__eq__, "!=": float.__ne__,
    "and": lambda *conditions: all(conditions), "or": lambda *conditions: any(conditions),
    "not": lambda condition: not condition, "where": lambda c, yes, no: yes if c else no,
}


def constant_value(kind: str, args: Sequence[float]) -> float:
    """The float64 value of an operation on constants; NaN where there is none.

    >>> constant_value("logistic", [-128.0]) > 0
    True
    """
    try:
        return float(_FLOAT[kind](*args))
    except (ArithmeticError, ValueError):
        return math.nan
