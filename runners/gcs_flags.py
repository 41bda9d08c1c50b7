"""The flags that say how Google Cloud Storage is reached."""

from __future__ import annotations

import argparse

from imagenet_beam.runners.arguments import SentenceParser, whole_number
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.storage.files import Storage

TITLE = "Google Cloud Storage"


def add_gcs_flags(parser: SentenceParser) -> None:
    """Adds the flags; `imagenet_beam.transforms.storage.files.Storage` checks their values."""
    group = parser.add_argument_group(TITLE)
    _add_access_flags(group)
    _add_kms_key(group)
    group.add_argument(
        "--verify_reads",
        action="store_true",
        help="read each range of an archive twice and compare, for networks without TLS; twice "
        "the requests and bytes; --verify_reads",
    )


def add_gcs_command_flags(parser: SentenceParser, writes: bool = False) -> None:
    """Adds those that a small command needs, which reads and perhaps writes a file."""
    group = parser.add_argument_group(TITLE)
    _add_access_flags(group)
    if writes:
        _add_kms_key(group)


def _add_access_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--gcs_project",
        metavar="ID",
        default="",
        help="the project of the storage client; by default that of the environment; "
        "--gcs_project=my-project",
    )
    group.add_argument(
        "--gcs_billing_project",
        metavar="ID",
        default="",
        help="who pays for requests to requester-pays buckets; --gcs_billing_project=my-project",
    )
    group.add_argument(
        "--gcs_retry_seconds",
        metavar="N",
        type=whole_number,
        default=int(Storage.gcs_retry_seconds),
        help="how long a failing request is repeated, "
        f"{Storage.gcs_retry_seconds:.0f} by default; --gcs_retry_seconds=60",
    )


def _add_kms_key(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--kms_key",
        metavar="NAME",
        default="",
        help="the Cloud KMS key for what is written; "
        "--kms_key=projects/P/locations/L/keyRings/R/cryptoKeys/K",
    )


def command_storage(args: argparse.Namespace, output: str = "") -> Storage:
    """The storage that the flags of a small command describe.

    Raises:
        InputError: If a flag's value is not accepted, or could have no effect.
    """
    kms_key = getattr(args, "kms_key", "")
    _check_kms_key(kms_key, "output", output)
    return Storage(
        gcs_project=args.gcs_project,
        gcs_billing_project=args.gcs_billing_project,
        kms_key=kms_key,
        gcs_retry_seconds=args.gcs_retry_seconds,
    )


def storage_from_flags(args: argparse.Namespace) -> Storage:
    """The storage that the flags describe.

    Raises:
        InputError: If a flag's value is not accepted, or could have no effect.
    """
    _check_kms_key(args.kms_key, "output_dir", args.output_dir)
    return Storage(
        scratch_dir=args.scratch_dir,
        gcs_project=args.gcs_project,
        gcs_billing_project=args.gcs_billing_project,
        kms_key=args.kms_key,
        verify_reads=args.verify_reads,
        gcs_retry_seconds=args.gcs_retry_seconds,
    )


def _check_kms_key(kms_key: str, flag: str, output: str) -> None:
    if kms_key and output and not output.startswith("gs://"):
        raise InputError(
            f"--kms_key is for what is written to gs://, but --{flag}={output} is not there; "
            "leave one of them out"
        )
