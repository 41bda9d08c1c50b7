"""What is refused before a job is submitted, and what is said of a cluster's settings."""

import dataclasses
import zipfile

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.flink import checks
from imagenet_beam.runners.flink.job_server import CACHE_VARIABLE, find_jar, flink_minor_of
from imagenet_beam.runners.flink.launch import check
from imagenet_beam.runners.flink.rest import FlinkJobInfo, Overview, TaskManager, _host
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import LabelSource

ELSEWHERE = "192.0.2.7"  # of the range for documentation: no machine has it
HERE = "localhost"


def config(**changes) -> ConvertConfig:
    start = ConvertConfig(
        output_dir="gs://bucket/out",
        splits=imagenet2012.splits("gs://bucket/train.tar", "", 4, 4),
        labels=LabelSource(devkit="gs://bucket/devkit.tar.gz"),
    )
    return dataclasses.replace(start, **changes)


def test_which_hosts_are_this_machine():
    assert checks.is_this_machine("localhost")
    assert checks.is_this_machine("127.0.0.1")
    assert not checks.is_this_machine(ELSEWHERE)
    assert not checks.is_this_machine("no-such-host.invalid")


@pytest.mark.parametrize(
    ("given", "hosts", "chosen"),
    [
        (None, [], "LOOPBACK"),
        (None, [HERE], "LOOPBACK"),
        ("process", [HERE], "PROCESS"),
        ("EXTERNAL", [ELSEWHERE], "EXTERNAL"),
    ],
)
def test_the_workers_that_are_chosen(given, hosts, chosen):
    assert checks.choose_environment(given, hosts) == chosen


@pytest.mark.parametrize(
    ("given", "hosts", "sentence"),
    [
        (None, [HERE, ELSEWHERE], "--environment_type is missing: the TaskManager on 192.0.2.7"),
        ("LOOPBACK", [ELSEWHERE], "--environment_type=LOOPBACK starts workers in this process"),
        ("VM", [HERE], "--environment_type=VM is not known; accepted are LOOPBACK, EXTERNAL"),
    ],
)
def test_workers_that_nobody_could_reach(given, hosts, sentence):
    with pytest.raises(InputError, match=sentence):
        checks.choose_environment(given, hosts)


def test_two_task_managers_of_a_host_cannot_share_a_pool():
    shared = [TaskManager(HERE, 2, 2), TaskManager(ELSEWHERE, 2, 2), TaskManager(HERE, 2, 2)]
    with pytest.raises(InputError, match="2 TaskManagers run on localhost: the job would hang"):
        checks.check_pools("EXTERNAL", shared)
    checks.check_pools("EXTERNAL", shared[:2])
    checks.check_pools("PROCESS", shared)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"output_dir": "/data/out"}, "`output_dir`=/data/out"),
        ({"index_dir": "/data/idx"}, "`index_dir`=/data/idx"),
        (
            {"labels": LabelSource(devkit="/data/devkit.tar.gz")},
            "`labels.devkit`=/data/devkit.tar.gz",
        ),
        (
            {"labels": LabelSource(class_names=("/data/words.txt",))},
            "`labels.class_names`=/data/words.txt",
        ),
        ({"bounding_boxes": ("/data/boxes.tgz",)}, "`bounding_boxes`=/data/boxes.tgz"),
        ({"splits": imagenet2012.splits("/data/t.tar", "", 4, 4)}, "`train_archive`=/data/t.tar"),
    ],
)
def test_local_paths_are_refused_where_workers_cannot_see_them(changes, flag):
    with pytest.raises(InputError, match=f"{flag} is on this machine, .*run on others"):
        checks.check_paths(config(**changes), "PROCESS", [HERE, ELSEWHERE])
    with pytest.raises(InputError, match=f"{flag} is on this machine, .*run in containers"):
        checks.check_paths(config(**changes), "DOCKER", [HERE])
    checks.check_paths(config(**changes), "PROCESS", [HERE])
    checks.check_paths(config(**changes), "LOOPBACK", [HERE])


def test_paths_that_each_worker_sees_pass():
    checks.check_paths(config(), "DOCKER", [ELSEWHERE])
    checks.check_paths(config(output_dir="file:///mnt/shared/out"), "PROCESS", [ELSEWHERE])


def test_relative_paths_are_refused_for_workers_with_another_folder():
    with pytest.raises(InputError, match="`output_dir`=out is a relative path"):
        checks.check_paths(config(output_dir="out"), "PROCESS", [HERE])
    checks.check_paths(config(output_dir="out"), "LOOPBACK", [HERE])


def test_parallelism_is_what_is_free_unless_less_is_asked_for():
    assert checks.check_parallelism(-1, Overview("1.19.3", 2, 4, 3)) == 3
    assert checks.check_parallelism(2, Overview("1.19.3", 2, 4, 3)) == 2


