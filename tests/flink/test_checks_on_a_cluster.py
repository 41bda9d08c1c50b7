"""What a real cluster's answers lead to, before a job is submitted to it."""

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.flink.launch import check
from imagenet_beam.runners.flink.rest import FlinkRest
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import LabelSource

PROCESS = "--environment_type=PROCESS"


@pytest.fixture
def refused(cluster, tmp_path):
    """`refused(*flags)`: the sentence with which a job is refused; nothing is submitted."""

    def refused(*flags, output_dir="", detach=False):
        rest = FlinkRest(cluster.settings.master)
        jobs = len(rest.jobs())
        config = ConvertConfig(
            output_dir=output_dir or str(tmp_path / "out"),
            splits=imagenet2012.splits(str(tmp_path / "train.tar"), "", 4, 4),
            labels=LabelSource(),
        )
        master = f"--flink_master={cluster.settings.master}"
        with pytest.raises(InputError) as raised:
            check(config, LaunchOptions(("--runner=FlinkRunner", master, *flags), detach))
        assert len(rest.jobs()) == jobs
        return str(raised.value)

    return refused


def test_flags_that_do_not_fit_the_cluster(refused, cluster, tmp_path):
    works = f'--environment_config={{"command": "{cluster.worker_command}"}}'
    assert "--parallelism=3 is more than the 2 slots" in refused("--parallelism=3")
    assert "--environment_config is missing" in refused(PROCESS)
    assert "/no/w, which is no program" in refused(
        PROCESS, '--environment_config={"command": "/no/w"}'
    )
    assert "needs a worker pool for each TaskManager" in refused(
        "--environment_type=EXTERNAL", "--environment_config=localhost:50000"
    )
    assert "run in containers" in refused("--environment_type=DOCKER", "--environment_config=i")
    assert "`output_dir`=out is a relative path" in refused(PROCESS, works, output_dir="out")
    assert "--detach is not accepted with --environment_type=LOOPBACK" in refused(detach=True)
    setup = tmp_path / "setup.py"
    assert "does not exist" in refused(PROCESS, works, f"--setup_file={setup}")
    setup.touch()
    assert "--setup_file needs --artifacts_dir" in refused(PROCESS, works, f"--setup_file={setup}")
    jar = tmp_path / "none.jar"
    assert "none.jar does not exist" in refused(f"--flink_job_server_jar={jar}")
