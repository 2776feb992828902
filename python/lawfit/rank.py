"""Which law, space or loss describes equal rows best: information criteria, held-out errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Batches
from .held_out import fold_masks, held_out_errors, holdout_mask, measuring_space
from .information import (
    CRITERIA,
    has_likelihood,
    log_likelihoods,
    parameter_counts,
    row_counts,
    scores,
)

if TYPE_CHECKING:
    from .fits import Fits

__all__ = ["Ranking", "rank"]


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Fits, the best of each set of equal rows first; sets in order of subsets, then groups.

    ``score`` is the criterion (less is better), ``delta`` what it lies above the best of its
    set, ``weight`` the share exp(-delta/2) has among its set (NaN for errors, which have none),
    ``place`` 1 for the best: arrays in the order of ``fits``. Fits that did not converge, or whose
    criterion is undefined (too few rows), come last in their set with a NaN score and no weight.
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

    ``"aic"``, ``"aicc"`` and ``"bic"`` need a likelihood: a loss that is one, or squared loss,
    which stands for normal errors with one unknown scale. To compare residual spaces the density
    is taken of y itself: on ``"log"``, for example, the sum of log(y) enters. Numbers that the loss
    estimates (the scale) count as parameters. AICc = -2 log L + 2k n/(n - k - 1), BIC =
    -2 log L + k log n, with k parameters on n rows. Where groups share parameters the likelihood is
    that of all groups together, n counts all their rows and k shared parameters once. Fits of laws
    that have tables of their own are compared with those of the same law only. Sources: N. Sugiura,
    Communications in Statistics A7 (1978); G. Schwarz, Annals of Statistics 6 (1978).

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
    if by in CRITERIA:
        _refuse_other_losses(fits, by)
        score = scores(by, log_likelihoods(fits), row_counts(fits), parameter_counts(fits))
    elif by == "cv":
        score = np.full(len(fits), np.nan)
        for part, which in fits.by_table:
            masks = fold_masks(part.batch, folds, seed)
            score[which] = held_out_errors(part, masks, measuring_space(part, on))
    elif by == "holdout":
        if holdout is None:
            raise ValueError("rank: by='holdout' needs holdout=, a mask of the rows to leave out")
        if isinstance(fits.batch, Batches):
            raise ValueError("rank: these laws have tables of their own, and a mask says nothing "
                             "of which; use by='cv', or lf.fit_many of one of the tables")
        masks = holdout_mask(fits.batch, holdout)
        score = held_out_errors(fits, masks, measuring_space(fits, on))
    else:
        raise ValueError(f"rank: unknown criterion {by!r}; choose from aic, aicc, bic, cv, holdout")
    score = np.where(fits.converged & np.isfinite(score), score, np.nan)
    return _ranked(fits, by, score)


def _refuse_other_losses(fits: Fits, by: str) -> None:
    believed = [fits.batch.labels[place] for place in np.unique(fits.places[0])
                if fits.batch.laws[place].priors]
    if believed:
        raise ValueError(f"rank: {by} needs the likelihood of the data alone, and {believed[0]} "
                         "has priors; use by='cv' or by='holdout'")
    wrong = [str(fits.batch.losses[place]) for place in np.unique(fits.places[2])
             if not has_likelihood(fits.batch.losses[place])]  # fmt: skip
    if wrong:
        raise ValueError(
            f"rank: {by} needs a likelihood, which the loss {wrong[0]} is not; use by='cv' or "
            "by='holdout', squared loss or a likelihood: fits.where(loss='squared')"
        )


def _ranked(fits: Fits, by: str, score: np.ndarray) -> Ranking:
    sets = np.ravel_multi_index(fits.places[3:], fits.batch.shape[3:])
    order = np.lexsort((score, sets))  # stable, NaN last in its set
    sets, score = sets[order], score[order]
    begins = np.flatnonzero(np.r_[True, sets[1:] != sets[:-1]][: len(sets)])
    lengths = np.diff(begins, append=len(sets))
    delta = score - np.repeat(score[begins], lengths)
    share = np.exp(-0.5 * np.nan_to_num(delta, nan=np.inf)) * (by in CRITERIA)
    total = np.repeat(np.add.reduceat(share, begins), lengths) if len(begins) else share
    with np.errstate(invalid="ignore"):
        weight = np.where(total > 0, share / total, np.nan)
    place = np.arange(len(sets)) - np.repeat(begins, lengths) + 1
    return Ranking(fits[order], by, score, delta, weight, place)
