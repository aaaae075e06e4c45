"""Arrays and JSON from files that nobody vouches for.

Nothing that a file declares makes the reader take more memory than a small multiple of the file's own size, and whatever is wrong
with a file is a ValueError or an OSError that names it. Nothing in a file is run: there are no pickles.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Collection
from typing import Any, BinaryIO

import numpy as np

# Bytes of all arrays, in sizes of the file. Float32 weights compress by a tenth; what expands a thousandfold is a bomb.
MAX_RATIO = 2
# Bytes of a zip's list of files, each of which takes about ten times its entry: 10,000 arrays.
MAX_DIRECTORY = 2**20
# Kinds of numbers, and text. Dates, records and objects are none.
KINDS = "biufU"
# Characters of JSON, each of which may take several bytes once it is read.
MAX_JSON = 2**20
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# Bytes of an array's header, which NumPy pads to 128.
MAX_HEADER = 1024
BLOCK = 2**17


def read_arrays(path: str | os.PathLike, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file.

    Args:
      path: the file.
      names: the arrays to read; others are left out. Defaults to all.

    Returns:
      Name -> array, which owns its memory.

    Raises:
      OSError: if the file cannot be read; the message names it.
      ValueError: if it is damaged, is something else, or declares arrays that are larger than twice the file; the message names it.

    Example:
      >>> import os, tempfile
      >>> import numpy as np
      >>> from samplevis.runtime.untrusted import read_arrays
      >>> path = os.path.join(tempfile.mkdtemp(), "weights.npz")
      >>> np.savez(path, kernel=np.eye(2))
      >>> read_arrays(path)["kernel"].shape
      (2, 2)
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        try:
            return arrays_in(file, names)
        except OSError as error:
            raise OSError(error.errno, f"cannot read {path!r}: {error.strerror or error}") from error
        except (
            Exception
        ) as error:  # Readers raise many kinds for a bad file, RecursionError and MemoryError among them.
            raise ValueError(
                f"{path!r} is damaged or not an .npz file of arrays: {error or type(error).__name__}"
            ) from error


def read_array(path: str | os.PathLike) -> np.ndarray:
    """Reads the array of an .npy file.

    Args:
      path: the file.

    Returns:
      The array, which owns its memory.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged, or is something else; the message names it.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    try:
        return _array(data)
    except Exception as error:
        raise ValueError(
            f"{path!r} is damaged or not an .npy file of an array: {error or type(error).__name__}"
        ) from error


def arrays_in(file: BinaryIO, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """As `read_arrays`, from an open file, with errors of any kind that do not name it."""
    check_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) < len(members):
            raise ValueError("it has two arrays of one name")
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise ValueError("it is compressed by a method that NumPy does not use")
        budget = MAX_RATIO * _size(file)
        declared = sum(member.file_size for member in members)
        if declared > budget:
            raise ValueError(
                f"it declares {declared:,} bytes, and has {budget // MAX_RATIO:,}: arrays may take {MAX_RATIO} times as much. "
                "If they are your own, save them uncompressed, with numpy.savez"
            )
        wanted = {member.filename.removesuffix(".npy"): member for member in members}
        return {name: _member(archive, wanted[name]) for name in wanted if names is None or name in names}


def check_directory(file: BinaryIO) -> None:
    """Raises ValueError for a zip whose list of files is long beyond reason, before anything reads that list."""
    size = _size(file)
    start = max(0, size - 2**16 - 42)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        raise ValueError("it is not a zip file, or is cut short")
    large = tail[place - 20 : place - 16] == b"PK\x06\x07"
    if int.from_bytes(tail[place + 12 : place + 16], "little") > MAX_DIRECTORY or (
        large and size < zipfile.ZIP64_LIMIT
    ):
        raise ValueError("its list of files is too long")


def read_json(path: str | os.PathLike) -> Any:
    """Reads a file of JSON.

    Args:
      path: the file.

    Returns:
      What it holds.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is not JSON, is nested too deeply or has more than a million characters; the message names the file.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        # A read of more would set that much aside.
        content = file.read(min(os.path.getsize(path), 4 * MAX_JSON + 1))
    try:
        return parse_json(content.decode())
    except ValueError as error:
        raise ValueError(f"{path!r} is damaged or not JSON: {error}") from error


def parse_json(text: str) -> Any:
    """What a text of JSON holds; raises ValueError for anything that cannot be read, however deeply it is nested."""
    if len(text) > MAX_JSON:
        raise ValueError(f"it has more than {MAX_JSON:,} characters")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """An array in a zip."""
    try:
        return _array(_bytes(archive, member))
    except ValueError as error:
        raise ValueError(f"{member.filename!r}: {error}") from error


def _array(data: bytearray) -> np.ndarray:
    """The array of an .npy file, in the memory that its bytes are in."""
    stream = io.BytesIO(data[: 2 * MAX_HEADER])
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"it is an array of version {version}")
    shape, is_fortran, dtype = HEADERS[version](stream, max_header_size=MAX_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, whose pickles can run code")
    if dtype.kind not in KINDS or not dtype.isnative or dtype.itemsize == 0:
        raise ValueError(f"it holds {dtype.str[:40]}, and neither numbers of this machine nor text")
    count = 1
    for side in shape:
        count *= side
    if len(data) - stream.tell() != count * dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError(f"it declares the shape {shape}, which does not fit its {len(data):,} bytes")
    values = np.frombuffer(data, dtype, count, stream.tell()) if count else np.empty(0, dtype)
    return values.reshape(shape, order="F" if is_fortran else "C")


def _bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    """The bytes of a file in a zip; zipfile checks them at the end."""
    data, done = bytearray(member.file_size), 0
    with archive.open(member) as file:
        while block := file.read(BLOCK):
            data[done : done + len(block)] = block
            done += len(block)
    if done != member.file_size:
        raise ValueError("it is cut short")
    return data


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)
