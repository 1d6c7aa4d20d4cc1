"""Speed of the pipeline: per stage, against a bare loop over the same sessions, and against a plain implementation.

The compared runs alternate in one process, so that a noisy machine slows them alike.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from django.conf import settings

from recognition import pipeline
from recognition.packs import Model, Pack, sessions
from recognition.packs.install import published
from recognition.packs.rewrite_onnx import prepare
from recognition.packs.sources import Sources
from recognition.pipeline import align, decode, landmarks, liveness, pose, quality
from recognition.pipeline import embed as embedding
from recognition.pipeline.detect import detect
from recognition.results import Floats

_PLAIN_SIDE = 640
_NEEDED = {"dequantise", "dynamic_batch", "dynamic_image"}  # the steps that a model needs in order to run at all

_MOST_FACES = 100
_Run = tuple[Model, Floats]


def stages(images: Sequence[bytes], pack: Pack, rounds: int) -> dict[str, list[float]]:
    """Time every stage on every image; return milliseconds by stage."""
    took: dict[str, list[float]] = {}
    for data in list(images) * rounds:
        _stages_of(data, pack, took)
    return took


def _stages_of(data: bytes, pack: Pack, took: dict[str, list[float]]) -> None:
    def timed(stage: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 -- the result of the stage
        started = time.perf_counter()
        made = work()
        took.setdefault(stage, []).append((time.perf_counter() - started) * 1000)
        return made

    pixels = timed("decode", lambda: decode.decode(data))
    found = timed("detect", lambda: detect(pixels, pack.detector, _MOST_FACES))
    boxes = [box for box, _ in found]
    points = timed("landmarks", lambda: landmarks.locate(pixels, boxes, pack.landmarks))
    crops = timed("align", lambda: [align.align(pixels, landmarks.five(face)) for face in points])
    poses = timed("pose", lambda: [pose.estimate(face) for face in points])
    height, width = pixels.shape[:2]
    faces = [(crop, box, sure, pose) for crop, (box, sure), pose in zip(crops, found, poses, strict=True)]
    timed("quality", lambda: [quality.judge(*face, (width, height), model=pack.quality) for face in faces])
    timed("liveness", lambda: liveness.assess(pixels, boxes, pack))
    timed("embed", lambda: embedding.embed({align.SIDE: crops}, pack))


def compare(images: Sequence[bytes], pack: Pack, rounds: int) -> dict[str, list[float]]:
    """Time three ways alternately over all images; return seconds per round, by name.

    `analyse` is the pipeline with liveness. `bare` only decodes and runs the same sessions on the same inputs. `plain`
    has no optimisation: detection at 640 x 640, and the models as published.
    """
    runs = [recorded(data, pack, liveness=_MOST_FACES) for data in images]
    plain = _plain_sessions(pack)
    square = np.zeros((1, 3, _PLAIN_SIDE, _PLAIN_SIDE), np.float32)
    ways: dict[str, Callable[[bytes, list[_Run]], object]] = {
        "analyse": lambda data, _: pipeline.analyse(data, pack=pack.name, liveness=_MOST_FACES),
        "bare": lambda data, run: (decode.decode(data), [sessions.run(model, batch) for model, batch in run]),
        "plain": lambda data, run: (
            decode.decode(data),
            _infer(plain[pack.detector.name], square),
            [_infer(plain[model.name], batch) for model, batch in run if model != pack.detector],
        ),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            for data, run in zip(images, runs, strict=True):
                way(data, run)
            if turn:  # the first round warms up
                took[name].append(time.perf_counter() - started)
    return took


def recorded(data: bytes, pack: Pack, *, liveness: int) -> list[_Run]:
    """Analyse an image once and record the input of each session."""
    inputs: list[_Run] = []
    run = sessions.run

    def keeping(model: Model, batch: Floats) -> list[npt.NDArray[Any]]:
        inputs.append((model, batch))
        return run(model, batch)

    sessions.run = keeping  # replaced for this one call only
    try:
        pipeline.analyse(data, pack=pack.name, liveness=liveness)
    finally:
        sessions.run = run
    return inputs


def _plain_sessions(pack: Pack) -> dict[str, ort.InferenceSession]:
    """Start sessions over the published models, rewritten only as far as they need it to run."""
    models = (
        pack.detector,
        pack.landmarks,
        *sessions.available(pack.roles["liveness"]),
        *(model for model, _ in pack.embedders),
    )
    folder = settings.FACE_MODELS_DIR
    with Sources() as sources:
        originals = {model: published(model, sources, Path(folder) if folder else None) for model in models}
    return {
        model.name: sessions.start(prepare(original, [step for step in model.prepare if step in _NEEDED]))
        for model, original in originals.items()
        if original is not None
    }


def _infer(session: ort.InferenceSession, batch: Floats) -> object:
    return session.run(None, {session.get_inputs()[0].name: batch})
