"""What joint fits give: single fits, files, ranking, replicates; their limits, and what is refused."""

from __future__ import annotations

import pickle

import lawfit as lf
import numpy as np
import pytest
from joint_samples import LAW, curves, quiet


def test_one_fit_of_many():
    fits = lf.fit_many(LAW, curves(), by="run", share="alpha", on="log")
    fit = fits[4]
    assert fit.joint.shared == ("alpha",) and fit.joint.groups == 20 and fit.joint.freedom == 199
    assert fit.stderr["E"] == pytest.approx(fits.stderr["E"][4])
    text = str(fit)
    assert "shared" in text and "joint fit of 20 groups, 240 rows, 41 parameters" in text
    assert "together with 19 other groups" in text and "shared by 20 groups: alpha" in str(fits)
    with pytest.warns(lf.FitWarning, match="intervals from 12 rows"):
        mean, new = (fit.predict(N=1e9, level=0.95, kind=kind) for kind in ("mean", "new"))
    assert new.low < mean.low < mean.value == new.value < mean.high < new.high
    assert fit.derive("A*1e-6").stderr == pytest.approx(fit.stderr["A"] * 1e-6, rel=1e-6)
    with pytest.warns(lf.FitWarning, match="intervals from 12 rows"):
        assert set(fit.interval()) == {"E", "A", "alpha"}
    for call, instead in (
        (lambda: fit.bootstrap(10), r"fits\.bootstrap"), (lambda: fit.profile("E"), "bootstrap"),
        (lambda: fit.interval(method="profile"), "wald"), (lambda: fit.diagnose(), "alone"),
    ):
        with pytest.raises(ValueError, match=f"shares alpha with 19 other groups.*{instead}"):
            call()
    assert fit.to_dict()["joint"]["parameters"] == 41


def test_saved_and_pickled(tmp_path):
    fits = lf.fit_many(LAW, curves(), by="run", share="alpha", on="log")
    fits.save(tmp_path / "fits")
    again = lf.load(tmp_path / "fits")
    assert again.shared.params == fits.shared.params and again.shared.stderr == fits.shared.stderr
    assert str(again) == str(fits)
    fits[2].save(tmp_path / "fit.json")
    one = lf.load(tmp_path / "fit.json")
    assert str(one) == str(fits[2]) and (one.covariance() == fits[2].covariance()).all()
    assert pickle.loads(pickle.dumps(fits[2])).stderr == fits[2].stderr
    with pytest.raises(ValueError, match="only the 'jacobian' covariance came with it"):
        one.covariance("sandwich")


def test_crossings_and_ranking():
    table = curves(noise=0.02)
    laws = {"power": "E + A/N**alpha", "flat": "E + A/N**alpha + 0*N"}
    fits = lf.fit_many(laws, table, "loss", by="run", share="alpha", on=["log", "linear"],
                       subsets={"all": None, "large": "N > 1e7"})
    assert len(fits) == 2 * 2 * 2 * 20
    one = lf.fit_many(LAW, table, by="run", share="alpha", on="linear", where="N > 1e7")
    same = fits.where(law="power", on="linear", subset="large")
    assert same.shared.objective == pytest.approx(one.shared.objective, rel=1e-13)
    with pytest.raises(ValueError, match="8 joint fits here"):
        fits.shared  # noqa: B018
    log = fits.where(law="power", on="log", subset="all")
    n, k = 240, 42  # one exponent, two of each group's own, the scale
    scored = log.rank("aicc").score
    variance = 2 * log.shared.objective / n
    likelihood = -0.5 * n * (np.log(2 * np.pi * variance) + 1) - np.log(table["loss"]).sum()
    np.testing.assert_allclose(scored, -2 * likelihood + 2 * k * n / (n - k - 1), rtol=1e-12)
    own, shared = (quiet(LAW, table, by="run", share=share, on="log").rank("cv", seed=1).score
                   for share in (None, "alpha"))
    assert np.mean(shared) < np.mean(own)


