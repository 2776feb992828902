"""``lf.fit``: one law, one table, the best fit there is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import status as _status
from .covariance import default_kind, full_covariance
from .data import Rows, read_rows
from .engine import (
    free_positions,
    objective_arguments,
    options,
    progress_callback,
    table_arguments,
)
from .errors import FitError, FitWarning
from .law import Law, as_law
from .losses import Loss, as_loss
from .nuisance import with_nuisance
from .result import Fit, Starts
from .shared import JointPart
from .simplex import check_simplexes
from .starts import read_starts
from .table import Table

__all__ = ["as_fit", "fit", "measured"]


def fit(
    law: Law | str,
    data: Any,
    y: str | Any = None,
    *,
    columns: Mapping[str, str] | None = None,
    weights: Any = None,
    sigma: Any = None,
    on: str = "linear",
    loss: str | Loss = "squared",
    starts: Any = "auto",
    where: Any = None,
    parameters: Any = None,
    priors: Any = None,
    threads: int | None = None,
    keep_starts: bool = False,
    seed: int = 0,
    progress: bool | Callable[[int, int], Any] | None = None,
    nan: str = "raise",
    max_iterations: int | None = None,
    max_seconds: float | None = None,
    tolerance: float = 1e-9,
    precise: bool = False,
    strict: bool = False,
    absolute_sigma: bool = False,
) -> Fit:
    """Fit a law to the rows of a table.

    ``law`` is a Law, a formula text or a catalogue id; ``data`` a dict of arrays, NumPy records
    or a dataframe; ``y`` the measured column (default: the formula's left-hand side).
    ``columns`` maps law variables to data columns of other names. ``weights`` (multiply the
    loss) or ``sigma`` (divides the residual), never both, are a column name, a scalar or one
    value a row. ``on`` is the residual space: residual = observed - fitted on ``"linear"``,
    ``"log"``, ``"logit"`` or ``"relative"`` scale. ``loss`` is ``"squared"``, an object such
    as ``Huber(1e-3)``, or a likelihood such as ``Binomial("trials")`` or ``StudentT()``, whose own
    numbers are estimated, too, where they are not given.

    ``starts``: ``"auto"``, a number of Sobol starts, an array (starts x parameters) or a dict
    name -> array; ``keep_starts`` keeps the end of each. ``where`` filters rows (mask or text)
    before ``nan`` (``"raise"`` or ``"drop"``) sees cells that are not finite. ``parameters``
    declares domains as for ``Law``, ``priors`` (parameter -> ``Normal``, ``LogNormal``, ``Ridge``
    or a pair (mean, sd)) what is believed of parameters besides the data: the objective has one
    more residual for each. ``max_iterations`` a start and ``max_seconds`` in all are
    limits whose reaching is a status; ``tolerance`` is the relative step at which a fit has
    converged; ``precise`` iterates to the last digits. ``seed`` fixes every random number and
    ``threads`` never changes a result.

    Returns a Fit whatever happens to the optimisation: look at ``fit.status`` (one FitWarning
    says when it is not converged; ``strict=True`` raises FitError carrying the result instead).
    Raises LawError for a bad formula, ValueError or TypeError for bad arguments and data.

    >>> runs = {"D": [1e6, 3e6, 1e7, 3e7, 1e8, 3e8], "loss": [5.18, 4.16, 3.42, 2.97, 2.63, 2.44]}
    >>> result = fit("loss = E + B/D**beta", runs)
    >>> {name: round(value, 3) for name, value in result.params.items()}
    {'E': 2.014, 'B': 415.468, 'beta': 0.353}
    """
    from . import _core

    table = Table(data)
    kind = as_loss(loss)
    fitted_law = _resolve_law(law, table, columns, starts, parameters, priors)
    refuse_priors(fitted_law, kind)
    given, n_starts = read_starts(fitted_law, starts)
    settings: dict[str, Any] = {
        "tolerance": tolerance, "max_iterations": max_iterations, "max_seconds": max_seconds,
        "precise": precise, "seed": seed,
    }
    chosen = options(**settings, keep_starts=keep_starts, threads=threads)
    report = progress_callback(progress)
    rows = read_rows(
        table, fitted_law.variables, measured(fitted_law, y, table), columns=columns,
        weights=weights, sigma=sigma, on=on, where=where, nan=nan, losses=(kind,),
    )
    check_simplexes(fitted_law.simplexes, rows.columns, rows.sources, rows.positions)
    lower, upper = fitted_law.bounds()
    raw = _core.fit(
        fitted_law.graph(), *table_arguments(fitted_law, rows),
        np.array([0, len(rows)], dtype=np.int64), *objective_arguments(on, kind),
        lower, upper, fitted_law.guesses(), given, n_starts, chosen, report,
    )
    if report is not None:  # short fits end before the engine's first report
        report(int(raw["n_starts"][0]), int(raw["n_starts"][0]))
    settings["starts"] = "given" if given is not None else "sobol" if n_starts else "auto"
    result = as_fit(
        fitted_law, rows, on, kind, raw, absolute_sigma, settings, _core.level()
    )
    if not result.converged:
        _tell(result, strict)
    return result


def _resolve_law(
    law: Law | str, table: Table, columns: Mapping[str, str] | None, starts: Any,
    parameters: Any, priors: Any,
) -> Law:
    """The law with its variables decided: by ``columns=`` or by the names of the data."""
    if columns is not None and not isinstance(columns, Mapping):
        raise TypeError("columns: expected a dict, law variable -> data column")
    named = tuple(starts) if isinstance(starts, Mapping) else ()
    decided = as_law(law, parameters).resolve(table.names, named=(*named, *(priors or ())),
                                              mapped=columns or ())
    decided = decided.prior(**priors) if priors else decided
    if not decided.free:
        raise ValueError("law: every parameter is fixed; nothing is left to fit")
    return decided


def refuse_priors(law: Law, loss: Loss) -> None:
    """ValueError for priors beside a loss that does not take them."""
    if law.priors and loss.name in ("absolute", "quantile"):
        raise ValueError(f"priors: the loss {loss} has a kink and takes none; use 'huber' with a "
                         "small delta")
    if law.priors and loss.own_numbers:
        raise ValueError(f"priors: the loss {loss} has numbers of its own to estimate and takes "
                         "none; give its numbers, or use 'squared'")


def measured(law: Law, y: Any, table: Table) -> Any:
    if y is not None:
        return y
    if law.target is None:
        raise ValueError(
            f"y: name the measured column, since the formula has no left-hand side; "
            f"columns: {', '.join(table.names)}"
        )
    return law.target


def as_fit(
    law: Law, rows: Rows, on: str, loss: Loss, raw: Mapping[str, Any], absolute_sigma: bool,
    settings: dict[str, Any], level: str, joint: JointPart | None = None,
) -> Fit:
    """The engine's arrays (leading axis of one group) by name, made on a CPU level.

    ``joint``: of the joint fit that the group is part of.
    """
    from . import _core

    free = np.ascontiguousarray(raw["params"][0])
    numbers = tuple(raw["numbers"][0].tolist()) if loss.own_numbers else None
    values = np.asarray(law.expand(free))
    points = _core.pointwise(
        law.graph(), free, *table_arguments(law, rows), *objective_arguments(on, loss, numbers)
    )
    residuals = points["residual"]
    if rows.sigma is not None:
        residuals = residuals * rows.sigma
    result = Fit(
        law=law, rows=rows, on=on, loss=loss,
        params={name: float(v) for name, v in zip(law.parameters, values, strict=True)},
        stderr={}, stderr_note="",
        objective=float(raw["objective"][0]),
        residuals=residuals, fitted=points["fitted"],
        status=_status.name_of(raw["status"][0]),
        diagnostics={**_diagnostics(law, raw), "level": level},
        absolute_sigma=bool(absolute_sigma),
        starts=_starts(law, raw),
        settings=settings,
        joint=joint,
        numbers=numbers,
    )
    return with_nuisance(_with_errors(result))


def _with_errors(result: Fit) -> Fit:
    from dataclasses import replace

    matrix, note = full_covariance(result, default_kind(result.loss), result.absolute_sigma)
    errors = np.sqrt(np.diag(matrix))
    active = result.diagnostics["active_bounds"]
    stderr = {
        name: float("nan") if name in active else float(error)
        for name, error in zip(result.law.parameters, errors, strict=True)
    }
    return replace(result, stderr=stderr, stderr_note=note)


def _diagnostics(law: Law, raw: Mapping[str, Any]) -> dict[str, Any]:
    place = free_positions(law)
    active = raw["active"][0]
    tradeoff = raw["tradeoff"][0]
    return {
        "n_starts": int(raw["n_starts"][0]),
        "n_converged": int(raw["n_converged"][0]),
        "best_basin_share": float(raw["best_basin_share"][0]),
        "second_objective": float(raw["second_objective"][0]),
        "gradient_norm": float(raw["gradient_norm"][0]),
        "n_iterations": int(raw["n_iterations"][0]),
        "active_bounds": {
            name: "lower" if active[at] < 0 else "upper"
            for name, at in zip(law.parameters, place, strict=True) if at >= 0 and active[at]
        },
        "not_identified": {
            name: tuple(law.free[other] for other in np.flatnonzero(tradeoff[at]) if other != at)
            for name, at in zip(law.parameters, place, strict=True)
            if at >= 0 and tradeoff[at].any()
        },
        "moved": bool(raw["moved"][0]),
    }


def _starts(law: Law, raw: Mapping[str, Any]) -> Starts | None:
    if "start_params" not in raw:
        return None
    full = np.asarray(law.expand(raw["start_params"][0]))
    names = np.array([name for name, _ in _status.statuses()])
    return Starts(
        params={name: full[..., at].copy() for at, name in enumerate(law.parameters)},
        objective=raw["start_objective"][0],
        status=names[raw["start_status"][0]],
    )


def _tell(result: Fit, strict: bool) -> None:
    message = f"1 of 1 fits did not converge: {result.status}. {result.message}"
    if strict:
        raise FitError(message, result)
    warnings.warn(message, FitWarning, stacklevel=3)
