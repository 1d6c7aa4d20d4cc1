"""What all pages share, the overview, the settings and the audit log."""

import math
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from collections_app.models import Collection, SearchRecord
from collections_app.operations.collections import create_collection
from collections_app.operations.overview import overview
from recognition.evaluation.index_benchmark import percentile
from recognition.models import Compaction, IndexSegment
from tenants import access
from tenants.models import AuditEntry, Member
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in


def test_the_audit_log_shows_a_broken_chain(acme: Customer) -> None:
    auditor = signed_in(member(acme, "auditor"))
    verify = page_url("audit_verify")
    assert b"The chain is whole" in auditor.get(verify).content
    AuditEntry.objects.of(acme.tenant).filter(number=2).update(action="nothing.happened")
    assert b"The chain is broken at entry 2" in auditor.get(verify).content


def test_the_policy_of_content_is_strict_everywhere_but_in_the_operators_admin(acme: Customer) -> None:
    client = signed_in(member(acme, "auditor"))
    for path in ("/account/login/", "/console/acme/", "/console/acme/nowhere/"):
        policy = client.get(path)["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/account/login/", "/console/acme/"])
def test_the_console_speaks_korean_on_request(acme: Customer, path: str) -> None:
    client = signed_in(member(acme, "auditor")) if "acme" in path else Client()
    answer = client.get(path, headers={"Accept-Language": "ko"})
    assert 'lang="ko"' in answer.content.decode()


def test_the_generation_of_the_nhn_contract_is_chosen_by_name(acme: Customer) -> None:
    admin, codes = signed_in(member(acme, "admin")), {}
    assert admin.get(page_url("settings")).context["form"]["nhn_profile"].value() == "prerelease"
    for profile in ("current", "prerelease"):
        chosen = {"name": "Acme", "nhn_profile": profile, "facedb_profile": "documents"}
        assert admin.post(page_url("settings"), chosen).status_code == 303
        assert admin.get(page_url("settings")).context["form"]["nhn_profile"].value() == profile
        path = f"/nhn-face-reco/v1.0/appkeys/{acme.issued.key.pk}/groups/nobody"
        answer = Client().get(path, headers={"Authorization": acme.issued.secret})
        codes[profile] = answer.json()["header"]["resultCode"]
    assert codes == {"current": -40030, "prerelease": -40000}


def test_a_warning_says_what_the_app_key_alone_means(acme: Customer) -> None:
    admin, warning = signed_in(member(acme, "admin")), "Ids stand in URLs"
    assert warning not in admin.get(page_url("settings")).content.decode()
    chosen = {"name": "Acme", "nhn_profile": "current_appkey_only", "facedb_profile": "documents"}
    assert admin.post(page_url("settings"), chosen).status_code == 303
    assert warning in admin.get(page_url("settings")).content.decode()


def test_a_vendors_client_is_answered_in_no_other_language(client: Client) -> None:
    answer = client.get("/faces", headers={"Accept-Language": "ko"})
    assert answer.json()["message"] == "API Key is required."
    assert "Content-Language" not in answer


def test_nor_in_the_language_of_the_page_that_its_thread_showed_before(client: Client, acme: Customer) -> None:
    page = client.get(reverse("console:login"), headers={"Accept-Language": "ko"})
    assert "로그인" in page.content.decode()
    body = {"collectionId": "people", "requestName": None, "faceImage": ""}
    answer = client.post("/search", body, "application/json", headers={"x-api-key": acme.issued.token})
    assert answer["X-Reason"] == "requestName: This field is required."


@pytest.mark.parametrize("count", [1, 19, 20, 21, 40])
def test_p95_is_the_nearest_rank(acme: Customer, count: int) -> None:
    """On the overview, as in the benchmarks: the shortest time within which 95 of 100 searches were answered."""
    times = [float(number) for number in range(1, count + 1)]
    for milliseconds in times:
        SearchRecord.unscoped.create(
            tenant=acme.tenant,
            collection=acme.people,
            threshold=0.4,
            outcome="match",
            gallery_size=1,
            milliseconds=milliseconds,
        )
    assert overview(acme.caller).p95 == percentile(times, 95) == math.ceil(0.95 * count)


def test_the_overview_says_how_each_index_is(acme: Customer, globex: Customer) -> None:
    """Only for the tenant's own collections."""
    making = create_collection(acme.caller, name="being made")
    create_collection(acme.caller, name="untouched")
    for collection in (acme.people, globex.people):
        IndexSegment.unscoped.create(
            tenant=collection.tenant,
            gallery_id=collection.pk,
            name=f"of {collection.pk}"[:32],
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
    enqueue = timezone.now() + timedelta(seconds=60)
    Compaction.unscoped.create(tenant=acme.tenant, gallery_id=making.pk, stage="reading", leased_until=enqueue)
    auditor = signed_in(member(acme, "auditor"))
    page = auditor.get(page_url("overview"))
    shown = {collection.name: str(condition) for collection, condition in page.context["collections"]}
    assert shown == {"being made": "being_made", "people": "damaged", "untouched": "sound"}
    for words in ("index being built", "index damaged", "index healthy"):
        assert words in page.content.decode()
    index = page_url("index", alias=making.alias)
    assert "being built" in auditor.get(index).content.decode()
    Compaction.objects.of(acme.tenant).update(leased_until=timezone.now())  # its worker was killed
    assert "index being built" not in auditor.get(page_url("overview")).content.decode()
    waiting = auditor.get(index).content.decode()
    assert "being built" not in waiting
    assert "every 2s" in waiting
    Compaction.objects.of(acme.tenant).update(stage="")
    assert "every 2s" not in auditor.get(index).content.decode()


def test_a_button_s_form_that_is_wrong_is_refused_with_what_is_wrong(acme: Customer, crowd: Collection) -> None:
    owner_user = member(acme, "owner")
    owner, first = signed_in(owner_user), Member.objects.of(acme.tenant).get(user=owner_user)
    somebody = crowd.people.get(reference="Obama").pk
    for address, body, sentence in (
        (page_url("member", member=first.pk), {"role": "king"}, "Role: Select a valid choice"),
        (page_url("faces_delete", alias=crowd.alias), {}, "Faces: This field is required"),
        (page_url("faces_move", alias=crowd.alias), {"person": "x"}, "Person: Enter a whole number"),
        (page_url("person_merge", alias=crowd.alias, person=somebody), {}, "The other person: This field is required"),
        (page_url("members"), {"email": f"a@{'b.' * 125}example.com", "role": "auditor"}, "at most 254 characters"),
    ):
        answer = owner.post(address, body)
        assert answer.status_code == 400
        assert sentence in answer.content.decode()


def test_an_unexpected_error_is_logged_with_its_traceback(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The message leaves out the path, which may hold a secret."""

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
