"""What can be asked of many fits: tables, files, rankings, text."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from samples import TWO_TERMS, check_expected, two_term_table
from test_archive import same
from test_many import bits, bounded, quiet, runs

import lawfit as lf
from lawfit.archive_fits import VERSION
from lawfit.held_out import fold_masks

CASES = {
    "keys": lambda: quiet(TWO_TERMS, runs(4), by=["seed", "kind"], on=["linear", "log"]),
    "laws": lambda: quiet({"free": TWO_TERMS, "tied": bounded()}, runs(3), by="seed", weights="w",
                          subsets={"all": None, "large": "N > 1e8"}, nan="drop",
                          losses=[lf.Huber(1e-2), "squared"], max_seconds=60.0),
    "starts": lambda: quiet(TWO_TERMS, runs(3), by="kind", starts=4, keep_starts=True, sigma="w"),
    "part": lambda: quiet(TWO_TERMS, runs(5), by="seed", where="not diverged")[[3, 1]],
    "failed": lambda: quiet("y = a + b*x", {"x": [1.0], "y": [1.0]}),
}


def equal_tables(one, other):
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("name", CASES)
def test_saved_fits_come_back(name, tmp_path):
    fits = CASES[name]()
    fits.save(tmp_path / "some.fits")
    for back in (lf.load(tmp_path / "some.fits"), pickle.loads(pickle.dumps(fits))):
        assert bits(back) == bits(fits) and str(back) == str(fits)
        equal_tables(back.table(), fits.table())
        for i in (0, len(fits) - 1):
            same(back[i], fits[i])
    assert list(tmp_path.iterdir()) == [tmp_path / "some.fits"]  # no part file stays


def test_files_that_hold_no_fits_are_refused(tmp_path):
    fits = CASES["part"]()
    path = tmp_path / "some.fits"
    fits.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"some.fits does not hold saved fits"):
        lf.load(path)
    np.savez(tmp_path / "other.npz", x=[1.0])
    with pytest.raises(ValueError, match=r"other.npz does not hold saved fits"):
        lf.load(tmp_path / "other.npz")
    later = f'"version": {VERSION + 1}, '.encode()
    path.write_bytes(content.replace(f'"version": {VERSION}, '.encode(), later))
    with pytest.raises(ValueError, match="some.fits"):  # the zip's own check sum, or the version
        lf.load(path)
    with pytest.raises(FileNotFoundError):
        lf.load(tmp_path / "missing.fits")
    keys = np.fromiter([("a", 1), ("b", 2), ("a", 1)], dtype=object, count=3)
    tuples = quiet("y = a*x", {"x": [1.0, 2, 3], "y": [1.0, 2, 3.5], "k": keys}, by="k")
    with pytest.raises(ValueError, match="the key 'k' holds objects of type tuple"):
        tuples.save(path)


def test_tables_of_other_libraries():
    fits = quiet(TWO_TERMS, runs(3), by=["seed", "kind"])
    table = fits.table()
    assert list(table)[:6] == ["law", "on", "loss", "subset", "seed", "kind"]
    assert {"rows", "alpha", "alpha_stderr", "objective", "status", "converged"} < set(table)
    assert all(len(column) == len(fits) for column in table.values())
    for library, method, listed in (("pandas", "to_pandas", "to_list"),
                                    ("polars", "to_polars", "to_list"),
                                    ("pyarrow", "to_arrow", "to_pylist")):  # fmt: skip
        pytest.importorskip(library)
        frame = getattr(fits, method)()
        for name, column in table.items():
            np.testing.assert_array_equal(np.array(getattr(frame[name], listed)()), column)


def test_names_that_clash_are_told_apart():
    data = {"x": [1.0, 2, 3, 4], "y": [1.0, 2.2, 2.9, 4.1]}
    fits = quiet("y = objective + status*x", data)
    table = fits.table()
    assert table["parameter_status"][0] == fits.params["status"][0]
    assert table["status"].tolist() == ["converged"]


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="pip install polars"):
        CASES["failed"]().to_polars()


# ---- ranking ------------------------------------------------------------------------------------


def density(fit, by):
    """AICc or BIC from the density of y under normal errors, written out row by row."""
    rows, n, k = fit.rows, len(fit.rows), len(fit.law.free) + 1
    weight = np.ones(n) if rows.weights is None else rows.weights
    sigma = np.ones(n) if rows.sigma is None else rows.sigma
    slope = {"linear": np.ones(n), "log": 1 / rows.y, "relative": 1 / rows.y,
             "logit": 1 / (rows.y * (1 - rows.y))}[fit.on]  # fmt: skip
    scaled = fit.residuals / sigma * np.sqrt(weight)
    scale = np.sqrt(np.mean(scaled**2)) * sigma / np.sqrt(weight)
    logs = (np.log(slope) - np.log(scale) - 0.5 * np.log(2 * np.pi)
            - 0.5 * (fit.residuals / scale) ** 2)  # fmt: skip
    penalty = {"bic": k * np.log(n), "aicc": 2 * k + 2 * k * (k + 1) / (n - k - 1)}
    return -2 * logs.sum() + penalty[by]


@pytest.mark.parametrize("by", ["aicc", "bic"])
@pytest.mark.parametrize("scale", [{}, {"weights": "w"}, {"sigma": "w"}])
def test_the_criteria_are_those_of_the_density_of_y(by, scale):
    table = runs(3, seed=1)
    table["loss"] /= 10  # shares, so that logit is defined
    fits = quiet([TWO_TERMS, "loss = E + A/N**alpha"], table, by="seed",
                 on=["linear", "log", "logit", "relative"],
                 subsets={"all": None, "large": "N > 1e8"}, **scale)
    ranking = fits.rank(by)
    assert len(ranking.fits) == len(fits)
    known = 0
    for i in range(len(fits)):
        fit = ranking.fits[i]
        if np.isfinite(ranking.score[i]):
            assert ranking.score[i] == pytest.approx(density(fit, by), rel=1e-9)
            known += 1
    assert known > len(fits) / 2


def test_the_best_of_each_set_of_equal_rows_comes_first():
    fits = quiet([TWO_TERMS, "loss = E + A/N**alpha"], runs(4), by="seed", on=["linear", "log"],
                 subsets={"all": None, "large": "N > 1e8"})  # fmt: skip
    ranking = fits.rank("bic")
    sets = list(zip(ranking.fits.index["subset"], ranking.fits.index["seed"], strict=True))
    for at in range(0, len(fits), 4):
        assert len(set(sets[at : at + 4])) == 1
        score, weight = ranking.score[at : at + 4], ranking.weight[at : at + 4]
        good = np.isfinite(score)
        assert ranking.place[at : at + 4].tolist() == [1, 2, 3, 4]
        assert (np.diff(score[good]) >= 0).all() and (~good).tolist() == sorted(~good)
        if good.any():
            assert ranking.delta[at] == 0 and weight.sum() == pytest.approx(1)
    assert len(ranking.best) == 8
    assert (ranking.best.index["law"][np.isfinite(ranking.score[::4])] == TWO_TERMS).all()
    equal_tables(ranking.table(), fits.rank("bic").table())


def test_the_true_law_and_space_win():
    table = two_term_table(0.03, seed=5)
    fits = quiet([TWO_TERMS, "loss = E + A/N**alpha"], table, on=["linear", "log"])
    best = fits.rank("aicc").best
    assert (best.index["law"][0], best.index["on"][0]) == (TWO_TERMS, "log")


@pytest.mark.parametrize(("by", "losses", "match"), [
    ("aicc", lf.Huber(0.1), "aicc needs a likelihood, which the loss huber:0.1 is not"),
    ("bic", ["squared", "absolute"], r"fits.where\(loss='squared'\)"),
    ("holdout", "squared", "needs holdout="),
    ("r2", "squared", "unknown criterion 'r2'; choose from aic, aicc, bic, cv, holdout"),
])
def test_rankings_that_would_mislead_are_refused(by, losses, match):
    fits = quiet(TWO_TERMS, two_term_table(0.01), losses=losses)
    with pytest.raises(ValueError, match=match):
        fits.rank(by)


def refitted(fits, i, left_out):
    """Squared errors in log, and weights, of fit i made anew without some rows, on those rows."""
    fit, rows = fits[i], fits[i].rows
    out = left_out[rows.positions]
    table = {"N": rows.columns["N"], "D": rows.columns["D"], "loss": rows.y}
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    again = lf.fit(fit.law, table, on=fit.on, loss=fit.loss, where=~out, weights=weights)
    law = fit.law(**{n: c[out] for n, c in rows.columns.items()}, **again.params)
    return weights[out] * (np.log(rows.y[out]) - np.log(law)) ** 2, weights[out]


@pytest.mark.parametrize("weights", [None, "w"])
def test_held_out_errors_are_those_of_fits_made_without_the_rows(weights):
    table = runs(4, seed=2)
    left_out = table["N"] > 2e9
    law = lf.Law(TWO_TERMS, ("N", "D")).bound(E=(1, 3), alpha=(0, 1), beta=(0, 1))
    fits = quiet({"two": law}, table, by="kind", on=["linear", "log"], weights=weights,
                 losses=["squared", lf.Huber(1e-2)], subsets={"all": None, "large": "N > 1e8"})
    ranking = fits.rank("holdout", holdout=left_out)
    assert np.isfinite(ranking.score).all() and np.isnan(ranking.weight).all()
    for i in range(len(fits)):
        squares, weight = refitted(ranking.fits, i, left_out)
        expected = np.sqrt(squares.sum() / weight.sum())
        assert ranking.score[i] == pytest.approx(expected, rel=1e-9)
    assert ranking.place.tolist() == [1, 2, 3, 4] * 4


def test_folds_hold_every_row_out_once():
    table = runs(4)
    fits = quiet([TWO_TERMS, "loss = E + A/N**alpha"], table, by="kind", on="log")
    masks = fold_masks(fits.batch, 5, seed=3)
    assert (np.sum(masks, axis=0) == 1).all()
    for group in range(2):
        sizes = [mask[fits.batch.groups.ids == group].sum() for mask in masks]
        assert max(sizes) - min(sizes) <= 1
    ranking = fits.rank("cv", folds=5, seed=3)
    assert ranking.best.index["law"].tolist() == [TWO_TERMS] * 2
    squares = np.concatenate([refitted(ranking.fits, 0, mask)[0] for mask in masks])
    assert ranking.score[0] == pytest.approx(np.sqrt(squares.mean()), rel=1e-7)
    assert ranking.score.tobytes() == fits.rank("cv", folds=5, seed=3).score.tobytes()
    assert ranking.score.tobytes() != fits.rank("cv", folds=5, seed=4).score.tobytes()
    assert fits.rank("cv", on="linear").score[0] != fits.rank("cv").score[0]
    for asked, match in (({"by": "cv", "folds": 1}, "folds"), ({"by": "cv", "on": "logs"}, "logs"),
                         ({"by": "holdout", "holdout": [True]}, "one value for each of the 75")):
        with pytest.raises(ValueError, match=match):
            fits.rank(**asked)


# ---- text ---------------------------------------------------------------------------------------


def test_what_is_printed():
    fits = quiet([TWO_TERMS, "loss = E + A/N**alpha"], runs(4), by="seed", on=["linear", "log"])
    check_expected("fits.txt", f"{fits}\n\n{fits.failed}\n\n{fits.rank('bic')}\n\n{fits[:0]}")
    assert repr(fits) == "Fits(16 fits: 12 converged, 4 too_few_points)"
