"""Reads data out of a pickle without executing it.

A pickle is a program for a stack machine that may call any function, and CIFAR's
python archive is pickles from the internet. This module does not hand them to
`pickle`: it walks their instructions and knows only those that build dicts,
lists, tuples, text, bytes and whole numbers, plus four names that NumPy's arrays
need, which stand here for plain values and are never imported. Any other
instruction or name is an `InputError`. Memory is bounded by the pickle's own
length: values are made of its bytes or of references to others, and what is
encoded anew, each time that the pickle says so, may be no longer in all than it is.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

from imagenet_beam.transforms.errors import InputError

_MARK = object()


class Uint8Array:
    """What is left of a NumPy array of unsigned bytes: its shape and its values.

    Attributes:
        shape: Sizes of the dimensions.
        data: The values in C order.
    """

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.data = b""

    def fill(self, shape: object, dtype: object, data: object, is_fortran: object) -> None:
        """Takes the values after checking that they are what they claim to be."""
        sizes = _sizes(shape)
        if not isinstance(dtype, _Uint8) or is_fortran:
            raise _UnexpectedPickle("holds an array that is not of unsigned bytes in C order")
        if not isinstance(data, bytes) or _product(sizes) != len(data):
            raise _UnexpectedPickle(f"holds an array whose bytes are not those of shape {sizes}")
        self.shape, self.data = sizes, data


class _Uint8:
    """NumPy's dtype of unsigned bytes."""


class _Name:
    """One of the admitted global names; a token, never the thing that it names."""

    def __init__(self, text: str) -> None:
        self.text = text


class _UnexpectedPickle(Exception):
    """The pickle holds something that data of this kind never needs."""


def load_plain_pickle(data: bytes, name: str) -> Any:
    """Gives the value that a pickle of plain data describes.

    Dict keys and texts are as stored: bytes where Python 2 wrote them.

    Args:
        data: The pickle, any protocol.
        name: The file's name for messages.

    Returns:
        Dicts, lists, tuples, str, bytes, int, bool, None and `Uint8Array`.

    Raises:
        InputError: The pickle is damaged, or would need more than plain data.
    """
    machine = _Machine(max_encoded_bytes=len(data))
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
        return machine.result()
    except _UnexpectedPickle as error:
        raise InputError(
            f"{name} is a pickle that {error}; accepted are dicts, lists, text, bytes, whole "
            "numbers and arrays of unsigned bytes, because anything else could run code"
        ) from error
    except (ValueError, LookupError, OverflowError) as error:
        # What pickletools raises for broken instructions, and an empty stack.
        raise InputError(f"{name} is a damaged pickle or none ({error})") from error


