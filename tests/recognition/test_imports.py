"""The order of imports must not matter to the native libraries."""

import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.parametrize("first", ["recognition.index.segments", "recognition.packs.sessions"])
def test_whatever_is_imported_first_both_libraries_live_in_one_process(first: str) -> None:
    """Check 10: loading usearch before ONNX Runtime crashes the process; our imports prevent that order."""
    code = f"import django; django.setup(); import {first}; import usearch.index, onnxruntime"
    done = subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
