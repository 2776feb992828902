"""Profiles: against iminuit's MINOS, Fieller's exact interval, brute force, and at the edges."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table
from scipy import optimize, stats

import lawfit as lf

LINE = "y = a + b*x"


def line(seed=0, n=40):
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 4, n)
    return {"x": x, "y": 1 + 2 * x + 0.3 * rng.normal(size=n)}


@pytest.fixture(scope="module")
def fit():
    return lf.fit(TWO_TERMS, two_term_table(0.01), on="log")


def test_of_a_line_is_the_exact_interval():
    found = lf.fit(LINE, line())
    for level in (0.8, 0.99):
        profile, wald = found.interval(level), found.interval(level, "wald")
        for name in "ab":
            np.testing.assert_allclose(profile[name], wald[name], rtol=1e-6)


def test_of_a_ratio_is_fieller():
    found = lf.fit(LINE, line())
    (a, b), cov = found.values, found.covariance()
    t2 = stats.t.ppf(0.975, 38) ** 2
    # (a + q b)**2 = t**2 var(a + q b) at the ends of the interval for q = -a/b
    ends = np.roots([b**2 - t2 * cov[1, 1], 2 * (a * b - t2 * cov[0, 1]), a**2 - t2 * cov[0, 0]])
    np.testing.assert_allclose(found.profile(derived="-a/b").interval, np.sort(ends), rtol=1e-6)


def test_equals_minos():
    iminuit = pytest.importorskip("iminuit", reason="compares with iminuit's MINOS")
    data = two_term_table(0.01)
    sigma = 0.01 * data["loss"]
    law = lf.Law(TWO_TERMS, ("N", "D"))
    found = lf.fit(law, data, sigma=sigma, absolute_sigma=True)

    def chi2(E, logA, alpha, logB, beta):
        model = E + np.exp(logA - alpha * np.log(data["N"])) + np.exp(
            logB - beta * np.log(data["D"])
        )
        return float((((data["loss"] - model) / sigma) ** 2).sum())

    p = found.params
    minuit = iminuit.Minuit(chi2, E=p["E"], logA=math.log(p["A"]), alpha=p["alpha"],
                            logB=math.log(p["B"]), beta=p["beta"])
    minuit.errordef, minuit.strategy, minuit.tol = 1, 2, 1e-6
    minuit.migrad()
    minuit.minos()
    level = stats.chi2.cdf(1, 1)
    for name, profile in found.profile(level=level, points=0).items():
        theirs = minuit.merrors[name if name not in "AB" else f"log{name}"]
        change = np.log if name in "AB" else np.asarray
        ours = change(np.array(profile.interval)) - change(p[name])
        np.testing.assert_allclose(ours, [theirs.lower, theirs.upper], rtol=1e-4)


@pytest.mark.parametrize("loss", [lf.Huber(2e-3), lf.SoftL1(5e-3), lf.Cauchy(5e-3), "squared"])
def test_every_point_is_the_constrained_optimum(loss):
    """Fits with the parameter fixed, from the same engine's other path."""
    data = two_term_table(0.01)
    law = lf.Law(TWO_TERMS, ("N", "D"))
    found = lf.fit(law, data, on="log", loss=loss)
    beta = found.profile("beta", points=3)
    assert beta.ends == ("closed", "closed") and len(beta.at) >= 7
    scale = None
    for at, z in zip(beta.at, beta.z, strict=True):
        fixed = lf.fit(law.fix(beta=at), data, on="log", loss=loss)
        rise = 2 * (fixed.objective - found.objective)
        if abs(z) > 0.5:
            scale = rise / z**2 if scale is None else scale
            assert rise == pytest.approx(scale * z**2, rel=1e-5)


