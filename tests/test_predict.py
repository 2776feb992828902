"""Intervals of predictions: new runs against brute force, bands that hold along a whole path."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from samples import TWO_TERMS, two_term_table
from scipy import stats

import lawfit as lf

LINE = "y = a + b*x"


def line(seed=0, n=40, weights=None):
    rng = np.random.default_rng(seed)
    x = np.linspace(1, 5, n)
    scatter = rng.normal(size=n) / (1 if weights is None else np.sqrt(weights))
    return {"x": x, "y": 1 + 2 * x + 0.3 * scatter}


def by_hand(data, x, level, new, weights=None):
    """The regression line's interval from the normal equations."""
    w = np.ones(len(data["x"])) if weights is None else weights
    design = np.stack([np.ones_like(data["x"]), data["x"]], axis=1)
    inverse = np.linalg.inv(design.T @ (w[:, None] * design))
    beta = inverse @ (design.T @ (w * data["y"]))
    left = len(w) - 2
    s2 = w @ (data["y"] - design @ beta) ** 2 / left
    at = np.stack([np.ones_like(x), x], axis=1)
    variance = s2 * np.einsum("ij,jk,ik->i", at, inverse, at) + (s2 / w.mean() if new else 0)
    half = stats.t.ppf((1 + level) / 2, left) * np.sqrt(variance)
    return at @ beta - half, at @ beta + half


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["mean", "new"])
def test_of_a_line_is_the_exact_interval(kind, weighted):
    weights = np.linspace(0.5, 4, 40) if weighted else None
    data = line(weights=weights)
    x = np.array([0.0, 3.0, 30.0])
    found = lf.fit(LINE, data, weights=weights).predict(x=x, level=0.9, kind=kind)
    np.testing.assert_allclose(found[1:], by_hand(data, x, 0.9, kind == "new", weights), rtol=1e-8)
    assert found.extrapolation["x"].tolist() == [np.inf, 1.0, 6.0]


@pytest.mark.parametrize("noise, power", [("constant", 0.0), ("proportional", 1.0), ("x", None)])
def test_new_runs_scatter_as_the_noise_model_says(noise, power):
    rng = np.random.default_rng(3)
    x = np.geomspace(1, 100, 400)
    y = 2 * x**0.5 * (1 + 0.1 * rng.normal(size=400))
    fit = lf.fit("y = c*x**p", {"x": x, "y": y})
    at = np.array([1.0, 10.0, 500.0])
    value, low, high = fit.predict(x=at, level=0.9, kind="new", noise=noise)
    mean = fit.predict(x=at, level=0.9)
    reach = stats.t.ppf(0.95, 398)
    sd = np.sqrt(((high - value) / reach) ** 2 - ((mean.high - mean.value) / reach) ** 2)
    if power is None:  # a power of x, about the root
        assert np.log(sd[1] / sd[0]) / np.log(10) == pytest.approx(0.5, abs=0.1)
    else:
        scale = np.sqrt(((fit.residuals / fit.fitted**power) ** 2).sum() / 398)
        np.testing.assert_allclose(sd, scale * value**power, rtol=1e-6)
    np.testing.assert_allclose(value - low, high - value, rtol=1e-10)


def test_known_standard_deviations_are_interpolated():
    table = two_term_table(0.01)
    fit = lf.fit(TWO_TERMS, table, on="log", sigma=np.full(40, 0.01))
    known = {"N": [1e7, 1e9], "sd": [0.04, 0.01]}
    found = fit.predict(N=[1e6, 1e8, 1e12], D=1e10, level=0.9, kind="new", noise=known)
    mean = fit.predict(N=[1e6, 1e8, 1e12], D=1e10, level=0.9)
    reach = stats.t.ppf(0.95, 35)
    squares = [np.log(part.high / part.value) ** 2 for part in (found, mean)]
    np.testing.assert_allclose(np.sqrt(squares[0] - squares[1]) / reach, [0.04, 0.02, 0.01],
                               rtol=1e-6)
    with pytest.raises(ValueError, match="the fit used sigma, .* say how runs scatter by noise="):
        fit.predict(N=1e9, D=1e10, level=0.9, kind="new")


@pytest.mark.parametrize("noise", ["constant", "proportional",
                                   {"D": [1e9, 1e11], "sd": [0.05, 0.01]}])
