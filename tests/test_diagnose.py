"""Diagnostics against refits, closed forms and SciPy; the checklist; the published outliers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import TWO_TERMS, check_expected, line_table, two_term_table
from scipy import stats

import lawfit as lf
from lawfit.distributions import chi2_quantile, f_tail
from lawfit.outliers import robust_distance

NOISY = two_term_table(0.01)
ROBUST = {"on": "log", "loss": lf.Huber(1e-3)}


def without(data, row):
    return {name: np.delete(column, row) for name, column in data.items()}


# ---- tails ----

def test_tails_are_scipys():
    for x in (0.01, 0.5, 3.0, 20.0, 150.0):
        for df in (1, 2, 3, 4, 7, 30):
            for below in (1, 5, 40, 400):
                assert f_tail(x, df, below) == pytest.approx(stats.f.sf(x, df, below), rel=1e-9)
    assert chi2_quantile(1e-4, 3) == pytest.approx(stats.chi2.isf(1e-4, 3), rel=1e-12)
    assert f_tail(0, 2, 2) == 1.0 and np.isnan(f_tail(np.nan, 1, 1))


# ---- rows ----

def test_a_straight_line_has_the_textbook_diagnostics():
    data = line_table()
    found = lf.fit("y = a + b*x", data).diagnose()
    design = np.stack([np.ones(7), data["x"]], axis=1)
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    residual = data["y"] - hat @ data["y"]
    s2 = residual @ residual / 5
    h = np.diag(hat)
    np.testing.assert_allclose(found.leverage, h, rtol=1e-12)
    np.testing.assert_allclose(found.standardised, residual / np.sqrt(s2 * (1 - h)), rtol=1e-9,
                               atol=1e-12)
    np.testing.assert_allclose(found.cooks_distance,
                               residual**2 * h / (2 * s2 * (1 - h) ** 2), rtol=1e-9, atol=1e-12)
    assert found.scale == pytest.approx(np.sqrt(s2)) and found.lack_of_fit is None


@pytest.mark.parametrize("arguments", [{"on": "log"}, {"on": "linear"}, {"on": "relative"}])
def test_leverage_sums_to_the_number_of_parameters(arguments):
    weights = np.linspace(0.5, 2, 40)
    found = lf.fit(TWO_TERMS, NOISY, weights=weights, **arguments).diagnose()
    assert found.leverage.sum() == pytest.approx(5, rel=1e-9)
    assert ((found.leverage > 0) & (found.leverage < 1)).all()
    assert np.std(found.standardised) == pytest.approx(1, abs=0.1)


def test_influence_is_what_leaving_a_row_out_changes():
    """To second order d'Hd is twice what the objective of all rows rises by without the row."""
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    found = fit.diagnose()
    residual = np.log(NOISY["loss"])
    for row in np.argsort(-found.influence)[[0, 5, 20]]:
        other = lf.fit(TWO_TERMS, without(NOISY, row), on="log", precise=True)
        rise = 0.5 * np.sum((residual - np.log(other.predict(NOISY))) ** 2) - fit.objective
        # The change without the row is 1/(1 - leverage) of the first-order step.
        expected = found.influence[row] / (1 - found.leverage[row]) ** 2
        assert 2 * rise == pytest.approx(expected, rel=0.15)
    assert found.most_influential(3).tolist() == np.argsort(-found.influence)[:3].tolist()


def test_five_rows_of_the_chinchilla_table_decide(published):
    """Among all 245 rows the five that Besiroglu et al. dropped rank first by d'Hd, and neither
    by Cook's distance, nor by leverage, nor by residual."""
    runs = published("chinchilla_epoch.csv")
    positive = {name: lf.Parameter(positive=True) for name in "ABE"}
    fit = lf.fit("E + A/N**alpha + B/D**beta", runs, y="loss", parameters=positive,
                 columns={"N": "params", "D": "tokens"}, **ROBUST)
    found = fit.diagnose()
    dropped = set(np.flatnonzero(runs["dropped_by_besiroglu"] == 1).tolist())
    assert len(dropped) == 5 and set(found.most_influential(5).tolist()) == dropped
    assert dropped <= set(np.flatnonzero(found.outlier).tolist()) and found.outlier.sum() <= 8
    for other in (found.leverage, np.abs(found.standardised), found.cooks_distance):
        assert set(np.argsort(-other)[:5].tolist()) != dropped
    part = {name: column[runs["dropped_by_besiroglu"] == 0] for name, column in runs.items()}
    clean = lf.fit("E + A/N**alpha + B/D**beta", part, y="loss", parameters=positive,
                   columns={"N": "params", "D": "tokens"}, **ROBUST).diagnose()
    assert clean.influence.max() < found.influence.max() / 2


