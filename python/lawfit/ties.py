"""Parameters that are formulas of others, such as ``beta = alpha/(1 + alpha)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from . import _core
from .errors import LawError
from .expression import Array, Expression, Leaf, parse
from .grammar import closest
from .substitute import substitute

__all__ = ["Ties", "is_formula"]

_STEP = 1e-6  # relative, of central differences


def is_formula(tied: str) -> bool:
    """Whether a tie is more than another parameter's name.

    >>> is_formula("alpha"), is_formula("alpha/(1+alpha)")
    (False, True)
    """
    return not tied.strip().isidentifier()


class Ties:
    """The tied parameters of a law, each after those its formula needs.

    ``names`` are the law's parameters, ``texts`` maps a tied one to its formula, ``leader`` any
    parameter to the one that speaks for it. Raises LawError for formulas outside the grammar and
    for circles, ValueError for names that are no parameters.

    >>> ties = Ties(("a", "b"), {"b": "a/(1+a)"}, {"a": "a", "b": "b"})
    >>> ties.fill(np.array([[3.0, 0.0]])), ties.written(parse("a + b")).names
    (array([[3.  , 0.75]]), ('a',))
    """

    def __init__(
        self, names: tuple[str, ...], texts: Mapping[str, str], leader: Mapping[str, str]
    ) -> None:
        self.names, self.texts = names, dict(texts)
        formulas = {name: parse(text) for name, text in texts.items()}
        for name, formula in formulas.items():
            if not formula.names:
                raise ValueError(f"the formula {formula.text!r} that {name!r} is tied to names no "
                                 "parameter; to hold it at a number use fix()")
            for other in formula.names:
                if other not in names:
                    raise ValueError(f"{name!r} is tied to {formula.text!r}, where {other!r} is "
                                     f"not a parameter of this law{closest(other, names)}; it has "
                                     f"{', '.join(names)}")
        self.order = _ordered(formulas, leader)
        self._formulas, self._leader = formulas, leader

    def __bool__(self) -> bool:
        return bool(self.order)

    @cached_property
    def resolved(self) -> dict[str, Expression]:
        """Tied parameter -> its formula in parameters that are not tied to a formula."""
        out: dict[str, Expression] = {}
        for name in self.order:
            formula = self._formulas[name]
            inner = {other: out[self._leader[other]] for other in formula.names
                     if self._leader[other] in out}
            out[name] = substitute(formula, inner) if inner else formula
        return out

    def written(self, expression: Expression) -> Expression:
        """An expression with the formulas of tied parameters written out."""
        inner = {name: self.resolved[self._leader[name]] for name in expression.names
                 if self._leader.get(name) in self.resolved}
        return substitute(expression, inner) if inner else expression

    def fill(self, full: Array) -> Array:
        """Contiguous values (..., parameters) with those of tied parameters put in, in place."""
        flat = full.reshape(-1, len(self.names))
        for name in self.order:
            values = self.value(name, lambda other: flat[:, self.names.index(other)])
            for at, other in enumerate(self.names):
                if self._leader[other] == name:
                    flat[:, at] = values
        return full

    def value(self, name: str, of: Callable[[str], Array]) -> Array:
        """One tied parameter where ``of`` gives the one-dimensional values of others."""
        formula = self._formulas[name]
        columns = [np.ascontiguousarray(of(other), dtype=np.float64) for other in formula.names]
        leaves = {other: Leaf("VAR", at) for at, other in enumerate(formula.names)}
        graph = formula.graph(leaves, _core.opcodes())
        return np.asarray(_core.evaluate(graph, np.zeros((1, 0)), columns))[0]

    def needs(self, name: str) -> tuple[str, ...]:
        """The parameters in the formula of a tied one."""
        return self._formulas[name].names

    def covariance(self, inner: Array, free: Array, expand: Any, places: Array) -> Array:
        """Covariances [..., parameters, parameters] by the delta method from those of the free
        parameters ``inner`` at values ``free`` [..., n_free]; ``places`` as ``Law.places``."""
        count = free.shape[-1]
        step = _STEP * np.where(free == 0, 1.0, np.abs(free))
        slopes = np.zeros((*free.shape[:-1], len(places), count))
        tied = np.array([self._leader[name] in self.texts for name in self.names])
        direct = np.flatnonzero(~tied & (places >= 0))
        slopes[..., direct, places[direct]] = 1.0
        for at in range(count):
            shift = np.zeros_like(free)
            shift[..., at] = step[..., at]
            moved = expand(free + shift) - expand(free - shift)
            slopes[..., tied, at] = moved[..., tied] / (2 * step[..., at, None])
        # What a tied parameter does not feel may be undefined without making it so.
        out = np.zeros((*free.shape[:-1], len(places), len(places)))
        for a in range(count):
            for b in range(count):
                felt = slopes[..., :, None, a] * slopes[..., None, :, b]
                out += np.where(felt != 0, felt * inner[..., a, b, None, None], 0.0)
        return out


def _ordered(formulas: Mapping[str, Expression], leader: Mapping[str, str]) -> tuple[str, ...]:
    """Tied parameters, each after those it needs; LawError for circles."""
    order: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        if name in order or name not in formulas:
            return
        if name in path:
            circle = " -> ".join([*path[path.index(name):], name])
            raise LawError(f"these parameters are tied in a circle: {circle}",
                           formulas[name].text)
        for other in formulas[name].names:
            visit(leader[other], [*path, name])
        order.append(name)

    for name in formulas:
        visit(name, [])
    return tuple(order)
