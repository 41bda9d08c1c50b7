"""What all writers of synthetic data refuse in the same words."""

from pathlib import Path

from imagenet_beam.transforms.core.errors import InputError


def check_range(flag: str, value: int, least: int, most: int) -> None:
    """Refuses a number that is out of range.

    Raises:
        InputError: It is; the message names the flag.
    """
    if not least <= value <= most:
        raise InputError(f"--{flag}={value} is not between {least:,} and {most:,}.")


def make_folder(output_dir: Path) -> None:
    """Makes the output folder if it is missing.

    Raises:
        InputError: It cannot be made.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--output_dir={output_dir} cannot be made ({error.strerror}); "
            "give a folder in which you may write."
        ) from error
