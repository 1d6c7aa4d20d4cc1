"""How many SQL statements a request takes, on the database that the suite runs on; times depend on the machine."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import Customer
from tests.dialects.clients import FacedbClient, details
from tests.make import base64_of, portrait

Send = Callable[..., Any]


@pytest.fixture
def send(acme: Customer) -> Send:
    client = Client()

    def send(path: str, **body: Any) -> Any:
        answer = client.post(
            f"/api/v1/collections/people/{path}",
            body,
            content_type="application/json",
            headers={"x-api-key": acme.issued.token},
        )
        assert answer.status_code < 300, answer.content
        return answer.json()

    send("faces", image=base64_of(portrait("obama")), person={"name": "Barack"})
    for _ in range(2):  # the first requests fill the index, and say that the key was used
        send("search", image=base64_of(portrait("obama")))
    return send


def counted(request: Callable[[], Any]) -> tuple[int, int]:
    """Return how many rows were asked for, and how many statements changed some; all of them are one commit."""
    with CaptureQueriesContext(connection) as seen:
        request()
    words = Counter(query["sql"].split(" ", 1)[0] for query in seen)
    return words["SELECT"], words["INSERT"] + words["UPDATE"] + words["DELETE"]


def test_a_search_that_finds_somebody(send: Send) -> None:
    """Key; collection with gallery, limits and webhooks; faces with charges; in the commit probes; record and entry."""
    assert counted(lambda: send("search", image=base64_of(portrait("obama")))) == (4, 2)


def test_a_search_that_finds_nobody(send: Send) -> None:
    assert counted(lambda: send("search", image=base64_of(portrait("sunak")))) == (3, 2)


def test_an_enrolment(send: Send) -> None:
    """Key, collection; then gallery, state, data keys; gallery, template, person, face, audit entry."""
    picture = base64_of(portrait("sunak"))
    assert counted(lambda: send("faces", image=picture, person={"name": "Rishi"})) == (5, 5)


def test_a_registration_of_facedb(acme: Customer, send: Send) -> None:
    """As an enrolment, and whether the reference is known."""
    client = FacedbClient(acme.issued.key.pk, acme.issued.secret, acme.people.alias)
    client("list-facedb")
    body = details("sunak", uuId=...)
    answers = []
    assert counted(lambda: answers.append(client("register-facedb", body))) == (6, 5)
    assert [answer["code"] for answer in answers] == [0]
