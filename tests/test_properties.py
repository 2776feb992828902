"""Against SciPy: no problem of any law, table, weights, bounds, space or loss ends worse.

SciPy gets 20 starts around the truth, which we do not know, and its best end is polished; ours
is a plain ``lf.fit``. Run more with ``-m slow``; LAWFIT_SEED and LAWFIT_EXAMPLES choose which.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy")

from peers import best_of_scipy
from problems import (
    FAMILIES, LOSSES, PIECES, SPACES, Choice, Family, Problem, generated, make_problem,
)

families = st.one_of(
    st.sampled_from(FAMILIES),
    st.builds(generated, st.integers(0, PIECES - 1), st.none() | st.integers(0, PIECES - 1),
              st.booleans()),
)


@st.composite
def choices(draw: st.DrawFn, losses: tuple[str, ...] = LOSSES) -> Choice:
    family: Family = draw(families)
    return Choice(
        family=family,
        rows=len(family.truth) + draw(st.sampled_from([4, 8, 20, 40])),
        noise=draw(st.sampled_from([0.03, 0.003, 0.1])),
        outliers=draw(st.booleans()),
        space=draw(st.sampled_from(SPACES)),
        loss=draw(st.sampled_from(losses)),
        scale=draw(st.sampled_from([1.0, 0.1, 3.0])),
        q=draw(st.sampled_from([0.5, 0.1, 0.8])),
        weighting=draw(st.sampled_from(["none", "weights", "sigma"])),
        bound=draw(st.none() | st.integers(0, 6)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def rounding(problem: Problem, values: np.ndarray) -> float:
    """What the objective moves when residuals move by their rounding."""
    r = problem.residuals(values)
    scale = np.abs(problem.data["y"]) if problem.space == "linear" else 1.0
    unit = 1e-15 * scale * (1.0 if problem.sigma is None else 1 / problem.sigma)
    return float(np.sum(problem.losses(np.abs(r) + unit) - problem.losses(np.abs(r))))


def cancelled(problem: Problem, values: np.ndarray) -> float:
    """What the objective moves when the largest terms of the fitted values move by their rounding:
    on the way to infinity amplitudes of 1e10 cancel."""
    r = problem.residuals(values)
    terms = np.abs(problem.jacobian(values) * values).max(axis=1)
    unit = 2.3e-16 * np.where(np.isfinite(terms), terms, 0.0)   # infinite at the edge of a domain
    moved = [problem.losses(r + side * unit) - problem.losses(r) for side in (-1, 1)]
    return float(np.sum(np.abs(moved).max(axis=0)))


def check(choice: Choice) -> None:
    problem = make_problem(choice)
    fit = problem.fit()
    ours = problem.objective(fit.values)
    tiny = rounding(problem, fit.values) if np.isfinite(ours) else 0.0
    lost = cancelled(problem, fit.values) if np.isfinite(ours) else 0.0
    assert fit.objective == pytest.approx(ours, rel=1e-9, abs=tiny + lost), "its own objective"
    lower, upper = problem.law.bounds()
    assert (fit.values >= lower).all() and (fit.values <= upper).all()
    theirs, point = best_of_scipy(problem, 20, choice.seed)
    assert ours <= theirs * (1 + 1e-6) + tiny, (
        f"{problem.family.formula}, {problem.space}, {problem.loss}: {fit.status} at {ours!r} "
        f"{fit.values.tolist()}, SciPy {theirs!r} {point.tolist()}, bounds {problem.bounds}"
    )


EVERYTHING = list(HealthCheck)
LARGEST_LOST_SHARE = 0.01   # measured: none of 3,800


@settings(max_examples=25, suppress_health_check=EVERYTHING)
@given(choices(("squared", "huber", "soft_l1", "cauchy")))
def test_no_worse_than_least_squares(choice: Choice) -> None:
    check(choice)


# All automatic starts end beside its lowest optimum.
BESIDE = Choice(
    family=next(family for family in FAMILIES if family.id == "exp3"), rows=43, noise=0.03,
    outliers=False, space="relative", loss="absolute", scale=3.0, q=0.1, weighting="none",
    bound=None, seed=2521696525,
)


@settings(max_examples=8, suppress_health_check=EVERYTHING)
@given(choices(("log_cosh", "absolute", "quantile")))
@example(BESIDE)
def test_no_worse_than_minimize(choice: Choice) -> None:
    check(choice)


@pytest.mark.slow
def test_share_no_worse_than_scipy_at_length() -> None:
    """Random problems at length: how often is SciPy's best of 20 better, and where.

    Some hard ones are still lost (many basins, few rows); every one is printed, and the share
    may not grow. LAWFIT_SEED and LAWFIT_EXAMPLES choose the problems.
    """
    rng = np.random.default_rng(int(os.environ.get("LAWFIT_SEED", "0")))
    examples = int(os.environ.get("LAWFIT_EXAMPLES", "300"))
    lost = []
    for _ in range(examples):
        choice = random_choice(rng)
        try:
            with np.errstate(all="ignore"):  # SciPy and plain formulas may leave a law's domain
                check(choice)
        except AssertionError as error:
            lost.append(f"{choice}: {str(error).splitlines()[0]}")
    print(*lost, f"{len(lost)} of {examples} lost", sep="\n")
    assert len(lost) <= LARGEST_LOST_SHARE * examples


def random_choice(rng: np.random.Generator) -> Choice:
    def one(options: Sequence[Any]) -> Any:
        return options[rng.integers(len(options))]

    if rng.random() < 0.5:
        family = one(FAMILIES)
    else:
        second = None if rng.random() < 0.3 else int(rng.integers(PIECES))
        family = generated(int(rng.integers(PIECES)), second, bool(rng.random() < 0.5))
    return Choice(
        family=family,
        rows=len(family.truth) + one([4, 8, 20, 40]),
        noise=one([0.03, 0.003, 0.1]),
        outliers=bool(rng.random() < 0.5),
        space=one(SPACES),
        loss=one(LOSSES),
        scale=one([1.0, 0.1, 3.0]),
        q=one([0.5, 0.1, 0.8]),
        weighting=one(["none", "weights", "sigma"]),
        bound=None if rng.random() < 0.5 else int(rng.integers(7)),
        seed=int(rng.integers(2**32)),
    )
