"""Predictions of a fitted law at new points, with intervals from the replicates of a bootstrap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .bands import check_band, depth, pointwise_level
from .engine import evaluate
from .intervals import DEFAULT, check_interval, normal_quantiles
from .predict import check_kind, extrapolation, new_run_noise, points

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .derive import DerivedReplicates
    from .predict import Points
    from .prediction import Prediction

__all__ = ["predict_replicates"]

_BLOCK = 4_000_000  # predicted values held at once


def predict_replicates(
    boot: Bootstrap, data: Any, level: float, method: str | None, kind: str, noise: Any, band: str,
    variables: Mapping[str, Any],
) -> Prediction:
    """See ``Bootstrap.predict``."""
    from .prediction import Prediction

    method = method or DEFAULT
    level = check_interval(level, method, boot.method)
    check_kind(kind, noise)
    if kind == "new" and method in ("bca", "studentized"):
        raise ValueError(f"method: {method!r} is for the mean; with kind='new' use 'adjusted', "
                         "'percentile', 'expanded' or 'basic'")
    everywhere = check_band(band)
    where = points(boot.fit, data, variables)
    if everywhere:
        inside = np.full(int(boot.good.sum()), 0.5)
        for drawn in _blocks(boot, where, kind, noise):
            inside = np.fmin(inside, depth(drawn.values[drawn.good]))
        level = pointwise_level(inside, level)
    parts = [(drawn.value, *drawn.ends(level, method))
             for drawn in _blocks(boot, where, kind, noise)]
    value, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Prediction(*(where.shaped(part) for part in (value, low, high)),
                      extrapolation(boot.fit, where))


def _blocks(boot: Bootstrap, where: Points, kind: str, noise: Any) -> Iterator[DerivedReplicates]:
    """The predictions of every replicate, in blocks of points so that memory stays small."""
    law = boot.fit.law
    step = max(1, _BLOCK // max(1, boot.replicates))
    for begin in range(0, max(1, where.count), step):
        columns = [column[begin : begin + step] for column in where.columns]

        def mean(matrix: np.ndarray, columns: list[np.ndarray] = columns) -> np.ndarray:
            return evaluate(law, law.contract(matrix), columns)

        if kind == "mean":
            yield boot.derived("prediction", mean)
            continue
        fitted = mean(boot.fit.values[None, :])[0]
        values = _scattered(boot, mean(boot.matrix), fitted, columns, noise, begin)
        yield boot.derived("prediction", mean, values)


def _scattered(
    boot: Bootstrap, means: np.ndarray, fitted: np.ndarray, columns: list[np.ndarray], noise: Any,
    begin: int,
) -> np.ndarray:
    """A new run around every replicate's mean: each point's errors are all of a normal's
    quantiles once, in an order of its own, so that few replicates scatter evenly, too."""
    from .spaces import from_space, to_space

    fit, (count, width) = boot.fit, means.shape
    ranks = np.tile(np.arange(count)[:, None], (1, width))
    random = np.random.default_rng([boot.seed % 2**32, begin])
    errors = normal_quantiles((random.permuted(ranks, axis=0) + 0.5) / count)
    with np.errstate(all="ignore"):
        errors *= new_run_noise(fit, noise, fitted, columns)
        if fit.on == "relative":
            return means + errors * np.abs(means)
        return np.asarray(from_space(to_space(means, fit.on) + errors, fit.on))
