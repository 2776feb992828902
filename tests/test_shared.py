"""Joint fits: optimum and errors of one big problem, whatever the groups, and what is refused."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

import lawfit as lf

LAW = "loss = E + A/N**alpha"
SCIPY_LOSS = {"huber": "huber", "soft_l1": "soft_l1", "cauchy": "cauchy"}


def curves(groups=20, rows=12, seed=0, noise=0.01, alpha=0.34):
    """Runs of one exponent and a floor and an amplitude of every group's own, in mixed order."""
    rng = np.random.default_rng(seed)
    N = 10 ** rng.uniform(6, 9, groups * rows)
    run = np.repeat(np.arange(groups), rows)
    E, A = rng.uniform(1.5, 2.5, groups)[run], np.exp(rng.normal(6, 0.5, groups))[run]
    order = rng.permutation(len(N))
    table = {"N": N, "loss": (E + A / N**alpha) * np.exp(noise * rng.normal(size=len(N))),
             "run": run, "w": rng.uniform(0.3, 3, len(N))}
    return {name: column[order] for name, column in table.items()}


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit_many(*args, **kwargs)


def one_big_problem(table, fits, on="linear", loss=None, weights=None, sigma=None):
    """SciPy's optimum of all groups at once (from 1 % off ours), and its errors from J'J."""
    keys = fits.index["run"]
    place = {key: at for at, key in enumerate(keys.tolist())}
    g = np.array([place[key] for key in table["run"].tolist()])
    root = np.ones(len(g)) if weights is None else np.sqrt(table[weights])
    root = root if sigma is None else 1 / table[sigma]

    def residuals(x):
        model = x[1:].reshape(2, -1)[0][g] + np.exp(x[1:].reshape(2, -1)[1][g]) / table["N"] ** x[0]
        y = table["loss"]
        r = {"linear": y - model, "relative": (y - model) / y}.get(on)
        return root * (np.log(y) - np.log(model) if r is None else r)

    start = np.r_[fits.params["alpha"][0], fits.params["E"], np.log(fits.params["A"])]
    found = least_squares(
        residuals, start * 1.01, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=5000,
        jac="2-point" if loss is None else "3-point",
        **({} if loss is None else {"loss": SCIPY_LOSS[loss.name], "f_scale": loss.parameter}),
    )
    # A square root of J'J's inverse by QR, with a Jacobian of central differences.
    step = 1e-6 * np.maximum(np.abs(found.x), 1e-2)
    J = np.stack([(residuals(found.x + h) - residuals(found.x - h)) / (2 * h.sum())
                  for h in np.diag(step)], axis=1)  # fmt: skip
    inverse = np.linalg.inv(np.linalg.qr(J)[1])
    scatter = (residuals(found.x) ** 2).sum() / (len(g) - len(found.x))
    errors = np.sqrt(scatter * (inverse**2).sum(axis=1))
    E, log_A = found.x[1:].reshape(2, -1)
    return {
        "cost": found.cost, "alpha": found.x[0], "E": E, "A": np.exp(log_A),
        "alpha_error": errors[0], "E_error": errors[1:].reshape(2, -1)[0],
        "A_error": errors[1:].reshape(2, -1)[1] * np.exp(log_A),
    }


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
