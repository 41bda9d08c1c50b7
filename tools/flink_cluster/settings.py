"""The configuration of the cluster, with the reason for each line that is not obvious."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClusterSettings:
    """A cluster on this machine.

    Attributes:
        folder: Configuration, logs, process ids and temporary files.
        rest_port: Where the dashboard and the job submission answer.
        rpc_port: Where the JobManager answers its TaskManagers.
        task_managers: How many TaskManagers are started.
        slots: Slots of each TaskManager.
        task_manager_memory: What one TaskManager may take, in all; what is not named
            otherwise below becomes its heap.
        restart_attempts: How often a job is started again; 0 never does.
        beam_jar: A job server jar that is put on the cluster's own class path. Only
            then can a job keep its workers from stage to stage, if it asks for that
            with `--environment_cache_millis`.
    """

    folder: Path
    rest_port: int = 8081
    rpc_port: int = 6123
    task_managers: int = 2
    slots: int = 2
    task_manager_memory: str = "1536m"
    restart_attempts: int = 10
    beam_jar: Path | None = None

    @property
    def master(self) -> str:
        """What `--flink_master` is given."""
        return f"localhost:{self.rest_port}"


def config_yaml(settings: ClusterSettings) -> str:
    """The text of Flink's `config.yaml`."""
    temporary = settings.folder / "tmp"
    return f"""\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {settings.rpc_port}
jobmanager.bind-host: localhost
jobmanager.memory.process.size: 1g
taskmanager.bind-host: localhost
taskmanager.host: localhost
taskmanager.numberOfTaskSlots: {settings.slots}
rest.address: localhost
rest.bind-address: localhost
rest.port: {settings.rest_port}
parallelism.default: 1
io.tmp.dirs: {temporary}
web.upload.dir: {temporary}

# Memory. Beam's gRPC lives off the heap; too little of it, or of network buffers, and jobs
# hang without a word.
taskmanager.memory.process.size: {settings.task_manager_memory}
taskmanager.memory.task.off-heap.size: 256m
taskmanager.memory.managed.size: 64m
taskmanager.memory.jvm-metaspace.size: 192m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
taskmanager.memory.network.min: 128m
taskmanager.memory.network.max: 128m
taskmanager.network.sort-shuffle.min-buffers: 64

# What would otherwise hang fails, and what has failed is seen soon.
taskmanager.jvm-exit-on-oom: true
cluster.uncaught-exception-handling: FAIL
heartbeat.interval: 2000
heartbeat.timeout: 10000

# A lost TaskManager costs the work of its stage, not the job. The attempts times the delay
# must last longer than the heartbeat's timeout.
{_restart_strategy(settings)}
{_class_loading(settings)}
# A job with fewer tasks than slots uses all TaskManagers.
cluster.evenly-spread-out-slots: true
"""


def _restart_strategy(settings: ClusterSettings) -> str:
    if not settings.restart_attempts:
        return "restart-strategy.type: none\n"
    return f"""\
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: {settings.restart_attempts}
restart-strategy.fixed-delay.delay: 2 s
"""


def _class_loading(settings: ClusterSettings) -> str:
    """Jobs bring Beam's classes along; the cluster's own are shared by all jobs."""
    return "classloader.resolve-order: parent-first\n" if settings.beam_jar else ""


LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = File
appender.file.name = File
appender.file.type = File
appender.file.append = true
appender.file.fileName = ${sys:log.file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{HH:mm:ss,SSS} %-5p %-50.50c{1} - %m%n
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
"""
