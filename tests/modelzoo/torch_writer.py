"""Writes PyTorch's file formats opcode by opcode, so that tests can write what PyTorch would not; and reads them."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from samplevis.modelzoo import checkpoints

MIB = 2**20

KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage", "u1": "ByteStorage"}
Storages = Mapping[str, np.ndarray]
NONE, EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST, FALSE = b"N", b")", b"}", b"]", b"\x89"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_of(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def numbers(values: Sequence[int]) -> bytes:
    return tuple_of(*map(number, values))


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def ordered_dict(**items: bytes) -> bytes:
    pairs = b"".join(text(key) + value for key, value in items.items())
    return glob("collections", "OrderedDict") + EMPTY_TUPLE + b"R(" + pairs + b"u"


def storage(key: str, size: int, kind: str = "FloatStorage", view: bytes = b"") -> bytes:
    return tuple_of(text("storage"), glob("torch", kind), text(key), text("cpu"), number(size), view) + b"Q"


def tensor(of: bytes, shape: Sequence[int], stride: Sequence[int], offset: int = 0) -> bytes:
    rebuild = glob("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, of, number(offset), numbers(shape), numbers(stride), FALSE, ordered_dict())


def array(key: str, values: np.ndarray) -> bytes:
    """A tensor that is the whole of a storage."""
    stride = [step // values.itemsize for step in values.strides]
    return tensor(storage(key, values.size, KINDS[values.dtype.str[1:]]), values.shape, stride)


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def legacy(body: bytes, storages: Storages | None = None, *, header: Sequence[Any] = (), keys: Any = None) -> bytes:
    """A file in the format before PyTorch 1.6; `header` and `keys` replace what PyTorch would write."""
    storages = storages or {}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(value, 2) for value in header or (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [pickled(body), pickle.dumps(list(storages) if keys is None else keys, 2)]
    return b"".join(parts + [struct.pack("<q", a.size) + a.tobytes() for a in storages.values()])


def zipped(
    body: bytes, storages: Storages | None = None, compression: int = zipfile.ZIP_STORED, **extra: bytes
) -> bytes:
    """A file in the format since PyTorch 1.6; `extra` adds or replaces files in its folder."""
    files = {"data.pkl": pickled(body), "byteorder": b"little"}
    files |= {f"data/{key}": a.tobytes() for key, a in (storages or {}).items()} | {"version": b"3\n"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in (files | extra).items():
            archive.writestr(f"weights/{name}", data)
    return buffer.getvalue()


FORMATS = {"legacy": legacy, "zip": zipped}

# A tensor, the storage that it is the whole of, and both in a file.
VALUES = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
STORAGES = {"0": VALUES}
WHOLE = array("0", VALUES)
VIEW = storage("0", 24)


@contextmanager
def bounded_memory(most: float) -> Iterator[None]:
    """Fails if the block allocates more than `most` bytes at a time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def read(path: Path, content: bytes) -> dict[str, np.ndarray]:
    path.write_bytes(content)
    return checkpoints.read_state_dict(path)
