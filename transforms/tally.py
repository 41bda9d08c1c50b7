"""Running totals of this process, for the progress display of a local run.

Beam's counters cannot be read while the direct runner works, so the steps count
here too. On other runners the steps run in other processes and these totals
stay at zero; progress then comes from the shards that appear.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Totals since the process started or `reset` was called.

    Attributes:
        images_listed: Images found in the archives.
        selected: By split, the images to convert.
        is_assigning: Whether the listings were found right, and images go to their shards.
        encoded: Images encoded before they go through the shuffle.
        images: Images done, as records or rejects.
        rejects: Images that did not become records.
        written_bytes: Bytes of records written.
        shards: Shards published.
        on_assigning: Called when `is_assigning` becomes true.
    """

    images_listed: int = 0
    selected: Counter[str] = field(default_factory=Counter)
    is_assigning: bool = False
    encoded: int = 0
    images: int = 0
    rejects: int = 0
    written_bytes: int = 0
    shards: int = 0
    on_assigning: Callable[[], None] | None = None

    def assigning(self) -> None:
        """Notes that images are told their shards; called with each bundle of them."""
        is_first, self.is_assigning = not self.is_assigning, True
        if is_first and self.on_assigning:
            self.on_assigning()

    def written(
        self, images: int = 0, rejects: int = 0, size_bytes: int = 0, shards: int = 0
    ) -> None:
        """Adds what a shard's writer has done; several of them may be at work."""
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
