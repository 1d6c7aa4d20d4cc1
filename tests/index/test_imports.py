"""What no module order may break."""

import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.parametrize("first", ["recognition.index", "recognition.pipeline", "collections_app.tasks"])
def test_the_index_and_the_pipeline_load_in_either_order(first: str) -> None:
    """Loaded before onnxruntime, usearch crashes the process; whoever is imported first must not matter."""
    script = f"import django; django.setup(); import {first}, recognition.pipeline, recognition.index, onnxruntime"
    done = subprocess.run([sys.executable, "-c", script], cwd=settings.BASE_DIR, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
