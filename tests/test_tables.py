"""Laws that have tables of their own, fitted in one call."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from test_archive import same
from test_recovery import CURVED, check_recovered, check_within_errors, held, made, noisy

import lawfit as lf

LINE, CURVE = "y = a + b*x", "z = c + d/t**e"


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return function(*args, **kwargs)


def tables(rows=24, seed=0):
    """A line and a curve over other columns, of other lengths; runs of 8 rows each."""
    rng = np.random.default_rng(seed)
    x, t = rng.uniform(0, 9, rows), np.geomspace(1, 1e3, 2 * rows)
    return {
        "line": {"x": x, "y": 1 + 2 * x + 0.1 * rng.standard_normal(rows),
                 "w": rng.uniform(1, 2, rows),
                 "run": np.repeat(np.arange(rows // 8), 8)},
        "curve": {"t": t, "z": (1 + 4 / t**0.5) * np.exp(0.01 * rng.standard_normal(2 * rows)),
                  "w": rng.uniform(1, 2, 2 * rows),
                  "run": np.repeat(np.arange(rows // 4) + 100, 8)},
    }


LAWS = {"line": LINE, "curve": CURVE}


@pytest.fixture(scope="module")
def every_law():
    """All laws of the catalogue on exact data of their own, in one call."""
    laws = {id_: held(lf.laws[id_]) for id_ in lf.laws}
    data = {id_: made(lf.laws[id_], 0.0) for id_ in lf.laws}
    usual = {id_: law.usual for id_, law in laws.items()}
    asked = {"on": {id_: usual[id_].space for id_ in laws},
             "losses": {id_: usual[id_].loss for id_ in laws}}
    return laws, data, asked, quiet(lf.fit_many, laws, data, **asked, threads=2)


def test_one_call_recovers_every_law_of_the_catalogue(every_law):
    laws, data, asked, fits = every_law
    assert fits.index["law"].tolist() == list(lf.laws)
    assert fits.index["on"].tolist() == list(asked["on"].values())
    assert fits.rows.tolist() == [len(table[laws[id_].target]) for id_, table in data.items()]
    for id_, fit in zip(lf.laws, fits, strict=True):
        check_recovered(lf.laws[id_], fit)


def test_one_call_finds_every_law_in_noise():
    laws = {id_: held(law) for id_, law in lf.laws.items() if id_ not in CURVED}
    fits = quiet(lf.fit_many, laws, {id_: noisy(lf.laws[id_]) for id_ in laws},
                 on={id_: law.usual.space for id_, law in laws.items()})
    for id_, fit in zip(laws, fits, strict=True):
        check_within_errors(lf.laws[id_], fit)


def test_every_fit_is_the_one_that_fit_makes(every_law):
    laws, data, asked, fits = every_law
    for number in range(0, len(fits), 9):
        id_ = fits.index["law"][number]
        alone = quiet(lf.fit, laws[id_], data[id_], on=asked["on"][id_], loss=asked["losses"][id_])
        same(fits[number], alone)
    once = quiet(lf.fit_many, laws, data, **asked, threads=1)
    for name, column in fits.table().items():
        np.testing.assert_array_equal(once.table()[name], column, err_msg=name)


def test_spaces_losses_subsets_and_groups_by_law():
    data = tables()
    fits = lf.fit_many(LAWS, data, by="run", weights="w",
                       on={"line": ["linear", "log"], "curve": "log"},
                       losses={"line": "squared", "curve": [lf.Huber(0.1), "squared"]},
                       subsets={"all": None, "heavy": "w > 1.1"})
    assert len(fits) == 2 * 2 * 3 + 2 * 2 * 6
    assert fits.index["run"][:6].tolist() == [0, 1, 2] * 2
    assert fits.index["run"][12:18].tolist() == list(range(100, 106))
    assert np.isnan(fits.params["a"][12:]).all() and np.isfinite(fits.params["a"][:12]).all()
    curve = fits.where(law="curve", loss=lf.Huber(0.1), run=103, subset="heavy")
    own = data["curve"]
    mask = (own["run"] == 103) & (own["w"] > 1.1)
    alone = lf.fit(CURVE, own, weights="w", on="log", loss=lf.Huber(0.1), where=mask)
    same(curve[0], alone)
    assert curve.stderr["d"][0] == pytest.approx(alone.stderr["d"], rel=1e-12)
    assert fits.where(run=[2, 105]).index["law"].tolist() == ["line"] * 4 + ["curve"] * 4
    assert fits[[30, 3, 12]].params["c"].tolist()[1:] == pytest.approx(
        [np.nan, fits.params["c"][12]], nan_ok=True)


def test_what_results_can_do(tmp_path):
    data = tables()
    fits = lf.fit_many(LAWS, data, on={"line": ["linear", "relative"], "curve": "log"})
    assert "2 laws on tables of their own: 3 fits; 72 rows in all" in str(fits)
    assert fits.to_pandas()["law"].tolist() == ["line", "line", "curve"]
    ranking = fits.rank("aicc")
    assert ranking.fits.index["law"].tolist() == ["line", "line", "curve"]
    assert ranking.weight[2] == 1.0, "laws on other data are not compared"
    alone = lf.fit_many(LINE, data["line"], on=["linear", "relative"])
    np.testing.assert_allclose(ranking.score[:2], alone.rank("aicc").score, rtol=1e-12)
    np.testing.assert_allclose(fits.rank("cv", on="linear").score[:2],
                               alone.rank("cv", on="linear").score, rtol=1e-12)
    boots = fits[[2, 0]].bootstrap(40, seed=5)
    np.testing.assert_array_equal(boots.params["b"][1], fits[0].bootstrap(40, seed=5).params["b"])
    np.testing.assert_array_equal(boots.params["e"][0], fits[2].bootstrap(40, seed=5).params["e"])
    assert np.isnan(boots.params["b"][0]).all()
    clusters = fits.bootstrap(40, "cluster", by="run", seed=5)
    mine = fits[2].bootstrap(40, "cluster", by="run", seed=5)
    np.testing.assert_array_equal(clusters.params["e"][2], mine.params["e"])
    fits[1:].save(tmp_path / "several.fits")
    again = lf.load(tmp_path / "several.fits")
    for name, column in fits[1:].table().items():
        np.testing.assert_array_equal(again.table()[name], column, err_msg=name)
    same(again[1], fits[2])
    assert again[1].predict(t=2e3) == fits[2].predict(t=2e3)


def test_large_tables_beside_small_ones():
    x = np.arange(140_000.0)
    data = {**tables(), "large": {"x": x, "y": 3 - 0.5 * x + np.sin(x)}}
    laws = {**LAWS, "large": LINE}
    two, one = (lf.fit_many(laws, data, threads=threads) for threads in (2, 1))
    same(two[2], lf.fit(LINE, data["large"]))
    same(two[1], lf.fit(CURVE, data["curve"]))
    for name, column in two.table().items():
        np.testing.assert_array_equal(one.table()[name], column, err_msg=name)
    again = pickle.loads(pickle.dumps(two))
    assert again.params["e"][1] == two.params["e"][1]


def test_numbers_of_likelihoods():
    data = tables()
    fits = lf.fit_many(LAWS, data, losses={"line": lf.Gaussian(), "curve": "squared"})
    alone = lf.fit(LINE, data["line"], loss=lf.Gaussian())
    name, = fits.nuisance
    assert fits.nuisance[name][0] == alone.nuisance[name] and np.isnan(fits.nuisance[name][1])
    assert fits.log_likelihood[0] == pytest.approx(alone.log_likelihood, rel=1e-12)


def test_one_law_with_its_table_is_an_ordinary_call():
    data = tables()
    fits = lf.fit_many({"line": LINE}, {"line": data["line"]}, on={"line": "linear"})
    same(fits[0], lf.fit(LINE, data["line"]))
    assert str(fits) == str(lf.fit_many({"line": LINE}, data["line"]))


def test_frames_and_records_are_tables():
    pandas = pytest.importorskip("pandas")
    data = tables()
    records = np.rec.fromarrays([data["line"]["x"], data["line"]["y"]], names="x,y")
    fits = lf.fit_many(LAWS, {"line": records, "curve": pandas.DataFrame(data["curve"])})
    plain = lf.fit_many(LAWS, data)
    for name in ("a", "e"):
        np.testing.assert_array_equal(fits.params[name], plain.params[name])


def test_limits_hold_for_the_whole_call():
    laws, done = {f"law{k}": CURVE for k in range(6)}, []
    data = dict.fromkeys(laws, tables(400)["curve"])
    lf.fit_many(laws, data, progress=lambda *at: done.append(at))
    assert done[-1] == (6, 6) and all(total == 6 for _, total in done)
    fits = quiet(lf.fit_many, laws, data, max_seconds=1e-9)
    assert set(fits.status) == {"time_limit"}
    with pytest.raises(RuntimeError, match="enough"):
        lf.fit_many(dict.fromkeys(map(str, range(40)), CURVE),
                    dict.fromkeys(map(str, range(40)), tables(20_000)["curve"]), by="run",
                    progress=lambda *_: (_ for _ in ()).throw(RuntimeError("enough")))


@pytest.mark.parametrize(("change", "expected"), [
    ({"data": {"line": {"x": [1], "y": [2]}}},
     "data: there are tables by law, but none for 'curve'"),
    ({"data": {**tables(), "curv": {"x": [1]}}},
     "data: 'curv' has a table and is none of the laws; "
                                                 "did you mean 'curve'"),
    ({"on": {"line": "log"}}, "on: there is nothing for 'curve'"),
    ({"losses": {"line": "squared", "curves": "squared"}}, "losses: 'curves' is none of the laws"),
    ({"weights": np.ones(24)}, "weights: one value a row does not say of which table"),
    ({"subsets": {"all": None, "big": np.ones(24, bool)}}, "subsets: one value a row"),
    ({"share": "a", "by": "run"}, "share: laws with tables of their own cannot share"),
    ({"by": "seed"}, "law 'line': by: column 'seed' is not in the data"),
    ({"y": "y"}, "law 'curve': y: column 'y' is not in the data"),
])
def test_refusals(change, expected):
    with pytest.raises(ValueError) as told:
        lf.fit_many(**{"laws": LAWS, "data": tables(), **change})
    assert expected in str(told.value)


def test_refusals_of_kinds():
    with pytest.raises(TypeError, match="data: other laws have tables, but the entry of 'curve'"):
        lf.fit_many(LAWS, {**tables(), "curve": [1.0]})
    with pytest.raises(TypeError, match="on: a dict law name -> on needs a table for each law"):
        lf.fit_many(LINE, tables()["line"], on={"line": "log"})
    fits = lf.fit_many(LAWS, tables())
    with pytest.raises(ValueError, match="rank: these laws have tables of their own"):
        fits.rank("holdout", holdout=np.ones(24, bool))
    with pytest.raises(ValueError, match="shared: these groups were fitted alone"):
        _ = fits.shared
