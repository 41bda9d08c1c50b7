"""Following a job that runs elsewhere, with jobs whose every state is known."""

import contextlib
import dataclasses
import io
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker import sdk_worker
from apache_beam.runners.worker.data_plane import GrpcClientDataChannel

from imagenet_beam.pipeline.conversion import prepare
from imagenet_beam.runners import base, failures, follow
from imagenet_beam.runners.base import JobStatus, LaunchOptions, Phase
from imagenet_beam.runners.cli import main
from imagenet_beam.runners.failures import JobFailed, NoiseFilter, hang_ups, root_cause
from imagenet_beam.runners.flink.job_server import _TIED
from imagenet_beam.runners.portable import quiet_workers
from imagenet_beam.runners.progress import NO_SHARD_YET, ReceiptProgress, progress_line
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.elements import ShardReceipt
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.records.receipts import receipt_name, receipt_to_json

RUNNING = JobStatus(Phase.RUNNING, "RUNNING")


class ScriptedJob:
    """Goes through given states; an exception in place of a state is raised."""

    title = "job 7"
    follow_hint = "look there"
    cancel_hint = "cancel it so"

    def __init__(self, *script, cancel_error=None):
        self.script = list(script)
        self.cancel_error = cancel_error
        self.cancelled = self.closed = 0

    def status(self):
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step

    def cancel(self):
        self.cancelled += 1
        if self.cancel_error:
            raise self.cancel_error

    def close(self):
        self.closed += 1


@pytest.fixture
def prepare_flags(clean, tmp_path):
    from imagenet_beam.runners.arguments import SentenceParser
    from imagenet_beam.runners.request import add_convert_parser

    def prepare_with(*flags):
        parser = SentenceParser()
        add_convert_parser(parser.add_subparsers())
        given = ["convert", *clean.flags, f"--output_dir={tmp_path / 'out'}", *flags]
        return prepare(config_from_flags(parser.parse_args(given)))

    return prepare_with


@pytest.fixture
def prepared(prepare_flags):
    return prepare_flags("--train_shards=4", "--validation_shards=2")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)


def run(job, prepared, detach=False):
    return follow.run_job(lambda: job, prepared, LaunchOptions((), detach=detach))


def test_a_job_that_ends_well(prepared):
    job = ScriptedJob(RUNNING, JobStatus(Phase.DONE, "FINISHED"))
    assert run(job, prepared) is True
    assert (job.cancelled, job.closed) == (0, 1)


def test_a_detached_job_is_left_alone(prepared, capsys):
    job = ScriptedJob(AssertionError("nobody asks"))
    assert run(job, prepared, detach=True) is False
    assert (job.cancelled, job.closed) == (0, 1)
    assert capsys.readouterr().err == "submitted job 7; look there; cancel it so\n"


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (JobStatus(Phase.CANCELLED, "CANCELED"), JobFailed, "job 7 was cancelled"),
        (
            JobStatus(Phase.FAILED, "F", "Traceback\nx.InputError: a is wrong"),
            InputError,
            "a is wrong",
        ),
        (JobStatus(Phase.FAILED, "F", "Exception: boom\n"), JobFailed, "job 7: Exception: boom"),
    ],
)
def test_a_job_that_does_not_end_well(prepared, status, error, message):
    job = ScriptedJob(RUNNING, status)
    with pytest.raises(error) as raised:
        run(job, prepared)
    assert str(raised.value) == message
    assert job.closed == 1


class _HangsUp(beam_fn_api_pb2_grpc.BeamFnDataServicer):
    """What Flink's side of a worker's data channel does when a job has ended."""

    def Data(self, request_iterator, context):
        context.abort(grpc.StatusCode.CANCELLED, "Multiplexer hanging up")


