"""How many SQL statements a request takes, on the database that the suite runs on; times depend on the machine."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import Customer
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


def counted(send: Send, path: str, **body: Any) -> tuple[int, int]:
    """Return how many rows were asked for, and how many statements changed some."""
    with CaptureQueriesContext(connection) as seen:
        send(path, **body)
    words = Counter(query["sql"].split(" ", 1)[0] for query in seen)
    return words["SELECT"], words["INSERT"] + words["UPDATE"] + words["DELETE"]


def test_a_search_that_finds_somebody(send: Send) -> None:
    """Key, budget, collection with gallery, faces; then in the commit budget, webhooks, probes, head."""
    assert counted(send, "search", image=base64_of(portrait("obama"))) == (8, 3)


def test_a_search_that_finds_nobody(send: Send) -> None:
    assert counted(send, "search", image=base64_of(portrait("sunak"))) == (5, 3)


def test_an_enrolment(send: Send) -> None:
    """Key, collection; then gallery, state, data keys, webhooks, head; gallery, template, person, face, entry, head."""
    picture = base64_of(portrait("sunak"))
    assert counted(send, "faces", image=picture, person={"name": "Rishi"}) == (7, 6)
