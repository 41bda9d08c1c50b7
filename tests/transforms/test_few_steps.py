"""What takes the place of transforms of Beam gives what these give."""

import contextlib

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from imagenet_beam.transforms.few_steps import After, CombineAll, Given


class SumFn(beam.CombineFn):
    def create_accumulator(self):
        return 0

    def add_input(self, total, value):
        return total + value

    def merge_accumulators(self, totals):
        return sum(totals)

    def extract_output(self, total):
        return total


@pytest.fixture
def pipeline():
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        yield pipeline


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_values_are_given_and_combined(pipeline, values):
    given = pipeline | Given(values, int)
    assert given.element_type is int
    assert_that(given, equal_to(values), "Given")
    assert_that(given | CombineAll(SumFn(), int), equal_to([sum(values)]), "Combined")


def test_several_values_go_to_several_workers(pipeline):
    _ = pipeline | "One" >> Given(["a"], str)
    _ = pipeline | "Two" >> Given(["a", "b"], str)
    names = [one.unique_name for one in pipeline.to_runner_api().components.transforms.values()]
    assert "Two/Reshuffle" in names
    assert "One/Reshuffle" not in names


def test_nothing_in_a_window_is_not_taken_for_nothing_at_all(pipeline):
    in_windows = (
        pipeline
        | Given([1, 2], int)
        | beam.Map(lambda value: TimestampedValue(value, value))
        | beam.WindowInto(FixedWindows(10))
    )
    with pytest.raises(ValueError, match="global window"):
        _ = in_windows | CombineAll(SumFn(), int)


@pytest.mark.parametrize("divisor", [1, 0])
def test_elements_are_passed_on_once_others_are_computed(divisor, tmp_path):
    pipeline = beam.Pipeline(runner=FnApiRunner())
    checks = pipeline | "Checks" >> Given([1], int) | "Check" >> beam.Map(lambda one: one / divisor)
    values = pipeline | "Values" >> Given(["a", "b"], str) | After((checks,))
    _ = values | "Touch" >> beam.Map(lambda value: (tmp_path / value).touch())
    with pytest.raises(ZeroDivisionError) if not divisor else contextlib.nullcontext():
        pipeline.run()
    assert len(list(tmp_path.iterdir())) == (2 if divisor else 0)
