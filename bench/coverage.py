"""How often intervals hold the truth: simulated tables, every interval, one table of shares.

    python bench/coverage.py --tables 2000 --replicates 999 --out coverage/
    python bench/coverage.py --out coverage/ --report --readme     # the README's table of these

Each cell (number of runs, noise, residual space) is one file, so a study that was stopped goes on
where it was. Truth is E + A/N**alpha + B/D**beta with Besiroglu's exponents. A *run* is one row
under independent noise; under clustered noise it is four rows (checkpoints) that share three
quarters of their noise variance, and intervals know the runs by ``by=`` or, named naive, do not.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import lawfit as lf
from readme import COVERAGE, put
from lawfit.blocks import blocks_of, native_options
from lawfit.derive import Quantity, delta_errors
from lawfit.engine import objective_arguments
from lawfit.intervals import cluster_reach, t_quantile

LAW = lf.Law("loss = E + A/N**alpha + B/D**beta", ["N", "D"])
TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
QUANTITIES = {"log A": "log(A)", "log B": "log(B)", "E": "E", "alpha": "alpha", "beta": "beta",
              "a": "beta/(alpha+beta)"}
RUNS = (9, 16, 30, 60, 240)
NOISES = ("gaussian", "heavy", "clustered")
SPACES = ("linear", "log")
LEVELS = (0.80, 0.95)
SPREAD = 0.01  # relative standard deviation of one row's noise (absolute on linear residuals)
CHECKPOINTS = 4
SHARED = 0.75


def design(runs: int, clustered: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, tokens and run numbers of a table: sizes x token counts as square as may be."""
    sizes = int(np.sqrt(runs))
    while runs % sizes:
        sizes -= 1
    counts = runs // sizes
    N, D = (axis.ravel() for axis in np.meshgrid(
        np.geomspace(5e7, 1.6e10, sizes), np.geomspace(1e9, 3e11, counts), indexing="ij"))
    run = np.arange(runs)
    if not clustered:
        return N, D, run
    share = np.array([0.25, 0.5, 0.75, 1.0])  # how far a run had come at each checkpoint
    return (np.repeat(N, CHECKPOINTS), (D[:, None] * share).ravel(),
            np.repeat(run, CHECKPOINTS))


def simulate(runs: int, noise: str, space: str, tables: int, seed: int) -> dict[str, np.ndarray]:
    """``tables`` simulated tables under each other, numbered by the column ``table``."""
    N, D, run = design(runs, noise == "clustered")
    rng = np.random.default_rng([seed, runs, NOISES.index(noise), SPACES.index(space)])
    rows = len(N)
    if noise == "heavy":
        error = rng.standard_t(3, size=(tables, rows)) / np.sqrt(3)
    elif noise == "clustered":
        shared = rng.normal(size=(tables, runs))[:, run]
        error = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * rng.normal(size=(tables, rows))
    else:
        error = rng.normal(size=(tables, rows))
    exact = LAW(N=N, D=D, **TRUTH)
    loss = exact * np.exp(SPREAD * error) if space == "log" else exact + SPREAD * 2 * error
    return {"N": np.tile(N, tables), "D": np.tile(D, tables), "loss": loss.ravel(),
            "run": np.tile(run, tables), "table": np.repeat(np.arange(tables), rows)}


def truths() -> dict[str, float]:
    E, A, alpha, B, beta = TRUTH.values()
    return {"log A": np.log(A), "log B": np.log(B), "E": E, "alpha": alpha, "beta": beta,
            "a": beta / (alpha + beta)}


