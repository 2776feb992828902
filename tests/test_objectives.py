"""The pointwise contract: value, slope, curvature and majoriser of every space and loss.

Compared with the definitions written out in long double and their differences, with SciPy's
rho where it has the loss, with the property that makes a majoriser one, and likelihoods with the
NumPy twin.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import LOSSES, SPACES, loss_value, space_value

import lawfit as lf
from lawfit import _core, _reference

LAW = lf.Law("a*x", variables=("x",))
CASES = list(itertools.product(SPACES, LOSSES))
SMOOTH = [name for name in LOSSES if name not in ("absolute", "quantile")]
WIDE = np.longdouble
NEEDS_WIDE = pytest.mark.skipif(np.finfo(WIDE).eps > 1e-18, reason="needs a wide long double")


def parameter(loss: str) -> float:
    return 0.3 if loss == "quantile" else 0.05


def table(space: str) -> dict[str, np.ndarray]:
    """Model values m and data y: residuals from a thousandth to thirty times the loss's scale."""
    rng = np.random.default_rng(11)
    size = 0.05 * np.geomspace(1e-3, 30, 24) * np.where(np.arange(24) % 2, 1, -1)
    y = rng.uniform(0.25, 0.75, 24) if space == "logit" else rng.uniform(0.5, 3, 24)
    if space == "log":
        m = y * np.exp(-size)
    elif space == "logit":
        m = 1 / (1 + (1 - y) / y * np.exp(size))
    else:
        m = y * (1 - size) if space == "relative" else y - size
    return {"m": m, "y": y, "weights": rng.uniform(0.2, 3, 24), "sigma": rng.uniform(0.5, 2, 24)}


