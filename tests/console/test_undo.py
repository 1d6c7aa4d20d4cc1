"""What destroyed nothing and let nobody in can be undone for 30 seconds."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from collections_app.models import Collection
from collections_app.operations import merge_split
from tenants.models import AuditEntry, Member
from tests.conftest import Customer
from tests.console.conftest import member, page_url, recognised, signed_in, violations

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]


def _people(crowd: Collection) -> dict[int, tuple[Any, ...]]:
    """Return each person's row, and the ids of their faces."""
    rows = crowd.people.values_list("pk", "reference", "reference_key", "name", "note", "created_at")
    return {row[0]: (*row, *sorted(crowd.faces.filter(person=row[0]).values_list("pk", flat=True))) for row in rows}


def test_a_merge_and_a_split_are_undone_whole(acme: Customer, crowd: Collection) -> None:
    crowd.people.filter(reference="twin").update(note="a note")
    before = _people(crowd)
    obama, twin = crowd.people.get(reference="Obama"), crowd.people.get(reference="twin")
    merged = merge_split.merge_people(acme.caller, collection="people", person=obama.pk, other=twin.pk)
    assert len(_people(crowd)) == len(before) - 1
    assert merge_split.undo_move(acme.caller, undo=json.loads(json.dumps(merged.undo)))
    assert _people(crowd) == before
    assert recognised(acme, "sunak") == "Rishi Sunak"
    faces = [face.uuid for face in crowd.faces.filter(person__reference__in=["Sunak", "Obama"])]
    moved = merge_split.move_faces(acme.caller, collection="people", faces=faces, name="Both")
    assert merge_split.undo_move(acme.caller, undo=moved.undo)
    assert _people(crowd) == before
    moves = AuditEntry.objects.of(acme.tenant).filter(action="face.moved")
    assert [entry.facts["reason"] for entry in moves.order_by("number")] == ["", "undone", "", "", "undone", "undone"]


def test_late_or_after_another_change_nothing_is_undone(acme: Customer, crowd: Collection) -> None:
    sunak, obama = crowd.people.get(reference="Sunak"), crowd.people.get(reference="Obama")
    merged = merge_split.merge_people(acme.caller, collection="people", person=obama.pk, other=sunak.pk)
    after = _people(crowd)
    late = (timezone.now() - timedelta(seconds=31)).isoformat()
    assert merge_split.undo_move(acme.caller, undo={**merged.undo, "at": late}) is None
    assert _people(crowd) == after
    face = crowd.faces.get(pk=next(iter(merged.undo["faces"])))
    merge_split.move_faces(acme.caller, collection="people", faces=[face.uuid], name="Elsewhere")
    after = _people(crowd)
    assert merge_split.undo_move(acme.caller, undo=merged.undo) is None
    assert _people(crowd) == after


def test_a_role_is_given_back_and_no_undo_lets_somebody_in_or_revives_a_key(acme: Customer) -> None:
    client = signed_in(member(acme, "owner"))
    colleague = Member.objects.of(acme.tenant).get(user=member(acme, "auditor"))
    undo = page_url("undo")

    def change(role: str) -> bool:
        """Change the role and undo that; return whether it was offered."""
        client.post(page_url("member", member=colleague.pk), {"role": role})
        offered = bool(client.get(page_url("members")).context["undo_seconds"])
        client.post(undo)
        colleague.refresh_from_db()
        return offered

    assert not change("admin")
    assert colleague.role == "admin"
    assert not change("owner")
    assert colleague.role == "owner"
    assert change("operator")
    assert colleague.role == "owner"
    client.post(page_url("key_revoke", key=acme.issued.key.pk))
    client.post(page_url("member_remove", member=colleague.pk))
    assert client.get(page_url("members")).context["undo_seconds"] == 0
    client.post(undo)
    acme.issued.key.refresh_from_db()
    assert acme.issued.key.revoked_at
    assert not Member.objects.of(acme.tenant).filter(pk=colleague.pk).exists()


def test_another_member_s_offer_undoes_nothing(acme: Customer, crowd: Collection) -> None:
    mine, theirs = (signed_in(member(acme, role)) for role in ("owner", "operator"))
    obama, sunak = crowd.people.get(reference="Obama"), crowd.people.get(reference="Sunak")
    mine.post(page_url("person_merge", alias=crowd.alias, person=obama.pk), {"other": sunak.pk})
    session = theirs.session
    session["undo"] = mine.session["undo"]
    session.save()
    theirs.post(page_url("undo"))
    assert not crowd.people.filter(pk=sunak.pk).exists()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("language", "merge", "undo"), [("en", "Merge into", "Undo"), ("ko", "합치기", "되돌리기")])
def test_a_merge_is_undone_by_a_click(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, crowd: Collection, visit: Visit, language: str, merge: str, undo: str
) -> None:
    obama = crowd.people.get(reference="Obama")
    before = _people(crowd)
    page = visit(member(acme, "operator"), page_url("person", alias=crowd.alias, person=obama.pk), locale=language)
    page.locator("#other").fill("Rishi Sunak")
    page.locator("main").get_by_role("button", name=merge).click()
    page.get_by_role("dialog").locator("[value=confirmed]").click()
    offer = page.get_by_role("button", name=undo)
    expect(offer).to_be_visible()
    assert violations(page) == []
    offer.click()
    expect(page.get_by_role("status")).to_be_visible()
    assert _people(crowd) == before
    expect(page.get_by_role("button", name=undo)).to_have_count(0)
