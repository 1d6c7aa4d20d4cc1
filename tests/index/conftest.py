"""A home of its own for the index's files, with small limits, so that segments appear among few rows."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from recognition.index.local import LocalIndex


@pytest.fixture(autouse=True)
def small_index(settings: Settings, tmp_path: Path) -> None:
    """Keep the index's files in the test's folder; make a segment after 50 changes, scan them above 60 KB."""
    settings.INDEX_DIR = tmp_path / "index"
    settings.INDEX_OPEN_DIR = tmp_path / "open"
    settings.INDEX_DELTA_ROWS = 50
    settings.INDEX_EXACT_BYTES = 60_000


@pytest.fixture
def segments() -> LocalIndex:
    """The default engine, as a process has it."""
    return LocalIndex(segmented=True)
