"""Values of a fitted law and of what is derived from it, with their intervals, and what is refused."""

from __future__ import annotations

import math

import lawfit as lf
import numpy as np
import pytest
from samples import LINE, TWO_TERMS, line_table, normal_equations, two_term_table


def test_predict_shapes(line):
    a, b = line.values
    assert line.predict(x=3.0) == pytest.approx(a + 3 * b)
    assert isinstance(line.predict(x=3), float)
    grid = line.predict(x=np.array([[0, 1], [2, 3]]))
    np.testing.assert_allclose(grid, a + b * np.array([[0, 1], [2, 3]]), rtol=1e-13)
    np.testing.assert_array_equal(line.predict({"x": [0, 1]}), line.predict(x=[0.0, 1.0]))
    np.testing.assert_array_equal(line.predict(data=line_table()), line.fitted)
    value, low, high = line.predict(x=[0.0, 1.0], level=0.9)
    assert value.shape == low.shape == high.shape == (2,)
    assert line.predict(x=[]).shape == (0,)


def test_predict_broadcasts_and_maps_columns():
    data = two_term_table(1e-6)
    renamed = {"params": data["N"], "tokens": data["D"], "loss": data["loss"]}
    result = lf.fit(TWO_TERMS, renamed, columns={"N": "params", "D": "tokens"})
    assert result.predict(N=data["N"][:, None], D=[1e9, 1e10]).shape == (40, 2)
    np.testing.assert_array_equal(result.predict(renamed), result.fitted)
    np.testing.assert_array_equal(result.predict({"N": 1e9, "D": 1e10} | {"N": [1e9], "D": [1e10]}),
                                  [result.predict(N=1e9, D=1e10)])  # fmt: skip
    np.testing.assert_array_equal(result.predict(renamed, D=1e10),
                                  result.predict(N=data["N"], D=1e10))  # fmt: skip


def test_prediction_intervals_against_the_textbook(line):
    _, covariance, residuals = normal_equations()
    x = np.array([0.0, 2.5, 20.0])
    J = np.stack([np.ones(3), x], axis=1)
    mean = np.einsum("ij,jk,ik->i", J, covariance, J)
    t = 2.570581836
    value, low, high = line.predict(x=x, level=0.95)
    np.testing.assert_allclose(high - value, t * np.sqrt(mean), rtol=1e-7)
    np.testing.assert_allclose(value - low, t * np.sqrt(mean), rtol=1e-7)
    new = line.predict(x=x, level=0.95, kind="new")
    np.testing.assert_allclose(new.high - value, t * np.sqrt(mean + residuals @ residuals / 5),
                               rtol=1e-7)  # fmt: skip


def test_log_intervals_are_those_of_the_logarithm():
    data = two_term_table(0.01)
    N = data["N"][:8]
    table = {"x": np.log(N), "y": N**-0.3 * np.exp(0.01 * np.cos(np.arange(8)))}
    on_log = lf.fit("y = exp(a + b*x)", table, on="log")
    line = lf.fit("z = a + b*x", {"x": table["x"], "z": np.log(table["y"])})
    for kind in ("mean", "new"):
        ours, theirs = (f.predict(x=10.0, level=0.9, kind=kind) for f in (on_log, line))
        np.testing.assert_allclose(np.log(ours), theirs, rtol=1e-8)


def test_wrong_predictions(line):
    for kwargs, message in [
        ({}, "variable 'x' is missing: pass x=..."),
        ({"x": 1, "z": 2}, "'z' is not a variable of the law; variables: x"),
        ({"x": 1, "kind": "both"}, "kind: must be 'mean' or 'new'"),
        ({"x": 1, "level": 95}, "level: must lie between 0 and 1"),
        ({"data": {"z": [1]}}, "variable 'x' is missing: pass x=...; columns: z"),
    ]:
        with pytest.raises(ValueError) as caught:
            line.predict(**kwargs)
        assert message in str(caught.value)
    with pytest.raises(ValueError, match="sigma of a new run is not known"):
        lf.fit(LINE, line_table(), sigma=1.0).predict(x=1, level=0.9, kind="new")


def test_derive(noisy):
    alpha, beta = noisy.params["alpha"], noisy.params["beta"]
    derived = noisy.derive("beta/(alpha+beta)")
    assert derived.value == pytest.approx(beta / (alpha + beta), rel=1e-14)
    gradient = np.zeros(5)
    gradient[[2, 4]] = -beta / (alpha + beta) ** 2, alpha / (alpha + beta) ** 2
    assert derived.stderr == pytest.approx(
        math.sqrt(gradient @ noisy.covariance() @ gradient), rel=1e-9
    )
    curve = noisy.derive("E + A/N**alpha", N=[1e8, 1e9])
    assert curve.value.shape == curve.stderr.shape == (2,)
    low, high = curve.interval()
    assert (low < curve.value).all() and (curve.value < high).all()
    # At given variables the law itself is a derived quantity with the law's own error.
    whole = noisy.derive("E + A/N**alpha + B/D**beta", N=1e9, D=1e10)
    assert whole.value == pytest.approx(noisy.predict(N=1e9, D=1e10), rel=1e-13)
    assert noisy.derive("2*pi").stderr == 0


def test_wrong_derivations(noisy):
    with pytest.raises(lf.LawError, match=r"write \*\*"):
        noisy.derive("alpha^2")
    with pytest.raises(ValueError, match="'alpa' is not a parameter; did you mean 'alpha'"):
        noisy.derive("1/alpa")
    with pytest.raises(ValueError, match="'N' is not a parameter"):
        noisy.derive("A/N**alpha")
    with pytest.raises(ValueError, match="the variable 'E' is a parameter"):
        noisy.derive("E", E=2)
    with pytest.raises(ValueError, match="the variable 'N' does not occur"):
        noisy.derive("E", N=2)
