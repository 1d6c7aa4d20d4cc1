"""Every `manage.py` line of the documents runs, with small sizes; but the changelog, which names what once was."""

import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands, load_command_class

from collections_app.operations.erase import delete_face
from collections_app.samples import SAMPLES
from tests.conftest import Customer

ROOT: Path = settings.BASE_DIR
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "collections_app/dialects/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_INLINE = re.compile(r"`manage\.py ([^`]+)`")
_BLOCK = re.compile(r"^(?: {4}|\S*python |docker compose .+? (?:\S*python )?)manage\.py (.+)$", re.MULTILINE)


def written() -> set[str]:
    """Return each command line of the documents, without `manage.py` and on one line."""
    texts = [document.read_text() for document in DOCUMENTS]
    return {" ".join(found.split()) for text in texts for found in _INLINE.findall(text) + _BLOCK.findall(text)}


RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"  # of age's own documentation
# Stand-ins for words in capitals, and smaller sizes.
SMALL = {
    "benchmark index": "benchmark index --sizes 1k --faces 2",
    "benchmark console": "benchmark console --faces 200 --rounds 1",
    "benchmark http": "benchmark http --connections 2 --seconds .5 --rounds 1",
    "benchmark http --connections 16 --processes 1,2,4 --faces 1m --collections 10k --entries 10m": "benchmark http "
    "--connections 2 --processes 1 --faces 1k --collections 20 --entries 100 --seconds .5 --rounds 1",
    "benchmark import": "benchmark import --seconds .5 --rounds 1",
    "benchmark pipeline": "benchmark pipeline --rounds 1 --images FEW",
    "benchmark pipeline --pack accurate": "benchmark pipeline --rounds 1 --images FEW --pack accurate",
    "evaluate verification DIR": "evaluate verification LABELLED",
    "evaluate verification DIR --pack accurate": "evaluate verification LABELLED --pack accurate",
    "evaluate liveness DIR": "evaluate liveness LABELLED",
    "evaluate liveness DIR --margin 0.1": "evaluate liveness LABELLED --margin 0.1",
    "evaluate fusion DIR": "evaluate fusion LABELLED",
    "evaluate detection DIR": "evaluate detection LABELLED",
    "evaluate orientation DIR --most 24": "evaluate orientation FEW --most 1",
    "evaluate rejection DIR": "evaluate rejection FEW",
    "evaluate quality DIR --most 60": "evaluate quality FEW --most 1",
    "evaluate cohorts FILE": "evaluate cohorts LABELLED",
    "evaluate cohorts FILE --collection 1+0 8+0 30+0 300+0": "evaluate cohorts LABELLED --collection 1+0 8+0",
    "evaluate cohorts FILE --reference DIR --forms": "evaluate cohorts LABELLED --reference LABELLED --forms",
    "import_faces acme people DIR --dry-run --report REPORT": "import_faces acme people PEOPLE --dry-run "
    "--report REPORT --threads 1",
    "import_faces acme people DIR": "import_faces acme people PEOPLE --threads 1",
    "import_faces acme people ARCHIVE --manifest LIST": "import_faces acme people ARCHIVE --manifest LIST --threads 1",
    "import_faces acme people DUMP --from compreface-dump": "import_faces acme people DUMP --from compreface-dump "
    "--threads 1",
    "import_faces acme people DIR --from rekognition --manifest FACES": "import_faces acme people PEOPLE "
    "--from rekognition --manifest FACES --threads 1",
    "install_models --from DIR": "install_models --from LABELLED",
    "rotate_keys data [--tenant SLUG]": "rotate_keys data --tenant acme --grace 0",
    "axes_reset_logs --age DAYS": "axes_reset_logs --age 30",
    "createsuperuser": "createsuperuser --noinput --username root --email root@example.com",
    "create_tenant acme --owner MAIL": "create_tenant other --owner owner@example.com",
    "operator_key issue NAME": "operator_key issue billing",
    "create_collection acme people": "create_collection acme others",
    "erase_tenant acme": "erase_tenant acme --yes",
    "export_tenant acme FILE": f"export_tenant acme NEW --recipient {RECIPIENT}",
    "export_collection acme people FILE": f"export_collection acme people NEW --recipient {RECIPIENT}",
    "verify_receipt FILE": "verify_receipt RECEIPT",
}
# These would disturb other tests, or need what is missing here: only their options are parsed.
ONLY_READ = {
    "evaluate calibrate DIR --pack NAME": "it rewrites the manifest; tests/recognition holds its arithmetic",
    "evaluate learn-quality DIR --others DIR": "the same",
    "benchmark http --connections 1,4,16,64 --json http-sqlite.json": "the same as `benchmark http`, which runs above",
    "benchmark http --connections 1,4,16,64 --json http-postgresql.json --database postgresql://USER@HOST:PORT": "the "
    "same, on a server of PostgreSQL",
    "benchmark pipeline --provider openvino": "ONNX Runtime for OpenVINO is not installed",
    "benchmark index --sizes 10k,100k,1m": "the same as `benchmark index`, which runs above with small sizes",
    "move_index --to pgvector": "tests/index/test_pgvector.py runs it on a PostgreSQL with that extension",
    "conformance nhn --base-url https://HOST --credentials id=APPKEY secret=SECRET": "tests/dialects run every case",
    "conformance native --base-url https://HOST --credentials key=ID.SECRET": "tests/dialects run every case",
    "import_faces acme people https://HOST --from compreface --key KEY": "a server of recorded answers: "
    "tests/collections_app/test_imports.py",
    'import_faces acme people "s3://bucket/badges?region=eu-central-1"': "an S3 server: "
    "tests/collections_app/test_s3.py",
    "doctor --url https://HOST": "tests/config/test_doctor.py runs it on an installation",
    "doctor": "the same",
    "operator_key revoke ID": "tests/dialects/test_operator.py revokes one",
    "import_bundle new FILE": "the same",
    "size --faces 1m --searches-per-second 20": "tests/collections_app/test_size.py measures a small gallery",
    "shadow FILE --dialect rekognition --base-url http://HOST --credentials id=ID secret=SECRET": "test_shadow.py does",
    "import_bundle acme FILE": "tests/collections_app/test_bundle.py imports bundles",
    "backup DIR": "tests/config/test_backup.py makes and restores backups",
    "install_units --to /etc/systemd/system": "tests/config/test_deploy.py has systemd read the units",
    "restore DIR": "the same",
    "restore DIR --receipts PATH": "the same",
    "change_model acme people": "--to begins it; tests/index/test_model_change.py walks a whole change",
    "change_model acme people --switch": "the same",
    "change_model acme people --roll-back": "the same",
    "change_model acme people --end": "the same",
    "check --deploy --database default --fail-level WARNING": "make check runs it",
}
# Families of commands; the documents name their members elsewhere.
NAMES_ONLY = {"benchmark", "evaluate", "conformance"}


@pytest.fixture
def stand_ins(tmp_path: Path) -> dict[str, Path]:
    """Return files for commands: a few pictures, a labelled folder."""
    few, labelled = tmp_path / "few", tmp_path / "labelled"
    few.mkdir()
    shutil.copy(SAMPLES / "obama.jpg", few)
    people = {"Emmanuel": ("macron_2014", "macron_2025"), "Jacinda": ("ardern_2018", "ardern_2022")}
    for name, pictures in people.items():
        (labelled / "images" / name).mkdir(parents=True)
        for number, picture in enumerate(pictures, start=1):
            shutil.copy(SAMPLES / f"{picture}.jpg", labelled / "images" / name / f"{name}_{number:04}.jpg")
    pairs = ["2\t1", *(f"{name}\t1\t2\n{name}\t{n}\tJacinda\t{n}" for n, name in ((1, "Emmanuel"), (2, "Emmanuel")))]
    (labelled / "pairs.txt").write_text("\n".join(pairs))
    for kind in ("real", "spoof/print"):
        (labelled / kind).mkdir(parents=True)
        shutil.copy(SAMPLES / "sunak.jpg", labelled / kind)
    shutil.copy(SAMPLES / "two_people.jpg", labelled)
    (labelled / "annotations.json").write_text(json.dumps({"noses_xy": {"two_people.jpg": [[200, 200]]}}))
    return {"FEW": few, "LABELLED": labelled, "NEW": tmp_path / "new"} | _importable(tmp_path)


def _importable(folder: Path) -> dict[str, Path]:
    """Return what `import_faces` reads: a folder of a person, an archive with its list, a dump, a list of faces."""
    people, archive, listed = folder / "people", folder / "archive.zip", folder / "list.csv"
    (people / "4711").mkdir(parents=True)
    picture = (SAMPLES / "ardern_2018.jpg").read_bytes()
    (people / "4711" / "front.jpg").write_bytes(picture)
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.jpg", picture)
    listed.write_text("file,reference,name\na.jpg,4712,Jacinda\n")
    dump, faces = folder / "dump.sql", folder / "faces.json"
    dump.write_text(
        "COPY public.embedding (id, subject_id, embedding, calculator, img_id) FROM stdin;\ne\ts\t{0}\tc\ti\n\\.\n"
        f"COPY public.img (id, content) FROM stdin;\ni\t\\\\x{picture.hex()}\n\\.\n"
        "COPY public.subject (id, api_key, subject_name) FROM stdin;\ns\tk\tJacinda\n\\.\n"
    )
    faces.write_text(json.dumps({"Faces": [{"FaceId": "f", "ExternalImageId": "front.jpg"}]}))
    report = folder / "report.csv"
    return {"PEOPLE": people, "ARCHIVE": archive, "LIST": listed, "DUMP": dump, "FACES": faces, "REPORT": report}


def _receipt(customer: Customer, file: Path) -> Path:
    from collections_app import tasks  # noqa: PLC0415
    from collections_app.operations.data_subject import PersonDetails  # noqa: PLC0415
    from collections_app.operations.enrol import enrol_face  # noqa: PLC0415
    from tests.make import portrait  # noqa: PLC0415

    person = PersonDetails(reference="x")
    enrolled = enrol_face(customer.caller, collection="people", image=portrait("obama"), person=person)
    receipt = delete_face(customer.caller, collection="people", face=enrolled.faces[0].uuid)
    tasks.finish_erasure.run(receipt.pk)
    receipt.refresh_from_db()
    file.write_text(json.dumps(receipt.document))
    return file


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("line", sorted(written() - NAMES_ONLY - ONLY_READ.keys()))
def test_a_command_of_the_documents_runs(
    line: str, stand_ins: dict[str, Path], acme: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    words = shlex.split(SMALL.get(line, line))
    if "RECEIPT" in words:
        stand_ins["RECEIPT"] = _receipt(acme, tmp_path / "receipt.json")
    call_command(*(str(stand_ins.get(word, word)) for word in words), stdout=StringIO(), stderr=StringIO())


@pytest.mark.parametrize("line", sorted(ONLY_READ))
def test_a_command_that_is_not_run_here_takes_its_options(line: str) -> None:
    assert line in written(), "no document has this line any more"
    name, *options = shlex.split(line)
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.parse_args([option.replace("NAME", "light") for option in options])


def test_the_tables_above_have_no_line_that_no_document_has() -> None:
    assert SMALL.keys() - written() == set()
    assert {line.split()[0] for line in written()} >= NAMES_ONLY


def test_a_broken_command_would_be_found() -> None:
    run: Callable[..., Any] = call_command
    for wrong in ("no_such_command", "create_tenant", "benchmark nothing"):
        with pytest.raises((CommandError, SystemExit)):
            run(*wrong.split())


def test_a_promise_names_tests_that_there_are() -> None:
    named = set(re.findall(r"`(tests/[^` ]+)`", (ROOT / "docs/promises.md").read_text()))
    assert len(named) > 50
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_readme_is_short() -> None:
    """Under 1,000 words; what an operator or integrator looks up is in docs/."""
    assert len((ROOT / "README.md").read_text().split()) < 1000
