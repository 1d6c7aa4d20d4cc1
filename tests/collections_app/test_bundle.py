"""A collection leaves as a sealed bundle and arrives elsewhere as it was.

Longer than 300 lines: what is refused is listed beside what arrives.
"""

import base64
import io
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyrage
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from collections_app import bundle, storage
from collections_app.bundle import Bundle, Seal, Writer, seal_part
from collections_app.errors import CollectionExists, CollectionFull, InvalidRequest
from collections_app.models import Collection, Face, Person
from collections_app.operations.collections import create_collection, delete_collection, update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.do_not_enrol import bar
from collections_app.operations.enrol import enrol_face
from collections_app.operations.export_bundle import export_collection
from collections_app.operations.import_bundle import Imported, Place, import_collection
from collections_app.operations.named_people import add_person
from collections_app.operations.search import search_by_image
from recognition.index import store
from tenants import audit, signing
from tenants.access import Scope, system
from tenants.errors import QuotaExceeded, ScopeMissing
from tenants.models import AuditEntry
from tests.bundle_reader import Reader, template
from tests.collections_app.erasures import acme_with_images, stored
from tests.conftest import Customer
from tests.make import portrait

__all__ = ["acme_with_images", "stored"]
WORDS, OTHERS = "correct horse battery staple", "incorrect horse battery"
IDENTITY = pyrage.x25519.Identity.generate()
SEAL = Seal.towards(str(IDENTITY.to_public()))
COPY = Place(ids="new", name="copy")


@pytest.fixture
def gallery(acme: Customer) -> Collection:
    """Two people with faces, one without, and a reference that is barred."""
    update_collection(acme.caller, collection="people", description="of the door", review_threshold=None)
    person = PersonDetails(reference="p-1", name="Ada", age=36, note="left\ndoor")
    enrol_face(acme.caller, collection="people", image=portrait("obama"), person=person, consent="c-1")
    enrol_face(acme.caller, collection="people", image=portrait("sunak"), person=PersonDetails(), consent="c-2")
    add_person(acme.caller, collection="people", reference="p-2")
    bar(acme.caller, collection="people", reference="r-1")
    Face.objects.of(acme.tenant).update(created_at="2025-02-03T04:05:06+00:00")
    return acme.people


def exported(acme: Customer, seal: Seal = SEAL, *, images: bool = True) -> bytes:
    out = io.BytesIO()
    export_collection(acme.caller, collection="people", out=out, seal=seal, images=images)
    return out.getvalue()


def opened(content: bytes) -> Bundle:
    return bundle.read(io.BytesIO(content), identity=str(IDENTITY))


def brought(customer: Customer, content: bytes, place: Place = COPY) -> Imported:
    return import_collection(customer.caller, bundle=opened(content), place=place)


def altered(content: bytes, change: Callable[[str, list[Any]], Any]) -> bytes:
    """Return the bundle with other rows: `change` gets each part's kind and rows."""
    old, out = opened(content), io.BytesIO()
    writer = Writer(out, SEAL, "collection")
    for part in old.parts:
        rows = old.rows(part)
        change(part.kind, rows)
        writer.add(*seal_part(SEAL, writer.next_number, part.kind, part.collection, rows))
    facts = {name: old.manifest[name] for name in ("id", "packs", "tenant")}
    change("manifest", [facts])
    writer.finish(facts, dict)
    return out.getvalue()


def test_another_program_reads_it(acme: Customer, gallery: Collection) -> None:
    """The reader has no code of the product, and finds what the database has."""
    content = exported(acme, Seal.under(WORDS))
    reader = Reader(content, WORDS)
    assert bundle.read(io.BytesIO(content), passphrase=WORDS).manifest == reader.manifest
    with pytest.raises(InvalidRequest, match="does not open"):
        bundle.read(io.BytesIO(content), passphrase=OTHERS)
    assert reader.manifest["counts"] == {"people": 3, "faces": 2, "images": 2}
    assert reader.manifest["tenant"] == "acme"
    signing.check(reader.manifest)
    first, second = reader.rows("faces")
    known = Face.objects.of(acme.tenant).order_by("number")[0]
    assert (first["uuid"], first["consent"], first["person"]["name"]) == (known.uuid, "c-1", "Ada")
    assert np.allclose(template(first), store.vector(gallery.gallery, known.pk))
    assert [row["reference"] for row in reader.rows("nobody")] == ["p-2"]
    assert [row["reference"] for row in reader.rows("barred")] == ["r-1"]
    pictures = {row["image"]: base64.b64decode(row["content"]) for row in reader.rows("images")}
    assert pictures == {first["image"]: portrait("obama"), second["image"]: portrait("sunak")}
    [described] = reader.rows("collection")
    assert described["policy"]["description"] == "of the door"


