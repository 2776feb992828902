"""The Chinchilla reconstruction: published fits, paths and bootstraps, to every digit given."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from test_published import CHINCHILLA, Columns, Reader, agrees, check, fit, huber, keep

import lawfit as lf

BEST_240 = 1.018274017801e-3


@pytest.fixture(scope="module")
def runs(published: Reader) -> Columns:
    """The 245 rows of the Chinchilla reconstruction."""
    return published("chinchilla_epoch.csv")


@pytest.fixture(scope="module")
def runs240(runs: Columns) -> Columns:
    return keep(runs, runs["dropped_by_besiroglu"] == 0)


@pytest.fixture(scope="module")
def best240(runs240: Columns) -> lf.Fit:
    return fit(runs240, on="log", loss=lf.Huber(1e-3))


# ---- the Chinchilla reconstruction ----

@pytest.mark.parametrize("how", ["text, bounded", "text, free", "catalogue", "logarithms"])
def test_240_rows(how: str, runs240: Columns) -> None:
    robust = {"on": "log", "loss": lf.Huber(1e-3)}
    if how == "logarithms":
        found = fit(runs240, "exp(e) + exp(a - alpha*log(N)) + exp(b - beta*log(D))", **robust)
        logs = found.params
        params = {"alpha": logs["alpha"], "beta": logs["beta"],
                  **{name.upper(): np.exp(logs[name]) for name in "abe"}}
    else:
        law = "chinchilla" if how == "catalogue" else CHINCHILLA
        found = fit(runs240, law, bounded=how == "text, bounded", **robust)
        params = found.params
    assert found.status == "converged"
    check(params, E="1.817218099", alpha=".347310499", beta=".367172433")
    # The optimum by Newton steps of 50 digits; the reference has nine (477.825867, 2143.41737).
    exact = {"A": 477.825868233905, "B": 2143.41736336046, "E": 1.81721809901008,
             "alpha": 0.347310498881755, "beta": 0.367172432627762}
    assert params == pytest.approx(exact, rel=1e-9)
    assert agrees(found.objective, "1.018274017801e-3")


def test_the_published_grid_of_4500_starts(runs240: Columns) -> None:
    """At least 95 % end at the optimum, by the parameters they ended at."""
    half, five = np.arange(0, 2.5, 0.5), np.arange(0, 26, 5.0)
    names = ("alpha", "beta", "E", "A", "B")
    grid = np.array(list(itertools.product(half, half, np.arange(-1, 1.5, 0.5), five, five)))
    assert len(grid) == 4500
    grid[:, 2:] = np.exp(grid[:, 2:])
    found = fit(runs240, on="log", loss=lf.Huber(1e-3), keep_starts=True,
                starts=dict(zip(names, grid.T, strict=True)))
    ends = {name: found.starts.params[name][:, None] for name in names}
    with np.errstate(all="ignore"):
        model = (ends["E"] + ends["A"] / runs240["params"] ** ends["alpha"]
                 + ends["B"] / runs240["tokens"] ** ends["beta"])
        objective = huber(np.log(runs240["loss"]) - np.log(model), 1e-3).sum(axis=1)
    assert len(objective) == 4500
    assert (objective <= BEST_240 * (1 + 1e-6)).mean() >= 0.95
    np.testing.assert_allclose(found.starts.objective, objective, rtol=1e-9)
    assert agrees(found.objective, "1.018274017801e-3")


@pytest.mark.parametrize(("loss", "A", "B"), [
    (lf.Huber(1e-4), "478.69", "2065.41"),
    (lf.Huber(1e-5), "481.39", "2081.38"),
    (lf.Absolute(), "482.006", "2085.436"),
])
def test_path_of_delta(loss: lf.Huber | lf.Absolute, A: str, B: str, runs240: Columns) -> None:
    found = fit(runs240, on="log", loss=loss)
    assert found.converged, found.status
    check(found.params, A=A, B=B)
    if isinstance(loss, lf.Absolute):
        # The reference is 1.12949466; linear programs reach what follows from six starts.
        assert found.objective == pytest.approx(1.1294946536215, rel=1e-12)


def test_least_absolute_deviations_is_the_published_point(
    runs240: Columns, reference_fits: dict[str, Any]
) -> None:
    published = reference_fits["chinchilla"]["besiroglu_2024_published"]
    found = fit(runs240, on="log", loss=lf.Absolute()).params
    for name in ("A", "B", "E", "alpha", "beta"):
        assert found[name] == pytest.approx(published[name], rel=2e-5)


def test_raw_loss_least_squares(runs240: Columns) -> None:
    found = fit(runs240)
    assert found.status == "converged"
    check(found.params, E="1.882813613", alpha=".357615088", beta=".427620621")
    assert agrees(2 * found.objective, ".083204")


def test_raw_loss_huber(runs240: Columns) -> None:
    found = fit(runs240, loss=lf.Huber(1e-3))
    assert found.status == "converged"
    check(found.params, E="1.82007951", alpha=".344303484", beta=".372966542")


def test_all_245_rows(runs: Columns, reference_fits: dict[str, Any]) -> None:
    found = fit(runs, on="log", loss=lf.Huber(1e-3))
    assert found.status == "converged"
    check(found.params, A="495.7", B="12846", E="1.8913", beta=".4530")
    reference = reference_fits["chinchilla"]["our_reference"][1]
    assert reference["rows"] == 245
    assert agrees(found.objective, "0.0018260105230693")
    for name in ("A", "B", "E", "alpha", "beta"):
        assert found.params[name] == pytest.approx(reference[name], rel=1e-6)


def test_217_rows_least_squares(runs: Columns) -> None:
    used = keep(runs, (runs["dropped_by_besiroglu"] == 0) & (runs["flops"] < 1e21))
    assert len(used["loss"]) == 217
    used["N6"], used["D9"] = used["params"] / 1e6, used["tokens"] / 1e9
    found = fit(used, columns={"N": "N6", "D": "D9"})
    check(found.params, E="1.90509", A="4.00052", B="1.05095", alpha=".351058", beta=".458742")
    assert agrees(2 * found.objective, ".0624143")
    by_text = fit(runs, where="flops < 1e21 and dropped_by_besiroglu == 0")
    assert by_text.objective == pytest.approx(found.objective, rel=1e-12)
    check(by_text.params, E="1.90509", alpha=".351058", beta=".458742")


# ---- its bootstraps ----

def test_bootstrap_on_the_published_resamples(
    best240: lf.Fit, reference_fits: dict[str, Any]
) -> None:
    legacy = np.random.RandomState(42)  # the very resamples of the publication
    weights = np.stack([np.bincount(legacy.choice(240, 240), minlength=240)
                        for _ in range(4000)])
    boot = best240.bootstrap(weights=weights)
    assert boot.failed == 0
    errors = boot.stderr()
    expected = {"A": 124.49364, "B": 1293.169, "E": .02565704, "alpha": .01539747,
                "beta": .02059417}
    for name, value in expected.items():
        assert errors[name] == pytest.approx(value, rel=1e-4), name
    ours = reference_fits["chinchilla"]["our_bootstrap"]
    names = ("A", "B", "E", "alpha", "beta")
    for name, first in zip(names, ours["first_resample"], strict=True):
        assert boot.params[name][0] == pytest.approx(first, rel=1e-5), name
        percentiles = np.percentile(boot.params[name], [2.5, 50, 97.5])
        np.testing.assert_allclose(percentiles, ours["pct_2p5_50_97p5"][name], rtol=1e-5)


def test_besiroglus_test_of_hoffmanns_constants(
    best240: lf.Fit, reference_fits: dict[str, Any]
) -> None:
    legacy = np.random.RandomState(42)
    weights = np.stack([np.bincount(legacy.choice(240, 240), minlength=240)
                        for _ in range(4000)])
    names = ("A", "B", "E", "alpha", "beta")
    theirs = reference_fits["chinchilla"]["besiroglu_2024_published"]["log_form"]
    logs = reference_fits["chinchilla"]["hoffmann_2022"]["log_form_from_tex"]
    hoffmann = dict(zip(names, [np.exp(logs[f"log{n}"]) for n in "ABE"]
                        + [logs["alpha"], logs["beta"]], strict=True))
    point = dict(zip(names, [*np.exp(theirs[:3]), *theirs[3:]], strict=True))
    told = lf.published(best240.law, point).test_against(
        hoffmann, terms=["log(A)", "log(B)", "log(E)", "alpha", "beta"],
        covariance=best240.bootstrap(weights=weights),
    )
    assert told.chi2 == pytest.approx(239.6, abs=1)
    assert told.df == 5 and told.p == pytest.approx(9e-50, rel=0.5)


def test_own_bootstrap(best240: lf.Fit) -> None:
    boot = best240.bootstrap(4000, seed=1)
    assert boot.failed == 0
    spread = {"log A": np.log(boot.params["A"]), "log B": np.log(boot.params["B"]),
              **{name: boot.params[name] for name in ("E", "alpha", "beta")}}
    expected = {"log A": .2525, "log B": .4146, "E": .02526, "alpha": .01506, "beta": .02029}
    for name, value in expected.items():
        assert spread[name].std(ddof=1) == pytest.approx(value, rel=0.06), name
    share = boot.derive("beta/(alpha+beta)")
    assert agrees(share.value, ".5139")
    assert share.stderr == pytest.approx(.020, rel=0.06)
