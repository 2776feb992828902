"""A Python function as a law: it is called once, with arguments that write down the formula.

What NumPy and SciPy do with these arguments is theirs to tell (see ``tracer.py``). Functions of
``math`` want plain numbers, so the function is called as a copy whose module, closure and
imports hold stand-ins for them; nothing outside the copy is touched.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import linecache
import math
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .errors import LawError
from .grammar import CONSTANTS, FUNCTIONS, INDEXED_ONLY
from .law import Law
from .parameter import Parameter, as_settings
from .tracer import FUNCTIONS as TRACED
from .tracer import Tracer, apply, traced

__all__ = ["law"]

_HERE = __name__.rpartition(".")[0] + "."


def law(
    function: Callable[..., Any],
    variables: Iterable[str] | None = None,
    parameters: Mapping[str, Parameter] | Iterable[str] | None = None,
    *,
    source: str | None = None,
) -> Law:
    """A law from a Python function, called once to write down its formula.

    The function takes numbers under the names of the law's variables and parameters and returns
    one number. It may use operators, comparisons inside ``np.where``, the functions of the
    grammar under their names in NumPy, ``math`` and ``scipy.special`` (``np.logaddexp``,
    ``np.minimum``, ``math.log``, ``expit``, ``erf``, ``ndtr``, ``gammaln`` and so on), loops over
    fixed ranges, and other functions. ``variables``, ``parameters`` and ``source`` are those of
    ``Law``; a default value of an argument is the start of that parameter. The law keeps the
    formula and not the function, so that it can be saved, sent and printed; it is the same
    program as the formula typed as a text.

    Raises LawError, with the file, the line and a caret, for what cannot be traced: an ``if`` or a
    loop that depends on a value, a function without a formula, an array. Raises TypeError for
    what is not callable, and what ``Law`` raises.

    >>> import numpy as np
    >>> law(lambda N, D, E, a, alpha, b, beta: E + np.exp(a)/N**alpha + np.exp(b)/D**beta).formula
    'E + exp(a)/N**alpha + exp(b)/D**beta'
    """
    if isinstance(function, (str, Law)) or not callable(function):
        raise TypeError(f"law() takes a function, not {type(function).__name__}; for a formula "
                        "write Law(formula)")
    names, starts = _arguments(function)
    formula = _formula(function, names)
    settings = {name: Parameter(start=start) for name, start in starts.items()}
    for name, given in as_settings(parameters).items():
        if given != Parameter() or name not in settings:
            settings[name] = given
    made = Law(formula, variables, settings or None, source=source)
    if missing := [name for name in names if name not in made.names]:
        raise LawError(f"the function does not use its argument {missing[0]!r}; it returns "
                       f"{formula}")
    return made


def _arguments(function: Callable[..., Any]) -> tuple[list[str], dict[str, float]]:
    """The names of the arguments, and the default values among them."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise LawError("the names of this function's arguments are unknown; wrap it in a lambda "
                       "that names them") from None
    starts = {}
    for name, given in signature.parameters.items():
        if given.kind in (given.VAR_POSITIONAL, given.VAR_KEYWORD):
            raise LawError(f"the function takes any number of arguments ({given}); a law needs "
                           "a name for each")
        if name in CONSTANTS or name in FUNCTIONS or name in INDEXED_ONLY:
            raise LawError(f"an argument cannot be called {name!r}, which has a meaning in "
                           "formulas")
        if given.default is not given.empty:
            starts[name] = given.default
    return list(signature.parameters), starts


def _formula(function: Callable[..., Any], names: list[str]) -> str:
    """The text that the function writes when it is called."""
    positional, named = [], {}
    for name, given in inspect.signature(function).parameters.items():
        if given.kind is given.KEYWORD_ONLY:
            named[name] = Tracer(name)
        else:
            positional.append(Tracer(name))
    try:
        result = _Copies().of_callable(function)(*positional, **named)
    except LawError as error:
        raise _placed(error.message, error.__traceback__) from None
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise _placed(f"the function cannot be traced; it ended with {told}",
                      error.__traceback__) from error
    if isinstance(result, np.ndarray) and result.size == 1:
        result = result.item()
    if not isinstance(result, Tracer):
        kind = "nothing" if result is None else f"a {type(result).__name__}"
        raise LawError(f"the function must return one number that depends on its arguments, not "
                       f"{kind}")
    return apply("where", result, 1, 0).text if result.condition else result.text


