"""How the shell's answers look: JSON, and the tables that ``print(fit)`` does not have."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any

import numpy as np

from .allocate import Allocation
from .bootstrap import Bootstrap
from .diagnose import Diagnosis
from .intervals import DEFAULT
from .report import number, percent, table

__all__ = [
    "allocation_table", "bootstrap_table", "derived_table", "diagnosis_data", "print_json",
    "wants_json",
]


def wants_json(arguments: argparse.Namespace) -> bool:
    """JSON when asked for or when nobody looks; tables otherwise."""
    return arguments.as_json or not (arguments.as_table or sys.stdout.isatty())


def print_json(value: Any) -> None:
    """JSON on standard output; numbers that JSON lacks become null."""
    print(json.dumps(_json(value), indent=2, allow_nan=False))


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    return value


def bootstrap_table(boot: Bootstrap, level: float, method: str = DEFAULT) -> str:
    """Standard errors and intervals from replicates, one line a parameter."""
    errors, ends = boot.stderr(), boot.interval(level, method)
    rows: list[tuple[str, ...]] = [("parameter", "stderr", f"{100 * level:g} % low", "high")]
    for name in boot.params:
        low, high = ends[name]
        rows.append((name, number(errors[name], 3), number(low, 4), number(high, 4)))
    drawn = f"{boot.replicates:,} {boot.method} resamples, {boot.failed:,} failed, {method}"
    return f"bootstrap: {drawn}\n{table(rows)}"


def derived_table(derived: list[dict[str, Any]], level: float) -> str:
    """Derived quantities, one line each: value, standard error, interval."""
    head = ("derived", "value", "stderr", f"{100 * level:g} % low", "high")
    rows: list[tuple[str, ...]] = [head]
    for item in derived:
        low, high = item["interval"]
        rows.append((item["expression"], number(item["value"]), number(item["stderr"], 3),
                     number(low, 4), number(high, 4)))
    return table(rows)


_ALLOCATION = ("compute", "N", "D", "tokens_per_parameter", "loss", "exponent")


def allocation_table(best: Allocation) -> str:
    """The best size and tokens for one budget or loss, with intervals where there are any."""
    sought = "compute" if "compute" in best.intervals else "loss"
    rows: list[tuple[str, ...]] = [
        ("compute-optimal", "value", f"{100 * (best.level or 0):g} % low", "high")
    ]
    for name in _ALLOCATION:
        if name not in best.intervals:
            continue
        low, high = best.intervals[name]
        rows.append((name.replace("_", " "), number(getattr(best, name), 4), number(low, 4),
                     number(high, 4)))
    head = (f"for {best.compute:.4g} FLOP" if sought == "loss" else
            f"for a loss of {best.loss:.6g}")
    if np.isfinite(best.extrapolation):
        head += f", {number(best.extrapolation, 3)} times the largest run"
    if best.exists < 1:
        head += f"; {percent(best.exists)} of the replicates have such an optimum"
    return f"{head}\n{table(rows)}"


def diagnosis_data(found: Diagnosis) -> dict[str, Any]:
    """A diagnosis as plain data: one entry a row used, and what holds for all."""
    weak = found.identifiability
    fit = found.lack_of_fit
    return {
        **{name: getattr(found, name) for name in (
            "rows", "standardised", "leverage", "influence", "cooks_distance", "distance",
            "outlier", "scale",
        )},
        "lack_of_fit": None if fit is None else fit._asdict(),
        "condition": weak.condition,
        "inflation": weak.inflation,
        "directions": [{"index": part.index, "change": part.change} for part in weak.directions],
    }
