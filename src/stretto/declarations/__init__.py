"""What is said of code that the user does not own: dotted names, each with its effect.

    table.py      files and text -> entries
    registry.py   entries -> the functions, methods and attributes that they are about
    catalogue/    entries for widely used libraries, as data

The compiler and the engine ask the registry whether something that is called was declared; with no entries it
is empty, and costs nothing.
"""
