"""What a declaration keeps out of the journal: ``secret=`` of a call or a flow.

Here is who says what is secret; how it is kept is in `stretto.journal.secrets`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from .errors import DeclarationError

__all__ = ["OPTION", "RESULT", "Secrecy", "secrecy_of", "takes"]

#: The word for the result; no parameter can be called so.
RESULT = "return"
#: What the option takes, for messages.
OPTION = (
    "what is kept out of the journal: True for all arguments and the result, or the name of a parameter, "
    'or several, and "return" for the result'
)


class Secrecy:
    """What of a function's arguments and result is secret.

    Attributes:
        result: whether the result is.
    """

    #: Whether anything in this process is declared secret.
    declared = False

    def __init__(self, *, result: bool, everything: bool, names: Collection[str], fn: Any) -> None:
        self.result = result
        self._everything = everything
        self._names = frozenset(names)
        self._rest = self._extra = ""
        self._positional: list[str] = []
        self._keywords: set[str] = set()
        if not everything:
            for parameter in inspect.signature(fn).parameters.values() if names else ():
                if parameter.kind is parameter.VAR_POSITIONAL:
                    self._rest = parameter.name
                elif parameter.kind is parameter.VAR_KEYWORD:
                    self._extra = parameter.name
                else:
                    if parameter.kind is not parameter.KEYWORD_ONLY:
                        self._positional.append(parameter.name)
                    if parameter.kind is not parameter.POSITIONAL_ONLY:
                        self._keywords.add(parameter.name)
        Secrecy.declared = True

    def covers(self, parameter: str) -> bool:
        """Whether the argument for that parameter is secret."""
        return self._everything or parameter in self._names

    def masked(
        self, args: Collection[Any], kwargs: Mapping[str, Any], stand_in: Callable[[Any], Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with something else in the place of each secret one.

        They need not fit the function: a call that is made wrongly must not tell its secrets, either.
        """
        return (
            tuple(stand_in(a) if self._at(i) else a for i, a in enumerate(args)),
            {name: stand_in(a) if self._named(name) else a for name, a in kwargs.items()},
        )

    def _at(self, index: int) -> bool:
        if self._everything or not self._names:
            return self._everything
        if index < len(self._positional):
            return self._positional[index] in self._names
        return not self._rest or self._rest in self._names

    def _named(self, name: str) -> bool:
        if self._everything or not self._names:
            return self._everything
        if name in self._keywords:
            return name in self._names
        return not self._extra or self._extra in self._names


def secrecy_of(
    declared: Any, fn: Any, *, where: str, name: str, told: Collection[str] = ()
) -> Secrecy | None:
    """What ``secret=`` says of a function; None if it keeps nothing secret.

    Args:
        declared: what the option was given: of the right type, as `takes` says.
        where: file and line of the function, for messages.
        name: what messages call it.
        told: parameters that resources are named after.

    Raises `DeclarationError` for a name that is none of its parameters, or one that resources tell.
    """
    everything = declared is True
    words = () if isinstance(declared, bool) else (declared,) if isinstance(declared, str) else declared
    names = set(words) - {RESULT}
    if not everything and not words:
        return None
    if names:
        try:
            parameters = inspect.signature(fn).parameters
        except (TypeError, ValueError):
            raise DeclarationError(
                f"{where}: secret= of {name} names {_listed(names)}, but the signature of {fn!r} cannot be "
                "read. Wrap it in a function with named parameters, or declare secret=True"
            ) from None
        for unknown in sorted(names.difference(parameters)):
            extra = [p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD]
            hint = f" ({extra[0]!r} is for all that **{extra[0]} takes)" if extra else ""
            raise DeclarationError(
                f"{where}: secret= of {name} names {unknown!r}, which is not one of its arguments. "
                f"Expected some of: {_listed([*parameters, RESULT])}{hint}; or True for all"
            )
    found = Secrecy(result=everything or RESULT in words, everything=everything, names=names, fn=fn)
    for field in sorted(told):
        if found.covers(field):
            raise DeclarationError(
                f"{where}: a resource of {name} is named after {field!r}, which is secret, and the names of "
                "resources are told. Name the resource after something else, or let secret= name the others"
            )
    return found


def takes(value: object) -> bool:
    """Whether ``secret=`` can be given this."""
    if isinstance(value, (bool, str)):
        return True
    if isinstance(value, Collection) and not isinstance(value, (bytes, bytearray, Mapping)):
        return all(isinstance(word, str) for word in cast("Collection[Any]", value))
    return False


def _listed(names: Collection[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
