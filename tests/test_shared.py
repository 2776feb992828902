"""Joint fits: optimum and errors of one big problem, whatever the groups."""

from __future__ import annotations

import lawfit as lf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joint_samples import LAW, curves, one_big_problem, quiet
from scipy.optimize import least_squares


@pytest.mark.parametrize("on", ["linear", "log", "relative"])
@pytest.mark.parametrize("row", [{}, {"weights": "w"}, {"sigma": "w"}])
def test_agrees_with_one_big_problem(on, row):
    """Parameters to 1e-6, standard errors to 1e-4."""
    table = curves()
    fits = lf.fit_many(LAW, table, by="run", share=["alpha"], on=on, **row)
    big = one_big_problem(table, fits, on, **row)
    assert fits.shared.converged and set(fits.status) == {"converged"}
    assert fits.shared.objective == pytest.approx(big["cost"], rel=1e-10)
    assert fits.shared.objective == pytest.approx(fits.objective.sum(), rel=1e-12)
    assert len(set(fits.params["alpha"].tolist())) == 1
    assert fits.shared.params["alpha"] == fits.params["alpha"][0]
    for name in ("alpha", "E", "A"):
        np.testing.assert_allclose(fits.params[name], big[name], rtol=1e-6)
        np.testing.assert_allclose(fits.stderr[name], big[f"{name}_error"], rtol=1e-4)
    assert fits.shared.stderr["alpha"] == fits.stderr["alpha"][0]
    assert (fits.shared.rows, fits.shared.parameters, fits.shared.groups) == (240, 41, 20)


@pytest.mark.parametrize("loss", [lf.Huber(0.01), lf.SoftL1(0.01), lf.Cauchy(0.02)])
def test_robust_losses_agree_with_one_big_problem(loss):
    table = curves(groups=8, noise=0.02)
    fits = lf.fit_many(LAW, table, by="run", share="alpha", on="log", losses=loss)
    big = one_big_problem(table, fits, "log", loss)
    assert fits.shared.objective <= big["cost"] * (1 + 1e-9)
    for name in ("alpha", "E", "A"):
        np.testing.assert_allclose(fits.params[name], big[name], rtol=1e-5)  # SciPy stops early


@pytest.mark.parametrize("loss", [lf.Huber(1e-3), lf.Huber(1e-5), lf.LogCosh(1e-3)])
def test_small_scales_end_where_nothing_nearby_is_lower(loss):
    table = curves(groups=6)
    fits = lf.fit_many(LAW, table, by="run", share="alpha", on="log", losses=loss)
    assert fits.shared.converged
    alpha, best = fits.shared.params["alpha"], fits.shared.objective
    for shift in (-1e-3, -1e-5, 1e-5, 1e-3):
        held = lf.Law("E + A/N**alpha", ["N"]).fix(alpha=alpha + shift)
        moved = quiet(held, table, "loss", by="run", on="log", losses=loss)
        assert moved.objective.sum() >= best * (1 - 1e-9)
    own = quiet(lf.Law("E + A/N**alpha", ["N"]).fix(alpha=alpha), table, "loss", by="run", on="log",
                losses=loss)
    assert own.objective.sum() == pytest.approx(best, rel=1e-9)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), groups=st.integers(2, 9), rows=st.integers(4, 9),
       noise=st.sampled_from([0.0, 1e-3, 0.02]), on=st.sampled_from(["linear", "log"]))
def test_no_shared_value_is_better(seed, groups, rows, noise, on):
    """The joint objective is the least of those at held values, own parameters being free."""
    table = curves(groups, rows, seed, noise)
    fits = quiet(LAW, table, by="run", share="alpha", on=on)
    assert fits.shared.status in ("converged", "not_identified")
    for shift in (-0.02, -1e-4, 0.0, 1e-4, 0.02):
        held = lf.Law("E + A/N**alpha", ["N"]).fix(alpha=fits.shared.params["alpha"] + shift)
        other = quiet(held, table, "loss", by="run", on=on).objective.sum()
        assert fits.shared.objective <= other * (1 + 1e-9) + 1e-24


def test_threads_and_batches_do_not_show():
    table = curves(groups=700, rows=150)  # more rows than one thread is given
    one, two = (lf.fit_many(LAW, table, by="run", share="alpha", on="log", threads=n)
                for n in (1, 3))
    for name in one.params:
        assert np.array_equal(one.params[name], two.params[name])
        assert np.array_equal(one.stderr[name], two.stderr[name])
    assert one.shared.objective == two.shared.objective
    boots = [lf.fit_many(LAW, curves(5), by="run", share="alpha", on="log")
             .bootstrap(40, seed=3, threads=n) for n in (1, 3)]
    assert np.array_equal(boots[0].params["E"], boots[1].params["E"])
    assert (boots[0].params["alpha"] == boots[0].params["alpha"][0]).all()


