"""The rows of one fit as float64 columns, with every refusal named by column and row.

Rows in messages are positions in the user's table, counted from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .likelihoods import Binomial, check_counts, check_likelihoods, read_trials
from .losses import Loss
from .table import Table, as_array, to_float

__all__ = ["Reader", "Rows", "Sheet", "both", "read_rows"]

_SPACES = ("linear", "log", "logit", "relative")
# What a measured value must not be, by residual space, and why.
_OUTSIDE: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "log": (lambda y: y <= 0, "not positive, and on='log' takes logarithms"),
    "logit": (lambda y: (y <= 0) | (y >= 1), "outside (0, 1), and on='logit' needs shares"),
    "relative": (lambda y: y == 0, "zero, and on='relative' divides by them"),
}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows one fit used, as float64 columns.

    ``columns`` maps law variable -> values, ``sources`` law variable -> data column, ``y_name``
    is the measured column; ``weights`` and ``sigma`` are None or one value a row;
    ``positions`` are the rows' places in the user's table of ``total`` rows. ``table`` is that
    table while it is at hand, for columns that are asked for later (``by="run"``); it is not
    copied, saved or pickled.
    """

    columns: dict[str, np.ndarray]
    y: np.ndarray
    weights: np.ndarray | None
    sigma: np.ndarray | None
    positions: np.ndarray
    total: int
    sources: dict[str, str]
    y_name: str
    table: Table | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "table"}
        return _rebuild, (kept,)

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Sheet:
    """The checked columns of a table, cut to the rows that are used.

    As ``Rows``, but ``positions`` is None when every row of the table is used, and the arrays
    may then be the table's own.
    """

    columns: dict[str, np.ndarray]
    y: np.ndarray
    weights: np.ndarray | None
    sigma: np.ndarray | None
    positions: np.ndarray | None
    total: int
    sources: dict[str, str]
    y_name: str
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, picked: np.ndarray | slice, variables: Iterable[str] | None = None) -> Rows:
        """A copy of some rows, with the columns of some variables (default: all)."""

        def taken(values: np.ndarray) -> np.ndarray:
            return values[picked].copy() if isinstance(picked, slice) else values[picked]

        names = self.columns if variables is None else variables
        positions = np.arange(self.total) if self.positions is None else self.positions
        return Rows(
            columns={name: taken(self.columns[name]) for name in names},
            y=taken(self.y),
            weights=None if self.weights is None else taken(self.weights),
            sigma=None if self.sigma is None else taken(self.sigma),
            positions=taken(positions),
            total=self.total,
            sources={name: self.sources[name] for name in names},
            y_name=self.y_name,
            table=self.table,
        )


def _rebuild(kept: dict[str, Any]) -> Rows:
    return Rows(**kept)


@dataclass(frozen=True)
class _Cells:
    """One needed column before rows are chosen: what to call it in messages, and its values."""

    label: str
    values: np.ndarray


def read_rows(
    table: Table,
    variables: tuple[str, ...],
    y: str | np.ndarray,
    *,
    columns: Mapping[str, str] | None = None,
    weights: Any = None,
    sigma: Any = None,
    on: str = "linear",
    where: Any = None,
    nan: str = "raise",
    losses: Sequence[Loss] = (),
) -> Rows:
    """Read, filter and check the rows of one fit.

    ``variables`` are the law's; ``columns`` maps those whose data column has another name.
    ``weights`` and ``sigma`` are a column name, a scalar or an array with one value a row;
    ``losses`` are those the measured column must suit. The filter ``where`` (mask or text) applies
    first, then the rule for cells that are not finite (``nan="raise"`` or ``"drop"``), then rows
    of zero weight leave.

    Raises ValueError or TypeError naming argument, column and first bad row.

    >>> rows = read_rows(Table({"D": [1, 2, 3], "loss": [3.0, 2.5, 2.3]}), ("D",), "loss",
    ...                  where="D > 1")
    >>> rows.y, rows.positions
    (array([2.5, 2.3]), array([1, 2]))
    """
    reader = Reader(table, variables, y, columns=columns, weights=weights, sigma=sigma, on=(on,),
                    nan=nan, losses=losses)
    return reader.sheet(reader.mask(where, "where")).rows(slice(None))


