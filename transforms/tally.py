"""Running totals of this process, for the progress display of a local run.

Beam's counters cannot be read while the direct runner works, so the steps count
here too. On other runners the steps run in other processes and these totals
stay at zero; progress then comes from the shards that appear.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass
class Tally:
    """Totals since the process started or `reset` was called.

    Attributes:
        images_listed: Images found in the archives.
        images: Images done, as records or rejects.
        rejects: Images that did not become records.
        written_bytes: Bytes of records written.
        shards: Shards published.
    """

    images_listed: int = 0
    images: int = 0
    rejects: int = 0
    written_bytes: int = 0
    shards: int = 0

    def written(
        self, images: int = 0, rejects: int = 0, size_bytes: int = 0, shards: int = 0
    ) -> None:
        """Adds what a shard's writer has done; two of them may be at work."""
        with _lock:
            self.images += images
            self.rejects += rejects
            self.written_bytes += size_bytes
            self.shards += shards

    def reset(self) -> None:
        """Sets every total to zero."""
        self.__init__()  # type: ignore[misc]


tally = Tally()
"""Written by one bundle at a time on the direct runner; read by the display."""

_lock = threading.Lock()
