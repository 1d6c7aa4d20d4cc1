"""Check 21: more than fifty probes of one face a minute raise an alert; and how long searches are remembered."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from collections_app.models import Face, SearchRecord
from collections_app.operations.compare import verify
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.search import search_by_face, search_by_image
from collections_app.tasks import purge_searches
from tenants import audit, keys
from tenants.access import Caller, caller_for_key
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.make import portrait


def _key(customer: Customer, name: str) -> Caller:
    issued = keys.issue(customer.tenant, name=name, scopes=["search"])
    return caller_for_key(*keys.split(issued.token), via="tests")


def _alerts(customer: Customer) -> list[dict[str, object]]:
    entries = AuditEntry.objects.of(customer.tenant).filter(action="alert.probing").order_by("number")
    return [entry.facts | {"by": entry.actor_name} for entry in entries]


@pytest.fixture
def enrolled(acme: Customer) -> list[Face]:
    """Two people."""
    return [
        enrol_face(acme.caller, collection="people", image=portrait(name), person=PersonDetails()).faces[0]
        for name in ("macron_2025", "ardern_2018")
    ]


def test_one_more_than_fifty_searches_for_one_face_raise_one_alert(acme: Customer, enrolled: list[Face]) -> None:
    """Check 21: fifty are work, the next is an alert, the ones after it are the same alert."""
    prober = _key(acme, "prober")
    for _ in range(50):
        search_by_face(prober, collection="people", face=enrolled[0].uuid, limit=1)
    assert _alerts(acme) == []
    for _ in range(5):
        search_by_face(prober, collection="people", face=enrolled[0].uuid, limit=1)
    assert _alerts(acme) == [{"face": enrolled[0].uuid, "probes": 51, "seconds": 60, "by": "prober"}]
    assert audit.verify(acme.tenant).sound


def test_a_probe_that_changes_a_little_each_time_is_noticed(
    acme: Customer, enrolled: list[Face], settings: Settings
) -> None:
    """Check 21: two pictures of one person meet the same face; the pictures are not kept to know that."""
    settings.PROBES_PER_MINUTE = 3
    prober, other = _key(acme, "prober"), _key(acme, "other")
    for name in ("macron_2014", "macron_2025", "macron_2014"):
        search_by_image(prober, collection="people", image=portrait(name))
        search_by_image(other, collection="people", image=portrait("ardern_2022"))
    assert _alerts(acme) == []
    search_by_image(prober, collection="people", image=portrait("macron_2025"))
    assert [(alert["by"], alert["face"]) for alert in _alerts(acme)] == [("prober", enrolled[0].uuid)]


def test_an_alert_names_nobody_who_does_not_match(acme: Customer, enrolled: list[Face], settings: Settings) -> None:
    """Whoever reads the log, or has a webhook, would learn which face is nearest below the floor."""
    settings.PROBES_PER_MINUTE = 1
    prober = _key(acme, "prober")
    for _ in range(3):
        search_by_image(prober, collection="people", image=portrait("sunak"))
    assert _alerts(acme) == []


def test_verifications_are_recorded_and_counted(acme: Customer, enrolled: list[Face], settings: Settings) -> None:
    """Checks 21 and 24: who compares with an enrolled face is in the log, and too often is an alert."""
    settings.PROBES_PER_MINUTE = 2
    prober = _key(acme, "prober")
    for _ in range(3):
        verify(prober, collection="people", face=enrolled[0].uuid, image=portrait("macron_2014"))
    entries = AuditEntry.objects.of(acme.tenant).filter(action="face.verified", target_id=str(enrolled[0].pk))
    assert entries.count() == 3
    assert [alert["face"] for alert in _alerts(acme)] == [enrolled[0].uuid]


def test_a_minute_later_it_begins_anew(acme: Customer, enrolled: list[Face], settings: Settings) -> None:
    """Check 21: what was long ago does not count."""
    settings.PROBES_PER_MINUTE = 1
    prober = _key(acme, "prober")
    search_by_face(prober, collection="people", face=enrolled[0].uuid, limit=1)
    SearchRecord.objects.of(acme.tenant).update(at=timezone.now() - timedelta(seconds=61))
    search_by_face(prober, collection="people", face=enrolled[0].uuid, limit=1)
    assert _alerts(acme) == []


@pytest.mark.parametrize(("kept", "left"), [(10, 1), (0, 2)])
def test_a_search_is_forgotten_when_the_log_keeps_it_no_longer(
    acme: Customer, enrolled: list[Face], settings: Settings, kept: int, left: int
) -> None:
    for _ in range(2):
        search_by_image(acme.caller, collection="people", image=portrait("macron_2014"))
    records = SearchRecord.objects.of(acme.tenant)
    eleven_days_ago = timezone.now() - timedelta(days=11)
    records.filter(pk=records.first().pk).update(at=eleven_days_ago)  # type: ignore[union-attr]
    settings.SEARCH_LOG_DAYS = kept
    purge_searches.run()
    assert records.count() == left
