"""What a person sees on a terminal of 60, 80 and 200 columns, from the start to the end."""

import subprocess
import sys
import time

import pytest
from terminal import terminal

from imagenet_beam.runners import steps

SLOW = ("--train_shards=6", "--validation_shards=3", "--resize=shorter:1200", "--threads=1")
WIDTHS = [60, 80, 200]
WAITING = """
import sys, time
from imagenet_beam.runners.steps import say_stopped, step
try:
    with step("waiting for " + "what may come " * 20):
        time.sleep(60)
except KeyboardInterrupt:
    say_stopped("stopped")
"""


def look(shown, running, condition):
    """Looks at the screen until something is seen, or the program has ended."""
    running.wait_for(lambda: condition(shown.shown()))
    return shown.screen.lines()


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_run_from_its_start_to_its_end(clean, start, tmp_path, columns):
    with terminal(columns) as shown:
        flags = (*clean.flags, "--output_dir=out", *SLOW)
        running = start("convert", *flags, cwd=tmp_path, **shown.of_a_program)
        look(shown, running, lambda text: "images (" in text)
        while_writing = shown.screen.lines()
        running.wait_for(lambda: shown.shown() is None)
        end = shown.shown()
        assert running.finish().status == 0, end
        assert shown.written.startswith("\r\x1b[2Kstarting"), "before anything is imported"
        steps_seen = ("starting Apache Beam", "checking the inputs", "listing the archives, ")
        assert all(step in shown.written for step in steps_seen)
        assert while_writing[0] == "writing 9 shards to out"
        assert set(while_writing[1]) <= set("━╸╺ ")
        assert len(while_writing[1]) == min(60, columns - 3)
        line = " ".join(while_writing[2:])
        assert "of 36 images (" in line and line.endswith("of 9 shards, 0 rejects")
        assert shown.screen.wrapped == [], "nothing is longer than a line"
        assert (shown.screen.column, shown.screen.hidden) == (0, False)
        lines = end.splitlines()
        assert lines[0] == "writing 9 shards to out"
        assert lines[1].startswith("done: 36 images in ")
        assert lines[-1] == "  in Python: imagenet_beam.Records('out', 'train')"
        assert "━" not in end and "starting" not in end


@pytest.mark.parametrize("columns", WIDTHS)
def test_ctrl_c_leaves_one_clean_line(clean, start, tmp_path, columns):
    with terminal(columns) as shown:
        flags = (*clean.flags, "--output_dir=out", *SLOW)
        running = start("convert", *flags, cwd=tmp_path, **shown.of_a_program)
        look(shown, running, lambda text: "images (" in text and ", 0 of 9 shards" not in text)
        shown.type(b"\x03")
        assert running.finish().status == 130
        end = shown.shown().splitlines()
        assert len(end) == 2, end
        assert end[0] == "writing 9 shards to out"
        assert end[1].startswith("stopped after ")
        assert end[1].endswith("; the same command resumes")
        assert (shown.screen.row, shown.screen.column, shown.screen.hidden) == (2, 0, False)


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_refusal_is_broken_between_words(start, tmp_path, columns):
    (tmp_path / "words" / "kit_fox").mkdir(parents=True)
    (tmp_path / "words" / "kit_fox" / "1.jpg").write_bytes(b"")
    with terminal(columns) as shown:
        flags = ("--train_directory=words", "--output_dir=out", "--resize=exact:8x8")
        running = start("convert", *flags, cwd=tmp_path, **shown.of_a_program)
        running.wait_for(lambda: shown.shown() is None)
        assert running.finish().status == 2
        said = " ".join(line.strip() for line in shown.shown().splitlines())
    assert shown.screen.wrapped == []
    assert "imagenet-beam: --train_directory=words has 1 class (kit_fox)" in said
    assert said.endswith("or --allow_any_class_names if these are the classes")


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_step_is_cut_at_the_edge_and_wiped_with_the_echo(columns):
    with terminal(columns) as shown:
        command = [sys.executable, "-c", WAITING]
        with subprocess.Popen(command, **shown.of_a_program) as process:
            while not shown.shown():
                time.sleep(0.01)
            assert (
                shown.screen.lines()[0]
                == ("waiting for " + "what may come " * 20)[: columns - 3].rstrip()
            )
            shown.type(b"\x03")
            assert process.wait(60) == 0
        assert shown.shown() == "stopped"
        assert (shown.screen.row, shown.screen.column, shown.screen.wrapped) == (1, 0, [])


def test_a_step_in_a_log_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(steps, "LOG_SECONDS", 0.01)
    said = ""
    with steps.step("submitting the job"):
        while said.count("\n") < 3:
            time.sleep(0.01)
            said += capsys.readouterr().err
    first, *later = said.splitlines()
    assert first == "submitting the job"
    assert set(later) == {"submitting the job, 0 s"}


def test_the_command_line_is_there_before_what_takes_time():
    program = (
        "import sys, imagenet_beam.runners.cli; "
        "print(*(name for name in ('numpy', 'PIL', 'rich', 'grpc', 'apache_beam', "
        "'imagenet_beam.runners.flags', 'imagenet_beam.pipeline.config') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")
