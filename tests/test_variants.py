"""25 laws x 2 spaces x 5 losses x 5 subsets of the published runs, against SciPy's best of 20.

The laws, spaces, losses and subsets are those of ``bench/cases.py``, which is what is timed.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from peers import best_from
from problems import Family, Problem

import lawfit as lf

BENCH = Path(__file__).parents[1] / "bench"
ALLOWED = 1 + 1e-6


@pytest.fixture(scope="module")
def cases(shared_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        patch.setenv("LAWFIT_DATA", str(shared_data))
        import cases

        yield cases
    sys.modules.pop("cases", None)


def fit_all(cases, variants, **kept):
    """(fits, seconds) of these laws by every space, loss and subset, or by those in ``kept``."""
    runs = cases.published_runs()
    arguments = {"on": cases.SPACES, "losses": cases.LOSSES, "subsets": cases.subsets(runs)} | kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        begin = time.perf_counter()
        fits = lf.fit_many({v.id: v.law() for v in variants}, runs, "loss", threads=1, **arguments)
    return fits, time.perf_counter() - begin


def peer(cases, fits, number, seed):
    """The lowest objective of SciPy's 20 starts on the rows of one fit."""
    label, on, loss, subset, _ = (int(place[number]) for place in fits.places)
    variant = next(v for v in cases.VARIANTS if v.id == fits.batch.labels[label])
    rows = fits.batch.sheet.rows(fits.batch.job_rows(subset, 0))
    closed = {name: ends for name, ends in variant.bounds.items() if ends != (None, None)}
    family = Family(variant.id, variant.formula, {"N": (1, 1), "D": (1, 1)}, {})
    problem = Problem(family, {**rows.columns, "y": rows.y}, {}, fits.batch.ons[on],
                      fits.batch.losses[loss], None, None, closed)  # fmt: skip
    drawn = variant.draw_starts(20, np.random.default_rng([seed, number]))
    return best_from(problem, drawn)[0]


def losses_to_scipy(cases, fits, numbers, seed):
    """Those of the numbered fits whose objective is above SciPy's best, with what it found."""
    worse = []
    for number in numbers:
        best = peer(cases, fits, number, seed)
        if not fits.objective[number] <= best * ALLOWED:
            index = {name: str(column[number]) for name, column in fits.index.items()}
            worse.append((index, str(fits.status[number]), float(fits.objective[number]), best))
    return worse


def test_a_sample_is_never_above_scipys_best(cases):
    by_id = {variant.id: variant for variant in cases.VARIANTS}
    variants = [by_id[name] for name in ("chinchilla", "kaplan", "log_quadratic")]
    subsets = {"long": cases.subsets(cases.published_runs())["long"]}
    fits, _ = fit_all(cases, variants, subsets=subsets)
    assert len(fits) == 30 and (fits.status != "").all()
    numbers = np.random.default_rng(2).choice(len(fits), 4, replace=False)
    assert not losses_to_scipy(cases, fits, numbers, seed=2)


@pytest.mark.slow
def test_all_variants(cases):
    """Every one with a status; a random 200 are never above SciPy.

    LAWFIT_SEED and LAWFIT_EXAMPLES choose which and how many.
    """
    seed = int(os.environ.get("LAWFIT_SEED", "0"))
    count = int(os.environ.get("LAWFIT_EXAMPLES", "200"))
    fits, seconds = fit_all(cases, cases.VARIANTS)
    print(f"\n{len(fits):,} variants in {seconds:.2f} s on one thread: {fits.status_counts()}")
    assert len(fits) == 1250 and fits.batch.shape == (25, 2, 5, 5, 1)
    numbers = np.random.default_rng(seed).choice(len(fits), count, replace=False)
    worse = losses_to_scipy(cases, fits, numbers, seed)
    for index, status, ours, best in worse:
        print(f"{index}: {status}, {ours:.12g} above {best:.12g} by {ours / best - 1:.2g}")
    assert not worse
