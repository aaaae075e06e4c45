"""Files by their endings. Source: lucid/misc/io/saving.py."""

from __future__ import annotations

import io
import json
import lzma
import os
import pickle
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from samplevis.lucid.misc.io.serialize_array import Domain, serialize_array
from samplevis.lucid.misc.io.writing import write


def save(
    thing: Any, url_or_handle: Any, allow_unsafe_formats: bool = False, save_context: Any = None, **kwargs: Any
) -> dict[str, Any]:
    """Saves something in the format that the ending says.

    Args:
      thing: an image, array, dictionary of arrays, text, GraphDef or what JSON can hold.
      url_or_handle: a path, or an open file that has a name.
      allow_unsafe_formats: whether to write pickles. Defaults to False.
      save_context: no effect.
      **kwargs: of images `domain`, the values that become black and white (Lucid's default None stretches from the least to the
        largest value: give (0, 1) for what `show` shows), and `quality`; of JSON `indent`.

    Returns:
      {"type": ending, "url": path, "shape": of an array}.

    Raises:
      ValueError: for another ending.
    """
    name = str(getattr(url_or_handle, "name", "")) if hasattr(url_or_handle, "write") else os.fspath(url_or_handle)
    path = PurePosixPath(name)
    packed = path.suffix == ".xz"
    ending = (path.with_suffix("") if packed else path).suffix.lower()
    if ending in (".pickle", ".pkl") and allow_unsafe_formats:
        data = pickle.dumps(thing)
    elif ending in _SAVERS:
        data = _SAVERS[ending](thing, **kwargs)
    else:
        raise ValueError(f"url_or_handle: expected an ending of {', '.join(_SAVERS)}. Received: {name!r}")
    data = lzma.compress(data) if packed else data
    if hasattr(url_or_handle, "write"):
        url_or_handle.write(data)
    else:
        write(data, url_or_handle)
    shape = {"shape": list(thing.shape)} if isinstance(thing, np.ndarray) else {}
    return {"type": ending[1:], "url": name, **shape}


def batch_save(save_ops: list[tuple], num_workers: int = 16) -> list[dict[str, Any]]:
    """Saves several things, one after the other.

    Args:
      save_ops: arguments of `save`, a tuple for each.
      num_workers: no effect.

    Returns:
      What `save` returned for each.
    """
    return [save(*each) for each in save_ops]


def _image(kind: str) -> Callable[..., bytes]:
    def encode(thing: Any, domain: Domain | None = None, quality: int = 70) -> bytes:
        return serialize_array(np.asarray(thing), domain=domain, fmt=kind, quality=quality)

    return encode


def _npy(thing: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, thing)
    return buffer.getvalue()


def _npz(thing: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **thing) if isinstance(thing, dict) else np.savez(buffer, *thing)
    return buffer.getvalue()


def _json(thing: Any, indent: int = 2) -> bytes:
    return json.dumps(thing, indent=indent, default=_plain).encode()


def _plain(thing: Any) -> Any:
    """NumPy's values, and objects with `to_json`, as what JSON can hold."""
    if hasattr(thing, "to_json"):
        return thing.to_json()
    if isinstance(thing, (np.ndarray, np.generic)):
        return thing.tolist()
    raise TypeError(f"thing: JSON cannot hold {type(thing).__name__}")


def _text(thing: Any) -> bytes:
    return (thing if isinstance(thing, str) else "\n".join(map(str, thing))).encode()


def _graph(thing: Any) -> bytes:
    return thing.SerializeToString()


_SAVERS: dict[str, Callable[..., bytes]] = {
    **{".png": _image("png"), ".jpg": _image("jpeg"), ".jpeg": _image("jpeg"), ".webp": _image("webp")},
    **{".npy": _npy, ".npz": _npz, ".json": _json, ".txt": _text, ".md": _text, ".pb": _graph},
}
