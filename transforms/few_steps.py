"""What Beam has too, in fewer steps: each costs some milliseconds before a job begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton
from apache_beam.transforms.window import GlobalWindows


@dataclass(eq=False)
class Given(beam.PTransform):
    """A few values that are known when a job is built: PBegin → PCollection of them.

    As `beam.Create`, which prepares for many.
    """

    values: Iterable[Any]
    element_type: Any

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Any]:
        """Several are spread over the workers."""
        values = tuple(self.values)
        given = (
            begin
            | "Begin" >> beam.Impulse()
            | "Values"
            >> beam.FlatMap(lambda _, values: values, values).with_output_types(self.element_type)
        )
        return given | "Reshuffle" >> beam.Reshuffle() if len(values) > 1 else given


@dataclass(eq=False)
class CombineAll(beam.PTransform):
    """Combines all elements: PCollection → PCollection of one result, of none, too.

    As `beam.CombineGlobally`.

    Raises:
        ValueError: If the elements are not in the global window.
    """

    combine: beam.CombineFn
    result_type: Any

    def expand(self, pcoll: beam.PCollection[Any]) -> beam.PCollection[Any]:
        """What is made of nothing is put in where there is nothing."""
        if pcoll.windowing.windowfn != GlobalWindows():
            raise ValueError("the result of no elements is known in the global window only")
        combine = self.combine
        of_nothing = combine.extract_output(combine.create_accumulator())
        found = pcoll | "Combine" >> beam.CombineGlobally(
            combine
        ).without_defaults().with_output_types(self.result_type)
        return (
            pcoll.pipeline
            | "Begin" >> beam.Impulse()
            | "Result"
            >> beam.Map(lambda _, result: result, AsSingleton(found, of_nothing)).with_output_types(
                self.result_type
            )
        )


@dataclass(eq=False)
class After(beam.PTransform):
    """Passes elements on once others are computed: PCollection → the same.

    As `WaitOn` of Beam, but these others are kept until then: they are few.
    """

    others: tuple[beam.PCollection[Any], ...]

    def expand(self, pcoll: beam.PCollection[Any]) -> beam.PCollection[Any]:
        """A side input is complete before the first element is looked at."""
        return pcoll | "Wait" >> beam.Map(
            lambda element, *_: element, *map(AsIter, self.others)
        ).with_output_types(pcoll.element_type)
