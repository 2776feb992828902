"""The shipped laws: TOML files by family under ``catalogue/``, read when first asked for.

One table an entry, its name being the id. Adding a law takes an entry and no code:

    [halving]
    title = "Halving"
    description = "What it says and when it is used."
    formula = "a*2**(-x/h)"
    source = "who, where, when"
    target = { name = "y", meaning = "what is measured", unit = "" }
    typical_from = "where the typical values come from"
    usual = { space = "linear", loss = "squared" }
    [halving.variables]
    x = { meaning = "time", unit = "s" }
    [halving.parameters]
    a = { meaning = "value at x = 0", domain = [0, inf], typical = 1.0 }
    h = { meaning = "half-life", unit = "s", domain = [0, inf], typical = 2.0 }
    [[halving.published]]
    label = "for which case"
    values = { h = 2.0 }
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from .grammar import closest
from .info import LawInfo, ParameterInfo
from .law import Law
from .parameter import Parameter

__all__ = ["Catalogue", "laws"]


class Catalogue(Mapping[str, Law]):
    """The shipped laws by id; ``lawfit.laws`` is the one instance.

    >>> laws["chinchilla"].source
    'Hoffmann et al. 2022, arXiv:2203.15556; Besiroglu et al. 2024, arXiv:2404.10102'
    """

    def __init__(self) -> None:
        self._laws: dict[str, Law] = {}

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        """Every entry as written, by id, in the order of the files' names."""
        import tomllib  # reading the catalogue is rare, importing lawfit is not

        entries: dict[str, dict[str, Any]] = {}
        for file in sorted((Path(__file__).parent / "catalogue").glob("*.toml")):
            for id_, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
                entries[id_] = {"family": file.stem, **entry}
        return entries

    def __getitem__(self, id_: str) -> Law:
        if id_ not in self._laws:
            if id_ not in self._entries:
                raise KeyError(f"no law {id_!r} in the catalogue{closest(str(id_), self)}")
            self._laws[id_] = _law(id_, self._entries[id_])
        return self._laws[id_]

    def __contains__(self, id_: object) -> bool:
        return id_ in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{len(self)} laws: {', '.join(self)}>"

    def search(
        self, word: str = "", family: str | None = None, source: str | None = None
    ) -> list[Law]:
        """The laws whose entry contains ``word``, in the order of the catalogue.

        Letter case does not count. ``word`` is looked for in id, title, description, formula,
        source, and the meanings of variables and parameters; ``family`` is the name of a family
        (``{law.family for law in laws.values()}`` lists them) and ``source`` a part of the
        source, such as an author or a year.

        >>> [law.id for law in laws.search("coverage")]
        ['monkeys_coverage']
        """
        return [
            law for law in self.values()
            if word.casefold() in _searchable(law)
            and (family is None or family.casefold() == law.family)
            and (source is None or source.casefold() in (law.source or "").casefold())
        ]


laws = Catalogue()


def _law(id_: str, entry: Mapping[str, Any]) -> Law:
    rest = dict(entry)
    formula = rest.pop("formula")
    target = rest.pop("target")
    info = LawInfo.from_dict({
        "id": id_, **rest, "target": target["name"],
        "target_info": {key: value for key, value in target.items() if key != "name"},
    })
    settings = {name: _setting(p) for name, p in info.parameters.items()}
    return Law(formula, tuple(info.variables), settings, info=info)


def _setting(info: ParameterInfo) -> Parameter:
    low, high = info.domain
    if low == 0:
        return Parameter(positive=True, high=None if high == math.inf else high)
    return Parameter(low=low, high=high)


def _searchable(law: Law) -> str:
    info = law.info
    assert info is not None
    texts = [info.id, info.title, info.family, info.description, info.source, law.formula,
             info.target, info.target_info.meaning if info.target_info else ""]
    texts += [variable.meaning for variable in info.variables.values()]
    texts += [parameter.meaning for parameter in info.parameters.values()]
    return "\n".join(texts).casefold()
