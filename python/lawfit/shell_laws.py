"""``lawfit laws`` and ``lawfit info``: what there is."""

from __future__ import annotations

import argparse

from . import installation
from .catalogue import ELSEWHERE
from .catalogue import laws as catalogue
from .cli import OK
from .families import describe
from .law import Law
from .output import print_json, wants_json
from .report import table

__all__ = ["info", "laws"]


def laws(arguments: argparse.Namespace) -> int:
    """``lawfit laws [WORD] [--family F] [--source S]``: the catalogue, or one law."""
    word = arguments.word
    if word in catalogue:
        return _show_law(arguments, catalogue[word])
    found = catalogue.search(word or "", family=arguments.family, source=arguments.source)
    if not found:
        raise ValueError(_nothing(arguments))
    if wants_json(arguments):
        print_json([{"id": law.id, "family": law.family, "title": law.title,
                     "formula": law.formula} for law in found])
    else:
        rows: list[tuple[str, ...]] = [("id", "family", "title", "formula")]
        rows += [(str(law.id), law.family, law.title, law.formula) for law in found]
        print(table(rows, left=4))
    return OK


def _nothing(arguments: argparse.Namespace) -> str:
    if arguments.word in ELSEWHERE:
        return f"{arguments.word!r} has nothing to fit: see {ELSEWHERE[arguments.word]}"
    if arguments.family is not None and arguments.family.casefold() not in catalogue.families:
        return (f"no family {arguments.family!r} in the catalogue; there are "
                f"{', '.join(catalogue.families)}")
    if arguments.source is not None:
        return f"no law of the catalogue has {arguments.source!r} in its source and fits the rest"
    return (f"no law of the catalogue has {arguments.word!r} in its entry; `lawfit laws` lists "
            "them all")


def _show_law(arguments: argparse.Namespace, law: Law) -> int:
    if wants_json(arguments):
        print_json({**law.to_dict(), "latex": law.latex()})
        return OK
    print(f"{describe(law)}\n  LaTeX: {law.latex()}")
    return OK


def info(arguments: argparse.Namespace) -> int:
    """``lawfit info``: versions and what the engine uses of this CPU."""
    facts = installation.info()
    if wants_json(arguments):
        print_json(facts)
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{name:{width}}  {shown}")
    return OK
