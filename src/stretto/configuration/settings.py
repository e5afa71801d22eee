"""What can be set, where, and what holds if it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..amounts import is_amount, is_count
from ..errors import ConfigurationError, DeclarationError, JournalUrlError

__all__ = ["SETTINGS", "TABLES", "Setting", "checked"]


class Setting(NamedTuple):
    """Something that can be set.

    Attributes:
        name: what it is called in files and as an argument.
        variable: the environment variable that sets it.
        says: what it is, for people.
        expected: what it can be, for messages.
        read: what is made of what is said; ValueError if it cannot be that.
        default: what holds if nothing is said; a text where that hangs on something.
        in_files: whether files may set it, and `stretto.configure`; else its variable does.
        shown: whether its value is told.
        clears: whether `stretto.configure` takes None, which says that there is none.
    """

    name: str
    variable: str
    says: str
    expected: str
    read: Callable[[Any], Any]
    default: Callable[[], Any]
    in_files: bool = True
    shown: bool = True
    clears: bool = False


def checked(setting: Setting, value: Any, at: str) -> Any:
    """What is made of what is said there. Raises `ConfigurationError`."""
    try:
        return setting.read(value)
    except (JournalUrlError, DeclarationError) as error:
        raise ConfigurationError(f"{at}: {error}") from None
    except (ValueError, TypeError):
        raise ConfigurationError(f"{at} is {setting.expected}; found {value!r}") from None


def _journal(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    from ..journal import file_of  # late, as are all below: most programs set nothing

    file_of(value)
    return value


def _count(value: Any) -> int:
    found = int(value) if isinstance(value, str) else value
    if not is_count(found):
        raise ValueError
    return found


#: So many seconds are thirty years, and are counted in microseconds without loss.
_LONGEST = 10**9


def _seconds(value: Any) -> float:
    found = float(value) if isinstance(value, str) else value
    if not (is_amount(found) and 0 < found <= _LONGEST):
        raise ValueError
    return float(found)


def _budget(value: Any) -> dict[str, Any]:
    from ..budgets.of_runs import read

    return read(value)


def _in_flight() -> int:
    from ..engine.machine import DEFAULT_LIMIT

    return DEFAULT_LIMIT


def _flush() -> float:
    from ..journal import FLUSH_INTERVAL

    return FLUSH_INTERVAL


def _patience() -> str:
    from ..journal.sqlite import PATIENCE

    return f"{PATIENCE:g} (SQLite), 30 (PostgreSQL)"  # which cannot be asked where psycopg is not installed


def _lease() -> float:
    from ..journal.leases import TTL

    return TTL


_SECONDS = "a positive number of seconds"

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "journal", "STRETTO_JOURNAL", "where runs are recorded", "a URL, or the path of a file",
            _journal, lambda: "none; of the command line .stretto/journal.db", clears=True,
        ),
        Setting(
            "in_flight", "STRETTO_IN_FLIGHT", "how many operations of a run may be under way",
            "a positive integer", _count, _in_flight,
        ),
        Setting(
            "flush", "STRETTO_FLUSH", "seconds for which what is to be recorded may wait for more of it",
            _SECONDS, _seconds, _flush,
        ),
        Setting(
            "patience", "STRETTO_PATIENCE", "seconds to wait for a journal that does not answer",
            _SECONDS, _seconds, _patience,
        ),
        Setting(
            "lease", "STRETTO_LEASE", "seconds without a sign of life after which others may take a run up",
            _SECONDS, _seconds, _lease,
        ),
        Setting(
            "budget", "STRETTO_BUDGET", "what each run may use, of money, tokens and seconds",
            "such as { usd = 0.50, tokens = 200_000, seconds = 30 }, or 'usd=0.50, seconds=30'",
            _budget, lambda: "none", clears=True,
        ),
        Setting(
            "without", "STRETTO_WITHOUT", "relaxations that are switched off, to find one that is at fault",
            "names, with commas between them", str, lambda: "none", in_files=False,
        ),
        Setting(
            "secret_key", "STRETTO_SECRET_KEY", "the key of secrets", "64 hexadecimal digits", str,
            lambda: "a file of the user's own", in_files=False, shown=False,
        ),
    )
}  # fmt: skip

#: The tables that files may have, and what they say.
TABLES = {
    "effects": "what functions touch that one does not own",
    "limits": "how often, and how many at once, resources are touched",
}
