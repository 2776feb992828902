"""Other people's solvers on the workloads of ``tasks``: each a list of ``Peer``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tasks import Task

__all__ = ["Peer"]


@dataclass(frozen=True)
class Peer:
    """``solve(task, threads)`` returns theta [problems, parameters].

    ``batch``: how many problems one call should get; None: as many as fit into the time allowed.
    ``threads``: whether the peer can use more than one.
    """

    name: str
    version: str
    solve: Callable[[Task, int], np.ndarray]
    tasks: tuple[str, ...] = ("W1", "W2", "W3", "W4")
    batch: dict[str, int] | None = None
    threads: bool = False
