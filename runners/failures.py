"""What a failed job tells its user."""

from __future__ import annotations

import collections
import contextlib
import logging
import math
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imagenet_beam.runners.steps import say
from imagenet_beam.transforms.errors import InputError

_MISTAKE = re.compile(
    r"(?:^|[\s.'\"])InputError: (?P<sentence>[^\n]+?)(?: \[while running '[^\n]*'\])?\"?$",
    re.MULTILINE,
)


JOB_FAILED = 1
"""The exit status."""


class JobFailed(Exception):
    """The job ended without its result; the message is for the user."""


def find_mistake(text: str) -> InputError | None:
    """Finds the sentence of an `InputError` in what a runner says of a failure.

    Runners pass a worker's exception on as text, in the middle of tracebacks of
    their own. One that came up while an `InputError` was handled is no mistake.
    """
    found = list(_MISTAKE.finditer(text))
    raised = _raised_in_python(text.splitlines())
    if not found or (raised and not _MISTAKE.search(raised)):
        return None
    return InputError(found[-1]["sentence"])


def last_line(text: str) -> str:
    """The line that names the exception, from a traceback in text form."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def explained(error: Exception) -> InputError | JobFailed:
    """What a job in this process has failed with: the user's mistake, or the last line."""
    mistake = find_mistake(f"{type(error).__name__}: {error}")
    return mistake or JobFailed(last_line(str(error)))


def root_cause(text: str) -> str:
    """One line on why a job failed, out of Java traces with Python's inside.

    A traceback of a worker is nearer to the cause than the Java exceptions around
    it; without one, it is the innermost Java exception.
    """
    raised = _raised_in_python(text.splitlines())
    if raised:
        return raised
    causes = re.findall(r"^Caused by: (.+)$", text, re.MULTILINE)
    return causes[-1].strip() if causes else first_line(text)


def _raised_in_python(lines: Sequence[str]) -> str:
    """The exception's own line, which follows the indented ones of a traceback."""
    raised = ""
    inside = False
    for line in lines:
        if "Traceback (most recent call last):" in line:
            inside = True
        elif inside and line.strip() and not line.startswith((" ", "\t")):
            raised, inside = line.strip(), False
    return raised


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")


class Stopped(BaseException):
    """The user asked to stop; not an `Exception`, so that libraries let it pass."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class NoiseFilter(logging.Filter):
    """Drops log records that repeat a user's mistake as a traceback, or say nothing.

    The mistake itself is printed once, as a sentence, when the job has ended.
    """

    _NOISE = ("apitools not found",)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        if record.module == "portable_runner":  # its errors are told when the job has ended
            return False
        if record.exc_info and isinstance(record.exc_info[1], InputError):
            return False
        message = record.getMessage()
        return not any(word in message for word in self._NOISE) and not find_mistake(message)


_HELD = 100
"""How many records are held back at most; they say the same."""

_SOON_SECONDS = 30.0
"""How long after such words a job that works would have gone on, or have ended."""


class _Told(logging.LogRecord):
    """A record that was held back before."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)


class HangUpFilter(logging.Filter):
    """Holds back what workers in this process log when the runner hangs up on them.

    Flink does so at the end of a job, and whether Beam's worker then logs a traceback is a
    matter of milliseconds; it does so, too, when it starts a job again. A failure may begin
    with the same words, so they are shown after all unless the job ends well, and where a job
    that hangs was stopped half a minute after them.
    """

    _WORDS = (
        "Multiplexer hanging up",
        "Stream removed (RST_STREAM",
        "Channel closed prematurely",
        "Unknown process bundle instruction id",
    )

    def __init__(self) -> None:
        super().__init__()
        self._held: collections.deque[logging.LogRecord] = collections.deque(maxlen=_HELD)
        self.reset()

    def reset(self) -> None:
        """Begins anew: nothing is held back."""
        self._is_holding = False
        self._stopped_at = math.inf
        self._held.clear()

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Around a job; where it ended well, what comes later is not shown, either."""
        self.reset()
        self._is_holding = True
        try:
            yield
        except InputError:  # the sentence says it all
            raise
        except Stopped:  # perhaps because of what was not shown
            self._show(self._stopped_at - _SOON_SECONDS)
            raise
        except BaseException:
            self._is_holding = False
            self._show(math.inf)
            raise
        finally:
            self._held.clear()

    def stopped(self) -> None:
        """From here on nothing of Beam's is shown: it tells at length what was taken away."""
        self._stopped_at = time.time()

    def _show(self, until: float) -> None:
        """Shows what is held from before that time."""
        for record in self._held:
            if record.created < until:
                logging.getLogger(record.name).handle(_Told(record.__dict__))

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown now."""
        if isinstance(record, _Told):
            return True
        if self._stopped_at < math.inf and record.name.startswith("apache_beam"):
            return False
        error = record.exc_info[1] if record.exc_info else ""
        said = f"{record.getMessage()} {error}"
        if not self._is_holding or not any(words in said for words in self._WORDS):
            return True
        if record.exc_info:  # which holds on to all that the frames refer to
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        self._held.append(record)
        return False


hang_ups = HangUpFilter()


class _TerminalHandler(logging.StreamHandler):  # type: ignore[type-arg] # generic for mypy alone
    """Shows records above what is drawn on a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr.isatty():
            say(self.format(record))
        else:
            super().emit(record)


def quiet_logging() -> None:
    """Logs warnings of Beam and others to the terminal, without noise.

    Called before Beam is imported, since that import already logs.
    """
    # Google's packages say at each import that Python 3.10 gets no more updates of them.
    warnings.filterwarnings("ignore", "You are using a non-supported Python", FutureWarning)
    handler = _TerminalHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(NoiseFilter())
    handler.addFilter(hang_ups)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
