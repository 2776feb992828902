"""What each bootstrap draws: against closed forms on lines, and against single fits."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from samples import TWO_TERMS, line_table, two_term_table

import lawfit as lf

LINE = "y = a + b*x"
N = 60


def table(seed=0):
    """A line with noise that grows, in 15 clusters of four whose rows share an error."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 3, N)
    run = np.arange(N) // 4
    shared = rng.normal(size=15)[run]
    y = 1 + 2 * x + (0.2 + 0.2 * x) * rng.normal(size=N) + 0.3 * shared
    return {"x": x, "y": y, "run": run, "name": np.array([f"r{k}" for k in run])}


@pytest.fixture(scope="module")
def line():
    return lf.fit(LINE, table())


def design():
    return np.stack([np.ones(N), table()["x"]], axis=1)


def solve(meat):
    """Standard errors of a and b from the middle of a sandwich."""
    bread = np.linalg.inv(design().T @ design())
    return np.sqrt(np.diag(bread @ meat @ bread))


def hat():
    x = design()
    return np.einsum("ij,jk,ik->i", x, np.linalg.inv(x.T @ x), x)


def expected_errors(line, method):
    x, r, h = design(), line.residuals, hat()
    if method == "residual":
        pool = r / np.sqrt(1 - h)
        return solve(x.T @ x * pool.var())
    if method == "parametric":
        return solve(x.T @ x * (r @ r) / (N - 2))
    if method == "wild":
        scores = x * (r / np.sqrt(1 - h))[:, None]
    else:
        scores = x * r[:, None]
    if method in ("wild by run", "bayesian by run"):
        scores = np.add.reduceat(scores, np.arange(0, N, 4))
    return solve(scores.T @ scores)


@pytest.mark.parametrize("method", ["pairs", "cluster", "residual", "wild", "wild by run",
                                    "parametric", "bayesian", "bayesian by run"])
def test_standard_errors_of_a_line(line, method):
    """To the Monte Carlo error, and to the O(1/n) that weighting few clusters adds."""
    name, _, by = method.partition(" by ")
    by = by or ("run" if name == "cluster" else None)
    found = line.bootstrap(4000, name, by=by).stderr()
    wanted = cluster_errors() if name == "cluster" else expected_errors(line, method)
    wide = 0.15 if name == "bayesian" and by else 0.06
    np.testing.assert_allclose([found["a"], found["b"]], wanted, rtol=wide)


def cluster_errors(replicates=4000):
    """The same bootstrap by hand: 15 clusters drawn, rows stacked, least squares."""
    rng, x, y = np.random.default_rng(7), design(), table()["y"]
    rows = np.arange(N).reshape(15, 4)
    drawn = [rows[rng.integers(0, 15, 15)].ravel() for _ in range(replicates)]
    return np.std([np.linalg.lstsq(x[r], y[r], rcond=None)[0] for r in drawn], axis=0, ddof=1)


def test_stratified_draws_within_strata():
    """Of means that differ between strata only the scatter within is left."""
    rng = np.random.default_rng(1)
    kind = np.repeat([0, 1, 2], 20)
    y = 100.0 * kind + rng.normal(size=60)
    fit = lf.fit("y = a + 0*x", {"x": np.ones(60), "y": y, "kind": kind})
    within = np.mean([y[kind == k].var() for k in range(3)])
    found = fit.bootstrap(4000, "stratified", by="kind").stderr()["a"]
    assert found == pytest.approx(np.sqrt(within / 60), rel=0.05)
    assert fit.bootstrap(400).stderr()["a"] > 20 * found


@pytest.mark.parametrize("by", [None, "run"])
def test_jackknife_leaves_each_unit_out_once(line, by):
    data = table()
    boot = line.bootstrap(method="jackknife", by=by)
    units = np.arange(N) if by is None else data["run"]
    assert boot.replicates == len(np.unique(units))
    for unit in (0, 3, 14):
        alone = lf.fit(LINE, data, where=units != unit)
        assert boot.params["b"][unit] == pytest.approx(alone.params["b"], rel=1e-9)
    values = boot.params["b"]
    count = len(values)
    assert boot.stderr()["b"] == pytest.approx(
        np.sqrt((count - 1) / count * ((values - values.mean()) ** 2).sum()), rel=1e-12
    )
    with pytest.raises(ValueError, match="jackknife's replicates are not draws"):
        boot.interval()


