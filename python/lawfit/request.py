"""What ``fit_many`` is asked for: laws by name, and all that one table's fits need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch import INDEX, Crossed, Part
from .data import Reader, both
from .fit import measured, refuse_priors
from .keys import Groups, group, read_keys
from .law import Law, as_law
from .losses import Loss, as_loss
from .simplex import check_simplexes
from .starts import read_starts

if TYPE_CHECKING:
    from .table import Table

__all__ = ["Request", "believed", "kinds_of", "named_laws", "read_request", "resolve", "spaces_of",
           "starts_of"]


@dataclass(frozen=True, eq=False)
class Request(Crossed):
    """What is crossed, checked and not yet fitted.

    ``starts`` has for each law the array given, or None and how many Sobol starts (0: automatic).
    """

    starts: tuple[tuple[np.ndarray | None, int], ...]

    @property
    def start_kinds(self) -> tuple[str, ...]:
        """For each law where its starts come from."""
        return tuple("given" if array is not None else "sobol" if count else "auto"
                     for array, count in self.starts)

    @property
    def asked(self) -> tuple[Any, ...]:
        """(laws, starts, sheet, objectives, parts), as ``native_fits`` takes them."""
        objectives = [(space, loss) for space in self.ons for loss in self.losses]
        return self.laws, self.starts, self.sheet, objectives, self.parts


def read_request(
    laws: Mapping[str, Law], table: Table, y: Any, *, starts: Mapping[str, Any], by: Any,
    columns: Mapping[str, str] | None, weights: Any, sigma: Any, spaces: tuple[str, ...],
    losses: tuple[Loss, ...], subsets: Mapping[str, Any] | None, where: Any, nan: str,
) -> Request:
    """Read and check the columns that the laws need, and find the groups.

    ``laws`` have their variables decided; ``starts`` are those of each.
    """
    resolved = tuple(laws.values())
    for law in resolved:
        for loss in losses:
            refuse_priors(law, loss)
    reader = Reader(
        table, dict.fromkeys(name for law in resolved for name in law.variables),
        _measured(resolved, y, table), columns=columns, weights=weights, sigma=sigma, on=spaces,
        nan=nan, losses=losses,
    )
    keys = read_keys(table, by, reader.total)
    for key in keys:
        if key.name in INDEX:
            raise ValueError(f"by: a column of the result is called {key.name!r}; rename the key")
    masks = _masks(reader, subsets)
    keep = reader.mask(where, "where")
    if all(mask is not None for mask in masks.values()):
        keep = both(keep, np.logical_or.reduce(list(masks.values())))
    sheet = reader.sheet(keep, {f"column {key.name!r} (by)": key.missing for key in keys})
    for law in resolved:
        check_simplexes(law.simplexes, sheet.columns, sheet.sources, sheet.positions)
    groups = group(keys, sheet.positions, len(sheet))
    return Request(
        laws=resolved, labels=tuple(laws), ons=spaces, losses=losses, subsets=tuple(masks),
        keys=tuple(key.without_cells() for key in keys),
        key_rows=_taken(sheet.positions, groups.firsts), groups=groups,
        parts=_parts(groups, masks, sheet.positions), sheet=sheet,
        starts=tuple(read_starts(law, starts[label], len(groups)) for label, law in laws.items()),
    )


def named_laws(laws: Any, parameters: Any) -> dict[str, Law]:
    """Name -> law: names as given, else ids or formulas, numbered where they repeat."""
    if isinstance(laws, Mapping):
        named = {str(name): as_law(law) for name, law in laws.items()}
    elif isinstance(laws, (Law, str)):
        named = {_label(law): law for law in (as_law(laws),)}
    elif isinstance(laws, Iterable):
        named = {}
        for law in map(as_law, laws):
            label, count = _label(law), 1
            while (name := label if count == 1 else f"{label} ({count})") in named:
                count += 1
            named[name] = law
    else:
        raise TypeError(f"laws: expected a law, a list or a dict, not {type(laws).__name__}")
    if not named:
        raise ValueError("laws: the list is empty; give at least one law")
    return _declared(named, parameters) if parameters is not None else named


def _label(law: Law) -> str:
    return law.id or law.formula


def _declared(named: dict[str, Law], parameters: Any) -> dict[str, Law]:
    """The laws with ``parameters=``, each with those names that occur in it."""
    given = dict(parameters) if isinstance(parameters, Mapping) else dict.fromkeys(parameters)
    for name in given:
        if not any(name in law.names for law in named.values()):
            raise ValueError(f"parameters: {name!r} does not occur in any of the laws")
    as_given = isinstance(parameters, Mapping)
    out = {}
    for label, law in named.items():
        own = {name: setting for name, setting in given.items() if name in law.names}
        out[label] = law.declare(own if as_given else list(own))
    return out


def resolve(
    named: Mapping[str, Law], tables: Mapping[str, Table], columns: Mapping[str, str] | None,
    starts: Mapping[str, Any],
) -> dict[str, Law]:
    """The laws with their variables decided, each by those of ``columns=`` it knows.

    ``tables`` and ``starts`` are those of each law.
    """
    if columns is not None and not isinstance(columns, Mapping):
        raise TypeError("columns: expected a dict, law variable -> data column")
    for name in columns or ():
        if not any(name in law.names for law in named.values()):
            raise ValueError(f"columns: {name!r} does not occur in any of the laws")
    decided = {}
    for label, law in named.items():
        own = starts[label]
        parameters = tuple(own) if isinstance(own, Mapping) else ()
        known = law.variables if law.decided else law.names
        mapped = [name for name in columns or () if name in known]
        decided[label] = law.resolve(tables[label].names, named=parameters, mapped=mapped)
        if not decided[label].free:
            raise ValueError(f"law {label!r}: every parameter is fixed; nothing is left to fit")
    return decided


def believed(laws: Mapping[str, Law], priors: Mapping[str, Any] | None) -> dict[str, Law]:
    """The laws with ``priors=``, each with those of its own parameters."""
    for name in priors or ():
        if not any(name in law.parameters for law in laws.values()):
            raise ValueError(f"priors: {name!r} is not a parameter of any of the laws")
    return {label: law.prior(**{name: prior for name, prior in (priors or {}).items()
                                if name in law.parameters}) for label, law in laws.items()}


def starts_of(named: Mapping[str, Law], starts: Any, label: str) -> Any:
    """The starts meant for one law."""
    if isinstance(starts, Mapping) and starts and all(name in named for name in starts):
        return starts.get(label, "auto")
    if len(named) > 1 and not isinstance(starts, (str, int, np.integer)):
        raise ValueError(
            "starts: given by hand they need a single law, or a dict law name -> starts; "
            f"laws: {', '.join(named)}"
        )
    return starts


def _measured(laws: Sequence[Law], y: Any, table: Table) -> Any:
    targets = dict.fromkeys(measured(law, y, table) for law in laws) if y is None else {}
    if len(targets) > 1:
        raise ValueError(
            f"y: the laws measure different columns ({', '.join(targets)}); name one with y="
        )
    return y if y is not None else next(iter(targets))


def spaces_of(on: str | Iterable[str]) -> tuple[str, ...]:
    spaces = (on,) if isinstance(on, str) else tuple(on)
    return _distinct("on", spaces)


def kinds_of(losses: str | Loss | Iterable[str | Loss]) -> tuple[Loss, ...]:
    single = isinstance(losses, (str, Loss, type))
    kinds = tuple(as_loss(loss) for loss in ((losses,) if single else losses))
    _distinct("losses", tuple(str(kind) for kind in kinds))
    return kinds


def _distinct(argument: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError(f"{argument}: the list is empty; give at least one")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"{argument}: {name!r} is given twice")
    return names


def _masks(reader: Reader, subsets: Mapping[str, Any] | None) -> dict[str, np.ndarray | None]:
    """Subset name -> the rows of the table it has, or None for all."""
    if subsets is None:
        return {"all": None}
    if not isinstance(subsets, Mapping):
        raise TypeError("subsets: expected a dict, name -> boolean mask or filter text")
    if not subsets:
        raise ValueError("subsets: the dict is empty; give at least one subset")
    return {str(name): reader.mask(mask, f"subsets[{name!r}]") for name, mask in subsets.items()}


def _parts(
    groups: Groups, masks: Mapping[str, np.ndarray | None], positions: np.ndarray | None
) -> tuple[Part, ...]:
    return tuple(
        groups.part(mask if mask is None or positions is None else mask[positions])
        for mask in masks.values()
    )


def _taken(positions: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Rows of the sheet as rows of the table."""
    return rows if positions is None else positions[rows]