class Reader:
    """The columns of one call, opened; ``sheet`` then checks them and cuts them to size.

    ``on`` are all residual spaces the measured column must suit; other arguments are those of
    ``read_rows``.
    """

    def __init__(
        self, table: Table, variables: Iterable[str], y: str | np.ndarray, *,
        columns: Mapping[str, str] | None, weights: Any, sigma: Any, on: Iterable[str], nan: str,
        losses: Sequence[Loss] = (),
    ) -> None:
        for space in on:
            _check_choices(space, nan, weights, sigma)
        self.table, self.on, self.nan, self.losses = table, tuple(on), nan, tuple(losses)
        reading = check_likelihoods(self.losses, self.on, sigma) if losses else None
        self.sources = {name: (columns or {}).get(name, name) for name in variables}
        self.y_name = y if isinstance(y, str) else "y"
        self.cells = {
            f"variable {name}": _variable(table, name, source)
            for name, source in self.sources.items()
        }
        self.cells["y"] = _cells(table, y, "y", None)
        self.total = len(self.cells["y"].values)
        _check_lengths(self.cells, self.total)
        for argument, value in (("weights", weights), ("sigma", sigma)):
            if value is not None:
                self.cells[argument] = _cells(table, value, argument, self.total)
        self.trials: Binomial | None = None
        if isinstance(reading, Binomial) and reading.trials is not None:
            self.trials = reading
            self.cells["trials"] = _cells(table, reading.trials, "trials", self.total)

    def mask(self, where: Any, argument: str) -> np.ndarray | None:
        """The rows a mask or filter text keeps; None for all of them."""
        return _mask(self.table, where, self.total, argument)

    def sheet(
        self, keep: np.ndarray | None, missing: Mapping[str, np.ndarray | None] | None = None
    ) -> Sheet:
        """The rows of ``keep`` (None: all) that pass every check.

        ``missing`` maps a label to the rows where a column that is no number has no value.
        """
        cells = self.cells
        keep = _finite(cells, missing or {}, keep, self.nan)
        keep = _check_weights(cells, keep)
        for space in self.on:
            _check_space(cells["y"], keep, space)
        cells = self._as_likelihoods(cells, keep)
        positions = None if keep is None or keep.all() else np.flatnonzero(keep)
        if not (self.total if positions is None else len(positions)):
            why = " after where=, nan='drop' and zero weights" if self.total else ""
            raise ValueError(f"data: no rows are left{why}")
        taken = {
            key: cell.values if positions is None else cell.values[positions]
            for key, cell in cells.items()
        }
        return Sheet(
            columns={name: taken[f"variable {name}"] for name in self.sources},
            y=taken["y"],
            weights=taken.get("weights"),
            sigma=taken.get("sigma"),
            positions=positions,
            total=self.total,
            sources=self.sources,
            y_name=self.y_name,
            table=self.table,
        )


    def _as_likelihoods(
        self, cells: dict[str, _Cells], keep: np.ndarray | None
    ) -> dict[str, _Cells]:
        """Counts and shares, checked. Trials make the standard deviation of a share smaller."""

        def refuse(label: str, bad: np.ndarray, why: str) -> None:
            _refuse(label, both(keep, bad), why)

        y = cells["y"]
        check_counts(self.losses, y.label, y.values, refuse)
        if self.trials is None:
            return cells
        trials = cells["trials"]
        with np.errstate(all="ignore"):  # rows that are left out may hold anything
            shares = read_trials(self.trials, y.label, y.values, trials.label, trials.values,
                                 refuse)
            sigma = _Cells("trials", trials.values**-0.5)
        return {**cells, "y": _Cells(y.label, shares), "sigma": sigma}


def _check_choices(on: str, nan: str, weights: Any, sigma: Any) -> None:
    if on not in _SPACES:
        raise ValueError(f"on: unknown residual space {on!r}; choose from {', '.join(_SPACES)}")
    if nan not in ("raise", "drop"):
        raise ValueError(f"nan: must be 'raise' or 'drop', not {nan!r}")
    if weights is not None and sigma is not None:
        raise ValueError(
            "weights and sigma: give one of them; weights multiply the loss, sigma divides the "
            "residual"
        )


def _variable(table: Table, name: str, source: str) -> _Cells:
    if not isinstance(source, str):
        raise TypeError(f"columns: the entry for {name!r} must be a column name, not {source!r}")
    label = f"column {source!r}" + (f" (variable {name})" if source != name else "")
    return _Cells(label, to_float(table.raw(source, f"variable {name}: column"), label))


