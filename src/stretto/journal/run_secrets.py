"""Which values of a run may tell a secret, and are sealed for that."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, cast

from ..errors import Cancelled, InDoubt, Orphaned
from ..secrecy import Secrecy
from .codecs import Sealed, decode, encode
from .history import Past, PastState
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

    def digest(self, call: Call[..., Any], place: str, digest: bytes, past: Past | None) -> bytes:
        """What stands in the journal for arguments of that digest: as it was recorded, or as it will be.

        Raises `SecretKeyError` where it cannot be told whether it is what was recorded.
        """
        if past is not None:
            # it does not matter whether the call is declared secret now, or was then
            key = key_of(past.digest)
            found = digest if key is None else self._vault_of(key).mark(place, digest)
            if found == past.digest:
                return found
        return digest if call.secret is None else self._own_vault().mark(place, digest)

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

    def opened(self, past: Past, value: Any, *, pickle: bool) -> Any:
        """A recorded result or exception, decoded; one that was sealed is opened.

        Raises `SecretKeyError` where the key for it is not here.
        """
        if not isinstance(value, Sealed):
            return value
        failed = past.state is PastState.RAISED
        about = about_call(past.call, past.digest, failed=failed)
        found = decode(self._vault_of(value.key).open(value, about), pickle=pickle)
        if failed:
            self._failures.update(map(type, _chain(found)))
        return found


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
