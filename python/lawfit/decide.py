"""Decisions from a fitted law: the compute-optimal size and tokens, in closed form.

Source of the closed form: J. Hoffmann et al., "Training Compute-Optimal Large Language Models"
(2022), approach 3: minimise ``E + A/N**alpha + B/D**beta`` subject to ``C = 6*N*D``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .covariance import full_covariance
from .derive import interval as replicate_interval
from .intervals import check_level
from .predict import interval_factor
from .terms import NotAPowerSum, Power, power_sum

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .law import Law
    from .result import Fit

__all__ = ["Allocation", "allocate", "allocate_replicates"]

_NAMES = ("N", "D", "tokens_per_parameter", "loss", "exponent")
# What is positive is interpolated on the log scale by the delta method.
_LOG_SCALE = {"N", "D", "tokens_per_parameter", "loss"}


@dataclass(frozen=True)
class Allocation:
    """How to spend a compute budget, by a fitted law.

    ``N`` and ``D`` (units of the data) minimise the predicted ``loss`` under
    ``compute = cost*N*D`` and ``tokens_per_parameter`` is D/N (floats, or arrays over budgets);
    ``exponent`` is a in N ~ compute**a, that is beta/(alpha+beta). ``intervals`` maps each of
    these names to (low, high) at ``level``, when intervals were asked for.
    """

    compute: Any
    N: Any
    D: Any
    tokens_per_parameter: Any
    loss: Any
    exponent: float
    level: float | None = None
    intervals: dict[str, tuple[Any, Any]] = field(default_factory=dict)


class _Terms(NamedTuple):
    """The law as ``E + A*N**-alpha + B*D**-beta``, each an array over k parameter vectors."""

    E: np.ndarray
    A: np.ndarray
    alpha: np.ndarray
    B: np.ndarray
    beta: np.ndarray


def allocate(
    fit: Fit, compute: Any, *, level: float | None = None, size: str | None = None,
    tokens: str | None = None, cost: float = 6.0,
) -> Allocation:
    """The size N and tokens D that reach the lowest loss for ``compute = cost*N*D``.

    ``compute`` is a FLOP budget or an array of them. ``size`` and ``tokens`` name the law's
    variables (default ``N`` and ``D``, or its two variables in order). With N and D in other
    units than parameters and tokens give ``cost`` to match: 6e15 for N in 1e6 and D in 1e9.
    With ``level`` intervals by the delta method (log scale for all but the exponent); use
    ``fit.bootstrap(...).allocate(...)`` for intervals from resamples.

    Raises ValueError when the law is not a sum of a constant, a power of N and a power of D
    (however written), or when the fitted powers have no optimum.

    >>> import lawfit as lf
    >>> law = lf.Law("E + A/N**alpha + B/D**beta", variables=("N", "D"))
    >>> N, D = np.meshgrid([1e7, 1e8, 1e9, 1e10], [1e9, 1e10, 1e11])
    >>> loss = (1.8 + 480/N**0.35 + 2000/D**0.37).ravel().round(6)
    >>> best = lf.fit(law, {"N": N.ravel(), "D": D.ravel(), "y": loss}, y="y").allocate(1e21)
    >>> round(best.exponent, 4), round(best.tokens_per_parameter, 2)
    (0.5139, 16.86)
    """
    plan = _Plan(fit, compute, size, tokens, cost)
    at_fit = plan.quantities(fit.values[None, :])
    if not np.isfinite(at_fit["exponent"]).all():
        raise ValueError(
            "allocate: the fitted terms have no optimum; amplitudes and exponents must be "
            "positive in " + fit.law.formula
        )
    intervals = {} if level is None else _delta_intervals(plan, at_fit, check_level(level))
    return plan.allocation({name: v[0] for name, v in at_fit.items()}, level, intervals)


def allocate_replicates(
    boot: Bootstrap, compute: Any, level: float, method: str, size: str | None,
    tokens: str | None, cost: float,
) -> Allocation:
    """``allocate`` with intervals from the replicates of a bootstrap that did not fail."""
    fit = boot.fit
    plan = _Plan(fit, compute, size, tokens, cost)
    best = allocate(fit, compute, size=size, tokens=tokens, cost=cost)
    drawn = plan.quantities(boot._matrix()[boot._enough()])
    at_fit = plan.quantities(fit.values[None, :])
    intervals = {
        name: plan.shaped_pair(
            name, *replicate_interval(drawn[name], at_fit[name][0], level, method)
        )
        for name in _NAMES
    }
    return plan.allocation({name: getattr(best, name) for name in _NAMES}, level, intervals)


class _Plan:
    """The question asked: a law in two-term form, budgets, and the cost of a run."""

    def __init__(
        self, fit: Fit, compute: Any, size: str | None, tokens: str | None, cost: float
    ) -> None:
        self.fit, self.law = fit, fit.law
        self.roles = _roles(fit.law, size, tokens)
        _two_terms(fit.law, fit.values[None, :], self.roles)  # refuse a law of another form now
        self.budget = np.asarray(compute, dtype=np.float64)
        if self.budget.ndim > 1 or not (np.isfinite(self.budget) & (self.budget > 0)).all():
            raise ValueError(f"compute: expected positive FLOP, a number or one axis: {compute!r}")
        if not cost > 0:
            raise ValueError(f"cost: must be positive, not {cost!r}")
        self.cost = float(cost)

    def quantities(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Each name of an Allocation -> [k, budgets] (the exponent [k]) at k parameter vectors."""
        terms = _two_terms(self.law, values, self.roles)
        E, A, alpha, B, beta = (np.asarray(part)[:, None] for part in terms)
        with np.errstate(all="ignore"):
            valid = (A > 0) & (B > 0) & (alpha > 0) & (beta > 0)
            work = np.atleast_1d(self.budget) / self.cost
            # The optimum balances alpha*A/N**alpha = beta*B/D**beta; logs, so nothing overflows.
            balance = np.log(alpha * A) - np.log(beta * B)
            log_n = (balance + beta * np.log(work)) / (alpha + beta)
            n = np.where(valid, np.exp(log_n), np.nan)
            d = work / n
            loss = E + A * n**-alpha + B * d**-beta
            exponent = np.where(valid, beta / (alpha + beta), np.nan)[:, 0]
        return {"N": n, "D": d, "tokens_per_parameter": d / n, "loss": loss, "exponent": exponent}

    def shaped(self, name: str, value: Any) -> Any:
        array = np.asarray(value)
        if name == "exponent" or self.budget.ndim == 0:
            return float(array.ravel()[0])
        return array

    def shaped_pair(self, name: str, low: Any, high: Any) -> tuple[Any, Any]:
        return self.shaped(name, low), self.shaped(name, high)

    def allocation(
        self, values: dict[str, Any], level: float | None, intervals: dict[str, tuple[Any, Any]]
    ) -> Allocation:
        compute = float(self.budget) if self.budget.ndim == 0 else self.budget
        shaped = {name: self.shaped(name, value) for name, value in values.items()}
        return Allocation(compute=compute, **shaped, level=level, intervals=intervals)


