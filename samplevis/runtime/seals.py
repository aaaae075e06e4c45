"""Seals: a file's identity and checksum, inside the file itself.

A seal is a text of fixed length that every format has a place for: the comment of a zip, the metadata
of a Parquet file, a field of JSON. It is written with a checksum of zeros, which is filled in once the
bytes are whole. A file with a flipped bit, a part of a file, and the sound file of another unit or
another run are recognised when they are read.
"""

from __future__ import annotations

import hashlib

MARK = b"samplevis-seal:"
# The digest of the identity, a colon, and the checksum.
DIGITS = hashlib.sha256().digest_size * 2
NO_CHECKSUM = b"0" * DIGITS


class SealError(ValueError):
    """A file that is damaged, or is not the file that was asked for; the message is a reason, without the file's name."""


def blank_seal(identity: str) -> str:
    """The seal of a file before its checksum is known.

    Args:
      identity: what tells the file from all others, such as its run and its unit.

    Returns:
      A text for the file to hold, of the same length for every identity.
    """
    return f"{(MARK + _digest(identity)).decode()}:{NO_CHECKSUM.decode()}"


def sealed(data: bytes) -> bytes:
    """Fills in the checksum of the last seal in a file.

    Args:
      data: the file, with a seal that is blank.

    Returns:
      The file to write.

    Raises:
      SealError: if it has no seal.

    Example:
      >>> from samplevis.runtime.seals import blank_seal, check_seal, sealed
      >>> data = sealed(f"picture of unit 3 {blank_seal('unit 3')}".encode())
      >>> check_seal(data, "unit 3")
      >>> check_seal(data.replace(b"picture", b"Picture"), "unit 3")
      Traceback (most recent call last):
      samplevis.runtime.seals.SealError: its checksum is wrong
    """
    start = _checksum_start(data)
    return b"".join([data[:start], _checksum(data, start), data[start + DIGITS :]])


def check_seal(data: bytes, identity: str) -> None:
    """Checks a file that was read.

    Args:
      data: the file.
      identity: as in `blank_seal`.

    Raises:
      SealError: if it is damaged, has no seal, or is sealed for another identity.
    """
    start = _checksum_start(data)
    if data[start : start + DIGITS] != _checksum(data, start):
        raise SealError("its checksum is wrong")
    if data[start - 1 - DIGITS : start - 1] != _digest(identity):
        raise SealError("it belongs to another unit or another run")


def _digest(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).hexdigest().encode()


def _checksum_start(data: bytes) -> int:
    # The last one: a name in the file may look like a seal.
    mark = data.rfind(MARK)
    start = mark + len(MARK) + DIGITS + 1
    if mark < 0 or len(data) < start + DIGITS:
        raise SealError("it has no checksum, as files of earlier versions, or is cut short")
    return start


def _checksum(data: bytes, start: int) -> bytes:
    """The checksum of all bytes, with zeros in place of the checksum."""
    view, digest = memoryview(data), hashlib.sha256()
    for part in (view[:start], NO_CHECKSUM, view[start + DIGITS :]):
        digest.update(part)
    return digest.hexdigest().encode()
