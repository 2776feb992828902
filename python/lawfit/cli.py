"""The shell: ``lawfit fit | laws | info | demo | bench``.

Answers go to standard output (tables on a terminal, JSON with ``--json`` or when piped), words
about the work to standard error. Exit codes: 0 all fitted, 1 some failed, 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_MODULES = {
    "fit": "shell", "demo": "shell_demo", "laws": "shell_laws", "info": "shell_laws",
    "bench": "shell_bench",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the shell on the given arguments (default: the process's) and return the exit code.

    >>> main(["fit"])
    2
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed the help or what is wrong
        return int(stop.code or 0)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("lawfit: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader went away, as in `lawfit laws | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (ValueError, TypeError, KeyError, OSError, ImportError) as error:
        print(f"lawfit: error: {_sentence(error)}", file=sys.stderr)
        return USAGE


def _sentence(error: Exception) -> str:
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _run(arguments: argparse.Namespace) -> int:
    # Imported here so that --help and usage errors answer at once.
    module = importlib.import_module(f".{_MODULES[arguments.command]}", __package__)
    code: int = getattr(module, arguments.command)(arguments)
    sys.stdout.flush()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lawfit", allow_abbrev=False,
        description="Fit scaling laws to tables of training runs.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
    laws = commands.add_parser(
        "laws", help="list the catalogue, or show one law", allow_abbrev=False,
        description="Without WORD all laws; with the id of a law everything about it; "
        "otherwise the laws in whose entry WORD occurs.",
    )
    laws.add_argument("word", metavar="WORD", nargs="?", help="an id or a word to search for")
    laws.add_argument("--family", metavar="NAME", help="only the laws of this family")
    laws.add_argument("--source", metavar="TEXT",
                      help="only laws in whose source TEXT occurs, such as an author or a year")
    info = commands.add_parser("info", help="versions and what the engine uses of this CPU")
    demo = commands.add_parser(
        "demo", help="fit the shipped training runs",
        description="Fits Chinchilla's law to the small language models that ship with lawfit, "
        "with 4,000 bootstrap resamples.",
    )
    demo.add_argument("--threads", type=int, help="threads (default: the cores there are)")
    bench = commands.add_parser(
        "bench", help="how fast this installation is, beside SciPy", allow_abbrev=False,
        description="Fits learning curves and resamples of the shipped runs on one thread, and "
        "the same with SciPy where it is installed. Exit code 1: SciPy found something better.",
    )
    bench.add_argument("--seconds", type=float, default=0.5, metavar="S",
                       help="for SciPy in each case, which does what it can (default: 0.5)")
    for command in (laws, info, bench):
        _add_format(command)
    return parser


def _listed(text: str) -> list[str]:
    """Words with commas between them."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _spaces(text: str) -> list[str]:
    """Residual spaces with commas between them."""
    words, known = _listed(text), ("linear", "log", "logit", "relative")
    for word in words:
        if word not in known:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
    return words


