"""Files by their endings. Source: lucid/misc/io/loading.py."""

from __future__ import annotations

import io
import json
import lzma
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from samplevis.lucid.misc.io.reading import read


def load(url_or_handle: Any, allow_unsafe_formats: bool = False, cache: bool | str | None = None, **kwargs: Any) -> Any:
    """Loads a file by its ending.

    Args:
      url_or_handle: a path, a web address, an open file that has a name, or a list of these.
      allow_unsafe_formats: whether to load pickles, which run code. Defaults to False.
      cache: as in `reading.read`.
      **kwargs: `size`, (width, height) of an image; `split`, whether a text becomes a list of lines.

    Returns:
      png, jpg, webp: float32 [height, width, channels] in [0, 1]; npy, npz: arrays; json: its value; txt, md: text; pb: a GraphDef.
      Any of them may end in .xz, too.

    Raises:
      OSError: if it cannot be read.
      ValueError: for an unsafe format.
    """
    if isinstance(url_or_handle, (list, tuple)):
        return [load(each, allow_unsafe_formats, cache, **kwargs) for each in url_or_handle]
    if hasattr(url_or_handle, "read"):
        data, name = url_or_handle.read(), str(getattr(url_or_handle, "name", ""))
    else:
        data, name = read(url_or_handle, cache=cache), os.fspath(url_or_handle)
    data = data.encode() if isinstance(data, str) else data
    path = PurePosixPath(name.partition("?")[0])
    if path.suffix.lower() == ".xz":
        data, path = lzma.decompress(data), path.with_suffix("")
    ending = path.suffix.lower()
    if ending in (".pickle", ".pkl"):
        if not allow_unsafe_formats:
            raise ValueError(
                f"url_or_handle: {name} is a pickle, which can run code. If you trust it: allow_unsafe_formats=True."
            )
        return pickle.loads(data)
    return _LOADERS.get(ending, _image)(data, **kwargs)


def _image(data: bytes, size: Sequence[int] | None = None) -> np.ndarray:
    picture = Image.open(io.BytesIO(data))
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "LA" else "RGB")
    if size is not None:
        picture = picture.resize(tuple(size), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, np.float32) / 255
    return np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels


def _text(data: bytes, split: bool = False, encoding: str = "utf-8") -> str | list[str]:
    text = data.decode(encoding)
    return text.split("\n") if split else text


def _json(data: bytes) -> Any:
    return json.loads(data)


def _numpy(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _graph(data: bytes) -> Any:
    return tf.compat.v1.GraphDef.FromString(data)


_LOADERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), _image),
    **dict.fromkeys((".npy", ".npz"), _numpy),
    **dict.fromkeys((".txt", ".md"), _text),
    **{".json": _json, ".pb": _graph},
}
