"""lawfit on the workloads: whole calls, as a user makes them, and what they answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cases
import numpy as np
from tasks import Task, groups_task, log_order, runs_task

import lawfit as lf

Array = np.ndarray


@dataclass(frozen=True)
class Work:
    """A task, the call that does it, and its answers.

    ``run(threads)`` is timed; ``answers(result)`` are theta for the task's problems.
    """

    task: Task
    run: Callable[[int], Any]
    answers: Callable[[Any], Array]


def works(names: list[str]) -> list[Work]:
    """The workloads asked for, in order."""
    makers = {"W1": _learning_curves, "W2": _multistart, "W3": _bootstrap, "W4": _run_tables}
    return [makers[name]() for name in names]


def _learning_curves() -> Work:
    return _groups("W1", "10,000 learning curves, 12 points, 3 parameters", cases.learning_curves())


def _run_tables() -> Work:
    return _groups("W4", "1,000 tables, 60 points, 5 parameters", cases.run_tables())


def _groups(name: str, what: str, groups: cases.Groups) -> Work:
    table = groups.table()

    def run(threads: int) -> Any:
        return lf.fit_many(groups.law, table, y="y", by="group", starts=groups.starts,
                           threads=threads)

    def answers(fits: Any) -> Array:
        return np.stack([fits.params[name] for name in groups.parameters], axis=1)

    return Work(groups_task(name, what, groups), run, answers)


_PUBLISHED = {"y": "loss", "on": "log", "loss": lf.Huber(cases.DELTA)}
_NAMES = ("E", "A", "alpha", "B", "beta")


def _logarithms(params: dict[str, Array]) -> Array:
    theta = np.stack([np.atleast_1d(params[name]) for name in _NAMES], axis=1)
    theta[:, [0, 1, 3]] = np.log(np.maximum(theta[:, [0, 1, 3]], 1e-300))
    return theta


def _multistart() -> Work:
    """One fit from 4,500 starts. Its answers are the ends of all when none is stopped early."""
    runs, grid = cases.published_runs(), cases.hoffmann_grid()
    starts = cases.natural(grid)
    task = runs_task("W2", "one law, 240 points, 4,500 starts", log_order(grid))

    def run(threads: int) -> Any:
        return lf.fit(cases.CHINCHILLA, runs, **_PUBLISHED, starts=starts, threads=threads)

    def answers(fit: Any) -> Array:
        """All ends, and that the timed call returned the best of them."""
        full = lf.fit(cases.CHINCHILLA, runs, **_PUBLISHED, starts=starts, keep_starts=True)
        if not fit.objective <= full.objective * (1 + 1e-9):
            raise SystemExit(f"W2: {fit.objective} with starts stopped early, "
                             f"{full.objective} without")
        return _logarithms(full.starts.params)

    return Work(task, run, answers)


def _bootstrap() -> Work:
    """A fit and 4,000 resamples of its rows. Resamples are drawn in the call; those that the peers
    get are fitted through the same engine as weights, to be compared."""
    runs = cases.published_runs()
    counts = cases.resample_counts(len(runs["loss"]))
    optimum = lf.fit(cases.CHINCHILLA, runs, **_PUBLISHED)
    starts = np.repeat(_logarithms(optimum.params), len(counts), axis=0)
    task = runs_task("W3", "a fit and 4,000 resamples of its 240 points", starts, counts)

    def run(threads: int) -> Any:
        fit = lf.fit(cases.CHINCHILLA, runs, **_PUBLISHED, threads=threads)
        return fit.bootstrap(len(counts), threads=threads)

    def answers(boot: Any) -> Array:
        if not np.isfinite(np.stack(list(boot.params.values()))).all():
            raise SystemExit("W3: some resamples failed")
        return _logarithms(optimum.bootstrap(weights=counts).params)

    return Work(task, run, answers)
