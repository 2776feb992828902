"""Key columns of any table -> groups of rows; no Python work per row or per group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .resolve import as_names

if TYPE_CHECKING:
    from .table import Table

__all__ = ["Groups", "Key", "group", "masked", "read_keys"]

_NO_CODE = -1
_ARROW_REALS = ("halffloat", "float", "double")
_ARROW_WHOLES = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


@dataclass(frozen=True, eq=False)
class Key:
    """One key column: ``cells`` of a fixed width that are equal where the keys are.

    ``missing`` is a boolean array, or None when no cell is missing; ``column`` holds the keys
    themselves, as the table has them.
    """

    name: str
    cells: np.ndarray
    missing: np.ndarray | None
    column: Any

    def without_cells(self) -> Key:
        """The same key once the groups are known: what was made to find them is let go."""
        return Key(self.name, self.cells[:0].copy(), None, self.column)

    def values(self, rows: np.ndarray | None) -> np.ndarray:
        """The keys of some rows (None: of all)."""
        column = self.column
        if rows is None:
            return np.asarray(column)
        if hasattr(column, "iloc"):  # pandas
            return np.asarray(column.iloc[rows])
        if isinstance(column, np.ndarray):
            return column[rows]
        return np.asarray((column.gather if hasattr(column, "gather") else column.take)(rows))


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows in groups, which are numbered in order of first appearance.

    ``rows`` are row numbers, group after group and ascending in each, or None when the rows
    stand in that order already; group g has ``rows[offsets[g]:offsets[g + 1]]``. ``firsts`` is
    the first row of each group.
    """

    rows: np.ndarray | None
    offsets: np.ndarray
    firsts: np.ndarray

    def __len__(self) -> int:
        return len(self.firsts)

    def part(self, mask: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray]:
        """(rows, offsets) of the rows where ``mask`` is true; groups may be empty then."""
        return (self.rows, self.offsets) if mask is None else masked(self.rows, self.offsets, mask)

    @cached_property
    def ids(self) -> np.ndarray:
        """The group of each row."""
        sorted_ids = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        if self.rows is None:
            return sorted_ids
        ids = np.empty_like(sorted_ids)
        ids[self.rows] = sorted_ids
        return ids