def pointwise(
    space: str, loss: str, m: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None,
    sigma: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    return _core.pointwise(LAW.graph(), np.array([1.0]), [np.ascontiguousarray(m)], y, weights,
                           sigma, space, loss, parameter(loss))


def definition(
    space: str, loss: str, m: np.ndarray, y: np.ndarray, weights: np.ndarray | None,
    sigma: np.ndarray | None,
) -> np.ndarray:
    """Weighted losses in the precision of m, by the formulas of the documentation."""
    y = y.astype(m.dtype)
    r = space_value(space, y, y) - space_value(space, m, y)
    if sigma is not None:
        r = r / sigma
    value = loss_value(loss, parameter(loss), r)
    return value if weights is None else weights * value


def weighting(kind: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray | None]:
    return {name: data[name] if name == kind else None for name in ("weights", "sigma")}


@pytest.mark.parametrize("kind", ["none", "weights", "sigma"])
@pytest.mark.parametrize(("space", "loss"), CASES)
def test_values_are_those_of_the_definition(space: str, loss: str, kind: str) -> None:
    data = table(space)
    extra = weighting(kind, data)
    got = pointwise(space, loss, data["m"], data["y"], **extra)
    np.testing.assert_array_equal(got["fitted"], data["m"])
    exact = definition(space, loss, data["m"].astype(WIDE), data["y"], **extra)
    r = space_value(space, data["y"], data["y"]) - space_value(space, data["m"], data["y"])
    r = r if extra["sigma"] is None else r / extra["sigma"]
    np.testing.assert_allclose(got["residual"], r, rtol=1e-9, atol=1e-15)
    # A residual of 5e-5 comes out of numbers near 1 with relative errors near 1e-11.
    np.testing.assert_allclose(got["value"], exact.astype(float), rtol=1e-10)


@NEEDS_WIDE
@pytest.mark.parametrize("kind", ["none", "weights", "sigma"])
@pytest.mark.parametrize(("space", "loss"), CASES)
def test_slopes_and_curvatures_are_differences_of_the_values(
    space: str, loss: str, kind: str
) -> None:
    data = table(space)
    extra = weighting(kind, data)
    got = pointwise(space, loss, data["m"], data["y"], **extra)
    m = data["m"].astype(WIDE)
    step = (5e-4 * np.minimum(np.abs(data["m"] - data["y"]), data["m"])).astype(WIDE)
    at = [definition(space, loss, m + k * step, data["y"], **extra) for k in (-2, -1, 0, 1, 2)]
    slope = (at[0] - 8 * at[1] + 8 * at[3] - at[4]) / (12 * step)
    curvature = (-at[0] + 16 * at[1] - 30 * at[2] + 16 * at[3] - at[4]) / (12 * step**2)
    kink = parameter(loss) if loss == "huber" else 0.0
    smooth = np.abs(np.abs(got["residual"]) - kink) > 0.01 * np.abs(got["residual"])
    for name, exact in (("slope", slope), ("curvature", curvature)):
        size = np.abs(slope / (data["m"] - data["y"]) ** (name == "curvature")).astype(float)
        close = np.abs(got[name] - exact) <= 1e-8 * size
        assert np.all(close | ~smooth), (name, got[name], exact)


@pytest.mark.parametrize("kind", ["none", "weights", "sigma"])
@pytest.mark.parametrize(("space", "loss"), CASES)
def test_the_majoriser_touches_the_loss_and_lies_above(space: str, loss: str, kind: str) -> None:
    """In the residual r: value + psi*(r' - r) + omega/2*(r' - r)**2 >= loss(r') for all r'."""
    data = table(space)
    extra = weighting(kind, data)
    got = pointwise(space, loss, data["m"], data["y"], **extra)
    m, y = data["m"], data["y"]
    dt = {"log": 1 / m, "logit": 1 / (m * (1 - m)), "relative": 1 / y}.get(space, np.ones_like(m))
    if extra["sigma"] is not None:
        dt = dt / extra["sigma"]
    weight = 1.0 if extra["weights"] is None else extra["weights"]
    r, psi, omega = got["residual"], -got["slope"] / dt, got["majoriser"] / dt**2
    others = parameter(loss) * np.concatenate([-np.geomspace(60, 1e-4, 80), [0.0],
                                               np.geomspace(1e-4, 60, 80)])[:, None]
    quadratic = got["value"] + psi * (others - r) + omega / 2 * (others - r) ** 2
    actual = weight * loss_value(loss, parameter(loss), others)
    scale = got["value"] + actual + np.abs(psi * r)
    assert (quadratic - actual >= -1e-11 * scale).all()
    assert (got["majoriser"] > 0).all()


@pytest.mark.parametrize("loss", SMOOTH)
def test_the_majoriser_weight_is_slope_over_residual(loss: str) -> None:
    data = table("linear")
    got = pointwise("linear", loss, data["m"], data["y"])
    np.testing.assert_allclose(got["majoriser"], -got["slope"] / got["residual"], rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared", "huber", "soft_l1", "cauchy"])
def test_losses_are_scaled_as_in_scipy(loss: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    data = table("linear")
    got = pointwise("linear", loss, data["m"], data["y"])
    for r, value in zip(got["residual"], got["value"], strict=True):
        found = optimize.least_squares(
            lambda p, r=r: r + 0 * p, [0.0], max_nfev=1,
            loss="linear" if loss == "squared" else loss, f_scale=parameter(loss),
        )
        assert value == pytest.approx(found.cost, rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("space", SPACES)
def test_rows_of_weight_zero_do_not_count_whatever_they_hold(space: str, loss: str) -> None:
    data = table(space)
    m = data["m"].copy()
    m[[0, 3, 20]] = [-1.0, 0.0, np.inf]
    weights = np.ones(24)
    weights[[0, 3, 20]] = 0.0
    got = pointwise(space, loss, m, data["y"], weights=weights)
    for name in ("value", "slope", "curvature", "majoriser"):
        assert np.isfinite(got[name]).all() and not got[name][[0, 3, 20]].any(), name


@pytest.mark.parametrize("loss", LOSSES)
def test_residuals_of_zero_and_huge_ones(loss: str) -> None:
    m = np.array([1.0, 1.0, 1.0, 1.0, 1.0])
    y = np.array([1.0, 1.0 + 1e-12, 1e8, -1e8, 1e150])
    got = pointwise("linear", loss, m, y)
    exact = loss_value(loss, parameter(loss), y - m)
    np.testing.assert_allclose(got["value"], exact, rtol=1e-10)
    assert got["value"][0] == 0.0 and np.isfinite(got["slope"]).all()
    assert np.isfinite(got["curvature"]).all() and np.isfinite(got["majoriser"]).all()


@pytest.mark.parametrize(("space", "loss"), CASES)
def test_the_objective_of_a_fit_is_the_sum_of_the_values(space: str, loss: str) -> None:
    data = table(space)
    kinds = {"huber": lf.Huber, "soft_l1": lf.SoftL1, "cauchy": lf.Cauchy, "quantile": lf.Quantile,
             "log_cosh": lf.LogCosh}
    kind = kinds[loss](parameter(loss)) if loss in kinds else loss
    fit = lf.fit(LAW, {"x": data["m"], "y": data["y"]}, y="y", on=space, loss=kind,
                 weights=data["weights"])
    got = _core.pointwise(LAW.graph(), fit.values, [data["m"]], data["y"], data["weights"], None,
                          space, loss, parameter(loss))
    assert fit.converged
    assert fit.objective == pytest.approx(got["value"].sum(), rel=1e-10)


LIKELIHOODS = st.one_of(
    st.tuples(st.sampled_from(["poisson", "binomial"]), st.just((1.0, 0.0))),
    st.tuples(st.just("negative_binomial"),
              st.tuples(st.one_of(st.just(0.0), st.floats(-18, 4).map(np.exp)), st.just(0.0))),
    st.tuples(st.just("student_t"),
              st.tuples(st.floats(-7, 4).map(np.exp),
                        st.one_of(st.just(0.0), st.floats(-18, 0.7).map(np.exp)))),
)


@given(LIKELIHOODS, st.sampled_from(SPACES), st.integers(0, 10**6), st.floats(-16, 3),
       st.floats(-7, 14))  # fmt: skip
def test_likelihoods_are_the_references(
    loss: tuple[str, tuple[float, float]], space: str, seed: int, apart: float, size: float
) -> None:
    """Every term of the contract, near the datum and far from it, weighted and not."""
    name, numbers = loss
    counts = name in ("poisson", "negative_binomial")
    rng = np.random.default_rng(seed)
    space = "linear" if name != "student_t" else space
    if name == "binomial" or space == "logit":
        y = rng.uniform(0.01, 0.99, 9)
        m = 1 / (1 + (1 - y) / y * np.exp(np.exp(min(apart, 2.0)) * rng.normal(size=9)))
    else:
        y = (rng.poisson(np.exp(size), 9) + 1.0 if counts
             else np.exp(size / 3) * rng.uniform(1, 9, 9))
        m = y * np.exp(np.exp(min(apart, 2.0)) * rng.normal(size=9))
    if name == "binomial":
        y[:2] = 0.0, 1.0
    elif counts:
        y[0] = 0.0
    weighted = {"weights": rng.uniform(0.2, 3, 9), "sigma": rng.uniform(0.5, 2, 9)}
    for extra in ({}, weighted):
        exact = _reference.likelihood_terms(name, numbers, m, y, space, **extra)
        got = _core.pointwise(LAW.graph(), np.array([1.0]), [m], y, extra.get("weights"),
                              extra.get("sigma"), space, name, (*numbers, False, False))
        # What a relative error of 1e-15 in m and y is worth: differences of near values.
        ulp = 1e-15 * (np.abs(m) + np.abs(y))
        if space in ("log", "logit"):  # and logarithms near zero
            slope = 1 / (m * (1 - m)) if space == "logit" else 1 / m
            ulp = ulp + 1e-15 * (1 + np.abs(np.log(m))) / slope
        own = 1e-16 * np.abs(y - m) if name != "student_t" else 0.0  # of terms that cancel
        own = own * extra.get("weights", 1.0) / extra.get("sigma", 1.0) ** 2
        slack = {"value": np.abs(exact["slope"]) * ulp + own, "slope": exact["majoriser"] * ulp,
                 "curvature": exact["majoriser"] * 1e-12, "majoriser": 0.0}
        for term, error in slack.items():
            error = 1e-11 * np.abs(exact[term]) + 20 * error
            off = np.abs(got[term] - exact[term])
            assert (off <= error).all(), (term, m, y, got[term], exact[term])