@given(n=st.floats(1e-9, 1e9), loss=st.floats(1e-3, 1e3), weight=st.floats(1e-3, 1e3))
@settings(max_examples=6)
def test_units_and_weights_change_no_diagnosis(n, loss, weight):
    data = two_term_table(0.02)
    scaled = {**data, "N": data["N"] * n, "loss": data["loss"] * loss}
    for how in ({"on": "log"}, ROBUST):
        a = lf.fit(TWO_TERMS, data, **how).diagnose()
        b = lf.fit(TWO_TERMS, scaled, weights=weight, **how).diagnose()
        for name, tolerance in (("leverage", 1e-6), ("standardised", 1e-5), ("distance", 1e-5)):
            np.testing.assert_allclose(getattr(b, name), getattr(a, name), rtol=tolerance,
                                       atol=1e-6)
        np.testing.assert_allclose(b.influence / b.influence.sum(), a.influence / a.influence.sum(),
                                   atol=1e-5)
        np.testing.assert_array_equal(a.outlier, b.outlier)
        assert b.identifiability.condition == pytest.approx(a.identifiability.condition, rel=1e-5)


def test_clean_rows_are_rarely_flagged_and_wild_ones_always():
    random = np.random.default_rng(8)
    flagged = []
    for _ in range(200):
        rows = random.normal(size=(60, 3)) @ np.array([[1, 0.8, 0], [0, 0.6, 0], [0, 0, 1]])
        distance, features = robust_distance(rows)
        flagged.append((distance > chi2_quantile(0.05 / 60, features)).any())
    assert np.mean(flagged) < 0.25  # nominal 0.05; medians of 60 rows are less certain than that
    rows[:6] += [0, 0, 12]  # a tenth of the rows, all in one place: they do not hide each other
    distance, features = robust_distance(rows)
    assert set(np.argsort(-distance)[:6]) == set(range(6))
    constant = np.column_stack([rows, np.ones(60)])
    np.testing.assert_allclose(robust_distance(constant)[0], distance)
    assert robust_distance(np.ones((5, 2))) == (pytest.approx(np.zeros(5)), 0)


# ---- lack of fit ----