def masked(
    rows: np.ndarray | None, offsets: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, offsets) cut to the rows where ``mask`` is true; rows None are all as they stand."""
    chosen = mask if rows is None else mask[rows]
    kept = np.flatnonzero(chosen) if rows is None else rows[chosen]
    before = np.concatenate([[0], np.cumsum(chosen, dtype=np.int64)])
    return kept, before[offsets]


def read_keys(table: Table, by: str | Iterable[str] | None, total: int) -> list[Key]:
    """The key columns that ``by`` names, in that order.

    Numbers, truth values, dates and texts are keys; so is any hashable object. Raises
    ValueError or TypeError naming the column.

    >>> from lawfit.table import Table
    >>> key, = read_keys(Table({"seed": [3, 3, 1]}), "seed", 3)
    >>> key.cells, key.values(np.array([0, 2]))
    (array([3, 3, 1]), array([3, 1]))
    """
    if by is None:
        return []
    names = (by,) if isinstance(by, str) else as_names(by, "by")
    if not names:
        raise ValueError("by: no key is named; leave by= out to fit all rows together")
    keys = [_key(name, table.column(name, "by: column")) for name in names]
    for key in keys:
        if len(key.cells) != total:
            raise ValueError(f"by: column {key.name!r} has {len(key.cells)} rows for {total}")
    return keys


def group(keys: list[Key], positions: np.ndarray | None, count: int) -> Groups:
    """The groups of ``count`` rows, which are the table's rows ``positions`` (None: all).

    >>> from lawfit.table import Table
    >>> found = group(read_keys(Table({"k": ["b", "a", "b"]}), "k", 3), None, 3)
    >>> found.rows, found.offsets, found.firsts
    (array([0, 2, 1]), array([0, 2, 3]), array([0, 1]))
    """
    from . import _core

    if not keys or not count:
        return Groups(None, np.array([0, count] if count else [0]), np.zeros(min(count, 1), int))
    cells = [key.cells if positions is None else key.cells[positions] for key in keys]
    changes = cells[0][1:] != cells[0][:-1]
    for column in cells[1:]:
        changes |= column[1:] != column[:-1]
    if 2 * np.count_nonzero(changes) > count:  # hardly any two neighbours have the same key
        ids, firsts = _core.dense_ids(_records(cells))
        return Groups(*_core.group_rows(ids, len(firsts)), firsts)
    begins = np.concatenate([[0], np.flatnonzero(changes) + 1])  # where runs of equal keys begin
    values = [column[begins] for column in cells]
    if len(values) == 1 and (values[0][1:] > values[0][:-1]).all():  # sorted: no key comes again
        return Groups(None, np.append(begins, count), begins)
    ids, first_runs = _core.dense_ids(_records(values))
    if len(first_runs) == len(begins):
        return Groups(None, np.append(begins, count), begins)
    lengths = np.diff(begins, append=count)
    rows, offsets = _core.group_rows(np.repeat(ids, lengths), len(first_runs))
    return Groups(rows, offsets, begins[first_runs])


def _records(columns: list[np.ndarray]) -> np.ndarray:
    """Bytes [rows, width] that are equal where all columns are."""
    parts = [
        np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1) for column in columns
    ]
    return parts[0] if len(parts) == 1 else np.ascontiguousarray(np.hstack(parts))


def _key(name: str, column: Any) -> Key:
    native = getattr(column, "to_native", None)
    if native is not None:  # narwhals
        return _key(name, native())
    if hasattr(column, "dictionary_encode"):  # pyarrow
        return _arrow_key(name, column)
    if hasattr(column, "replace_strict"):  # polars
        return _polars_key(name, column)
    if hasattr(column, "factorize") and not isinstance(getattr(column, "dtype", None), np.dtype):
        codes, _ = column.factorize()  # pandas: texts, categories, nullable numbers
        return _coded(name, codes, column)
    return _array_key(name, column)


def _array_key(name: str, column: Any) -> Key:
    array = np.asarray(column)
    if np.ma.is_masked(column):
        array = column.astype(object).filled(None)
    if array.ndim != 1:
        raise ValueError(f"by: column {name!r} has {array.ndim} dimensions; a column must have one")
    cells, missing = array, None
    if array.dtype.kind == "f":
        cells = array + 0.0  # one zero
        missing = np.isnan(array)
    elif array.dtype.kind in "mM":
        missing, cells = np.isnat(array), array.view(np.int64)
    elif array.dtype.kind in "OT":
        return _object_key(name, array.astype(object))
    elif array.dtype.kind not in "biuSU":
        raise TypeError(f"by: column {name!r} holds values of type {array.dtype}; "
                        "keys are numbers, truth values, dates, texts or hashable objects")
    return Key(name, cells, missing if missing is not None and missing.any() else None,
               array)


def _object_key(name: str, array: np.ndarray) -> Key:
    from . import _core

    try:
        codes, _ = _core.dense_objects(array)
    except TypeError as error:
        raise TypeError(f"by: column {name!r} holds values that cannot be keys: {error}") from None
    return _coded(name, codes, array)


def _coded(name: str, codes: np.ndarray, column: Any) -> Key:
    codes = np.asarray(codes, dtype=np.int64)
    missing = codes == _NO_CODE
    return Key(name, codes, missing if missing.any() else None, column)


def _arrow_key(name: str, column: Any) -> Key:
    kind = str(column.type)
    if kind in _ARROW_REALS or (kind in _ARROW_WHOLES and not column.null_count):
        return _array_key(name, np.asarray(column))
    encoded = column.dictionary_encode()
    if hasattr(encoded, "chunks"):
        encoded = encoded.unify_dictionaries().combine_chunks()
    if hasattr(encoded, "chunks"):  # several chunks remain only when there are none
        encoded = encoded.chunk(0)
    codes = encoded.indices.fill_null(_NO_CODE).to_numpy(zero_copy_only=False)
    return _coded(name, codes, column)


def _polars_key(name: str, column: Any) -> Key:
    if column.dtype.is_float() or (column.dtype.is_integer() and not column.null_count()):
        return _array_key(name, column.to_numpy())
    known = column.drop_nulls().unique(maintain_order=True)
    codes = column.replace_strict(known, np.arange(len(known)), default=_NO_CODE)
    return _coded(name, codes.to_numpy(), column)


