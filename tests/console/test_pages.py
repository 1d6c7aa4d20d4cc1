"""What the pages do, beyond who may see them."""

import math
import re
from base64 import b32decode
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from pytest_django import DjangoAssertNumQueries, Settings

from collections_app.console.account_forms import POST
from collections_app.models import Collection, Face, HealthReport, Person, SearchRecord
from collections_app.operations.collections import create_collection, update_collection
from collections_app.operations.keys import issue_key, revoke_key
from collections_app.operations.overview import overview
from collections_app.operations.search import search_by_image
from collections_app.tasks import examine_collection, examine_due, expire_faces
from recognition.calibration.pairwise import separate
from recognition.evaluation.index_benchmark import percentile
from recognition.models import Compaction, IndexSegment
from tenants import access, audit, keys
from tenants.models import Allowance, ApiKey, AuditEntry, Authenticator, Invitation, Member, Tenant
from tenants.tasks import forget
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, signed_in
from tests.make import portrait


def _address(name: str, **where: Any) -> str:
    return reverse(f"console:{name}", kwargs={"tenant": "acme", **where})


def _who(acme: Customer, image: str) -> str:
    found = search_by_image(acme.caller, collection="people", image=portrait(image))
    return str(found.matches[0].face.person)


def test_merging_two_people_is_seen_by_the_next_search(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    obama, twin = crowd.people.get(reference="Obama"), crowd.people.get(reference="twin")
    address = _address("person_merge", node=crowd.node, person=twin.pk)
    answer = operator.post(address, {"other": obama.pk, "reason": "same man"})
    assert answer.status_code == 303
    assert not Person.objects.of(acme.tenant).filter(pk=obama.pk).exists()
    assert twin.faces.count() == 2
    assert _who(acme, "obama") == "B. Obama"
    face = twin.faces.order_by("number").first()
    assert face
    assert b"same man" in operator.get(_address("face", node=crowd.node, face=face.uuid)).content
    assert audit.verify(acme.tenant).sound


def test_splitting_a_face_off_makes_a_new_person(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    macron = crowd.people.get(reference="Macron")
    face = macron.faces.order_by("number").last()
    assert face
    operator.post(_address("faces_move", node=crowd.node), {"faces": [face.uuid], "name": "Somebody else"})
    face.refresh_from_db()
    assert face.person.name == "Somebody else"
    assert macron.faces.count() == 1


def test_a_face_cannot_be_moved_to_a_person_of_another_tenant(
    acme: Customer, globex: Customer, crowd: Collection
) -> None:
    theirs = Person.everywhere.create(tenant=globex.tenant, collection=globex.people, reference="theirs")
    face = crowd.faces.first()
    assert face
    operator = signed_in(member(acme, "operator"))
    move = {"faces": [face.uuid], "person": theirs.pk}
    answer = operator.post(_address("faces_move", node=crowd.node), move)
    assert answer.status_code == 404
    assert Face.objects.of(acme.tenant).get(pk=face.pk).person_id == face.person_id


def test_erasing_ticked_faces_takes_their_people_and_images(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    chosen = list(crowd.faces.filter(person__reference__in=["Sunak", "twin"]))
    thumbnail = _address("face_thumbnail", node=crowd.node, face=chosen[0].uuid)
    assert operator.get(thumbnail)["Content-Type"] == "image/jpeg"
    operator.post(_address("faces_delete", node=crowd.node), {"faces": [face.uuid for face in chosen]})
    assert set(crowd.people.values_list("reference", flat=True)) == {"Macron", "Obama"}
    assert operator.get(thumbnail).status_code == 404
    assert _who(acme, "obama") == "Barack Obama"


def test_one_unknown_face_among_the_ticked_erases_none(acme: Customer, globex: Customer, crowd: Collection) -> None:
    del globex
    face = crowd.faces.first()
    assert face
    operator = signed_in(member(acme, "operator"))
    chosen = {"faces": [face.uuid, "00000000-0000-4000-8000-000000000000"]}
    assert operator.post(_address("faces_delete", node=crowd.node), chosen).status_code == 404
    assert crowd.faces.filter(pk=face.pk).exists()


def test_a_kept_image_carries_its_place_in_the_original(acme: Customer, crowd: Collection) -> None:
    del acme
    for face in crowd.faces.all():
        left, top, width, height = face.stored_frame
        assert left <= max(face.box_x, 0) < face.box_x + face.box_width <= left + width <= face.image_width
        assert top <= max(face.box_y, 0) < face.box_y + face.box_height <= top + height <= face.image_height


def test_health_finds_one_person_twice_and_two_under_one_name(
    acme: Customer, crowd: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, page = signed_in(member(acme, "operator")), _address("health", node=crowd.node)
    sunak = crowd.faces.get(person__reference="Sunak")
    sunak.person = crowd.people.get(reference="Macron")
    sunak.save()
    assert operator.post(page).status_code == 303
    report = HealthReport.objects.of(acme.tenant).get()
    assert operator.post(page).status_code == 303  # a second click while it waits asks for nothing more
    assert HealthReport.objects.of(acme.tenant).count() == 1
    examine_collection.run(report.pk)
    content = operator.get(page).content.decode()
    assert "Likely one person twice" in content
    report.refresh_from_db()
    assert report.progress == 100
    faces = {str(face.pk): face.person.reference for face in crowd.faces.select_related("person")}
    ((first, second, cosine),) = report.findings["duplicates"]
    assert {faces[first], faces[second]} == {"Obama", "twin"}
    assert cosine > 0.99
    ((first, second, _),) = report.findings["mixed"]
    assert str(sunak.pk) in {first, second}
    assert sum(report.findings["genuine"]) == 3
    assert sum(report.findings["impostor"]) == 7
    assert (report.findings["duplicates_found"], report.findings["mixed_found"]) == (1, 1)
    assert "the clearest of" not in content
    monkeypatch.setattr("collections_app.tasks.separate", partial(separate, most=0))
    operator.post(page)
    examine_collection.run(HealthReport.objects.of(acme.tenant).latest("created_at").pk)
    assert operator.get(page).content.decode().count("0 · the clearest of 1 found") == 2


def test_a_person_s_page_says_that_it_does_not_show_all_faces(
    acme: Customer, crowd: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor = signed_in(member(acme, "auditor"))
    page = _address("person", node=crowd.node, person=crowd.people.get(reference="Macron").pk)
    assert "are shown, the newest first" not in auditor.get(page).content.decode()
    monkeypatch.setattr("collections_app.operations.merge_split.MOST_SHOWN", 1)
    assert "1 are shown, the newest first" in auditor.get(page).content.decode()


def test_a_lost_health_job_is_done_by_the_sweep(acme: Customer, crowd: Collection) -> None:
    report = HealthReport.everywhere.create(tenant=acme.tenant, collection=crowd)
    examine_due.run()
    report.refresh_from_db()
    assert report.state == "queued"
    HealthReport.objects.of(acme.tenant).update(created_at=timezone.now() - timedelta(minutes=6))
    examine_due.run()
    report.refresh_from_db()
    assert report.state == "done"
    HealthReport.objects.of(acme.tenant).update(state="running", began_at=timezone.now() - timedelta(minutes=31))
    examine_due.run()  # whose worker was killed
    report.refresh_from_db()
    assert report.state == "done"


def test_a_list_of_faces_takes_the_same_queries_at_any_length(
    acme: Customer, crowd: Collection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in(member(acme, "auditor"))
    with django_assert_num_queries(15):
        client.get(_address("faces", node=crowd.node))
    with django_assert_num_queries(15):
        client.get(_address("faces", node=crowd.node), {"person": "obama", "quality": "none", "before": "5"})


def test_pages_of_faces_follow_one_another_without_a_gap(acme: Customer, crowd: Collection, monkeypatch: Any) -> None:
    monkeypatch.setattr("collections_app.console.views.faces._PAGE", 2)
    client, seen = signed_in(member(acme, "auditor")), []
    query: dict[str, str] = {}
    for _ in range(3):
        found = client.get(_address("faces", node=crowd.node), query).context["found"]
        seen += [face.number for face in found.rows]
        query = {"before": found.after}
    assert seen == [5, 4, 3, 2, 1]
    assert found.after is None


@pytest.mark.parametrize(
    "before",
    [
        "2024-13-45T00:00:00Z~1",
        "2000-01-01T00:00:00~1",
        "0001-01-01T00:00:00+14:00~1",
        "2000-01-01T00:00:00Z~x",
        f"2000-01-01T00:00:00Z~{2**63}",
        str(2**63),
    ],
)
def test_a_place_that_no_page_ended_with_is_none(acme: Customer, crowd: Collection, before: str) -> None:
    """A month 13, a time without its zone, one before all years, no key, a key too large: the list is at its start."""
    _who(acme, "obama")
    auditor = signed_in(member(acme, "auditor"))
    of_crowd = [_address(name, node=crowd.node) for name in ("people", "faces")]
    for address in (*of_crowd, _address("searches")):
        shown, first = auditor.get(address, {"before": before}), auditor.get(address)
        assert shown.status_code == 200
        assert shown.context["found"].rows == first.context["found"].rows != ()
    for name in ("receipts", "audit"):
        assert auditor.get(_address(name), {"before": before}).status_code == 200


def test_a_list_may_reach_from_the_first_day_to_the_last(acme: Customer, crowd: Collection) -> None:
    """That the calendar knows; and both of its ends in the native API, in whatever zone."""
    _who(acme, "obama")
    auditor = signed_in(member(acme, "auditor"))
    ever, never = {"since": "0001-01-01", "until": "9999-12-31"}, {"since": "9999-12-31", "until": "0001-01-01"}
    for address in (_address("faces", node=crowd.node), _address("searches")):
        assert auditor.get(address, ever).context["found"].rows == auditor.get(address).context["found"].rows != ()
        assert auditor.get(address, never).context["found"].rows == ()
    assert auditor.get(_address("audit"), ever).context["found"].entries
    assert not auditor.get(_address("audit"), never).context["found"].entries
    assert auditor.get(_address("audit_export", form="csv"), ever).status_code == 200
    for moment in (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00-14:00",
    ):
        for name in ("since", "until"):
            answer = Client().get("/api/v1/audit", {name: moment}, headers={"x-api-key": acme.issued.token})
            assert answer.status_code == (200 if moment.endswith("Z") else 422)
            assert moment.endswith("Z") or name in answer.json()["errors"]


def test_an_invitation_makes_a_member_once(acme: Customer) -> None:
    owner = signed_in(member(acme, "owner"))
    page = owner.post(_address("members"), {"email": "new@example.com", "role": "operator"}, follow=True)
    link = _path(page.context["invited"]["link"])
    newcomer = Client()
    assert b"Acme" in newcomer.get(link, follow=True).content
    chosen = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD}
    assert newcomer.post("/account/invitation/", chosen)["Location"] == "/console/acme/"
    assert newcomer.get("/console/acme/").status_code == 200
    assert Member.objects.of(acme.tenant).get(user__username="newcomer").role == "operator"
    assert Client().get(link).status_code == 404
    assert audit.verify(acme.tenant).sound


def test_a_new_collection_keeps_no_images_unless_asked_to(acme: Customer) -> None:
    form = signed_in(member(acme, "admin")).get(_address("collection_new")).context["form"]
    assert form["images"].value() == "none"


def test_a_tenant_s_first_owner_comes_in_by_the_link_of_the_command(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="valid email"):
        call_command("create_tenant", "first", "--owner", "nobody")
    assert not Tenant.objects.filter(slug="first").exists()
    call_command("create_tenant", "first", "--owner", "first@example.com")
    link = _path(capsys.readouterr().out.split()[-1])
    newcomer = Client()
    newcomer.get(link)
    newcomer.post("/account/invitation/", {"username": "first", "password1": PASSWORD, "password2": PASSWORD})
    assert newcomer.get("/console/first/members/").status_code == 200
    tenant = Tenant.objects.get(slug="first")
    assert Member.objects.of(tenant).get().role == "owner"
    assert AuditEntry.objects.of(tenant).filter(action="member.invited", actor_id="create_tenant").exists()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [(["a b"], "slug: Enter a valid"), (["a" * 51], "slug: .* at most 50"), (["a", "b" * 201], "name: .* at most 200")],
)
def test_no_tenant_is_made_under_a_slug_that_no_address_holds(db: None, words: list[str], refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        call_command("create_tenant", *words)
    assert not Tenant.objects.exists()


def test_a_withdrawn_or_old_invitation_opens_nothing(acme: Customer) -> None:
    admin = signed_in(member(acme, "admin"))
    links = [
        admin.post(_address("members"), {"email": f"{n}@example.com", "role": "auditor"}, follow=True).context[
            "invited"
        ]["link"]
        for n in range(2)
    ]
    first, second = Invitation.objects.of(acme.tenant).order_by("pk")
    admin.post(_address("withdraw", invitation=first.pk))
    Invitation.objects.of(acme.tenant).filter(pk=second.pk).update(expires_at=timezone.now())
    for link in links:
        assert Client().get(_path(link)).status_code == 404


def _invited(inviter: Client, role: str) -> str:
    """Invite somebody, and return where the link leads."""
    page = inviter.post(_address("members"), {"email": "friend@example.com", "role": role}, follow=True)
    return _path(page.context["invited"]["link"])


def _path(link: str) -> str:
    """Return the path of a link of ours, wherever it leads."""
    assert link.startswith(f"{settings.PUBLIC_URL}/")
    return urlsplit(link).path


def _opens(link: str) -> bool:
    return Client().get(link, follow=True).status_code == 200


def test_an_invitation_is_worth_what_whoever_gave_it_may_give(acme: Customer) -> None:
    """Demoted, shut out or removed: the link opens nothing, and is not shown; one of somebody else's still does."""
    boss, leaver = member(acme, "admin"), User.objects.create_user("leaver")
    member(acme, "owner")  # one has to stay
    place = Member.everywhere.create(tenant=acme.tenant, user=leaver, role="owner")
    owner, other = signed_in(leaver), signed_in(boss)
    as_owner, as_admin, theirs = _invited(owner, "owner"), _invited(owner, "admin"), _invited(other, "admin")
    for role, shut, opening in (
        ("owner", False, {as_owner, as_admin}),
        ("admin", False, {as_admin}),
        ("operator", False, set()),
        ("owner", True, set()),
    ):
        Member.everywhere.filter(pk=place.pk).update(role=role)
        User.objects.filter(pk=leaver.pk).update(is_active=not shut)
        assert {link for link in (as_owner, as_admin, theirs) if _opens(link)} == {*opening, theirs}
        shown = other.get(_address("members")).context["team"].invitations
        assert len(shown) == 1 + len(opening)
    place.role = "admin"
    place.save()
    User.objects.filter(pk=leaver.pk).update(is_active=True)
    assert _opens(as_admin)
    other.post(_address("member_remove", member=place.pk))
    assert not _opens(as_admin)
    assert Invitation.objects.of(acme.tenant).get().inviter == Member.objects.of(acme.tenant).get(user=boss)


def test_an_invitation_that_lapses_while_somebody_takes_it_makes_no_member(
    acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = member(acme, "admin")
    link = _invited(signed_in(boss), "admin")
    friend = Client(raise_request_exception=False)
    friend.get(link)
    found = access.invitation_for(link.rstrip("/").rpartition("/")[2])
    monkeypatch.setattr(access, "invitation_for", lambda _secret: found)
    Member.objects.of(acme.tenant).filter(user=boss).update(role="auditor")
    chosen = {"username": "friend", "password1": PASSWORD, "password2": PASSWORD}
    friend.post("/account/invitation/", chosen)
    assert Member.objects.of(acme.tenant).get().user == boss


def test_an_invitation_is_forgotten_when_its_time_is_over(acme: Customer) -> None:
    admin = signed_in(member(acme, "admin"))
    kept, old = _invited(admin, "auditor"), _invited(admin, "auditor")
    last = Invitation.objects.of(acme.tenant).order_by("-pk")[:1].get()
    assert last.expires_at - last.created_at <= timedelta(days=7)
    Invitation.objects.of(acme.tenant).filter(pk=last.pk).update(expires_at=timezone.now(), accepted_at=timezone.now())
    forget()
    assert Invitation.objects.of(acme.tenant).count() == 1
    assert (_opens(kept), _opens(old)) == (True, False)


def test_only_owners_deal_with_owners_and_one_stays(acme: Customer) -> None:
    owner_user, admin = member(acme, "owner"), signed_in(member(acme, "admin"))
    owner = signed_in(owner_user)
    first = Member.objects.of(acme.tenant).get(user=owner_user)
    assert admin.post(_address("members"), {"email": "x@example.com", "role": "owner"}).status_code == 403
    assert admin.post(_address("member_remove", member=first.pk)).status_code == 403
    assert admin.post(_address("member", member=first.pk), {"role": "auditor"}).status_code == 403
    assert owner.post(_address("member", member=first.pk), {"role": "auditor"}).status_code == 403  # the last one
    first.refresh_from_db()
    assert first.role == "owner"


def test_a_removed_member_is_a_stranger_at_once(acme: Customer) -> None:
    owner, leaver = signed_in(member(acme, "owner")), member(acme, "operator")
    client = signed_in(leaver)
    assert client.get("/console/acme/").status_code == 200
    owner.post(_address("member_remove", member=Member.objects.of(acme.tenant).get(user=leaver).pk))
    assert client.get("/console/acme/").status_code == 404


def test_too_many_wrong_passwords_lock_the_door(acme: Customer, client: Client) -> None:
    member(acme, "owner")
    for _ in range(4):
        wrong = client.post("/account/login/", {"username": "owner@acme", "password": "wrong"})
        assert wrong.status_code == 400
    assert client.post("/account/login/", {"username": "owner@acme", "password": "wrong"}).status_code == 429
    right = client.post("/account/login/", {"username": "owner@acme", "password": PASSWORD})
    assert right.status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.9").post(
        "/account/login/", {"username": "owner@acme", "password": PASSWORD}
    )
    assert elsewhere.status_code == 303


@pytest.mark.django_db(transaction=True)  # a test's own transaction would lend the code's check the one that it needs
def test_an_authenticator_is_asked_for_before_any_page_and_the_admin(acme: Customer) -> None:
    user = member(acme, "owner")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = signed_in(user)
    page = client.get("/account/authenticator/")
    seed = b32decode(page.context["secret"])
    code = f"{totp(seed):06d}"
    assert client.post("/account/authenticator/", {"code": code}).status_code == 303
    assert client.get("/console/acme/").status_code == 200
    later = signed_in(user)
    for path in ("/console/acme/", "/admin/", "/account/password/", "/account/authenticator/remove/"):
        assert later.get(path)["Location"] == "/account/code/"
    assert later.post("/account/code/", {"code": "000000"}).status_code == 400
    Authenticator.objects.update(last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None)
    assert later.post("/account/code/", {"code": f"{totp(seed):06d}"})["Location"] == "/console/"
    assert later.get("/console/acme/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_authenticator_is_removed_with_the_password_and_shown_to_nobody(acme: Customer) -> None:
    """Number 11 of the hardening: an open session is not enough, and no operator sees a seed."""
    user = member(acme, "owner")
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = signed_in(user)
    secret = client.get("/account/authenticator/").context["secret"]
    client.post("/account/authenticator/", {"code": f"{totp(b32decode(secret)):06d}"})
    device = Authenticator.objects.get(user=user)
    assert secret not in (client.get("/account/authenticator/").content + client.get("/account/").content).decode()
    for address in ("", f"{device.pk}/change/", f"{device.pk}/delete/"):
        page = client.get(f"/admin/tenants/authenticator/{address}")
        assert page.status_code == 200
        assert secret not in page.content.decode()
        assert b"otpauth" not in page.content
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    remove = "/account/authenticator/remove/"
    assert client.get(remove).status_code == 200
    assert client.post(remove, {"password": "a guess"}).status_code == 200
    assert client.post(remove).status_code == 200
    assert Authenticator.objects.filter(user=user, confirmed=True).exists()
    assert client.post(remove, {"password": PASSWORD})["Location"] == "/account/"
    assert not Authenticator.objects.filter(user=user).exists()


def test_whoever_revokes_a_key_chooses_what_becomes_of_those_that_it_issued(acme: Customer) -> None:
    owner = signed_in(member(acme, "owner"))
    entered = access.caller_for_key(*keys.split(acme.issued.token), via="tests")
    made = [issue_key(entered, name=f"made {number}", scopes=["search"]).key for number in range(2)]
    assert b'name="issued"' in owner.get(_address("keys")).content
    living = ApiKey.objects.of(acme.tenant).filter(revoked_at=None)
    owner.post(_address("key_revoke", key=made[0].pk))
    owner.post(_address("key_revoke", key=acme.issued.key.pk), {"issued": "keep"})
    assert [key.name for key in living] == ["made 1"]
    owner.post(_address("key_revoke", key=acme.issued.key.pk), {"issued": "revoke"})
    assert not living.all()
    assert b'name="issued"' not in owner.get(_address("keys")).content


def test_guesses_of_the_password_for_removal_count_as_at_the_sign_in(acme: Customer) -> None:
    client = signed_in(member(acme, "owner"))
    answers = [client.post("/account/authenticator/remove/", {"password": "a guess"}).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Count from nothing, in the database, and let no hour end meanwhile."""
    settings.LIMITS_URL = "database"
    monkeypatch.setattr("tenants.limits._leases", {})
    monkeypatch.setattr("tenants.limits.time.time", lambda: 1_800_000_010.0)


@pytest.mark.usefixtures("counts")
def test_a_forgotten_password_is_renewed_by_mail(acme: Customer, client: Client) -> None:
    member(acme, "owner")
    for address in ("owner@example.com", "nobody@example.com"):
        assert client.post("/account/forgotten/", {"email": address})["Location"] == "/account/forgotten/sent/"
    (letter,) = _letters()
    link = _path(next(word for word in letter.body.split() if "/account/forgotten/" in word))
    form = client.get(link)["Location"]
    client.post(form, {"new_password1": "a wholly new phrase", "new_password2": "a wholly new phrase"})
    renewed = client.post("/account/login/", {"username": "owner@acme", "password": "a wholly new phrase"})
    assert renewed["Location"] == "/console/"


@pytest.mark.usefixtures("counts")
def test_no_link_leads_where_a_request_s_host_says(acme: Customer, settings: Settings) -> None:
    """Number 11 of the hardening: ALLOWED_HOSTS lets any port pass, so a Host header names somebody else's server."""
    settings.PUBLIC_URL = "https://faces.example.com:8443"
    owner, strange = member(acme, "owner"), {"Host": "localhost:6666", "X-Forwarded-Host": "evil.example"}
    Client(headers=strange).post("/account/forgotten/", {"email": "owner@example.com"})
    (letter,) = _letters()
    page = Client(headers=strange)
    page.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    invited = page.post(_address("members"), {"email": "new@example.com", "role": "operator"})
    made = page.post(_address("keys"), {"name": "gate", "scopes": ["search"]})
    for shown in (letter.body, invited.content.decode(), made.content.decode()):
        assert "https://faces.example.com:8443/" in shown
        assert "6666" not in shown
        assert "evil" not in shown


@pytest.mark.usefixtures("counts")
def test_a_slow_mail_server_does_not_tell_who_is_known(acme: Customer, client: Client) -> None:
    """The answer is there before the letter, which is in its reader's language."""
    member(acme, "owner")
    gate = Event()
    POST.submit(gate.wait, 10)
    client.post("/account/forgotten/", {"email": "owner@example.com"}, headers={"Accept-Language": "ko"})
    assert mail.outbox == []
    gate.set()
    assert [letter.subject for letter in _letters()] == ["Faceplane 비밀번호 재설정"]


def _forgets(address: str, place: str) -> tuple[object, ...]:
    """Ask for a new password from somewhere; return what one sees, but for tokens, which are 64 letters."""
    client = Client(REMOTE_ADDR=place)
    answer = client.post("/account/forgotten/", {"email": address})
    page = client.get("/account/forgotten/sent/").content
    told = re.sub(rb'"\w{64}"', b"", page)
    return answer.status_code, answer["Location"], answer.content, *sorted(answer.headers), told


def _letters() -> list[mail.EmailMessage]:
    """Return what was sent, when all of it is; they are sent one after the other."""
    POST.submit(int).result(timeout=10)
    return mail.outbox


def _sent_to(address: str) -> int:
    return sum(letter.to == [address] for letter in _letters())


@pytest.mark.usefixtures("counts")
def test_few_letters_an_hour_go_to_one_account_and_nobody_sees_which(acme: Customer) -> None:
    member(acme, "owner")
    member(acme, "admin")
    seen = {_forgets("owner@example.com", f"192.0.2.{number}") for number in range(8)}
    seen |= {_forgets("nobody@example.com", f"192.0.2.{number}") for number in range(8)}
    assert _sent_to("owner@example.com") == len(_letters()) == 5
    (one,) = seen
    assert one[:2] == (303, "/account/forgotten/sent/")
    _forgets("admin@example.com", "192.0.2.1")
    assert _sent_to("admin@example.com") == 1


@pytest.mark.usefixtures("counts")
@pytest.mark.parametrize(
    ("places", "another"),
    [
        (["192.0.2.1", "::ffff:192.0.2.1"], "::ffff:192.0.2.2"),
        (["2001:db8::1", "2001:db8::ffff:1"], "2001:db8:0:1::1"),
        (["", "nonsense"], "192.0.2.1"),
    ],
)
def test_few_letters_an_hour_are_sent_for_one_place(acme: Customer, places: list[str], another: str) -> None:
    """Asking for addresses that nobody has counts too, or one would see which somebody has."""
    member(acme, "owner")
    for number in range(20):
        _forgets("nobody@example.com", places[number % 2])
    for place in places:
        _forgets("owner@example.com", place)
    assert _letters() == []
    _forgets("owner@example.com", another)
    assert len(_letters()) == 1
    assert Allowance.objects.exists()
    forget()
    assert Allowance.objects.exists()
    Allowance.objects.update(start=1_800_000_000 - 86_400)
    forget()
    assert not Allowance.objects.exists()


def test_the_audit_log_shows_a_broken_chain(acme: Customer) -> None:
    auditor = signed_in(member(acme, "auditor"))
    verify = _address("audit_verify")
    assert b"The chain is whole" in auditor.get(verify).content
    AuditEntry.objects.of(acme.tenant).filter(number=2).update(action="nothing.happened")
    assert b"The chain is broken at entry 2" in auditor.get(verify).content


def test_a_policy_out_of_bounds_is_shown_by_its_form_and_not_saved(acme: Customer, crowd: Collection) -> None:
    admin = signed_in(member(acme, "admin"))
    answer = admin.post(_address("collection", node=crowd.node), {"similarity_threshold": "7"})
    assert answer.status_code == 400
    crowd.refresh_from_db()
    assert crowd.similarity_threshold < 1


def test_a_collection_is_renamed_unless_the_name_is_taken(acme: Customer, crowd: Collection) -> None:
    admin, page = signed_in(member(acme, "admin")), _address("collection", node=crowd.node)
    policy = {name: value for name, value in admin.get(page).context["form"].initial.items() if value}
    create_collection(acme.caller, name="taken")
    assert admin.post(page, policy | {"name": "taken"}).status_code == 409
    assert admin.post(page, policy | {"name": "lobby"}).status_code == 303
    crowd.refresh_from_db()
    assert crowd.name == "lobby"
    (entry,) = AuditEntry.objects.of(acme.tenant).filter(action__startswith="collection.", target_id=str(crowd.pk))[1:]
    assert (entry.action, entry.facts) == ("collection.renamed", {"before": "people", "after": "lobby"})


def test_faces_are_kept_for_a_hundred_years_or_for_good(acme: Customer, crowd: Collection) -> None:
    """The form, the native API and the policy itself agree; more days than there are dates would stop the worker."""
    admin, page = signed_in(member(acme, "admin")), _address("collection", node=crowd.node)
    policy = {name: value for name, value in admin.get(page).context["form"].initial.items() if value}
    key = {"x-api-key": acme.issued.token}
    for days, shown, told in ((36_500, 303, 200), (36_501, 400, 422), (10**9, 400, 422)):
        answer = admin.post(page, policy | {"retention_days": days})
        assert answer.status_code == shown
        said = {"retention_days": days}
        native = Client().patch("/api/v1/collections/people", said, "application/json", headers=key)
        assert native.status_code == told
        if shown == 400:
            assert list(answer.context["form"].errors) == list(native.json()["errors"]) == ["retention_days"]
            with pytest.raises(ValidationError, match="retention_days"):
                update_collection(acme.caller, collection="people", retention_days=days)
    crowd.refresh_from_db()
    assert crowd.retention_days == 36_500
    expire_faces.run()
    assert crowd.faces.exists()


def test_a_collection_is_deleted_only_under_its_typed_name(acme: Customer, crowd: Collection) -> None:
    admin, page = signed_in(member(acme, "admin")), _address("collection_delete", node=crowd.node)
    assert admin.post(page, {"typed": "peopel"}).status_code == 400
    assert admin.post(page, {"typed": "people"}).status_code == 303
    crowd.refresh_from_db()
    assert crowd.state == "deleted"
    assert admin.get(_address("collection", node=crowd.node)).status_code == 404


def test_the_policy_of_content_is_strict_everywhere_but_in_the_operators_admin(acme: Customer) -> None:
    client = signed_in(member(acme, "auditor"))
    for path in ("/account/login/", "/console/acme/", "/console/acme/nowhere/"):
        policy = client.get(path)["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/account/login/", "/console/acme/"])
def test_the_console_speaks_korean_to_those_who_wish(acme: Customer, path: str) -> None:
    client = signed_in(member(acme, "auditor")) if "acme" in path else Client()
    answer = client.get(path, headers={"Accept-Language": "ko"})
    assert 'lang="ko"' in answer.content.decode()


def test_the_generation_of_the_nhn_contract_is_chosen_by_name(acme: Customer) -> None:
    admin, codes = signed_in(member(acme, "admin")), {}
    assert admin.get(_address("settings")).context["form"]["nhn_profile"].value() == "prerelease"
    for profile in ("current", "prerelease"):
        assert admin.post(_address("settings"), {"name": "Acme", "nhn_profile": profile}).status_code == 303
        assert admin.get(_address("settings")).context["form"]["nhn_profile"].value() == profile
        path = f"/nhn-face-reco/v1.0/appkeys/{acme.issued.key.pk}/groups/nobody"
        answer = Client().get(path, headers={"Authorization": acme.issued.secret})
        codes[profile] = answer.json()["header"]["resultCode"]
    assert codes == {"current": -40030, "prerelease": -40000}


def test_a_vendors_client_is_answered_in_no_other_language(client: Client) -> None:
    answer = client.get("/faces", headers={"Accept-Language": "ko"})
    assert answer.json()["message"] == "API Key is required."
    assert "Content-Language" not in answer


@pytest.mark.parametrize("count", [1, 19, 20, 21, 40])
def test_p95_is_the_nearest_rank(acme: Customer, count: int) -> None:
    """On the overview, as in the benchmarks: the shortest time within which 95 of 100 were answered."""
    times = [float(number) for number in range(1, count + 1)]
    for milliseconds in times:
        SearchRecord.everywhere.create(
            tenant=acme.tenant,
            collection=acme.people,
            threshold=0.4,
            outcome="match",
            gallery_size=1,
            milliseconds=milliseconds,
        )
    assert overview(acme.caller).p95 == percentile(times, 95) == math.ceil(0.95 * count)


def test_the_overview_says_how_each_index_is(acme: Customer, globex: Customer) -> None:
    """Of one's own collections, and of nobody else's."""
    making = create_collection(acme.caller, name="being made")
    create_collection(acme.caller, name="untouched")
    for home in (acme.people, globex.people):
        IndexSegment.everywhere.create(
            tenant=home.tenant,
            gallery_id=home.pk,
            name=f"of {home.pk}"[:32],
            kind="flat",
            pack="light",
            low=0,
            high=1,
            rows=1,
            bytes=1,
            rank1=1,
            recall=1,
            condition="damaged",
        )
    soon = timezone.now() + timedelta(seconds=60)
    Compaction.everywhere.create(tenant=acme.tenant, gallery_id=making.pk, stage="reading", leased_until=soon)
    auditor = signed_in(member(acme, "auditor"))
    page = auditor.get(_address("overview"))
    shown = {home.name: str(condition) for home, condition in page.context["collections"]}
    assert shown == {"being made": "being_made", "people": "damaged", "untouched": "sound"}
    for words in ("index being made", "index damaged", "index sound"):
        assert words in page.content.decode()
    index = _address("index", node=making.node)
    assert "being made" in auditor.get(index).content.decode()
    Compaction.objects.of(acme.tenant).update(leased_until=timezone.now())  # its worker was killed
    assert "index being made" not in auditor.get(_address("overview")).content.decode()
    waiting = auditor.get(index).content.decode()
    assert "being made" not in waiting
    assert "every 2s" in waiting
    Compaction.objects.of(acme.tenant).update(stage="")
    assert "every 2s" not in auditor.get(index).content.decode()


def test_a_key_of_the_console_keeps_to_its_limits(acme: Customer) -> None:
    admin = signed_in(member(acme, "admin"))
    said = {"name": "gate", "scopes": ["search"], "collections": ["people"], "networks": "192.0.2.0/24, 198.51.100.7"}
    admin.post(_address("keys"), {**said, "days": 7, "requests_per_minute": 60, "calls_per_day": 1000})
    key = ApiKey.objects.of(acme.tenant).get(name="gate")
    assert (key.requests_per_minute, key.calls_per_day) == (60, 1000)
    assert key.networks == ["192.0.2.0/24", "198.51.100.7/32"]
    assert key.collections == [acme.people.pk]


@pytest.mark.parametrize("role", ["owner", "admin", "operator", "auditor"])
def test_a_key_s_page_says_what_it_does_not_do_and_does_not_do_it(acme: Customer, role: str) -> None:
    """For whoever may not, with forms that are wrong, and of keys that are revoked or not there."""
    client, may, key = signed_in(member(acme, role)), role in {"owner", "admin"}, acme.issued.key
    gone = keys.issue(acme.tenant, name="gone", scopes=["read"]).key
    revoke_key(acme.caller, key=gone.pk)
    rotate, revoke = (
        {of: _address(f"key_{name}", key=of) for of in (key.pk, gone.pk, "x\0")} for name in ("rotate", "revoke")
    )
    right = {"name": "gate", "scopes": ["search"]}
    for address, said, status, sentence in (
        (rotate[key.pk], {"hours": "5"}, 400, "5 is not one of the available choices"),
        (rotate[key.pk], {}, 400, "This field is required"),
        (rotate[gone.pk], {"hours": "0"}, 400, "is revoked"),
        (rotate["x\0"], {"hours": "0"}, 404, "There is no such key"),
        (revoke["x\0"], {}, 404, "There is no such key"),
        (_address("keys"), {}, 400, "This field is required"),
        (_address("keys"), {**right, "days": "0"}, 400, "greater than or equal to 1"),
        (_address("keys"), {**right, "days": "4000"}, 400, "less than or equal to 3650"),
        (_address("keys"), {**right, "calls_per_day": "1" * 20}, 400, "less than or equal to 2147483647"),
        (_address("keys"), {**right, "networks": "here"}, 400, "does not appear to be an IPv4 or IPv6 network"),
        (_address("keys"), {**right, "scopes": ["all"]}, 400, "all is not one of the available choices"),
    ):
        answer = client.post(address, said)
        assert answer.status_code == (status if may else 403), (address, said)
        assert (sentence if may else "Your role does not allow this") in answer.content.decode(), (address, said)
    before, hashed = ApiKey.objects.of(acme.tenant).count(), bytes(key.secret_hash)
    key.refresh_from_db()
    assert (before, bytes(key.secret_hash), key.revoked_at) == (2, hashed, None)
    assert client.post(rotate[key.pk], {"hours": "24"}).status_code == (303 if may else 403)
    assert client.post(revoke[key.pk]).status_code == (303 if may else 403)


def test_a_button_s_form_that_is_wrong_is_refused_with_what_is_wrong(acme: Customer, crowd: Collection) -> None:
    owner_user = member(acme, "owner")
    owner, first = signed_in(owner_user), Member.objects.of(acme.tenant).get(user=owner_user)
    somebody = crowd.people.get(reference="Obama").pk
    for address, said, sentence in (
        (_address("member", member=first.pk), {"role": "king"}, "Role: Select a valid choice"),
        (_address("faces_delete", node=crowd.node), {}, "Faces: This field is required"),
        (_address("faces_move", node=crowd.node), {"person": "x"}, "Person: Enter a whole number"),
        (_address("person_merge", node=crowd.node, person=somebody), {}, "The other person: This field is required"),
        (_address("members"), {"email": f"a@{'b.' * 125}example.com", "role": "auditor"}, "at most 254 characters"),
    ):
        answer = owner.post(address, said)
        assert answer.status_code == 400
        assert sentence in answer.content.decode()


def test_what_nobody_foresaw_leaves_its_traceback_in_the_log(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the path, which may hold a secret."""

    def fail(_secret: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(access, "invitation_for", fail)
    client.raise_request_exception = False
    answer = client.get("/account/invitation/sesame/")
    assert answer.status_code == 500
    (record,) = [one for one in caplog.records if one.name == "django.request"]
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
    assert "sesame" not in record.getMessage()
    client.get("/account/nowhere/")
    assert len([one for one in caplog.records if one.name == "django.request"]) == 1
