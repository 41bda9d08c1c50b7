"""Finding the user's mistake in what runners say."""

import logging
import traceback

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.runners.failures import NoiseFilter, find_mistake, last_line
from imagenet_beam.transforms.errors import InputError


def fail(_, sentence, wrap=False):
    try:
        raise InputError(sentence)
    except InputError as error:
        if wrap:
            raise RuntimeError(f"a step failed: {error}") from error
        raise


def failure_of(sentence, label, **options) -> str:
    """What the runner really says."""
    with pytest.raises(Exception) as error, beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create([1]) | label >> beam.Map(fail, sentence, **options)
    return f"{type(error.value).__name__}: {error.value}"


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("a.tar is empty: 0 bytes; get the file again", "Read"),
        ("a.tar has 'quotes' and \"more\" in its member 'x'", "Write 'it' now"),
        ('it ends with "quotes"', "Read"),
        ("InputError: is what it says", "Outer/Inner"),
        ("é → 狗 [while reading]", "Read"),
    ],
)
def test_the_sentence_is_found_in_what_the_runner_says(sentence, label):
    assert str(find_mistake(failure_of(sentence, label))) == sentence


def test_another_exception_that_quotes_a_mistake_is_none():
    text = failure_of("a.tar is empty", "Read", wrap=True)
    assert last_line(text).startswith("RuntimeError: a step failed: a.tar is empty")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            (
                "java.lang.RuntimeException: Error received from SDK: Traceback (most recent "
                'call last):\n  File "x.py", line 3, in f\nimagenet_beam.transforms.errors.'
                "InputError: a.tar is empty [while running 'A/B-ptransform-3']\n\tat org.Beam\n"
            ),
            "a.tar is empty",
        ),
        ("InputError: one [while running 'A'] [while running 'B']", "one"),
        ("InputError: first\n\nDuring handling\n\nInputError: second\n", "second"),
    ],
)
def test_texts_of_other_runners(text, sentence):
    assert str(find_mistake(text)) == sentence


@pytest.mark.parametrize("text", ["", "ValueError: x", "NoInputError: x", "InputError"])
def test_where_there_is_no_mistake_none_is_found(text):
    assert find_mistake(text) is None


def test_a_defect_that_came_up_while_a_mistake_was_handled_is_no_mistake():
    try:
        fail(None, "a.tar is empty", wrap=True)
    except RuntimeError:
        text = traceback.format_exc()
    assert "errors.InputError: a.tar is empty\n" in text
    assert find_mistake(text) is None
    assert NoiseFilter().filter(logging.makeLogRecord({"msg": text}))


def test_last_line():
    assert last_line("Traceback\n  File\nKeyError: 3\n\n") == "KeyError: 3"
    assert last_line(" \n") == "no message"


def test_mistakes_are_not_logged_twice():
    def shown(message, error=None):
        info = (type(error), error, None) if error else None
        record = logging.LogRecord("x", logging.ERROR, "worker.py", 1, message, (), info)
        return NoiseFilter().filter(record)

    assert shown("a real problem")
    assert shown("a real problem", ValueError("x"))
    assert not shown("failed", InputError("x"))
    assert not shown("Traceback\nInputError: a.tar is empty")
