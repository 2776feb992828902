"""Rows that stand out, rows that decide, and whether the law's form holds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .covariance import active_free, full_covariance, leverages
from .distributions import chi2_quantile, f_tail
from .engine import free_positions
from .errors import FitWarning
from .expression import Array
from .identify import Identifiability, from_model
from .local_model import LocalModel, local_model
from .outliers import robust_distance
from .report import number, table
from .shared import refuse_joint

if TYPE_CHECKING:
    from .profile import Profile
    from .result import Fit

__all__ = ["Diagnosis", "LackOfFit", "diagnose"]

_RISK = 0.05  # of flagging any row of clean data


class LackOfFit(NamedTuple):
    """Scatter around the law against scatter between runs that share all variables.

    ``f`` is their ratio (mean squares) on ``freedom``, ``p`` its probability when the law holds;
    ``noise`` the standard deviation between such runs. Exact for squared loss.
    """

    f: float
    freedom: tuple[int, int]
    p: float
    noise: float


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """Numbers for every row used, in the order of ``rows`` (places in the table).

    ``standardised``: residuals over their standard errors. ``leverage``: how far a row's own
    value pulls its fitted one, 0 to 1. ``influence``: d'Hd, d the change of the parameters
    without the row (to second order) and H the objective's Hessian: what leaving it out would
    change, in units of the objective; for robust losses, too. ``cooks_distance``: the same for
    least squares from residual and leverage alone. ``distance``: robust squared Mahalanobis
    distance of logged variables and residual; ``outlier`` marks those that clean data would
    reach with a chance of 5 % in the whole table.

    ``lack_of_fit`` is None without runs that share all variables. ``identifiability`` tells
    which parameters trade off; ``profiles`` (where asked for) hold every parameter's, and
    ``open_ends`` which of them the data do not limit.
    """

    rows: np.ndarray
    standardised: Array
    leverage: Array
    influence: Array
    cooks_distance: Array
    distance: Array
    outlier: np.ndarray
    scale: float
    lack_of_fit: LackOfFit | None
    identifiability: Identifiability
    profiles: dict[str, Profile] = field(default_factory=dict)

    @property
    def open_ends(self) -> dict[str, tuple[str, ...]]:
        """Parameters that the data do not limit, and on which side: ``"below"``, ``"above"``."""
        sides = {name: tuple(side for side, kind in zip(("below", "above"), found.ends, strict=True)
                             if kind == "open")
                 for name, found in self.profiles.items()}
        return {name: side for name, side in sides.items() if side}

    def most_influential(self, count: int = 5) -> np.ndarray:
        """Places in the table of the rows whose removal would change the fit most."""
        return self.rows[np.argsort(-self.influence, kind="stable")[:count]]

    def __str__(self) -> str:
        head: tuple[str, ...] = ("row", "residual", "leverage", "Cook", "influence", "")
        total = np.nansum(self.influence)
        lines: list[tuple[str, ...]] = [head]
        for at in np.argsort(-np.nan_to_num(self.influence), kind="stable")[:5]:
            lines.append((str(self.rows[at]), f"{self.standardised[at]:+.2f}",
                          f"{self.leverage[at]:.3f}", number(self.cooks_distance[at], 2),
                          f"{100 * self.influence[at] / total:.0f} %",
                          "outlier" if self.outlier[at] else ""))
        text = [f"the most influential of {len(self.rows)} rows; "
                f"{int(self.outlier.sum())} outliers", table(lines)]
        if self.lack_of_fit is not None:
            found = self.lack_of_fit
            verdict = "does not hold to" if found.p < _RISK else "is compatible with"
            text.append(f"the law {verdict} the noise between repeated runs: F "
                        f"{number(found.f, 3)} on {found.freedom[0]} and {found.freedom[1]}, "
                        f"p {number(found.p, 2)}")
        text.append(str(self.identifiability))
        text += [f"the data do not limit {name} {' or '.join(sides)}"
                 for name, sides in self.open_ends.items()]
        return "\n".join(text)


def diagnose(fit: Fit, profiles: bool = False) -> Diagnosis:
    """See ``Fit.diagnose``."""
    refuse_joint(fit, "diagnose", "look at the groups fitted alone, without share=")
    if not len(fit.rows):
        raise ValueError("diagnose: this fit has no rows to look at")
    if not np.isfinite(fit.values).all():
        raise ValueError(f"diagnose: the fit has no finite parameters ({fit.status})")
    model = local_model(fit)
    leverage = leverages(fit)
    with np.errstate(all="ignore"):
        room = np.sqrt(np.maximum(1 - leverage, 0.0))
        standardised = np.sqrt(model.weights) * model.residuals / (model.scale * room)
        cook = standardised**2 * leverage / (1 - leverage) / max(len(model.names), 1)
    distance, features = robust_distance(_features(fit, model))
    limit = chi2_quantile(_RISK / max(len(distance), 1), features) if features else np.inf
    return Diagnosis(
        rows=fit.rows.positions, standardised=standardised, leverage=leverage,
        influence=_influence(fit, model), cooks_distance=cook, distance=distance,
        outlier=distance > limit, scale=model.scale, lack_of_fit=_lack_of_fit(fit, model),
        identifiability=from_model(fit, model),
        profiles=_profiles(fit) if profiles else {},
    )


def _profiles(fit: Fit) -> dict[str, Profile]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # open ends are told here
        return dict(fit.profile())


def _influence(fit: Fit, model: LocalModel) -> Array:
    """d'Hd with d = H^-1 times the row's gradient: g' H^-1 g."""
    full, _ = full_covariance(fit, "hessian", True)  # absolute: H^-1 itself
    place, kept = free_positions(fit.law), active_free(fit) == 0
    first = [int(np.flatnonzero(place == at)[0]) for at in np.flatnonzero(kept)]
    inverse = full[np.ix_(first, first)]
    return np.einsum("ni,ij,nj->n", model.gradient, inverse, model.gradient)


def _features(fit: Fit, model: LocalModel) -> Array:
    """Variables (logged where positive) and weighted residuals, a column each."""
    columns: list[Any] = []
    for name in fit.law.variables:
        column = fit.rows.columns[name]
        columns.append(np.log(column) if (column > 0).all() else column)
    return np.stack([*columns, np.sqrt(model.weights) * model.residuals], axis=1)


def _lack_of_fit(fit: Fit, model: LocalModel) -> LackOfFit | None:
    """The F test of G. E. P. Box and N. R. Draper, "Empirical Model-Building" (1987), 3.7."""
    if not fit.law.variables:
        return None
    points = np.stack([fit.rows.columns[name] for name in fit.law.variables], axis=1)
    _, group = np.unique(points, axis=0, return_inverse=True)
    group = group.ravel()
    groups = int(group.max()) + 1
    above, below = groups - len(model.names), len(group) - groups
    if above < 1 or below < 1:
        return None
    weights, residuals = model.weights, model.residuals
    mean = np.bincount(group, weights * residuals) / np.bincount(group, weights)
    pure = float(np.sum(weights * (residuals - mean[group]) ** 2))
    left = float(np.sum(weights * residuals**2)) - pure
    if not pure > 0:
        return LackOfFit(float("inf"), (above, below), 0.0, 0.0)
    f = (left / above) / (pure / below)
    return LackOfFit(f, (above, below), f_tail(f, above, below), float(np.sqrt(pure / below)))
