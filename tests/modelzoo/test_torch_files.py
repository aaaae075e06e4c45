"""PyTorch's state dicts without PyTorch: both formats, as PyTorch reads them, and hostile files, of which nothing runs."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch_writer as w

from samplevis.modelzoo import checkpoints, pickles

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
STORAGES = {"0": VALUES}
WHOLE = w.array("0", VALUES)
VIEW = w.storage("0", 24)
MARKER = "it_ran"
MIB = 2**20


@contextmanager
def bounded_memory(most: float) -> Iterator[None]:
    """Fails if the block allocates more than `most` bytes at a time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def read(path: Path, content: bytes) -> dict[str, np.ndarray]:
    path.write_bytes(content)
    return checkpoints.read_state_dict(path)


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """Where to write a file. Hostile ones leave a marker in the current folder if they run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
def test_views_types_and_wrappers(path, write):
    """Whole storages, views that share one, every type, parameters, and what PyTorch writes beside."""
    half, count, flags = np.arange(6, dtype=np.float16), np.array(7, np.int64), np.arange(3, dtype=np.uint8)
    parameter = w.call(w.glob("torch._utils", "_rebuild_parameter"), WHOLE, w.FALSE, w.ordered_dict())
    old = w.call(w.glob("torch._utils", "_rebuild_tensor"), VIEW, w.number(1), w.numbers([2]), w.numbers([9]))
    body = w.ordered_dict(
        whole=WHOLE,
        turned=w.tensor(VIEW, (4, 3, 2), (1, 4, 12)),
        part=w.tensor(VIEW, (2, 2), (12, 2), 5),
        old=old,
        parameter=parameter,
        half=w.array("1", half),
        count=w.array("2", count),
        flags=w.array("x_3", flags),
        empty=w.tensor(VIEW, (0, 5), (5, 1)),
        one=w.tensor(VIEW, (1, 1), (2**70, 2**70), 23),
    )
    # A state with the versions of modules, and an int key, as optimisers have them.
    body += w.EMPTY_DICT + w.text("_metadata") + w.EMPTY_DICT + w.number(3) + w.NONE + b"ssb"
    storages = STORAGES | {"1": half, "2": count, "x_3": flags}
    for content in (body, w.EMPTY_DICT + w.text("epoch") + w.number(3) + b"s" + w.text("state_dict") + body + b"s"):
        found = read(path, write(content, storages))
        flat = VALUES.ravel()
        expected = {"whole": VALUES, "turned": VALUES.T, "part": flat[[[5, 7], [17, 19]]], "old": flat[[1, 10]]}
        expected |= {"parameter": VALUES, "half": half, "count": count, "flags": flags}
        expected |= {"empty": np.zeros((0, 5), "f4"), "one": flat[[[23]]]}
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name].dtype == values.dtype and found[name].shape == values.shape, name
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        # Tensors that shared numbers still do, and nobody can write to them.
        assert np.shares_memory(found["whole"], found["turned"]) and not found["part"].flags.writeable


def test_dictionaries_of_python_2(path):
    pairs = w.EMPTY_LIST + w.EMPTY_LIST + w.text("whole") + b"a" + WHOLE + b"aa"
    body = w.call(w.glob("collections", "OrderedDict"), pairs)
    np.testing.assert_array_equal(read(path, w.legacy(body, STORAGES))["whole"], VALUES)


def test_protocol_4(path):
    """Other opcodes for the same: frames, memoized values, names from the stack."""
    short = lambda value: b"\x8c" + bytes([len(value)]) + value.encode()  # noqa: E731
    name = short("collections") + b"\x94" + short("OrderedDict") + b"\x94\x93"
    body = b"\x95" + bytes(8) + name + w.EMPTY_TUPLE + b"R\x94" + short("a") + WHOLE + b"sh\x020"
    with pytest.raises(ValueError, match="POP"):
        read(path, w.legacy(body, STORAGES))
    np.testing.assert_array_equal(read(path, w.zipped(body[:-3], STORAGES))["a"], VALUES)


RUN = w.call(w.glob("os", "system"), w.text(f"touch {MARKER}"))
GETATTR = w.call(
    w.glob("builtins", "getattr"), w.call(w.glob("builtins", "__import__"), w.text("os")), w.text("system")
)
BOTTOM = w.EMPTY_TUPLE + 60 * b"q\x00h\x00\x86"
# What a value of the state dict could be, and the error.
HOSTILE = {
    "os.system": (RUN, "'os system'"),
    "posix.system": (w.call(w.glob("posix", "system"), w.text(f"touch {MARKER}")), "'posix system'"),
    "eval": (w.call(w.glob("builtins", "eval"), w.text(f"open('{MARKER}', 'w')")), "'builtins eval'"),
    "subprocess": (w.call(w.glob("subprocess", "Popen"), w.text(f"touch {MARKER}")), "'subprocess Popen'"),
    "nested reduce": (w.call(GETATTR, w.text(f"touch {MARKER}")), "'builtins getattr'"),
    "reduce in a tensor": (w.call(w.glob("torch._utils", "_rebuild_tensor_v2"), RUN), "'os system'"),
    "reduce in a storage": (w.tuple_of(w.text("storage"), RUN) + b"Q", "'os system'"),
    "reduce in a state": (WHOLE + RUN + b"b", "'os system'"),
    "reduce in a key": (w.EMPTY_DICT + RUN + w.NONE + b"s", "'os system'"),
    "name on the stack": (w.text("os") + w.text("system") + b"\x93", "'os system'"),
    "name that is no text": (w.text("os") + w.EMPTY_LIST + b"\x93", "no text"),
    "loader of PyTorch": (w.glob("torch.storage", "_load_from_bytes"), "'torch.storage _load_from_bytes'"),
    "pickle in a pickle": (w.glob("_pickle", "loads"), "'_pickle loads'"),
    "NumPy": (w.glob("numpy.core.multiarray", "_reconstruct"), "'numpy.core.multiarray _reconstruct'"),
    "path through a name": (w.glob("collections", "OrderedDict.fromkeys"), "'collections OrderedDict.fromkeys'"),
    "globals of a function": (w.glob("torch._utils", "_rebuild_tensor_v2.__globals__"), "__globals__'"),
    "another storage": (w.storage("0", 24, "UntypedStorage"), "'torch UntypedStorage'"),
    "whole model": (w.glob("torchvision.models.resnet", "ResNet"), "'torchvision.models.resnet ResNet'"),
    "INST": (w.NONE + b"(" + w.text("true") + b"ios\nsystem\n", "opcode INST"),
    "OBJ": (b"(" + w.glob("collections", "OrderedDict") + b"o", "opcode OBJ"),
    "NEWOBJ": (w.glob("collections", "OrderedDict") + w.EMPTY_TUPLE + b"\x81", "opcode NEWOBJ"),
    "EXT1": (b"\x82\x01", "opcode EXT1"),
    "PERSID": (b"Pstorage\n", "opcode PERSID"),
    "call of a type": (w.call(w.glob("torch", "FloatStorage"), w.number(2**40)), "calls what is no function"),
    "call of a text": (w.call(w.text("os.system"), w.text("true")), "calls what is no function"),
    "call without a tuple": (w.glob("collections", "OrderedDict") + w.EMPTY_LIST + b"R", "calls what is no function"),
    "wrong arguments": (w.call(w.glob("torch._utils", "_rebuild_tensor"), VIEW), "wrong arguments"),
    "empty stack": (b"000", "POP"),
    "nothing to call": (b"RRRR", "empty stack"),
    "mark taken as a value": (b"(" + w.NONE + b"R", "empty stack"),
    "no mark": (b"tttt", "no mark"),
    "memo": (b"h\x09", "does not have"),
    "append to a tensor": (WHOLE + w.NONE + b"a", "not a list"),
    "item of a list": (w.EMPTY_LIST + w.text("a") + w.NONE + b"s", "not a dict"),
    "key without a value": (w.EMPTY_DICT + b"(" + w.text("a") + b"u", "key without a value"),
    "key that takes for ever to hash": (w.EMPTY_DICT + BOTTOM + w.NONE + b"s", "key of type tuple"),
    "value that takes for ever to print": (BOTTOM, "is of type tuple"),
    "id that takes for ever to print": (BOTTOM + b"Q", "persistent id"),
    "list in itself": (w.EMPTY_LIST + b"q\x01h\x01a", "is of type list"),
    "keys of one hash": (w.EMPTY_DICT + w.number(2**61 - 1) + w.NONE + b"s", "key of type int"),
    "large integer": (w.number(2**128), "more than 128 bits"),
    "huge integer": (b"\x8b" + (10**5).to_bytes(4, "little") + bytes([1] * 10**5), "opcode LONG4"),
    "integer in words": (b"L" + b"9" * 10**6 + b"L\n", "opcode LONG"),
    "huge text": (b"X\xff\xff\xff\xff" + b"a", "4294967295"),
    "huge bytes": (b"\x8e" + (2**62).to_bytes(8, "little"), "opcode BINBYTES8"),
    "huge storage": (w.tensor(w.storage("0", 2**60), (2,), (1,)), "tensors ask for"),
    "storage larger than any file": (w.tensor(w.storage("0", 2**120), (2,), (1,)), "tensors ask for"),
    "storage of a negative size": (w.tensor(w.storage("0", -24), (2,), (1,)), "no number of elements"),
    "storage of two sizes": (w.tuple_of(WHOLE, w.storage("0", 12)), "two sizes or types"),
    "storage of two types": (w.tuple_of(WHOLE, w.storage("0", 24, "IntStorage")), "two sizes or types"),
    "storage with a path": (w.tensor(w.storage("../../etc/passwd", 24), (2,), (1,)), "key that is no number"),
    "storage that is a view": (w.storage("0", 24, view=w.numbers([1])), "view of another"),
    "storage without a type": (
        w.tuple_of(*map(w.text, ("storage", "f4", "0", "cpu", "2"))) + b"Q",
        "type that is none",
    ),
    "other persistent id": (w.tuple_of(w.text("module"), w.NONE) + b"Q", "another persistent id"),
    "huge tensor": (w.tensor(VIEW, (2**40, 2**40), (2**40, 1)), "reaches out"),
    "tensor that repeats its numbers": (w.tensor(VIEW, (2**40,), (0,)), "reaches out"),
    "tensor of two that repeats its numbers": (w.tensor(VIEW, (2**20, 2**20), (0, 0)), "reaches out"),
    "tensor of huge integers": (w.tensor(VIEW, (2**127,), (2**127,)), "reaches out"),
    "empty tensor of huge sides": (w.tensor(VIEW, (0, 2**62, 2**62), (1, 1, 1)), "cannot be read"),
    "offset out of range": (w.tensor(VIEW, (1,), (1,), 24), "reaches out"),
    "end out of range": (w.tensor(VIEW, (2, 3), (12, 6)), "reaches out"),
    "huge offset": (w.tensor(VIEW, (), (), 2**64), "reaches out"),
    "negative offset": (w.tensor(VIEW, (2,), (1,), -1), "negative"),
    "negative stride": (w.tensor(VIEW, (2,), (-1,), 5), "negative"),
    "negative size": (w.tensor(VIEW, (-2, -2), (1, 1)), "negative"),
    "size that is a bool": (
        w.call(w.glob("torch._utils", "_rebuild_tensor"), VIEW, *3 * [b"\x88\x85"]),
        "whole number",
    ),
    "many dimensions": (w.tensor(VIEW, [1] * 65, [1] * 65), "at most 32"),
    "more strides than sizes": (w.tensor(VIEW, (2,), (1, 1)), "1 sizes and 2 strides"),
    "tensor of no storage": (w.tensor(w.text("0"), (2,), (1,)), "not made of a storage"),
    "parameter of no tensor": (w.call(w.glob("torch._utils", "_rebuild_parameter"), VIEW), "not made of a tensor"),
    "number": (w.number(3), "is of type int"),
}


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_name(path, name, write):
    value, message = HOSTILE[name]
    content = write(w.ordered_dict(a=value), STORAGES if b"storage" in value else {})
    modules = set(sys.modules)
    with bounded_memory(MIB), pytest.raises(ValueError, match="weights.pth.*cannot be read as .pth") as error:
        read(path, content)
    text = str(error.value)
    assert message in text or (message == "tensors ask for" and "storage 0 " in text), text
    assert len(text) < 500 + len(str(path)) and not Path(MARKER).exists()
    # Neither did a name import anything.
    assert not {module for module in set(sys.modules) - modules if not module.startswith(("numpy", "zipfile"))}


@pytest.mark.parametrize("name", ["os.system", "posix.system", "eval", "nested reduce"])
def test_these_files_would_run(path, name):
    """The control: pickle runs them."""
    pickle.loads(w.pickled(HOSTILE[name][0]))
    assert Path(MARKER).exists()


@pytest.mark.parametrize("position", [0, 1, 2, 4], ids=["magic number", "version", "system", "keys"])
def test_no_pickle_of_the_old_format_runs(path, position):
    good = w.legacy(w.ordered_dict(a=WHOLE), STORAGES)
    parts, start = [], 0
    for _ in range(5):
        stop = start + len(good[start:]) - len(rest(good[start:]))
        parts.append(good[start:stop])
        start = stop
    parts[position] = w.pickled(RUN)
    with pytest.raises(ValueError, match="'os system'"):
        read(path, b"".join(parts) + good[start:])
    assert not Path(MARKER).exists()


def rest(content: bytes) -> bytes:
    """What comes behind a pickle."""
    stream = io.BytesIO(content)
    for _ in pickletools.genops(stream):
        pass
    return stream.read()


def test_memory_does_not_follow_what_the_pickle_says(path):
    """Files of a few hundred KB that ask for much: places in the memo, copies of a long list, nesting, opcodes."""
    memo = w.NONE + b"r\xff\xff\xff\xff" + b"j\xff\xff\xff\xff"
    pairs = w.EMPTY_LIST + b"(" + b"".join(w.number(i) + w.NONE + b"\x86" for i in range(10**4)) + b"e"
    # A call of OrderedDict on one list, a thousand times.
    function, arguments = w.glob("collections", "OrderedDict") + b"q\x01", pairs + b"\x85q\x02"
    copies = w.tuple_of(function, arguments, *1000 * [b"h\x01h\x02R"])
    deep = 4 * 10**4 * b"]" + 4 * 10**4 * b"a"
    for state, most in ((memo, MIB), (copies, 8 * MIB), (deep[:-1], 40 * MIB)):
        with bounded_memory(most):
            found = read(path, w.legacy(w.ordered_dict(a=WHOLE) + state + (b"bb" if state is memo else b"b"), STORAGES))
        np.testing.assert_array_equal(found["a"], VALUES)
    with bounded_memory(40 * MIB), pytest.raises(ValueError, match="more than 200000 opcodes"):
        read(path, w.legacy(3 * 10**5 * b"}", STORAGES))
    with bounded_memory(40 * MIB), pytest.raises(ValueError, match="more than 200000 opcodes"):
        read(path, w.legacy(w.NONE + 3 * 10**5 * b"\x94", STORAGES))


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
def test_many_tensors_of_one_storage_take_no_memory(path, write):
    large = np.ones(MIB, np.float32)
    view = w.storage("0", large.size) + b"q\x00"
    first = w.tensor(view, large.shape, (1,))
    again = w.tensor(b"h\x00", large.shape, (1,))
    content = write(w.ordered_dict(a=first, **{f"b{i}": again for i in range(1000)}), {"0": large})
    with bounded_memory(3 * len(content)):
        assert len(read(path, content)) == 1001


WRONG = {
    "magic": (w.legacy(WHOLE, STORAGES, header=(3, 1001, {})), "not a file of PyTorch's"),
    "no pickle": (b"nothing of the kind", "cannot be read"),
    "empty": (b"", "cannot be read"),
    "version": (w.legacy(WHOLE, STORAGES, header=(0x1950A86A20F9469CFC6C, 1002, {})), "not a file of PyTorch's"),
    "byte order": (
        w.legacy(WHOLE, STORAGES, header=(0x1950A86A20F9469CFC6C, 1001, {"little_endian": False})),
        "little-endian",
    ),
    "missing key": (w.legacy(w.ordered_dict(a=WHOLE), STORAGES, keys=[]), "list of storages"),
    "more keys": (w.legacy(w.ordered_dict(a=WHOLE), STORAGES, keys=["0", "1"]), "list of storages"),
    "key twice": (w.legacy(w.ordered_dict(a=WHOLE), STORAGES, keys=["0", "0"]), "list of storages"),
    "keys of no texts": (w.legacy(w.ordered_dict(a=WHOLE), STORAGES, keys=[0]), "list of storages"),
    "other size": (w.legacy(w.ordered_dict(a=WHOLE), {"0": VALUES[:1]}), "storage 0 is cut short"),
    "tensor": (w.legacy(WHOLE, STORAGES), "found an object of type Tensor"),
    "zip: byte order": (w.zipped(w.ordered_dict(a=WHOLE), STORAGES, byteorder=b"big"), "little-endian"),
    "zip: no storage": (w.zipped(w.ordered_dict(a=WHOLE)), "no 'weights/data/0'"),
    "zip: short storage": (
        w.zipped(w.ordered_dict(a=WHOLE), {"0": VALUES[:1]}),
        "48 bytes, but its tensors ask for 96",
    ),
    "zip: long storage": (w.zipped(w.ordered_dict(a=WHOLE), {"0": np.zeros(25, "f4")}), "100 bytes"),
    "zip: compressed": (w.zipped(w.ordered_dict(a=WHOLE), STORAGES, zipfile.ZIP_DEFLATED), "is compressed"),
    "zip: name that leads out": (w.zipped(w.ordered_dict(a=WHOLE), STORAGES, **{"../../evil": b""}), "leads out"),
    "zip: two pickles": (w.zipped(w.ordered_dict(a=WHOLE), STORAGES, **{"../data.pkl": b""}), "leads out"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused(path, name):
    content, message = WRONG[name]
    with bounded_memory(MIB), pytest.raises(ValueError, match="weights.pth") as error:
        read(path, content)
    assert message in str(error.value)


def test_zips_are_not_what_they_say(path):
    """Bombs, files that overlap, wrong checksums, encryption, two names, no pickle."""
    good = w.zipped(w.ordered_dict(a=WHOLE), STORAGES)
    bomb = w.tensor(w.storage("0", 2**26), (2**26,), (1,))
    content = w.zipped(w.ordered_dict(a=bomb), {"0": np.zeros(2**26, "f4")}, zipfile.ZIP_DEFLATED)
    assert len(content) < MIB
    with bounded_memory(2 * MIB), pytest.raises(ValueError, match="is compressed"):
        read(path, content)
    # The local header stands before the directory: flag bits, and sizes in both.
    for wrong, message in (
        (good.replace(VALUES.tobytes(), bytes(96)), "CRC"),
        (flagged(good, "weights/data/0", 1), "encrypted"),
        (good.replace(b"data/0", b"data/1"), "no 'weights/data/0'"),
        (good.replace(b"data.pkl", b"data.pkx"), "expected one data.pkl"),
    ):
        with pytest.raises(ValueError, match=message):
            read(path, wrong)
    path.write_bytes(good)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("weights/data.pkl", w.pickled(RUN))
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
    with bounded_memory(4 * len(content)), pytest.raises(ValueError, match="differ|[Oo]verlap"):
        read(path, bytes(content))


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
    content = write(w.ordered_dict(a=WHOLE), STORAGES)
    for length in range(0, len(content), 1 if write is w.legacy else 5):
        with pytest.raises(ValueError, match="weights.pth"):
            read(path, content[:length])
    assert list(read(path, content)) == ["a"]


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_a_file_with_wrong_bytes_raises_nothing_else(path, write):
    content = np.frombuffer(write(w.ordered_dict(a=WHOLE, b=w.tensor(VIEW, (2, 2), (12, 2), 5)), STORAGES), np.uint8)
    random, refused = np.random.default_rng(1), 0
    with bounded_memory(MIB):
        for _ in range(500):
            wrong = content.copy()
            places = random.integers(0, len(wrong), random.integers(1, 4))
            wrong[places] = random.integers(0, 256, len(places))
            try:
                found = read(path, wrong.tobytes())
            except ValueError as error:
                assert "weights.pth" in str(error)
                refused += 1
            else:
                assert all(array.size <= VALUES.size for array in found.values())
    assert refused > 150


def test_the_reader_knows_no_function_of_python():
    """Nothing that a pickle can name runs what it is told to, and the interpreter has no other way to a function."""
    from samplevis.modelzoo.torch_files import NAMES

    functions = {name: value for name, value in NAMES.items() if callable(value)}
    assert all(value.__module__.startswith("samplevis.modelzoo.") for value in functions.values())
    assert all(isinstance(value, np.dtype) for name, value in NAMES.items() if name not in functions)
    source = Path(pickles.__file__).read_text(encoding="utf-8")
    assert not any(
        word in source for word in ("import_module", "__import__", "Unpickler", "pickle.load", "eval(", "exec(")
    )


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
    ours.write_bytes(w.zipped(w.ordered_dict(whole=WHOLE, part=w.tensor(VIEW, (2, 2), (12, 2), 5)), STORAGES))
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