def test_nothing_of_it_can_be_read_without_the_key(acme: Customer, gallery: Collection) -> None:
    """Every file of the archive but the header is an age file."""
    content = exported(acme)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        heads = [archive.extractfile(member).read(21) for member in members[1:]]  # type: ignore[union-attr]
    assert members[0].name == "bundle.json"
    assert set(heads) == {b"age-encryption.org/v1"}
    assert b"obama" not in content
    assert b"Ada" not in content


def test_it_arrives_as_it_was_elsewhere(acme: Customer, globex: Customer, gallery: Collection) -> None:
    """Another server: the ids are free. They stay, and so do names, times, consents, images and the answers."""
    content = exported(acme)
    before = _state(acme)
    answer = _answer(acme)
    Collection.objects.of(acme.tenant).all().delete()
    done = brought(globex, content, Place(name="moved"))
    assert (done.added["faces"], done.added["people"], done.added["images"], done.added["barred"]) == (2, 3, 2, 1)
    assert _state(globex, "moved") == before
    assert _answer(globex, "moved") == answer
    assert (done.collection.pk, done.collection.alias) == (gallery.pk, gallery.alias)
    assert done.collection.description == "of the door"
    face = Face.objects.of(globex.tenant).get(consent="c-1")
    assert storage.read(globex.tenant, face.image, face.stored_image) == portrait("obama")


def test_a_copy_gets_other_ids_and_a_second_import_adds_nothing(
    acme: Customer, globex: Customer, gallery: Collection
) -> None:
    content = exported(acme)
    brought(globex, content, COPY)
    first = _state(globex, "copy")
    again = brought(globex, content, COPY)
    assert again.added.total() == 0
    assert (again.present["faces"], again.present["images"], again.present["barred"]) == (2, 2, 1)
    assert _state(globex, "copy") == first
    assert not {face["uuid"] for face in first} & {face["uuid"] for face in _state(acme)}
    assert _answer(globex, "copy")[0][1] == _answer(acme)[0][1]
    unnamed = Person.objects.of(globex.tenant).get(faces__consent="c-2")
    assert unnamed.reference == str(unnamed.pk)
    delete_collection(globex.caller, name="copy")
    assert brought(globex, content, COPY).added["faces"] == 2


