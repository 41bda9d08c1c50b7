"""What all writers of synthetic data refuse in the same words."""

from collections.abc import Iterable
from pathlib import Path

from imagenet_beam.transforms.errors import InputError

MARKER_NAME = "SYNTHETIC.txt"
_MARKER_TEXT = """The data in this folder are synthetic: drawings in the files of real data sets.

They were written by imagenet-beam synthesize, which replaces them when it is run again.
"""


def check_range(flag: str, value: int, least: int, most: int) -> None:
    """Refuses a number that is out of range.

    Raises:
        InputError: It is; the message names the flag.
    """
    if not least <= value <= most:
        raise InputError(f"--{flag}={value} is not between {least:,} and {most:,}.")


def claim_folder(output_dir: Path, names: Iterable[str]) -> None:
    """Makes the output folder and removes what an earlier call wrote there.

    The files bear the names of real archives, which took somebody days to download:
    they are replaced only in a folder that is marked as synthetic.

    Args:
        output_dir: The folder; it and its parents may be missing.
        names: Every file that may be written into it.

    Raises:
        InputError: It cannot be made, or holds such a file that is not synthetic.
    """
    marker = output_dir / MARKER_NAME
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        present = [output_dir / name for name in names if (output_dir / name).exists()]
        if present and not marker.exists():
            raise InputError(
                f"--output_dir={output_dir} holds {present[0].name}, which is not synthetic; "
                "give a folder without archives."
            )
        marker.write_text(_MARKER_TEXT, encoding="utf-8")
        for path in present:
            path.unlink()
    except OSError as error:
        raise InputError(
            f"--output_dir={output_dir} cannot be written to ({error.strerror}); "
            "give a folder in which you may write."
        ) from error
