"""Themes: each makes some statements and calls more frequent than others."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["OPEN", "PROFILES", "Profile"]


@dataclass(frozen=True)
class Profile:
    """What a program of this theme is mostly made of.

    Attributes:
        statements: weights of statements, over the usual ones.
        calls: percent of the expressions, where a call fits, that are one.
        effects: percent of the statements that are a call with an effect or unknown code.
        rate: percent of the calls that fail, one of these.
        helpers: how many helper functions at the most.
        shared: percent of the functions that bind names of the module; of nested ones, twice as many bind
            names of the function around them.
        classes: percent of the programs that have a class; of those, as many have another one.
        generators: the same, of generator functions.
        members: whether classes have more methods, and programs use them in parts that are left behind.
        closes: whether these yield inside of ``try`` and ``with``, so that it shows when they are closed.
        fuel: how many statements a function has at the most, about.
    """

    name: str
    statements: dict[str, int] = field(default_factory=dict)
    calls: int = 35
    effects: int = 14
    rate: tuple[int, ...] = (0, 0, 0, 4, 12)
    helpers: int = 2
    fuel: int = 12
    shared: int = 8
    classes: int = 15
    generators: int = 0
    closes: bool = False
    members: bool = False


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("everything"),
        Profile(
            "control",
            {"if": 24, "for": 24, "while": 10, "break": 18, "match": 14, "return": 8, "mutate": 8},
            helpers=1,
        ),
        Profile(
            "failures",
            {"try": 26, "raise": 8, "with": 10, "assert": 6, "del": 4, "return": 6, "wrong": 4},
            rate=(0, 5, 15, 30),
            helpers=1,
        ),
        Profile(
            "heap",
            {"alias": 16, "mutate": 30, "list": 14, "nest": 8, "box": 8, "for": 14, "dict": 10},
            calls=30,
            effects=20,
        ),
        Profile("objects", {"agent": 70, "if": 12, "for": 10, "alias": 10, "try": 10, "help": 12}, calls=35),
        Profile(
            "functions",
            {"def": 14, "lambda": 8, "help": 16, "return": 5},
            helpers=4,
            fuel=9,
            shared=25,
        ),
        Profile("classes", {"actor": 24, "return": 5}, helpers=1, fuel=9, classes=85),
        Profile(
            "instances",
            {"actor": 150, "if": 6, "for": 6, "try": 6},
            helpers=1,
            fuel=14,
            classes=100,
            rate=(0, 0, 4, 12),
            members=True,
        ),
        Profile("generators", {"generated": 40, "for": 10, "break": 12}, helpers=1, fuel=9, generators=90),
        Profile("answers", {"answer": 90, "if": 8, "for": 8, "try": 8}, helpers=1, rate=(0, 0, 0, 4)),
        Profile(
            "prints",
            {"print": 90, "redirect": 6, "if": 14, "for": 16, "try": 8, "with": 6},
            effects=14,
            calls=40,
            rate=(0, 0, 4, 8),
        ),  # fmt: skip
        Profile("effects", {"if": 14, "for": 16, "try": 8}, effects=45, calls=40, rate=(0, 0, 4, 8)),
    )
}

#: Themes in which differences are still found: for fuzzing, not for the tests.
OPEN = {
    profile.name: profile
    for profile in (
        Profile(
            "closings",
            {"generated": 40, "yield": 16, "for": 10, "break": 12, "return": 5},
            helpers=1,
            fuel=9,
            generators=90,
            closes=True,
        ),
    )
}
