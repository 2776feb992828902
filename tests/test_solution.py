"""Roots and constrained optima as derived quantities: against closed forms and allocations."""

from __future__ import annotations

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table

import lawfit as lf

ROOT = "D where loss = 2.2"
CLOSED = "(B/(2.2 - E - A/N**alpha))**(1/beta)"
BEST = "N minimising loss where 6*N*D = 1e24"


@pytest.fixture(scope="module")
def fit():
    return lf.fit(TWO_TERMS, two_term_table(0.01), on="log")


@pytest.fixture(scope="module")
def boot(fit):
    return fit.bootstrap(300)


def test_a_root_is_its_closed_form(fit):
    found = fit.derive(ROOT, N=[1e9, 1e11])
    closed = [fit.derive(CLOSED, N=N) for N in (1e9, 1e11)]
    np.testing.assert_allclose(found.value, [c.value for c in closed], rtol=1e-10)
    np.testing.assert_allclose(found.stderr, [c.stderr for c in closed], rtol=1e-5)
    logs = [fit.derive(f"log({CLOSED})", N=N).interval(0.9) for N in (1e9, 1e11)]
    np.testing.assert_allclose(np.log(found.interval(0.9)), np.transpose(logs), rtol=1e-6)
    assert found.exists.tolist() == [True, True]


def test_a_root_that_is_nowhere(fit, boot):
    nowhere = fit.derive("D where loss = 1.5", N=1e9)
    assert np.isnan(nowhere.value) and not nowhere.exists and np.isnan(nowhere.interval()).all()
    assert boot.derive("D where loss = 1.0", N=1e9).exists == 0
    with pytest.raises(ValueError, match="the fit has no 'D where loss = 1.5'"):
        fit.profile(derived="D where loss = 1.5", N=1e9)


def test_replicates_have_their_own_root_or_none(boot):
    """Near the floor only some replicates get so low."""
    p = boot.params
    least = p["E"] + p["A"] / 1e10 ** p["alpha"]
    level = float(np.quantile(least, 0.8))
    drawn = boot.derive(f"D where loss = {level!r}", N=1e10)
    gap = level - least
    with np.errstate(invalid="ignore"):
        exact = np.where(gap > 0, (p["B"] / gap) ** (1 / p["beta"]), np.nan)
    exact[exact > 3e11 * 1e9] = np.nan  # beyond a billion times the data
    np.testing.assert_allclose(drawn.values, exact, rtol=1e-8)
    assert drawn.exists == np.isfinite(exact).mean() and 0 < drawn.exists < 1
    assert "exists in" in repr(drawn)
    low, high = drawn.interval(0.8, "percentile")
    np.testing.assert_allclose((low, high), np.nanquantile(exact, [0.1, 0.9]), rtol=1e-8)


@pytest.mark.parametrize("cost", ["6*N*D", "6*N*D + 2e3*D", "6*N**1.1*D"])
def test_an_optimum_is_the_allocation(fit, boot, cost):
    text = f"N minimising loss where {cost} = 1e24"
    found, best = fit.derive(text), fit.allocate(1e24, cost=cost, level=0.9)
    assert found.value == pytest.approx(best.N, rel=1e-9)
    np.testing.assert_allclose(found.interval(0.9), best.intervals["N"], rtol=1e-5)
    drawn = boot.allocate(1e24, cost=cost, level=0.9)
    several = boot.derive(text)
    np.testing.assert_allclose(several.interval(0.9), drawn.intervals["N"], rtol=1e-7)
    assert several.exists == drawn.exists == 1


def test_budgets_may_be_a_variable(fit):
    found = fit.derive("D minimising loss where 6*N*D = budget", budget=[1e21, 1e24])
    np.testing.assert_allclose(found.value, fit.allocate([1e21, 1e24]).D, rtol=1e-9)


def test_profiles_are_those_of_the_closed_form(fit):
    for text, closed, given in (
        ("D where loss = 2.4", CLOSED.replace("2.2", "2.4"), {"N": 1e9}),
        (BEST, "((alpha*A/(beta*B))*(1e24/6)**beta)**(1/(alpha+beta))", {}),
    ):
        ours = fit.profile(derived=text, level=0.9, **given)
        theirs = fit.profile(derived=closed, level=0.9, **given)
        np.testing.assert_allclose(ours.interval, theirs.interval, rtol=2e-5)
        assert ours.ends == theirs.ends == ("closed", "closed")
        assert ours.value == pytest.approx(theirs.value, rel=1e-9)


