"""A protocol: settings of a fit, and in words what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from textwrap import fill
from types import MappingProxyType
from typing import Any

import numpy as np

from ..bootstrap import Bootstrap
from ..fit import fit
from ..law import Law, as_law
from ..result import Fit

__all__ = ["Protocol"]

WIDTH = 96


@dataclass(frozen=True, repr=False)
class Protocol:
    """How one publication fitted its law.

    ``law`` is the catalogue's id (``laws`` all that the publication used), ``settings`` go to
    ``lawfit.fit``, ``ties`` are groups of parameters taken as one number. ``description`` says
    what was done, ``differs`` where lawfit's own practice differs and what difference it makes.

    >>> import lawfit as lf
    >>> lf.protocols["gemstones"].settings["loss"]
    Huber(delta=0.001)
    """

    name: str
    title: str
    source: str
    law: str
    description: str
    differs: str
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    laws: tuple[str, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()
    starts: Callable[[Law, int], Any] | None = None
    procedure: Callable[..., Fit] | None = None
    resamples: Callable[[int, int], np.ndarray] | None = None
    interval: tuple[str, float] = ("percentile", 0.95)

    def fit(
        self, data: Any, y: str | Any = None, *, law: Law | str | None = None, **arguments: Any
    ) -> Fit:
        """Fit as the publication did; returns a Fit.

        ``data``, ``y``, ``columns`` and all other ``arguments`` are those of ``lawfit.fit`` and
        take the place of the publication's settings where given. ``law`` chooses among ``laws``,
        or is a law of one's own. Raises what ``lawfit.fit`` raises.

        >>> import lawfit as lf
        >>> runs = lf.datasets.load("tiny_lm")
        >>> found = lf.protocols["gemstones"].fit(runs, columns={"N": "params", "D": "tokens"})
        >>> found.on, str(found.loss), found.converged
        ('log', 'huber:0.001', True)
        """
        chosen = as_law(law or self.law)
        for first, *others in self.ties:
            if {first, *others} <= set(chosen.names):
                chosen = chosen.tie(first, *others)
        settings = {**self.settings, **arguments}
        if self.procedure is not None:
            return self.procedure(chosen, data, y, **settings)
        if self.starts is not None and "starts" not in settings:
            settings["starts"] = self.starts(chosen, int(settings.get("seed", 0)))
        return fit(chosen, data, y, **settings)

    def bootstrap(self, found: Fit, n: int | None = None, *, seed: int | None = None) -> Bootstrap:
        """The publication's resamples of a fit's rows, each refitted from that fit.

        ``n`` and ``seed`` default to the publication's. Intervals as it gave them are
        ``boot.interval(level, method)`` with ``method, level = protocol.interval``. Raises
        ValueError for a protocol without resampling.

        >>> import lawfit as lf
        >>> runs = lf.datasets.load("tiny_lm")
        >>> hoffmann = lf.protocols["hoffmann_a3"]
        >>> found = hoffmann.fit(runs, columns={"N": "params", "D": "tokens"}, starts="auto")
        >>> hoffmann.bootstrap(found, 20).replicates
        20
        """
        if self.resamples is None:
            raise ValueError(f"{self.name}: the publication resampled no rows; use fit.bootstrap()")
        weights = self.resamples(len(found.rows), *(() if n is None else (n,)),
                                 **({} if seed is None else {"seed": seed}))
        return found.bootstrap(weights=weights)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        parts = [f"{self.name}: {self.title}", f"law {self.law}" + (f"; {shown}" if shown else "")]
        parts += [f"one of {', '.join(self.laws)}"] if self.laws else []
        parts += [self.description, f"Differs from usual practice: {self.differs}",
                  f"source: {self.source}"]
        return "\n".join(fill(part, WIDTH) for part in parts)

    def __repr__(self) -> str:
        return f"<Protocol {self.name}: {self.title}>"
