"""Long calls end when they are told to, and leave everything usable: Ctrl-C, errors, forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import cache

import numpy as np
import pytest
from samples import TWO_TERMS

import lawfit as lf


@cache
def long_work(groups=40_000):
    """Groups that take some ten seconds with automatic starts."""
    rng = np.random.default_rng(0)
    size, tokens = np.exp(rng.uniform(16, 23, (2, groups * 30)))
    loss = 1.7 + 400 / size**0.34 + 900 / tokens**0.37 + 0.05 * rng.standard_normal(groups * 30)
    return {"N": size, "D": tokens, "loss": loss, "g": np.repeat(np.arange(groups), 30)}


def usable():
    """What a small call gives, as bytes."""
    small = {name: column[:120] for name, column in long_work().items()}
    fits = lf.fit_many(TWO_TERMS, small, by="g", on="log", losses=lf.Huber(0.1))
    return fits.objective.tobytes()


@pytest.fixture(autouse=True)
def listens():
    """Started in the background by a shell, Python would ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def stays_usable():
    """The same answer before and after whatever a test did."""
    before = usable()
    yield
    assert usable() == before


def interrupted(threads, delay):
    """Seconds from the signal to the exception."""
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(delay, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lf.fit_many(TWO_TERMS, long_work(), by="g", threads=threads)
    took = time.perf_counter() - sent[0]
    timer.join()
    return took


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("delay", [0.05, 0.5])
def test_ctrl_c_ends_the_call_at_once(threads, delay):
    # A busy machine may let the process wait; one prompt end of three shows that it can.
    assert any(interrupted(threads, delay) < 0.2 for _ in range(3))


def test_an_error_in_progress_is_the_callers():
    seen = []

    def report(done, total):
        seen.append((done, total))
        if len(seen) == 3:
            raise ZeroDivisionError("from progress")

    begin = time.perf_counter()
    with pytest.raises(ZeroDivisionError, match="from progress"):
        lf.fit_many(TWO_TERMS, long_work(), by="g", progress=report)
    assert time.perf_counter() - begin < 5 and len(seen) == 3


def test_progress_counts_to_the_end():
    seen = []
    part = {name: column[: 30 * 3000] for name, column in long_work().items()}
    fits = lf.fit_many(TWO_TERMS, part, by="g", progress=lambda *at: seen.append(at), starts=4)
    assert seen[-1] == (len(fits), len(fits))
    assert seen == sorted(seen) and {total for _, total in seen} == {len(fits)}


def test_time_limits_are_statuses():
    with pytest.warns(lf.FitWarning, match="time_limit"):
        fits = lf.fit_many(TWO_TERMS, long_work(), by="g", max_seconds=0.3)
    counts = fits.status_counts()
    assert counts["time_limit"] > 30_000 and counts.keys() <= {"converged", "time_limit"}


FORK = """
    import os, sys
    import numpy as np
    import lawfit as lf

    rng = np.random.default_rng(0)
    table = {"x": np.tile(np.arange(1.0, 13), 500), "g": np.repeat(np.arange(500), 12)}
    table["y"] = 1 + 3 * table["x"] ** -0.4 + 0.01 * rng.standard_normal(6000)

    def answer():
        return lf.fit_many("E + A/x**a", table, "y", by="g", threads=2).objective.tobytes()

    before = answer()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if answer() == before else 1)
        children.append(child)
    assert answer() == before
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_fit_after_their_parent_has():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FORK)], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr


def test_calls_from_several_threads_at_once():
    answers, before = [], usable()
    workers = [threading.Thread(target=lambda: answers.append(usable())) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert answers == [before] * 4
