"""Covariances over all parameters of a law from the engine's, which knows the free ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .engine import free_positions, free_values, objective_arguments, table_arguments

if TYPE_CHECKING:
    from .result import Fit

__all__ = ["full_covariance"]

KINDS = ("jacobian", "hessian", "sandwich")


def full_covariance(fit: Fit, kind: str, absolute: bool) -> tuple[np.ndarray, str]:
    """(matrix over ``law.parameters``, sentence saying why entries are NaN or "").

    Tied parameters share rows; rows of fixed parameters and of those on a bound are 0. Raises
    ValueError for an unknown kind. A covariance that came with the fit is returned whatever the
    kind. See ``Fit.covariance``.

    >>> import lawfit as lf
    >>> result = lf.fit(lf.Law("y = a + b*x", ["x"]).fix(a=1), {"x": [0, 1, 2], "y": [1, 3, 6]})
    >>> full_covariance(result, "jacobian", absolute=False)[0].round(3)
    array([[0.  , 0.  ],
           [0.  , 0.02]])
    """
    from . import _core

    if kind not in KINDS:
        raise ValueError(f"kind: unknown covariance {kind!r}; choose from {', '.join(KINDS)}")
    if fit.known_covariance is not None:
        return fit.known_covariance.copy(), ""
    law = fit.law
    place = free_positions(law)
    active = active_free(fit)
    free = free_values(law, fit.values)
    inner = np.array(_core.covariance(
        law.graph(), free, *table_arguments(law, fit.rows),
        *objective_arguments(fit.on, fit.loss), active, kind, absolute,
    ))
    inner[active != 0, :] = 0.0
    inner[:, active != 0] = 0.0
    padded = np.zeros((len(free) + 1, len(free) + 1))  # the last row stands for fixed: index -1
    padded[:-1, :-1] = inner
    full = padded[np.ix_(place, place)]
    if np.isfinite(full).all():
        return full, ""
    return full, _why_undefined(fit, kind, int((active == 0).sum()))


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
    if len(fit.rows) <= free:
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
