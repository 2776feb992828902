"""``lawfit fit`` with ``--by`` or with several spaces or losses: one call, one table of fits."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from .cli import FAILED, OK
from .errors import FitWarning
from .fits import Fits
from .losses import as_loss
from .many import fit_many
from .output import print_json, wants_json
from .report_fits import text

__all__ = ["fit_table", "is_many"]

# What is asked of a single fit, by option.
_SINGLE = ("bootstrap", "derive", "allocate", "reach", "diagnose", "checklist", "plot")


def is_many(arguments: argparse.Namespace) -> bool:
    """Whether the options ask for more than one fit of each law.

    With --bootstrap the keys of --by are its clusters or strata.
    """
    groups = bool(arguments.by) and not arguments.bootstrap
    return groups or bool(arguments.share) or len(arguments.on) > 1 or len(arguments.loss) > 1


def fit_table(arguments: argparse.Namespace, laws: list[Any], data: Any, columns: Any) -> int:
    """Fit everything in one call and print the table of fits."""
    for option in _SINGLE:
        if getattr(arguments, option):
            raise ValueError(f"--{option} is for single fits; leave out --by and give one --on "
                             "and one --loss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the counts say it
        fits = fit_many(
            laws if len(laws) > 1 else laws[0], data, arguments.y, by=arguments.by or None,
            share=arguments.share or None, columns=columns or None, weights=arguments.weights,
            sigma=arguments.sigma,
            on=arguments.on, losses=[as_loss(loss) for loss in arguments.loss],
            starts="auto" if arguments.starts is None else arguments.starts,
            where=arguments.where, threads=arguments.threads, seed=arguments.seed,
            progress=arguments.progress, nan=arguments.nan, max_seconds=arguments.max_seconds,
            precise=arguments.precise,
        )
    if arguments.save:
        fits.save(arguments.save)
    if wants_json(arguments):
        print_json({"fits": as_rows(fits), **_joint(fits)})
    else:
        print(text(fits, most=len(fits)))
    return OK if fits.converged.all() else FAILED


def _joint(fits: Fits) -> dict[str, Any]:
    """What groups share, one plain dict a joint fit; nothing where they do not."""
    if not fits.batch.shares:
        return {}
    return {"shared": [
        {"law": fits.batch.labels[joint.place[0]], "on": joint.on, "loss": str(joint.loss),
         "subset": fits.batch.subsets[joint.place[3]], "groups": joint.groups, "rows": joint.rows,
         "parameters": joint.parameters, "params": joint.params, "stderr": joint.stderr,
         "objective": joint.objective, "status": joint.status}
        for joint, _ in fits.joints
    ]}


def as_rows(fits: Fits) -> list[dict[str, Any]]:
    """One plain dict a fit: index columns, rows, status, objective, parameters, errors."""
    index = {name: column.tolist() for name, column in fits.index.items()}
    counted = {"rows": fits.rows, "status": fits.status, "converged": fits.converged,
               "objective": fits.objective}  # fmt: skip
    plain = {name: column.tolist() for name, column in counted.items()}
    params = {name: column.tolist() for name, column in fits.params.items()}
    errors = {name: column.tolist() for name, column in fits.stderr.items()}
    own = {label: set(law.parameters)
           for label, law in zip(fits.batch.labels, fits.batch.laws, strict=True)}  # fmt: skip
    return [
        {
            **{name: column[at] for name, column in index.items()},
            **{name: column[at] for name, column in plain.items()},
            "params": {n: c[at] for n, c in params.items() if n in own[index["law"][at]]},
            "stderr": {n: c[at] for n, c in errors.items() if n in own[index["law"][at]]},
            **_nuisance(fits, at),
        }
        for at in range(len(fits))
    ]


def _nuisance(fits: Fits, at: int) -> dict[str, Any]:
    """What the fit's likelihood estimated of its own; nothing for losses without such numbers."""
    names = [name for name in fits.nuisance if name in fits.batch.losses[fits.places[2][at]].free]
    return {"nuisance": {name: float(fits.nuisance[name][at]) for name in names},
            "nuisance_stderr": {name: float(fits.nuisance_stderr[name][at]) for name in names},
            } if names else {}  # fmt: skip
