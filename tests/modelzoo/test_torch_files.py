"""PyTorch's state dicts without PyTorch: both formats as PyTorch reads them, and files that are damaged or no state dicts."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch_writer as w

from samplevis.modelzoo import checkpoints


@pytest.fixture
def path(tmp_path) -> Path:
    """Where to write a file."""
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
def test_views_types_and_wrappers(path, write):
    """Whole storages, views that share one, every type, parameters, and what PyTorch writes beside."""
    half, count, flags = np.arange(6, dtype=np.float16), np.array(7, np.int64), np.arange(3, dtype=np.uint8)
    parameter = w.call(w.glob("torch._utils", "_rebuild_parameter"), w.WHOLE, w.FALSE, w.ordered_dict())
    old = w.call(w.glob("torch._utils", "_rebuild_tensor"), w.VIEW, w.number(1), w.numbers([2]), w.numbers([9]))
    body = w.ordered_dict(
        whole=w.WHOLE,
        turned=w.tensor(w.VIEW, (4, 3, 2), (1, 4, 12)),
        part=w.tensor(w.VIEW, (2, 2), (12, 2), 5),
        old=old,
        parameter=parameter,
        half=w.array("1", half),
        count=w.array("2", count),
        flags=w.array("x_3", flags),
        empty=w.tensor(w.VIEW, (0, 5), (5, 1)),
        one=w.tensor(w.VIEW, (1, 1), (2**70, 2**70), 23),
    )
    # A state with the versions of modules, and an int key, as optimisers have them.
    body += w.EMPTY_DICT + w.text("_metadata") + w.EMPTY_DICT + w.number(3) + w.NONE + b"ssb"
    storages = w.STORAGES | {"1": half, "2": count, "x_3": flags}
    for content in (body, w.EMPTY_DICT + w.text("epoch") + w.number(3) + b"s" + w.text("state_dict") + body + b"s"):
        found = w.read(path, write(content, storages))
        flat = w.VALUES.ravel()
        expected = {"whole": w.VALUES, "turned": w.VALUES.T, "part": flat[[[5, 7], [17, 19]]], "old": flat[[1, 10]]}
        expected |= {"parameter": w.VALUES, "half": half, "count": count, "flags": flags}
        expected |= {"empty": np.zeros((0, 5), "f4"), "one": flat[[[23]]]}
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name].dtype == values.dtype and found[name].shape == values.shape, name
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        # Tensors that shared numbers still do, and nobody can write to them.
        assert np.shares_memory(found["whole"], found["turned"]) and not found["part"].flags.writeable


def test_dictionaries_of_python_2(path):
    pairs = w.EMPTY_LIST + w.EMPTY_LIST + w.text("whole") + b"a" + w.WHOLE + b"aa"
    body = w.call(w.glob("collections", "OrderedDict"), pairs)
    np.testing.assert_array_equal(w.read(path, w.legacy(body, w.STORAGES))["whole"], w.VALUES)


def test_protocol_4(path):
    """Other opcodes for the same: frames, memoized values, names from the stack."""
    short = lambda value: b"\x8c" + bytes([len(value)]) + value.encode()  # noqa: E731
    name = short("collections") + b"\x94" + short("OrderedDict") + b"\x94\x93"
    body = b"\x95" + bytes(8) + name + w.EMPTY_TUPLE + b"R\x94" + short("a") + w.WHOLE + b"sh\x020"
    with pytest.raises(ValueError, match="POP"):
        w.read(path, w.legacy(body, w.STORAGES))
    np.testing.assert_array_equal(w.read(path, w.zipped(body[:-3], w.STORAGES))["a"], w.VALUES)


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
def test_many_tensors_of_one_storage_take_no_memory(path, write):
    large = np.ones(w.MIB, np.float32)
    view = w.storage("0", large.size) + b"q\x00"
    first = w.tensor(view, large.shape, (1,))
    again = w.tensor(b"h\x00", large.shape, (1,))
    content = write(w.ordered_dict(a=first, **{f"b{i}": again for i in range(1000)}), {"0": large})
    with w.bounded_memory(3 * len(content)):
        assert len(w.read(path, content)) == 1001


WRONG = {
    "magic": (w.legacy(w.WHOLE, w.STORAGES, header=(3, 1001, {})), "not a file of PyTorch's"),
    "no pickle": (b"nothing of the kind", "cannot be read"),
    "empty": (b"", "cannot be read"),
    "version": (w.legacy(w.WHOLE, w.STORAGES, header=(0x1950A86A20F9469CFC6C, 1002, {})), "not a file of PyTorch's"),
    "byte order": (
        w.legacy(w.WHOLE, w.STORAGES, header=(0x1950A86A20F9469CFC6C, 1001, {"little_endian": False})),
        "little-endian",
    ),
    "missing key": (w.legacy(w.ordered_dict(a=w.WHOLE), w.STORAGES, keys=[]), "list of storages"),
    "more keys": (w.legacy(w.ordered_dict(a=w.WHOLE), w.STORAGES, keys=["0", "1"]), "list of storages"),
    "key twice": (w.legacy(w.ordered_dict(a=w.WHOLE), w.STORAGES, keys=["0", "0"]), "list of storages"),
    "keys of no texts": (w.legacy(w.ordered_dict(a=w.WHOLE), w.STORAGES, keys=[0]), "list of storages"),
    "other size": (w.legacy(w.ordered_dict(a=w.WHOLE), {"0": w.VALUES[:1]}), "storage 0 is cut short"),
    "tensor": (w.legacy(w.WHOLE, w.STORAGES), "found an object of type Tensor"),
    "zip: byte order": (w.zipped(w.ordered_dict(a=w.WHOLE), w.STORAGES, byteorder=b"big"), "little-endian"),
    "zip: no storage": (w.zipped(w.ordered_dict(a=w.WHOLE)), "no 'weights/data/0'"),
    "zip: short storage": (
        w.zipped(w.ordered_dict(a=w.WHOLE), {"0": w.VALUES[:1]}),
        "48 bytes, but its tensors ask for 96",
    ),
    "zip: long storage": (w.zipped(w.ordered_dict(a=w.WHOLE), {"0": np.zeros(25, "f4")}), "100 bytes"),
    "zip: compressed": (w.zipped(w.ordered_dict(a=w.WHOLE), w.STORAGES, zipfile.ZIP_DEFLATED), "is compressed"),
    "zip: name that leads out": (w.zipped(w.ordered_dict(a=w.WHOLE), w.STORAGES, **{"../../evil": b""}), "leads out"),
    "zip: two pickles": (w.zipped(w.ordered_dict(a=w.WHOLE), w.STORAGES, **{"../data.pkl": b""}), "leads out"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused(path, name):
    content, message = WRONG[name]
    with w.bounded_memory(w.MIB), pytest.raises(ValueError, match="weights.pth") as error:
        w.read(path, content)
    assert message in str(error.value)


def test_zips_are_not_what_they_say(path):
    """Bombs, files that overlap, wrong checksums, encryption, two names, no pickle."""
    good = w.zipped(w.ordered_dict(a=w.WHOLE), w.STORAGES)
    bomb = w.tensor(w.storage("0", 2**26), (2**26,), (1,))
    content = w.zipped(w.ordered_dict(a=bomb), {"0": np.zeros(2**26, "f4")}, zipfile.ZIP_DEFLATED)
    assert len(content) < w.MIB
    with w.bounded_memory(2 * w.MIB), pytest.raises(ValueError, match="is compressed"):
        w.read(path, content)
    # The local header stands before the directory: flag bits, and sizes in both.
    for wrong, message in (
        (good.replace(w.VALUES.tobytes(), bytes(96)), "CRC"),
        (flagged(good, "weights/data/0", 1), "encrypted"),
        (good.replace(b"data/0", b"data/1"), "no 'weights/data/0'"),
        (good.replace(b"data.pkl", b"data.pkx"), "expected one data.pkl"),
    ):
        with pytest.raises(ValueError, match=message):
            w.read(path, wrong)
    path.write_bytes(good)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("weights/data.pkl", w.pickled(w.NONE))
    with pytest.raises(ValueError, match="two files of one name"):
        checkpoints.read_state_dict(path)


def test_storages_that_overlap_in_a_zip_are_refused(path):
    """Many entries of the directory that point to one file's bytes."""
    numbers = np.zeros(2**16, np.float32)
    keys = [str(10 + i) for i in range(40)]
    body = w.ordered_dict(**{f"a{key}": w.array(key, numbers) for key in keys})
    content = bytearray(w.zipped(body, {keys[0]: numbers} | {key: numbers[:0] for key in keys[1:]}))
    # In the directory, each storage gets the first one's sizes and place.
    directory = content.index(b"PK\x01\x02")
    start, first = directory, None
    while content[start : start + 4] == b"PK\x01\x02":
        length = int.from_bytes(content[start + 28 : start + 30], "little")
        name = bytes(content[start + 46 : start + 46 + length]).decode()
        if name.endswith(f"data/{keys[0]}"):
            first = content[start + 16 : start + 28], content[start + 42 : start + 46]
        elif first and name.rpartition("/")[2] in keys:
            content[start + 16 : start + 28], content[start + 42 : start + 46] = first
        start += 46 + length
    with w.bounded_memory(4 * len(content)), pytest.raises(ValueError, match="differ|[Oo]verlap"):
        w.read(path, bytes(content))


