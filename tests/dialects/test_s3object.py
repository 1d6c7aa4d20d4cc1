"""S3Object: images from a bucket of the tenant's own, over a real connection to a server that speaks S3."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from pytest_django import Settings

from collections_app.models import Bucket
from collections_app.operations import buckets
from tenants import audit
from tests.conftest import Customer
from tests.dialects.clients import NativeClient, send
from tests.dialects.documents import DIALECTS
from tests.make import portrait
from tests.processes import free_port

SECRET = "a-secret-of-the-tenants-own"  # noqa: S105 -- the test's own


@dataclass(frozen=True)
class S3:
    """A server that speaks S3, with a versioned bucket "faces" that has two versions of "gate/1 ü.jpg"."""

    endpoint: str
    versions: tuple[str, str]

    @property
    def configured(self) -> dict[str, str]:
        """The body that configures the bucket."""
        return {"endpoint": self.endpoint, "access_key_id": "AKIATENANT", "secret_access_key": SECRET}


@pytest.fixture
def s3(settings: Settings) -> Iterator[S3]:
    """Run it. Local addresses are allowed, as in development."""
    settings.ALLOW_PRIVATE_URLS = True
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        endpoint = f"http://127.0.0.1:{port}"
        patient = Config(connect_timeout=1, retries={"total_max_attempts": 60})
        login = {"aws_access_key_id": "AKIATENANT", "aws_secret_access_key": SECRET}
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=patient, **login)
        until = time.monotonic() + 60
        while True:
            try:
                client.create_bucket(Bucket="faces")
                break
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        client.put_bucket_versioning(Bucket="faces", VersioningConfiguration={"Status": "Enabled"})
        put = [
            client.put_object(Bucket="faces", Key="gate/1 ü.jpg", Body=body)
            for body in (b"no image", portrait("obama"))
        ]
        client.put_object(Bucket="faces", Key="large", Body=bytes(5_242_881))
        yield S3(endpoint, (put[0]["VersionId"], put[1]["VersionId"]))
        process.terminate()


def _detect(customer: Customer, name: str = "gate/1 ü.jpg", bucket: str = "faces", version: str = "") -> Any:
    """Return the faces found in an object, or the exception's name."""
    rekognition = DIALECTS["rekognition"]
    image = {"Bucket": bucket, "Name": name} | ({"Version": version} if version else {})
    body = json.dumps({"Image": {"S3Object": image}}).encode()
    target = "/rekognition/#X-Amz-Target=RekognitionService.DetectFaces"
    answer = send(rekognition, customer.key(rekognition), "POST", target, body).json()
    return answer.get("FaceDetails", answer.get("__type"))


def test_an_object_of_the_tenants_own_bucket_is_an_image(
    acme: Customer, globex: Customer, native: NativeClient, s3: S3
) -> None:
    assert _detect(acme) == "InvalidS3ObjectException"  # off until it is configured
    made = native("PUT", "/buckets/faces", s3.configured)
    assert (made.status_code, made.json()["region"]) == (200, "us-east-1")
    assert SECRET not in made.content.decode()
    assert len(_detect(acme)) == 1
    assert len(_detect(acme, version=s3.versions[1])) == 1
    assert _detect(acme, version=s3.versions[0]) == "InvalidImageFormatException"
    assert _detect(acme, name="large") == "ImageTooLargeException"
    for other in ({"name": "none"}, {"bucket": "none"}, {"name": "../faces/x"}, {"version": "none"}):
        assert _detect(acme, **other) in {"InvalidS3ObjectException", "SerializationException"}, other
    assert _detect(globex) == "InvalidS3ObjectException"
    assert [one["name"] for one in native("GET", "/buckets").json()["buckets"]] == ["faces"]
    assert native("DELETE", "/buckets/faces").status_code == native("DELETE", "/buckets/faces").status_code == 204
    assert _detect(acme) == "InvalidS3ObjectException"
    assert audit.verify(acme.tenant).sound


def test_a_bucket_is_asked_under_the_rules_of_images_by_url(
    acme: Customer, native: NativeClient, s3: S3, settings: Settings
) -> None:
    native("PUT", "/buckets/faces", s3.configured)
    settings.ALLOW_PRIVATE_URLS = False
    assert _detect(acme) == "InvalidS3ObjectException"
    for endpoint in (s3.endpoint, "http://169.254.169.254", "file:///etc", "https://user@example.com", "x"):
        refused = native("PUT", "/buckets/other", s3.configured | {"endpoint": endpoint})
        assert (refused.status_code, list(refused.json()["errors"])) == (422, ["endpoint"])


def test_the_credentials_are_the_tenants_alone(
    acme: Customer, native: NativeClient, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "the-servers-own")
    native("PUT", "/buckets/faces", s3.configured)
    url = buckets.object_url(acme.caller, "faces", "a").url
    assert "AKIATENANT" in url
    assert "the-servers-own" not in url
    assert "Security-Token" not in url
    row = Bucket.objects.of(acme.tenant).get()
    assert SECRET.encode() not in bytes(row.sealed_secret)
    rotated = native("PUT", "/buckets/faces", s3.configured | {"access_key_id": "AKIANEW"})
    assert (rotated.json()["access_key_id"], Bucket.objects.of(acme.tenant).count()) == ("AKIANEW", 1)


def test_a_tenant_has_a_bounded_number_of_buckets_with_usable_names(native: NativeClient, s3: S3) -> None:
    for number in range(buckets.MOST):
        assert native("PUT", f"/buckets/b{number:02}", s3.configured).status_code == 200
    assert native("PUT", "/buckets/more", s3.configured).json()["quota"] == "buckets"
    assert native("PUT", "/buckets/b01", s3.configured).status_code == 200
    assert list(native("PUT", "/buckets/no%20name", s3.configured).json()["errors"]) == ["bucket"]
