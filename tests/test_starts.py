"""Where automatic starts lie, and how many there are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lawfit as lf

RNG = np.random.default_rng(5)
X = np.sort(RNG.uniform(0.5, 20, 30))
SHIFTED = "a*log(x + q) + b*sqrt(x + r)"


def quiet(*arguments, **options) -> lf.Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        return lf.fit(*arguments, **options)


def test_most_lie_inside_the_domain():
    """Both sums must be positive on every row: nodes where they are not take no start's place."""
    y = 0.5 * np.log(X + 3) + 0.3 * np.sqrt(X + 2) + 0.02 * RNG.normal(size=30)
    fit = quiet(SHIFTED, {"x": X, "y": y}, "y", keep_starts=True)
    outside = np.mean(np.asarray(fit.starts.status) == "out_of_domain")
    assert outside < 0.5
    truth = quiet(SHIFTED, {"x": X, "y": y}, "y", starts={"a": 0.5, "q": 3, "b": 0.3, "r": 2})
    assert fit.objective <= truth.objective * (1 + 1e-9)


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0])
def test_locations_follow_the_data(shift: float):
    """Rows moved along x find the same curve, moved along with them."""
    law = "low + high/(1 + exp(-k*(x - middle)))"
    y = 0.2 + 0.7 / (1 + np.exp(-0.8 * (X - 9))) + 0.01 * RNG.normal(size=30)
    fit = lf.fit(law, {"x": X + shift, "y": y}, "y")
    assert fit.converged
    assert fit.params["middle"] - shift == pytest.approx(9, abs=0.2)
    assert fit.diagnostics["best_basin_share"] > 0.5


def test_an_optimum_on_the_edge_of_the_domain_stays_inside():
    """The least x has the square root at zero: its parameters as returned give finite values."""
    x = np.array([2.76108998, 7.66373854, 9.95386406, 10.97365877, 12.76098109, 14.17135805,
                  15.18380049, 16.07183344, 17.55951189])  # fmt: skip
    y = np.array([3.84507459, 4.28579043, 4.34485866, 4.80664024, 4.7398779, 9.75028932,
                  4.87902346, 4.93156709, 5.22824357])  # fmt: skip
    fit = quiet("p*sqrt(x + q) + s*logistic(r - x) + c", {"x": x, "y": y}, "y", on="relative")
    fitted = fit.predict({"x": x})
    assert np.isfinite(fitted).all()
    assert fit.objective == pytest.approx(0.5 * np.sum((fitted / y - 1) ** 2), rel=1e-9)


def test_more_are_made_while_they_find_new_optima():
    """A loss that forgets outliers has an optimum per line that some rows lie on; a sum of squares
    of a law of one exponent has one."""
    x = np.linspace(1, 30, 30)
    y = 2 + 5 * x**-0.5 + 0.01 * RNG.normal(size=30)
    one = lf.fit("E + A/x**alpha", {"x": x, "y": y}, "y")
    for first, level in ((3, 1.0), (4, 2.0), (5, 3.5)):
        y[first::4] += level
    many = quiet("E + A/x**alpha", {"x": x, "y": y}, "y", loss=lf.Cauchy(0.01))
    assert many.diagnostics["n_starts"] > 2 * one.diagnostics["n_starts"]


def test_a_cauchy_loss_finds_what_most_rows_agree_on():
    """Two fifths of the rows are far off, and not at random."""
    x = np.geomspace(1, 100, 40)
    y = 1 + 4 * x**-0.6 + 0.002 * RNG.normal(size=40)
    y[::5] += 1.5
    y[3::5] += 0.7
    fit = quiet("E + A/x**alpha", {"x": x, "y": y}, "y", loss=lf.Cauchy(0.002))
    assert fit.params["alpha"] == pytest.approx(0.6, abs=0.01)


def test_the_gradient_of_a_kinked_fit_is_that_of_its_kinks():
    x = np.geomspace(1, 100, 25)
    y = 1 + 4 * x**-0.6 + 0.05 * RNG.normal(size=25)
    for loss in (lf.Absolute(), lf.Quantile(0.3)):
        fit = lf.fit("E + A/x**alpha", {"x": x, "y": y}, "y", loss=loss)
        assert fit.converged and fit.diagnostics["gradient_norm"] < 1e-9