@pytest.fixture
def hang_up(monkeypatch):
    """Has Beam's worker log that it was hung up on; and that another call was refused."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    quiet_workers()
    server = grpc.server(ThreadPoolExecutor(2))
    beam_fn_api_pb2_grpc.add_BeamFnDataServicer_to_server(_HangsUp(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()

    def call():
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            GrpcClientDataChannel(beam_fn_api_pb2_grpc.BeamFnDataStub(channel)).wait()
        logging.getLogger("apache_beam").error("something else")

    yield call
    server.stop(None).wait()


@pytest.fixture
def logged():
    """What is shown of log records."""
    handler = logging.StreamHandler(io.StringIO())
    for one in (NoiseFilter(), hang_ups):
        handler.addFilter(one)
    logging.getLogger().addHandler(handler)
    yield handler.stream.getvalue
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("end", "error", "is_told"),
    [
        (JobStatus(Phase.DONE, "FINISHED"), None, False),
        (JobStatus(Phase.FAILED, "F", "x.InputError: a is wrong"), InputError, False),
        (JobStatus(Phase.FAILED, "F", "Exception: boom\n"), JobFailed, True),
    ],
)
def test_hanging_up_on_workers_is_told_of_a_job_that_failed_only(
    prepared, hang_up, logged, end, error, is_told
):
    def hangs_up():
        hang_up()
        assert "Multiplexer" not in logged()  # it is not known yet what it means
        return RUNNING

    with pytest.raises(error) if error else contextlib.nullcontext():
        run(ScriptedJob(RUNNING, hangs_up, end), prepared)
    assert ("Failed to read inputs in the data plane" in logged()) is is_told
    assert ("Multiplexer hanging up" in logged()) is is_told
    assert "something else" in logged()


def test_hanging_up_is_not_told_after_a_job_that_ended_well(prepared, hang_up, logged):
    run(ScriptedJob(RUNNING, JobStatus(Phase.DONE, "FINISHED")), prepared)
    hang_up()
    assert logged() == "something else\n"


def test_hanging_up_is_not_told_of_a_job_that_was_stopped(prepared, hang_up, logged):
    def is_stopped():
        hang_up()
        signal.raise_signal(signal.SIGTERM)
        return RUNNING

    with pytest.raises(SystemExit):
        run(ScriptedJob(RUNNING, is_stopped), prepared)
    hang_up()
    assert logged() == "something else\n"  # of before: what is taken away is told at length


def test_what_was_held_long_before_the_stop_of_a_job_that_hung_is_told(
    prepared, hang_up, logged, monkeypatch
):
    monkeypatch.setattr(failures, "_SOON_SECONDS", 0.0)

    def is_stopped():
        hang_up()
        time.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)
        return RUNNING

    with pytest.raises(SystemExit):
        run(ScriptedJob(RUNNING, is_stopped), prepared)
    assert logged().count("Failed to read inputs in the data plane") == 1
    hang_up()
    assert logged().count("Failed to read inputs in the data plane") == 1


def test_the_next_command_of_a_process_holds_nothing_back(prepared, hang_up, logged):
    with pytest.raises(SystemExit):
        run(ScriptedJob(RUNNING, lambda: signal.raise_signal(signal.SIGTERM)), prepared)
    hang_up()
    assert logged() == ""
    assert main(["inspect", "/no/such/file"]) == 2
    hang_up()
    assert "Multiplexer hanging up" in logged() and "something else" in logged()


@pytest.fixture
def work_fails(monkeypatch):
    """Has Beam's worker fail at a piece of work."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.delitem(vars(sdk_worker), "print", raising=False)
    quiet_workers()
    harness = object.__new__(sdk_worker.SdkHarness)
    harness._responses = queue.Queue()

    def fail(words, first=None):
        def task():
            try:
                raise first or RuntimeError(words)
            except InputError as error:
                raise RuntimeError(words) from error

        harness._execute(task, beam_fn_api_pb2.InstructionRequest(instruction_id="7"))
        assert words in harness._responses.get_nowait().error

    yield fail
    vars(sdk_worker).pop("print")


@pytest.mark.parametrize(
    "words", ["Channel closed prematurely.", "Unknown process bundle instruction id '1'"]
)
def test_work_that_a_runner_takes_away_is_told_of_a_job_that_failed_only(
    prepared, work_fails, logged, capfd, words
):
    def loses_work():
        work_fails(words)
        return RUNNING

    run(ScriptedJob(RUNNING, loses_work, JobStatus(Phase.DONE, "FINISHED")), prepared)
    assert logged() == ""
    with pytest.raises(JobFailed):
        run(ScriptedJob(RUNNING, loses_work, JobStatus(Phase.FAILED, "F", "x")), prepared)
    assert logged().count(f"RuntimeError: {words}") == 1
    assert "Traceback" not in capfd.readouterr().err


