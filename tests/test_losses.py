"""Losses: their texts, their refusals, and their meaning in the engine."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lawfit as lf
from lawfit.losses import Loss, Squared, as_loss

ALL = [
    Squared(), lf.Huber(0.02), lf.SoftL1(0.3), lf.Cauchy(0.1), lf.Absolute(), lf.Quantile(0.2),
    lf.LogCosh(2.0),
]  # fmt: skip


def value(loss: Loss, r: np.ndarray) -> np.ndarray:
    """The formulas as documented."""
    s = loss.parameter
    with np.errstate(divide="ignore"):
        return {
            "squared": lambda: r**2 / 2,
            "huber": lambda: np.where(abs(r) <= s, r**2 / 2, s * (abs(r) - s / 2)),
            "soft_l1": lambda: s**2 * (np.sqrt(1 + (r / s) ** 2) - 1),
            "cauchy": lambda: s**2 / 2 * np.log1p((r / s) ** 2),
            "absolute": lambda: abs(r),
            "quantile": lambda: np.where(r >= 0, s * r, (s - 1) * r),
            "log_cosh": lambda: s**2 * np.log(np.cosh(r / s)),
        }[loss.name]()


@pytest.mark.parametrize("loss", ALL, ids=str)
def test_text_and_pickle_give_the_same_loss(loss):
    assert as_loss(str(loss)) == loss
    assert pickle.loads(pickle.dumps(loss)) == loss


@pytest.mark.parametrize("loss", ALL, ids=str)
def test_objective_is_the_weighted_sum_of_the_documented_formula(loss):
    x = np.arange(9.0)
    y = 1 + 2 * x + np.array([0.1, -0.3, 0.2, 0.0, 1.5, -0.1, 0.05, -0.02, 0.3])
    weights = np.linspace(0.5, 2, 9)
    fit = lf.fit("y = a + b*x", {"x": x, "y": y}, weights=weights, loss=loss)
    expected = float(weights @ value(loss, y - fit.fitted))
    assert fit.objective == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(fit.residuals, y - fit.fitted, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("spec", "message"), [
    ("hubber", "loss: unknown name 'hubber'; choose from squared, huber"),
    ("huber:abc", "'abc' in 'huber:abc' is not a number"),
    ("huber:-1", "delta must be positive"),
    ("huber:nan", "delta must be positive"),
    ("quantile:1", "q must lie between 0 and 1"),
    ("squared:2", "'squared' takes no number"),
])  # fmt: skip
def test_bad_texts_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        as_loss(spec)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="delta must be a number, not str"):
        lf.Huber("1e-3")
    with pytest.raises(TypeError, match="loss: expected a text"):
        as_loss(1e-3)
    assert as_loss(lf.Absolute) == lf.Absolute()
