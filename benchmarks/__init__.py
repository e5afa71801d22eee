"""Stretto against hand-written asyncio (`make bench`) and against other libraries (`make bench-peers`).

Both sides of every ratio are measured in the same run, by turns, so that a busy machine is busy for
both. What is compared is in `work.py`, how is in `measure.py`, and the targets are in `__main__.py`.
"""

import os
import sys
from typing import Any, cast

if os.environ.get("LOOP", "asyncio") == "asyncio":
    # What one has without the extra `fast`. On uvloop everything is quicker, what is written by hand as well.
    cast("dict[str, Any]", sys.modules)["uvloop"] = None
