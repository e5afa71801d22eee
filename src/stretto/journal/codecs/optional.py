"""NumPy arrays and scalars, and Arrow tables: what is needed of them when the first such value is met.

None of the libraries is imported by this module before a value of theirs is at hand, or is to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from ...errors import CorruptValue, NotDecodable
from .extensions import Extension
from .objects import Unfit

__all__ = ["generic", "load", "numbered"]

ARRAY, SCALAR, DTYPE, TABLE, BATCH = 40, 41, 42, 43, 44
_LIBRARIES = {ARRAY: "numpy", SCALAR: "numpy", DTYPE: "numpy", TABLE: "pyarrow", BATCH: "pyarrow"}
_loaded: dict[str, list[Extension]] = {}


def load(library: str) -> list[Extension]:
    """The codecs for values of a library. Imports it, which costs nothing where such a value is at hand."""
    found = _loaded.get(library)
    if found is None:
        make = {"numpy": _numpy, "pyarrow": _arrow}.get(library)
        found = _loaded[library] = [] if make is None else make(import_module(library))
    return found


def generic(cls: type[Any]) -> Extension | None:
    """The codec for the many classes of NumPy's scalars."""
    if cls.__module__.partition(".")[0] != "numpy":
        return None
    numpy: Any = import_module("numpy")
    if issubclass(cls, numpy.generic) and cls not in (numpy.object_,) and cls.__module__ == "numpy":
        return next(extension for extension in load("numpy") if extension.number == SCALAR)
    if issubclass(cls, numpy.dtype):
        return next(extension for extension in load("numpy") if extension.number == DTYPE)
    return None


def numbered(number: int) -> Extension:
    """The codec of that number."""
    library = _LIBRARIES.get(number)
    if library is None:
        raise CorruptValue(f"a recorded value is of the built-in codec {number}, which is not known")
    try:
        extensions = load(library)
    except ImportError as error:
        raise NotDecodable(
            f"a value of {library} was recorded, and {library} is not installed: {error}"
        ) from None
    return next(extension for extension in extensions if extension.number == number)


