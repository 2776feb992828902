"""What a fit tells: parameters, errors, certificates, text."""

from __future__ import annotations

import dataclasses
import math
import pickle
import warnings

import lawfit as lf
import numpy as np
import pytest
from lawfit.goodness import goodness
from samples import (
    LINE,
    TRUTH,
    TWO_TERMS,
    check_expected,
    line_table,
    normal_equations,
    two_term_table,
)


def quiet_fit(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(*args, **kwargs)


def test_line_against_the_textbook(line):
    estimate, covariance, residuals = normal_equations()
    np.testing.assert_allclose(line.values, estimate, rtol=1e-9)
    np.testing.assert_allclose(line.covariance(), covariance, rtol=1e-9)
    np.testing.assert_allclose(list(line.stderr.values()), np.sqrt(np.diag(covariance)), rtol=1e-9)
    np.testing.assert_allclose(line.residuals, residuals, atol=1e-12)
    assert line.objective == pytest.approx(residuals @ residuals / 2)
    assert list(line.params) == ["a", "b"] == list(line.stderr)
    assert line.status == "converged" and line.converged
    assert line.message == "The optimum was found to the requested tolerance."
    data = line_table()
    assert line.r2 == pytest.approx(np.corrcoef(data["x"], data["y"])[0, 1] ** 2)
    assert line.rmse == pytest.approx(math.sqrt(residuals @ residuals / 7))


def test_noise_free_data_give_the_truth_and_converge():
    for on in ("linear", "log", "relative"):
        result = lf.fit(TWO_TERMS, two_term_table(), on=on)
        assert result.params == pytest.approx(TRUTH, rel=1e-6)
        assert result.converged


def test_hand_made_sandwich():
    """H^-1 (sum of gradient outer products) H^-1 times n/(n - p), for a straight line."""
    result = lf.fit(LINE, line_table(), loss=lf.Huber(10.0))  # no residual is that large
    _, _, residuals = normal_equations()
    J = np.stack([np.ones(7), line_table()["x"]], axis=1)
    bread = np.linalg.inv(J.T @ J)
    expected = bread @ (J.T * residuals**2) @ J @ bread * 7 / 5
    np.testing.assert_allclose(result.covariance("sandwich"), expected, rtol=1e-8)
    np.testing.assert_array_equal(result.covariance(), result.covariance("sandwich"))


def test_sigma_is_relative_unless_told_otherwise():
    data = line_table()
    plain, scaled = lf.fit(LINE, data), lf.fit(LINE, data, sigma=3.0)
    absolute = lf.fit(LINE, data, sigma=3.0, absolute_sigma=True)
    np.testing.assert_allclose(scaled.covariance(), plain.covariance(), rtol=1e-9)
    J = np.stack([np.ones(7), data["x"]], axis=1)
    known = 9 * np.linalg.inv(J.T @ J)
    np.testing.assert_allclose(absolute.covariance(), known, rtol=1e-9)
    np.testing.assert_allclose(scaled.covariance(absolute_sigma=True), known, rtol=1e-9)
    assert absolute.stderr["b"] == pytest.approx(math.sqrt(known[1, 1]))
    np.testing.assert_allclose(scaled.residuals, plain.residuals, atol=1e-12)
    # With a known sigma the interval is normal, otherwise Student's t on n - p.
    low, high = absolute.derive("b").interval(0.95)
    assert (high - low) / 2 == pytest.approx(1.959963985 * math.sqrt(known[1, 1]))
    low, high = plain.derive("b").interval(0.95)
    assert (high - low) / 2 == pytest.approx(2.570581836 * plain.stderr["b"])


def test_fixed_tied_and_bounded_parameters():
    law = lf.Law("y = a + b*x + c*x**2 + d*x", ("x",)).fix(d=0.5).tie("a", "c").bound(b=(0, 1.2))
    result = lf.fit(law, line_table())
    assert result.status == "converged_at_bound" and result.converged
    assert result.params["d"] == 0.5 and result.params["a"] == result.params["c"]
    assert result.params["b"] == 1.2
    assert result.diagnostics["active_bounds"] == {"b": "upper"}
    matrix = result.covariance()
    place = {name: at for at, name in enumerate(law.parameters)}
    assert not matrix[place["d"]].any() and not matrix[place["b"]].any()
    np.testing.assert_array_equal(matrix[place["a"]], matrix[place["c"]])
    assert matrix[place["a"], place["a"]] > 0
    assert result.stderr["d"] == 0 and math.isnan(result.stderr["b"])
    assert result.stderr["a"] == result.stderr["c"] > 0
    # A derived quantity treats what is on a bound as known.
    assert result.derive("b + d").stderr == 0
    check_expected("fit_bounds.txt", str(result))


def test_undefined_errors_are_nan_with_a_sentence():
    exact = lf.fit(LINE, {"x": [0.0, 1.0], "y": [1.0, 3.0]})
    assert np.isnan(list(exact.stderr.values())).all()
    assert "2 rows leave nothing to estimate" in exact.stderr_note
    with pytest.warns(lf.FitWarning, match="2 rows leave nothing"):
        assert np.isnan(exact.covariance()).all()
    median = lf.fit(LINE, line_table(), loss=lf.Absolute())
    assert "absolute loss has no curvature; use fit.bootstrap()" in median.stderr_note
    assert median.stderr_note in str(median)
    prediction = median.predict(x=2.0, level=0.9)
    assert math.isfinite(prediction.value) and math.isnan(prediction.low)
    with pytest.raises(ValueError, match="kind: unknown covariance 'ols'"):
        median.covariance("ols")


def test_not_identified_says_who_trades_with_whom():
    with pytest.warns(lf.FitWarning, match="^1 of 1 fits did not converge: not_identified") as seen:
        result = lf.fit("y = a + b + c*x", line_table())
    assert len(seen) == 1
    assert not result.converged
    assert result.diagnostics["not_identified"] == {"a": ("b",), "b": ("a",)}
    assert str(result).splitlines()[-1] == (
        "NOT RELIABLE, not_identified (a, b): The data cannot tell some parameters apart; see "
        "not_identified, then fix, tie or drop one of them, or add runs."
    )


def test_too_few_points():
    data = {"x": [1.0], "y": [2.0]}
    with pytest.warns(lf.FitWarning, match="too_few_points") as seen:
        result = lf.fit(LINE, data)
    assert len(seen) == 1
    assert result.status == "too_few_points"
    assert np.isnan(result.values).all() and math.isnan(result.objective)
    check_expected("fit_too_few.txt", str(result))
    with pytest.raises(lf.FitError, match="too_few_points") as caught:
        lf.fit(LINE, data, strict=True)
    assert caught.value.result.status == "too_few_points"
    with pytest.raises(ValueError, match="no finite parameters"):
        result.bootstrap(10)


def test_a_constant_column_is_not_identified():
    result = quiet_fit(LINE, {"x": np.ones(7), "y": line_table()["y"]})
    assert result.status == "not_identified"
    assert result.fitted == pytest.approx(np.full(7, line_table()["y"].mean()))


def test_iteration_limit_keeps_the_best_so_far():
    result = quiet_fit(TWO_TERMS, two_term_table(0.01), max_iterations=1, loss=lf.Huber(1e-3))
    assert result.status == "iteration_limit"
    assert math.isfinite(result.objective)
    assert "raise max_iterations" in str(result).splitlines()[-1]


def test_diagnostics(noisy):
    found = noisy.diagnostics
    assert set(found) == {
        "n_starts", "n_converged", "best_basin_share", "second_objective", "gradient_norm",
        "n_iterations", "active_bounds", "not_identified", "moved", "level",
    }
    assert 1 <= found["n_converged"] <= found["n_starts"]
    assert 0 < found["best_basin_share"] <= 1
    assert found["gradient_norm"] < 1e-6 and found["n_iterations"] > 0
    assert found["active_bounds"] == {} == found["not_identified"]


def test_starts_in_input_order():
    data = two_term_table(0.01)
    given = np.array([
        [1.5, 300, 0.3, 1000, 0.3], [1.8, 480, 0.35, 2000, 0.37], [2, 90, 0.2, 9, 0.1],
    ])  # fmt: skip
    result = lf.fit(TWO_TERMS, data, starts=given, keep_starts=True)
    assert len(result.starts) == 3 == result.diagnostics["n_starts"]
    assert list(result.starts.params) == list(result.law.parameters)
    assert set(result.starts.status) <= {name for name, _ in lf.status.statuses()}
    best = int(np.argmin(result.starts.objective))
    assert result.starts.objective[best] == pytest.approx(result.objective, rel=1e-9)
    assert result.starts.params["beta"][best] == pytest.approx(result.params["beta"], rel=1e-6)
    share = np.mean(result.starts.objective <= result.objective * (1 + 1e-6))
    assert result.diagnostics["best_basin_share"] == pytest.approx(share)
    assert lf.fit(TWO_TERMS, data, starts=given).starts is None
    # One at a time, each start ends where it did in company.
    for at, row in enumerate(given):
        alone = quiet_fit(TWO_TERMS, data, starts=row, keep_starts=True)
        assert alone.starts.objective[0] == result.starts.objective[at]


def test_starts_as_a_dict_or_a_number():
    data = two_term_table(0.01)
    by_name = {"E": 1.5, "A": [300.0, 500.0], "alpha": 0.3, "B": 1000.0, "beta": 0.3}
    as_array = [[1.5, 300, 0.3, 1000, 0.3], [1.5, 500, 0.3, 1000, 0.3]]
    one = lf.fit(TWO_TERMS, data, starts=by_name, keep_starts=True)
    two = lf.fit(lf.Law(TWO_TERMS, ("N", "D")), data, starts=as_array, keep_starts=True)
    np.testing.assert_array_equal(one.starts.objective, two.starts.objective)
    assert lf.fit(TWO_TERMS, data, starts=7).diagnostics["n_starts"] == 7
    # A declared start, a fixed value and a tie need not be given again.
    law = lf.Law(TWO_TERMS, ("N", "D"), {"E": lf.Parameter(start=1.5)})
    law = law.fix(A=400).tie("alpha", "beta")
    assert lf.fit(law, data, starts={"B": 1000.0, "beta": 0.3}).diagnostics["n_starts"] == 1


@pytest.mark.parametrize(("starts", "error", "message"), [
    ("many", ValueError, "the only text is 'auto'"),
    (0, ValueError, "starts: must be at least 1"),
    ([[1.0, 2.0, 3.0]], ValueError, "expected shape (starts, 2) in the order a, b, got (1, 3)"),
    (np.empty((0, 2)), ValueError, "the array is empty"),
    ([["x", 1]], TypeError, "starts: expected numbers"),
    ({"a": 1.0}, ValueError, "no start for b"),
    ({"a": 1.0, "b": 1.0, "c": 1.0}, ValueError, "'c' is not a parameter; parameters: a, b"),
    ({"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, ValueError, "lengths do not agree: a 2, b 3"),
    ([[1.0, 1.0], [np.nan, 1.0]], ValueError, "start 1 has a = nan, which is not finite"),
    ([[1.0, 1.0], [1.0, -2.0]], ValueError, "start 1 has b = -2, which lies below the bound 0"),
    ([[1.0, 9.0]], ValueError, "start 0 has b = 9, which lies above the bound 5"),
], ids=str)  # fmt: skip
def test_wrong_starts(starts, error, message):
    law = lf.Law(LINE, ("x",)).bound(b=(0, 5))
    with pytest.raises(error) as caught:
        lf.fit(law, line_table(), starts=starts)
    assert message in str(caught.value)


def test_residual_spaces():
    data = two_term_table(0.01)
    for on, space in (("log", np.log), ("linear", np.asarray)):
        result = lf.fit(TWO_TERMS, data, on=on)
        np.testing.assert_allclose(
            result.residuals, space(data["loss"]) - space(result.fitted), atol=1e-13
        )
        r2, rmse, raw = goodness(result)
        target = space(data["loss"])
        spread = ((target - target.mean()) ** 2).sum()
        assert r2 == pytest.approx(1 - (result.residuals**2).sum() / spread)
        assert rmse == pytest.approx(np.sqrt((result.residuals**2).mean()))
        assert raw == pytest.approx(np.sqrt(((data["loss"] - result.fitted) ** 2).mean()))
    relative = lf.fit(TWO_TERMS, data, on="relative")
    np.testing.assert_allclose(relative.residuals, 1 - relative.fitted / data["loss"], atol=1e-13)
    weighted = lf.fit(TWO_TERMS, data, weights=1 / data["loss"] ** 2)
    assert relative.params == pytest.approx(weighted.params, rel=1e-6)
    assert goodness(relative)[0] == pytest.approx(goodness(weighted)[0])


def test_threads_and_seeds_give_the_same_bits():
    data = two_term_table(0.01)
    fits = [lf.fit(TWO_TERMS, data, on="log", threads=threads) for threads in (1, 2, 7, None)]
    assert all(fit.params == fits[0].params for fit in fits)


def test_progress_is_told_at_least_the_end(capsys):
    seen = []
    lf.fit(TWO_TERMS, two_term_table(0.01), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    lf.fit(TWO_TERMS, two_term_table(0.01), progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.endswith("\n")

    def broken(done, total):
        raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        lf.fit(TWO_TERMS, two_term_table(0.01), progress=broken)


def test_frozen_and_picklable(noisy):
    with pytest.raises(dataclasses.FrozenInstanceError):
        noisy.objective = 0.0
    copy = pickle.loads(pickle.dumps(noisy))
    assert copy.params == noisy.params and copy.law == noisy.law and str(copy) == str(noisy)
    assert copy.predict(N=1e9, D=1e10, level=0.9) == noisy.predict(N=1e9, D=1e10, level=0.9)


def test_plain_summary(noisy):
    summary = noisy.to_dict()
    assert summary["params"] == noisy.params and summary["status"] == "converged"
    assert summary["law"] == TWO_TERMS and summary["on"] == "log" and summary["loss"] == "squared"
    assert summary["verdict"] == str(noisy).splitlines()[-1]


def known(fit, **changes):
    """The fit with certificates that do not depend on how starts are made."""
    found = {**fit.diagnostics, "n_starts": 40, "best_basin_share": 0.975, **changes}
    return dataclasses.replace(fit, diagnostics=found)


def test_text_of_a_good_fit(noisy):
    check_expected("fit_good.txt", str(known(noisy)))


def test_text_of_a_robust_weighted_fit():
    data = two_term_table(0.005)
    result = lf.fit(TWO_TERMS, data, loss=lf.Huber(0.01), weights=data["N"] / 1e9)
    check_expected("fit_robust.txt", str(known(result)))


def test_verdicts(noisy, line):
    def verdict(fit):
        return str(fit).splitlines()[-1]

    assert verdict(known(noisy)) == "Converged: 97 % of 40 starts reached this optimum."
    assert verdict(known(noisy, best_basin_share=0.004)) == (
        "Converged: <1 % of 40 starts reached this optimum; so few may mean that a better one was "
        "missed, try starts=1000."
    )
    assert verdict(known(noisy, best_basin_share=1.0)).startswith("Converged: 100 % of 40")
    assert verdict(line) == (
        "Converged: the law is linear in its parameters, so one start is enough."
    )
    assert verdict(lf.fit(LINE, line_table(), starts=[1.0, 1.0])) == (
        "Converged: the one start reached it; starts='auto' would look for a better optimum."
    )
    assert repr(line) == "Fit(a=1.02143, b=1.99286; converged, objective=0.0717857)"
