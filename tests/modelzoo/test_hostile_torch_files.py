"""Hostile files in PyTorch's formats: each is refused, nothing in it runs, and memory follows the file's size."""

from __future__ import annotations

import io
import pickle
import pickletools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch_writer as w

from samplevis.modelzoo import pickles

MARKER = "it_ran"


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """Where to write a file. What they run leaves a marker in the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "weights.pth"


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
    "reduce in a state": (w.WHOLE + RUN + b"b", "'os system'"),
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
    "wrong arguments": (w.call(w.glob("torch._utils", "_rebuild_tensor"), w.VIEW), "wrong arguments"),
    "empty stack": (b"000", "POP"),
    "nothing to call": (b"RRRR", "empty stack"),
    "mark taken as a value": (b"(" + w.NONE + b"R", "empty stack"),
    "no mark": (b"tttt", "no mark"),
    "memo": (b"h\x09", "does not have"),
    "append to a tensor": (w.WHOLE + w.NONE + b"a", "not a list"),
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
    "storage of two sizes": (w.tuple_of(w.WHOLE, w.storage("0", 12)), "two sizes or types"),
    "storage of two types": (w.tuple_of(w.WHOLE, w.storage("0", 24, "IntStorage")), "two sizes or types"),
    "storage with a path": (w.tensor(w.storage("../../etc/passwd", 24), (2,), (1,)), "key that is no number"),
    "storage that is a view": (w.storage("0", 24, view=w.numbers([1])), "view of another"),
    "storage without a type": (
        w.tuple_of(*map(w.text, ("storage", "f4", "0", "cpu", "2"))) + b"Q",
        "type that is none",
    ),
    "other persistent id": (w.tuple_of(w.text("module"), w.NONE) + b"Q", "another persistent id"),
    "huge tensor": (w.tensor(w.VIEW, (2**40, 2**40), (2**40, 1)), "reaches out"),
    "tensor that repeats its numbers": (w.tensor(w.VIEW, (2**40,), (0,)), "reaches out"),
    "tensor of two that repeats its numbers": (w.tensor(w.VIEW, (2**20, 2**20), (0, 0)), "reaches out"),
    "tensor of huge integers": (w.tensor(w.VIEW, (2**127,), (2**127,)), "reaches out"),
    "empty tensor of huge sides": (w.tensor(w.VIEW, (0, 2**62, 2**62), (1, 1, 1)), "cannot be read"),
    "offset out of range": (w.tensor(w.VIEW, (1,), (1,), 24), "reaches out"),
    "end out of range": (w.tensor(w.VIEW, (2, 3), (12, 6)), "reaches out"),
    "huge offset": (w.tensor(w.VIEW, (), (), 2**64), "reaches out"),
    "negative offset": (w.tensor(w.VIEW, (2,), (1,), -1), "negative"),
    "negative stride": (w.tensor(w.VIEW, (2,), (-1,), 5), "negative"),
    "negative size": (w.tensor(w.VIEW, (-2, -2), (1, 1)), "negative"),
    "size that is a bool": (
        w.call(w.glob("torch._utils", "_rebuild_tensor"), w.VIEW, *3 * [b"\x88\x85"]),
        "whole number",
    ),
    "many dimensions": (w.tensor(w.VIEW, [1] * 65, [1] * 65), "at most 32"),
    "more strides than sizes": (w.tensor(w.VIEW, (2,), (1, 1)), "1 sizes and 2 strides"),
    "tensor of no storage": (w.tensor(w.text("0"), (2,), (1,)), "not made of a storage"),
    "parameter of no tensor": (w.call(w.glob("torch._utils", "_rebuild_parameter"), w.VIEW), "not made of a tensor"),
    "number": (w.number(3), "is of type int"),
}


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_name(path, name, write):
    value, message = HOSTILE[name]
    content = write(w.ordered_dict(a=value), w.STORAGES if b"storage" in value else {})
    modules = set(sys.modules)
    with w.bounded_memory(w.MIB), pytest.raises(ValueError, match="weights.pth.*cannot be read as .pth") as error:
        w.read(path, content)
    text = str(error.value)
    assert message in text or (message == "tensors ask for" and "storage 0 " in text), text
    assert len(text) < 500 + len(str(path)) and not Path(MARKER).exists()
    # Neither did a name import anything.
    assert not {
        module for module in set(sys.modules) - modules if not module.startswith(("numpy", "zipfile", "encodings"))
    }


@pytest.mark.parametrize("name", ["os.system", "posix.system", "eval", "nested reduce"])
def test_these_files_would_run(path, name):
    """The control: pickle runs them."""
    pickle.loads(w.pickled(HOSTILE[name][0]))
    assert Path(MARKER).exists()


@pytest.mark.parametrize("position", [0, 1, 2, 4], ids=["magic number", "version", "system", "keys"])
def test_no_pickle_of_the_old_format_runs(path, position):
    good = w.legacy(w.ordered_dict(a=w.WHOLE), w.STORAGES)
    parts, start = [], 0
    for _ in range(5):
        stop = start + len(good[start:]) - len(rest(good[start:]))
        parts.append(good[start:stop])
        start = stop
    parts[position] = w.pickled(RUN)
    with pytest.raises(ValueError, match="'os system'"):
        w.read(path, b"".join(parts) + good[start:])
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
    for state, most in ((memo, w.MIB), (copies, 8 * w.MIB), (deep[:-1], 40 * w.MIB)):
        with w.bounded_memory(most):
            found = w.read(
                path, w.legacy(w.ordered_dict(a=w.WHOLE) + state + (b"bb" if state is memo else b"b"), w.STORAGES)
            )
        np.testing.assert_array_equal(found["a"], w.VALUES)
    with w.bounded_memory(40 * w.MIB), pytest.raises(ValueError, match="more than 200000 opcodes"):
        w.read(path, w.legacy(3 * 10**5 * b"}", w.STORAGES))
    with w.bounded_memory(40 * w.MIB), pytest.raises(ValueError, match="more than 200000 opcodes"):
        w.read(path, w.legacy(w.NONE + 3 * 10**5 * b"\x94", w.STORAGES))


@pytest.mark.parametrize("write", w.FORMATS.values(), ids=w.FORMATS)
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_a_file_with_wrong_bytes_raises_nothing_else(path, write):
    content = np.frombuffer(
        write(w.ordered_dict(a=w.WHOLE, b=w.tensor(w.VIEW, (2, 2), (12, 2), 5)), w.STORAGES), np.uint8
    )
    random, refused = np.random.default_rng(1), 0
    with w.bounded_memory(w.MIB):
        for _ in range(500):
            wrong = content.copy()
            places = random.integers(0, len(wrong), random.integers(1, 4))
            wrong[places] = random.integers(0, 256, len(places))
            try:
                found = w.read(path, wrong.tobytes())
            except ValueError as error:
                assert "weights.pth" in str(error)
                refused += 1
            else:
                assert all(array.size <= w.VALUES.size for array in found.values())
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
