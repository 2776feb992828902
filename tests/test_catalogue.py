"""The shipped laws: complete, computing what they say, and equal to the shared list of laws."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import lawfit as lf
from lawfit.catalogue import Catalogue
from lawfit.info import LawInfo, VariableInfo
from lawfit.losses import as_loss

EXPECTED = Path(__file__).parent / "expected" / "catalogue.txt"

BROWN = ["monkeys_coverage", "passk_unbiased_single", "passk_beta_mixture"]

# Worked out by hand: every power below is of a square or a cube.
BY_HAND: list[tuple[str, dict[str, float], float]] = [
    ("hestness_error", {"alpha": 2, "m": 4, "beta_g": -0.5, "gamma": 1}, 2.0),
    ("hestness_model_size", {"alpha": 2, "m": 9, "beta_p": 0.5}, 6.0),
    ("kaplan_L_N", {"N_c": 16, "N": 1, "alpha_N": 0.5}, 4.0),
    ("kaplan_L_D", {"D_c": 16, "D": 4, "alpha_D": 0.5}, 2.0),
    ("kaplan_L_Cmin", {"C_c": 16, "C": 1, "alpha_C": 0.25}, 2.0),
    ("kaplan_L_ND", {"N_c": 16, "N": 1, "alpha_N": 0.25, "alpha_D": 0.5, "D_c": 10, "D": 2}, 3.0),
    ("kaplan_L_NS", {"N_c": 16, "N": 1, "alpha_N": 0.5, "S_c": 18, "S_min": 2,
                     "alpha_S": 0.5}, 7.0),
    ("chinchilla", {"E": 1, "A": 8, "N": 16, "alpha": 0.5, "B": 27, "D": 27, "beta": 1 / 3}, 12.0),
    ("henighan_power_const", {"L_inf": 1, "x0": 16, "x": 4, "alpha": 0.5}, 3.0),
    ("gadre_overtraining", {"E": 1, "a": 3, "M": 4, "eta": 0.5, "b": 8, "C": 25}, 3.0),
    ("gadre_code_form", {"a": 2, "N": 4, "s": -2, "b": 384, "M": 2, "E": 1}, 2.125),
    ("gemstones_wdt", {"E": 1, "A": 4, "w": 4, "a": 0.5, "B": 9, "d": 3, "b": 1, "G": 8, "T": 8,
                       "g": 1 / 3}, 10.0),
    ("gemstones_wdnt", {"E": 1, "A": 4, "w": 4, "a": 0.5, "B": 9, "d": 3, "b": 1, "P": 10, "N": 5,
                        "p": 1, "G": 8, "T": 8, "g": 1 / 3}, 12.0),
    ("rectified", {"B": 6, "D_l": 1, "D": 4, "beta": 0.5, "E": 1}, 3.0),
    ("loss_to_loss", {"K": 2, "L0": 5, "E0": 1, "kappa": 0.5, "E1": 1}, 5.0),
    ("bnsl1", {"a": 1, "b": 6, "x": 4, "c0": 0.5, "d1": 4, "f1": 0.5, "c1": 2}, 2.5),
    ("bnsl2", {"a": 1, "b": 6, "x": 4, "c0": 0.5, "d1": 4, "f1": 0.5, "c1": 2, "d2": 4, "f2": 1,
               "c2": 1}, 1.75),
    ("M1", {"beta": 6, "x": 4, "c": -0.5}, 3.0),
    ("M2", {"beta": 6, "x": 4, "c": -0.5, "e_inf": 0.5}, 3.5),
    ("M3", {"beta": 6, "x": 4, "gam": 0.75, "c": -0.5}, 6.0),
    ("lcdb_pow3", {"a": 1, "b": 1, "x": 4, "c": 0.5}, 0.5),
    ("lcdb_pow4", {"a": 1, "b": 1, "x": 3, "d": 1, "c": 0.5}, 0.5),
    ("lcdb_exp3", {"a": 2, "b": 0.5, "x": 2, "c": 1}, 1 + 2 / math.e),
    ("lcdb_mmf4", {"a": 1, "b": 2, "c": 5, "x": 4, "d": 0.5}, 3.0),
    ("lcdb_wbl4", {"c": 1, "b": 0.5, "a": 0.5, "x": 4, "d": 0.5}, 1 - 0.5 / math.e),
    ("datadecide_flops_loss", {"A": 6, "C": 4, "alpha": 0.5, "E": 1}, 4.0),
    ("datadecide_sigmoid", {"a": -1, "k": 2, "L": 1, "L0": 1, "b": 0.75}, 0.25),
    ("datadecide_single_step", {"a": -1, "k": 2, "A": 2, "C": 4, "alpha": 0.5, "E": 1, "L0": 2,
                                "b": 0.75}, 0.25),
    ("monkeys_coverage", {"a": -2, "k": 4, "b": 0.5}, 1 / math.e),
    ("seager_mass_radius", {"k1": -0.5, "M": 2000, "m1": 2, "k2": 0.1, "k3": 1 / 3}, -0.5),
    ("aerosol_deposition", {"A": 2, "b": 2, "St": 5, "St_c": 1}, 2 / math.e),
]


def _expected() -> dict[str, tuple[dict[str, float], float]]:
    """Id -> variables, and the law's value there at its typical parameters (30 digits, SymPy)."""
    cases = {}
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        if line and line[0] != "#":
            id_, *at, value = line.split()
            cases[id_] = {k: float(v) for k, v in (pair.split("=") for pair in at)}, float(value)
    return cases


