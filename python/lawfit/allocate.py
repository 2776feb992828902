"""The best model size and tokens: for a compute budget, or for a loss at the least compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import default_kind, full_covariance
from .independent import few_rows
from .intervals import check_level
from .plan import LOG_SCALE, Plan
from .predict import interval_factor
from .question import Question
from .report import number, table

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .result import Fit

__all__ = ["Allocation", "allocate", "allocate_replicates"]


@dataclass(frozen=True)
class Allocation:
    """How to spend compute, by a fitted law.

    ``N`` and ``D`` (units of the data) are the best size and tokens, ``tokens_per_parameter`` is
    D/N, ``loss`` the law there and ``compute`` the cost; floats, or arrays over the budgets or
    losses asked for. ``exponent`` is a in N ~ compute**a: beta/(alpha+beta) for two power terms,
    the local slope otherwise. ``extrapolation`` is the cost of this training run over
    that of the most expensive one fitted (NaN without rows).

    ``intervals`` maps each name to (low, high) at ``level``, when intervals were asked for.
    ``exists`` is the share of replicates in which there is such an optimum (NaN without
    replicates); a loss that a replicate cannot reach counts as infinite compute, so an interval
    may end at infinity.
    """

    compute: Any
    N: Any
    D: Any
    tokens_per_parameter: Any
    loss: Any
    exponent: Any
    level: float | None = None
    intervals: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    exists: Any = float("nan")
    extrapolation: Any = float("nan")

    def __str__(self) -> str:
        if np.ndim(self.N):
            return repr(self)
        head = ("", "value", *((f"{100 * self.level:g} % low", "high") if self.level else ()))
        rows: list[tuple[str, ...]] = [head]
        for name in ("compute", "N", "D", "tokens_per_parameter", "loss", "exponent"):
            ends = self.intervals.get(name, (np.nan, np.nan) if self.level else ())
            cells = (number(getattr(self, name), 4), *(number(end, 4) for end in ends))
            rows.append((name.replace("_", " "), *cells))
        return f"{table(rows)}\n{number(self.extrapolation, 3)} times the largest run's compute"


def allocate(fit: Fit, question: Question, level: float | None = None) -> Allocation:
    """See ``Fit.allocate``; intervals are the delta method's, on the log scale but for the
    exponent.

    >>> import lawfit as lf
    >>> law = lf.Law("E + A/N**alpha + B/D**beta", variables=("N", "D"))
    >>> N, D = np.meshgrid([1e7, 1e8, 1e9, 1e10], [1e9, 1e10, 1e11])
    >>> loss = (1.8 + 480/N**0.35 + 2000/D**0.37).ravel().round(6)
    >>> fit = lf.fit(law, {"N": N.ravel(), "D": D.ravel(), "y": loss}, y="y")
    >>> best = allocate(fit, Question(compute=1e21))
    >>> round(best.exponent, 4), round(best.tokens_per_parameter, 2)
    (0.5139, 16.86)
    """
    plan = Plan(fit, question)
    if level is not None:
        few_rows(fit, 4)
    at_fit = plan.quantities(fit.values[None, :])
    _refuse_nowhere(plan, at_fit["N"][0])
    intervals = {} if level is None else _delta_intervals(plan, at_fit, check_level(level))
    return _allocation(plan, at_fit, level, intervals)


def _refuse_nowhere(plan: Plan, sizes: np.ndarray) -> None:
    """ValueError when the fit itself, not some replicate, has no optimum."""
    if np.isinf(sizes).any():
        raise ValueError(
            f"allocate: no compute reaches a loss of {plan.targets[np.isinf(sizes)][0]:g} by the "
            f"fitted law {plan.fit.law.formula}"
        )
    if np.isnan(sizes).any():
        raise ValueError(
            "allocate: the fitted law has no optimum here; for a sum of powers, amplitudes and "
            "exponents must be positive in " + plan.fit.law.formula
        )


def allocate_replicates(
    boot: Bootstrap, question: Question, level: float, method: str | None
) -> Allocation:
    """``allocate`` with intervals from the replicates of a bootstrap that did not fail."""
    fit = boot.fit
    plan = Plan(fit, question)
    at_fit = plan.quantities(fit.values[None, :])
    drawn = {
        name: boot.derived(name, lambda matrix, name=name: plan.quantities(matrix)[name], values)
        for name, values in plan.quantities(boot.matrix).items()
    }
    exists = np.isfinite(drawn["N"].values[boot.good]).mean(axis=0)
    intervals = {
        name: plan.shaped_pair(name, *drawn[name].ends(level, method)) for name in plan.names
    }
    return _allocation(plan, at_fit, level, intervals, plan.shaped("exists", exists))


def _allocation(
    plan: Plan, at_fit: dict[str, np.ndarray], level: float | None,
    intervals: dict[str, tuple[Any, Any]], exists: Any = float("nan"),
) -> Allocation:
    beyond = plan.extrapolation(at_fit["N"][0], at_fit["D"][0])
    values = {name: plan.shaped(name, value[0]) for name, value in at_fit.items()}
    return Allocation(
        **values, level=level, intervals=intervals, exists=exists,
        extrapolation=plan.shaped("extrapolation", beyond),
    )


def _delta_intervals(
    plan: Plan, at_fit: dict[str, np.ndarray], level: float
) -> dict[str, tuple[Any, Any]]:
    """Delta-method intervals with central differences over the parameters."""
    fit = plan.fit
    matrix, _ = full_covariance(fit, default_kind(fit.loss), fit.absolute_sigma)
    error = np.sqrt(np.diag(matrix))
    moving = np.flatnonzero(error > 0) if np.isfinite(error).all() else np.arange(len(error))
    step = np.where(np.isfinite(error[moving]), error[moving] * 1e-4, 0.0)
    shift = np.zeros((len(moving), len(error)))
    shift[np.arange(len(moving)), moving] = step
    up, down = (plan.quantities(fit.values + sign * shift) for sign in (1, -1))
    inner, reach = matrix[np.ix_(moving, moving)], interval_factor(fit, level)
    out = {}
    with np.errstate(all="ignore"):
        for name in plan.names:
            change = np.log if name in LOG_SCALE else np.asarray
            back = np.exp if name in LOG_SCALE else np.asarray
            slope = (change(up[name]) - change(down[name])) / (2 * step[:, None])
            spread = reach * np.sqrt(np.einsum("ib,ij,jb->b", slope, inner, slope))
            centre = change(at_fit[name][0])
            out[name] = plan.shaped_pair(name, back(centre - spread), back(centre + spread))
    return out
