"""What a failed job tells its user."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Sequence

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
    their own.
    """
    found = list(_MISTAKE.finditer(text))
    return InputError(found[-1]["sentence"]) if found else None


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
        return not any(word in message for word in (*self._NOISE, "InputError: "))


class HangUpFilter(logging.Filter):
    """Holds back what workers in this process log when the runner hangs up on them.

    Flink does so at the end of a job, and whether Beam's worker then logs a traceback is a
    matter of milliseconds; it does so, too, when it starts a job again. A failure may begin
    with the same words, so they are shown after all unless the job ends well.
    """

    _WORDS = (
        "Multiplexer hanging up",
        "Stream removed (RST_STREAM",
        "Channel closed prematurely",
        "Unknown process bundle instruction id",
    )

    def __init__(self) -> None:
        super().__init__()
        self._is_holding = False
        self._is_stopped = False
        self._held: list[logging.LogRecord] = []

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Around a job; where it ended well, what comes later is not shown, either."""
        self._is_holding, self._is_stopped = True, False
        self._held.clear()
        try:
            yield
        except (InputError, Stopped):  # the sentence says it all
            raise
        except BaseException:
            self._is_holding = False
            for record in self._held:
                logging.getLogger(record.name).handle(record)
            raise

    def stopped(self) -> None:
        """From here on nothing of Beam's is shown: it tells at length what was taken away."""
        self._is_stopped = True

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown now."""
        if self._is_stopped and record.name.startswith("apache_beam"):
            return False
        error = record.exc_info[1] if record.exc_info else ""
        said = f"{record.getMessage()} {error}"
        if not self._is_holding or not any(words in said for words in self._WORDS):
            return True
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
