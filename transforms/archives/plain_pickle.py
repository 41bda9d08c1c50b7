"""Reads data out of a pickle without executing it.

A pickle is a program for a stack machine that may call any function, and CIFAR's
python archive is pickles from the internet. This module does not hand them to
`pickle`: it walks their instructions and knows only those that Python 2 wrote into
the published archives, with protocol 2: dicts, lists, tuples, byte strings and whole
numbers, plus three names that NumPy's arrays need, which stand here for plain values
and are never imported. Anything else is an `InputError`. Memory is bounded by the
pickle's own length: values are made of its bytes or of references to others.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from typing import Any

from imagenet_beam.transforms.errors import InputError

_MARK = object()


class Uint8Array:
    """What is left of a NumPy array of unsigned bytes: its shape and its values.

    Attributes:
        shape: Sizes of the dimensions.
        data: The values in C order.
    """

    shape: tuple[int, ...] = ()
    data = b""

    def fill(self, shape: object, dtype: object, is_fortran: object, data: object) -> None:
        """Takes the values after checking that they are what they claim to be."""
        sizes = shape if isinstance(shape, tuple) else ()
        if not 0 < len(sizes) <= 4 or not all(type(size) is int and size >= 0 for size in sizes):
            raise _UnexpectedPickle("holds an array of an unknown shape")
        if not isinstance(dtype, _Uint8) or is_fortran:
            raise _UnexpectedPickle("holds an array that is not of unsigned bytes in C order")
        if not isinstance(data, bytes) or math.prod(sizes) != len(data):
            raise _UnexpectedPickle(f"holds an array whose bytes are not those of shape {sizes}")
        self.shape, self.data = sizes, data


class _Uint8:
    """NumPy's dtype of unsigned bytes."""


class _Name(str):
    """One of the admitted global names; a token, never the thing that it names."""


_RECONSTRUCT, _ARRAY, _DTYPE = map(
    _Name, ("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype")
)


class _UnexpectedPickle(Exception):
    """The pickle holds something that data of this kind never needs."""


def load_plain_pickle(data: bytes, name: str) -> Any:
    """Gives what a pickle holds: dicts, lists, tuples, bytes, int, bool, None and `Uint8Array`.

    Raises:
        InputError: The pickle is damaged, or would need more than plain data.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
        return machine.stack[-1]
    except _UnexpectedPickle as error:
        raise InputError(
            f"{name} is a pickle that {error}; accepted are the dicts, lists, byte strings, whole "
            "numbers and arrays of unsigned bytes that Python 2 wrote into the published "
            "archives, because anything else could run code"
        ) from error
    except (ValueError, LookupError, OverflowError) as error:
        # What pickletools raises for broken instructions, and an empty stack.
        raise InputError(f"{name} is a damaged pickle or none ({error})") from error


class _Machine:
    """The stack, the marks and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """Carries out one instruction."""
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode](argument))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        elif opcode not in ("PROTO", "STOP"):
            raise _UnexpectedPickle(f"uses the instruction {opcode}")

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def _pop_to_mark(self) -> list[Any]:
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("no list where one belongs")
        self.stack[-1].extend(values)

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise ValueError("no dict where one belongs")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Only text can be a key: the hash of nested tuples can be made to take forever.
            if not isinstance(key, bytes):
                raise _UnexpectedPickle("has a dict key that is not text")
            self.stack[-1][key] = value

    def _tuple(self, size: int) -> None:
        values = [self._pop() for _ in range(size)]
        self.stack.append(tuple(values[::-1]))

    def _put(self, index: int) -> None:
        self._memo[index] = self.stack[-1]

    def _global(self, argument: str) -> None:
        if argument not in (_RECONSTRUCT, _ARRAY, _DTYPE):
            raise _UnexpectedPickle(f"names the function or class {argument.replace(' ', '.')}")
        self.stack.append(_Name(argument))

    def _reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise _UnexpectedPickle("calls something that it may not call")
        if function == _RECONSTRUCT:
            # Empty until BUILD brings its state, whatever the arguments ask for.
            self.stack.append(Uint8Array())
        elif function == _DTYPE and arguments[:1] == (b"u1",):
            self.stack.append(_Uint8())
        elif function == _DTYPE:
            raise _UnexpectedPickle("makes an array type other than unsigned bytes")
        else:
            raise _UnexpectedPickle(f"calls {function.rpartition(' ')[2]}")

    def _build(self, _: Any) -> None:
        state, target = self._pop(), self.stack[-1]
        if isinstance(target, Uint8Array) and isinstance(state, tuple) and len(state) == 5:
            target.fill(*state[1:])
        elif not isinstance(target, _Uint8):
            raise _UnexpectedPickle("sets the state of something that is not an array")


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "MARK": lambda _: _MARK,
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    **dict.fromkeys(("BININT", "BININT1", "BININT2"), int),
    # pickletools shows byte strings as text of the same code points.
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), lambda text: text.encode("latin-1")),
}

_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine._pop_to_mark())),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "APPEND": lambda machine, _: machine._extend([machine._pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._pop_to_mark()),
    "SETITEM": lambda machine, _: machine._update([machine._pop(), machine._pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._update(machine._pop_to_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine._put),
    "BINGET": lambda machine, index: machine.stack.append(machine._memo[index]),
    "LONG_BINGET": lambda machine, index: machine.stack.append(machine._memo[index]),
    "GLOBAL": _Machine._global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}
