"""The result of one fit: numbers by name, how good it is, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .answers import Answers
from .goodness import goodness
from .losses import Loss
from .uncertain import Uncertain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .bootstrap import Bootstrap
    from .checklist import Checklist
    from .data import Rows
    from .diagnose import Diagnosis
    from .law import Law
    from .shared import JointPart

__all__ = ["Fit", "Starts"]


@dataclass(frozen=True, eq=False)
class Starts:
    """Every start of a fit: where it ended, how well, and why it stopped.

    ``params`` maps parameter name -> array over starts in the order given, ``objective`` and
    ``status`` (names) are arrays of the same length. ``np.argmin(starts.objective)`` is the
    best one.

    >>> import lawfit as lf
    >>> data = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.1, 5.6, 10.5, 15.9]}
    >>> starts = lf.fit("y = a*x**b", data, starts={"a": 1, "b": [1, 2]}, keep_starts=True).starts
    >>> starts.params["b"].round(4), starts.status.tolist()
    (array([1.4802, 1.4802]), ['converged', 'converged'])
    """

    params: dict[str, np.ndarray]
    objective: np.ndarray
    status: np.ndarray

    def __len__(self) -> int:
        return len(self.objective)


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Answers, Uncertain, _status.Ended):
    """One law fitted to one table.

    ``params`` and ``stderr`` map parameter name -> float (units: the data's). ``objective`` is
    the weighted sum over rows of the pointwise loss. ``residuals`` (observed - fitted in the
    residual space ``on``, before division by sigma) and ``fitted`` (in units of y) have one
    value for each row used; ``rows.positions`` are those rows' places in the table given.
    ``status`` is one of a closed list and ``message`` its sentence. ``starts`` is None unless
    ``keep_starts=True`` was passed. ``print(fit)`` shows a rounded table and a verdict.

    >>> import lawfit as lf
    >>> print(lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1.1, 2.9, 5.2, 6.8]}))
    y = a + b*x
    4 rows, residuals on linear, loss squared
    <BLANKLINE>
    parameter  value  stderr
    a           1.09   0.169
    b           1.94  0.0906
    <BLANKLINE>
    R2 0.9957 and RMSE 0.143 on linear residuals
    objective 0.041, 1 start, 100 % in the best basin
    Converged: the law is linear in its parameters, so one start is enough.
    """

    law: Law
    rows: Rows
    on: str
    loss: Loss
    params: dict[str, float]
    stderr: dict[str, float]
    stderr_note: str
    objective: float
    residuals: np.ndarray
    fitted: np.ndarray
    status: str
    diagnostics: dict[str, Any]
    absolute_sigma: bool = False
    starts: Starts | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    known_covariance: np.ndarray | None = None
    """A covariance that a procedure of several stages made; None: computed when asked for."""
    joint: JointPart | None = None
    """The joint fit this one is part of, where groups share parameters (``share=``)."""
    nuisance: dict[str, float] = field(default_factory=dict)
    """Numbers of the likelihood that were estimated with the parameters, by name."""
    nuisance_stderr: dict[str, float] = field(default_factory=dict)
    numbers: tuple[float, float] | None = None
    """The same as the engine takes them."""

    @property
    def values(self) -> np.ndarray:
        """The parameters as an array, in the order of ``law.parameters``."""
        return np.array([self.params[name] for name in self.law.parameters])

    @property
    def log_likelihood(self) -> float:
        """The log-likelihood of the measured values, with all constants.

        For likelihoods, and for squared loss with normal errors of the most likely scale in the
        residual space; weights are taken relative to their mean for likelihoods, as reciprocal
        variances for squared loss. Raises ValueError for other losses.

        >>> import lawfit as lf
        >>> counts = {"x": [0, 1, 2, 3], "y": [1, 2, 4, 9]}
        >>> model = lf.fit("y = exp(a + b*x)", counts, loss=lf.Poisson())
        >>> round(model.log_likelihood, 3), round(model.aic, 3)
        (-5.974, 15.948)
        """
        from .information import log_likelihood

        return log_likelihood(self)

    @property
    def aic(self) -> float:
        """-2 log L + 2 k, k the free parameters and the likelihood's estimated numbers."""
        from .information import criterion

        return criterion(self, "aic")

    @property
    def aicc(self) -> float:
        """AIC with Sugiura's term for few rows, as ``rank`` has it."""
        from .information import criterion

        return criterion(self, "aicc")

    @property
    def bic(self) -> float:
        """-2 log L + k log n."""
        from .information import criterion

        return criterion(self, "bic")

    @property
    def r2(self) -> float:
        """Share of the weighted variance explained, in the residual space (NaN: none to explain).
        """
        return goodness(self)[0]

    @property
    def rmse(self) -> float:
        """Root of the weighted mean squared residual, in the residual space."""
        return goodness(self)[1]

    def diagnose(self, *, profiles: bool = False) -> Diagnosis:
        """Rows that stand out and rows that decide, and which parameters trade off.

        The result has one number a row used: ``standardised`` residuals, ``leverage``,
        ``influence`` (what leaving the row out would change, d'Hd, for robust losses too),
        ``cooks_distance``, ``distance`` (robust Mahalanobis) and ``outlier``; ``lack_of_fit``
        where runs repeat; and ``identifiability``. With ``profiles`` every parameter is profiled,
        too, which finds those that the data do not limit. ``print`` it for a summary.

        >>> import lawfit as lf
        >>> x = np.arange(12.0)
        >>> y = 1 + 2*x + 0.1*np.sin(5*x)
        >>> y[3] += 2
        >>> found = lf.fit("y = a + b*x", {"x": x, "y": y}).diagnose()
        >>> found.most_influential(1), np.flatnonzero(found.outlier)
        (array([3]), array([3]))
        """
        from .diagnose import diagnose

        return diagnose(self, profiles)

    def checklist(
        self, bootstrap: Bootstrap | None = None, notes: Mapping[str, str] | None = None
    ) -> Checklist:
        """What a report must state for others to repeat this fit.

        Filled in from the fit and, when given, from a ``bootstrap`` of it; ``missing`` lists what
        only you can add, by ``notes`` (item -> statement) or by hand. ``print`` it, or write
        ``markdown()`` into an appendix. Raises ValueError for notes on unknown items.

        >>> import lawfit as lf
        >>> listed = lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]}).checklist()
        >>> listed.to_dict()["Objective"]["residual and loss"], len(listed.missing)
        ('observed - fitted on linear scale, squared', 16)
        """
        from .checklist import checklist

        return checklist(self, bootstrap, notes or {})

    def plot(self, along: str | None = None, *, ax: Any = None, level: float | None = 0.95) -> Any:
        """Data, fit and its band along one variable; returns the matplotlib axes.

        Needs matplotlib (``pip install 'lawfit[plot]'``); see ``lf.plots`` for this and further
        figures: residuals, replicates, profiles, isoFLOP slices, allocation.
        """
        from .plots import along as draw

        return draw(self, along, ax=ax, level=level)

    def to_dict(self) -> dict[str, Any]:
        """A summary as plain Python data (numbers, texts, lists, dicts).

        >>> import lawfit as lf
        >>> lf.fit("y = a*x", {"x": [1, 2], "y": [2, 4]}).to_dict()["status"]
        'converged'
        """
        from .report import summary

        return summary(self)

    def save(self, path: str | Path) -> None:
        """Write the fit and the columns it used as JSON; ``lf.load`` gives the same bits back."""
        from .archive import save

        save(self, path)

    def __str__(self) -> str:
        from .report import text

        return text(self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.6g}" for name, value in self.params.items())
        return f"Fit({shown}; {self.status}, objective={self.objective:.6g})"
