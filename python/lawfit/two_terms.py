"""Closed forms for laws that are a constant, a power of the size and a power of the tokens.

Source: J. Hoffmann et al., "Training Compute-Optimal Large Language Models" (2022), approach 3:
minimise ``E + A/N**alpha + B/D**beta`` subject to ``C = cost*N*D``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .expression import Array
from .terms import NotAPowerSum, Power, power_sum

if TYPE_CHECKING:
    from .law import Law

__all__ = ["TwoTerms", "two_terms"]


class TwoTerms(NamedTuple):
    """The law as ``E + A*N**-alpha + B*D**-beta``, each an array over k parameter vectors."""

    E: Array
    A: Array
    alpha: Array
    B: Array
    beta: Array

    def column(self) -> TwoTerms:
        """Each as [k, 1], to meet budgets along a second axis; NaN where there is no optimum."""
        valid = (self.A > 0) & (self.B > 0) & (self.alpha > 0) & (self.beta > 0)
        return TwoTerms(*(np.where(valid, part, np.nan)[:, None] for part in self))

    def best_size(self, work: Array) -> Array:
        """The size that minimises the loss for ``N*D = work``; from logs, so nothing overflows."""
        balance = np.log(self.alpha * self.A) - np.log(self.beta * self.B)
        return np.exp((balance + self.beta * np.log(work)) / (self.alpha + self.beta))

    def work_for(self, loss: Array) -> Array:
        """The least ``N*D`` that reaches a loss; infinite at or below the floor.

        At the optimum ``alpha*A/N**alpha = beta*B/D**beta``, so both terms are shares of
        ``loss - E`` that the exponents give.
        """
        excess = loss - self.E
        both = self.alpha + self.beta
        log_n = np.log(self.A * both / (self.beta * excess)) / self.alpha
        log_d = np.log(self.B * both / (self.alpha * excess)) / self.beta
        out_of_reach = np.where(np.isnan(excess), np.nan, np.inf)
        return np.where(excess > 0, np.exp(log_n + log_d), out_of_reach)

    def size_for_tokens(self, tokens: Array) -> Array:
        """The size for which ``tokens`` are the best number of tokens."""
        log_n = np.log(self.alpha * self.A) - np.log(self.beta * self.B)
        return np.exp((log_n + self.beta * np.log(tokens)) / self.alpha)

    def loss(self, n: Array, d: Array) -> Array:
        """The law."""
        return self.E + self.A * n**-self.alpha + self.B * d**-self.beta


def two_terms(law: Law, values: Array, size: str, tokens: str) -> TwoTerms | None:
    """The law at ``values[k, parameters]`` as two terms; None when it is of another form.

    >>> from lawfit import Law
    >>> law = Law("E + (a/N)**alpha + B*D**-beta", ["N", "D"])
    >>> [float(part[0]) for part in two_terms(law, np.array([[1.5, 4, 0.5, 3, 0.25]]), "N", "D")]
    [1.5, 2.0, 0.5, 3.0, 0.25]
    """
    wanted: dict[frozenset[str], list[Power]] = {
        frozenset(): [], frozenset({size}): [], frozenset({tokens}): []
    }
    try:
        for term in power_sum(law, values):
            wanted[frozenset(term.powers)].append(term)
        (n_term,), (d_term,) = wanted[frozenset({size})], wanted[frozenset({tokens})]
    except (NotAPowerSum, KeyError, ValueError):
        return None
    floor = np.zeros(len(values)) + sum(term.coefficient for term in wanted[frozenset()])
    return TwoTerms(
        floor, n_term.coefficient, -n_term.powers[size], d_term.coefficient,
        -d_term.powers[tokens],
    )
