"""Laws: a formula, what its names are, and what is known about its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from .changed_law import Changeable
from .design import design
from .errors import LawError
from .evaluate import evaluate
from .expression import Array, Expression, parse
from .grammar import closest
from .info import Described, LawInfo
from .latex import latex, latex_name
from .layout import Layout
from .parameter import Parameter, as_settings
from .resolve import as_names, choose_variables
from .simplex import Simplex, as_simplexes
from .ties import is_formula

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Law", "Parameter", "as_law"]


class Law(Described, Changeable):
    """A formula with free parameters; frozen, comparable, picklable.

    ``formula`` is a text such as ``"E + A/N**alpha + B/D**beta"``, or with the measured name in
    front, ``"loss = E + A/N**alpha"``. The grammar has numbers, names, ``+ - * / **``, unary
    minus, parentheses, ``pi``, and the functions ``exp log log10 log2 log1p expm1 sqrt abs sin
    cos arctan tanh erf normcdf logistic softplus gammaln digamma betaln logaddexp logsumexp min
    max`` (``log`` is natural, ``normcdf`` the standard normal distribution function).

    ``where(condition, a, b)`` is ``a`` where the condition holds and ``b`` elsewhere, beside a
    NaN too; a condition is made of comparisons ``< <= > >= == !=`` (also ``1 < x <= 2``) with
    ``and``, ``or`` and ``not``. ``sum(k[i]*exp(t[i]*r[i]) for i in 1..5)`` is a sum over an
    index, ``prod`` a product, and ``min``, ``max`` and ``logsumexp`` take an index likewise;
    ``k[i]`` stands for the name ``k_1`` where i is 1 and ``t[i,j]`` for ``t_1_2``: under these
    names they are variables or parameters, settings, starts and columns. An index may be used
    as a number too.

    Derivatives at kinks: that of ``abs`` at 0 is 0; at a tie ``min`` and ``max`` have that of
    the first of the equal arguments; ``where`` has that of the branch taken, and none with
    respect to what stands in the condition alone (such a parameter cannot be fitted: let a
    break at ``d`` appear in the branches, as ``where(x < d, a*x, a*d + b*(x - d))`` does).

    ``variables`` are the names that come from data columns; all other names are parameters, in
    the order of their first appearance. Without it the law is undecided: ``fit`` decides by the
    names of the columns, and until then ``variables`` and ``parameters`` raise ValueError.
    ``parameters`` maps names to ``Parameter`` (bounds, starts, ties), or just lists them.
    ``source`` says where the law comes from; ``info`` is an entry of the catalogue.

    Raises LawError for a formula outside the grammar, ValueError for names that do not occur,
    that are both variable and parameter, or whose settings contradict, and TypeError for
    arguments of the wrong kind.

    >>> law = Law("E + A/N**alpha", variables=["N"], parameters={"E": Parameter(positive=True)})
    >>> law.parameters
    ('E', 'A', 'alpha')
    >>> law(N=[1.0, 4.0], E=1.5, A=2.0, alpha=0.5)
    array([3.5, 2.5])
    """

    settings: Mapping[str, Parameter]
    """The settings that were given, by name."""
    info: LawInfo | None
    """What the catalogue knows about the law; None for a law of the user's own."""
    simplexes: tuple[Simplex, ...]
    """Variables that are shares of one whole, see ``simplex``."""
    _source: str | None

    def __init__(
        self,
        formula: str,
        variables: Iterable[str] | None = None,
        parameters: Mapping[str, Parameter] | Iterable[str] | None = None,
        *,
        source: str | None = None,
        info: LawInfo | None = None,
        simplexes: Iterable[Any] = (),
    ) -> None:
        names = None if variables is None else as_names(variables, "variables")
        self._set(parse(formula), names, as_settings(parameters), source, info,
                  as_simplexes(simplexes))

    def _set(
        self,
        expression: Expression,
        variables: tuple[str, ...] | None,
        settings: Mapping[str, Parameter],
        source: str | None,
        info: LawInfo | None,
        simplexes: tuple[Simplex, ...],
    ) -> None:
        """Check that everything fits together and keep it; the only place that writes."""
        extra = _introduced(expression, settings)
        for what, names in (("variables", variables or ()), ("parameters", settings)):
            for name in names:
                if name not in expression.names and name not in extra:
                    raise ValueError(f"{what}: {name!r} does not occur in {expression.text!r}"
                                     f"{closest(name, expression.names)}")
        if both := [name for name in variables or () if name in settings]:
            raise ValueError(f"{both[0]!r} is given both as a variable and as a parameter")
        for name in (name for simplex in simplexes for name in simplex.names):
            if name not in expression.names or name in settings or (
                variables is not None and name not in variables
            ):
                raise ValueError(f"simplex: {name!r} is not a variable of {expression.text!r}"
                                 f"{closest(name, variables or expression.names)}")
        if variables is None and len(settings) == len(expression.names):
            variables = ()
        inside = tuple(name for name in (*expression.names, *extra)
                       if name not in (variables or ()))
        if not inside:
            raise LawError("this law has no parameter: nothing could be fitted", expression.text)
        # In an undecided law even an empty setting says something: that the name is a parameter.
        kept = [name for name in inside if name in settings
                and (variables is None or name in extra or settings[name] != Parameter())]
        self.__dict__.update(
            expression=expression,
            settings=MappingProxyType({name: settings[name] for name in kept}),
            info=info, _source=source, simplexes=simplexes,
            _variables=None if variables is None else
            tuple(name for name in expression.names if name in variables),
            _layout=Layout(inside, settings),  # refuses ties and bounds that contradict
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Law is frozen; fix(), bound() and tie() return new laws")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Law is frozen")

    # ---- what the law says ----

    @property
    def formula(self) -> str:
        """The text as given.

        >>> Law("loss = a*x", variables=["x"]).formula
        'loss = a*x'
        """
        return self.expression.text

    @property
    def target(self) -> str | None:
        """The measured name: left of ``=``, or the catalogue's; None when neither says.

        >>> Law("loss = a*x", variables=["x"]).target
        'loss'
        """
        return self.expression.target or (self.info.target or None if self.info else None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name right of ``=``, in order of first appearance.

        >>> Law("E + A/N**alpha").names
        ('E', 'A', 'N', 'alpha')
        """
        return self.expression.names

    @property
    def decided(self) -> bool:
        """Whether it is known which names are variables.

        >>> Law("E + A/N**alpha").decided
        False
        """
        return self._variables is not None

    @property
    def source(self) -> str | None:
        """Where the law comes from, if known.

        >>> Law("k*x", variables=["x"], source="Hooke 1678").source
        'Hooke 1678'
        """
        return self._source or (self.info.source or None if self.info else None)

    def latex(self) -> str:
        r"""The formula as LaTeX mathematics, without ``$``.

        >>> print(Law("E + A/N**alpha").latex())
        E + \frac{A}{N^{\alpha}}
        """
        text = latex(self.expression)
        for name, formula in self._layout.ties.texts.items():
            text += rf",\quad {latex_name(name)} = {latex(parse(formula))}"
        if self.expression.target is None and self.target is not None:
            text = f"{latex_name(self.target)} = {text}"
        return text

    def __call__(self, /, **values: ArrayLike) -> float | Array:
        """Evaluate: every variable and parameter by name, numbers or arrays that broadcast.

        Fixed parameters and followers of a tie may be left out. Returns a float when every
        value is a number, otherwise a float64 array of the broadcast shape; NaN or an infinity
        where the formula has no finite value. Raises TypeError for missing or unknown names and
        values that are not real numbers, ValueError for shapes that do not broadcast and values
        that contradict a fixed parameter or a tie.

        >>> Law("a*x**b", variables=["x"])(x=[1.0, 2.0], a=3.0, b=2.0)
        array([ 3., 12.])
        """
        return evaluate(self.expression, self._layout, values)

    def design(self, rows: int | None = None) -> dict[str, Array]:
        """A trial table of the variables, spanning the range the catalogue gives for each.

        ``rows`` defaults to 32 and another 32 for every variable. Raises ValueError for a law
        that knows no ranges and for fewer than two rows.

        >>> from lawfit import laws
        >>> {name: column[[0, -1]].tolist() for name, column in laws["M1"].design().items()}
        {'x': [100.0, 10000000.0]}
        """
        return design(self.variable_info, rows)

    # ---- new laws ----

    def resolve(
        self, columns: Iterable[str], named: Iterable[str] = (), mapped: Iterable[str] = ()
    ) -> Law:
        """Decide which names are variables, given a table.

        ``columns`` are the table's column names, ``named`` the names given in ``parameters=``
        or ``starts=`` of the fit, ``mapped`` the keys of its ``columns=``. A decided law is
        returned as it is. Otherwise the variables are ``mapped``, or without ``mapped`` the
        names that match a column and are not named as parameters. Raises ValueError for a name
        that could be either, for keys that do not occur, and when no name is a column.

        >>> Law("E + A/N**alpha").resolve(["N", "loss"]).variables
        ('N',)
        """
        chosen = choose_variables(self, columns, named, mapped)
        if self._variables is not None:
            return self
        known = self.__dict__.setdefault("_resolved", {})  # by the variables; to ask is frequent
        if chosen not in known:
            known[chosen] = self._with(variables=chosen)
        return known[chosen]

    def _with(
        self, variables: tuple[str, ...] | None = None,
        settings: Mapping[str, Parameter] | None = None,
        simplexes: tuple[Simplex, ...] | None = None,
    ) -> Law:
        law = object.__new__(Law)
        law._set(
            self.expression, self._variables if variables is None else variables,
            self.settings if settings is None else settings, self._source, self.info,
            self.simplexes if simplexes is None else simplexes,
        )
        return law

    # ---- plain data ----

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data (texts, numbers, lists, dicts), for ``from_dict``.

        >>> Law.from_dict(Law("a*x", variables=["x"]).to_dict()) == Law("a*x", variables=["x"])
        True
        """
        return {
            "formula": self.formula,
            "variables": None if self._variables is None else list(self._variables),
            "parameters": {name: {key: value for key, value in asdict(given).items()
                                  if key != "prior" or value is not None}
                           for name, given in self.settings.items()},
            "source": self._source,
            "info": None if self.info is None else self.info.to_dict(),
            **({"simplexes": [asdict(one) for one in self.simplexes]} if self.simplexes else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Law:
        """The law that ``to_dict`` wrote. Raises what ``Law`` raises, and KeyError.

        >>> Law.from_dict({"formula": "a*x", "variables": ["x"]}).parameters
        ('a',)
        """
        given = {name: Parameter(**p) for name, p in data.get("parameters", {}).items()}
        info = data.get("info")
        return cls(
            data["formula"], data["variables"], given,
            source=data.get("source"), info=None if info is None else LawInfo.from_dict(info),
            simplexes=data.get("simplexes", ()),
        )

    def __repr__(self) -> str:
        parts = [repr(self.formula)]
        if self._variables is not None:
            parts.append(f"variables={self._variables!r}")
        if self.info is not None:
            layout = self._layout
            told = [f"{name} = {value:g}" for name, value in layout.fixed.items()]
            told += [f"{n} = {leader}" for n, leader in layout.leader.items() if n != leader]
            told += [f"{n} = {formula}" for n, formula in layout.ties.texts.items()]
            return f"<Law {self.info.id}: {'; '.join((self.formula, *told))}>"
        if self.settings:
            parts.append(f"parameters={dict(self.settings)!r}")
        if self.simplexes:
            parts.append(f"simplexes={self.simplexes!r}")
        return f"Law({', '.join(parts)})"

    def _key(self) -> tuple[object, ...]:
        return (self.formula, self._variables, tuple(self.settings.items()), self._source,
                self.info, self.simplexes)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Law) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.formula, self._variables, dict(self.settings), self._source,
                          self.info, self.simplexes)


def _introduced(expression: Expression, settings: Mapping[str, Parameter]) -> tuple[str, ...]:
    """Declared parameters that occur in the formulas of ties alone."""
    named = {name for setting in settings.values()
             if setting.tied is not None and is_formula(setting.tied)
             for name in parse(setting.tied).names}
    return tuple(name for name in settings if name in named and name not in expression.names)


def as_law(
    law: Law | str | Callable[..., Any],
    parameters: Mapping[str, Parameter] | Iterable[str] | None = None,
) -> Law:
    """A law from a Law, the id of a catalogue law, a formula text, or a Python function.

    ``parameters`` are declared on top of what the law says about them. Raises TypeError for
    anything else, LawError for a bad formula, and what ``Law.declare`` raises.

    >>> as_law("chinchilla").formula
    'E + A/N**alpha + B/D**beta'
    """
    from .catalogue import laws  # the catalogue is made of laws

    if isinstance(law, str):
        word = law.strip()
        # Only a single word can be an id, so that other texts need not read the catalogue.
        law = laws[word] if word.isidentifier() and word in laws else _of_formula(law)
    if callable(law) and not isinstance(law, Law):
        from .trace import law as traced  # traces make laws

        law = traced(law)
    if not isinstance(law, Law):
        raise TypeError("a law is a Law, a formula, a catalogue id or a function, not "
                        f"{type(law).__name__}")
    return law if parameters is None else law.declare(parameters)


@lru_cache(maxsize=512)
def _of_formula(text: str) -> Law:
    """Laws are frozen, so that one that was read already need not be read again."""
    return Law(text)


def _rebuild(
    formula: str, variables: Any, settings: Any, source: Any, info: Any, simplexes: Any = ()
) -> Law:
    """Unpickle a law; parsing again keeps pickles small and checked."""
    return Law(formula, variables, settings, source=source, info=info, simplexes=simplexes)