def test_an_import_that_was_stopped_is_finished_by_another(
    acme: Customer, globex: Customer, gallery: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends after each part in turn, as if killed there."""
    monkeypatch.setattr("collections_app.operations.export_bundle.FACES_A_PART", 1)
    content = exported(acme)
    whole = opened(content)
    for end in range(1, len(whole.parts) + 1):
        cut = Bundle(whole.manifest, whole.parts[:end], *(getattr(whole, name) for name in whole.__slots__[2:]))
        import_collection(globex.caller, bundle=cut, place=COPY)
    assert len(_state(globex, "copy")) == 2
    assert globex.tenant.pk
    collection = Collection.objects.of(globex.tenant).get(name="copy")
    assert (collection.gallery.size, collection.people.count()) == (2, 3)


def test_both_ends_log_it(acme: Customer, globex: Customer, gallery: Collection) -> None:
    content = exported(acme)
    brought(globex, content, COPY)
    sent = AuditEntry.objects.of(acme.tenant).get(action="collection.exported")
    assert sent.facts["faces"] == 2
    came = AuditEntry.objects.of(globex.tenant).filter(action="collection.imported")
    assert {entry.facts["bundle"] for entry in came} == {sent.facts["bundle"]}
    assert audit.verify(globex.tenant).sound


def test_it_takes_admin_and_scores(acme: Customer) -> None:
    for missing in (Scope.ADMIN, Scope.SCORES):
        caller = system(acme.tenant, "tests", set(Scope) - {missing})
        with pytest.raises(ScopeMissing):
            export_collection(caller, collection="people", out=io.BytesIO(), seal=SEAL)


def test_faces_join_the_people_of_a_collection(acme: Customer, globex: Customer, gallery: Collection) -> None:
    """They are known by reference and keep their fields; the list of those not to enrol, and consent, are kept to."""
    content = exported(acme)
    enrol_face(
        globex.caller, collection="people", image=portrait("obama"), person=PersonDetails(reference="p-1", name="Eve")
    )
    update_collection(globex.caller, collection="people", consent_required=True)
    bar(globex.caller, collection="people", reference="p-2")
    content = altered(content, lambda kind, rows: kind == "faces" and rows[1].update(consent=""))
    done = brought(globex, content, Place(ids="new", into="people"))
    assert (done.added["faces"], dict(done.refused)) == (1, {"consent": 1, "barred": 1, "images": 2})
    known = Person.objects.of(globex.tenant).get(reference="p-1")
    assert (known.name, known.faces.count()) == ("Eve", 2)
    assert not Person.objects.of(globex.tenant).filter(reference="p-2").exists()


def test_quotas_and_limits_are_asked_before_anything_is_written(
    acme: Customer, globex: Customer, gallery: Collection
) -> None:
    content = exported(acme)
    globex.tenant.face_quota = 1
    globex.tenant.save()
    with pytest.raises(QuotaExceeded):
        brought(globex, content, Place(ids="new", into="people"))
    globex.tenant.face_quota, globex.tenant.collection_quota = None, 1
    globex.tenant.save()
    with pytest.raises(QuotaExceeded):
        brought(globex, content, COPY)
    update_collection(globex.caller, collection="people", face_limit=1)
    with pytest.raises(CollectionFull):
        brought(globex, content, Place(ids="new", into="people"))
    assert not Face.objects.of(globex.tenant).exists()


def test_ids_and_names_that_are_taken_are_named(acme: Customer, globex: Customer, gallery: Collection) -> None:
    content = exported(acme)
    with pytest.raises(CollectionExists):
        brought(globex, content, Place(ids="new"))
    with pytest.raises(InvalidRequest, match="new ids"):
        brought(globex, content, Place(name="copy"))
    with pytest.raises(InvalidRequest, match="new ids"):
        brought(globex, content, Place(into="people"))
    assert not Face.objects.of(globex.tenant).exists()
    delete_collection(acme.caller, name="people")
    with pytest.raises(InvalidRequest, match="deleted here"):
        brought(acme, content, Place())


def _other_version(content: bytes) -> bytes:
    return content.replace(b'"version": 1', b'"version": 2', 1)


def _other_pack(content: bytes) -> bytes:
    def change(kind: str, rows: list[Any]) -> None:
        if kind == "manifest":
            rows[0]["packs"]["light"]["models"]["sface"] = "0" * 64

    return altered(content, change)


def _changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _swapped(content: bytes) -> bytes:
    """Two parts change places."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = [(member, archive.extractfile(member).read()) for member in archive.getmembers()]  # type: ignore[union-attr]
    files[1], files[2] = files[2], files[1]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, inner in files:
            archive.addfile(member, io.BytesIO(inner))
    return out.getvalue()


def _linked(content: bytes) -> bytes:
    out = io.BytesIO(content)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("bundle.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda content: content[: len(content) // 2], "cut off|damaged"),
        (lambda _: b"", "no bundle"),
        (lambda _: b"x" * 5_000, "no bundle"),
        (_other_version, "version 2"),
        (_other_pack, "other models"),
        (_changed, "changed"),
        (_swapped, "changed"),
        (_linked, "no bundle"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_unread(
    acme: Customer, globex: Customer, gallery: Collection, harm: Callable[[bytes], bytes], why: str
) -> None:
    content = harm(exported(acme))
    with pytest.raises(InvalidRequest, match=why):
        brought(globex, content, COPY)
    assert not Face.objects.of(globex.tenant).exists()


def _set(kind: str, **values: Any) -> Callable[[str, list[Any]], None]:
    def change(found: str, rows: list[Any]) -> None:
        if found == kind:
            rows[0].update(values)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("faces", template=base64.b64encode(bytes(512)).decode()),
        _set("faces", template=base64.b64encode(bytes(4)).decode()),
        _set("faces", template="?"),
        _set("faces", label="\0"),
        _set("faces", label="x" * 256),
        _set("faces", id="0"),
        _set("faces", uuid="none"),
        _set("faces", landmarks=[[1, 2]]),
        _set("faces", stored_frame=["a"]),
        _set("faces", created_at="yesterday"),
        _set("faces", created_at="2025-01-01T00:00:00"),
        _set("faces", person={}),
        _set("faces", box_x="wide"),
        _set("nobody", reference=" "),
        _set("nobody", age=-1),
        _set("barred", reference="\u200b"),
        _set("images", content="?"),
        _set("collection", policy={"images": "all"}),
        _set("collection", alias="x" * 17, id="-1"),
    ],
)
def test_a_row_that_is_not_as_it_should_be_is_refused(
    acme: Customer, globex: Customer, gallery: Collection, change: Callable[[str, list[Any]], None]
) -> None:
    """Whoever has the key may write anything: no row that the product would not write itself is stored."""
    content = altered(exported(acme), change)
    with pytest.raises(InvalidRequest):
        brought(globex, content, COPY)


def test_a_part_that_unpacks_to_more_than_is_read_is_refused(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    content = exported(acme)
    monkeypatch.setattr(bundle, "MOST_PART_BYTES", 2_000)
    whole = opened(altered(content, _set("collection", note="x" * 4_000)))
    with pytest.raises(InvalidRequest, match="unpacks to more"):
        whole.rows(whole.parts[0])


def test_the_commands(acme: Customer, globex: Customer, gallery: Collection, tmp_path: Path) -> None:
    file, short, key, wrong = (tmp_path / name for name in ("people.bundle", "short", "key", "wrong"))
    short.write_text("short")
    key.write_text(f"# mine\n{IDENTITY}\n")
    wrong.write_text(str(pyrage.x25519.Identity.generate()))
    write: Any = partial(call_command, "export_collection", "acme", "people", str(file), stderr=io.StringIO())
    with pytest.raises(CommandError, match="12 characters"):
        write(passphrase_file=short)
    with pytest.raises(CommandError, match="no age recipient"):
        write(recipient=["age1"])
    write(recipient=SEAL.recipients)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="there already"):
        write(recipient=SEAL.recipients)
    read: Any = partial(call_command, "import_bundle", "globex", str(file), ids="new", name="copy")
    with pytest.raises(CommandError, match="identity: does not open"):
        read(identity_file=wrong)
    read(identity_file=key, stdout=(said := io.StringIO()))
    assert "new: 1 barred, 2 faces, 3 people" in said.getvalue()
    with pytest.raises(CommandError, match="no tenant"):
        call_command("import_bundle", "nobody", str(file), identity_file=key)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="its writers follow one another")
