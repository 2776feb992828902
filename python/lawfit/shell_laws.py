"""``lawfit laws`` and ``lawfit info``: what there is."""

from __future__ import annotations

import argparse

from . import installation
from .catalogue import laws as catalogue
from .cli import OK
from .law import Law
from .output import print_json, wants_json
from .report import number, table

__all__ = ["info", "laws"]


def laws(arguments: argparse.Namespace) -> int:
    """``lawfit laws [WORD]``: the catalogue, or one law."""
    word = arguments.word
    if word in catalogue:
        return _show_law(arguments, catalogue[word])
    found = catalogue.search(word or "")
    if not found:
        raise ValueError(
            f"no law of the catalogue has {word!r} in its entry; `lawfit laws` lists them all"
        )
    if wants_json(arguments):
        print_json([{"id": law.id, "title": law.title, "formula": law.formula} for law in found])
    else:
        rows: list[tuple[str, ...]] = [("id", "title", "formula")]
        print(table(rows + [(str(law.id), law.title, law.formula) for law in found], left=3))
    return OK


def _show_law(arguments: argparse.Namespace, law: Law) -> int:
    if wants_json(arguments):
        print_json({**law.to_dict(), "latex": law.latex()})
        return OK
    target = law.target_info
    parts = [
        f"{law.id}: {law.title}",
        law.description,
        f"{law.target} = {law.formula}" if law.target else law.formula,
        f"LaTeX: {law.latex()}",
        f"source: {law.source}",
    ]
    rows: list[tuple[str, ...]] = [("variable", "unit", "meaning")]
    if law.target and target is not None:
        rows.append((law.target, target.unit, target.meaning))
    rows += [(name, info.unit, info.meaning) for name, info in law.variable_info.items()]
    parts += ["", table(rows, left=3), "", _parameter_lines(law)]
    if law.published:
        parts += ["", _published_lines(law)]
    print("\n".join(part for part in parts if part is not None))
    return OK


def _parameter_lines(law: Law) -> str:
    rows: list[tuple[str, ...]] = [("parameter", "domain", "typical", "unit", "meaning")]
    for name, info in law.parameter_info.items():
        low, high = info.domain
        typical = "" if info.typical is None else number(info.typical)
        rows.append((name, f"{low:g} to {high:g}", typical, info.unit, info.meaning))
    return table(rows, left=5)


def _published_lines(law: Law) -> str:
    return "\n".join(
        f"published for {item.label}: "
        + ", ".join(f"{name} {number(value)}" for name, value in item.values.items())
        for item in law.published
    )


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
