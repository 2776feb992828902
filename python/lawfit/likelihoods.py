"""Likelihoods: losses that say how the measured values are distributed around the law.

The fitted parameters maximise the likelihood. A likelihood may have numbers of its own (the size of
a negative binomial, scale and degrees of freedom of Student's t, the standard deviation of a
Gaussian); those not given are estimated with the law's parameters and are in ``fit.nuisance``.
Standard errors come from the inverse observed information of all of them together, without a scale
from the residuals. Weights multiply the log-likelihood of their row, relative to their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .losses import Loss

__all__ = ["Binomial", "Gaussian", "Likelihood", "NegativeBinomial", "Poisson", "StudentT",
           "check_likelihoods"]

Numbers = tuple[float, float]


class Likelihood(Loss):
    """What all likelihoods share. Use one of the named ones, not this class."""

    likelihood: ClassVar[bool] = True

    def nuisance(self, numbers: Any, objective: Any, weight: Any) -> dict[str, Any]:
        """Estimated numbers by name, from the engine's pairs [..., 2] or the objective."""
        return {}

    def nuisance_stderr(
        self, numbers: Any, errors: Any, nuisance: dict[str, Any], rows: Any
    ) -> dict[str, Any]:
        """Their standard errors, from the engine's errors [..., 2] of its own two numbers."""
        return {}

    def limits(self, nuisance: dict[str, float]) -> dict[str, str]:
        """Estimated numbers that ended on the edge of their domain, and what that means."""
        return {}


