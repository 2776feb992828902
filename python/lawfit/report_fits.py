"""Many fits as text: what was crossed, how many failed, and the first rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .batch import INDEX
from .batches import Batches
from .report import number, table

if TYPE_CHECKING:
    from .fits import Fits
    from .rank import Ranking

__all__ = ["ranking_text", "rows_text", "text"]

SHOWN = 12
"""Rows shown of a longer result."""


def text(fits: Fits, most: int = SHOWN) -> str:
    """What ``print(fits)`` shows: counts, then one line a fit, the first of them only."""
    lines = [_headline(fits), *_together(fits), _verdict(fits)]
    if len(fits):
        lines += ["", rows_text(fits, most)]
    if len(fits) > most:
        lines.append(f"... and {len(fits) - most:,} more; fits.table() has all")
    return "\n".join(lines)


def rows_text(fits: Fits, most: int) -> str:
    """The first fits as aligned lines: index columns that differ, parameters, objective, status."""
    head = fits[:most]
    varying = _varying(fits)
    names = [name for name, column in head.params.items() if not np.isnan(column).all()]
    rows: list[tuple[str, ...]] = [(*varying, "rows", *names, "objective", "status")]
    for at in range(len(head)):
        rows.append((
            *(_shown(head.index[name][at]) for name in varying), f"{head.rows[at]:,}",
            *(number(head.params[name][at], 4) for name in names),
            number(head.objective[at], 4), str(head.status[at]),
        ))
    return table(rows, left=len(varying))


def ranking_text(ranking: Ranking) -> str:
    """What ``print(ranking)`` shows: one line a fit, the first of them only."""
    fits = ranking.fits[:SHOWN]
    varying = _varying(fits)
    rows: list[tuple[str, ...]] = [
        (*varying, "rows", "place", ranking.by, "delta", "weight", "status")
    ]
    for at in range(len(fits)):
        rows.append((
            *(_shown(fits.index[name][at]) for name in varying), f"{fits.rows[at]:,}",
            str(ranking.place[at]), number(ranking.score[at], 5), number(ranking.delta[at], 3),
            number(ranking.weight[at], 3), str(fits.status[at]),
        ))
    lines = [table(rows, left=len(varying))]
    if len(ranking.fits) > SHOWN:
        lines.append(f"... and {len(ranking.fits) - SHOWN:,} more; ranking.table() has all")
    return "\n".join(lines)


def _varying(fits: Fits) -> list[str]:
    """The index columns in which the fits of the call differ."""
    levels = fits.batch.levels
    return [name for name in levels if len(levels[name]) > 1 or name not in INDEX]


def _headline(fits: Fits) -> str:
    chosen = "" if fits.selection is None else f", {len(fits):,} of them here"
    total = len(fits.batch)
    found = f"{total:,} fit{'' if total == 1 else 's'}{chosen}"
    if isinstance(fits.batch, Batches):
        tables = fits.batch.each
        rows = sum(len(batch.sheet) for batch in tables)
        return f"{len(tables):,} laws on tables of their own: {found}; {rows:,} rows in all"
    counts = zip(("law", "space", "loss", "subset", "group"), fits.batch.shape, strict=True)
    many = [f"{count:,} {name}{_plural(name, count)}" for name, count in counts if count != 1]
    crossed = " x ".join(many) or "1 law"
    return f"{crossed} = {found}; {fits.batch.sheet.y_name} in {len(fits.batch.sheet):,} rows"


def _together(fits: Fits) -> list[str]:
    """One line a joint fit: the shared parameters and how it ended."""
    lines = []
    for joint, _ in fits.joints:
        shown = ", ".join(f"{name} {number(value)} +- {number(joint.stderr[name], 3)}"
                          for name, value in joint.params.items())
        lines.append(f"shared by {joint.groups:,} groups: {shown}; objective "
                     f"{number(joint.objective)}, {joint.status}")
    return lines


def _plural(name: str, count: int) -> str:
    return "" if count == 1 else "es" if name == "loss" else "s"


def _verdict(fits: Fits) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in fits.status_counts().items())
    failed = int(np.count_nonzero(~fits.converged))
    hint = "" if not failed else "; fits.failed has those to look at"
    return f"status: {counts or 'no fits'}{hint}"


def _shown(value: Any, most: int = 28) -> str:
    """A value of an index column: numbers rounded, long texts cut."""
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    text = str(value)
    return text if len(text) <= most else text[: most - 3] + "..."
