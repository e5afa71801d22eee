"""One library in a process of its own: ``python -m benchmarks.peers.child MODULE:CLASS FOLDER WHAT [N]``.

`WHAT` is `prepare` (have the database there), `begin` (a run of N steps), `resume` (take it up), `recorded`
(how many steps' results are on disk), or `time`: then each line of input asks for one measurement.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

from ..measure import seconds


def main() -> None:
    name, folder, what, *rest = sys.argv[1:]
    module, _, kind = name.partition(":")
    library = getattr(importlib.import_module(f"{__package__}.{module}"), kind)
    if what == "recorded":  # before anything is begun or taken up
        return print(library.recorded(Path(folder)), flush=True)
    contestant = library(Path(folder))
    n = int(rest[0]) if rest else 0
    if what == "time":
        contestant.chain(n)  # to warm up
        contestant.many(n)
        print("ready", flush=True)
        for line in sys.stdin:
            work = getattr(contestant, line.strip())
            print(seconds(lambda work=work: work(n)), flush=True)
    elif what == "prepare":
        contestant.chain(1)
    elif what == "begin":
        print(contestant.begin(n), flush=True)
    elif what == "resume":
        print(contestant.resume(), flush=True)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    failed = 1
    try:
        main()
        failed = 0
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(failed)  # some leave threads behind that do not end
