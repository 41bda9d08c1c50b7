"""The two ways in which input can be wrong: for the whole run, or for one image."""


class InputError(ValueError):
    """A user's mistake: flags, files or archives that cannot be right.

    The message is one sentence that names the flag or the file, says what is
    wrong with it and what is accepted. The command line prints it without a
    traceback and exits with status 2. Raised inside a worker it fails the job,
    and the launcher finds the sentence again in the runner's message.
    """


def changed_input(path: str) -> InputError:
    """What is said of an input that is no longer what the plan was made of."""
    return InputError(f"{path} was changed while it was being read; run again with --overwrite")


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
