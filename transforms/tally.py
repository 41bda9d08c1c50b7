"""Running totals of this process, for the progress display of a local run.

Beam's counters cannot be read while the direct runner works, so the steps count
here too. On other runners the steps run in other processes and these totals
stay at zero; progress then comes from the shards that appear.
"""

from __future__ import annotations

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

    def reset(self) -> None:
        """Sets every total to zero."""
        self.__init__()  # type: ignore[misc]


tally = Tally()
"""Written by one bundle at a time on the direct runner; read by the display."""
