"""Flags are refused in one sentence; Beam's own pass."""

import argparse
import importlib.metadata

import pytest

from imagenet_beam.runners.arguments import (
    _DATAFLOW_FLAGS,
    SentenceParser,
    check_beam_flags,
    flags_without_effect,
    whole_number,
    with_home,
)
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.images.filter import filter_name
from imagenet_beam.transforms.images.options import libraries
from imagenet_beam.transforms.images.plain_jpeg import decoder_name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("128", 128),
        ("-1", -1),
        ("1,281,167", 1281167),
        ("1_281_167", 1281167),
        ("+3", 3),
        ("007", 7),
    ],
)
def test_whole_numbers(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "1,2", "1,,000", ",1", "12,34", "1__0", "_1", "1e3", "9" * 5000, " 1"]
)
def test_what_is_no_whole_number(text):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        whole_number(text)
    assert str(error.value) == f"{text!r} is not accepted; give a whole number, such as 128"


def parser():
    parser = SentenceParser(prog="x")
    parser.add_argument("--train_shards", type=whole_number, required=True)
    parser.add_argument("--schema", choices=["a", "b"])
    return parser


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["--train_shards=x"],
            "--train_shards: 'x' is not accepted; give a whole number, such as 128",
        ),
        ([], "the following arguments are required: --train_shards"),
        (["--train_shards"], "--train_shards: expected one argument"),
    ],
)
def test_a_wrong_flag_is_told_in_a_sentence_that_begins_with_it(args, sentence, capsys):
    with pytest.raises(InputError) as error:
        parser().parse_args(args)
    assert str(error.value) == sentence
    assert capsys.readouterr() == ("", "")


def test_flags_are_not_guessed_from_their_beginning():
    assert parser().parse_known_args(["--train_shards=1", "--sch=a"])[1] == ["--sch=a"]
    assert parser().flags() == ["-h", "--help", "--train_shards", "--schema"]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--runner=FlinkRunner", "--flink_master", "localhost:8081"],
        ["--project=p", "--region=r", "--experiments=a", "--experiments=b"],
        ["--direct_num_workers=2"],
    ],
)
def test_flags_of_beam_pass(args):
    check_beam_flags(args, ["--train_shards"])


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["--train_shard=3"],
            "unknown flag --train_shard; did you mean --train_shards?",
        ),
        (
            ["--direct_num_worker", "3"],
            "unknown flag --direct_num_worker; did you mean --direct_num_workers?",
        ),
        (
            ["--qqqqq=1"],
            "unknown flag --qqqqq; see imagenet-beam convert --help",
        ),
        (["more.tar"], "more.tar is not a flag; flags are given as --name=value"),
        (["--streaming"], "--streaming is not accepted: a set of shards has an end; leave it out"),
        (["--direct_num_workers=x"], "--direct_num_workers: invalid int value: 'x'"),
    ],
)
def test_flags_that_nobody_knows_are_refused(args, sentence):
    with pytest.raises(InputError) as error:
        check_beam_flags(args, ["--train_shards"])
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["--train_archive=a.tar", "convert", "--output_dir=o"],
            (
                "--train_archive stands before the command; write the command first: "
                "imagenet-beam convert --train_archive=..."
            ),
        ),
        (
            ["--train_archive", "a.tar", "convert"],
            (
                "--train_archive stands before the command; write the command first: "
                "imagenet-beam convert --train_archive=..."
            ),
        ),
        (["-v"], "unknown flag -v; did you mean imagenet-beam --version?"),
        (["convert", "-v"], "unknown flag -v; did you mean imagenet-beam --version?"),
        (["verify", "out", "-v"], "unknown flag -v; did you mean imagenet-beam --version?"),
        (["--versoin"], "unknown flag --versoin; did you mean --version?"),
        (["--qqqqq=1", "convert"], "unknown flag --qqqqq; see imagenet-beam --help"),
        (["verify", "out", "--qqqqq"], "unknown flag --qqqqq; see imagenet-beam verify --help"),
    ],
)
def test_what_may_have_been_meant(args, sentence, capsys):
    assert main(args) == 2
    assert capsys.readouterr().err == f"imagenet-beam: {sentence}\n"


@pytest.mark.parametrize(
    ("runner", "found"),
    [
        (
            "DirectRunner",
            ["--num_workers", "--parallelism", "--environment_type", "--s3_endpoint_url"],
        ),
        ("FlinkRunner", ["--num_workers", "--direct_num_workers", "--s3_endpoint_url"]),
        (
            "PrismRunner",
            ["--num_workers", "--parallelism", "--direct_num_workers", "--s3_endpoint_url"],
        ),
        ("DataflowRunner", ["--parallelism", "--direct_num_workers", "--s3_endpoint_url"]),
    ],
)
def test_flags_for_other_runners_are_found(runner, found):
    args = ["--num_workers=4", "--parallelism", "2", "--num_workers=5", "--direct_num_workers=1"]
    args += [
        "--environment_type=LOOPBACK",
        "--experiments=a",
        "--s3_endpoint_url=x",
        f"--runner={runner}",
    ]
    assert flags_without_effect(args, runner) == found


def test_the_flags_for_dataflow_are_beams():
    from apache_beam.options.pipeline_options import GoogleCloudOptions, WorkerOptions

    known = SentenceParser(add_help=False, conflict_handler="resolve")
    for options in (GoogleCloudOptions, WorkerOptions):
        options._add_argparse_args(known)
    assert set(known.flags()) >= _DATAFLOW_FLAGS


def test_a_flag_without_effect_is_told_of(clean, convert, tmp_path):
    flags = (*clean.validation_flags, f"--output_dir={tmp_path / 'out'}", "--num_workers=4")
    finished = convert(*flags)
    assert finished.status == 0, finished.message
    assert "warning: --num_workers has no effect with --runner=DirectRunner\n" in finished.message


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--output_dir=~/out", "--output_dir=/home/a/out"),
        ("--train_archive=~/a.tar,~/b~.tar", "--train_archive=/home/a/a.tar,/home/a/b~.tar"),
        ("--output_dir=/data/~/out", "--output_dir=/data/~/out"),
        ("--output_dir=~b/out", "--output_dir=~b/out"),
        ("a=~/b", "a=~/b"),
    ],
)
def test_the_home_folder_in_the_value_of_a_flag(given, meant, monkeypatch):
    monkeypatch.setenv("HOME", "/home/a")
    assert with_home(given) == meant


def test_the_versions_that_a_report_of_a_defect_needs(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    version = importlib.metadata.version
    assert said == (
        f"imagenet-beam {version('imagenet-beam')} (apache-beam {version('apache-beam')}, "
        f"pillow {version('pillow')}, libjpeg {libraries()['libjpeg']}, "
        f"zlib {libraries()['zlib']}, libwebp {libraries()['libwebp']}, "
        f"filter {filter_name()}, jpeg_decoder {decoder_name()})\n"
    )