@pytest.mark.parametrize(("multiplier", "moments"), [
    ("rademacher", (1, 0, 1)), ("mammen", (1, 1, 2)), ("webb", (1, 0, 7 / 6)),
])  # fmt: skip
def test_multipliers_have_their_moments(multiplier, moments):
    """One row a unit of a mean: the estimate's change is the multiplier times a known number."""
    fit = lf.fit("y = a*x", {"x": [1.0, 1e-9], "y": [3.0, 5.0]})
    boot = fit.bootstrap(40_000, "wild", multiplier=multiplier, check=0)
    draws = boot.params["a"] - fit.params["a"]
    draws = np.sign(fit.residuals[0]) * draws / np.sqrt((draws**2).mean())
    found = [(draws**k).mean() for k in (2, 3, 4)]
    np.testing.assert_allclose(found, moments, atol=0.06)


def test_noise_models():
    rng = np.random.default_rng(2)
    x = np.geomspace(1, 1000, 400)
    y = 5 * x**0.5 * (1 + 0.05 * rng.normal(size=400))
    fit = lf.fit("y = a*x**b", {"x": x, "y": y})
    spread = {
        noise if isinstance(noise, str) else "known":
        fit.bootstrap(3000, "parametric", noise=noise, check=0).stderr()["b"]
        for noise in ("constant", "proportional", "x",
                      {"x": [1, 1000], "sd": [0.25, 0.25 * 1e1**1.5]})
    }
    truth = spread["known"]
    assert spread["proportional"] == pytest.approx(truth, rel=0.12)
    assert spread["x"] == pytest.approx(truth, rel=0.2)
    assert abs(spread["constant"] / truth - 1) > 0.2  # the wrong noise says something else


@pytest.mark.parametrize("space", ["log", "relative", "logit"])
@pytest.mark.parametrize("method", ["residual", "wild", "parametric"])
def test_new_targets_live_in_the_residual_space(space, method):
    data = two_term_table(0.01)
    if space == "logit":
        data["loss"] = data["loss"] / 40
    fit = lf.fit(TWO_TERMS, data, on=space)
    boot = fit.bootstrap(300, method, check=0)
    assert boot.failed == 0
    pairs = fit.bootstrap(300, check=0)
    assert boot.stderr()["alpha"] == pytest.approx(pairs.stderr()["alpha"], rel=0.4)


def test_weights_and_sigma_give_rows_their_own_noise():
    data = table()
    sigma = 0.2 + 0.2 * data["x"]
    by_sigma = lf.fit(LINE, data, sigma=sigma)
    by_weight = lf.fit(LINE, data, weights=1 / sigma**2)
    for method in ("residual", "wild", "parametric", "pairs"):
        one, other = (f.bootstrap(50, method, check=0).params["b"] for f in (by_sigma, by_weight))
        np.testing.assert_allclose(one, other, rtol=1e-7)


# ---- which random numbers ----

def test_fits_of_other_laws_to_the_same_rows_get_the_same_resamples():
    data = table()
    one = lf.fit(LINE, data, where="x < 2")
    other = lf.fit("y = c", data | {"c": data["x"]}, where="x < 2", parameters=["c"])
    counts = one.bootstrap(20, check=0)
    means = other.bootstrap(20, check=0).params["c"]
    # The mean of y over a resample is what the line says at the resample's mean of x.
    x, n = one.rows.columns["x"], len(one.rows)
    line = np.linalg.lstsq(np.stack([np.ones(20), means]).T,
                           counts.params["a"], rcond=None)
    assert n == len(other.rows) and line[0].shape == (2,)
    again = lf.fit(LINE, {name: column[data["x"] < 2] for name, column in data.items()})
    np.testing.assert_array_equal(again.bootstrap(20, check=0).params["b"], counts.params["b"])
    elsewhere = lf.fit(LINE, data, where="x >= 2").bootstrap(20, check=0)
    assert x.max() < 2 and not np.allclose(elsewhere.params["b"], counts.params["b"])


