"""Instructions of the engine on small versions of W1 to W4, counted by callgrind.

    python bench/counts/check.py PROGRAM             compares with baseline.json
    python bench/counts/check.py PROGRAM --update    writes baseline.json

PROGRAM is ``counts_v3`` of a build with -DLAWFIT_BENCH=ON -DLAWFIT_LEVELS=v3 (valgrind knows no
AVX-512). Counts repeat to the instruction on one compiler, so a small rise is a real one; with
another compiler than the baseline's nothing is compared.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline.json")
WORKLOADS = ("W1", "W2", "W3", "W4")
TOLERANCE = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--update", action="store_true", help="make these counts the baseline")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: instruction counts need valgrind", file=sys.stderr)
        return 0
    compiler = compiler_of(arguments.program)
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if not arguments.update and baseline.get("compiler") != compiler:
        print(f"skipped: the baseline is of {baseline.get('compiler')}, this program of {compiler}")
        return 0
    counts = {name: count(arguments.program, name) for name in WORKLOADS}
    known = baseline.get("instructions", {})
    risen = [name for name in WORKLOADS if counts[name] > known.get(name, 0) * (1 + TOLERANCE)]
    for name in WORKLOADS:
        change = f"{counts[name] / known[name] - 1:+8.2%}" if name in known else "     new"
        mark = "  ABOVE THE BASELINE" if name in risen and not arguments.update else ""
        print(f"{name} {counts[name]:>14,} instructions {change}{mark}")
    if arguments.update:
        document = {"compiler": compiler, "instructions": counts}
        BASELINE.write_text(json.dumps(document, indent=1) + "\n")
        return 0
    if risen:
        print(f"more than {TOLERANCE:.0%} above the baseline: {', '.join(risen)}; make it faster, "
              "or say in the commit why it must be, and run this with --update", file=sys.stderr)
    return 1 if risen else 0


def compiler_of(program: Path) -> str:
    """What the compiler wrote into the program, such as GCC: (Debian 12.2.0-14) 12.2.0."""
    found = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", program.read_bytes())
    return found.group().decode() if found else "an unknown compiler"


def count(program: Path, workload: str) -> int:
    """Instructions inside measured()."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts.out"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             "--toggle-collect=measured", "--collect-atstart=no", str(program), workload],
            capture_output=True, text=True,
        )
        if done.returncode:
            raise SystemExit(f"{workload} failed under valgrind:\n{done.stdout}{done.stderr}")
        found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)
    if not found or not int(found.group(1)):
        raise SystemExit(f"{workload}: callgrind counted nothing")
    return int(found.group(1))


if __name__ == "__main__":
    sys.exit(main())
