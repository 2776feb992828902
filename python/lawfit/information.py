"""Log-likelihoods with all their constants, of one fit or of many, and criteria made from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .likelihoods import Binomial, Gaussian, NegativeBinomial, Poisson, StudentT
from .shared import refuse_joint

if TYPE_CHECKING:
    from .batch import Batch
    from .fits import Fits
    from .losses import Loss
    from .result import Fit
    from .shared import Shared

__all__ = ["CRITERIA", "criterion", "has_likelihood", "log_likelihood", "log_likelihoods",
           "parameter_counts", "row_counts", "scores"]

CRITERIA = ("aic", "aicc", "bic")
_gammaln = np.frompyfunc(math.lgamma, 1, 1)


def has_likelihood(loss: Loss) -> bool:
    """Whether information criteria are defined: likelihoods, and least squares as normal errors."""
    return loss.likelihood or loss.name == "squared"


def log_likelihood(fit: Fit) -> float:
    """See ``Fit.log_likelihood``."""
    loss, rows = fit.loss, fit.rows
    _need_likelihood(loss, "log_likelihood")
    refuse_joint(fit, "log_likelihood", "fits.log_likelihood has that of all groups")
    constants = _row_terms(loss, fit.on, rows.y, rows.weights, rows.sigma).sum()
    weight = _total_weight(loss, rows.weights, len(rows))
    return float(_from_objective(loss, fit.objective, constants, len(rows), weight))


def log_likelihoods(fits: Fits) -> np.ndarray:
    """One log-likelihood a fit, as ``Fit.log_likelihood`` has them; NaN for other losses."""
    out = np.full(len(fits), np.nan)
    for part, which in fits.by_table:
        out[which] = _of_table(part)
    return out


def _of_table(fits: Fits) -> np.ndarray:
    batch, places = fits.batch, fits.places
    out = np.full(len(fits), np.nan)
    counts, objectives = row_counts(fits), fits.objective
    if batch.shares:  # the likelihood of all groups together
        objectives = _of_joints(fits, lambda joint: joint.objective)
    for on_at, on in enumerate(batch.ons):
        for loss_at, loss in enumerate(batch.losses):
            these = (places[1] == on_at) & (places[2] == loss_at)
            if not (has_likelihood(loss) and these.any()):
                continue
            at = places[3][these], places[4][these]
            sheet, rows, objective = batch.sheet, counts[these], objectives[these]
            constants = _sums(batch, _row_terms(loss, on, sheet.y, sheet.weights, sheet.sigma))[at]
            weight: Any = rows
            if loss.likelihood and sheet.weights is not None:
                weight = _sums(batch, sheet.weights)[at]
            out[these] = _from_objective(loss, objective, constants, rows, weight)
    return out


def row_counts(fits: Fits) -> np.ndarray:
    """Rows each likelihood is of: those of the fit, or of all groups that share parameters."""
    return _of_joints(fits, lambda joint: joint.rows) if fits.batch.shares else fits.rows


def parameter_counts(fits: Fits) -> np.ndarray:
    """Estimated parameters and numbers of each fit, or of all groups that share some."""
    own = np.array([own_count(loss) for loss in fits.batch.losses])[fits.places[2]]
    if fits.batch.shares:
        return _of_joints(fits, lambda joint: joint.parameters) + own
    return np.array([len(law.free) for law in fits.batch.laws])[fits.places[0]] + own


def _of_joints(fits: Fits, number: Callable[[Shared], float]) -> np.ndarray:
    """A number of the joint fit that each fit is part of."""
    numbers = [number(joint) for joint, _ in fits.joints]
    out = np.empty(len(fits), np.result_type(*numbers) if numbers else float)
    for value, (_, these) in zip(numbers, fits.joints, strict=True):
        out[these] = value
    return out


def _sums(batch: Batch, values: np.ndarray) -> np.ndarray:
    """[subsets, groups]: sums over each group, or over all groups where they share parameters."""
    sums = batch.row_sums(values)
    return np.broadcast_to(sums.sum(axis=1, keepdims=True), sums.shape) if batch.shares else sums


def criterion(fit: Fit, name: str) -> float:
    """AIC, AICc or BIC of one fit."""
    _need_likelihood(fit.loss, name)
    count = len(fit.law.free) + own_count(fit.loss)
    return float(scores(name, np.float64(log_likelihood(fit)), len(fit.rows), count))


@np.errstate(all="ignore")  # too few rows: NaN or infinite, which comes last
def scores(name: str, log_likelihood: Any, n: Any, k: Any) -> Any:
    """A criterion from log-likelihoods, numbers of rows and of parameters; NaN with too few rows.

    Sources: H. Akaike, IEEE Transactions on Automatic Control 19 (1974); N. Sugiura,
    Communications in Statistics A7 (1978); G. Schwarz, Annals of Statistics 6 (1978).
    """
    if name == "aic":
        return -2 * log_likelihood + 2 * k
    if name == "aicc":
        left = np.asarray(n - k - 1)
        return np.where(left > 0, -2 * log_likelihood + 2 * k * n / left, np.nan)
    return np.where(np.asarray(n) > k, -2 * log_likelihood + k * np.log(n), np.nan)


def own_count(loss: Loss) -> int:
    """Estimated numbers besides the law's parameters: for least squares the scale of the errors."""
    if loss.name == "squared":
        return 1
    return 1 if isinstance(loss, NegativeBinomial) and loss.free else len(loss.free)


