"""What must not change a fit: units, weights times a constant, order, copies, threads."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from problems import FAMILIES, LOSSES, Choice, Problem, make_loss, make_problem

import lawfit as lf

Data = dict[str, np.ndarray]
CHINCHILLA = "E + A/N**alpha + B/D**beta"
FAMILY = {family.id: family for family in FAMILIES}
SCALES = [1e-9, 1e-3, 7.3, 1e6, 1e12]


def runs(noise: float = 0.01, rows: int = 40) -> Data:
    rng = np.random.default_rng(5)
    N, D = np.exp(rng.uniform(16, 23, rows)), np.exp(rng.uniform(20, 27, rows))
    loss = 1.7 + 480 / N**0.35 + 2100 / D**0.37
    return {"N": N, "D": D, "loss": loss * np.exp(noise * rng.standard_normal(rows))}


def chinchilla(data: Data, **arguments: Any) -> lf.Fit:
    domains = {name: lf.Parameter(positive=True) for name in "EAB"}
    return lf.fit(CHINCHILLA, data, y="loss", parameters=domains, **arguments)


def robust(loss: str, scale: float) -> lf.losses.Loss:
    """``scale`` is that of the residuals; quantiles have none."""
    return make_loss(loss, scale, 0.3)


TOLERANCE = 1e-7
# The last digits of a kinked optimum come from comparing objectives, which are flat along the
# rows that sit on their kink: parameters agree to the square root of the rounding at best.
KINKED_TOLERANCE = 1e-6


def same(fit: lf.Fit, other: lf.Fit, factors: dict[str, float] | None = None) -> None:
    assert fit.converged and other.converged, (fit.status, other.status)
    assert fit.status == other.status
    for name, value in fit.params.items():
        expected = other.params[name] * (factors or {}).get(name, 1.0)
        kinked = isinstance(fit.loss, (lf.Absolute, lf.Quantile))
        tolerance = KINKED_TOLERANCE if kinked else TOLERANCE
        assert value == pytest.approx(expected, rel=tolerance), name


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("on", ["linear", "log", "relative"])
@pytest.mark.parametrize("scale", SCALES)
def test_units_of_a_variable(scale: float, on: str, loss: str) -> None:
    data = runs()
    arguments = {"on": on, "loss": robust(loss, 0.005)}
    one = chinchilla(data, **arguments)
    other = chinchilla({**data, "N": data["N"] * scale}, **arguments)
    assert other.objective == pytest.approx(one.objective, rel=1e-9)
    same(other, one, {"A": scale ** one.params["alpha"]})


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", SCALES)
def test_units_of_the_measured_column(scale: float, loss: str) -> None:
    """Linear residuals: the loss's own scale goes with the units; log and relative: not."""
    data = runs()
    factors = dict.fromkeys("EAB", scale)
    scaled = {**data, "loss": data["loss"] * scale}
    one, other = chinchilla(data, loss=robust(loss, 0.01)), \
        chinchilla(scaled, loss=robust(loss, 0.01 * scale))
    power = 1 if loss in ("absolute", "quantile") else 2
    assert other.objective == pytest.approx(one.objective * scale**power, rel=1e-9)
    same(other, one, factors)
    for on in ("log", "relative"):
        one, other = (chinchilla(table, on=on, loss=robust(loss, 0.005))
                      for table in (data, scaled))
        assert other.objective == pytest.approx(one.objective, rel=1e-8)
        same(other, one, factors)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [1e-12, 1 / 40, 3.0, 1e10])
def test_weights_times_a_constant(scale: float, loss: str) -> None:
    """A mean in place of a sum among them (1/40)."""
    data = runs()
    weights = np.random.default_rng(3).uniform(0.5, 2, 40)
    arguments = {"on": "log", "loss": robust(loss, 0.005)}
    one = chinchilla(data, weights=weights, **arguments)
    other = chinchilla(data, weights=weights * scale, **arguments)
    assert other.objective == pytest.approx(one.objective * scale, rel=1e-9)
    same(other, one)
    gradients = one.diagnostics["gradient_norm"], other.diagnostics["gradient_norm"]
    assert max(gradients) < 1e-6
    for name, error in one.stderr.items():
        assert other.stderr[name] == pytest.approx(error, rel=1e-5, nan_ok=True), name


def test_weights_of_one_are_no_weights_and_sigma_of_one_is_no_sigma() -> None:
    data = runs()
    plain = chinchilla(data, on="log")
    for extra in ({"weights": 1.0}, {"weights": np.ones(40)}, {"sigma": 1.0}):
        same(chinchilla(data, on="log", **extra), plain)


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_sigma_times_a_constant(loss: str) -> None:
    data = runs()
    sigma = np.random.default_rng(3).uniform(0.5, 2, 40)
    one, other = (chinchilla(data, on="log", loss=loss, sigma=sigma * scale) for scale in (1, 1e5))
    same(other, one)


def test_squared_loss_weights_are_inverse_squares_of_sigma() -> None:
    data = runs()
    sigma = np.random.default_rng(3).uniform(0.5, 2, 40)
    one, other = chinchilla(data, sigma=sigma), chinchilla(data, weights=1 / sigma**2)
    assert one.objective == pytest.approx(other.objective, rel=1e-12)
    same(one, other)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [9, 40, 300])
