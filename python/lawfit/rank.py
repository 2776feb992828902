"""Which law, space or loss describes equal rows best: information criteria, held-out errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .held_out import fold_masks, held_out_errors, holdout_mask, measuring_space

if TYPE_CHECKING:
    from .batch import Batch
    from .fits import Fits
    from .shared import Shared

__all__ = ["Ranking", "rank"]


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Fits, the best of each set of equal rows first; sets in order of subsets, then groups.

    ``score`` is the criterion (less is better), ``delta`` what it lies above the best of its
    set, ``weight`` the share exp(-delta/2) has among its set (NaN for errors, which have none),
    ``place`` 1 for the best: arrays in the order of ``fits``. Fits that did not converge, or whose criterion is undefined (too few
    rows), come last in their set with a NaN score and no weight.
    """

    fits: Fits
    by: str
    score: np.ndarray
    delta: np.ndarray
    weight: np.ndarray
    place: np.ndarray

    @property
    def best(self) -> Fits:
        """The first of each set of equal rows."""
        return self.fits[self.place == 1]

    def table(self) -> dict[str, np.ndarray]:
        """Index columns, rows, place, score (under the criterion's name), delta and weight."""
        return {**self.fits.index, "rows": self.fits.rows, "place": self.place,
                self.by: self.score, "delta": self.delta, "weight": self.weight}  # fmt: skip

    def __str__(self) -> str:
        from .report_fits import ranking_text

        return ranking_text(self)

    def __repr__(self) -> str:
        return f"Ranking({len(self.score):,} fits by {self.by})"


def rank(
    fits: Fits, by: str = "aicc", *, folds: int = 5, holdout: Any = None, on: str | None = None,
    seed: int = 0,
) -> Ranking:
    """The fits of equal rows against each other.

    ``"aicc"`` and ``"bic"`` stand on the likelihood of normal errors with one unknown scale, so
    they are for squared loss. To compare residual spaces the density is taken of y itself: on
    ``"log"``, for example, the sum of log(y) enters. The scale counts as a parameter. AICc =
    -2 log L + 2k n/(n - k - 1), BIC = -2 log L + k log n, with k free parameters and the scale on
    n rows. Where groups share parameters the likelihood is that of all groups together, n counts
    all their rows and k shared parameters once. Sources: N. Sugiura, Communications in Statistics A7 (1978); G. Schwarz, Annals of
    Statistics 6 (1978).

    ``"cv"`` is for any loss: the root mean squared error on rows left out, ``folds`` times
    another share of every group (drawn by ``seed``); ``"holdout"`` leaves the rows of the mask
    ``holdout`` (one value a row of the table) out. Refits begin from automatic starts. Errors
    are measured in the residual space ``on`` (default: the fits' own when it is one, else log
    where y is positive) and weighted as in the fits.

    Raises ValueError for criteria and losses that do not go together, and says what to use.

    >>> import lawfit as lf
    >>> x = np.arange(1.0, 9.0)
    >>> table = {"x": x, "y": 2 + 3*x + 0.1*np.cos(9*x)}
    >>> fits = lf.fit_many(["a + b*x", "a + b*x + c*x**2", "a*x**b"], table, "y")
    >>> ranking = rank(fits, "aicc")
    >>> ranking.fits.index["law"].tolist()
    ['a + b*x', 'a + b*x + c*x**2', 'a*x**b']
    >>> ranking.weight.round(3)
    array([0.982, 0.018, 0.   ])
    >>> rank(fits, "holdout", holdout=x > 6).best.index["law"].tolist()
    ['a + b*x']
    """
    if by in _CRITERIA:
        _refuse_other_losses(fits, by)
        score = _CRITERIA[by](fits)
    elif by == "cv":
        masks = fold_masks(fits.batch, folds, seed)
        score = held_out_errors(fits, masks, measuring_space(fits, on))
    elif by == "holdout":
        if holdout is None:
            raise ValueError("rank: by='holdout' needs holdout=, a mask of the rows to leave out")
        masks = holdout_mask(fits.batch, holdout)
        score = held_out_errors(fits, masks, measuring_space(fits, on))
    else:
        raise ValueError(f"rank: unknown criterion {by!r}; choose from aicc, bic, cv, holdout")
    score = np.where(fits.converged & np.isfinite(score), score, np.nan)
    return _ranked(fits, by, score)


