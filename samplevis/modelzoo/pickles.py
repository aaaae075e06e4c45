"""Reads pickles as data: an interpreter of the few opcodes that state dicts consist of. It imports and calls nothing by name."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

#: Opcodes in one pickle. A state dict takes about 30 for each tensor, and each may allocate an object.
MAX_OPCODES = 500_000
#: Bits of an integer. PyTorch's magic number has 80.
MAX_BITS = 128

_MARK = object()
# Opcodes whose argument, decoded by pickletools, is the value.
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"} | {
    # What Python 2 writes.
    "BINSTRING",
    "SHORT_BINSTRING",
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
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
    machine = _Machine(names, persistent)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count >= MAX_OPCODES:
            raise ValueError(f"the pickle has more than {MAX_OPCODES} opcodes")
        machine.step(opcode.name, argument)
    return machine.pop()


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

    def step(self, opcode: str, argument: Any) -> None:
        """Carries out one opcode."""
        if opcode in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > MAX_BITS:
                raise ValueError(f"the pickle has an integer of more than {MAX_BITS} bits")
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            self.stack.append(tuple(reversed([self.pop() for _ in range(_TUPLES[opcode])])))
        elif opcode == "GLOBAL":
            self.stack.append(self.find(argument))
        elif (method := getattr(self, f"do_{opcode.lower()}", None)) is not None:
            method(argument)
        else:
            raise ValueError(f"the pickle has the opcode {opcode}, which no state dict needs")

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

    def top(self, kind: type) -> Any:
        """The value on top of the stack, which must be of that very type."""
        if not self.stack or type(self.stack[-1]) is not kind:
            raise ValueError(f"the pickle fills what is not a {kind.__name__}")
        return self.stack[-1]

    def find(self, name: Any) -> Any:
        """What a name stands for."""
        if not isinstance(name, str) or name not in self.names:
            raise ValueError(f"the pickle asks for {name[:200] if isinstance(name, str) else type(name)!r}")
        return self.names[name]

    def do_mark(self, _: None) -> None:
        self.stack.append(_MARK)

    def do_proto(self, _: int) -> None:
        """The version says nothing that the opcodes do not."""

    do_frame = do_stop = do_proto

    def do_stack_global(self, _: None) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(self.find(f"{module} {name}" if type(module) is type(name) is str else None))

    def do_reduce(self, _: None) -> None:
        arguments, function = self.pop(), self.pop()
        if not callable(function) or type(arguments) is not tuple:
            raise ValueError(f"the pickle calls what is no function: {type(function).__name__}")
        try:
            self.stack.append(function(*arguments))
        except TypeError as error:
            raise ValueError(f"the pickle calls a function with wrong arguments: {error}") from error

    def do_build(self, _: None) -> None:
        # Attributes of a dictionary or of a tensor, such as the versions of modules.
        self.pop()

    def do_binpersid(self, _: None) -> None:
        self.stack.append(self.persistent(self.pop()))

    def do_empty_dict(self, _: None) -> None:
        self.stack.append({})

    def do_empty_list(self, _: None) -> None:
        self.stack.append([])

    def do_tuple(self, _: None) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def do_append(self, _: None) -> None:
        value = self.pop()
        self.top(list).append(value)

    def do_appends(self, _: None) -> None:
        values = self.pop_to_mark()
        self.top(list).extend(values)

    def do_setitem(self, _: None) -> None:
        value, key = self.pop(), self.pop()
        self.top(dict).update(dictionary([(key, value)]))

    def do_setitems(self, _: None) -> None:
        values = self.pop_to_mark()
        if len(values) % 2:
            raise ValueError("the pickle has a key without a value")
        self.top(dict).update(dictionary(list(zip(values[::2], values[1::2], strict=True))))

    def do_memoize(self, _: None) -> None:
        self.do_binput(len(self.memo))

    def do_binput(self, number: int) -> None:
        value = self.pop()
        self.stack.append(value)
        self.memo[number] = value

    def do_binget(self, number: int) -> None:
        if number not in self.memo:
            raise ValueError("the pickle refers to a value that it does not have")
        self.stack.append(self.memo[number])

    do_long_binput, do_long_binget = do_binput, do_binget


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
