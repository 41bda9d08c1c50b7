"""Reads one list of structs out of a MATLAB file, level 5, as the devkit has it.

scipy reads these files too, and writes the ones that the tests compare with. But
this one comes from wherever the user got it, and of a damaged file scipy's
compiled reader can make a bus error, which takes the worker along. This reader
takes only the wanted fields, does not recurse, and checks each size it follows.

Source: MathWorks, "MAT-File Format", chapter 1, level 5 MAT-files.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Value = str | float | None

_HEADER_BYTES = 128
_MAX_NAMES_BYTES = 1 << 16  # of all field names together; the devkit has 8 of at most 32
_MATRIX, _COMPRESSED = 14, 15
_STRUCT_CLASS, _CHAR_CLASS = 2, 4
_NUMERIC_CLASSES = range(6, 16)
_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_CHARACTERS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


class MatFileError(ValueError):
    """The file is damaged, or does not hold what is asked for."""


class _Element(NamedTuple):
    kind: int
    body: memoryview


class _Matrix(NamedTuple):
    kind: int
    length: int
    name: str
    parts: Iterator[_Element]


def read_structs(
    data: bytes, variable: str, fields: Sequence[str], max_bytes: int
) -> list[tuple[Value, ...]]:
    """Returns the wanted fields of each struct in the array of structs of that name.

    A value is text, a number (the first, of a numeric array), or None for an empty array or
    one of another kind. Unpacked, the file may have up to `max_bytes`.

    Raises:
        MatFileError: The file is damaged, too large, or has no such array or field.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128], "")
    if not order or len(data) < _HEADER_BYTES:
        raise MatFileError("it is not a MATLAB 5 file")
    for body in _variables(memoryview(data)[_HEADER_BYTES:], order, max_bytes):
        matrix = _open_matrix(body, order)
        if matrix.name == variable and matrix.kind == _STRUCT_CLASS:
            return list(_structs(matrix, fields, order))
    raise MatFileError(f"it has no list of structs `{variable}`")


def _variables(data: memoryview, order: str, max_bytes: int) -> Iterator[memoryview]:
    for element in _elements(data, order):
        if element.kind == _COMPRESSED:
            unpacked = memoryview(_inflate(element.body, max_bytes))
            element = next(_elements(unpacked, order), element)
        if element.kind == _MATRIX:
            yield element.body


def _inflate(data: memoryview, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(data, max_bytes)
    except zlib.error as error:
        raise MatFileError(f"it is damaged ({error})") from error
    if decompressor.unconsumed_tail:
        raise MatFileError(f"it unpacks to more than {max_bytes >> 20} MB")
    return unpacked


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """Splits data elements, each a tag, its data and padding to 8 bytes."""
    position = 0
    while position + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, position)
        start = position + 8
        if kind >> 16:  # the small form: size, type and up to four bytes of data in 8 bytes
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            position += 8
            if size > 4:
                raise MatFileError("it is damaged: a small element of more than 4 bytes")
        else:
            position = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(data):
            raise MatFileError("it is cut off, or damaged")
        yield _Element(kind, data[start : start + size])


def _open_matrix(body: memoryview, order: str) -> _Matrix:
    """Reads what each array begins with: class, dimensions and name."""
    parts = _elements(body, order)
    head = [element.body for _, element in zip(range(3), parts, strict=False)]
    if len(head) < 3 or len(head[0]) < 4 or len(head[1]) % 4:
        raise MatFileError("it is damaged: an array without dimensions")
    length = 1
    for (dimension,) in struct.iter_unpack(order + "i", head[1]):
        length *= dimension
    kind = struct.unpack_from(order + "I", head[0])[0] & 0xFF
    return _Matrix(kind, length, bytes(head[2]).decode("latin-1"), parts)


def _structs(matrix: _Matrix, fields: Sequence[str], order: str) -> Iterator[tuple[Value, ...]]:
    names = _field_names(matrix, order)
    for field in fields:
        if field not in names:
            raise MatFileError(f"its list `{matrix.name}` has no field {field}")
    wanted = [names.index(field) for field in fields]
    for _ in range(matrix.length):
        row = [element for _, element in zip(names, matrix.parts, strict=False)]
        if len(row) < len(names):
            raise MatFileError("it is cut off, or damaged")
        yield tuple(_value(row[index], order) for index in wanted)


def _field_names(matrix: _Matrix, order: str) -> list[str]:
    width_element, names_element = next(matrix.parts, None), next(matrix.parts, None)
    if width_element is None or names_element is None or len(width_element.body) != 4:
        raise MatFileError("it is damaged: a struct without field names")
    width = struct.unpack_from(order + "i", width_element.body)[0]
    text = bytes(names_element.body)
    if not 1 <= width <= len(text) <= _MAX_NAMES_BYTES or len(text) % width:
        raise MatFileError("it is damaged: a struct without field names")
    cells = (text[start : start + width] for start in range(0, len(text), width))
    return [cell.split(b"\0")[0].decode("latin-1") for cell in cells]


def _value(element: _Element, order: str) -> Value:
    if element.kind != _MATRIX:
        raise MatFileError("it is damaged: a field is not an array")
    if not element.body:  # how MATLAB writes a field that was never set
        return None
    matrix = _open_matrix(element.body, order)
    content = next(matrix.parts, None)
    if content is None or not content.body:
        return None
    if matrix.kind == _CHAR_CLASS:
        return _text(content, order)
    return _number(content, order) if matrix.kind in _NUMERIC_CLASSES else None


def _text(content: _Element, order: str) -> str:
    encoding = _CHARACTERS.get(content.kind, "")
    if encoding.startswith(("utf-16", "utf-32")):
        encoding += "-le" if order == "<" else "-be"
    try:
        return bytes(content.body).decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise MatFileError("it is damaged: a text that cannot be decoded") from error


def _number(content: _Element, order: str) -> float:
    code = _NUMBERS.get(content.kind, "")
    if not code or len(content.body) < struct.calcsize(code):
        raise MatFileError("it is damaged: a number of an unknown kind")
    return float(struct.unpack_from(order + code, content.body)[0])
