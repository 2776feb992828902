"""Muennighoff et al.: a law of size and data first, then what repetition is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..data import Rows, read_rows
from ..fit import fit
from ..law import Law
from ..result import Fit
from ..table import Table

__all__ = ["fit_repeated_data", "prepare"]

BASE = ("A", "alpha", "B", "beta", "E")
DECAY = ("RNs", "RDs")
STEP = 1e-3  # of a standard error of the first stage


def fit_repeated_data(
    law: Law, data: Any, y: Any = None, *, columns: dict[str, str] | None = None,
    fresh: float = 1.05, **settings: Any,
) -> Fit:
    """Fit in two stages and carry the first one's errors on.

    ``data`` has columns ``N``, ``D`` and ``U`` (or ``columns=`` says which they are): size,
    tokens seen and unique tokens. The first stage uses the rows whose tokens are at most
    ``fresh`` times the unique ones and whose size is at most that which is optimal for them, by
    a first look at all rows without repetition. Returns a Fit of all parameters to the rows of the
    second stage, whose covariance holds both stages: that of the first as given, and for the
    constants of decay their own plus what they inherit. Its ``bootstrap`` would refit all
    parameters at once, which is another estimate. Raises ValueError when the first
    stage has fewer rows than parameters.
    """
    named = {name: (columns or {}).get(name, name) for name in ("N", "D", "U")}
    table = Table(data)
    rows = read_rows(table, tuple(named), y or law.target, columns=named,
                     weights=settings.pop("weights", None), sigma=settings.pop("sigma", None),
                     on=settings["on"], where=settings.pop("where", None),
                     nan=settings.pop("nan", "raise"))
    first = _first_stage(law, rows, fresh, settings)
    ready = prepare(rows, first)
    given = {name: first.params[name] for name in BASE}
    second = _second_stage(law, rows, ready, given, settings)
    return _carry(law, rows, ready, first, second, settings)


def prepare(rows: Rows, base: Fit) -> dict[str, np.ndarray]:
    """UN, RN, UD and RD from N, D and U, by the law of size and data ``base``.

    UN is the size that is optimal for the unique tokens, or the size itself where that is
    smaller; RN and RD are size and tokens over UN and U, less one.
    """
    size, tokens, unique = (rows.columns[name] for name in ("N", "D", "U"))
    A, alpha, B, beta = (base.params[name] for name in ("A", "alpha", "B", "beta"))
    scale = (alpha * A / (beta * B)) ** (1.0 / (alpha + beta))
    optimal = (unique * scale) ** (beta / alpha) * scale
    used = np.minimum(size, optimal)
    return {"UN": used, "RN": np.maximum(size / used - 1.0, 0.0), "UD": unique,
            "RD": np.maximum(tokens / unique - 1.0, 0.0)}


def _rows(rows: Rows, columns: dict[str, np.ndarray], keep: Any = slice(None)) -> dict[str, Any]:
    """Arguments of ``fit``: a table of these columns, y, weights and sigma on the kept rows."""
    chosen = {name: column[keep] for name, column in columns.items()}
    extra = {name: values[keep] for name, values in (("weights", rows.weights),
                                                     ("sigma", rows.sigma)) if values is not None}
    return {"data": {**chosen, rows.y_name: rows.y[keep]}, "y": rows.y_name, **extra}


def _first_stage(law: Law, rows: Rows, fresh: float, settings: dict[str, Any]) -> Fit:
    base = Law("E + A/N**alpha + B/D**beta", ("N", "D"),
               {name: law.settings[name] for name in BASE if name in law.settings})
    new = rows.columns["D"] <= fresh * rows.columns["U"]
    _check_enough(int(new.sum()), base, "rows without repetition")
    look = fit(base, **_rows(rows, rows.columns, new), **settings)
    right = new & (prepare(rows, look)["RN"] <= fresh - 1.0)
    _check_enough(int(right.sum()), base, "rows without repetition and excess parameters")
    return fit(base, **_rows(rows, rows.columns, right), **settings)


def _check_enough(count: int, law: Law, what: str) -> None:
    if count <= len(law.free):
        raise ValueError(f"first stage: {count} {what} for {len(law.free)} parameters; "
                         "add such runs or raise fresh=")


def _second_stage(
    law: Law, rows: Rows, ready: dict[str, np.ndarray], given: dict[str, float],
    settings: dict[str, Any],
) -> Fit:
    return fit(law.fix(**{name: given[name] for name in BASE if name in law.free}),
               **_rows(rows, ready), **settings)


def _carry(
    law: Law, rows: Rows, ready: dict[str, np.ndarray], first: Fit, second: Fit,
    settings: dict[str, Any],
) -> Fit:
    """The second fit with all parameters free in name, and the covariance of both stages.

    What the second stage inherits is the first one's covariance, taken through the slopes of
    its result by central differences of refits. UN and RN are held, as in the publication.
    """
    free = np.array([first.params[name] for name in first.law.free])
    place = [first.law.parameters.index(name) for name in first.law.free]
    inner = first.covariance()[np.ix_(place, place)]
    warm = {**settings, "starts": {name: second.params[name] for name in DECAY}}
    slopes = np.zeros((len(law.parameters), len(free)))
    for column, error in enumerate(np.sqrt(np.diag(inner))):
        ends = []
        for sign in (1.0, -1.0) if error > 0 else ():
            moved = free.copy()
            moved[column] += sign * STEP * error
            base = dict(zip(first.law.parameters, first.law.expand(moved), strict=True))
            ends.append(_second_stage(law, rows, ready, base, warm).values)
        if ends:
            slopes[:, column] = (ends[0] - ends[1]) / (2.0 * STEP * error)
    total = second.covariance() + slopes @ inner @ slopes.T
    errors = dict(zip(law.parameters, np.sqrt(np.diag(total)).tolist(), strict=True))
    return replace(second, law=law, known_covariance=total, stderr=errors, stderr_note="")
