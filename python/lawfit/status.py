"""The closed list of fit statuses, as the engine states it: a name and a sentence each."""

from __future__ import annotations

from functools import cache

__all__ = ["GOOD", "Ended", "name_of", "sentence_of", "statuses"]

GOOD = frozenset({"converged", "converged_at_bound"})
"""The two statuses that mean an optimum was found."""


@cache
def statuses() -> tuple[tuple[str, str], ...]:
    """Every status as (name, sentence), in the order of the engine's codes.

    The sentence says what happened and what to do next.

    >>> statuses()[0][0]
    'converged'
    """
    from . import _core

    return tuple((str(name), str(sentence)) for name, sentence in _core.statuses())


@cache
def _sentences() -> dict[str, str]:
    return dict(statuses())


def name_of(code: int) -> str:
    """The name of an engine code.

    >>> name_of(1)
    'converged_at_bound'
    """
    return statuses()[int(code)][0]


def sentence_of(name: str) -> str:
    """The sentence of a status, by name. KeyError for a name that is not a status.

    >>> sentence_of("converged")
    'The optimum was found to the requested tolerance.'
    """
    return _sentences()[name]


class Ended:
    """What has a ``status``: what that means."""

    status: str

    @property
    def message(self) -> str:
        """One sentence: what the status means and what to do next."""
        return sentence_of(self.status)

    @property
    def converged(self) -> bool:
        """Whether an optimum was found (possibly on a bound)."""
        return self.status in GOOD
