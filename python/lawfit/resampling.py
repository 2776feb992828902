"""What one bootstrap draws, checked and put into the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import free_values, objective_arguments, table_arguments, whole
from .likelihoods import Binomial, Gaussian, Likelihood
from .units import row_keys, units_of

if TYPE_CHECKING:
    from .losses import Loss
    from .result import Fit

__all__ = ["METHODS", "MULTIPLIERS", "Plan", "plan"]

METHODS = (
    "pairs", "cluster", "stratified", "residual", "wild", "parametric", "bayesian", "jackknife"
)
MULTIPLIERS = ("rademacher", "mammen", "webb")
_WITH_UNITS = ("cluster", "stratified", "wild", "bayesian", "jackknife")
FEW_CLUSTERS = 12  # two-point multipliers have few distinct draws below this: Webb's six points


@dataclass(frozen=True, eq=False)
class Plan:
    """One resampling of one fit: the engine's arguments and what they mean.

    ``units`` are clusters (or strata) of the rows, None when every row stands for itself;
    ``independent`` counts what was taken to be independent: clusters, else rows.
    """

    method: str
    replicates: int
    scheme: dict[str, Any]
    units: np.ndarray | None
    data: tuple[Any, ...]
    objective: tuple[Any, ...]
    kind: str = field(default="")

    @property
    def clustered(self) -> bool:
        """Whether whole clusters are drawn."""
        return self.units is not None and self.method != "stratified"

    @property
    def independent(self) -> int:
        """How many clusters, or rows where every row stands for itself."""
        return int(self.units.max()) + 1 if self.clustered else len(self.data[1])

    def arguments(self, fit: Fit) -> tuple[Any, ...]:
        """The leading arguments of the engine's calls about replicates."""
        lower, upper = fit.law.bounds()
        offsets = np.array([0, len(fit.rows)], dtype=np.int64)
        return (
            fit.law.graph(), self.data, self.objective, (lower, upper, fit.law.guesses()),
            offsets, free_values(fit.law, fit.values)[None, :], self.replicates, self.scheme,
        )


def plan(
    fit: Fit, n: int | None, method: str, by: Any = None, weights: Any = None,
    multiplier: str | None = None, noise: Any = None, null: Mapping[str, float] | None = None,
) -> Plan:
    """Check a caller's wishes; see ``Fit.bootstrap``."""
    if method not in METHODS:
        raise ValueError(f"method: unknown resampling {method!r}; choose from {', '.join(METHODS)}")
    if weights is not None:
        return _own(fit, n, method, by, weights)
    check_method(fit.loss, method, noise)
    units = _units(fit, method, by)
    count = len(fit.rows) if units is None else int(units.max()) + 1
    if method == "jackknife" and n is not None:
        raise ValueError("n: not given with method='jackknife', which leaves out each unit once")
    if multiplier is not None and method != "wild":
        raise ValueError(f"multiplier: goes with method='wild', not {method!r}")
    if noise is not None and method != "parametric":
        raise ValueError(f"noise: goes with method='parametric', not {method!r}")
    replicates = count if method == "jackknife" else 1000 if n is None else whole("n", n, 1)
    ends = np.array([0, len(fit.rows)])
    scheme: dict[str, Any] = {"kind": method, "keys": row_keys(fit.rows.positions, ends)}
    if units is not None:
        scheme["units"] = units
    data = (*table_arguments(fit.law, fit.rows),)
    objective = numbered_objective(fit.on, fit.loss, fit.numbers)
    if method in ("residual", "wild", "parametric"):
        data, objective = _held(fit, data, objective)
        around = fit if null is None else restricted(fit, null)
        scheme |= _targets(around, method, multiplier, noise, count, units)
    elif null is not None:
        raise ValueError("null: goes with new targets (residual, wild, parametric), not "
                         f"{method!r}")
    return Plan(method, replicates, scheme, units, data, objective)


def check_method(loss: Loss, method: str, noise: Any) -> None:
    """Refuse new targets that the loss's own distribution would not make."""
    if noise is not None and (loss.of_counts or loss.name == "student_t"):
        raise ValueError(f"noise: loss {loss} says itself how values scatter; leave noise= out")
    if loss.of_counts and method in ("residual", "wild"):
        others = ", ".join(name for name in METHODS if name not in ("residual", "wild"))
        raise ValueError(
            f"method: {method!r} makes new targets from residuals, which counts and shares do not "
            f"have; with loss {loss} choose from {others}"
        )


def numbered_objective(on: str, loss: Loss, numbers: Any) -> tuple[Any, ...]:
    """The engine's objective with each fit's own numbers of its loss, [fits, 2], or None."""
    first = None if numbers is None else tuple(np.reshape(numbers, (-1, 2))[0].tolist())
    pairs = None if numbers is None else np.ascontiguousarray(np.reshape(numbers, (-1, 2)))
    return (*objective_arguments(on, loss, first), pairs)


