"""Many fits as one table of columns, and as other libraries' tables."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["columns", "to_arrow", "to_pandas", "to_polars"]

_NUMBERS = ("n_starts", "n_converged", "best_basin_share", "second_objective", "gradient_norm",
            "n_iterations", "moved")  # fmt: skip


def columns(fits: Fits) -> dict[str, np.ndarray]:
    """See ``Fits.table``."""
    out = {**fits.index, "rows": fits.rows}
    tail = {"objective": fits.objective, "status": fits.status, "converged": fits.converged,
            **{name: fits.diagnostics[name] for name in _NUMBERS}}  # fmt: skip
    taken = {*out, *tail}
    names = {name: f"parameter_{name}" if name in taken else name for name in fits.params}
    for name, column in names.items():
        out[column] = fits.params[name]
    for name, column in names.items():
        out[f"{column}_stderr"] = fits.stderr[name]
    for name, column in fits.nuisance.items():
        label = f"nuisance_{name}" if name in {*out, *tail} else name
        out[label], out[f"{label}_stderr"] = column, fits.nuisance_stderr[name]
    return out | tail


def to_pandas(table: dict[str, np.ndarray]) -> Any:
    """A pandas DataFrame of the columns."""
    return _module("pandas", "to_pandas").DataFrame(table)


def to_polars(table: dict[str, np.ndarray]) -> Any:
    """A polars DataFrame of the columns."""
    return _module("polars", "to_polars").DataFrame(table)


def to_arrow(table: dict[str, np.ndarray]) -> Any:
    """A pyarrow Table of the columns."""
    return _module("pyarrow", "to_arrow").table(dict(table))


def _module(name: str, method: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"{method}() needs {name}: pip install {name}") from None
