"""Likelihoods in many fits, replicates, joint fits, files and the shell."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.genmod.families as families
from samples import counts
from statsmodels.genmod.generalized_linear_model import GLM

import lawfit as lf
from lawfit.cli import main

Table = dict[str, np.ndarray]

LOSSES = [lf.NegativeBinomial(), lf.Poisson(), lf.StudentT(), lf.StudentT(4.0), lf.Gaussian()]


def grouped(groups: int = 12, n: int = 30) -> Table:
    data = counts(8, groups * n)
    return {"x": data["x"], "y": data["over"], "run": np.repeat(np.arange(groups), n)}


@pytest.fixture(scope="module")
def fits() -> lf.Fits:
    return lf.fit_many("exp(a + b*x)", grouped(), "y", by="run", losses=LOSSES, threads=1)


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    ours, theirs = list(one.values()), list(other.values())
    return list(one) == list(other) and np.array_equal(ours, theirs, equal_nan=True)


def test_many_fits_are_the_single_ones_for_any_number_of_threads(fits: lf.Fits) -> None:
    data = grouped()
    threaded = lf.fit_many("exp(a + b*x)", data, "y", by="run", losses=LOSSES, threads=3)
    for name, values in fits.batch.raw[0].items():
        np.testing.assert_array_equal(threaded.batch.raw[0][name], values, err_msg=name)
    for place in range(0, len(fits), 5):
        one, loss, run = fits[place], LOSSES[place // 12], place % 12
        rows = {name: values[data["run"] == run] for name, values in data.items()}
        alone = lf.fit("exp(a + b*x)", rows, "y", loss=loss)
        assert same(one.params, alone.params) and same(one.stderr, alone.stderr)
        assert same(one.nuisance, alone.nuisance)
        assert same(one.nuisance_stderr, alone.nuisance_stderr)
        for name in one.nuisance:
            column = [fits.nuisance[name][place], fits.nuisance_stderr[name][place]]
            np.testing.assert_allclose(column, [one.nuisance[name], one.nuisance_stderr[name]],
                                       rtol=1e-9)
        assert fits.stderr["a"][place] == pytest.approx(one.stderr["a"], rel=1e-9)
        assert fits.log_likelihood[place] == pytest.approx(one.log_likelihood, rel=1e-12)


def test_likelihoods_are_ranked_with_their_own_numbers_counted(fits: lf.Fits) -> None:
    ranking = fits.where(run=3).rank("aicc")
    scores = dict(zip(ranking.fits.index["loss"].tolist(), ranking.score, strict=True))
    for fit in fits.where(run=3):
        own = {"negative_binomial": 1, "student_t": 2, "student_t:nu=4.0": 1, "gaussian": 1}
        k = 2 + own.get(str(fit.loss), 0)
        aicc = -2 * fit.log_likelihood + 2 * k + 2 * k * (k + 1) / (30 - k - 1)
        assert scores[str(fit.loss)] == pytest.approx(aicc, rel=1e-12) == fit.aicc
    assert ranking.best.index["loss"].tolist() == ["negative_binomial"]
    table = fits.table()
    assert {"alpha", "alpha_stderr", "nu", "scale", "sigma", "size"} <= set(table)


def test_replicates_estimate_the_numbers_anew(fits: lf.Fits) -> None:
    boots = fits.bootstrap(40, seed=3, threads=1)
    np.testing.assert_array_equal(fits.bootstrap(40, seed=3, threads=3).params["b"],
                                  boots.params["b"])
    for place in (0, 1, 2, 12, 48):
        fit = fits[place]
        boot = fit.bootstrap(40, seed=3, check=0)
        np.testing.assert_array_equal(boot.params["b"], boots.params["b"][place])
        weights = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=3)
        own = fit.bootstrap(weights=weights)
        for replicate in range(3):
            rows = np.repeat(np.arange(30), weights[replicate])
            table = {"x": fit.rows.columns["x"][rows], "y": fit.rows.y[rows]}
            anew = lf.fit("exp(a + b*x)", table, "y", loss=fit.loss)
            assert own.params["b"][replicate] == pytest.approx(anew.params["b"], rel=1e-6)
            for name, values in own.nuisance.items():
                assert values[replicate] == pytest.approx(anew.nuisance[name], rel=1e-5)
        low, high = boot.interval(0.9, method="studentized")["b"]
        assert low < fit.params["b"] < high


def test_what_a_likelihood_cannot_do_is_refused(fits: lf.Fits) -> None:
    poisson = fits[12]
    for method in ("residual", "wild"):
        with pytest.raises(ValueError, match="choose from pairs, cluster, stratified, parametric"):
            poisson.bootstrap(5, method=method)
    with pytest.raises(ValueError, match="counts or shares and not normal"):
        poisson.predict(x=1.0, level=0.9, kind="new")
    with pytest.raises(ValueError, match="Binomial with trials .* needs a call of its own"):
        lf.fit_many("exp(a + b*x)", grouped(), "y", losses=[lf.Poisson(), lf.Binomial("run")])
    with pytest.raises(ValueError, match="needs a likelihood, which the loss huber:0.1 is not"):
        _ = lf.fit("exp(a + b*x)", grouped(1), "y", loss=lf.Huber(0.1)).aic


def test_groups_that_share_parameters_are_one_likelihood() -> None:
    data = grouped(5)
    fits = lf.fit_many("exp(a + b*x)", data, "y", by="run", share="b", losses=lf.Poisson())
    dummies = (data["run"][:, None] == np.arange(5)).astype(float)
    theirs = GLM(data["y"], np.column_stack([dummies, data["x"]]),
                 family=families.Poisson()).fit(tol=1e-14)
    np.testing.assert_allclose(fits.params["a"], theirs.params[:5], rtol=1e-6)
    np.testing.assert_allclose(fits.params["b"], theirs.params[5], rtol=1e-6)
    np.testing.assert_allclose(fits.stderr["a"], theirs.bse[:5], rtol=1e-4)
    np.testing.assert_allclose(fits.stderr["b"], theirs.bse[5], rtol=1e-4)
    np.testing.assert_allclose(fits.log_likelihood, theirs.llf, rtol=1e-9)
    assert fits.rank("bic").score[0] == pytest.approx(theirs.bic_llf, rel=1e-9)
    for loss in (lf.NegativeBinomial(), lf.StudentT(4), lf.Gaussian()):
        with pytest.raises(ValueError,
                           match="has numbers of its own that joint fits do not estimate"):
            lf.fit_many("exp(a + b*x)", data, "y", by="run", share="b", losses=loss)


def test_profiles_of_counts_are_likelihood_ratios() -> None:
    data = counts(2, 60)
    fit = lf.fit("exp(a + b*x)", data, "poisson", loss=lf.Poisson())
    profile = fit.profile("b", level=0.95)
    for end in profile.interval:
        held = lf.fit(lf.Law("exp(a + b*x)", variables=("x",)).fix(b=end), data, "poisson",
                      loss=lf.Poisson())
        rise = scipy.stats.chi2.ppf(0.95, 1) / 2
        assert held.objective - fit.objective == pytest.approx(rise, rel=1e-6)
    doubled = lf.fit("exp(a + b*x)", data, "poisson", weights=np.full(60, 2.0), loss=lf.Poisson())
    np.testing.assert_allclose(doubled.profile("b").interval, profile.interval, rtol=1e-6)


@pytest.mark.parametrize("loss", [*LOSSES, lf.Binomial("n")], ids=str)
def test_saved_fits_come_back(loss: Any, tmp_path: Any) -> None:
    data = grouped(2) | {"n": np.full(60, 50.0)}
    law = "logistic(a + b*x)" if loss.name == "binomial" else "exp(a + b*x)"
    data["y"] = np.minimum(data["y"] / 50, 1.0) if loss.name == "binomial" else data["y"]
    fit = lf.fit(law, data, "y", loss=loss)
    fit.save(tmp_path / "fit.json")
    again = lf.load(tmp_path / "fit.json")
    assert same(again.nuisance, fit.nuisance) and same(again.nuisance_stderr, fit.nuisance_stderr)
    assert str(again.loss) == str(fit.loss) and again.log_likelihood == fit.log_likelihood
    np.testing.assert_array_equal(again.covariance(), fit.covariance())
    many = lf.fit_many(law, data, "y", by="run", losses=loss)
    many.save(tmp_path / "fits.npz")
    loaded = lf.load(tmp_path / "fits.npz")
    for name, column in many.nuisance.items():
        np.testing.assert_array_equal(loaded.nuisance[name], column)
    assert loaded[1].params == many[1].params


def test_filters_and_missing_cells_apply_before_the_checks() -> None:
    data = counts(3, 40)
    dirty = {name: np.r_[values, values[:3]] for name, values in data.items()}
    dirty["trials"][40:] = [np.nan, 0.0, -3.0]
    keep = np.r_[np.ones(40, bool), [True, False, False]]
    fit = lf.fit("logistic(a + b*x)", dirty, "won", loss=lf.Binomial("trials", counts=True),
                 where=keep, nan="drop")
    clean = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial("trials", counts=True))
    assert fit.params == clean.params
    assert "with trials" in str(fit)


def test_the_shell_takes_likelihoods(tmp_path: Any, capsys: Any) -> None:
    data = counts(6, 60) | {"run": np.repeat([0, 1], 30)}
    file = tmp_path / "runs.csv"
    names = ("x", "trials", "won", "over", "run")
    rows = zip(*(data[name].tolist() for name in names), strict=True)
    file.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))
    arguments = ["fit", str(file), "--law", "logistic(a + b*x)", "--y", "won", "--json"]
    assert main([*arguments, "--loss", "binomial:trials=trials:counts=True"]) == 0
    told = json.loads(capsys.readouterr().out)["fits"][0]
    fit = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial("trials", counts=True))
    assert told["params"] == fit.params and told["log_likelihood"] == fit.log_likelihood
    many = ["fit", str(file), "--law", "exp(a + b*x)", "--y", "over", "--by", "run", "--json"]
    assert main([*many, "--loss", "negative_binomial,poisson"]) == 0
    told = json.loads(capsys.readouterr().out)["fits"]
    assert set(told[0]["nuisance"]) == {"size", "alpha"} and "nuisance" not in told[2]
    assert main([*arguments, "--loss", "poisson", "--on", "log"]) == 2
