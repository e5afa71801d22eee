"""Which values of a run may tell a secret, and are sealed for that."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, cast

from ..errors import Cancelled, CorruptValue, InDoubt, NotDecodable, Orphaned, RecordedError
from ..secrecy import Secrecy
from .codecs import Sealed, decode, encode
from .contract import Journal
from .doubts import no_items, no_stream, unreadable
from .events import CallFinished, CallSettled, StreamReceived, Value
from .history import Past, PastState, base_of, value_of
from .items import Items
from .secrets import Vault, about_call, encode_secret, key_of, vault, vault_of

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["RunSecrets"]

#: What Stretto says of a run by itself. It tells no secret, and has to be read.
_OUR_WORDS = (InDoubt, Orphaned, Cancelled)


class RunSecrets:
    """The secrets of one run.

    An exception of a call with a secret may hold it, and goes on its way through the flow: it may be what the
    flow ends with, or the context of what another call raises in a handler. So the classes of such exceptions
    are kept in mind, and an exception with one of them in its chain is sealed. That may be one too many.
    (The exceptions themselves would keep their frames alive.)
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._vault: Vault | None = None
        self._failures: set[type[BaseException]] = set()

    def _own_vault(self) -> Vault:
        if self._vault is None:
            self._vault = vault()
        return self._vault

    def _vault_of(self, fingerprint: bytes) -> Vault:
        if self._vault is None or self._vault.fingerprint != fingerprint:
            self._vault = vault_of(fingerprint, self.run)
        return self._vault

    def digest(self, call: Call[..., Any], place: str, digest: bytes, there: Past | None) -> bytes:
        """What stands in the journal for arguments of that digest.

        If it is what is recorded at its place, it stands there as it does: ``secret=`` may be added and taken
        away while a run is interrupted.

        Raises `SecretKeyError` where it cannot be told whether the call is what was recorded.
        """
        if there is not None:
            key = key_of(there.digest)
            found = digest if key is None else self._vault_of(key).mark(base_of(place), digest)
            if found == there.digest:
                return found
        return digest if call.secret is None else self._own_vault().mark(base_of(place), digest)

    def result(self, call: Call[..., Any], named: str, digest: bytes, value: Any) -> bytes:
        """A result, encoded, and sealed if it is secret. Raises `NotRecordable`.

        Args:
            named: how the journal names the call.
            digest: what stands there for its arguments.
        """
        name = f"the result of {call.name}"
        if call.secret is None or not call.secret.result:
            return encode(value, pickle=call.pickle, name=name).data
        data = encode_secret(value, name, pickle=call.pickle)
        return encode(self._own_vault().seal(data, about_call(named, digest, failed=False))).data

    def item(self, call: Call[..., Any], item: Any, name: str) -> bytes:
        """An item of a stream, encoded, which is not recorded as such. Raises `NotRecordable`."""
        if call.secret is None or not call.secret.result:
            return encode(item, pickle=call.pickle, name=name).data
        return encode_secret(item, name, pickle=call.pickle)

    def exception(
        self, secrecy: Secrecy | None, call: str, digest: bytes, error: BaseException, name: str
    ) -> bytes:
        """An exception, encoded, and sealed if it may hold a secret."""
        return self._exception(
            secrecy, error, about_call(call, digest, failed=True), f"the exception of {name}"
        )

    def outcome(self, secrecy: Secrecy | None, value: Any) -> bytes:
        """What a flow returned, encoded, and sealed if it is secret. Raises `NotRecordable`."""
        name = "the result of the flow"
        if secrecy is None or not secrecy.result:
            return encode(value, name=name).data
        return encode(self._own_vault().seal(encode_secret(value, name), self._about_end())).data

    def failure(self, secrecy: Secrecy | None, error: BaseException) -> bytes:
        """What a flow raised, encoded, and sealed if it may hold a secret."""
        if isinstance(error, _OUR_WORDS):
            secrecy = None
        return self._exception(secrecy, error, self._about_end(), "the exception of the flow")

    def _about_end(self) -> bytes:
        return f"end of {self.run}".encode()

    def _exception(self, secrecy: Secrecy | None, error: BaseException, about: bytes, name: str) -> bytes:
        if secrecy is not None:
            self._failures.update(map(type, _chain(error)))
        elif not self._failures or self._failures.isdisjoint(map(type, _chain(error))):
            return encode(error, name=name).data
        sealed = self._own_vault().seal(encode_secret(error, name), about, kind=type(error).__qualname__)
        return encode(sealed).data

    def value(self, journal: Journal, past: Past, call: Call[..., Any] | None) -> Any:
        """The result or the exception of a recorded call, or of a reading without `call`.

        Raises `JournalError` where it cannot be read here, and `SecretKeyError` where that is for want of the
        key. (For readings it is what `decode` raises.)
        """
        found = self._opened(journal, past, call, past.value, failed=past.state is PastState.RAISED)
        if isinstance(found, Items):
            raise no_stream(self.run, past)
        return found

    def items(self, journal: Journal, past: Past, call: Call[..., Any]) -> tuple[Items, BaseException | None]:
        """What is recorded of a stream, and what it failed with after that. Raises as `value` does."""
        last = past.last
        if isinstance(last, StreamReceived):
            items: list[Any] = []
            for event in past.received:
                if isinstance(event, StreamReceived):
                    items[event.first :] = self._opened(journal, past, call, event.items, failed=False)
                elif event.result is not None:
                    items = self._opened(journal, past, call, event.result, failed=False).items
            return Items(items, left=True), None
        if isinstance(last, CallSettled):  # what a person has given for it
            return Items(list(self._opened(journal, past, call, past.value, failed=False))), None
        assert isinstance(last, CallFinished)
        error = found = None
        if last.error is not None:
            error = self._opened(journal, past, call, last.error, failed=True)
            if isinstance(error, RecordedError):
                raise unreadable(self.run, call, error)  # no handler would know it
        if last.result is not None:
            found = self._opened(journal, past, call, last.result, failed=False)
            if not isinstance(found, Items):
                raise no_items(self.run, past)
        return Items([]) if found is None else found, error

    def _opened(
        self, journal: Journal, past: Past, call: Call[..., Any] | None, value: Value, *, failed: bool
    ) -> Any:
        """A recorded value of a call."""
        pickle = call is not None and call.pickle and not failed
        try:
            found = value_of(journal, value, pickle=pickle)
            if not isinstance(found, Sealed):
                return found
            about = about_call(past.call, past.digest, failed=failed)
            found = decode(self._vault_of(found.key).open(found, about), pickle=pickle)
        except (CorruptValue, NotDecodable) as error:
            if call is None:
                raise
            raise unreadable(self.run, call, error) from None
        if failed:
            self._failures.update(map(type, _chain(found)))
        return found

    def failed_for_now(self, journal: Journal, call: Call[..., Any], past: Past) -> bool:
        """Whether a run was stopped between this failure of a call and the next attempt."""
        if past.state is not PastState.RAISED or past.attempt > call.retries:
            return False
        return isinstance(self.value(journal, past, call), call.retry_on)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that is recorded with it."""
    todo: list[Any] = [error]
    seen: set[int] = set()
    while todo:
        found = todo.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, (list, tuple, set, frozenset)):
            todo += cast("Collection[Any]", found)
        elif isinstance(found, dict):
            todo += cast("dict[Any, Any]", found).values()
        elif isinstance(found, BaseException):
            yield found
            # the exceptions of a group are among its arguments
            todo += (found.__cause__, found.__context__, found.args, found.__dict__)
