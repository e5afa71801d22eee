"""Secrets of a run: what its journal holds of them, and what it takes to read that.

A journal is copied, exported and looked at; so what is declared ``secret=`` is in it in three ways only.

- The arguments of a call are needed to tell whether it is the same call again, and for nothing else. They are
  left out, and their digest is marked: hashed once more under the key. Without the key, a mark tells nothing,
  not even to one who tries every number of four digits. The place of the call goes into it, so that equal
  secrets do not look equal in two places, unless an edit could make one of these the other.
- What a resumed run needs itself (a flow's arguments, results and exceptions of calls) is sealed: encrypted
  under the key with AES-GCM, together with what it is the value of, so that it opens nowhere else.
- An exception that may hold one is sealed, wherever it is recorded.

The key is the user's, and lies outside of all journals: 32 random bytes, in ``STRETTO_SECRET_KEY`` or in a
file that only the user may read. Each mark begins with the fingerprint of its key, so that a process with
another key knows that it cannot tell, and does not take a recorded call for one that was never made.
"""

from __future__ import annotations

import os
import secrets as random
import stat
import sys
import threading
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JournalCorrupt, NotRecordable, SecretKeyError
from ..secrecy import Secrecy
from .codecs import Redacted, Sealed, decode, encode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = [
    "VARIABLE",
    "Vault",
    "about_call",
    "check_key",
    "encode_arguments",
    "encode_secret",
    "key_file",
    "key_of",
    "masked",
    "opened_arguments",
    "ready",
    "settled_result",
    "vault",
    "vault_of",
]

VARIABLE = "STRETTO_SECRET_KEY"
_SIZE, _NONCE, _FINGERPRINT, _MARK = 32, 12, 8, 16

_lock = threading.Lock()
#: By the key, so that the environment may change, as it does in tests.
_vaults: dict[bytes, Vault] = {}


class Vault:
    """Marks, seals and opens with one key.

    Attributes:
        fingerprint: 8 bytes that tell the key from others, and tell nothing else of it.
    """

    def __init__(self, key: bytes, cipher: type[AESGCM]) -> None:
        self.fingerprint = blake2b(key, person=b"stretto id", digest_size=_FINGERPRINT).digest()
        self._marking = blake2b(key, person=b"stretto mark", digest_size=_SIZE).digest()
        self._cipher = cipher(blake2b(key, person=b"stretto seal", digest_size=_SIZE).digest())

    def mark(self, place: str, digest: bytes) -> bytes:
        """What is recorded for the digest of the arguments of a call.

        Args:
            place: where the call is, as far as an edit that moves it leaves that the same.
            digest: the digest itself.
        """
        told = place.encode() + b"\0" + digest
        return self.fingerprint + blake2b(told, key=self._marking, digest_size=_MARK).digest()

    def seal(self, data: bytes, about: bytes, *, kind: str = "") -> Sealed:
        """An encoded value, sealed.

        Args:
            data: the value, encoded.
            about: what it is the value of; it opens for the same only.
            kind: the class of an exception, which is told.
        """
        nonce = os.urandom(_NONCE)  # random ones of 96 bits do for 2**32 values under one key
        return Sealed(nonce + self._cipher.encrypt(nonce, data, about), self.fingerprint, kind)

    def open(self, sealed: Sealed, about: bytes) -> bytes:
        """What was sealed. Raises `JournalCorrupt` where it was not sealed so."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed.data[:_NONCE], sealed.data[_NONCE:], about)
        except (InvalidTag, ValueError):
            raise JournalCorrupt(
                "a secret in the journal is not what was sealed there: it is damaged, or was put there from "
                f"elsewhere ({about.decode(errors='replace')!r:.100})"
            ) from None


# -- the key ------------------------------------------------------------------------------------------


def key_file() -> Path:
    """Where this user's key is kept."""
    try:
        home = Path.home()
    except RuntimeError as error:
        raise SecretKeyError(
            f"there is no home directory for the key of secrets ({error}): {_MAKE}"
        ) from None
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return folder / "stretto" / "secret.key"


_MAKE = (
    f"set {VARIABLE} to a key of 64 hexadecimal digits "
    '(python -c "import secrets; print(secrets.token_hex(32))" makes one), and keep it'
)


