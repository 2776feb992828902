"""Ceres' TinySolver and Eigen's Levenberg-Marquardt, compiled here with every optimisation."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from tasks import Task

from . import Peer

SOURCE = Path(__file__).with_name("compiled.cpp")
MARCH = {"native": "native", "v4": "native", "v3": "x86-64-v3", "base": "x86-64"}


def peers(level: str) -> list[Peer]:
    """The peers that can be built, for the same CPU level as ours."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return _without("no C++ compiler (set CXX)")
    eigen = Path(sysconfig.get_path("purelib")) / "cmeel.prefix/include/eigen3"
    for place in sys.path:
        if not eigen.is_dir() and place:
            eigen = Path(place) / "cmeel.prefix/include/eigen3"
    if not eigen.is_dir():
        return _without("no Eigen (pip install cmeel-eigen==3.4.1)")
    ceres = _ceres_include()
    if ceres is None:
        _without("Ceres' headers missing (Debian: libceres-dev), so no TinySolver")
    library = ctypes.CDLL(str(_build(compiler, level, eigen, ceres)))
    eigen_version = importlib.metadata.version("cmeel-eigen")
    found = [Peer("Eigen unsupported LM, C++", f"Eigen {eigen_version}",
                  _caller(library.fit_eigen_lm), threads=True)]
    if ceres is not None:
        found.insert(0, Peer("Ceres TinySolver, C++", f"Ceres {_ceres_version(ceres)}",
                             _caller(library.fit_tiny_solver), threads=True))
    return found


def _without(why: str) -> list[Peer]:
    print(f"without compiled peers: {why}", file=sys.stderr)
    return []


def _ceres_include() -> Path | None:
    places = [*os.environ.get("CPLUS_INCLUDE_PATH", "").split(":"), "/usr/local/include",
              "/usr/include"]
    for place in filter(None, places):
        if (Path(place) / "ceres/tiny_solver.h").is_file():
            return Path(place)
    return None


def _ceres_version(include: Path) -> str:
    header = include / "ceres/version.h"
    text = header.read_text() if header.is_file() else ""
    parts = re.findall(r"#define CERES_VERSION_(?:MAJOR|MINOR|REVISION) (\d+)", text)
    return ".".join(parts) or "?"


def _build(compiler: str, level: str, eigen: Path, ceres: Path | None) -> Path:
    """Compiled once per source, compiler and level, and kept with the temporary files."""
    command = [
        compiler, "-std=c++17", "-O3", f"-march={MARCH[level]}", "-ffast-math", "-shared", "-fPIC",
        f"-isystem{eigen}", *([f"-idirafter{ceres}", "-DHAVE_TINY_SOLVER"] if ceres else []),
        str(SOURCE), "-lpthread",
    ]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    key = hashlib.sha256("\n".join([*command, version, SOURCE.read_text()]).encode()).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"lawfit-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"peers-{key[:16]}.so"
    if not target.exists():
        print("compiling Ceres' and Eigen's solvers ...", file=sys.stderr)
        part = target.with_suffix(f".{os.getpid()}")
        subprocess.run([*command, "-o", str(part)], check=True)
        part.replace(target)
    return target


def _caller(function: ctypes._CFuncPtr):
    def solve(task: Task, threads: int) -> np.ndarray:
        doubles = ctypes.POINTER(ctypes.c_double)

        def pointer(array: np.ndarray) -> ctypes._Pointer:
            return array.ctypes.data_as(doubles)

        theta = np.empty_like(task.starts)
        variables = (doubles * len(task.variables))(*map(pointer, task.variables))
        weights = None if task.weights is None else pointer(task.weights)
        failed = function(
            ctypes.c_int64(task.count), len(task.variables), task.rows, task.log, variables,
            pointer(task.loss), weights, task.shared, ctypes.c_double(task.delta),
            pointer(task.starts), pointer(theta), threads,
        )
        if failed:
            raise RuntimeError(f"no compiled peer for {task.name}")
        return theta

    return solve
