"""Image files: saved without stretching the contrast, and read upright."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from samplevis.export.pixels import UNIT, cropped, to_uint8
from samplevis.param.picture_files import open_upright
from samplevis.runtime import files
from samplevis.runtime.checks import brief, check_whole, is_list

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
# PNG is lossless, and so is WebP if asked to. JPEG is not: this is the highest useful quality, with colours at full resolution.
OPTIONS = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True, "exact": True}}
WHITE = (255, 255, 255, 255)


def save_image(
    image: np.ndarray,
    path: str | os.PathLike,
    domain: tuple[float, float] = UNIT,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Writes one image in the format of the path's suffix atomically.

    Contrast is not stretched: 0 is black and 1 is white in every file, as in `show`. Lucid's `save` stretches it.

    Args:
      image: [H, W, C] in the domain, or uint8; C is 1 (grey), 3, or 4 (colour and opacity; not for JPEG).
      path: file to write: .png or .webp (lossless), .jpg or .jpeg (lossy).
      domain: the values (low, high) that become black and white. Defaults to (0, 1).
      metadata: name -> value, such as {"Objective": obj, "Seed": 0}, for .png only; `load_metadata` reads it. Defaults to none.

    Raises:
      ValueError: for other shapes, channel counts or suffixes, or values that are not finite or outside the domain.
      OSError: if the file cannot be written.

    Example:
      >>> save_image(result.images[0], "unit.png", metadata={"Objective": "fire9:10"})
    """
    kind = FORMATS[files.check_suffix(path, FORMATS)]
    if metadata and kind != "PNG":
        raise ValueError(f"metadata: expected a path that ends in .png to write it to. Received: {os.fspath(path)!r}")
    _save(to_uint8(image, (1, 3) if kind == "JPEG" else (1, 3, 4), domain), path, kind, metadata)


def save_png(image: np.ndarray, path: str | os.PathLike, metadata: Mapping[str, object] | None = None) -> None:
    """Writes one image as PNG, atomically.

    Args:
      image: [H, W, C] in [0, 1], or uint8; C is 1 (grey), 3, or 4 (colour and opacity).
      path: file to write, .png.
      metadata: as in `save_image`.

    Raises:
      ValueError: as in `save_image`.
      OSError: if the file cannot be written.

    Example:
      >>> save_png(samples.chain_means[0], "mean.png")
    """
    pixels = to_uint8(image, (1, 3, 4))
    files.check_suffix(path, (".png",))
    _save(pixels, path, "PNG", metadata)


def save_made(
    make: Callable[[], np.ndarray], path: str | os.PathLike, metadata: Mapping[str, object] | None = None
) -> None:
    """Writes an image that takes work to make, in the format of the path's suffix; the suffix is checked first.

    Args:
      make: returns the image, as in `save_image`.
      path: file to write: .png, .webp, .jpg or .jpeg.
      metadata: as in `save_image`; files other than .png do without it.

    Raises:
      ValueError, OSError: as in `save_image`.
    """
    is_png = FORMATS[files.check_suffix(path, FORMATS)] == "PNG"
    save_image(make(), path, metadata=metadata if is_png else None)


def load_image(path: str | os.PathLike, size: int | tuple[int, int] | None = None, alpha: bool = False) -> np.ndarray:
    """Reads an image file (PNG, JPEG, WebP or another format of Pillow's) and turns it upright by its EXIF orientation.

    Args:
      path: the file.
      size: pixels, one int for a square or (height, width); the picture is cropped about its centre to that shape and
        resized (Lanczos). Defaults to its own size.
      alpha: whether to return opacity as a fourth channel; otherwise transparent parts become white. Defaults to False.

    Returns:
      float32 [H, W, 3] in [0, 1], or [H, W, 4]; grey pictures have three equal channels.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged or no picture, or for a bad `size`.

    Example:
      >>> photograph = load_image("chicken.jpg", size=224)
    """
    size = _checked_size(size)
    path = files.check_path(path)
    with open(path, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        # Once the bytes are read, whatever fails is their fault.
        picture = open_upright(content).convert("RGBA")
    except Exception as error:
        raise ValueError(f"path: {path!r} is damaged or not a picture ({error})") from error
    if not alpha:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, WHITE), picture).convert("RGB")
    if size is not None:
        picture = cropped(picture, size)
    return np.asarray(picture, np.float32) / 255


