"""One table for all laws of a call, or one for each, by the laws' names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .grammar import closest
from .table import Table

__all__ = ["each_law", "naming", "refuse_rows", "tables_of"]


def tables_of(data: Any, laws: Iterable[str]) -> tuple[dict[str, Table], bool]:
    """(law name -> its table, whether each law has its own).

    ``data`` is one table, or a dict law name -> table. Raises ValueError for laws without a
    table and for tables of no law.

    >>> tables, own = tables_of({"line": {"x": [1, 2]}, "curve": {"t": [1, 2]}}, ["line", "curve"])
    >>> own, tables["curve"].names
    (True, ['t'])
    """
    names = list(laws)
    if not (isinstance(data, Mapping) and any(map(_is_table, data.values()))):
        return dict.fromkeys(names, Table(data)), False
    for name, table in data.items():
        if name not in names:
            raise ValueError(f"data: {name!r} has a table and is none of the laws"
                             f"{closest(str(name), names)}; there are {_listed(names)}")
        if not _is_table(table):
            raise TypeError(f"data: other laws have tables, but the entry of {name!r} is none: "
                            f"{type(table).__name__}")
    if lacking := [name for name in names if name not in data]:
        raise ValueError(f"data: there are tables by law, but none for {_listed(lacking)}")
    return {name: Table(data[name]) for name in names}, True


def each_law(argument: str, given: Any, laws: Iterable[str], own: bool) -> dict[str, Any]:
    """Law name -> what is asked of it: the same for all, or where laws have their ``own`` tables
    a dict law name -> value."""
    names = list(laws)
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given if isinstance(given, (str, type)) else _kept(given))
    if not own:
        raise TypeError(f"{argument}: a dict law name -> {argument} needs a table for each law, "
                        "too: data={law name: table}")
    for name in given:
        if name not in names:
            raise ValueError(f"{argument}: {name!r} is none of the laws"
                             f"{closest(str(name), names)}; there are {_listed(names)}")
    if lacking := [name for name in names if name not in given]:
        raise ValueError(f"{argument}: there is nothing for {_listed(lacking)}")
    return {name: given[name] for name in names}


def refuse_rows(**arguments: Any) -> None:
    """ValueError for arguments with one value a row, which say nothing about several tables."""
    for argument, value in arguments.items():
        for part in value.values() if isinstance(value, Mapping) else (value,):
            if not isinstance(part, str) and part is not None and np.ndim(part):
                raise ValueError(f"{argument}: one value a row does not say of which table; where "
                                 "each law has its own, name a column or write a text")


@contextmanager
def naming(law: str | None) -> Iterator[None]:
    """Say in errors about arguments and data which law's table they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if law is None or type(error) not in (ValueError, TypeError):
            raise
        raise type(error)(f"law {law!r}: {error}") from None


def _is_table(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.names is not None
    return isinstance(value, Mapping) or any(
        hasattr(value, name) for name in ("columns", "column_names", "collect")
    )


def _kept(given: Any) -> Any:
    """An iterable that can be gone through once for every law."""
    return tuple(given) if isinstance(given, Iterator) else given


def _listed(names: list[str], most: int = 6) -> str:
    return ", ".join(map(repr, names[:most])) + (", ..." if len(names) > most else "")
