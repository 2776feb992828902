"""What a traced function computes with: values that write down the formula they stand for.

A ``Tracer`` takes part in Python's operators, in NumPy's and SciPy's ufuncs and in a few NumPy
functions. It has no number in it: whatever asks for one ends as a LawError.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from .errors import LawError
from .grammar import MAX_CHARACTERS

__all__ = ["FUNCTIONS", "Tracer", "apply", "traced"]

_LEVELS = {"or": -3, "and": -2, "not": -1, "<": 0, "<=": 0, ">": 0, ">=": 0, "==": 0, "!=": 0,
           "+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}
_ATOM = 5
_NO_VALUE = (
    "while tracing, {what} has no value: the function is called once, to write down its formula. "
)
_NO_ARRAY = "a formula is made of numbers, not of a {kind}: write it out, element by element"


def _forward(kind: str) -> Callable[[Tracer, object], Any]:
    """The method of an operator."""
    return lambda self, other: _binary(kind, self, other)


def _backward(kind: str) -> Callable[[Tracer, object], Any]:
    """The method of an operator whose left side does not know it."""
    return lambda self, other: _binary(kind, other, self)


class Tracer:
    """A formula's text, how tightly it binds, and whether it is a condition."""

    __slots__ = ("condition", "level", "text")
    __hash__ = object.__hash__

    def __init__(self, text: str, level: int = _ATOM, condition: bool = False) -> None:
        if len(text) > MAX_CHARACTERS:
            raise LawError(f"the formula grows beyond {MAX_CHARACTERS:,} characters here")
        self.text, self.level, self.condition = text, level, condition

    def __repr__(self) -> str:
        return self.text

    def written(self, least: int) -> str:
        return self.text if self.level >= least else f"({self.text})"

    # ---- operators ----

    __sub__, __mul__, __truediv__ = map(_forward, "-*/")
    __rsub__, __rmul__, __rtruediv__ = map(_backward, "-*/")
    __lt__, __le__, __gt__, __ge__ = map(_forward, ("<", "<=", ">", ">="))
    __eq__, __ne__ = map(_forward, ("==", "!="))  # type: ignore[assignment]
    __and__, __or__ = map(_forward, ("and", "or"))
    __rand__, __ror__ = map(_backward, ("and", "or"))
    __add__, __rpow__ = _forward("+"), _backward("**")

    def __radd__(self, other: object) -> Any:
        if type(other) is int and other == 0:
            return self  # what the builtin sum() starts with
        return _binary("+", other, self)

    def __pow__(self, other: object, modulo: object = None) -> Any:
        if modulo is not None:
            raise LawError("pow() with a modulus is not part of a formula")
        return _binary("**", self, other)

    def __neg__(self) -> Tracer:
        return apply("neg", self)

    def __pos__(self) -> Tracer:
        return self

    def __abs__(self) -> Tracer:
        return apply("abs", self)

    def __invert__(self) -> Tracer:
        return apply("not", self)

    # ---- NumPy ----

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **others: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or others:
            how = f".{method}" if method != "__call__" else f" with {', '.join(others)}="
            raise LawError(f"{name}{how} cannot be traced: write it out")
        return _called(name, inputs)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        return _called(function.__name__, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        # Arrays of objects hand NumPy's functions on to methods of the same name.
        if name in FUNCTIONS and name in ("exp", "log", "sqrt", "log2", "log10", "log1p", "expm1",
                                          "sin", "cos", "tan", "arctan", "tanh"):
            return lambda: FUNCTIONS[name](self)
        raise AttributeError(f"{self.text} has no attribute {name!r} while it is traced")

    # ---- what asks for a value ----

    def __bool__(self) -> NoReturn:
        raise LawError(_NO_VALUE.format(what=f"{self.text!r}") + (
            "Write np.where(condition, a, b) for if, np.minimum for min(), and & | ~ for and, or "
            "and not between conditions in parentheses"))

    def _number(self) -> NoReturn:
        raise LawError(_NO_VALUE.format(what=f"{self.text!r}") + (
            "What needs a plain number, such as float() or a function of math out of reach, "
            "cannot be traced: write np.exp for math.exp"))

    __float__ = __int__ = __index__ = __complex__ = __round__ = __trunc__ = _number
    __floor__ = __ceil__ = _number

    def _elements(self, *_: object) -> NoReturn:
        raise LawError(_NO_VALUE.format(what=f"{self.text!r}") + (
            "A law is written for one row of the table, so that its names have no elements to "
            "loop over, to index or to count"))

    __iter__ = __len__ = __getitem__ = __contains__ = _elements

    def _unknown(self, *_: object) -> NoReturn:
        raise LawError("// and % are not part of a formula")

    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _unknown


def traced(*values: object) -> bool:
    """Whether one of the values is a Tracer."""
    return any(isinstance(value, Tracer) for value in values)


def _as_tracer(value: Any) -> Tracer:
    """A value of the function as a formula: itself, or a number."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, Tracer):
        return value
    if isinstance(value, (bool, np.bool_)):
        return Tracer("1 == 1" if value else "1 == 0", _LEVELS["=="], True)
    if not isinstance(value, numbers.Real):
        raise LawError(_NO_ARRAY.format(kind=type(value).__name__))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise LawError(f"{number} is not a number a formula can contain")
    text = repr(int(value)) if isinstance(value, numbers.Integral) else repr(number)
    return Tracer(text, _LEVELS["neg"] if text.startswith("-") else _ATOM)


def _operand(value: Any, condition: bool) -> Tracer:
    """A value where a number or a condition is due; a condition counts as 1 or 0."""
    tracer = _as_tracer(value)
    if condition and not tracer.condition:
        raise LawError(f"a condition is due, not {tracer.text!r}: compare it, as in x > 0")
    if not condition and tracer.condition:
        return Tracer(f"where({tracer.text}, 1, 0)")
    return tracer


def _binary(kind: str, left: object, right: object) -> Any:
    for value in (left, right):
        if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
            raise LawError(_NO_ARRAY.format(kind=type(value).__name__))
        if not isinstance(value, (Tracer, numbers.Real, np.ndarray, np.bool_)):
            return NotImplemented
    return apply(kind, left, right)


def apply(kind: str, *args: Any) -> Tracer:
    """An operator or a function of the grammar on traced and plain values."""
    joined = kind in ("and", "or", "not")
    level = _LEVELS.get(kind, _ATOM)
    parts = [_operand(a, joined or (kind == "where" and k == 0)) for k, a in enumerate(args)]
    if kind == "neg":
        return Tracer("-" + parts[0].written(level), level)
    if kind == "not":
        return Tracer("not " + parts[0].written(level), level, True)
    if kind not in _LEVELS:
        return Tracer(f"{kind}({', '.join(part.text for part in parts)})")
    # ** binds to the right, comparisons would chain, the others bind to the left.
    least = {"**": (_ATOM, 3), **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), (1, 1))}
    first, second = least.get(kind, (level, level + 1))
    sign = kind if kind in ("*", "/", "**") else f" {kind} "
    text = parts[0].written(first) + sign + parts[1].written(second)
    return Tracer(text, level, joined or level == 0)


def _called(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Tracer:
    """A NumPy or SciPy function of that name."""
    if name not in FUNCTIONS:
        raise LawError(f"{name} is not part of a formula{_INSTEAD.get(name, '')}")
    try:
        return FUNCTIONS[name](*args, **(kwargs or {}))
    except TypeError as error:
        raise LawError(f"{name} cannot be traced with these arguments: {error}") from None


def _function(kind: str, count: int) -> Callable[..., Tracer]:
    def call(*args: Any) -> Tracer:
        if len(args) != count:
            raise TypeError(f"{kind} takes {count} argument{'s'[: count - 1]}, not {len(args)}")
        return apply(kind, *args)

    return call


def _choose(condition: Any, x: Any, y: Any) -> Tracer:
    return apply("where", condition, x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Tracer:
    low = a if a_min is None else apply("max", a, a_min)
    return low if a_max is None else apply("min", low, a_max)


def _log(x: Any, base: Any = None) -> Tracer:
    return apply("log", x) if base is None else apply("log", x) / apply("log", base)


FUNCTIONS: dict[str, Callable[..., Tracer]] = {
    **{name: _function(name, 1) for name in (
        "exp", "log10", "log2", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "arctan", "tanh",
        "erf", "gammaln")},
    **{name: _function(kind, 1) for name, kind in {
        "absolute": "abs", "fabs": "abs", "negative": "neg", "logical_not": "not",
        "bitwise_invert": "not", "invert": "not", "atan": "arctan", "expit": "logistic",
        "ndtr": "normcdf", "psi": "digamma", "lgamma": "gammaln"}.items()},
    **{name: _function(kind, 2) for name, kind in {
        "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/",
        "power": "**", "float_power": "**", "pow": "**", "minimum": "min", "maximum": "max",
        "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
        "not_equal": "!=", "logical_and": "and", "logical_or": "or", "bitwise_and": "and",
        "bitwise_or": "or", "logaddexp": "logaddexp", "betaln": "betaln"}.items()},
    "log": _log, "where": _choose, "clip": _clip,
    "positive": lambda x: _operand(x, False), "square": lambda x: apply("**", x, 2),
    "reciprocal": lambda x: apply("/", 1, x), "exp2": lambda x: apply("**", 2, x),
    "exp10": lambda x: apply("**", 10, x), "tan": lambda x: apply("sin", x) / apply("cos", x),
    # erfc(x) = 2*normcdf(-sqrt(2)*x), without the cancellation of 1 - erf(x)
    "erfc": lambda x: 2 * apply("normcdf", apply("neg", apply("*", math.sqrt(2), x))),
    "logit": lambda p: apply("log", p / (1 - p)),
    "log_expit": lambda x: apply("neg", apply("softplus", apply("neg", x))),
    "sign": lambda x: apply("where", x > 0, 1, apply("where", x < 0, -1, 0)),
}
"""Name in NumPy, SciPy or ``math`` -> what it writes."""

_INSTEAD = {
    "logsumexp": ": write np.logaddexp", "sum": ": add the terms with +",
    "prod": ": multiply the factors with *", "fmin": ": write np.minimum",
    "fmax": ": write np.maximum", "floor_divide": "", "cbrt": ": write x**(1/3)",
    "gamma": ": write np.exp(scipy.special.gammaln(x))", "hypot": ": write np.sqrt(x**2 + y**2)",
    "sinh": ": write (np.exp(x) - np.exp(-x))/2", "cosh": ": write (np.exp(x) + np.exp(-x))/2",
}