def test_order_of_rows_and_units_do_not_matter():
    table = curves()
    fits = lf.fit_many(LAW, table, by="run", share="alpha", on="log")
    order = np.random.default_rng(1).permutation(240)
    mixed = lf.fit_many(LAW, {name: column[order] for name, column in table.items()}, by="run",
                        share="alpha", on="log")
    back = np.argsort(mixed.index["run"])[np.argsort(np.argsort(fits.index["run"]))]
    np.testing.assert_allclose(mixed.params["A"][back], fits.params["A"], rtol=1e-8)
    small = lf.fit_many(LAW, {**table, "N": table["N"] / 1e9}, by="run", share="alpha", on="log")
    assert small.shared.params["alpha"] == pytest.approx(fits.shared.params["alpha"], rel=1e-9)
    np.testing.assert_allclose(small.stderr["E"], fits.stderr["E"], rtol=1e-6)


def test_one_group_alone_is_the_ordinary_fit():
    table = {name: column[curves()["run"] == 3] for name, column in curves().items()}
    alone = lf.fit(LAW, table, on="log")
    fits = lf.fit_many(LAW, table, by="run", share="alpha", on="log")
    for name, value in alone.params.items():
        assert fits.params[name][0] == pytest.approx(value, rel=1e-8)
        assert fits.stderr[name][0] == pytest.approx(alone.stderr[name], rel=1e-6)
    for kind in ("jacobian", "hessian", "sandwich"):
        np.testing.assert_allclose(fits[0].covariance(kind), alone.covariance(kind), rtol=1e-5)
    by = np.arange(12) // 3
    np.testing.assert_allclose(fits[0].covariance(by=by), alone.covariance(by=by), rtol=1e-5)


@pytest.mark.parametrize("kind", ["hessian", "sandwich", "cluster"])
def test_other_covariances_are_those_of_one_big_law(kind):
    """The same model written as one law with indicator columns."""
    table = curves(groups=3, noise=0.03)
    joint = lf.fit_many(LAW, table, by="run", share="alpha", on="log")
    keys = joint.index["run"]
    big_table = {**table, **{f"i{at}": (table["run"] == key) * 1.0 for at, key in enumerate(keys)}}
    big = lf.fit("loss = " + " + ".join(f"i{k}*(E{k} + A{k}/N**alpha)" for k in range(3)),
                 big_table, on="log")
    by = np.arange(36) % 7 if kind == "cluster" else None  # clusters span groups
    ours, theirs = joint.shared.covariance(kind, by=by), big.covariance(kind, by=by)
    at = big.law.parameters.index("alpha")
    assert ours[0, 0] == pytest.approx(theirs[at, at], rel=1e-5)
    for k in range(3):
        places = [big.law.parameters.index(name) for name in (f"E{k}", f"A{k}", "alpha")]
        np.testing.assert_allclose(joint[k].covariance(kind, by=by),
                                   theirs[np.ix_(places, places)], rtol=1e-4)


def test_groups_of_few_rows():
    """One and two rows, fewer than the parameters of the law, take part and say what they can."""
    table = curves()
    kept = np.ones(240, bool)
    for key, left in ((4, 1), (7, 2)):
        kept[np.flatnonzero(table["run"] == key)[left:]] = False
    few = {name: column[kept] for name, column in table.items()}
    with pytest.warns(lf.FitWarning, match="1 of 20 fits did not converge: 1 too_few_points"):
        fits = lf.fit_many(LAW, few, by="run", share="alpha", on="log")
    one, two = fits.where(run=4), fits.where(run=7)
    assert fits.shared.converged and fits.shared.parameters == 1 + 18 * 2 + 1 + 2
    assert one.status.tolist() == ["too_few_points"] and np.isnan(one.stderr["E"]).all()
    assert one.objective[0] < 1e-20 and np.isfinite(one.stderr["alpha"]).all()
    assert two.status.tolist() == ["converged"] and np.isfinite(two.stderr["E"]).all()
    # Those two groups say nothing about the exponent: without them it is the same.
    rest = ~np.isin(few["run"], [4, 7])
    others = lf.fit_many(LAW, {name: column[rest] for name, column in few.items()}, by="run",
                         share="alpha", on="log")
    assert others.shared.params["alpha"] == pytest.approx(fits.shared.params["alpha"], rel=1e-7)
    assert others.shared.stderr["alpha"] == pytest.approx(fits.shared.stderr["alpha"], rel=1e-6)


def test_every_group_too_small_alone():
    """Two rows a group for three parameters: only together can they be fitted."""
    table = curves(groups=60, rows=3, noise=0.003)
    kept = np.ones(180, bool)
    for key in range(60):
        kept[np.flatnonzero(table["run"] == key)[0]] = False
    table = {name: column[kept] for name, column in table.items()}
    law = lf.Law("loss = E + A*N**-alpha", ["N"], {"E": lf.Parameter(fixed=0.0)})
    fits = lf.fit_many(law, {**table, "loss": table["loss"] - 1.4}, by="run", share="alpha",
                       on="log")
    assert set(fits.status) == {"converged"} and fits.shared.freedom == 120 - 61


