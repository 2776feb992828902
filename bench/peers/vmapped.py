"""JAX: a Levenberg-Marquardt of a page, vectorised over problems, and optimistix's."""

from __future__ import annotations

import os
import sys

import numpy as np
from tasks import Task

from . import Peer

BATCH = {"W1": 10_000, "W2": 250, "W3": 250, "W4": 1_000}
ITERATIONS = 200


def peers() -> list[Peer]:
    """The peers whose packages are installed; compiled on the first call of each task."""
    # One thread, to be compared with one thread.
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    try:
        import jax
    except ImportError:
        return []
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    found = [Peer("own LM in jax, vmap", f"JAX {jax.__version__}", _solver(_marquardt),
                  batch=BATCH)]
    try:
        import optimistix
    except ImportError:
        return found
    except Exception as error:  # a release that does not fit this JAX
        print(f"without optimistix: {error}", file=sys.stderr)
        return found
    found.append(Peer("optimistix LM, vmap", f"optimistix {optimistix.__version__}",
                      _solver(_optimistix), batch=BATCH))
    return found


def _residuals(task_log: bool, delta: float):
    """Residuals whose squares are the objective, as a function of theta and one problem's rows."""
    import jax.numpy as jnp
    from jax.scipy.special import logsumexp

    def residuals(theta, rows):
        logs, y, root_weight = rows
        a, alpha = theta[1::2, None], theta[2::2, None]
        if task_log:
            floor = jnp.full((1, y.shape[0]), theta[0])
            r = logsumexp(jnp.concatenate([floor, a - alpha * logs]), axis=0) - y
        else:
            r = theta[0] + (a * jnp.exp(-alpha * logs)).sum(axis=0) - y
        if delta:
            size = jnp.abs(r)
            tail = jnp.sqrt(2 * delta * jnp.maximum(size - delta / 2, delta / 2))
            r = jnp.where(size <= delta, r, jnp.sign(r) * tail)
        return r if root_weight is None else root_weight * r

    return residuals


def _solver(method):
    compiled: dict[tuple, object] = {}

    def solve(task: Task, threads: int) -> np.ndarray:
        import jax

        key = (task.name, task.count)
        if key not in compiled:
            one = method(_residuals(task.log, task.delta))
            each = None if task.shared else 0
            axes = (0, (1 if each == 0 else None, each, None if task.weights is None else 0))
            compiled[key] = jax.jit(jax.vmap(one, in_axes=axes))
        logs, y = task.logs, task.y
        if not task.shared:
            logs, y = logs.reshape(len(logs), task.count, -1), y.reshape(task.count, -1)
        roots = None if task.weights is None else np.sqrt(task.weights)
        return np.asarray(compiled[key](task.starts, (logs, y, roots)))

    return solve


def _marquardt(residuals):
    """Normal equations, the diagonal's damping, an unrolled Cholesky factorisation."""
    import jax
    import jax.numpy as jnp

    def system(theta, rows):
        r = residuals(theta, rows)
        jacobian = jax.jacfwd(residuals)(theta, rows)
        return 0.5 * (r @ r), jacobian.T @ jacobian, jacobian.T @ r

    def solve(theta, rows):
        def step(state):
            theta, cost, matrix, gradient, damping, growth, k, _ = state
            diagonal = jnp.diag(matrix)
            delta = _cholesky_solve(matrix + jnp.diag(damping * diagonal + 1e-300), -gradient)
            new_cost, new_matrix, new_gradient = system(theta + delta, rows)
            predicted = -(gradient @ delta) - 0.5 * (delta @ matrix @ delta)
            gain = (cost - new_cost) / predicted
            good = (gain > 0) & jnp.isfinite(new_cost)
            small = (jnp.linalg.norm(delta) <= 1e-8 * (jnp.linalg.norm(theta) + 1e-8)) | (
                good & (cost - new_cost <= 1e-10 * cost) & (predicted <= 1e-10 * cost))

            def keep(new, old):
                return jnp.where(good, new, old)

            shrink = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
            return (keep(theta + delta, theta), keep(new_cost, cost), keep(new_matrix, matrix),
                    keep(new_gradient, gradient),
                    jnp.where(good, damping * shrink, damping * growth),
                    jnp.where(good, 2.0, 2 * growth), k + 1, small)

        def unfinished(state):
            return (state[6] < ITERATIONS) & ~state[7]

        start = (theta, *system(theta, rows), 1e-4, 2.0, 0, False)
        return jax.lax.while_loop(unfinished, step, start)[0]

    return solve


def _cholesky_solve(matrix, x):
    import jax.numpy as jnp

    n = x.shape[0]
    low = [[None] * n for _ in range(n)]
    for j in range(n):
        low[j][j] = jnp.sqrt(matrix[j, j] - sum(low[j][m] ** 2 for m in range(j)))
        for i in range(j + 1, n):
            rest = matrix[i, j] - sum(low[i][m] * low[j][m] for m in range(j))
            low[i][j] = rest / low[j][j]
    z = []
    for i in range(n):
        z.append((x[i] - sum(low[i][m] * z[m] for m in range(i))) / low[i][i])
    out = [None] * n
    for i in reversed(range(n)):
        out[i] = (z[i] - sum(low[m][i] * out[m] for m in range(i + 1, n))) / low[i][i]
    return jnp.stack(out)


def _optimistix(residuals):
    import optimistix

    method = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8)

    def solve(theta, rows):
        return optimistix.least_squares(
            residuals, method, theta, args=rows, max_steps=2 * ITERATIONS, throw=False
        ).value

    return solve
