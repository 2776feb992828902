"""lawfit against the solvers people use, one command:  python bench/versus.py

W1 to W4 of ``cases``, whole calls. First everybody's answers are judged: an objective counts as
correct when it is within 1e-6 of the best that anybody found. Then the solvers take turns, round
after round, each for at least 50 ms, and the table gives correct fits per second. Slow peers get
some of the problems and are extrapolated (*). LAWFIT_DATA names the folder of published runs, for
W2 and W3.

Peers: pip install ".[bench]", and for Ceres' TinySolver its headers (Debian: libceres-dev).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ours import Work

PEER_BATCH = 4_000       # problems at most that a peer gets in a call; W1's are small
LEAST_BATCH = 40
TURN = 0.05              # seconds that a solver's turn lasts at least
OURS = "lawfit"


@dataclass
class Runner:
    """One solver on one workload with some threads."""

    name: str
    threads: int
    call: Callable[[], Any]
    problems: int
    partial: bool
    correct: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def median(self) -> float:
        ordered = sorted(self.seconds)
        middle = len(ordered) // 2
        return (ordered[middle] + ordered[-1 - middle]) / 2

    def rate(self) -> float:
        """Correct fits per second, by the median."""
        return self.correct * self.problems / self.median()

    def best_rate(self) -> float:
        return self.correct * self.problems / min(self.seconds)


def main() -> int:
    arguments = _arguments()
    if arguments.level:
        os.environ["LAWFIT_ISA"] = arguments.level
    import environment
    import ours

    import lawfit as lf
    level = lf.info()["level"]
    peers = [] if arguments.ours else _peers(level)
    print(environment.describe(peers), flush=True)
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    tables = {}
    for work in ours.works(arguments.workloads):
        runners = _prepare(work, peers, arguments)
        for _ in range(arguments.rounds):
            for runner in runners:
                # Several threads' processor time would hide what they wait for.
                clock = time.perf_counter if runner.threads > 1 else clocks[arguments.clock]
                runner.seconds.append(_turn(runner.call, clock))
        tables[work.task.name] = (work.task.what, runners)
        print(f"\n{_table(work.task.name, work.task.what, runners)}", flush=True)
    print(f"\n{environment.load()}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(_plain(tables), indent=1) + "\n")
    if arguments.readme:
        import readme
        readme.rewrite(environment.machine(), tables)
    return 0


def _turn(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Seconds a call: one that is short is made again, or it would find the caches full of the
    other solvers' data."""
    begin, calls = clock(), 0
    while calls == 0 or clock() - begin < TURN:
        call()
        calls += 1
    return (clock() - begin) / calls


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=["W1", "W2", "W3", "W4"],
                        help="of W1 W2 W3 W4 (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5,
                        help="of work for a slow peer in a round (default: 0.5)")
    parser.add_argument("--level", choices=("base", "v3", "v4"),
                        help="CPU level of ours and of the compiled peers")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                        help="cpu: processor time of the single-thread runs, for a busy machine")
    parser.add_argument("--ours", action="store_true", help="without peers")
    parser.add_argument("--readme", action="store_true", help="rewrite the table in README.md")
    parser.add_argument("--json", metavar="PATH", help="also write every time")
    return parser.parse_args()


def _peers(level: str) -> list[Any]:
    from peers import compiled, packages, vmapped

    return [*compiled.peers(level), *vmapped.peers(), *packages.peers()]


# ---- before the clock runs: how many problems for whom, and who is right ----


def _prepare(work: Work, peers: list[Any], arguments: argparse.Namespace) -> list[Runner]:
    """Runners with their share of correct answers; ends the program when ours are not the best."""
    import numpy as np
    from tasks import correct

    task = work.task
    order = np.random.default_rng(0).permutation(task.count)
    best = task.objectives(work.answers(work.run(1)))
    mine = best.copy()
    runners, judged = [], []
    for threads in (1, 2):
        runners.append(Runner(OURS, threads, lambda threads=threads: work.run(threads), task.count,
                              False))
    for peer in peers:
        if task.name not in peer.tasks:
            continue
        chosen = np.sort(order[: _batch(peer, task, order, arguments.seconds)])
        part = task.part(chosen)
        found = part.objectives(peer.solve(part, 1))   # compiles what compiles on the first call
        best[chosen] = np.minimum(best[chosen], found)
        for threads in (1, 2) if peer.threads else (1,):
            runner = Runner(peer.name, threads, lambda p=peer, t=part, n=threads: p.solve(t, n),
                            len(chosen), len(chosen) < task.count)
            runners.append(runner)
            judged.append((runner, chosen, found))
    if task.shared and task.weights is None:   # many starts of one problem: one optimum
        best = np.full_like(best, best.min())
    share = correct(mine, best).mean()
    if share < 1 and task.name != "W2":
        worst = int(np.argmax(mine / best))
        raise SystemExit(f"{task.name}: {1 - share:.2%} of our answers are not the best found; "
                         f"problem {worst}: {mine[worst]:.12g} against {best[worst]:.12g}")
    for runner in runners[:2]:
        runner.correct = share
    for runner, chosen, found in judged:
        runner.correct = correct(found, best[chosen]).mean()
    return runners


def _batch(peer: Any, task: Any, order: Any, seconds: float) -> int:
    """As many problems as the peer does in that time."""
    most = task.count if task.name == "W1" else min(task.count, PEER_BATCH)
    if peer.batch is not None:
        return min(peer.batch[task.name], most)
    count = min(4, most)
    while True:
        part = task.part(order[:count])
        begin = time.perf_counter()
        peer.solve(part, 1)
        needed = time.perf_counter() - begin
        if needed > seconds / 10 or count == most:
            return min(most, max(LEAST_BATCH, int(count * seconds / needed)))
        count = min(most, 4 * count)


# ---- what came out ----


def _table(name: str, what: str, runners: list[Runner]) -> str:
    ours = {runner.threads: runner for runner in runners[:2]}
    lines = [
        f"**{name}**, {what}", "",
        "| solver | threads | ms a call | problems | correct | correct fits/s | best round | "
        "lawfit is |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for r in sorted(runners, key=lambda r: (r.threads, -r.rate())):
        rate = r.rate()
        ratio = f"{ours[r.threads].rate() / rate:,.1f} x" if r.name != OURS and rate else ""
        lines.append(
            f"| {r.name} | {r.threads} | {1e3 * r.median():,.2f} | "
            f"{r.problems:,}{'*' * r.partial} | "
            f"{100 * r.correct:.1f} % | {rate:,.0f} | {r.best_rate():,.0f} | {ratio} |"
        )
    return "\n".join(lines)


def _plain(tables: dict[str, tuple[str, list[Runner]]]) -> dict[str, Any]:
    return {
        name: [{"solver": r.name, "threads": r.threads, "problems": r.problems,
                "correct": r.correct,
                "seconds": r.seconds} for r in runners]
        for name, (_, runners) in tables.items()
    }


if __name__ == "__main__":
    sys.exit(main())
