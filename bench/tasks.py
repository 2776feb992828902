"""The workloads as every solver sees them, and the judge of what they return.

All laws measured are sums of powers: with T terms theta = (E, A_1, alpha_1, ..., A_T, alpha_T).
``log`` tasks take the logarithm of E and of each A in their place, and residuals of the logarithm
(the form in which the field fits Chinchilla's law, and the kindest to the peers).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cases
import numpy as np

Array = np.ndarray
SAME_OBJECTIVE = 1e-6


@dataclass(frozen=True)
class Task:
    """``count`` problems of ``rows`` rows; ``shared``: the rows of all problems are the same."""

    name: str
    what: str
    log: bool
    variables: Array = field(repr=False)   # [terms, rows of all problems]
    loss: Array = field(repr=False)
    rows: int
    starts: Array = field(repr=False)    # [problems, parameters]
    weights: Array | None = field(default=None, repr=False)   # [problems, rows]
    delta: float = 0.0                   # Huber's; 0: squared residuals

    @cached_property
    def logs(self) -> Array:
        """Logarithms of the variables."""
        return np.log(self.variables)

    @cached_property
    def y(self) -> Array:
        """What is fitted: the loss or its logarithm."""
        return np.log(self.loss) if self.log else self.loss

    @property
    def shared(self) -> bool:
        return len(self.loss) == self.rows

    @property
    def count(self) -> int:
        return len(self.starts)

    def part(self, chosen: Array) -> Task:
        """The task of some of its problems."""
        x, loss = self.variables, self.loss
        if not self.shared:
            x = x.reshape(len(x), -1, self.rows)[:, chosen].reshape(len(x), -1)
            loss = loss.reshape(-1, self.rows)[chosen].ravel()
        weights = None if self.weights is None else self.weights[chosen]
        return Task(self.name, self.what, self.log, x, loss, self.rows, self.starts[chosen],
                    weights, self.delta)

    def objectives(self, theta: Array) -> Array:
        """The objective of problem k at ``theta[k]``, [problems]; infinite where not finite."""
        with np.errstate(all="ignore"):
            terms = [_at(theta, 0)[:, None] + np.zeros(self.rows)]
            for t, logs in enumerate(self.logs.reshape(len(self.logs), -1, self.rows)):
                a, alpha = _at(theta, 1 + 2 * t)[:, None], _at(theta, 2 + 2 * t)[:, None]
                terms.append(a - alpha * logs if self.log else a * np.exp(-alpha * logs))
            fitted = np.logaddexp.reduce(terms) if self.log else np.sum(terms, axis=0)
            size = np.abs(fitted - self.y.reshape(-1, self.rows))
            value = size**2 / 2
            if self.delta:
                value = np.where(size <= self.delta, value, self.delta * (size - self.delta / 2))
            total = (value if self.weights is None else self.weights * value).sum(axis=1)
        return np.where(np.isfinite(total), total, np.inf)


def _at(theta: Array, position: int) -> Array:
    return np.asarray(theta)[:, position]


def correct(objectives: Array, best: Array) -> Array:
    """Which objectives are as good as the best that anybody found."""
    return objectives <= best * (1 + SAME_OBJECTIVE)


# ---- the four -----------------------------------------------------------------------------------


def groups_task(name: str, what: str, groups: cases.Groups) -> Task:
    """W1 and W4."""
    return Task(name, what, log=False, variables=np.stack(list(groups.columns.values())),
                loss=groups.y, rows=groups.rows, starts=groups.starts[:, 0].copy())


def log_order(grid: Array) -> Array:
    """(a, b, e, alpha, beta) as (e, a, alpha, b, beta)."""
    return grid[:, [2, 0, 3, 1, 4]]


def runs_task(name: str, what: str, starts: Array, weights: Array | None = None) -> Task:
    """W2 and W3."""
    runs = cases.published_runs()
    return Task(name, what, log=True, variables=np.stack([runs["N"], runs["D"]]), loss=runs["loss"],
                rows=len(runs["loss"]), starts=starts, weights=weights, delta=cases.DELTA)