def _placed(message: str, traceback: types.TracebackType | None) -> LawError:
    """The error with the last line of the user's own code on the way to it."""
    place = None
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        if not module.startswith((_HERE, "numpy.", "scipy.")):
            place = traceback
        traceback = traceback.tb_next
    if place is None:
        return LawError(message)
    code, line = place.tb_frame.f_code, place.tb_lineno
    source = linecache.getline(code.co_filename, line).rstrip("\n")
    where = f"{code.co_filename}, line {line}: {message}"
    if not source.strip():
        return LawError(where)
    columns = list(code.co_positions())[place.tb_lasti // 2]
    column = columns[2] or 0  # in bytes of UTF-8
    before = len(source.encode()[:column].decode(errors="ignore"))
    indent = len(source) - len(source.lstrip())
    return LawError(where, source.strip(), max(0, before - indent))


# ---- the copy that is called ----


def _stand_in(real: Callable[..., Any], name: str) -> Callable[..., Any]:
    """``real`` for plain numbers, the tracer's function of that name for traced ones."""

    @functools.wraps(real)
    def either(*args: Any, **kwargs: Any) -> Any:
        if not traced(*args):
            return real(*args, **kwargs)
        if name not in TRACED:
            raise LawError(f"math.{name} is not part of a formula")
        return TRACED[name](*args, **kwargs)

    return either


def _extreme(real: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """``min`` and ``max`` of several arguments, or of one list."""

    @functools.wraps(real)
    def either(*args: Any, **kwargs: Any) -> Any:
        values = args if len(args) > 1 else tuple(args[0])
        if not traced(*values):
            return real(values, **kwargs)
        if kwargs:
            raise LawError(f"{kind}() with {', '.join(kwargs)}= cannot be traced")
        return apply(kind, *values) if len(values) > 1 else values[0]

    return either


def _math() -> tuple[types.ModuleType, dict[int, Callable[..., Any]]]:
    """A module like ``math``, and its functions by the identity of the real ones."""
    module = types.ModuleType("math", math.__doc__)
    by_id: dict[int, Callable[..., Any]] = {}
    for name, value in vars(math).items():
        if isinstance(value, types.BuiltinFunctionType):
            value, real = _stand_in(value, name), value
            by_id[id(real)] = value
        if not name.startswith("__"):
            setattr(module, name, value)
    return module, by_id


class _Copies:
    """Copies of functions in which ``math``, ``min`` and ``max`` take traced arguments."""

    def __init__(self) -> None:
        self.math, self.replaced = _math()
        self.replaced |= {id(builtins.min): _extreme(min, "min"),
                          id(builtins.max): _extreme(max, "max")}
        self.made: dict[int, Callable[..., Any]] = {}
        self.modules: dict[int, dict[str, Any]] = {}
        self.builtins = {**vars(builtins), "__import__": self._import,
                         "min": self.replaced[id(min)], "max": self.replaced[id(max)]}

    def _import(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.math if name == "math" else builtins.__import__(name, *args, **kwargs)

    def of(self, value: Any) -> Any:
        """A stand-in for what a function refers to, or the value itself."""
        if value is math:
            return self.math
        if id(value) in self.replaced:
            return self.replaced[id(value)]
        if isinstance(value, functools.partial):
            return functools.partial(self.of(value.func), *value.args, **value.keywords)
        if isinstance(value, types.MethodType):
            return types.MethodType(self.of(value.__func__), value.__self__)
        if isinstance(value, types.FunctionType) and not _of_a_library(value):
            return self._function(value)
        return value

    def of_callable(self, value: Any) -> Any:
        """Likewise for what is called first, which may be an object with ``__call__``."""
        call = getattr(type(value), "__call__", None)  # noqa: B004
        if isinstance(call, types.FunctionType):
            return self.of(types.MethodType(call, value))
        return self.of(value)

    def _function(self, function: types.FunctionType) -> Callable[..., Any]:
        if id(function) in self.made:
            return self.made[id(function)]
        code = function.__code__
        module = self.modules.setdefault(
            id(function.__globals__), {**function.__globals__, "__builtins__": self.builtins})
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        copy = types.FunctionType(code, module, function.__name__, function.__defaults__, cells)
        copy.__kwdefaults__ = function.__kwdefaults__
        self.made[id(function)] = copy
        for name in _names(code):
            if name in function.__globals__:
                module[name] = self.of(function.__globals__[name])
        for mine, theirs in zip(cells, function.__closure__ or (), strict=True):
            try:
                mine.cell_contents = self.of(theirs.cell_contents)
            except ValueError:  # an empty cell stays empty
                pass
        return copy


def _of_a_library(function: types.FunctionType) -> bool:
    return str(function.__module__).partition(".")[0] in ("numpy", "scipy", __name__.split(".")[0])


def _names(code: types.CodeType) -> set[str]:
    """The names a code and the codes inside it refer to."""
    inside = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return {*code.co_names}.union(*map(_names, inside))
