"""Reads pickles as data: an interpreter of the few opcodes that state dicts consist of. It imports and calls nothing by name."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

#: Opcodes in one pickle. A state dict takes about 30 for each tensor, and each may allocate an object.
MAX_OPCODES = 200_000
#: Bits of an integer. PyTorch's magic number has 80.
MAX_BITS = 128

_MARK = object()
_CODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
# Opcodes whose argument is the value; the last two are those of Python 2.
_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE") + (
    "BINSTRING",
    "SHORT_BINSTRING",
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(stream: BinaryIO, names: Mapping[str, Any], persistent: Callable[[Any], Any]) -> Any:
    """Reads one pickle from a stream without running what it names.

    Builds numbers, strings, tuples, lists and dictionaries. An importable name in the pickle is looked up in `names` and
    nowhere else. State that the pickle sets on an object is ignored.

    Args:
      stream: a stream in memory, so that no read can ask for more than there is. Afterwards it stands behind the pickle.
      names: what "module name" stands for. The pickle can call the functions among these, with any arguments.
      persistent: what a persistent id stands for.

    Returns:
      The object.

    Raises:
      ValueError: if it is not a pickle, or contains another name or opcode; the message has that name.

    Example:
      >>> read_pickle(io.BytesIO(pickle.dumps({"a": (1, 2.5)})), {}, None)
      {'a': (1, 2.5)}
      >>> read_pickle(io.BytesIO(pickle.dumps(print)), {}, None)
      Traceback (most recent call last):
      ValueError: the pickle asks for 'builtins print'
    """
    actions = (machine := _Machine(names, persistent)).actions()
    for _ in range(MAX_OPCODES):
        code = stream.read(1)
        if code == b".":
            return machine.pop()
        if not code or code not in _CODES:
            raise ValueError("it is not a pickle, or is cut short")
        opcode = _CODES[code]
        # Before its argument is decoded, which takes long for numbers in words.
        if opcode.name not in actions:
            raise ValueError(f"the pickle has the opcode {opcode.name}, which no state dict needs")
        actions[opcode.name](opcode.arg.reader(stream) if opcode.arg else None)
    raise ValueError(f"the pickle has more than {MAX_OPCODES} opcodes")


class _Machine:
    """The stack machine of pickle: values, marks and a memo.

    Every value on the stack is a number, string, tuple, list or dictionary, comes from `names`, or was returned by `persistent`
    or by a function in `names`. No value is compared, hashed (but for numbers and strings), copied or printed, because a
    few opcodes make structures that take for ever to walk.
    """

    def __init__(self, names: Mapping[str, Any], persistent: Callable[[Any], Any]):
        self.names, self.persistent = names, persistent
        self.stack: list[Any] = []
        # A dictionary: the file chooses the numbers.
        self.memo: dict[int, Any] = {}

    def actions(self) -> dict[str, Callable[[Any], None]]:
        """What each opcode does with its argument."""
        push = self.stack.append
        found = {name: self.value for name in _VALUES}
        found |= {name: lambda _, value=value: push(value) for name, value in _CONSTANTS.items()}
        found |= {name: lambda _, kind=kind: push(kind()) for name, kind in _EMPTY.items()}
        found |= {name: lambda _, size=size: push(self.few(size)) for name, size in _TUPLES.items()}
        found |= {name: lambda _: None for name in ("PROTO", "FRAME")}
        found |= {name: self.put for name in ("BINPUT", "LONG_BINPUT")}
        found |= {name: self.get for name in ("BINGET", "LONG_BINGET")}
        return found | {
            "MARK": lambda _: push(_MARK),
            "TUPLE": lambda _: push(tuple(self.pop_to_mark())),
            "GLOBAL": lambda name: push(self.find(name)),
            "STACK_GLOBAL": lambda _: push(self.find(" ".join(map(self.text, self.few(2))))),
            "BINPERSID": lambda _: push(self.persistent(self.pop())),
            "MEMOIZE": lambda _: self.put(len(self.memo)),
            # Attributes of a dictionary or a tensor, such as the versions of modules.
            "BUILD": lambda _: self.pop(),
            "REDUCE": lambda _: push(self.call(*self.few(2))),
            "APPEND": lambda _: self.append(list(self.few(1))),
            "APPENDS": lambda _: self.append(self.pop_to_mark()),
            "SETITEM": lambda _: self.update(list(self.few(2))),
            "SETITEMS": lambda _: self.update(self.pop_to_mark()),
        }

    def value(self, argument: Any) -> None:
        """Puts a number or a string on the stack."""
        if isinstance(argument, int) and argument.bit_length() > MAX_BITS:
            raise ValueError(f"the pickle has an integer of more than {MAX_BITS} bits")
        self.stack.append(argument)

    def pop(self) -> Any:
        """The value on top of the stack, removed."""
        value = self.stack.pop() if self.stack else _MARK
        if value is _MARK:
            raise ValueError("the pickle takes a value from an empty stack")
        return value

    def pop_to_mark(self) -> list[Any]:
        """The values above the last mark, removed with it."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                values = self.stack[i + 1 :]
                del self.stack[i:]
                return values
        raise ValueError("the pickle has no mark")

    def few(self, count: int) -> tuple[Any, ...]:
        """The topmost values, removed."""
        return tuple(reversed([self.pop() for _ in range(count)]))

    def top(self, kind: type) -> Any:
        """The value on top of the stack, which must be of that very type."""
        if not self.stack or type(self.stack[-1]) is not kind:
            raise ValueError(f"the pickle fills what is not a {kind.__name__}")
        return self.stack[-1]

    def text(self, value: Any) -> str:
        if type(value) is not str:
            raise ValueError("the pickle asks for a name that is no text")
        return value

    def find(self, name: str) -> Any:
        """What a name stands for."""
        if name not in self.names:
            raise ValueError(f"the pickle asks for {name[:200]!r}")
        return self.names[name]

    def call(self, function: Any, arguments: Any) -> Any:
        """What a function in `names` returns: nothing else on the stack can be called."""
        if not callable(function) or type(arguments) is not tuple:
            raise ValueError(f"the pickle calls what is no function: {type(function).__name__}")
        try:
            return function(*arguments)
        except TypeError as error:
            raise ValueError(f"the pickle calls a function with wrong arguments: {error}") from error

    def append(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def update(self, values: list[Any]) -> None:
        if len(values) % 2:
            raise ValueError("the pickle has a key without a value")
        self.top(dict).update(dictionary(list(zip(values[::2], values[1::2], strict=True))))

    def put(self, number: int) -> None:
        """Remembers the value on top of the stack."""
        value = self.pop()
        self.stack.append(value)
        self.memo[number] = value

    def get(self, number: int) -> None:
        """Puts a remembered value on the stack."""
        if number not in self.memo:
            raise ValueError("the pickle refers to a value that it does not have")
        self.stack.append(self.memo[number])


def dictionary(items: Any = None) -> dict[str | int, Any]:
    """A dictionary from a list of pairs, as `collections.OrderedDict` makes one.

    Args:
      items: list of (key, value) pairs. It is emptied, so that a pickle cannot ask for many copies of a long list. Defaults to
        none.

    Returns:
      The dictionary.

    Raises:
      ValueError: if these are no pairs, or a key is neither a string nor a 32-bit integer.

    Example:
      >>> dictionary([("a", 1), ["b", 2]])
      {'a': 1, 'b': 2}
    """
    if items is None:
        return {}
    if type(items) is not list or any(type(item) not in (list, tuple) or len(item) != 2 for item in items):
        raise ValueError("the pickle makes a dictionary of what are no pairs")
    for key, _ in items:
        # Large integers can be chosen to have one hash.
        if type(key) is not str and not (type(key) is int and 0 <= key < 2**32):
            raise ValueError(f"the pickle has a dictionary with a key of type {type(key).__name__}")
    result = dict(items)
    items.clear()
    return result
