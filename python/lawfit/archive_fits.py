"""Many fits as a file: a zip of NumPy arrays and one JSON text, without pickles, bit for bit.

The text holds what has names (laws as formulas, settings), the arrays what has numbers: the rows
used and the engine's answers. What ``lf.load`` gives back can do everything the saved fits could.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .archive import plain, write_whole
from .batch import Batch
from .batches import Batches
from .data import Sheet
from .fits import Fits
from .keys import Groups, Key
from .law import Law
from .losses import as_loss

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORMAT", "VERSION", "load", "save"]

FORMAT = "lawfit.fits"
VERSION = 1
VERSION_OF_TABLES = 2
"""Of files with laws on tables of their own."""

_HEAD = "document"


def save(fits: Fits, path: str | Path) -> None:
    """Write fits; the file appears whole or not at all. See ``Fits.save``."""
    document, arrays = _document(fits), _arrays(fits)
    text = np.frombuffer(json.dumps(document, allow_nan=False).encode(), dtype=np.uint8)
    with write_whole(path) as stream:
        np.savez(stream, allow_pickle=False, **{_HEAD: text}, **arrays)


def load(path: str | Path) -> Fits:
    """The fits a file holds, as written by ``fits.save``; ``lf.load`` calls this.

    Raises OSError when it cannot be read and ValueError, naming the file, when it does not hold
    fits or was written by a later version of the format.
    """
    try:
        # np.load leaves a file that it opened itself open when the content is no zip.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(arrays.pop(_HEAD).tobytes().decode())
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} does not hold saved fits: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{path} does not hold saved fits: its 'format' is not {FORMAT!r}")
    if (version := document.get("version")) not in (VERSION, VERSION_OF_TABLES):
        raise ValueError(f"{path} has format version {version!r}, this lawfit reads {VERSION} and "
                         f"{VERSION_OF_TABLES}; install a later lawfit")
    try:
        return _fits(document, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is damaged: {type(error).__name__}: {error}") from None


def _document(fits: Fits) -> dict[str, Any]:
    """Of one table what its batch says; of several tables the same of each."""
    if isinstance(fits.batch, Batches):
        return {"format": FORMAT, "version": VERSION_OF_TABLES,
                "tables": [_said(batch) for batch in fits.batch.each]}
    return {"format": FORMAT, "version": VERSION, **_said(fits.batch)}


def _said(batch: Batch) -> dict[str, Any]:
    sheet = batch.sheet
    return {
        "laws": [plain(law.to_dict()) for law in batch.laws],
        "labels": batch.labels,
        "on": batch.ons,
        "losses": [str(loss) for loss in batch.losses],
        "subsets": batch.subsets,
        "keys": [key.name for key in batch.keys],
        "columns": list(sheet.columns),
        "sources": sheet.sources,
        "y_name": sheet.y_name,
        "total": sheet.total,
        "start_kinds": batch.start_kinds,
        "settings": plain(dict(batch.settings)),
        "absolute_sigma": batch.absolute_sigma,
        "shares": batch.shares,
        "level": batch.level,
    }


def _arrays(fits: Fits) -> dict[str, np.ndarray]:
    """Every array under a name that says what it is; those that are None are left out."""
    chosen = {} if fits.selection is None else {"selection": fits.selection}
    if isinstance(fits.batch, Batches):
        return chosen | {f"table {at} {name}": array for at, batch in enumerate(fits.batch.each)
                         for name, array in _of_batch(batch).items()}
    return chosen | _of_batch(fits.batch)


def _of_batch(batch: Batch) -> dict[str, np.ndarray]:
    sheet, groups = batch.sheet, batch.groups
    found: dict[str, np.ndarray | None] = {
        "y": sheet.y, "weights": sheet.weights, "sigma": sheet.sigma,
        "positions": sheet.positions, "group_rows": groups.rows,
        "group_offsets": groups.offsets, "group_firsts": groups.firsts,
    }
    found |= {f"column {at}": column for at, column in enumerate(sheet.columns.values())}
    for at, key in enumerate(batch.keys):
        found[f"key {at}"] = _storable(key.name, batch.levels[key.name])
    for at, (rows, offsets) in enumerate(batch.parts):
        found |= {f"part {at} rows": rows, f"part {at} offsets": offsets}
    for at, raw in enumerate(batch.raw):
        found |= {f"law {at} {name}": values for name, values in raw.items()}
    for at, joint in enumerate(batch.joints):
        found |= {f"joint {at} {name}": values for name, values in joint.items()}
    return {name: array for name, array in found.items() if array is not None}


def _storable(name: str, values: np.ndarray) -> np.ndarray:
    """Keys as an array without Python objects: texts as NumPy's own."""
    if values.dtype.kind != "O":
        return values
    kinds = {type(value) for value in values.tolist()}
    if kinds <= {str}:
        return values.astype(str)
    for plain_kinds, dtype in (({int}, np.int64), ({int, float}, float), ({bool}, bool)):
        if kinds <= plain_kinds:
            return values.astype(dtype)
    named = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(f"save: the key {name!r} holds objects of type {named}; "
                     "make it a column of texts or numbers")


def _fits(document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Fits:
    if "tables" not in document:
        return Fits(_batch(document, arrays), arrays.get("selection"))
    each = tuple(_batch(said, _under(arrays, f"table {at} "))
                 for at, said in enumerate(document["tables"]))
    return Fits(Batches(each), arrays.get("selection"))


def _batch(document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Batch:
    groups = Groups(
        arrays.get("group_rows"), arrays["group_offsets"], arrays["group_firsts"]
    )
    sheet = Sheet(
        columns={name: arrays[f"column {at}"] for at, name in enumerate(document["columns"])},
        y=arrays["y"], weights=arrays.get("weights"), sigma=arrays.get("sigma"),
        positions=arrays.get("positions"), total=int(document["total"]),
        sources=dict(document["sources"]), y_name=document["y_name"],
    )
    return Batch(
        laws=tuple(Law.from_dict(law) for law in document["laws"]),
        labels=tuple(document["labels"]), ons=tuple(document["on"]),
        losses=tuple(as_loss(loss) for loss in document["losses"]),
        subsets=tuple(document["subsets"]),
        keys=tuple(Key(name, np.empty(0), None, arrays[f"key {at}"])
                   for at, name in enumerate(document["keys"])),
        key_rows=None,
        groups=groups,
        parts=tuple((arrays.get(f"part {at} rows"), arrays[f"part {at} offsets"])
                    for at in range(len(document["subsets"]))),
        sheet=sheet,
        raw=tuple(_under(arrays, f"law {at} ") for at in range(len(document["laws"]))),
        start_kinds=tuple(document["start_kinds"]),
        settings={name: float(value) if value in ("nan", "inf", "-inf") else value
                  for name, value in document["settings"].items()},
        absolute_sigma=document["absolute_sigma"],
        level=document["level"],
        shares=tuple(map(tuple, document["shares"])),
        joints=tuple(_under(arrays, f"joint {at} ") for at in range(len(document["shares"]))),
    )


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``prefix``, by the rest of their names."""
    return {name[len(prefix):]: a for name, a in arrays.items() if name.startswith(prefix)}
