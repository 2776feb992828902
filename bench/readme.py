"""The README's tables, made from the figures of ``versus.py`` and ``coverage.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"
SPEED = "<!-- figures: python bench/versus.py --readme -->", "<!-- end of figures -->"
COVERAGE = ("<!-- coverage: python bench/coverage.py --report --readme -->",
            "<!-- end of coverage -->")


def rewrite(machine: str, tables: dict[str, tuple[str, list[Any]]]) -> None:
    """Put the figures of a run between their markers."""
    lines = [_line(what, runners) for what, runners in tables.values()]
    head = ["| one call | 1 thread | 2 threads | fastest peer, 1 thread | times | "
            "fastest of SciPy | times |",
            "| --- | --: | --: | --- | --: | --- | --: |"]
    put("\n".join([f"{machine}; medians.", "", *head, *lines]), SPEED)


def put(table: str, markers: tuple[str, str]) -> None:
    """Put a table between two markers of the README; everything else stays."""
    text = README.read_text(encoding="utf-8")
    before, begin, rest = text.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end:
        raise SystemExit(f"{README} lacks the markers {' and '.join(markers)}")
    README.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


def _line(what: str, runners: list[Any]) -> str:
    ours = {runner.threads: runner for runner in runners if runner.name == "lawfit"}
    peers = [runner for runner in runners if runner.name != "lawfit" and runner.threads == 1]
    cells = [what, *(f"{1e3 * ours[threads].median():.3g} ms" for threads in (1, 2))]
    for chosen in (peers, [runner for runner in peers if runner.name.startswith("scipy")]):
        fastest = max(chosen, key=lambda runner: runner.rate(), default=None)
        if fastest is None or not fastest.rate():
            cells += ["", ""]
        else:
            ratio = ours[1].rate() / fastest.rate()
            cells += [fastest.name.removeprefix("scipy "),
                      f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"]
    return f"| {' | '.join(cells)} |"
