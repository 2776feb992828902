"""What a report must state for others to repeat a fit, filled in as far as the fit knows.

The blocks follow the checklist of M. Li et al., "(Mis)Fitting: A Survey of Scaling Laws" (2025),
arXiv:2502.18969, as this package's authors extended it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .covariance import default_kind, full_covariance
from .engine import free_positions
from .goodness import goodness
from .intervals import DEFAULT
from .report import number, percent
from .two_terms import two_terms

if TYPE_CHECKING:
    from .bootstrap import Bootstrap
    from .result import Fit

__all__ = ["Checklist", "Item", "checklist"]


class Item(NamedTuple):
    """One thing to state: its block, what it is, and the statement ("" where only you know)."""

    block: str
    what: str
    statement: str


@dataclass(frozen=True)
class Checklist:
    """All items in order; ``missing`` are those without a statement yet.

    ``print`` shows a text, ``markdown()`` a list with boxes to tick, for an appendix.
    """

    items: tuple[Item, ...]

    @property
    def missing(self) -> tuple[Item, ...]:
        """What only you can add."""
        return tuple(item for item in self.items if not item.statement)

    def to_dict(self) -> dict[str, dict[str, str | None]]:
        """Block -> what -> statement, None where it is missing."""
        out: dict[str, dict[str, str | None]] = {}
        for block, what, statement in self.items:
            out.setdefault(block, {})[what] = statement or None
        return out

    def markdown(self) -> str:
        """The list as Markdown, ticked where there is a statement."""
        lines = []
        for block, entries in self.to_dict().items():
            lines.append(f"**{block}**\n")
            lines += [f"- [{'x' if text else ' '}] {what}{': ' + text if text else ''}"
                      for what, text in entries.items()]
            lines.append("")
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = []
        for block, entries in self.to_dict().items():
            lines.append(block)
            lines += [f"  {what}: {text or 'TO ADD'}" for what, text in entries.items()]
        left = len(self.missing)
        return "\n".join([*lines, "", f"{len(self.items) - left} of {len(self.items)} items are "
                                      f"stated; {left} only you can add"])


def checklist(
    fit: Fit, boot: Bootstrap | None, notes: Mapping[str, str]
) -> Checklist:
    """See ``Fit.checklist``."""
    items = [item for block in _BLOCKS for item in block(fit, boot)]
    known = {item.what for item in items}
    for what in notes:
        if what not in known:
            raise ValueError(f"notes: {what!r} is no item of the checklist; items: "
                             f"{', '.join(sorted(known))}")
    return Checklist(tuple(
        item._replace(statement=str(notes[item.what])) if item.what in notes else item
        for item in items
    ))


Items = list[Item]


def _hypothesis(fit: Fit, boot: Bootstrap | None) -> Items:
    law, block = fit.law, "Hypothesis"
    places = free_positions(law)
    fixed = [f"{name} = {value:.17g}" for (name, value), at in
             zip(fit.params.items(), places, strict=True) if at < 0 and name not in law.ties]
    tied = [f"{name} = {law.free[at]}" for name, at in zip(law.parameters, places, strict=True)
            if at >= 0 and law.free[at] != name]
    tied += [f"{name} = {formula}" for name, formula in law.ties.items()]
    counts = (f"{len(law.free)} free ({', '.join(law.free)}), {len(tied)} tied"
              f"{_listed(tied)}, {len(fixed)} fixed{_listed(fixed)}")
    return [Item(block, "form of the law", law.formula),
            Item(block, "source of the form", law.source or ""),
            Item(block, "parameters", counts),
            Item(block, "why this form, alternatives tried", "")]


def _variables(fit: Fit, boot: Bootstrap | None) -> Items:
    block, info = "Variables", fit.law.info
    known = {} if info is None else info.variables
    out = []
    for name in fit.law.variables:
        about = known.get(name)
        words = "" if about is None else f", {about.meaning} [{about.unit}]"
        source = fit.rows.sources.get(name, name)
        out.append(Item(block, f"variable {name}", f"column {source}{words}"))
    return [*out, Item(block, "measured", f"column {fit.rows.y_name}"),
            Item(block, "definitions: embeddings, active or total size, unique or repeated tokens, "
                        "how compute is counted, units of the loss, data set and split", "")]


def _training(fit: Fit, boot: Bootstrap | None) -> Items:
    block = "Training set-up"
    return [Item(block, what, "") for what in (
        "architecture family and rule for its shape", "hyper-parameters, tuned or transferred",
        "learning-rate schedule, batch rule, optimiser, precision", "data mix, epochs, seeds",
    )]


def _data(fit: Fit, boot: Bootstrap | None) -> Items:
    block, rows = "Data", fit.rows
    left_out = rows.total - len(rows)
    ranges = [f"{rows.sources.get(name, name)} {_span(rows.columns[name])}"
              for name in fit.law.variables]
    ratio = _ratio(fit)
    return [
        Item(block, "rows", f"{len(rows):,} fitted of {rows.total:,}"
             + (f"; {left_out:,} left out by where=, nan= or weight 0" if left_out else "")),
        Item(block, "ranges", "; ".join([*ranges, *ratio,
                                         f"{rows.y_name} {_span(rows.y)}"])),
        Item(block, "number of runs, final points or checkpoints, smoothing, how the loss was "
                    "measured, exclusions with reasons, original or digitised", ""),
    ]


def _objective(fit: Fit, boot: Bootstrap | None) -> Items:
    rows = fit.rows
    weights = ("weights multiply the loss" if rows.weights is not None else
               "sigma divides the residual" if rows.sigma is not None else "none")
    return [Item("Objective", "residual and loss",
                 f"observed - fitted on {fit.on} scale, {fit.loss}"),
            Item("Objective", "sum or mean", "weighted sum over rows; squared loss as r**2/2"),
            Item("Objective", "weights", weights)]


def _optimisation(fit: Fit, boot: Bootstrap | None) -> Items:
    law, found, block = fit.law, fit.diagnostics, "Optimisation"
    low, high = law.bounds()
    bounds = [f"{name} in [{a:g}, {b:g}]" for name, a, b in zip(law.free, low, high, strict=True)
              if np.isfinite(a) or np.isfinite(b)]
    cap = fit.settings.get("max_iterations")
    return [
        Item(block, "bounds", "; ".join(bounds) or "none"),
        Item(block, "algorithm", "batched Levenberg-Marquardt with a second-order finish, exact "
                                 "derivatives (lawfit)"),
        Item(block, "stopping", f"relative step below {fit.settings.get('tolerance', 1e-9):g}"
             + (f", at most {cap} iterations a start" if cap else "")),
        Item(block, "convergence", f"{fit.status}, scale-free gradient norm "
                                   f"{found['gradient_norm']:.2g}"),
        Item(block, "starts", f"{found['n_starts']:,} ({fit.settings.get('starts', 'auto')}), seed "
                              f"{fit.settings.get('seed', 0)}; "
                              f"{percent(found['best_basin_share'])} reached the best objective"
             + (f", the next optimum is {found['second_objective']:.6g}"
                if np.isfinite(found["second_objective"]) else "")),
    ]


def _estimate(fit: Fit, boot: Bootstrap | None) -> Items:
    block, found = "Estimate", fit.diagnostics
    values = ", ".join(f"{name} {value!r} (stderr {fit.stderr[name]:.3g})"
                       for name, value in fit.params.items())
    active = ", ".join(f"{name} on its {side} bound"
                       for name, side in found["active_bounds"].items())
    weak = ", ".join(found["not_identified"])
    _, rmse, _ = goodness(fit)
    return [Item(block, "constants in full precision", values),
            Item(block, "correlations", _correlations(fit)),
            Item(block, "objective at the optimum", repr(fit.objective)),
            Item(block, "active bounds", active or "none"),
            Item(block, "parameters the data do not determine", weak or "none"),
            Item(block, "residual standard deviation", f"{rmse:.4g} on {fit.on} scale")]


def _uncertainty(fit: Fit, boot: Bootstrap | None) -> Items:
    block = "Uncertainty"
    if boot is None:
        return [Item(block, "method, unit of resampling, replicates, failed refits, interval", "")]
    ends = ", ".join(f"{name} {low:.6g} to {high:.6g}"
                     for name, (low, high) in boot.interval(0.95).items())
    return [Item(block, "method, unit of resampling, replicates, failed refits, interval",
                 f"{boot.method} bootstrap, {boot.replicates:,} replicates, {boot.failed:,} failed "
                 f"refits left out, seed {boot.seed}; 95 % {DEFAULT} intervals of the mean: "
                 f"{ends}")]


def _quality(fit: Fit, boot: Bootstrap | None) -> Items:
    r2, rmse, raw = goodness(fit)
    worst = int(np.argmax(np.abs(fit.residuals)))
    return [Item("Fit quality", "errors",
                 f"RMSE {rmse:.4g} on {fit.on} scale ({raw:.4g} in {fit.rows.y_name}), largest "
                 f"{fit.residuals[worst]:+.4g} at row {fit.rows.positions[worst]}, R2 {r2:.5f}"),
            Item("Fit quality", "residuals by size and by data", "")]


def _extrapolation(fit: Fit, boot: Bootstrap | None) -> Items:
    largest = ", ".join(f"{fit.rows.sources.get(name, name)} {fit.rows.columns[name].max():.4g}"
                        for name in fit.law.variables)
    return [Item("Extrapolation", "largest values fitted", largest or "no variables"),
            Item("Extrapolation", "held-out largest points: factor, error, coverage; simpler laws",
                 ""),
            Item("Sensitivity", "form, delta, starts, subset, floor, counting: spread of the "
                                "headline quantity", "")]


def _derived(fit: Fit, boot: Bootstrap | None) -> Items:
    block, law = "Derived", fit.law
    text = ""
    if {"N", "D"} <= set(law.variables):
        terms = two_terms(law, fit.values[None, :], "N", "D")
        if terms is not None:
            a = (terms.beta / (terms.alpha + terms.beta)).item()
            b = (terms.alpha / (terms.alpha + terms.beta)).item()
            text = (f"N ~ C**a with a = beta/(alpha + beta) = {a:.6g}, D ~ C**b with b = {b:.6g}, "
                    f"a + b = {a + b:.6g}, for C = 6 N D")
    return [Item(block, "formula of each derived quantity", text),
            Item(block, "how its interval was carried, the target's scale", ""),
            Item(block, "approaches 1, 2 and 3 agree?", "")]


def _release(fit: Fit, boot: Bootstrap | None) -> Items:
    from . import __version__

    digest = hashlib.sha256()
    for name in fit.law.variables:
        digest.update(np.ascontiguousarray(fit.rows.columns[name]).tobytes())
    digest.update(np.ascontiguousarray(fit.rows.y).tobytes())
    for extra in (fit.rows.weights, fit.rows.sigma):
        if extra is not None:
            digest.update(np.ascontiguousarray(extra).tobytes())
    versions = (f"lawfit {__version__}, NumPy {np.__version__}, Python "
                f"{platform.python_version()}, {platform.machine()}")
    return [Item("Release", "environment", versions),
            Item("Release", "rows fitted, SHA-256 of their float64 columns", digest.hexdigest()),
            Item("Release", "raw table, code, exact command, licence", "")]


_BLOCKS: tuple[Callable[[Any, Any], Items], ...] = (
    _hypothesis, _variables, _training, _data, _objective, _optimisation, _estimate, _uncertainty,
    _quality, _extrapolation, _derived, _release,
)


def _listed(texts: list[str]) -> str:
    return f" ({', '.join(texts)})" if texts else ""


def _span(values: np.ndarray) -> str:
    return f"{number(float(values.min()), 4)} to {number(float(values.max()), 4)}"


def _ratio(fit: Fit) -> list[str]:
    columns = fit.rows.columns
    if not {"N", "D"} <= set(columns) or not (columns["N"] > 0).all():
        return []
    return [f"D/N {_span(columns['D'] / columns['N'])}"]


def _correlations(fit: Fit) -> str:
    """Off-diagonal correlations of the free parameters, from the default covariance."""
    matrix, note = full_covariance(fit, default_kind(fit.loss), fit.absolute_sigma)
    error = np.sqrt(np.diag(matrix))
    names = fit.law.parameters
    pairs = [(i, k) for i in range(len(names)) for k in range(i + 1, len(names))
             if error[i] > 0 and error[k] > 0]
    if note or not pairs:
        return note or "none"
    return ", ".join(f"{names[i]} {names[k]} {matrix[i, k] / (error[i] * error[k]):+.3f}"
                     for i, k in pairs)
