"""Programs that others have published, run unmodified: see `docs/programs.md`.

    python -m tests.programs            every program, as a table

They are fetched from the package index into a scratch folder (`fetch.py`); none of their code is kept here.
"""
