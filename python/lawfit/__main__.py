"""``python -m lawfit`` is the shell, too."""

import sys

from .cli import main

sys.exit(main())