def test_a_profile_of_a_root_may_be_open(fit):
    ours = fit.profile(derived=ROOT, N=1e9)
    theirs = fit.profile(derived=CLOSED, N=1e9)
    assert ours.ends == ("closed", "open") and ours.high == np.inf
    assert ours.low == pytest.approx(theirs.low, rel=1e-6)


def bowl():
    x = np.geomspace(0.1, 50, 40)
    y = 2 * (np.log(x) - 1.3) ** 2 + 5 + 0.01 * np.sin(7 * np.arange(40))
    return lf.fit("y = a*(log(x) - m)**2 + c", {"x": x, "y": y})


def test_optima_without_a_constraint_and_several_roots():
    fit = bowl()
    low = fit.derive("x minimising y")
    assert low.value == pytest.approx(np.exp(fit.params["m"]), rel=1e-9)
    assert low.stderr == pytest.approx(fit.derive("exp(m)").stderr, rel=1e-6)
    assert not fit.derive("x maximising y").exists  # it grows to both ends
    assert fit.derive("x maximizing -y").value == pytest.approx(low.value, rel=1e-9)
    reach = np.sqrt((6 - fit.params["c"]) / fit.params["a"])
    ends = np.exp(fit.params["m"] + np.array([-reach, reach]))
    assert fit.derive("x where y = 6").value == pytest.approx(ends[0], rel=1e-9)
    high = "x where y = 6 from 4 to 1e3"
    assert fit.derive(high).value == pytest.approx(ends[1], rel=1e-9)
    boot = fit.bootstrap(100)
    near = boot.derive("x where y = 6").values
    assert near.max() < low.value  # every replicate's lower root, not one of each


def test_a_range_across_zero_is_searched_as_it_is():
    x = np.linspace(-3, 3, 40)
    fit = lf.fit("y = a + b*x", {"x": x, "y": 1 + 2 * x + 0.1 * np.sin(5 * x)})
    found = fit.derive("x where y = 0")
    assert found.value == pytest.approx(-fit.params["a"] / fit.params["b"], rel=1e-12)
    assert found.interval() == pytest.approx(fit.derive("-a/b").interval(), rel=1e-6)
    np.testing.assert_allclose(fit.profile(derived="x where y = 0").interval,
                               fit.profile(derived="-a/b").interval, rtol=1e-6)


@pytest.mark.parametrize("text, given, message", [
    ("D where loss = 2", {}, "'N' is not known; give its value as N=..."),
    ("D where loss = 2", {"N": 1e9, "D": 1e9}, "'D' is given a value; there is nothing to solve"),
    ("alpha where loss = 2", {"N": 1e9, "D": 1e9}, "'alpha' is a parameter"),
    ("Q where loss = 2", {"N": 1e9, "D": 1e9}, "'Q' does not occur in it"),
    ("D where loss", {"N": 1e9}, "expected one equation LEFT = RIGHT after 'where'"),
    ("N minimising loss where 6*N = 1e10", {"D": 1e9}, "the equation leaves nothing to choose"),
    ("N minimising loss where 6*N*D*k = 1e24", {}, "'k' is not known"),
    ("k where k*E = 2", {}, "no data say where to look for k; add 'from LOW to HIGH'"),
    ("D where loss = 2 from 9 to 3", {"N": 1e9}, "from 9 to 3 is no range"),
])  # fmt: skip
def test_refusals(fit, boot, text, given, message):
    for source in (fit, boot):
        with pytest.raises(ValueError, match=message):
            source.derive(text, **given)


def test_the_shell_takes_them(tmp_path, capsys):
    from lawfit.cli import main

    table = two_term_table(0.01)
    path = tmp_path / "runs.csv"
    rows = zip(*(table[name] for name in ("N", "D", "loss")), strict=True)
    path.write_text("N,D,loss\n" + "".join(f"{n!r},{d!r},{y!r}\n" for n, d, y in rows)
                    .replace("np.float64(", "").replace(")", ""))
    assert main(["fit", str(path), "--law", TWO_TERMS, "--on", "log", "--bootstrap", "50",
                 "--derive", BEST, "--json"]) == 0
    import json

    (derived,) = json.loads(capsys.readouterr().out)["fits"][0]["derived"]
    assert derived["expression"] == BEST and derived["exists"] == 1