def _numpy(numpy: Any) -> list[Extension]:
    def describe(dtype: Any) -> Any:
        """A dtype in plain words."""
        if dtype.hasobject or dtype.char == "T" or type(dtype).__module__ not in ("numpy", "numpy.dtypes"):
            raise Unfit(f"its dtype {dtype} holds objects: use numbers, dates or strings of fixed width")
        if dtype.subdtype is not None:
            base, shape = dtype.subdtype
            return [describe(base), list(shape)]
        if dtype.fields is None:
            return dtype.str
        fields: list[Any] = []
        for name in dtype.names:
            inner, offset, *title = dtype.fields[name]
            fields.append([name, describe(inner), offset, *title])
        return {"fields": fields, "size": dtype.itemsize, "aligned": dtype.isalignedstruct}

    def restore(said: Any) -> Any:
        """The dtype of which `describe` spoke."""
        if isinstance(said, str):
            dtype = numpy.dtype(said)
            if dtype.str != said or dtype.hasobject or dtype.fields is not None:
                raise CorruptValue(f"{said!r:.80} is no dtype of an array that was recorded")
            return dtype
        if isinstance(said, list):
            base, shape = cast("list[Any]", said)
            return numpy.dtype((restore(base), tuple(shape)))
        fields = said["fields"]
        spec = {
            "names": [name for name, *_ in fields],
            "formats": [restore(inner) for _, inner, *_ in fields],
            "offsets": [offset for _, _, offset, *_ in fields],
            "itemsize": said["size"],
        }
        if any(len(field) > 3 for field in fields):
            spec["titles"] = [field[3] if len(field) > 3 else None for field in fields]
        return numpy.dtype(spec, align=said["aligned"])

    def clean(array: Any) -> Any:
        """The array, with zeros in the holes between fields: what is in there is no concern of a journal."""
        if array.dtype.names is None:
            return array
        made = numpy.zeros_like(array)
        copy(array, made)
        return made

    def copy(array: Any, made: Any) -> None:
        for name in array.dtype.names:
            if array[name].dtype.names is None:
                made[name] = array[name]
            else:
                copy(array[name], made[name])

    def array_items(array: Any) -> list[Any]:
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        how = order if array.flags.writeable else order + "r"
        return [describe(array.dtype), how, clean(array).tobytes(order), *array.shape]

    def array(said: Any, how: str, raw: bytes, *shape: int) -> Any:
        dtype = restore(said)
        cells = 1
        for n in shape:
            cells *= n
        if cells * dtype.itemsize != len(raw):
            raise CorruptValue("an array has another size than its shape tells")
        made = (
            numpy.ndarray(shape, dtype, bytearray(raw), order=how[0])
            if raw
            else numpy.empty(shape, dtype, how[0])
        )
        if how[1:] == "r":
            made.flags.writeable = False
        return made

    def dtype_items(dtype: Any) -> list[Any]:
        return [describe(dtype)]

    def meaning(values: Any) -> Any:
        """The bytes of an array that mean something: structures and long doubles have holes."""
        dtype = values.dtype
        if dtype.names is not None:
            return [meaning(values[name]) for name in dtype.names]
        if dtype.char in "gG":
            return [repr(value) for value in values.ravel()]
        return values.tobytes()

    def array_meaning(values: Any) -> list[Any]:
        return [describe(values.dtype), meaning(values), *values.shape]

    def scalar_items(value: Any) -> list[Any]:
        if isinstance(value, (numpy.str_, numpy.bytes_)):  # an array of one would cut off zeros at the end
            return [describe(value.dtype), str(value) if isinstance(value, numpy.str_) else bytes(value)]
        return [describe(value.dtype), clean(numpy.asarray(value)).tobytes()]

    def scalar(said: Any, raw: Any) -> Any:
        dtype = restore(said)
        if dtype.kind == "U":
            return numpy.str_(raw)
        if dtype.kind == "S":
            return numpy.bytes_(raw)
        if len(raw) != dtype.itemsize:
            raise CorruptValue("a scalar has another size than its type tells")
        if not raw:
            return numpy.empty((), dtype)[()]
        return numpy.frombuffer(bytearray(raw), dtype, 1)[0]

    def scalar_meaning(value: Any) -> list[Any]:
        if isinstance(value, (numpy.str_, numpy.bytes_)):
            return scalar_items(value)
        return array_meaning(numpy.asarray(value))

    return [
        Extension(ARRAY, numpy.ndarray, array_items, array, shared=True, canonical=array_meaning),
        Extension(SCALAR, numpy.generic, scalar_items, scalar, canonical=scalar_meaning),
        Extension(DTYPE, numpy.dtype, dtype_items, restore),
    ]


def _arrow(arrow: ModuleType) -> list[Extension]:
    ipc: Any = import_module("pyarrow.ipc")
    pa: Any = arrow

    def written(value: Any) -> bytes:
        sink = pa.BufferOutputStream()
        with ipc.new_stream(sink, value.schema) as writer:
            writer.write(value)
        raw: bytes = sink.getvalue().to_pybytes()
        return raw

    def items(value: Any) -> list[Any]:
        raw = written(value)
        return [blake2b(raw, digest_size=8).digest(), raw]

    def reader(read: Callable[[Any], Any]) -> Callable[[bytes, bytes], Any]:
        def build(mark: bytes, raw: bytes) -> Any:
            # The reader of Arrow trusts offsets within the bytes: damaged ones must not get so far.
            if blake2b(raw, digest_size=8).digest() != mark:
                raise CorruptValue("the bytes of an Arrow table are damaged")
            value = read(ipc.open_stream(raw))
            value.validate(full=True)
            return value

        return build

    def table_meaning(table: Any) -> list[Any]:
        return [written(table.combine_chunks())]

    def batch_meaning(batch: Any) -> list[Any]:
        return [written(batch)]

    def one(stream: Any) -> Any:
        return stream.read_next_batch()

    def whole(stream: Any) -> Any:
        return stream.read_all()

    return [
        Extension(TABLE, pa.Table, items, reader(whole), canonical=table_meaning),
        Extension(BATCH, pa.RecordBatch, items, reader(one), canonical=batch_meaning),
    ]
