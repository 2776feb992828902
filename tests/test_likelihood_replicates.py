"""Parametric replicates of likelihoods: what is drawn, and what comes out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

import lawfit as lf

ONE = lf.Law("a*x", variables=("x",))  # of one row: the estimate is what was drawn


def draws(loss: Any, centre: float, n: int = 20_000, **columns: Any) -> np.ndarray:
    most = 1 if loss.name == "binomial" else None
    law = ONE if loss.name == "student_t" else ONE.bound(a=(0, most))
    fit = lf.fit(law, {"x": [1.0], "y": [centre]}, "y", loss=loss, **columns)
    boot = fit.bootstrap(n, "parametric", check=0, seed=11)
    assert boot.failed == 0
    return boot.params["a"]


def frequencies_agree(counts: np.ndarray, distribution: Any) -> None:
    """Chi-square over cells of at least 20 expected counts."""
    whole = np.round(counts)
    np.testing.assert_allclose(counts, whole, rtol=1e-6, atol=1e-6)
    edges = np.unique(distribution.ppf(np.linspace(0, 1, 42)[1:-1]))
    cells = np.diff(np.r_[0.0, distribution.cdf(edges), 1.0])
    seen = np.bincount(np.searchsorted(edges, whole), minlength=len(cells))
    keep = cells * len(counts) > 20
    expected = np.r_[cells[keep], cells[~keep].sum()] * len(counts)
    found = np.r_[seen[keep], seen[~keep].sum()]
    used = expected > 1e-6
    statistic = ((found - expected)[used] ** 2 / expected[used]).sum()
    assert scipy.stats.chi2.sf(statistic, used.sum() - 1) > 1e-4
    error = distribution.std() / np.sqrt(len(counts))
    assert abs(counts.mean() - distribution.mean()) < 4 * error
    kurtosis = float(distribution.stats("k"))
    assert abs(counts.var() / distribution.var() - 1) < 4 * np.sqrt((kurtosis + 2) / len(counts))


@pytest.mark.parametrize("mean", [0, 1, 9, 10, 57, 400, 10**6])
def test_poisson_draws(mean: int) -> None:
    if mean == 0:
        assert (draws(lf.Poisson(), 0.0, 100) == 0).all()
    else:
        frequencies_agree(draws(lf.Poisson(), mean), scipy.stats.poisson(mean))


@pytest.mark.parametrize(("mean", "size"), [(3, 0.3), (8, 5.0), (300, 2.0), (300, 1e7)])
def test_negative_binomial_draws(mean: int, size: float) -> None:
    frequencies_agree(draws(lf.NegativeBinomial(size), mean),
                      scipy.stats.nbinom(size, size / (size + mean)))


@pytest.mark.parametrize(("trials", "won"), [(1, 1), (12, 5), (12, 11), (1000, 4), (1000, 300),
                                             (1000, 985), (10**7, 10**4)])
def test_binomial_draws(trials: int, won: int) -> None:
    found = draws(lf.Binomial(trials), won / trials)
    if won == trials:
        np.testing.assert_allclose(found, 1.0, rtol=1e-9)
    else:
        frequencies_agree(found * trials, scipy.stats.binom(trials, won / trials))


@pytest.mark.parametrize(("nu", "scale"), [(1.0, 2.0), (4.0, 0.1), (1e9, 3.0), (np.inf, 3.0)])
def test_students_t_draws(nu: float, scale: float) -> None:
    found = draws(lf.StudentT(nu, scale), 7.0)
    known = scipy.stats.t(nu, 7.0, scale) if np.isfinite(nu) else scipy.stats.norm(7.0, scale)
    assert scipy.stats.kstest(found, known.cdf).pvalue > 1e-3


def test_draws_with_sigma_scale_with_it() -> None:
    found = draws(lf.StudentT(5.0, 0.5), 2.0, sigma=[3.0])
    assert scipy.stats.kstest(found, scipy.stats.t(5.0, 2.0, 1.5).cdf).pvalue > 1e-3
    found = draws(lf.StudentT(5.0, 0.1), 2.0, on="log")
    logs = scipy.stats.t(5.0, np.log(2.0), 0.1)
    assert scipy.stats.kstest(np.log(found), logs.cdf).pvalue > 1e-3
    found = draws(lf.StudentT(5.0, 0.1), 2.0, on="relative")
    assert scipy.stats.kstest(found, scipy.stats.t(5.0, 2.0, 0.2).cdf).pvalue > 1e-3


# ---- replicates of fits ----


def table(n: int, seed: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 2, n)
    mean, trials = np.exp(1 + 0.7 * x), rng.integers(5, 60, n)
    return {
        "x": x, "run": np.arange(n) % 3, "trials": trials.astype(float),
        "poisson": rng.poisson(mean).astype(float),
        "over": rng.negative_binomial(3, 3 / (3 + mean)).astype(float),
        "won": rng.binomial(trials, 1 / (1 + np.exp(-0.3 - 1.2 * x))) / trials,
        "heavy": 1 + 0.7 * x + 0.2 * rng.standard_t(4, n), "w": rng.uniform(0.5, 2, n),
    }


CASES = [
    ("exp(a + b*x)", "poisson", lf.Poisson()), ("exp(a + b*x)", "over", lf.NegativeBinomial()),
    ("exp(a + b*x)", "over", lf.NegativeBinomial(3)),
    ("logistic(a + b*x)", "won", lf.Binomial("trials")), ("a + b*x", "heavy", lf.StudentT()),
    ("a + b*x", "heavy", lf.StudentT(4.0)), ("a + b*x", "heavy", lf.Gaussian()),
    ("a + b*x", "heavy", lf.Gaussian(0.3)),
]


@pytest.mark.parametrize(("law", "y", "loss"), CASES, ids=lambda case: str(case))
def test_standard_errors_are_those_of_the_information(law: str, y: str, loss: Any) -> None:
    fit = lf.fit(law, table(300), y, loss=loss)
    boot = fit.bootstrap(2000, "parametric", seed=5)
    assert boot.failed == 0
    for name, error in boot.stderr().items():  # 1.6 % is sampling, the rest of order 1/n
        assert error == pytest.approx(fit.stderr[name], rel=0.07)
    for name in set(fit.nuisance) & {"alpha", "scale"}:
        own = boot.nuisance[name].std()
        assert own == pytest.approx(fit.nuisance_stderr[name], rel=0.12)
    plain, student = boot.interval(0.9), boot.interval(0.9, "studentized")
    for name in ("a", "b"):
        width = np.ptp(fit.interval(0.9, "wald")[name])
        assert np.ptp(plain[name]) == pytest.approx(width, rel=0.1)
        assert np.ptp(student[name]) == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize(("law", "y", "loss"), CASES, ids=lambda case: str(case))
def test_many_are_the_single_ones_for_any_number_of_threads(law: str, y: str, loss: Any) -> None:
    data = table(90)
    fits = lf.fit_many(law, data, y, by="run", losses=loss)
    boots = fits.bootstrap(60, "parametric", seed=3, threads=1)
    again = fits.bootstrap(60, "parametric", seed=3, threads=3)
    single = fits[1].bootstrap(60, "parametric", seed=3, check=0, threads=2)
    for name in ("a", "b"):
        np.testing.assert_array_equal(boots.params[name], again.params[name])
        np.testing.assert_allclose(single.params[name], boots.params[name][1], rtol=1e-12)
    low, high = boots.interval(0.9, "studentized")["b"]
    assert (low < fits.params["b"]).all() and (fits.params["b"] < high).all()


def test_checked_replicates_are_fits_of_what_was_drawn() -> None:
    for law, y, loss in CASES:
        boot = lf.fit(law, table(60), y, loss=loss).bootstrap(40, "parametric", check=1.0)
        assert boot.checked == 40 and boot.other_basin == 0


def test_a_null_is_what_is_drawn_under() -> None:
    data = table(80)
    fit = lf.fit("exp(a + b*x)", data, "over", loss=lf.NegativeBinomial())
    boot = fit.bootstrap(600, "parametric", null={"b": 0.0})
    assert abs(boot.params["b"].mean()) < 4 * boot.params["b"].std() / np.sqrt(600)
    assert boot.derive("b").p_value(0.0) < 0.05


def test_weights_say_how_a_row_counts() -> None:
    """Not how it scatters, but for normal errors, where both are the same."""
    data = table(200) | {"w": np.r_[np.full(100, 1.0), np.full(100, 9.0)]}
    normal = lf.fit("a + b*x", data, "heavy", weights="w", loss=lf.Gaussian())
    boot = normal.bootstrap(2000, "parametric")
    assert boot.stderr()["b"] == pytest.approx(normal.stderr["b"], rel=0.07)
    counts = lf.fit("exp(a + b*x)", data, "poisson", weights="w", loss=lf.Poisson())
    boot = counts.bootstrap(2000, "parametric")
    x = np.stack([np.ones(200), data["x"]], axis=1)
    information = x.T @ (x * (data["w"] * counts.fitted)[:, None])
    scores = x.T @ (x * (data["w"] ** 2 * counts.fitted)[:, None])
    bread = np.linalg.inv(information)
    assert boot.stderr()["b"] == pytest.approx(np.sqrt((bread @ scores @ bread)[1, 1]), rel=0.07)


def test_what_cannot_be_drawn_is_refused() -> None:
    data = table(40)
    poisson = lf.fit("exp(a + b*x)", data, "poisson", loss=lf.Poisson())
    with pytest.raises(ValueError, match="noise: loss poisson says itself how values scatter"):
        poisson.bootstrap(5, "parametric", noise="constant")
    shares = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial())
    with pytest.raises(ValueError, match=r"row 0 of those used has a share of .* of one trial"):
        shares.bootstrap(5, "parametric")
    halves = lf.fit("logistic(a + b*x)", data, "won", loss=lf.Binomial(data["trials"] + 0.5))
    with pytest.raises(ValueError, match=r"has \d+\.5 trials; fit with Binomial"):
        halves.bootstrap(5, "parametric")
    with pytest.raises(ValueError, match="noise: loss poisson says itself"):
        lf.fit_many("exp(a + b*x)", data, "poisson", by="run", losses=lf.Poisson()).bootstrap(
            5, "parametric", noise="constant")
