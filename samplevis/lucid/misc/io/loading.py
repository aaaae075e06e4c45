"""Files by their endings. Source: lucid/misc/io/loading.py."""

from __future__ import annotations

import io
import json
import logging
import lzma
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np
import tensorflow as tf
from PIL import Image

from samplevis.lucid.misc.io.reading import read_handle
from samplevis.lucid.misc.io.scoping import current_io_scopes, set_io_scopes

log = logging.getLogger(__name__)

# Files that are read at a time.
WORKERS = 8


def load(url_or_handle: Any, allow_unsafe_formats: bool = False, cache: bool | str | None = None, **kwargs: Any) -> Any:
    """Loads a file by its ending.

    Args:
      url_or_handle: a path, a web address, an open file that has a name, or a list of these.
      allow_unsafe_formats: whether to load pickles, which run code. Defaults to False.
      cache: as in `reading.read`.
      **kwargs: of images `size`, (width, height), and `target_dtype`; of texts `split`, whether they become a list of lines, and
        `encoding`; of npy and npz the arguments of `numpy.load`, such as `allow_pickle`, which runs code; of json those of
        `json.load`.

    Returns:
      png, jpg, webp: float32 [height, width, channels] in [0, 1]; npy, npz: arrays; json: its value; txt, md: text; pb: a GraphDef.
      Any of them may end in .xz, too. Other files are tried as images. For a list, a list; what cannot be read is an exception
      in it.

    Raises:
      OSError: if it cannot be read.
      RuntimeError: if the file has no ending, or another one and is not an image.
      ValueError: for an unsafe format.
      TypeError: for a keyword that the format does not have.
    """
    if isinstance(url_or_handle, (list, tuple)):
        return _load_urls(url_or_handle, cache=cache, allow_unsafe_formats=allow_unsafe_formats, **kwargs)
    ending, packing = _get_extension(url_or_handle)
    if ending in unsafe_loaders and not allow_unsafe_formats:
        raise ValueError(
            f"url_or_handle: {_name(url_or_handle)} is a pickle, which can run code. If you trust it: "
            "allow_unsafe_formats=True."
        )
    loader = (loaders | unsafe_loaders).get(ending, _load_any)
    return load_using_loader(url_or_handle, decompressors.get(packing), loader, cache, **kwargs)


def load_using_loader(
    url_or_handle: Any, decompressor: Callable[[IO], IO] | None, loader: Callable, cache: Any, **kwargs: Any
) -> Any:
    """Loads a file by a function of an open file.

    Args:
      url_or_handle: as in `load`.
      decompressor: a function from the open file to its unpacked contents, or None.
      loader: a function of an open file.
      cache: as in `reading.read`.
      **kwargs: other arguments of `loader`.

    Returns:
      What `loader` returns.
    """
    if is_handle(url_or_handle):
        return loader(decompressor(url_or_handle) if decompressor else url_or_handle, **kwargs)
    with read_handle(url_or_handle, cache=cache) as handle:
        return loader(decompressor(handle) if decompressor else handle, **kwargs)


def is_handle(url_or_handle: Any) -> bool:
    """Whether something is an open file with a name."""
    return hasattr(url_or_handle, "read") and hasattr(url_or_handle, "name")


def _load_urls(urls: Sequence[Any], **kwargs: Any) -> list[Any]:
    """Several files at a time, in the scopes of the calling thread."""
    scopes = list(current_io_scopes())

    def load_one(url: Any) -> Any:
        set_io_scopes(scopes)
        try:
            return load(url, **kwargs)
        except Exception as error:  # As in Lucid, the other files are loaded all the same.
            log.error("%s: %s", url, error)
            return error

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(load_one, urls))


def _get_extension(url_or_handle: Any) -> tuple[str, str | None]:
    """(ending, ending of the packing or None), in lower case."""
    path, ending = os.path.splitext(_name(url_or_handle).partition("?")[0])
    packing = ending.lower() if ending.lower() in decompressors else None
    ending = os.path.splitext(path)[1] if packing else ending
    if not ending:
        raise RuntimeError(f"url_or_handle: expected a name with an ending. Received: {_name(url_or_handle)!r}")
    return ending.lower(), packing


def _name(url_or_handle: Any) -> str:
    return str(url_or_handle.name) if is_handle(url_or_handle) else os.fspath(url_or_handle)


def _load_any(handle: IO, **kwargs: Any) -> np.ndarray:
    """A file of another ending, which may be an image."""
    try:
        return _load_img(handle, **kwargs)
    except OSError as error:
        raise RuntimeError(
            f"url_or_handle: {handle.name} is not an image. Expected one, or an ending of {', '.join(loaders)}"
        ) from error


def _load_img(handle: IO, target_dtype: Any = np.float32, size: Sequence[int] | None = None) -> np.ndarray:
    picture = Image.open(handle)
    if picture.mode in ("P", "LA", "PA", "CMYK", "YCbCr", "HSV", "LAB", "1"):
        picture = picture.convert("RGBA" if "A" in picture.mode or "transparency" in picture.info else "RGB")
    if size is not None:
        picture = picture.resize(tuple(size)[:2], Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    largest = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    if picture.mode == "I":
        # PNG's 16 bits come as 32.
        largest = 2**16 - 1
    values = np.divide(pixels, largest, dtype=target_dtype)
    return np.repeat(values[..., None], 3, -1) if values.ndim == 2 else values


def _load_text(handle: IO, split: bool = False, encoding: str = "utf-8") -> str | list[str]:
    text = handle.read()
    text = text.decode(encoding) if isinstance(text, bytes) else text
    return text.splitlines() if split else text


def _load_json(handle: IO, **kwargs: Any) -> Any:
    return json.load(handle, **kwargs)


def _load_npy(handle: IO, allow_pickle: bool = False, **kwargs: Any) -> Any:
    try:
        return np.load(handle, allow_pickle=allow_pickle, **kwargs)
    except ValueError as error:
        if allow_pickle or "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"url_or_handle: {handle.name} contains Python objects, whose pickles can run code. If you trust it: "
            "allow_pickle=True."
        ) from error


def _load_graphdef_protobuf(handle: IO) -> Any:
    return tf.compat.v1.GraphDef.FromString(handle.read())


def _load_pickle(handle: IO, **kwargs: Any) -> Any:
    return pickle.load(handle, **kwargs)


def _decompress_xz(handle: IO) -> IO:
    file: Any = io.BytesIO(lzma.decompress(handle.read()))
    file.name = handle.name
    return file


loaders: dict[str, Callable[..., Any]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), _load_img),
    **dict.fromkeys((".npy", ".npz"), _load_npy),
    **dict.fromkeys((".txt", ".md"), _load_text),
    **{".json": _load_json, ".pb": _load_graphdef_protobuf},
}
unsafe_loaders: dict[str, Callable[..., Any]] = {".pickle": _load_pickle, ".pkl": _load_pickle}
decompressors: dict[str | None, Callable[[IO], IO]] = {".xz": _decompress_xz}
