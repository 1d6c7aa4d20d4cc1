"""Programs that tests need besides Python packages; `python -m tests.programs` installs them.

Chromium drives the console's pages; without it the tests do not run. strace shows which sockets are opened; nginx
and Caddy are the proxies whose configurations are shipped; promtool, systemd-analyze and docker-compose read the alert
rules, the units and the compose file; ip makes the hosts of tests/hosts.py. Tests that need a missing one are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Debian's packages by program; the font is for pages in Korean.
_PACKAGES = {
    "chromium": ("chromium", "fonts-noto-cjk"),
    "strace": ("strace",),
    "nginx": ("nginx-light",),
    "caddy": ("caddy",),
    "promtool": ("prometheus",),
    "systemd-analyze": ("systemd",),
    "docker-compose": ("docker-compose",),
    "ip": ("iproute2",),
}


def chromium() -> str | None:
    """Return the path of the system's Chromium, else of Playwright's own, else None."""
    for name in _CHROMIUM:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def missing() -> list[str]:
    """Return the missing programs."""
    found = {name: shutil.which(name) for name in _PACKAGES} | {"chromium": chromium()}
    return [name for name, path in found.items() if path is None]


def install(programs: list[str]) -> None:
    """Install Debian's packages if possible, else Playwright's browser."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        packages = [package for program in programs for package in _PACKAGES[program]]
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(["apt-get", "update", "-qq"], check=False)  # noqa: S607
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if chromium() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if absent := missing():
        install(absent)
    if chromium() is None:
        sys.exit("The console's tests need Chromium. As root: apt-get install chromium fonts-noto-cjk")
    if absent := missing():
        print(f"Missing: {', '.join(absent)}. The tests that need them are skipped.")  # noqa: T201
