"""Standard errors of many fits: one native call for each law and objective among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .batch import spread
from .covariance import default_kind, gaussian_variance
from .engine import objective_arguments, options, thread_count
from .resampling import numbered_objective

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .batch import Batch
    from .fits import Fits
    from .law import Law

__all__ = ["standard_errors"]


def standard_errors(fits: Fits) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Parameter name -> one standard error a fit, as ``Fit.stderr`` has them; the engine's of a
    likelihood's own two numbers, [fits, 2]."""
    names = dict.fromkeys(name for law in fits.batch.laws for name in law.parameters)
    out = {name: np.full(len(fits), np.nan) for name in names}
    of_numbers = np.full((len(fits), 2), np.nan)
    for part, which in fits.by_table:
        for these, law, errors, numbers in _by_objective(part):
            of_numbers[which[these]] = numbers
            for place, name in enumerate(law.parameters):
                out[name][which[these]] = errors[:, place]
    return out, of_numbers


def _by_objective(fits: Fits) -> Iterator[tuple[np.ndarray, Law, np.ndarray, np.ndarray]]:
    """(which fits, their law, [fits, parameters], [fits, 2]) for each law and objective."""
    batch, places = fits.batch, fits.places
    for these in fits.by_objective:
        law, on, loss = (int(place[these[0]]) for place in places[:3])
        errors, numbers = _of_objective(batch, law, on, loss, places[3][these], places[4][these])
        yield these, batch.laws[law], errors, numbers


def _of_objective(
    batch: Batch, law_place: int, on: int, loss: int, subsets: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """[jobs, parameters] and [jobs, 2] for jobs of one law and objective, by subset and group."""
    from . import _core

    law, raw, kind = batch.laws[law_place], batch.raw[law_place], batch.losses[loss]
    if batch.shares:
        out = np.full((len(groups), len(law.parameters)), np.nan)
        for subset in np.unique(subsets):
            mine = subsets == subset
            out[mine] = batch.joint((law_place, on, loss, int(subset))).errors()[groups[mine]]
        return out, np.full((len(groups), 2), np.nan)
    at = (on * len(batch.losses) + loss, subsets, groups)
    sheet = batch.sheet
    rows, begins, counts = batch.rows_of(subsets, groups)

    def cut(column: np.ndarray | None) -> np.ndarray | None:
        return column if column is None or rows is None else column[rows]

    values = np.ascontiguousarray(raw["params"][at])
    active = np.ascontiguousarray(raw["active"][at])
    numbers = np.ascontiguousarray(raw["numbers"][at]) if kind.own_numbers else None
    gaussian = kind.name == "gaussian" and not batch.absolute_sigma
    free, of_numbers = _core.standard_errors(
        law.graph(), [cut(sheet.columns[name]) for name in law.variables], cut(sheet.y),
        cut(sheet.weights), cut(sheet.sigma), *objective_arguments(batch.ons[on], kind),
        values, begins, counts, thread_count(None), active, default_kind(kind),
        batch.absolute_sigma or gaussian, numbers,
    )
    errors = spread(law, free, 0.0)
    if law.ties:
        errors = _tied(batch, law_place, on, loss, values, active, numbers, rows, begins, counts)
    if gaussian:
        weights = np.ones(len(sheet)) if sheet.weights is None else sheet.weights
        mean = batch.row_sums(weights)[subsets, groups] / counts
        variance = gaussian_variance(kind, raw["objective"][at], mean, counts)
        errors = errors * np.sqrt(variance)[:, None]
    return errors, of_numbers


def _tied(
    batch: Batch, law_place: int, on: int, loss: int, values: np.ndarray, active: np.ndarray,
    numbers: np.ndarray | None, rows: np.ndarray | None, begins: np.ndarray, counts: np.ndarray,
) -> np.ndarray:
    """[jobs, parameters] of a law with formulas for some, by the delta method."""
    from . import _core

    law, kind, sheet = batch.laws[law_place], batch.losses[loss], batch.sheet
    offsets = np.concatenate([[0], np.cumsum(counts)])
    taken = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
    taken = taken if rows is None else rows[taken]

    def cut(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else column[taken]

    inner = np.array(_core.replicate_covariances(
        law.graph(), ([cut(sheet.columns[name]) for name in law.variables], cut(sheet.y),
                      cut(sheet.weights), cut(sheet.sigma)),
        numbered_objective(batch.ons[on], kind, numbers), (*law.bounds(), law.guesses()), offsets,
        values, 1, {"kind": "given", "given": np.ones((1, len(taken)))}, values[:, None, :],
        default_kind(kind), batch.absolute_sigma or kind.name == "gaussian",
        options(**batch.settings, keep_starts=False, threads=None), numbers,
    ))[:, 0]
    held = active != 0
    inner = np.where(held[:, :, None] | held[:, None, :], 0.0, inner)
    with np.errstate(invalid="ignore"):
        out = np.sqrt(np.diagonal(law.full_covariance(inner, values), axis1=1, axis2=2)).copy()
    for place, at in enumerate(law.places):
        if at >= 0:
            out[held[:, at], place] = np.nan
    return out
