"""What the catalogue knows about a law besides its formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["DerivedInfo", "Described", "LawInfo", "ParameterInfo", "Published", "Usual",
           "VariableInfo"]


@dataclass(frozen=True)
class VariableInfo:
    """A variable (or the measured quantity): what it means and the unit it is counted in.

    ``range`` is what ``Law.design`` spans, evenly in the variable's logarithm or (``spacing =
    "linear"``) in itself; None for the measured quantity.

    >>> VariableInfo("training tokens", "token").unit
    'token'
    """

    meaning: str
    unit: str = ""
    range: tuple[float, float] | None = None
    spacing: str = "log"


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter: meaning, unit, closed domain (low, high), and a typical value or None.

    The domain's ends may be infinite. The typical value is an example to compute with, never a
    start of a fit; ``LawInfo.typical_from`` says where it comes from.

    >>> ParameterInfo("loss that no training removes", domain=(0.0, float("inf"))).typical
    """

    meaning: str
    unit: str = ""
    domain: tuple[float, float] = (-math.inf, math.inf)
    typical: float | None = None


@dataclass(frozen=True)
class Usual:
    """How the field fits a law: residual space and loss, as ``fit(on=, loss=)`` takes them.

    >>> Usual("log", "huber:0.001").space
    'log'
    """

    space: str = "linear"
    loss: str = "squared"


@dataclass(frozen=True)
class Published:
    """Constants that a publication states: for what, and name -> value (perhaps not for all).

    >>> Published("word language model", {"beta_g": -0.0656}).values["beta_g"]
    -0.0656
    """

    label: str
    values: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True)
class DerivedInfo:
    """A quantity that follows from the parameters: an expression for ``fit.derive``.

    >>> DerivedInfo("log(2)/h", "rate of decay").expression
    'log(2)/h'
    """

    expression: str
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class LawInfo:
    """One entry of the catalogue; the attributes of ``Law`` of the same names say what is what.

    >>> LawInfo("halving", "A law that halves").family
    ''
    """

    id: str
    title: str
    family: str = ""
    description: str = ""
    source: str = ""
    target: str = ""
    target_info: VariableInfo | None = None
    variables: Mapping[str, VariableInfo] = field(default_factory=dict, hash=False)
    parameters: Mapping[str, ParameterInfo] = field(default_factory=dict, hash=False)
    typical_from: str = ""
    published: tuple[Published, ...] = ()
    usual: Usual = Usual()
    notes: str = ""
    derived: Mapping[str, DerivedInfo] = field(default_factory=dict, hash=False)
    hold: tuple[str, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()
    like: tuple[tuple[str, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data: texts, numbers, lists and dicts; the open end of a domain is None."""
        data = asdict(self)
        for info in data["parameters"].values():
            info["domain"] = [end if math.isfinite(end) else None for end in info["domain"]]
        for info in (*data["variables"].values(), data["target_info"] or {}):
            info["range"] = list(info["range"]) if info.get("range") else None
        data["published"], data["hold"] = list(data["published"]), list(data["hold"])
        data["ties"], data["like"] = [[list(group) for group in data[key]]
                                      for key in ("ties", "like")]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LawInfo:
        """The entry that ``to_dict`` (or a catalogue file) describes.

        Raises KeyError or TypeError when a field is missing or unknown.
        """
        rest = dict(data)
        target_info = rest.pop("target_info", None)
        variables = rest.pop("variables", {})
        parameters = rest.pop("parameters", {})
        return cls(
            target_info=_variable_info(target_info) if target_info else None,
            variables={name: _variable_info(info) for name, info in variables.items()},
            parameters={name: _parameter_info(info) for name, info in parameters.items()},
            published=tuple(Published(**item) for item in rest.pop("published", ())),
            usual=Usual(**rest.pop("usual", {})),
            derived={name: DerivedInfo(**info) for name, info in rest.pop("derived", {}).items()},
            hold=tuple(rest.pop("hold", ())),
            ties=tuple(tuple(group) for group in rest.pop("ties", ())),
            like=tuple(tuple(group) for group in rest.pop("like", ())),
            **rest,
        )


def _variable_info(data: Mapping[str, Any]) -> VariableInfo:
    span = data.get("range")
    return VariableInfo(**{**data, "range": None if span is None
                           else (float(span[0]), float(span[1]))})


def _parameter_info(data: Mapping[str, Any]) -> ParameterInfo:
    low, high = data.get("domain", (None, None))
    domain = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    return ParameterInfo(**{**data, "domain": domain})


class Described:
    """What a Law says about itself from its ``info``; nothing for a law of the user's own."""

    info: LawInfo | None

    @property
    def id(self) -> str | None:
        """The catalogue's id, or None."""
        return self.info.id if self.info else None

    @property
    def title(self) -> str:
        """A short name for people."""
        return self.info.title if self.info else ""

    @property
    def family(self) -> str:
        """The family of laws the catalogue lists it under."""
        return self.info.family if self.info else ""

    @property
    def description(self) -> str:
        """What the law says and when it is used."""
        return self.info.description if self.info else ""

    @property
    def target_info(self) -> VariableInfo | None:
        """Meaning and unit of what the law predicts."""
        return self.info.target_info if self.info else None

    @property
    def variable_info(self) -> dict[str, VariableInfo]:
        """Variable -> meaning and unit."""
        return dict(self.info.variables) if self.info else {}

    @property
    def parameter_info(self) -> dict[str, ParameterInfo]:
        """Parameter -> meaning, unit, domain and typical value."""
        return dict(self.info.parameters) if self.info else {}

    @property
    def typical(self) -> dict[str, float]:
        """Parameter -> typical value, an example to compute with; never a start of a fit."""
        known = self.info.parameters if self.info else {}
        return {name: p.typical for name, p in known.items() if p.typical is not None}

    @property
    def published(self) -> tuple[Published, ...]:
        """Constants that publications state for this law."""
        return self.info.published if self.info else ()

    @property
    def usual(self) -> Usual | None:
        """The residual space and loss the field fits it with, or None."""
        return self.info.usual if self.info else None

    @property
    def notes(self) -> str:
        """What the data must have for every parameter to be found, and what trades off."""
        return self.info.notes if self.info else ""

    @property
    def derived(self) -> dict[str, DerivedInfo]:
        """Name -> expression (for ``fit.derive``) and meaning of what follows from a fit."""
        return dict(self.info.derived) if self.info else {}

    def quantity(self, expression: str) -> str:
        """The expression of a derived quantity given by its name, or else the text itself.

        >>> import lawfit as lf
        >>> lf.laws["usl"].quantity("best"), lf.laws["usl"].quantity("lam/2")
        ('sqrt((1 - s)/k)', 'lam/2')
        """
        known = self.derived.get(expression)
        return expression if known is None else known.expression
