"""``lawfit demo``: the shipped runs, fitted and resampled while you watch."""

from __future__ import annotations

import argparse
import time
import warnings

from .cli import FAILED, OK
from .datasets import load
from .errors import FitWarning
from .fit import fit
from .law import as_law
from .losses import Huber
from .output import bootstrap_table
from .report import number

__all__ = ["demo"]

DEMO_REPLICATES = 4000


def demo(arguments: argparse.Namespace) -> int:
    """``lawfit demo``: the shipped runs, Chinchilla's law, 4,000 resamples. Always text."""
    runs = load("tiny_lm")
    law = as_law("chinchilla")
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        result = fit(law, runs, "loss", columns={"N": "params", "D": "tokens"}, on="log",
                     loss=Huber(1e-3), threads=arguments.threads)
        boot = result.bootstrap(DEMO_REPLICATES, threads=arguments.threads)
    seconds = time.perf_counter() - begin
    exponent = boot.derive("beta/(alpha+beta)")
    low, high = exponent.interval(0.95)
    print(result)
    print()
    print(bootstrap_table(boot, 0.95))
    print()
    print(
        "compute-optimal exponent a = beta/(alpha+beta) in N ~ C**a: "
        f"{number(exponent.value, 3)}, 95 % interval {number(low, 3)} to {number(high, 3)}"
    )
    print(f"fitting: {seconds:.3f} s")
    return OK if result.converged else FAILED
