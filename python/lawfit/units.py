"""What is drawn as a whole: rows of equal keys as clusters or strata, by column names or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .keys import Key, group, read_keys
from .table import Table

if TYPE_CHECKING:
    from .data import Rows

__all__ = ["row_keys", "units_of"]


def units_of(rows: Rows, by: Any, argument: str = "by") -> np.ndarray:
    """Cluster numbers from 0 (int32, one a row used), counted in order of first appearance.

    ``by`` is a column of the table the fit was made from, a list of columns (rows are one unit
    where all agree), or an array with one key a row of that table or a row used. Raises
    ValueError naming the column and the first bad row for missing keys, for tables no longer at
    hand and for arrays of another length.

    >>> import lawfit as lf
    >>> fit = lf.fit("y = a*x", {"x": [1, 2, 3], "y": [1, 2, 4], "run": ["p", "q", "p"]})
    >>> units_of(fit.rows, "run").tolist()
    [0, 1, 0]
    """
    if isinstance(by, str) or _several(by):
        if rows.table is None:
            raise ValueError(
                f"{argument}: the table behind this fit is not at hand (it was loaded or "
                f"unpickled); pass the keys themselves, one for each of the {len(rows)} rows used"
            )
        keys, positions = read_keys(rows.table, by, rows.total), rows.positions
    else:
        keys, positions = _given(rows, by, argument)
    for key in keys:
        if key.missing is None:
            continue
        missing = key.missing if positions is None else key.missing[positions]
        if missing.any():
            at = int(rows.positions[np.argmax(missing)])
            raise ValueError(f"{argument}: column {key.name!r} has missing keys, first at row "
                             f"{at}; filter them with where=")
    return group(keys, positions, len(rows)).ids.astype(np.int32)


def _several(by: Any) -> bool:
    """A list of column names, and not a list of keys."""
    return (
        isinstance(by, Sequence) and not isinstance(by, (str, bytes))
        and 0 < len(by) <= 16 and all(isinstance(name, str) for name in by)
    )


def _given(rows: Rows, by: Any, argument: str) -> tuple[list[Key], np.ndarray | None]:
    array = np.asarray(by)
    if array.ndim != 1 or len(array) not in (len(rows), rows.total):
        raise ValueError(
            f"{argument}: expected a column name or one key a row ({len(rows)} used of "
            f"{rows.total}), got shape {array.shape}"
        )
    keys = read_keys(Table({"given": array}), "given", len(array))
    return keys, None if len(array) == len(rows) else rows.positions


def row_keys(positions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """A 64-bit number for each set of rows, so that equal rows of a table get equal resamples.

    ``offsets`` cut ``positions`` into the sets; the order within a set does not matter.

    >>> keys = row_keys(np.array([0, 1, 2, 2, 0, 1, 0]), np.array([0, 3, 6, 7]))
    >>> bool(keys[0] == keys[1]), bool(keys[0] == keys[2])
    (True, False)
    """
    mixed = np.asarray(positions).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    return before[offsets[1:]] - before[offsets[:-1]]
