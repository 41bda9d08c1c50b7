"""The two ways in which input can be wrong: for the whole run, or for one image."""

import re
from collections.abc import Callable

_PARAMETER = re.compile(r"`([a-z_0-9]+(?:\.[a-z_0-9]+)*)`")


class InputError(ValueError):
    """A user's mistake: parameters, files or archives that cannot be right.

    The message is one sentence that names the parameter or the file, says what is
    wrong with it and what is accepted. Parameters stand in backquotes, by the path of
    their field: `image.jpeg_quality`. The command line writes flags in their place,
    prints the sentence without a traceback and exits with status 2. Raised inside a
    worker it fails the job, and the launcher finds the sentence again in the runner's
    message.
    """

    @property
    def field(self) -> str:
        """The first parameter that the sentence names; "" if it names none."""
        found = _PARAMETER.search(str(self))
        return found[1] if found else ""

    def sentence(self, spell: Callable[[str], str]) -> str:
        """The sentence with other names for the parameters, by the paths of their fields."""
        return _PARAMETER.sub(lambda found: spell(found[1]), str(self))


def changed_input(path: str) -> InputError:
    """What is said of an input that is no longer what the plan was made of."""
    return InputError(f"{path} was changed while it was being read; run again with `overwrite`")


class ImageRejected(Exception):
    """One image that cannot become a record; it becomes a reject instead.

    Attributes:
        reason: A short stable word for counting, such as `truncated`.
        detail: What a person needs to know to find the fault.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
