"""From free values to all parameters: fixed ones, ties, bounds and starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .expression import Array, Expression, Graph, Leaf
from .grammar import closest
from .parameter import Parameter
from .ties import Ties, is_formula

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .priors import Prior

__all__ = ["Layout", "Parametrised"]


class Layout:
    """Which parameters are free, and how a vector of free values becomes all of them.

    Tied parameters share one place, fixed parameters have none. Bounds of tied parameters are
    intersected. Raises ValueError when ties or bounds contradict.

    >>> layout = Layout(("a", "b", "c"), {"b": Parameter(tied="a"), "c": Parameter(fixed=2.0)})
    >>> layout.free, layout.expand([5.0]).tolist()
    (('a',), [5.0, 5.0, 2.0])
    """

    def __init__(self, names: tuple[str, ...], settings: Mapping[str, Parameter]) -> None:
        self.names = names
        self.settings = {name: settings.get(name, Parameter()) for name in names}
        self.leader = {name: self._leader_of(name) for name in names}
        self.ties = Ties(names, self._formulas(), self.leader)
        leaders = [name for name in names if self.leader[name] == name]
        self.groups = {
            leader: [leader, *(n for n in names if n != leader and self.leader[n] == leader)]
            for leader in leaders
        }
        self.fixed = {
            name: fixed for name in leaders if (fixed := self.settings[name].fixed) is not None
        }
        self.free = tuple(name for name in leaders
                          if name not in self.fixed and name not in self.ties.texts)
        self._bounds = {leader: self._group_bounds(leader) for leader in leaders}
        self._starts = {leader: self._group_start(leader) for leader in leaders}

    def _formulas(self) -> dict[str, str]:
        """Parameter -> the formula it is tied to, for those that are."""
        return {name: tied for name in self.names
                if (tied := self.settings[name].tied) is not None and is_formula(tied)}

    def _leader_of(self, name: str) -> str:
        seen = [name]
        while (tied := self.settings[seen[-1]].tied) is not None and not is_formula(tied):
            if tied not in self.settings:
                raise ValueError(f"{seen[-1]!r} is tied to {tied!r}, which is not a parameter "
                                 f"of this law{closest(tied, self.names)}")
            if tied in seen:
                raise ValueError("these parameters are tied in a circle: "
                                 + ", ".join(seen[seen.index(tied) :]))
            seen.append(tied)
        return seen[-1]

    def _group_bounds(self, leader: str) -> tuple[float, float]:
        group = self.groups[leader]
        low = max(self.settings[name].bounds[0] for name in group)
        high = min(self.settings[name].bounds[1] for name in group)
        if not low < high:
            raise ValueError(f"the bounds of the tied parameters {', '.join(group)} leave no "
                             "interval; widen one with bound()")
        for what in ("fixed", "start"):
            for name in group:
                value = getattr(self.settings[name], what)
                if value is not None and not low <= value <= high:
                    raise ValueError(f"{name}: {what}={value:g} lies outside [{low:g}, {high:g}], "
                                     "the common bounds of the parameters tied to it")
        return low, high

    def _group_start(self, leader: str) -> float:
        starts = [self.settings[name].start for name in self.groups[leader]]
        return next((start for start in starts if start is not None), math.nan)

    @cached_property
    def places(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """For each parameter its place among the free ones; -1 where fixed or a formula."""
        places = {name: place for place, name in enumerate(self.free)}
        return np.array([places.get(self.leader[n], -1) for n in self.names], np.intp)

    @cached_property
    def _values(self) -> Array:
        """For each parameter the value it is fixed at, or 0."""
        return np.array([self.fixed.get(self.leader[n], 0.0) for n in self.names], np.float64)

    def expand(self, values: ArrayLike) -> Array:
        """Free values (..., n_free) to all parameters (..., n_parameters)."""
        free = self._checked(values, len(self.free), "free parameters")
        out = np.empty((*free.shape[:-1], len(self.names)))
        out[...] = self._values
        moving = self.places >= 0
        out[..., moving] = free[..., self.places[moving]]
        return self.ties.fill(out) if self.ties else out

    def contract(self, values: ArrayLike) -> Array:
        """All parameters (..., n_parameters) to the free ones (..., n_free)."""
        full = self._checked(values, len(self.names), "parameters")
        return np.ascontiguousarray(full[..., [self.names.index(name) for name in self.free]])

    def _checked(self, values: ArrayLike, count: int, what: str) -> Array:
        array = np.asarray(values, np.float64)
        if array.ndim == 0 or array.shape[-1] != count:
            got = array.shape[-1] if array.ndim else "a single number"
            raise ValueError(f"the last axis must hold the {count} {what}, not {got}")
        return array

    def priors(self) -> Array:
        """One row a prior: (free parameter, mean, 1/sd**2, whether of the logarithm)."""
        place = dict(zip(self.names, self.places.tolist(), strict=True))
        rows = [(place[name], *setting.prior.row()) for name, setting in self.settings.items()
                if setting.prior is not None and place[name] >= 0]
        return np.array(rows, np.float64).reshape(-1, 4)

    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the free parameters (n_free each), infinite where open."""
        pairs = [self._bounds[name] for name in self.free]
        return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])

    def guesses(self) -> Array:
        """Given starts of the free parameters (n_free), NaN where there is none."""
        return np.array([self._starts[name] for name in self.free], np.float64)