def test_a_defect_that_comes_up_with_a_mistake_is_told(prepared, work_fails, logged):
    def fails():
        work_fails("a defect", InputError("a mistake"))
        assert "InputError: a mistake" in logged()
        assert logged().count("RuntimeError: a defect") == 1
        return RUNNING

    run(ScriptedJob(RUNNING, fails, JobStatus(Phase.DONE, "FINISHED")), prepared)


def test_work_that_failed_is_told_at_once_and_once(prepared, work_fails, logged, capfd):
    def fails():
        work_fails("no such thing")
        assert logged().count("RuntimeError: no such thing") == 1
        return RUNNING

    run(ScriptedJob(RUNNING, fails, JobStatus(Phase.DONE, "FINISHED")), prepared)
    assert "Traceback" not in capfd.readouterr().err


def test_a_runner_that_is_silent_for_a_while_is_asked_again(prepared):
    job = ScriptedJob(OSError("no route"), OSError("no route"), JobStatus(Phase.DONE, "FINISHED"))
    assert run(job, prepared) is True


def test_a_runner_that_stays_silent_is_given_up(prepared, monkeypatch):
    monkeypatch.setattr(follow, "SILENCE_SECONDS", 0.05)
    with pytest.raises(JobFailed, match="job 7 cannot be followed: no route; it may still be"):
        run(ScriptedJob(OSError("no route")), prepared)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_cancels(prepared, capsys, number):
    def stop():
        os.kill(os.getpid(), number)
        return RUNNING

    job = ScriptedJob(RUNNING, stop, RUNNING)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as raised:
        run(job, prepared)
    assert raised.value.code == 128 + number
    assert (job.cancelled, job.closed) == (1, 1)
    assert "cancelled job 7; what is published is whole" in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_what_is_said_when_cancelling_fails(prepared, capsys):
    def stop():
        os.kill(os.getpid(), signal.SIGINT)
        return RUNNING

    job = ScriptedJob(stop, RUNNING, cancel_error=OSError("no route"))
    with pytest.raises(SystemExit):
        run(job, prepared)
    assert "job 7 may still be running: no route; cancel it so" in capsys.readouterr().err
    assert job.closed == 1


