"""One page for every family of the catalogue, written from its entries when first asked for.

``help(lawfit.families.allocation)`` shows a family: every law with its formula, variables,
parameters, typical values, source, published constants and notes. ``lawfit.families.PAGES`` names
the pages, and ``page`` returns one as text.

>>> import lawfit as lf
>>> print(lf.families.page("systems").splitlines()[0])
systems: 4 laws
>>> lf.families.systems.__doc__ == lf.families.page("systems")
True
"""

from __future__ import annotations

from textwrap import fill
from types import ModuleType

from .catalogue import laws
from .grammar import closest
from .info import ParameterInfo, VariableInfo
from .law import Law

__all__ = ["PAGES", "describe", "page"]

WIDTH = 96


def page(family: str) -> str:
    """The page of a family: its laws one after the other. Raises KeyError for an unknown family.

    >>> "usl: Universal scalability" in page("systems")
    True
    """
    found = laws.search(family=family)
    if not found:
        raise KeyError(f"no family {family!r}{closest(family, laws.families)}; "
                       f"there are {', '.join(laws.families)}")
    head = f"{family}: {len(found)} law{'s' if len(found) > 1 else ''}"
    return "\n\n".join([head, *map(describe, found)]) + "\n"


def describe(law: Law) -> str:
    """What the catalogue knows about one law, as plain text.

    >>> print(describe(laws["usl"]))
    usl: Universal scalability
        throughput = lam*n/(1 + s*(n - 1) + k*n*(n - 1))
      Throughput against workers: contention bends the line and coherence makes it fall in the end.
      throughput: throughput
      n: workers; 1 to 1000
      lam: throughput of one worker; in [0, inf]; typically 1
      s: contention; in [0, 1]; typically 0.05
      k: coherence; in [0, 1]; typically 0.0001
      derived: best = sqrt((1 - s)/k), workers of the largest throughput
      usually: residuals on log, loss squared
      typical values: illustrative
      source: Gunther 1993, universal scalability law
    """
    info, target = law.info, law.target_info
    if info is None:
        raise ValueError("only laws of the catalogue are described")
    lines = [f"{law.id}: {law.title}", f"    {law.target} = {law.formula}",
             _wrapped(law.description)]
    if target is not None:
        lines.append(_line(law.target or "", target))
    lines += [_line(name, known) for name, known in law.variable_info.items()]
    lines += [_line(name, known) for name, known in law.parameter_info.items()]
    lines += [_wrapped(f"derived: {name} = {known.expression}, {known.meaning}")
              for name, known in info.derived.items()]
    lines += [_wrapped(f"published for {known.label}: "
                       + ", ".join(f"{name} {value:g}" for name, value in known.values.items()))
              for known in law.published]
    lines.append(f"  usually: residuals on {info.usual.space}, loss {info.usual.loss}")
    lines += [f"  usually one number: {', '.join(group)}" for group in info.ties]
    if info.hold:
        lines.append(f"  to be held: {', '.join(info.hold)}")
    lines.append(_wrapped(f"typical values: {info.typical_from}"))
    if info.notes:
        lines.append(_wrapped(f"note: {info.notes}"))
    lines.append(_wrapped(f"source: {law.source}"))
    return "\n".join(lines)


def _line(name: str, known: VariableInfo | ParameterInfo) -> str:
    text = f"{name}: {known.meaning}" + (f", {known.unit}" if known.unit else "")
    if isinstance(known, ParameterInfo):
        text += f"; in [{known.domain[0]:g}, {known.domain[1]:g}]"
        if known.typical is not None:
            text += f"; typically {known.typical:g}"
    elif known.range is not None:
        text += f"; {known.range[0]:g} to {known.range[1]:g}"
    return _wrapped(text)


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ")


def __getattr__(name: str) -> ModuleType | tuple[str, ...]:
    if name == "PAGES":
        return laws.families
    if name.startswith("_") or name not in laws.families:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = ModuleType(f"{__name__}.{name}", page(name))
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *laws.families})