@pytest.mark.parametrize(
    ("asked", "overview", "sentence"),
    [
        (-1, Overview("1.19.3", 0, 0, 0), "has no TaskManager"),
        (5, Overview("1.19.3", 2, 4, 4), "--parallelism=5 is more than the 4 slots"),
        (3, Overview("1.19.3", 2, 4, 2), "2 of the cluster's 4 slots are free, the job needs 3"),
        (-1, Overview("1.19.3", 2, 4, 0), "0 of the cluster's 4 slots are free"),
    ],
)
def test_slots_that_are_not_there(asked, overview, sentence):
    with pytest.raises(InputError, match=sentence):
        checks.check_parallelism(asked, overview)


def test_a_second_job_for_a_folder_is_refused_while_the_first_runs():
    jobs = [
        FlinkJobInfo("a" * 32, "mine-0123", "FINISHED"),
        FlinkJobInfo("b" * 32, "x-9", "RUNNING"),
    ]
    checks.check_not_running(jobs, "-0123", "out", "http://h:1")
    jobs.append(FlinkJobInfo("c" * 32, "mine-0123", "RESTARTING"))
    with pytest.raises(InputError, match=f"curl -X PATCH 'http://h:1/jobs/{'c' * 32}"):
        checks.check_not_running(jobs, "-0123", "out", "http://h:1")


FIXED = {"restart-strategy.type": "fixed-delay", "heartbeat.timeout": "10000"}
ATTEMPTS, DELAY = "restart-strategy.fixed-delay.attempts", "restart-strategy.fixed-delay.delay"


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({}, "restarts nothing: a lost TaskManager or worker fails the job"),
        ({"restart-strategy.type": "none"}, "restarts nothing"),
        ({"restart-strategy": "exponential-delay"}, ""),
        ({**FIXED, ATTEMPTS: "10", DELAY: "2 s"}, ""),
        ({**FIXED, ATTEMPTS: "5", DELAY: "2 s"}, "gives up after 5 restarts in 10 s"),
        ({**FIXED, ATTEMPTS: "1", DELAY: "1 min"}, ""),
        ({"restart-strategy.type": "fixed-delay"}, "after 1 restarts in 1 s, but needs 50 s"),
    ],
)
def test_what_is_said_of_the_restart_strategy(settings, warning):
    said = checks.restart_warning(settings)
    assert warning in said if warning else said == ""
    assert ("restart-strategy.fixed-delay.attempts: 10" in said) == bool(warning)


def test_durations_of_flink():
    texts = ("2 s", "2s", "1 min", "500 ms", "10000", "1 h")
    assert checks.seconds("1 minute") == 60 and checks.seconds("100 millis") == 0.1
    assert [checks.seconds(text) for text in texts] == [2, 2, 60, 0.5, 10, 3600]


def test_the_host_of_a_task_manager():
    assert _host("pekko.tcp://flink@10.0.0.7:35161/user/rpc/taskmanager_0") == "10.0.0.7"
    assert _host("akka.tcp://flink@node-3:35161/user/rpc/taskmanager_0") == "node-3"
    assert _host("pekko.tcp://flink@[::1]:35161/user/rpc/taskmanager_0") == "::1"


def write_jar(path, flink_minor):
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr(f"META-INF/maven/org.apache.beam/beam-runners-flink-{flink_minor}/pom.xml", "")
    return path


def test_the_job_server_jar_must_fit_the_cluster(tmp_path, monkeypatch):
    given = write_jar(tmp_path / "mine.jar", "1.19")
    assert flink_minor_of(given) == "1.19"
    assert find_jar(str(given), "1.19") == given
    with pytest.raises(InputError, match=r"is for Flink 1\.19, the cluster runs Flink 1\.20"):
        find_jar(str(given), "1.20")
    with pytest.raises(InputError, match="does not exist"):
        find_jar(str(tmp_path / "none.jar"), "1.19")
    (tmp_path / "text.jar").write_text("no")
    with pytest.raises(InputError, match="is not a jar"):
        find_jar(str(tmp_path / "text.jar"), "1.19")


def test_the_job_server_jar_is_found_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"--flink_job_server_jar is missing.*put it there, or"):
        find_jar("", "1.19")
    for version in ("2.9.0", "2.62.0"):
        write_jar(tmp_path / f"beam-runners-flink-1.19-job-server-{version}.jar", "1.19")
    assert find_jar("", "1.19").name == "beam-runners-flink-1.19-job-server-2.62.0.jar"
    with pytest.raises(InputError, match=r"beam-runners-flink-1\.20"):
        find_jar("", "1.20")


@pytest.mark.parametrize(
    ("flags", "detach", "sentence"),
    [
        (["--flink_master=localhost:1"], False, "--flink_master=localhost:1 does not answer like"),
        (["--flink_master=localhost:abc"], False, "abc does not answer like a Flink cluster"),
        (["--flink_master=local host:81"], False, "host:81 does not answer like a Flink cluster"),
        (["--flink_submit_uber_jar"], False, "--flink_submit_uber_jar is not accepted"),
        ([], True, "--detach is not accepted with --environment_type=LOOPBACK"),
        (["--environment_type=DOCKER"], False, "DOCKER is not accepted with an embedded cluster"),
    ],
)
def test_what_is_refused_without_a_cluster(flags, detach, sentence):
    with pytest.raises(InputError, match=sentence):
        check(config(), LaunchOptions(("--runner=FlinkRunner", *flags), detach))
