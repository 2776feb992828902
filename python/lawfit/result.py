"""The result of one fit: numbers by name, how sure they are, and what can be asked of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import status as _status
from .covariance import default_kind
from .errors import FitWarning
from .goodness import goodness
from .losses import Loss

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .allocate import Allocation
    from .bootstrap import Bootstrap
    from .checklist import Checklist
    from .data import Rows
    from .derive import Derived
    from .diagnose import Diagnosis
    from .law import Law
    from .prediction import Prediction
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
class Fit(_status.Ended):
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

    def covariance(
        self, kind: str | None = None, *, by: Any = None, absolute_sigma: bool | None = None
    ) -> np.ndarray:
        """Covariance of the parameters, an array over ``law.parameters`` squared.

        ``kind``: ``"jacobian"`` is s**2 (J'WJ)^-1 with s**2 on n - p (default for squared
        loss), ``"hessian"`` uses the objective's full second derivatives, ``"sandwich"`` is
        n/(n - p) H^-1 (sum of gradient outer products) H^-1 (default for other losses),
        ``"cluster"`` the same with gradients summed over the clusters that ``by`` names (see
        ``bootstrap``), times G/(G - 1) (n - 1)/(n - p) for G clusters. With
        ``sigma`` given the scale is still estimated unless ``absolute_sigma`` is true (default:
        what ``lf.fit`` was told). For likelihoods ``"hessian"`` (their default) is the inverse of
        the observed information, jointly with ``nuisance``, and ``"jacobian"`` for counts the
        inverse of Fisher's times Pearson's dispersion (quasi-likelihood). Fixed parameters and those on an active bound count as known:
        their rows are 0. Where it is undefined the entries are NaN and one FitWarning says why.
        Raises ValueError for an unknown kind.

        >>> import lawfit as lf
        >>> lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]}).covariance().round(4)
        array([[ 0.105, -0.045],
               [-0.045,  0.03 ]])
        """
        from .covariance import full_covariance
        from .units import units_of

        absolute = self.absolute_sigma if absolute_sigma is None else bool(absolute_sigma)
        kind = kind or ("cluster" if by is not None else default_kind(self.loss))
        if self.joint is not None:  # clusters may span groups
            matrix, note = self.joint.covariance(kind, absolute, by)
        else:
            units = None if by is None else units_of(self.rows, by)
            matrix, note = full_covariance(self, kind, absolute, units)
        if note:
            warnings.warn(note, FitWarning, stacklevel=2)
        return matrix

    def predict(
        self, data: Any = None, *, level: float | None = None, kind: str = "mean",
        noise: Any = None, band: str = "pointwise", **variables: Any,
    ) -> Any:
        """The law at new points, in units of y.

        Points come as keywords (arrays broadcast), or as a table whose columns bear the names
        of the fitted data or of the law's variables. Without ``level`` an array of values (a
        float for scalars); with it a ``Prediction`` (value, low, high, and how far beyond the
        data) by the delta method in the residual space with Student's t on n - p: of the mean,
        or with ``kind="new"`` of one new run, adding its ``noise``: ``"constant"`` (default),
        ``"proportional"``, a variable along which noise is a power, or ``{variable: points,
        "sd": values}``, all in the residual space, for a run of the rows' mean weight.

        With ``band="simultaneous"`` the level holds for all points at once, such as along a path.
        Raises ValueError for missing variables, and for a new run of a fit with ``sigma`` unless
        ``noise`` is given.

        >>> import lawfit as lf
        >>> line = lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]})
        >>> line.predict(x=[4, 5]).round(3)
        array([10. , 12.3])
        >>> [round(number, 3) for number in line.predict(x=4, level=0.9)]
        [10.0, 8.615, 11.385]
        >>> line.predict(x=9, level=0.9).extrapolation
        {'x': 3.0}
        """
        from .predict import predict

        return predict(self, data, level, kind, noise, band, variables)

    def extrapolation(self, data: Any = None, **variables: Any) -> dict[str, Any]:
        """Variable -> how many times beyond the data points lie: their ratio to the largest (or
        of the smallest to them), 1 within the data.

        Points as for ``predict``; arrays of their shape, or floats. NaN across 0 and without data.

        >>> import lawfit as lf
        >>> line = lf.fit("y = a + b*x", {"x": [1, 2, 3, 4], "y": [1, 3, 5, 8]})
        >>> line.extrapolation(x=[0.5, 2, 12])["x"]
        array([2., 1., 3.])
        """
        from .predict import extrapolation, points

        return extrapolation(self, points(self, data, variables))

    def derive(self, expression: str, **variables: Any) -> Derived:
        """Any expression of the parameters, such as ``"beta/(alpha+beta)"``, with its error.

        The grammar is the one of laws; names that are not parameters are given as keywords. The
        name of a quantity that the catalogue derives from the law (``law.derived``) will do, too.
        The result has ``value``, ``stderr`` (delta method) and ``interval(level)``.

        ``"D where loss = 2.0"`` is the root of an equation, ``"N minimising loss where 6*N*D =
        1e24"`` (or ``maximising``; the constraint may be left out) the best point on it, where the
        name of what was measured stands for the law. They are sought from a billionth of the
        least to a billion times the largest of the data, or where the text says, as in ``"D where
        loss = 2.0 from 1e9 to 1e15"``; NaN where there is none, and ``exists`` tells. Their
        intervals are made on logarithms when the range is positive.

        Raises LawError for text outside the grammar, ValueError for unknown names.

        >>> import lawfit as lf
        >>> line = lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]})
        >>> zero = line.derive("-a/b")
        >>> round(zero.value, 4), round(zero.stderr, 4)
        (-0.3478, 0.1626)
        >>> round(line.derive("x where y = 10").value, 4)
        4.0
        """
        from .derive import derive

        return derive(self, expression, variables)

    def bootstrap(
        self, n: int | None = None, method: str = "pairs", *, by: Any = None, weights: Any = None,
        seed: int = 0, check: float | None = None, multiplier: str | None = None,
        noise: Any = None, null: Any = None, threads: int | None = None, progress: Any = None,
    ) -> Bootstrap:
        """Refit ``n`` (default 1,000) replicates of the data, each started from this fit.

        ``method`` says what a replicate is. ``"pairs"``: rows drawn with replacement;
        ``"cluster"``: all rows of clusters drawn with replacement; ``"stratified"``: rows drawn
        within strata; ``"bayesian"``: Dirichlet weights of rows (of clusters with ``by``);
        ``"jackknife"``: each row (cluster) left out once, ``n`` not given. The others keep the
        variables and make new targets around the fit, in the residual space: ``"residual"``
        draws standardised residuals; ``"wild"`` multiplies each row's own (with ``by`` those of
        a cluster together) by a random ``multiplier``, ``"rademacher"`` (default), ``"mammen"``
        or ``"webb"`` (default below 12 clusters); ``"parametric"`` draws normal errors of a
        ``noise`` model: ``"constant"`` (default), ``"proportional"``, a variable along which
        noise is a power, or ``{variable: points, "sd": values}``. ``null`` maps parameters to
        values under which these targets are made, for ``boot.derive(...).p_value(...)``.

        ``by`` names the clusters or strata: a column of the table, a list of columns, or one key
        a row. ``weights`` (replicates x rows, counts or any non-negative numbers; rows used or
        rows of the table given) takes replicates of your own instead, multiplied with the fit's
        weights; then ``n`` is not given. ``check`` is the share of replicates that are also
        fitted from automatic starts, so that a second basin is seen (default 0.01; 0 with
        ``weights`` and the jackknife). The same ``seed`` gives the same bits for any number of
        ``threads``; fits of other laws to the same rows of a table get the same resamples. One
        FitWarning counts replicates that failed or had a better optimum elsewhere. Raises
        ValueError for bad arguments.

        >>> import lawfit as lf
        >>> line = lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]})
        >>> line.bootstrap(weights=[[1, 1, 1, 1], [2, 0, 1, 1]]).params["b"].round(3)
        array([2.3  , 2.259])
        """
        from .bootstrap import bootstrap

        return bootstrap(
            self, n, method, by=by, weights=weights, seed=seed, check=check,
            multiplier=multiplier, noise=noise, null=null, threads=threads, progress=progress,
        )

    def profile(
        self, parameter: str | None = None, *, derived: str | None = None, level: float = 0.95,
        by: Any = None, covariance: str | None = None, points: int = 20,
        threads: int | None = None, **variables: Any,
    ) -> Any:
        """How far a parameter or a derived quantity can move before the best fit gets too bad.

        Gives a ``Profile`` of one parameter or of a ``derived`` expression (with its variables
        as keywords), or, with neither, a dict with one of each free parameter. ``low`` and
        ``high`` are where the objective, minimised over everything else, has risen by half
        the square of Student's t quantile times the noise's scale; an end that is never reached
        is open. ``covariance`` (a kind as in ``covariance()``; ``"cluster"`` with ``by``) sets
        the scale: the residual variance for squared loss, otherwise what makes the profile
        agree with that covariance near the optimum. ``points`` are looked at on each side for
        drawing. Raises ValueError for unknown or fixed parameters and for losses without
        curvature.

        >>> import lawfit as lf
        >>> line = lf.fit("y = a + b*x", {"x": [0, 1, 2, 3], "y": [1, 3, 5, 8]})
        >>> line.profile(derived="-a/b")
        Profile('-a/b', -0.347826, 95 %: -1.33539 to 0.206222)
        """
        from .profile import profile

        return profile(
            self, parameter, derived, level=level, by=by, covariance=covariance, points=points,
            threads=threads, variables=variables,
        )

    def interval(
        self, level: float = 0.95, method: str | None = None, *, by: Any = None,
        covariance: str | None = None,
    ) -> dict[str, tuple[float, float]]:
        """Parameter name -> (low, high); parameters that are fixed are left out.

        ``method`` is ``"profile"`` (the default, see ``profile``) or ``"wald"``: the standard
        error of a ``covariance`` kind times Student's t. ``by`` names clusters of rows that are
        not independent. Which method holds its level is measured in the README; below 30
        independent rows or clusters none does for sure, and one FitWarning says so.

        >>> import lawfit as lf
        >>> x = [k / 10 for k in range(40)]
        >>> line = lf.fit("y = a + b*x", {"x": x, "y": [2*v + (k % 3) for k, v in enumerate(x)]})
        >>> [round(end, 4) for end in line.interval()["b"]]
        [1.7786, 2.2458]
        """
        from .interval_of_fit import intervals

        return intervals(self, level, method, by, covariance)

    def test_against(
        self, published: Any, *, terms: Any = None, covariance: Any = None, by: Any = None
    ) -> Any:
        """Whether the data are consistent with published constants: a ``Comparison``.

        ``published`` maps parameter -> number or is a ``lf.published`` fit, whose covariance, if
        it has one, is added. ``terms`` are expressions of the parameters to compare (default: the
        free parameters); logarithms of amplitudes suit a normal approximation better.
        ``covariance`` is a ``Bootstrap`` (that of its replicates), a kind as in ``covariance()``
        or a matrix over the terms. Raises ValueError where there is no covariance.
        """
        from .comparison import test_against

        return test_against(self, published, terms, covariance, by)

    def allocate(
        self, compute: Any = None, *, level: float | None = None, **question: Any
    ) -> Allocation:
        """The best model size and tokens for a compute budget, by this law.

        ``compute`` is a budget in FLOP or an array of them; ``loss=`` instead asks for the least
        compute that reaches a loss (or several). ``size`` and ``tokens`` name the law's variables
        (default ``N`` and ``D``, or its two variables in order); any variable given a value, as
        ``N=7e9``, is held there: fixed size, fixed tokens, or a third variable, which needs one.

        ``cost`` is what a run costs: a number k for k*N*D (6e15 for N in 1e6 and D in 1e9), or an
        expression such as ``"6*N*D + 1e3*D"`` (``lf.attention_cost`` writes one). ``inference``
        tokens served afterwards cost a forward pass each. ``unique`` tokens at most are there:
        beyond them data repeat, and ``repetition=(R_D, R_N)`` says how repeated tokens and
        excess parameters count (default: Muennighoff's constants).

        Laws of a constant, a power of N and a power of D, however written, have closed forms;
        everything else is searched for, to all digits. With ``level`` the result has intervals by
        the delta method; ``fit.bootstrap(...).allocate(...)`` has them from resamples. Raises
        ValueError when the fitted law has no optimum.

        >>> import lawfit as lf
        >>> N, D = np.meshgrid([1e7, 1e8, 1e9, 1e10], [1e9, 1e10, 1e11])
        >>> runs = {"N": N.ravel(), "D": D.ravel()}
        >>> runs["loss"] = 1.8 + 480/runs["N"]**0.35 + 2000/runs["D"]**0.37
        >>> fit = lf.fit("loss = E + A/N**alpha + B/D**beta", runs)
        >>> f"{fit.allocate(1e21).N:.4g}, {fit.allocate(1e21, inference=1e12).N:.4g}"
        '3.144e+09, 3.438e+08'
        >>> f"{fit.allocate(loss=2.1).compute:.4g}, {fit.allocate(loss=2.1, N=2e9).compute:.4g}"
        '8.718e+21, 9.799e+22'
        """
        from .allocate import allocate
        from .question import as_question

        return allocate(self, as_question(compute, question), level)

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
