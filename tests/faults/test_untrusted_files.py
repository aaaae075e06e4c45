"""Weights, samples and answers from strangers: a ValueError or an OSError that names the file, and no
more memory than four times the file. The control is NumPy's own reader, which fails both."""

from __future__ import annotations

import io
import json
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import made_samples
from damage import damages

from samplevis import Samples
from samplevis.modelzoo.checkpoints import read_state_dict
from samplevis.runtime.untrusted import read_array, read_arrays, read_json

COUNTS = [60, pytest.param(2000, marks=pytest.mark.long)]
# Bytes that reading anything takes: headers, a zip's list of files, the error.
FLOOR = 2**20
MAX_RATIO = 4


def weights(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    shapes = {"conv.weight": (16, 3, 3, 3), "conv.bias": (16,), "head.weight": (10, 16), "norm.running_mean": (16,)}
    np.savez(folder / "weights.npz", **{name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()})
    return folder / "weights.npz"


def samples(folder: Path) -> Path:
    made_samples(chains=2, draws=4, size=8).save(folder / "samples.npz")
    return folder / "samples.npz"


FILES = {"weights": (weights, read_state_dict), "samples": (samples, Samples.load)}


def peak(read: Callable, path: Path) -> tuple[int, Exception | None]:
    """(bytes that reading a file takes at most, what it raised)."""
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
        error = None
    except Exception as raised:
        error = raised
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most, error


def is_honest(error: Exception | None, path: Path) -> bool:
    """Whether a failure is of the kinds that are promised, and names the file."""
    return error is None or (isinstance(error, (ValueError, OSError)) and path.name in str(error))


def resealed(data: bytes, damaged: bytes) -> bytes:
    """An archive whose members are damaged, and whose checksums are right again: the work of a person, not of a disk."""
    out, place = io.BytesIO(), 0
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            size = source.getinfo(name).file_size
            target.writestr(name, damaged[place : place + size])
            place += size
    return out.getvalue()


def mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    """Damaged files: half of them in any byte, half in the members alone, under checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = b"".join(archive.read(name) for name in archive.namelist())
    inside = damages(members, count - count // 2, seed + 1)
    return damages(data, count // 2, seed) + [resealed(data, each) for each in inside]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", FILES)
def test_mutated_files_are_errors_that_name_them(tmp_path, kind, count):
    make, read = FILES[kind]
    path = make(tmp_path)
    whole = path.read_bytes()
    for n, damaged in enumerate(mutations(whole, count, seed=3)):
        path.write_bytes(damaged)
        most, error = peak(read, path)
        assert is_honest(error, path), (n, repr(error))
        assert most < MAX_RATIO * len(whole) + FLOOR, (n, most, repr(error))
    path.write_bytes(whole)
    assert peak(read, path)[1] is None, "the file itself is read"


def header(shape: str, kind: str = "<f4") -> bytes:
    """The beginning of an .npy file that declares any shape."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return content.getvalue()


def many_entries() -> bytes:
    """Two million bytes of a list of files, each of which is the same file."""
    one = archive({"a.npy": header("(0,)")})
    place = one.index(b"PK\x01\x02")
    entry, end = one[place : one.index(b"PK\x05\x06")], one[one.index(b"PK\x05\x06") :]
    entries = entry * (2_000_000 // len(entry))
    return one[:place] + entries + end[:12] + len(entries).to_bytes(4, "little") + end[16:]


def understated() -> bytes:
    """A bomb whose list of files says that it is small."""
    data = bytearray(archive({"a.npy": header("(8000000,)") + bytes(32 * 10**6)}, zipfile.ZIP_DEFLATED))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(mark) + offset
        data[place : place + 4] = (len(data)).to_bytes(4, "little")
    return bytes(data)


BOMBS = {
    "four terabytes": lambda: archive({"a.npy": header("(1000000000000,)") + bytes(64)}),
    "four terabytes of no size": lambda: archive({"a.npy": header("(1000000000000,)", "<U0") + bytes(64)}),
    "more than 2^64": lambda: archive({"a.npy": header("(18446744073709551617, 4)") + bytes(64)}),
    "negative": lambda: archive({"a.npy": header("(-4, -4)") + bytes(64)}),
    "objects": lambda: archive({"a.npy": header("(2,)", "|O") + bytes(64)}),
    "nested header": lambda: archive({"a.npy": header("(" * 4000) + bytes(64)}),
    "compressed zeros": lambda: archive({"a.npy": header("(8000000,)") + bytes(32 * 10**6)}, zipfile.ZIP_DEFLATED),
    "understated": understated,
    "another method": lambda: archive({"a.npy": header("(250000,)") + bytes(10**6)}, zipfile.ZIP_LZMA),
    "many names": many_entries,
    "no array": lambda: archive({"a.npy": b"x" * 1000}),
    "no name": lambda: archive({"a": b"x" * 1000}),
    "deep metadata": lambda: npz(metadata=np.array("[" * 200_000)),
    "broad metadata": lambda: npz(metadata=np.array("[" + "[]," * 2_000_000 + "0]")),
}


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_and_declared_sizes_are_errors(tmp_path, kind, bomb):
    path = tmp_path / "bomb.npz"
    path.write_bytes(BOMBS[bomb]())
    most, error = peak(FILES[kind][1], path)
    if kind == "samples" or "metadata" not in bomb:
        assert error is not None and is_honest(error, path), repr(error)
    assert most < MAX_RATIO * path.stat().st_size + FLOOR, most


def load_with_numpy(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_numpy_alone_would_take_the_memory_and_raise_other_errors(tmp_path):
    path = tmp_path / "bomb.npz"
    path.write_bytes(BOMBS["compressed zeros"]())
    assert peak(load_with_numpy, path)[0] > 100 * path.stat().st_size
    path = weights(tmp_path)
    whole, dishonest = path.read_bytes(), 0
    for damaged in mutations(whole, 200, seed=3):
        path.write_bytes(damaged)
        dishonest += not is_honest(peak(load_with_numpy, path)[1], path)
    assert dishonest > 20


def test_what_is_read_is_what_was_written(tmp_path):
    rng = np.random.default_rng(5)
    arrays = {"f": rng.normal(size=(3, 4)), "t": rng.normal(size=(4, 3)).T, "n": np.array(3), "e": np.zeros((0, 7))}
    arrays |= {"b": np.array([True, False]), "s": np.array("text é"), "i": np.arange(5, dtype=np.uint8)}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "a.npz", **arrays)
        found = read_arrays(tmp_path / "a.npz")
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
            assert found[name].flags.writeable
    np.save(tmp_path / "a.npy", arrays["t"])
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), arrays["t"])
    assert list(read_arrays(tmp_path / "a.npz", ("f",))) == ["f"]


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[1,", "\xff", "9" * 5000, "[" * 2_000_000])
def test_answers_that_cannot_be_read_are_named(tmp_path, text):
    from samplevis.analysis.evaluation.trials import _read

    path = tmp_path / "answers.json"
    path.write_bytes(text.encode("latin-1"))
    for read in (read_json, lambda file: _read("answers", file)):
        most, error = peak(read, path)
        assert isinstance(error, ValueError) and path.name in str(error)
        assert most < MAX_RATIO * len(text) + FLOOR
    path.write_text(json.dumps({"a": [1, 2]}))
    assert read_json(path) == {"a": [1, 2]}
