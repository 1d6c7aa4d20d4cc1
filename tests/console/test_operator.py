"""The operator's pages: the installation and its tenants, for superusers; each deed is in the tenant's log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from collections_app.console.urls import OPERATOR
from collections_app.models import BulkJob, Collection, HealthReport
from collections_app.operations.imports import ImportOptions, begin_import
from collections_app.operations.webhooks import create_webhook, try_webhook
from tenants import access, heartbeat, keys, queue, tasks
from tenants.errors import TenantSuspended
from tenants.models import AuditEntry, Delivery, Heartbeat, Member, Tenant
from tenants.operators import operator_for_user
from tenants.queue import enqueue
from tenants.task_names import Task
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, path_of, signed_in, violations
from tests.console.walk import Hand, Walk, by_each_hand

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]
# The tables that are wider than their cards, which cut them off.
_CUT = (
    "[...document.querySelectorAll('table')]"
    ".filter(e => e.scrollWidth > e.parentElement.clientWidth).map(e => e.innerText)"
)


@pytest.fixture
def superuser(db: None) -> User:
    """An operator of the installation."""
    return User.objects.create_superuser("root", password=PASSWORD)


def _page(name: str, **where: Any) -> str:
    return reverse(f"console:operator_{name}", kwargs=where)


def _pages() -> list[str]:
    """Return the address of every page of the operator, of Acme where it is of a tenant."""
    values = {"slug": "acme", "invitation": 0, "work": "import-0"}
    parts = [(str(one.pattern), str(one.name)) for one in OPERATOR if isinstance(one, URLPattern)]
    named = {name: {key: values[key] for key in values if f":{key}>" in pattern} for pattern, name in parts}
    return ["/operator/", *(reverse(f"console:{name}", kwargs=where) for name, where in named.items())]


def test_only_a_superuser_finds_the_operators_pages(acme: Customer, superuser: User) -> None:
    pages = _pages()
    assert len(pages) == 7
    staff = User.objects.create_user("staff", is_staff=True)
    gone = User.objects.create_superuser("gone", is_active=False)
    assert operator_for_user(gone) is None
    for user in (member(acme, "owner"), staff):
        client = signed_in(user)
        for page in pages:
            assert client.get(page).status_code == client.post(page, {"active": "1"}).status_code == 404, page
    for page in pages:
        assert Client().get(page)["Location"] == f"/account/login/?next={page}"
    client = signed_in(superuser)
    assert client.get("/operator/nothing/").status_code == 404
    assert client.get(_page("tenant", slug="nobody")).status_code == 404
    for name in ("tenant", "state", "invite"):
        assert client.post(_page(name, slug="nobody"), {"name": "x", "active": "1"}).status_code == 404
    assert not Tenant.objects.filter(slug="nobody").exists()
    assert client.get("/console/")["Location"] == "/operator/"


def test_no_page_of_the_operator_has_a_name_or_a_face(acme: Customer, crowd: Collection, superuser: User) -> None:
    client = signed_in(superuser)
    for page in ("/operator/", _page("tenant", slug="acme")):
        text = client.get(page).content.decode()
        assert acme.tenant.name in text
        assert not any(name in text for name in ("Macron", "Obama", "thumbnail"))
    del crowd


def test_a_tenant_is_created_once_and_its_quotas_are_set_and_lifted(acme: Customer, superuser: User) -> None:
    client = signed_in(superuser)
    form = {"slug": "initech", "name": "Initech", "face_quota": "10", "calls_per_day": "0"}
    assert client.post(_page("new"), form)["Location"] == _page("tenant", slug="initech")
    made = Tenant.objects.get(slug="initech")
    assert (made.face_quota, made.calls_per_day, made.collection_quota) == (10, 0, None)
    for wrong in ({"slug": "acme"}, {"slug": "no spaces"}, {"face_quota": "-1"}, {"face_quota": str(2**31)}):
        assert client.post(_page("new"), form | wrong).status_code == 400
    assert Tenant.objects.get(pk=acme.tenant.pk).name == acme.tenant.name
    assert client.post(_page("tenant", slug="initech"), {"name": ""}).status_code == 400
    assert client.post(_page("tenant", slug="initech"), {"name": "Initech Ltd"}).status_code == 303
    made.refresh_from_db()
    assert (made.name, made.face_quota) == ("Initech Ltd", None)
    entries = AuditEntry.objects.of(made).order_by("number").values_list("action", "actor_name")
    assert list(entries) == [
        ("tenant.created", "create_tenant"),
        ("tenant.changed", "operator root"),
        ("tenant.changed", "operator root"),
    ]


def test_a_tenant_is_suspended_and_comes_back(acme: Customer, superuser: User) -> None:
    client, state = signed_in(superuser), _page("state", slug="acme")
    client.post(state)
    with pytest.raises(TenantSuspended):
        access.caller_for_key(*keys.split(acme.issued.token), via="tests")
    assert b"suspended" in client.get(_page("tenant", slug="acme")).content
    client.post(state, {"active": ""})
    assert access.caller_for_key(*keys.split(acme.issued.token), via="tests").tenant == acme.tenant


def test_an_invited_owner_comes_in_and_the_link_is_shown_once(acme: Customer, superuser: User) -> None:
    client, page = signed_in(superuser), _page("tenant", slug="acme")
    assert client.post(_page("invite", slug="acme"), {"email": "x", "role": "owner"}).status_code == 400
    client.post(_page("invite", slug="acme"), {"email": "ada@example.com", "role": "owner"})
    link = client.get(page).context["invited"]["link"]
    assert client.get(page).context["invited"] is None
    assert link.encode() not in client.get(page).content
    joining = Client()
    joining.get(path_of(link))
    new = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    assert joining.post("/account/invitation/", new).status_code == 303
    assert Member.objects.of(acme.tenant).get(user__username="ada").role == "owner"
    client.post(_page("invite", slug="acme"), {"email": "bob@example.com", "role": "admin"})
    (waiting,) = client.get(page).context["team"].invitations
    client.post(_page("withdraw", slug="acme", invitation=waiting.pk))
    assert client.get(page).context["team"].invitations == ()
    assert client.post(_page("withdraw", slug="acme", invitation=waiting.pk)).status_code == 404


def _failed_work(acme: Customer) -> dict[str, str]:
    """Let a job, a health report and a delivery fail; return how the operator names them, by kind."""
    job = begin_import(acme.caller, collection="people", options=ImportOptions())
    BulkJob.objects.of(acme.tenant).update(state="failed", fault="A file is gone.", finished_at=timezone.now())
    report = HealthReport.unscoped.create(tenant=acme.tenant, collection=acme.people, state="failed")
    hook = create_webhook(acme.caller, url="https://example.com/", kinds=["face.deleted"]).webhook
    try_webhook(acme.caller, webhook=str(hook.pk))
    Delivery.objects.of(acme.tenant).update(state="failed", attempts=9, problem="took too long")
    delivery = Delivery.objects.of(acme.tenant).get()
    return {"import": job.id, "health": f"health-{report.pk}", "delivery": f"delivery-{delivery.pk}"}


def test_what_failed_is_shown_and_tried_again(acme: Customer, globex: Customer, superuser: User) -> None:
    work, client = _failed_work(acme), signed_in(superuser)
    asked = BulkJob.objects.of(acme.tenant).get()
    shown = client.get("/operator/")
    assert {one.kind: one.work for one in shown.context["failures"]} == work
    assert b"A file is gone." in shown.content
    for name in work.values():
        assert client.post(_page("retry", slug="globex", work=name)).status_code == 404
        assert client.post(_page("retry", slug="acme", work=name)).status_code == 303
        if not name.startswith("health"):  # a report stays as it is: a new one is made
            assert client.post(_page("retry", slug="acme", work=name)).status_code == 404
    assert client.get("/operator/").context["failures"] == []
    job = BulkJob.objects.of(acme.tenant).get()
    assert (job.state, job.actor_id, job.scopes) == ("running", asked.actor_id, asked.scopes)
    assert HealthReport.objects.of(acme.tenant).latest("created_at").state == "queued"
    assert Delivery.objects.of(acme.tenant).get().state == "pending"
    actions = AuditEntry.objects.of(acme.tenant).filter(actor_name="operator root").values_list("action", flat=True)
    assert sorted(actions) == ["collection.examined", "job.resumed", "webhook.redelivered"]
    del globex


def test_what_waits_is_counted_with_its_age(acme: Customer, superuser: User) -> None:
    begin_import(acme.caller, collection="people", options=ImportOptions())
    since = timezone.now() - timedelta(hours=3)
    BulkJob.objects.of(acme.tenant).update(created_at=since)
    heartbeat.beat_worker("w1")
    heartbeat.beat_worker("w2")
    Heartbeat.objects.filter(name="worker:w2").update(at=timezone.now() - timedelta(minutes=5))
    work = signed_in(superuser).get("/operator/").context["work"]
    assert {one.kind: (one.count, one.since) for one in work["waiting"]}["job"] == (1, since)
    assert [(name, alive) for name, _, alive in work["workers"]] == [("w1", True), ("w2", False)]


def test_the_queue_is_counted_and_a_broker_that_is_away_is_not_an_error(
    superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = queue.length()
    assert before is not None
    enqueue(Task.PULSE)
    assert queue.length() == before + 1
    away = {"broker_transport": "redis", "broker_transport_options": {"socket_connect_timeout": 1}}
    for name, value in away.items():
        monkeypatch.setitem(current_app.conf, name, value)
    monkeypatch.setenv("CELERY_BROKER_READ_URL", "redis://127.0.0.1:1/0")
    assert queue.length() is None
    page = signed_in(superuser).get("/operator/").content
    assert b"The message broker does not answer." in page


def test_scheduled_work_says_when_it_was_done_and_how_long_it_took(superuser: User) -> None:
    assert heartbeat.run_of("pulse", Task.PULSE).ended_at is None
    tasks.pulse.apply()
    done = heartbeat.run_of("pulse", Task.PULSE)
    assert done.ended_at
    assert 0 < (done.seconds or 0) < 60
    assert done.failed_at is None
    tasks.pulse.apply(args=("more than it takes",))
    failed = heartbeat.run_of("pulse", Task.PULSE)
    assert (failed.ended_at, failed.seconds) == (done.ended_at, done.seconds)
    assert failed.failed_at
    shown = signed_in(superuser).get("/operator/")
    assert dict(shown.context["runs"])["pulse"] == failed
    assert set(dict(shown.context["runs"])) == set(settings.CELERY_BEAT_SCHEDULE)
    tasks.pulse.apply()
    assert heartbeat.run_of("pulse", Task.PULSE).failed_at is None


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("theme", "width", "language"), [("light", 1280, "en"), ("dark", 360, "ko")])
def test_the_operators_pages_are_accessible_and_fit(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, superuser: User, visit: Visit, theme: str, width: int, language: str
) -> None:
    _failed_work(acme)
    member(acme, "owner")
    Tenant.objects.filter(pk=acme.tenant.pk).update(face_quota=7_000)
    signed_in(superuser).post(_page("invite", slug="acme"), {"email": "bob@example.com", "role": "admin"})
    size = {"width": width, "height": 800}
    page = visit(superuser, "/operator/", viewport=size, color_scheme=theme, locale=language)
    for path in ("/operator/", _page("new"), _page("tenant", slug="acme")):
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == language
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(_CUT) == [], path


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@by_each_hand
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Create a tenant", "Create", "Create a link", "Suspend")),
        ("ko", ("테넌트 만들기", "만들기", "링크 만들기", "정지")),
    ],
)
def test_a_tenant_is_created_with_its_owner_in_three_clicks_and_suspended_in_three(
    superuser: User, visit: Visit, hand: Hand, language: str, words: tuple[str, ...]
) -> None:
    create, make, invite, suspend = words
    page = visit(superuser, "/operator/", locale=language)
    walk = Walk(page, hand)
    walk.press(page.get_by_role("link", name=create))
    walk.type(page.locator("#id_slug"), "initech")
    walk.type(page.locator("#id_name"), "Initech")
    walk.press(page.get_by_role("button", name=make, exact=True))
    walk.type(page.locator("#id_email"), "ada@example.com")
    walk.press(page.get_by_role("button", name=invite, exact=True))
    expect(page.locator("#link")).to_contain_text("/account/invitation/")
    assert walk.clicks == 3
    page.goto("/operator/")
    walk = Walk(page, hand)
    walk.press(page.get_by_role("link", name="Initech", exact=True))
    walk.press(page.get_by_role("button", name=suspend, exact=True))
    assert violations(page) == []
    walk.confirm()
    expect(page.get_by_role("status")).to_be_visible()
    assert walk.clicks == 3
    assert Tenant.objects.get(slug="initech").state == "suspended"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@by_each_hand
@pytest.mark.parametrize(("language", "again"), [("en", "Try again"), ("ko", "다시 시도")])
def test_failed_work_is_tried_again_in_one_click(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, superuser: User, visit: Visit, hand: Hand, language: str, again: str
) -> None:
    work = _failed_work(acme)
    page = visit(superuser, "/operator/", locale=language)
    walk = Walk(page, hand)
    walk.press(page.get_by_role("button", name=f"{again} {work['delivery']}"))
    expect(page.get_by_role("status")).to_be_visible()
    assert walk.clicks == 1
    assert Delivery.objects.of(acme.tenant).get().state == "pending"
