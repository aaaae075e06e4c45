"""State dicts from PyTorch's own files, .pt and .pth, without PyTorch and without running code.

Both formats hold a pickle that describes each tensor as a view of a storage, and the storages as raw numbers. The pickle is
interpreted (`samplevis.modelzoo.pickles`): it can make dictionaries, tensors and storages, and any other name in it is refused. No
number in the file makes the reader allocate more than a small multiple of the file's size.

Source of the formats: torch/serialization.py and torch/_utils.py of PyTorch 2.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samplevis.modelzoo.pickles import dictionary, read_pickle

#: What `torch.save` of PyTorch < 1.6 begins with: a pickle of this number, and another of this version.
MAGIC_NUMBER, PROTOCOL_VERSION = 0x1950A86A20F9469CFC6C, 1001
ZIP_MAGIC = b"PK\x03\x04"
#: Dimensions of a tensor.
MAX_DIMENSIONS = 32
#: The numbers in each kind of storage.
DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True, eq=False)
class Storage:
    """A flat array in the file.

    Attributes:
      key: its name in the file.
      dtype: of its numbers.
      size: how many numbers it has.
    """

    key: str
    dtype: np.dtype
    size: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage, in numbers (not bytes): element [i, j] is number `offset + i * stride[0] + j * stride[1]`.

    Attributes:
      storage: the storage.
      offset: number of the first element.
      shape: size of each dimension.
      stride: step of each dimension.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Reads a state dict that `torch.save` wrote, in the format of PyTorch >= 1.6 (a zip) or the one before.

    A checkpoint with the state dict under "state_dict" is read, too. Arrays are read-only, and share memory if the tensors did.

    Args:
      path: the file.

    Returns:
      Arrays by name.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is neither format, is damaged, or holds anything but a state dict.

    Example:
      >>> arrays = read_torch_file(Path("resnet18-f37072fd.pth"))
      >>> arrays["conv1.weight"].shape
      (64, 3, 7, 7)
    """
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    storages: dict[str, Storage] = {}
    if is_zip:
        try:
            value, numbers = _read_zip(path, storages)
        except OSError as error:
            # The directory points to a place before the file's beginning.
            raise ValueError(f"it is damaged: {error}") from error
    else:
        value, numbers = _read_legacy(path.read_bytes(), storages)
    if type(value) is dict and type(value.get("state_dict")) is dict:
        value = value["state_dict"]
    if type(value) is not dict:
        raise ValueError(f"expected a state dict, found an object of type {type(value).__name__}")
    for name, tensor in value.items():
        if type(name) is not str or type(tensor) is not Tensor:
            raise ValueError(f"expected a state dict, but {str(name)[:200]!r} is of type {type(tensor).__name__}")
    return {name: _view(name, tensor, numbers[tensor.storage.key]) for name, tensor in value.items()}


def _read_legacy(data: bytes, storages: dict[str, Storage]) -> tuple[Any, dict[str, np.ndarray]]:
    """The unpickled object and the numbers of each storage, from the format before PyTorch 1.6."""
    stream = io.BytesIO(data)
    for expected in (MAGIC_NUMBER, PROTOCOL_VERSION):
        found = _read_object(stream, {})
        if type(found) is not int or found != expected:
            raise ValueError("it is not a file of PyTorch's")
    system = _read_object(stream, {})
    if type(system) is not dict or system.get("little_endian") is not True:
        raise ValueError("expected little-endian numbers")
    value = _read_object(stream, storages)
    keys = _read_object(stream, {})
    if type(keys) is not list or any(type(key) is not str for key in keys) or sorted(keys) != sorted(storages):
        raise ValueError("its list of storages is not that of its tensors")
    numbers, start = {}, stream.tell()
    for key in keys:
        storage, start = storages[key], start + 8
        stop = start + storage.size * storage.dtype.itemsize
        if stop > len(data) or struct.unpack_from("<q", data, start - 8)[0] != storage.size:
            raise ValueError(f"storage {key} is cut short, or not of the size that its tensors ask for")
        numbers[key] = np.frombuffer(data, storage.dtype, storage.size, start)
        start = stop
    return value, numbers