class _Machine:
    """The stack, the marks and the memo of a pickle.

    Args:
        max_encoded_bytes: What `_codecs.encode` may make in all. Of each text that an
            honest pickle has encoded, it holds all characters itself.
    """

    def __init__(self, max_encoded_bytes: int) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._encoded_bytes_left = max_encoded_bytes

    def step(self, opcode: str, argument: Any) -> None:
        """Carries out one instruction."""
        if opcode in _IGNORED:
            return
        if opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode](argument))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        else:
            raise _UnexpectedPickle(f"uses the instruction {opcode}")

    def result(self) -> Any:
        """The one value that is left when the pickle stops."""
        return self._stack[-1]

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise ValueError(f"no {kind.__name__} where one belongs")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _empty_list(self, _: Any) -> None:
        self._stack.append([])

    def _dict(self, _: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._update(items)

    def _list(self, _: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _tuple_of(self, size: int) -> None:
        values = [self._pop() for _ in range(size)]
        self._stack.append(tuple(values[::-1]))

    def _append(self, _: Any) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _appends(self, _: Any) -> None:
        values = self._pop_to_mark()
        self._top(list).extend(values)

    def _set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._update([key, value])

    def _set_items(self, _: Any) -> None:
        self._update(self._pop_to_mark())

    def _update(self, items: list[Any]) -> None:
        # Only text can be a key: the hash of nested tuples can be made to take forever.
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, bytes)):
                raise _UnexpectedPickle("has a dict key that is not text")
            target[key] = value

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _global(self, argument: str) -> None:
        module, _, attribute = argument.partition(" ")
        self._push_name(module, attribute)

    def _stack_global(self, _: Any) -> None:
        attribute, module = self._pop(), self._pop()
        self._push_name(module, attribute)

    def _push_name(self, module: object, attribute: object) -> None:
        # Of anything but text, the mere writing down can be made to take forever.
        is_text = isinstance(module, str) and isinstance(attribute, str)
        text = f"{module}.{attribute}" if is_text else "of no name"
        if text not in _NAMES:
            raise _UnexpectedPickle(f"names the function or class {text}")
        self._stack.append(_Name(_NAMES[text]))

    def _reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise _UnexpectedPickle("calls something that it may not call")
        if function.text not in _CALLS:
            raise _UnexpectedPickle(f"calls {function.text}")
        value = _CALLS[function.text](arguments)
        if isinstance(value, bytes):
            self._count_encoded(len(value))
        self._stack.append(value)

    def _count_encoded(self, size_bytes: int) -> None:
        self._encoded_bytes_left -= size_bytes
        if self._encoded_bytes_left < 0:
            raise _UnexpectedPickle("encodes more text than it holds")

    def _build(self, _: Any) -> None:
        state = self._pop()
        target = self._stack[-1]
        if isinstance(target, Uint8Array) and isinstance(state, tuple) and len(state) == 5:
            _, shape, dtype, is_fortran, data = state
            target.fill(shape, dtype, data, is_fortran)
        elif not isinstance(target, _Uint8):
            raise _UnexpectedPickle("sets the state of something that is not an array")


def _call_dtype(arguments: tuple[Any, ...]) -> _Uint8:
    if arguments[:1] not in (("u1",), (b"u1",)):
        _refuse_call("an array type other than unsigned bytes")
    return _Uint8()


def _call_encode(arguments: tuple[Any, ...]) -> bytes:
    # How protocols 0 to 2 store bytes: as text of the same code points.
    text, encoding = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        _refuse_call("an encoding other than latin1")
    return text.encode("latin-1")


def _call_reconstruct(_: tuple[Any, ...]) -> Uint8Array:
    # Empty until BUILD brings its state, whatever the arguments ask for.
    return Uint8Array()


def _call_frombuffer(arguments: tuple[Any, ...]) -> Uint8Array:
    if len(arguments) != 4:
        _refuse_call("an array with unknown arguments")
    data, dtype, shape, order = arguments
    array = Uint8Array()
    array.fill(shape, dtype, data, order != "C")
    return array


def _refuse_call(what: str) -> NoReturn:
    raise _UnexpectedPickle(f"makes {what}")


def _sizes(shape: object) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, tuple) else ()
    if not 0 < len(sizes) <= 4 or not all(type(size) is int and size >= 0 for size in sizes):
        raise _UnexpectedPickle("holds an array of an unknown shape")
    return sizes


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


_NAMES = {
    "numpy.core.multiarray._reconstruct": "reconstruct",
    "numpy._core.multiarray._reconstruct": "reconstruct",
    "numpy.core.numeric._frombuffer": "frombuffer",
    "numpy._core.numeric._frombuffer": "frombuffer",
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
}
"""The names that pickled arrays use, from NumPy 1 and from NumPy 2."""

_CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "reconstruct": _call_reconstruct,
    "frombuffer": _call_frombuffer,
    "dtype": _call_dtype,
    "encode": _call_encode,
}


def _as_is(argument: Any) -> Any:
    return argument


def _python2_text(argument: str) -> bytes:
    # pickletools shows Python 2's byte strings as text of the same code points.
    return argument.encode("latin-1")


_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})

_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "BYTEARRAY8": bytes,
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), _as_is),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _python2_text),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _as_is),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _as_is),
}

_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "EMPTY_DICT": _Machine._empty_dict,
    "EMPTY_LIST": _Machine._empty_list,
    "DICT": _Machine._dict,
    "LIST": _Machine._list,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "PUT": _Machine._put,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "GET": _Machine._get,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}