def restricted(fit: Fit, null: Mapping[str, float]) -> Fit:
    """The fit of the same rows with some parameters held at values."""
    from .fit import fit as fit_rows

    rows = fit.rows
    table = {f"v{at}": rows.columns[name] for at, name in enumerate(fit.law.variables)}
    limits = {name: value for name, value in fit.settings.items() if name != "starts"}
    return fit_rows(
        fit.law.fix(**null), table | {"y": rows.y}, y="y",
        columns={name: f"v{at}" for at, name in enumerate(fit.law.variables)},
        weights=rows.weights, sigma=rows.sigma, on=fit.on, loss=fit.loss,
        absolute_sigma=fit.absolute_sigma, **limits,
    )


def _units(fit: Fit, method: str, by: Any) -> np.ndarray | None:
    if by is None:
        if method in ("cluster", "stratified"):
            raise ValueError(f"by: method={method!r} needs the column that says which rows belong "
                             "together")
        return None
    if method not in _WITH_UNITS:
        raise ValueError(
            f"by: method={method!r} draws single rows; choose from {', '.join(_WITH_UNITS)}"
        )
    units = units_of(fit.rows, by)
    if method != "stratified" and units.max() < 1:
        raise ValueError("by: all rows have the same key; there is nothing to draw from")
    return units


def _own(fit: Fit, n: int | None, method: str, by: Any, weights: Any) -> Plan:
    """Replicate weights of the caller's over the rows used, checked."""
    if n is not None:
        raise ValueError("n: not given together with weights=, whose rows are the replicates")
    if method != "pairs":
        raise ValueError("method: not given together with weights=")
    array = np.asarray(weights)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"weights: expected numbers, got {array.dtype}")
    used, total = len(fit.rows), fit.rows.total
    if array.ndim != 2 or array.shape[1] not in (used, total) or not len(array):
        rows = f"{used}" if used == total else f"{used} (rows used) or {total} (rows given)"
        raise ValueError(f"weights: expected shape (replicates, {rows}), got {array.shape}")
    if array.shape[1] != used:
        array = array[:, fit.rows.positions]
    array = np.ascontiguousarray(array, dtype=np.float64)
    bad = ~np.isfinite(array) | (array < 0)
    if bad.any():
        replicate, row = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"weights: replicate {replicate}, row {row} is {array[replicate, row]!r}; weights "
            "must be finite and >= 0"
        )
    units = None if by is None else units_of(fit.rows, by)
    scheme: dict[str, Any] = {"kind": "given", "given": array}
    if units is not None:
        scheme["units"] = units
    data = (*table_arguments(fit.law, fit.rows),)
    objective = numbered_objective(fit.on, fit.loss, fit.numbers)
    return Plan("weights", len(array), scheme, units, data, objective)


def _held(fit: Fit, data: tuple[Any, ...], objective: tuple[Any, ...]) -> tuple[Any, Any]:
    """Relative residuals of new targets keep the scale of the measured ones."""
    if fit.on != "relative":
        return data, objective
    columns, y, weights, sigma = data
    scale = np.abs(y) if sigma is None else sigma * np.abs(y)
    return (columns, y, weights, scale), ("linear", *objective[1:])


def _targets(
    fit: Fit, method: str, multiplier: str | None, noise: Any, count: int,
    units: np.ndarray | None,
) -> dict[str, Any]:
    """Centre, spread and pool of new targets, in the residual space."""
    from .covariance import leverages
    from .noise import noise_model, row_weight

    unit = 1 / np.sqrt(row_weight(fit))  # standard deviation of a row, up to the common factor
    sd = None
    if method == "parametric" and draws_from(fit.loss, noise):
        numbers = None if fit.numbers is None else np.reshape(fit.numbers, (1, 2))
        return likelihood_targets(
            fit.loss, fit.on, fit.rows.y, fit.rows.weights, fit.rows.sigma, fit.fitted, numbers,
            np.array([fit.objective]), np.array([0, len(fit.rows)]),
        )
    if method == "parametric":
        model = noise_model(fit, "constant" if noise is None else noise)
        sd = model(fit.fitted, fit.rows.columns) * (1 if model.given else unit)
    return new_targets(
        method, fit.on, fit.loss.name, fit.rows.y, fit.fitted, fit.residuals, leverages(fit), unit,
        sd, chosen_multiplier(multiplier, count), np.array([0, len(fit.rows)]), units is not None,
    )


def chosen_multiplier(multiplier: str | None, count: int) -> str:
    """The multiplier asked for, or the one that suits the number of units."""
    chosen = multiplier or ("webb" if count < FEW_CLUSTERS else "rademacher")
    if chosen not in MULTIPLIERS:
        raise ValueError(f"multiplier: unknown {chosen!r}; choose from {', '.join(MULTIPLIERS)}")
    return chosen