def test_bootstrap_agrees_with_the_errors():
    fits = lf.fit_many(LAW, curves(groups=12, rows=16), by="run", share="alpha", on="log")
    boots = fits.bootstrap(400, seed=1)
    robust = np.sqrt(fits.shared.covariance("sandwich")[0, 0])
    assert boots.failed.sum() == 0
    assert boots.stderr()["alpha"][0] == pytest.approx(robust, rel=0.2)
    clusters = fits.bootstrap(400, "cluster", by="run", seed=1)
    assert np.isnan(clusters.params["E"]).any(axis=1).all()  # groups that were not drawn
    assert np.isfinite(clusters.params["alpha"]).all()
    expected = np.sqrt(fits.shared.covariance(by="run")[0, 0])
    assert clusters.stderr()["alpha"][0] == pytest.approx(expected, rel=0.3)
    low, high = fits.bootstrap(400, seed=1).interval(0.95, "bca")["alpha"]
    assert (low < fits.params["alpha"]).all() and (fits.params["alpha"] < high).all()
    for method, wrong in (("residual", "choose from"), ("wild", "choose from")):
        with pytest.raises(ValueError, match=wrong):
            fits.bootstrap(10, method)
    with pytest.raises(ValueError, match="check"):
        fits.bootstrap(10, check=0.5)
    with pytest.raises(ValueError, match="studentized"):
        boots.interval(method="studentized")


def test_a_replicate_is_the_joint_fit_of_its_rows():
    """Weights that are counts: the same optimum as the fit of the rows drawn."""
    table = curves(groups=5)
    fits = lf.fit_many(LAW, table, by="run", share="alpha", on="log")
    left_out = fits.bootstrap(None, "jackknife", by="run")
    for key in range(5):
        kept = table["run"] != fits.index["run"][key]
        rest = lf.fit_many(LAW, {name: column[kept] for name, column in table.items()}, by="run",
                           share="alpha", on="log")
        at = [fits.index["run"].tolist().index(k) for k in rest.index["run"].tolist()]
        column = table["run"][np.sort(np.unique(table["run"], return_index=True)[1])].tolist()
        number = column.index(fits.index["run"][key])  # clusters are counted as they appear
        np.testing.assert_allclose(left_out.params["E"][at, number], rest.params["E"], rtol=1e-7)


def test_given_starts():
    table = curves()
    auto = lf.fit_many(LAW, table, by="run", share="alpha", on="log")
    fits = lf.fit_many(LAW, table, by="run", share="alpha", on="log",
                       starts={"E": 1.0, "A": 100.0, "alpha": [0.2, 0.5]})
    np.testing.assert_allclose(fits.params["E"], auto.params["E"], rtol=1e-8)
    each = np.stack([auto.params[name] for name in ("E", "A", "alpha")], axis=1)[:, None, :]
    again = lf.fit_many(LAW, table, by="run", share="alpha", on="log", starts=each)
    np.testing.assert_allclose(again.params["E"], auto.params["E"], rtol=1e-8)


def test_limits_and_progress():
    table = curves(groups=50)
    told = []
    lf.fit_many(LAW, table, by="run", share="alpha", progress=lambda *a: told.append(a))
    assert told[-1] == (50, 50)
    slow = quiet(LAW, table, by="run", share="alpha", max_seconds=1e-6)
    assert slow.shared.status == "time_limit" and not slow.converged.any()
    short = quiet(LAW, table, by="run", share="alpha", max_iterations=1)
    assert not short.shared.converged

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lf.fit_many(LAW, curves(3000), by="run", share="alpha", progress=stop)


@pytest.mark.parametrize(("asked", "message"), [
    (dict(share=["beta"]), "'beta' is not a parameter of any law; there are E, A, alpha"),
    (dict(share=[]), "no parameter is named"),
    (dict(share="alpha", by=None), "needs by="),
    (dict(share=["E", "A", "alpha"]), "every free parameter"),
    (dict(share="alpha", losses="absolute"), "the loss absolute has a kink"),
    (dict(share="alpha", losses=["squared", lf.Quantile(0.1)]), "has a kink"),
    (dict(share="alpha", keep_starts=True), "keep_starts"),
    (dict(share=["alpha", "alpha"]), "given twice"),
])  # fmt: skip
def test_what_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        lf.fit_many(LAW, curves(3), **{"by": "run", **asked})


def test_refusals_of_laws_and_results():
    law = lf.Law("loss = E + A/N**alpha", ["N"])
    with pytest.raises(ValueError, match="'alpha' is fixed in the law"):
        lf.fit_many(law.fix(alpha=0.3), curves(3), by="run", share="alpha")
    with pytest.raises(ValueError, match="has none of alpha"):
        lf.fit_many([law, "loss = E + A*log(N)"], curves(3), by="run", share="alpha")
    with pytest.raises(ValueError, match="fitted alone"):
        lf.fit_many(law, curves(3), by="run").shared  # noqa: B018