def _delta_intervals(
    plan: _Plan, at_fit: dict[str, np.ndarray], level: float
) -> dict[str, tuple[Any, Any]]:
    """Delta-method intervals with central differences over the parameters."""
    from .result import default_kind

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
        for name in _NAMES:
            change = np.log if name in _LOG_SCALE else np.asarray
            back = np.exp if name in _LOG_SCALE else np.asarray
            slope = (change(up[name]) - change(down[name])).reshape(len(moving), -1)
            slope = slope / (2 * step[:, None])
            spread = reach * np.sqrt(np.einsum("ib,ij,jb->b", slope, inner, slope))
            centre = np.ravel(change(at_fit[name]))
            out[name] = plan.shaped_pair(name, back(centre - spread), back(centre + spread))
    return out


def _roles(law: Law, size: str | None, tokens: str | None) -> tuple[str, str]:
    """Which variable is the size and which the tokens."""
    names = law.variables
    for argument, name in (("size", size), ("tokens", tokens)):
        if name is not None and name not in names:
            raise ValueError(f"{argument}: {name!r} is not a variable; variables: {names}")
    if size is None and tokens is None and {"N", "D"} <= set(names):
        return "N", "D"
    if len(names) == 2:
        first = size or next(name for name in names if name != tokens)
        second = tokens or next(name for name in names if name != first)
        if first != second:
            return first, second
    if size is None or tokens is None or size == tokens:
        raise ValueError(
            f"allocate: say which variables are the size and the tokens (size=, tokens=); the "
            f"law has {', '.join(names) or 'none'}"
        )
    return size, tokens


def _two_terms(law: Law, values: np.ndarray, roles: tuple[str, str]) -> _Terms:
    """The law as a constant plus one power of each role."""
    size, tokens = roles
    wanted: dict[frozenset[str], list[Power]] = {
        frozenset(): [], frozenset({size}): [], frozenset({tokens}): []
    }
    try:
        for term in power_sum(law, values):
            wanted[frozenset(term.powers)].append(term)
        (n_term,), (d_term,) = wanted[frozenset({size})], wanted[frozenset({tokens})]
    except (NotAPowerSum, KeyError, ValueError):
        raise ValueError(
            f"allocate: the closed form needs a law of the form E + A/{size}**alpha + "
            f"B/{tokens}**beta, however written; this is {law.formula}"
        ) from None
    floor = np.zeros(len(values)) + sum(term.coefficient for term in wanted[frozenset()])
    return _Terms(
        floor, n_term.coefficient, -n_term.powers[size], d_term.coefficient,
        -d_term.powers[tokens],
    )
