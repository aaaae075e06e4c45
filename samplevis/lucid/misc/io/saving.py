"""Files by their endings. Source: lucid/misc/io/saving.py."""

from __future__ import annotations

import io
import json
import lzma
import os
import pickle
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import IO, Any

import numpy as np
from PIL import Image

from samplevis.lucid.misc.io.scoping import current_io_scopes, set_io_scopes
from samplevis.lucid.misc.io.serialize_array import Domain, _normalize_array
from samplevis.lucid.misc.io.writing import write

__all__ = ["CaptureSaveContext", "ClarityJSONEncoder", "batch_save", "nullcontext", "save"]

# Settings of PIL's formats, which ignores others.
OPTIONS = {"quality", "optimize", "progressive", "subsampling", "compress_level", "lossless", "method", "dpi", "exif"}
_module_thread_locals = threading.local()


class CaptureSaveContext:
    """Collects what `save` returns in a block.

    Attributes:
      captured_saves: what it returned, in order.

    Example:
      >>> with CaptureSaveContext() as context:
      ...     pass
      >>> context.captured_saves
      []
    """

    def __init__(self) -> None:
        self.captured_saves: list[dict[str, Any]] = []

    def __enter__(self) -> CaptureSaveContext:
        _contexts().append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _contexts().pop()

    def capture(self, save_result: dict[str, Any] | None) -> None:
        """Adds a result."""
        if save_result is not None:
            self.captured_saves.append(save_result)

    @classmethod
    def current_save_context(cls) -> CaptureSaveContext | None:
        """The innermost block of this thread."""
        return _contexts()[-1] if _contexts() else None


def _contexts() -> list[CaptureSaveContext]:
    if not hasattr(_module_thread_locals, "save_contexts"):
        _module_thread_locals.save_contexts = []
    return _module_thread_locals.save_contexts


class ClarityJSONEncoder(json.JSONEncoder):
    """JSON of NumPy's values, of sets, and of objects with `to_json`."""

    def default(self, obj: Any) -> Any:
        """What JSON can hold."""
        if isinstance(obj, (tuple, set)):
            return list(obj)
        if isinstance(obj, (np.ndarray, np.generic)):
            return obj.tolist()
        if hasattr(obj, "to_json"):
            return obj.to_json()
        return super().default(obj)


def save(
    thing: Any,
    url_or_handle: Any,
    allow_unsafe_formats: bool = False,
    save_context: CaptureSaveContext | None = None,
    **kwargs: Any,
) -> dict[str, Any] | None:
    """Saves something in the format that the ending says.

    Args:
      thing: an image, array, dictionary or list of arrays, text, GraphDef or what JSON can hold.
      url_or_handle: a path, or an open file that has a name.
      allow_unsafe_formats: whether to write pickles. Defaults to False.
      save_context: what collects the result. Defaults to the innermost `CaptureSaveContext`.
      **kwargs: of images `domain`, the values that become black and white (Lucid's default None stretches from the least to the
        largest value: give (0, 1) for what `show` shows), and arguments of PIL's `save`, such as `quality`; of JSON `indent`.

    Returns:
      {"type": ..., "url": path}, of arrays with "shape" and "dtype", of images with "shape", (width, height, channels). None for
      a pickle.

    Raises:
      RuntimeError: for a name without an ending.
      ValueError: for another ending, unless it is a text.
      TypeError: for a keyword that the format does not have.
    """
    is_handle = hasattr(url_or_handle, "write") and hasattr(url_or_handle, "name")
    name = str(url_or_handle.name) if is_handle else os.fspath(url_or_handle)
    path, ending = os.path.splitext(name)
    compressor = compressors.get(ending)
    ending = os.path.splitext(path)[1] if compressor else ending
    saver = _saver(thing, name, ending, allow_unsafe_formats)
    buffer: Any = io.BytesIO()
    buffer.name = path if compressor else name
    result = saver(thing, buffer, **kwargs)
    data = _packed(buffer.getvalue(), compressor) if compressor else buffer.getvalue()
    if is_handle:
        _write_to(url_or_handle, data)
    else:
        write(data, url_or_handle)
    if result is not None:
        result["url"] = name
    context = save_context or CaptureSaveContext.current_save_context()
    if context is not None:
        context.capture(result)
    return result


def _saver(thing: Any, name: str, ending: str, allow_unsafe_formats: bool) -> Callable[..., dict[str, Any] | None]:
    if not ending:
        raise RuntimeError(f"url_or_handle: expected a name with an ending. Received: {name!r}")
    if ending in savers:
        return savers[ending]
    if ending in unsafe_savers:
        if not allow_unsafe_formats:
            raise ValueError(f"url_or_handle: {ending} is a pickle. To write one: allow_unsafe_formats=True.")
        return unsafe_savers[ending]
    if isinstance(thing, str):
        return save_str
    raise ValueError(
        f"url_or_handle: expected an ending of {', '.join(savers)}; only texts may have others. Received: {name!r}"
    )


