"""A slow twin of the engine in plain NumPy: the tests' oracle, used by nothing else.

A complex input carries a direction in its imaginary part, and the imaginary part of the result
is the exact derivative along that direction, whatever its size: the twin computes with values
and tangents and not with complex functions. So a complex step of any size works here, through
kinks and branch cuts too, with the derivatives the engine promises there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .constants import betaln, digamma
from .expression import Graph

__all__ = ["evaluate", "jacobian", "likelihood_terms"]

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]


class _Dual(NamedTuple):
    """A value and its tangent."""

    value: Array
    tangent: Array


def evaluate(
    graph: Graph,
    params: npt.ArrayLike,
    columns: Sequence[npt.ArrayLike],
    opcodes: Mapping[str, int] | None = None,
) -> npt.NDArray[np.float64] | npt.NDArray[np.complex128]:
    """The graph at params[k, P] and columns of n values each: [k, n], complex if any input is.

    >>> codes = {"CONST": 0, "PARAM": 1, "VAR": 2, "MUL": 3}
    >>> graph = tuple(map(np.array, ([1, 2, 3], [0, 0, 0], [-1, -1, 1], [-1] * 3, [0.0] * 3)))
    >>> evaluate(graph, [[3.0]], [[1.0, 2.0]], codes)
    array([[3., 6.]])
    """
    if opcodes is None:
        from . import _core

        opcodes = _core.opcodes()
    names = {code: name for name, code in opcodes.items()}
    rows = np.asarray(params)[:, :, None]
    points = [np.asarray(column)[None, :] for column in columns]
    inputs = [rows, *points]
    shape = (rows.shape[0], points[0].shape[1] if points else 1)
    done: list[_Dual] = []
    with np.errstate(all="ignore"):
        for op, a, b, c, value in zip(*graph, strict=True):
            name = names[int(op)]
            if name == "CONST":
                done.append(_dual(np.full((1, 1), value)))
            elif name == "PARAM":
                done.append(_dual(rows[:, int(a)]))
            elif name == "VAR":
                done.append(_dual(points[int(a)]))
            elif int(b) < 0:
                done.append(_unary(name, done[int(a)]))
            else:
                others = [done[int(child)] for child in (b, c) if child >= 0]
                done.append(_several(name, done[int(a)], *others))
    value = np.broadcast_to(done[-1].value, shape).copy()
    if not any(np.iscomplexobj(given) for given in inputs):
        return value
    result = value.astype(np.complex128)
    result.imag = np.broadcast_to(done[-1].tangent, shape)
    return result


def jacobian(
    graph: Graph,
    params: npt.ArrayLike,
    columns: Sequence[npt.ArrayLike],
    opcodes: Mapping[str, int] | None = None,
) -> Array:
    """The derivatives at params[P] for columns of n values: [n, P].

    >>> codes = {"CONST": 0, "PARAM": 1, "VAR": 2, "MUL": 3}
    >>> graph = tuple(map(np.array, ([1, 2, 3], [0, 0, 0], [-1, -1, 1], [-1] * 3, [0.0] * 3)))
    >>> jacobian(graph, [3.0], [[1.0, 2.0]], codes)
    array([[1.],
           [2.]])
    """
    point = np.asarray(params, np.complex128)
    steps = point + 1j * np.eye(len(point))
    return np.ascontiguousarray(evaluate(graph, steps, columns, opcodes).imag.T)


def _dual(given: npt.NDArray[np.generic]) -> _Dual:
    if np.iscomplexobj(given):
        return _Dual(np.array(given.real, np.float64), np.array(given.imag, np.float64))
    value = np.array(given, np.float64)
    return _Dual(value, np.zeros_like(value))


def _times(tangent: Array, slope: Array) -> Array:
    """Tangent times slope, where no tangent counts as zero even against an infinite slope."""
    return np.where(tangent == 0, 0.0, tangent * slope)


def _elementwise(function: Callable[[float], float]) -> Function:
    """A function of Python's math module on arrays, NaN where it refuses."""

    def safe(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return np.vectorize(safe, otypes=[np.float64])


def _gammaln(x: float) -> float:
    """log|gamma(x)|, infinite at the poles."""
    return math.inf if x <= 0 and x == math.floor(x) else math.lgamma(x)


def _trigamma(x: float) -> float:
    """Derivative of digamma, likewise."""
    if math.isinf(x) or math.isnan(x):
        return 0.0 if x > 0 else math.nan
    if x <= 0 and x == math.floor(x):
        return math.inf
    if x < 0:
        return (math.pi / math.sin(math.pi * x)) ** 2 - _trigamma(1.0 - x)
    result = 0.0
    while x < 16.0:
        result += 1.0 / x / x
        x += 1.0
    z = 1.0 / x / x
    terms = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
    series = sum(term * z**k for k, term in enumerate(terms, 1))
    return result + 1.0 / x + 0.5 * z + series / x


def _beta_or_infinite(a: float, b: float) -> float:
    """log|beta(a, b)|: infinite where an argument is 0, else NaN where there is no value."""
    if min(a, b) == 0 and max(a, b) < math.inf:
        return math.inf
    if max(a, b) == math.inf and min(a, b) > 0:
        return -math.inf
    try:
        return betaln(a, b) if min(a, b) >= 0 else _gammaln(a) + _gammaln(b) - _gammaln(a + b)
    except (OverflowError, ValueError):
        return math.nan


def _logistic(x: Array) -> Array:
    return np.where(x >= 0, 1.0, np.exp(x)) / (1.0 + np.exp(-np.abs(x)))


_erfc = _elementwise(math.erfc)
_digamma = _elementwise(lambda x: -math.inf if x == 0 else digamma(x))
_betaln = np.vectorize(_beta_or_infinite, otypes=[np.float64])


def _digamma_gap(x: Array, d: Array) -> Array:
    """digamma(x) - digamma(x + d), where x is large without the cancellation of logarithms."""
    s = x + d
    rest = d / x / s * (0.5 + (x + s) / (12 * x * s))
    far = -np.log1p(d / x) - rest
    return np.where((x > 1e4) & (d >= 0), far, _digamma(x) - _digamma(s))


_UNARY: dict[str, tuple[Function, Function]] = {
    "NEG": (np.negative, lambda x: np.full_like(x, -1.0)),
    "EXP": (np.exp, np.exp),
    "LOG": (np.log, lambda x: np.where(x >= 0, 1 / x, np.nan)),
    "LOG10": (np.log10, lambda x: np.where(x >= 0, 1 / x, np.nan) / math.log(10)),
    "LOG2": (np.log2, lambda x: np.where(x >= 0, 1 / x, np.nan) / math.log(2)),
    "LOG1P": (np.log1p, lambda x: np.where(x >= -1, 1 / (1 + x), np.nan)),
    "EXPM1": (np.expm1, np.exp),
    "SQRT": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "ABS": (np.abs, np.sign),
    "SIN": (np.sin, np.cos),
    "COS": (np.cos, lambda x: -np.sin(x)),
    "ARCTAN": (np.arctan, lambda x: 1 / (1 + x * x)),
    "TANH": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "ERF": (_elementwise(math.erf), lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "NORMCDF": (lambda x: 0.5 * _erfc(-x / math.sqrt(2)),
                lambda x: np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)),
    "LOGISTIC": (_logistic, lambda x: _logistic(x) * _logistic(-x)),
    "GAMMALN": (_elementwise(_gammaln), _digamma),
    "DIGAMMA": (_digamma, _elementwise(_trigamma)),
}
_COMPARE: dict[str, Callable[[Array, Array], npt.NDArray[np.bool_]]] = {
    "LESS": np.less, "LESS_EQUAL": np.less_equal, "EQUAL": np.equal,
}


def _unary(name: str, x: _Dual) -> _Dual:
    function, slope = _UNARY[name]
    return _Dual(function(x.value), _times(x.tangent, slope(x.value)))


def _several(name: str, x: _Dual, y: _Dual, z: _Dual | None = None) -> _Dual:
    a, b = x.value, y.value
    if z is not None:
        assert name == "WHERE"
        chosen = a != 0
        return _Dual(np.where(chosen, b, z.value), np.where(chosen, y.tangent, z.tangent))
    value: Array
    if name == "ADD":
        value, left, right = a + b, np.ones_like(a), np.ones_like(b)
    elif name == "SUB":
        value, left, right = a - b, np.ones_like(a), -np.ones_like(b)
    elif name == "MUL":
        value, left, right = a * b, b, a
    elif name == "DIV":
        value, left, right = a / b, 1 / b, -(a / b) / b
    elif name == "POW":
        value, left, right = _power(a, b)
    elif name == "LOGADDEXP":
        gap = np.where(a == b, 0.0, a - b)  # equal infinities too
        value, left, right = np.logaddexp(a, b), _logistic(gap), _logistic(-gap)
    elif name in ("MIN", "MAX"):
        # At a tie the derivative is that of the first argument.
        first = (a <= b) if name == "MIN" else (a >= b)
        value = np.minimum(a, b) if name == "MIN" else np.maximum(a, b)
        left, right = first.astype(float), (~first).astype(float)
    elif name == "BETALN":
        value, left, right = _betaln(a, b), _digamma_gap(a, b), _digamma_gap(b, a)
    elif name in _COMPARE:
        value = _COMPARE[name](a, b).astype(np.float64)
        left = right = np.zeros_like(value)
    else:
        raise KeyError(name)
    return _Dual(value, _times(x.tangent, left) + _times(y.tangent, right))


def _power(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """a**b and its slopes; 0**b with b > 0 does not change with b."""
    value = np.power(a, b)
    # value/a, since a**(b - 1) may underflow where the slope does not
    left = np.where(b == 0, 0.0, b * np.where(a == 0, np.power(a, b - 1), value / a))
    right = np.where((a == 0) & (b > 0), 0.0, value * np.log(a))
    return value, left, right


def likelihood_terms(
    loss: str, numbers: tuple[float, float], m: Array, y: Array, space: str = "linear",
    weights: npt.ArrayLike = 1.0, sigma: npt.ArrayLike = 1.0,
) -> dict[str, Array]:
    """Value, slope, curvature and majoriser of each row by its fitted value m.

    ``numbers``: (1/size, 0) of the negative binomial, (scale, 1/nu) of Student's t, unused by the
    others. Values are zero for a perfect row; of counts and shares the majoriser is Fisher's
    information. ``sigma`` divides residuals, and multiplies the standard deviation of counts.

    >>> rows = likelihood_terms("poisson", (0.0, 0.0), np.array([2.0]), np.array([3.0]))
    >>> {name: row.round(3).tolist() for name, row in rows.items()}
    {'value': [0.216], 'slope': [-0.5], 'curvature': [0.75], 'majoriser': [0.5]}
    """
    names = ("value", "slope", "curvature", "majoriser")
    with np.errstate(all="ignore"):
        if loss == "student_t":
            terms = _student_terms(*numbers, m, y, space, np.asarray(sigma, np.float64))
            return {name: weights * term for name, term in zip(names, terms, strict=True)}
        terms = _share_terms(m, y) if loss == "binomial" else _count_terms(
            numbers[0] if loss == "negative_binomial" else 0.0, m, y)
        each = np.asarray(weights, np.float64) / np.asarray(sigma, np.float64) ** 2
        return {name: each * term for name, term in zip(names, terms, strict=True)}


Terms = tuple[Array, Array, Array, Array]


def _count_terms(dispersion: float, m: Array, y: Array) -> Terms:
    """Mean m and variance m + dispersion m**2; half the deviance."""
    variance = m * (1 + dispersion * m)
    step = (y - m) / (1 + dispersion * m)
    rest = np.log1p(dispersion * step) / dispersion if dispersion > 0 else step
    value = _over(y, m, y - m) - y * np.log1p(dispersion * step) - rest
    slope = (m - y) / variance
    return value, slope, (1 - slope * (1 + 2 * dispersion * m)) / variance, 1 / variance


def _share_terms(m: Array, y: Array) -> Terms:
    """Of one trial."""
    value = _over(y, m, y - m) + _over(1 - y, 1 - m, m - y)
    variance = m * (1 - m)
    return value, (m - y) / variance, y / m**2 + (1 - y) / (1 - m) ** 2, 1 / variance


def _over(y: Array, m: Array, above: Array) -> Array:
    """y log(y/m) where y = m + above, and 0 for y = 0."""
    return np.where(y > 0, y * np.log1p(above / m), 0.0)


def _student_terms(
    scale: float, tail: float, m: Array, y: Array, space: str, sigma: Array
) -> Terms:
    if space == "relative":
        space, sigma = "linear", sigma * np.abs(y)
    if space == "log":
        r, first, second = np.log(y / m), 1 / m, -1 / m**2
    elif space == "logit":
        r = np.log(y / m) - np.log((1 - y) / (1 - m))
        first, second = 1 / (m * (1 - m)), (2 * m - 1) / (m * (1 - m)) ** 2
    else:
        r, first, second = y - m, np.ones_like(m), np.zeros_like(m)
    r, first, second = r / sigma, first / sigma, second / sigma
    square = (r / scale) ** 2
    omega = (1 + tail) / (scale**2 * (1 + tail * square))
    value = 0.5 * (1 + tail) * (np.log1p(tail * square) / tail if tail > 0 else square)
    bend = omega * (1 - tail * square) / (1 + tail * square)
    return value, -omega * r * first, bend * first**2 - omega * r * second, omega * first**2