def test_values_of_every_law() -> None:
    cases = _expected()
    assert sorted(lf.laws) == sorted(cases) and isinstance(lf.laws, Mapping)
    for id_, (variables, value) in cases.items():
        law = lf.laws[id_]
        assert law(**variables, **law.typical) == pytest.approx(value, rel=2e-9), id_


@pytest.mark.parametrize(("id_", "values", "expected"), BY_HAND, ids=[case[0] for case in BY_HAND])
def test_values_worked_out_by_hand(id_: str, values: dict[str, float], expected: float) -> None:
    assert lf.laws[id_](**values) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("law", lf.laws.values(), ids=list(lf.laws))
def test_every_entry_is_complete(law: lf.Law) -> None:
    info = law.info
    assert info is not None and law.id == info.id
    assert set(law.variable_info) == set(law.variables)
    assert set(law.parameter_info) == set(law.parameters)
    assert law.title and law.description.endswith(".") and law.source and law.family
    assert law.target and law.target not in law.names
    assert isinstance(law.target_info, VariableInfo) and law.target_info.meaning
    for variable in law.variable_info.values():
        assert variable.meaning and variable.range is not None
        assert variable.spacing == "linear" or variable.range[0] > 0 and variable.spacing == "log"
        assert -math.inf < variable.range[0] < variable.range[1] < math.inf
    assert all(parameter.meaning for parameter in law.parameter_info.values())
    assert set(law.typical) == set(law.parameters)
    assert info.typical_from.startswith(("published", "illustrative", "refit", "memory"))
    usual = law.usual
    assert usual is not None and usual.space in ("linear", "log", "logit", "relative")
    as_loss(usual.loss)
    named = (*info.hold, *(name for group in (*info.ties, *info.like) for name in group))
    assert set(named) <= set(law.parameters) and bool(info.hold) <= bool(info.notes)
    for derived in info.derived.values():
        quantity = lf.Law(derived.expression, variables=())
        assert derived.meaning and set(quantity.names) <= set(law.parameters)
    assert LawInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info


@pytest.mark.parametrize("law", lf.laws.values(), ids=list(lf.laws))
def test_domains_are_the_bounds_and_hold_every_value_given(law: lf.Law) -> None:
    lower, upper = law.bounds()
    for place, name in enumerate(law.free):
        low, high = law.parameter_info[name].domain
        assert (lower[place], upper[place]) == (low, high)
        values = [law.typical[name], *(p.values[name] for p in law.published if name in p.values)]
        assert all(low <= value <= high for value in values)
    assert np.isnan(law.guesses()).all(), "typical values are not starts"
    for published in law.published:
        assert published.label and set(published.values) <= set(law.parameters)


def test_published_typical_values_are_published_ones() -> None:
    for law in lf.laws.values():
        assert law.info is not None
        if law.info.typical_from.startswith("published"):
            first = law.published[0].values
            assert first == {name: law.typical[name] for name in first}
        if law.info.typical_from == "published":
            assert set(law.published[0].values) == set(law.parameters)


def test_a_law_of_the_catalogue() -> None:
    law = lf.laws["chinchilla"]
    assert law.parameters == ("E", "A", "alpha", "B", "beta") and law.variables == ("N", "D")
    assert law.target == "loss" and law.settings["E"] == lf.Parameter(positive=True)
    assert law.variable_info["D"].unit == "token"
    assert law.parameter_info["alpha"].domain == (0.0, 2.0)
    assert [p.label.split()[0] for p in law.published] == ["Besiroglu", "Hoffmann"]
    assert law is lf.laws["chinchilla"], "made once"
    assert law.fix(E=1.69).id == "chinchilla"


def test_derived_quantities_by_name() -> None:
    law = lf.laws["chinchilla_N_opt"]
    table = law.design()
    table["params"] = law(**table, **law.typical)
    found = lf.fit(law.fix(A=482.01, alpha=0.3478), table, on="log")
    boot = found.bootstrap(weights=np.ones((2, len(table["C"]))))
    for made in (found.derive("exponent"), boot.derive("exponent")):
        assert made.value == pytest.approx(0.3658 / (0.3478 + 0.3658), rel=1e-9)
        assert made.expression == law.derived["exponent"].expression


def test_own_laws_know_nothing() -> None:
    law = lf.Law("a*x", ["x"])
    assert (law.id, law.title, law.description, law.family) == (None, "", "", "")
    assert law.variable_info == law.parameter_info == law.typical == {}
    assert law.published == () and law.usual is None and law.target_info is None


