"""Who may do what: the table of docs/console.md, checked for every address of the console."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, reverse

from collections_app.console.urls import TENANT
from collections_app.models import Collection, SearchRecord
from collections_app.operations.collections import delete_collection
from collections_app.operations.erase import delete_face
from collections_app.operations.imports import ImportOptions, begin_import
from collections_app.operations.search import search_by_image
from collections_app.operations.webhooks import create_webhook
from tenants.access import ROLE_SCOPES, Scope, system
from tenants.errors import ScopeMissing
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.make import portrait

ROLES = ("owner", "admin", "operator", "auditor")

# By the page's name: the scope to GET it and the scope to POST to it; None where it has no such method.
NEEDS: dict[str, tuple[Scope | None, Scope | None]] = {
    "overview": (Scope.READ, None),
    "collections": (Scope.READ, None),
    "collection_new": (Scope.ADMIN, Scope.ADMIN),
    "collection": (Scope.READ, Scope.ADMIN),
    "threshold": (Scope.READ, None),
    "aim": (Scope.READ, None),
    "index": (Scope.READ, Scope.ADMIN),
    "collection_delete": (Scope.ADMIN, Scope.ADMIN),
    "collection_export": (Scope.ADMIN, Scope.ADMIN),
    "do_not_enrol": (Scope.READ, Scope.ADMIN),
    "import": (Scope.ENROL, Scope.ENROL),
    "model": (Scope.ADMIN, Scope.ADMIN),
    "model_step": (None, Scope.ADMIN),
    "health": (Scope.READ, Scope.SEARCH),
    "health_progress": (Scope.READ, None),
    "faces": (Scope.READ, None),
    "faces_delete": (None, Scope.DELETE),
    "faces_move": (None, Scope.ENROL),
    "face": (Scope.READ, None),
    "face_image": (Scope.READ, None),
    "face_thumbnail": (Scope.READ, None),
    "people": (Scope.READ, None),
    "people_named": (Scope.ENROL, None),
    "person": (Scope.READ, Scope.ENROL),
    "person_merge": (None, Scope.ENROL),
    "person_add": (Scope.ENROL, Scope.ENROL),
    "person_erase": (Scope.DELETE, Scope.DELETE),
    "person_export": (Scope.ADMIN, None),
    "timeline": (Scope.AUDIT, None),
    "timeline_export": (Scope.AUDIT, None),
    "playground": (Scope.SEARCH, None),
    "playground_capture": (None, Scope.SEARCH),
    "playground_picture": (None, Scope.SEARCH),
    "verdict": (Scope.SEARCH, None),
    "playground_try": (None, Scope.SEARCH),
    "searches": (Scope.AUDIT, None),
    "search": (Scope.AUDIT, None),
    "judge": (None, Scope.ENROL),
    "requests": (Scope.AUDIT, None),
    "request": (Scope.AUDIT, None),
    "audit": (Scope.AUDIT, None),
    "audit_verify": (Scope.AUDIT, None),
    "audit_export": (Scope.AUDIT, None),
    "keys": (Scope.ADMIN, Scope.ADMIN),
    "key_rotate": (Scope.ADMIN, Scope.ADMIN),
    "key_revoke": (None, Scope.ADMIN),
    "members": (Scope.READ, Scope.ADMIN),
    "member": (None, Scope.ADMIN),
    "member_remove": (None, Scope.ADMIN),
    "withdraw": (None, Scope.ADMIN),
    "settings": (Scope.READ, Scope.ADMIN),
    "subject": (Scope.ADMIN, None),
    "subject_document": (None, Scope.ADMIN),
    "subject_erase": (None, Scope.DELETE),
    "receipts": (Scope.READ, None),
    "receipt": (Scope.READ, None),
    "receipt_document": (Scope.READ, None),
    "undo": (None, Scope.READ),
    "jobs": (Scope.READ, None),
    "job": (Scope.READ, None),
    "job_report": (Scope.READ, None),
    "job_bundle": (Scope.ADMIN, None),
    "job_cancel": (None, Scope.ENROL),
    "job_resume": (None, Scope.ENROL),
    "usage": (Scope.READ, None),
    "time_zone": (Scope.READ, Scope.READ),
    "webhooks": (Scope.ADMIN, Scope.ADMIN),
    "webhook": (Scope.ADMIN, Scope.ADMIN),
    "webhook_test": (None, Scope.ADMIN),
    "webhook_switch": (None, Scope.ADMIN),
    "redeliver": (None, Scope.ADMIN),
    "webhook_delete": (None, Scope.ADMIN),
}


def _names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def test_the_table_names_every_page() -> None:
    assert set(_names(TENANT)) == set(NEEDS)


def _each(names: tuple[str, ...], place: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: dict(place) for name in names}


@pytest.fixture
def places(acme: Customer, crowd: Collection) -> dict[str, dict[str, Any]]:
    """Return the parameters of each page's address besides the tenant."""
    face = crowd.faces.order_by("number").first()
    assert face
    search_by_image(acme.caller, collection="people", image=portrait("obama"))
    record = SearchRecord.objects.of(acme.tenant).get()
    receipt = delete_face(acme.caller, collection="people", face=crowd.faces.order_by("-number")[0].uuid)
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["audit.alert"]).webhook
    job = begin_import(acme.caller, collection="people", options=ImportOptions())
    alias = {"alias": crowd.alias}
    one = {**alias, "face": face.uuid}
    person = {**alias, "person": face.person_id}
    key = {"key": acme.issued.key.pk}
    of_node = (
        "collection",
        "index",
        "threshold",
        "aim",
        "collection_delete",
        "collection_export",
        "do_not_enrol",
        "import",
        "model",
        "model_step",
        "health",
        "health_progress",
        "people",
        "people_named",
    )
    return {
        **_each((*of_node, "faces", "faces_delete", "faces_move"), alias),
        **_each(("face", "face_image", "face_thumbnail"), one),
        **_each(("person_export", "person", "person_add", "person_merge", "person_erase", "timeline"), person),
        "timeline_export": {**person, "form": "json"},
        **_each(("receipt", "receipt_document"), {"receipt": receipt.uuid}),
        **_each(("job", "job_bundle", "job_report", "job_cancel", "job_resume"), {"job": job.id}),
        **_each(("webhook", "webhook_switch", "webhook_test", "webhook_delete"), {"webhook": hook.pk}),
        "redeliver": {"webhook": hook.pk, "delivery": 0},
        **_each(("key_rotate", "key_revoke"), key),
        **_each(("member", "member_remove"), {"member": 0}),
        "playground_try": {"action": "detect"},
        "search": {"search": record.uuid},
        "judge": {"search": record.uuid, "face": face.uuid},
        "audit_export": {"form": "json"},
        "withdraw": {"invitation": 0},
        "request": {"logged": 0},
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_and_changes_what_the_table_says(
    acme: Customer, places: dict[str, dict[str, Any]], role: str
) -> None:
    client, scopes = signed_in(member(acme, role)), ROLE_SCOPES[role]
    wrong = []
    for name, needed in NEEDS.items():
        address = reverse(f"console:{name}", kwargs={"tenant": "acme", **places.get(name, {})})
        for method, scope in zip(("get", "post"), needed, strict=True):
            if scope is not None:
                status = getattr(client, method)(address).status_code
                if (status == 403) == (scope in scopes):
                    wrong.append((name, method, status))
    assert wrong == []


@pytest.mark.parametrize("scopes", [ROLE_SCOPES["operator"], {Scope.DELETE}, {Scope.ADMIN}], ids=sorted)
def test_a_collection_is_ended_by_an_administrator_who_may_erase_and_by_nobody_else(
    acme: Customer, scopes: set[Scope]
) -> None:
    """An operator's rights or a key's with one of the scopes are not enough, through any page or dialect."""
    with pytest.raises(ScopeMissing):
        delete_collection(system(acme.tenant, "tests", scopes), name="people")
    acme.people.refresh_from_db()
    assert acme.people.state == "active"


def test_members_of_another_tenant_learn_nothing(
    acme: Customer, globex: Customer, places: dict[str, dict[str, Any]]
) -> None:
    del acme
    outsider = signed_in(member(globex, "owner"))
    for name in NEEDS:
        address = reverse(f"console:{name}", kwargs={"tenant": "acme", **places.get(name, {})})
        nowhere = reverse(f"console:{name}", kwargs={"tenant": "nobody", **places.get(name, {})})
        for method in ("get", "post"):
            theirs, none = getattr(outsider, method)(address), getattr(outsider, method)(nowhere)
            assert theirs.status_code == none.status_code == 404, name
            assert b"acme" not in theirs.content.lower().replace(address.encode(), b"")


def test_without_a_session_the_sign_in_page_is_shown(acme: Customer, client: Any) -> None:
    del acme
    answer = client.get("/console/acme/")
    assert answer.status_code == 302
    assert answer["Location"] == "/account/login/?next=/console/acme/"


def test_a_face_of_another_tenant_is_not_shown_in_ones_own(acme: Customer, globex: Customer, crowd: Collection) -> None:
    del acme
    face = crowd.faces.first()
    assert face
    outsider = signed_in(member(globex, "owner"))
    for alias in (crowd.alias, globex.people.alias):
        for page in ("face", "face_image", "face_thumbnail"):
            address = reverse(f"console:{page}", kwargs={"tenant": "globex", "alias": alias, "face": face.uuid})
            assert outsider.get(address).status_code == 404