def _add_format(command: argparse.ArgumentParser) -> None:
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", dest="as_json", action="store_true",
                      help="JSON even on a terminal")
    form.add_argument("--table", dest="as_table", action="store_true",
                      help="tables even when piped")


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fit = commands.add_parser(
        "fit", help="fit laws to a table", allow_abbrev=False,
        description="Fit one or more laws to the rows of a table. --on and --loss take several, "
        "with commas; then, and with --by, the answer is one table of fits.",
        epilog="example: lawfit fit runs.csv --law 'E + A/N**alpha + B/D**beta' --y loss "
        "--column N=params --column D=tokens --on log --loss huber:1e-3 --bootstrap 1000",
    )
    fit.add_argument("table", metavar="TABLE",
                     help="a CSV, TSV, Parquet, ... file, or - for CSV on standard input")
    fit.add_argument("--law", action="append", required=True, metavar="LAW",
                     help="a formula or the id of a catalogue law; repeat for several laws")
    fit.add_argument("--y", metavar="COLUMN", help="measured column (default: the law's own)")
    fit.add_argument("--column", action="append", default=[], metavar="VARIABLE=COLUMN",
                     help="where a law variable's column has another name; repeatable")
    fit.add_argument("--by", type=_listed, default=[], metavar="KEY",
                     help="fit every group of rows with equal keys, several keys with commas; "
                     "with --bootstrap one fit of all rows, and its clusters or strata")
    fit.add_argument("--share", type=_listed, default=[], metavar="NAME",
                     help="with --by: parameters that all groups have in common, fitted jointly; "
                     "several with commas")
    rows = fit.add_argument_group("rows")
    rows.add_argument("--where", metavar="FILTER", help="such as 'flops < 1e21 and not diverged'")
    rows.add_argument("--nan", choices=("raise", "drop"), default="raise",
                      help="what to do with rows that have cells that are not finite")
    rows.add_argument("--weights", metavar="COLUMN", help="multiplies the loss")
    rows.add_argument("--sigma", metavar="COLUMN", help="divides the residual")
    how = fit.add_argument_group("objective")
    how.add_argument("--on", default=["linear"], type=_spaces, metavar="SPACE",
                     help="residual space: linear, log, logit, relative (default: linear)")
    how.add_argument("--loss", default=["squared"], type=_listed, metavar="LOSS",
                     help="squared, huber:1e-3, soft_l1:S, cauchy:S, absolute, quantile:Q, "
                     "log_cosh:S, or a likelihood: poisson, negative_binomial, "
                     "binomial:trials=COLUMN, student_t:nu=NU, gaussian (default: squared)")
    how.add_argument("--fix", action="append", default=[], metavar="NAME=VALUE",
                     help="hold a parameter; repeatable")
    how.add_argument("--bound", action="append", default=[], metavar="NAME=LOW:HIGH",
                     help="closed bounds, an open end left empty; repeatable")
    how.add_argument("--tie", action="append", default=[], metavar="NAME=NAME",
                     help="one number for two parameters, or a formula of others, such as "
                     "'beta=alpha/(1+alpha)'; repeatable")
    how.add_argument("--order", action="append", default=[], metavar="'NAME < NAME'",
                     help="parameters that rise, such as 'd1 < d2 < d3'; the gap d2_above_d1 is "
                     "a parameter of its own; repeatable")
    how.add_argument("--prior", action="append", default=[], metavar="'NAME ~ PRIOR'",
                     help="belief besides the data: normal(MEAN, SD), lognormal(MEDIAN, SD) or "
                     "ridge(STRENGTH), such as 'alpha ~ normal(0.35, 0.05)'; repeatable")
    how.add_argument("--simplex", action="append", default=[], metavar="'NAME + NAME = 1'",
                     help="variables that are shares of one whole, checked in every row; with "
                     "<= 1 one share is left unnamed; repeatable")
    work = fit.add_argument_group("optimisation")
    work.add_argument("--starts", type=int, metavar="N", help="Sobol starts (default: automatic)")
    work.add_argument("--seed", type=int, default=0)
    work.add_argument("--threads", type=int)
    work.add_argument("--max-seconds", type=float, metavar="S")
    work.add_argument("--precise", action="store_true", help="iterate to the last digits")
    ask = fit.add_argument_group("answers")
    ask.add_argument("--bootstrap", metavar="KIND[:N]",
                     help="replicates: pairs, cluster, stratified, residual, wild, parametric, "
                     "bayesian or jackknife, N of them (default 1000); a number alone means pairs")
    ask.add_argument("--interval", default="adjusted",
                     choices=("percentile", "adjusted", "basic", "bca", "studentized", "expanded"),
                     help="of the bootstrap (default: adjusted)")
    ask.add_argument("--level", type=float, default=0.95)
    ask.add_argument("--derive", action="append", default=[], metavar="EXPRESSION",
                     help="such as 'beta/(alpha+beta)'; repeatable")
    decide = ask.add_mutually_exclusive_group()
    decide.add_argument("--allocate", type=float, metavar="FLOP",
                        help="best size and tokens for a budget")
    decide.add_argument("--reach", type=float, metavar="LOSS",
                        help="least compute for a loss, and its size and tokens")
    ask.add_argument("--cost", metavar="COST", default="6",
                     help="of a run: k for k*N*D, or an expression such as '6*N*D + 1e3*D' "
                     "(default: 6)")
    ask.add_argument("--inference", type=float, default=0.0, metavar="TOKENS",
                     help="tokens served later, which the budget pays for")
    ask.add_argument("--diagnose", action="store_true",
                     help="influential rows, outliers, parameters that trade off")
    ask.add_argument("--checklist", action="store_true",
                     help="what a report must state, filled in from the fit")
    ask.add_argument("--save", metavar="PATH", help="write the fit as JSON (one law only)")
    ask.add_argument("--plot", metavar="PATH", help="write a figure (one law only)")
    ask.add_argument("--figure", default="along",
                     choices=("along", "residuals", "pairs", "allocation"),
                     help="what --plot draws (default: along, data and fit)")
    ask.add_argument("--progress", action="store_true", help="count starts on standard error")
    _add_format(fit)
