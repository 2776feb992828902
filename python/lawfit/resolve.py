"""Deciding which names of a formula are columns of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .grammar import closest

if TYPE_CHECKING:
    from .law import Law

__all__ = ["as_names", "choose_variables"]


def as_names(names: Iterable[str], argument: str) -> tuple[str, ...]:
    """A list of distinct names; TypeError or ValueError naming the argument.

    >>> as_names(["N", "D"], "variables")
    ('N', 'D')
    """
    if isinstance(names, str):
        raise TypeError(f"{argument} takes a list of names: write ({names!r},)")
    try:
        given = tuple(names)
    except TypeError:
        raise TypeError(f"{argument} takes a list of names, not {type(names).__name__}") from None
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"{argument} takes names, not {name!r}")
        if given.count(name) > 1:
            raise ValueError(f"{argument}: {name!r} is given twice")
    return given


def choose_variables(
    law: Law, columns: Iterable[str], named: Iterable[str], mapped: Iterable[str]
) -> tuple[str, ...]:
    """The variables of a law on a table, by the rule of ``Law.resolve``.

    A wrong guess here would fit another law than the one meant, so whatever could be read in
    two ways is refused with the two ways to write it.
    """
    table, wanted = list(columns), as_names(mapped, "columns")
    kept = {*as_names(named, "parameters"), *law.settings}
    known = law.variables if law.decided else law.names
    for name in wanted:
        if name in kept:
            raise ValueError(f"{name!r} is given both in columns= and as a parameter; "
                             "take it out of one of them")
        if name not in known:
            raise ValueError(f"columns: {name!r} is not a variable of the law {law.formula!r}"
                             f"{closest(name, known)}")
    if law.decided:
        return law.variables
    matching = tuple(name for name in law.names if name in table and name not in kept)
    if wanted:
        for name in matching:
            if name not in wanted:
                raise ValueError(_either(name))
        return wanted
    if not matching:
        raise ValueError(
            f"no name of the law {law.formula!r} is a column of the table "
            f"({', '.join(map(str, table))}); give columns={{name: column}}, or "
            "Law(..., variables=()) for a law without variables"
        )
    return matching


def _either(name: str) -> str:
    return (
        f"{name!r} is a name of the law and a column of the table, but not in columns=; for a "
        f"variable add {name!r}: {name!r} to columns=, for a parameter write "
        f"Law(..., parameters={{{name!r}: Parameter()}})"
    )