class Counter:
    """Hits and widths of every (interval, level, quantity)."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, kind: str, level: float, name: str, low: np.ndarray, high: np.ndarray) -> None:
        true = truths()[name]
        there = ~(np.isnan(low) | np.isnan(high))
        with np.errstate(invalid="ignore"):
            width = high - low
        self.rows.append({
            "interval": kind, "level": level, "quantity": name, "tables": len(low),
            "without": int((~there).sum()), "open": int(np.isinf(width[there]).sum()),
            "covered": int(((low <= true) & (true <= high))[there].sum()),
            "below": int((high < true)[there].sum()), "above": int((low > true)[there].sum()),
            "width": float(np.median(width[there])) if there.any() else float("nan"),
        })


def wald(fits: lf.Fits, by: str | None, kind: str, counter: Counter, label: str) -> None:
    from lawfit import _core

    (block,) = blocks_of(fits, by)
    once = {"kind": "given", "given": np.ones((1, len(block.data[1])))}
    if block.units is not None:
        once["units"] = block.units
    lower, upper = block.law.bounds()
    inner = np.array(_core.replicate_covariances(
        block.law.graph(), block.data, objective_arguments(block.on, block.loss),
        (lower, upper, block.law.guesses()), block.offsets, block.free, 1, once,
        block.free[:, None, :], kind, False, native_options(fits, 0, None)))[:, 0]
    matrix = block.law.full_covariance(inner, block.free)
    rows = int(np.diff(block.offsets)[0])
    clusters = None if kind != "cluster" else int(block.units[: block.offsets[1]].max()) + 1
    values = np.stack([fits.params[name] for name in LAW.parameters], axis=1)
    step = 1e-5 * np.nanmedian(np.sqrt(np.diagonal(matrix, axis1=1, axis2=2)), axis=0)
    for name, text in QUANTITIES.items():
        quantity = Quantity(text, LAW.parameters, {})
        at = quantity.values(values)[:, 0]
        with np.errstate(all="ignore"):
            error = delta_errors(lambda m, q=quantity: q.values(m)[:, 0], values, matrix,
                                 range(5), step)
        for level in LEVELS:
            far = (t_quantile((1 + level) / 2, rows - 5) if clusters is None
                   else cluster_reach(level, clusters, rows, 5))
            reach = far * error
            counter.add(label, level, name, at - reach, at + reach)


def profiled(fits: lf.Fits, by: str | None, covariance: str | None, counter: Counter, label: str,
             most: int) -> None:
    from lawfit.profile import profile, profiles

    found: dict[tuple[float, str], list[tuple[float, float]]] = {}
    for number in range(min(len(fits), most)):
        fit = fits[number]
        for level in LEVELS:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    each = profiles(fit, level, by=by, covariance=covariance)
                    share = profile(fit, None, QUANTITIES["a"], level=level, by=by, points=0,
                                    covariance=covariance, threads=1, variables={})
            except ValueError:
                each, share = None, None
            for name in QUANTITIES:
                if each is None:
                    ends = (np.nan, np.nan)
                elif name == "a":
                    ends = share.interval
                else:
                    own = each[name.removeprefix("log ")].interval
                    with np.errstate(all="ignore"):
                        ends = tuple(np.log(np.maximum(own, 0))) if "log" in name else own
                found.setdefault((level, name), []).append(ends)
    for (level, name), ends in found.items():
        low, high = np.array(ends).T
        counter.add(label, level, name, low, high)


def bootstrapped(fits: lf.Fits, method: str, by: str | None, kinds: tuple[str, ...],
                 counter: Counter, label: str, replicates: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        boots = fits.bootstrap(replicates, method, by=by, seed=1, threads=1)
        for name, text in QUANTITIES.items():
            quantity = boots.derive(text)
            for kind in kinds:
                for level in LEVELS:
                    counter.add(f"{label} {kind}", level, name, *quantity.interval(level, kind))


def cell(runs: int, noise: str, space: str, tables: int, replicates: int, profiles_of: int,
         seed: int) -> dict[str, Any]:
    """Everything about one cell."""
    began, counter = time.process_time(), Counter()
    data = simulate(runs, noise, space, tables, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.FitWarning)
        fits = lf.fit_many(LAW, data, by="table", on=space, threads=1)
    every = ("percentile", "adjusted", "basic", "bca", "studentized", "expanded")
    some = ("percentile", "adjusted", "studentized", "expanded")[: 4 if runs < 100 else 2]
    naive = " (naive)" if noise == "clustered" else ""
    wald(fits, None, "jacobian", counter, "wald" + naive)
    wald(fits, None, "sandwich", counter, "wald sandwich" + naive)
    profiled(fits, None, None, counter, "profile" + naive, profiles_of)
    bootstrapped(fits, "pairs", None, every, counter, "pairs" + naive, replicates)
    if noise == "clustered":
        wald(fits, "run", "cluster", counter, "wald by run")
        profiled(fits, "run", None, counter, "profile by run", profiles_of)
        bootstrapped(fits, "cluster", "run", every, counter, "cluster", replicates)
        bootstrapped(fits, "wild", "run", some, counter, "wild by run", replicates)
    else:
        profiled(fits, None, "sandwich", counter, "profile sandwich", profiles_of)
        for method in ("residual", "wild", "parametric", "bayesian"):
            bootstrapped(fits, method, None, some[: 4 if method in ("residual", "wild") else 2],
                         counter, method, replicates)
    return {"runs": runs, "noise": noise, "space": space, "tables": tables,
            "replicates": replicates, "profiles": profiles_of, "seed": seed,
            "converged": int(fits.converged.sum()), "cpu_seconds": time.process_time() - began,
            "rows": counter.rows}


def report(folder: Path) -> str:
    """Coverage and median width by interval and runs, over residual spaces and quantities."""
    cells = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    lines = [_studied(cells)]
    for noise in NOISES:
        here = [cell for cell in cells if cell["noise"] == noise]
        if not here:
            continue
        runs = sorted({cell["runs"] for cell in here})
        kinds = list(dict.fromkeys(row["interval"] for cell in here for row in cell["rows"]))
        unit = "runs of 4 rows" if noise == "clustered" else "runs"
        lines += [f"\n**{noise.capitalize()} noise**\n",
                  "| interval | " + " | ".join(f"{n} {unit}" for n in runs) + " |",
                  "| --- |" + " --- |" * len(runs)]
        for kind in kinds:
            lines.append(f"| {kind} | " + " | ".join(_share(here, n, kind) for n in runs) + " |")
    return "\n".join(lines)


def _studied(cells: list[dict[str, Any]]) -> str:
    """How many tables and replicates each number of runs was given."""
    parts = []
    for runs in sorted({cell["runs"] for cell in cells}):
        each = [cell for cell in cells if cell["runs"] == runs]
        tables = sorted({cell["tables"] for cell in each})
        replicates = sorted({cell["replicates"] for cell in each})
        missing = len(NOISES) * len(SPACES) - len({(c["noise"], c["space"]) for c in each})
        parts.append(f"{runs} runs: {' or '.join(f'{n:,}' for n in tables)} tables with "
                     f"{' or '.join(map(str, replicates))} replicates"
                     + (f" ({missing} of 6 noises and spaces not run)" if missing else ""))
    return "Simulated tables for each noise and residual space: " + "; ".join(parts) + "."


def _share(cells: list[dict[str, Any]], runs: int, kind: str) -> str:
    """"least to most" per cent at 95 %, the same at 80 %, and the width over the profile's."""
    shares: dict[float, list[float]] = {level: [] for level in LEVELS}
    widths = []
    for each in _largest(cells, runs):
        wide = {row["quantity"]: row["width"] for row in each["rows"]
                if row["interval"].startswith("profile") and row["level"] == 0.95}
        for row in each["rows"]:
            if row["interval"] != kind:
                continue
            got = row["tables"] - row["without"]
            shares[row["level"]].append(100 * row["covered"] / max(got, 1))
            if row["level"] == 0.95:
                widths.append(row["width"] / wide[row["quantity"]])
    if not shares[0.95]:
        return "-"
    high, low = (f"{min(shares[level]):.1f} to {max(shares[level]):.1f}" for level in (0.95, 0.80))
    return f"{high}; {low}; {np.median(widths):.2f}"


