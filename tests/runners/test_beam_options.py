"""Options of a job whose views are kept."""

import copy

from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    TypeOptions,
)

from imagenet_beam.runners.beam_options import JobOptions

FLAGS = ["--direct_num_workers=3", "--no_pipeline_type_check", "--runner=X", "--unknown=1"]


def test_a_view_is_made_once_and_says_what_beams_own_says(monkeypatch):
    options, beams = JobOptions(FLAGS), PipelineOptions(FLAGS)
    for view in (DirectOptions, StandardOptions, TypeOptions):
        kept = options.view_as(view)
        for name, value in beams.view_as(view).get_all_options(current_only=True).items():
            assert getattr(kept, name) == value
    parsed = []
    monkeypatch.setattr(TypeOptions, "_add_argparse_args", parsed.append)
    assert options.view_as(TypeOptions) is options.view_as(TypeOptions)
    assert parsed == []
    beams.view_as(TypeOptions)
    assert len(parsed) == 1


def test_views_share_what_is_set():
    options = JobOptions(FLAGS)
    direct = options.view_as(DirectOptions)
    options.view_as(StandardOptions).streaming = True
    assert direct.view_as(StandardOptions).streaming is True
    direct.direct_num_workers = 5
    assert options.view_as(DirectOptions).direct_num_workers == 5
    assert options.get_all_options()["direct_num_workers"] == 5


def test_a_copy_has_views_of_its_own():
    """With impersonation, Beam gives copies other values than it gives the views."""
    options = JobOptions([*FLAGS, "--impersonate_service_account=a@b"])
    options.view_as(GoogleCloudOptions).project = "one"
    other = copy.deepcopy(options)
    other.view_as(GoogleCloudOptions).project = "another"
    assert other.get_all_options()["project"] == "another"
    assert options.view_as(GoogleCloudOptions).project == "one"
