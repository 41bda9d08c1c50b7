"""A terminal of so many columns: a pseudo-terminal, and what its screen shows."""

import contextlib
import errno
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from typing import Any

_ROWS = 60
_CONTROL = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")


class Screen:
    """What is seen of text with the control sequences that this program's output may have."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.row = self.column = 0
        self.hidden = False
        self.wrapped: list[str] = []
        self._cells: list[list[str]] = [[]]
        self._rest = ""

    def lines(self) -> list[str]:
        """The lines, without blanks at their ends."""
        lines = ["".join(row).rstrip() for row in self._cells]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def feed(self, text: str) -> None:
        """Shows further text."""
        text = self._rest + text
        while text:
            control = _CONTROL.match(text)
            if control:
                self._obey(control[1], control[2])
                text = text[control.end() :]
            elif text[0] == "\x1b":
                if len(text) > 20:
                    raise AssertionError(f"unknown control sequence {text[:20]!r}")
                break
            else:
                self._put(text[0])
                text = text[1:]
        self._rest = text

    def _obey(self, numbers: str, letter: str) -> None:
        if numbers == "?25":
            self.hidden = letter == "l"
        elif letter == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif letter == "K" and numbers == "2":
            self._cells[self.row] = []
        elif letter != "m":
            raise AssertionError(f"unknown control sequence {numbers}{letter}")

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._go_down()
        elif character != "\x07":
            if self.column == self.columns:
                self.wrapped.append("".join(self._cells[self.row]))
                self.column = 0
                self._go_down()
            row = self._cells[self.row]
            row += " " * (self.column + 1 - len(row))
            row[self.column] = character
            self.column += 1

    def _go_down(self) -> None:
        self.row += 1
        if self.row == len(self._cells):
            self._cells.append([])


class Terminal:
    """A pseudo-terminal: `its` is for the program, the screen is read from the other end."""

    def __init__(self, columns: int) -> None:
        self._mine, self.its = pty.openpty()
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
        os.set_blocking(self._mine, False)
        self.screen = Screen(columns)
        self.written = ""

    @property
    def environment(self) -> dict[str, str]:
        """What a program in it finds."""
        return {**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, "TERM": "xterm"}

    @property
    def of_a_program(self) -> dict[str, Any]:
        """Options of `subprocess.Popen` for a program that runs in it, as below a shell."""
        return {
            "env": self.environment,
            "stdin": self.its,
            "stderr": self.its,
            "start_new_session": True,
            "preexec_fn": lambda: fcntl.ioctl(self.its, termios.TIOCSCTTY, 0),
        }

    def type(self, keys: bytes) -> None:
        """What a person types; the terminal echoes it."""
        os.write(self._mine, keys)

    def shown(self) -> str:
        """What is seen now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = os.read(self._mine, 1 << 16)
                except OSError as error:  # Linux says so when nobody holds the other end
                    if error.errno != errno.EIO:
                        raise
                    data = b""
                if not data:
                    break
                self.written += data.decode()
                self.screen.feed(data.decode())
        return "\n".join(self.screen.lines())

    def close(self) -> None:
        """Ends it."""
        os.close(self._mine)
        with contextlib.suppress(OSError):
            os.close(self.its)


@contextlib.contextmanager
def terminal(columns: int) -> Iterator[Terminal]:
    """A terminal that is closed at the end."""
    made = Terminal(columns)
    try:
        yield made
    finally:
        made.close()
