"""The operator's admin: tenants are created, suspended and given quotas; changes are in the tenant's audit log."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tenants import access, audit, keys
from tenants.errors import TenantSuspended
from tenants.models import AuditEntry, Member, Tenant
from tests.conftest import ArgosClient, Customer


@pytest.fixture
def operator(db: None) -> Client:
    """Sign in as an operator of the installation."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _form(**changed: Any) -> dict[str, Any]:
    return {"slug": "acme", "name": "Acme", "state": "active", "profiles": "{}", **changed}


def test_a_tenant_is_made_with_its_keys_and_its_chain(operator: Client) -> None:
    assert operator.post("/admin/tenants/tenant/add/", _form(slug="new", name="New")).status_code == 303
    tenant = Tenant.objects.get(slug="new")
    token = keys.issue(tenant, name="first", scopes=["read"]).token
    assert ArgosClient(token)("GET", "/faces", page="1").status_code != 403
    assert audit.verify(tenant).sound


def test_a_suspended_tenant_is_refused_and_its_log_names_the_operator(operator: Client, acme: Customer) -> None:
    page = f"/admin/tenants/tenant/{acme.tenant.pk}/change/"
    assert b"erased" not in operator.get(page).content
    assert operator.post(page, _form(state="suspended", face_quota="100")).status_code == 303
    with pytest.raises(TenantSuspended):
        access.caller_for_key(*keys.split(acme.issued.token), via="tests")
    entry = AuditEntry.objects.of(acme.tenant).order_by("number").last()
    assert entry
    assert (entry.action, entry.actor_name) == ("tenant.changed", "operator")
    assert entry.facts["after"] == {"state": "suspended", "face_quota": 100}
    assert operator.post(page, _form(state="active")).status_code == 303
    assert access.caller_for_key(*keys.split(acme.issued.token), via="tests").tenant == acme.tenant


def test_a_tenant_is_neither_deleted_nor_called_erased_by_a_form(operator: Client, acme: Customer) -> None:
    page = f"/admin/tenants/tenant/{acme.tenant.pk}/"
    assert (
        operator.post(f"{page}change/", _form(state="erased")).status_code == 200
    )  # the form again, with what is wrong
    assert operator.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    Tenant.objects.filter(pk=acme.tenant.pk).update(state="erased")
    assert operator.post(f"{page}change/", _form()).status_code == 403
    acme.tenant.refresh_from_db()
    assert acme.tenant.state == "erased"


def test_the_tenant_s_log_records_changes_of_members(operator: Client, acme: Customer) -> None:
    user = User.objects.create_user("ada")
    form = {"user": user.pk, "tenant": acme.tenant.pk, "role": "auditor"}
    assert operator.post("/admin/tenants/member/add/", form).status_code == 303
    member = Member.objects.of(acme.tenant).get(user=user)
    page = f"/admin/tenants/member/{member.pk}"
    assert operator.post(f"{page}/change/", {"role": "admin", "user": 1, "tenant": 1}).status_code == 303
    assert operator.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [member.pk], "post": "yes"}
    assert operator.post("/admin/tenants/member/", chosen).status_code == 303
    assert not Member.objects.of(acme.tenant).filter(user=user).exists()
    entries = AuditEntry.objects.of(acme.tenant).filter(action__startswith="member.").order_by("number")
    assert {entry.actor_name for entry in entries} == {"operator"}
    assert [(entry.action, entry.facts) for entry in entries] == [
        ("member.joined", {"role": "auditor"}),
        ("member.role_changed", {"before": "auditor", "after": "admin"}),
        ("member.removed", {"role": "admin", "user": str(user.pk)}),
    ]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("", ("테넌트", "감사 로그", "운영자 키", "실패한 로그인")),
        ("tenants/tenant/add/", ("얼굴 할당량", "분당 요청 수", "짧은 이름")),
        ("tenants/auditentry/", ("수행자", "대상 ID")),
        ("collections_app/collection/", ("모델 팩", "생성 시각")),
    ],
)
def test_it_speaks_korean(operator: Client, acme: Customer, page: str, words: tuple[str, ...]) -> None:
    del acme
    shown = operator.get(f"/admin/{page}", headers={"Accept-Language": "ko"}).content.decode()
    assert [word for word in words if word not in shown] == []


def test_only_operators_see_it(acme: Customer) -> None:
    client = Client()
    client.force_login(User.objects.create_user("owner"), backend="django.contrib.auth.backends.ModelBackend")
    for path in ("/admin/", "/admin/tenants/tenant/"):
        assert client.get(path).status_code == 302