def _cells(table: Table, value: Any, argument: str, total: int | None) -> _Cells:
    """y, weights or sigma: a column name, an array, or (with ``total`` known) a scalar."""
    if isinstance(value, str):
        label = f"column {value!r} ({argument})"
        return _Cells(label, to_float(table.raw(value, f"{argument}: column"), label))
    array = as_array(value, argument)
    if array.ndim == 0 and total is not None:
        array = np.full(total, array)
    if array.ndim != 1:
        raise ValueError(f"{argument}: expected one value a row, got shape {array.shape}")
    if total is not None and len(array) != total:
        raise ValueError(f"{argument}: {len(array)} values for {total} rows")
    return _Cells(argument, to_float(array, argument))


def _check_lengths(cells: Mapping[str, _Cells], total: int) -> None:
    for cell in cells.values():
        if len(cell.values) != total:
            raise ValueError(
                f"{cell.label} has {len(cell.values)} rows, {cells['y'].label} has {total}; "
                "all columns must have the same length"
            )


def _mask(table: Table, where: Any, total: int, argument: str) -> np.ndarray | None:
    if where is None:
        return None
    if isinstance(where, str):
        from .filters import evaluate_filter

        return evaluate_filter(where, table, total)
    mask = np.asarray(where)
    if mask.dtype.kind != "b":
        raise TypeError(
            f"{argument}: expected a boolean mask or a text such as 'flops < 1e21', "
            f"got {mask.dtype}"
        )
    if mask.shape != (total,):
        raise ValueError(f"{argument}: mask of shape {mask.shape} for {total} rows")
    return mask


def both(keep: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """The rows that are in both masks, None standing for all."""
    return rows if keep is None else keep & rows


def _finite(
    cells: Mapping[str, _Cells], missing: Mapping[str, np.ndarray | None],
    keep: np.ndarray | None, nan: str,
) -> np.ndarray | None:
    """Name cells that are not finite, or drop their rows across all columns together."""
    for cell in cells.values():
        with np.errstate(all="ignore"):
            if math.isfinite(np.add.reduce(cell.values)):  # one pass, and nothing to write
                continue
        finite = np.isfinite(cell.values)
        if not finite.all():
            what = "not finite (NaN or infinite)"
            keep = _without(cell.label, both(keep, ~finite), keep, nan, what)
    for label, rows in missing.items():
        if rows is not None:
            keep = _without(label, both(keep, rows), keep, nan, "missing")
    return keep


def _without(
    label: str, bad: np.ndarray, keep: np.ndarray | None, nan: str, what: str
) -> np.ndarray | None:
    if not bad.any():
        return keep
    if nan == "drop":
        return both(keep, ~bad)
    count, first = int(bad.sum()), int(np.argmax(bad))
    cells_are = "1 cell that is" if count == 1 else f"{count} cells that are"
    raise ValueError(
        f"{label} has {cells_are} {what}, first at row {first}; clean the data, filter with "
        "where=, or pass nan='drop'"
    )


def _check_weights(cells: Mapping[str, _Cells], keep: np.ndarray | None) -> np.ndarray | None:
    """Refuse negative weights and sigma <= 0; rows of zero weight leave."""
    if "sigma" in cells:
        bad = both(keep, cells["sigma"].values <= 0)
        _refuse(cells["sigma"].label, bad, "not positive; sigma is a standard deviation")
    if "weights" in cells:
        weights = cells["weights"].values
        _refuse(cells["weights"].label, both(keep, weights < 0), "negative; weights must be >= 0")
        left = both(keep, weights > 0)
        if not left.any() and (len(weights) if keep is None else keep.any()):
            raise ValueError(f"{cells['weights'].label}: all weights are zero; nothing to fit")
        keep = left
    return keep


def _check_space(y: _Cells, keep: np.ndarray | None, on: str) -> None:
    if on in _OUTSIDE:
        outside, why = _OUTSIDE[on]
        bad = both(keep, outside(y.values))
        _refuse(y.label, bad, f"{why}; filter them with where= or change on")


def _refuse(label: str, bad: np.ndarray, why: str) -> None:
    count = int(bad.sum())
    if count:
        cells_are = "1 value that is" if count == 1 else f"{count} values that are"
        raise ValueError(f"{label} has {cells_are} {why} (first at row {int(np.argmax(bad))})")