def test_bounds_fixed_values_and_ties():
    table = curves()
    law = lf.Law("E + A/N**alpha", ["N"])
    low = lf.fit_many(law.bound(alpha=(0.36, None)), table, "loss", by="run", share="alpha")
    assert low.shared.params["alpha"] == 0.36 and low.shared.status == "converged_at_bound"
    assert low.shared.diagnostics["active_bounds"] == {"alpha": "lower"}
    assert np.isnan(low.shared.stderr["alpha"]) and low.shared.parameters == 40
    held = lf.fit_many(law.fix(alpha=0.36), table, "loss", by="run")
    np.testing.assert_allclose(low.params["A"], held.params["A"], rtol=1e-7)
    own = lf.fit_many(law.bound(E=(2.0, 2.2)), table, "loss", by="run", share="alpha", on="log")
    E = own.params["E"]
    assert own.shared.status == "converged_at_bound"
    assert (E == 2.0).any() and (E == 2.2).any() and ((E > 2.0) & (E < 2.2)).any()
    assert (own.diagnostics["active_bounds"]["E"] == np.where(E == 2, -1, E == 2.2)).all()
    for shift in (-1e-3, 1e-3):
        other = law.bound(E=(2.0, 2.2)).fix(alpha=own.shared.params["alpha"] + shift)
        moved = quiet(other, table, "loss", by="run", on="log")
        assert moved.objective.sum() > own.shared.objective
    two = lf.Law("E + A/N**alpha + B/N**beta", ["N"]).tie("alpha", "beta").fix(B=0.0)
    tied = lf.fit_many(two, table, "loss", by="run", share="beta", on="log")
    assert set(tied.shared.params) == {"alpha", "beta"}
    plain = lf.fit_many(law, table, "loss", by="run", share="alpha", on="log")
    assert tied.shared.params["beta"] == pytest.approx(plain.shared.params["alpha"], rel=1e-9)


def test_several_shared_parameters_amplitudes_too():
    """A shared amplitude cannot be centred group by group; a shared floor is linear."""
    rng = np.random.default_rng(5)
    run = np.repeat(np.arange(15), 10)
    N, alpha = 10 ** rng.uniform(6, 9, 150), rng.uniform(0.2, 0.5, 15)
    table = {"N": N, "run": run,
             "loss": (1.8 + 400 / N ** alpha[run]) * np.exp(0.003 * rng.normal(size=150))}
    fits = lf.fit_many(LAW, table, by="run", share=["A", "E"], on="log")
    assert fits.shared.converged and fits.shared.parameters == 17

    def residuals(x):
        return np.log(table["loss"]) - np.log(x[0] + np.exp(x[1]) / N ** x[2:][run])

    start = np.r_[1.8, np.log(400), alpha]
    big = least_squares(residuals, start, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert fits.shared.objective <= big.cost * (1 + 1e-9)
    np.testing.assert_allclose(fits.params["alpha"], big.x[2:], rtol=1e-6)
    assert fits.shared.params["A"] == pytest.approx(np.exp(big.x[1]), rel=1e-6)
    assert fits.shared.covariance().shape == (2, 2)


def test_work_is_linear_in_the_groups():
    """Steps do not become more with the groups, and each costs what one of every group does."""
    counts = {}
    for groups in (200, 2000):
        fits = lf.fit_many(LAW, curves(groups), by="run", share="alpha", on="log")
        assert fits.converged.all()
        counts[groups] = fits.shared.diagnostics["n_iterations"]
    assert counts[2000] <= 1.5 * counts[200]
    # A slice of 20 of them has SciPy's optimum.
    table = curves(2000)
    slice_ = {name: column[table["run"] < 20] for name, column in table.items()}
    fits = lf.fit_many(LAW, slice_, by="run", share="alpha", on="log")
    big = one_big_problem(slice_, fits, "log")
    np.testing.assert_allclose(fits.params["E"], big["E"], rtol=1e-6)
    assert fits.shared.params["alpha"] == pytest.approx(big["alpha"], rel=1e-6)


def test_what_no_group_determines():
    """Two shared parameters that only their product tells apart."""
    rng = np.random.default_rng(0)
    table = {"x": rng.uniform(1, 2, 40), "run": np.repeat(np.arange(4), 10)}
    table["y"] = table["x"] * 2 + table["run"] + 0.01 * rng.normal(size=40)
    with pytest.warns(lf.FitWarning, match="4 not_identified"):
        fits = lf.fit_many("y = a + b*c*x", table, by="run", share=["b", "c"])
    assert fits.shared.status == "not_identified"
    assert fits.shared.diagnostics["not_identified"] == ("b", "c")
    assert np.isnan(fits.shared.stderr["b"])


def test_fewer_rows_than_parameters_say_so():
    x = np.array([1.0, 2.0, 3.0])
    with pytest.warns(lf.FitWarning, match="3 too_few_points"):
        fits = lf.fit_many("y = E + A/x**alpha + B*x**c", {"x": x, "y": 2 * x, "g": x}, by="g",
                           share="alpha")
    assert fits.status.tolist() == ["too_few_points"] * 3