def _number(loss: str, argument: str, value: Any, infinite: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{loss}: {argument} must be a number or None, not {type(value).__name__}")
    if not (value > 0 and (infinite or math.isfinite(value))):
        finite = "" if infinite else " and finite"
        raise ValueError(f"{loss}: {argument} must be positive{finite}, not {value!r}")


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """Normal errors of standard deviation ``scale``, in units of the residual; None: estimated.

    The parameters are those of least squares. The estimate of the scale is the maximum of the
    likelihood, the root of the mean squared residual, which divides by n and not by n - p, and so
    do the standard errors. Raises ValueError when the scale is not positive and finite.

    >>> str(Gaussian()), str(Gaussian(0.1))
    ('gaussian', 'gaussian:scale=0.1')
    """

    scale: float | None = None
    name: ClassVar[str] = "gaussian"
    engine: ClassVar[str] = "squared"

    def __post_init__(self) -> None:
        if self.scale is not None:
            _number("Gaussian", "scale", self.scale)

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the numbers that are estimated."""
        return () if self.scale is not None else ("sigma",)

    def __str__(self) -> str:
        return self.name if self.scale is None else f"{self.name}:scale={float(self.scale)!r}"

    def nuisance(self, numbers: Any, objective: Any, weight: Any) -> dict[str, Any]:
        """The standard deviation: twice the objective is the weighted sum of squares."""
        return {} if self.scale is not None else {"sigma": np.sqrt(2 * objective / weight)}

    def nuisance_stderr(
        self, numbers: Any, errors: Any, nuisance: dict[str, Any], rows: Any
    ) -> dict[str, Any]:
        """sigma/sqrt(2 n)."""
        return {name: value / np.sqrt(2 * rows) for name, value in nuisance.items()}


@dataclass(frozen=True)
class StudentT(Likelihood):
    """Student's t with ``nu`` degrees of freedom: heavy tails, so that outliers count little.

    ``scale`` is in units of the residual. Both are estimated where None, ``nu`` between 1 and
    infinity (which is the normal distribution). With both given the objective is the sum of
    ``(nu + 1)/2 * log(1 + (r/scale)**2/nu)``; otherwise minus the log-likelihood. Raises
    ValueError when a number is not positive. Source: K. Lange, R. Little and J. Taylor, "Robust
    statistical modeling using the t distribution", JASA 84 (1989).

    >>> StudentT(4)
    StudentT(nu=4, scale=None)
    >>> str(StudentT(4, 0.1)), str(StudentT())
    ('student_t:nu=4.0:scale=0.1', 'student_t')
    """

    nu: float | None = None
    scale: float | None = None
    name: ClassVar[str] = "student_t"

    def __post_init__(self) -> None:
        if self.nu is not None:
            _number("StudentT", "nu", self.nu, infinite=True)
        if self.scale is not None:
            _number("StudentT", "scale", self.scale)

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the numbers that are estimated."""
        return tuple(name for name in ("nu", "scale") if getattr(self, name) is None)

    def at(self, numbers: Numbers | None) -> Any:
        """(scale, 1/nu, scale is estimated, nu is estimated)"""
        scale, tail = numbers or (self.scale or 1.0, 0.0 if self.nu is None else 1 / self.nu)
        return float(scale), float(tail), self.scale is None, self.nu is None

    def __str__(self) -> str:
        known = (("nu", self.nu), ("scale", self.scale))
        given = [f":{name}={float(value)!r}" for name, value in known if value is not None]
        return self.name + "".join(given)

    @np.errstate(all="ignore")
    def nuisance(self, numbers: Any, objective: Any, weight: Any) -> dict[str, Any]:
        """nu and scale, those that are estimated."""
        found = {"nu": 1 / np.float64(numbers[..., 1]), "scale": numbers[..., 0]}
        return {name: found[name] for name in self.free}

    @np.errstate(all="ignore")
    def nuisance_stderr(
        self, numbers: Any, errors: Any, nuisance: dict[str, Any], rows: Any
    ) -> dict[str, Any]:
        """The engine's are of log scale and of 1/nu."""
        found = {"nu": errors[..., 1] / numbers[..., 1] ** 2,
                 "scale": errors[..., 0] * numbers[..., 0]}
        return {name: found[name] for name in self.free}

    def limits(self, nuisance: dict[str, float]) -> dict[str, str]:
        """nu at infinity or at 1."""
        nu = nuisance.get("nu", 2.0)
        if nu == math.inf:
            return {"nu": "infinite: the residuals show no heavier tails than the normal "
                          "distribution's"}
        if nu <= 1:
            return {"nu": "at its lower bound: tails as heavy as Cauchy's; try Cauchy or Absolute"}
        return {}


class _Counts(Likelihood):
    """Counts and shares: they have no residual space but the values themselves."""

    of_counts: ClassVar[bool] = True

    def at(self, numbers: Numbers | None) -> Any:
        """No numbers of its own."""
        return 1.0, 0.0, False, False


@dataclass(frozen=True)
class Poisson(_Counts):
    """Counts whose variance is their mean, which is the law; rates need their exposure in the law.

    The measured values must be whole numbers >= 0 and the residual space ``"linear"``. The
    objective is half the deviance. Rows where the law is not positive have no likelihood.

    >>> str(Poisson())
    'poisson'
    """

    name: ClassVar[str] = "poisson"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class NegativeBinomial(_Counts):
    """Counts that scatter more than Poisson's: mean m (the law), variance ``m + m**2/size``.

    ``size`` is estimated where None (``fit.nuisance`` has it and ``alpha = 1/size``, the
    dispersion); counts that scatter no more than Poisson's give an infinite size. With ``size``
    given the objective is half the deviance, otherwise minus the log-likelihood without the terms
    of the counts alone. Raises ValueError when size is not positive and finite. Source: J. Lawless,
    "Negative binomial and mixed Poisson regression", Canadian Journal of Statistics 15 (1987).

    >>> str(NegativeBinomial()), str(NegativeBinomial(10))
    ('negative_binomial', 'negative_binomial:size=10.0')
    """

    size: float | None = None
    name: ClassVar[str] = "negative_binomial"

    def __post_init__(self) -> None:
        if self.size is not None:
            _number("NegativeBinomial", "size", self.size)

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the numbers that are estimated."""
        return () if self.size is not None else ("size", "alpha")

    def at(self, numbers: Numbers | None) -> Any:
        """(1/size, 0, it is estimated, False)"""
        alpha = numbers[0] if numbers else 0.0 if self.size is None else 1 / self.size
        return float(alpha), 0.0, self.size is None, False

    def __str__(self) -> str:
        return self.name if self.size is None else f"{self.name}:size={float(self.size)!r}"

    @np.errstate(all="ignore")
    def nuisance(self, numbers: Any, objective: Any, weight: Any) -> dict[str, Any]:
        """size and alpha."""
        alpha = np.float64(numbers[..., 0])
        return {} if self.size is not None else {"size": 1 / alpha, "alpha": alpha}

    @np.errstate(all="ignore")
    def nuisance_stderr(
        self, numbers: Any, errors: Any, nuisance: dict[str, Any], rows: Any
    ) -> dict[str, Any]:
        """The engine's is of alpha."""
        if self.size is not None:
            return {}
        return {"size": errors[..., 0] / numbers[..., 0] ** 2, "alpha": errors[..., 0]}

    def limits(self, nuisance: dict[str, float]) -> dict[str, str]:
        """alpha at zero."""
        if nuisance.get("alpha", 1.0) > 0:
            return {}
        return {"size": "infinite: the counts scatter no more than Poisson's",
                "alpha": "zero: Poisson"}


@dataclass(frozen=True)
class Binomial(_Counts):
    """Successes out of trials: the law is the probability of one.

    The measured column holds shares of successes in [0, 1], or with ``counts=True`` their numbers.
    ``trials`` is a column name, a number, or one value a row (None: 1, so that values are 0, 1 or
    shares of equal weight). The objective is half the deviance; the residual space must be
    ``"linear"``. Rows where the law leaves (0, 1) have no likelihood: a ``logistic(...)`` or a law
    bounded to (0, 1) keeps inside. ValueError names the column and row of values that cannot be.

    >>> str(Binomial()), str(Binomial("n")), str(Binomial(100, counts=True))
    ('binomial', 'binomial:trials=n', 'binomial:trials=100.0:counts=True')
    """

    trials: Any = field(default=None, compare=False)
    counts: bool = False
    name: ClassVar[str] = "binomial"

    def __post_init__(self) -> None:
        if isinstance(self.trials, (int, float)) and not self.trials > 0:
            raise ValueError(f"Binomial: trials must be positive, not {self.trials!r}")
        if self.counts and self.trials is None:
            raise ValueError("Binomial: counts=True needs trials=, out of how many")

    def __str__(self) -> str:
        if self.trials is None:
            return self.name
        trials = (self.trials if isinstance(self.trials, str) else repr(float(self.trials))
                  if np.ndim(self.trials) == 0 else "array")
        return f"{self.name}:trials={trials}" + (":counts=True" if self.counts else "")


_KINDS: dict[str, type[Any]] = {
    kind.name: kind for kind in (Gaussian, StudentT, Poisson, NegativeBinomial, Binomial)
}


NAMES = tuple(_KINDS)


def from_text(name: str, words: Sequence[str]) -> Likelihood | None:
    """The likelihood of a name and of words ``argument=value``; None for another name.

    >>> from_text("student_t", ["nu=4"]), from_text("binomial", ["trials=n"])
    (StudentT(nu=4.0, scale=None), Binomial(trials='n', counts=False))
    """
    kind = _KINDS.get(name)
    if kind is None:
        return None
    arguments: dict[str, Any] = {}
    known = [argument for argument in kind.__dataclass_fields__ if argument != "name"]
    for place, word in enumerate(words):
        argument, equals, value = word.partition("=")
        if not equals:
            argument, value = (known[place] if place < len(known) else word), word
        if argument not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes no numbers"
            raise ValueError(f"loss: {name!r} has no {argument!r}; {takes}")
        arguments[argument] = _value(name, argument, value)
    return kind(**arguments)  # type: ignore[no-any-return]


def _value(name: str, argument: str, text: str) -> Any:
    if argument == "counts":
        return text.strip().lower() in ("counts", "true", "1", "yes")
    try:
        return float(text)
    except ValueError:
        if argument == "trials":
            return text
        raise ValueError(f"loss: {text!r} is no number for {argument} of {name}") from None


def check_likelihoods(losses: Sequence[Loss], ons: Sequence[str], sigma: Any) -> Loss:
    """Refuse what does not go together; the loss that says how the measured column is read.

    >>> check_likelihoods([Poisson()], ["log"], None)
    Traceback (most recent call last):
    ValueError: on: loss poisson needs on='linear', not 'log': counts have no other residual space
    """
    for loss in losses:
        if not loss.of_counts:
            continue
        other = [on for on in ons if on != "linear"]
        if other:
            what = "shares" if isinstance(loss, Binomial) else "counts"
            raise ValueError(f"on: loss {loss} needs on='linear', not {other[0]!r}: {what} have no "
                             "other residual space")
        if sigma is not None:
            raise ValueError(f"sigma: loss {loss} says itself how values scatter; weights= can "
                             "make rows count more or less")
    reading = [loss for loss in losses if isinstance(loss, Binomial) and loss.trials is not None]
    if reading and len(losses) > 1:
        raise ValueError("losses: Binomial with trials changes how the measured column is read, so "
                         "it needs a call of its own")
    return reading[0] if reading else losses[0]


Refuse = Callable[[str, np.ndarray, str], None]


def check_counts(losses: Sequence[Loss], label: str, y: np.ndarray, refuse: Refuse) -> None:
    """Refuse measured values that a likelihood has no probability for."""
    for loss in losses:
        if isinstance(loss, Binomial):
            if not loss.counts:
                refuse(label, (y < 0) | (y > 1), "outside [0, 1], and Binomial needs shares; "
                       "numbers of successes go with counts=True and trials=")
        elif loss.of_counts:
            needs = f"{type(loss).__name__} needs counts"
            refuse(label, y < 0, f"negative, and {needs}")
            refuse(label, y != np.floor(y), f"no whole number, and {needs}")


def read_trials(
    loss: Binomial, label: str, y: np.ndarray, trials_label: str, trials: np.ndarray,
    refuse: Refuse,
) -> np.ndarray:
    """The shares of successes, once trials and numbers of successes are checked."""
    refuse(trials_label, ~(trials > 0), "not positive; every row needs at least one trial")
    if not loss.counts:
        return y
    refuse(trials_label, trials != np.floor(trials),
           "no whole number, and counts=True needs whole trials")
    refuse(label, (y < 0) | (y != np.floor(y)), "no count >= 0, and Binomial was told counts=True")
    refuse(label, y > trials, "more than its row's trials")
    return y / trials