def _largest(cells: list[dict[str, Any]], runs: int) -> list[dict[str, Any]]:
    """Of each residual space the cell with the most tables."""
    of: dict[str, dict[str, Any]] = {}
    for cell in sorted((c for c in cells if c["runs"] == runs), key=lambda c: c["tables"]):
        of[cell["space"]] = cell
    return list(of.values())


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--tables", type=int, default=2000)
    ask.add_argument("--replicates", type=int, default=999)
    ask.add_argument("--profiles", type=int, default=None, help="tables that are profiled")
    ask.add_argument("--runs", type=int, nargs="*", default=list(RUNS))
    ask.add_argument("--noise", nargs="*", default=list(NOISES), choices=NOISES)
    ask.add_argument("--space", nargs="*", default=list(SPACES), choices=SPACES)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--out", type=Path, default=Path("coverage"))
    ask.add_argument("--report", action="store_true", help="run nothing, show what is there")
    ask.add_argument("--readme", action="store_true", help="put the table into the README")
    chosen = ask.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for runs in () if chosen.report else chosen.runs:
        for noise in chosen.noise:
            for space in chosen.space:
                path = chosen.out / f"{runs:04d}-{noise}-{space}-{chosen.tables}.json"
                if path.exists():
                    continue
                found = cell(runs, noise, space, chosen.tables, chosen.replicates,
                             chosen.profiles or chosen.tables, chosen.seed)
                part = path.with_suffix(".part")
                part.write_text(json.dumps(found))
                part.rename(path)
                print(path.name, f"{found['cpu_seconds']:.0f} s of CPU", flush=True)
    table = report(chosen.out)
    print(table)
    if chosen.readme:
        put(table, COVERAGE)


if __name__ == "__main__":
    main()
