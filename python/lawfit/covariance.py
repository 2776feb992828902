"""Covariances over all parameters of a law from the engine's, which knows the free ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import free_positions, free_values, objective_arguments, table_arguments

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .data import Rows
    from .losses import Loss
    from .result import Fit

__all__ = [
    "default_kind", "error_kind", "free_covariance_of", "full_covariance", "leverages",
    "replicate_covariances", "unscaled",
]

KINDS = ("jacobian", "hessian", "sandwich", "cluster")


def default_kind(loss: Loss) -> str:
    """A loss's covariance by default: J'WJ is for least squares, information for likelihoods."""
    return "hessian" if loss.likelihood else "jacobian" if loss.name == "squared" else "sandwich"


def full_covariance(
    fit: Fit, kind: str, absolute: bool, units: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """(matrix over ``law.parameters``, sentence saying why entries are NaN or "").

    Tied parameters share rows; rows of fixed parameters and of those on a bound are 0. ``units``
    numbers the cluster of each row. Raises ValueError for an unknown kind. A covariance that came
    with the fit is returned whatever the kind. See ``Fit.covariance``.

    >>> import lawfit as lf
    >>> result = lf.fit(lf.Law("y = a + b*x", ["x"]).fix(a=1), {"x": [0, 1, 2], "y": [1, 3, 6]})
    >>> full_covariance(result, "jacobian", absolute=False)[0].round(3)
    array([[0.  , 0.  ],
           [0.  , 0.02]])
    """
    from . import _core

    if fit.known_covariance is not None:
        return fit.known_covariance.copy(), fit.stderr_note
    if kind not in KINDS:
        raise ValueError(f"kind: unknown covariance {kind!r}; choose from {', '.join(KINDS)}")
    if fit.joint is not None:
        if units is not None:
            raise ValueError("by: use fits.shared.covariance(by=...) for fits that share "
                             "parameters")
        return fit.joint.covariance(kind, absolute)
    if (kind == "cluster") != (units is not None):
        raise ValueError("by: goes with kind='cluster', and kind='cluster' needs it")
    law = fit.law
    active = active_free(fit)
    full = law.full_covariance(free_covariance_of(fit, kind, absolute, active, units),
                               free_values(law, fit.values))
    if np.isfinite(full).all():
        return full, ""
    return full, _why_undefined(fit, kind, int((active == 0).sum()))


def free_covariance_of(
    fit: Fit, kind: str, absolute: bool, active: np.ndarray, units: np.ndarray | None = None
) -> np.ndarray:
    """[free, free] with the parameters that ``active`` marks held; 0 there, NaN where undefined."""
    from . import _core

    gaussian = fit.loss.name == "gaussian" and kind == "hessian" and not absolute
    inner = np.array(_core.covariance(
        fit.law.graph(), free_values(fit.law, fit.values), *table_arguments(fit.law, fit.rows),
        *objective_arguments(fit.on, fit.loss, fit.numbers), active, kind, absolute or gaussian,
        units,
    ))
    if gaussian:
        inner *= gaussian_variance(fit.loss, fit.objective, mean_weight(fit.rows), len(fit.rows))
    inner[active != 0, :] = 0.0
    inner[:, active != 0] = 0.0
    return inner


def gaussian_variance(loss: Loss, objective: Any, mean_weight: Any, rows: Any) -> Any:
    """What the inverse Hessian of least squares is multiplied with under a Gaussian likelihood.

    Twice the objective is the weighted sum of squares. Weights count relative to their mean.
    """
    if loss.free:
        return 2 * objective / rows
    return loss.scale**2 * mean_weight  # type: ignore[attr-defined]


def mean_weight(rows: Rows) -> float:
    """Likelihoods take weights relative to it."""
    return 1.0 if rows.weights is None else float(np.mean(rows.weights))


def number_errors(fit: Fit) -> np.ndarray:
    """The engine's standard errors of the two numbers of a likelihood; NaN where not estimated."""
    from . import _core

    if fit.numbers is None or not np.isfinite(fit.values).all():
        return np.full(2, np.nan)
    return _core.standard_errors(
        fit.law.graph(), *table_arguments(fit.law, fit.rows),
        *objective_arguments(fit.on, fit.loss, fit.numbers), free_values(fit.law, fit.values)[None],
        np.array([0]), np.array([len(fit.rows)]), 1, active_free(fit)[None], "hessian", True,
    )[1][0]


