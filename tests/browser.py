"""The browser of the console's tests: found on this machine or, as `python -m tests.browser`, installed on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGES = ("chromium", "fonts-noto-cjk")  # the font: pages are looked at in Korean, too


def find() -> str | None:
    """Return the path of the system's Chromium, else of Playwright's own, else None."""
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> None:
    """Install Debian's package where that is possible, else the browser that Playwright brings."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)  # noqa: S607
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *_PACKAGES]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if find() is None:
        install()
    if find() is None:
        sys.exit("The console's tests need Chromium. As root: apt-get install chromium fonts-noto-cjk")
