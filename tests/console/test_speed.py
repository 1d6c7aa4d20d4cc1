"""Long lists stay fast: the number of queries of a page, and that none reads the whole gallery.

Times depend on the machine: `manage.py benchmark console` measures them.
"""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collections_app.benchmarks.console import LISTS, fill, stand_for
from collections_app.models import Collection
from collections_app.operations import erase, merge_split
from collections_app.operations.search import search_by_image
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.make import portrait

FACES = 600
LONG = ("collections_app_face", "collections_app_person")
WAYS = [(page, way) for page, ways in LISTS.items() for way in ways]
# The number of queries does not depend on the length of the list.
MOST = {"faces": 11, "people": 10, "health": 15, "overview": 19}


def _asked(acme: Customer, page: str, query: dict[str, str]) -> list[str]:
    """Return the queries of a page."""
    client = signed_in(member(acme, "owner"))
    where = {"tenant": "acme"} | ({} if page == "overview" else {"alias": acme.people.alias})
    filled = {name: stand_for(value, FACES) for name, value in query.items()}
    address = reverse(f"console:{page}", kwargs=where)
    client.get(address)  # the first request of a session needs extra queries
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, filled).status_code == 200
    return [one["sql"] for one in captured.captured_queries if one["sql"].startswith("SELECT")]


def _plan(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + query.replace("%", "%%"), [])
        return [str(row[3]) for row in cursor.fetchall()]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite chooses by rule; PostgreSQL by what it has counted")
@pytest.mark.parametrize(("page", "way"), WAYS)
def test_no_list_reads_or_sorts_the_whole_gallery(acme: Customer, page: str, way: str) -> None:
    """Every query on a long table uses an index for its filter and its order."""
    fill(acme.people, FACES)
    asked = _asked(acme, page, LISTS[page][way])
    assert len(asked) <= MOST[page]
    long = [query for query in asked if any(table in query for table in LONG)]
    assert long
    for query in long:
        for step in _plan(query):
            assert not re.search(r"^SCAN|TEMP B-TREE|AUTOMATIC", step), (query, step)
            by_collection_alone = re.search(r"collections_app_(face|person) USING INDEX \S+ \(collection_id=\?\)", step)
            assert not by_collection_alone, (query, step)


def test_every_filter_finds_what_it_says(acme: Customer) -> None:
    """Compared with the same condition applied to every row."""
    fill(acme.people, FACES)
    client = signed_in(member(acme, "owner"))
    address = reverse("console:faces", kwargs={"tenant": "acme", "alias": acme.people.alias})
    everybody = list(acme.people.faces.select_related("person"))
    day = everybody[FACES // 2].created_at.date()
    right: dict[tuple[tuple[str, str], ...], Any] = {
        (("person", "park"),): lambda face: "park" in face.person.name.lower(),
        (("person", "P7"),): lambda face: "p7" in face.person.reference,
        (("since", str(day)), ("until", str(day))): lambda face: face.created_at.date() == day,
        (("until", str(day)),): lambda face: face.created_at.date() <= day,
        (("quality", "none"),): lambda face: not face.quality_reasons,
        (("quality", "too_dark"),): lambda face: "too_dark" in face.quality_reasons,
        (("liveness", "0.8"),): lambda face: face.liveness is not None and face.liveness < 0.8,
        (("via", "nhn"), ("key", "app")): lambda face: face.via == "nhn",
        (("via", "argos"), ("quality", "none"), ("person", "an")): lambda face: (
            face.via == "argos" and not face.quality_reasons and "an" in face.person.name.lower()
        ),
    }
    for query, wanted in right.items():
        for order in ("", "oldest"):
            assert _all_pages(client, address, {**dict(query), "order": order}) == sorted(
                (face.number for face in everybody if wanted(face)), reverse=not order
            ), query


def test_people_page_by_page_are_all_of_them_in_order(acme: Customer) -> None:
    fill(acme.people, FACES)
    client = signed_in(member(acme, "owner"))
    address = reverse("console:people", kwargs={"tenant": "acme", "alias": acme.people.alias})
    for order in ("", "oldest"):
        seen: list[tuple[Any, int]] = []
        before = ""
        while before is not None:
            found = client.get(address, {"before": before, "order": order}).context
            seen += [(one.person.created_at, one.person.pk) for one in found["people"]]
            assert all(one.face_count == 5 and one.cover.person_id == one.person.pk for one in found["people"])
            before = found["found"].after
        assert len(set(seen)) == FACES // 5
        assert seen == sorted(seen, reverse=not order)


def _all_pages(client: Any, address: str, query: dict[str, str]) -> list[int]:
    seen: list[int] = []
    before = ""
    while before is not None:
        found = client.get(address, {**query, "before": before}).context["found"]
        seen += [face.number for face in found.rows]
        before = found.after
    return seen


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by what it has counted")
def test_a_few_faces_are_found_by_their_ids_and_not_among_all_of_the_collection(
    acme: Customer, crowd: Collection
) -> None:
    """In searches, and when a few faces are viewed, moved or erased."""
    operator = acme.caller
    first, second, third, *_ = [face.uuid for face in crowd.faces.order_by("number")]
    with CaptureQueriesContext(connection) as captured:
        search_by_image(operator, collection="people", image=portrait("obama"))
        merge_split.neighbours(operator, collection="people", face=first)
        merge_split.move_faces(operator, collection="people", faces=[first, second], person=None, name="Two")
        erase.delete_faces(operator, collection="people", faces=[first, second, third])
    queries = [one["sql"] for one in captured.captured_queries if one["sql"].startswith(("SELECT", "UPDATE", "DELETE"))]
    some = [query for query in queries if " IN (" in query and re.search(r"_(face|person)\"", query)]
    assert len(some) > 6
    steps = [step for query in some for step in _plan(query)]
    assert [step for step in steps if re.search(r"^SCAN|\((collection|tenant)_id=\?\)", step)] == []
