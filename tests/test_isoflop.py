"""Minima of isoFLOP slices: known optima, known biases, Fieller by brute force, published runs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import campaign
from scipy.interpolate import Akima1DInterpolator
from scipy.stats import norm
from scipy.stats import t as student

import lawfit as lf
from lawfit.intervals import t_quantile
from lawfit.valleys import curve_points
from lawfit.vertex import CURVES, akima_slopes, fieller, polynomial, vertices

X = np.array([-2.0, -1.1, -0.3, 0.4, 1.2, 2.1])
rng = np.random.default_rng(3)


# ---- vertices ----

def test_parabola_and_cubic_find_their_own_minimum():
    y = np.stack([3 + 0.5 * (X - 0.3) ** 2, 7 + 2 * (X + 1.0) ** 2])
    np.testing.assert_allclose(vertices("parabola", X, y).x, [0.3, -1.0], atol=1e-12)
    np.testing.assert_allclose(vertices("parabola", X, y).y, [3, 7], atol=1e-12)
    cubic = 1 - 2 * X + 0.5 * X**2 + 0.25 * X**3  # minimum where 0.75 x**2 + x - 2 = 0
    np.testing.assert_allclose(vertices("cubic", X, cubic[None]).x, (-1 + np.sqrt(7)) / 1.5)
    for curve in ("parabola", "cubic"):
        assert np.isnan(vertices(curve, X, -(X**2)[None]).x).all()


def test_akima_is_scipys_and_its_minimum_is_exact():
    y = rng.normal(size=(40, 6)) * 0.3 + X**2
    found = vertices("akima", X, y)
    for row, at, low in zip(y, found.x, found.y, strict=True):
        curve = Akima1DInterpolator(X, row)
        fine = np.linspace(X[0], X[-1], 20001)
        values = curve(fine)
        assert low == pytest.approx(curve(at), abs=1e-12)
        assert low <= values.min() + 1e-12 and at == pytest.approx(fine[values.argmin()], abs=1e-3)
        np.testing.assert_allclose(akima_slopes(X, row[None])[0], curve.derivative()(X), atol=1e-9)
    assert np.isnan(vertices("akima", X, X[None]).x[0])  # lowest at the first point


def test_weights_are_copies_of_rows():
    y = rng.normal(size=(5, 6)) * 0.1 + X**2
    counts = rng.integers(1, 4, size=(5, 6))
    for curve, degree in (("parabola", 2), ("cubic", 3)):
        found = vertices(curve, X, y, counts)
        for row, times, at in zip(y, counts, found.x, strict=True):
            copied = vertices(curve, np.repeat(X, times), np.repeat(row, times)[None])
            assert at == pytest.approx(copied.x[0], abs=1e-9)
        few = np.zeros(6)
        few[: degree] = 1
        assert np.isnan(vertices(curve, X, y, few).x).all()


@pytest.mark.parametrize("noise, level", [(0.1, 0.8), (0.3, 0.95), (0.5, 0.9)])
def test_fieller_holds_every_vertex_that_a_test_keeps(noise, level):
    """The ends are where the F test of a parabola with its vertex held just rejects."""
    y = X**2 + noise * np.random.default_rng(5).normal(size=6)
    factor = t_quantile((1 + level) / 2, 3)
    low, high = fieller(X, y, factor)

    def rss(design):
        return np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2)

    free = rss(np.stack([np.ones(6), X, X**2], axis=1))
    for end in (low, high):
        held = rss(np.stack([np.ones(6), X**2 - 2 * end * X], axis=1))
        assert (held - free) / (free / 3) == pytest.approx(factor**2, rel=1e-9)
    assert low < vertices("parabola", X, y[None]).x[0] < high


def test_fieller_is_open_where_curvature_is_not_significant():
    y = 0.02 * X**2 + np.array([0.3, -0.2, 0.1, -0.3, 0.2, -0.1])
    assert fieller(X, y, 3.0) == (-np.inf, np.inf)
    assert fieller(X[:3], X[:3] ** 2, 3.0) == (-np.inf, np.inf)


# ---- the analysis ----

@pytest.mark.parametrize("curve", list(CURVES))
def test_symmetric_valleys_give_the_analytic_optimum(curve):
    runs = campaign(alpha=0.36, beta=0.36)
    found = lf.isoflop(runs, curve=curve, replicates=50)
    np.testing.assert_allclose(found.size, np.unique(runs["best"]), rtol=2e-3)
    np.testing.assert_allclose(found.compute, np.unique(runs["flops"]), rtol=1e-12)
    np.testing.assert_allclose(6 * found.size * found.tokens, found.compute, rtol=1e-12)
    assert found.exponent == pytest.approx(0.5, abs=1e-3)
    value, low, high = found.at(1e22)
    assert low <= value <= high and value == pytest.approx(found.at([1e22]).value[0])


def test_the_bias_of_a_parabola_off_centre_is_known_and_told():
    runs = campaign(alpha=0.25, beta=0.55, shift=4.0, width=8.0)
    with pytest.warns(lf.FitWarning, match="the parabola is off by up to .* fit the law itself"):
        found = lf.isoflop(runs, replicates=20)
    truth = np.log(found.size / np.unique(runs["best"]))
    np.testing.assert_allclose(found.bias.size, truth, rtol=1e-4)
    assert found.bias.exponent == pytest.approx(found.exponent - 0.55 / 0.8, abs=1e-5)
    assert np.abs(truth).max() > 0.05
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        cubic = lf.isoflop(runs, curve="cubic", replicates=20)
    assert np.abs(cubic.bias.size).max() < np.abs(truth).max() / 2


def test_replicates_scatter_as_the_noise_says():
    runs = campaign(alpha=0.36, beta=0.36, noise=0.004, seed=2)
    found = lf.isoflop(runs, replicates=4000, noise=0.004)
    x = np.log(found.slices[0].sizes)
    operator = polynomial(x - x.mean(), np.eye(len(x)), 2)  # coefficients of each unit vector
    b, c = np.log(found.slices[0].losses) @ operator[:, 1:]
    slope = -operator[:, 1] / (2 * c) + b * operator[:, 2] / (2 * c * c)
    expected = 0.004 * np.sqrt(np.sum(slope**2))  # the vertex to first order in the noise
    assert np.log(found.sizes[:, 0]).std() == pytest.approx(expected, rel=0.05)
    estimated = lf.isoflop(runs, replicates=10)
    assert estimated.noise == pytest.approx(0.004, rel=0.3)
    again = lf.isoflop(runs, replicates=4000, noise=0.004)
    np.testing.assert_array_equal(found.sizes, again.sizes)


@given(n=st.floats(1e-9, 1e9), d=st.floats(1e-9, 1e9), loss=st.floats(1e-3, 1e3))
@settings(max_examples=8)
@pytest.mark.filterwarnings("ignore::lawfit.FitWarning")
def test_units_change_no_conclusion(n, d, loss):
    runs = campaign(noise=0.003)
    scaled = {"N": runs["N"] * n, "D": runs["D"] * d, "loss": runs["loss"] * loss}
    for curve in CURVES:
        a = lf.isoflop(runs, curve=curve, replicates=30)
        b = lf.isoflop(scaled, curve=curve, replicates=30)
        np.testing.assert_allclose(b.size, a.size * n, rtol=1e-7)
        np.testing.assert_allclose(b.loss, a.loss * loss, rtol=1e-9)
        np.testing.assert_allclose(b.exponents, a.exponents, rtol=1e-6)
        np.testing.assert_allclose(b.bias.size, a.bias.size, atol=1e-5)


def test_runs_of_equal_size_and_slices_without_a_minimum():
    runs = campaign(alpha=0.36, beta=0.36, noise=0.002, seed=1)
    twice = {name: np.concatenate([column, column]) for name, column in runs.items()}
    twice["loss"][: len(runs["N"])] *= 1.001
    one = lf.isoflop(runs, curve="akima", replicates=10)
    np.testing.assert_allclose(lf.isoflop(twice, curve="akima", replicates=10).size, one.size,
                               rtol=1e-9)
    short = {name: column[(runs["flops"] > 1e20) | (runs["N"] < runs["best"] * 0.9)]
             for name, column in runs.items()}  # fmt: skip
    with pytest.warns(lf.FitWarning, match=r"slices left out: 1e\+18 \((outside|no minimum)\)"):
        part = lf.isoflop(short, replicates=10)
    assert np.isfinite(part.exponent) and "vertex" in [piece.status for piece in part.slices]
    assert np.isnan(part.sizes[:, 0]).all()


def test_refusals():
    runs = campaign()
    for arguments, message in [
        ({"curve": "quartic"}, "curve: must be one of parabola, cubic, akima"),
        ({"on": "relative"}, "on: must be 'log' or 'linear'"),
        ({"size": "M"}, "'M' is not in the data"),
        ({"cost": 0}, "cost: must be positive"),
        ({"merge": -1.0}, "merge: expected a share"),
        ({"noise": -1.0}, "noise: expected a number >= 0"),
        ({"weights": np.ones((3, 2))}, "weights: expected numbers >= 0"),
        ({"merge": 1e9, "where": "N < 1e8"}, "no slice has a minimum"),
        ({"curve": "akima", "weights": np.ones((3, len(runs["N"])))}, "cannot weigh them"),
    ]:
        with pytest.raises(ValueError) as caught:
            lf.isoflop(runs, **arguments)
        assert message in str(caught.value)
    with pytest.raises(ValueError, match="column 'N' is not positive, first at row 0"):
        lf.isoflop({**runs, "N": runs["N"] - runs["N"][0]})


def test_the_curve_goes_where_it_was_fitted():
    runs = campaign(noise=0.003)
    for curve in CURVES:
        found = lf.isoflop(runs, curve=curve, replicates=10)
        part = found.slices[2]
        (at_vertex,) = curve_points(part, curve, "log", np.array([part.size]))
        assert at_vertex == pytest.approx(part.loss)
    np.testing.assert_allclose(curve_points(part, "akima", "log", part.sizes), part.losses)
    assert str(found).count("\n") == 10 and "IsoFlop(akima, slices=6" in repr(found)


def test_intervals_take_students_t_and_warn_of_few_runs():
    runs = campaign(alpha=0.36, beta=0.36, noise=0.003, sizes=5)
    runs = {name: column[runs["flops"] < np.max(runs["flops"])] for name, column in runs.items()}
    budgets, count = len(np.unique(runs["flops"])), len(runs["N"])
    with pytest.warns(lf.FitWarning, match=f"intervals from {count} rows"):
        found = lf.isoflop(runs, replicates=300)
    reach = norm.cdf(student.ppf(0.975, count - 3 * budgets))
    np.testing.assert_allclose(found.exponent_interval,
                               np.quantile(found.exponents, [1 - reach, reach]))
    np.testing.assert_allclose(found.low, np.quantile(found.sizes, 1 - reach, axis=0))
    with pytest.warns(lf.FitWarning, match=f"intervals from {count} rows"):
        plain = lf.isoflop(runs, replicates=300, method="percentile")
    np.testing.assert_allclose(plain.exponent_interval,
                               np.quantile(found.exponents, [0.025, 0.975]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # noise that is known needs neither
        known = lf.isoflop(runs, replicates=300, noise=0.003)
    np.testing.assert_allclose(known.exponent_interval,
                               np.quantile(known.exponents, [0.025, 0.975]))
    with pytest.warns(lf.FitWarning, match=f"intervals from {count} rows"):
        best = lf.envelope(runs, replicates=300)
    reach = norm.cdf(student.ppf(0.975, count - 2))
    np.testing.assert_allclose(best.exponent_interval,
                               np.nanquantile(best.exponents, [1 - reach, reach]))
    with pytest.raises(ValueError, match="method: must be one of"):
        lf.isoflop(runs, method="studentized")


# ---- the envelope and the three approaches ----

def test_the_envelope_of_finished_runs_is_the_best_of_every_budget():
    runs = campaign(alpha=0.36, beta=0.36)
    found = lf.envelope(runs, replicates=50)
    np.testing.assert_allclose(found.size, np.unique(runs["best"]), rtol=1e-9)
    np.testing.assert_allclose(found.loss, runs["loss"][found.run])
    assert found.exponent == pytest.approx(0.5, abs=1e-9)
    worse = {name: np.append(column, column[-1]) for name, column in runs.items()}
    worse["flops"][-1], worse["loss"][-1], worse["D"][-1] = 1e23, 9.0, worse["D"][-1] * 100
    assert len(lf.envelope(worse, compute="flops", replicates=10).compute) == 6


def test_the_envelope_of_training_curves():
    sizes = np.geomspace(1e7, 1e9, 15)
    N, D = (part.ravel() for part in np.meshgrid(sizes, np.geomspace(3e7, 3e11, 60)))
    loss = 1.8 + 480 / N**0.36 + 2000 / D**0.36
    curves = {"N": N, "D": D, "loss": loss, "run": N.round().astype(int).astype(str)}
    found = lf.envelope(curves, by="run", replicates=40)
    best = ((480 / 2000) * (found.compute / 6) ** 0.36) ** (1 / 0.72)
    inner = (best > 2e7) & (best < 5e8)
    assert inner.sum() > 40
    step = np.log(sizes[1] / sizes[0])
    assert np.abs(np.log(found.size / best))[inner].max() < 0.55 * step
    assert found.exponents.shape == (40,) and np.isfinite(found.exponents).all()
    with pytest.raises(ValueError, match="by: column 'name' is not in the data"):
        lf.envelope(curves, by="name")


def test_three_approaches_share_their_resamples():
    runs = campaign(alpha=0.36, beta=0.36, noise=0.003, sizes=12)
    three = lf.approaches(runs, replicates=200, seed=4)
    assert three.exponents["parametric"] == pytest.approx(0.5, abs=0.05)
    alone = lf.envelope(runs, merge=0.1, weights=np.ones((2, len(runs["N"]))))
    assert three.exponents["envelope"] == alone.exponent
    fit = three.fit
    again = fit.derive("beta/(alpha+beta)").value
    assert again == pytest.approx(three.exponents["parametric"])
    np.testing.assert_allclose(three.replicates["parametric"],
                               three.bootstrap.derive("beta/(alpha+beta)").values)
    value, low, high = three.difference("isoflop", "parametric")
    drawn = three.replicates["isoflop"] - three.replicates["parametric"]
    left = len(runs["N"]) - 3 * len(np.unique(runs["flops"]))  # what the parabolas leave
    reach = norm.cdf(student.ppf(0.975, left))
    np.testing.assert_allclose((low, high), np.nanquantile(drawn, [1 - reach, reach]))
    np.testing.assert_allclose(three.intervals["parametric"],
                               three.bootstrap.derive("beta/(alpha+beta)").interval())
    plain = lf.approaches(runs, replicates=200, seed=4, method="percentile")
    for name, values in plain.replicates.items():
        np.testing.assert_allclose(plain.intervals[name], np.nanquantile(values, [0.025, 0.975]))
    assert low < value < high
    matrix = np.stack(list(three.replicates.values()), axis=1)
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    differences = np.stack([matrix[:, 0] - matrix[:, 2], matrix[:, 1] - matrix[:, 2]], axis=1)
    e = three.exponents
    gap = np.array([e["envelope"] - e["parametric"], e["isoflop"] - e["parametric"]])
    chi2 = gap @ np.linalg.solve(np.cov(differences, rowvar=False), gap)
    assert three.chi2 == pytest.approx(chi2) and three.p == pytest.approx(np.exp(-chi2 / 2))
    assert "are not told apart" in str(three) or "differ" in str(three)


@pytest.mark.filterwarnings("ignore::lawfit.FitWarning")
def test_approaches_that_disagree_are_told_apart():
    """Compute that is counted otherwise than 6 N D moves approach 2 and not approach 3."""
    runs = campaign(alpha=0.36, beta=0.36, sizes=12)
    runs["D"] = runs["D"] * (runs["N"] / 1e9) ** 0.2  # a budget now keeps N**0.8 * D
    runs["loss"] = 1.8 + 480 / runs["N"] ** 0.36 + 2000 / runs["D"] ** 0.36
    runs["loss"] *= np.exp(0.001 * rng.normal(size=len(runs["N"])))
    three = lf.approaches(runs, tokens="D", compute="flops", replicates=200)
    assert three.exponents["isoflop"] == pytest.approx(1 / 1.8, abs=0.01)
    assert three.exponents["parametric"] == pytest.approx(0.5, abs=0.01)
    assert three.p < 1e-3 and "differ" in str(three)


# ---- published runs ----

EXPONENTS = {
    "rw/base/long/kaplan/kaplan/train": 0.834, "rw/base/long/kaplan/standard/val": 0.701,
    "rw/base/short/kaplan/standard/val": 0.604, "rw/base/short/chinchilla/standard/val": 0.571,
    "rw/tuned/short/const/standard/val": 0.497,
}  # fmt: skip


@pytest.mark.parametrize("experiment", EXPONENTS)
@pytest.mark.filterwarnings("ignore::lawfit.FitWarning")
def test_porian_isoflop_slices(published, experiment):
    """Akima in logs reproduces the published optimum of every budget to the published grid's step.
    """
    runs = published("porian_isoflop_rw.csv")
    optima = published("porian_published_optima.csv")
    theirs = {name: column[optima["experiment"] == experiment] for name, column in optima.items()}
    found = lf.isoflop(runs, size="params", compute="flops", curve="akima", replicates=200,
                       noise=0.01, where=runs["experiment"] == experiment)
    np.testing.assert_allclose(found.compute, theirs["flops"], rtol=1e-6)
    np.testing.assert_allclose(found.loss, theirs["loss_star"], rtol=4e-4)
    assert np.nanmax(np.abs(np.log(found.size / theirs["n_star"]))) < 0.05
    assert np.nanmedian(np.abs(np.log(found.size / theirs["n_star"]))) < 0.006
    assert found.exponent == pytest.approx(EXPONENTS[experiment], abs=0.003)


def test_gadre_slices_are_refused_with_a_reason(published):
    """No two of these runs share a budget: there is no slice, and that is said."""
    runs = published("gadre_c4_small.csv")
    with pytest.raises(ValueError, match=r"no slice has a minimum among its sizes .*few runs"):
        lf.isoflop(runs, "loss_c4_val", size="params", tokens="tokens")


def test_approaches_two_and_three_on_chinchillas_slices(published):
    runs = published("isoflop_chinchilla_mlscalefit.csv")
    with pytest.warns(lf.FitWarning, match=r"left out: 1e\+20 \(outside\)"):
        three = lf.approaches(runs, size="params", tokens="tokens", compute="budget_flops",
                              replicates=400)
    for name in ("isoflop", "parametric"):
        assert three.exponents[name] == pytest.approx(0.51, abs=0.01)
    assert three.p > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("curve", ["parabola", "cubic"])
@pytest.mark.filterwarnings("ignore::lawfit.FitWarning")
def test_intervals_cover_what_they_say(curve):
    """400 campaigns of 9 runs a slice: exponents and vertices of symmetric valleys."""
    exponent, vertex, by_fieller = [], [], []
    for seed in range(400):
        runs = campaign(alpha=0.36, beta=0.36, noise=0.004, seed=seed, width=4.0)
        found = lf.isoflop(runs, curve=curve, replicates=400, seed=seed)
        best = np.unique(runs["best"])
        low, high = found.exponent_interval
        exponent.append(low <= 0.5 <= high)
        vertex.append((found.low <= best) & (best <= found.high))
        by_fieller.append([part.fieller[0] <= truth <= part.fieller[1]
                           for part, truth in zip(found.slices, best, strict=True)])
    assert 0.91 < np.mean(exponent) < 0.98
    assert 0.92 < np.mean(vertex) < 0.98
    assert curve != "parabola" or 0.93 < np.mean(by_fieller) < 0.97
