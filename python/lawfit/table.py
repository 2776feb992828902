"""A table in memory, whatever made it: columns by name, cells as float64."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Table", "as_array", "to_float"]

_MISSING = ("NoneType", "NAType", "NaTType")


class Table:
    """Columns by name from a dict of arrays, NumPy records or any dataframe.

    Understood without further packages: mappings, structured arrays, and objects whose columns
    ``np.asarray(data[name])`` can read (pandas, polars, pyarrow). Other dataframes are opened
    with narwhals when it is installed. Raises TypeError for anything else.

    >>> Table({"N": [1, 2], "loss": [3.5, 3.1]}).names
    ['N', 'loss']
    """

    def __init__(self, data: Any) -> None:
        self._data, names = _open(data)
        self.names: list[str] = [name for name in names if isinstance(name, str)]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def column(self, name: str, what: str = "column") -> Any:
        """The column as the table's maker keeps it."""
        if name not in self.names:
            raise ValueError(f"{what} {name!r} is not in the data; {self.close_to(name)}")
        return self._data[name]

    def raw(self, name: str, what: str = "column") -> np.ndarray:
        """The column as a one-dimensional array of whatever type it has."""
        array = as_array(self.column(name, what), f"{what} {name!r}")
        if array.ndim != 1:
            raise ValueError(
                f"{what} {name!r} has {array.ndim} dimensions; a column must have one"
            )
        return array

    def close_to(self, name: str) -> str:
        """Words for the user: close matches of a missing name, else the names there are."""
        close = difflib.get_close_matches(name, self.names, n=3, cutoff=0.7)
        if close:
            return "did you mean " + " or ".join(repr(match) for match in close) + "?"
        shown = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
        return f"columns: {shown}" if shown else "the table has no columns"


def as_array(column: Any, label: str) -> np.ndarray:
    """A plain array; masked cells become NaN so that the rule for missing values sees them."""
    if not np.ma.is_masked(column):
        try:
            return np.asarray(column)
        except ValueError as error:  # ragged lists
            raise ValueError(f"{label} is not a plain column of values: {error}") from None
    if column.dtype.kind in "biuf":
        return column.astype(np.float64).filled(np.nan)
    return column.astype(object).filled(None)


def _open(data: Any) -> tuple[Any, list[Any]]:
    """What to index by column name, and the names."""
    if isinstance(data, Mapping):
        return data, list(data)
    if isinstance(data, np.ndarray):
        if data.dtype.names is None:
            raise TypeError(
                "data: a plain array has no column names; pass a dict of arrays instead"
            )
        return data, list(data.dtype.names)
    if not hasattr(data, "collect"):  # lazy frames have columns, too, but no values yet
        for attribute in ("column_names", "columns"):
            names = getattr(data, attribute, None)
            if names is not None and hasattr(data, "__getitem__"):
                return data, list(names)
    return _open_with_narwhals(data)


def _open_with_narwhals(data: Any) -> tuple[Any, list[Any]]:
    kind = f"{type(data).__module__}.{type(data).__name__}"
    try:
        import narwhals
    except ImportError:
        raise TypeError(
            f"data: cannot read columns from {kind}; pass a dict of arrays, a NumPy record array "
            "or a dataframe (for lazy and further frames: pip install 'lawfit[frames]')"
        ) from None
    try:
        frame = narwhals.from_native(data)
    except TypeError:
        raise TypeError(f"data: cannot read columns from {kind}; pass a dict of arrays") from None
    if isinstance(frame, narwhals.LazyFrame):
        frame = frame.collect()
    return frame, list(frame.columns)


def to_float(array: np.ndarray, label: str) -> np.ndarray:
    """A column as contiguous float64, itself where it is that already; missing cells become NaN.

    Raises TypeError naming ``label`` and the first bad row when a cell is not a number.

    >>> to_float(np.array([1, None], dtype=object), "column 'x'")
    array([ 1., nan])
    """
    kind = array.dtype.kind
    if kind in "biuf":
        with np.errstate(over="ignore"):  # a long double past the range becomes inf, named later
            return np.ascontiguousarray(array, dtype=np.float64)
    if kind == "O":
        return _objects_to_float(array, label)
    what = {"c": "complex numbers", "M": "dates", "m": "time spans"}.get(kind, "text")
    if kind not in "cMmUST":
        what = f"values of type {array.dtype}"
    raise TypeError(f"{label} holds {what}, first at row 0; it must hold real numbers")


def _objects_to_float(array: np.ndarray, label: str) -> np.ndarray:
    out = np.empty(len(array))
    for row, cell in enumerate(array):
        if type(cell).__name__ in _MISSING:
            out[row] = np.nan
        elif isinstance(cell, (str, bytes)):
            raise _text_refused(array, label, row)
        else:
            try:
                out[row] = float(cell)
            except OverflowError:
                out[row] = np.inf
            except (TypeError, ValueError):
                raise _not_a_number(label, row, cell) from None
    return out


def _text_refused(array: np.ndarray, label: str, first: int) -> TypeError:
    """Point at the first text that is not even a number's: that one made the column text."""
    for row, cell in enumerate(array):
        try:
            float(cell if isinstance(cell, str) else 0)
        except ValueError:
            if cell.strip():
                return _not_a_number(label, row, cell)
    return _not_a_number(label, first, array[first])


def _not_a_number(label: str, row: int, cell: Any) -> TypeError:
    return TypeError(
        f"{label} holds {cell!r} at row {row}, which is not a number; "
        "convert the column or filter the row out first"
    )
