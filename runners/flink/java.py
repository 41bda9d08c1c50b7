"""The Java that Flink's job server runs on, and the folder that its jar is looked for in."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "IMAGENET_BEAM_FLINK_DIR"

_OPENS = (
    "java.lang java.net java.io java.nio java.lang.reflect java.text java.time java.util "
    "java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks"
)
JAVA_17_FLAGS = [
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENS.split()),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
]
"""What Flink's own configuration passes: its serialiser looks into these packages."""


def java() -> str:
    """The Java program: of `$JAVA_HOME`, or the one on the path."""
    home = os.environ.get("JAVA_HOME")
    return os.path.join(home, "bin", "java") if home else "java"


def cache_dir() -> Path:
    """Where job server jars are kept: `$IMAGENET_BEAM_FLINK_DIR`, or the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(CACHE_VARIABLE) or home / "imagenet-beam" / "flink")
