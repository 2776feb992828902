"""Numbers of a likelihood that are estimated with the law's parameters, by name and with errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .covariance import number_errors
from .likelihoods import Likelihood

if TYPE_CHECKING:
    from .fits import Fits
    from .result import Fit

__all__ = ["of_fits", "with_nuisance"]

Columns = dict[str, np.ndarray]


def with_nuisance(fit: Fit) -> Fit:
    """The fit with its likelihood's own estimates and their standard errors."""
    loss, rows = fit.loss, fit.rows
    if not isinstance(loss, Likelihood) or not loss.free:
        return fit
    weight = float(len(rows) if rows.weights is None else rows.weights.sum())
    numbers = np.full(2, np.nan) if fit.numbers is None else np.array(fit.numbers)
    found = loss.nuisance(numbers, np.float64(fit.objective), weight)
    errors = loss.nuisance_stderr(numbers, number_errors(fit), found, len(rows))
    return replace(fit, nuisance={name: float(value) for name, value in found.items()},
                   nuisance_stderr={name: float(value) for name, value in errors.items()})


def of_fits(fits: Fits) -> tuple[Columns, Columns]:
    """Estimates and standard errors, name -> one value a fit."""
    found: Columns = {}
    errors: Columns = {}
    for part, which in fits.by_table:
        for all_of, of_part in zip((found, errors), _of_table(part), strict=True):
            for name, column in of_part.items():
                all_of.setdefault(name, np.full(len(fits), np.nan))[which] = column
    return found, errors


def _of_table(fits: Fits) -> tuple[Columns, Columns]:
    batch = fits.batch
    found: Columns = {}
    errors: Columns = {}
    for at, loss in enumerate(batch.losses):
        if not isinstance(loss, Likelihood) or not loss.free:
            continue
        these = fits.places[2] == at
        numbers = np.full((int(these.sum()), 2), np.nan)
        if loss.own_numbers:
            own = [raw["numbers"].reshape(-1, 2) for raw in batch.raw]
            numbers = np.concatenate(own)[fits._jobs][these]
        weight = fits.rows
        if batch.sheet.weights is not None:
            weight = batch.row_sums(batch.sheet.weights)[fits.places[3], fits.places[4]]
        values = loss.nuisance(numbers, fits.objective[these], weight[these])
        stderr = loss.nuisance_stderr(numbers, fits._errors[1][these], values, fits.rows[these])
        for name, column in values.items():
            found.setdefault(name, np.full(len(fits), np.nan))[these] = column
            errors.setdefault(name, np.full(len(fits), np.nan))[these] = stderr[name]
    return found, errors
