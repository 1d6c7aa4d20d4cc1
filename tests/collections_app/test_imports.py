"""Imports of archives, manifests, folders and other products' galleries: refusals are told, nothing is half done.

One file although it is longer than 300 lines: one import in all its sources.
"""

import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from collections_app import bulk, storage
from collections_app.errors import FileChanged, InvalidRequest, JobOver, Unavailable
from collections_app.jobs import archives, engine
from collections_app.models import BulkJob, Face, JobFile, Person
from collections_app.operations import bulk_jobs, imports
from collections_app.operations.collections import update_collection
from collections_app.operations.imports import PART_PIECE, ImportOptions
from collections_app.samples import SAMPLES
from tests.collections_app.erasures import stored
from tests.collections_app.test_jobs import archive, begun, done, names, told
from tests.conftest import Customer
from tests.console.conftest import member
from tests.make import blank, portrait, side_by_side

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]
__all__ = ["stored"]


def outcomes(customer: Customer, job: BulkJob) -> list[str]:
    """Return the outcome of each item, or why it was refused."""
    return [line.get("error", line["outcome"]) for line in told(customer, job)]


def tarred(pictures: dict[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]  # any of its modes
        for name, content in pictures.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def of(customer: Customer, content: bytes, manifest: bytes = b"", **options: Any) -> BulkJob:
    """Do an import of these bytes."""
    job = imports.receive(
        customer.caller, collection="people", options=ImportOptions(**options), archive=content, manifest=manifest
    )
    return done(bulk_jobs.find_bulk_job(customer.caller, job.id))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_tar_is_read_like_a_zip(acme: Customer, mode: str) -> None:
    job = of(acme, tarred({"obama/1.jpg": portrait("obama"), "._junk": b"x"}, mode))
    assert outcomes(acme, job) == ["enrolled"]
    assert names(acme) == ["obama"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_manifest_says_who_it_is(acme: Customer, form: str) -> None:
    rows = [
        {
            "file": "a.jpg",
            "reference": "44",
            "name": "Barack",
            "external_id": "x1",
            "metadata": "badge",
            "consent": "f",
        },
        {"file": "b.jpg", "reference": "45", "name": "Rishi"},
        {"file": "lost.jpg", "reference": "46", "name": "Nobody"},
    ]
    lines = ["file,reference,name,external_id,metadata"]
    lines += [",".join(row.get(column, "") for column in lines[0].split(",")) for row in rows]
    text = "\n".join(map(json.dumps, rows) if form == "jsonl" else lines)
    content = archive({"a.jpg": portrait("obama"), "b.jpg": portrait("sunak"), "c.jpg": portrait("macron_2014")})
    job = of(acme, content, text.encode())
    assert outcomes(acme, job) == ["enrolled", "enrolled", "missing_file", "not_in_the_manifest"]
    person = Person.objects.of(acme.tenant).get(reference="44")
    assert (person.name, person.external_id, person.note) == ("Barack", "x1", "badge")


def test_a_manifest_may_lie_in_the_archive(acme: Customer) -> None:
    pictures = {"manifest.csv": b"file,name\nx/a.jpg,Barack", "x/a.jpg": portrait("obama")}
    assert outcomes(acme, of(acme, archive(pictures))) == ["enrolled"]
    assert Person.objects.of(acme.tenant).get().name == "Barack"


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (b"picture,name\na.jpg,x", "unknown: picture"),
        (b"name\nx", "neither file nor url"),
        (b"file,url\n,", "needs a file or a url"),
        (b'{"file": "a.jpg"}\nnothing', "Line 2"),
        (b"file\n\xff", "UTF-8"),
        (b'{"file": ["x"]}', "must be text"),
    ],
)
def test_a_wrong_manifest_ends_the_import_with_what_is_wrong(acme: Customer, manifest: bytes, says: str) -> None:
    job = of(acme, archive({"a.jpg": portrait("obama")}), manifest)
    assert job.state == "failed"
    assert says in job.fault
    assert names(acme) == []


@pytest.mark.parametrize("content", [b"no archive", archive({"a.jpg": portrait("obama")})[:-30], b"PK\x03\x04x"])
def test_a_broken_archive_ends_the_import(acme: Customer, content: bytes) -> None:
    job = of(acme, content)
    assert job.state == "failed"
    assert "archive" in job.fault


