"""Kept images on S3, over a real connection: sealed there, read back, erased; and a clear word when S3 is away."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from django.core.management import CommandError, call_command
from pytest_django import Settings

from collections_app import storage, tasks
from collections_app.errors import Unavailable
from collections_app.models import Face, new_uuid
from collections_app.operations.collections import create_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from config.files import storage_at
from tests.conftest import Customer
from tests.make import portrait
from tests.processes import free_port


@dataclass(frozen=True)
class S3:
    """A server that speaks S3."""

    endpoint: str
    process: "subprocess.Popen[bytes]"

    def objects(self) -> dict[str, bytes]:
        """Return what lies in the bucket."""
        client = boto3.client("s3", endpoint_url=self.endpoint, region_name="eu-west-1")
        names = [entry["Key"] for entry in client.list_objects_v2(Bucket="faces").get("Contents", [])]
        return {name: client.get_object(Bucket="faces", Key=name)["Body"].read() for name in names}


@pytest.fixture
def s3(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """Run one with a bucket, and let kept images go there."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        endpoint = f"http://127.0.0.1:{port}"
        settings.STORAGES = settings.STORAGES | {
            "default": storage_at(f"s3://faces/kept?endpoint={endpoint}&region=eu-west-1")
        }
        patient = Config(connect_timeout=1, retries={"total_max_attempts": 60})
        client = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1", config=patient)
        deadline = time.monotonic() + 60
        while True:
            try:
                place = {"LocationConstraint": "eu-west-1"}
                client.create_bucket(Bucket="faces", CreateBucketConfiguration=place)
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield S3(endpoint, process)
        process.terminate()


def test_images_lie_sealed_on_s3_and_go_when_they_are_erased(
    acme: Customer, s3: S3, django_capture_on_commit_callbacks: object
) -> None:
    """Checks 22 and 23: what is kept is unreadable where it lies, whole when it is read, and gone when erased."""
    create_collection(acme.caller, name="album", images="original")
    image = portrait("obama")
    done = enrol_face(acme.caller, collection="album", image=image, person=PersonDetails())
    lying = s3.objects()
    assert list(lying) == [f"kept/{done.faces[0].stored_image}"]
    assert image[5000:5100] not in lying[f"kept/{done.faces[0].stored_image}"]
    face = Face.objects.of(acme.tenant).get()
    assert storage.read(acme.tenant, face.image, face.stored_image) == image
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        delete_face(acme.caller, collection="album", face=face.uuid)
    assert s3.objects() == {}
    with pytest.raises(FileNotFoundError):
        storage.read(acme.tenant, face.image, face.stored_image)


def test_what_no_face_names_is_swept_on_s3(acme: Customer, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check 23: S3 has no folders, and the same look finds everything in them."""
    collection = create_collection(acme.caller, name="album", images="original")
    done = enrol_face(acme.caller, collection="album", image=portrait("obama"), person=PersonDetails())
    storage.keep(collection, new_uuid(), b"orphan")
    tasks.sweep_images()
    assert len(s3.objects()) == 2  # it may belong to a face that is not committed yet
    monkeypatch.setattr(tasks, "_UNNAMED_FOR", timedelta(hours=-1))
    tasks.sweep_images()
    assert list(s3.objects()) == [f"kept/{done.faces[0].stored_image}"]
    assert list(storage.names(acme.tenant.pk, collection.pk)) == [done.faces[0].stored_image]


def test_an_s3_that_is_away_is_told_soon_and_nothing_is_half_stored(acme: Customer, s3: S3) -> None:
    """Check 16: the enrolment is refused as "try again", within seconds, and no face without its image is left."""
    create_collection(acme.caller, name="album", images="original")
    s3.process.terminate()
    s3.process.wait()
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        enrol_face(acme.caller, collection="album", image=portrait("obama"), person=PersonDetails())
    assert refused.value.part == "file storage"
    assert time.monotonic() - began < 10
    assert not Face.objects.of(acme.tenant).exists()


def test_a_bucket_is_imported_and_what_is_staged_goes_from_s3(acme: Customer, s3: S3) -> None:
    client = boto3.client("s3", endpoint_url=s3.endpoint, region_name="eu-west-1")
    client.put_object(Bucket="faces", Key="badges/obama/1.jpg", Body=portrait("obama"))
    client.put_object(Bucket="faces", Key="other/sunak/1.jpg", Body=portrait("sunak"))
    where = f"?endpoint={s3.endpoint}&region=eu-west-1"
    words = ("import_faces", "acme", "people", "--threads", "1")
    out = io.StringIO()
    call_command(*words, f"s3://faces/badges{where}", stdout=out)
    assert "1 enrolled" in out.getvalue()
    assert Face.objects.of(acme.tenant).get().person.reference == "obama"
    assert [name for name in s3.objects() if name.startswith("kept/")] == []
    with pytest.raises(CommandError, match="cannot be read"):
        call_command(*words, f"s3://nowhere/badges{where}", stdout=out)