def new_targets(
    method: str, on: str, loss: str, y: np.ndarray, fitted: np.ndarray, residuals: np.ndarray,
    leverage: np.ndarray, unit: np.ndarray, sd: np.ndarray | None, multiplier: str,
    offsets: np.ndarray, clustered: bool,
) -> dict[str, Any]:
    """The engine's row arrays for targets of the groups that ``offsets`` cut the rows into.

    ``unit`` is each row's standard deviation up to a common factor, ``sd`` the noise model's.
    Residuals of single rows are inflated by what the fit took out of them, 1/sqrt(1 - leverage);
    those of clusters are left as they are, as is usual (A. Cameron, J. Gelbach and D. Miller,
    "Bootstrap-based improvements for inference with clustered errors", REStat 90 (2008)).
    """
    from .spaces import to_space

    centre = to_space(fitted, on)
    in_y = np.abs(y) if on == "relative" else np.ones(len(unit))
    if method == "parametric":
        return {"centre": centre, "spread": sd * in_y}
    inner = 1.0 if clustered else np.sqrt(np.clip(1 - leverage, 1e-3, 1))
    if method == "wild":
        return {"centre": centre, "spread": residuals / inner * in_y, "multiplier": multiplier}
    pool = residuals / (inner * unit)
    if loss == "squared":  # other losses do not bring the mean of their residuals to zero
        counts = np.diff(offsets)
        sums = np.add.reduceat(pool, offsets[:-1][counts > 0])
        pool = pool - np.repeat(sums / counts[counts > 0], counts[counts > 0])
    return {"centre": centre, "spread": unit * in_y, "pool": pool}


def draws_from(loss: Loss, noise: Any) -> bool:
    """Whether parametric targets are drawn from the loss itself, not from a noise model."""
    return noise is None and isinstance(loss, Likelihood)


def likelihood_targets(
    loss: Loss, on: str, y: np.ndarray, weights: np.ndarray | None, sigma: np.ndarray | None,
    fitted: np.ndarray, numbers: np.ndarray | None, objective: np.ndarray, offsets: np.ndarray,
) -> dict[str, Any]:
    """The engine's row arrays for draws from the fitted likelihoods of groups of rows.

    ``numbers`` [groups, 2] are the engine's estimates, ``objective`` one a group. Weights say how
    much a row counts and not how it scatters, but for normal errors, where both are the same.
    """
    from .spaces import to_space

    counts = np.diff(offsets)

    def by_row(of_group: Any) -> np.ndarray:
        return np.repeat(np.broadcast_to(of_group, len(counts)), counts).astype(float)

    def own(place: int) -> np.ndarray:
        known = loss.at(None)[place]
        return by_row(known if numbers is None else numbers[:, place])

    scheme: dict[str, Any] = {"errors": "normal", "centre": fitted, "spread": np.zeros(len(y))}
    if loss.of_counts:
        scheme["errors"] = loss.name
        if loss.name == "negative_binomial":
            scheme["spread"] = own(0)
        elif isinstance(loss, Binomial):
            scheme["spread"] = _whole_trials(loss, y, sigma)
        return scheme
    unit = (np.abs(y) if on == "relative" else 1.0) * (1.0 if sigma is None else sigma)
    scheme["centre"] = to_space(fitted, on)
    if isinstance(loss, Gaussian):
        weight = np.ones(len(y)) if weights is None else weights
        total = by_row(np.bincount(np.repeat(np.arange(len(counts)), counts), weight, len(counts)))
        with np.errstate(all="ignore"):
            scale = np.sqrt(2 * by_row(objective) / total) if loss.scale is None else loss.scale
            return scheme | {"spread": scale * unit * np.sqrt(total / by_row(counts) / weight)}
    return scheme | {"errors": loss.name, "spread": own(0) * unit, "tail": own(1)}


def _whole_trials(loss: Binomial, y: np.ndarray, sigma: np.ndarray | None) -> np.ndarray:
    """How many trials each row has, checked to be something to draw successes out of."""
    trials = np.ones(len(y)) if sigma is None else np.round(sigma**-2, 9)
    odd = trials != np.floor(trials)
    if loss.trials is None:
        odd = (y > 0) & (y < 1)
    if odd.any():
        row = int(np.argmax(odd))
        told = (f"a share of {y[row]:g} of one trial" if loss.trials is None
                else f"{trials[row]:g} trials")
        raise ValueError(
            f"method: 'parametric' draws whole numbers of successes, but row {row} of those used "
            f"has {told}; fit with Binomial(trials=), out of how many, or choose another method"
        )
    return trials
