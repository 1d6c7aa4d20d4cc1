"""One id of each kind that a tenant has, as clients write them, for the isolation tests."""

import io
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from collections_app.jobs import engine
from collections_app.models import BulkJob
from collections_app.operations.buckets import put_bucket
from collections_app.operations.captures import ask_capture
from collections_app.operations.collections import create_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.do_not_enrol import bar
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.exports import begin_export
from collections_app.operations.imports import ImportOptions, add_part, begin_import
from collections_app.operations.model_changes import begin_model_change
from collections_app.operations.search import search_by_face
from collections_app.operations.webhooks import create_webhook
from tenants import keys
from tenants.access import Caller
from tenants.captures import Verb
from tenants.models import Tenant
from tenants.scope import TenantOwned
from tests.conftest import Customer, make_customer
from tests.make import portrait

GLOBEX = "marker-of-globex"
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"  # of the examples of age itself


@contextmanager
def two_tenants(blocker: DjangoDbBlocker, folder: Path) -> Iterator[tuple[Customer, Customer]]:
    """Create acme and globex for a whole module, committed, with their images in the folder; remove them at the end."""
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}}
    with blocker.unblock(), override_settings(STORAGES=settings.STORAGES | {"default": files}):
        yield make_customer("acme"), make_customer("globex")
        for model in apps.get_models():
            if issubclass(model, TenantOwned):
                model.unscoped.all().delete()
        Tenant.objects.all().delete()
        User.objects.all().delete()


@dataclass(frozen=True)
class Ids:
    """One id of each kind, as clients write it."""

    collection: str
    alias: str
    person: str
    other: str
    face: str
    receipt: str
    job: str
    webhook: str
    delivery: str
    search: str
    key: str
    reference: str
    arn: str
    bucket: str
    export: str
    capture: str


def stock(caller: Caller, name: str, marker: str = "ours") -> Ids:
    """Fill a new collection, and return an id of each kind."""
    collection = create_collection(caller, name=name, images="original")
    gone = enrol_face(caller, collection=name, image=portrait("sunak"), person=PersonDetails()).faces[0]
    receipt = delete_face(caller, collection=name, face=gone.uuid)
    person = PersonDetails(reference=f"p-{name}", name=marker, note=marker)
    face = enrol_face(caller, collection=name, image=portrait("obama"), person=person).faces[0]
    key = keys.issue(caller.tenant, name=marker, scopes=["read"], collections=[collection.pk])
    other = PersonDetails(reference=f"q-{name}")
    hook = create_webhook(caller, url="https://example.com/hook", kinds=["face.enrolled"]).webhook
    enrol_face(caller, collection=name, image=portrait("macron_2014"), person=other)
    delivery = hook.deliveries.get()
    search = search_by_face(caller, collection=name, face=face.uuid, limit=1).record
    bar(caller, collection=name, reference=f"r-{name}")
    login = {"access_key_id": marker, "secret_access_key": marker}
    put_bucket(caller, name=f"b-{name}", endpoint="https://8.8.8.8", region="us-east-1", **login)
    job = begin_import(caller, collection=name, options=ImportOptions(consent=marker)).id
    add_part(caller, job=job, file="archive", offset=0, content=io.BytesIO(b"no archive"))
    export = begin_export(caller, collection=name, recipients=[RECIPIENT]).id
    engine.work(BulkJob.objects.of(caller.tenant).select_related("tenant").get(pk=export.removeprefix("export-")), 60)
    begin_model_change(caller, collection=name, pack="accurate")
    engine.work(
        BulkJob.objects.of(caller.tenant).select_related("tenant").get(kind="reembed", collection=collection), 60
    )
    erased = (receipt.uuid, job)
    numbers = (str(hook.pk), str(delivery.pk), search.uuid)
    people = (f"p-{name}", f"q-{name}")
    arn = f"arn:aws:rekognition:us-east-1:{collection.tenant_id % 10**12:012}:collection/{name}"
    named = (f"r-{name}", arn, f"b-{name}")
    capture = ask_capture(caller, verb=Verb.SEARCH, collection=name).capture.pk
    return Ids(name, collection.alias, *people, face.uuid, *erased, *numbers, key.key.pk, *named, export, capture)


def missing() -> Ids:
    """Return well-formed ids that do not exist."""
    word = f"none{secrets.token_hex(3)}"
    face, receipt, key = str(uuid.uuid4()), str(uuid.uuid4()), f"fp_{secrets.token_hex(8)}"
    erased = (receipt, f"import-{secrets.randbits(62)}")
    numbers = (str(secrets.randbits(62)), str(secrets.randbits(62)), str(uuid.uuid4()))
    people, account = (f"p-{word}", f"q-{word}"), f"{secrets.randbelow(10**12):012}"
    arn = f"arn:aws:rekognition:us-east-1:{account}:collection/{word}"
    named = (f"r-{word}", arn, f"b-{word}", f"export-{secrets.randbits(62)}", f"cap_{secrets.token_hex(8)}")
    return Ids(word, secrets.token_hex(8), *people, face, *erased, *numbers, key, *named)
