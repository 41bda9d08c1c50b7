"""What answers at an address that is not, or only nearly, Flink's REST interface."""

import socket
import threading

import pytest

from imagenet_beam.pipeline.config import ConvertConfig
from imagenet_beam.pipeline.datasets import imagenet2012
from imagenet_beam.runners.base import LaunchOptions
from imagenet_beam.runners.flink.launch import check
from imagenet_beam.runners.flink.rest import FlinkRest
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.source import LabelSource


def http(body: bytes, length: int | None = None, status: str = "200 OK") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length or len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture
def serve():
    """`serve(answer)`: the address of something that says just that to each who connects."""
    servers = []

    def serve(answer: bytes) -> str:
        server = socket.create_server(("localhost", 0))
        servers.append(server)

        def run():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return f"localhost:{server.getsockname()[1]}"

    yield serve
    for server in servers:
        server.close()


GRPC = b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00\x3f\xff\xff\x00\x05\x00\x3f\xff\xff"
OVERVIEW = b'{"flink-version": "1.19.3", "taskmanagers": 2, "slots-total": 4'


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(GRPC, id="gRPC, such as the job server's port"),
        pytest.param(b"", id="nothing"),
        pytest.param(http(b"<html>Jenkins</html>"), id="another program's page"),
        pytest.param(http(b'{"version": 3}'), id="another program's JSON"),
        pytest.param(http(b"[]"), id="JSON of another kind"),
        pytest.param(http(OVERVIEW, 400), id="an answer that is cut off"),
        pytest.param(http(b"no", status="404 Not Found"), id="404"),
    ],
)
def test_what_is_not_flink_is_one_sentence(serve, answer, tmp_path):
    master = serve(answer)
    assert not FlinkRest(master).answers()
    splits = imagenet2012.splits(str(tmp_path / "train.tar"), "", 4, 4)
    config = ConvertConfig(output_dir=str(tmp_path), splits=splits, labels=LabelSource())
    flags = ("--runner=FlinkRunner", f"--flink_master={master}")
    with pytest.raises(InputError) as raised:
        check(config, LaunchOptions(flags))
    assert str(raised.value).startswith(f"--flink_master={master} does not answer like a Flink")
    assert "\n" not in str(raised.value)
