"""How sure the numbers of a fit are: covariances, replicates, profiles, intervals, tests."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .covariance import default_kind
from .errors import FitWarning

if TYPE_CHECKING:
    import numpy as np

    from .bootstrap import Bootstrap
    from .result import Fit

__all__ = ["Uncertain"]


class Uncertain:
    """What is asked of a ``Fit`` about its uncertainty."""

    def covariance(
        self: Fit, kind: str | None = None, *, by: Any = None, absolute_sigma: bool | None = None
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
        inverse of Fisher's times Pearson's dispersion (quasi-likelihood). Fixed parameters and
        those on an active bound count as known: their rows are 0. Where it is undefined the entries
        are NaN and one FitWarning says why. Raises ValueError for an unknown kind.

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

    def bootstrap(
        self: Fit, n: int | None = None, method: str = "pairs", *, by: Any = None,
        weights: Any = None, seed: int = 0, check: float | None = None,
        multiplier: str | None = None, noise: Any = None, null: Any = None,
        threads: int | None = None, progress: Any = None,
    ) -> Bootstrap:
        """Refit ``n`` (default 1,000) replicates of the data, each started from this fit.

        ``method`` says what a replicate is. ``"pairs"``: rows drawn with replacement;
        ``"cluster"``: all rows of clusters drawn with replacement; ``"stratified"``: rows drawn
        within strata; ``"bayesian"``: Dirichlet weights of rows (of clusters with ``by``);
        ``"jackknife"``: each row (cluster) left out once, ``n`` not given. The others keep the
        variables and make new targets around the fit, in the residual space: ``"residual"``
        draws standardised residuals; ``"wild"`` multiplies each row's own (with ``by`` those of
        a cluster together) by a random ``multiplier``, ``"rademacher"`` (default), ``"mammen"``
        or ``"webb"`` (default below 12 clusters); ``"parametric"`` draws from the likelihood that
        was fitted, with its estimated numbers, otherwise normal errors of a ``noise`` model:
        ``"constant"`` (default), ``"proportional"``, a variable along which noise is a power, or
        ``{variable: points, "sd": values}``. Counts and shares have no residuals to draw, so of
        these three only the last. ``null`` maps parameters to
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
        self: Fit, parameter: str | None = None, *, derived: str | None = None, level: float = 0.95,
        by: Any = None, covariance: str | None = None, points: int = 20,
        threads: int | None = None, **variables: Any,
    ) -> Any:
        """How far a parameter or a derived quantity can move before the best fit gets too bad.

        Gives a ``Profile`` of one parameter or of a ``derived`` expression (with its variables
        as keywords), or, with neither, a dict with one of each free parameter. ``low`` and
        ``high`` are where the objective, minimised over everything else, has risen by half
        the square of Student's t quantile times the noise's scale; an end that is never reached
        is open. Numbers that a likelihood estimates (size, scale, degrees of freedom) are
        estimated anew everywhere on the way: a profile likelihood. ``covariance`` (a kind as in
        ``covariance()``; ``"cluster"`` with ``by``) sets the scale: the residual variance for
        squared loss, otherwise what makes the profile agree with that covariance near the
        optimum. ``points`` are looked at on each side for drawing. Raises ValueError for unknown
        or fixed parameters and for losses without curvature.

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
        self: Fit, level: float = 0.95, method: str | None = None, *, by: Any = None,
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
        self: Fit, published: Any, *, terms: Any = None, covariance: Any = None, by: Any = None
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
