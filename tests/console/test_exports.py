"""The export of a collection in the console: owners make and download a bundle, nobody else."""

import io

import pytest

from collections_app import bundle
from collections_app.jobs import engine
from collections_app.models import BulkJob, Collection
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in

pytestmark = pytest.mark.django_db

WORDS = "four words nobody knows"


def test_only_an_owner_makes_and_downloads_a_bundle(acme: Customer, crowd: Collection) -> None:
    owner, admin = signed_in(member(acme, "owner")), signed_in(member(acme, "admin"))
    address = page_url("collection_export", alias=crowd.alias)
    assert address.encode() in owner.get(page_url("collection", alias=crowd.alias)).content
    assert address.encode() not in admin.get(page_url("collection", alias=crowd.alias)).content
    assert b"passphrase" in owner.get(address).content
    assert b"passphrase" not in admin.get(address).content
    assert b"Only an owner can export a collection." in admin.get(address).content
    refused = owner.post(address, {"passphrase": WORDS, "again": WORDS.upper()})
    assert (refused.status_code, refused.context["form"].errors["again"]) == (
        400,
        ["These are two different passphrases."],
    )
    assert owner.post(address, {"passphrase": "short", "again": "short"}).status_code == 400
    assert admin.post(address, {"passphrase": WORDS, "again": WORDS}).status_code == 403
    assert not BulkJob.objects.of(acme.tenant).exists()
    begun = owner.post(address, {"passphrase": WORDS, "again": WORDS, "images": "on"})
    job = BulkJob.objects.of(acme.tenant).select_related("tenant", "collection__gallery").get()
    page, file = page_url("job", job=f"export-{job.id}"), page_url("job_bundle", job=f"export-{job.id}")
    assert begun.headers["Location"] == page
    assert file.encode() not in owner.get(page).content
    engine.work(job, 60)
    assert file.encode() in owner.get(page).content
    assert admin.get(file).status_code == 403
    sent = owner.get(file)
    assert sent.headers["Cache-Control"] == "private, no-store"
    content = b"".join(sent)
    assert len(content) == int(sent.headers["Content-Length"])
    assert bundle.read(io.BytesIO(content), passphrase=WORDS).manifest["counts"] == {
        "people": 4,
        "faces": 5,
        "images": 5,
    }
