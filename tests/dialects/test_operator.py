"""An operator's key manages tenants through the native API, and nothing else does."""

import json
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from collections_app.models import KeyedRequest
from collections_app.operations.members import accept_invitation
from tenants import audit, keys, operators
from tenants.access import ALL_SCOPES, Scope
from tenants.models import AuditEntry, OperatorKey, Tenant
from tests.conftest import Customer
from tests.dialects.clients import NativeClient
from tests.dialects.documents import document

TENANTS = "/operator/tenants"
OPERATIONS = [
    (method.upper(), path)
    for path, methods in document("native")["paths"].items()
    for method in methods
    if path.startswith("/operator/")
]


@pytest.fixture
def operator(db: None) -> NativeClient:
    """A client with an operator's key."""
    return NativeClient(operators.issue("billing")[1])


def _send(token: str, method: str, path: str) -> Any:
    """Send a request to an operation, with acme's slug in it."""
    place = f"/api/v1{path}".replace("{tenant}", "acme").replace("{collection}", "people")
    client = Client(raise_request_exception=False)
    place = re.sub(r"{[a-z]+}", "x", place)
    return client.generic(method, place, b"{}", "application/json", headers={"x-api-key": token})


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_tenants_key_opens_the_operators_operations(acme: Customer, method: str, path: str) -> None:
    strongest = keys.issue(acme.tenant, name="all", scopes=ALL_SCOPES)
    for token in (strongest.token, acme.issued.token, "op_x.y", ""):
        answer = _send(token, method, path)
        assert answer.json()["code"] == ("unknown_key" if token else "missing_key")


def test_an_operators_key_opens_no_tenants_operation(acme: Customer) -> None:
    token = operators.issue("billing")[1]
    others = [
        (method, path)
        for path, methods in document("native")["paths"].items()
        for method in methods
        if not path.startswith("/operator/")
    ]
    assert len(others) > 50
    assert {_send(token, method.upper(), path).json()["code"] for method, path in others} == {"unknown_key"}
    assert Client().get("/faces?collectionId=people&page=1", headers={"x-api-key": token}).status_code == 403


def test_a_key_that_is_over_elsewhere_or_read_only_is_refused(acme: Customer) -> None:
    read_only = NativeClient(operators.issue("report", scopes={Scope.READ})[1])
    assert read_only("GET", f"{TENANTS}/acme").status_code == 200
    assert read_only("GET", f"{TENANTS}/acme/usage").status_code == 200
    for method, place in (("PUT", ""), ("GET", "/keys"), ("POST", "/keys"), ("POST", "/invitations")):
        body = {"name": "x", "scopes": ["read"]} if place == "/keys" else {"email": "a@example.com", "role": "admin"}
        answer = read_only(method, f"{TENANTS}/acme{place}", None if method == "GET" else body if place else {})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    elsewhere = NativeClient(operators.issue("far", networks=["192.0.2.0/24"])[1])
    assert elsewhere("GET", TENANTS).json()["code"] == "address_refused"
    key, whole = operators.issue("old", expires_at=timezone.now() - timedelta(seconds=1))
    assert NativeClient(whole)("GET", TENANTS).json()["code"] == "expired_key"
    OperatorKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert NativeClient(whole)("GET", TENANTS).json()["code"] == "revoked_key"


def test_putting_a_tenant_twice_is_putting_it_once(operator: NativeClient) -> None:
    body = {"name": "Initech", "faces": 10, "calls_per_day": 5}
    made, again = (operator("PUT", f"{TENANTS}/initech", body).json() for _ in range(2))
    assert made == again
    assert made["limits"] == {"faces": 10, "collections": None, "requests_per_minute": None, "calls_per_day": 5}
    tenant = Tenant.objects.get(slug="initech")
    actions = list(AuditEntry.objects.of(tenant).order_by("number").values_list("action", "actor_name"))
    assert actions == [("tenant.created", "create_tenant"), ("tenant.changed", "operator billing")]
    assert operator("PUT", f"{TENANTS}/initech", {"faces": None}).json()["limits"]["faces"] is None
    assert operator("PUT", f"{TENANTS}/initech", {}).json()["name"] == "Initech"
    assert audit.verify(tenant).sound


def test_a_suspended_tenants_keys_are_refused_until_it_is_active_again(
    operator: NativeClient, acme: Customer, native: NativeClient
) -> None:
    for state, code in (("suspended", "tenant_suspended"), ("active", None)):
        assert operator("PUT", f"{TENANTS}/acme", {"state": state}).json()["state"] == state
        assert native("GET", "/me").json().get("code") == code