def error_kind(loss: Loss, method: str, clustered: bool) -> str:
    """The covariance that makes the same assumptions as a resampling."""
    if clustered and method != "jackknife":
        return "cluster"
    if method in ("residual", "parametric") and loss.engine == "squared":
        return "jacobian"
    return "hessian" if method == "parametric" and loss.likelihood else "sandwich"


def unscaled(loss: Loss, absolute: bool) -> bool:
    """Whether replicates are studentized without a scale from what is left: it is known."""
    return absolute or (loss.name == "gaussian" and not loss.free)


def replicate_covariances(boot: Bootstrap) -> np.ndarray:
    """[replicates, free, free]: the covariance of each replicate's parameters, natively."""
    from . import _core
    from .engine import options

    fit, plan = boot.fit, boot.plan
    limits = {name: value for name, value in fit.settings.items() if name != "starts"}
    values = np.ascontiguousarray(fit.law.contract(boot.matrix))[None]
    raw = _core.replicate_covariances(
        *plan.arguments(fit), values, error_kind(fit.loss, plan.method, plan.clustered),
        unscaled(fit.loss, fit.absolute_sigma),
        options(**limits | {"seed": boot.seed}, keep_starts=False, threads=None), boot.numbers,
    )
    inner = np.array(raw[0])
    inner[~boot.good] = np.nan
    return inner


def leverages(fit: Fit) -> np.ndarray:
    """How much each row pulls its own fitted value: the hat matrix's diagonal, one a row, 0 to 1.

    Of the least-squares problem with the fit's weights in its residual space, at the optimum;
    they sum to the number of parameters the rows determine.

    >>> import lawfit as lf
    >>> leverages(lf.fit("y = a + b*x", {"x": [0, 1, 2, 9], "y": [1, 3, 5, 8]})).round(2)
    array([0.43, 0.33, 0.27, 0.97])
    """
    from . import _core

    return np.asarray(_core.rows_of_fits(
        fit.law.graph(), table_arguments(fit.law, fit.rows),
        objective_arguments(fit.on, fit.loss, fit.numbers), np.array([0, len(fit.rows)]),
        free_values(fit.law, fit.values)[None, :], active_free(fit)[None, :],
    )[2])


def active_free(fit: Fit) -> np.ndarray:
    """The engine's code of active bounds over the free parameters: -1 lower, +1 upper."""
    codes = np.zeros(len(fit.law.free), dtype=np.int8)
    for name, at in zip(fit.law.parameters, free_positions(fit.law), strict=True):
        side = fit.diagnostics["active_bounds"].get(name)
        if side is not None:
            codes[at] = -1 if side == "lower" else 1
    return codes


def _why_undefined(fit: Fit, kind: str, free: int) -> str:
    if not (np.isfinite(fit.values).all() and np.isfinite(fit.objective)):
        return "Standard errors are undefined: no usable point was found."
    if len(fit.rows) + len(fit.law.priors) <= free and not fit.loss.likelihood:
        return (
            f"Standard errors are undefined: {len(fit.rows)} rows leave nothing to estimate the "
            f"scatter around {free} parameters; add runs or fix parameters."
        )
    if fit.loss.name in ("absolute", "quantile") and kind != "jacobian":
        return (
            f"Standard errors are undefined: the {fit.loss.name} loss has no curvature; "
            "use fit.bootstrap()."
        )
    return (
        "Standard errors are undefined: the curvature at the optimum is singular, so the data "
        "do not tell some parameters apart; fix, tie or drop one, or use fit.bootstrap()."
    )