def test_no_path_leads_out_and_no_bomb_goes_off(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of zeros in a thousand bytes is read up to the bound of a picture; a false size helps nobody."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../out.jpg", portrait("obama"))
        file.writestr("/absolute.jpg", portrait("obama"))
        file.writestr("bomb.jpg", bytes(30_000_000))
    assert outcomes(acme, of(acme, packed.getvalue())) == [
        "leads_out_of_the_archive",
        "leads_out_of_the_archive",
        "image_too_large",
    ]
    damaged = bytearray(archive({"a.jpg": portrait("obama")}))
    damaged[200] ^= 1
    assert outcomes(acme, of(acme, bytes(damaged))) == ["undecodable_image"]
    monkeypatch.setattr(archives, "MOST_FILES", 1)
    assert "more than 1 files" in of(acme, archive({"a": b"", "b": b""})).fault


def test_a_compressed_tar_unpacks_within_its_bound(acme: Customer, settings: Any) -> None:
    settings.JOB_FILES_BYTES = 5_000_000
    job = of(acme, tarred({"a.jpg": bytes(6_000_000)}, "w:gz"))
    assert "more than 5000000 bytes" in job.fault
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 900_000_000
    assert of(acme, header.tobuf()).state == "failed"  # a header that tarfile would read as a whole


def test_a_dry_run_says_what_would_be_and_then_does_it(acme: Customer) -> None:
    update_collection(acme.caller, collection="people", duplicates="refuse", quality_gate="strict")
    done(begun(acme, {"known/1.jpg": portrait("sunak")}))
    pictures = {
        "a/1.jpg": portrait("obama"),
        "b/1.jpg": portrait("sunak"),
        "c/1.jpg": side_by_side("obama", "sunak"),
        "d/1.jpg": blank(),
        "e/1.jpg": b"no picture",
    }
    job = done(begun(acme, pictures, dry_run=True))
    lines = told(acme, job)
    assert outcomes(acme, job) == ["possible", "duplicate_face", "several_faces", "no_face", "undecodable_image"]
    assert lines[1]["duplicate_of"] == Face.objects.of(acme.tenant).get().uuid
    assert len(lines[2]["boxes"]) == 2
    assert names(acme) == ["known"]
    bulk_jobs.resume_job(acme.caller, job=str(job), enrol=True)
    assert outcomes(acme, done(job))[0] == "enrolled"
    assert names(acme) == ["known", "a"]


def test_the_named_reasons_of_low_quality_are_told(acme: Customer) -> None:
    update_collection(acme.caller, collection="people", quality_gate="strict")
    job = done(begun(acme, {"a/1.jpg": small("obama")}))
    assert outcomes(acme, job) == ["low_quality"]
    assert "small_face" in told(acme, job)[0]["reasons"]