def _read_zip(path: Path, storages: dict[str, Storage]) -> tuple[Any, dict[str, np.ndarray]]:
    """The unpickled object and the numbers of each storage, from the format since PyTorch 1.6."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        parts = [re.split(r"[/\\]", name) for name in names]
        if len(set(names)) < len(names) or any(not part[0] or ".." in part for part in parts):
            raise ValueError("it has two files of one name, or one whose name leads out of it")
        pickles = [name for name in names if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise ValueError("it is not a file of PyTorch's: expected one data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        members = _Members(archive, path.stat().st_size)
        if f"{folder}byteorder" in names and members.read(f"{folder}byteorder") != b"little":
            raise ValueError("expected little-endian numbers")
        value = _read_object(io.BytesIO(members.read(pickles[0])), storages)
        numbers = {}
        for key, storage in storages.items():
            data = members.read(f"{folder}data/{key}", storage.size * storage.dtype.itemsize)
            numbers[key] = np.frombuffer(data, storage.dtype)
    return value, numbers


class _Members:
    """Reads the files in a zip, in all no more than the zip's own size.

    Args:
      archive: the zip.
      budget: its size in bytes.
    """

    def __init__(self, archive: zipfile.ZipFile, budget: int):
        self._archive, self._budget = archive, budget

    def read(self, name: str, size: int | None = None) -> bytes:
        """The bytes of a file; ValueError if it is missing, compressed, or not of the expected size."""
        if name not in self._archive.NameToInfo:
            raise ValueError(f"it has no {name!r}")
        info = self._archive.getinfo(name)
        # PyTorch compresses nothing: what is compressed may be a bomb.
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ValueError(f"{name!r} is compressed")
        if size is not None and info.file_size != size:
            raise ValueError(f"{name!r} has {info.file_size} bytes, but its tensors ask for {size}")
        self._budget -= info.file_size
        if self._budget < 0:
            raise ValueError("its files overlap: together they are larger than it is")
        return self._archive.read(info)


def _read_object(stream: io.BytesIO, storages: dict[str, Storage]) -> Any:
    """One pickle; the storages that it names are added to `storages`."""

    def storage(identifier: Any) -> Storage:
        found = _storage(identifier)
        known = storages.setdefault(found.key, found)
        if (known.dtype, known.size) != (found.dtype, found.size):
            raise ValueError(f"storage {found.key} has two sizes or types")
        return known

    return read_pickle(stream, NAMES, storage)


def _storage(identifier: Any) -> Storage:
    """A storage from PyTorch's persistent id: ("storage", type, key, device, size), and None in the old format."""
    if type(identifier) is not tuple or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise ValueError("expected a storage, and found another persistent id")
    _, dtype, key, _, size, *view = identifier
    if not isinstance(dtype, np.dtype):
        raise ValueError("a storage has a type that is none")
    if view and view[0] is not None:
        raise ValueError("a storage is a view of another, as before PyTorch 0.4; save the file again with a newer one")
    if type(key) is not str or not re.fullmatch(r"\w{1,64}", key, re.ASCII):
        raise ValueError("a storage has a key that is no number")
    if type(size) is not int or size < 0:
        raise ValueError(f"storage {key} has a size that is no number of elements")
    return Storage(key, dtype, size)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
    """A tensor from the arguments of `torch._utils._rebuild_tensor`; whether it needs a gradient, and hooks, are ignored."""
    if type(storage) is not Storage or type(shape) is not tuple or type(stride) is not tuple:
        raise ValueError("a tensor is not made of a storage, an offset, sizes and strides")
    if len(shape) != len(stride) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"a tensor has {len(shape)} sizes and {len(stride)} strides; at most {MAX_DIMENSIONS} of each")
    if any(type(number) is not int or number < 0 for number in (offset, *shape, *stride)):
        raise ValueError("a tensor has an offset, size or stride that is negative or no whole number")
    return Tensor(storage, offset, shape, stride)


def _parameter(data: Any, *_: Any) -> Tensor:
    """The tensor of a `torch.nn.Parameter`."""
    if type(data) is not Tensor:
        raise ValueError("a parameter is not made of a tensor")
    return data


def _view(name: str, tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    """A tensor as a view of its storage's numbers, which it must not leave, nor repeat to more than there are."""
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    if count > numbers.size or count and last >= numbers.size:
        raise ValueError(f"{name[:200]!r} reaches out of its storage of {numbers.size} numbers")
    if not count:
        return np.zeros(tensor.shape, numbers.dtype)
    strides = [step * numbers.itemsize for step in tensor.stride]
    # Of a dimension of size 1 the stride does not count, and may be too large for a C integer.
    strides = [step if n > 1 else 0 for n, step in zip(tensor.shape, strides, strict=True)]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides, writeable=False)


#: The names that a pickle may use, and what they stand for here.
NAMES: dict[str, Any] = {
    "collections OrderedDict": dictionary,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
    "torch.nn.parameter Parameter": _parameter,
    **{f"torch {kind}": dtype for kind, dtype in DTYPES.items()},
}