def test_order_of_rows(rows: int, loss: str) -> None:
    data = runs(rows=rows)
    order = np.random.default_rng(1).permutation(rows)
    arguments = {"on": "log", "loss": robust(loss, 0.005)}
    one = chinchilla(data, **arguments)
    other = chinchilla({name: column[order] for name, column in data.items()}, **arguments)
    assert other.objective == pytest.approx(one.objective, rel=1e-9)
    same(other, one)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [9, 40])
def test_a_copy_of_the_data_with_half_weights(rows: int, loss: str) -> None:
    data = runs(rows=rows)
    arguments = {"on": "log", "loss": robust(loss, 0.005)}
    one = chinchilla(data, **arguments)
    twice = {name: np.concatenate([column, column]) for name, column in data.items()}
    other = chinchilla(twice, weights=0.5, **arguments)
    assert other.objective == pytest.approx(one.objective, rel=1e-9)
    same(other, one)


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_of_weight_zero_are_no_rows(loss: str) -> None:
    data, other = runs(rows=40), runs(rows=41)
    weights = np.ones(41)
    weights[17] = 0.0
    with_it = {name: np.insert(data[name], 17, other[name][3]) for name in data}
    arguments = {"on": "log", "loss": robust(loss, 0.005)}
    same(chinchilla(with_it, weights=weights, **arguments), chinchilla(data, **arguments))


# ---- the same bits ----

def bits(fit: lf.Fit) -> tuple[Any, ...]:
    return (fit.params, fit.objective, fit.status, fit.stderr, fit.diagnostics,
            fit.residuals.tobytes())


def problem(family: str, loss: str, space: str = "linear") -> Problem:
    return make_problem(Choice(FAMILY[family], 30, 0.03, True, space, loss, 1.0, 0.3, "weights",
                               None, 8))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("family", ["power_floor", "wbl4", "bnsl1", "wdt"])
def test_threads(family: str, loss: str) -> None:
    case = problem(family, loss)
    one, *others = (bits(case.fit(threads=threads)) for threads in (1, 2, 7))
    for other in others:
        np.testing.assert_equal(other, one)  # NaN equals NaN


def test_threads_with_many_starts_and_resamples() -> None:
    data = runs()
    found = [chinchilla(data, on="log", loss=lf.Huber(1e-3), starts=300, keep_starts=True,
                        threads=threads) for threads in (1, 2, 7)]
    boots = [found[0].bootstrap(500, threads=threads) for threads in (1, 2, 7)]
    for other, boot in zip(found[1:], boots[1:], strict=True):
        np.testing.assert_equal(bits(other), bits(found[0]))
        np.testing.assert_array_equal(other.starts.objective, found[0].starts.objective)
        np.testing.assert_array_equal(other.starts.status, found[0].starts.status)
        np.testing.assert_array_equal(boot.objective, boots[0].objective)
        for name in "EAB":
            np.testing.assert_array_equal(other.starts.params[name], found[0].starts.params[name])
            np.testing.assert_array_equal(boot.params[name], boots[0].params[name])


def test_the_same_call_gives_the_same_bits_and_a_seed_other_starts() -> None:
    data = runs()
    one, again, other = (chinchilla(data, starts=20, keep_starts=True, seed=seed)
                         for seed in (4, 4, 5))
    np.testing.assert_equal(bits(again), bits(one))
    assert not np.array_equal(other.starts.params["A"], one.starts.params["A"])
    same(other, one)


@pytest.mark.parametrize("loss", ["squared", "huber", "absolute"])
def test_order_of_starts(loss: str) -> None:
    """Each start ends where it ends, whatever the others are."""
    data = runs()
    rng = np.random.default_rng(2)
    names = ("E", "A", "alpha", "B", "beta")
    truth = np.array([1.7, 480, 0.35, 2100, 0.37])
    starts = truth * np.exp(0.5 * rng.standard_normal((30, 5)))
    order = rng.permutation(30)

    def ends(given: np.ndarray) -> lf.Fit:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.FitWarning)
            return chinchilla(data, on="log", loss=robust(loss, 1e-3), starts=given,
                              keep_starts=True)

    one, other = ends(starts), ends(starts[order])
    np.testing.assert_array_equal(other.starts.objective, one.starts.objective[order])
    np.testing.assert_array_equal(other.starts.status, one.starts.status[order])
    for name in names:
        np.testing.assert_array_equal(other.starts.params[name], one.starts.params[name][order])
    assert other.objective == pytest.approx(one.objective, rel=1e-9)
    same(other, one)


@pytest.mark.parametrize("loss", ["squared", "huber", "absolute"])
def test_a_start_alone_ends_where_it_ends_among_others(loss: str) -> None:
    data = runs()
    starts = np.array([1.7, 480, 0.35, 2100, 0.37]) * np.linspace(0.8, 1.2, 6)[:, None]
    arguments = {"on": "log", "loss": robust(loss, 1e-3), "keep_starts": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        together = chinchilla(data, starts=starts, **arguments).starts
        for place, start in enumerate(starts):
            alone = chinchilla(data, starts=start, **arguments).starts
            assert alone.objective[0] == together.objective[place]
            assert alone.status[0] == together.status[place]


def test_names_and_writing_of_the_law_do_not_matter() -> None:
    data = runs()
    one = lf.fit(CHINCHILLA, data, y="loss")
    forms = {
        "N**(-alpha)*A + (E + B*D**(-beta))": {},
        "E + A*exp(-alpha*log(N)) + B/exp(beta*log(D))": {},
        "B/D**beta + A/N**alpha + E": {},
    }
    for formula in forms:
        same(lf.fit(formula, data, y="loss"), one)