@pytest.mark.parametrize("detach", [False, True])
def test_a_stop_while_the_job_is_closed_ends_the_program(prepared, detach):
    class SlowToClose(ScriptedJob):
        def close(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    with pytest.raises(SystemExit) as raised:
        run(SlowToClose(JobStatus(Phase.DONE, "FINISHED")), prepared, detach)
    assert raised.value.code == 128 + signal.SIGTERM


def test_a_second_stop_ends_the_program_while_it_cancels(prepared, capsys):
    class SlowToCancel(ScriptedJob):
        def cancel(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)

    def stop():
        os.kill(os.getpid(), signal.SIGINT)
        return RUNNING

    with pytest.raises(SystemExit) as raised:
        run(SlowToCancel(stop, RUNNING), prepared)
    assert raised.value.code == 128 + signal.SIGINT
    assert "job 7 may still be running: " in capsys.readouterr().err


def test_a_stop_while_the_job_is_submitted(prepared, capsys):
    def submit():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    with pytest.raises(SystemExit) as raised:
        follow.run_job(submit, prepared, LaunchOptions(()))
    assert raised.value.code == 128 + signal.SIGINT
    assert capsys.readouterr().err == "stopped while the job was being submitted\n"


def publish(prepared, name, images, plan=None):
    receipt = ShardReceipt(name, images, images, 1000 * images, 0)
    receipt = receipt._replace(plan=prepared.plan.fingerprint if plan is None else plan)
    path = f"{prepared.output.receipts_dir}/{receipt_name(name)}"
    prepared.config.storage.publish_bytes(path, receipt_to_json(receipt))


def test_progress_is_told_by_receipts(prepared):
    progress = ReceiptProgress(prepared)
    progress.state = "RUNNING"
    empty = progress.snapshot()
    assert progress_line(empty, 3) == (
        "RUNNING: listing the archives, then writing the first shards, 0 of 6 shards, 3 s"
    )
    publish(prepared, "train-00001-of-00004", 6)
    publish(prepared, "train-00002-of-00004", 6, plan="of an earlier plan")
    assert progress.snapshot()[1:6] == (0, 6, 6000, 0, 1), "no estimate without validation"
    publish(prepared, "validation-00000-of-00002", 5)
    snapshot = progress.snapshot()
    assert (snapshot.total, snapshot.images, snapshot.shards) == (4 * 6 + 2 * 5, 11, 2)
    assert progress_line(snapshot, 11, (1, 1000)) == (
        "RUNNING: 11 of 34 images (32%), 1 image/s, 0.0 MB/s, 23 s left, 2 of 6 shards, 0 rejects"
    )


def test_a_number_of_shards_that_nobody_typed_is_told_by_the_first_receipt(prepare_flags):
    """Of each split, since 24 and 12 images become one shard each."""
    prepared = prepare_flags("--overwrite")
    progress = ReceiptProgress(prepared)
    assert progress.snapshot()[1:] == (0, 0, 0, 0, 0, "", 0, NO_SHARD_YET)
    publish(prepared, "train-00000-of-00003", 6, plan="of an earlier plan")
    publish(prepared, "train-00001-of-00002", 6)
    one = progress.snapshot()
    assert (one.images, one.total, one.shards, one.shards_total) == (6, 0, 1, 0)
    publish(prepared, "validation-00000-of-00001", 5)
    both = progress.snapshot()
    assert (both.images, both.total, both.shards, both.shards_total) == (11, 17, 2, 3)


def test_receipts_are_not_listed_at_each_look(prepared):
    progress = ReceiptProgress(prepared, listing_seconds=0.3)
    assert progress.snapshot().shards == 0
    publish(prepared, "train-00001-of-00004", 6)
    assert progress.snapshot().shards == 0
    time.sleep(0.35)
    assert progress.snapshot().shards == 1


def test_shards_of_an_earlier_run_are_not_counted(prepared):
    done = {**prepared.done, "train": {0: 6, 1: 6}}
    publish(prepared, "train-00000-of-00004", 6)
    publish(prepared, "train-00003-of-00004", 6)
    snapshot = ReceiptProgress(dataclasses.replace(prepared, done=done)).snapshot()
    assert (snapshot.shards, snapshot.shards_total) == (1, 4)


JAVA = """\
org.apache.flink.client.program.ProgramInvocationException: Job failed
\tat org.apache.flink.client.program.rest.RestClusterClient.submit(RestClusterClient.java:1)
Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 4: \
Traceback (most recent call last):
  File "bundle_processor.py", line 1, in process
    raise
ZeroDivisionError: division by zero [while running 'Write-ptransform-9']

\tat org.apache.beam.runners.fnexecution.control.FnApiControlClient.accept(FnApiControlClient.java)
\t... 1 more
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (JAVA, "ZeroDivisionError: division by zero [while running 'Write-ptransform-9']"),
        (
            "a.B: outer\n\tat x.Y\nCaused by: c.D: middle\n\tat z\nCaused by: e.F: inner\n",
            "e.F: inner",
        ),
        ("\nonly this\nand that", "only this"),
        ("", "no message"),
    ],
)
def test_the_cause_of_a_failure_is_one_line(text, cause):
    assert root_cause(text) == cause


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--runner=FlinkRunner", "FlinkRunner"),
        ("--runner=flink", "FlinkRunner"),
        ("--runner=prismrunner", "PrismRunner"),
        ("--job_name=x", "DirectRunner"),
    ],
)
def test_the_names_of_runners(flag, name):
    assert base.runner_name([flag]) == name


def test_each_runner_has_the_same_shape():
    for name in base.RUNNERS:
        module = base.runner([f"--runner={name}"])
        assert callable(module.check) and callable(module.launch), name
    with pytest.raises(
        InputError, match="--runner=Spork is not known; accepted are DataflowRunner"
    ):
        base.runner(["--runner=Spork"])


def test_a_job_server_leaves_no_folder_when_its_launcher_is_gone(tmp_path):
    folder = tmp_path / "job server"
    folder.mkdir()
    command = ["/bin/sh", "-c", _TIED, "sh", str(folder), "sleep", "60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as shell:
        time.sleep(0.2)
        assert folder.is_dir()
        shell.stdin.close()  # as the system does when the launcher is killed
        shell.wait(10)
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
