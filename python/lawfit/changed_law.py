"""New laws from a law: parameters tied, fixed, bounded, ordered, believed; variables as shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .grammar import closest
from .layout import Parametrised
from .parameter import Parameter, as_settings
from .simplex import Simplex, as_simplexes
from .ties import is_formula

if TYPE_CHECKING:
    from .law import Law

__all__ = ["Changeable"]


class Changeable(Parametrised):
    """What makes new laws; a ``Law`` brings ``_with``, which keeps all but what it is given."""

    settings: Mapping[str, Parameter]
    simplexes: tuple[Simplex, ...]
    _variables: tuple[str, ...] | None

    if TYPE_CHECKING:
        def _with(self, **parts: Any) -> Law: ...

    def tie(self, first: str, *others: str) -> Law:
        """A law in which these parameters are one number, under the name of the first.

        Bounds are intersected. ``tie("beta", "alpha/(1+alpha)")`` instead makes the first a
        formula of other parameters: it is reported with them, with standard errors by the delta
        method, and is not free. Its formula may name new parameters, once they are declared
        (``Law(parameters=...)`` or ``declare``, in the same call as the tie). Raises ValueError
        for names that are not parameters, bounds without a common interval, a fixed parameter
        among ``others``, and bounds or a start of a parameter that becomes a formula; LawError for
        formulas outside the grammar and circles.

        >>> from lawfit import Law
        >>> Law("A/N**alpha + B/D**beta", variables=["N", "D"]).tie("alpha", "beta").free
        ('A', 'alpha', 'B')
        >>> law = Law("A/N**alpha + B/D**beta", ["N", "D"]).tie("beta", "alpha/(1+alpha)")
        >>> law.free, law(N=1.0, D=4.0, A=1.0, alpha=1.0, B=2.0)
        (('A', 'alpha', 'B'), 2.0)
        """
        if not others:
            raise TypeError("tie() takes at least two parameters")
        if len(others) == 1 and is_formula(others[0]):
            return self._changed(self._leader(first, "tie"), tied=others[0])
        law = self
        for other in others:
            leader, follower = (law._leader(name, "tie") for name in (first, other))
            if leader != follower:
                if law._layout.settings[follower].fixed is not None:
                    raise ValueError(f"tie: {other!r} is fixed; name it first, or fix after tying")
                law = law._changed(follower, tied=leader)
        return law

    def fix(self, /, **values: float | None) -> Law:
        """A law with parameters held at values; None sets a parameter free again.

        Fixing a tied parameter fixes those it is tied to. Raises ValueError for names that are
        not parameters and values outside the bounds, TypeError for values that are not numbers.

        >>> from lawfit import Law
        >>> Law("E + A/N**alpha", variables=["N"]).fix(E=1.69).free
        ('A', 'alpha')
        """
        law = self
        for name, value in values.items():
            law = law._changed(law._leader(name, "fix"), fixed=value)
        return law

    def bound(self, /, **bounds: tuple[float | None, float | None] | None) -> Law:
        """A law with closed bounds: ``alpha=(0, 2)``; None or an infinity for an open end.

        ``alpha=None`` takes both bounds away. Raises ValueError for names that are not
        parameters and for bounds that contradict each other, a start or a fixed value.

        >>> from lawfit import Law
        >>> Law("A/N**alpha", variables=["N"]).bound(A=(0, None), alpha=(0, 2)).bounds()
        (array([0., 0.]), array([inf,  2.]))
        """
        law = self
        for name, pair in bounds.items():
            law._leader(name, "bound")
            try:
                low, high = (None, None) if pair is None else pair
            except (TypeError, ValueError):
                raise TypeError(f"bound: {name} takes a pair (low, high) or None") from None
            law = law._changed(name, positive=False, low=low, high=high)
        return law

    def order(self, first: str, *others: str) -> Law:
        """A law in which parameters rise: each at least as large as the one before.

        The second becomes the first and a gap, a new parameter ``second_above_first`` that is not
        negative, and so on; all are reported. A gap on its bound of 0 says that the order presses
        (``converged_at_bound``). Bounds and starts of the later ones go over to what comes before:
        a lower bound must be implied by it. Raises ValueError for names that are not parameters,
        fixed, tied or believed ones, and for upper bounds of later ones (bound the gap instead).

        >>> from lawfit import Law
        >>> law = Law("where(x < d1, a, where(x < d2, b, c))", ["x"]).order("d1", "d2")
        >>> law.free, law.expand([1.0, 5.0, 2.0, 3.0, 0.5]).tolist()[:3]
        (('d1', 'a', 'b', 'c', 'd2_above_d1'), [1.0, 5.0, 1.5])
        """
        if not others:
            raise TypeError("order() takes at least two parameters")
        law = self
        for low, high in zip((first, *others), others, strict=False):
            law = law._above(low, high)
        return law

    def _above(self, low: str, high: str) -> Law:
        """This law with ``high`` = ``low`` + a gap."""
        for name in (low, high):
            if self._leader(name, "order") != name:
                raise ValueError(f"order: {name!r} is tied to {self._leader(name, 'order')!r}; "
                                 "order that one")
        before, after = (self._layout.settings[name] for name in (low, high))
        for what in ("fixed", "tied", "prior", "high"):
            if getattr(after, what) is not None:
                raise ValueError(f"order: {high!r} cannot be {low!r} and a gap, as it has "
                                 f"{what}={getattr(after, what)!r}; take that away first")
        least = before.bounds[0] if before.fixed is None else before.fixed
        if after.bounds[0] > least:
            raise ValueError(f"order: {high!r} has the lower bound {after.bounds[0]:g}, which "
                             f"{low!r} does not; give it to {low!r}")
        gap = f"{high}_above_{low}"
        told = before.start is not None and after.start is not None
        start = max(after.start - before.start, 0.0) if told else None  # type: ignore[operator]
        return self._with(settings={
            **self.settings, high: Parameter(tied=f"{low} + {gap}"),
            gap: Parameter(positive=True, start=start),
        })

    def prior(self, /, **priors: Any) -> Law:
        """A law with what is believed of parameters besides the data; None takes it away.

        Each is a ``Normal``, ``LogNormal`` or ``Ridge``, its text (``"normal(0.3, 0.1)"``), or a
        pair (mean, sd) of a normal one, and adds one more residual to the objective. Raises
        ValueError for names that are not parameters, fixed ones and those tied to formulas,
        TypeError for anything else.

        >>> from lawfit import Law
        >>> Law("A/N**alpha", variables=["N"]).prior(alpha=(0.3, 0.1)).priors
        {'alpha': Normal(mean=0.3, sd=0.1)}
        """
        law = self
        for name, prior in priors.items():
            law._leader(name, "prior")
            law = law._changed(name, prior=prior)
        return law

    def simplex(self, *names: str, rest: bool = False) -> Law:
        """A law whose variables ``names`` are shares of one whole: none below 0, their sum 1.

        With ``rest`` one share is left unnamed, so that the sum is at most 1. ``fit``,
        ``fit_many`` and ``predict`` refuse rows where that does not hold (to 1e-6) and name
        columns and row. Raises ValueError for names that are not variables.

        >>> from lawfit import Law
        >>> law = Law("c + k*exp(a*p + b*q)", ["p", "q"]).simplex("p", "q")
        >>> law.simplexes
        (Simplex(names=('p', 'q'), rest=False),)
        """
        simplexes = as_simplexes((*self.simplexes, {"names": names, "rest": rest}))
        return self._with(simplexes=simplexes)

    def declare(self, parameters: Mapping[str, Parameter] | Iterable[str] | None) -> Law:
        """A law with these settings in place of those it has for the same parameters.

        Raises what ``Law(parameters=...)`` raises.

        >>> from lawfit import Law, Parameter
        >>> law = Law("A/N**alpha", variables=["N"]).bound(A=(0, 1))
        >>> law.declare({"A": Parameter(low=3)}).bounds()[0]
        array([  3., -inf])
        """
        return self._with(settings={**self.settings, **as_settings(parameters)})

    def _leader(self, name: str, method: str) -> str:
        """The parameter that speaks for a name: itself, or the one it is tied to."""
        if name in (self._variables or ()):
            raise ValueError(f"{method}: {name!r} is a variable of this law, not a parameter")
        if name not in self._layout.leader:
            names = self._layout.names
            raise ValueError(f"{method}: {name!r} is not a parameter of this law"
                             f"{closest(name, names)}; it has {', '.join(names)}")
        return self._layout.leader[name]

    def _changed(self, name: str, **changes: Any) -> Law:
        """This law with some fields of one parameter's settings changed."""
        try:
            setting = replace(self.settings.get(name, Parameter()), **changes)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        return self._with(settings={**self.settings, name: setting})