def small(name: str) -> bytes:
    """Return a portrait in which the face is small."""
    from PIL import Image  # noqa: PLC0415

    picture, out = Image.open(SAMPLES / f"{name}.jpg").convert("RGB"), io.BytesIO()
    picture.resize((picture.width // 22, picture.height // 22)).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_options_decide_on_several_faces_and_on_the_first_refusal(acme: Customer) -> None:
    several = {"a/1.jpg": side_by_side("obama", "sunak")}
    assert outcomes(acme, done(begun(acme, several, largest=True))) == ["enrolled"]
    job = done(begun(acme, {"b/1.jpg": blank(), "c/1.jpg": portrait("sunak")}, stop=True))
    assert (job.state, job.fault) == ("failed", "Stopped at item 1, which was refused.")
    bulk_jobs.resume_job(acme.caller, job=str(job))
    assert outcomes(acme, done(job)) == ["no_face", "enrolled"]


@pytest.mark.parametrize(("existing", "faces"), [("add", 2), ("replace", 1), ("skip", 1)])
def test_people_who_were_there_before_are_added_to_replaced_or_skipped(
    acme: Customer, existing: str, faces: int
) -> None:
    done(begun(acme, {"macron/1.jpg": portrait("macron_2014")}))
    before = Face.objects.of(acme.tenant).get().pk
    done(begun(acme, {"macron/2.jpg": portrait("macron_2025")}, existing=existing))
    assert Person.objects.of(acme.tenant).count() == 1
    assert Face.objects.of(acme.tenant).count() == faces
    assert Face.objects.of(acme.tenant).filter(pk=before).exists() == (existing != "replace")


def test_a_full_collection_stops_the_import_which_then_goes_on(acme: Customer) -> None:
    update_collection(acme.caller, collection="people", face_limit=1)
    job = done(begun(acme, {"a/1.jpg": portrait("obama"), "b/1.jpg": portrait("sunak")}))
    assert job.state == "failed"
    assert "no room" in job.fault
    update_collection(acme.caller, collection="people", face_limit=2)
    bulk_jobs.resume_job(acme.caller, job=str(job))
    assert outcomes(acme, done(job)) == ["enrolled", "enrolled"]


def test_parts_come_in_order_and_may_come_again(acme: Customer) -> None:
    content = archive({"a/1.jpg": portrait("obama"), "b/pad": bytes(2 * PART_PIECE)})
    job = imports.begin_import(acme.caller, collection="people", options=ImportOptions())
    with pytest.raises(InvalidRequest):
        imports.start_import(acme.caller, job=job.id)

    def send(offset: int, part: bytes) -> int:
        return imports.add_part(acme.caller, job=job.id, file="archive", offset=offset, content=io.BytesIO(part))

    with pytest.raises(FileChanged):
        send(PART_PIECE, b"x")
    assert send(0, content[:PART_PIECE]) == PART_PIECE
    assert send(0, content[:PART_PIECE]) == PART_PIECE
    assert send(PART_PIECE, content[PART_PIECE:]) == len(content)
    imports.start_import(acme.caller, job=job.id)
    with pytest.raises(JobOver):
        send(0, b"x")
    assert outcomes(acme, done(bulk_jobs.find_bulk_job(acme.caller, job.id))) == ["enrolled", "undecodable_image"]


def test_a_full_disk_leaves_what_a_second_try_finishes(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begun(acme, {"a/1.jpg": portrait("obama")})
    update_collection(acme.caller, collection="people", images="original")
    with monkeypatch.context() as full:

        def keep(*_: object) -> str:
            raise Unavailable("file storage")

        full.setattr(storage, "keep", keep)
        assert not engine.work(job, 30)
    assert (names(acme), bulk.counts(job)) == ([], {bulk.OPEN: 1})
    assert outcomes(acme, done(job)) == ["enrolled"]


def test_a_file_that_is_lost_ends_the_import(acme: Customer, stored: Path) -> None:
    job = begun(acme)
    for piece in (stored / "jobs").rglob("0*"):
        piece.unlink()
    assert done(job).state == "failed"
    assert "not there any more" in job.fault


def test_what_is_staged_is_sealed_and_goes_with_the_job(acme: Customer, stored: Path) -> None:
    job = begun(acme, {"a/1.jpg": portrait("obama")})
    pieces = [file for file in (stored / "jobs").rglob("*") if file.is_file()]
    assert pieces
    assert not any(b"a/1.jpg" in piece.read_bytes() for piece in pieces)
    done(job)
    assert [file for file in (stored / "jobs").rglob("*") if file.is_file()] == []
    assert not JobFile.objects.of(acme.tenant).exists()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a person's picture, and what is none."""
    made = tmp_path_factory.mktemp("pictures")
    for person, picture in {"obama": "obama", "sunak": "sunak"}.items():
        (made / person).mkdir()
        (made / person / "1.jpg").write_bytes(portrait(picture))
    (made / "obama" / ".DS_Store").write_bytes(b"x")
    return made


def run(*words: object) -> str:
    """Run the command in one thread: the test's database has one connection."""
    out = io.StringIO()
    call_command("import_faces", "acme", *map(str, words), "--threads", "1", stdout=out)
    return out.getvalue()


def test_a_folder_is_imported_by_the_command(acme: Customer, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    assert "2 possible" in run("people", folder, "--dry-run", "--report", report)
    assert report.read_text().count("possible") == 2
    job = BulkJob.objects.of(acme.tenant).get()
    assert "2 enrolled" in run("people", job, "--resume", "--enrol")
    assert names(acme) == ["obama", "sunak"]
    with pytest.raises(CommandError, match="not a folder"):
        run("people", folder / "nowhere")
    with pytest.raises(CommandError, match="no such collection"):
        run("nobody", folder)


class Vendor(BaseHTTPRequestHandler):
    """A stand-in that speaks recorded answers: a list of faces in pages, and each face's image."""

    images: dict[str, bytes] = {}
    dies_after = 99

    def do_GET(self) -> None:
        """Answer."""
        place = self.path.partition("?")[0]
        status, content = 200, b""
        if self.headers["x-api-key"] != "the-key":
            status, content = 404, json.dumps({"message": "Model with id the-key not found", "code": 10}).encode()
        elif place.endswith("/img"):
            type(self).dies_after -= 1
            if self.dies_after < 0:
                self.connection.close()
                return
            content = self.images[place.split("/")[-2]]
        else:
            page = int(self.path.partition("page=")[2].partition("&")[0])
            ids = sorted(self.images)
            faces = [{"image_id": one, "subject": f"subject {one[0]}"} for one in ids[page : page + 1]]
            told = {"faces": faces, "page_number": page, "page_size": 1}
            content = json.dumps(told | {"total_pages": len(ids), "total_elements": len(ids)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def vendor(images: dict[str, bytes], dies_after: int = 99) -> Iterator[str]:
    handler = type("Handler", (Vendor,), {"images": images, "dies_after": dies_after})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


IDS = ("a5b1c2d3-0000-4000-8000-000000000001", "b5b1c2d3-0000-4000-8000-000000000002")


def test_faces_come_over_the_other_product_s_api(acme: Customer) -> None:
    with vendor({IDS[0]: portrait("obama"), IDS[1]: b""}) as url:
        shown = run("people", url, "--from", "compreface", "--key", "the-key")
        with pytest.raises(CommandError, match=r"answers 404.*Nothing was enrolled"):
            run("people", url, "--from", "compreface", "--key", "another")
    assert "1 enrolled" in shown
    assert "1 missing_file" in shown
    assert "it cannot be used" in shown
    assert names(acme) == ["subject a"]


def test_a_source_that_goes_away_enrols_nothing(acme: Customer) -> None:
    images = {IDS[0]: portrait("obama"), IDS[1]: portrait("sunak")}
    with vendor(images, dies_after=1) as url, pytest.raises(CommandError, match="Nothing was enrolled"):
        run("people", url, "--from", "compreface", "--key", "the-key")
    assert names(acme) == []
    assert BulkJob.objects.of(acme.tenant).get().state == "cancelled"


DUMP = r"""--
-- PostgreSQL database dump
--
COPY public.embedding (id, subject_id, embedding, calculator, img_id) FROM stdin;
e1	s1	{{0.1,-0.2}}	facenet.Calculator@20180402-114759	i1
e2	s2	{{0.1,-0.2}}	facenet.Calculator@20180402-114759	\N
e3	s3	{{0.1,-0.2}}	facenet.Calculator@20180402-114759	i3
\.

COPY public.img (id, content) FROM stdin;
i1	\\x{first}
i3	\\x{other}
\.

COPY public.subject (id, api_key, subject_name) FROM stdin;
s1	key-1	Barack\tObama
s2	key-1	Without Image
s3	key-2	Of Another Service
\.
"""


def test_faces_come_from_a_dump_of_its_database(acme: Customer, tmp_path_factory: pytest.TempPathFactory) -> None:
    dump = tmp_path_factory.mktemp("dump") / "dump.sql"
    dump.write_text(DUMP.format(first=portrait("obama").hex(), other=portrait("sunak").hex()).replace("\\t", " "))
    shown = run("people", dump, "--from", "compreface-dump", "--key", "key-1")
    assert "1 enrolled" in shown
    assert "1 missing_file" in shown
    assert names(acme) == ["Barack Obama"]
    dump.write_bytes(b"PGDMP\x01")
    with pytest.raises(CommandError, match="pg_restore"):
        run("people", dump, "--from", "compreface-dump")


LISTED = {
    "Faces": [
        {"FaceId": "1", "ImageId": "2", "ExternalImageId": "hq:obama.jpg", "Confidence": 99.9},
        {"FaceId": "3", "ImageId": "4", "ExternalImageId": "sunak", "UserId": "rishi", "Confidence": 99.9},
        {"FaceId": "5", "ImageId": "6", "ExternalImageId": "gone.jpg", "Confidence": 99.9},
    ],
    "FaceModelVersion": "7.0",
}


def test_pictures_come_with_the_list_of_the_other_product(
    acme: Customer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pictures = tmp_path_factory.mktemp("pictures")
    (pictures / "hq").mkdir()
    (pictures / "hq" / "obama.jpg").write_bytes(portrait("obama"))
    (pictures / "sunak.jpg").write_bytes(portrait("sunak"))
    listed = tmp_path_factory.mktemp("list") / "faces.json"
    listed.write_text(json.dumps(LISTED))
    shown = run("people", pictures, "--from", "rekognition", "--manifest", listed)
    assert "2 enrolled" in shown
    assert "1 missing_file" in shown
    people = Person.objects.of(acme.tenant)
    assert set(people.values_list("reference", "external_id")) == {("hq:obama.jpg", "hq:obama.jpg"), ("rishi", "sunak")}
    listed.write_text('{"source-ref": "s3://bucket/hq/obama.jpg", "ExternalImageId": "x"}\n')
    assert "1 enrolled" in run("people", pictures, "--from", "rekognition", "--manifest", listed)
    listed.write_text("file,name\na,b")
    with pytest.raises(CommandError, match="ExternalImageId"):
        run("people", pictures, "--from", "rekognition", "--manifest", listed)


def test_an_import_goes_over_the_native_api(acme: Customer, client: Any) -> None:
    """As a form with its files; the recorded case has the parts."""
    key = {"x-api-key": acme.issued.token}
    sent = {"archive": io.BytesIO(archive({"a/1.jpg": portrait("obama")})), "existing": "skip"}
    answer = client.post("/api/v1/collections/people/imports", sent, headers=key)
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    job = bulk_jobs.find_bulk_job(acme.caller, answer.json()["id"])
    done(job)
    shown = client.get(answer["Location"], headers=key).json()
    assert (shown["state"], shown["bulk"]["counts"]) == ("done", {"enrolled": 1})
    report = client.get(f"{answer['Location']}/report?form=csv", headers=key)
    assert b"1,enrolled,a/1.jpg,a,a," in report.getvalue()
    wrong = client.post("/api/v1/collections/people/imports", {"existing": "both"}, headers=key)
    assert wrong.status_code == 422


def test_twenty_dropped_files_are_twenty_people(acme: Customer, client: Any) -> None:
    """As the console's script sends them: some at a time, the last with the word to start; a refusal is shown."""
    client.force_login(member(acme, "operator"), backend="django.contrib.auth.backends.ModelBackend")
    page = f"/console/acme/collections/{acme.people.alias}/import/"
    assert client.get(page).status_code == 200
    picture = portrait("obama")
    parts = [
        [upload(picture, f"{number}.jpg") for number in range(10)],
        [*(upload(picture, "same.jpg") for _ in range(10)), upload(blank(), "nobody.jpg")],
    ]
    first = client.post(page, {"files": parts[0], "existing": "add"})
    job = first["Location"].partition("job=")[2]
    last = client.post(page, {"files": parts[1], "existing": "add", "job": job, "start": "on"})
    assert last["Location"].endswith(f"/jobs/{job}/")
    done(bulk_jobs.find_bulk_job(acme.caller, job))
    assert Person.objects.of(acme.tenant).count() == 20
    shown = client.get(last["Location"]).content.decode()
    assert "nobody.jpg" in shown
    assert "no face" in shown
    assert "Try the refused again" in shown
    assert client.post(f"{last['Location']}resume/", {"refused": "1"}).status_code == 303
    assert bulk.counts(bulk_jobs.find_bulk_job(acme.caller, job)) == {"enrolled": 20, bulk.OPEN: 1}


def test_a_dropped_list_names_the_dropped_pictures(acme: Customer, client: Any) -> None:
    client.force_login(member(acme, "operator"), backend="django.contrib.auth.backends.ModelBackend")
    page = f"/console/acme/collections/{acme.people.alias}/import/"
    listed = SimpleUploadedFile("list.csv", b"file,reference,name\na.jpg,44,Barack\n")
    answer = client.post(
        page, {"files": [upload(portrait("obama"), "a.jpg"), listed], "existing": "add", "start": "on"}
    )
    done(bulk_jobs.find_bulk_job(acme.caller, answer["Location"].rstrip("/").rpartition("/")[2]))
    assert Person.objects.of(acme.tenant).get().name == "Barack"
    assert client.post(page, {"existing": "add"}).status_code == 400


def upload(content: bytes, name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "image/jpeg")
