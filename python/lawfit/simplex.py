"""Variables that are shares of one whole: parts of a mixture, checked wherever they come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .resolve import as_names

__all__ = ["Simplex", "as_simplexes", "check_simplexes"]

_CLOSE = 1e-6  # shares are often written with six digits


@dataclass(frozen=True)
class Simplex:
    """Variables that are shares: none below 0, and their sum 1.

    With ``rest`` the variables leave one share unnamed: their sum is at most 1.

    >>> Simplex(("web", "books"), rest=True)
    Simplex(names=('web', 'books'), rest=True)
    """

    names: tuple[str, ...]
    rest: bool = False

    def wrong(self, columns: list[np.ndarray]) -> np.ndarray:
        """Boolean, one a row: the shares are no shares of one whole."""
        total = np.sum(columns, axis=0)
        beyond = total > 1 + _CLOSE if self.rest else np.abs(total - 1) > _CLOSE
        return np.asarray(beyond | (np.min(columns, axis=0) < 0) | np.isnan(total))


def as_simplexes(given: Iterable[Any]) -> tuple[Simplex, ...]:
    """Simplexes as such or as their fields; ValueError for names that are in two of them.

    >>> as_simplexes([{"names": ["p", "q"]}])
    (Simplex(names=('p', 'q'), rest=False),)
    """
    found = tuple(
        one if isinstance(one, Simplex) else
        Simplex(as_names(one["names"], "simplex"), bool(one.get("rest", False)))
        for one in given
    )
    names = [name for one in found for name in one.names]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"simplex: {name!r} is a share of two wholes")
    for one in found:
        if len(one.names) < 2 and not one.rest:
            raise ValueError(f"simplex: {one.names[0]!r} alone would always be 1; name all "
                             "shares, or write rest=True where one is left unnamed"
                             if one.names else "simplex: name the variables that are shares")
    return found


def check_simplexes(
    simplexes: Iterable[Simplex], columns: Mapping[str, np.ndarray],
    sources: Mapping[str, str] | None = None, positions: np.ndarray | None = None,
) -> None:
    """ValueError naming the columns and the first bad row of shares that are none.

    ``columns`` maps variables to values, ``sources`` to the names of their columns in the table,
    ``positions`` says which of the table's rows they are.

    >>> check_simplexes([Simplex(("p", "q"))], {"p": np.array([0.5]), "q": np.array([0.5])})
    """
    for simplex in simplexes:
        values = np.broadcast_arrays(*(np.atleast_1d(columns[name]) for name in simplex.names))
        bad = simplex.wrong(list(values)).ravel()
        if not bad.any():
            continue
        at = int(np.argmax(bad))
        row = at if positions is None else int(positions[at])
        names = [(sources or {}).get(name, name) for name in simplex.names]
        shown = ", ".join(f"{name} {float(value.ravel()[at]):.6g}"
                          for name, value in zip(names, values, strict=True))
        rule = "sum to at most 1" if simplex.rest else "sum to 1"
        count = int(bad.sum())
        rows = "1 row where they do not" if count == 1 else f"{count} rows where they do not"
        raise ValueError(
            f"columns {', '.join(map(repr, names))} are shares, none below 0, that {rule}; there "
            f"{'is' if count == 1 else 'are'} {rows}, first at row {row} ({shown}); divide by "
            "the row's sum, or filter with where="
        )