def _packed(data: bytes, compressor: Callable[[IO], IO]) -> bytes:
    buffer = io.BytesIO()
    with compressor(buffer) as file:
        file.write(data)
    return buffer.getvalue()


def _write_to(handle: IO, data: bytes) -> None:
    """Bytes into an open file, also one of text."""
    try:
        handle.write(data)
    except TypeError:
        handle.write(data.decode())


def batch_save(save_ops: list[tuple], num_workers: int = 16) -> list[dict[str, Any] | None]:
    """Saves several things at a time.

    Args:
      save_ops: (thing, path) or (thing, path, keywords of `save`) for each.
      num_workers: how many at a time. Defaults to 16.

    Returns:
      What `save` returned for each.

    Raises:
      ValueError: for a tuple of another length.
    """
    if wrong := [each for each in save_ops if len(each) not in (2, 3)]:
        raise ValueError(f"save_ops: expected (thing, path) or (thing, path, keywords). Received: {wrong[0]!r}")
    scopes, context = list(current_io_scopes()), CaptureSaveContext.current_save_context()

    def save_one(operation: tuple) -> dict[str, Any] | None:
        set_io_scopes(scopes)
        thing, url, *keywords = operation
        return save(thing, url, save_context=context, **dict(*keywords))

    with ThreadPoolExecutor(num_workers) as pool:
        return list(pool.map(save_one, save_ops))


def save_img(object: Any, handle: IO, domain: Domain | None = None, **kwargs: Any) -> dict[str, Any]:
    """An image, of the format that the name of the open file says."""
    if isinstance(object, np.ndarray):
        object = Image.fromarray(_normalize_array(object, domain=domain))
    if not isinstance(object, Image.Image):
        raise ValueError(f"thing: expected an array or an image of PIL. Received: {type(object).__name__}")
    if unknown := sorted(set(kwargs) - OPTIONS):
        raise TypeError(f"{', '.join(unknown)}: unexpected. Expected domain, {', '.join(sorted(OPTIONS))}")
    ending = os.path.splitext(handle.name)[1].lower()
    object.save(handle, Image.registered_extensions()[ending], **kwargs)
    return {"type": "image", "shape": (*object.size, len(object.getbands())), "url": handle.name}


def save_npy(object: Any, handle: IO) -> dict[str, Any]:
    """An array."""
    object = np.asarray(object)
    np.save(handle, object)
    return {"type": "npy", "shape": object.shape, "dtype": str(object.dtype), "url": handle.name}


def save_npz(object: Any, handle: IO) -> dict[str, Any]:
    """A dictionary or a list of arrays, or one array."""
    if isinstance(object, dict):
        np.savez(handle, **object)
    else:
        np.savez(handle, *(object if isinstance(object, (list, tuple)) else [object]))
    return {"type": "npz", "url": handle.name}


def save_json(object: Any, handle: IO, indent: int | None = 2) -> dict[str, Any]:
    """What JSON can hold."""
    handle.write(json.dumps(object, indent=indent, cls=ClarityJSONEncoder).encode())
    return {"type": "json", "url": handle.name}


def save_txt(object: Any, handle: IO) -> dict[str, Any]:
    """A text, or a list of lines."""
    if isinstance(object, (str, bytes)):
        handle.write(object.encode() if isinstance(object, str) else object)
        return {"type": "txt", "url": handle.name}
    if not isinstance(object, (list, tuple)):
        raise ValueError(f"thing: expected a text, or a list of lines. Received: {type(object).__name__}")
    for line in object:
        if not isinstance(line, (str, bytes)):
            warnings.warn(f"save: a line is of type {type(line).__name__}; its repr is written.", stacklevel=3)
        data = line if isinstance(line, bytes) else (line if isinstance(line, str) else repr(line)).encode()
        handle.write(data if data.endswith(b"\n") else data + b"\n")
    return {"type": "txt", "url": handle.name}


def save_str(object: str, handle: IO) -> dict[str, Any]:
    """A text."""
    handle.write(object.encode())
    return {"type": "txt", "url": handle.name}


def save_pb(object: Any, handle: IO) -> dict[str, Any]:
    """A GraphDef, or another message."""
    handle.write(object.SerializeToString())
    return {"type": "pb", "url": handle.name}


def save_pickle(object: Any, handle: IO) -> None:
    """Any object."""
    pickle.dump(object, handle)


def compress_xz(handle: IO) -> IO:
    """An open file that packs what is written into another one."""
    return lzma.LZMAFile(handle, format=lzma.FORMAT_XZ, mode="wb")


savers: dict[str, Callable[..., dict[str, Any] | None]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), save_img),
    **{".npy": save_npy, ".npz": save_npz, ".json": save_json, ".txt": save_txt, ".md": save_txt, ".pb": save_pb},
}
unsafe_savers: dict[str, Callable[..., None]] = {".pickle": save_pickle, ".pkl": save_pickle}
compressors: dict[str, Callable[[IO], IO]] = {".xz": compress_xz}
