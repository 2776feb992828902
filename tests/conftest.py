"""What the tests share: the folder of published data, examples that repeat, and the shell."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Small matrices gain nothing from threads, and busy machines lose much; read at import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import lawfit as lf
import numpy as np
import pytest
from hypothesis import settings
from lawfit.cli import main
from samples import LINE, TWO_TERMS, line_table, two_term_table

# The same examples on every run; the studies marked slow draw new ones by LAWFIT_SEED.
settings.register_profile("lawfit", derandomize=True, deadline=None, database=None)
settings.load_profile("lawfit")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published measurements, which are not part of this repository."""
    named = os.environ.get("LAWFIT_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "reference_fits.json").is_file():
        pytest.skip("needs the published data: set LAWFIT_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def shared_laws(shared_data: Path) -> dict[str, dict[str, Any]]:
    """The shared list of formulas by id, which lies beside the published data."""
    file = shared_data.parent / "laws" / "laws.json"
    if not file.is_file():
        pytest.skip("needs the shared list of laws, in a folder laws/ beside the published data")
    return {entry["id"]: entry for entry in json.loads(file.read_text(encoding="utf-8"))}


Columns = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def published(shared_data: Path) -> Callable[[str], Columns]:
    """A reader: file name -> columns, numbers where every cell is one."""

    def read(name: str) -> Columns:
        path = shared_data / name
        if path.suffix == ".parquet":
            parquet = pytest.importorskip("pyarrow.parquet")
            table = parquet.read_table(path)
            return {key: table[key].to_numpy() for key in table.column_names}
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        return {key: _column([row[key] for row in rows]) for key in rows[0]}

    return read


@pytest.fixture(scope="session")
def reference_fits(shared_data: Path) -> dict[str, Any]:
    """Optima computed on exactly the shared rows."""
    return json.loads((shared_data / "reference_fits.json").read_text(encoding="utf-8"))


def _column(cells: list[str]) -> np.ndarray:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The shell: arguments -> exit code, what it printed, and what it said on standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def line():
    return lf.fit(LINE, line_table())


@pytest.fixture(scope="session")
def noisy():
    return lf.fit(TWO_TERMS, two_term_table(0.005), on="log")