def flagged(content: bytes, name: str, bits: int) -> bytes:
    """A zip with flag bits of one file set, in its header and in the directory."""
    changed = bytearray(content)
    for signature, flags, fixed in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        start = changed.index(signature)
        while changed[start + fixed : start + fixed + len(name)] != name.encode():
            start = changed.index(signature, start + 1)
        changed[start + flags] |= bits
    return bytes(changed)


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
def test_a_file_cut_anywhere_is_refused(path, write):
    content = write(w.ordered_dict(a=w.WHOLE), w.STORAGES)
    for length in range(0, len(content), 1 if write is w.legacy else 5):
        with pytest.raises(ValueError, match="weights.pth"):
            w.read(path, content[:length])
    assert list(w.read(path, content)) == ["a"]


# PyTorch writes; what it wrote and what it reads of a file written here go to an .npz.
PYTORCH = """
import sys
try:
    import torch
except ImportError:
    sys.exit(77)
import numpy as np
folder, ours = sys.argv[1:]
base = torch.arange(24.0).reshape(2, 3, 4)
tensors = {"base": base, "turned": base.permute(2, 0, 1), "part": base[1, 1:, ::2], "scalar": torch.tensor(7)}
tensors |= {kind: torch.arange(5).to(getattr(torch, kind)) for kind in
            ("float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")}
tensors |= {"parameter": torch.nn.Parameter(torch.ones(3)), "empty": torch.zeros(0, 4), "one": torch.ones(1, 5, 1)}
module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
for name, value in (("tensors", tensors), ("module", module.state_dict()), ("whole", {"state_dict": module.state_dict()})):
    for new in (False, True):
        for protocol in (2, 4):
            torch.save(value, f"{folder}/{name}_{new}_{protocol}.pth",
                       _use_new_zipfile_serialization=new, pickle_protocol=protocol)
torch.save(module, f"{folder}/model.pth")
np.savez(f"{folder}/tensors.npz", **{key: value.detach().numpy() for key, value in tensors.items()})
np.savez(f"{folder}/module.npz", **{key: value.numpy() for key, value in module.state_dict().items()})
found = torch.load(ours, weights_only=True)
np.savez(f"{folder}/ours.npz", **{key: value.numpy() for key, value in found.items()})
"""


