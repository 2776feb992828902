"""What a fitted law says: predictions, derived quantities, the best allocation of compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .allocate import Allocation
    from .derive import Derived
    from .result import Fit

__all__ = ["Answers"]


class Answers:
    """What is asked of a ``Fit`` about the law that it found."""

    def predict(
        self: Fit, data: Any = None, *, level: float | None = None, kind: str = "mean",
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
        Of 400 simulated tables of 30 to 100 rows with even noise such bands at 90 % held 88 to
        91 %, from within the data to 1,000 times beyond; those of replicates
        (``Bootstrap.predict``) held less, of residual and parametric ones 85 to 89 %, of pairs 82
        to 87 %, of wild ones 77 to 84 %. With noise that falls fivefold along the data, which the
        fit does not know, this band held 79 to 81 %; there take pairs with ``method="expanded"``:
        85 to 88 %. Raises ValueError for missing variables, and for a new run of a fit with
        ``sigma`` unless ``noise`` is given.

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

    def extrapolation(self: Fit, data: Any = None, **variables: Any) -> dict[str, Any]:
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

    def derive(self: Fit, expression: str, **variables: Any) -> Derived:
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

    def allocate(
        self: Fit, compute: Any = None, *, level: float | None = None, **question: Any
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
        >>> import numpy as np
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
