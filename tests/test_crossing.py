"""Crossings, multipliers and decisions between recipes, against closed forms."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table
from scipy.stats import kendalltau, norm
from scipy.stats import t as student

import lawfit as lf

C = np.geomspace(1e18, 1e21, 16)


def line(scale, slope, noise=0.0, seed=0, floor=None, count=16):
    """A fit of scale*C**-slope (and a floor) to noisy runs."""
    scatter = np.exp(noise * np.random.default_rng(seed).normal(size=count))
    budgets = np.geomspace(1e18, 1e21, count)
    y = (scale * (budgets / 1e20) ** -slope + (floor or 0.0)) * scatter
    formula = "A*(C/1e20)**-a" + (" + E" if floor is not None else "")
    return lf.fit(lf.Law(formula, ("C",)), {"C": budgets, "y": y}, "y", on="log")


def surface(beta=0.37, noise=0.003, seed=0, **changes):
    data = two_term_table()
    loss = 1.8 + 480 / data["N"] ** 0.35 + 2000 / data["D"] ** beta
    scatter = np.random.default_rng(seed).normal(size=len(loss))
    return lf.fit(TWO_TERMS, {**data, "loss": loss * np.exp(noise * scatter), **changes}, on="log")


# ---- crossings ----

def test_power_laws_cross_where_the_closed_form_says():
    old, new = line(3.0, 0.05), line(3.2, 0.07)
    found = lf.crossing(old, new, replicates=0)
    exact = 1e20 * (3.2 / 3.0) ** (1 / 0.02)
    assert found.value == pytest.approx(exact, rel=1e-9) and found.ahead == "second"
    np.testing.assert_allclose(found.roots, [exact], rtol=1e-9)
    assert np.isnan(found.exists) and np.isnan(found.probability(1e20))
    assert lf.crossing(new, old, replicates=0).ahead == "first"
    assert (found.low, found.high, found.along) == (1e18, pytest.approx(1e27), "C")


def test_all_crossings_are_found_and_the_last_decides():
    floors = line(1.0, 0.2, floor=1.0), line(1.8, 0.02)
    found = lf.crossing(*floors, low=1e16, high=1e36, replicates=0)
    x = np.geomspace(1e16, 1e36, 400_001)
    gap = floors[0].predict(C=x) - floors[1].predict(C=x)
    exact = x[1:][np.diff(np.sign(gap)) != 0]
    assert len(exact) == 2
    np.testing.assert_allclose(found.roots, exact, rtol=1e-4)
    assert found.value == found.roots[-1] and found.ahead == "second"
    none = lf.crossing(line(3.0, 0.05), line(3.1, 0.05), replicates=0)
    assert np.isnan(none.value) and len(none.roots) == 0 and none.ahead == "first"


def test_replicates_are_paired_and_each_has_its_own_crossing():
    old, new = line(3.0, 0.05, 0.003, seed=1), line(3.05, 0.07, 0.003, seed=1)
    found = lf.crossing(old, new, replicates=300, seed=5)
    boots = old.bootstrap(300, seed=5), new.bootstrap(300, seed=5)
    a, b = (boot.params for boot in boots)
    exact = 1e20 * (b["A"] / a["A"]) ** (1 / (b["a"] - a["a"]))
    inside = (exact > found.low) & (exact < found.high)
    np.testing.assert_allclose(found.values[inside], exact[inside], rtol=1e-8)
    assert found.exists == pytest.approx(inside.mean()) and found.exists > 0.9
    np.testing.assert_allclose(found.interval(0.9, "percentile"),
                               np.quantile(exact[inside], [0.05, 0.95]), rtol=1e-8)
    wins = a["A"] * 10 ** -a["a"] < b["A"] * 10 ** -b["a"]
    assert found.probability(1e21) == pytest.approx(wins.mean())
    unpaired = lf.crossing(old, new, bootstraps=(boots[0], new.bootstrap(300, seed=6)))
    width, wide = (np.ptp(np.log(part.interval(0.9))) for part in (found, unpaired))
    assert width < wide / 3  # the noise is common, so pairs tell the laws apart
    assert lf.crossing(old, new, bootstraps=boots).interval() == found.interval()


def test_a_crossing_that_may_not_exist_says_so():
    old, new = line(3.0, 0.05, 0.01, seed=1), line(3.0, 0.0505, 0.01, seed=2)
    found = lf.crossing(old, new, replicates=200)
    assert 0.1 < found.exists < 0.95


def test_laws_of_size_and_tokens_cross_along_their_frontiers():
    one = surface()
    two = dataclasses.replace(one, params={**one.params, "A": 1.5 * one.params["A"],
                                           "E": one.params["E"] - 0.05})  # fmt: skip
    found = lf.crossing(one, two, replicates=0)
    assert found.along == "compute" and found.ahead == "second"
    losses = [law.allocate(found.value).loss for law in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-10)
    searched = lf.crossing(one, two, replicates=0, cost="6*N*D")
    assert searched.value == pytest.approx(found.value, rel=1e-8)
    held = lf.crossing(one, two, along="N", D=1e11, replicates=0)
    exact = (0.5 * one.params["A"] / 0.05) ** (1 / one.params["alpha"])
    assert held.value == pytest.approx(exact, rel=1e-9)


# ---- multipliers ----

def test_a_multiplier_is_compute_for_the_same_loss():
    old, new = line(3.0, 0.05), line(2.8, 0.06)
    found = lf.multiplier(old, new, at=[1e19, 1e22], replicates=0)
    exact = [1e20 * (2.8 / old.predict(C=c)) ** (1 / 0.06) / c for c in (1e19, 1e22)]
    np.testing.assert_allclose(found.value, exact, rtol=1e-9)
    assert np.isnan(found.low).all() and found.along == "C"
    assert lf.multiplier(old, old, at=1e20, replicates=0).value == pytest.approx(1.0)
    floor = lf.multiplier(old, line(1.0, 0.2, floor=2.0), at=1e27, replicates=0)
    assert floor.value == np.inf  # 3*1e7**-.05 lies below 2: never reached


@pytest.mark.parametrize("cost", [6.0, "6*N*D"])
def test_multipliers_between_frontiers(cost):
    one = surface(0.37)
    two = dataclasses.replace(one, params={**one.params, "A": one.params["A"] * 0.9})
    found = lf.multiplier(one, two, at=1e22, cost=cost, replicates=0)
    loss = one.allocate(1e22).loss
    assert found.value == pytest.approx(two.allocate(loss=loss).compute / 1e22, rel=1e-8)
    assert 0.5 < found.value < 1


def test_intervals_of_a_multiplier_come_from_pairs():
    old, new = line(3.0, 0.05, 0.003, seed=1), line(2.9, 0.05, 0.003, seed=1)
    found = lf.multiplier(old, new, at=1e20, level=0.9, replicates=200)
    boots = old.bootstrap(200), new.bootstrap(200)
    a, b = (boot.params for boot in boots)
    exact = (b["A"] / a["A"]) ** (1 / b["a"])
    reach = norm.cdf(student.ppf(0.95, 16 - 2))
    np.testing.assert_allclose((found.low, found.high), np.quantile(exact, [1 - reach, reach]),
                               rtol=1e-8)
    plain = lf.multiplier(old, new, at=1e20, level=0.9, replicates=200, method="percentile")
    np.testing.assert_allclose((plain.low, plain.high), np.quantile(exact, [0.05, 0.95]), rtol=1e-8)
    assert found.low < found.value < found.high and found.exists == 1.0
    scaled = lf.multiplier(old, new, at=[1e20], level=0.9, replicates=200)
    assert scaled.low[0] == found.low


def test_intervals_rest_on_the_law_with_less_to_go_by():
    old, new = line(3.0, 0.05, 0.01, seed=1, count=40), line(2.9, 0.06, 0.01, seed=2, count=12)
    found = lf.crossing(old, new, replicates=300)
    with pytest.warns(lf.FitWarning, match="intervals from 12 rows"):
        ends = found.interval(0.9)
    reach = norm.cdf(student.ppf(0.95, 12 - 2))
    known = found.values[~np.isnan(found.values)]
    np.testing.assert_allclose(ends, np.quantile(known, [1 - reach, reach]), rtol=1e-12)
    runs = np.repeat(np.arange(4), 10)
    boots = old.bootstrap(300, "cluster", by=runs), old.bootstrap(300)
    with pytest.warns(lf.FitWarning, match="intervals from 4 clusters"):
        lf.multiplier(old, old, at=1e20, bootstraps=boots)
    given = lf.published(old.law, old.params, covariance=old.covariance())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sure = lf.multiplier(given, given, at=1e20, replicates=50)
        assert sure.low == lf.multiplier(given, given, at=1e20, replicates=50,
                                         method="percentile").low
    with pytest.raises(ValueError, match="method: must be one of adjusted, percentile"):
        lf.multiplier(old, old, at=1e20, method="bca")


def test_refusals():
    old, two = line(3.0, 0.05, 0.01), surface()
    for call, error, message in [
        (lambda: lf.crossing(old, two), ValueError, "compared along one thing, not 'C'"),
        (lambda: lf.crossing(old, old, along="x"), ValueError, "'x' is not a variable"),
        (lambda: lf.crossing(two, two, along="N"), ValueError, "give a value for D"),
        (lambda: lf.crossing(old, old, D=1.0), TypeError, "'D' is neither an argument"),
        (lambda: lf.crossing(old, old, low=2.0, high=1.0), ValueError, "2 is not below 1"),
        (lambda: lf.crossing(old, old, low=-2.0), ValueError, "low: give a positive number"),
        (lambda: lf.multiplier(old, old, at=-1.0), ValueError, "at: expected positive numbers"),
        (lambda: lf.crossing(old, old, bootstraps=(old.bootstrap(5), old.bootstrap(6))),
         ValueError, "as many replicates"),
    ]:  # fmt: skip
        with pytest.raises(error) as caught:
            call()
        assert message in str(caught.value)


# ---- recipes ----

def test_decision_accuracy_counts_pairs():
    names = list("abcdefgh")
    random = np.random.default_rng(0)
    truth = dict(zip(names, random.normal(size=8), strict=True))
    guess = {name: value + 0.4 * random.normal() for name, value in truth.items()}
    found = lf.decision_accuracy(guess, truth)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    right = [(guess[a] < guess[b]) == (truth[a] < truth[b]) for a, b in pairs]
    assert found.pairs == 28 and found.accuracy == pytest.approx(np.mean(right))
    expected = kendalltau(list(guess.values()), list(truth.values())).statistic
    assert found.kendall == pytest.approx(expected)
    assert found.interval[0] <= found.accuracy <= found.interval[1]
    assert lf.decision_accuracy(truth, truth).interval == (1.0, 1.0)
    shuffled = dict(reversed(truth.items()))
    assert lf.decision_accuracy(guess, shuffled).accuracy == found.accuracy


def test_decision_accuracy_has_the_default_interval_and_warns_of_few_recipes():
    random = np.random.default_rng(1)
    truth = dict(enumerate(random.normal(size=12)))
    guess = {name: value + 0.8 * random.normal() for name, value in truth.items()}
    with pytest.warns(lf.FitWarning, match="^intervals from 12 recipes: only from 30") as caught:
        found = lf.decision_accuracy(guess, truth, level=0.9, replicates=20_000)
    assert caught[0].filename == __file__ and len(caught) == 1
    # By hand: draws of recipes, and percentiles where a normal's quantile is Student's t.
    names = list(truth)
    right = np.array([[float((guess[a] < guess[b]) == (truth[a] < truth[b])) if a != b else np.nan
                       for b in names] for a in names])
    drawn = np.random.default_rng(5).integers(0, 12, (20_000, 12))
    shares = np.nanmean(right[drawn[:, :, None], drawn[:, None, :]], axis=(1, 2))
    reach = norm.cdf(student.ppf(0.95, 11))
    expected = np.quantile(shares, [1 - reach, reach])
    np.testing.assert_allclose(found.interval, expected, atol=0.01)
    plain = lf.decision_accuracy(guess, truth, level=0.9, method="percentile",
                                 replicates=20_000)
    np.testing.assert_allclose(plain.interval, np.quantile(shares, [0.05, 0.95]), atol=0.01)
    assert np.ptp(found.interval) > np.ptp(plain.interval)
    basic = lf.decision_accuracy(guess, truth, level=0.99, method="basic").interval
    assert 0 <= basic[0] < basic[1] <= 1
    with pytest.raises(ValueError, match="method: must be one of"):
        lf.decision_accuracy(guess, truth, method="bca")
    many = dict(enumerate(random.normal(size=30)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lf.decision_accuracy(many, many)


def test_ties_and_seeds():
    found = lf.decision_accuracy({"a": 1.0, "b": 1.0, "c": 2.0}, {"a": [1, 2], "b": 2.5, "c": [3]})
    assert found.accuracy == pytest.approx(2.5 / 3) and found.actual.tolist() == [1.5, 2.5, 3.0]
    tied = lf.decision_accuracy({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 1.0, "c": 2.0})
    assert tied.pairs == 2 and tied.accuracy == 1.0


def test_fits_and_bootstraps_predict():
    fits = {name: line(3.0 + shift, 0.05, 0.01, seed=i)
            for i, (name, shift) in enumerate([("a", 0.0), ("b", 0.02), ("c", 0.3)])}  # fmt: skip
    truth = {"a": 2.0, "b": 2.1, "c": 2.5}
    plain = lf.decision_accuracy(fits, truth, at={"C": 1e22})
    np.testing.assert_allclose(plain.predicted, [fit.predict(C=1e22) for fit in fits.values()])
    assert np.isnan(plain.expected) and np.isnan(plain.probability).all()
    boots = {name: fit.bootstrap(200) for name, fit in fits.items()}
    drawn = lf.decision_accuracy(boots, truth, at={"C": 1e22})
    a, b = (boots[name].derive("A*(C/1e20)**-a", C=1e22).values for name in "ab")
    assert drawn.probability[0, 1] == pytest.approx(np.mean(a < b))
    np.testing.assert_allclose(drawn.probability + drawn.probability.T, np.ones((3, 3)))
    assert 0.5 < drawn.expected <= 1


def test_recipes_are_checked():
    for guess, truth, message in [
        ({"a": 1.0}, {"a": 1.0}, "give at least two recipes"),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}, "b is in one of the two only"),
        ({"a": 1.0, "b": np.nan}, {"a": 1.0, "b": 2.0}, "the value of 'b' is not finite"),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 1.0}, "all recipes are equal"),
        ({"a": line(3.0, 0.05), "b": 2.0}, {"a": 1.0, "b": 1.5}, "at: say where"),
    ]:
        with pytest.raises(ValueError) as caught:
            lf.decision_accuracy(guess, truth)
        assert message in str(caught.value)
