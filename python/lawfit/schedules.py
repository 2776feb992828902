"""Learning rate schedules, and what laws of loss curves make of them.

A schedule is an array with the learning rate of every step. ``annealing_sums`` gives the variables
of ``tissue_annealing``, ``rate_sum`` and ``drop_sum`` those of ``mpl_loss``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["annealing_sums", "cooldown", "drop_sum", "rate_sum"]

_BLOCK = 1 << 22


def cooldown(steps: int, peak: float, share: float = 0.2) -> np.ndarray:
    """A constant rate that ends in a decay with one minus a square root, one rate a step.

    ``peak*(1 - sqrt((n - n0)/n_d))`` over the last ``share`` of the ``steps``; the last step is
    the one before the rate would be 0. Haegele et al. 2024 (`haegele_cooldown_1sqrt`). Raises
    ValueError for a share outside 0 to 1.

    >>> cooldown(5, 1.0, share=0.8).round(3).tolist()
    [1.0, 1.0, 0.5, 0.293, 0.134]
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    decay = share * steps
    since = np.clip(np.arange(steps) - (steps - decay), 0.0, None)
    return peak * (1.0 - np.sqrt(since / decay)) if decay else np.full(steps, float(peak))


def _rates(rates: ArrayLike) -> np.ndarray:
    given = np.asarray(rates, dtype=np.float64)
    if given.ndim != 1 or not len(given) or not np.isfinite(given).all() or (given < 0).any():
        raise ValueError("rates: expected one axis of finite learning rates from 0 up, one a step")
    return given


def rate_sum(rates: ArrayLike) -> np.ndarray:
    """Sum of the learning rate up to and including every step: the variable S1.

    Raises ValueError for rates that are not finite, negative, or not one-dimensional.

    >>> rate_sum([1.0, 0.5]).tolist()
    [1.0, 1.5]
    """
    return np.cumsum(_rates(rates))


def annealing_sums(rates: ArrayLike, decay: float = 0.999) -> tuple[np.ndarray, np.ndarray]:
    """S1 and S2 of the annealing law, at every step.

    S1 is the summed rate; S2 sums, over the steps so far, a momentum that gains the drop of the
    rate at every step and keeps the share ``decay`` of itself (about 0.99 to 0.999). Tissue,
    Wang & Wang 2024 (`tissue_annealing`). Raises ValueError for bad rates and a decay outside
    0 to 1.

    >>> first, second = annealing_sums([1.0, 1.0, 0.5], decay=0.5)
    >>> first.tolist(), second.tolist()
    ([1.0, 2.0, 2.5], [0.0, 0.0, 0.5])
    """
    given = _rates(rates)
    if not 0 <= decay < 1:
        raise ValueError(f"decay must be from 0 to below 1, not {decay}")
    drops = -np.diff(given, prepend=given[0])
    momentum = np.empty_like(drops)
    kept = 0.0
    for step, drop in enumerate(drops):
        kept = momentum[step] = decay * kept + drop
    return np.cumsum(given), np.cumsum(momentum)


def drop_sum(
    rates: ArrayLike, C: float, beta: float, gamma: float, at: ArrayLike | None = None
) -> np.ndarray:
    """LD of the multi-power law at every step, or at the steps ``at`` (from 0).

    The sum over all changes of the rate so far, eta_k - eta_(k-1), each times
    ``1 - (1 + C*eta_k**-gamma*S)**-beta`` with S the rate summed from step k on; negative for a
    falling rate. Luo et al. 2025 (`mpl_loss`), without a warm-up. Raises ValueError for bad
    rates and steps outside the schedule.

    >>> drop_sum([1.0, 1.0, 0.5, 0.5], C=2.0, beta=1.0, gamma=0.0).round(4).tolist()
    [0.0, 0.0, -0.25, -0.3333]
    """
    given = _rates(rates)
    places = np.arange(len(given)) if at is None else np.asarray(at, dtype=np.int64)
    if len(places) and not (places.min() >= 0 and places.max() < len(given)):
        raise ValueError(f"at: steps must lie from 0 to {len(given) - 1}")
    total = np.cumsum(given)
    changes = np.diff(given, prepend=given[0])
    when = np.flatnonzero(changes)
    with np.errstate(divide="ignore"):
        speed = C * given[when] ** -gamma
    before = total[when] - given[when]
    sums = np.empty(len(places))
    rows = max(1, _BLOCK // max(1, len(when)))
    for begin in range(0, len(places), rows):
        now = places[begin : begin + rows, None]
        since = np.where(now >= when, total[now] - before, 0.0)
        with np.errstate(invalid="ignore"):
            effect = np.where(since > 0, 1.0 - (1.0 + speed * since) ** -beta, 0.0)
        sums[begin : begin + rows] = effect @ changes[when]
    return sums
