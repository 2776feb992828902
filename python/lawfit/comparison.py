"""Constants from a publication as a fit without data, and tests of a fit against them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .bootstrap import Bootstrap
from .covariance import active_free, default_kind, free_covariance_of, full_covariance, mean_weight
from .data import Rows
from .derive import Quantity, matrix_gradient
from .engine import free_values, objective_arguments, table_arguments
from .intervals import chi2_sf
from .law import Law, as_law
from .likelihoods import Gaussian
from .losses import Squared
from .result import Fit
from .shared import refuse_joint

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Comparison", "published", "test_against"]


def published(
    law: Law | str, values: Mapping[str, float] | None = None, covariance: ArrayLike | None = None
) -> Fit:
    """A fit without data from published constants, to predict, derive, allocate and compare with.

    ``values`` maps every parameter of the law to a number (default: the first set of constants
    that a catalogue law comes with); ``covariance`` is over ``law.parameters`` squared. Without
    it standard errors are NaN. Raises ValueError for missing or unknown names and for a
    covariance that is not symmetric, of another shape or with a negative variance.

    >>> import lawfit as lf
    >>> chinchilla = lf.published("chinchilla")
    >>> round(chinchilla.predict(N=7e10, D=1.4e12), 3)
    1.974
    """
    law = as_law(law)
    if not law.decided:
        raise ValueError("law: say which names are variables, as in Law(formula, variables=...)")
    if values is None:
        known = getattr(law.info, "published", ()) if law.info is not None else ()
        if not known:
            raise ValueError("values: this law comes without published constants; give them")
        values = known[0].values
    full = _complete(law, values)
    matrix = None if covariance is None else _checked(np.asarray(covariance, np.float64), law)
    nothing = np.empty(0)
    errors = np.full(len(full), math.nan) if matrix is None else np.sqrt(np.diag(matrix))
    return Fit(
        law=law,
        rows=Rows({name: nothing for name in law.variables}, nothing, None, None,
                  np.empty(0, np.int64), 0, {name: name for name in law.variables},
                  law.target or "y"),
        on="linear", loss=Squared(),
        params=dict(zip(law.parameters, full.tolist(), strict=True)),
        stderr=dict(zip(law.parameters, errors.tolist(), strict=True)),
        stderr_note="" if matrix is not None else "Standard errors are not known.",
        objective=math.nan, residuals=nothing, fitted=nothing, status="converged",
        diagnostics={"n_starts": 0, "n_converged": 0, "best_basin_share": math.nan,
                     "second_objective": math.nan, "gradient_norm": math.nan, "n_iterations": 0,
                     "active_bounds": {}, "not_identified": {}, "moved": False},
        settings={"starts": "published"},
        known_covariance=np.full((len(full), len(full)), math.nan) if matrix is None else matrix,
    )


def _complete(law: Law, values: Mapping[str, float]) -> np.ndarray:
    for name in values:
        if name not in law.parameters:
            raise ValueError(f"values: {name!r} is not a parameter of the law; it has "
                             f"{', '.join(law.parameters)}")
    free = [float(values.get(name, math.nan)) for name in law.free]
    if missing := [n for n, v in zip(law.free, free, strict=True) if not math.isfinite(v)]:
        raise ValueError(f"values: no finite number for {', '.join(missing)}")
    return np.asarray(law.expand(free))


def _checked(matrix: np.ndarray, law: Law) -> np.ndarray:
    count = len(law.parameters)
    if matrix.shape != (count, count):
        raise ValueError(f"covariance: expected shape {(count, count)} for "
                         f"{', '.join(law.parameters)}, got {matrix.shape}")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=0, equal_nan=True):
        raise ValueError("covariance: must be symmetric")
    if (np.diag(matrix) < 0).any():
        raise ValueError("covariance: a variance is negative")
    return matrix


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far a fit is from given constants, and how likely that is by chance.

    ``difference`` maps each term -> fit minus constant. ``chi2`` on ``df`` degrees of freedom
    with probability ``p`` is Wald's test; ``ratio`` and ``ratio_p`` are the likelihood ratio's
    (NaN without data): twice the rise of the objective at the constants over the noise scale, or
    twice the difference of log-likelihoods.

    >>> import lawfit as lf
    >>> line = lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]})
    >>> told = line.test_against({"a": 1, "b": 2})
    >>> round(told.chi2, 2), told.df, round(told.p, 4), round(told.ratio, 2)
    (4.67, 2, 0.097, 4.67)
    """

    difference: dict[str, float]
    chi2: float
    df: int
    p: float
    ratio: float
    ratio_p: float

    def __str__(self) -> str:
        terms = ", ".join(f"{name} {value:+.4g}" for name, value in self.difference.items())
        lines = [f"difference: {terms}",
                 f"Wald: chi-square {self.chi2:.4g} on {self.df}, p {self.p:.2g}"]
        if not math.isnan(self.ratio):
            lines.append(f"likelihood ratio: {self.ratio:.4g} on {self.df}, p {self.ratio_p:.2g}")
        return "\n".join(lines)


