"""What the tests of single downloads share."""

import hashlib

from imagenet_beam.pipeline.progress import Progress

DATA = hashlib.shake_256(b"data").digest(3500)
OTHER = hashlib.shake_256(b"other").digest(3500)
PROBE = "bytes=0-0"


class Recorder(Progress):
    """Keeps what was said, and the bytes that were counted since the last start."""

    def __init__(self):
        self.said = []
        self.done_bytes = {}

    def start(self, task, total_bytes, done_bytes=0):
        self.task = task
        self.done_bytes[task] = done_bytes

    def advance(self, size_bytes):
        self.done_bytes[self.task] += size_bytes

    def say(self, message):
        self.said.append(message)


class Interrupting(Progress):
    """Presses Ctrl-C once the file has got so many bytes."""

    def __init__(self, after_bytes):
        self._left = after_bytes

    def tick(self):
        if self._left <= 0:
            raise KeyboardInterrupt

    def advance(self, size_bytes):
        self._left -= size_bytes


def names_in(folder):
    return sorted(path.name for path in folder.glob("f.tar*"))
