"""Fits as JSON files: plain data and the formula's text, versioned, bit for bit.

Numbers are written as Python's shortest text that reads back to the same bits; NaN and the
infinities, which JSON lacks, as the texts "nan", "inf" and "-inf". The columns the fit used are
part of the file, so that a loaded fit can do everything the saved one could.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .data import Rows
from .law import Law
from .losses import as_loss
from .result import Fit, Starts
from .shared import JointPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fits import Fits

__all__ = ["FORMAT", "VERSION", "load", "plain", "save", "write_whole"]

FORMAT = "lawfit.fit"
VERSION = 1

_ZIP = b"PK"


def save(fit: Fit, path: str | Path) -> None:
    """Write a fit; the file appears whole or not at all. See ``Fit.save``."""
    with write_whole(path) as stream:
        stream.write(json.dumps(_document(fit), indent=1, allow_nan=False).encode())


@contextmanager
def write_whole(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary stream whose file takes its place when all is written, or not at all."""
    target = Path(path)
    part = target.with_name(f"{target.name}.part{os.getpid()}")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def load(path: str | Path) -> Fit | Fits:
    """The fit or fits a file holds, as written by ``fit.save`` or ``fits.save``.

    Raises OSError when it cannot be read and ValueError, naming the file, when it is not a saved
    fit or was written by a later version of the format.

    >>> import tempfile
    >>> from lawfit import fit
    >>> result = fit("y = a + b*x", {"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 5.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.save(Path(folder) / "line.json")
    ...     load(Path(folder) / "line.json").params == result.params
    True
    """
    with Path(path).open("rb") as stream:
        if stream.read(len(_ZIP)) == _ZIP:
            from .archive_fits import load as load_fits

            return load_fits(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a saved fit: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{path} is not a saved fit: its 'format' is not {FORMAT!r}")
    version = document.get("version")
    if version != VERSION:
        raise ValueError(
            f"{path} has format version {version!r}, this lawfit reads {VERSION}; "
            "install a later lawfit"
        )
    try:
        return _fit(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {type(error).__name__}: {error}") from None


def _document(fit: Fit) -> dict[str, Any]:
    rows, found = fit.rows, fit.diagnostics
    return {
        "format": FORMAT,
        "version": VERSION,
        "law": plain(fit.law.to_dict()),
        "on": fit.on,
        "loss": str(fit.loss),
        "params": plain(fit.params),
        "stderr": plain(fit.stderr),
        "stderr_note": fit.stderr_note,
        "objective": plain(fit.objective),
        "status": fit.status,
        "diagnostics": plain(found),
        "absolute_sigma": fit.absolute_sigma,
        "settings": plain(fit.settings),
        "known_covariance": plain(fit.known_covariance),
        "joint": None if fit.joint is None else {
            f.name: plain(getattr(fit.joint, f.name)) for f in fields(fit.joint)
            if f.name not in ("source", "group")
        },
        "nuisance": plain(fit.nuisance),
        "nuisance_stderr": plain(fit.nuisance_stderr),
        "numbers": plain(fit.numbers),
        "starts": None if fit.starts is None else {
            "params": plain(fit.starts.params),
            "objective": plain(fit.starts.objective),
            "status": fit.starts.status.tolist(),
        },
        "rows": {
            "columns": plain(rows.columns),
            "y": plain(rows.y),
            "weights": plain(rows.weights),
            "sigma": plain(rows.sigma),
            "positions": rows.positions.tolist(),
            "total": rows.total,
            "sources": rows.sources,
            "y_name": rows.y_name,
        },
        "residuals": plain(fit.residuals),
        "fitted": plain(fit.fitted),
    }


def plain(value: Any) -> Any:
    """The same as JSON types, numbers that JSON lacks as texts."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def _array(values: list[Any]) -> np.ndarray:
    return np.array([float(value) for value in values], dtype=np.float64)


def _optional_array(values: list[Any] | None) -> np.ndarray | None:
    return None if values is None else _array(values)


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _fit(document: Mapping[str, Any]) -> Fit:
    rows, starts = document["rows"], document["starts"]
    return Fit(
        law=Law.from_dict(document["law"]),
        rows=Rows(
            columns={name: _array(values) for name, values in rows["columns"].items()},
            y=_array(rows["y"]),
            weights=_optional_array(rows["weights"]),
            sigma=_optional_array(rows["sigma"]),
            positions=np.array(rows["positions"], dtype=np.int64),
            total=int(rows["total"]),
            sources=dict(rows["sources"]),
            y_name=rows["y_name"],
        ),
        on=document["on"],
        loss=as_loss(document["loss"]),
        params=_floats(document["params"]),
        stderr=_floats(document["stderr"]),
        stderr_note=document["stderr_note"],
        objective=float(document["objective"]),
        residuals=_array(document["residuals"]),
        fitted=_array(document["fitted"]),
        status=document["status"],
        diagnostics=_diagnostics(document["diagnostics"]),
        absolute_sigma=document["absolute_sigma"],
        starts=None if starts is None else Starts(
            params={name: _array(values) for name, values in starts["params"].items()},
            objective=_array(starts["objective"]),
            status=np.array(starts["status"]),
        ),
        settings={name: _setting(value) for name, value in document["settings"].items()},
        known_covariance=None if document.get("known_covariance") is None
        else np.stack([_array(row) for row in document["known_covariance"]]),
        joint=_joint(document.get("joint")),
        nuisance=_floats(document.get("nuisance", {})),
        nuisance_stderr=_floats(document.get("nuisance_stderr", {})),
        numbers=tuple(map(float, document["numbers"])) if document.get("numbers") else None,
    )


def _joint(kept: Mapping[str, Any] | None) -> JointPart | None:
    if kept is None:
        return None
    return JointPart(**{
        **kept, "shared": tuple(kept["shared"]), "objective": float(kept["objective"]),
        "variance": float(kept["variance"]),
        "matrix": np.stack([_array(row) for row in kept["matrix"]]),
    })


def _setting(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _diagnostics(found: Mapping[str, Any]) -> dict[str, Any]:
    reals = ("best_basin_share", "second_objective", "gradient_norm")
    return {
        **found,
        **{name: float(found[name]) for name in reals},
        "not_identified": {
            name: tuple(others) for name, others in found["not_identified"].items()
        },
    }
