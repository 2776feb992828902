"""The protocols by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..losses import Huber
from .grids import besiroglu_resamples, hoffmann_grid, hoffmann_subsamples, lcdb_starts
from .protocol import Protocol
from .repeated_data import fit_repeated_data

__all__ = ["protocols"]


def _settings(**given: Any) -> Mapping[str, Any]:
    return MappingProxyType(given)


_ALL = [
    Protocol(
        "hoffmann_a3", "Chinchilla, third approach",
        "Hoffmann et al. 2022, arXiv:2203.15556, section D.3", "chinchilla",
        "Huber loss with delta 1e-3 on log residuals, minimised from a grid of 4,500 starts "
        "(alpha and beta 0 to 2, log A and log B 0 to 25, log E -1 to 1). Intervals are the "
        "10 % and 90 % points of 100 fits to 80 % of the runs, drawn without replacement.",
        "the original averaged the loss over runs and stopped far from the optimum; here every "
        "start is iterated to the end, so that constants come out as in besiroglu. Fits to 80 % "
        "of the runs vary less than the estimate does: the intervals are too narrow.",
        _settings(on="log", loss=Huber(1e-3)), starts=hoffmann_grid,
        resamples=hoffmann_subsamples, interval=("percentile", 0.80),
    ),
    Protocol(
        "besiroglu", "Chinchilla, replicated",
        "Besiroglu et al. 2024, arXiv:2404.10102", "chinchilla",
        "The third approach of Hoffmann et al. with the loss summed over runs and the same grid "
        "of starts; standard errors from 4,000 resamples of the runs. The five runs of highest "
        "loss were left out, which where= does for any table.",
        "the printed constants (A 482.01, B 2085.43) minimise absolute residuals and not the "
        "loss described: pass loss=lf.Absolute() for them. The delta of 1e-3 is far inside the "
        "noise, which makes the loss nearly absolute. Rows are resampled as if independent.",
        _settings(on="log", loss=Huber(1e-3)), starts=hoffmann_grid,
        resamples=besiroglu_resamples,
    ),
    Protocol(
        "gemstones", "Gemstones, third approach",
        "McLeish et al. 2025, arXiv:2502.06857", "chinchilla",
        "Huber loss with delta 1e-3 (in a variant 1e-4), summed over log residuals of all "
        "checkpoints up to a number of tokens; the width and depth laws are fitted likewise.",
        "the original searched 135,000 starts, where automatic ones find an optimum at least as "
        "good. Its logarithmic parameters cannot reach a floor of 0, which a law of width and "
        "depth wants; here the floor stops there and is reported. Checkpoints of one run "
        "are not independent: resample runs, not rows.",
        _settings(on="log", loss=Huber(1e-3)),
        laws=("chinchilla", "gemstones_wdt", "gemstones_wdnt"),
    ),
    Protocol(
        "gadre", "Over-training, from five small runs",
        "Gadre et al. 2024, arXiv:2403.08540", "gadre_code_form",
        "Least squares of the loss on five runs: four sizes at 20 tokens per parameter and the "
        "smallest one at 320. The second law, error against loss, is fitted likewise.",
        "five rows for four parameters leave one degree of freedom, which says nothing about the "
        "law; the standard errors are formal. One exponent serves size and data.",
        _settings(on="linear", loss="squared"),
        laws=("gadre_code_form", "gadre_overtraining", "gadre_downstream_error"),
    ),
    Protocol(
        "porian", "Optima of budgets, weighted",
        "Porian et al. 2024, arXiv:2406.19146", "porian_N_opt",
        "A straight line in logarithms through the optimal size of every compute budget, weighted "
        "by the inverse variance of the optimum's logarithm: pass sigma=. The optima come from "
        "an interpolation of each budget's losses and their variances from a model of the noise; "
        "lf.isoflop(curve='akima', weighted=True) goes the whole way from runs.",
        "the variances are taken as known only up to a factor; pass absolute_sigma=True to take "
        "them at their word. An optimum at the edge of its budget's sizes should be left out.",
        _settings(on="log", loss="squared"),
        laws=("porian_N_opt", "porian_loss_saturation", "hoffmann_envelope_alloc"),
    ),
    Protocol(
        "muennighoff", "Repeated data, in two stages",
        "Muennighoff et al. 2023, arXiv:2305.16264", "muennighoff",
        "First A, B, E and one exponent for size and data from the runs without repetition and "
        "without excess parameters, then the two constants of decay from all runs with the "
        "first four held; Huber loss with delta 1e-3 on log residuals in both. Columns are N, D "
        "and U: size, tokens seen and unique tokens.",
        "the original treats the first stage as exact. Here its errors are carried on to the "
        "constants of decay, and the covariance is over all parameters. One stage (fitting "
        "the law muennighoff to prepared columns) uses the rows better where it converges.",
        _settings(on="log", loss=Huber(1e-3)), ties=(("alpha", "beta"),),
        procedure=fit_repeated_data,
    ),
    Protocol(
        "lcdb", "Learning curves of the LCDB",
        "Mohr et al. 2022, Learning Curves Database 1.0", "lcdb_mmf4",
        "Least squares of one of sixteen curves to the mean accuracies of a learning curve, from "
        "six random starts in the unit cube.",
        "random starts in the unit cube miss optima of other scale, for which starts='auto' is "
        "made. Anchors are weighted alike although their means differ in noise.",
        _settings(on="linear", loss="squared"), starts=lcdb_starts,
        laws=("lcdb_last1", "lcdb_pow2", "lcdb_log2", "lcdb_exp2", "lcdb_lin2", "lcdb_ilog2",
              "lcdb_pow3", "lcdb_exp3", "lcdb_vap3", "lcdb_expp3", "lcdb_expd3",
              "lcdb_logpower3", "lcdb_mmf4", "lcdb_wbl4", "lcdb_exp4", "lcdb_pow4"),
    ),
    Protocol(
        "bnsl", "Broken neural scaling laws",
        "Caballero et al. 2022, arXiv:2210.14891", "bnsl1",
        "Least squares of logarithms, log(1 + y) in the original, after a search over a coarse "
        "grid; the number of breaks is chosen by the error on the largest scales.",
        "logarithms of y itself are taken, which agree for large y and weigh small errors more, "
        "and starts are made by the law and the data. Breaks may change places, and a break "
        "seen from one side leaves its width open: the fit says so.",
        _settings(on="log", loss="squared"), laws=("bnsl1", "bnsl2"),
    ),
]

protocols: Mapping[str, Protocol] = MappingProxyType({one.name: one for one in _ALL})