def test_pytorch_agrees(tmp_path):
    """What PyTorch writes is read, and it reads what these tests write; needs the extra `torch`, as `test_state_dicts` does."""
    ours = tmp_path / "ours.pth"
    ours.write_bytes(w.zipped(w.ordered_dict(whole=w.WHOLE, part=w.tensor(w.VIEW, (2, 2), (12, 2), 5)), w.STORAGES))
    python = os.environ.get("SAMPLEVIS_TEST_TORCH", sys.executable)
    done = subprocess.run([python, "-c", PYTORCH, tmp_path, ours])
    if done.returncode == 77:
        pytest.skip(
            "PYTORCH NOT FOUND: pip install 'samplevis[torch]', or set SAMPLEVIS_TEST_TORCH to a Python that has it"
        )
    assert done.returncode == 0
    files = [ours, *sorted(tmp_path.glob("*_*_*.pth"))]
    assert len(files) == 13
    for file in files:
        name = file.stem.partition("_")[0].replace("whole", "module")
        found = checkpoints.read_state_dict(file)
        with np.load(tmp_path / f"{name}.npz") as expected:
            assert set(found) == set(expected.files)
            for key in found:
                assert found[key].dtype == expected[key].dtype
                np.testing.assert_array_equal(found[key], expected[key], err_msg=f"{file.name} {key}")
    with pytest.raises(ValueError, match="torch.nn.modules"):
        checkpoints.read_state_dict(tmp_path / "model.pth")
