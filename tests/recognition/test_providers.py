"""What runs the models, and batches of several requests."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from recognition import packs
from recognition.packs import providers, sessions
from recognition.packs.batching import Batcher, Outputs
from recognition.pipeline import adapters
from recognition.results import Floats

PACK = packs.get("light")


def _together(run: Callable[[Floats], Outputs], batches: Sequence[Floats]) -> list[Outputs | Exception]:
    """Run each batch in a thread of its own, all at once; return what each got."""
    ready = threading.Barrier(len(batches))

    def one(batch: Floats) -> Outputs | Exception:
        ready.wait()
        try:
            return run(batch)
        except Exception as error:  # noqa: BLE001
            return error

    with ThreadPoolExecutor(len(batches)) as threads:
        return list(threads.map(one, batches))


@pytest.mark.parametrize("role", ["embedder", "landmarks", "liveness"])
def test_a_crop_has_the_same_result_in_any_batch(role: str) -> None:
    """Each thread gets the rows of its own crops, in their order, whatever they were joined with."""
    models = sessions.available(PACK.roles[role])
    size = {"embedder": (3, 112, 112), "landmarks": (1, 64, 64), "liveness": None}[role]
    for model in models:
        shape = size or (3, *[adapters.liveness_model(model).side] * 2)  # type: ignore[attr-defined]
        crops = np.random.default_rng(7).random((11, *shape), np.float32)
        runs: list[int] = []

        def run(batch: Floats, model: packs.Model = model, runs: list[int] = runs) -> Outputs:
            runs.append(len(batch))
            return sessions.run(model, batch)

        alone = run(crops)
        runs.clear()
        parts = np.split(crops, [1, 3, 4, 8, 9])
        found = _together(Batcher(run, wait=5, most=11), parts)
        assert runs == [11]
        for at, outputs in enumerate(found):
            assert isinstance(outputs, list)
            start = sum(map(len, parts[:at]))
            for own, whole in zip(outputs, alone, strict=True):
                np.testing.assert_allclose(own, whole[start : start + len(own)], atol=1e-4, rtol=1e-4)


def test_one_bad_crop_fails_alone() -> None:
    calls: list[int] = []

    def run(batch: Floats) -> Outputs:
        calls.append(len(batch))
        if np.isnan(batch).any():
            raise FloatingPointError
        return [batch * 2]

    batches = [np.full((rows, 3), rows, np.float32) for rows in (1, 2, 3)]
    batches.insert(1, np.full((1, 3), np.nan, np.float32))
    found = _together(Batcher(run, wait=5, most=7), batches)
    assert isinstance(found[1], FloatingPointError)
    for at in (0, 2, 3):
        assert np.array_equal(found[at][0], batches[at] * 2)  # type: ignore[index]
    assert sorted(calls) == [1, 1, 2, 3, 7]


def test_other_sizes_and_more_rows_than_fit_run_apart() -> None:
    calls: list[tuple[int, ...]] = []

    def run(batch: Floats) -> Outputs:
        calls.append(batch.shape)
        return [batch]

    batches = [np.full((3, width), width, np.float32) for width in (4, 4, 5, 5, 5)]
    found = _together(Batcher(run, wait=0.5, most=6), batches)
    assert [outputs[0].shape for outputs in found if isinstance(outputs, list)] == [one.shape for one in batches]
    assert sorted(calls) == [(3, 5), (6, 4), (6, 5)]


def test_the_processor_joins_no_batches(settings: Any) -> None:
    sessions.preload("light")
    assert sessions._batchers == {}  # noqa: SLF001
    assert not providers.accelerated()
    settings.ONNX_PROVIDERS = ["cuda", "cpu"]
    assert providers.chosen() == ("cuda", "cpu")
    assert providers.accelerated()


@pytest.mark.parametrize("name", ["cuda", "azure", "gpu"])
def test_a_provider_that_there_is_not_stops_the_start(settings: Any, name: str) -> None:
    settings.ONNX_PROVIDERS = [name, "cpu"]
    with pytest.raises(ImproperlyConfigured, match=rf"asks for {name}, .* It has: .*cpu"):
        providers.require()
    with pytest.raises(CommandError, match=f"asks for {name}"):
        call_command("benchmark", "pipeline", provider=name)


def test_the_web_server_does_not_start_without_it() -> None:
    command = [sys.executable, "-c", "import config.wsgi"]
    env = os.environ | {"ONNX_PROVIDERS": "cuda"}
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "ONNX_PROVIDERS asks for cuda, which the installed ONNX Runtime does not have. It has: " in done.stderr


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_silent_fall_back_to_the_processor_is_an_error(settings: Any) -> None:
    """ONNX Runtime only warns if a provider does not start."""
    settings.ONNX_PROVIDERS = ["cuda"]
    with pytest.raises(ImproperlyConfigured, match="do not run on cuda, but on CPUExecutionProvider"):
        sessions.start(packs.files.read(PACK.landmarks))
