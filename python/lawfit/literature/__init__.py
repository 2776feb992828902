"""Named ways of fitting: what a publication did, ready to be done to other data.

``lawfit.protocols`` maps a name to a ``Protocol``; its ``fit`` takes a table as ``lawfit.fit``
does and uses the publication's law, residual space, loss and starts. ``print(protocol)`` says what
was done and where that differs from what lawfit would do by itself.

>>> import lawfit as lf
>>> sorted(lf.protocols)
['besiroglu', 'bnsl', 'gadre', 'gemstones', 'hoffmann_a3', 'lcdb', 'muennighoff', 'porian']
"""

from __future__ import annotations

from .protocol import Protocol
from .registry import protocols

__all__ = ["Protocol", "protocols"]
