"""The real DataflowRunner up to the service's edge: what the user is told, what is posted."""

import signal

import pytest

RUNNING = ["PENDING", "RUNNING"]


def test_a_job_is_followed_to_its_end(cloud, run):
    cloud.api.states = ["PENDING", "QUEUED", "RUNNING", "DONE"]
    finished = run()
    job = cloud.api.job
    link = (
        f"https://console.cloud.google.com/dataflow/jobs/us-central1/{job.id}?project=test-project"
    )
    assert "submitting the job to Dataflow\n" in finished.message
    assert f"submitted Dataflow job {job.id}; see {link}" in finished.message
    # The fake converts nothing: a job that is done without a manifest is told from one that is.
    assert finished.status == 2
    assert "manifest.json does not exist" in finished.message
    assert cloud.api.posted() == 1
    assert {token for _, _, token in cloud.api.requests} == {"Bearer fake-user-token"}


def test_a_failure_tells_its_cause(cloud, run):
    cloud.api.states = ["RUNNING", "FAILED"]
    cloud.api.errors = [
        'Traceback (most recent call last):\n  File "x.py", line 1, in f\nOSError: disk full\n',
        "Workflow failed. Causes: the work item was attempted 4 times without success.",
    ]
    finished = run()
    assert finished.status == 1
    assert finished.message.endswith(f"Dataflow job {cloud.api.job.id}: OSError: disk full\n")


def test_a_mistake_found_by_a_worker_is_one_sentence(cloud, run):
    cloud.api.states = ["RUNNING", "FAILED"]
    trace = (
        "Traceback (most recent call last):\n"
        '  File "apache_beam/runners/worker/sdk_worker.py", line 1, in f\n'
        "imagenet_beam.transforms.errors.InputError: gs://b/a.tar has no images "
        "[while running 'ListTrain/ListImages']\n"
    )
    cloud.api.errors = [trace]
    finished = run()
    assert finished.status == 2
    assert finished.message.endswith("imagenet-beam: gs://b/a.tar has no images\n")


def test_a_job_cancelled_elsewhere_has_failed(cloud, run):
    cloud.api.states = ["RUNNING", "CANCELLED"]
    finished = run()
    assert finished.status == 1
    assert finished.message.endswith(f"Dataflow job {cloud.api.job.id} was cancelled\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_job(cloud, clean, start, tmp_path, number):
    cloud.api.states = RUNNING
    command = start(*cloud.flags(clean), env=cloud.environment, cwd=tmp_path)
    command.wait_for(lambda: any(job.states == ["RUNNING"] for job in cloud.api.jobs.values()))
    command.send(number)
    finished = command.finish()
    assert cloud.api.job.state == "JOB_STATE_CANCELLED"
    assert finished.status == 128 + number
    assert f"cancelled Dataflow job {cloud.api.job.id}" in finished.message


@pytest.mark.parametrize("mine", [True, False])
def test_a_signal_between_request_and_answer_cancels_the_job_of_this_process_only(
    cloud, clean, start, tmp_path, mine
):
    cloud.api.states = RUNNING
    cloud.api.answers.clear()
    command = start(*cloud.flags(clean), env=cloud.environment, cwd=tmp_path)
    command.wait_for(lambda: cloud.api.jobs)
    if not mine:
        cloud.api.job.body["labels"]["submission"] = "somebody else's"
    command.send(signal.SIGINT)
    finished = command.finish()
    assert finished.status == 128 + signal.SIGINT
    assert (cloud.api.job.state == "JOB_STATE_CANCELLED") is mine
    assert (f"cancelled Dataflow job {cloud.api.job.id}" in finished.message) is mine
    assert ("Dataflow knows of no job named imagenet-beam-" in finished.message) is not mine
    assert finished.message.endswith("stopped while the job was being submitted\n")


def test_detach_leaves_the_job_alone(cloud, run):
    cloud.api.states = RUNNING
    finished = run("--detach")
    job = cloud.api.job
    assert finished.status == 0
    assert f"gcloud dataflow jobs cancel {job.id} --region=us-central1" in finished.message
    assert job.state == "JOB_STATE_PENDING"


def test_two_outages_are_survived_at_each_step(cloud, run):
    cloud.api.refuse("GET .*/jobs$", 503, times=2)
    cloud.api.refuse("POST .*/jobs$", 503, times=2)
    cloud.api.refuse("GET .*/jobs/", 503, times=2)
    assert "manifest.json does not exist" in run().message
    assert cloud.api.posted() == 3
    assert len(cloud.api.jobs) == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "(a1) Could not create workflow; user does not have write access to project",
            "that needs roles/dataflow.developer",
        ),
        (
            "Dataflow API has not been used in project test-project before or it is disabled.",
            "run `gcloud services enable dataflow.googleapis.com --project=test-project`",
        ),
    ],
)
@pytest.mark.parametrize("request_line", ["GET .*/jobs$", "POST .*/jobs$"])
def test_no_permission(cloud, run, request_line, said, told):
    cloud.api.refuse(request_line, 403, said, times=9)
    finished = run()
    assert finished.status == 2
    assert finished.message.count("imagenet-beam: ") == 1
    assert finished.message.endswith(told + "\n")
    assert cloud.api.posted() == request_line.startswith("POST")


def test_a_second_job_of_the_name_is_refused_before_anything_is_written(cloud, run):
    cloud.api.states = RUNNING
    assert run("--detach", job_name="nightly").status == 0
    finished = run(job_name="nightly", output_dir=cloud.url("two"))
    assert finished.status == 2
    assert f"is taken by a job that is still active, {cloud.api.job.id}" in finished.message
    assert cloud.names("two") == []
    assert cloud.api.posted() == 1


def test_a_name_taken_meanwhile_is_told_as_well(cloud, run):
    cloud.api.states = RUNNING
    assert run("--detach", output="one", job_name="nightly").status == 0
    cloud.api.refuse("GET .*/jobs$", 200, times=1)  # the check sees no job yet
    finished = run(output="two", job_name="nightly")
    assert finished.status == 2
    assert (
        f"--job_name=nightly is taken by a job that is still active, {cloud.api.job.id}; wait"
        in finished.message
    )