def load_images(
    source: str | os.PathLike | Sequence[str | os.PathLike], size: int | tuple[int, int] | None = None
) -> np.ndarray:
    """Reads several image files into one batch.

    Args:
      source: a folder, whose .png, .jpg, .jpeg and .webp files are read in the order of their names, or a sequence of files.
      size: as in `load_image`. Defaults to the size of the pictures, which must all be equal.

    Returns:
      float32 [N, H, W, 3] in [0, 1].

    Raises:
      OSError: if the folder or a file cannot be read.
      ValueError: if there are no pictures or their sizes differ, and as in `load_image`.
      TypeError: if `source` is no folder or list.

    Example:
      >>> photographs = load_images("photos", size=224)
    """
    paths = source
    if isinstance(source, (str, os.PathLike)):
        names = sorted(os.listdir(source))
        paths = [os.path.join(source, name) for name in names if os.path.splitext(name)[1].lower() in FORMATS]
    elif not is_list(source) or hasattr(source, "shape"):
        raise TypeError(f"source: expected a folder, or a list of files. Received: {brief(source)}")
    images = [load_image(path, size) for path in paths]
    if not images:
        raise ValueError(f"source: expected at least one picture. Received: none in {brief(source)}")
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise ValueError(
                f"source: expected pictures of one size, or `size`. Received: {image.shape[:2]} in {os.fspath(path)!r}, "
                f"{images[0].shape[:2]} in the first"
            )
    return np.stack(images)


def load_metadata(path: str | os.PathLike) -> dict[str, str]:
    """Reads the metadata that `save_image` wrote into a PNG file.

    Args:
      path: the file.

    Returns:
      Name -> value; empty if there is no metadata.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged or no picture.

    Example:
      >>> load_metadata("star.png")["Seed"]
      '0'
    """
    path = files.check_path(path)
    try:
        with Image.open(path) as picture:
            return dict(getattr(picture, "text", {}))
    except UnidentifiedImageError as error:
        raise ValueError(f"path: {path!r} is damaged or not a picture ({error})") from error


def text_chunks(metadata: Mapping[str, object] | None) -> PngInfo:
    """Metadata as text chunks of a PNG file.

    Raises:
      ValueError: for a name that PNG cannot hold: it takes 1 to 79 Latin characters.
    """
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TypeError(f"metadata: expected a dictionary {{name: value}}. Received: {brief(metadata)}")
    chunks = PngInfo()
    for name, value in (metadata or {}).items():
        if not (isinstance(name, str) and 0 < len(name) < 80 and name.isascii() and name.isprintable()):
            raise ValueError(f"metadata: expected names of 1 to 79 plain characters. Received: {name!r}")
        chunks.add_itxt(name, str(value))
    return chunks


def _save(pixels: np.ndarray, path: str | os.PathLike, kind: str, metadata: Mapping[str, object] | None) -> None:
    if pixels.ndim != 3:
        raise ValueError(f"image: expected shape [H, W, C]. Received: {pixels.shape}")
    options = OPTIONS[kind] | ({"pnginfo": text_chunks(metadata)} if metadata else {})
    # Through memory: Pillow does not notice a full disk when it writes JPEG.
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format=kind, **options)
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(content.getvalue())


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if not isinstance(size, (tuple, list)) or len(size) != 2 else size
    for side in (height, width):
        check_whole("size", side, 1)
    return int(height), int(width)