@pytest.mark.parametrize("on", ["linear", "log"])
def test_new_runs_of_replicates_against_brute_force(on, noise):
    fit = lf.fit(TWO_TERMS, two_term_table(0.02), on=on)
    boot = fit.bootstrap(2000, "residual")
    D = np.array([1e10, 1e12])
    found = boot.predict(N=1e9, D=D, level=0.9, method="percentile", kind="new", noise=noise)
    from lawfit.noise import noise_model

    rng = np.random.default_rng(0)
    means = boot.derive("E + A/1e9**alpha + B/D**beta", D=D).values
    sd = noise_model(fit, noise)(found.value, {"N": np.full(2, 1e9), "D": D})
    errors = sd * rng.normal(size=(100, *means.shape))
    drawn = means * np.exp(errors) if on == "log" else means + errors
    low, high = np.quantile(drawn.reshape(-1, 2), [0.05, 0.95], axis=0)
    np.testing.assert_allclose(found.low, low, atol=0.05 * (high - low).max())
    np.testing.assert_allclose(found.high, high, atol=0.05 * (high - low).max())
    wider = boot.predict(N=1e9, D=D, level=0.9, kind="new", noise=noise)
    assert (wider.low < found.low).all() and (wider.high > found.high).all()


def test_new_runs_are_held():
    """Of 250 tables, the 90 % interval of a new run holds one in about 90 %."""
    rng = np.random.default_rng(5)
    x, inside, inside_boot = np.linspace(1, 5, 30), 0, 0
    for _ in range(250):
        y = 3 * x**-0.5 * np.exp(0.1 * rng.normal(size=30))
        fit = lf.fit("y = c*x**p", {"x": x, "y": y}, on="log", threads=1)
        new = 3 * 8**-0.5 * np.exp(0.1 * rng.normal())
        _, low, high = fit.predict(x=8.0, level=0.9, kind="new")
        inside += low <= new <= high
        _, low, high = fit.bootstrap(199, threads=1, check=0).predict(x=8.0, level=0.9, kind="new")
        inside_boot += low <= new <= high
    assert 0.84 < inside / 250 < 0.96 and 0.84 < inside_boot / 250 < 0.96


def test_simultaneous_bands_hold_everywhere_and_pointwise_ones_do_not():
    rng = np.random.default_rng(6)
    x, path = np.geomspace(1, 100, 40), np.geomspace(1, 1e4, 25)
    true, tables = 1 + 3 * path**-0.5, 120
    held = dict.fromkeys(("delta", "delta pointwise", "replicates", "replicates pointwise"), 0)
    for _ in range(tables):
        y = (1 + 3 * x**-0.5) * np.exp(0.02 * rng.normal(size=40))
        fit = lf.fit("y = E + B*x**-b", {"x": x, "y": y}, on="log", threads=1)
        boot = fit.bootstrap(399, "residual", threads=1, check=0)
        for name, band in (("", "simultaneous"), (" pointwise", "pointwise")):
            for what, source in (("delta", fit), ("replicates", boot)):
                _, low, high = source.predict(x=path, level=0.9, band=band)
                held[what + name] += bool(((low <= true) & (true <= high)).all())
    share = {name: count / tables for name, count in held.items()}
    assert 0.82 < share["delta"] < 0.97 and 0.80 < share["replicates"] < 0.97, share
    assert share["delta pointwise"] < 0.75 and share["replicates pointwise"] < 0.75, share


