"""The README is executed: its Python, its shell lines, and what it says they print.

After a change that is meant, ``python tests/test_readme.py`` writes what is printed now into it.
"""

from __future__ import annotations

import contextlib
import csv
import doctest
import io
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

import lawfit as lf
from lawfit.catalogue import _law
from lawfit.status import statuses

README = Path(__file__).parents[1] / "README.md"
COMMANDS = 2  # the first sh blocks install and test; .ci/run runs them
PRINTED = "_printed"
SHARE = re.compile(r"\d+(?= % (in the best basin|of \d+ starts reached))")


class RunPython(PythonEvaluator):
    """Executes a block and keeps what it prints for the text block that follows."""

    def __call__(self, example: Example) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            super().__call__(example)
        example.namespace[PRINTED] = printed.getvalue()


def run_shell(example: Example) -> None:
    """Runs lines that call lawfit; the others install things."""
    for line in example.parsed.splitlines():
        if not line.startswith("lawfit "):
            continue
        command = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        example.namespace[PRINTED] = done.stdout


def matches(expected: str, printed: str) -> bool:
    """Equal but for ``...`` and for how many starts share an optimum, which rounding decides: a
    start on a ridge may go either way, another one on another CPU level."""
    expected, printed = (SHARE.sub("#", text) for text in (expected, printed))
    return doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)


def compare(example: Example) -> str | None:
    """What the block before it printed, ``...`` standing for anything."""
    printed = example.namespace.pop(PRINTED)
    if matches(example.parsed, printed):
        return None
    return f"the README says\n{example.parsed}\nand this was printed:\n{printed}"


def read_law(example: Example) -> None:
    """An entry as it would stand in the catalogue."""
    for id_, entry in tomllib.loads(example.parsed).items():
        law = _law(id_, {"family": "readme", **entry})
        assert set(law.parameters) == set(entry["parameters"])
        assert law(**law.typical, **dict.fromkeys(law.variables, 1.0)) > 0


SYBIL = Sybil([
    CodeBlockParser("python", RunPython()),
    CodeBlockParser("sh", run_shell),
    CodeBlockParser("text", compare),
    CodeBlockParser("toml", read_law),
])


def write_runs(path: Path) -> None:
    """The shipped runs as the reader's own file."""
    runs = lf.datasets.load("tiny_lm")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(runs)
        writer.writerows(zip(*(column.tolist() for column in runs.values()), strict=True))


def test_every_example_runs_and_prints_what_is_shown(tmp_path, monkeypatch):
    write_runs(tmp_path / "runs.csv")
    monkeypatch.chdir(tmp_path)
    kinds = []
    for example in SYBIL.parse(README).examples():
        kinds.append(example.region.evaluator)
        example.evaluate()
    assert len(kinds) > 20


def test_the_first_two_commands_are_one_line_each():
    blocks = README.read_text(encoding="utf-8").split("```sh\n")[1 : COMMANDS + 1]
    commands = [block.split("\n```")[0] for block in blocks]
    assert all("\n" not in command and "#" not in command for command in commands)
    assert "lawfit demo" in commands[0] and "pytest" in commands[1]


def test_the_statuses_are_the_engines():
    text = README.read_text(encoding="utf-8")
    assert status_table() in text


def status_table() -> str:
    return "".join(f"| `{name}` | {sentence} |\n" for name, sentence in statuses())


@pytest.mark.parametrize("word", ["profile(", "backtest"])
def test_nothing_is_shown_that_is_not_there(word):
    assert word not in README.read_text(encoding="utf-8")


def rewrite() -> None:
    """Put what the examples print now, and the statuses, into the README."""
    text = README.read_text(encoding="utf-8")
    pieces, at = [], 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_runs(Path("runs.csv"))
        for example in SYBIL.parse(README).examples():
            if example.region.evaluator is not compare:
                example.evaluate()
            elif not matches(example.parsed, printed := example.namespace.pop(PRINTED)):
                pieces += [text[at : example.region.start], f"```text\n{printed}```"]
                at = example.region.end
    text = "".join([*pieces, text[at:]])
    before, title, after = text.partition("### Statuses")
    head, line, rest = after.partition("| --- | --- |\n")
    text = f"{before}{title}{head}{line}{status_table()}\n{rest[rest.index('## '):]}"
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
