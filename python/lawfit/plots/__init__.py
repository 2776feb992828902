"""Figures. Each function draws on ``ax`` (default: a new figure) and returns what it drew on.

They need matplotlib (``pip install 'lawfit[plot]'``), which is imported when one is called.
Colours are those of M. Okabe and K. Ito and of viridis, told apart by every kind of colour vision.
"""

from .allocation import allocation
from .along import along, variables
from .isoflop import isoflop
from .pairs import pairs
from .profile import profile, profiles
from .residuals import residuals

__all__ = [
    "allocation", "along", "isoflop", "pairs", "profile", "profiles", "residuals", "variables",
]
