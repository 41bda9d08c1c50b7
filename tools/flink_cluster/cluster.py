"""One JobManager and some TaskManagers as processes of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from imagenet_beam.runners.flink.job_server import JAVA_17_FLAGS, java
from imagenet_beam.runners.flink.rest import FlinkRest
from imagenet_beam.transforms.errors import InputError
from tools.flink_cluster.install import flink_libraries
from tools.flink_cluster.settings import LOGGING, ClusterSettings, config_yaml

_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
_JOB_MANAGER = "jobmanager"
_MAIN_CLASSES = {
    _JOB_MANAGER: "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}
_WORKER = """\
#!/bin/sh
exec '{python}' -m imagenet_beam.runners.worker_boot "$@"
"""


class Cluster:
    """Starts and ends the processes; their ids are kept in files, so any process can end them.

    Args:
        settings: What to start.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self._folder = settings.folder.absolute()
        self._conf = self._folder / "conf"

    @property
    def worker_command(self) -> str:
        """The program that `--environment_type=PROCESS` starts workers with."""
        return str(self._folder / "worker")

    def start(self) -> None:
        """Starts everything, and returns when all TaskManagers have reported.

        Raises:
            InputError: If this cluster runs already, or does not come up.
        """
        if self.processes():
            raise InputError(
                f"the cluster in {self._folder} is running already, with its dashboard at "
                f"http://{self.settings.master}; stop it first"
            )
        if FlinkRest(self.settings.master).answers():
            raise InputError(
                f"port {self.settings.rest_port} is taken by another Flink cluster; give another "
                "with FLINK_PORT"
            )
        self._write_configuration()
        try:
            self._start_process(
                _JOB_MANAGER, "GET_JM_RESOURCE_PARAMS", "--executionMode", "cluster"
            )
            for number in range(1, self.settings.task_managers + 1):
                self.start_task_manager(number)
            self.wait_for_task_managers(self.settings.task_managers)
        except BaseException:  # Ctrl-C, too
            self.stop()
            raise

    def start_task_manager(self, number: int) -> None:
        """Starts one TaskManager, without waiting for it."""
        self._start_process(f"taskmanager-{number}", "GET_TM_RESOURCE_PARAMS")

    def wait_for_task_managers(self, count: int) -> None:
        """Returns when that many have reported to the JobManager.

        Raises:
            InputError: If they do not, in time, or there is no JobManager any more.
        """
        rest = FlinkRest(self.settings.master)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if rest.overview().task_managers >= count:
                    return
            if _JOB_MANAGER not in self.processes():
                break
            time.sleep(0.25)
        raise InputError(f"the cluster did not come up; its logs are in {self._folder / 'log'}")

    def processes(self) -> dict[str, int]:
        """By name, the ids of the processes that are running."""
        found = {}
        for path in sorted(self._folder.glob("*.pid")):
            number = path.read_text()  # empty, where the machine stopped in between
            if number.isdigit() and self._is_ours(int(number)):
                found[path.stem] = int(number)
        return found

    def stop(self) -> None:
        """Ends all processes of this cluster, and removes what they leave behind."""
        running = self.processes()
        for process in running.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in running.values():
            _signal_group(process, signal.SIGKILL)
        for path in self._folder.glob("*.pid"):
            path.unlink()
        # Each job leaves the job server's jar here, 150 MB, where a TaskManager was killed.
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)

    def _is_ours(self, process: int) -> bool:
        """Whether a process id still belongs to this cluster, and not to a later process."""
        ps = ["ps", "-ww", "-o", "stat=,command=", "-p", str(process)]
        result = subprocess.run(ps, capture_output=True, text=True, check=False)  # noqa: S603
        shown = result.stdout
        return str(self._conf) in shown and not shown.startswith("Z")

    def _write_configuration(self) -> None:
        for name in ("conf", "log", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._conf / "config.yaml").write_text(config_yaml(self.settings))
        (self._conf / "log4j.properties").write_text(LOGGING)
        worker = Path(self.worker_command)
        worker.write_text(_WORKER.format(python=sys.executable))
        worker.chmod(0o755)

    def _start_process(self, name: str, memory_command: str, *arguments: str) -> None:
        jvm_flags, dynamic = self._memory(memory_command)
        command = [
            java(),
            *jvm_flags,
            *JAVA_17_FLAGS,
            f"-Dlog.file={self._folder / 'log' / name}.log",
            f"-Dlog4j.configurationFile=file:{self._conf / 'log4j.properties'}",
            "-cp",
            self._class_path(),
            _MAIN_CLASSES[name.partition("-")[0]],
            "--configDir",
            str(self._conf),
            *arguments,
            *dynamic,
        ]
        with (self._folder / "log" / f"{name}.out").open("wb") as out:
            started = subprocess.Popen(  # noqa: S603 - the java that was found
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        (self._folder / f"{name}.pid").write_text(str(started.pid))

    def _class_path(self) -> str:
        """Flink's jars, and behind them Beam's."""
        jars = sorted(str(jar) for jar in (flink_libraries() / "lib").glob("*.jar"))
        beam_jar = self.settings.beam_jar
        return ":".join([*jars, str(beam_jar)] if beam_jar else jars)

    def _memory(self, command: str) -> tuple[list[str], list[str]]:
        """JVM flags and settings from Flink's own tool, the one that its start scripts use."""
        tool = flink_libraries() / "bin" / "bash-java-utils.jar"
        main = "org.apache.flink.runtime.util.bash.BashJavaUtils"
        conf = str(self._conf)
        result = subprocess.run(  # noqa: S603 - the java that was found
            [java(), "-cp", f"{tool}:{self._class_path()}", main, command, "--configDir", conf],
            capture_output=True,
            text=True,
            check=False,
        )
        mark = "BASH_JAVA_UTILS_EXEC_RESULT:"
        lines = [
            line.removeprefix(mark) for line in result.stdout.splitlines() if line.startswith(mark)
        ]
        if not lines:
            raise InputError(f"Flink refuses its configuration: {result.stderr.strip()[-500:]}")
        return lines[0].split(), lines[1].split() if len(lines) > 1 else []


def _signal_group(process: int, number: int) -> None:
    """To the process and the workers that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, number)