class Parametrised:
    """What a Law says about its variables and parameters, as far as they are decided."""

    expression: Expression
    """The parsed formula."""
    _variables: tuple[str, ...] | None
    _layout: Layout

    @property
    def variables(self) -> tuple[str, ...]:
        """The names that come from data columns, in order of first appearance.

        ValueError while undecided.

        >>> from lawfit.law import Law
        >>> Law("b*y + a*x", variables=["x", "y"]).variables
        ('y', 'x')
        """
        if self._variables is None:
            raise ValueError(_undecided(self.expression.names))
        return self._variables

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters, fixed and tied ones too, in order of first appearance.

        ValueError while undecided.

        >>> from lawfit.law import Law
        >>> Law("b*y + a*x", variables=["x", "y"]).parameters
        ('b', 'a')
        """
        return self._decided_layout.names

    @property
    def free(self) -> tuple[str, ...]:
        """The parameters a fit moves: neither fixed nor tied to another. ValueError while open.

        >>> from lawfit.law import Law
        >>> Law("A*x + B", variables=["x"]).fix(B=0).free
        ('A',)
        """
        return self._decided_layout.free

    @property
    def places(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """For each parameter its place in ``free``; -1 for those fixed or tied to a formula.

        >>> from lawfit.law import Law
        >>> Law("A*x + B + C", variables=["x"]).fix(B=7).tie("A", "C").places
        array([ 0, -1,  0])
        """
        return self._decided_layout.places

    @property
    def ties(self) -> dict[str, str]:
        """Parameter -> the formula of others it is tied to.

        >>> from lawfit.law import Law
        >>> Law("A*x + B", variables=["x"]).tie("B", "2*A").ties
        {'B': '2*A'}
        """
        return dict(self._decided_layout.ties.texts)

    @property
    def gaps(self) -> dict[str, tuple[str, str]]:
        """Gap -> (lower, upper) of the parameters that ``Law.order`` put in order.

        >>> from lawfit.law import Law
        >>> Law("min(a, b)*x", variables=["x"]).order("a", "b").gaps
        {'b_above_a': ('a', 'b')}
        """
        out = {}
        for high, formula in self.ties.items():
            low, plus, gap = formula.partition(" + ")
            if plus and gap == f"{high}_above_{low}":
                out[gap] = (low, high)
        return out

    @property
    def priors(self) -> dict[str, Prior]:
        """Parameter -> what is believed of it besides the data.

        >>> from lawfit import Law, Ridge
        >>> Law("A*x + B", variables=["x"]).prior(A=Ridge(0.1)).priors
        {'A': Ridge(strength=0.1)}
        """
        layout = self._decided_layout
        return {name: setting.prior for name, setting in layout.settings.items()
                if setting.prior is not None and layout.leader[name] not in layout.fixed}

    def written(self, expression: Expression) -> Expression:
        """An expression of parameters in which those tied to formulas are written out."""
        return self._decided_layout.ties.written(expression)

    def full_covariance(self, inner: Array, free: Array) -> Array:
        """Covariances (..., n_free, n_free) at free values as those of all parameters.

        Rows of fixed parameters are 0; parameters tied to formulas have those of the delta method.
        """
        layout = self._decided_layout
        if layout.ties:
            return layout.ties.covariance(inner, np.asarray(free), layout.expand, layout.places)
        out = np.zeros((*inner.shape[:-2], inner.shape[-1] + 1, inner.shape[-1] + 1))
        out[..., :-1, :-1] = inner  # the last row stands for fixed: index -1
        return out[..., layout.places[:, None], layout.places[None, :]]

    def expand(self, values: ArrayLike) -> Array:
        """Free values (..., n_free) as all parameters (..., n_parameters).

        >>> from lawfit.law import Law
        >>> Law("A*x + B", variables=["x"]).fix(B=7).expand([[1.0], [2.0]])
        array([[1., 7.],
               [2., 7.]])
        """
        return self._decided_layout.expand(values)

    def contract(self, values: ArrayLike) -> Array:
        """All parameters (..., n_parameters) as the free ones (..., n_free).

        What is said about fixed and tied parameters is left out.

        >>> from lawfit.law import Law
        >>> Law("A*x + B", variables=["x"]).fix(B=7).contract([1.0, 7.0])
        array([1.])
        """
        return self._decided_layout.contract(values)

    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the free parameters, infinite where open.

        >>> from lawfit.law import Law
        >>> Law("A*x", variables=["x"]).bound(A=(0, None)).bounds()
        (array([0.]), array([inf]))
        """
        return self._decided_layout.bounds()

    def guesses(self) -> Array:
        """The starts given by ``Parameter(start=)`` for the free parameters, NaN elsewhere.

        >>> from lawfit.law import Law
        >>> Law("A*x + B", ["x"], {"B": Parameter(start=1)}).guesses()
        array([nan,  1.])
        """
        return self._decided_layout.guesses()

    def graph(self) -> Graph:
        """The formula over the free parameters as the engine reads it: (op, a, b, c, value).

        A law with priors has them as a sixth array. Ties share one index, fixed parameters are
        constants. The arrays are read-only.

        >>> from lawfit.law import Law
        >>> op, a, b, c, value = Law("2*x + c", variables=["x"]).graph()
        >>> len(op), value.tolist()
        (5, [2.0, 0.0, 0.0, 0.0, 0.0])
        """
        return self._free_graph

    @cached_property
    def _free_graph(self) -> Graph:
        layout = self._decided_layout
        index = {name: place for place, name in enumerate(layout.free)}
        leaves = {name: Leaf("VAR", place) for place, name in enumerate(self.variables)}
        for name, leader in layout.leader.items():
            if leader in layout.fixed:
                leaves[name] = Leaf("CONST", value=layout.fixed[leader])
            elif leader in index:
                leaves[name] = Leaf("PARAM", index[leader])
        graph = layout.ties.written(self.expression).graph(leaves, _core.opcodes())
        if self.priors:
            graph = (*graph, layout.priors())
        for array in graph:
            array.flags.writeable = False
        return graph

    @property
    def _decided_layout(self) -> Layout:
        if self._variables is None:
            raise ValueError(_undecided(self.expression.names))
        return self._layout


def _undecided(names: tuple[str, ...]) -> str:
    return (f"it is open which of {', '.join(names)} are variables: write Law(formula, "
            "variables=(...)), or fit the law to a table with such columns")