@pytest.mark.slow
@pytest.mark.parametrize("even", [True, False])
def test_bands_hold_what_the_documentation_of_predict_says(even):
    """At 90 % from 30 rows to 1,000 times beyond: even noise, and noise that falls fivefold."""
    D, path = np.geomspace(1e8, 1e10, 30), np.geomspace(1e8, 1e13, 40)
    law = lf.Law("E + B/D**b", ("D",), dict.fromkeys("EB", lf.Parameter(positive=True)))
    truth = {"E": 1.8, "B": 400.0, "b": 0.3}
    true, sd = law(D=path, **truth), 0.005 if even else 0.002 * (D / 1e10) ** -0.35
    held = {"delta": 0, "pairs": 0, "expanded": 0}
    for seed in range(300):
        noise = sd * np.random.default_rng(seed).standard_normal(30)
        fit = lf.fit(law, {"D": D, "y": law(D=D, **truth) * np.exp(noise)}, "y", on="log")
        boot = fit.bootstrap(400, seed=seed, check=0)
        bands = {"delta": (fit, {}), "pairs": (boot, {}),
                 "expanded": (boot, {"method": "expanded"})}
        for name, (source, how) in bands.items():
            _, low, high = source.predict(D=path, level=0.9, band="simultaneous", **how)
            held[name] += bool(((low <= true) & (true <= high)).all())
    share = {name: count / 300 for name, count in held.items()}
    assert share["pairs"] < share["expanded"] and 0.8 < share["expanded"] < 0.9, share
    assert (share["delta"] > 0.86) if even else (share["delta"] < share["expanded"]), share


def test_a_band_lies_between_the_pointwise_and_scheffes():
    fit = lf.fit(LINE, line())
    x = np.linspace(-50, 50, 201)
    value, _, high = fit.predict(x=x, level=0.95, band="simultaneous")
    pointwise = fit.predict(x=x, level=0.95)
    ratio = (high - value) / (pointwise.high - value)
    assert np.ptp(ratio) < 1e-9  # one factor for all points
    scheffe = np.sqrt(2 * stats.f.ppf(0.95, 2, 38)) / stats.t.ppf(0.975, 38)
    assert ratio[0] == pytest.approx(scheffe, rel=0.02)  # the whole line is Working and Hotelling's
    one = fit.predict(x=2.0, level=0.95, band="simultaneous")
    assert one.high - one.value == pytest.approx(
        fit.predict(x=2.0, level=0.95).high - one.value, rel=0.02)
    new = fit.predict(x=np.linspace(1, 5, 50), level=0.9, band="simultaneous", kind="new")
    bonferroni = fit.predict(x=np.linspace(1, 5, 50), level=1 - 0.1 / 50, kind="new")
    assert (new.high < bonferroni.high).all()
    assert (new.high - new.value > 0.9 * (bonferroni.high - new.value)).all()


def test_extrapolation_is_shown():
    fit = lf.fit(TWO_TERMS, two_term_table(0.01), on="log")
    assert fit.extrapolation(N=[1e5, 1e8, 1e12], D=3e12)["N"].round(6).tolist() == [100, 1, 100]
    far = fit.predict(N=1e12, D=3e12, level=0.9)
    assert far.extrapolation == pytest.approx({"N": 100.0, "D": 10.0})
    assert repr(far).endswith("; beyond the data: N 100 times, D 10 times)")
    assert "beyond" not in repr(fit.predict(N=1e9, D=1e10, level=0.9))
    assert fit.bootstrap(50).predict(N=1e12, D=3e12).extrapolation == far.extrapolation
    again = pickle.loads(pickle.dumps(far))
    assert again == far and again.extrapolation == far.extrapolation
    value, low, high = far
    assert low < value < high
    signed = lf.fit("y = a + b*x", {"x": [-4.0, -2, -1], "y": [1.0, 2, 4]})
    ratio = signed.extrapolation(x=[-8, -4, -0.5, 0, 3])["x"]
    np.testing.assert_array_equal(ratio, [2, 1, 2, np.inf, np.nan])


@pytest.mark.parametrize("wrong, message", [
    ({"kind": "old"}, "kind: must be 'mean' or 'new', not 'old'"),
    ({"band": "wide"}, "band: must be 'pointwise' or 'simultaneous', not 'wide'"),
    ({"noise": "constant"}, "noise: goes with kind='new'"),
    ({"kind": "new", "noise": "z"}, "noise: 'z' is not 'constant', 'proportional' or a variable"),
])
def test_refusals(wrong, message):
    fit = lf.fit(LINE, line())
    for source in (fit, fit.bootstrap(20)):
        with pytest.raises(ValueError, match=message):
            source.predict(x=1.0, level=0.9, **wrong)


def test_refusals_of_replicates():
    boot = lf.fit(LINE, line()).bootstrap(20)
    with pytest.raises(ValueError, match="method: 'bca' is for the mean"):
        boot.predict(x=1.0, kind="new", method="bca")
