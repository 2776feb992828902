"""What lawfit raises and warns with, beyond plain ValueError and TypeError."""

from __future__ import annotations

from typing import Any

__all__ = ["FitError", "FitWarning", "LawError"]

_WINDOW = 76


class LawError(ValueError):
    """A formula that is not a law, shown with a caret under the place.

    ``message`` says what is wrong and what to write instead, ``formula`` is the text as given,
    ``position`` the column of the trouble, counted from 0 over the characters of the text.
    A long text is clipped around that column.

    >>> print(LawError("'^' is not a power here: write **", "E + A/N^alpha", 7))
    '^' is not a power here: write **
      E + A/N^alpha
             ^
    """

    def __init__(self, message: str, formula: str = "", position: int = 0) -> None:
        # All three in args, so that the error survives pickling.
        super().__init__(message, formula, position)
        self.message = message
        self.formula = formula
        self.position = position

    def __str__(self) -> str:
        if not self.formula.strip():
            return self.message
        shown, caret = _clipped(self.formula, self.position)
        return f"{self.message}\n  {shown}\n  {' ' * caret}^"


def _clipped(text: str, position: int) -> tuple[str, int]:
    """One line of at most ``_WINDOW`` characters around a column, and the column in it."""
    start = max(0, min(position - _WINDOW // 2, len(text) - _WINDOW))
    stop = min(len(text), start + _WINDOW)
    # One printable character per character, so that the caret stays under its place.
    line = "".join(c if c.isprintable() else " " for c in text[start:stop])
    head, tail = ("..." if start else ""), ("..." if stop < len(text) else "")
    return head + line + tail, len(head) + position - start


class FitError(RuntimeError):
    """A fit that failed under ``strict=True``; ``result`` is the Fit as far as it came.

    >>> FitError("the iteration limit was reached", result=None).result is None
    True
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message, result)
        self.message = message
        self.result = result

    def __str__(self) -> str:
        return self.message


class FitWarning(UserWarning):
    """At most one a call: how many fits ended with which status, or what to read with care.

    >>> issubclass(FitWarning, UserWarning)
    True
    """
