"""A fresh clone is tested by the README's two commands, which provide what they need or say what is missing."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings

ROOT: Path = settings.BASE_DIR


def test_continuous_integration_runs_commands_of_the_readme_and_nothing_before_them() -> None:
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    *before, command = lines
    assert before == ["set -euo pipefail", 'cd "$(dirname "$0")/.."']
    make, *targets = command.split()
    readme = (ROOT / "README.md").read_text()
    assert make == "make"
    assert [target for target in targets if f"make {target}" not in readme] == []


def test_the_programs_that_tests_need_are_installed_before_the_tests() -> None:
    planned = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert 0 < planned.index("-m tests.programs") < planned.index("/pytest ")


def test_where_no_browser_can_be_installed_a_sentence_says_which_package_has_it(tmp_path: Path) -> None:
    """There is no apt-get, and the server of browsers does not answer."""
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}
    env |= {"PLAYWRIGHT_DOWNLOAD_HOST": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "tests.programs"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("As root: apt-get install chromium fonts-noto-cjk")
