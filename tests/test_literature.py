"""Protocols: what publications did, done to their data and to data whose answer is known."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import lawfit as lf
from lawfit.literature.repeated_data import prepare

Columns = dict[str, np.ndarray]
Reader = Callable[[str], Columns]
NAMES = {"besiroglu", "bnsl", "gadre", "gemstones", "hoffmann_a3", "lcdb", "muennighoff", "porian"}


def keep(data: Columns, mask: np.ndarray) -> Columns:
    return {name: column[mask] for name, column in data.items()}


def test_there_are_these() -> None:
    assert set(lf.protocols) == NAMES
    for name, protocol in lf.protocols.items():
        assert protocol.name == name and isinstance(protocol, lf.Protocol)
        assert protocol.law in lf.laws and all(id_ in lf.laws for id_ in protocol.laws)
        for text in (protocol.title, protocol.description, protocol.differs, protocol.source):
            assert text and text in " ".join(str(protocol).split())
        assert repr(protocol) == f"<Protocol {name}: {protocol.title}>"


@pytest.mark.parametrize("name", ["besiroglu", "hoffmann_a3"])
def test_grid_of_starts(name: str, published: Reader) -> None:
    runs = published("chinchilla_epoch.csv")
    found = lf.protocols[name].fit(runs, columns={"N": "params", "D": "tokens"}, y="loss",
                                   where="dropped_by_besiroglu == 0")
    assert found.diagnostics["n_starts"] == 4500 and found.converged
    assert found.objective == pytest.approx(1.018274017801e-3, rel=1e-9)
    printed = lf.protocols[name].fit(
        runs, columns={"N": "params", "D": "tokens"}, y="loss", loss=lf.Absolute(),
        where="dropped_by_besiroglu == 0", starts="auto").params
    constants = lf.laws["chinchilla"].published[0].values
    assert printed["A"] == pytest.approx(constants["A"], abs=0.01)
    assert printed["B"] == pytest.approx(constants["B"], abs=0.01)
    if name == "besiroglu":
        boot = lf.protocols[name].bootstrap(found)
        errors = {"A": 124.49364, "B": 1293.169, "E": .02565704, "alpha": .01539747,
                  "beta": .02059417}
        assert boot.stderr() == pytest.approx(errors, rel=1e-4)
    else:
        boot = lf.protocols[name].bootstrap(found)
        method, level = lf.protocols[name].interval
        low, high = boot.interval(level, method=method)["alpha"]
        assert boot.replicates == 100 and low < found.params["alpha"] < high
        assert high - low < 2.56 * 0.0154, "narrower than the bootstrap's"


def test_gemstones(published: Reader) -> None:
    runs = published("gemstones_hot.parquet")
    found = lf.protocols["gemstones"].fit(
        keep(runs, runs["in_hot"] == 1), columns={"N": "params", "D": "tokens"}, y="loss")
    assert found.params["A"] == pytest.approx(213.08, abs=0.005)
    assert found.params["B"] == pytest.approx(4.9676e6, abs=50)
    shape = lf.protocols["gemstones"].fit(
        keep(runs, runs["in_hot"] == 1), law="gemstones_wdt", y="loss",
        columns={"w": "width", "d": "depth", "T": "tokens"})
    assert shape.params["E"] == 0 and shape.diagnostics["active_bounds"] == {"E": "lower"}
    assert shape.objective == pytest.approx(.00129192, abs=5e-9)


def test_gadre(published: Reader) -> None:
    runs = published("gadre_c4_small.csv")
    over = (runs["params"] == runs["params"].min()) & (runs["chinchilla_multiplier"] == 16)
    used = keep(runs, over | (runs["chinchilla_multiplier"] == 1) & (runs["params"] < 1e9))
    found = lf.protocols["gadre"].fit(used, y="loss_c4_val",
                                      columns={"N": "params", "M": "tokens_per_param"})
    assert found.values == pytest.approx([113.6926, -.2424722, 189.5155, 1.5082605], rel=5e-7)


def test_porian(published: Reader) -> None:
    optima = published("porian_published_optima.csv")
    slopes = []
    for name in dict.fromkeys(optima["experiment"]):
        used = keep(optima, (optima["experiment"] == name) & np.isfinite(optima["n_star"]))
        found = lf.protocols["porian"].fit(used, y="n_star", columns={"C": "flops"},
                                           sigma="n_star_std")
        slopes.append(round(found.params["a"], 4))
    assert sorted(slopes, reverse=True) == [.8353, .7065, .6020, .5715, .4969]


def test_lcdb(published: Reader) -> None:
    curves = published("lcdb_accuracy_curves.parquet")
    name = curves["curve"][0]
    used = keep(curves, curves["curve"] == name)
    used["accuracy"] = 1 - used["err_valid"]
    protocol = lf.protocols["lcdb"]
    objectives = {}
    for law in protocol.laws:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.FitWarning)
            found = protocol.fit(used, law=law, columns={"x": "size_train"}, seed=3)
            better = protocol.fit(used, law=law, columns={"x": "size_train"}, starts="auto")
        assert found.diagnostics["n_starts"] == 6
        assert better.objective <= found.objective * (1 + 1e-6) or not better.converged
        objectives[law] = better.objective
    assert objectives["lcdb_pow4"] <= objectives["lcdb_pow3"] <= objectives["lcdb_last1"]


def test_bnsl() -> None:
    law = lf.laws["bnsl1"]
    table = law.design(60)
    table["y"] = law(**table, **law.typical) * np.exp(
        0.002 * np.random.default_rng(5).standard_normal(60))
    found = lf.protocols["bnsl"].fit(table)
    assert found.on == "log" and found.params["d1"] == pytest.approx(600, rel=0.05)


def repeated(noise: float, seed: int = 0) -> tuple[Columns, dict[str, float]]:
    """Runs by the law itself: sizes around the optimum of the unique tokens, up to 40 passes."""
    constants = {"A": 521.0, "B": 1488.0, "E": 1.869, "alpha": .3527, "beta": .3527, "RNs": 5.31,
                 "RDs": 15.4}
    unique, size, passes = (axis.ravel() for axis in np.meshgrid(
        np.geomspace(1e8, 1e11, 4), np.geomspace(1e7, 1e10, 7), [1.0, 4.0, 12.0, 40.0]))
    table = {"N": size, "D": unique * passes, "U": unique}
    best = unique * (constants["A"] / constants["B"]) ** (1 / constants["alpha"])
    used = np.minimum(size, best)
    law = lf.laws["muennighoff"]
    exact = law(UN=used, RN=size / used - 1, UD=unique, RD=passes - 1, **constants)
    random = np.random.default_rng(seed).standard_normal(len(exact))
    return {**table, "loss": exact * np.exp(noise * random)}, constants


def test_repeated_data_of_the_law_itself() -> None:
    table, constants = repeated(0.0)
    found = lf.protocols["muennighoff"].fit(table)
    assert found.law.id == "muennighoff" and len(found.rows) == len(table["N"])
    assert found.params == pytest.approx(constants, rel=1e-6)


def test_both_stages_errors_are_told() -> None:
    """The error of the decay is that of many repetitions of both stages, not of the last alone."""
    protocol, found, told, alone = lf.protocols["muennighoff"], [], [], []
    for seed in range(30):
        table, constants = repeated(0.004, seed)
        fit = protocol.fit(table, loss="squared")
        found.append([fit.params["RDs"], fit.params["alpha"]])
        told.append([fit.stderr["RDs"], fit.stderr["alpha"]])
        assert fit.covariance()[0, 0] == pytest.approx(fit.stderr["A"] ** 2)
    spread, error = np.std(found, axis=0, ddof=1), np.mean(told, axis=0)
    assert 0.65 < error[0] / spread[0] < 1.55 and 0.65 < error[1] / spread[1] < 1.55
    held = fit.law.fix(**{name: fit.params[name] for name in ("A", "alpha", "B", "E")})
    alone = lf.fit(held, {**fit.rows.columns, "loss": fit.rows.y}, on="log").stderr["RDs"]
    assert alone < 0.8 * error[0]


def test_the_error_is_kept_and_used(tmp_path) -> None:
    fit = lf.protocols["muennighoff"].fit(repeated(0.004)[0])
    fit.save(tmp_path / "fit.json")
    again = lf.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.covariance(), fit.covariance())
    most = fit.derive("1 + RDs")
    assert most.stderr == pytest.approx(fit.stderr["RDs"])


def test_too_few_runs_without_repetition() -> None:
    table, _ = repeated(0.0)
    with pytest.raises(ValueError, match="first stage: .* rows without repetition"):
        lf.protocols["muennighoff"].fit(keep(table, table["D"] > table["U"]))


def test_data_constrained(published: Reader) -> None:
    """The base constants as published, the decay fitted: no worse than the published decay."""
    runs = published("data_constrained_train.csv")
    law = lf.laws["muennighoff"]
    constants = {**law.published[0].values, "A": 520.82, "B": 1487.7, "E": 1.8691}
    base = lf.fit(lf.Law("E + A/N**alpha + B/D**beta", ("N", "D")).fix(alpha=constants["alpha"],
                  beta=constants["beta"], A=constants["A"], B=constants["B"]),
                  runs, "loss", columns={"N": "params", "D": "tokens"})
    rows = lf.fit("loss = c + 0*N + 0*D + 0*U", runs, columns={
        "N": "params", "D": "tokens", "U": "unique_tokens"}).rows
    table = {**prepare(rows, base), "loss": runs["loss"]}
    assert len(table["UN"]) == 145
    held = law.fix(**{name: constants[name] for name in ("A", "alpha", "B", "beta", "E")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        found = lf.fit(held, table, on="log", loss=lf.Huber(1e-3))
    rest = np.log(table["loss"]) - np.log(law(**{k: table[k] for k in law.variables}, **constants))
    size = np.abs(rest)
    theirs = np.where(size <= 1e-3, rest**2 / 2, 1e-3 * (size - 5e-4)).sum()
    assert found.objective <= theirs, "these 145 rows want another decay"


def test_no_resamples() -> None:
    with pytest.raises(ValueError, match="resampled no rows"):
        lf.protocols["gadre"].bootstrap(None)