def _of_text(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != _SIZE:  # what it was is not said: it may be a key with a digit too few
        raise SecretKeyError(f"{where} holds no key for secrets: expected {2 * _SIZE} hexadecimal digits")
    return key


def _from_file(file: Path) -> bytes | None:
    try:
        with file.open(encoding="ascii") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(1000)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(f"the key for secrets cannot be read from {file}: {error}") from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretKeyError(
            f"{file} holds the key for secrets, and others may read it (mode {stat.S_IMODE(mode):04o}); "
            f"keep it to yourself: chmod 600 {file}"
        )
    return _of_text(text, str(file))


def _make(file: Path) -> bytes:
    """A new key, in a file that is there whole or not at all; or that of another process which was first."""
    part = file.with_name(f"{file.name}.{os.getpid()}.{random.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "w", encoding="ascii") as opened:
                opened.write(random.token_hex(_SIZE) + "\n")
                opened.flush()
                os.fsync(opened.fileno())  # a key that is lost takes the runs with it
            os.link(part, file)  # fails if there is one
        except FileExistsError:
            pass
        finally:
            part.unlink()
    except OSError as error:
        raise SecretKeyError(f"no key for secrets can be made at {file}: {error}; or {_MAKE}") from None
    key = _from_file(file)
    if key is None:
        raise SecretKeyError(f"the key for secrets at {file} was removed as soon as it was made: {_MAKE}")
    return key


def _found() -> tuple[bytes | None, str]:
    """The key that there is, and where it is, or would be."""
    variable = os.environ.get(VARIABLE)
    if variable is not None:
        where = f"the environment variable {VARIABLE}"
        return _of_text(variable, where), where
    file = key_file()
    return _from_file(file), str(file)


def _cipher() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise SecretKeyError(
            "something in this program is declared secret=, and a run that is recorded encrypts it with the "
            "library `cryptography`, which is not installed: pip install stretto[secrets]"
        ) from None
    return AESGCM


def _vault(key: bytes) -> Vault:
    with _lock:
        made = _vaults.get(key)
        if made is None:
            made = _vaults[key] = Vault(key, _cipher())
        return made


def vault() -> Vault:
    """That of this user's key, which is made if there is none.

    Raises `SecretKeyError` where there can be none, or the library is not installed.
    """
    _cipher()  # before a key is made for nothing
    key, _ = _found()
    return _vault(_make(key_file()) if key is None else key)


def vault_of(fingerprint: bytes, run: str) -> Vault:
    """The one that a recorded run takes; no key is made for it.

    Raises `SecretKeyError` where the key here is another one, or there is none.
    """
    _cipher()
    key, where = _found()
    found = None if key is None else _vault(key)
    if found is not None and found.fingerprint == fingerprint:
        return found
    here = f"there is none here ({where})" if found is None else (
        f"the one here, {where}, is another one (fingerprint {found.fingerprint.hex()})"
    )  # fmt: skip
    raise SecretKeyError(
        f"the run {run} has recorded secrets, and to go on with it takes the key with which they were kept "
        f"(fingerprint {fingerprint.hex()}); {here}. Set {VARIABLE} to that key, or copy the file secret.key "
        f"of the user and machine that began the run to {key_file()}. Nothing that was recorded has run again"
    )


def ready() -> None:
    """Before a run begins: whether it could record what this program declares secret.

    Raises `SecretKeyError`, now and not in the midst of the run.
    """
    if Secrecy.declared:
        vault()


# -- calls --------------------------------------------------------------------------------------------


def key_of(digest: bytes) -> bytes | None:
    """The fingerprint of the key under which the recorded digest of a call is marked; None if it is not: then
    nothing of the call was secret."""
    return digest[:_FINGERPRINT] if len(digest) == _FINGERPRINT + _MARK else None


def check_key(run: str, digests: Iterable[bytes]) -> None:
    """Before a run goes on that has recorded calls of these digests: `SecretKeyError` if their key is not
    here."""
    for fingerprint in set(map(key_of, digests)):
        if fingerprint is not None:
            vault_of(fingerprint, run)


def masked(
    secrecy: Secrecy | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Arguments for people to see."""
    return (args, kwargs) if secrecy is None else secrecy.masked(args, kwargs, lambda _: Redacted())


def about_call(call: str, digest: bytes, *, failed: bool) -> bytes:
    """What the result or the exception of a recorded call is sealed for."""
    return f"{'exception' if failed else 'result'} of {call} {digest.hex()}".encode()


def settled_result(run: str, call: str, recorded: bytes, digest: bytes, data: bytes) -> bytes:
    """An encoded value that a person gives as the result of a recorded call: sealed, if the call has secrets.

    (The journal does not tell whether the result is one of them. If it is not, sealing it does no harm.)

    Args:
        recorded: what is recorded as the digest of its arguments.
        digest: what is to be recorded beside the value.
    """
    fingerprint = key_of(recorded)
    if fingerprint is None:
        return data
    sealed = vault_of(fingerprint, run).seal(data, about_call(call, digest, failed=False))
    return encode(sealed).data


def encode_secret(value: Any, name: str, *, pickle: bool = False) -> bytes:
    """As `encode`; but a `NotRecordable` does not tell what is in the value."""
    try:
        return encode(value, pickle=pickle, name=name).data
    except NotRecordable:
        pass
    # not from within the handler: what was caught would hang on it, and that holds the value
    raise NotRecordable(name, "something in it cannot be recorded", "it is secret, so no more is said")


# -- flows --------------------------------------------------------------------------------------------


def encode_arguments(
    secrecy: Secrecy | None, flow: str, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], file: str
) -> bytes:
    """What is recorded of the arguments of a flow: they, and the file that it is in.

    With secrets among them, these are left out, and all of it once more is sealed beside: together, since two
    arguments may be one object.

    Args:
        flow: the flow, as the journal names it.
        name: what messages call it.
    """
    told = f"the arguments of {name}"
    if secrecy is None:
        return encode((args, dict(kwargs), file), name=told).data
    shown = (*masked(secrecy, args, kwargs), file)
    encode(shown, name=told)  # what is wrong in there may be said
    whole = encode_secret((args, dict(kwargs)), told)
    return encode((*shown, vault().seal(whole, _about_flow(flow)))).data


def opened_arguments(run: str, flow: str, recorded: Any) -> tuple[tuple[Any, ...], dict[str, Any], str]:
    """The arguments of a flow, and the file that it was in, of what was recorded of them, decoded.

    Raises `SecretKeyError` where they take a key that is not here.
    """
    args, kwargs, file, *sealed = recorded
    for whole in sealed:
        args, kwargs = decode(vault_of(whole.key, run).open(whole, _about_flow(flow)))
    return args, kwargs, file


def _about_flow(flow: str) -> bytes:
    return f"arguments of {flow}".encode()
