"""The shipped laws: TOML files by family under ``catalogue/``, read when first asked for.

One table an entry, its name being the id. Adding a law takes an entry and no code:

    [halving]
    title = "Halving"
    description = "What it says and when it is used."
    formula = "a*2**(-x/h)"
    source = "who, where, when"
    target = { name = "y", meaning = "what is measured", unit = "" }
    typical_from = "published, illustrative, refit or memory, and of what"
    usual = { space = "linear", loss = "squared" }
    notes = "What the data must have for every parameter to be found; may be left out."
    [halving.variables]
    x = { meaning = "time", unit = "s", range = [0, 10], spacing = "linear" }
    [halving.parameters]
    a = { meaning = "value at x = 0", domain = [0, inf], typical = 1.0 }
    h = { meaning = "half-life", unit = "s", domain = [0, inf], typical = 2.0 }
    [halving.derived]
    rate = { expression = "log(2)/h", meaning = "rate of decay" }
    [[halving.published]]
    label = "for which case"
    values = { h = 2.0 }

``range`` is the span of a variable in a trial design (``Law.design``). Three more keys may stand
beside ``notes``: ``hold`` names parameters that no data can tell from the others, to be fixed at
a chosen value; ``ties`` lists groups of parameters that the source takes as one; ``like`` lists
groups of parameters that may change places, as the terms they belong to are alike.

Names come from the lines that open a table, so looking up one law parses its entry alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from .grammar import closest
from .info import LawInfo, ParameterInfo
from .law import Law
from .parameter import Parameter

__all__ = ["Catalogue", "laws"]

# Entries of the literature's lists that have nothing to fit, and what stands for them.
ELSEWHERE = {
    "kaplan_S_min": "lawfit.transforms.minimum_steps",
    "kaplan_C_min": "lawfit.transforms.minimum_compute",
    "haegele_cooldown_1sqrt": "lawfit.schedules.cooldown",
    "sardana_total_flops": "lawfit.transforms.lifetime_flops",
    "sardana_wedge": "lawfit.transforms.inference_wedge",
    "nmt_opt_split": 'lawfit.laws["nmt_bivariate"].derived["nmt_opt_split"]',
    "mccandlish_noise_scale": "lawfit.transforms.noise_scale",
    "gan_b_star": 'lawfit.laws["gan_sfo"].derived["gan_b_star"]',
    "elusive_choice_prob": "lawfit.transforms.choice_probability",
    "crossing_two_power": "lawfit.transforms.crossing_point",
    "projektor_stage2": "lawfit.transforms.log_linear_extrapolation",
    "wsb_ultimate": 'lawfit.laws["hf_wsb_growth"].derived["wsb_ultimate"]',
    "climbing_increment": 'lawfit.laws["climbing_logistic"].derived["climbing_increment"]',
    "zero_params": "lawfit.transforms.transformer_parameters",
    "degree_powerlaw_mle": "lawfit.transforms.hill_exponent",
    "multifractal_spectrum": "lawfit.transforms.multifractal_spectrum",
    "gw_rF_k": "lawfit.transforms.fresnel_wavenumber",
    "valid_prediction_time": "lawfit.transforms.valid_prediction_time",
    "ews_ar1": "lawfit.transforms.lag_one_correlation",
    "bon_kl": "lawfit.transforms.best_of_n_divergence",
    "replication_bf_normal": "lawfit.transforms.replication_bayes_factor",
    "huber_rho": "lawfit.Huber",
}

_OPENING = re.compile(r"^\[(\w+)\]$", re.MULTILINE)


class Catalogue(Mapping[str, Law]):
    """The shipped laws by id; ``lawfit.laws`` is the one instance.

    >>> laws["chinchilla"].source
    'Hoffmann et al. 2022, arXiv:2203.15556; Besiroglu et al. 2024, arXiv:2404.10102'
    """

    def __init__(self) -> None:
        self._laws: dict[str, Law] = {}

    @cached_property
    def _texts(self) -> dict[str, tuple[str, str]]:
        """Id -> family and the entry's text, in the order of the files' names."""
        texts: dict[str, tuple[str, str]] = {}
        for file in sorted((Path(__file__).parent / "catalogue").glob("*.toml")):
            text = file.read_text(encoding="utf-8")
            openings = list(_OPENING.finditer(text))
            ends = [opening.start() for opening in openings[1:]] + [len(text)]
            for opening, end in zip(openings, ends, strict=True):
                texts[opening[1]] = file.stem, text[opening.start() : end]
        return texts

    def __getitem__(self, id_: str) -> Law:
        if id_ not in self._laws:
            if id_ not in self._texts:
                raise KeyError(_missing(id_, self))
            import tomllib  # reading the catalogue is rare, importing lawfit is not

            family, text = self._texts[id_]
            self._laws[id_] = _law(id_, {"family": family, **tomllib.loads(text)[id_]})
        return self._laws[id_]

    def __contains__(self, id_: object) -> bool:
        return id_ in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"<{len(self)} laws in {len(self.families)} families: {', '.join(self.families)}>"

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families, each a page of ``lawfit.families``.

        >>> "allocation" in laws.families
        True
        """
        return tuple(dict.fromkeys(family for family, _ in self._texts.values()))

    def search(
        self, word: str = "", family: str | None = None, source: str | None = None
    ) -> list[Law]:
        """The laws whose entry contains ``word``, in the order of the catalogue.

        Letter case does not count. ``word`` is looked for in id, title, family, description,
        notes, formula, source, and the meanings of variables and parameters; ``family`` is the
        name of a family (``laws.families``) and ``source`` a part of the source, such as an
        author or a year.

        >>> [law.id for law in laws.search("floor", family="allocation", source="Porian")]
        ['porian_loss_saturation']
        """
        wanted = None if family is None else family.casefold()
        among = [id_ for id_, (name, _) in self._texts.items() if wanted in (None, name)]
        return [
            law for law in map(self.__getitem__, among)
            if word.casefold() in _searchable(law)
            and (source is None or source.casefold() in (law.source or "").casefold())
        ]


laws = Catalogue()


def _missing(id_: str, known: Mapping[str, Law]) -> str:
    if id_ in ELSEWHERE:
        return f"{id_!r} is no law of the catalogue, as it has nothing to fit: see {ELSEWHERE[id_]}"
    return f"no law {id_!r} in the catalogue{closest(str(id_), known)}"


def _law(id_: str, entry: Mapping[str, Any]) -> Law:
    rest = dict(entry)
    formula = rest.pop("formula")
    target = rest.pop("target")
    simplexes = rest.pop("simplexes", ())
    info = LawInfo.from_dict({
        "id": id_, **rest, "target": target["name"],
        "target_info": {key: value for key, value in target.items() if key != "name"},
    })
    settings = {name: _setting(p) for name, p in info.parameters.items()}
    return Law(formula, tuple(info.variables), settings, info=info, simplexes=simplexes)


def _setting(info: ParameterInfo) -> Parameter:
    low, high = info.domain
    if low == 0:
        return Parameter(positive=True, high=None if high == math.inf else high)
    return Parameter(low=low, high=high)


def _searchable(law: Law) -> str:
    info = law.info
    assert info is not None
    texts = [info.id, info.title, info.family, info.description, info.notes, info.source,
             law.formula, info.target, info.target_info.meaning if info.target_info else ""]
    texts += [variable.meaning for variable in info.variables.values()]
    texts += [parameter.meaning for parameter in info.parameters.values()]
    return "\n".join(texts).casefold()
