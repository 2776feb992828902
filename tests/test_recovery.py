"""Every law of the catalogue, fitted to data that it made itself on its own design."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pytest

import lawfit as lf

IDS = list(lf.laws)
# Laws so curved in their parameters that local errors tell little at the usual number of rows.
CURVED = {"farseer"}
Table = dict[str, np.ndarray]


def made(law: lf.Law, noise: float, rows: int | None = None, seed: int = 0) -> Table:
    """The design with the law's values, noise being relative: to the value where the law is
    usually fitted on a relative or logarithmic scale, else to the spread of the values."""
    table = law.design(rows)
    exact = np.broadcast_to(law(**table, **law.typical), len(next(iter(table.values()))))
    random = noise * np.random.default_rng(seed).standard_normal(len(exact))
    space = law.usual.space
    if space == "logit":
        measured = 1 / (1 + (1 / exact - 1) * np.exp(-random))
    else:
        measured = exact + random * exact.std() if space == "linear" else exact * np.exp(random)
    return {**table, law.target: measured}


def held(law: lf.Law) -> lf.Law:
    """The law with those parameters fixed that no data can tell from the others."""
    return law.fix(**{name: law.typical[name] for name in law.info.hold})


def quiet(law: lf.Law, table: Table, **arguments: object) -> lf.Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(law, table, on=law.usual.space, **arguments)


def equal(law: lf.Law, found: Mapping[str, float], rtol: float) -> bool:
    """Whether parameters are the typical ones, like terms perhaps in another order."""
    if all(abs(found[name] - value) <= rtol * (abs(value) or 1.0)
           for name, value in law.typical.items()):
        return True
    return any(equal_in_order(law, found, rtol, group) for group in law.info.like)


def equal_in_order(law: lf.Law, found: Mapping[str, float], rtol: float, group: tuple) -> bool:
    """Whether sorting the parameters of every group of like ones makes them the typical ones."""
    order = sorted(range(len(group)), key=lambda place: found[group[place]])
    wanted = sorted(range(len(group)), key=lambda place: law.typical[group[place]])
    swap = {group[to]: group[was] for was, to in zip(order, wanted, strict=True)}
    for other in law.info.like:
        swap |= {other[to]: other[was] for was, to in zip(order, wanted, strict=True)}
    return all(abs(found[swap.get(name, name)] - value) <= rtol * (abs(value) or 1.0)
               for name, value in law.typical.items())


@pytest.mark.parametrize("id_", IDS)
def test_exact_data_give_the_parameters_back(id_: str) -> None:
    law = lf.laws[id_]
    table = made(law, 0.0)
    found = quiet(held(law), table, loss=law.usual.loss)
    assert equal(law, found.params, 1e-6), (found.params, found.objective)


@pytest.mark.parametrize("id_", [id_ for id_ in IDS if lf.laws[id_].info.hold])
def test_what_cannot_be_told_apart_is_said(id_: str) -> None:
    """Without holding the parameters that the entry names, the fit names them, too."""
    law = lf.laws[id_]
    found = quiet(law, made(law, 0.0), loss=law.usual.loss)
    assert found.status == "not_identified"
    assert set(law.info.hold) & set(found.diagnostics["not_identified"])


@pytest.mark.parametrize("id_", IDS)
def test_one_percent_of_noise(id_: str) -> None:
    law = lf.laws[id_]
    rows = 40 * 32 if id_ in CURVED else None
    found = quiet(held(law), made(law, 0.01, rows, seed=7), loss="squared")
    assert found.converged, found.message
    away = {name: abs(found.params[name] - value) / found.stderr[name]
            for name, value in law.typical.items() if found.stderr.get(name, np.nan) > 0}
    assert away and max(away.values()) < 4, away
