"""Resampling: how parameters, predictions and derived quantities vary with the rows drawn."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .derive import DerivedReplicates, Quantity, interval
from .engine import (
    evaluate,
    free_values,
    objective_arguments,
    options,
    table_arguments,
    whole,
)
from .errors import FitWarning

if TYPE_CHECKING:
    from .allocate import Allocation
    from .result import Fit, Prediction

__all__ = ["Bootstrap", "bootstrap"]

_BLOCK = 4_000_000  # predicted values held at once


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Refits of resampled rows.

    ``params`` maps parameter name -> array over replicates, NaN where a replicate failed (its
    fit did not converge); ``status`` holds the names. Summaries leave failed replicates out and
    ``failed`` counts them. ``fit`` is the fit of all rows that was resampled.

    >>> import lawfit as lf
    >>> x = np.arange(20.0)
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

    @property
    def replicates(self) -> int:
        """How many resamples were fitted, failed ones included."""
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
        """Parameter name -> standard deviation over replicates (n - 1 below the line)."""
        good = self._enough()
        return {name: float(v[good].std(ddof=1)) for name, v in self.params.items()}

    def interval(
        self, level: float = 0.95, method: str = "percentile"
    ) -> dict[str, tuple[float, float]]:
        """Parameter name -> (low, high), by ``"percentile"`` or ``"basic"``."""
        good = self._enough()
        return {
            name: interval(values[good], self.fit.params[name], level, method)
            for name, values in self.params.items()
        }

    def derive(self, expression: str, **variables: Any) -> DerivedReplicates:
        """Any expression of the parameters (and of variables given as keywords), per replicate,
        or the name of a quantity the catalogue derives from the law.

        The result has ``value``, ``values``, ``stderr`` and ``interval(level, method)``. Raises
        LawError for text outside the grammar, ValueError for unknown names.
        """
        law = self.fit.law
        expression = law.quantity(expression)
        quantity = Quantity(expression, law.parameters, variables)
        shaped = quantity.points.shaped
        values = np.asarray(shaped(quantity.values(self._matrix())))
        return DerivedReplicates(
            expression, shaped(quantity.values(self.fit.values)[0]), values, self._enough()
        )

    def predict(
        self, data: Any = None, *, level: float = 0.95, method: str = "percentile",
        **variables: Any,
    ) -> Prediction:
        """The law at new points with an interval of its mean from the replicates.

        Points as for ``Fit.predict``. Returns a ``Prediction`` (value, low, high).
        """
        from .predict import points
        from .result import Prediction

        where = points(self.fit, data, variables)
        law, good = self.fit.law, self._enough()
        value = evaluate(law, free_values(law, self.fit.values)[None, :], where.columns)[0]
        free = law.contract(self._matrix()[good])
        step = max(1, _BLOCK // max(1, len(free)))
        low, high = np.empty(len(value)), np.empty(len(value))
        for begin in range(0, len(value), step):  # blocks of points, so that memory stays small
            part = slice(begin, begin + step)
            drawn = evaluate(law, free, [column[part] for column in where.columns])
            low[part], high[part] = interval(drawn, value[part], level, method)
        return Prediction(*(where.shaped(part) for part in (value, low, high)))

    def allocate(
        self, compute: Any = None, *, level: float = 0.95, method: str = "percentile",
        **question: Any,
    ) -> Allocation:
        """The best size and tokens, with intervals from the replicates.

        Takes what ``Fit.allocate`` takes. A replicate whose law has no optimum is left out of
        the intervals; ``exists`` tells the share that has one.
        """
        from .allocate import allocate_replicates
        from .question import as_question

        return allocate_replicates(self, as_question(compute, question), level, method)

    def _matrix(self) -> np.ndarray:
        """[replicates, parameters] in the order of ``law.parameters``."""
        return np.stack([self.params[name] for name in self.fit.law.parameters], axis=1)

    def _enough(self) -> np.ndarray:
        good = self.good
        if good.sum() < 2:
            raise ValueError(
                f"bootstrap: {self.failed} of {self.replicates} replicates failed; "
                "fewer than two are left to summarise"
            )
        return good

    def __repr__(self) -> str:
        return f"Bootstrap({self.method}, replicates={self.replicates}, failed={self.failed})"


def bootstrap(
    fit: Fit, n: int | None, method: str, weights: Any, seed: int, threads: int | None
) -> Bootstrap:
    """See ``Fit.bootstrap``."""
    from . import _core

    law = fit.law
    if not np.isfinite(fit.values).all():
        raise ValueError(f"bootstrap: the fit has no finite parameters ({fit.status})")
    drawn = None if weights is None else _own_weights(fit, n, method, weights)
    if method != "pairs":
        raise ValueError(f"method: the only resampling so far is 'pairs', not {method!r}")
    replicates = len(drawn) if drawn is not None else 1000 if n is None else whole("n", n, 1)
    lower, upper = law.bounds()
    limits = {name: value for name, value in fit.settings.items() if name != "starts"}
    limits |= {"seed": seed, "keep_starts": False}
    raw = _core.resample(
        law.graph(), *table_arguments(law, fit.rows), *objective_arguments(fit.on, fit.loss),
        lower, upper, free_values(law, fit.values), "pairs" if drawn is None else "weights",
        replicates, drawn, whole("seed", seed, 0), options(**limits, threads=threads),
    )
    names = np.array([name for name, _ in _status.statuses()])
    status = names[raw["status"]]
    full = np.array(law.expand(raw["params"]))
    full[~np.isin(status, sorted(_status.GOOD))] = np.nan
    result = Bootstrap(
        fit=fit, method="pairs" if drawn is None else "weights",
        params={name: full[:, at].copy() for at, name in enumerate(law.parameters)},
        objective=raw["objective"], status=status, seed=int(seed),
    )
    _tell_failures(result)
    return result


def _own_weights(fit: Fit, n: int | None, method: str, weights: Any) -> np.ndarray:
    """Replicate weights over the rows used, checked."""
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
    return array


def _tell_failures(result: Bootstrap) -> None:
    if not result.failed:
        return
    counts = Counter(result.status[~result.good].tolist())
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    warnings.warn(
        f"{result.failed:,} of {result.replicates:,} replicates did not converge ({listed}); "
        "summaries leave them out",
        FitWarning,
        stacklevel=4,
    )
