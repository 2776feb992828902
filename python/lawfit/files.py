"""Table files for the shell: CSV with the standard library, the rest with pandas or pyarrow."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CsvTable", "read_csv", "read_table"]

_EMPTY = frozenset({"", "na", "n/a", "nan", "null", "none"})
_TRUTH = {"true": True, "false": False}


def read_table(path: str) -> Any:
    """A table from a file, by its suffix; ``-`` reads CSV from standard input.

    ``.csv``, ``.tsv`` and unknown suffixes need NumPy alone; ``.parquet`` and ``.feather`` need
    pyarrow or pandas, ``.json``, ``.jsonl`` and ``.xlsx`` pandas. Raises OSError when the file
    cannot be read, ValueError naming file and line when it cannot be understood, and ImportError
    with the pip line when a package is missing.
    """
    if path == "-":
        return read_csv(io.StringIO(sys.stdin.read()), "standard input")
    suffix = Path(path).suffix.lower()
    if suffix in (".parquet", ".feather", ".arrow"):
        return _read_arrow(path, suffix)
    if suffix in (".json", ".jsonl", ".xlsx"):
        return _read_pandas(path, suffix)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = Path(path).read_bytes()[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 text; convert the file first") from None
    return read_csv(io.StringIO(text, newline=""), path, "\t" if suffix == ".tsv" else ",")


def _read_arrow(path: str, suffix: str) -> Any:
    try:
        if suffix == ".parquet":
            import pyarrow.parquet

            return pyarrow.parquet.read_table(path)
        import pyarrow.feather

        return pyarrow.feather.read_table(path)
    except ImportError:
        raise ImportError(f"reading {suffix} files needs pyarrow: pip install pyarrow") from None


def _read_pandas(path: str, suffix: str) -> Any:
    try:
        import pandas
    except ImportError:
        raise ImportError(f"reading {suffix} files needs pandas: pip install pandas") from None
    if suffix == ".xlsx":
        return pandas.read_excel(path)
    return pandas.read_json(path, lines=suffix == ".jsonl")


class CsvTable(dict[str, np.ndarray]):
    """Columns of a CSV file by name; ``lines`` has the file's line of each row, from 1."""

    lines: list[int]


def read_csv(stream: io.StringIO, name: str, delimiter: str = ",") -> CsvTable:
    """Columns of a CSV text with a header line, each float64, boolean or text.

    Lines before the header that start with ``#`` are comments. A column of numbers becomes
    float64 (empty cells, NA, null, none: NaN), one of true and false boolean, any other an object
    array of str. Raises ValueError naming ``name`` and the line for an empty file, repeated or
    empty column names, and lines of another length.

    >>> read_csv(io.StringIO("N,kind\\n1e6,a\\n,b\\n"), "runs.csv")["N"]
    array([1000000.,      nan])
    """
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        return _columns(reader, lines, name)
    except csv.Error as error:
        raise ValueError(f"{name}, line {lines.number}: {error}") from None


class _Lines:
    """Lines of a text with a count of those handed out, without comments at the top."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream, self.number, self.at_top = stream, 0, True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self.stream:
            self.number += 1
            if not (self.at_top and line.startswith("#")):
                self.at_top = False
                return line
        raise StopIteration


def _columns(reader: Any, lines: _Lines, name: str) -> CsvTable:
    header = [cell.strip() for cell in next(reader, [])]
    where = f"{name}, line {max(1, lines.number)}"
    if not header:
        raise ValueError(f"{where}: a header line with the names of the columns is needed")
    for position, column in enumerate(header):
        if not column:
            raise ValueError(f"{where}: column {position + 1} has no name")
        if column in header[:position]:
            raise ValueError(f"{where}: the column name {column!r} occurs twice")
    rows, numbers = [], []
    for row in reader:
        if not row:  # a blank line
            continue
        if len(row) != len(header):
            raise ValueError(
                f"{name}, line {lines.number}: {len(row)} cells, the header has {len(header)}"
            )
        rows.append(row)
        numbers.append(lines.number)
    cells = zip(*rows, strict=True) if rows else ((),) * len(header)
    columns = CsvTable((c, _convert(list(v))) for c, v in zip(header, cells, strict=True))
    columns.lines = numbers
    return columns


def _convert(cells: list[str]) -> np.ndarray:
    words = {cell.strip().lower() for cell in cells[:1]}
    if words <= _TRUTH.keys() and words:
        values = [_TRUTH.get(cell.strip().lower()) for cell in cells]
        if None not in values:
            return np.array(values, dtype=bool)
    try:
        return np.array([_number(cell) for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array([cell.strip() for cell in cells], dtype=object)


def _number(cell: str) -> float:
    if "_" in cell:  # Python reads 1_000 as a number, tables mean a name
        raise ValueError
    if cell.strip().lower() in _EMPTY:
        return np.nan
    return float(cell)
