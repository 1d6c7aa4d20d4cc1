"""Who looked at, searched for or changed a person: in two clicks, and exported as it is shown."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import Page, expect

from collections_app.models import Collection, SearchRecord
from collections_app.operations import data_subject, merge_split
from collections_app.operations.search import search_by_image
from collections_app.operations.timeline import Timeline, timeline
from tenants import audit, signing
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in, violations
from tests.make import portrait

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]


def _of(acme: Customer, person: Any, **changes: Any) -> Timeline:
    now = timezone.now()
    what = {"since": now - timedelta(days=7), "until": now + timedelta(seconds=1)} | changes
    return timeline(acme.caller, collection="people", person=person.pk, **what)


def _what(found: Timeline) -> list[tuple[str, str]]:
    return [(each.deed, each.action) for each in reversed(found.moments)]


def test_a_timeline_has_every_deed_to_its_person_and_none_to_others(acme: Customer, crowd: Collection) -> None:
    sunak, macron = crowd.people.get(reference="Sunak"), crowd.people.get(reference="Macron")
    client = signed_in(member(acme, "owner"))
    client.get(page_url("people", alias=crowd.alias))
    client.get(page_url("person", alias=crowd.alias, person=macron.pk))
    search_by_image(acme.caller, collection="people", image=portrait("sunak"))
    search_by_image(acme.caller, collection="people", image=portrait("macron_2014"))
    details = data_subject.PersonDetails(note="late")
    data_subject.update_person(acme.caller, collection="people", person=sunak.pk, details=details)
    data_subject.export_person(acme.caller, collection="people", person=sunak.pk)
    assert _what(_of(acme, sunak)) == [
        ("changed", "face.enrolled"),
        ("looked", "face.shown"),
        ("searched", "collection.searched"),
        ("changed", "person.changed"),
        ("looked", "person.exported"),
    ]
    assert [action for _, action in _what(_of(acme, sunak, deed="looked"))] == ["face.shown", "person.exported"]
    assert [action for _, action in _what(_of(acme, macron))].count("face.shown") == 2
    (found,) = (each for each in _of(acme, sunak).moments if each.search)
    assert SearchRecord.objects.of(acme.tenant).get(uuid=found.search).best in sunak.faces.values_list(
        "uuid", flat=True
    )


def test_only_the_entries_of_the_span_are_read(acme: Customer, crowd: Collection) -> None:
    """By number, found by halving: entries have no index by time."""
    sunak = crowd.people.get(reference="Sunak")
    for days in range(40):
        audit.record(acme.caller, "person.changed", sunak, day=days)
    entries = AuditEntry.objects.of(acme.tenant).filter(action="person.changed").order_by("number")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    AuditEntry.objects.of(acme.tenant).update(at=start - timedelta(days=1))
    for day, entry in enumerate(entries):
        AuditEntry.objects.of(acme.tenant).filter(pk=entry.pk).update(at=start + timedelta(days=day))
    with CaptureQueriesContext(connection) as seen:
        found = _of(acme, sunak, since=start + timedelta(days=30), until=start + timedelta(days=33))
    assert [moment.at for moment in found.moments] == [start + timedelta(days=day) for day in (32, 31, 30)]
    assert len(seen) < 16
    assert f'"number" >= {entries[30].number}' in seen[-1]["sql"]


def test_a_moved_face_takes_its_history_along(acme: Customer, crowd: Collection) -> None:
    sunak = crowd.people.get(reference="Sunak")
    face = sunak.faces.get()
    merge_split.move_faces(acme.caller, collection="people", faces=[face.uuid], name="Somebody", reason="wrong")
    somebody = crowd.people.get(name="Somebody")
    assert ("changed", "face.moved") in _what(_of(acme, somebody))
    assert "wrong" in [moment.reason for moment in _of(acme, somebody).moments]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("language", "button", "shown"), [("en", "Timeline", "face viewed"), ("ko", "타임라인", "얼굴")]
)
def test_who_looked_at_a_person_takes_two_clicks(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, crowd: Collection, visit: Visit, language: str, button: str, shown: str
) -> None:
    search_by_image(acme.caller, collection="people", image=portrait("sunak"))
    sunak = crowd.people.get(reference="Sunak")
    page = visit(member(acme, "owner"), page_url("person", alias=crowd.alias, person=sunak.pk), locale=language)
    page.get_by_role("main").get_by_role("link", name=button).click()
    expect(page.get_by_role("table")).to_contain_text(shown)
    assert violations(page) == []
    rows = page.get_by_role("row").count() - 1
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        table, statement = sorted(archive.namelist(), key=lambda name: name == "statement.json")
        signing.check(json.loads(archive.read(statement)))
        lines = list(csv.DictReader(io.StringIO(archive.read(table).decode())))
    assert len(lines) == rows
    assert {line["deed"] for line in lines} == {"looked", "searched", "changed"}