def test_many_given_starts_are_shared_among_threads():
    """Projecting them and looking which basin they are in are cut among the threads."""
    x = np.geomspace(1, 100, 40)
    y = (1 + 4 * x**-0.6) * np.exp(0.02 * RNG.normal(size=40))
    many = 1500
    starts = {"E": RNG.uniform(0.1, 3, many), "A": RNG.uniform(0.1, 30, many),
              "alpha": RNG.uniform(0.01, 2, many)}  # fmt: skip
    one, two, seven = (
        lf.fit("E + A/x**alpha", {"x": x, "y": y}, "y", on="log", loss=lf.Huber(0.01),
               starts=starts, threads=threads)
        for threads in (1, 2, 7)
    )  # fmt: skip
    assert one.converged and one.diagnostics["n_starts"] == many
    for other in (two, seven):
        assert np.array_equal(other.values, one.values)
        assert other.diagnostics == one.diagnostics


def test_an_offset_beside_a_power_is_of_any_size():
    """Where one row alone stands out, ``b`` is many orders below ``x**d`` at the optimum."""
    x = np.geomspace(16, 1250, 14)
    y = np.r_[0.999, 0.985, 0.979, np.full(11, 0.992)]
    fit = quiet("lcdb_mmf4", {"x": x, "acc": y}, "acc")
    steep = quiet("lcdb_mmf4", {"x": x, "acc": y}, "acc", starts={"a": 4e4, "b": 0.2, "c": 1, "d": 5})
    assert fit.objective <= steep.objective * (1 + 1e-6)


def test_one_row_may_decide_an_amplitude():
    """A narrow Cauchy loss has an optimum at every row."""
    x, y = np.array([1.2, 4.8, 6.2, 9.6, 11.7, 19.1]), np.array([0.84, 0.35, 0.12, -0.01, -0.04, 0.0])
    law = lf.Law("p*logistic(q - x)").bound(q=(4.7, None))
    fit = quiet(law, {"x": x, "y": y}, "y", loss="cauchy:0.003")
    for row in range(3):
        other = quiet(law, {"x": x, "y": y}, "y", loss="cauchy:0.003", starts={"p": y[row] * (1 + np.exp(x[row] - 4.7)), "q": 4.7})
        assert fit.objective <= other.objective * (1 + 1e-6)


@pytest.mark.parametrize(("seed", "found"), [
    (59, {"a": 0.000741982, "b": 0.368743, "c": 0.815433, "d": 6.72618}),
    (110, {"a": 0.00489826, "b": 0.450643, "c": 1.12975, "d": 2.03247}),
])
def test_an_absolute_loss_finds_narrow_optima(seed: int, found: dict[str, float]):
    """Half of the starts smooth its kinks so little that they end at the nearest optimum."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0.5, 20, 14))
    y = 1 - 0.4 * np.exp(-0.3 * x**0.6) + 0.15 * rng.standard_t(2, 14)
    law = lf.Law("c - b*exp(-a*x**d)", variables=["x"])
    fit = quiet(law, {"x": x, "y": y}, "y", loss="absolute")
    assert fit.objective <= np.abs(y - law(x=x, **found)).sum() * (1 + 1e-6)


@pytest.mark.parametrize("seed", [37, 125])
def test_a_kinked_fit_is_not_above_its_start(seed: int):
    """On the way kinks are smoothed, and what is left of this start's optimum then is another."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 3000, 43))
    table = {"x": x, "y": (0.9 - 0.4 * np.exp(-0.003 * x)) * np.exp(0.03 * rng.normal(size=43))}
    law = lf.Law("a*exp(-b*x) + c", variables=["x"]).bound(b=(0, None))
    options = {"on": "relative", "loss": "absolute"}
    best = quiet(law, table, "y", **options, starts=150)
    again = quiet(law, table, "y", **options, starts=best.params)
    assert again.objective <= best.objective * (1 + 1e-12)
    assert again.converged
    assert again.params == pytest.approx(best.params, rel=1e-6)


def test_long_tables_get_more_starts_only_where_those_that_ended_disagree():
    """Twelve at a time; with ``keep_starts`` all of them at once."""
    x = np.geomspace(1, 1000, 150)
    data = {"x": x, "y": (1 + 4 * x**-0.6) * np.exp(0.01 * np.random.default_rng(2).normal(size=150))}
    law, rugged = "E + A/x**a", "p*x/(x + q) + r*sin(s*x)"
    easy = quiet(law, data, "y", on="log", starts="auto")
    kept = quiet(f"{law} + B*exp(-b*x)", data, "y", on="log", keep_starts=True)
    hard = quiet(rugged, data, "y")
    short = quiet(rugged, {name: column[::2] for name, column in data.items()}, "y")
    assert easy.diagnostics["n_starts"] <= 12 and easy.diagnostics["best_basin_share"] == 1
    assert len(kept.starts) == 16
    assert hard.diagnostics["n_starts"] > 16 and short.diagnostics["n_starts"] >= 16
    many = quiet(rugged, data, "y", starts=256)
    assert hard.objective <= many.objective * (1 + 1e-6)
