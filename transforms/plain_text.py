"""Text from archives and label files, safe to show and to write: odd characters are escapes.

Control characters move the cursor of a terminal and end lines of files; those for
writing from right to left show a text in another order than it has.
"""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # of Unicode's UAX #9
_SURROGATES = "\ud800-\udfff"  # what bytes that are not UTF-8 come as

_IN_NAMES = re.compile(f"[{_CONTROLS}]")
_ESCAPED = re.compile(rf"[{_CONTROLS}{_SURROGATES}]|\\(?:[\\nrt]|x[0-9a-f]{{2}}|u[0-9a-f]{{4}})")
"""What names have escapes of, or what looks like one."""
ODD = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_SURROGATES}]")
_ODD_IN_LINES = re.compile(f"(?!\n){ODD.pattern}")


def clean_name(name: str) -> str:
    """A member's name as records hold it, which every coder and every file takes.

    Two names stay two: what looks like an escape already has its backslashes doubled.
    """
    if "\\" not in name and name.isascii() and name.isprintable():
        return name
    if _ESCAPED.search(name):
        name = name.replace("\\", "\\\\")
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _IN_NAMES.sub(_escape, text)


def shown(text: str) -> str:
    r"""A name or text on one line, as it may be shown: `a\x1b[2J`, `a\u202eb`."""
    return text if text.isascii() and text.isprintable() else ODD.sub(_escape, text)


def shown_lines(text: str) -> str:
    """Several lines, each as `shown` has it."""
    return _ODD_IN_LINES.sub(_escape, text)


def plain_json(text: str) -> str:
    """JSON with the same meaning, in which JSON's own escapes stand for odd characters."""
    return _ODD_IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