def _refuse_other_losses(fits: Fits, by: str) -> None:
    wrong = [str(fits.batch.losses[place]) for place in np.unique(fits.places[2])
             if fits.batch.losses[place].name != "squared"]  # fmt: skip
    if wrong:
        raise ValueError(
            f"rank: {by} needs a likelihood, which the loss {wrong[0]} is not; use by='cv' or "
            "by='holdout', or squared loss: fits.where(loss='squared')"
        )


@np.errstate(all="ignore")  # too few rows: NaN or infinite, which comes last
def _aicc(fits: Fits) -> np.ndarray:
    n, k = _rows(fits), _parameters(fits)
    score = -2 * log_likelihood(fits) + 2 * k * n / (n - k - 1)
    return np.where(n - k - 1 > 0, score, np.nan)


@np.errstate(all="ignore")
def _bic(fits: Fits) -> np.ndarray:
    n, k = _rows(fits), _parameters(fits)
    return np.where(n > k, -2 * log_likelihood(fits) + k * np.log(n), np.nan)


_CRITERIA: dict[str, Callable[[Fits], np.ndarray]] = {"aicc": _aicc, "bic": _bic}


def _joints(fits: Fits) -> list[Shared]:
    """The joint fit that each fit is part of."""
    return [fits.batch.joint(place) for place in zip(*(p.tolist() for p in fits.places[:4]),
                                                     strict=True)]


def _rows(fits: Fits) -> np.ndarray:
    """Rows each likelihood is of: those of the fit, or of all groups that share parameters."""
    if not fits.batch.shares:
        return fits.rows
    return np.array([joint.rows for joint in _joints(fits)])


def _parameters(fits: Fits) -> np.ndarray:
    """Free parameters and the scale of the errors; of all groups that share some."""
    if fits.batch.shares:
        return np.array([joint.parameters + 1 for joint in _joints(fits)])
    return np.array([len(law.free) + 1 for law in fits.batch.laws])[fits.places[0]]


@np.errstate(all="ignore")  # a perfect fit has an infinite one
def log_likelihood(fits: Fits) -> np.ndarray:
    """Of y under normal errors in each fit's residual space, the scale at its maximum."""
    n, objective, terms = _rows(fits), fits.objective, _density_terms(fits.batch)
    constants = terms[fits.places[1], fits.places[3], fits.places[4]]
    if fits.batch.shares:
        objective = np.array([joint.objective for joint in _joints(fits)])
        constants = terms.sum(axis=2)[fits.places[1], fits.places[3]]
    variance = 2 * objective / n
    return -0.5 * n * (np.log(2 * np.pi * variance) + 1) + constants


def _density_terms(batch: Batch) -> np.ndarray:
    """[spaces, subsets, groups]: sums over rows of what the density of y has besides the scale.

    The slope of the residual space at y, and the row's own scale 1/sqrt(weight) or sigma.
    """
    sheet = batch.sheet
    own = np.zeros(len(sheet))
    if sheet.weights is not None:
        own += 0.5 * np.log(sheet.weights)
    if sheet.sigma is not None:
        own -= np.log(sheet.sigma)
    out = np.empty((len(batch.ons), *batch.shape[3:]))
    for place, on in enumerate(batch.ons):
        values = own + _log_slope(sheet.y, on)
        for subset, (rows, offsets) in enumerate(batch.parts):
            before = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
            taken = values[offsets[0]:offsets[-1]] if rows is None else values[rows]
            out[place, subset] = np.bincount(before, taken, minlength=len(offsets) - 1)
    return out


def _log_slope(y: np.ndarray, on: str) -> np.ndarray:
    """log of d(residual)/dy, the fitted value being held."""
    if on == "logit":
        return -np.log(y) - np.log1p(-y)
    return np.zeros_like(y) if on == "linear" else -np.log(np.abs(y))


def _ranked(fits: Fits, by: str, score: np.ndarray) -> Ranking:
    sets = np.ravel_multi_index(fits.places[3:], fits.batch.shape[3:])
    order = np.lexsort((score, sets))  # stable, NaN last in its set
    sets, score = sets[order], score[order]
    begins = np.flatnonzero(np.r_[True, sets[1:] != sets[:-1]][: len(sets)])
    lengths = np.diff(begins, append=len(sets))
    delta = score - np.repeat(score[begins], lengths)
    share = np.exp(-0.5 * np.nan_to_num(delta, nan=np.inf)) * (by in _CRITERIA)
    total = np.repeat(np.add.reduceat(share, begins), lengths) if len(begins) else share
    with np.errstate(invalid="ignore"):
        weight = np.where(total > 0, share / total, np.nan)
    place = np.arange(len(sets)) - np.repeat(begins, lengths) + 1
    return Ranking(fits[order], by, score, delta, weight, place)