def test_against(
    fit: Fit, constants: Fit | Mapping[str, float], terms: Sequence[str] | None, covariance: Any,
    by: Any,
) -> Comparison:
    """See ``Fit.test_against``."""
    refuse_joint(fit, "test_against", "fits.shared.covariance() has what a Wald test needs")
    other = constants if isinstance(constants, Fit) else published(fit.law, constants)
    if set(other.params) != set(fit.params):
        raise ValueError("published: its law has other parameters than this fit's")
    theirs = np.array([other.params[name] for name in fit.law.parameters])
    names = list(terms) if terms is not None else list(fit.law.free)
    quantities = [Quantity(str(name), fit.law.parameters, {}) for name in names]

    def of(matrix: np.ndarray) -> np.ndarray:
        return np.concatenate([quantity.values(matrix) for quantity in quantities], axis=1)

    difference = (of(fit.values[None]) - of(theirs[None]))[0]
    matrix = _covariance_of(fit, of, covariance, by)
    if isinstance(constants, Fit) and np.isfinite(other.known_covariance
                                                  if other.known_covariance is not None
                                                  else np.nan).all():
        slope = matrix_gradient(of, theirs, np.sqrt(np.diag(other.known_covariance)))
        matrix = matrix + slope @ other.known_covariance @ slope.T
    moving = np.diag(matrix) > 0
    chi2 = _wald(difference[moving], matrix[np.ix_(moving, moving)])
    df = int(moving.sum())
    ratio = _likelihood_ratio(fit, theirs)
    return Comparison(
        dict(zip(names, difference.tolist(), strict=True)), chi2, df, chi2_sf(chi2, df), ratio,
        chi2_sf(ratio, len(fit.law.free)),
    )


def _covariance_of(fit: Fit, of: Any, covariance: Any, by: Any) -> np.ndarray:
    """Covariance of the terms: of replicates, given over the terms, or the fit's own."""
    from .units import units_of

    if isinstance(covariance, Bootstrap):
        drawn = of(covariance.matrix[covariance.good])
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        return np.atleast_2d(np.cov(drawn.T))
    if covariance is not None and not isinstance(covariance, str):
        matrix = np.asarray(covariance, dtype=np.float64)
        count = of(fit.values[None]).shape[1]
        if matrix.shape != (count, count):
            raise ValueError(f"covariance: expected {(count, count)} over the terms, got "
                             f"{matrix.shape}")
        return matrix
    units = None if by is None else units_of(fit.rows, by)
    kind = covariance or ("cluster" if units is not None else default_kind(fit.loss))
    inner, note = full_covariance(fit, kind, fit.absolute_sigma, units)
    if note or not np.isfinite(inner).all():
        raise ValueError(f"covariance: {note or fit.stderr_note} Give covariance=fit.bootstrap()")
    slope = matrix_gradient(of, fit.values, np.sqrt(np.diag(inner)))
    return np.asarray(slope @ inner @ slope.T)


def _wald(difference: np.ndarray, matrix: np.ndarray) -> float:
    """d' V^-1 d with V scaled to unit diagonal first, since units differ."""
    scale = np.sqrt(np.diag(matrix))
    values, directions = np.linalg.eigh(matrix / np.outer(scale, scale))
    if not len(values) or values[0] <= 1e-13 * values[-1]:
        raise ValueError("covariance: singular, so some combination of the terms has no error; "
                         "test fewer terms (terms=)")
    along = directions.T @ (difference / scale)
    return float((along**2 / values).sum())


def _likelihood_ratio(fit: Fit, theirs: np.ndarray) -> float:
    """Twice the rise of the objective over the scale of the noise.

    Of likelihoods it is twice the difference of log-likelihoods, each with the best numbers of its
    own that are not given. The scale is the residual variance for least squares. For other losses
    it is the mean over directions of what the sandwich covariance is of the inverse Hessian:
    A. Rotnitzky and N. Jewell, "Hypothesis testing of regression parameters in semiparametric
    generalized linear models for cluster correlated data", Biometrika 77 (1990).
    """
    from . import _core
    from .predict import degrees_of_freedom

    left = degrees_of_freedom(fit)
    if left <= 0 or fit.loss.name in ("absolute", "quantile"):
        return math.nan
    if fit.loss.own_numbers:
        there, _ = _core.numbers_at(
            fit.law.graph(), table_arguments(fit.law, fit.rows),
            objective_arguments(fit.on, fit.loss, fit.numbers), free_values(fit.law, theirs),
        )
        return float(2 * (there - fit.objective) / mean_weight(fit.rows))
    arguments = (*table_arguments(fit.law, fit.rows),
                 *objective_arguments(fit.on, fit.loss, fit.numbers))
    at = _core.pointwise(fit.law.graph(), free_values(fit.law, theirs), *arguments)
    here = _core.pointwise(fit.law.graph(), free_values(fit.law, fit.values), *arguments)
    rise = at["value"].sum() - here["value"].sum()
    if fit.absolute_sigma and fit.rows.sigma is not None:
        return float(2 * rise)
    if isinstance(fit.loss, Gaussian):
        if fit.loss.scale is None:
            return float(len(fit.rows) * np.log1p(rise / here["value"].sum()))
        scale = fit.loss.scale**2 * mean_weight(fit.rows)
    elif fit.loss.likelihood:
        scale = mean_weight(fit.rows)
    elif fit.loss.name == "squared":
        scale = 2 * here["value"].sum() / left
    else:
        active = active_free(fit)
        free = np.flatnonzero(active == 0)
        robust, curved = (
            free_covariance_of(fit, kind, True, active)[np.ix_(free, free)]
            for kind in ("sandwich", "hessian")
        )
        if not (np.isfinite(robust).all() and np.isfinite(curved).all()):
            return math.nan
        scale = np.trace(np.linalg.solve(curved, robust)) / len(free)
    return float(2 * rise / scale)
