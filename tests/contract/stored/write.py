"""Adds stored bytes for examples that have none yet: ``python -m tests.contract.stored.write``.

What is stored already is never written again.
"""

from __future__ import annotations

import json
from pathlib import Path

from stretto.journal.codecs import encode
from tests.contract.samples import examples

FILE = Path(__file__).parent / "values_v1.json"


def main() -> None:
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name, value in examples().items():
        stored.setdefault(name, encode(value).data.hex())
    FILE.write_text(json.dumps(stored, indent=0) + "\n")


if __name__ == "__main__":
    main()
