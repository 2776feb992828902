"""Options of ``lawfit fit`` that change laws: ties, bounds, orders, priors, shares, fixings."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from .priors import as_prior

if TYPE_CHECKING:
    from .law import Law

__all__ = ["pair", "settled"]

_SUM = re.compile(r"(?P<names>[^<=]*)(?P<sign>=|<=)\s*1(\.0*)?\s*")


def settled(law: Law, arguments: argparse.Namespace) -> Law:
    """The law with --tie, --bound, --order, --prior, --simplex and --fix.

    Bounds of a gap that an order makes are set once it is there, all others before.
    """
    for item in arguments.tie:
        law = law.tie(*pair(item, "--tie"))
    bounds = dict(_bounds(item) for item in arguments.bound)
    early = {name: bounds.pop(name) for name in list(bounds) if name in law.names}
    law = law.bound(**early)
    for item in arguments.order:
        law = law.order(*_rising(item))
    law = law.bound(**bounds)
    for item in arguments.prior:
        law = law.prior(**dict([_believed(item)]))
    for item in arguments.simplex:
        names, rest = _shares(item)
        law = law.simplex(*names, rest=rest)
    for item in arguments.fix:
        name, text = pair(item, "--fix")
        law = law.fix(**{name: _real(text, item)})
    return law


def pair(item: str, option: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE."""
    name, equals, value = item.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError(f"{option} {item}: write NAME=VALUE")
    return name.strip(), value.strip()


def _bounds(item: str) -> tuple[str, tuple[float | None, float | None]]:
    name, text = pair(item, "--bound")
    low, colon, high = text.partition(":")
    if not colon:
        raise ValueError(f"--bound {item}: write NAME=LOW:HIGH")
    return name, (_end(low, item), _end(high, item))


def _rising(item: str) -> list[str]:
    """The names of 'd1 < d2 < d3', in that order."""
    names = [name.strip() for name in item.replace("<=", "<").split("<")]
    if len(names) < 2 or not all(map(str.isidentifier, names)):
        raise ValueError(f"--order {item}: write 'NAME < NAME', as in 'd1 < d2 < d3'")
    return names


def _believed(item: str) -> tuple[str, object]:
    """The parameter and the prior of 'alpha ~ normal(0.35, 0.05)'."""
    name, tilde, text = item.partition("~")
    if not tilde or not name.strip().isidentifier():
        raise ValueError(f"--prior {item}: write 'NAME ~ normal(MEAN, SD)', 'NAME ~ "
                         "lognormal(MEDIAN, SD)' or 'NAME ~ ridge(STRENGTH)'")
    try:
        return name.strip(), as_prior(text.strip())
    except (TypeError, ValueError) as error:
        raise ValueError(f"--prior {item}: {error}") from None


def _shares(item: str) -> tuple[list[str], bool]:
    """The variables of 'p + q = 1', and whether their sum may be less: 'p + q <= 1'."""
    found = _SUM.fullmatch(item)
    names = [name.strip() for name in found["names"].split("+")] if found else []
    if found is None or not all(map(str.isidentifier, names)):
        raise ValueError(f"--simplex {item}: write 'p + q + r = 1', or 'p + q <= 1' where one "
                         "share is left unnamed")
    return names, found["sign"] == "<="


def _end(text: str, item: str) -> float | None:
    """One end of --bound; left empty it is open."""
    return _real(text, item) if text.strip() else None


def _real(text: str, item: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} in {item!r} is not a number") from None
