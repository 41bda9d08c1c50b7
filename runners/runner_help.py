"""`imagenet-beam convert --runner=NAME --help`: the flags of Apache Beam for that runner."""

from __future__ import annotations

from collections.abc import Sequence

from imagenet_beam.runners.arguments import SentenceParser

_DIRECT = ("DirectOptions",)
_OPTIONS = {
    "DirectRunner": _DIRECT,
    "FnApiRunner": _DIRECT,
    "FlinkRunner": ("FlinkRunnerOptions", "PortableOptions", "JobServerOptions"),
    "DataflowRunner": ("GoogleCloudOptions", "WorkerOptions", "SetupOptions"),
    "PortableRunner": ("PortableOptions",),
    "PrismRunner": ("PrismRunnerOptions", "PortableOptions"),
}
"""The classes of Beam's options that are a runner's own, those that matter most first."""

_PAGES = {"FlinkRunner": "docs/flink.md", "DataflowRunner": "docs/dataflow.md"}


def asks_for_runner(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for the help of a runner."""
    names = {argument.partition("=")[0] for argument in arguments}
    return arguments[:1] == ["convert"] and "--runner" in names and bool(names & {"-h", "--help"})


def runner_help(arguments: Sequence[str]) -> str:
    """The flags of the runner that `--runner` names, in Beam's words.

    Raises:
        InputError: If there is no such runner.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    from imagenet_beam.runners.base import runner_name

    name = runner_name(arguments)
    classes = {options.__name__: options for options in PipelineOptions.__subclasses__()}
    parser = SentenceParser(
        add_help=False,
        conflict_handler="resolve",
        usage=f"imagenet-beam convert --runner={name} [flags]",
        description=(
            "These flags of Apache Beam, in its own words, beside those of --help alone.\n"
            f"Which of them matter: {_PAGES.get(name, 'docs/runners.md')}."
        ),
    )
    for options in _OPTIONS[name]:
        if options in classes:  # of this Beam version
            classes[options]._add_argparse_args(parser.add_argument_group(options))
    return parser.format_help()
