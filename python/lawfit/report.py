"""A fit as text: the rounded table people print, and the same as plain data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .engine import free_positions
from .information import has_likelihood
from .likelihoods import Likelihood
from .goodness import goodness

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["number", "summary", "table", "text", "verdict"]

FEW = 0.05  # a best basin that fewer starts than this share reach may not be the last word


def number(value: float, digits: int = 6) -> str:
    """A number rounded to significant digits, without an exponent from 1e-4 to 1e7.

    >>> number(2143.41736), number(124.493639, 3), number(1293.16907, 3), number(3.2e-9)
    ('2143.42', '124', '1290', '3.2e-09')
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else str(value)
    short = f"{value:.{digits}g}"
    if value == 0 or 1e-4 <= abs(float(short)) < 1e7:
        return f"{float(short):.15g}"
    return short


def percent(share: float) -> str:
    """A share in whole percent, never rounded to 0 or 100 when it is not.

    >>> percent(0.999), percent(0.001), percent(1.0)
    ('99 %', '<1 %', '100 %')
    """
    if math.isnan(share):
        return "-"
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f} %"
    return "<1 %" if share < 0.01 else f"{math.floor(share * 100)} %"


def table(rows: list[tuple[str, ...]], left: int = 1) -> str:
    """Rows of cells (the first is the header) as aligned lines.

    The first ``left`` columns and the last of three or more notes align left, numbers right.

    >>> print(table([("name", "value"), ("a", "10"), ("bb", "3")]))
    name  value
    a        10
    bb        3
    """
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at < left or rows[0][at] == "" else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def text(fit: Fit) -> str:
    """What ``print(fit)`` shows: law, parameter table, goodness of fit, and one verdict line."""
    r2, rmse, raw = goodness(fit)
    loss = str(fit.loss)
    weighting = ", weighted" if fit.rows.weights is not None else ""
    if fit.rows.sigma is not None:
        weighting += ", with trials" if fit.loss.of_counts else ", with sigma"
    unit, plural = fit.rows.y_name, "" if len(fit.rows) == 1 else "s"
    quality = f"R2 {number(r2, 4)} and RMSE {number(rmse, 3)} on {fit.on} residuals"
    if fit.on != "linear":
        quality += f", RMSE {number(raw, 3)} in {unit}"
    found = fit.diagnostics
    starts = f"{found['n_starts']:,} start" + ("" if found["n_starts"] == 1 else "s")
    together = []
    if fit.joint is not None:
        joint = fit.joint
        together = [f"joint fit of {joint.groups:,} groups, {joint.rows:,} rows, "
                    f"{joint.parameters:,} parameters, objective {number(joint.objective)}"]
    lines = [
        fit.law.formula if fit.law.target in (None, "") or "=" in fit.law.formula
        else f"{fit.law.target} = {fit.law.formula}",
        f"{len(fit.rows):,} row{plural}{weighting}, residuals on {fit.on}, loss {loss}",
        *together,
        "",
        parameter_table(fit),
        "",
        *nuisance_lines(fit),
        quality,
        f"objective {number(fit.objective)}, {starts}, "
        f"{percent(found['best_basin_share'])} in the best basin",
    ]
    if fit.stderr_note:
        lines.append(fit.stderr_note)
    return "\n".join([*lines, verdict(fit)])


def nuisance_lines(fit: Fit) -> list[str]:
    """The likelihood's own estimates, and what an estimate on the edge of its domain means."""
    if not isinstance(fit.loss, Likelihood) or not fit.nuisance:
        return []
    limits = fit.loss.limits(fit.nuisance)
    errors = {name: "" if name in limits else f" +- {number(fit.nuisance_stderr[name], 3)}"
              for name in fit.nuisance}
    shown = [f"{name} {number(value)}{errors[name]}" for name, value in fit.nuisance.items()]
    return ["likelihood: " + ", ".join(shown),
            *(f"{name} is {why}" for name, why in limits.items())]


