"""Small made-up tables with known truth, shared by the tests of the Python side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

EXPECTED = Path(__file__).parent / "expected"

LINE = "y = a + b*x"
TWO_TERMS = "loss = E + A/N**alpha + B/D**beta"
TRUTH = {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.37}


def two_term_table(noise: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    """40 runs on a grid of 8 sizes x 5 token counts; noise is a relative standard deviation."""
    N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e10, 8),
                                                 np.geomspace(1e9, 3e11, 5)))
    loss = 1.8 + 480.0 / N**0.35 + 2000.0 / D**0.37
    scatter = np.random.default_rng(seed).normal(size=len(N))
    return {"N": N, "D": D, "loss": loss * np.exp(noise * scatter), "flops": 6 * N * D,
            "diverged": np.arange(len(N)) % 10 == 3}


def line_table() -> dict[str, np.ndarray]:
    """Seven points near y = 1 + 2 x."""
    x = np.arange(7.0)
    return {"x": x, "y": 1 + 2 * x + np.array([0.1, -0.2, 0.15, 0.0, -0.1, 0.2, -0.15])}


def check_expected(name: str, text: str) -> None:
    """Compare with the reference file of that name, and say how to renew it."""
    reference = EXPECTED / name
    assert reference.exists(), f"{reference} is missing; its text would be:\n{text}"
    assert text.rstrip("\n") == reference.read_text(encoding="utf-8").rstrip("\n")


def campaign(
    alpha: float = 0.35, beta: float = 0.37, noise: float = 0.0, seed: int = 0, shift: float = 1.0,
    width: float = 6.0, sizes: int = 9, budgets: int = 6,
) -> dict[str, np.ndarray]:
    """isoFLOP slices around the optimum of E + A/N**alpha + B/D**beta (times ``shift``), whose
    best size for every budget is in the column ``best``."""
    compute, ratio = np.meshgrid(np.geomspace(1e18, 1e21, budgets),
                                 np.geomspace(1 / width, width, sizes))
    compute, ratio = compute.T.ravel(), ratio.T.ravel()
    best = ((alpha * 480 / (beta * 2000)) * (compute / 6) ** beta) ** (1 / (alpha + beta))
    N = best * ratio * shift
    D = compute / 6 / N
    scatter = np.random.default_rng(seed).normal(size=len(N))
    loss = (1.8 + 480 / N**alpha + 2000 / D**beta) * np.exp(noise * scatter)
    return {"N": N, "D": D, "flops": compute, "loss": loss, "best": best}


def counts(seed: int, n: int = 150) -> dict[str, np.ndarray]:
    """Counts and shares whose logarithms and logits are straight lines."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 2, n)
    mean = np.exp(1 + 0.7 * x)
    trials = rng.integers(1, 60, n)
    return {
        "x": x, "poisson": rng.poisson(mean).astype(float), "trials": trials.astype(float),
        "over": rng.negative_binomial(2.5, 2.5 / (2.5 + mean)).astype(float),
        "won": rng.binomial(trials, 1 / (1 + np.exp(-0.3 - 1.2 * x))).astype(float),
    }


def heavy(seed: int, nu: float, n: int = 80) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 100, n)
    return {"x": x, "y": (0.5 + 2 * x**-0.4) * np.exp(0.05 * rng.standard_t(nu, n))}


def normal_equations():
    """Textbook least squares for the line: estimate, covariance, residuals."""
    data = line_table()
    J = np.stack([np.ones(7), data["x"]], axis=1)
    inverse = np.linalg.inv(J.T @ J)
    estimate = inverse @ J.T @ data["y"]
    residuals = data["y"] - J @ estimate
    return estimate, inverse * (residuals @ residuals) / 5, residuals
