"""Another model is an entry in the manifest; another kind of model is another module."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from recognition import packs
from recognition.packs import files
from recognition.pipeline import adapters, analyse
from tests.make import portrait

_SIDE, _BLOCK = 64, 8
_ENTRY = """
[models.small]
role = "embedder"
adapter = "arcface"
file = "small.onnx"
licence = "Apache-2.0"
sha256 = ""
prepare = []
prepared_sha256 = "{digest}"
input = { side = 64, mean = 128.0, scale = 64.0 }

[packs.small]
version = 1
dimension = 192
detector = "yunet"
landmarks = "fr_landmark"
liveness = [["fr_liveness"]]
liveness_threshold = 0.5
fusion = { offsets = [0.0], slope = 1.0, drop = 0.0, from_share = 0.6, to_share = 0.72 }
embedders = { small = 1.0 }
cosines = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
cohorts = [{ name = "none", people = 2, pairs = 1, rates = {rates} }]

[packs.mixed]
version = 1
dimension = 320
detector = "yunet"
landmarks = "fr_landmark"
liveness = [["fr_liveness"]]
liveness_threshold = 0.5
fusion = { offsets = [0.0], slope = 1.0, drop = 0.0, from_share = 0.6, to_share = 0.72 }
embedders = { sface = 0.5, small = 0.5 }
cosines = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
cohorts = [{ name = "none", people = 2, pairs = 1, rates = {rates} }]
"""


def _averaging() -> bytes:
    """Return a model whose embedding of a face is its picture at 8 x 8 pixels: (n, 3, 64, 64) to (n, 192)."""
    kernel = [_BLOCK, _BLOCK]
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["faces"], ["small"], kernel_shape=kernel, strides=kernel),
            helper.make_node("Flatten", ["small"], ["vectors"]),
        ],
        "averaging",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 3, _SIDE, _SIDE])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", 192])],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


@pytest.fixture
def another_embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Add a pack whose embedder takes 64 pixels, and one that joins it with an embedder that takes 112."""
    manifest = tmp_path / "packs.toml"
    entry = _ENTRY.replace("{digest}", files.digest(_averaging())).replace("{rates}", str([[1, 0, 1]] * 6))
    manifest.write_text(packs.MANIFEST.read_text() + entry)
    installed = files.models_home()
    for file in installed.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.setattr(packs, "MANIFEST", manifest)
    settings.MODELS_HOME = tmp_path
    packs.read_again()
    files.write(packs.models()["small"], _averaging())
    yield
    packs.read_again()


@pytest.mark.usefixtures("another_embedder")
def test_an_embedder_of_another_input_size_is_an_entry_in_the_manifest() -> None:
    (face,) = analyse(portrait("obama"), pack="small").faces
    (again,) = analyse(portrait("obama"), pack="small").faces
    assert face.template.shape == (192,)
    assert np.linalg.norm(face.template) == pytest.approx(1)
    assert face.template @ again.template == pytest.approx(1)
    (other,) = analyse(portrait("sunak"), pack="small").faces
    assert face.template @ other.template < 0.99


@pytest.mark.usefixtures("another_embedder")
def test_embedders_of_different_input_sizes_are_joined() -> None:
    (mixed,) = analyse(portrait("obama"), pack="mixed").faces
    (light,) = analyse(portrait("obama"), pack="light").faces
    assert mixed.template.shape == (320,)
    assert np.allclose(mixed.template[:128], light.template * np.sqrt(0.5), atol=1e-6)


def test_every_model_names_an_adapter_of_its_role() -> None:
    made = {
        "detector": adapters.detector,
        "second opinion": adapters.second_opinion,
        "landmarks": adapters.landmark_model,
        "embedder": adapters.embedder,
        "liveness": adapters.liveness_model,
    }
    roles = {model.role for model in packs.models().values()}
    assert roles == made.keys() | {"projection"}  # it converts templates, and sees no picture
    for model in packs.models().values():
        if model.role in made:
            assert made[model.role](model)


def test_the_test_s_model_is_valid() -> None:
    onnx.checker.check_model(onnx.load_from_string(_averaging()))