@pytest.mark.parametrize(("arguments", "expected"), [
    ({"word": "repeated sampling", "source": "Brown"}, BROWN),
    ({"word": "REPEATED sampling", "source": "BROWN"}, BROWN),
    ({"word": "weibull", "family": "curves"}, ["lcdb_wbl4"]),
    ({"word": "normcdf(3)"}, []),
    ({"source": "kaplan", "word": "N_c"}, ["kaplan_L_N", "kaplan_L_ND", "kaplan_L_NS"]),
    ({"family": "nothing"}, []),
    ({"word": "floor", "family": "downstream", "source": "Lin et al. 2024, arXiv"}, ["rectified"]),
])
def test_search(arguments: dict[str, str], expected: list[str]) -> None:
    assert [law.id for law in lf.laws.search(**arguments)] == expected


def test_families() -> None:
    assert {law.family for law in lf.laws.values()} == set(lf.laws.families)
    by_family = [law.id for family in lf.laws.families for law in lf.laws.search(family=family)]
    assert by_family == list(lf.laws)


def test_one_law_is_read_alone_and_as_in_its_file() -> None:
    """Finding entries by the lines that open them gives what reading whole files gives."""
    catalogue = Catalogue()
    assert catalogue["chinchilla"] == lf.laws["chinchilla"] and len(catalogue._laws) == 1
    folder = Path(lf.__file__).parent / "catalogue"
    whole = {file.stem: tomllib.loads(file.read_text(encoding="utf-8"))
             for file in folder.glob("*.toml")}
    assert {(family, id_) for family, entries in whole.items() for id_ in entries} == \
        {(law.family, id_) for id_, law in lf.laws.items()}
    for family, text in catalogue._texts.values():
        (id_, entry), = tomllib.loads(text).items()
        assert whole[family][id_] == entry


def test_designs_span_every_range() -> None:
    for id_, law in lf.laws.items():
        table = law.design()
        assert set(table) == set(law.variables)
        for name, column in table.items():
            low, high = law.variable_info[name].range
            assert len(column) == 32 * (1 + len(law.variables)) and len(set(column)) == len(column)
            assert (column.min(), column.max()) == pytest.approx((low, high), rel=1e-12), id_
        assert np.isfinite(law(**table, **law.typical)).all(), id_
    assert len(lf.laws["chinchilla"].design(5)["N"]) == 5


def test_designs_of_few_rows_and_own_laws() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        lf.laws["chinchilla"].design(1)
    with pytest.raises(ValueError, match="no range is known for 'x'"):
        _without_ranges().design()


def _without_ranges() -> lf.Law:
    info = LawInfo("line", "A line", variables={"x": VariableInfo("where")})
    return lf.Law("a*x", ["x"], info=info)


def test_unknown_id() -> None:
    with pytest.raises(KeyError, match="did you mean 'chinchilla'"):
        lf.laws["chinchila"]
    assert "chinchila" not in lf.laws and None not in lf.laws
    assert lf.laws.get("chinchila") is None


def test_importing_reads_no_catalogue() -> None:
    later = "{'tomllib', 'lawfit.literature', 'lawfit.families', 'lawfit.transforms'}"
    code = f"import sys, lawfit; assert not {later} & {{*sys.modules}}; lawfit.laws['M1']; " \
           "assert 'tomllib' in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_threshold_of_the_aerosol_law() -> None:
    law = lf.laws["aerosol_deposition"]
    value = law(St=[0.05, 0.125, 0.2], A=1.0, b=1.5, St_c=0.125)
    assert isinstance(value, np.ndarray) and value[0] == value[1] == 0.0 < value[2]


# ---- against the shared list of laws, where it is at hand ----


def test_formulas_domains_and_values_of_the_shared_list(shared_laws) -> None:
    for id_, law in lf.laws.items():
        entry = shared_laws[id_]
        assert law.formula == entry["formula"]
        assert set(law.variables) == set(entry["variables"])
        for parameter in entry["parameters"]:
            known = law.parameter_info[parameter["name"]]
            low, high = parameter["domain"]
            assert known.domain == (-math.inf if low is None else low,
                                    math.inf if high is None else high), id_
            assert known.typical == parameter["typical"], (id_, parameter["name"])
        value = law(**entry["variable_example"], **law.typical)
        assert value == pytest.approx(entry["value_at_example"], rel=1e-9), id_
        assert entry["verified"] or not law.published, id_


def test_every_formula_of_the_shared_list_can_be_typed(shared_laws) -> None:
    for id_, entry in shared_laws.items():
        law = lf.Law(entry["formula"])
        values = {p["name"]: p["typical"] for p in entry["parameters"]} | entry["variable_example"]
        value = law(**{name: values[name] for name in law.names})
        assert value == pytest.approx(entry["value_at_example"], rel=2e-9, abs=1e-300), id_
