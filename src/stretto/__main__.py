"""``python -m stretto``, for where the script is not on the path."""

import sys

from .cli import entry

sys.exit(entry())