def _need_likelihood(loss: Loss, what: str) -> None:
    if not has_likelihood(loss):
        raise ValueError(
            f"{what}: needs a likelihood, which the loss {loss} is not; fit with loss='squared' or "
            "a likelihood such as StudentT(), or compare held-out errors (rank by='cv')"
        )


def _total_weight(loss: Loss, weights: np.ndarray | None, rows: int) -> float:
    return float(rows if weights is None or not loss.likelihood else weights.sum())


@np.errstate(all="ignore")  # a perfect fit has an infinite one
def _from_objective(loss: Loss, objective: Any, constants: Any, n: Any, weight: Any) -> Any:
    """The log-likelihood; ``weight`` is the sum of weights that count relative to their mean."""
    share = n / weight
    if loss.name == "squared":
        return -0.5 * n * (np.log(2 * np.pi * 2 * objective / n) + 1) + constants
    if isinstance(loss, Gaussian):
        variance = np.float64(2 * objective / weight if loss.scale is None else loss.scale**2)
        return share * (constants - objective / variance) - 0.5 * n * np.log(2 * np.pi * variance)
    return share * (constants - objective)


@np.errstate(all="ignore")
def _row_terms(
    loss: Loss, on: str, y: np.ndarray, weights: np.ndarray | None, sigma: np.ndarray | None
) -> np.ndarray:
    """What each row's log density has besides the objective, times its weight."""
    if loss.of_counts:
        terms = _count_terms(loss, y, sigma)
    else:
        terms = _log_slope(y, on) - (0 if sigma is None else np.log(sigma))
        if isinstance(loss, StudentT) and not loss.free:
            constant = _student_constant(loss.nu)  # type: ignore[arg-type]
            terms = terms + constant - math.log(loss.scale)  # type: ignore[arg-type]
        if loss.name == "squared":  # weights are reciprocal variances
            return terms + (0 if weights is None else 0.5 * np.log(weights))
    return terms if weights is None else weights * terms


def _count_terms(loss: Loss, y: np.ndarray, sigma: np.ndarray | None) -> np.ndarray:
    """The log probability of a perfect fit, or what its joint objective leaves out."""
    if isinstance(loss, Binomial):
        trials = np.ones_like(y) if sigma is None else np.round(sigma**-2, 9)
        won = trials * y
        ways = _log_gamma(trials + 1, -won - 1, won - trials - 1)
        return ways + trials * (_log_power(y) + _log_power(1 - y))
    factorial = _log_gamma(-y - 1)
    if isinstance(loss, Poisson):
        return factorial + _log_power(y) - y
    if isinstance(loss, NegativeBinomial) and loss.size is not None:
        k = float(loss.size)
        power = _log_power(y) - y * np.log(k + y) - k * np.log1p(y / k)
        return factorial + _log_gamma(y + k, np.full_like(y, -k)) + power
    return factorial


def _log_gamma(*arguments: np.ndarray) -> np.ndarray:
    """Sum of log Gamma, with a minus sign for arguments that are negative."""
    terms = (np.sign(x) * _gammaln(np.abs(x)).astype(float) for x in arguments)
    return sum(terms)  # type: ignore[return-value]


def _log_power(y: np.ndarray) -> np.ndarray:
    """y log y with 0 log 0 = 0."""
    return np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0)), 0.0)


def _student_constant(nu: float) -> float:
    if math.isinf(nu):
        return -0.5 * math.log(2 * math.pi)
    return math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)


def _log_slope(y: np.ndarray, on: str) -> np.ndarray:
    """log of d(residual)/dy, the fitted value being held."""
    if on == "logit":
        return -np.log(y) - np.log1p(-y)
    return np.zeros_like(y) if on == "linear" else -np.log(np.abs(y))
