"""Every law of the catalogue, fitted to data that it made itself on its own design."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import pytest

import lawfit as lf

# Laws so curved in their parameters that local errors tell little at the usual number of rows.
CURVED = {"farseer"}
# Laws whose held parameters could be found in principle, but not at any usual noise.
WEAK = {"shukor_joint2"}
Table = dict[str, np.ndarray]


def made(law: lf.Law, noise: float, rows: int | None = None, seed: int = 0) -> Table:
    """The design with the law's values, noise being relative: to the value where the law is
    usually fitted on a relative or logarithmic scale, else to the spread of the values."""
    table = law.design(rows)
    exact = np.broadcast_to(law(**table, **law.typical), len(next(iter(table.values()))))
    level = np.abs(exact).mean()
    spread = exact.std() if exact.std() > 1e-9 * level else level
    random = noise * np.random.default_rng(seed).standard_normal(len(exact))
    space = law.usual.space
    if space == "logit":
        measured = 1 / (1 + (1 / exact - 1) * np.exp(-random))
    else:
        measured = exact + random * spread if space == "linear" else exact * np.exp(random)
    return {**table, law.target: measured}


def held(law: lf.Law) -> lf.Law:
    """The law with those parameters fixed that no data can tell from the others."""
    return law.fix(**{name: law.typical[name] for name in law.info.hold})


def quiet(law: lf.Law, table: Table, **arguments: object) -> lf.Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(law, table, on=law.usual.space, **arguments)


def arranged(
    law: lf.Law, found: Mapping[str, float], truth: Mapping[str, float] | None = None
) -> dict[str, str]:
    """True (typical) parameter -> the one found for it, like terms taken in rising order."""
    truth = law.typical if truth is None else truth
    places = {name: name for name in law.parameters}
    if groups := law.info.like:
        wanted = sorted(groups[0], key=truth.__getitem__)
        got = sorted(groups[0], key=found.__getitem__)
        for group in groups:
            for to, was in zip(wanted, got, strict=True):
                places[group[groups[0].index(to)]] = group[groups[0].index(was)]
    return places


def laws(slow: Iterable[str] = (), skip: Mapping[str, str] = MappingProxyType({})) -> list:
    """All ids, some marked; ``skip`` has the reasons."""
    marks = {id_: pytest.mark.skip(reason=why) for id_, why in skip.items()}
    marks |= dict.fromkeys(slow, pytest.mark.slow)
    return [pytest.param(id_, marks=marks.get(id_, ())) for id_ in lf.laws]


def check_recovered(law: lf.Law, found: lf.Fit) -> None:
    """Exact data of the typical parameters gave them back, like terms in any order."""
    for name, place in arranged(law, found.params).items():
        assert found.params[place] == pytest.approx(law.typical[name], rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("id_", laws())
def test_exact_data_give_the_parameters_back(id_: str) -> None:
    law = lf.laws[id_]
    check_recovered(law, quiet(held(law), made(law, 0.0), loss=law.usual.loss))


@pytest.mark.parametrize("id_", [
    id_ for id_ in lf.laws if lf.laws[id_].info.hold and id_ not in WEAK
])
def test_what_cannot_be_told_apart_is_said(id_: str) -> None:
    """Without holding the parameters that the entry names, the fit names them, too."""
    law = lf.laws[id_]
    found = quiet(law, made(law, 0.0), loss=law.usual.loss)
    assert found.status == "not_identified"
    assert set(law.info.hold) & set(found.diagnostics["not_identified"])


def noisy(law: lf.Law) -> Table:
    """Data with one percent of noise."""
    return made(law, 0.01, 40 * 32 if law.id in CURVED else None, seed=7)


def check_within_errors(law: lf.Law, found: lf.Fit) -> None:
    assert found.converged, found.message
    away = {name: abs(found.params[place] - law.typical[name]) / found.stderr[place]
            for name, place in arranged(law, found.params).items()
            if found.stderr.get(place, np.nan) > 0}
    assert away and max(away.values()) < 4, away


@pytest.mark.parametrize("id_", laws(slow=CURVED))
def test_one_percent_of_noise(id_: str) -> None:
    law = lf.laws[id_]
    check_within_errors(law, quiet(held(law), noisy(law), loss="squared"))


@pytest.mark.slow
@pytest.mark.parametrize("draw", range(4))
@pytest.mark.parametrize("id_", laws(skip={"bnsl2": "two breaks: half the starts end elsewhere"}))
def test_other_parameters(id_: str, draw: int) -> None:
    """Exact data of parameters a quarter off the typical ones."""
    law = lf.laws[id_]
    typical = np.array([law.typical[name] for name in law.free])
    off = np.random.default_rng([3, draw]).uniform(-0.25, 0.25, len(typical))
    truth = dict(zip(law.free, np.clip(typical * (1 + off), *law.bounds()), strict=True))
    table = law.design()
    with np.errstate(all="ignore"):
        values = np.broadcast_to(law(**table, **truth), len(next(iter(table.values()))))
    usable = np.isfinite(values) & ((values > 0) | (law.usual.space == "linear"))
    assert usable.mean() > 0.5
    data = {name: column[usable] for name, column in {**table, law.target: values}.items()}
    found = quiet(law.fix(**{name: truth[name] for name in law.info.hold}), data)
    for name, place in arranged(law, found.params, truth).items():
        assert found.params[place] == pytest.approx(truth[name], rel=1e-6, abs=1e-6), name
