"""Resampling: how parameters, predictions and derived quantities vary with the rows drawn."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .covariance import error_kind, full_covariance, replicate_covariances, unscaled
from .derive import DerivedReplicates, quantity_of
from .engine import options, parameter_bounds, progress_callback
from .errors import FitWarning
from .independent import Basis
from .intervals import OFF_BOUNDS
from .likelihoods import Likelihood
from .predict import degrees_of_freedom
from .resampling import Plan, plan
from .shared import refuse_joint

if TYPE_CHECKING:
    from .allocate import Allocation
    from .prediction import Prediction
    from .result import Fit

__all__ = ["Bootstrap", "bootstrap"]

_MOST_LEFT_OUT = 2000  # refits of a jackknife for BCa; more rows are left out in groups


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Refits of replicates of the data.

    ``params`` maps parameter name -> array over replicates, NaN where a replicate failed (its
    fit did not converge); ``status`` holds the names. Summaries leave failed replicates out and
    ``failed`` counts them. ``checked`` replicates were fitted from automatic starts, too, and
    ``other_basin`` of them had a lower optimum than the warm start found (it was taken). ``fit``
    is the fit of all rows, ``plan`` what was drawn, ``null`` the parameters held when new targets
    were made under a hypothesis.

    >>> import lawfit as lf
    >>> x = np.arange(40.0)
    >>> boot = lf.fit("y = a + b*x", {"x": x, "y": 1 + 2*x + np.sin(7*x)}).bootstrap(500)
    >>> boot
    Bootstrap(pairs, replicates=500, failed=0)
    >>> low, high = boot.interval(0.95)["b"]
    >>> low < 2 < high
    True
    >>> ratio = boot.derive("a/b")
    >>> ratio.values.shape, ratio.stderr < 1
    ((500,), True)
    """

    fit: Fit
    method: str
    params: dict[str, np.ndarray]
    objective: np.ndarray
    status: np.ndarray
    seed: int
    plan: Plan
    checked: int = 0
    other_basin: int = 0
    null: dict[str, float] | None = None
    numbers: np.ndarray | None = None
    """[replicates, 2]: the engine's estimates of its loss's own numbers."""

    @property
    def nuisance(self) -> dict[str, np.ndarray]:
        """Estimated numbers of a likelihood, as ``Fit.nuisance``: name -> one value a replicate."""
        if self.numbers is None or not isinstance(self.fit.loss, Likelihood):
            return {}
        return self.fit.loss.nuisance(self.numbers, self.objective, np.nan)

    @property
    def replicates(self) -> int:
        """How many replicates were fitted, failed ones included."""
        return len(self.status)

    @property
    def good(self) -> np.ndarray:
        """Boolean, one a replicate: its fit converged."""
        return np.isin(self.status, sorted(_status.GOOD))

    @property
    def failed(self) -> int:
        """How many replicates did not converge."""
        return int(self.replicates - self.good.sum())

    def stderr(self) -> dict[str, float]:
        """Parameter name -> standard error: the standard deviation over replicates.

        Of a jackknife it is the jackknife's own, of the size of one refit's change times the
        root of their number.
        """
        good = self._enough()
        factor = 1.0
        if self.method == "jackknife":
            factor = (good.sum() - 1) / np.sqrt(good.sum())
        return {name: float(v[good].std(ddof=1) * factor) for name, v in self.params.items()}

    def interval(
        self, level: float = 0.95, method: str | None = None
    ) -> dict[str, tuple[float, float]]:
        """Parameter name -> (low, high).

        ``method`` is ``"adjusted"`` (the default: percentiles at the level where a normal's
        quantile is Student's t on the fit's degrees of freedom, or on clusters less 1),
        ``"percentile"``, ``"basic"``, ``"bca"`` (needs a jackknife, made on the first call),
        ``"studentized"`` (needs a standard error of each replicate, likewise) or ``"expanded"``
        (percentiles further out still). How often each holds the truth is measured in the
        README; the default is the one that holds its level best. Intervals end at the bounds; of
        a parameter that lies on one, ``"basic"``, ``"bca"`` and ``"studentized"`` are NaN, the
        others begin there. From fewer than 30 rows or clusters one FitWarning says that none does
        for sure. Raises ValueError for other methods and for a jackknife, whose replicates are
        not draws.
        """
        self.basis.warn(3)
        law, out = self.fit.law, {}
        within = parameter_bounds(law)
        for at, name in enumerate(law.parameters):
            drawn = self.derived(name, lambda matrix, at=at: matrix[:, at])
            if method in OFF_BOUNDS and name in self.fit.diagnostics["active_bounds"]:
                out[name] = (np.nan, np.nan)
                continue
            low, high = np.clip(drawn.ends(level, method), *within[name])
            out[name] = (float(low), float(high))
        return out

    def derive(self, expression: str, **variables: Any) -> DerivedReplicates:
        """Any expression of the parameters (and of variables given as keywords), per replicate,
        a root or an optimum, or the name of a quantity the catalogue derives from the law; see
        ``Fit.derive``.

        The result has ``exists``, the share of replicates in which there is such a value,
        ``value``, ``values``, ``stderr`` and ``interval(level, method)``. Raises LawError for text
        outside the grammar, ValueError for unknown names.
        """
        quantity = quantity_of(self.fit, expression, variables)
        return self.derived(
            quantity.expression,
            lambda matrix: np.asarray(quantity.points.shaped(quantity.values(matrix))),
        )

    def derived(
        self, name: str, of: Callable[[np.ndarray], np.ndarray],
        values: np.ndarray | None = None,
    ) -> DerivedReplicates:
        """A quantity by a function ``of(matrix)``: [k, parameters] -> [k, ...], vectorised.

        ``values`` are those of all replicates where they are known already.
        """
        value = np.asarray(of(self.fit.values[None, :]))[0]
        values = np.asarray(of(self.matrix)) if values is None else values
        return DerivedReplicates(
            name, float(value) if value.ndim == 0 else value, values, self._enough(), self, of
        )

    def predict(
        self, data: Any = None, *, level: float = 0.95, method: str | None = None,
        kind: str = "mean", noise: Any = None, band: str = "pointwise", **variables: Any,
    ) -> Prediction:
        """The law at new points with an interval from the replicates.

        Points, ``kind``, ``noise`` and ``band`` as for ``Fit.predict``, methods as for
        ``interval``. A new run scatters around every replicate's mean with normal noise of the
        model (methods ``"bca"`` and ``"studentized"`` are for the mean only). A simultaneous band
        takes the pointwise level at which a share ``level`` of the replicates lies inside
        everywhere; it runs short of its level where rows are few (figures in ``Fit.predict``,
        whose band is the better one unless noise is uneven). Returns a ``Prediction`` (value, low,
        high).
        """
        from .predict_replicates import predict_replicates

        self.basis.warn(3)
        return predict_replicates(self, data, level, method, kind, noise, band, variables)

    def allocate(
        self, compute: Any = None, *, level: float = 0.95, method: str | None = None,
        **question: Any,
    ) -> Allocation:
        """The best size and tokens, with intervals from the replicates.

        Takes what ``Fit.allocate`` takes. A replicate whose law has no optimum is left out of
        the intervals; ``exists`` tells the share that has one.
        """
        from .allocate import allocate_replicates
        from .question import as_question

        self.basis.warn(3)
        return allocate_replicates(self, as_question(compute, question), level, method)

    @cached_property
    def basis(self) -> Basis:
        """How many rows or clusters were drawn, and the degrees of freedom that intervals take."""
        drawn = self.plan
        left = drawn.independent - 1 if drawn.clustered else degrees_of_freedom(self.fit)
        return Basis(drawn.independent, drawn.clustered, left)

    @cached_property
    def matrix(self) -> np.ndarray:
        """[replicates, parameters] in the order of ``law.parameters``."""
        return np.stack([self.params[name] for name in self.fit.law.parameters], axis=1)

    @cached_property
    def jackknife(self) -> np.ndarray:
        """[units, parameters]: the estimate without each row (or cluster), of those that fitted.

        Of more than 2,000 rows, equal groups of rows are left out.
        """
        by = self.plan.units if self.plan.clustered else None
        if by is None and len(self.fit.rows) > _MOST_LEFT_OUT:
            order = np.random.default_rng(self.seed).permutation(len(self.fit.rows))
            by = order % _MOST_LEFT_OUT
        left_out = _refit(self.fit, plan(self.fit, None, "jackknife", by=by), self.seed, 0, None)
        return left_out.matrix[left_out.good]

    @cached_property
    def covariances(self) -> np.ndarray:
        """[replicates, parameters, parameters]: each replicate's own covariance (NaN: none)."""
        inner = replicate_covariances(self)
        return self.fit.law.full_covariance(inner, self.fit.law.contract(self.matrix))

    @cached_property
    def covariance(self) -> np.ndarray:
        """The full fit's covariance of the kind that its replicates get, for studentizing."""
        kind = error_kind(self.fit.loss, self.plan.method, self.plan.clustered)
        units = self.plan.units if kind == "cluster" else None
        absolute = unscaled(self.fit.loss, self.fit.absolute_sigma)
        return full_covariance(self.fit, kind, absolute, units)[0]

    def _enough(self) -> np.ndarray:
        good = self.good
        if good.sum() < 2:
            counts = ", ".join(f"{n} {c:,}" for n, c in Counter(self.status.tolist()).most_common())
            raise ValueError(
                f"bootstrap: {self.failed} of {self.replicates} replicates failed ({counts}); "
                "fewer than two are left to summarise"
            )
        return good

    def __repr__(self) -> str:
        basins = f", other_basin={self.other_basin}/{self.checked}" if self.other_basin else ""
        return (
            f"Bootstrap({self.method}, replicates={self.replicates}, failed={self.failed}{basins})"
        )


