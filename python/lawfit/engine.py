"""From Python objects to the arguments of the compiled engine; nothing is decided here."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .data import Rows
    from .law import Law
    from .losses import Loss

__all__ = [
    "evaluate", "free_positions", "free_values", "objective_arguments", "options",
    "parameter_bounds", "progress_callback", "table_arguments", "thread_count", "whole",
]


def thread_count(threads: int | None) -> int:
    """Threads to use: as given, else the cores this process may use capped by LAWFIT_THREADS."""
    if threads is not None:
        return whole("threads", threads, 1)
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        available = os.cpu_count() or 1
    cap = os.environ.get("LAWFIT_THREADS", "")
    return max(1, min(available, int(cap))) if cap.isdigit() else available


def whole(argument: str, value: Any, least: int) -> int:
    """A whole number >= least, or TypeError/ValueError naming the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{argument}: expected a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{argument}: must be at least {least}, not {value}")
    return int(value)


def positive(argument: str, value: Any) -> float:
    """A positive number (infinity allowed), or TypeError/ValueError naming the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{argument}: expected a number, not {value!r}")
    if not value > 0:
        raise ValueError(f"{argument}: must be positive, not {value!r}")
    return float(value)


def options(
    *, tolerance: float, max_iterations: int | None, max_seconds: float | None, precise: bool,
    keep_starts: bool, seed: int, threads: int | None,
) -> dict[str, Any]:
    """The engine's option dict; limits that are None are left to the engine."""
    chosen: dict[str, Any] = {
        "tolerance": positive("tolerance", tolerance),
        "precise": bool(precise),
        "keep_starts": bool(keep_starts),
        "seed": whole("seed", seed, 0),
        "threads": thread_count(threads),
    }
    if max_iterations is not None:
        chosen["max_iterations"] = whole("max_iterations", max_iterations, 1)
    if max_seconds is not None:
        chosen["max_seconds"] = positive("max_seconds", max_seconds)
    return chosen


def table_arguments(law: Law, rows: Rows) -> tuple[Any, ...]:
    """(columns, y, weights, sigma) as the engine takes them, by position."""
    return [rows.columns[name] for name in law.variables], rows.y, rows.weights, rows.sigma


def objective_arguments(
    on: str, loss: Loss, numbers: tuple[float, float] | None = None
) -> tuple[str, str, Any]:
    """(space, loss, its numbers) as the engine takes them; ``numbers``: those estimated."""
    known = numbers is not None and bool(np.isfinite(numbers).all())  # not of fits that failed
    return on, loss.engine, loss.at(numbers if known else None)


def free_values(law: Law, values: np.ndarray) -> np.ndarray:
    """The free parameters out of all of them, as the engine takes them."""
    return np.ascontiguousarray(law.contract(values), dtype=np.float64)


def free_positions(law: Law) -> np.ndarray:
    """For each of ``law.parameters`` its index among the free ones; -1 where fixed or a formula.

    Parameters tied to be equal share an index.
    """
    return law.places


def parameter_bounds(law: Law) -> dict[str, tuple[float, float]]:
    """Each of ``law.parameters`` -> the bounds it is held to; infinite where there are none."""
    lower, upper = law.bounds()
    return {
        name: (float(lower[at]), float(upper[at])) if at >= 0 else (-math.inf, math.inf)
        for name, at in zip(law.parameters, law.places, strict=True)
    }


def evaluate(law: Law, values: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
    """The law at k parameter vectors (``values[k, free]``) and n points: an array [k, n]."""
    from . import _core

    return _core.evaluate(law.graph(), np.ascontiguousarray(values, dtype=np.float64), columns)


def progress_callback(
    progress: bool | Callable[[int, int], Any] | None,
) -> Callable[[int, int], Any] | None:
    """None, the caller's own callable, or a counter on standard error for True."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _print_progress
    if not callable(progress):
        raise TypeError(f"progress: expected True or a callable (done, total), not {progress!r}")
    return progress


def _print_progress(done: int, total: int) -> None:
    import sys

    end = "\n" if done >= total else ""
    sys.stderr.write(f"\r{done:,} of {total:,}{end}")
    sys.stderr.flush()
