"""The best size and tokens of a law at any number of parameter vectors.

By the closed form where there is one, else by search; budgets, or losses to be reached.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .cost import as_cost, with_inference
from .expression import Array, Expression
from .frontier import Search, best, fixed
from .question import Question, held_values, roles
from .repetition import repeated
from .roots import root
from .surface import Surface
from .two_terms import TwoTerms, two_terms

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["Optima", "Optimum"]


class Optimum(NamedTuple):
    """Arrays [k, m]: NaN where there is no optimum, infinite where no compute is enough."""

    N: Array
    D: Array
    compute: Array
    loss: Array


class Optima:
    """A law, what a run costs and what is held: everything of a question but its targets."""

    def __init__(self, fit: Fit, question: Question, by_loss: bool) -> None:
        self.fit, self.law, self.question, self.by_loss = fit, fit.law, question, by_loss
        self.size, self.tokens = roles(fit.law, question.size, question.tokens)
        self.held = held_values(fit.law, question.held, (self.size, self.tokens))
        training = as_cost(question.cost, self.size, self.tokens)
        self.cost = self._surface_of_cost(with_inference(training, self.tokens, question.inference))
        self.training = self._surface_of_cost(with_inference(training, self.tokens, 0.0))
        two = two_terms(fit.law, fit.values[None, :], self.size, self.tokens) is not None
        plain = not isinstance(question.cost, str) and not question.inference
        self.closed = two and plain and not self.held and question.unique is None

    def _surface_of_cost(self, expression: Expression) -> Surface:
        known = {self.size, self.tokens, *self.held}
        if unknown := [name for name in expression.names if name not in known]:
            raise ValueError(
                f"cost: {unknown[0]!r} is not known; the cost may use {self.size}, {self.tokens} "
                "and variables that are given a value"
            )
        return Surface(expression, (self.size, self.tokens))

    @np.errstate(all="ignore")
    def find(self, values: Array, targets: Array) -> Optimum:
        """The optimum for ``values[k, parameters]`` and ``targets`` [k or 1, m]."""
        if self.closed:
            return self._closed(values, targets)
        n, d = self._searched(values, targets)
        compute, loss = self.cost.values(self._at(values, n, d)), self._loss(values, n, d)
        if not self.by_loss:
            return Optimum(n, d, np.broadcast_to(targets, n.shape), loss)
        out_of_reach = np.isnan(n) & (self._limit(values) >= targets)
        n, d, compute = (np.where(out_of_reach, np.inf, part) for part in (n, d, compute))
        return Optimum(n, d, compute, np.broadcast_to(targets, n.shape))

    @np.errstate(all="ignore")
    def spent(self, n: Array, d: Array) -> Array:
        """What training costs at a size and tokens."""
        return self.training.values({**self.held, self.size: n, self.tokens: d})

    @np.errstate(all="ignore")
    def runs_spent(self) -> Array:
        """What training cost for every row fitted; empty without rows."""
        rows = getattr(self.fit, "rows", None)
        if rows is None or not len(rows):
            return np.empty(0)
        return self.training.values(
            {**self.held, **{name: rows.columns[name] for name in (self.size, self.tokens)}})

    @np.errstate(all="ignore")
    def exponent(self, values: Array) -> Array:
        """a in N ~ compute**a, [k, 1], where there is a closed form."""
        terms = self._terms(values)
        return terms.beta / (terms.alpha + terms.beta)

    def _terms(self, values: Array) -> TwoTerms:
        found = two_terms(self.law, values, self.size, self.tokens)
        assert found is not None
        return found.column()

    def _closed(self, values: Array, targets: Array) -> Optimum:
        terms, factor = self._terms(values), float(self.question.cost)
        work = terms.work_for(targets) if self.by_loss else targets / factor
        n = np.where(np.isinf(work), np.inf, terms.best_size(work))
        d = np.where(np.isinf(work), np.inf, work / n)
        loss = targets if self.by_loss else terms.loss(n, d)
        return Optimum(n, d, *(np.broadcast_to(part, n.shape) for part in (work * factor, loss)))

    # ---- by search ----

    @cached_property
    def _law(self) -> tuple[Surface, str, str]:
        """The loss surface, and the names of unique tokens and base size in it ("" if none)."""
        roles = (self.size, self.tokens)
        if self.question.unique is None:
            return Surface(self.law.expression, roles), "", ""
        if not self.question.unique > 0:
            raise ValueError(f"unique: expected a number of tokens > 0: {self.question.unique!r}")
        changed = repeated(self.law.expression, *roles, self.question.repetition)
        return Surface(changed.expression, roles), changed.unique, changed.base

    def _at(self, values: Array, n: Array, d: Array, **more: Array | float) -> dict[str, Any]:
        """Every name -> values that broadcast over [k, m, ...]."""
        axes = (slice(None), *(None,) * (n.ndim - 1))
        at: dict[str, Any] = {name: values[:, i][axes]
                              for i, name in enumerate(self.law.parameters)}
        return {**at, **self.held, **more, self.size: n, self.tokens: d}

    def _loss(self, values: Array, n: Array, d: Array) -> Array:
        return self._law[0].values(self._at(values, n, d, **self._repetition(values, n.ndim)))

    def _repetition(self, values: Array, axes: int) -> dict[str, Any]:
        """Unique tokens and the size they deserve, by their names in the law."""
        _, unique, base = self._law
        if not unique:
            return {}
        size = self._base_sizes(values)
        return {unique: self.question.unique,
                base: size[(slice(None), *(None,) * (axes - 1))]}

    def _base_sizes(self, values: Array) -> Array:
        """For each parameter vector the size for which the unique tokens would be optimal."""
        assert self.question.unique is not None
        two = two_terms(self.law, values, self.size, self.tokens)
        tokens = np.float64(self.question.unique)
        if two is not None and not isinstance(self.question.cost, str):
            return two.size_for_tokens(tokens)
        plain = Surface(self.law.expression, (self.size, self.tokens))

        def balance(x: Array) -> Array:
            at = self._at(values, np.exp(x), np.broadcast_to(tokens, x.shape))
            loss, cost = plain.slopes(at), self.cost.slopes(at)
            return np.log((loss[..., 0] * cost[..., 1]) / (loss[..., 1] * cost[..., 0]))

        middle = np.full(len(values), np.log(self._centre()[0]))
        return np.exp(root(balance, middle - 40.0, middle + 40.0))

    def _searched(self, values: Array, targets: Array) -> tuple[Array, Array]:
        """Size and tokens, [k, m]."""
        search = self._search(values, targets)
        given = [self.held.get(role) for role in (self.size, self.tokens)]
        if all(value is not None for value in given):
            raise ValueError(f"allocate: {self.size} and {self.tokens} are both given; leave one")
        if given == [None, None]:
            x, y = best(search)
        else:
            logs = [None if value is None else np.full((1, 1, 1), np.log(value))
                    for value in given]
            x, y = fixed(search, *logs)
            x, y = (part.reshape(part.shape[-2:]) for part in (x, y))
        n, d = (np.exp(logs) if value is None else value + 0 * logs
                for value, logs in zip(given, (x, y), strict=True))
        shape = (len(values), targets.shape[1])
        return np.broadcast_to(n, shape), np.broadcast_to(d, shape)

    def _search(self, values: Array, targets: Array) -> Search:
        repetition = self._repetition(values, 3)
        surface = self._law[0]
        goals = targets[..., None]

        def at(x: Array, y: Array) -> dict[str, Any]:
            return self._at(values, np.exp(x), np.exp(y), **repetition)

        def loss(x: Array, y: Array) -> Array:
            return surface.values(at(x, y))

        def cost(x: Array, y: Array) -> Array:
            return self.cost.values(at(x, y))

        def slopes_of(part: Surface) -> Any:
            return lambda x, y: part.slopes(at(x, y))

        middle, low, high = self._ranges()
        if self.by_loss:
            return Search(cost, lambda x, y: loss(x, y) - goals, slopes_of(self.cost),
                          slopes_of(surface), (len(values), targets.shape[1]), middle, low, high)
        return Search(loss, lambda x, y: np.log(cost(x, y)) - np.log(goals), slopes_of(surface),
                      slopes_of(self.cost), targets.shape, middle, low, high)

    def _limit(self, values: Array) -> Array:
        """The loss at sizes and tokens far beyond any run: what no compute gets below."""
        middle, _, _ = self._ranges()
        far = np.full((1, 1), np.exp(middle + 60.0))
        n, d = (np.full((1, 1), self.held[role]) if role in self.held else far
                for role in (self.size, self.tokens))
        return self._loss(values, n, d)

    def _centre(self) -> tuple[float, float]:
        """Geometric means of size and tokens over the rows."""
        middle, low, high = self._ranges()
        half = (low + high) / 4
        return float(np.exp(middle - half)), float(np.exp(middle + half))

    def _ranges(self) -> tuple[float, float, float]:
        """Mean of log N and log D, and the ends of log(D/N), over the rows."""
        rows = getattr(self.fit, "rows", None)
        if rows is None or not len(rows):
            return np.log(1e10), 0.0, np.log(1e3)
        n, d = rows.columns[self.size], rows.columns[self.tokens]
        kept = (n > 0) & (d > 0)
        if not kept.any():
            raise ValueError(f"allocate: no row has positive {self.size} and {self.tokens}")
        x, y = np.log(n[kept]), np.log(d[kept])
        return float((x.mean() + y.mean()) / 2), float((y - x).min()), float((y - x).max())
