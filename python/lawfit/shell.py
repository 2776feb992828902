"""``lawfit fit``: laws fitted to a table file, the answers as JSON or tables."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from .bootstrap import Bootstrap
from .cli import FAILED, OK
from .errors import FitWarning
from .files import CsvTable, read_table
from .fit import fit as fit_law
from .independent import note
from .law import Law, as_law
from .losses import as_loss
from .output import (
    allocation_table,
    bootstrap_table,
    derived_table,
    diagnosis_data,
    print_json,
    wants_json,
)
from .report import summary
from .result import Fit
from .shell_many import fit_table, is_many
from .shell_settings import pair, settled

__all__ = ["fit"]


def fit(arguments: argparse.Namespace) -> int:
    """``lawfit fit``: fit each law, print the answers."""
    if len(arguments.law) > 1 and (arguments.save or arguments.plot) and not is_many(arguments):
        raise ValueError("--save and --plot take one law; give --law once")
    data = read_table(arguments.table)
    if is_many(arguments):
        return _fit_many(arguments, data)
    answers, texts, failed = [], [], False
    for formula in arguments.law:
        answer, text = _fit_one(arguments, formula, data)
        failed = failed or not answer["converged"]
        answers.append(answer)
        texts.append(text)
    if wants_json(arguments):
        print_json({"fits": answers})
    else:
        print("\n\n".join(texts))
    return FAILED if failed else OK


def _fit_many(arguments: argparse.Namespace, data: Any) -> int:
    laws = [settled(as_law(formula), arguments) for formula in arguments.law]
    columns = dict(pair(item, "--column") for item in arguments.column)
    with _lines_named(arguments, data):
        return fit_table(arguments, laws, data, columns)


def _fit_one(
    arguments: argparse.Namespace, formula: str, data: Any
) -> tuple[dict[str, Any], str]:
    """One law: its answers as plain data and as text."""
    columns = dict(pair(item, "--column") for item in arguments.column)
    law = settled(as_law(formula), arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the verdict and the counts say it
        result = _fit_rows(arguments, law, columns, data)
        boot = None
        lost = result.diagnostics["not_identified"]
        if arguments.bootstrap and np.isfinite(result.values).all() and not lost:
            method, count = _replicates(arguments.bootstrap)
            clusters = {"by": arguments.by} if arguments.by else {}
            boot = result.bootstrap(
                count, method, **clusters, seed=arguments.seed, threads=arguments.threads
            )
        answer, text = _answers(arguments, result, boot)
    if arguments.save:
        result.save(arguments.save)
    if arguments.plot:
        axes = np.ravel(_figure(arguments, result, boot))[0]
        axes.figure.savefig(arguments.plot, dpi=150)
    return answer, text


def _fit_rows(
    arguments: argparse.Namespace, law: Law, columns: dict[str, str], data: Any
) -> Fit:
    with _lines_named(arguments, data):
        return fit_law(
            law, data, arguments.y, columns=columns or None, weights=arguments.weights,
            sigma=arguments.sigma, on=arguments.on[0], loss=as_loss(arguments.loss[0]),
            starts="auto" if arguments.starts is None else arguments.starts,
            where=arguments.where, threads=arguments.threads, seed=arguments.seed,
            progress=arguments.progress, nan=arguments.nan,
            max_seconds=arguments.max_seconds, precise=arguments.precise,
        )


@contextmanager
def _lines_named(arguments: argparse.Namespace, data: Any) -> Iterator[None]:
    """Errors that name a row of a CSV file name its line, too."""
    try:
        yield
    except (ValueError, TypeError) as error:
        row = re.search(r"\brow (\d+)", str(error))
        if row is None or not isinstance(data, CsvTable) or int(row[1]) >= len(data.lines):
            raise
        line = data.lines[int(row[1])]
        raise ValueError(f"{error} [{arguments.table}, line {line}]") from None


def _answers(
    arguments: argparse.Namespace, result: Fit, boot: Bootstrap | None
) -> tuple[dict[str, Any], str]:
    """Everything asked of one fit, as plain data and as text."""
    answer, parts = summary(result), [str(result)]
    level, method = arguments.level, arguments.interval
    if boot is not None:
        answer["bootstrap"] = {"kind": boot.method, "replicates": boot.replicates,
                               "failed": boot.failed}  # fmt: skip
        if boot.replicates - boot.failed < 2:  # nothing to summarise; the delta method answers
            parts.append(f"bootstrap: {boot.failed:,} of {boot.replicates:,} resamples failed")
            boot = None
    if boot is not None:
        answer["bootstrap"] |= {
            "level": level, "method": method, "stderr": boot.stderr(),
            "interval": boot.interval(level, method),
        }
        parts.append(bootstrap_table(boot, level, method))
    elif arguments.bootstrap and (lost := result.diagnostics["not_identified"]):
        parts.append(f"bootstrap: left out, since the data do not determine {', '.join(lost)}")
    derived = [_derived(arguments, result, boot, text) for text in arguments.derive]
    if derived:
        answer["derived"] = derived
        parts.append(derived_table(derived, level))
    told = note(len(result.rows), False) if boot is None else note(
        boot.plan.independent, boot.plan.clustered)
    if told and (boot is not None or derived or arguments.allocate or arguments.reach):
        answer["note"] = told
        parts.append(told)
    if (arguments.allocate or arguments.reach) and np.isfinite(result.values).all():
        question = _question(arguments)
        best = (
            result.allocate(**question, level=level) if boot is None
            else boot.allocate(**question, level=level, method=method)
        )
        answer["allocation"] = asdict(best)
        parts.append(allocation_table(best))
    if arguments.diagnose and np.isfinite(result.values).all():
        found = result.diagnose()
        answer["diagnosis"] = diagnosis_data(found)
        parts.append(str(found))
    if arguments.checklist:
        listed = result.checklist(boot)
        answer["checklist"] = listed.to_dict()
        parts.append(str(listed))
    return answer, "\n\n".join(parts)


def _derived(
    arguments: argparse.Namespace, result: Fit, boot: Bootstrap | None, text: str
) -> dict[str, Any]:
    """One --derive: from the replicates where there are any, else by the delta method."""
    if boot is None:
        delta = result.derive(text)
        return {"expression": text, "value": delta.value, "stderr": delta.stderr,
                "interval": delta.interval(arguments.level)}  # fmt: skip
    drawn = boot.derive(text)
    return {"expression": text, "value": drawn.value, "stderr": drawn.stderr,
            "exists": drawn.exists,
            "interval": drawn.interval(arguments.level, arguments.interval)}  # fmt: skip


def _replicates(text: str) -> tuple[str, int | None]:
    """KIND, KIND:N or N: the kind of bootstrap and how many replicates."""
    kind, colon, count = text.partition(":")
    if not colon and kind.isdigit():
        kind, count = "pairs", kind
    if count and not count.isdigit() or colon and not count:
        raise ValueError(f"--bootstrap {text}: write a kind, a number, or KIND:NUMBER")
    return kind, int(count) if count else None


def _question(arguments: argparse.Namespace) -> dict[str, Any]:
    """--allocate or --reach with --cost and --inference, as ``Fit.allocate`` takes them."""
    try:
        cost: Any = float(arguments.cost)
    except ValueError:
        cost = arguments.cost
    target = {"compute": arguments.allocate} if arguments.allocate else {"loss": arguments.reach}
    return {**target, "cost": cost, "inference": arguments.inference}


def _figure(arguments: argparse.Namespace, result: Fit, boot: Bootstrap | None) -> Any:
    """What --figure names."""
    from . import plots

    if arguments.figure == "residuals":
        return plots.residuals(result)
    if arguments.figure == "pairs":
        if boot is None:
            raise ValueError("--figure pairs: needs --bootstrap")
        return plots.pairs(boot)
    if arguments.figure == "allocation":
        if not arguments.allocate:
            raise ValueError("--figure allocation: needs --allocate, the end of its axis")
        question = _question(arguments)
        return plots.allocation(boot or result, question.pop("compute"), level=arguments.level,
                                **question)
    return result.plot(level=arguments.level)