@pytest.mark.parametrize("method", ["cluster", "stratified", "wild", "bayesian", "residual",
                                    "parametric"])
def test_any_number_of_threads_gives_the_same_bits(line, method):
    by = None if method in ("residual", "parametric") else "run"
    one, other = (line.bootstrap(3000, method, by=by, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.params["a"], other.params["a"])
    np.testing.assert_array_equal(one.objective, other.objective)


def test_many_replicates_go_through_in_chunks():
    fit = lf.fit(LINE, line_table())
    many = fit.bootstrap(150_000, "residual", check=0)
    np.testing.assert_array_equal(many.params["b"][:500],
                                  fit.bootstrap(500, "residual", check=0).params["b"])
    assert many.failed == 0


def test_keys_of_any_kind_name_the_same_clusters(line):
    data = table()
    boots = [line.bootstrap(30, "cluster", by=by, check=0).params["b"]
             for by in ("run", "name", ["run", "name"], data["run"], data["name"].astype(object))]
    for other in boots[1:]:
        np.testing.assert_array_equal(other, boots[0])


def test_keys_of_filtered_rows():
    data = table() | {"keep": np.arange(N) % 5 > 0}
    fit = lf.fit(LINE, data, where="keep")
    by_name = fit.bootstrap(30, "cluster", by="run", check=0).params["b"]
    for keys in (data["run"], data["run"][fit.rows.positions]):
        np.testing.assert_array_equal(fit.bootstrap(30, "cluster", by=keys, check=0).params["b"],
                                      by_name)


def test_missing_keys_name_their_row():
    run = table()["run"].astype(float)
    run[7] = np.nan
    fit = lf.fit(LINE, table() | {"run": run})
    with pytest.raises(ValueError, match="'run' has missing keys, first at row 7"):
        fit.bootstrap(10, "cluster", by="run")


def test_a_fit_without_its_table_says_so(line):
    copy = pickle.loads(pickle.dumps(line))
    with pytest.raises(ValueError, match="by: the table behind this fit is not at hand"):
        copy.bootstrap(10, "cluster", by="run")
    keys = table()["run"]
    np.testing.assert_array_equal(copy.bootstrap(10, "cluster", by=keys).params["a"],
                                  line.bootstrap(10, "cluster", by="run").params["a"])


# ---- the second basin ----

def test_check_finds_an_optimum_that_warm_starts_miss():
    """Two bumps of equal height: which one a resample prefers is not where the full fit is."""
    x = np.linspace(-3, 3, 61)
    rng = np.random.default_rng(5)
    y = np.exp(-8 * (x - 1.5) ** 2) + np.exp(-8 * (x + 1.5) ** 2) + 0.05 * rng.normal(size=61)
    law = lf.Law("y = exp(-8*(x - m)**2)", ["x"]).bound(m=(-3, 3))
    fit = lf.fit(law, {"x": x, "y": y})
    unseen = fit.bootstrap(60, check=0)
    assert unseen.checked == 0 and np.ptp(np.sign(unseen.params["m"])) == 0
    with pytest.warns(lf.FitWarning, match="of 60 replicates that were also fitted from automatic"):
        seen = fit.bootstrap(60, check=1.0)
    assert seen.checked == 60 and seen.other_basin > 10
    assert np.ptp(np.sign(seen.params["m"])) == 2
    assert (seen.objective <= unseen.objective * (1 + 1e-9)).all()


def test_check_agrees_where_there_is_one_basin(line):
    boot = line.bootstrap(100, check=0.25)
    assert (boot.checked, boot.other_basin) == (25, 0)
    np.testing.assert_array_equal(boot.params["a"], line.bootstrap(100, check=0).params["a"])