def test_an_erased_tenant_is_not_there_and_its_slug_stays_taken(operator: NativeClient, acme: Customer) -> None:
    Tenant.objects.filter(slug="acme").update(state=Tenant.State.ERASED)
    assert operator("GET", f"{TENANTS}/acme").json()["code"] == "tenant_not_found"
    assert operator("GET", TENANTS).json()["tenants"] == []
    assert operator("PUT", f"{TENANTS}/acme", {}).json()["code"] == "invalid_request"


def test_tenants_are_listed_page_by_page(operator: NativeClient, acme: Customer, globex: Customer) -> None:
    first = operator("GET", f"{TENANTS}?limit=1").json()
    second = operator("GET", f"{TENANTS}?limit=1&cursor={first['next_cursor']}").json()
    assert [one["slug"] for page in (first, second) for one in page["tenants"]] == ["acme", "globex"]
    assert second["next_cursor"] is None


def test_a_repeated_key_is_issued_once_and_works(operator: NativeClient, acme: Customer) -> None:
    body, once = {"name": "gate", "scopes": ["search"], "collections": ["people"]}, {"Idempotency_Key": "1"}
    made, again = (operator("POST", f"{TENANTS}/acme/keys", body, **once) for _ in range(2))
    assert made.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    other = operator("POST", f"{TENANTS}/acme/keys", body | {"name": "door"}, **once)
    assert other.json()["code"] == "idempotency_key_reused"
    assert NativeClient(made.json()["token"])("GET", "/me").json()["scopes"] == ["search"]
    assert operator("POST", f"{TENANTS}/acme/keys", body | {"collections": ["none"]}).json()["code"] == (
        "collection_not_found"
    )
    secret = made.json()["secret"].encode()
    assert all(secret not in bytes(row.answer) for row in KeyedRequest.objects.of(acme.tenant))


def test_another_tenants_key_or_invitation_is_not_there(
    operator: NativeClient, acme: Customer, globex: Customer
) -> None:
    issued = operator("POST", f"{TENANTS}/globex/keys", {"name": "x", "scopes": ["read"]}).json()
    assert operator("DELETE", f"{TENANTS}/acme/keys/{issued['id']}").json()["code"] == "key_not_found"
    assert operator("DELETE", f"{TENANTS}/globex/keys/{issued['id']}").json()["revoked_at"]
    operator("POST", f"{TENANTS}/globex/invitations", {"email": "ada@example.com", "role": "owner"})
    (invited,) = operator("GET", f"{TENANTS}/globex/members").json()["invitations"]
    gone = operator("DELETE", f"{TENANTS}/acme/invitations/{invited['id']}")
    assert gone.json()["code"] == "invitation_unusable"
    assert operator("DELETE", f"{TENANTS}/globex/invitations/{invited['id']}").status_code == 204


def test_an_invited_owner_joins(operator: NativeClient, acme: Customer, django_user_model: Any) -> None:
    body = {"email": "ada@example.com", "role": "owner"}
    made, again = (operator("POST", f"{TENANTS}/acme/invitations", body, Idempotency_Key="1") for _ in range(2))
    assert made.json() == again.json()
    ada = django_user_model.objects.create_user("ada", "ada@example.com")
    accept_invitation(made.json()["link"].rstrip("/").rpartition("/")[2], ada)
    team = operator("GET", f"{TENANTS}/acme/members").json()
    assert [(one["username"], one["role"]) for one in team["members"]] == [("ada", "owner")]
    assert team["invitations"] == []


def test_the_command_issues_lists_and_revokes(db: None) -> None:
    shown = StringIO()
    call_command("operator_key", "issue", "billing", "--read-only", stdout=shown)
    whole = shown.getvalue().split()[1]
    assert NativeClient(whole)("GET", TENANTS).json() == {"tenants": [], "next_cursor": None}
    key_id = whole.partition(".")[0]
    call_command("operator_key", "list", stdout=shown)
    assert f"{key_id}  billing  read  valid" in shown.getvalue()
    call_command("operator_key", "revoke", key_id)
    assert NativeClient(whole)("GET", TENANTS).json()["code"] == "revoked_key"
    with pytest.raises(CommandError):
        call_command("operator_key", "revoke", key_id)
    with pytest.raises(CommandError):
        call_command("operator_key", "issue", "x", "--networks", "nowhere")


def test_no_row_holds_an_operators_secret(db: None) -> None:
    key, whole = operators.issue("billing")
    assert whole.partition(".")[2] not in json.dumps(OperatorKey.objects.filter(pk=key.pk).values()[0], default=str)
