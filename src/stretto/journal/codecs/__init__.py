"""Values to bytes and back, by type, without running code that the bytes choose.

`encode` and `decode` are for values; `digest` tells whether a call is made with the same arguments again, and
`encode_call` does both for the arguments of a call; `split` and `join` keep large pieces
apart, `Redacted` and `Sealed` stand for what must not be told, and `codec` says how a class of the user's own
is recorded. The format is written down in `wire`."""

from __future__ import annotations

from .blobs import Parts, blob_name, join, references, split
from .decode import decode
from .digest import Digest, digest
from .encode import Encoded, encode, encode_call
from .exceptions import Unrecorded
from .redaction import Redacted, Sealed, Untold
from .registry import codec

__all__ = [
    "Digest",
    "Encoded",
    "Parts",
    "Redacted",
    "Sealed",
    "Unrecorded",
    "Untold",
    "blob_name",
    "codec",
    "decode",
    "digest",
    "encode",
    "encode_call",
    "join",
    "references",
    "split",
]
