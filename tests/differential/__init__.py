"""Differential tests: the same program, reference run against overlapped run.

How it reads, from the outside in:

- `test_constructs.py`, `test_generated.py`, `fuzz.py`: where programs come from; those by hand stand
  in `constructs/`. `test_relaxations.py`: the same with relaxations switched off.
- `harness.py`: runs one program as reference and overlapped, and says where they differ.
- `loaded.py`: a program's module, compiled once for all the schedules that it is run under.
- `vocabulary.py`: the calls, the unknown code and the objects that programs are made of.
- `world.py`: what those calls act upon, and what it remembers.
- `canonical.py`: an object graph as text, shared references included.
- `generate/`: programs from choices: `words` and `scalars`, `containers`, `expressions` on top of them,
  then `blocks`, `changes`, `control`, `statements`, and whole `programs`.
- `reduce.py`: a failing program made small.
"""