def parameter_table(fit: Fit) -> str:
    """Parameter, value, standard error and note, one line each."""
    rows: list[tuple[str, ...]] = [("parameter", "value", "stderr", "")]
    places = free_positions(fit.law).tolist()
    for (name, value), place in zip(fit.params.items(), places, strict=True):
        note = _note(fit, name, place)
        error = "-" if note.startswith("fixed") else number(fit.stderr[name], 3)
        rows.append((name, number(value), error, note))
    return table(rows)


def _note(fit: Fit, name: str, place: int) -> str:
    free = fit.law.free
    if name in fit.law.ties:
        return f"= {fit.law.ties[name]}"
    if place < 0:
        return "fixed"
    if free[place] != name:
        return f"= {free[place]}"
    side = fit.diagnostics["active_bounds"].get(name)
    if side is not None:
        return f"on its {side} bound"
    others = fit.diagnostics["not_identified"].get(name)
    if others is None and name in fit.law.priors:
        return f"prior {fit.law.priors[name]}"
    if others is not None:
        return "trades off with " + ", ".join(others) if others else "not identified"
    return "shared" if fit.joint is not None and name in fit.joint.shared else ""


def verdict(fit: Fit) -> str:
    """One line in plain words: whether to trust the optimum, and if not what to do."""
    found = fit.diagnostics
    if fit.known_covariance is not None:
        return "Published constants: nothing was fitted."
    if not fit.converged:
        others = found["not_identified"]
        blame = f" ({', '.join(others)})" if others else ""
        return f"NOT RELIABLE, {fit.status}{blame}: {fit.message}"
    bounds = ", ".join(f"{n} on its {side} bound" for n, side in found["active_bounds"].items())
    head = f"Converged with {bounds} (widen it if it is not meant)" if bounds else "Converged"
    if fit.joint is not None:
        return f"{head}: together with {fit.joint.groups - 1:,} other groups."
    return f"{head}: {_reached(found['n_starts'], found['best_basin_share'], fit.settings)}."


def _reached(count: int, share: float, settings: dict[str, Any]) -> str:
    """How many starts ended at this optimum, and what follows from it."""
    if count == 1 and settings.get("starts") == "auto":
        return "the law is linear in its parameters, so one start is enough"
    if count == 1:
        return "the one start reached it; starts='auto' would look for a better optimum"
    reached = f"{percent(share)} of {count:,} starts reached this optimum"
    if share < FEW:
        reached += "; so few may mean that a better one was missed, try starts=1000"
    return reached


def summary(fit: Fit) -> dict[str, Any]:
    """See ``Fit.to_dict``."""
    r2, rmse, raw = goodness(fit)
    joint = {} if fit.joint is None else {"joint": {
        "shared": list(fit.joint.shared), "groups": fit.joint.groups, "rows": fit.joint.rows,
        "parameters": fit.joint.parameters, "objective": fit.joint.objective,
    }}
    return {
        "law": fit.law.formula,
        "id": fit.law.id,
        "y": fit.rows.y_name,
        "on": fit.on,
        "loss": str(fit.loss),
        "rows": len(fit.rows),
        "status": fit.status,
        "message": fit.message,
        "converged": fit.converged,
        "verdict": verdict(fit),
        "params": dict(fit.params),
        "stderr": dict(fit.stderr),
        "stderr_note": fit.stderr_note,
        "nuisance": dict(fit.nuisance),
        "nuisance_stderr": dict(fit.nuisance_stderr),
        "objective": fit.objective,
        "log_likelihood": (fit.log_likelihood if has_likelihood(fit.loss) and fit.joint is None
                           else None),
        "r2": r2,
        "rmse": rmse,
        "rmse_raw": raw,
        **joint,
        "diagnostics": {
            **fit.diagnostics,
            "not_identified": {
                name: list(others) for name, others in fit.diagnostics["not_identified"].items()
            },
        },
    }
