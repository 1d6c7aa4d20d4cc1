"""Vectors of the pack accurate had 640 numbers and have 352: what is stored, exported or kept by clients still serves.

tests/released/accurate-640.bundle was exported by the code before, with the portraits of collections_app/samples.
"""

import io
from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from django.apps import apps
from django.db import connection

from collections_app import bundle
from collections_app.models import Collection, Face
from collections_app.operations.import_bundle import import_collection
from collections_app.operations.search import search_by_image
from collections_app.operations.vectors import compare_vectors
from recognition import packs
from recognition.index import compaction, store
from recognition.models import Calibration, Embedding, IndexSegment
from recognition.packs import earlier
from recognition.pipeline import analyse
from recognition.results import Floats
from tenants.vault import Vault
from tests.bundle_reader import Reader, template
from tests.conftest import Customer
from tests.make import portrait
from tests.released import FOLDER

CONTENT = (FOLDER / "accurate-640.bundle").read_bytes()
WORDS = "correct horse battery staple"
PACK = packs.get("accurate")
WIDE, NARROW = 640, 352
LEAST = 1e-5  # by which no cosine of two portraits changes


@pytest.fixture(scope="module")
def wide() -> Mapping[str, Floats]:
    """The templates as they were, by the portrait's name."""
    rows = Reader(CONTENT, WORDS).rows("faces")
    return {row["person"]["reference"]: np.array(template(row), np.float32) for row in rows}


@pytest.fixture
def people(acme: Customer, wide: Mapping[str, Floats]) -> Collection:
    """The bundle's collection, imported."""
    imported = import_collection(acme.caller, bundle=bundle.read(io.BytesIO(CONTENT), passphrase=WORDS))
    assert imported.added["faces"] == len(wide)
    return imported.collection


def found(acme: Customer, people: Collection, name: str) -> list[tuple[str, float]]:
    result = search_by_image(acme.caller, collection=people.name, image=portrait(name), limit=3)
    return [(match.face.person.reference, match.cosine) for match in result.matches]


def test_no_cosine_of_two_portraits_changes(wide: Mapping[str, Floats]) -> None:
    before, now = np.stack(list(wide.values())), np.stack([_template(name) for name in wide])
    assert (before.shape[1], now.shape[1], PACK.dimension) == (WIDE, NARROW, NARROW)
    assert np.abs(before @ before.T - now @ now.T).max() < LEAST
    projected = earlier.narrowed(PACK, before)
    assert np.abs(before @ before.T - projected @ projected.T).max() < LEAST
    assert np.allclose(projected, now, atol=1e-4)
    assert np.allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-6)


def test_a_bundle_with_wider_templates_enters(acme: Customer, people: Collection, wide: Mapping[str, Floats]) -> None:
    vectors = store.vectors(people.gallery, list(people.faces.values_list("pk", flat=True)))
    assert {len(vector) for vector in vectors.values()} == {NARROW}
    for name in wide:
        (first, cosine), *_ = found(acme, people, name)
        assert (first, cosine > 1 - LEAST) == (name, True)


def test_a_client_may_send_either(acme: Customer, wide: Mapping[str, Floats]) -> None:
    one, other = (wide[name].tolist() for name in ("obama", "macron_2025"))
    [before] = compare_vectors(acme.caller, source=one, targets=[other], pack=PACK.name)
    narrow = earlier.narrowed(PACK, np.array([one, other], np.float32)).tolist()
    [now] = compare_vectors(acme.caller, source=narrow[0], targets=narrow[1:], pack=PACK.name)
    assert before == pytest.approx(now, abs=1e-3)


def test_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="500"):
        earlier.narrowed(PACK, np.ones((1, 500), np.float32))


def test_what_is_stored_is_converted_when_the_database_is_migrated(
    acme: Customer, people: Collection, wide: Mapping[str, Floats]
) -> None:
    """Segments and the calibration of the wider templates are never used, and a damaged template stays."""
    vault, gallery = Vault.of(acme.tenant), people.gallery
    compaction.compact(gallery)
    before = {name: found(acme, people, name) for name in wide}
    names = dict(Face.objects.of(acme.tenant).filter(collection=people).values_list("pk", "person__reference"))
    for pk, name in names.items():
        sealed = vault.seal(wide[name].astype("<f4").tobytes(), f"template:{pk}")
        Embedding.unscoped.filter(face=pk).update(sealed=sealed)
    Calibration.unscoped.create(tenant=acme.tenant, gallery=gallery, strangers=len(wide), sealed=b"", version=1)
    damaged = next(pk for pk, name in names.items() if name == "sunak")
    Embedding.unscoped.filter(face=damaged).update(sealed=b"damaged")

    migration = import_module("recognition.migrations.0005_narrow_templates")
    for _ in range(2):  # it may be started again
        migration.narrow(apps, SimpleNamespace(connection=connection))

    assert not IndexSegment.objects.of(acme.tenant).filter(gallery=gallery).exists()
    assert {len(one) for one in store.vectors(gallery, list(names)).values()} == {NARROW}
    gallery.refresh_from_db()
    assert len(store.damaged(gallery)) == 1
    assert not Calibration.objects.of(acme.tenant).exists()  # the worker learns it anew
    for name in wide.keys() - {"sunak"}:
        first, cosine = found(acme, people, name)[0]
        assert (first, cosine) == (name, pytest.approx(before[name][0][1], abs=LEAST))  # type: ignore[comparison-overlap]


def _template(name: str) -> Floats:
    return analyse(portrait(name), pack=PACK.name).faces[0].template