@pytest.mark.parametrize("on", ["linear", "log"])
@pytest.mark.parametrize("runs", [9, 16, 30, 60])
def test_ends_lie_on_the_path_from_the_optimum(runs, on):
    """Never at the estimate, never where the search met another branch (an amplitude below 0)."""
    law = lf.Law("y = E + A/N**alpha + B/D**beta", ["N", "D"])
    tables, rng = 25, np.random.default_rng([runs, len(on)])
    N, D = design(runs)
    exact = law(N=N, D=D, E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658)
    error = rng.normal(size=(tables, runs))
    y = exact * np.exp(0.01 * error) if on == "log" else exact + 0.02 * error
    fits = lf.fit_many(law, {"N": np.tile(N, tables), "D": np.tile(D, tables), "y": y.ravel(),
                             "table": np.repeat(np.arange(tables), runs)}, by="table", on=on)
    wanted, seen = stats.t.ppf(0.975, runs - 5), 0
    for at in np.flatnonzero(fits.converged):
        found = fits[int(at)]
        each = found.profile(points=0)
        each["a"] = found.profile(derived="beta/(alpha+beta)", points=0)
        for name, profile in each.items():
            assert profile.low < profile.value < profile.high, (at, profile)
            for end, kind in zip(profile.interval, profile.ends, strict=True):
                assert kind in ("closed", "open"), (at, profile)
                if kind == "closed":
                    z = profile.z[np.abs(profile.at - end).argmin()]
                    assert abs(z) == pytest.approx(wanted, rel=1e-6), (at, profile)
                    seen += 1
                if kind == "closed" and at < 3 and name != "a":  # the same from elsewhere
                    again = lf.fit(law.fix(**{name: end}), rows_of(found), on=on)
                    rise = 2 * (again.objective - found.objective) / (
                        2 * found.objective / (runs - 5))
                    assert rise == pytest.approx(wanted**2, rel=1e-5), (at, profile)
    assert seen > 250


