"""Beam's Flink job server: the Java program that turns a portable pipeline into a Flink job."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from imagenet_beam.runners.environments import answers
from imagenet_beam.runners.failures import JobFailed, last_line
from imagenet_beam.transforms.errors import InputError

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

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_JAR_NAME = "beam-runners-flink-{minor}-job-server-*.jar"

# Ends the program when the pipe on its standard input is closed, so that it never outlives
# this process, even when this one is killed. A session of its own keeps Ctrl-C away from
# it until the job has been cancelled. The folder is removed only once nobody can ask for
# the log in it, and the program writes there no more.
_TIED = """\
folder=$1
shift
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
{
  cat <&3 >/dev/null
  kill "$child" 2>/dev/null
  while kill -0 "$child" 2>/dev/null; do sleep 0.1; done
  rm -rf "$folder"
} &
wait "$child"
"""


def java() -> str:
    """The Java program: of `$JAVA_HOME`, or the one on the path."""
    home = os.environ.get("JAVA_HOME")
    return os.path.join(home, "bin", "java") if home else "java"


def cache_dir() -> Path:
    """Where job server jars are kept: `$IMAGENET_BEAM_FLINK_DIR`, or the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(CACHE_VARIABLE) or home / "imagenet-beam" / "flink")


class ServerSettings(NamedTuple):
    """How the job server is started.

    Attributes:
        master: What it submits jobs to: `http://HOST:PORT`, or `[local]`.
        jar: The program.
        java_program: The Java to run it with.
        java_flags: Further flags for Java, such as `-Xmx4g`.
        artifacts_dir: Where files for the workers are staged; "" for a folder of its own.
    """

    master: str
    jar: Path
    java_program: str = "java"
    java_flags: tuple[str, ...] = ()
    artifacts_dir: str = ""


class JobServer:
    """A running job server; it ends with this process, however that ends."""

    def __init__(self, settings: ServerSettings) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="imagenet-beam-job-server-"))
        self._log = self._folder / "log"
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            self._port: int = probe.getsockname()[1]
        artifacts = settings.artifacts_dir or self._folder / "artifacts"
        command = [
            settings.java_program,
            *JAVA_17_FLAGS,
            f"-Djava.io.tmpdir={self._folder}",
            *settings.java_flags,
            "-jar",
            str(settings.jar),
            f"--flink-master={settings.master}",
            f"--job-port={self._port}",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={artifacts}",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the java that was found
                ["/bin/sh", "-c", _TIED, "sh", str(self._folder), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def endpoint(self) -> str:
        """What `--job_endpoint` is given."""
        return f"localhost:{self._port}"

    def wait_until_ready(self) -> None:
        """Returns when it accepts jobs.

        Raises:
            JobFailed: If it ends instead, or takes too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if answers(self.endpoint):
                return
            time.sleep(0.1)
        said = last_line(self._log.read_text(errors="replace"))
        self.stop()
        raise JobFailed(f"the Flink job server did not start: {said}")

    def stop(self) -> None:
        """Ends the program, and removes its files; a second call does nothing."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def find_jar(given: str, flink_minor: str) -> Path:
    """The job server jar that was given, or the newest one in a cache.

    Args:
        given: The value of `--flink_job_server_jar`, or "".
        flink_minor: The cluster's version, such as `1.19`; "" for an embedded cluster,
            which has the version of the jar.

    Raises:
        InputError: If there is none, or it is for another version of Flink.
    """
    jar = Path(given) if given else _newest(flink_minor)
    if given and not jar.is_file():
        raise InputError(f"--flink_job_server_jar={given} does not exist; give the path of it")
    jar_minor = flink_minor_of(jar)
    if flink_minor and jar_minor and jar_minor != flink_minor:
        raise InputError(
            f"--flink_job_server_jar={jar} is for Flink {jar_minor}, the cluster runs Flink "
            f"{flink_minor}; give the jar for that version"
        )
    return jar


def _newest(flink_minor: str) -> Path:
    pattern = _JAR_NAME.format(minor=flink_minor or "*")
    folders = (cache_dir(), Path.home() / ".apache_beam" / "cache" / "jars")
    found = [jar for folder in folders for jar in folder.glob(pattern)]
    if not found:
        raise InputError(
            f"--flink_job_server_jar is missing, and {cache_dir()} has no {pattern}; download it "
            f"(org.apache.beam:beam-runners-flink-{flink_minor or '1.19'}-job-server) and put it "
            "there, or give its path"
        )
    return max(found, key=lambda jar: list(map(int, re.findall(r"\d+", jar.name))))


def flink_minor_of(jar: Path) -> str:
    """The version of Flink that a job server jar is made for; "" if it does not say."""
    try:
        with zipfile.ZipFile(jar) as contents:
            names = contents.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"--flink_job_server_jar={jar} is not a jar: {error}") from error
    inside = "META-INF/maven/org.apache.beam/beam-runners-flink-"
    for name in (*names, jar.name.replace("beam-runners-flink-", inside)):
        if match := re.match(re.escape(inside) + r"(\d+\.\d+)", name):
            return match.group(1)
    return ""