def test_lack_of_fit_is_the_f_test_of_repeated_runs():
    random = np.random.default_rng(1)
    x = np.repeat(np.arange(1.0, 9.0), 3)
    y = 1 + 2 * x + 0.2 * random.normal(size=24)
    found = lf.fit("y = a + b*x", {"x": x, "y": y}).diagnose().lack_of_fit
    means = y.reshape(8, 3).mean(axis=1)
    pure = np.sum((y.reshape(8, 3) - means[:, None]) ** 2)
    rss = np.sum((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2)
    f = ((rss - pure) / 6) / (pure / 16)
    assert found.freedom == (6, 16) and found.f == pytest.approx(f, rel=1e-9)
    assert found.p == pytest.approx(stats.f.sf(f, 6, 16), rel=1e-9) and found.p > 0.01
    assert found.noise == pytest.approx(np.sqrt(pure / 16))
    bent = lf.fit("y = a + b*x", {"x": x, "y": y + 0.3 * (x - 4) ** 2}).diagnose()
    assert bent.lack_of_fit.p < 1e-6 and "does not hold to the noise" in str(bent)
    exact = lf.fit("y = a + b*x", {"x": x, "y": x**2}).diagnose().lack_of_fit
    assert exact.p == 0 and exact.f == np.inf


# ---- identifiability ----

def test_parameters_that_trade_off_are_named():
    x = np.geomspace(1.0, 3.0, 20)
    data = {"x": x, "y": 2 + 3 * x**0.2 + 0.001 * np.sin(9 * x)}
    found = lf.fit("y = a + b*x**c", data, starts={"a": 2, "b": 3, "c": 0.2}).diagnose()
    weak = found.identifiability
    assert weak.condition > 100 and set(weak.directions[0].change) == {"a", "b", "c"}
    assert max(abs(v) for v in weak.directions[0].change.values()) == 1
    # Moving along the direction changes the fit far less than moving one parameter as far.
    fit = lf.fit("y = a + b*x**c", data, starts={"a": 2, "b": 3, "c": 0.2})
    step = {name: 1e-5 * value for name, value in weak.directions[0].change.items()}
    centre = np.exp(np.log(x).mean())

    def moved(a, b, c):
        """b as the size of its term at the centre of the data."""
        height = fit.params["b"] * centre ** fit.params["c"] * np.exp(b)
        values = {"a": fit.params["a"] * (1 + a), "c": fit.params["c"] * (1 + c)}
        values["b"] = height / centre ** values["c"]
        return np.linalg.norm(fit.law(x=x, **values) - fit.fitted)

    assert moved(**step) < moved(0, step["b"], 0) / 50
    line = lf.fit("y = a + b*x", {"x": x, "y": x**2})  # x has no exponent to be told from
    error = np.sqrt(np.diag(line.covariance()))
    assert line.diagnose().identifiability.correlation[0, 1] == pytest.approx(
        line.covariance()[0, 1] / error.prod(), rel=1e-9)
    good = lf.fit("y = a + b*x", {"x": np.arange(-5.0, 6), "y": np.arange(11.0) ** 1.1}).diagnose()
    assert good.identifiability.condition == pytest.approx(1)
    assert not good.identifiability.directions
    assert good.identifiability.inflation["b"] == pytest.approx(1)


def test_a_direction_without_information_has_an_infinite_index():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        fit = lf.fit("y = (a + b)*x + c", line_table())
    weak = fit.diagnose().identifiability.directions[0]
    assert weak.index > 1e7 and set(weak.change) == {"a", "b"}


def test_profiles_find_what_the_data_do_not_limit():
    """A power of D that hardly varies: any exponent is compatible, and that is said."""
    data = two_term_table(0.01)
    data["D"] = 1e10 * (1 + 1e-3 * np.linspace(-1, 1, 40))
    data["loss"] = 1.8 + 480 / data["N"] ** 0.35
    data["loss"] *= np.exp(0.01 * np.random.default_rng(0).normal(size=40))
    law = lf.Law(TWO_TERMS, ("N", "D")).bound(E=(0, None), A=(0, None), B=(0, None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        fit = lf.fit(law, data, on="log")
        found = fit.diagnose(profiles=True)
    assert "beta" in found.open_ends or "beta" in fit.diagnostics["not_identified"]
    assert "the data do not limit" in str(found) or found.identifiability.condition > 1e3
    clean = lf.fit(TWO_TERMS, NOISY, on="log").diagnose(profiles=True)
    assert clean.open_ends == {} and set(clean.profiles) == {"E", "A", "alpha", "B", "beta"}
    assert clean.profiles["alpha"].low < 0.35 < clean.profiles["alpha"].high


def test_bounds_and_kinks_and_few_rows_do_not_crash():
    law = lf.Law(TWO_TERMS, ("N", "D"))
    held = lf.fit(law.bound(alpha=(0.4, 1)), NOISY, on="log")
    assert held.diagnose().identifiability.names == ("E", "A", "B", "beta")
    kinked = lf.fit(TWO_TERMS, NOISY, on="log", loss=lf.Absolute()).diagnose()
    assert np.isnan(kinked.influence).all() and np.isfinite(kinked.standardised).all()
    assert "rows" in str(kinked)
    two = lf.fit("y = a + b*x", {"x": [0.0, 1.0], "y": [1.0, 2.0]}).diagnose()
    assert np.isnan(two.standardised).all() and "condition" in str(two)


# ---- the checklist ----

def test_the_checklist_says_what_the_fit_knows():
    fit = lf.fit("chinchilla", NOISY, where="not diverged", **ROBUST)
    listed = fit.checklist(fit.bootstrap(50))
    text = str(listed)
    for part in ("E + A/N**alpha + B/D**beta", "36 fitted of 40; 4 left out", "huber:0.001",
                 "N 1e+07 to 1e+10", repr(fit.params["A"]), repr(fit.objective),
                 "pairs bootstrap, 50 replicates, 0 failed", "a + b = 1", "A in [0, inf]",
                 f"stderr {fit.stderr['E']:.3g}", "converged", "TO ADD"):  # fmt: skip
        assert part in text, part
    blocks = list(listed.to_dict())
    assert blocks == ["Hypothesis", "Variables", "Training set-up", "Data", "Objective",
                      "Optimisation", "Estimate", "Uncertainty", "Fit quality", "Extrapolation",
                      "Sensitivity", "Derived", "Release"]  # fmt: skip
    assert listed.missing and all(item.statement == "" for item in listed.missing)
    assert listed.markdown().count("- [ ]") == len(listed.missing)


def test_the_checklist_takes_notes_and_changes_with_the_rows():
    fit = lf.fit(TWO_TERMS, NOISY, on="log")
    before = fit.checklist()
    what = before.missing[0].what
    after = fit.checklist(notes={what: "because of theory"})
    assert len(after.missing) == len(before.missing) - 1
    assert after.to_dict()["Hypothesis"][what] == "because of theory"
    with pytest.raises(ValueError, match="notes: 'mood' is no item of the checklist"):
        fit.checklist(notes={"mood": "good"})
    digest = "rows fitted, SHA-256 of their float64 columns"
    other = lf.fit(TWO_TERMS, without(NOISY, 3), on="log").checklist()
    assert other.to_dict()["Release"][digest] != before.to_dict()["Release"][digest]
    tied = lf.fit(lf.Law(TWO_TERMS, ("N", "D")).tie("alpha", "beta").fix(E=1.8), NOISY, on="log")
    parameters = tied.checklist().to_dict()["Hypothesis"]["parameters"]
    assert parameters.startswith("3 free (A, alpha, B), 1 tied (beta = alpha), 1 fixed (E = 1.8")


def test_what_cannot_be_diagnosed_says_so():
    with pytest.raises(ValueError, match="diagnose: this fit has no rows"):
        lf.published("chinchilla").diagnose()


def test_a_printed_diagnosis():
    runs = lf.datasets.load("tiny_lm")
    fit = lf.fit("chinchilla", runs, columns={"N": "params", "D": "tokens"}, on="log")
    check_expected("diagnosis.txt", str(fit.diagnose()))