def design(runs):
    sizes = next(k for k in range(int(runs**0.5), 0, -1) if runs % k == 0)
    grid = np.meshgrid(np.geomspace(5e7, 1.6e10, sizes), np.geomspace(1e9, 3e11, runs // sizes))
    return [axis.ravel() for axis in grid]


def rows_of(found):
    return {**found.rows.columns, "y": found.rows.y}


def test_derived_ends_are_where_the_rise_is(fit):
    """Against SciPy's constrained minimisation of the same objective."""
    profile = fit.profile(derived="beta/(alpha+beta)", level=0.9, points=0)
    data = two_term_table(0.01)
    rise = 0.5 * stats.t.ppf(0.95, 35) ** 2 * (fit.residuals @ fit.residuals) / 35

    def objective(theta):
        E, a, alpha, b, beta = theta
        model = E + np.exp(a - alpha * np.log(data["N"])) + np.exp(b - beta * np.log(data["D"]))
        return 1e4 * float(((np.log(data["loss"]) - np.log(model)) ** 2).sum() / 2)

    for end in profile.interval:
        at = np.argmin(np.abs(profile.at - end))
        start = [profile.params[n][at] for n in fit.law.parameters]
        start[1], start[3] = np.log(start[1]), np.log(start[3])
        best = optimize.minimize(
            objective, start, method="SLSQP", options={"ftol": 1e-14, "maxiter": 300},
            constraints={"type": "eq", "fun": lambda t: t[4] / (t[2] + t[4]) - end},
        )
        assert best.fun / 1e4 - fit.objective == pytest.approx(rise, rel=1e-4)


def test_a_prediction_is_a_derived_quantity(fit):
    told = fit.profile(derived="E + A/N**alpha + B/D**beta", N=1e11, D=1e12, level=0.9)
    delta = fit.predict(N=1e11, D=1e12, level=0.9)
    assert told.value == pytest.approx(delta.value)
    assert told.low == pytest.approx(delta.low, abs=0.5 * (delta.value - delta.low))
    assert told.high == pytest.approx(delta.high, abs=0.5 * (delta.high - delta.value))


def test_robust_and_clustered_profiles_agree_with_their_covariance_nearby():
    """At a low level the profile is the Wald interval of the covariance asked for."""
    data = two_term_table(0.01) | {"run": np.arange(40) // 4}
    found = lf.fit(TWO_TERMS, data, on="log", loss=lf.SoftL1(0.01))
    for arguments in ({}, {"by": "run"}, {"covariance": "hessian"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.FitWarning)
            profile = found.interval(0.02, **arguments)
            wald = found.interval(0.02, "wald", **arguments)
        for name in ("E", "alpha", "beta"):
            np.testing.assert_allclose(profile[name], wald[name],
                                       atol=0.02 * np.ptp(wald[name]))


def test_ties_and_fixed_values():
    data = two_term_table(0.01)
    law = lf.Law(TWO_TERMS, ("N", "D")).tie("alpha", "beta").fix(E=1.8)
    found = lf.fit(law, data, on="log")
    profiles = found.profile(points=2)
    assert list(profiles) == ["A", "alpha", "B", "beta"]
    assert profiles["alpha"].interval == profiles["beta"].interval
    assert (profiles["A"].params["alpha"] == profiles["A"].params["beta"]).all()
    with pytest.raises(ValueError, match="profile: 'E' is fixed"):
        found.profile("E")


# ---- edges ----

def test_a_floor_at_its_bound_has_a_one_sided_interval():
    N = np.geomspace(1e7, 1e10, 40)
    y = 50 / N**0.3 - 0.001 + 0.002 * np.random.default_rng(3).normal(size=40)
    law = lf.Law("E + A/N**alpha", ["N"], parameters={"E": lf.Parameter(positive=True)})
    found = lf.fit(law, {"N": N, "y": y}, y="y")
    assert found.params["E"] == 0 and found.diagnostics["active_bounds"] == {"E": "lower"}
    E = found.profile("E")
    assert E.low == 0 and E.ends == ("bound", "closed") and 0 < E.high < 0.05
    fixed = lf.fit(law.fix(E=E.high), {"N": N, "y": y}, y="y")
    rise = 0.5 * stats.t.ppf(0.975, 38) ** 2 * (found.residuals @ found.residuals) / 38
    assert fixed.objective - found.objective == pytest.approx(rise, rel=1e-5)
    for end in found.profile("alpha").interval:
        assert math.isfinite(end)


def test_no_information_says_so_instead_of_giving_a_number():
    rng = np.random.default_rng(0)
    N, D = np.geomspace(1e7, 1e10, 40), np.full(40, 1e10)
    data = {"N": N, "D": D, "loss": 2.2 + 480 / N**0.35 + 0.01 * rng.normal(size=40)}
    law = lf.Law("loss = E + A/N**alpha + B/D**beta", ["N", "D"])
    with pytest.warns(lf.FitWarning, match="not_identified"):
        found = lf.fit(law, data)
    with pytest.warns(lf.FitWarning, match="the data do not determine E, B, beta"):
        told = found.interval()
    assert told["beta"] == told["B"] == (-math.inf, math.inf)
    truth = {"A": 480, "alpha": 0.35}
    for name, value in truth.items():
        assert told[name][0] < value < told[name][1]
    with pytest.raises(ValueError, match="bootstrap: the data do not determine E, B, beta"):
        found.bootstrap(10)
    with pytest.warns(lf.FitWarning, match="both ends are open"):
        assert found.profile(derived="beta/(alpha+beta)").ends == ("open", "open")
    assert math.isnan(found.derive("beta/(alpha+beta)").stderr)


def test_little_information_leaves_ends_open():
    """Four sizes in a narrow range: the exponent may as well be 0 or huge."""
    rng = np.random.default_rng(1)
    N = np.repeat(np.linspace(1e9, 1.3e9, 4), 10)
    data = {"N": N, "loss": 2 + 100 / N**0.3 + 0.02 * rng.normal(size=40)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        found = lf.fit("loss = E + A/N**alpha", data)
        ends = found.profile("alpha", points=0)
    assert "open" in ends.ends or "infeasible" in ends.ends
    assert not (math.isfinite(ends.low) and ends.low > 0.3 and ends.high < 10)


def test_bounds_are_never_passed():
    law = lf.Law(TWO_TERMS, ("N", "D")).bound(beta=(0.36, 0.372), alpha=(0.0, 1.0))
    found = lf.fit(law, two_term_table(0.01), on="log")
    beta = found.profile("beta")
    assert beta.ends == ("bound", "bound") and beta.interval == (0.36, 0.372)
    assert beta.params["beta"].min() >= 0.36 and beta.params["beta"].max() <= 0.372


def test_few_rows_warn():
    found = lf.fit(LINE, line(n=10))
    with pytest.warns(lf.FitWarning, match="intervals from 10 rows: only from 30"):
        found.interval()
    data = line() | {"run": np.arange(40) // 4}
    with pytest.warns(lf.FitWarning, match="from 10 clusters"):
        lf.fit(LINE, data).interval(by="run")


def test_refusals(fit):
    for arguments, message in [
        ({"parameter": "gamma"}, "'gamma' is not a parameter"),
        ({"parameter": "beta", "derived": "alpha"}, "not both"),
        ({"derived": "alpha/", }, "alpha/"),
        ({"derived": "alpha*N", "N": [1.0, 2.0]}, "one point at a time"),
        ({"parameter": "beta", "level": 2}, "level: must lie"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit.profile(**arguments)
    absolute = lf.fit(LINE, line(), loss=lf.Absolute())
    with pytest.raises(ValueError, match="absolute loss has no curvature"):
        absolute.profile("a")
    with pytest.raises(ValueError, match="method: must be 'profile' or 'wald'"):
        fit.interval(method="bca")


def test_threads_and_points_change_nothing(fit):
    one, two = (fit.profile("alpha", threads=threads, points=30) for threads in (1, 2))
    np.testing.assert_array_equal(one.at, two.at)
    np.testing.assert_array_equal(one.z, two.z)
    assert one.interval == fit.profile(points=0)["alpha"].interval
