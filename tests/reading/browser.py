"""A headless Chromium, if there is one: what it makes of a page, and how that looks."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-extensions",
)


def open_page(page: Path, *flags: str) -> str:
    """Opens a page without a network; gives what the browser prints."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium: run make tools")
    offline = (
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={page.parent / 'profile'}",
    )
    command = [browser, *_FLAGS, *offline, *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def dom(page: Path) -> str:
    """The elements of the page as the browser has them."""
    return open_page(page, "--dump-dom")


def screenshot(page: Path, width: int, height: int, path: Path) -> Path:
    """A picture of the top of the page."""
    open_page(page, f"--window-size={width},{height}", f"--screenshot={path}")
    return path