@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_bundle_do_it_together(acme: Customer, globex: Customer, gallery: Collection) -> None:
    content = exported(acme)

    def run(_: int) -> int:
        try:
            return brought(globex, content, COPY).added["faces"]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) == 2
    assert len(_state(globex, "copy")) == 2


def test_a_collection_of_another_pack_takes_none(acme: Customer, globex: Customer, gallery: Collection) -> None:
    create_collection(globex.caller, name="other", pack="accurate")
    with pytest.raises(InvalidRequest, match="light"):
        brought(globex, exported(acme), Place(ids="new", into="other"))


def _state(customer: Customer, name: str = "people") -> list[dict[str, Any]]:
    """Return what stays: everything of every face and person but what belongs to the tenant."""
    faces = Face.objects.of(customer.tenant).filter(collection__name=name).order_by("number")
    left = {"tenant_id", "collection_id", "number", "stored_image"}
    fields = [field.attname for field in Face._meta.concrete_fields if field.attname not in left]
    people = ["reference", "reference_key", "name", "age", "gender", "listing", "note", "created_at"]
    return list(faces.values(*fields, *(f"person__{field}" for field in people)))


def _answer(customer: Customer, name: str = "people") -> list[tuple[str, float]]:
    found = search_by_image(customer.caller, collection=name, image=portrait("obama"))
    return [(match.face.uuid, match.score) for match in found.matches]