def bootstrap(
    fit: Fit, n: int | None, method: str, *, by: Any, weights: Any, seed: int,
    check: float | None, multiplier: str | None, noise: Any, null: Any, threads: int | None,
    progress: Any,
) -> Bootstrap:
    """See ``Fit.bootstrap``."""
    refuse_joint(fit, "bootstrap", "fits.bootstrap() refits all of them together")
    if not np.isfinite(fit.values).all():
        raise ValueError(f"bootstrap: the fit has no finite parameters ({fit.status})")
    if lost := fit.diagnostics["not_identified"]:
        raise ValueError(
            f"bootstrap: the data do not determine {', '.join(lost)}, so replicates would say "
            "nothing about them; fix, tie or drop one, or add runs"
        )
    drawn = plan(fit, n, method, by, weights, multiplier, noise, null)
    result = _refit(fit, drawn, seed, check, threads, progress)
    if null is not None:
        result = replace(result, null={name: float(value) for name, value in null.items()})
    _tell(result)
    return result


DEFAULT_CHECK = 0.01


def _refit(
    fit: Fit, drawn: Plan, seed: int, check: float | None, threads: int | None,
    progress: Any = None,
) -> Bootstrap:
    from . import _core

    share = (0.0 if drawn.method in ("jackknife", "weights") else DEFAULT_CHECK)
    share = share if check is None else _share(check)
    limits = {name: value for name, value in fit.settings.items() if name != "starts"}
    limits |= {"seed": seed, "keep_starts": False}
    raw = _core.resample(
        *drawn.arguments(fit), int(np.ceil(share * drawn.replicates)),
        options(**limits, threads=threads), progress_callback(progress),
    )
    names = np.array([name for name, _ in _status.statuses()])
    status = names[raw["status"][0]]
    full = np.array(fit.law.expand(raw["params"][0]))
    full[~np.isin(status, sorted(_status.GOOD))] = np.nan
    return Bootstrap(
        fit=fit, method=drawn.method,
        params={name: full[:, at].copy() for at, name in enumerate(fit.law.parameters)},
        objective=raw["objective"][0], status=status, seed=int(seed), plan=drawn,
        checked=int((raw["checked"] > 0).sum()), other_basin=int((raw["checked"] == 2).sum()),
        numbers=raw["numbers"][0] if "numbers" in raw else None,
    )


def _share(check: Any) -> float:
    if isinstance(check, bool) or not isinstance(check, (int, float)):
        raise TypeError(f"check: expected a share of the replicates, not {check!r}")
    if not 0 <= check <= 1:
        raise ValueError(f"check: must lie between 0 and 1, not {check!r}")
    return float(check)


def _tell(result: Bootstrap) -> None:
    """At most one warning: failed replicates, and optima that warm starts missed."""
    told = []
    if result.failed:
        counts = Counter(result.status[~result.good].tolist())
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
        told.append(f"{result.failed:,} of {result.replicates:,} replicates did not converge "
                    f"({listed}); summaries leave them out")
    if result.other_basin:
        told.append(
            f"{result.other_basin:,} of {result.checked:,} replicates that were also fitted from "
            "automatic starts have a lower optimum than the one next to the full fit; check=1.0 "
            "looks for it in all of them"
        )
    if told:
        warnings.warn("; ".join(told), FitWarning, stacklevel=4)
